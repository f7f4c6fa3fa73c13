//! What the tables tell.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::fold::opened_of;
use super::{count, of_word, word};
use crate::domain::id::{ModelId, RequestId};
use crate::domain::latency::Sample;
use crate::domain::money::{Cost, Money};
use crate::domain::privacy::FindingKind;
use crate::domain::spend::{Book, Day, Elsewhere, Hour};
use crate::domain::tier::Tier;
use crate::domain::time::Timestamp;
use crate::domain::usage::Usage;
use crate::store::database::{Filter, Kept, KeptAttempt, KeptRequest, KeptSample, Wish};
use crate::store::record::{AuditRow, Ended, Record, RequestRow, Result as End, Settled};

/// How far back attempts' times are taken up again: as far as the charts go.
const SAMPLES: Duration = Duration::from_secs(24 * 3600);
/// As many of them as are taken up, the newest: more would hold up the start.
const MOST_SAMPLES: i64 = 50_000;
/// The hours that are taken up again.
const HOURS: i64 = 48;

fn invalid(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}

/// What earlier runs left.
pub(super) async fn kept(connection: &mut SqliteConnection, now: Timestamp) -> Result<Kept, sqlx::Error> {
    let samples = sqlx::query(
        "SELECT tier, backend, model, ended, answered, first_token_ms, total_ms, longest_pause_ms, output FROM attempts
         WHERE ended > $1 AND counts = 1 ORDER BY ended DESC LIMIT $2",
    )
    .bind(now.0.saturating_sub(SAMPLES.as_millis() as i64))
    .bind(MOST_SAMPLES)
    .fetch_all(&mut *connection)
    .await?;
    let judged = sqlx::query("SELECT backend, model, judgement FROM judgements").fetch_all(&mut *connection).await?;
    Ok(Kept {
        hours: hours(connection, now).await?,
        samples: samples.iter().rev().map(sample).collect::<Result<_, _>>()?,
        judged: judged
            .iter()
            .map(|row| {
                let text = |column: &str| row.try_get::<String, _>(column);
                Ok((text("backend")?.into(), text("model")?.into(), of_word(text("judgement")?)?))
            })
            .collect::<Result<_, sqlx::Error>>()?,
    })
}

fn sample(row: &SqliteRow) -> Result<KeptSample, sqlx::Error> {
    let first: Option<u32> = row.try_get("first_token_ms")?;
    let total: u32 = row.try_get("total_ms")?;
    let output: Option<i64> = row.try_get("output")?;
    let streamed = first.map(|first| total.saturating_sub(first)).filter(|rest| *rest > 10);
    #[expect(clippy::cast_precision_loss, reason = "a rate for display")]
    let tokens_per_second = streamed.zip(output).map(|(rest, tokens)| tokens as f32 * 1000.0 / rest as f32);
    Ok(KeptSample {
        tier: of_word(row.try_get("tier")?)?,
        backend: row.try_get::<String, _>("backend")?.into(),
        model: row.try_get::<String, _>("model")?.into(),
        sample: Sample {
            at: Timestamp(row.try_get("ended")?),
            ok: row.try_get("answered")?,
            first_token_ms: first,
            total_ms: total,
            tokens_per_second,
            longest_pause_ms: row.try_get("longest_pause_ms")?,
        },
    })
}

async fn hours(connection: &mut SqliteConnection, now: Timestamp) -> Result<VecDeque<Hour>, sqlx::Error> {
    let first = Hour::of(now) - HOURS + 1;
    let mut hours: BTreeMap<i64, Hour> = BTreeMap::new();
    let empty = |number| Hour { number, ..Hour::default() };
    let spent = sqlx::query(
        "SELECT start, tier, sum(amount) AS amount FROM sums WHERE period = 'hour' AND start >= $1 GROUP BY start, tier",
    );
    for row in spent.bind(first).fetch_all(&mut *connection).await? {
        let tier: Tier = of_word(row.try_get("tier")?)?;
        let number = row.try_get("start")?;
        hours.entry(number).or_insert(empty(number)).tiers[tier.index()] = Money(row.try_get("amount")?);
    }
    let rented = sqlx::query(
        "SELECT minute / 60 AS start, sum(amount) AS amount FROM rented WHERE minute >= $1 * 60 GROUP BY minute / 60",
    );
    for row in rented.bind(first).fetch_all(&mut *connection).await? {
        let number = row.try_get("start")?;
        hours.entry(number).or_insert(empty(number)).rented = Money(row.try_get("amount")?);
    }
    Ok(hours.into_values().filter(|hour| hour.total() > Money::ZERO).collect())
}

pub(super) fn book(row: &SqliteRow, suffix: &str) -> Result<Book, sqlx::Error> {
    let number = |column: &str| row.try_get::<i64, _>(format!("{column}{suffix}").as_str());
    Ok(Book {
        amount: Money(number("amount")?),
        estimated: Money(number("estimated")?),
        charged: Money(number("charged")?),
        unknown: count(number("unknown")?),
        attempts: count(number("attempts")?),
        input_tokens: count(number("input_tokens")?),
        output_tokens: count(number("output_tokens")?),
    })
}

/// What was booked on a day and in its month, by whomever.
pub(super) async fn booked(connection: &mut SqliteConnection, day: Day) -> Result<Vec<Elsewhere>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT tier, model, caller,
             sum(amount) AS amount_month, sum(estimated) AS estimated_month, sum(charged) AS charged_month,
             sum(unknown) AS unknown_month, sum(attempts) AS attempts_month, sum(input_tokens) AS input_tokens_month,
             sum(output_tokens) AS output_tokens_month,
             sum(iif(start = $1, amount, 0)) AS amount_day, sum(iif(start = $1, estimated, 0)) AS estimated_day,
             sum(iif(start = $1, charged, 0)) AS charged_day, sum(iif(start = $1, unknown, 0)) AS unknown_day,
             sum(iif(start = $1, attempts, 0)) AS attempts_day,
             sum(iif(start = $1, input_tokens, 0)) AS input_tokens_day,
             sum(iif(start = $1, output_tokens, 0)) AS output_tokens_day
         FROM sums WHERE period = 'day' AND start BETWEEN $2 AND $1 GROUP BY tier, model, caller",
    )
    .bind(day.0)
    .bind(day.first_of_month().0)
    .fetch_all(connection)
    .await?;
    let one = |row: &SqliteRow| {
        Ok(Elsewhere {
            tier: of_word(row.try_get("tier")?)?,
            model: ModelId::from(row.try_get::<String, _>("model")?),
            caller: Arc::from(row.try_get::<String, _>("caller")?),
            today: book(row, "_day")?,
            month: book(row, "_month")?,
        })
    };
    rows.iter().map(one).collect()
}

/// What rented machines cost on a day and in its month, before a minute.
pub(super) async fn rented(
    connection: &mut SqliteConnection,
    day: Day,
    before: i64,
) -> Result<(Money, Money), sqlx::Error> {
    let row = sqlx::query(
        "SELECT coalesce(sum(amount), 0) AS month, coalesce(sum(iif(day = $1, amount, 0)), 0) AS today FROM rented
         WHERE day BETWEEN $2 AND $1 AND minute < $3",
    )
    .bind(day.0)
    .bind(day.first_of_month().0)
    .bind(before)
    .fetch_one(connection)
    .await?;
    Ok((Money(row.try_get("today")?), Money(row.try_get("month")?)))
}

/// What operators want and what is held back. What a later program wrote in a form that this one does not know is passed over.
pub(super) async fn wishes(connection: &mut SqliteConnection) -> Result<Vec<Wish>, sqlx::Error> {
    let rows = sqlx::query("SELECT revision, owner, value FROM state ORDER BY revision").fetch_all(connection).await?;
    let mut wishes = Vec::new();
    for row in &rows {
        if let Ok(record) = serde_json::from_str::<Record>(&row.try_get::<String, _>("value")?) {
            wishes.push(Wish { revision: row.try_get("revision")?, owner: row.try_get("owner")?, record });
        }
    }
    Ok(wishes)
}

/// As many rows as a filter asks for, bound to numbers that begin with `$1`: since, until, tier, backend, model, caller, task,
/// answered, most.
macro_rules! filtered {
    ($query:expr, $filter:expr) => {
        $query
            .bind($filter.since.map_or(i64::MIN, |since| since.0))
            .bind($filter.until.map_or(i64::MAX, |until| until.0))
            .bind($filter.tier.map(|tier| tier.name()))
            .bind($filter.backend.as_deref())
            .bind($filter.model.as_deref())
            .bind($filter.caller.as_deref())
            .bind($filter.task.map(|task| word(&task)))
            .bind($filter.answered)
            .bind(i64::from($filter.most))
    };
}
pub(super) use filtered;

/// Requests, newest first.
pub(super) async fn requests(
    connection: &mut SqliteConnection,
    filter: &Filter,
) -> Result<Vec<KeptRequest>, sqlx::Error> {
    let query = sqlx::query(
        "SELECT * FROM requests WHERE at >= $1 AND at < $2 AND ($3 IS NULL OR tier = $3) AND ($4 IS NULL OR backend = $4)
             AND ($5 IS NULL OR model = $5) AND ($6 IS NULL OR caller = $6) AND ($7 IS NULL OR task = $7)
             AND ($8 IS NULL OR (coalesce(outcome, '') = 'answered') = $8)
         ORDER BY at DESC, request DESC LIMIT $9",
    );
    filtered!(query, filter).fetch_all(connection).await?.iter().map(request).collect()
}

fn request(row: &SqliteRow) -> Result<KeptRequest, sqlx::Error> {
    let text = |column: &str| row.try_get::<String, _>(column);
    let maybe = |column: &str| row.try_get::<Option<String>, _>(column);
    let id = RequestId(text("request")?.parse().map_err(invalid)?);
    let kinds = text("found")?;
    let found = kinds.split_whitespace().map(|kind| of_word::<FindingKind>(kind.to_owned()));
    let asked = RequestRow {
        request: id,
        at: Timestamp(row.try_get("at")?),
        caller: Arc::from(text("caller")?),
        task: of_word(text("task")?)?,
        complexity: row.try_get("complexity")?,
        input_tokens: row.try_get("input_tokens")?,
        ruling: of_word(text("ruling")?)?,
        found: found.collect::<Result<_, _>>()?,
        tier: maybe("tier")?.map(of_word).transpose()?,
        backend: maybe("backend")?.map(Into::into),
        model: maybe("model")?.map(Into::into),
        why: text("why")?,
        predicted: row.try_get::<Option<i64>, _>("predicted")?.map(Money),
    };
    let ended = match row.try_get::<Option<i64>, _>("ended")? {
        None => None,
        Some(at) => Some(Ended {
            request: id,
            at: Timestamp(at),
            outcome: of_word(text("outcome")?)?,
            why: maybe("reason")?,
            total_ms: count(row.try_get("total_ms")?),
            attempts: count(row.try_get("attempts")?),
        }),
    };
    Ok(KeptRequest { asked, ended })
}

/// The ledger, newest first.
pub(super) async fn attempts(
    connection: &mut SqliteConnection,
    filter: &Filter,
) -> Result<Vec<KeptAttempt>, sqlx::Error> {
    let query = sqlx::query(
        "SELECT * FROM attempts WHERE at >= $1 AND at < $2 AND ($3 IS NULL OR tier = $3) AND ($4 IS NULL OR backend = $4)
             AND ($5 IS NULL OR model = $5) AND ($6 IS NULL OR caller = $6) AND ($7 IS NULL OR task = $7)
             AND ($8 IS NULL OR coalesce(answered, 0) = $8)
         ORDER BY at DESC, request DESC, number DESC LIMIT $9",
    );
    filtered!(query, filter).fetch_all(connection).await?.iter().map(attempt).collect()
}

fn attempt(row: &SqliteRow) -> Result<KeptAttempt, sqlx::Error> {
    let opened = opened_of(row)?;
    let Some(ended) = row.try_get::<Option<i64>, _>("ended")? else { return Ok(KeptAttempt::Open(opened)) };
    let result: String = row.try_get("result")?;
    let result = match (row.try_get("answered")?, result.as_str()) {
        (true, _) => End::Answered(of_word(result)?),
        (false, "lost") => End::Lost,
        (false, _) => End::Failed(of_word(result)?),
    };
    let tokens = |column: &str| row.try_get::<Option<i64>, _>(column).map(|found| count(found.unwrap_or(0)));
    let usage = match row.try_get::<Option<i64>, _>("input")? {
        None => None,
        Some(input) => Some(Usage {
            input: count(input),
            cache_read: tokens("cache_read")?,
            cache_write: tokens("cache_write")?,
            cache_write_1h: tokens("cache_write_1h")?,
            output: tokens("output")?,
            reasoning: tokens("reasoning")?,
        }),
    };
    Ok(KeptAttempt::Settled(Settled {
        opened,
        ended: Timestamp(ended),
        day: Day(row.try_get("day")?),
        result,
        status: row.try_get("status")?,
        delivered: row.try_get("delivered")?,
        counts: row.try_get("counts")?,
        first_token_ms: row.try_get("first_token_ms")?,
        total_ms: row.try_get("total_ms")?,
        longest_pause_ms: row.try_get("longest_pause_ms")?,
        usage,
        cost: Cost {
            amount: row.try_get::<Option<i64>, _>("cost")?.map(Money),
            basis: of_word(row.try_get("basis")?)?,
        },
        charged: Money(row.try_get("charged")?),
    }))
}

/// The audit, newest first.
pub(super) async fn audit(connection: &mut SqliteConnection, filter: &Filter) -> Result<Vec<AuditRow>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT * FROM audit WHERE at >= $1 AND at < $2 AND ($3 IS NULL OR kind = $3) AND ($4 IS NULL OR who = $4)
         ORDER BY at DESC, id DESC LIMIT $5",
    )
    .bind(filter.since.map_or(i64::MIN, |since| since.0))
    .bind(filter.until.map_or(i64::MAX, |until| until.0))
    .bind(filter.kind.map(|kind| kind.name()))
    .bind(filter.caller.as_deref())
    .bind(i64::from(filter.most))
    .fetch_all(connection)
    .await?;
    let one = |row: &SqliteRow| {
        let request: Option<String> = row.try_get("request")?;
        Ok(AuditRow {
            at: Timestamp(row.try_get("at")?),
            kind: of_word(row.try_get("kind")?)?,
            by: Arc::from(row.try_get::<String, _>("who")?),
            target: row.try_get("target")?,
            what: row.try_get("what")?,
            request: request.map(|id| id.parse().map(RequestId)).transpose().map_err(invalid)?,
        })
    };
    rows.iter().map(one).collect()
}
