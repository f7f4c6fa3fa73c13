//! `llm-call learned`: what the traffic has taught, and how to forget it. `llm-call feedback`: what an answer was worth.

use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use serde_json::json;

use super::Global;
use super::kept::{Kept, Place, place};
use super::output::{Failure, Output, Style};
use super::request::task;
use super::session::operator;
use super::table::{Cell, Column, Table};
use super::when::brief;
use crate::domain::id::ModelId;
use crate::domain::judgement::Judgement;
use crate::domain::learning::{Compared, Learned, Row, compare};
use crate::domain::task::Task;
use crate::domain::tier::Tier;
use crate::domain::time::Timestamp;
use crate::engine::{Clock, recall};
use crate::store::StoreError;
use crate::store::database::{Database, Filter, KeptAttempt};
use crate::store::keeper::{self, Store};
use crate::store::record::{AuditKind, AuditRow, Record, Result as End};

/// Arguments of `learned`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Outcomes fade: after 30 days one counts half, or as [learning] half_life_days says. WORTH is from 0 to 100 %: what people said \
of answers, and where nobody spoke, whether they came whole. It is made of the rows that the ledger keeps, of 90 days at most.\n\n\
Examples:\n  llm-call learned --task reward\n  llm-call learned forget --model mistral:7b\n\n\
Exit codes: 0 told, even where nothing was learnt; 1 the store cannot be read; 2 wrong usage or configuration.")]
pub struct Args {
    #[command(flatten)]
    which: Which,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Forget what was learnt so far: of a tier, a model, a task, or everything with --all.
    Forget {
        #[command(flatten)]
        which: Which,
        /// Everything.
        #[arg(long, conflicts_with_all = ["tier", "model", "task"])]
        all: bool,
    },
}

/// Of what.
#[derive(Clone, Debug, Default, clap::Args)]
struct Which {
    /// Of this tier: claude, local (ollama), gpu (runpod), frontier (litellm).
    #[arg(long, value_parser = Tier::from_str)]
    tier: Option<Tier>,
    /// Of this model.
    #[arg(long)]
    model: Option<String>,
    /// Of this task.
    #[arg(long, value_parser = task)]
    task: Option<Task>,
}

impl Which {
    fn is_of(&self, row: &Row) -> bool {
        self.tier.is_none_or(|tier| tier == row.tier)
            && self.model.as_deref().is_none_or(|model| model == row.model.as_str())
            && self.task.is_none_or(|task| row.task == Some(task))
    }
}

/// Runs `learned`.
///
/// # Errors
///
/// If the store cannot be read, or written.
pub async fn run(args: &Args, global: &Global, output: &Output) -> Result<ExitCode, Failure> {
    if let Some(What::Forget { which, all }) = &args.what {
        return forget(which, *all, global, output).await;
    }
    let kept = Kept::open(global, output).await?;
    let now = Clock::system().now();
    let half_life = kept.config.policy.learning.half_life;
    let learned = match kept.database {
        Some(mut database) => learn(&mut *database, half_life, now).await.map_err(other)?,
        None => Learned::new(half_life),
    };
    let mut rows: Vec<Row> = learned.rows(now).into_iter().filter(|row| args.which.is_of(row)).collect();
    // What of each task is told; all of a model together is the sum of these.
    rows.retain(|row| row.task.is_some());
    rows.sort_by(|a, b| (a.task, b.worth).partial_cmp(&(b.task, a.worth)).unwrap_or(std::cmp::Ordering::Equal));
    let compared = comparisons(&learned, &rows, now);
    if args.json {
        output.json(&json!({
            "simulated": global.demo,
            "rows": rows,
            "compared": compared.iter().map(ToString::to_string).collect::<Vec<_>>(),
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    if rows.is_empty() {
        output.note("nothing was learnt of that yet");
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(vec![
        Column::text("TASK", 0),
        Column::text("TIER", 1),
        Column::text("MODEL", 0).cut_to(10),
        Column::number("OUTCOMES", 0),
        Column::number("FAILED", 0),
        Column::number("WORTH", 0),
        Column::text("LATEST", 2),
    ]);
    rows.iter().for_each(|row| table.row(cells(row, now)));
    table.print(output)?;
    for sentence in &compared {
        output.line(&output.styled(Style::Dim, &sentence.to_string()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn other(error: StoreError) -> Failure {
    Failure::Other(error.to_string())
}

/// What the rows of the ledger teach, as an engine learns it when it starts.
async fn learn(database: &mut dyn Database, half_life: Duration, now: Timestamp) -> Result<Learned, StoreError> {
    let mut learned = Learned::new(half_life);
    let outcomes = database.kept(now).await?.outcomes;
    recall(&outcomes, &database.wishes().await?, &mut learned);
    Ok(learned)
}

/// The best of each task beside each of the others, where the difference is worth a word.
fn comparisons(learned: &Learned, rows: &[Row], now: Timestamp) -> Vec<Compared> {
    let mut compared = Vec::new();
    for of_task in rows.chunk_by(|a, b| a.task == b.task) {
        let Some((best, others)) = of_task.split_first() else { continue };
        let Some(task) = best.task else { continue };
        let beside = |row: &Row| compare(learned, task, (row.tier, &row.model), (best.tier, &best.model), now);
        compared.extend(others.iter().filter_map(beside));
    }
    compared
}

fn cells(row: &Row, now: Timestamp) -> Vec<Cell> {
    let percent = |share: f32| format!("{:.0} %", share * 100.0);
    let failed = percent(row.failure_rate());
    vec![
        row.task.map_or("", Task::name).into(),
        row.tier.name().into(),
        row.model.as_str().into(),
        format!("{:.0}", row.outcomes).into(),
        if row.failure_rate() >= 0.1 { Cell::styled(&failed, Style::Warn) } else { failed.into() },
        percent(row.worth).into(),
        brief(row.latest, now).into(),
    ]
}

async fn forget(which: &Which, all: bool, global: &Global, output: &Output) -> Result<ExitCode, Failure> {
    let Which { tier, model, task } = which.clone();
    if !all && tier.is_none() && model.is_none() && task.is_none() {
        return Err(Failure::Usage("say what to forget: --tier, --model, --task, or --all".into()));
    }
    let parts = [tier.map(|tier| tier.to_string()), model.clone(), task.map(|task| task.to_string())];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let what = if all { "everything".to_owned() } else { parts.join(", ") };
    let words = format!("forget what was learnt of {what}");
    let at = Clock::system().now();
    let wish = Record::Forget { tier, model: model.map(ModelId::from), task, at };
    write(vec![wish, audit(at, words.clone())], &place(global, output)?, output).await?;
    output.line(&output.styled(Style::Bold, &words))?;
    Ok(ExitCode::SUCCESS)
}

fn audit(at: Timestamp, what: String) -> Record {
    Record::Audit(AuditRow { at, kind: AuditKind::Operator, by: operator(), target: None, what, request: None })
}

async fn write(records: Vec<Record>, place: &Place, output: &Output) -> Result<(), Failure> {
    let others = keeper::in_use(&place.options).map_err(other)?;
    Store::open(place.options.clone()).await.map_err(other)?.write(records).await.map_err(other)?;
    if others > 0 {
        output.note("programs that run on this store hear of it within a second or so");
    }
    Ok(())
}

/// Arguments of `feedback`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:\n  llm-call feedback a1b2c3 good\n  llm-call feedback a1b2c3 0.7\n\n\
Exit codes: 0 kept; 1 the store cannot be read or written; 2 no such answer, or wrong usage.")]
pub struct FeedbackArgs {
    /// The end of the request's id, as `llm-call history` shows it.
    #[arg(value_name = "ID")]
    id: String,
    /// good, bad, or a number from 0 to 1.
    #[arg(value_parser = worth)]
    worth: Worth,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Worth {
    judgement: Judgement,
    quality: Option<f32>,
}

fn worth(text: &str) -> Result<Worth, String> {
    match text {
        "good" => return Ok(Worth { judgement: Judgement::Good, quality: None }),
        "bad" => return Ok(Worth { judgement: Judgement::Bad, quality: None }),
        _ => {}
    }
    let quality = text.parse().ok().filter(|quality: &f32| (0.0..=1.0).contains(quality));
    let quality = quality.ok_or_else(|| "good, bad, or a number from 0 to 1".to_owned())?;
    let judgement = if quality >= 0.5 { Judgement::Good } else { Judgement::Bad };
    Ok(Worth { judgement, quality: Some(quality) })
}

/// Runs `feedback`.
///
/// # Errors
///
/// If there is no such answer, or the store cannot be read or written.
pub async fn feedback(args: &FeedbackArgs, global: &Global, output: &Output) -> Result<ExitCode, Failure> {
    let filter = Filter { ending: Some(super::history::ending(&args.id)?), most: 2, ..Filter::default() };
    let place = place(global, output)?;
    if !place.options.file.exists() {
        return Err(Failure::Usage("nothing is kept yet, so there is no answer that could be judged".into()));
    }
    let mut database = keeper::look_up(&place.options).await.map_err(other)?;
    let requests = database.requests(&filter).await.map_err(other)?;
    let [request] = &requests[..] else {
        let how_many = if requests.is_empty() { "no request is" } else { "several requests are" };
        return Err(Failure::Usage(format!("{how_many} known whose id ends in {}", args.id)));
    };
    let request = request.asked.request;
    let of_it = Filter { requests: vec![request], most: u32::MAX, ..Filter::default() };
    let attempts = database.attempts(&of_it).await.map_err(other)?;
    let answered = attempts.into_iter().find_map(|attempt| match attempt {
        KeptAttempt::Settled(settled) if matches!(settled.result, End::Answered(_)) => Some(settled.opened),
        KeptAttempt::Settled(_) | KeptAttempt::Open(_) => None,
    });
    let Some(opened) = answered else {
        return Err(Failure::Usage(format!("request {} has no answer that could be judged", request.short())));
    };
    drop(database);
    let at = Clock::system().now();
    let Worth { judgement, quality } = args.worth;
    let said = quality.map_or_else(|| judgement.name().to_owned(), |quality| format!("worth {quality}"));
    let words = format!("judge the answer of {} to {} {said}", opened.model, request.short());
    let judged = Record::Judged { request, backend: opened.backend, model: opened.model, judgement, quality, at };
    write(vec![judged, audit(at, words.clone())], &place, output).await?;
    output.line(&words)?;
    Ok(ExitCode::SUCCESS)
}
