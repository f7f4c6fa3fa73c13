//! Rows of the store as scripts get them: flat, with names that stay. Times are in UTC; money is in nano-dollars, and in
//! dollars beside it for people; what is not known is null.

use serde::Serialize;
use serde_json::{Map, Value};

use super::json::object;
use super::when::utc;
use crate::domain::money::Money;
use crate::domain::task::Task;
use crate::domain::tier::Tier;
use crate::engine::Outcome;
use crate::provider::Finish;
use crate::store::database::{KeptAttempt, KeptRequest, Sum};
use crate::store::record::{AuditKind, AuditRow, Opened, Result as End, Settled};

/// A row: names and values, in the order of the columns.
pub type Row = Map<String, Value>;

/// Something with a row.
pub trait Flat: Serialize + Default {
    /// The row.
    fn row(&self) -> Row {
        object(serde_json::to_value(self).unwrap_or_default())
    }

    /// The names of its columns.
    fn names() -> Vec<String> {
        Self::default().row().keys().cloned().collect()
    }
}

/// An amount in dollars, to the nano-dollar: `0.0123`, `12.00`.
#[must_use]
pub fn usd(amount: Money) -> String {
    let (sign, nano) = (if amount.0 < 0 { "-" } else { "" }, amount.0.unsigned_abs());
    let cents = nano / 10_000_000 % 100;
    let rest = format!("{:07}", nano % 10_000_000);
    format!("{sign}{}.{cents:02}{}", nano / 1_000_000_000, rest.trim_end_matches('0'))
}

/// A request.
#[derive(Debug, Default, Serialize)]
pub struct Request {
    request: String,
    at: String,
    caller: String,
    task: Option<Task>,
    complexity: f64,
    /// As the analysis estimated them.
    prompt_tokens: u32,
    ruling: Value,
    /// Kinds of findings, with spaces between them.
    found: String,
    /// Where it was to go first.
    tier: Option<Tier>,
    backend: Option<String>,
    model: Option<String>,
    why: String,
    predicted_nano_usd: Option<i64>,
    predicted_usd: Option<String>,
    ended: Option<String>,
    outcome: Option<Outcome>,
    reason: Option<String>,
    total_ms: Option<u32>,
    attempts: Option<u32>,
    judgement: Option<&'static str>,
}

impl Flat for Request {}

impl From<&KeptRequest> for Request {
    fn from(KeptRequest { asked, ended, judgement }: &KeptRequest) -> Self {
        let found: Vec<&str> = asked.found.iter().map(|kind| kind.name()).collect();
        Self {
            request: asked.request.to_string(),
            at: utc(asked.at),
            caller: asked.caller.to_string(),
            task: Some(asked.task),
            complexity: (f64::from(asked.complexity) * 1000.0).round() / 1000.0,
            prompt_tokens: asked.input_tokens,
            ruling: serde_json::to_value(asked.ruling).unwrap_or_default(),
            found: found.join(" "),
            tier: asked.tier,
            backend: asked.backend.as_ref().map(ToString::to_string),
            model: asked.model.as_ref().map(ToString::to_string),
            why: asked.why.clone(),
            predicted_nano_usd: asked.predicted.map(|amount| amount.0),
            predicted_usd: asked.predicted.map(usd),
            ended: ended.as_ref().map(|ended| utc(ended.at)),
            outcome: ended.as_ref().map(|ended| ended.outcome),
            reason: ended.as_ref().and_then(|ended| ended.why.clone()),
            total_ms: ended.as_ref().map(|ended| ended.total_ms),
            attempts: ended.as_ref().map(|ended| ended.attempts),
            judgement: judgement.map(|judgement| judgement.name()),
        }
    }
}

/// An attempt: a row of the ledger.
#[derive(Debug, Default, Serialize)]
pub struct Attempt {
    request: String,
    number: u32,
    at: String,
    caller: String,
    task: Option<Task>,
    tier: Option<Tier>,
    backend: String,
    model: String,
    reserved_nano_usd: i64,
    reserved_usd: String,
    /// The date of the price table.
    prices: Option<String>,
    ended: Option<String>,
    /// The day that its cost is booked on, in the operator's zone.
    day: Option<String>,
    /// `answered`, `failed` or `lost`; null while it is on its way.
    outcome: Option<&'static str>,
    /// Why a whole answer ended.
    finish: Option<Finish>,
    /// What went wrong.
    failure: Value,
    status: Option<u16>,
    delivered: Option<bool>,
    first_token_ms: Option<u32>,
    total_ms: Option<u32>,
    input_tokens: Option<u64>,
    cache_read_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
    cache_write_1h_tokens: Option<u64>,
    output_tokens: Option<u64>,
    /// The part of the output that was reasoning.
    reasoning_tokens: Option<u64>,
    cost_nano_usd: Option<i64>,
    cost_usd: Option<String>,
    cost_basis: Value,
    charged_nano_usd: Option<i64>,
    charged_usd: Option<String>,
    /// What it was expected to cost.
    predicted_nano_usd: Option<i64>,
    predicted_usd: Option<String>,
}

impl Flat for Attempt {}

impl From<&Opened> for Attempt {
    fn from(opened: &Opened) -> Self {
        Self {
            request: opened.request.to_string(),
            number: opened.number,
            at: utc(opened.at),
            caller: opened.caller.to_string(),
            task: Some(opened.task),
            tier: Some(opened.tier),
            backend: opened.backend.to_string(),
            model: opened.model.to_string(),
            reserved_nano_usd: opened.reserved.0,
            reserved_usd: usd(opened.reserved),
            prices: Some(opened.prices.to_string()).filter(|date| !date.is_empty()),
            ..Self::default()
        }
    }
}

impl From<&Settled> for Attempt {
    fn from(settled: &Settled) -> Self {
        let (outcome, finish, failure) = match settled.result {
            End::Answered(finish) => ("answered", Some(finish), Value::Null),
            End::Failed(class) => ("failed", None, serde_json::to_value(class).unwrap_or_default()),
            End::Lost => ("lost", None, Value::Null),
        };
        let usage = settled.usage;
        Self {
            ended: Some(utc(settled.ended)),
            day: Some(settled.day.date().to_string()),
            outcome: Some(outcome),
            finish,
            failure,
            status: settled.status,
            delivered: Some(settled.delivered),
            first_token_ms: settled.first_token_ms,
            total_ms: Some(settled.total_ms),
            input_tokens: usage.map(|usage| usage.input),
            cache_read_tokens: usage.map(|usage| usage.cache_read),
            cache_write_tokens: usage.map(|usage| usage.cache_write),
            cache_write_1h_tokens: usage.map(|usage| usage.cache_write_1h),
            output_tokens: usage.map(|usage| usage.output),
            reasoning_tokens: usage.map(|usage| usage.reasoning),
            cost_nano_usd: settled.cost.amount.map(|amount| amount.0),
            cost_usd: settled.cost.amount.map(usd),
            cost_basis: serde_json::to_value(settled.cost.basis).unwrap_or_default(),
            charged_nano_usd: Some(settled.charged.0),
            charged_usd: Some(usd(settled.charged)),
            predicted_nano_usd: settled.predicted.map(|amount| amount.0),
            predicted_usd: settled.predicted.map(usd),
            ..Self::from(&settled.opened)
        }
    }
}

impl From<&KeptAttempt> for Attempt {
    fn from(attempt: &KeptAttempt) -> Self {
        match attempt {
            KeptAttempt::Open(opened) => Self::from(opened),
            KeptAttempt::Settled(settled) => Self::from(settled),
        }
    }
}

/// A row of the audit.
#[derive(Debug, Default, Serialize)]
pub struct Audited {
    at: String,
    kind: Option<AuditKind>,
    by: String,
    target: Option<String>,
    what: String,
    request: Option<String>,
}

impl Flat for Audited {}

impl From<&AuditRow> for Audited {
    fn from(row: &AuditRow) -> Self {
        Self {
            at: utc(row.at),
            kind: Some(row.kind),
            by: row.by.to_string(),
            target: row.target.clone(),
            what: row.what.clone(),
            request: row.request.map(|request| request.to_string()),
        }
    }
}

/// A sum of attempts.
#[derive(Debug, Default, Serialize)]
pub struct Summed {
    of: String,
    attempts: u32,
    failed: u32,
    /// Attempts whose cost is not known.
    unknown: u32,
    input_tokens: u64,
    output_tokens: u64,
    settled_nano_usd: i64,
    settled_usd: String,
    estimated_nano_usd: i64,
    estimated_usd: String,
    /// What limits are charged with.
    charged_nano_usd: i64,
    charged_usd: String,
    /// What rented machines cost; null where sums are not by day, since they are of no model and of no caller.
    rented_nano_usd: Option<i64>,
    rented_usd: Option<String>,
    /// Attempts whose forecast can be compared with what was settled.
    foreseen: u32,
    /// By how much such forecasts were off, in percent of what was settled.
    forecast_error_percent: Option<f64>,
    /// By how much they lay above it, or below it where less than nothing.
    forecast_bias_percent: Option<f64>,
}

impl Flat for Summed {}

fn tenths(percent: f64) -> f64 {
    (percent * 10.0).round() / 10.0
}

impl Summed {
    /// A sum; its rent where there is one.
    #[must_use]
    pub fn of(sum: &Sum, with_rent: bool) -> Self {
        let book = &sum.book;
        let settled = book.amount - book.estimated;
        Self {
            of: sum.of.to_string(),
            attempts: book.attempts,
            failed: sum.failed,
            unknown: book.unknown,
            input_tokens: book.input_tokens,
            output_tokens: book.output_tokens,
            settled_nano_usd: settled.0,
            settled_usd: usd(settled),
            estimated_nano_usd: book.estimated.0,
            estimated_usd: usd(book.estimated),
            charged_nano_usd: book.charged.0,
            charged_usd: usd(book.charged),
            rented_nano_usd: with_rent.then_some(sum.rented.0),
            rented_usd: with_rent.then(|| usd(sum.rented)),
            foreseen: book.forecasts.attempts,
            forecast_error_percent: book.forecasts.error_percent().map(tenths),
            forecast_bias_percent: book.forecasts.bias_percent().map(tenths),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_exact() {
        for (nano, text) in [
            (0, "0.00"),
            (1, "0.000000001"),
            (12_300_000, "0.0123"),
            (10_000_000, "0.01"),
            (12_000_000_000, "12.00"),
            (-1_500_000_000, "-1.50"),
            (i64::MAX, "9223372036.854775807"),
        ] {
            assert_eq!(usd(Money(nano)), text);
        }
    }

    #[test]
    fn no_two_columns_have_one_name_and_all_have_one() {
        for names in [Request::names(), Attempt::names(), Audited::names(), Summed::names()] {
            let mut once = names.clone();
            once.sort_unstable();
            once.dedup();
            assert!(names.len() > 5 && once.len() == names.len(), "{names:?}");
        }
    }
}
