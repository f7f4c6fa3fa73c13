//! Promise: a candidate is waited for as long as its own history says, an answer has to move on, and nothing that was only
//! learnt ends a request that nobody else can serve.

use std::time::Duration;

use tokio::time::Instant;

use super::Bench;
use crate::config::Config;
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::fleet::Timer;
use crate::domain::health::Health;
use crate::domain::tier::Tier;
use crate::engine::{Answer, CallError};
use crate::provider::scripted::{Play, Scripted, Step};
use crate::provider::{Event, Finish};

fn ok() -> Scripted {
    Scripted::new([Play::answer("ok")])
}

/// Timers as they are where nobody set them: a minute at most.
fn learnt(config: &mut Config) {
    for backend in &mut config.backends {
        backend.spec.timeouts.first_token = Timer::Learnt(Duration::from_secs(60));
        backend.spec.timeouts.stall = Timer::Learnt(Duration::from_secs(60));
    }
}

/// Enough quick answers to learn from, and then something else.
fn quick_then(play: Play) -> Scripted {
    Scripted::new((0..20).map(|_| Play::answer("quick")).chain([play]))
}

fn ask(bench: &Bench) -> Answer {
    bench.engine.call("Explain quantum computing").stream().expect("there is a route")
}

async fn learn(bench: &Bench) {
    for _ in 0..20 {
        assert_eq!(ask(bench).whole().await.expect("it answers").ending.tier, Tier::Claude);
    }
}

fn late_by(seconds: u64) -> Play {
    Play::Steps(vec![
        Step::Wait(Duration::from_secs(seconds)),
        Step::Yield(Event::Text("late".into())),
        Step::Yield(Event::Done(Finish::Stop)),
    ])
}

/// Twenty pieces, at a pace.
fn drip(seconds: u64, piece: &str) -> Play {
    let piece = [Step::Wait(Duration::from_secs(seconds)), Step::Yield(Event::Text(piece.to_owned()))];
    let mut steps: Vec<Step> = piece.iter().cycle().take(40).cloned().collect();
    steps.push(Step::Yield(Event::Done(Finish::Stop)));
    Play::Steps(steps)
}

#[tokio::test(start_paused = true)]
async fn a_model_that_was_quick_and_falls_silent_is_overtaken_after_seconds() {
    let bench = Bench::with(quick_then(Play::Steps(vec![Step::Hang])), ok(), ok(), ok(), learnt);
    learn(&bench).await;
    let before = Instant::now();
    let reply = ask(&bench).whole().await.expect("the next tier answers");
    assert_eq!(reply.ending.tier, Tier::Frontier);
    assert!((5..7).contains(&before.elapsed().as_secs()), "{:?}", before.elapsed());
    assert_eq!(bench.claude.seen().len(), 21, "one attempt, one timer");
}

#[tokio::test(start_paused = true)]
async fn without_a_history_and_during_a_cold_start_the_whole_timer_holds() {
    let bench = Bench::with(Scripted::new([late_by(40)]), ok(), ok(), ok(), learnt);
    assert_eq!(ask(&bench).whole().await.expect("it is waited for").ending.tier, Tier::Claude);
    let bench = Bench::with(quick_then(late_by(40)), ok(), ok(), ok(), learnt);
    learn(&bench).await;
    bench.claude.set_health(Health::Warming);
    let mut snapshots = bench.engine.snapshots();
    let warming = snapshots.wait_for(|snapshot| snapshot.fleet.backends[0].health == Health::Warming);
    drop(warming.await.expect("a probe sees it"));
    assert_eq!(ask(&bench).whole().await.expect("it is waited for").ending.tier, Tier::Claude);
}

#[tokio::test(start_paused = true)]
async fn the_operators_own_timer_holds_whatever_was_learnt() {
    let bench = Bench::with(quick_then(late_by(8)), ok(), ok(), ok(), |_| {});
    learn(&bench).await;
    assert_eq!(ask(&bench).whole().await.expect("ten seconds are set").ending.tier, Tier::Claude);
    // Also for the only one there is: that is what was asked for.
    let bench = Bench::with(quick_then(late_by(11)), ok(), ok(), ok(), |_| {});
    learn(&bench).await;
    let answer = bench.engine.claude("Explain quantum computing").stream().expect("there is a route");
    assert!(matches!(answer.whole().await, Err(CallError::AllFailed { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_learnt_timer_does_not_fail_a_request_that_nobody_else_can_serve() {
    // Far beyond what was learnt, and beyond the default too, but within the request's two minutes.
    let bench = Bench::with(quick_then(late_by(100)), ok(), ok(), ok(), learnt);
    learn(&bench).await;
    let answer = bench.engine.claude("Explain quantum computing").stream().expect("there is a route");
    assert_eq!(answer.whole().await.expect("it is waited for").text, "late");
}

#[tokio::test(start_paused = true)]
async fn the_last_candidate_has_what_is_left_of_the_deadline() {
    let silent = || Scripted::new([Play::Steps(vec![Step::Hang])]);
    let bench = Bench::with(silent(), ok(), ok(), Scripted::new([late_by(100)]), |config| {
        learnt(config);
        config.policy.max_attempts = 2;
        config.policy.deadline = Duration::from_secs(180);
    });
    let reply = ask(&bench).whole().await.expect("sixty seconds for the first, the rest for the last");
    assert_eq!((reply.ending.tier, reply.text.as_str()), (Tier::Frontier, "late"));
}

#[tokio::test(start_paused = true)]
async fn a_model_that_has_become_slower_gets_its_traffic_back_after_a_few_tries() {
    let bench = Bench::with(quick_then(late_by(8)), ok(), ok(), ok(), learnt);
    learn(&bench).await;
    assert_eq!(ask(&bench).whole().await.expect("somebody answers").ending.tier, Tier::Frontier);
    assert_eq!(ask(&bench).whole().await.expect("somebody answers").ending.tier, Tier::Claude, "twice the patience");
    assert_eq!(ask(&bench).whole().await.expect("somebody answers").ending.tier, Tier::Claude, "it is known by now");
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_single_letters_a_minute_is_no_answer() {
    let bench = Bench::with(Scripted::new([drip(25, "x")]), ok(), ok(), ok(), learnt);
    let before = Instant::now();
    let end = ask(&bench).whole().await;
    let Err(CallError::Cut(Failure { class: FailureClass::Stalled, message, .. })) = end else { panic!("it stalls") };
    assert_eq!(message, "only 3 bytes in 60.0 s in the middle of an answer");
    assert!(before.elapsed() < Duration::from_secs(100), "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_slow_but_honest_answer_is_waited_for_to_its_end() {
    // A token of four bytes every two seconds, which is slower than any model that is worth running.
    let slow = Scripted::new([drip(2, "word")]);
    let bench = Bench::with(slow, ok(), ok(), ok(), |config| {
        config.backends[0].spec.timeouts.stall = Timer::Learnt(Duration::from_secs(30));
    });
    for _ in 0..21 {
        assert_eq!(ask(&bench).whole().await.expect("it ends").ending.tier, Tier::Claude);
    }
    let pause = bench.engine.snapshot().fleet.backends[0].models[0].summary.longest_pause.expect("it was measured");
    assert_eq!((pause.count, pause.p99), (21, 2_000));
}

#[tokio::test(start_paused = true)]
async fn usage_in_the_middle_of_an_answer_is_no_progress() {
    let usage = |output| Event::Usage(crate::domain::usage::Usage { output, ..Default::default() });
    let mut steps = vec![Step::Yield(Event::Text("a beginning".into()))];
    for tokens in 0..100 {
        steps.extend([Step::Wait(Duration::from_secs(4)), Step::Yield(usage(tokens))]);
    }
    let bench = Bench::new(Scripted::new([Play::Steps(steps)]), ok(), ok(), ok());
    let end = ask(&bench).whole().await;
    assert!(matches!(end, Err(CallError::Cut(Failure { class: FailureClass::Stalled, .. }))));
}

#[tokio::test(start_paused = true)]
async fn a_tool_call_that_takes_long_to_come_together_moves_all_the_while() {
    let call = crate::domain::prompt::ToolCall {
        id: "1".to_owned(),
        name: "write".to_owned(),
        arguments: serde_json::json!({"text": "x"}),
        signature: None,
    };
    let piece = [Step::Wait(Duration::from_secs(5)), Step::Yield(Event::Growing(40))];
    let mut steps: Vec<Step> = piece.iter().cycle().take(40).cloned().collect();
    steps.extend([Step::Yield(Event::ToolCall(call)), Step::Yield(Event::Done(Finish::ToolCalls))]);
    let bench = Bench::new(Scripted::new([Play::Steps(steps)]), ok(), ok(), ok());
    let reply = ask(&bench).whole().await.expect("a hundred seconds of tool call");
    assert_eq!((reply.tool_calls.len(), reply.ending.first_token), (1, Some(Duration::from_secs(5))));
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_reads_slowly_is_not_taken_for_a_stall() {
    let pieces = (0..200).map(|_| Step::Yield(Event::Text("a few words more".into())));
    let steps = pieces.chain([Step::Yield(Event::Done(Finish::Stop))]).collect();
    let bench = Bench::new(Scripted::new([Play::Steps(steps)]), ok(), ok(), ok());
    let mut answer = ask(&bench);
    let mut pieces = 0;
    loop {
        match answer.next().await.expect("an end comes") {
            crate::engine::Progress::Text(_) => {
                pieces += 1;
                tokio::time::sleep(Duration::from_secs(15)).await;
            }
            crate::engine::Progress::Ended(end) => break assert!(end.is_ok(), "{:?}", end.err()),
            _ => {}
        }
    }
    assert_eq!(pieces, 200);
}
