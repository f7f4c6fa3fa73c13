//! Promise: an answer that breaks off is begun anew where what was shown can be taken back, and nowhere else.

use std::sync::Arc;
use std::time::Duration;

use super::Bench;
use crate::domain::failure::FailureClass;
use crate::domain::request::Constraints;
use crate::domain::tier::Tier;
use crate::engine::{Answer, CallError, Delivery, Fact, Outcome, Progress};
use crate::provider::scripted::{Play, Scripted, Step};
use crate::provider::{Event, Finish};

const BROKEN: [FailureClass; 4] =
    [FailureClass::Truncated, FailureClass::Garbled, FailureClass::ServerError, FailureClass::Overloaded];

fn text(text: &str) -> Step {
    Step::Yield(Event::Text(text.to_owned()))
}

fn half_then(end: Step) -> Scripted {
    Scripted::new([Play::Steps(vec![text("half"), end])])
}

fn ok() -> Scripted {
    Scripted::new([Play::answer("whole")])
}

fn asked(bench: &Bench, delivery: Delivery) -> Answer {
    let prompt = "Explain quantum computing".into();
    bench.engine.submit(prompt, Constraints::default(), &Arc::from("test"), delivery).expect("there is a route")
}

/// What a pane would show in the end: the pieces that arrived since the last attempt was sent.
async fn shown(answer: &mut Answer) -> (String, Result<Tier, CallError>) {
    let mut text = String::new();
    loop {
        match answer.next().await.expect("an end comes") {
            Progress::Attempting(_) => text.clear(),
            Progress::Text(piece) => text.push_str(&piece),
            Progress::Ended(end) => return (text, end.map(|ending| ending.tier)),
            _ => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_whole_answer_that_breaks_off_is_given_anew_and_holds_nothing_of_the_first() {
    for broken in BROKEN.map(Step::Fail).into_iter().chain([Step::Hang]) {
        let bench = Bench::new(half_then(broken.clone()), ok(), ok(), ok());
        let reply = bench.engine.call("Explain quantum computing").await.expect("the next tier answers");
        assert_eq!((reply.text.as_str(), reply.ending.tier), ("whole", Tier::Frontier), "{broken:?}");
        let first = &reply.ending.attempts[0];
        assert!(first.delivered && first.outcome.is_err(), "what had arrived is told as it was");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_shown_and_can_be_taken_back_is_begun_anew() {
    let bench = Bench::new(half_then(Step::Fail(FailureClass::Truncated)), ok(), ok(), ok());
    let mut answer = asked(&bench, Delivery::Revocable);
    let mut told = Vec::new();
    while told.last() != Some(&"ended") {
        told.push(match answer.next().await.expect("an end comes") {
            Progress::Attempting(_) => "attempting",
            Progress::FirstToken { .. } => "first token",
            Progress::Text(_) => "text",
            Progress::AttemptFailed(attempt) if attempt.delivered => "broke off",
            Progress::Ended(Ok(ending)) if ending.tier == Tier::Frontier => "ended",
            _ => "something else",
        });
    }
    let expected = ["attempting", "first token", "text", "broke off", "attempting", "first token", "text", "ended"];
    assert_eq!(told, expected);
}

#[tokio::test(start_paused = true)]
async fn a_call_for_a_tool_that_broke_off_is_not_carried_out_with_the_next_answer() {
    let call = crate::domain::prompt::ToolCall {
        id: "1".to_owned(),
        name: "pay".to_owned(),
        arguments: serde_json::json!({}),
        signature: None,
    };
    let steps = vec![Step::Yield(Event::ToolCall(call)), Step::Fail(FailureClass::Truncated)];
    let bench = Bench::new(Scripted::new([Play::Steps(steps)]), ok(), ok(), ok());
    let reply = bench.engine.call("Explain quantum computing").await.expect("the next tier answers");
    assert!(reply.tool_calls.is_empty());
}

#[tokio::test(start_paused = true)]
async fn where_nobody_can_begin_anew_the_part_stands_as_a_part() {
    let broken = || half_then(Step::Fail(FailureClass::Truncated));
    let refusing = || Scripted::new([Play::refuse(FailureClass::ServerError)]);
    // The last one broke off.
    let bench = Bench::with(refusing(), ok(), ok(), broken(), |config| config.policy.max_attempts = 2);
    let (text, end) = shown(&mut asked(&bench, Delivery::Revocable)).await;
    assert!(matches!((text.as_str(), end), ("half", Err(CallError::Cut(_)))));
    // One that broke off earlier is no part of anything any more.
    let bench = Bench::new(broken(), refusing(), refusing(), refusing());
    let (text, end) = shown(&mut asked(&bench, Delivery::Revocable)).await;
    assert!(matches!((text.as_str(), end), ("", Err(CallError::AllFailed { .. }))));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_in_the_middle_of_an_answer_is_not_asked_of_another() {
    let bench = Bench::new(half_then(Step::Fail(FailureClass::ContentRefused)), ok(), ok(), ok());
    let (_, end) = shown(&mut asked(&bench, Delivery::Revocable)).await;
    assert!(matches!(end, Err(CallError::Cut(_))));
    assert!(bench.frontier.seen().is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_streams_for_good_gets_an_error_and_never_a_second_answer() {
    let bench = Bench::new(half_then(Step::Fail(FailureClass::Truncated)), ok(), ok(), ok());
    let mut facts = bench.engine.facts();
    let (text, end) = shown(&mut asked(&bench, Delivery::Streamed)).await;
    assert!(matches!((text.as_str(), end), ("half", Err(CallError::Cut(_)))));
    assert!(bench.frontier.seen().is_empty());
    let finished = loop {
        if let Fact::Finished(finished) = facts.recv().await.expect("facts come") {
            break finished;
        }
    };
    assert_eq!(finished.outcome, Outcome::Cut);
}

#[tokio::test(start_paused = true)]
async fn the_time_in_which_an_answer_arrived_is_not_taken_from_the_next_one() {
    // A minute of answer, and then nothing, against a deadline of half a minute.
    let piece = [Step::Wait(Duration::from_secs(6)), text("sixteen bytes ...")];
    let mut steps = piece.iter().cycle().take(20).cloned().collect::<Vec<_>>();
    steps.push(Step::Fail(FailureClass::Truncated));
    let bench = Bench::with(Scripted::new([Play::Steps(steps)]), ok(), ok(), ok(), |config| {
        config.policy.deadline = Duration::from_secs(30);
    });
    let (text, end) = shown(&mut asked(&bench, Delivery::Revocable)).await;
    assert!(matches!((text.as_str(), end), ("whole", Ok(Tier::Frontier))));
}

#[tokio::test(start_paused = true)]
async fn both_the_answer_and_what_broke_off_are_paid_for() {
    let bench = Bench::new(half_then(Step::Fail(FailureClass::Truncated)), ok(), ok(), ok());
    let reply = bench.engine.call("Explain quantum computing").await.expect("the next tier answers");
    let [broken, whole] = &reply.ending.attempts[..] else { panic!("two attempts") };
    assert!(broken.cost.is_estimate() && broken.cost.amount > Some(crate::domain::money::Money::ZERO));
    assert_eq!((whole.outcome.clone(), whole.cost.amount), (Ok(Finish::Stop), Some(super::ANSWER_COST)));
}
