//! `llm-call history`: what was asked, where it went, what came of it and what that cost; and all that is known of one request.

mod one;

use std::collections::HashMap;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::Global;
use super::flat::{self, Flat};
use super::kept::{Kept, Span, Which};
use super::output::{Failure, Output, Style};
use super::table::{Cell, Column, Table};
use super::when::brief;
use crate::domain::failure::FailureClass;
use crate::domain::id::RequestId;
use crate::domain::money::Money;
use crate::domain::time::Timestamp;
use crate::engine::{Clock, Outcome};
use crate::store::StoreError;
use crate::store::database::{Database, Filter, KeptAttempt, KeptRequest};
use crate::store::record::{Result as End, Settled};
use crate::tui::text;

/// Requests whose attempts are asked for in one go: SQLite takes so many names at once, and some.
const AT_ONCE: usize = 1_000;

/// Arguments of `history`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Costs with ~ rest on estimates; — is what nobody knows, which is not nothing. Nothing is sent. Prompts and answers are\nkept only where the configuration says so: [store] keep_text.\n\n\
Examples:\n  llm-call history --since 2h --failed\n  llm-call history --tier gpu --attempts\n  llm-call history a1b2c3\n\n\
Exit codes: 0 told, even where nothing is kept; 1 the store cannot be read; 2 wrong usage or configuration.")]
pub struct Args {
    /// Everything about one request: the end of its id, as the list shows it.
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// With an id: what was asked and answered, where that was kept.
    #[arg(long, requires = "id")]
    text: bool,
    /// Print JSON: requests with their attempts.
    #[arg(long)]
    json: bool,
    /// Show each attempt below its request.
    #[arg(long)]
    attempts: bool,
    /// Only what did not end in an answer.
    #[arg(long, help_heading = "Which rows")]
    failed: bool,
    /// At most so many requests, the latest.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    span: Span,
    #[command(flatten)]
    which: Which,
}

/// A request with its attempts, in their order.
type Told = (KeptRequest, Vec<KeptAttempt>);

/// Runs `history`.
///
/// # Errors
///
/// If the store cannot be read, or there is no such request.
pub async fn run(args: &Args, global: &Global, output: &Output) -> Result<ExitCode, Failure> {
    let filter = args.which.narrow(args.span.filter()?);
    let filter = Filter {
        most: args.limit,
        answered: args.failed.then_some(false),
        ending: args.id.as_deref().map(ending).transpose()?,
        ..filter
    };
    let kept = Kept::open(global, output).await?;
    let is_kept = kept.database.is_some();
    let (mut told, mut text) = (Vec::new(), None);
    if let Some(mut database) = kept.database {
        let failed = |error: StoreError| Failure::Other(error.to_string());
        told = read(&mut *database, &filter).await.map_err(failed)?;
        if let ([(one, _)], true) = (&told[..], args.text) {
            text = database.text(one.asked.request).await.map_err(failed)?;
        }
    }
    if args.json {
        let mut requests: Vec<Value> = told.iter().map(as_json).collect();
        if let (Some(text), [Value::Object(fields)]) = (text, &mut requests[..]) {
            fields.insert("prompt".to_owned(), text.prompt.into());
            fields.insert("answer".to_owned(), text.answer.into());
        }
        output.json(&json!({ "simulated": global.demo, "requests": requests }))?;
        return Ok(ExitCode::SUCCESS);
    }
    match (&args.id, &told[..]) {
        (Some(id), []) => return Err(Failure::Usage(format!("no request is known whose id ends in {id}"))),
        (Some(_), [one]) => {
            one::print(one, output)?;
            if args.text {
                one::print_text(text.as_ref(), output)?;
            }
        }
        (Some(id), many) => {
            output.note(&format!("{} requests end in {id}; give more of the id", many.len()));
            list(many, args.attempts, output)?;
        }
        (None, []) => {
            if is_kept {
                output.note("no such requests");
            }
        }
        (None, many) => list(many, args.attempts, output)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The end of an id, as the store compares it.
pub(super) fn ending(id: &str) -> Result<String, Failure> {
    let digits = id.replace('-', "").to_ascii_lowercase();
    if digits.is_empty() || !digits.chars().all(|c| c.is_ascii_hexdigit()) {
        return Err(Failure::Usage(format!(
            "`{id}` is no end of an id, which is made of the digits 0 to 9 and a to f"
        )));
    }
    Ok(digits)
}

/// The requests that a filter asks for, oldest first.
async fn read(database: &mut dyn Database, filter: &Filter) -> Result<Vec<Told>, StoreError> {
    let mut requests = database.requests(filter).await?;
    requests.reverse();
    let mut attempts: HashMap<RequestId, Vec<KeptAttempt>> = HashMap::new();
    for some in requests.chunks(AT_ONCE) {
        let requests = some.iter().map(|one| one.asked.request).collect();
        let theirs = Filter { requests, most: u32::MAX, ..Filter::default() };
        for attempt in database.attempts(&theirs).await?.into_iter().rev() {
            attempts.entry(opened(&attempt).request).or_default().push(attempt);
        }
    }
    let mut told = |request: KeptRequest| {
        let mut attempts = attempts.remove(&request.asked.request).unwrap_or_default();
        attempts.sort_by_key(|attempt| opened(attempt).number);
        (request, attempts)
    };
    Ok(requests.into_iter().map(&mut told).collect())
}

const fn opened(attempt: &KeptAttempt) -> &crate::store::record::Opened {
    match attempt {
        KeptAttempt::Open(opened) => opened,
        KeptAttempt::Settled(settled) => &settled.opened,
    }
}

fn as_json((request, attempts): &Told) -> Value {
    let mut row = flat::Request::from(request).row();
    let attempts: Vec<Value> = attempts.iter().map(|attempt| flat::Attempt::from(attempt).row().into()).collect();
    row.insert("attempts".to_owned(), attempts.into());
    row.into()
}

fn list(told: &[Told], with_attempts: bool, output: &Output) -> Result<(), Failure> {
    let now = Clock::system().now();
    let mut table = Table::new(vec![
        Column::text("TIME", 0),
        Column::text("ID", 0),
        Column::text("CALLER", 3).cut_to(6),
        Column::text("TASK", 4),
        Column::text("TIER", 0),
        Column::text("MODEL", 1).cut_to(12),
        Column::text("OUTCOME", 2).cut_to(9),
        Column::number("FIRST", 5),
        Column::number("TOTAL", 1),
        Column::number("COST", 0),
        Column::text("WHY", 6).cut_to(20),
    ]);
    for (request, attempts) in told {
        table.row(of_request(request, attempts, now));
        if with_attempts {
            attempts.iter().for_each(|attempt| table.row(of_attempt(attempt, now)));
        }
    }
    table.print(output)
}

fn of_request(KeptRequest { asked, ended, .. }: &KeptRequest, attempts: &[KeptAttempt], now: Timestamp) -> Vec<Cell> {
    // Where it ended; where it was to go, before it was sent.
    let (tier, model) = match decisive(attempts).map(opened) {
        Some(last) => (last.tier.name(), last.model.as_str()),
        None => (asked.tier.map_or("—", |tier| tier.name()), asked.model.as_ref().map_or("—", |model| model.as_str())),
    };
    let outcome = ended.as_ref().map(|ended| ended.outcome);
    let why = ended.as_ref().and_then(|ended| ended.why.as_deref()).unwrap_or(&asked.why);
    vec![
        brief(asked.at, now).into(),
        asked.request.short().into(),
        (&*asked.caller).into(),
        asked.task.name().into(),
        tier.into(),
        model.into(),
        Cell::styled(outcome_words(outcome), outcome_style(outcome)),
        time(first_token(attempts)).into(),
        time(ended.as_ref().map(|ended| ended.total_ms)).into(),
        Bill::of(attempts).words().into(),
        why.into(),
    ]
}

fn of_attempt(attempt: &KeptAttempt, now: Timestamp) -> Vec<Cell> {
    let opened = opened(attempt);
    let settled = match attempt {
        KeptAttempt::Open(_) => None,
        KeptAttempt::Settled(settled) => Some(settled),
    };
    let (outcome, style) = match settled.map(|settled| settled.result) {
        None => ("in flight", Style::Dim),
        Some(End::Answered(_)) => ("answered", Style::Good),
        Some(End::Failed(class @ (FailureClass::Overtaken | FailureClass::Cancelled))) => (class.words(), Style::Dim),
        Some(End::Failed(class)) => (class.words(), Style::Bad),
        Some(End::Lost) => ("lost", Style::Bad),
    };
    vec![
        brief(opened.at, now).into(),
        format!("└ {}", opened.number).into(),
        "".into(),
        "".into(),
        opened.tier.name().into(),
        opened.model.as_str().into(),
        Cell::styled(outcome, style),
        time(settled.and_then(|settled| settled.first_token_ms)).into(),
        time(settled.map(|settled| settled.total_ms)).into(),
        Bill::of(std::slice::from_ref(attempt)).words().into(),
        settled.map_or_else(String::new, tokens).into(),
    ]
}

fn tokens(settled: &Settled) -> String {
    match settled.usage {
        Some(usage) => format!("{} in, {} out", usage.prompt(), usage.output),
        None => "tokens unknown".to_owned(),
    }
}

/// The attempt that the caller got the answer of; the last one, where there is none. Of several that raced, it need not be
/// the last that was sent.
fn decisive(attempts: &[KeptAttempt]) -> Option<&KeptAttempt> {
    let answered = |attempt: &&KeptAttempt| match attempt {
        KeptAttempt::Open(_) => false,
        KeptAttempt::Settled(settled) => matches!(settled.result, End::Answered(_)),
    };
    attempts.iter().find(answered).or(attempts.last())
}

/// The time that the answer took to begin.
fn first_token(attempts: &[KeptAttempt]) -> Option<u32> {
    match decisive(attempts)? {
        KeptAttempt::Open(_) => None,
        KeptAttempt::Settled(settled) => settled.first_token_ms,
    }
}

fn time(ms: Option<u32>) -> String {
    ms.map_or_else(|| "—".to_owned(), |ms| text::millis(u64::from(ms)))
}

const fn outcome_words(outcome: Option<Outcome>) -> &'static str {
    match outcome {
        None => "in flight",
        Some(Outcome::Answered) => "answered",
        Some(Outcome::NoRoute) => "no route",
        Some(Outcome::Failed) => "failed",
        Some(Outcome::Cut) => "cut",
        Some(Outcome::Cancelled) => "cancelled",
        Some(Outcome::Lost) => "lost",
    }
}

const fn outcome_style(outcome: Option<Outcome>) -> Style {
    match outcome {
        None => Style::Dim,
        Some(Outcome::Answered) => Style::Good,
        Some(Outcome::Cancelled) => Style::Warn,
        Some(Outcome::NoRoute | Outcome::Failed | Outcome::Cut | Outcome::Lost) => Style::Bad,
    }
}

/// What some attempts cost together.
#[derive(Default)]
struct Bill {
    amount: Money,
    estimated: bool,
    known: usize,
    unknown: usize,
}

impl Bill {
    fn of(attempts: &[KeptAttempt]) -> Self {
        let mut bill = Self::default();
        for attempt in attempts {
            let cost = match attempt {
                KeptAttempt::Open(_) => None,
                KeptAttempt::Settled(settled) => settled.cost.amount.map(|amount| (amount, settled.cost.is_estimate())),
            };
            match cost {
                None => bill.unknown += 1,
                Some((amount, estimated)) => {
                    bill.amount += amount;
                    bill.estimated |= estimated;
                    bill.known += 1;
                }
            }
        }
        bill
    }

    /// What is known, with how many attempts are not in it; nothing was sent where there are no attempts, and cost nothing.
    fn words(&self) -> String {
        match (self.known, self.unknown) {
            (0, 1..) => "—".to_owned(),
            (_, 0) => text::money(self.amount, self.estimated),
            (_, unknown) => format!("{} +{unknown}?", text::money(self.amount, self.estimated)),
        }
    }
}
