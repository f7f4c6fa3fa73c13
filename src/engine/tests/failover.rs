//! Promise: a failing candidate is followed by the next, while nothing has been delivered and never after.

use std::time::Duration;

use super::Bench;
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::tier::Tier;
use crate::engine::{CallError, Progress};
use crate::provider::scripted::{Play, Scripted, Step};
use crate::provider::{Event, Finish};

fn failing(play: Play) -> Scripted {
    Scripted::new([play])
}

fn ok() -> Scripted {
    Scripted::new([Play::answer("ok")])
}

#[tokio::test(start_paused = true)]
async fn every_failure_that_allows_it_moves_on_to_the_next_tier() {
    for class in FailureClass::ALL {
        let bench = Bench::new(failing(Play::refuse(class)), ok(), ok(), ok());
        let reply = bench.engine.call("Explain quantum computing").await;
        if class.may_move_on() {
            let reply = reply.unwrap_or_else(|error| panic!("{class}: {error}"));
            assert_eq!(reply.ending.tier, Tier::Frontier, "{class}");
            assert_eq!(reply.ending.attempts.len(), 2, "{class}");
        } else {
            assert!(reply.is_err(), "{class}");
            assert!(bench.frontier.seen().is_empty(), "{class}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_upstream_costs_one_attempt_and_one_timer() {
    let bench = Bench::new(failing(Play::Steps(vec![Step::Hang])), ok(), ok(), ok());
    let before = tokio::time::Instant::now();
    let reply = bench.engine.call("Explain quantum computing").await.expect("the next tier answers");
    assert_eq!(bench.claude.seen().len(), 1);
    assert!(before.elapsed() < Duration::from_secs(11), "{:?}", before.elapsed());
    assert_eq!(reply.ending.tier, Tier::Frontier);
}

#[tokio::test(start_paused = true)]
async fn pings_and_usage_are_no_first_token() {
    let usage = Step::Yield(Event::Usage(crate::domain::usage::Usage::default()));
    let bench = Bench::new(failing(Play::Steps(vec![usage, Step::Hang])), ok(), ok(), ok());
    let reply = bench.engine.call("Explain quantum computing").await.expect("the next tier answers");
    assert_eq!(reply.ending.tier, Tier::Frontier);
}

#[tokio::test(start_paused = true)]
async fn a_cut_answer_is_an_error_and_nobody_continues_it() {
    for broken in [Step::Fail(FailureClass::Truncated), Step::Hang] {
        let bench =
            Bench::new(failing(Play::Steps(vec![Step::Yield(Event::Text("half".into())), broken])), ok(), ok(), ok());
        let mut answer = bench.engine.call("Explain quantum computing").stream().expect("there is a route");
        let mut text = String::new();
        let end = loop {
            match answer.next().await.expect("an end comes") {
                Progress::Text(piece) => text.push_str(&piece),
                Progress::Ended(end) => break end,
                _ => {}
            }
        };
        assert_eq!(text, "half");
        assert!(matches!(end, Err(CallError::Cut(_))), "{end:?}");
        assert!(bench.frontier.seen().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_without_its_end_mark_is_no_answer() {
    let bench = Bench::new(failing(Play::Steps(vec![Step::Yield(Event::Text("x".into()))])), ok(), ok(), ok());
    let reply = bench.engine.claude("hi").await;
    assert!(matches!(reply, Err(CallError::Cut(Failure { class: FailureClass::Truncated, .. }))));
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_a_word_is_no_answer() {
    let bench = Bench::new(failing(Play::Steps(vec![Step::Yield(Event::Done(Finish::Stop))])), ok(), ok(), ok());
    let reply = bench.engine.call("Explain quantum computing").await.expect("the next tier answers");
    assert_eq!(reply.ending.tier, Tier::Frontier);
}

#[tokio::test(start_paused = true)]
async fn the_only_tier_asked_for_is_tried_once_more_after_the_pause_it_wants() {
    let busy = Failure::new(FailureClass::RateLimited, "slow down").with_retry_after(Some(Duration::from_secs(2)));
    let claude = Scripted::new([Play::Refuse(busy), Play::answer("at last")]);
    let bench = Bench::new(claude, ok(), ok(), ok());
    let before = tokio::time::Instant::now();
    let reply = bench.engine.claude("hi").await.expect("the second try answers");
    assert_eq!(reply.text, "at last");
    assert!(before.elapsed() >= Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_direct_call_fails_rather_than_moving_to_a_tier_it_did_not_ask_for() {
    let bench = Bench::new(failing(Play::refuse(FailureClass::ServerError)), ok(), ok(), ok());
    assert!(matches!(bench.engine.claude("hi").await, Err(CallError::AllFailed(_))));
    let reply = bench.engine.claude("hi").or_fallback().await.expect("a fallback was allowed");
    assert_ne!(reply.ending.tier, Tier::Claude);
}

#[tokio::test(start_paused = true)]
async fn a_dead_tier_costs_a_handful_of_attempts_not_one_per_request() {
    let bench = Bench::new(failing(Play::refuse(FailureClass::Unreachable)), ok(), ok(), ok());
    bench.claude.set_health(crate::domain::health::Health::Down);
    for _ in 0..15 {
        bench.engine.call("Explain quantum computing").await.expect("another tier answers");
        tokio::time::advance(Duration::from_secs(4)).await;
    }
    assert!(bench.claude.seen().len() <= 5, "{} attempts", bench.claude.seen().len());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_answer_cancels_the_request_and_blames_nobody() {
    let bench = Bench::new(failing(Play::Steps(vec![Step::Hang])), ok(), ok(), ok());
    let mut facts = bench.engine.facts();
    drop(bench.engine.claude("hi").stream().expect("there is a route"));
    let finished = loop {
        if let crate::engine::Fact::Finished(finished) = facts.recv().await.expect("facts come") {
            break finished;
        }
    };
    assert_eq!(finished.outcome, crate::engine::Outcome::Cancelled);
    let snapshot = bench.engine.snapshot();
    let claude = snapshot.fleet.of_tier(Tier::Claude).next().expect("there is one");
    assert_eq!(claude.attempts(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_panic_costs_its_own_request_and_nothing_else() {
    let bench = Bench::new(failing(Play::Steps(vec![Step::Panic])), ok(), ok(), ok());
    let mut facts = bench.engine.facts();
    assert!(matches!(bench.engine.claude("hi").await, Err(CallError::Defect)));
    let finished = loop {
        if let crate::engine::Fact::Finished(finished) = facts.recv().await.expect("facts come") {
            break finished;
        }
    };
    assert_eq!(finished.outcome, crate::engine::Outcome::Failed);
    bench.engine.local("hi").await.expect("the engine goes on");
    let mut snapshots = bench.engine.snapshots();
    let given_back = snapshots.wait_for(|snapshot| {
        snapshot.fleet.spend.reserved == crate::domain::money::Money::ZERO && snapshot.in_flight == 0
    });
    drop(given_back.await.expect("the lease came back"));
}
