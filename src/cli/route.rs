//! `llm-call route`: where a prompt would go and why, from the same code that routes.

mod lines;

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use super::Global;
use super::ask::seconds;
use super::output::{Failure, Output, Style};
use super::request::Question;
use super::session::Session;
use crate::domain::decision::{Candidate, Decision};
use crate::engine::CallError;

/// Arguments of `route`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 somebody may serve it; 2 wrong usage or configuration; 3 nobody may serve it.")]
pub struct Args {
    #[command(flatten)]
    question: Question,
    /// Print the decision as JSON; the chosen tier stands at `.chosen.tier`.
    #[arg(long)]
    json: bool,
    /// Read `{"id", "prompt"}` lines from standard input and print a line for each: what was understood, what the guard found
    /// and where it stands (in Unicode scalars), tokens, and where it would go.
    #[arg(long, conflicts_with_all = ["json", "prompt"])]
    jsonl: bool,
    /// With --jsonl: learn from this log of outcomes first, lines of `{"prompt", "model", "quality"}`, and print what each model
    /// of it is expected to be worth.
    #[arg(long, value_name = "LOG", requires = "jsonl")]
    outcomes: Option<PathBuf>,
    /// Learn while deciding, from nothing: lines of `{"op": "init" | "decide" | "outcome"}` on standard input, as
    /// benchmarks of online learning speak them.
    #[arg(long, conflicts_with_all = ["json", "jsonl", "prompt"])]
    online: bool,
}

/// Runs `route`.
///
/// # Errors
///
/// If nobody may serve the prompt.
pub async fn run(args: Args, global: &Global, output: &Output) -> Result<ExitCode, Failure> {
    if args.jsonl {
        let session = Session::start(global, output).await?;
        let told = lines::run(&session.engine, &args.question.constraints(), args.outcomes.as_deref(), output);
        session.stop().await;
        return told;
    }
    if args.online {
        return lines::online(output);
    }
    let (prompt, constraints) = args.question.read()?;
    let session = Session::start(global, output).await?;
    let decision = session.engine.explain(&prompt, &constraints, &Arc::from("cli"));
    session.stop().await;
    let served = decision.chosen().is_some();
    if args.json {
        output.json(&decision)?;
        return Ok(ExitCode::from(if served { 0 } else { 3 }));
    }
    if !served {
        return Err(CallError::NoRoute(Arc::new(decision)).into());
    }
    output.line(&words(&decision, output))?;
    Ok(ExitCode::SUCCESS)
}

/// A decision in words.
pub fn words(decision: &Decision, output: &Output) -> String {
    let mut text = String::new();
    let dim = |label: &str| output.styled(Style::Dim, &format!("{label:<12}"));
    // Writing into a string cannot fail.
    if let Some(chosen) = decision.chosen() {
        let where_to = format!("{} · {} on {}", chosen.tier, chosen.model, chosen.backend);
        let _ = writeln!(text, "{}", output.styled(Style::Bold, &where_to));
        let _ = writeln!(text, "{}{}", dim("why"), decision.headline());
        let analysis = &decision.analysis;
        let evidence = if analysis.evidence.is_empty() {
            String::new()
        } else {
            format!(", from “{}”", analysis.evidence.join("”, “"))
        };
        let _ = writeln!(
            text,
            "{}{} ({:.0} % sure), complexity {:.2}, difficulty {} of 5{evidence}",
            dim("task"),
            analysis.task,
            analysis.certainty * 100.0,
            analysis.complexity,
            analysis.difficulty
        );
        if let Some(lesson) = &decision.lesson {
            let _ = writeln!(text, "{}{lesson}", dim("learnt"));
        }
        let _ = writeln!(text, "{}{}", dim("guard"), guard(decision));
        let _ = writeln!(
            text,
            "{}about {} in, {} to {} out",
            dim("tokens"),
            analysis.input_tokens,
            analysis.output_tokens.p50,
            analysis.output_tokens.p90
        );
        let _ = writeln!(text, "{}{}", dim("cost"), cost(chosen));
        let _ = writeln!(text, "{}{}", dim("first token"), first_token(chosen));
    }
    if let Some(chosen) = decision.chosen() {
        let _ = writeln!(text, "{}{}", dim("score"), score(chosen));
    }
    for (place, candidate) in decision.candidates.iter().enumerate().skip(1) {
        let label = if place == 1 { "then" } else { "" };
        let _ = writeln!(
            text,
            "{}{} · {} on {} (score {:.2}, {})",
            dim(label),
            candidate.tier,
            candidate.model,
            candidate.backend,
            candidate.score,
            cost(candidate)
        );
    }
    for (place, rejected) in decision.rejected.iter().enumerate() {
        let label = if place == 0 { "not taken" } else { "" };
        let model = rejected.model.as_ref().map(|model| format!(" · {model}")).unwrap_or_default();
        let _ = writeln!(text, "{}{} · {}{model}: {}", dim(label), rejected.tier, rejected.backend, rejected.reason);
    }
    text.truncate(text.trim_end().len());
    text
}

fn guard(decision: &Decision) -> String {
    if decision.verdict.findings.is_empty() {
        return "nothing found".to_owned();
    }
    let found: Vec<String> = decision
        .verdict
        .findings
        .iter()
        .map(|finding| {
            let redacted = if finding.redacted { ", redacted" } else { "" };
            let why = if finding.why.is_empty() { String::new() } else { format!(", {}", finding.why) };
            format!("{} at {}–{}{why}{redacted}", finding.words(), finding.start, finding.end)
        })
        .collect();
    found.join(", ")
}

/// What a score is made of: each part's value from 0 to 1, and what it counts where that is not next to nothing.
fn score(candidate: &Candidate) -> String {
    let parts = candidate.terms.iter().filter(|term| term.weight > 0.0);
    let parts: Vec<String> =
        parts.map(|term| format!("{} {:.2} × {}", term.part.name(), term.value, term.weight)).collect();
    format!("{:.2}: {}", candidate.score, parts.join(", "))
}

fn cost(candidate: &Candidate) -> String {
    match (candidate.estimate.cost, candidate.estimate.cost_upper) {
        (Some(likely), Some(upper)) if likely == upper => format!("{likely}"),
        // Less than the least that is shown is vague enough.
        (Some(likely), Some(upper)) if likely.to_string().starts_with('<') => format!("{likely} to {upper}"),
        (Some(likely), Some(upper)) => format!("~{likely} to {upper}"),
        _ => "price unknown".to_owned(),
    }
}

fn first_token(candidate: &Candidate) -> String {
    let time = seconds(Duration::from_millis(u64::from(candidate.estimate.first_token_ms)));
    let basis = match (candidate.estimate.measured, candidate.estimate.cold) {
        (true, _) => "p95, measured",
        (false, true) => "assumed, cold start included",
        (false, false) => "assumed until measured",
    };
    format!("{time} ({basis})")
}
