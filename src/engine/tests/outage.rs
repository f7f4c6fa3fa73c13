//! Promise: a dead tier costs a handful of attempts, and serves again within seconds of its recovery; limits are kept
//! ahead of; the last that is left is never cooled.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::task::TaskTracker;

use super::Bench;
use crate::config::Config;
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::fleet::Timer;
use crate::domain::health::Health;
use crate::domain::id::ModelId;
use crate::domain::limits::{Allowance, Limits};
use crate::domain::request::Privacy;
use crate::domain::tier::Tier;
use crate::engine::{Engine, Progress};
use crate::provider::scripted::{Play, Scripted, Step};
use crate::provider::{Event, Finish};

const MOST_ATTEMPTS: usize = 5;

fn ok() -> Scripted {
    Scripted::new([Play::answer("ok")])
}

fn hanging() -> Play {
    Play::Steps(vec![Step::Hang])
}

/// A bench in which claude is looked at once a minute, as hosted tiers are, and waited for so long.
fn bench(first_token: Duration, adjust: impl FnOnce(&mut Config)) -> Bench {
    Bench::with(ok(), ok(), ok(), ok(), |config| {
        for backend in &mut config.backends {
            backend.probe_every = Duration::from_secs(60);
            backend.spec.timeouts.first_token = Timer::Set(first_token);
        }
        adjust(config);
    })
}

/// Sends a request that claude is right for, and waits for nothing.
fn send(engine: &Engine) -> tokio::task::JoinHandle<Option<Tier>> {
    let engine = engine.clone();
    TaskTracker::new().spawn(async move {
        let answer = engine.call("Explain tides").stream().ok()?;
        answer.whole().await.ok().map(|reply| reply.ending.tier)
    })
}

/// A minute with a request every four seconds. Returns how many of them reached claude.
async fn a_minute_of_requests(bench: &Bench) -> usize {
    let before = bench.claude.seen().len();
    for _ in 0..15 {
        send(&bench.engine);
        tokio::time::sleep(Duration::from_secs(4)).await;
    }
    bench.claude.seen().len() - before
}

#[tokio::test(start_paused = true)]
async fn a_dead_tier_costs_a_handful_of_attempts_and_serves_again_within_seconds() {
    let refusing = || Play::refuse(FailureClass::Unreachable);
    let failing = || Play::refuse(FailureClass::ServerError);
    for (how, play, probes, first_token) in [
        ("refuses connections", refusing(), Some(Health::Down), 10),
        ("answers 500 to everything", failing(), Some(Health::Down), 10),
        ("answers 529 to everything", Play::refuse(FailureClass::Overloaded), Some(Health::Degraded), 10),
        ("is silent to everything", hanging(), None, 10),
        ("is silent to everything, and is waited for", hanging(), None, 60),
    ] {
        let bench = bench(Duration::from_secs(first_token), |_| {});
        bench.engine.first_probes(Duration::from_secs(5)).await;
        bench.claude.set_plays([play]);
        probes.map_or_else(|| bench.claude.swallow_probes(), |health| bench.claude.set_health(health));
        let attempts = a_minute_of_requests(&bench).await;
        assert!((1..=MOST_ATTEMPTS).contains(&attempts), "{how}: {attempts} attempts");
        bench.claude.set_plays([Play::answer("back")]);
        bench.claude.set_health(Health::Up);
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert_eq!(send(&bench.engine).await.expect("no panic"), Some(Tier::Claude), "{how}");
    }
}

#[tokio::test(start_paused = true)]
async fn requests_that_fail_where_probes_do_not_cost_a_handful_as_well() {
    for (how, play) in [
        ("500", Play::refuse(FailureClass::ServerError)),
        ("reset", Play::refuse(FailureClass::Unreachable)),
        ("silence", hanging()),
    ] {
        let bench = bench(Duration::from_secs(10), |_| {});
        bench.claude.set_plays([play]);
        let attempts = a_minute_of_requests(&bench).await;
        assert!((1..=MOST_ATTEMPTS).contains(&attempts), "{how}: {attempts} attempts");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_tier_of_several_models_costs_no_more() {
    for models in 2..=4 {
        let bench = bench(Duration::from_secs(10), |config| {
            let claude = &mut config.backends[Tier::Claude.index()];
            let (_, spec) = claude.models[0].clone();
            claude.models = (0..models).map(|number| (ModelId::from(format!("m{number}")), spec.clone())).collect();
        });
        bench.claude.set_plays([Play::refuse(FailureClass::ServerError)]);
        let attempts = a_minute_of_requests(&bench).await;
        assert!(attempts <= MOST_ATTEMPTS, "{models} models: {attempts} attempts");
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_back_gets_its_traffic_back_by_and_by() {
    let bench = bench(Duration::from_secs(10), |_| {});
    bench.engine.first_probes(Duration::from_secs(5)).await;
    bench.claude.set_plays([Play::refuse(FailureClass::Unreachable)]);
    bench.claude.set_health(Health::Down);
    send(&bench.engine).await.expect("no panic");
    tokio::time::sleep(Duration::from_secs(1)).await;
    bench.claude.set_plays([Play::answer("back")]);
    bench.claude.set_health(Health::Up);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(send(&bench.engine).await.expect("no panic"), Some(Tier::Claude), "the trial");
    let mut served = Vec::new();
    for _ in 0..8 {
        let burst: Vec<_> = (0..20).map(|_| send(&bench.engine)).collect();
        let tiers = futures::future::join_all(burst).await;
        let tiers: Vec<Tier> =
            tiers.into_iter().map(|tier| tier.expect("no panic").expect("somebody answers")).collect();
        served.push(tiers.iter().filter(|tier| **tier == Tier::Claude).count());
        tokio::time::sleep(Duration::from_millis(950)).await;
    }
    assert_eq!(served, [1, 2, 4, 8, 16, 20, 20, 20]);
}

#[tokio::test(start_paused = true)]
async fn the_first_token_of_a_trial_lets_others_follow() {
    let bench = bench(Duration::from_secs(10), |_| {});
    bench.engine.first_probes(Duration::from_secs(5)).await;
    bench.claude.set_plays([Play::refuse(FailureClass::Unreachable)]);
    send(&bench.engine).await.expect("no panic");
    let long = vec![
        Step::Yield(Event::Text("a long one".into())),
        Step::Wait(Duration::from_secs(9)),
        Step::Yield(Event::Done(Finish::Stop)),
    ];
    bench.claude.set_plays([Play::Steps(long), Play::answer("meanwhile")]);
    tokio::time::sleep(Duration::from_secs(6)).await;
    let mut trial = bench.engine.call("Explain tides").stream().expect("there is a route");
    while !matches!(trial.next().await, Some(Progress::Text(_))) {}
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(send(&bench.engine).await.expect("no panic"), Some(Tier::Claude));
    trial.whole().await.expect("the trial is still answering");
}

/// An answer whose head tells that so many requests are left for so many seconds.
fn limited(remaining: u64, seconds: u64, lasts: u64) -> Play {
    let allowance = Allowance { remaining, resets_in: Duration::from_secs(seconds) };
    Play::Steps(vec![
        Step::Yield(Event::Limits(Limits { requests: Some(allowance), ..Limits::default() })),
        Step::Yield(Event::Text("limited".into())),
        Step::Wait(Duration::from_secs(lasts)),
        Step::Yield(Event::Done(Finish::Stop)),
    ])
}

#[tokio::test(start_paused = true)]
async fn a_limit_is_kept_ahead_of_from_the_head_of_the_answer_that_tells_of_it() {
    let bench = bench(Duration::from_secs(10), |_| {});
    bench.claude.set_plays([limited(1, 30, 8), limited(0, 28, 0)]);
    let first = send(&bench.engine);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(send(&bench.engine).await.expect("no panic"), Some(Tier::Claude), "one more is left");
    for _ in 0..3 {
        assert_eq!(send(&bench.engine).await.expect("no panic"), Some(Tier::Frontier), "none is left");
    }
    assert_eq!(first.await.expect("no panic"), Some(Tier::Claude));
    assert_eq!(bench.claude.seen().len(), 2, "nobody ran into the limit");
    tokio::time::sleep(Duration::from_secs(22)).await;
    assert_eq!(send(&bench.engine).await.expect("no panic"), Some(Tier::Claude), "it is there again");
}

#[tokio::test(start_paused = true)]
async fn of_a_burst_no_more_are_sent_than_fit_the_limit() {
    let bench = bench(Duration::from_secs(10), |_| {});
    bench.claude.set_plays([
        limited(3, 30, 0),
        Play::Steps(vec![
            Step::Wait(Duration::from_secs(5)),
            Step::Yield(Event::Text("ok".into())),
            Step::Yield(Event::Done(Finish::Stop)),
        ]),
    ]);
    send(&bench.engine).await.expect("no panic");
    let burst: Vec<_> = (0..10).map(|_| send(&bench.engine)).collect();
    for answered in futures::future::join_all(burst).await {
        assert!(answered.expect("no panic").is_some(), "the others are answered elsewhere");
    }
    assert_eq!(bench.claude.seen().len(), 1 + 3);
}

#[tokio::test(start_paused = true)]
async fn where_everything_is_limited_the_least_bad_is_asked_and_the_decision_says_so() {
    let away = || {
        Play::Refuse(
            Failure::new(FailureClass::RateLimited, "slow down").with_retry_after(Some(Duration::from_secs(300))),
        )
    };
    let bench = bench(Duration::from_secs(10), |_| {});
    let all = [&bench.claude, &bench.local, &bench.gpu, &bench.frontier];
    all.iter().for_each(|upstream| upstream.set_plays([away()]));
    assert!(bench.engine.call("Explain tides").await.is_err(), "each of them refuses");
    all.iter().for_each(|upstream| upstream.set_plays([Play::answer("after all")]));
    let seen_outside = bench.seen_outside().len();
    let private = bench.engine.call("Explain tides").privacy(Privacy::High).stream().expect("there is a route");
    assert!(private.decision().chosen().is_some_and(|one| one.last_resort && one.tier == Tier::Local));
    assert_eq!(private.whole().await.expect("it answers").ending.tier, Tier::Local);
    assert_eq!(bench.seen_outside().len(), seen_outside, "what is private has no resort outside");
    // The answer has lifted the limit of local, and of nobody else.
    bench.local.set_plays([away()]);
    assert!(bench.engine.local("hi").await.is_err());
    let open = bench.engine.call("Explain tides").stream().expect("there is a route");
    let headline = open.decision().headline();
    assert_eq!(headline, "claude as the last resort: nothing healthy is left");
    assert_eq!(open.whole().await.expect("it answers").text, "after all");
}

#[tokio::test(start_paused = true)]
async fn an_order_to_probe_is_carried_out_once_however_often_it_is_given() {
    let bench = bench(Duration::from_secs(10), |_| {});
    bench.engine.first_probes(Duration::from_secs(5)).await;
    let by = Arc::from("tester");
    let probe = || bench.engine.command(crate::engine::Command::Probe(Some("claude".into())), &by);
    let probed_at = || bench.engine.snapshot().fleet.backend(&"claude".into()).and_then(|backend| backend.probed_at);
    for _ in 0..10 {
        probe().await.expect("it is taken");
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let last = probed_at().expect("it was probed");
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(probed_at(), Some(last), "no order was left over");
}
