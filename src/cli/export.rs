//! `llm-call export`: everything that is kept, a line for each row, for other programs.

mod sink;

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;

use self::sink::Sink;
use super::Global;
use super::audit::Acts;
use super::flat::{self, Flat, Row};
use super::kept::{Kept, Span, Which};
use super::output::{Failure, Output};
use crate::store::database::Filter;

/// Arguments of `export`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Each line is one row, with columns whose names stay. Times are in UTC, `day` is a day of your calendar. Money is \
in nano-dollars (a billion are a dollar), which add up exactly, and in dollars beside it. What is not known is null, and \
empty in CSV. No prompt and no answer is kept, so none is here.\n\n\
Examples:\n  llm-call export attempts --since 2026-11-01 --format csv --output november.csv\n  \
llm-call export requests --failed | jq .reason\n\n\
Exit codes: 0 all is written, even where that is nothing; 1 the store cannot be read or the file not be written; 2 wrong \
usage or configuration.")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

/// What is written.
#[derive(Debug, clap::Subcommand)]
enum What {
    /// Requests: who asked for what, where it was to go and why, and what came of it.
    Requests {
        #[command(flatten)]
        rows: Rows,
        #[command(flatten)]
        to: To,
    },
    /// The ledger: each attempt with its times, its tokens and its cost.
    Attempts {
        #[command(flatten)]
        rows: Rows,
        #[command(flatten)]
        to: To,
    },
    /// The audit: what operators did, what the guard found, what the engine noticed.
    Audit {
        #[command(flatten)]
        acts: Acts,
        #[command(flatten)]
        span: Span,
        #[command(flatten)]
        to: To,
    },
}

/// Which requests, or which attempts.
#[derive(Debug, clap::Args)]
struct Rows {
    /// Only what did not end in an answer.
    #[arg(long, help_heading = "Which rows")]
    failed: bool,
    #[command(flatten)]
    span: Span,
    #[command(flatten)]
    which: Which,
}

/// Where it goes, and how.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Where it goes")]
struct To {
    /// jsonl: a JSON object a line; csv: with a header.
    #[arg(long, value_name = "FORM", default_value = "jsonl")]
    format: Format,
    /// Write to this file, which only you can read; `-` is standard output.
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// Replace the file, if there is one.
    #[arg(long)]
    force: bool,
}

/// The form of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Jsonl,
    Csv,
}

/// Runs `export`.
///
/// # Errors
///
/// If the store cannot be read, or the file cannot be written or is there already.
pub async fn run(args: &Args, global: &Global, output: &Output) -> Result<ExitCode, Failure> {
    let filter = match &args.what {
        What::Requests { rows, .. } | What::Attempts { rows, .. } => {
            Filter { answered: rows.failed.then_some(false), ..rows.which.narrow(rows.span.filter()?) }
        }
        What::Audit { acts, span, .. } => acts.narrow(span.filter()?),
    };
    let (to, names) = match &args.what {
        What::Requests { to, .. } => (to, flat::Request::names()),
        What::Attempts { to, .. } => (to, flat::Attempt::names()),
        What::Audit { to, .. } => (to, flat::Audited::names()),
    };
    let kept = Kept::open(global, output).await?;
    let mut sink = Sink::open(to)?;
    sink.head(&names)?;
    if let Some(mut database) = kept.database {
        let mut failed = None;
        let mut write = |row: Row| match sink.write(&row) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        };
        let read = match &args.what {
            What::Requests { .. } => {
                database.each_request(&filter, &mut |one| write(flat::Request::from(&one).row())).await
            }
            What::Attempts { .. } => {
                database.each_attempt(&filter, &mut |one| write(flat::Attempt::from(&one).row())).await
            }
            What::Audit { .. } => database.each_audit(&filter, &mut |one| write(flat::Audited::from(&one).row())).await,
        };
        if let Some(failed) = failed {
            return Err(failed);
        }
        read.map_err(|error| Failure::Other(error.to_string()))?;
    }
    if let Some(words) = sink.finish()? {
        output.note(&words);
    }
    Ok(ExitCode::SUCCESS)
}
