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
    let answer = bench.engine.call("Explain quantum computing").stream().expect("there is a route");
    let reply = answer.whole().await.expect("the next tier answers");
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
    assert!(matches!(bench.engine.claude("hi").await, Err(CallError::AllFailed { .. })));
    let reply = bench.engine.claude("hi").or_fallback().await.expect("a fallback was allowed");
    assert_ne!(reply.ending.tier, Tier::Claude);
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
    assert_eq!((claude.summary.count, claude.summary.failed), (0, 0));
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
    // What had been sent may have been billed: all that was set aside for it is taken for spent.
    let claude = bench.engine.snapshot().fleet.spend.today()[Tier::Claude.index()];
    assert_eq!((claude.unknown, claude.charged > crate::domain::money::Money::ZERO), (1, true));
}

#[tokio::test(start_paused = true)]
async fn the_shortest_patience_asked_for_is_the_one_that_is_shown() {
    let wait = |seconds| {
        let failure = Failure::new(FailureClass::RateLimited, "slow down");
        Play::Refuse(failure.with_retry_after(Some(Duration::from_secs(seconds))))
    };
    let long = || Scripted::new([wait(50)]);
    let bench = Bench::new(long(), long(), long(), Scripted::new([wait(2), Play::answer("at last")]));
    let reply = bench.engine.call("Explain quantum computing").await;
    // Four attempts are the limit of the policy.
    assert!(matches!(reply, Err(CallError::AllFailed { .. })));
    let bench = Bench::with(long(), long(), long(), Scripted::new([wait(2), Play::answer("at last")]), |config| {
        config.policy.max_attempts = 5;
    });
    let reply = bench.engine.call("Explain quantum computing").await.expect("the last one asked for two seconds");
    assert_eq!((reply.ending.tier, reply.text.as_str()), (Tier::Frontier, "at last"));
}

#[tokio::test(start_paused = true)]
async fn no_time_is_spent_on_a_pause_after_which_nobody_would_be_asked() {
    let bench = Bench::new(failing(Play::refuse(FailureClass::RateLimited)), ok(), ok(), ok());
    let before = tokio::time::Instant::now();
    assert!(bench.engine.claude("hi").await.is_err());
    assert_eq!(bench.claude.seen().len(), 1);
    assert!(before.elapsed() < Duration::from_millis(400), "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_backend_is_not_blamed_for_the_time_that_others_used_up() {
    let hang = || failing(Play::Steps(vec![Step::Hang]));
    let slow = vec![Step::Wait(Duration::from_secs(5)), Step::Yield(Event::Text("late".into()))];
    let bench = Bench::with(hang(), ok(), ok(), failing(Play::Steps(slow)), |config| {
        config.policy.deadline = Duration::from_secs(11);
        config.policy.max_attempts = 2;
    });
    for _ in 0..3 {
        let answer = bench.engine.call("Explain quantum computing").stream().expect("there is a route");
        assert!(answer.whole().await.is_err());
        // Silence opens the breaker; the next request is to be sent there again.
        tokio::time::advance(Duration::from_secs(61)).await;
    }
    let snapshot = bench.engine.snapshot();
    let frontier = snapshot.fleet.of_tier(Tier::Frontier).next().expect("there is one");
    assert_eq!((frontier.summary.count, frontier.summary.failed), (0, 0));
    assert_eq!(frontier.breaker.allows(snapshot.at), Ok(()));
    let claude = snapshot.fleet.of_tier(Tier::Claude).next().expect("there is one");
    assert!(claude.summary.failed >= 2);
}

#[tokio::test(start_paused = true)]
async fn a_whole_answer_has_the_time_that_its_length_takes() {
    // The pieces of an answer that is asked for whole come all at once, at its end.
    let steps = vec![
        Step::Wait(Duration::from_secs(15)),
        Step::Yield(Event::Text("a long one".into())),
        Step::Yield(Event::Done(Finish::Stop)),
    ];
    let bench = Bench::new(failing(Play::Steps(steps)), ok(), ok(), ok());
    let reply = bench.engine.claude("Explain quantum computing").await.expect("ten seconds are for a first token");
    assert_eq!(reply.text, "a long one");
    assert!(bench.engine.claude("Explain quantum computing").stream().expect("a route").whole().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn calls_to_the_only_tier_asked_for_are_not_refused_while_a_trial_is_on_its_way() {
    let claude = Scripted::new([
        Play::refuse(FailureClass::ServerError),
        Play::refuse(FailureClass::ServerError),
        Play::refuse(FailureClass::ServerError),
        Play::answer("back"),
    ]);
    let bench = Bench::with(claude, ok(), ok(), ok(), |config| config.policy.max_attempts = 1);
    for _ in 0..3 {
        assert!(bench.engine.claude("hi").await.is_err());
    }
    // The breaker is open; its hold has passed; four calls come at once, decided on the same snapshot.
    tokio::time::advance(Duration::from_secs(6)).await;
    let calls = (0..4).map(|_| std::future::IntoFuture::into_future(bench.engine.claude("hi")));
    let replies = futures::future::join_all(calls).await;
    assert!(replies.iter().all(Result::is_ok), "{replies:?}");
    // One of them is the trial. When they were decided nobody knew that the others would come too early; their attempts
    // say what became of that.
    let attempts = || replies.iter().flatten().flat_map(|reply| &reply.ending.attempts);
    assert_eq!(attempts().filter(|one| one.last_resort).count(), 3);
    assert!(replies.iter().flatten().all(|reply| !reply.decision.candidates[0].last_resort));
}

#[tokio::test(start_paused = true)]
async fn a_recovered_tier_serves_again_within_seconds() {
    let claude = Scripted::new([Play::refuse(FailureClass::Unreachable), Play::answer("back")]);
    let bench = Bench::with(claude, ok(), ok(), ok(), |config| {
        for backend in &mut config.backends {
            backend.probe_every = Duration::from_secs(60);
        }
    });
    bench.engine.first_probes(Duration::from_secs(5)).await;
    bench.claude.set_health(crate::domain::health::Health::Down);
    assert_ne!(bench.engine.call("Explain tides").await.expect("another tier answers").ending.tier, Tier::Claude);
    for _ in 0..15 {
        tokio::time::sleep(Duration::from_secs(4)).await;
        bench.engine.call("Explain tides").await.expect("another tier answers");
    }
    assert_eq!(bench.claude.seen().len(), 1, "probes find out that it is still down, not requests");
    bench.claude.set_health(crate::domain::health::Health::Up);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(bench.engine.call("Explain tides").await.expect("claude answers").ending.tier, Tier::Claude);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_end_is_ended() {
    let piece = Step::Yield(Event::Text("x".repeat(1 << 20)));
    let bench = Bench::new(failing(Play::Steps(vec![piece; 40])), ok(), ok(), ok());
    let end = bench.engine.claude("hi").stream().expect("there is a route").whole().await;
    assert!(matches!(end, Err(CallError::Cut(Failure { class: FailureClass::Garbled, .. }))));
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_one_tier_is_saved_by_the_next_whatever_its_retries() {
    // A hundred requests at once, before any breaker could open, and every first attempt fails.
    let bench = Bench::new(failing(Play::refuse(FailureClass::ServerError)), ok(), ok(), ok());
    let calls = (0..100).map(|_| std::future::IntoFuture::into_future(bench.engine.call("Explain quantum computing")));
    let replies = futures::future::join_all(calls).await;
    assert_eq!((bench.claude.seen().len(), bench.frontier.seen().len()), (100, 100));
    assert!(replies.iter().all(Result::is_ok));
}

#[tokio::test(start_paused = true)]
async fn a_bad_hour_of_two_tiers_does_not_flood_the_third() {
    let refuse = || failing(Play::refuse(FailureClass::ServerError));
    let bench = Bench::new(refuse(), ok(), ok(), refuse());
    let calls = (0..100).map(|_| std::future::IntoFuture::into_future(bench.engine.call("Explain quantum computing")));
    let replies = futures::future::join_all(calls).await;
    assert_eq!((bench.claude.seen().len(), bench.frontier.seen().len()), (100, 100));
    // Each of the other tiers takes fifty retries: those whom gpu does not take go to the next.
    assert_eq!((bench.gpu.seen().len(), bench.local.seen().len()), (50, 50));
    assert!(replies.iter().all(Result::is_ok));
}

#[tokio::test(start_paused = true)]
async fn who_finds_no_retry_left_is_told_so() {
    let refuse = || failing(Play::refuse(FailureClass::ServerError));
    let bench = Bench::with(refuse(), ok(), ok(), refuse(), |config| {
        config.backends.retain(|one| one.spec.tier != Tier::Local);
    });
    let calls = (0..60).map(|_| std::future::IntoFuture::into_future(bench.engine.call("Explain quantum computing")));
    let replies = futures::future::join_all(calls).await;
    let errors: Vec<String> =
        replies.iter().filter_map(|reply| reply.as_ref().err()).map(ToString::to_string).collect();
    assert_eq!((bench.gpu.seen().len(), errors.len()), (50, 10));
    for error in errors {
        assert!(error.contains("scripted; gpu not asked: its retries are spent"), "{error}");
    }
    // A quiet second brings one back.
    tokio::time::sleep(Duration::from_secs(1)).await;
    bench.engine.call("Explain quantum computing").await.expect("gpu answers");
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_goes_away_during_a_pause_ends_the_request_at_once() {
    let busy = Failure::new(FailureClass::RateLimited, "slow down").with_retry_after(Some(Duration::from_secs(8)));
    let bench = Bench::new(failing(Play::Refuse(busy)), ok(), ok(), ok());
    let mut facts = bench.engine.facts();
    let mut answer = bench.engine.claude("hi").stream().expect("there is a route");
    while !matches!(answer.next().await, Some(Progress::AttemptFailed(_))) {}
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = tokio::time::Instant::now();
    drop(answer);
    let finished = loop {
        if let crate::engine::Fact::Finished(finished) = facts.recv().await.expect("facts come") {
            break finished;
        }
    };
    assert_eq!((finished.outcome, before.elapsed()), (crate::engine::Outcome::Cancelled, Duration::ZERO));
    assert_eq!(bench.claude.seen().len(), 1);
}
