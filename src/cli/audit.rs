//! `llm-call audit`: what operators did, what the guard found, what the engine noticed.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::Global;
use super::flat::{self, Flat};
use super::kept::{Kept, Span};
use super::output::{Failure, Output, Style};
use super::table::{Cell, Column, Table};
use super::when::brief;
use crate::domain::time::Timestamp;
use crate::engine::Clock;
use crate::store::database::Filter;
use crate::store::record::{AuditKind, AuditRow};

/// Arguments of `audit`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Of a prompt, the audit has what kinds of things were found in it, and nothing of its text.\n\n\
Examples:\n  llm-call audit --since 7d --kind operator\n  llm-call audit --by ada\n\n\
Exit codes: 0 told, even where nothing is kept; 1 the store cannot be read; 2 wrong usage or configuration.")]
pub struct Args {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// At most so many rows, the latest.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    acts: Acts,
    #[command(flatten)]
    span: Span,
}

/// Which acts.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Which rows")]
pub struct Acts {
    /// What operators did, what the guard found, or what the engine noticed: operator, guard, engine.
    #[arg(long, value_parser = kind)]
    kind: Option<AuditKind>,
    /// Of this operator, or, of what the guard found, of this caller.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

impl Acts {
    /// Keeps to them.
    #[must_use]
    pub fn narrow(&self, filter: Filter) -> Filter {
        Filter { kind: self.kind, caller: self.by.clone(), ..filter }
    }
}

fn kind(text: &str) -> Result<AuditKind, String> {
    let found = AuditKind::ALL.into_iter().find(|kind| kind.name() == text);
    found.ok_or_else(|| format!("there are: {}", AuditKind::ALL.map(AuditKind::name).join(", ")))
}

/// Runs `audit`.
///
/// # Errors
///
/// If the store cannot be read.
pub async fn run(args: &Args, global: &Global, output: &Output) -> Result<ExitCode, Failure> {
    let filter = Filter { most: args.limit, ..args.acts.narrow(args.span.filter()?) };
    let kept = Kept::open(global, output).await?;
    let is_kept = kept.database.is_some();
    let mut rows = match kept.database {
        Some(mut database) => database.audit(&filter).await.map_err(|error| Failure::Other(error.to_string()))?,
        None => Vec::new(),
    };
    rows.reverse();
    if args.json {
        let rows: Vec<Value> = rows.iter().map(|row| flat::Audited::from(row).row().into()).collect();
        output.json(&json!({ "simulated": global.demo, "audit": rows }))?;
    } else if rows.is_empty() {
        if is_kept {
            output.note("nothing of that kind happened");
        }
    } else {
        let mut table = Table::new(vec![
            Column::text("TIME", 0),
            Column::text("KIND", 3),
            Column::text("BY", 0).cut_to(6),
            Column::text("WHAT", 1).cut_to(16),
            Column::text("REQUEST", 2),
        ]);
        let now = Clock::system().now();
        rows.iter().for_each(|row| table.row(cells(row, now)));
        table.print(output)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn cells(row: &AuditRow, now: Timestamp) -> Vec<Cell> {
    let style = match row.kind {
        AuditKind::Operator => Style::Bold,
        AuditKind::Guard => Style::Warn,
        AuditKind::Engine => Style::Dim,
    };
    // An operator's words name the target.
    let what = match row.target.as_deref().filter(|target| !row.what.contains(target)) {
        Some(target) => format!("{target}: {}", row.what),
        None => row.what.clone(),
    };
    vec![
        brief(row.at, now).into(),
        Cell::styled(row.kind.name(), style),
        (&*row.by).into(),
        what.into(),
        row.request.map_or_else(String::new, |request| request.short()).into(),
    ]
}
