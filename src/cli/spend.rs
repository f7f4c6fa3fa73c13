//! `llm-call spend`: what was spent, on what, and what is left of the limits.

mod limits;

use std::ops::RangeInclusive;
use std::process::ExitCode;
use std::sync::Arc;

use clap::ValueEnum;
use serde_json::{Value, json};

use self::limits::Limits;
pub use self::limits::spent;
use super::Global;
use super::flat::{self, Flat, usd};
use super::kept::{Kept, Span, Which};
use super::output::{Failure, Output, Style};
use super::table::{Cell, Column, Table};
use super::when::Moment;
use crate::domain::money::Money;
use crate::domain::spend::{Book, Day};
use crate::engine::Clock;
use crate::store::StoreError;
use crate::store::database::{By, Database, Filter, Sum};
use crate::tui::text;

/// The days that are shown where nothing else is asked for: a week, so that each weekday is there once.
const LAST_DAYS: i32 = 7;

/// Arguments of `spend`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Money is counted by whole days of your calendar, and stays after the rows of the ledger are gone. What is in flight counts \
when it has ended. Costs with ~ rest on estimates; attempts whose cost nobody knows are counted as unknown, and limits are \
charged with what had been set aside for them. FORESEEN says by how much forecasts of settled costs were off, and which way \
they lean.\n\n\
Examples:\n  llm-call spend\n  llm-call spend --by model --since 2026-11-01\n  llm-call spend --by day --tier gpu --since 14d\n\n\
Exit codes: 0 told, even where nothing is kept; 1 the store cannot be read; 2 wrong usage or configuration.")]
pub struct Args {
    /// Sum by day, tier, backend, model, caller or task; this month, where no --since says otherwise.
    #[arg(long, value_name = "WHAT")]
    by: Option<Key>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    span: Span,
    #[command(flatten)]
    which: Which,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Key {
    Day,
    Tier,
    Backend,
    Model,
    Caller,
    Task,
}

impl Key {
    const fn by(self) -> By {
        match self {
            Self::Day => By::Day,
            Self::Tier => By::Tier,
            Self::Backend => By::Backend,
            Self::Model => By::Model,
            Self::Caller => By::Caller,
            Self::Task => By::Task,
        }
    }

    const fn head(self) -> &'static str {
        match self {
            Self::Day => "DAY",
            Self::Tier => "TIER",
            Self::Backend => "BACKEND",
            Self::Model => "MODEL",
            Self::Caller => "CALLER",
            Self::Task => "TASK",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Tier => "tier",
            Self::Backend => "backend",
            Self::Model => "model",
            Self::Caller => "caller",
            Self::Task => "task",
        }
    }
}

/// Runs `spend`.
///
/// # Errors
///
/// If the store cannot be read.
pub async fn run(args: &Args, global: &Global, output: &Output) -> Result<ExitCode, Failure> {
    args.span.check()?;
    let kept = Kept::open(global, output).await?;
    let clock = Clock::system();
    let today = clock.day(clock.now());
    let asked = args.by.is_some() || args.span.since.is_some() || args.span.until.is_some();
    let is_kept = kept.database.is_some();
    let mut ledger = Ledger { database: kept.database, filter: args.which.narrow(Filter::default()) };
    let told = if asked {
        let until = args.span.until.as_ref().map_or(today, Moment::day);
        let since = args.span.since.as_ref().map_or_else(|| until.first_of_month(), Moment::day);
        ledger.by(args.by.unwrap_or(Key::Day), since..=until).await.map(Told::By)
    } else {
        let limits = limits::charged(ledger.database.as_deref_mut(), &kept.config, &clock).await;
        match limits {
            Ok(limits) => ledger.overview(today, limits.filter(|_| args.which.is_all())).await.map(Told::Overview),
            Err(error) => Err(error),
        }
    };
    let told = told.map_err(|error| Failure::Other(error.to_string()))?;
    if args.json {
        let mut told = told.as_json();
        told["simulated"] = global.demo.into();
        output.json(&told)?;
    } else if is_kept {
        told.print(output)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The store, and what of it is asked for.
struct Ledger {
    database: Option<Box<dyn Database>>,
    filter: Filter,
}

impl Ledger {
    async fn sums(&mut self, days: RangeInclusive<Day>, by: By) -> Result<Vec<Sum>, StoreError> {
        match &mut self.database {
            Some(database) => database.sums(days, &self.filter, by).await,
            None => Ok(Vec::new()),
        }
    }

    async fn by(&mut self, key: Key, days: RangeInclusive<Day>) -> Result<Sums, StoreError> {
        let by_day = self.sums(days.clone(), By::Day).await?;
        let all = whole(&by_day, "all");
        let sums = if key == Key::Day { by_day } else { self.sums(days.clone(), key.by()).await? };
        Ok(Sums { key, days, sums, all })
    }

    async fn overview(&mut self, today: Day, limits: Option<Limits>) -> Result<Overview, StoreError> {
        let month = self.sums(today.first_of_month()..=today, By::Day).await?;
        let days = self.sums(Day(today.0 - LAST_DAYS + 1)..=today, By::Day).await?;
        let date = today.date().to_string();
        let of_today: Vec<Sum> = days.iter().filter(|sum| *sum.of == date).cloned().collect();
        Ok(Overview { today: whole(&of_today, "today"), month: whole(&month, "this month"), days, limits })
    }
}

/// All of these together.
fn whole(sums: &[Sum], name: &str) -> Sum {
    let empty = Sum { of: Arc::from(name), book: Book::default(), failed: 0, rented: Money::ZERO };
    sums.iter().fold(empty, |all, sum| Sum {
        book: all.book.with(&sum.book),
        failed: all.failed + sum.failed,
        rented: all.rented + sum.rented,
        ..all
    })
}

/// What is told.
enum Told {
    By(Sums),
    Overview(Overview),
}

/// Sums by one thing.
struct Sums {
    key: Key,
    days: RangeInclusive<Day>,
    sums: Vec<Sum>,
    all: Sum,
}

/// Today, this month and the last days, with the limits.
struct Overview {
    today: Sum,
    month: Sum,
    days: Vec<Sum>,
    limits: Option<Limits>,
}

impl Told {
    fn as_json(&self) -> Value {
        let row = |sum: &Sum, with_rent| Value::from(flat::Summed::of(sum, with_rent).row());
        match self {
            Self::By(Sums { key, days, sums, all }) => json!({
                "by": key.name(),
                "since": days.start().date().to_string(),
                "until": days.end().date().to_string(),
                "sums": sums.iter().map(|sum| row(sum, *key == Key::Day)).collect::<Vec<_>>(),
                "all": row(all, true),
            }),
            Self::Overview(Overview { today, month, days, limits }) => json!({
                "today": row(today, true),
                "month": row(month, true),
                "days": days.iter().map(|sum| row(sum, true)).collect::<Vec<_>>(),
                "limits": limits.as_ref().map(Limits::as_json),
            }),
        }
    }

    fn print(&self, output: &Output) -> Result<(), Failure> {
        match self {
            Self::By(sums) => sums.print(output),
            Self::Overview(overview) => overview.print(output),
        }
    }
}

impl Sums {
    fn print(&self, output: &Output) -> Result<(), Failure> {
        let (since, until) = (self.days.start().date(), self.days.end().date());
        let span = if since == until { since.to_string() } else { format!("{since} to {until}") };
        output.line(&output.styled(Style::Bold, &format!("{span}, by {}", self.key.name())))?;
        if self.sums.is_empty() && self.all.rented == Money::ZERO {
            return output.line("nothing was spent");
        }
        let mut table = Table::new(columns(self.key.head()));
        for sum in &self.sums {
            table.row(cells(&sum.of, sum));
            // Only a day's sum has any.
            if sum.rented > Money::ZERO {
                table.row(rented(sum.rented));
            }
        }
        if self.key != Key::Day && self.all.rented > Money::ZERO {
            table.row(rented(self.all.rented));
        }
        table.row(cells("all", &self.all));
        table.print(output)
    }
}

impl Overview {
    fn print(&self, output: &Output) -> Result<(), Failure> {
        let mut table = Table::new(columns(""));
        for sum in [&self.today, &self.month] {
            table.row(cells(&sum.of, sum));
            if sum.rented > Money::ZERO {
                table.row(rented(sum.rented));
            }
        }
        table.print(output)?;
        if !self.days.is_empty() {
            output.line("")?;
            let mut table = Table::new(columns("DAY"));
            for sum in &self.days {
                table.row(cells(&sum.of, sum));
                if sum.rented > Money::ZERO {
                    table.row(rented(sum.rented));
                }
            }
            table.print(output)?;
        }
        match &self.limits {
            Some(limits) => {
                output.line("")?;
                limits.print(output)
            }
            None => Ok(()),
        }
    }
}

fn columns(first: &'static str) -> Vec<Column> {
    vec![
        Column::text(first, 0).cut_to(12),
        Column::number("ATTEMPTS", 4),
        Column::number("FAILED", 5),
        Column::number("IN", 6),
        Column::number("OUT", 6),
        Column::number("SETTLED", 0),
        Column::number("ESTIMATED", 1),
        Column::number("UNKNOWN", 2),
        Column::number("CHARGED", 3),
        Column::number("FORESEEN", 7),
    ]
}

/// A sum's row. What is nothing is left out, so that what is something stands out; the attempts and the money are always there.
fn cells(name: &str, sum: &Sum) -> Vec<Cell> {
    let Book { amount, estimated, charged, unknown, attempts, input_tokens, output_tokens, forecasts } = sum.book;
    let some = |number: u32| if number == 0 { Cell::default() } else { number.to_string().into() };
    let settled = if unknown > 0 && unknown == attempts { "—".to_owned() } else { money(amount - estimated) };
    vec![
        name.into(),
        text::count(u64::from(attempts)).into(),
        some(sum.failed),
        text::count(input_tokens).into(),
        text::count(output_tokens).into(),
        settled.into(),
        if estimated > Money::ZERO { text::money(estimated, true).into() } else { Cell::default() },
        if unknown > 0 { Cell::styled(&unknown.to_string(), Style::Warn) } else { Cell::default() },
        if charged == amount { Cell::default() } else { money(charged).into() },
        forecasts.words().map_or_else(Cell::default, Cell::from),
    ]
}

fn money(amount: Money) -> String {
    text::money(amount, false)
}

/// The row of what no attempt stands for: it is a price by the hour times the hours.
fn rented(amount: Money) -> Vec<Cell> {
    let nothing = Cell::default;
    let amount: Cell = text::money(amount, true).into();
    vec!["rented".into(), nothing(), nothing(), nothing(), nothing(), nothing(), amount]
}
