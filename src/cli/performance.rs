//! `llm-call performance`: how well and how fast tiers, backends and models have answered, for as long as it is kept.

use std::process::ExitCode;

use clap::ValueEnum;
use serde_json::{Value, json};

use super::Global;
use super::kept::{Kept, Span};
use super::output::{Failure, Output, Style};
use super::table::{Cell, Column, Table};
use super::when::Moment;
use crate::domain::spend::Day;
use crate::domain::tier::Tier;
use crate::engine::Clock;
use crate::store::StoreError;
use crate::store::database::{By, Filter, Paced, Quantiles, Sum};
use crate::tui::text;

/// The days that are looked back where nothing else is asked for.
const LAST_DAYS: i32 = 30;

/// Arguments of `performance`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Times are of whole answers, by whole days of your calendar, and stay after the rows of the ledger are gone; they are kept in \
buckets, so that a figure is within a fifth of the true one. What a caller or a faster answer ended is no failure.\n\n\
Examples:\n  llm-call performance\n  llm-call performance --by day --tier local --since 90d\n\n\
Exit codes: 0 told, even where nothing is kept; 1 the store cannot be read; 2 wrong usage or configuration.")]
pub struct Args {
    /// Tell it by model, backend, tier or day.
    #[arg(long, value_name = "WHAT", default_value = "model")]
    by: Key,
    /// Of one tier.
    #[arg(long)]
    tier: Option<Tier>,
    /// Of one backend.
    #[arg(long, value_name = "ID")]
    backend: Option<String>,
    /// Of one model.
    #[arg(long)]
    model: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Key {
    Model,
    Backend,
    Tier,
    Day,
}

impl Key {
    const fn by(self) -> By {
        match self {
            Self::Model => By::Model,
            Self::Backend => By::Backend,
            Self::Tier => By::Tier,
            Self::Day => By::Day,
        }
    }

    const fn head(self) -> &'static str {
        match self {
            Self::Model => "MODEL",
            Self::Backend => "BACKEND",
            Self::Tier => "TIER",
            Self::Day => "DAY",
        }
    }
}

/// Runs `performance`.
///
/// # Errors
///
/// If the store cannot be read.
pub async fn run(args: &Args, global: &Global, output: &Output) -> Result<ExitCode, Failure> {
    args.span.check()?;
    let Kept { database, .. } = &mut Kept::open(global, output).await?;
    let clock = Clock::system();
    let until = args.span.until.as_ref().map_or_else(|| clock.day(clock.now()), Moment::day);
    let since = args.span.since.as_ref().map_or(Day(until.0 - LAST_DAYS + 1), Moment::day);
    let (tier, backend, model) = (args.tier, args.backend.clone(), args.model.clone());
    let filter = Filter { tier, backend, model, ..Filter::default() };
    let failed = |error: StoreError| Failure::Other(error.to_string());
    let (mut sums, mut paces) = (Vec::new(), Vec::new());
    if let Some(database) = database {
        sums = database.sums(since..=until, &filter, args.by.by()).await.map_err(failed)?;
        paces = database.paces(since..=until, &filter, args.by.by()).await.map_err(failed)?;
    }
    // A day on which only machines were rented says nothing of answers.
    sums.retain(|sum| sum.book.attempts > 0);
    let told: Vec<(&Sum, Option<&Paced>)> =
        sums.iter().map(|sum| (sum, paces.iter().find(|pace| pace.of == sum.of))).collect();
    if args.json {
        output.json(&json!({
            "by": args.by.head().to_lowercase(),
            "since": since.date().to_string(),
            "until": until.date().to_string(),
            "simulated": global.demo,
            "rows": told.iter().map(|(sum, pace)| as_json(sum, *pace)).collect::<Vec<_>>(),
        }))?;
    } else if database.is_some() {
        print(args.by, &told, since, until, output)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn as_json(sum: &Sum, pace: Option<&Paced>) -> Value {
    let quantiles = |of: fn(&Paced) -> Option<Quantiles>| {
        pace.and_then(of).map(|Quantiles { p50, p95 }| json!({ "p50": p50, "p95": p95 }))
    };
    json!({
        "of": sum.of,
        "attempts": sum.book.attempts,
        "failed": sum.failed,
        "first_token_ms": quantiles(|pace| pace.first_token),
        "total_ms": quantiles(|pace| pace.total),
    })
}

fn print(by: Key, told: &[(&Sum, Option<&Paced>)], since: Day, until: Day, output: &Output) -> Result<(), Failure> {
    let (since, until) = (since.date(), until.date());
    output.line(&output.styled(Style::Bold, &format!("{since} to {until}")))?;
    if told.is_empty() {
        return output.line("nothing was asked");
    }
    let mut table = Table::new(vec![
        Column::text(by.head(), 0).cut_to(12),
        Column::number("ATTEMPTS", 1),
        Column::number("FAILED", 0),
        Column::number("FIRST p50", 2),
        Column::number("p95", 2),
        Column::number("TOTAL p50", 3),
        Column::number("p95", 3),
    ]);
    for (sum, pace) in told {
        let share = u64::from(sum.failed) * 100 / u64::from(sum.book.attempts.max(1));
        let time = |of: fn(&Paced) -> Option<Quantiles>, which: fn(Quantiles) -> u32| -> Cell {
            let found = pace.and_then(of).map(which);
            found.map_or_else(|| "—".to_owned(), |ms| text::millis(u64::from(ms))).into()
        };
        table.row(vec![
            Cell::from(&*sum.of),
            text::count(u64::from(sum.book.attempts)).into(),
            if sum.failed == 0 { Cell::default() } else { format!("{} ({share} %)", sum.failed).into() },
            time(|pace| pace.first_token, |found| found.p50),
            time(|pace| pace.first_token, |found| found.p95),
            time(|pace| pace.total, |found| found.p50),
            time(|pace| pace.total, |found| found.p95),
        ]);
    }
    table.print(output)
}
