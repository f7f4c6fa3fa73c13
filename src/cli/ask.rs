//! `llm-call ask`: one prompt, its answer as it comes.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::output::{Failure, Output, Style};
use super::request::Question;
use super::session::Session;
use super::signals::{Signal, asked_to_stop};
use super::{Global, json, route};
use crate::engine::{Answer, CallError, Delivery, Ending, Progress};

/// Arguments of `ask`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  llm-call ask \"Why is the sky blue?\"\n  git diff | llm-call ask \"Review this:\" -\n  llm-call ask -- \"-5 + 3?\"               a prompt that begins with a dash\n\nExit codes: 0 answered; 1 the request failed; 2 wrong usage or configuration; 3 nobody may serve it; 130 interrupted."
)]
pub struct Args {
    #[command(flatten)]
    question: Question,
    /// Print the whole answer with its decision and its cost as one JSON document.
    #[arg(long)]
    json: bool,
    /// Say first where the prompt goes and why.
    #[arg(long)]
    explain: bool,
}

/// Runs `ask`.
///
/// # Errors
///
/// Why there is no whole answer.
pub async fn run(args: Args, global: &Global, output: &Output) -> Result<ExitCode, Failure> {
    let (prompt, constraints) = args.question.read()?;
    let session = Session::start(global, output).await?;
    let caller = Arc::from("cli");
    let delivery = if args.json { Delivery::Whole } else { Delivery::Streamed };
    let done = match session.engine.submit(prompt, constraints, &caller, delivery) {
        Ok(answer) if args.json => whole(answer, output).await,
        Ok(answer) => {
            if args.explain {
                output.note(&route::words(answer.decision(), &output.for_notes()));
            }
            streamed(answer, output).await
        }
        Err(error) => Err(error.into()),
    };
    session.stop().await;
    match done {
        Err(failure @ Failure::Call(_)) if args.json => {
            output.json(&failure_json(&failure))?;
            Ok(ExitCode::from(failure.code()))
        }
        Err(failure) => Err(failure),
        Ok(()) => Ok(ExitCode::SUCCESS),
    }
}

fn failure_json(failure: &Failure) -> serde_json::Value {
    let decision = match failure {
        Failure::Call(CallError::NoRoute(decision)) => Some(decision),
        _ => None,
    };
    json!({ "ok": false, "error": failure.to_string(), "exit_code": failure.code(), "decision": decision })
}

async fn whole(answer: Answer, output: &Output) -> Result<(), Failure> {
    let reply = tokio::select! {
        reply = answer.whole() => reply?,
        signal = asked_to_stop() => return Err(Failure::Stopped(signal)),
    };
    let mut fields = json::answer(&reply);
    fields.extend(json::object(json!({
        "request": reply.ending.request,
        "attempts": reply.ending.attempts.iter().map(|attempt| json::attempt(attempt)).collect::<Vec<_>>(),
        "decision": reply.decision,
    })));
    output.json(&fields)
}

async fn streamed(mut answer: Answer, output: &Output) -> Result<(), Failure> {
    let mut ends_with_newline = true;
    let mut stop = std::pin::pin!(asked_to_stop());
    loop {
        let progress = tokio::select! {
            progress = answer.next() => progress,
            signal = &mut stop => return Err(stopped(signal, ends_with_newline, output)),
        };
        match progress {
            Some(Progress::Text(piece)) => {
                ends_with_newline = piece.ends_with('\n');
                output.text(&piece)?;
            }
            Some(Progress::ToolCall(call)) => output.note(&format!("the model asks for the tool {}", call.name)),
            Some(Progress::AttemptFailed(attempt)) => {
                let why = attempt.outcome.as_ref().err().map(ToString::to_string).unwrap_or_default();
                output.note(&format!("{} {} failed: {why}", attempt.tier, attempt.backend));
            }
            Some(Progress::Attempting(_) | Progress::FirstToken { .. } | Progress::Thinking(_)) => {}
            Some(Progress::Ended(end)) => {
                if !ends_with_newline {
                    output.text("\n")?;
                }
                let ending = end?;
                if output.notes_are_seen() {
                    output.note(&output.for_notes().styled(Style::Dim, &summary(&ending)));
                }
                return Ok(());
            }
            None => return Err(CallError::Defect.into()),
        }
    }
}

/// What was said of the answer stays on lines of its own.
fn stopped(signal: Signal, ends_with_newline: bool, output: &Output) -> Failure {
    if !ends_with_newline {
        // Whoever stops the command may have closed its output as well.
        drop(output.text("\n"));
    }
    Failure::Stopped(signal)
}

/// One line about an answer: who gave it, how fast, for how much.
fn summary(ending: &Ending) -> String {
    let first = ending.first_token.map_or_else(|| "—".to_owned(), seconds);
    let tokens = ending.usage.map_or_else(|| "? tokens".to_owned(), |usage| format!("{} tokens", usage.output));
    format!(
        "{} · {} on {} · first token {first} · {} in all · {tokens} · {}",
        ending.tier,
        ending.model,
        ending.backend,
        seconds(ending.total),
        ending.cost
    )
}

/// A duration for people: `85 ms`, `1.2 s`.
pub fn seconds(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        format!("{} ms", duration.as_millis())
    } else {
        format!("{:.1} s", duration.as_secs_f32())
    }
}
