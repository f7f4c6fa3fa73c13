//! Promise: a private prompt, or one with a finding that is kept local, reaches nobody outside this machine, whatever is
//! drained, pinned, broken or over budget.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::Bench;
use crate::domain::failure::FailureClass;
use crate::domain::fleet::{AdminState, PinScope};
use crate::domain::money::Money;
use crate::domain::request::Privacy;
use crate::domain::tier::{Target, Tier};
use crate::engine::Command;
use crate::provider::scripted::{Play, Scripted, Step};

fn plays() -> impl Strategy<Value = Play> {
    prop_oneof![
        Just(Play::answer("ok")),
        proptest::sample::select(FailureClass::ALL.to_vec()).prop_map(Play::refuse),
        Just(Play::Steps(vec![Step::Hang])),
        Just(Play::Steps(vec![Step::Fail(FailureClass::Truncated)])),
    ]
}

fn scripts() -> impl Strategy<Value = Scripted> {
    proptest::collection::vec(plays(), 1..4).prop_map(Scripted::new)
}

fn commands() -> impl Strategy<Value = Command> {
    let tier = proptest::sample::select(Tier::ALL.to_vec());
    let state = proptest::sample::select(vec![AdminState::Ready, AdminState::Drain, AdminState::Maint]);
    let lasts = proptest::option::of(Just(Duration::from_secs(30)));
    prop_oneof![
        (tier.clone(), state, lasts.clone()).prop_map(|(tier, state, lasts)| Command::SetAdmin {
            target: Target::Tier(tier),
            state,
            lasts,
            reason: Arc::from(""),
        }),
        (tier, any::<bool>(), lasts).prop_map(|(tier, only, lasts)| Command::Pin {
            target: Target::Tier(tier),
            scope: PinScope::All,
            only,
            lasts,
            reason: Arc::from(""),
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn nothing_private_leaves_this_machine(
        claude in scripts(),
        local in scripts(),
        gpu in scripts(),
        frontier in scripts(),
        commands in proptest::collection::vec(commands(), 0..6),
        asked in any::<bool>(),
        limit in proptest::option::of(0_i64..1_000_000),
        wanted in proptest::option::of(proptest::sample::select(Tier::ALL.to_vec())),
        fallback in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime");
        let outside = runtime.block_on(async {
            let bench = Bench::with(claude, local, gpu, frontier, |config| {
                config.cost_limit_daily = limit.map(Money);
            });
            for (round, command) in commands.into_iter().enumerate() {
                bench.engine.command(command, &Arc::from("tester")).await.expect("tiers exist");
                let text = if asked { "Explain tides" } else { "Explain tides to ada@example.org" };
                let mut call = bench.engine.call(text);
                if asked {
                    call = call.privacy(Privacy::High);
                }
                if let Some(tier) = wanted.filter(|_| round % 2 == 0) {
                    call = call.tier(tier);
                }
                if fallback {
                    call = call.or_fallback();
                }
                drop(call.await);
            }
            bench.seen_outside()
        });
        prop_assert!(outside.is_empty(), "{outside:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_prompt_without_its_secret_may_leave() {
    let bench = Bench::answering();
    bench.engine.call("Explain tides").await.expect("claude answers");
    assert_eq!(bench.seen_outside(), vec!["Explain tides".to_owned()]);
}

#[tokio::test(start_paused = true)]
async fn a_model_that_turns_out_to_run_elsewhere_after_the_decision_gets_nothing_private() {
    use crate::domain::health::{FoundModel, Health, ProbeReport};
    use crate::engine::CallError;
    let bench = Bench::answering();
    let answer = bench.engine.local("hi").privacy(Privacy::High).stream().expect("local looks like inside");
    // The request's own task has not run yet: this is heard before its leave is asked for.
    let report = ProbeReport {
        health: Health::Up,
        detail: String::new(),
        key_refused: false,
        took: Duration::ZERO,
        models: Some(vec![FoundModel { id: "model".into(), remote: true, ..FoundModel::default() }]),
    };
    let (reply, _) = tokio::sync::oneshot::channel();
    let probed = crate::engine::message::Message::Probed { backend: "local".into(), report, reply };
    assert!(bench.engine.shared.inbox.try_send(probed).is_ok(), "there is room");
    let Err(CallError::NoRoute(decision)) = answer.whole().await else { panic!("it must not be sent") };
    let local = decision.rejected.iter().find(|one| one.tier == Tier::Local).expect("it was considered");
    assert_eq!(local.reason.code(), "privacy_asked");
    assert!(bench.local.seen().is_empty());
    let mut snapshots = bench.engine.snapshots();
    let target = Target::Tier(Tier::Local);
    snapshots.wait_for(|snapshot| snapshot.fleet.in_flight(&target) == 0).await.expect("the lease came back");
}
