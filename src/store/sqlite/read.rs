//! What the tables tell.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::fold::kind_of;
use super::{count, of_word};
use crate::domain::id::{BackendId, ModelId, RequestId};
use crate::domain::judgement::Judgement;
use crate::domain::latency::Sample;
use crate::domain::learning::{Kind, Outcome};
use crate::domain::money::Money;
use crate::domain::spend::{Book, Day, Elsewhere, Forecasts, Hour};
use crate::domain::tier::Tier;
use crate::domain::time::Timestamp;
use crate::store::database::{Kept, KeptSample, Said, Wish};
use crate::store::record::Record;

/// How far back attempts' times are taken up again: as far as the charts go.
const SAMPLES: Duration = Duration::from_secs(24 * 3600);
/// As many of them as are taken up, the newest: more would hold up the start.
const MOST_SAMPLES: i64 = 50_000;
/// The hours that are taken up again.
const HOURS: i64 = 48;

/// Something in a row that cannot be read.
pub(super) fn invalid(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
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
        outcomes: outcomes(connection, now).await?,
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

/// What people have said of answers since a time.
pub(super) async fn judged(connection: &mut SqliteConnection, since: Timestamp) -> Result<Vec<Said>, sqlx::Error> {
    let rows = sqlx::query("SELECT request, model, judgement, quality FROM judgements WHERE at >= $1 ORDER BY at")
        .bind(since.0);
    let said = |row: &SqliteRow| {
        let text = |column: &str| row.try_get::<String, _>(column);
        Ok(Said {
            request: RequestId(text("request")?.parse().map_err(invalid)?),
            model: ModelId::from(text("model")?),
            quality: match row.try_get::<Option<f32>, _>("quality")? {
                Some(quality) => quality,
                None => of_word::<Judgement>(text("judgement")?)?.quality(),
            },
        })
    };
    rows.fetch_all(connection).await?.iter().map(said).collect()
}

/// How far back outcomes teach: three half-lives, after which an eighth of them is left.
const OUTCOMES: Duration = Duration::from_secs(90 * 24 * 3600);
/// As many of them as are taken up, the newest: more would hold up the start.
const MOST_OUTCOMES: i64 = 20_000;

/// What attempts came to, and what people said of their answers, oldest first.
pub(super) async fn outcomes(
    connection: &mut SqliteConnection,
    now: Timestamp,
) -> Result<Vec<(BackendId, Outcome)>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT attempts.tier, attempts.backend, attempts.model, task, kind, forecast, ended, served, first_token_ms, total_ms, output,
             judgement, quality
         FROM attempts LEFT JOIN judgements ON judgements.request = attempts.request
             AND judgements.model = attempts.model AND answered = 1
         WHERE ended > $1 AND served IS NOT NULL ORDER BY ended DESC LIMIT $2",
    )
    .bind(now.0.saturating_sub(OUTCOMES.as_millis() as i64))
    .bind(MOST_OUTCOMES)
    .fetch_all(connection)
    .await?;
    rows.iter().rev().map(outcome).collect()
}

fn outcome(row: &SqliteRow) -> Result<(BackendId, Outcome), sqlx::Error> {
    let text = |column: &str| row.try_get::<String, _>(column);
    let served = of_word(text("served")?)?;
    let task = of_word(text("task")?)?;
    let judgement: Option<String> = row.try_get("judgement")?;
    let judged = judgement.map(of_word::<Judgement>).transpose()?.map(Judgement::quality);
    let output: Option<i64> = row.try_get("output")?;
    let outcome = Outcome {
        kind: kind_of(row)?.unwrap_or_else(|| Kind::of_task(task)),
        tier: of_word(text("tier")?)?,
        model: ModelId::from(text("model")?),
        served,
        quality: row.try_get::<Option<f32>, _>("quality")?.or(judged),
        first_token_ms: row.try_get("first_token_ms")?,
        total_ms: row.try_get("total_ms")?,
        output_tokens: output.map(count),
        forecast_tokens: row.try_get("forecast")?,
        at: Timestamp(row.try_get("ended")?),
    };
    Ok((text("backend")?.into(), outcome))
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

/// A book, without its forecasts.
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
        forecasts: Forecasts::default(),
    })
}

/// What was booked on a day and in its month, by whomever, and what others than `owner` have on its way.
pub(super) async fn booked(
    connection: &mut SqliteConnection,
    day: Day,
    owner: &str,
) -> Result<Vec<Elsewhere>, sqlx::Error> {
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
    .fetch_all(&mut *connection)
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
    let mut booked = rows.iter().map(one).collect::<Result<Vec<_>, sqlx::Error>>()?;
    let open = sqlx::query(
        "SELECT tier, model, caller, sum(reserved) AS reserved FROM attempts
         WHERE ended IS NULL AND owner <> $1 AND reserved > 0 GROUP BY tier, model, caller",
    );
    for row in &open.bind(owner).fetch_all(connection).await? {
        let charged = Book { charged: Money(row.try_get("reserved")?), ..Book::default() };
        booked.push(Elsewhere {
            tier: of_word(row.try_get("tier")?)?,
            model: ModelId::from(row.try_get::<String, _>("model")?),
            caller: Arc::from(row.try_get::<String, _>("caller")?),
            today: charged,
            month: charged,
        });
    }
    Ok(booked)
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
