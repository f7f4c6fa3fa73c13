//! `llm-call batch`: many prompts from a JSONL file, their answers to another. What the output already holds is not sent
//! again, so an interrupted batch goes on where it stopped.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use futures::{StreamExt, stream};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Global;
use super::output::{Failure, Output};
use super::request::{Demands, Shape};
use super::session::Session;
use crate::domain::money::Money;
use crate::domain::prompt::Prompt;
use crate::domain::request::Optimize;
use crate::engine::{CallError, Delivery, Reply};

/// Arguments of `batch`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// One prompt per line: a JSON string, or an object with `prompt` and, if you like, `id`.
    input: PathBuf,
    /// Where the answers go, one JSON object per line, as they are ready.
    #[arg(short, long)]
    output: PathBuf,
    /// Requests in flight at once.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=512))]
    concurrency: u16,
    #[command(flatten)]
    demands: Demands,
    #[command(flatten)]
    shape: Shape,
    /// Print a summary as JSON at the end.
    #[arg(long)]
    json: bool,
}

/// One line of the input.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Text(String),
    Object { id: Option<Value>, prompt: String },
}

struct Job {
    id: String,
    prompt: Prompt,
}

#[derive(Default)]
struct Tally {
    answered: usize,
    failed: usize,
    cost: Money,
    unknown_costs: usize,
}

/// Runs `batch`.
///
/// # Errors
///
/// If the files cannot be read or written. Requests that fail are written to the output with their error.
pub async fn run(args: Args, global: &Global, output: &Output) -> Result<ExitCode, Failure> {
    let done = finished(&args.output)?;
    let jobs = jobs(&args, &done)?;
    let (all, skipped) = (jobs.len() + done.len(), done.len());
    let mut sink = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&args.output)
        .map_err(|error| Failure::Usage(format!("cannot write {}: {error}", args.output.display())))?;
    if skipped > 0 {
        output.note(&format!("{skipped} of {all} are answered already"));
    }
    let session = Session::start(global).await?;
    let constraints = args.demands.constraints(Optimize::Throughput);
    let caller: Arc<str> = Arc::from("batch");
    let engine = &session.engine;
    let mut replies = stream::iter(jobs)
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
    let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
    let interrupted = loop {
        tokio::select! {
            biased;
            _ = &mut interrupt => break true,
            reply = replies.next() => match reply {
                None => break false,
                Some((id, reply)) => {
                    write_line(&mut sink, &args.output, &line(&id, &reply))?;
                    tally.count(&reply);
                    output.progress(&tally.bar(all - skipped, started));
                }
            },
        }
    };
    drop(replies);
    session.stop().await;
    output.progress("");
    if interrupted {
        output.note("interrupted; run the same command again to go on");
        return Err(Failure::Interrupted);
    }
    if args.json {
        output.json(&json!({
            "answered": tally.answered, "failed": tally.failed, "skipped": skipped,
            "cost_usd": tally.cost.as_usd(), "unknown_costs": tally.unknown_costs,
            "seconds": started.elapsed().as_secs_f32(),
        }))?;
    } else {
        output.note(&tally.bar(all - skipped, started));
    }
    Ok(ExitCode::from(u8::from(tally.failed > 0)))
}

/// The ids that the output holds an answer for. A last line that was cut off by a crash does not count.
fn finished(path: &Path) -> Result<HashSet<String>, Failure> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(HashSet::new()),
        Err(error) => return Err(Failure::Usage(format!("cannot read {}: {error}", path.display()))),
    };
    let mut ids = HashSet::new();
    let mut ends_cleanly = true;
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    loop {
        // As bytes: the cut may have gone through a character.
        line.clear();
        let read = reader.read_until(b'\n', &mut line);
        if read.map_err(|error| Failure::Usage(format!("cannot read {}: {error}", path.display())))? == 0 {
            break;
        }
        ends_cleanly = line.ends_with(b"\n");
        let value: Option<Value> = serde_json::from_slice(&line).ok();
        if let Some(value) = value.filter(|value| value["ok"] == Value::Bool(true))
            && let Some(id) = value["id"].as_str()
        {
            ids.insert(id.to_owned());
        }
    }
    if !ends_cleanly {
        // The next line must not be glued to the broken one.
        let mut file = OpenOptions::new().append(true).open(path)?;
        file.write_all(b"\n")?;
    }
    Ok(ids)
}

fn jobs(args: &Args, done: &HashSet<String>) -> Result<Vec<Job>, Failure> {
    let cannot =
        |error: &dyn std::fmt::Display| Failure::Usage(format!("cannot read {}: {error}", args.input.display()));
    let file = File::open(&args.input).map_err(|error| cannot(&error))?;
    let mut jobs = Vec::new();
    let mut problems = Vec::new();
    for (number, line) in BufReader::new(file).lines().enumerate() {
        let line = line.map_err(|error| cannot(&error))?;
        if line.trim().is_empty() {
            continue;
        }
        let (id, text) = match serde_json::from_str(&line) {
            Ok(Line::Text(text)) => (None, text),
            Ok(Line::Object { id, prompt }) => (id, prompt),
            Err(_) => {
                problems.push(format!("line {}: neither a JSON string nor an object with `prompt`", number + 1));
                continue;
            }
        };
        let id = match id {
            Some(Value::String(id)) => id,
            Some(other) => other.to_string(),
            None => format!("line-{}", number + 1),
        };
        if !done.contains(&id) {
            jobs.push(Job { id, prompt: args.shape.prompt(text) });
        }
    }
    if problems.is_empty() {
        Ok(jobs)
    } else {
        Err(Failure::Usage(format!("{}:\n  {}", args.input.display(), problems.join("\n  "))))
    }
}

fn line(id: &str, reply: &Result<Reply, CallError>) -> Value {
    match reply {
        Ok(reply) => json!({
            "id": id,
            "ok": true,
            "text": reply.text,
            "tier": reply.ending.tier,
            "backend": reply.ending.backend,
            "model": reply.ending.model,
            "finish": reply.ending.finish,
            "usage": reply.ending.usage,
            "cost_usd": reply.ending.cost.amount.map(Money::as_usd),
            "seconds": reply.ending.total.as_secs_f32(),
        }),
        Err(error) => json!({ "id": id, "ok": false, "error": error.to_string() }),
    }
}

fn write_line(sink: &mut File, path: &Path, value: &Value) -> Result<(), Failure> {
    sink.write_all(format!("{value}\n").as_bytes())
        .map_err(|error| Failure::Other(format!("cannot write {}: {error}", path.display())))
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
                if let CallError::AllFailed(last) = error { std::slice::from_ref(last) } else { &[] }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_that_was_cut_anywhere_is_gone_on_with() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("out.jsonl");
        let whole = "{\"id\":\"a\",\"ok\":true,\"text\":\"é\"}\n{\"id\":\"b\",\"ok\":true,\"text\":\"é\"}\n";
        for cut in 0..=whole.len() {
            std::fs::write(&path, &whole.as_bytes()[..cut]).expect("written");
            let ids = finished(&path).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
            let mut file = OpenOptions::new().append(true).open(&path).expect("opens");
            write_line(&mut file, &path, &json!({"id": "c", "ok": true})).expect("written");
            drop(file);
            let mut expected = ids;
            expected.insert("c".to_owned());
            assert_eq!(finished(&path).expect("read"), expected, "cut at {cut}");
        }
    }
}
