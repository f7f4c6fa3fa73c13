//! Promise: a private prompt, or one with a finding that is kept local, reaches nobody outside this machine, whatever is
//! drained, pinned, broken or over budget.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::Bench;

use crate::domain::failure::FailureClass;
use crate::domain::fleet::{AdminState, PinScope};
use crate::domain::money::Money;
use crate::domain::privacy::{FindingKind, Handling, Ruling};
use crate::domain::prompt::ToolCall;
use crate::domain::request::Privacy;
use crate::domain::tier::{Target, Tier};
use crate::engine::{Command, Progress};
use crate::provider::scripted::{Play, Scripted, Step};
use crate::provider::{Event, Finish};

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

/// E-mail addresses are redacted.
fn redacting(claude: Scripted, local: Scripted, gpu: Scripted, frontier: Scripted) -> Bench {
    Bench::with(claude, local, gpu, frontier, |config| {
        config.policy.guard.handling.insert(FindingKind::Email, Handling::Redact);
    })
}

const ASKED: &str = "Explain why ada@example.org wrote to bob@example.org";
const LEFT: &str = "Explain why [EMAIL_1] wrote to [EMAIL_2]";

#[tokio::test(start_paused = true)]
async fn outside_sees_placeholders_and_the_caller_sees_values() {
    let text = |text: &str| Step::Yield(Event::Text(text.to_owned()));
    let call = ToolCall {
        id: "1".to_owned(),
        name: "send".to_owned(),
        arguments: json!({"to": "[EMAIL_2]"}),
        signature: None,
    };
    let steps = vec![
        Step::Yield(Event::Thinking("about [EMA".to_owned())),
        text("Dear ["),
        text("EMAIL"),
        text("_1], not [EMAIL_3]; [e"),
        Step::Yield(Event::Thinking("IL_2]".to_owned())),
        text("mail_2] ["),
        Step::Yield(Event::ToolCall(call)),
        Step::Yield(Event::Done(Finish::ToolCalls)),
    ];
    let ok = || Scripted::new([Play::answer("ok")]);
    let bench = redacting(Scripted::new([Play::Steps(steps)]), ok(), ok(), ok());
    let mut answer = bench.engine.claude(ASKED).stream().expect("claude answers");
    assert_eq!(answer.decision().verdict.ruling, Ruling::FreeRedacted);
    let (mut text, mut thinking, mut tools) = (String::new(), String::new(), Vec::new());
    while let Some(progress) = answer.next().await {
        match progress {
            Progress::Text(piece) => {
                assert!(!piece.is_empty(), "an empty piece is none");
                text.push_str(&piece);
            }
            Progress::Thinking(piece) => thinking.push_str(&piece),
            Progress::ToolCall(call) => tools.push((text.clone(), call.arguments)),
            Progress::Ended(end) => assert!(end.is_ok(), "{:?}", end.err()),
            _ => {}
        }
    }
    assert_eq!(bench.seen_outside(), vec![LEFT.to_owned()]);
    let whole = "Dear ada@example.org, not [EMAIL_3]; bob@example.org [";
    assert_eq!((text.as_str(), thinking.as_str()), (whole, "about bob@example.org"));
    // What came before the call was told before it.
    assert_eq!(tools, vec![(whole.to_owned(), json!({"to": "bob@example.org"}))]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_ends_within_a_placeholder_is_whole() {
    let steps = vec![Step::Yield(Event::Text("[EMAIL_".to_owned())), Step::Yield(Event::Done(Finish::Stop))];
    let ok = || Scripted::new([Play::answer("ok")]);
    let bench = redacting(Scripted::new([Play::Steps(steps)]), ok(), ok(), ok());
    assert_eq!(bench.engine.claude(ASKED).await.expect("an answer").text, "[EMAIL_");
}

#[tokio::test(start_paused = true)]
async fn whoever_stands_in_inside_gets_the_prompt_as_it_is() {
    let broken = || {
        Scripted::new([Play::Steps(vec![
            Step::Yield(Event::Text("Dear [EMAIL_1], [EMAIL".to_owned())),
            Step::Fail(FailureClass::Truncated),
        ])])
    };
    let local = Scripted::new([Play::answer("[EMAIL_1] is what ada@example.org wrote")]);
    let bench = redacting(broken(), local, broken(), broken());
    let reply = bench.engine.claude(ASKED).or_fallback().await.expect("local answers");
    assert_eq!(reply.ending.tier, Tier::Local);
    // It was asked with the values, so that its brackets are its own.
    assert_eq!(reply.text, "[EMAIL_1] is what ada@example.org wrote");
    assert_eq!(bench.local.seen(), vec![ASKED.to_owned()]);
    assert!(!bench.seen_outside().is_empty());
    assert!(bench.seen_outside().iter().all(|seen| seen == LEFT), "{:?}", bench.seen_outside());
}
