//! Promise: where it is wanted, a second candidate is asked when the first is slow by its own measure; one of them answers,
//! the other is stopped, blamed for nothing and paid for.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Bench;
use crate::config::Config;
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::fleet::Timer;
use crate::domain::money::Money;
use crate::domain::request::Constraints;
use crate::domain::tier::Tier;
use crate::engine::{Answer, Attempt, CallError, Delivery, Fact, Finished, Outcome, Progress};
use crate::provider::scripted::{Play, Scripted, Step};
use crate::provider::{Event, Finish};

fn ok() -> Scripted {
    Scripted::new([Play::answer("ok")])
}

fn hang() -> Play {
    Play::Steps(vec![Step::Hang])
}

/// Begins after some milliseconds.
fn after(millis: u64, text: &str) -> Play {
    Play::Steps(vec![
        Step::Wait(Duration::from_millis(millis)),
        Step::Yield(Event::Text(text.to_owned())),
        Step::Wait(Duration::from_millis(500)),
        Step::Yield(Event::Text("!".to_owned())),
        Step::Yield(Event::Done(Finish::Stop)),
    ])
}

fn hedging(config: &mut Config) {
    config.policy.hedge = true;
    // What both may cost is to be known beforehand.
    config.policy.learning.enabled = false;
    for backend in &mut config.backends {
        backend.spec.timeouts.first_token = Timer::Set(Duration::from_secs(10));
    }
}

/// An engine whose claude tier is known to begin within 50 ms, and now plays something else.
async fn bench(then: Play, frontier: Scripted, adjust: impl FnOnce(&mut Config)) -> Bench {
    let claude = Scripted::new((0..20).map(|_| Play::answer("quick")).chain([then]));
    let bench = Bench::with(claude, ok(), ok(), frontier, adjust);
    for _ in 0..20 {
        assert_eq!(ask(&bench, Delivery::Streamed).whole().await.expect("it answers").ending.tier, Tier::Claude);
    }
    bench
}

fn ask(bench: &Bench, delivery: Delivery) -> Answer {
    ask_with(bench, delivery, Constraints::default())
}

fn ask_with(bench: &Bench, delivery: Delivery, constraints: Constraints) -> Answer {
    let prompt = "Explain quantum computing".into();
    bench.engine.submit(prompt, constraints, &Arc::from("test"), delivery).expect("there is a route")
}

async fn finished(facts: &mut tokio::sync::broadcast::Receiver<Fact>) -> Arc<Finished> {
    loop {
        if let Fact::Finished(finished) = facts.recv().await.expect("facts come") {
            return finished;
        }
    }
}

fn class(attempt: &Attempt) -> Option<FailureClass> {
    attempt.outcome.as_ref().err().map(|failure| failure.class)
}

async fn all_given_back(bench: &Bench) {
    let mut snapshots = bench.engine.snapshots();
    let done = snapshots.wait_for(|snapshot| snapshot.fleet.spend.reserved == Money::ZERO && snapshot.in_flight == 0);
    drop(done.await.expect("the engine lives"));
}

#[tokio::test(start_paused = true)]
async fn the_second_candidate_answers_when_the_first_is_slow() {
    for delivery in [Delivery::Streamed, Delivery::Revocable] {
        let bench = bench(hang(), ok(), hedging).await;
        let mut facts = bench.engine.facts();
        let before = Instant::now();
        let reply = ask(&bench, delivery).whole().await.expect("frontier answers");
        assert_eq!((reply.ending.tier, reply.text.as_str()), (Tier::Frontier, "ok"));
        assert!(before.elapsed() < Duration::from_millis(300), "{:?}", before.elapsed());
        // Both are on the ledger; the one that was overtaken is blamed for nothing, and estimated.
        let [overtaken, answered] = &finished(&mut facts).await.attempts[..] else { panic!("two attempts") };
        assert_eq!(
            (overtaken.number, class(overtaken), overtaken.delivered),
            (1, Some(FailureClass::Overtaken), false)
        );
        assert!(overtaken.cost.is_estimate() && overtaken.cost.amount > Some(Money::ZERO));
        assert_eq!((answered.number, class(answered)), (2, None));
        assert_eq!(bench.claude.open(), 0, "its upstream is let go of");
        all_given_back(&bench).await;
        let snapshot = bench.engine.snapshot();
        let claude = snapshot.fleet.of_tier(Tier::Claude).next().expect("there is one");
        assert_eq!((claude.summary.count, claude.summary.failed, claude.health.name()), (20, 0, "up"));
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_may_still_win_and_nothing_of_the_other_is_delivered() {
    // Claude begins 100 ms after the hedge was sent, frontier a moment after it.
    let bench = bench(after(150, "first"), Scripted::new([after(101, "second")]), hedging).await;
    let mut answer = ask(&bench, Delivery::Streamed);
    let (mut text, mut winner) = (String::new(), None);
    let ending = loop {
        match answer.next().await.expect("an end comes") {
            Progress::FirstToken { attempt, .. } => winner = Some(attempt),
            Progress::Text(piece) => text.push_str(&piece),
            Progress::AttemptFailed(attempt) => panic!("{:?}", attempt.outcome),
            Progress::Ended(end) => break end.expect("it answers"),
            _ => {}
        }
    };
    assert_eq!((text.as_str(), winner, ending.tier), ("first!", Some(1), Tier::Claude));
    let numbers: Vec<(u32, Option<FailureClass>)> =
        ending.attempts.iter().map(|one| (one.number, class(one))).collect();
    assert_eq!(numbers, [(2, Some(FailureClass::Overtaken)), (1, None)]);
}

#[tokio::test(start_paused = true)]
async fn whoever_begins_in_the_very_same_moment_only_one_is_heard() {
    let bench = bench(after(150, "first"), Scripted::new([after(100, "second")]), hedging).await;
    let reply = ask(&bench, Delivery::Streamed).whole().await.expect("it answers");
    assert!(["first!", "second!"].contains(&reply.text.as_str()), "{}", reply.text);
    assert_eq!(reply.ending.attempts.iter().filter(|one| one.delivered).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn no_hedge_is_sent_unless_it_is_wanted_needed_known_to_be_and_affordable() {
    let dear = Constraints { max_cost: None, ..Constraints::default() };
    let bound = {
        let bench = bench(hang(), ok(), hedging).await;
        let decision = bench.engine.call("Explain quantum computing").explain();
        decision.candidates[0].estimate.cost_upper.expect("priced")
    };
    // What one of them may cost at most is allowed, what both may cost is not.
    let one_alone = Constraints { max_cost: Some(bound), ..Constraints::default() };
    let slow = || after(200, "slow");
    for (why, then, adjust, delivery, constraints) in [
        ("it is off", slow(), (|_| {}) as fn(&mut Config), Delivery::Streamed, dear.clone()),
        ("the first is in time", after(40, "slow"), hedging as fn(&mut Config), Delivery::Streamed, dear.clone()),
        ("nobody sees a whole answer begin", slow(), hedging, Delivery::Whole, dear.clone()),
        ("both together are too dear", slow(), hedging, Delivery::Streamed, one_alone),
        (
            "one attempt is the limit",
            slow(),
            |config| {
                hedging(config);
                config.policy.max_attempts = 1;
            },
            Delivery::Streamed,
            dear.clone(),
        ),
    ] {
        let bench = bench(then, ok(), adjust).await;
        let reply = ask_with(&bench, delivery, constraints).whole().await.expect(why);
        assert_eq!((reply.text.as_str(), reply.ending.attempts.len()), ("slow!", 1), "{why}");
        assert!(bench.frontier.seen().is_empty(), "{why}");
    }
    // Nineteen answers are too few to tell what is slow.
    let claude = Scripted::new((0..19).map(|_| Play::answer("quick")).chain([slow()]));
    let bench = Bench::with(claude, ok(), ok(), ok(), hedging);
    for _ in 0..20 {
        assert_eq!(ask(&bench, Delivery::Streamed).whole().await.expect("it answers").ending.tier, Tier::Claude);
    }
    assert!(bench.frontier.seen().is_empty());
}

#[tokio::test(start_paused = true)]
async fn when_the_first_fails_the_hedge_goes_on() {
    let failing = Play::Steps(vec![Step::Wait(Duration::from_millis(100)), Step::Fail(FailureClass::ServerError)]);
    let bench = bench(failing, Scripted::new([after(300, "second")]), hedging).await;
    let before = Instant::now();
    let reply = ask(&bench, Delivery::Streamed).whole().await.expect("frontier answers");
    assert_eq!((reply.ending.tier, reply.text.as_str()), (Tier::Frontier, "second!"));
    assert_eq!(bench.frontier.seen().len(), 1, "it is not asked again");
    assert!(before.elapsed() < Duration::from_millis(900), "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn when_the_hedge_fails_the_first_goes_on() {
    let failing = Scripted::new([Play::refuse(FailureClass::ServerError)]);
    let bench = bench(after(200, "first"), failing, hedging).await;
    let reply = ask(&bench, Delivery::Streamed).whole().await.expect("claude answers");
    assert_eq!((reply.ending.tier, reply.text.as_str()), (Tier::Claude, "first!"));
    let numbers: Vec<(u32, Option<FailureClass>)> =
        reply.ending.attempts.iter().map(|one| (one.number, class(one))).collect();
    assert_eq!(numbers, [(2, Some(FailureClass::ServerError)), (1, None)]);
}

#[tokio::test(start_paused = true)]
async fn when_both_fail_the_third_is_asked_alone() {
    let failing = Play::Steps(vec![Step::Wait(Duration::from_millis(100)), Step::Fail(FailureClass::ServerError)]);
    let bench = bench(failing, Scripted::new([Play::refuse(FailureClass::ServerError)]), hedging).await;
    let reply = ask(&bench, Delivery::Streamed).whole().await.expect("the third answers");
    assert_eq!(reply.ending.tier, Tier::Gpu);
    assert_eq!(reply.ending.attempts.len(), 3);
    assert_eq!(bench.local.seen().len(), 0, "one hedge a request");
}

#[tokio::test(start_paused = true)]
async fn a_winner_that_breaks_off_is_followed_by_the_third_where_that_can_be() {
    let half = Play::Steps(vec![Step::Yield(Event::Text("half".into())), Step::Fail(FailureClass::Truncated)]);
    let bench_of = |half: Play| bench(hang(), Scripted::new([half]), hedging);
    let reply = ask(&bench_of(half.clone()).await, Delivery::Revocable).whole().await.expect("the third answers");
    assert_eq!((reply.ending.tier, reply.text.as_str()), (Tier::Gpu, "ok"));
    let end = ask(&bench_of(half).await, Delivery::Streamed).whole().await;
    assert!(matches!(end, Err(CallError::Cut(Failure { class: FailureClass::Truncated, .. }))));
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_goes_away_stops_both_and_blames_nobody() {
    let bench = bench(hang(), Scripted::new([hang()]), hedging).await;
    let mut facts = bench.engine.facts();
    let mut answer = ask(&bench, Delivery::Streamed);
    let mut sent = 0;
    while sent < 2 {
        sent += u32::from(matches!(answer.next().await, Some(Progress::Attempting(_))));
    }
    // Both have begun to listen, and money is set aside for both.
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!((bench.claude.open(), bench.frontier.open()), (1, 1));
    let decision = Arc::clone(answer.decision());
    let upper = |index: usize| decision.candidates[index].estimate.cost_upper.expect("priced");
    assert_eq!(bench.engine.snapshot().fleet.spend.reserved, upper(0) + upper(1));
    drop(answer);
    let finished = finished(&mut facts).await;
    assert_eq!(finished.outcome, Outcome::Cancelled);
    let classes: Vec<Option<FailureClass>> = finished.attempts.iter().map(|one| class(one)).collect();
    assert_eq!(classes, [Some(FailureClass::Cancelled); 2]);
    assert_eq!((bench.claude.open(), bench.frontier.open()), (0, 0));
    all_given_back(&bench).await;
    let snapshot = bench.engine.snapshot();
    for tier in [Tier::Claude, Tier::Frontier] {
        let backend = snapshot.fleet.of_tier(tier).next().expect("there is one");
        assert_eq!(backend.summary.failed, 0, "{tier}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hedge_takes_a_retry_of_its_tier_and_without_one_is_not_sent() {
    let bench = bench(after(200, "slow"), Scripted::new([after(1_000, "second")]), hedging).await;
    // All of them are slow at once, as in a bad hour: fifty are hedged, and the tier beside is spared the rest.
    let replies = futures::future::join_all((0..100).map(|_| ask(&bench, Delivery::Streamed).whole())).await;
    assert!(replies.iter().all(|reply| reply.as_ref().is_ok_and(|reply| reply.text == "slow!")));
    assert_eq!(bench.frontier.seen().len(), 50);
}
