//! Promise: what the operator says is done, shown, and undone when it expires.

use std::sync::Arc;
use std::time::Duration;

use super::Bench;
use crate::domain::breaker::Breaker;
use crate::domain::fleet::{AdminState, CommandError, PinScope};
use crate::domain::health::Health;
use crate::domain::id::RequestId;
use crate::domain::judgement::{Judged, Judgement};
use crate::domain::money::Money;
use crate::domain::task::Task;
use crate::domain::tier::{Target, Tier};
use crate::engine::{CallError, Command, Engine, Fact, Progress};
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

/// Says something, and then nothing more.
fn stuck_after(words: &[&str]) -> Scripted {
    let said = words.iter().map(|word| Step::Yield(Event::Text((*word).to_owned())));
    Scripted::new([Play::Steps(said.chain([Step::Hang]).collect())])
}

/// An answer that takes so many seconds.
fn answers_after(seconds: u64) -> Scripted {
    let steps = [
        Step::Yield(Event::Text("first".into())),
        Step::Wait(Duration::from_secs(seconds)),
        Step::Yield(Event::Done(Finish::Stop)),
    ];
    Scripted::new([Play::Steps(steps.into())])
}

async fn kill(engine: &Engine, target: Target) -> Result<(), CommandError> {
    engine.command(Command::Kill { target }, &Arc::from("tester")).await
}

/// What is held against the backend of claude.
fn blame(engine: &Engine) -> (Health, Breaker, u32) {
    let snapshot = engine.snapshot();
    let backend = snapshot.fleet.backend(&"claude".into()).expect("it is configured");
    (backend.health, backend.breaker, backend.models[0].summary.failed)
}

#[tokio::test(start_paused = true)]
async fn a_request_that_has_delivered_nothing_goes_elsewhere_when_an_operator_takes_it_off() {
    let ok = || Scripted::new([Play::answer("ok")]);
    let bench = Bench::new(stuck_after(&[]), ok(), ok(), ok());
    bench.engine.first_probes(Duration::from_secs(1)).await;
    let before = blame(&bench.engine);
    let mut answer = bench.engine.call("Explain tides").stream().expect("there is a route");
    while !matches!(answer.next().await, Some(Progress::Attempting(_))) {}
    kill(&bench.engine, Target::Tier(Tier::Claude)).await.expect("the tier exists");
    let reply = answer.whole().await.expect("the next one answers");
    assert_eq!((reply.ending.tier, reply.text.as_str()), (Tier::Frontier, "ok"));
    assert_eq!(blame(&bench.engine), before, "the backend did nothing wrong");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_has_delivered_something_is_cut_when_an_operator_takes_it_off() {
    let ok = || Scripted::new([Play::answer("ok")]);
    let bench = Bench::new(stuck_after(&["half an ans"]), ok(), ok(), ok());
    bench.engine.first_probes(Duration::from_secs(1)).await;
    let before = blame(&bench.engine);
    let mut answer = bench.engine.call("Explain tides").stream().expect("there is a route");
    while !matches!(answer.next().await, Some(Progress::Text(_))) {}
    kill(&bench.engine, Target::Model("claude".into(), "model".into())).await.expect("the model exists");
    assert!(matches!(answer.whole().await, Err(CallError::Cut(_))));
    assert_eq!(blame(&bench.engine), before, "the backend did nothing wrong");
    assert_eq!(bench.frontier.seen(), Vec::<String>::new(), "nothing is sent twice once a byte was delivered");
}

#[tokio::test(start_paused = true)]
async fn taking_requests_off_reaches_its_target_alone_and_nothing_that_comes_later() {
    let ok = || Scripted::new([Play::answer("ok")]);
    let bench = Bench::new(answers_after(2), ok(), ok(), ok());
    let mut answer = bench.engine.call("Explain tides").stream().expect("there is a route");
    while !matches!(answer.next().await, Some(Progress::Text(_))) {}
    kill(&bench.engine, Target::Tier(Tier::Gpu)).await.expect("the tier exists");
    assert!(answer.whole().await.is_ok());
    kill(&bench.engine, Target::Tier(Tier::Claude)).await.expect("the tier exists");
    assert_eq!(tier_of(&bench.engine, "Explain tides").await, Some(Tier::Claude));
    assert!(kill(&bench.engine, Target::Backend("nobody".into())).await.is_err());
}

/// The drains that have been told of by now.
async fn drained(facts: &mut tokio::sync::broadcast::Receiver<Fact>) -> Vec<Target> {
    tokio::time::sleep(Duration::from_secs(3)).await;
    let told = std::iter::from_fn(|| facts.try_recv().ok());
    told.filter_map(|fact| if let Fact::Drained(drained) = fact { Some(drained.target.clone()) } else { None })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_drain_is_told_once_when_its_last_request_has_ended() {
    let ok = || Scripted::new([Play::answer("ok")]);
    let bench = Bench::new(answers_after(9), ok(), ok(), ok());
    let mut facts = bench.engine.facts();
    let target = Target::Tier(Tier::Claude);
    let mut answers: Vec<_> =
        (0..2).map(|_| bench.engine.call("Explain tides").stream().expect("there is a route")).collect();
    for answer in &mut answers {
        while !matches!(answer.next().await, Some(Progress::Text(_))) {}
    }
    set(&bench.engine, target.clone(), AdminState::Drain, None).await;
    assert_eq!(drained(&mut facts).await, [], "two are in flight");
    drop(answers.pop());
    assert_eq!(drained(&mut facts).await, [], "one is in flight");
    for answer in answers {
        answer.whole().await.expect("a drain lets it finish");
    }
    assert_eq!(drained(&mut facts).await, [target]);
    tier_of(&bench.engine, "Explain tides").await;
    assert_eq!(drained(&mut facts).await, [], "it is told once");
}

#[tokio::test(start_paused = true)]
async fn a_drain_with_nothing_in_flight_is_told_at_once() {
    let bench = Bench::answering();
    let mut facts = bench.engine.facts();
    let target = Target::Backend("gpu".into());
    set(&bench.engine, target.clone(), AdminState::Drain, None).await;
    assert_eq!(drained(&mut facts).await, [target]);
}

#[tokio::test(start_paused = true)]
async fn a_drain_that_was_called_off_is_never_told() {
    let ok = || Scripted::new([Play::answer("ok")]);
    let bench = Bench::new(answers_after(5), ok(), ok(), ok());
    let mut facts = bench.engine.facts();
    let mut answer = bench.engine.call("Explain tides").stream().expect("there is a route");
    while !matches!(answer.next().await, Some(Progress::Text(_))) {}
    for state in [AdminState::Drain, AdminState::Ready] {
        set(&bench.engine, Target::Tier(Tier::Claude), state, None).await;
    }
    answer.whole().await.expect("it finishes");
    assert_eq!(drained(&mut facts).await, []);
}

#[tokio::test(start_paused = true)]
async fn answers_are_judged_and_a_second_word_replaces_the_first() {
    let bench = Bench::answering();
    let judge = |request, judgement| {
        let engine = bench.engine.clone();
        async move { engine.command(Command::Judge { request, judgement }, &Arc::from("tester")).await }
    };
    let judged = || bench.engine.snapshot().fleet.backends[0].models[0].judged;
    let one = bench.engine.claude("hi").await.expect("claude answers").ending.request;
    let other = bench.engine.claude("hi").await.expect("claude answers").ending.request;
    for (request, judgement) in [(one, Judgement::Good), (other, Judgement::Good), (one, Judgement::Bad)] {
        judge(request, judgement).await.expect("it was answered");
    }
    // The snapshot follows the reply; the next command comes after it.
    let nobody = RequestId(uuid::Uuid::nil());
    assert_eq!(judge(nobody, Judgement::Good).await, Err(CommandError::NotAnswered));
    assert_eq!(judged(), Judged { good: 1, bad: 1, ..Judged::default() });
}

#[tokio::test(start_paused = true)]
async fn a_new_daily_limit_holds_for_the_next_request() {
    let bench = Bench::answering();
    let tester = Arc::from("tester");
    let limit = |limit| bench.engine.command(Command::SetDailyLimit(limit), &tester);
    assert_eq!(tier_of(&bench.engine, "Explain tides").await, Some(Tier::Claude));
    limit(Some(Money::ZERO)).await.expect("a limit can always be set");
    assert_eq!(tier_of(&bench.engine, "Explain tides").await, Some(Tier::Local), "only what costs nothing");
    limit(None).await.expect("a limit can always be lifted");
    assert_eq!(tier_of(&bench.engine, "Explain tides").await, Some(Tier::Claude));
}
