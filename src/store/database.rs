//! What the rest of the program asks of a database, whichever it is.

use std::collections::VecDeque;
use std::ops::{ControlFlow, RangeInclusive};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use serde::Serialize;

use super::StoreError;
use super::record::{AuditKind, AuditRow, Ended, Opened, Record, RequestRow, Settled, TextRow};
use crate::domain::id::{BackendId, ModelId, RequestId};
use crate::domain::judgement::Judgement;
use crate::domain::latency::Sample;
use crate::domain::learning::Outcome;
use crate::domain::money::Money;
use crate::domain::spend::{Book, Day, Elsewhere, Hour};
use crate::domain::task::Task;
use crate::domain::tier::Tier;
use crate::domain::time::Timestamp;

/// What comes of asking it.
pub type Asked<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// What takes in one row after the other, until it has had enough.
pub type Each<'a, T> = &'a mut (dyn FnMut(T) -> ControlFlow<()> + Send);

/// What an earlier run left for a later one.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// What the latest hours cost, oldest first.
    pub hours: VecDeque<Hour>,
    /// Attempts' times, oldest first.
    pub samples: Vec<KeptSample>,
    /// What attempts came to, and what people said of their answers, oldest first.
    pub outcomes: Vec<(BackendId, Outcome)>,
    /// What people thought of answers.
    pub judged: Vec<(BackendId, ModelId, Judgement)>,
}

/// An attempt's times, with whose they are.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptSample {
    /// The tier.
    pub tier: Tier,
    /// The backend.
    pub backend: BackendId,
    /// The model.
    pub model: ModelId,
    /// The times.
    pub sample: Sample,
}

/// What somebody said of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// Of which request.
    pub request: RequestId,
    /// Which model had answered.
    pub model: ModelId,
    /// What the answer was worth, 0 to 1.
    pub quality: f32,
}

/// An operator's wish, or what is held back, with who wrote it last.
#[derive(Clone, Debug, PartialEq)]
pub struct Wish {
    /// Grows with every change of any of them.
    pub revision: i64,
    /// The process that wrote it.
    pub owner: String,
    /// What is wanted, as the record that said so.
    pub record: Record,
}

/// Which rows are asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// Of these requests; of all, where empty.
    pub requests: Vec<RequestId>,
    /// Of the request whose id ends like this: hexadecimal digits in lower case, without hyphens.
    pub ending: Option<String>,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
    /// Of one tier: requests that were to go there, or that were tried there.
    pub tier: Option<Tier>,
    /// Of one backend.
    pub backend: Option<String>,
    /// Of one model.
    pub model: Option<String>,
    /// Of one caller; for the audit, of whoever acted.
    pub caller: Option<String>,
    /// Of one task.
    pub task: Option<Task>,
    /// Only those that ended in an answer, or only those that ended without.
    pub answered: Option<bool>,
    /// Of one kind, for the audit.
    pub kind: Option<AuditKind>,
    /// At most so many, the newest. Where each row is taken in and for sums, it says nothing.
    pub most: u32,
}

/// A request as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KeptRequest {
    /// How it began.
    #[serde(flatten)]
    pub asked: RequestRow,
    /// How it ended; `None` while it is on its way.
    pub ended: Option<Ended>,
    /// What its answer was worth to whoever read it, where somebody said so.
    pub judgement: Option<Judgement>,
}

/// A row of the ledger.
#[derive(Clone, Debug, PartialEq)]
pub enum KeptAttempt {
    /// It is on its way, or its program was killed a moment ago.
    Open(Opened),
    /// It ended.
    Settled(Settled),
}

/// What sums are made by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The day.
    Day,
    /// The tier.
    Tier,
    /// The backend.
    Backend,
    /// The model.
    Model,
    /// The caller.
    Caller,
    /// The task.
    Task,
}

/// A sum of attempts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sum {
    /// What it is of: a tier, a model, a day as `2026-11-24`.
    pub of: Arc<str>,
    /// The sum.
    #[serde(flatten)]
    pub book: Book,
    /// Attempts that failed.
    pub failed: u32,
    /// What rented machines cost, for sums by day; they are the tier's `gpu`, and no model's and no caller's.
    pub rented: Money,
}

/// Two percentiles of a time, in milliseconds, within a fifth of the true ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantiles {
    /// Half of the answers took less.
    pub p50: u32,
    /// Nineteen in twenty took less.
    pub p95: u32,
}

/// How fast answers were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paced {
    /// Whose: a tier, a model, a day as `2026-11-24`.
    pub of: Arc<str>,
    /// To the first token; `None` where no answer came in pieces.
    pub first_token: Option<Quantiles>,
    /// To the end.
    pub total: Option<Quantiles>,
}

/// A database that the journal is folded into.
pub trait Database: Send {
    /// How much of a journal file is in here, in bytes.
    fn folded<'a>(&'a mut self, file: &'a str) -> Asked<'a, u64>;

    /// Takes in a batch of a journal file, and with it that the file is in here up to `upto`: all of it, or nothing.
    fn fold<'a>(&'a mut self, owner: &'a str, file: &'a str, upto: u64, records: &'a [Record]) -> Asked<'a, ()>;

    /// A process is no more, and its journal is in here: what it had open is lost. Returns how many attempts that were.
    fn close<'a>(&'a mut self, owner: &'a str, now: Timestamp, day: Day) -> Asked<'a, u64>;

    /// A journal file was deleted.
    fn forget<'a>(&'a mut self, file: &'a str) -> Asked<'a, ()>;

    /// What earlier runs left.
    fn kept(&mut self, now: Timestamp) -> Asked<'_, Kept>;

    /// What was booked on a day and in its month, by whomever. What others than `owner` have on its way is charged with what
    /// they have set aside for it.
    fn booked<'a>(&'a mut self, day: Day, owner: &'a str) -> Asked<'a, Vec<Elsewhere>>;

    /// What rented machines cost on a day and in its month, before a minute of the clock.
    fn rented(&mut self, day: Day, before: i64) -> Asked<'_, (Money, Money)>;

    /// What operators want and what is held back, in the order in which it was said.
    fn wishes(&mut self) -> Asked<'_, Vec<Wish>>;

    /// What people have said of answers since a time, by whichever program.
    fn judged(&mut self, since: Timestamp) -> Asked<'_, Vec<Said>>;

    /// Whether another process has changed anything since this was last asked.
    fn touched(&mut self) -> Asked<'_, bool>;

    /// Deletes the ledger's rows that are older than `keep`. The sums stay. A clock that has run ahead by itself makes nothing
    /// old: age counts from a day after the newest row.
    fn prune(&mut self, now: Timestamp, keep: Duration) -> Asked<'_, u64>;

    /// Requests, newest first.
    fn requests<'a>(&'a mut self, filter: &'a Filter) -> Asked<'a, Vec<KeptRequest>>;

    /// The ledger's rows, newest first.
    fn attempts<'a>(&'a mut self, filter: &'a Filter) -> Asked<'a, Vec<KeptAttempt>>;

    /// What was asked and answered in a request, where that was kept.
    fn text(&mut self, request: RequestId) -> Asked<'_, Option<TextRow>>;

    /// The audit, newest first.
    fn audit<'a>(&'a mut self, filter: &'a Filter) -> Asked<'a, Vec<AuditRow>>;

    /// Takes in each request, in the order in which they came. Memory stays flat, however many there are.
    fn each_request<'a>(&'a mut self, filter: &'a Filter, each: Each<'a, KeptRequest>) -> Asked<'a, ()>;

    /// Takes in each row of the ledger, in the order in which their requests came.
    fn each_attempt<'a>(&'a mut self, filter: &'a Filter, each: Each<'a, KeptAttempt>) -> Asked<'a, ()>;

    /// Takes in each row of the audit, in the order in which they were written.
    fn each_audit<'a>(&'a mut self, filter: &'a Filter, each: Each<'a, AuditRow>) -> Asked<'a, ()>;

    /// Sums of whole days, the largest first; days in their order. The filter's times say nothing here.
    fn sums<'a>(&'a mut self, days: RangeInclusive<Day>, filter: &'a Filter, by: By) -> Asked<'a, Vec<Sum>>;

    /// How fast answers of whole days were, by day, tier, backend or model.
    fn paces<'a>(&'a mut self, days: RangeInclusive<Day>, filter: &'a Filter, by: By) -> Asked<'a, Vec<Paced>>;
}
