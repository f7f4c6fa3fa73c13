//! `llm-call batch`: many prompts from a JSONL file, their answers to another. What the output already holds is not sent
//! again, so an interrupted batch goes on where it stopped.

mod files;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures::{StreamExt, future, stream};
use serde_json::{Value, json};

use self::files::{Sink, finished, jobs};
pub use self::files::{prompt_of, read_lines, read_prompts};
use super::output::{Failure, Output};
use super::request::{Demands, Shape};
use super::session::Session;
use super::signals::{Signal, asked_to_stop};
use super::{Global, json};
use crate::domain::money::Money;
use crate::domain::request::Optimize;
use crate::engine::{CallError, Delivery, Reply};

/// Arguments of `batch`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Each line of the output has the `id` of its prompt (the line's own, or line-1, line-2 and so on), `ok`, and `text` or \
`error`. Run the same command again after an interruption: what is answered is not sent again, what failed is, and the \
last line of an id is the one that counts.\n\n\
Exit codes: 0 all answered; 1 a prompt failed; 2 wrong usage, configuration or input, and nothing was sent; \
130 interrupted.")]
pub struct Args {
    /// One prompt per line: a JSON string, or an object with `prompt` and, if you like, `id`; `-` reads standard input.
    input: PathBuf,
    /// Where the answers go, one JSON object per line, as they are ready; `-` writes to standard output.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Requests in flight at once.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=512))]
    concurrency: u16,
    /// Print a summary as JSON at the end, on standard output.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    demands: Demands,
    #[command(flatten)]
    shape: Shape,
}

#[derive(Default)]
struct Tally {
    answered: usize,
    failed: usize,
    cost: Money,
    unknown_costs: usize,
    first_failure: Option<String>,
}

/// Runs `batch`.
///
/// # Errors
///
/// If the files cannot be read or written. Requests that fail are written to the output with their error.
pub async fn run(args: Args, global: &Global, output: &Output) -> Result<ExitCode, Failure> {
    if args.json && args.output.as_os_str() == files::STANDARD {
        return Err(Failure::Usage(
            "--json prints to standard output, where -o - puts the answers: take one away".into(),
        ));
    }
    files::are_two(&args.input, &args.output)?;
    let (jobs, skipped) = jobs(&args, &finished(&args.output)?)?;
    let all = jobs.len();
    let mut sink = Sink::open(&args.output, output)?;
    if skipped > 0 {
        output.note(&format!("{skipped} of {} are answered already", all + skipped));
    }
    let session = Session::start(global, output).await?;
    let constraints = args.demands.constraints(Optimize::Throughput);
    let caller: Arc<str> = Arc::from("batch");
    let engine = &session.engine;
    let stopping = AtomicBool::new(false);
    let mut replies = stream::iter(jobs)
        .take_while(|_| future::ready(!stopping.load(Ordering::Relaxed)))
        .map(|job| {
            let answer = engine.submit(job.prompt, constraints.clone(), &caller, Delivery::Whole);
            async move {
                let reply = match answer {
                    Ok(answer) => answer.whole().await,
                    Err(error) => Err(error),
                };
                (job.id, reply)
            }
        })
        .buffer_unordered(usize::from(args.concurrency));
    let started = Instant::now();
    let mut tally = Tally::default();
    // One listener for the whole batch: a new one per reply would miss what comes between two of them.
    let mut stop = std::pin::pin!(asked_to_stop());
    let stopped = loop {
        tokio::select! {
            biased;
            signal = &mut stop => break Some(signal),
            reply = replies.next() => match reply {
                None => break None,
                Some((id, reply)) => {
                    sink.write(&line(&id, &reply))?;
                    tally.count(&reply);
                    output.progress(&tally.bar(all, started));
                }
            },
        }
    };
    // What has been paid for and is there already is kept, and no more is begun.
    stopping.store(true, Ordering::Relaxed);
    let until = tokio::time::Instant::now() + stopped.map_or(Duration::ZERO, Signal::grace);
    while let Ok(Some((id, reply))) = tokio::time::timeout_at(until, replies.next()).await {
        sink.write(&line(&id, &reply))?;
        tally.count(&reply);
    }
    drop(replies);
    session.stop().await;
    output.progress("");
    if let Some(signal) = stopped {
        output.note(&tally.bar(all, started));
        if !sink.is_pipe() {
            output.note("run the same command again to go on from here");
        }
        return Err(Failure::Stopped(signal));
    }
    if args.json {
        output.json(&json!({
            "answered": tally.answered, "failed": tally.failed, "skipped": skipped,
            "cost_usd": tally.cost.as_usd(), "unknown_costs": tally.unknown_costs,
            "seconds": json::seconds(started.elapsed()),
        }))?;
    } else if all > 0 {
        output.note(&tally.bar(all, started));
    } else if skipped == 0 {
        output.note(&format!("{} holds no prompts", args.input.display()));
    }
    if tally.failed > 0
        && let Some(why) = &tally.first_failure
    {
        output.note(&format!("{} failed, the first of them because: {why}", tally.failed));
    }
    Ok(ExitCode::from(u8::from(tally.failed > 0)))
}

fn line(id: &str, reply: &Result<Reply, CallError>) -> Value {
    let mut fields = json::object(json!({ "id": id }));
    match reply {
        Ok(reply) => fields.extend(json::answer(reply)),
        Err(error) => fields.extend(json::object(json!({ "ok": false, "error": error.to_string() }))),
    }
    fields.into()
}

impl Tally {
    fn count(&mut self, reply: &Result<Reply, CallError>) {
        // Attempts that failed before the one that answered cost as well.
        let attempts = match reply {
            Ok(reply) => {
                self.answered += 1;
                reply.ending.attempts.as_slice()
            }
            Err(error) => {
                self.failed += 1;
                // The rest of the words is in the output, with each prompt.
                let words = error.to_string();
                self.first_failure.get_or_insert_with(|| words.lines().next().unwrap_or_default().to_owned());
                if let CallError::AllFailed { last, .. } = error { std::slice::from_ref(last) } else { &[] }
            }
        };
        for attempt in attempts {
            match attempt.cost.amount {
                Some(amount) => self.cost += amount,
                None => self.unknown_costs += 1,
            }
        }
    }

    fn bar(&self, all: usize, started: Instant) -> String {
        const WIDTH: usize = 24;
        let done = self.answered + self.failed;
        let filled = (WIDTH * done).checked_div(all).unwrap_or(WIDTH);
        let bar = format!("{}{}", "#".repeat(filled), "-".repeat(WIDTH - filled));
        let seconds = started.elapsed().as_secs_f32();
        let rate = if seconds > 0.0 { done as f32 / seconds } else { 0.0 };
        let failed = if self.failed > 0 { format!(", {} failed", self.failed) } else { String::new() };
        let unknown = if self.unknown_costs > 0 { format!(" + {} unknown", self.unknown_costs) } else { String::new() };
        format!("[{bar}] {done}/{all}{failed}  {rate:.1}/s  {}{unknown}", self.cost)
    }
}
