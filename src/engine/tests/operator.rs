//! Promise: what the operator says is done, shown, and undone when it expires.

use std::sync::Arc;
use std::time::Duration;

use super::Bench;
use crate::domain::fleet::{AdminState, PinScope};
use crate::domain::task::Task;
use crate::domain::tier::{Target, Tier};
use crate::engine::{Command, Engine, Fact, Progress};
use crate::provider::scripted::{Play, Scripted, Step};
use crate::provider::{Event, Finish};

async fn set(engine: &Engine, target: Target, state: AdminState, lasts: Option<Duration>) {
    let command = Command::SetAdmin { target, state, lasts, reason: Arc::from("test") };
    engine.command(command, &Arc::from("tester")).await.expect("the target exists");
}

async fn pin(engine: &Engine, tier: Tier, scope: PinScope, only: bool, lasts: Option<Duration>) {
    let command = Command::Pin { target: Target::Tier(tier), scope, only, lasts, reason: Arc::from("") };
    engine.command(command, &Arc::from("tester")).await.expect("the target exists");
}

async fn tier_of(engine: &Engine, prompt: &str) -> Option<Tier> {
    engine.call(prompt).await.ok().map(|reply| reply.ending.tier)
}

#[tokio::test(start_paused = true)]
async fn a_drained_tier_gets_no_new_requests_until_it_is_ready_again() {
    let bench = Bench::answering();
    let claude = Target::Tier(Tier::Claude);
    assert_eq!(tier_of(&bench.engine, "Explain tides").await, Some(Tier::Claude));
    for state in [AdminState::Drain, AdminState::Maint] {
        set(&bench.engine, claude.clone(), state, None).await;
        assert_eq!(tier_of(&bench.engine, "Explain tides").await, Some(Tier::Frontier));
    }
    set(&bench.engine, claude, AdminState::Ready, None).await;
    assert_eq!(tier_of(&bench.engine, "Explain tides").await, Some(Tier::Claude));
}

#[tokio::test(start_paused = true)]
async fn a_drain_lets_what_is_in_flight_finish() {
    let slow = Play::Steps(vec![
        Step::Yield(Event::Text("first".into())),
        Step::Wait(Duration::from_secs(5)),
        Step::Yield(Event::Text(" last".into())),
        Step::Yield(Event::Done(Finish::Stop)),
    ]);
    let ok = || Scripted::new([Play::answer("ok")]);
    let bench = Bench::new(Scripted::new([slow]), ok(), ok(), ok());
    let target = Target::Tier(Tier::Claude);
    let mut answer = bench.engine.claude("hi").stream().expect("there is a route");
    while !matches!(answer.next().await, Some(Progress::Text(_))) {}
    set(&bench.engine, target.clone(), AdminState::Drain, None).await;
    let mut snapshots = bench.engine.snapshots();
    let draining = snapshots.wait_for(|snapshot| snapshot.fleet.in_flight(&target) == 1).await;
    assert!(draining.is_ok());
    drop(draining);
    assert_eq!(answer.whole().await.expect("it finishes").text, " last");
    snapshots.wait_for(|snapshot| snapshot.fleet.in_flight(&target) == 0).await.expect("drained");
}

#[tokio::test(start_paused = true)]
async fn a_drain_with_an_expiry_undoes_itself() {
    let bench = Bench::answering();
    set(&bench.engine, Target::Tier(Tier::Claude), AdminState::Drain, Some(Duration::from_secs(60))).await;
    assert_eq!(tier_of(&bench.engine, "Explain tides").await, Some(Tier::Frontier));
    tokio::time::advance(Duration::from_secs(61)).await;
    assert_eq!(tier_of(&bench.engine, "Explain tides").await, Some(Tier::Claude));
}

#[tokio::test(start_paused = true)]
async fn a_pin_changes_the_outcome_within_its_scope_and_says_so() {
    let bench = Bench::answering();
    pin(&bench.engine, Tier::Gpu, PinScope::Task(Task::Explanation), false, None).await;
    let reply = bench.engine.call("Explain tides").await.expect("gpu answers");
    assert_eq!(reply.ending.tier, Tier::Gpu);
    assert!(reply.decision.pin.as_ref().is_some_and(|pin| pin.changed));
    assert_eq!(reply.decision.headline(), "pinned to tier gpu");
    let other = bench.engine.call("Rate this action: wait").await.expect("local answers");
    assert_eq!((other.ending.tier, &other.decision.pin), (Tier::Local, &None));
}

#[tokio::test(start_paused = true)]
async fn a_pin_keeps_the_others_as_fallbacks_unless_it_is_an_only_one() {
    let ok = || Scripted::new([Play::answer("ok")]);
    let dead = || Scripted::new([Play::refuse(crate::domain::failure::FailureClass::ServerError)]);
    let bench = Bench::new(ok(), ok(), dead(), ok());
    pin(&bench.engine, Tier::Gpu, PinScope::All, false, None).await;
    assert_eq!(tier_of(&bench.engine, "Explain tides").await, Some(Tier::Claude));
    pin(&bench.engine, Tier::Gpu, PinScope::All, true, None).await;
    assert_eq!(tier_of(&bench.engine, "Explain tides").await, None);
}

#[tokio::test(start_paused = true)]
async fn an_expired_or_removed_pin_is_as_if_it_had_never_been() {
    let bench = Bench::answering();
    pin(&bench.engine, Tier::Gpu, PinScope::All, true, Some(Duration::from_secs(60))).await;
    tokio::time::advance(Duration::from_secs(61)).await;
    assert_eq!(tier_of(&bench.engine, "Explain tides").await, Some(Tier::Claude));
    pin(&bench.engine, Tier::Gpu, PinScope::All, true, None).await;
    let unpin = Command::Unpin { target: Target::Tier(Tier::Gpu) };
    bench.engine.command(unpin, &Arc::from("tester")).await.expect("it was pinned");
    assert_eq!(tier_of(&bench.engine, "Explain tides").await, Some(Tier::Claude));
}

#[tokio::test(start_paused = true)]
async fn every_action_is_told_and_a_wrong_one_is_refused() {
    let bench = Bench::answering();
    let mut facts = bench.engine.facts();
    set(&bench.engine, Target::Tier(Tier::Gpu), AdminState::Drain, None).await;
    let told = loop {
        if let Fact::Operator(action) = facts.recv().await.expect("facts come") {
            break action;
        }
    };
    assert_eq!((&*told.by, told.words.as_str()), ("tester", "drain tier gpu (test)"));
    let wrong = Command::Unpin { target: Target::Tier(Tier::Claude) };
    assert!(bench.engine.command(wrong, &Arc::from("tester")).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn the_operator_can_cancel_a_request() {
    let ok = || Scripted::new([Play::answer("ok")]);
    let bench = Bench::new(Scripted::new([Play::Steps(vec![Step::Hang])]), ok(), ok(), ok());
    let mut answer = bench.engine.claude("hi").stream().expect("there is a route");
    while !matches!(answer.next().await, Some(Progress::Attempting(_))) {}
    bench.engine.command(Command::Cancel(answer.id()), &Arc::from("tester")).await.expect("it is in flight");
    assert!(matches!(answer.whole().await, Err(crate::engine::CallError::Cancelled)));
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_lets_requests_finish_and_takes_no_new_ones() {
    let bench = Bench::answering();
    let answer = bench.engine.claude("hi").stream().expect("there is a route");
    let (reply, ()) = tokio::join!(answer.whole(), bench.engine.shutdown(Duration::from_secs(5)));
    assert_eq!(reply.expect("it finishes").text, "claude");
    assert!(bench.engine.claude("hi").await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_stops_reading_holds_up_no_shutdown() {
    let many = (0..500).map(|_| Step::Yield(Event::Text("word ".into())));
    let ok = || Scripted::new([Play::answer("ok")]);
    let bench = Bench::new(Scripted::new([Play::Steps(many.collect())]), ok(), ok(), ok());
    let mut answer = bench.engine.claude("hi").stream().expect("there is a route");
    while !matches!(answer.next().await, Some(Progress::Text(_))) {}
    let stopped = tokio::time::timeout(Duration::from_secs(60), bench.engine.shutdown(Duration::from_secs(1))).await;
    assert!(stopped.is_ok(), "the shutdown waits for a caller");
    assert!(matches!(answer.whole().await, Err(crate::engine::CallError::Cancelled)), "the end is told all the same");
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_requests_is_refused_rather_than_queued_without_bound() {
    let bench = Bench::answering();
    let limit = usize::try_from(crate::engine::MOST_REQUESTS).expect("it fits");
    // Nothing else runs between these: whoever counts later than here counts too late.
    let flood = std::iter::repeat_with(|| bench.engine.claude("hi").stream()).take(limit + 3);
    let (taken, refused): (Vec<_>, Vec<_>) = flood.partition(Result::is_ok);
    assert_eq!((taken.len(), refused.len()), (limit, 3));
    drop(taken);
    let mut snapshots = bench.engine.snapshots();
    let idle = snapshots.wait_for(|snapshot| snapshot.fleet.in_flight(&Target::Tier(Tier::Claude)) == 0).await;
    assert!(idle.is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_is_made_ready_is_probed_at_once() {
    use crate::domain::health::Health;
    let ok = || Scripted::new([Play::answer("ok")]);
    let bench = Bench::with(ok(), ok(), ok(), ok(), |config| {
        config.backends.iter_mut().for_each(|one| one.probe_every = Duration::from_secs(300));
    });
    bench.engine.first_probes(Duration::from_secs(1)).await;
    for target in [Target::Tier(Tier::Claude), Target::Backend("claude".into())] {
        bench.claude.set_health(Health::Degraded);
        set(&bench.engine, target.clone(), AdminState::Maint, None).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        set(&bench.engine, target, AdminState::Ready, None).await;
        let mut snapshots = bench.engine.snapshots();
        let seen = snapshots.wait_for(|snapshot| {
            snapshot.fleet.of_tier(Tier::Claude).all(|backend| backend.health == Health::Degraded)
        });
        assert!(tokio::time::timeout(Duration::from_secs(2), seen).await.is_ok());
        bench.claude.set_health(Health::Up);
        bench.engine.command(Command::Probe(None), &Arc::from("tester")).await.expect("probes are asked for");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_nobody_holds_any_more_stops_by_itself() {
    let bench = Bench::answering();
    let mut snapshots = bench.engine.snapshots();
    drop(bench);
    while snapshots.changed().await.is_ok() {}
}

#[tokio::test(start_paused = true)]
async fn an_answer_asked_for_whole_says_nothing_about_the_first_token() {
    let bench = Bench::answering();
    let reply = bench.engine.claude("hi").await.expect("claude answers");
    assert_eq!(reply.ending.first_token, None);
    bench.engine.local("hi").stream().expect("there is a route").whole().await.expect("local answers");
    let mut snapshots = bench.engine.snapshots();
    let summaries = snapshots
        .wait_for(|snapshot| snapshot.fleet.tier(Tier::Local).summary.count == 1)
        .await
        .map(|snapshot| [Tier::Claude, Tier::Local].map(|tier| snapshot.fleet.tier(tier).summary))
        .expect("the engine lives");
    assert!(summaries[0].first_token.is_none() && summaries[0].total.is_some());
    assert!(summaries[1].first_token.is_some());
}
