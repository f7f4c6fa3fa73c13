//! How records become rows.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use sqlx::{Connection, Row, SqliteConnection};

use super::{count, of_word, word};
use crate::domain::id::{ModelId, RequestId};
use crate::domain::learning::Kind;
use crate::domain::money::Money;
use crate::domain::spend::{Book, Day, Hour};
use crate::domain::time::Timestamp;
use crate::store::record::{AuditRow, Ended, Opened, Record, RequestRow, Result as End, Settled, TextRow};

/// Folds a batch in one transaction.
pub(super) async fn fold(
    connection: &mut SqliteConnection,
    owner: &str,
    file: &str,
    upto: u64,
    records: &[Record],
) -> Result<(), sqlx::Error> {
    // With a plain BEGIN, two processes that both read first could not both write afterwards.
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    // What ends within the batch needs no row for its beginning.
    let ended: HashSet<(RequestId, u32)> = records
        .iter()
        .filter_map(|record| match record {
            Record::Settled(row) => Some((row.opened.request, row.opened.number)),
            _ => None,
        })
        .collect();
    let mut sums = Sums::default();
    for record in records {
        match record {
            Record::Request(row) => request(&mut transaction, owner, row).await?,
            Record::Opened(row) if ended.contains(&(row.request, row.number)) => {}
            Record::Opened(row) => opened(&mut transaction, owner, row).await?,
            Record::Settled(row) => {
                settled(&mut transaction, owner, row).await?;
                sums.add(row);
            }
            Record::Released { request, number } => released(&mut transaction, *request, *number).await?,
            Record::Ended(row) => request_ended(&mut transaction, row).await?,
            Record::Text(row) => text(&mut transaction, row).await?,
            Record::Audit(row) => audit(&mut transaction, row).await?,
            Record::Admin { target, admin } => {
                state(&mut transaction, owner, &format!("admin {target}"), admin.since, record).await?;
            }
            Record::Pins { at, .. } => state(&mut transaction, owner, "pins", *at, record).await?,
            Record::DailyLimit { at, .. } => state(&mut transaction, owner, "daily limit", *at, record).await?,
            Record::Holds { at, .. } => state(&mut transaction, owner, "holds", *at, record).await?,
            Record::Billed { at, .. } => state(&mut transaction, owner, "billed", *at, record).await?,
            Record::Forget { tier, model, task, at } => {
                let part = |part: Option<String>| part.unwrap_or_else(|| "any".to_owned());
                let (tier, task) = (part(tier.map(|tier| tier.to_string())), part(task.map(|task| task.to_string())));
                let model = part(model.as_ref().map(ToString::to_string));
                state(&mut transaction, owner, &format!("forget {tier} {task} {model}"), *at, record).await?;
            }
            Record::Judged { request, backend, model, judgement, quality, at } => {
                sqlx::query(
                    "INSERT INTO judgements (request, at, backend, model, judgement, quality) VALUES ($1, $2, $3, $4, $5, $6)
                     ON CONFLICT (request) DO UPDATE SET at = $2, judgement = $5, quality = $6",
                )
                .bind(request.to_string())
                .bind(at.0)
                .bind(backend.as_str())
                .bind(model.as_str())
                .bind(word(judgement))
                .bind(quality)
                .execute(&mut *transaction)
                .await?;
            }
            Record::Rented { minute, day, amount } => {
                sqlx::query(
                    "INSERT INTO rented (minute, day, amount) VALUES ($1, $2, $3)
                     ON CONFLICT (minute) DO UPDATE SET amount = max(amount, $3)",
                )
                .bind(minute)
                .bind(day.0)
                .bind(amount.0)
                .execute(&mut *transaction)
                .await?;
            }
        }
    }
    sums.write(&mut transaction).await?;
    sqlx::query("INSERT INTO journals (file, folded) VALUES ($1, $2) ON CONFLICT (file) DO UPDATE SET folded = $2")
        .bind(file)
        .bind(i64::try_from(upto).unwrap_or(i64::MAX))
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await
}

async fn request(connection: &mut SqliteConnection, owner: &str, row: &RequestRow) -> Result<(), sqlx::Error> {
    let found: Vec<&str> = row.found.iter().map(|kind| kind.name()).collect();
    sqlx::query(
        "INSERT INTO requests (request, owner, at, caller, task, complexity, input_tokens, ruling, found, tier, backend,
             model, why, predicted)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
         ON CONFLICT (request) DO NOTHING",
    )
    .bind(row.request.to_string())
    .bind(owner)
    .bind(row.at.0)
    .bind(&*row.caller)
    .bind(word(&row.task))
    .bind(row.complexity)
    .bind(row.input_tokens)
    .bind(word(&row.ruling))
    .bind(found.join(" "))
    .bind(row.tier.map(|tier| tier.name()))
    .bind(row.backend.as_ref().map(ToString::to_string))
    .bind(row.model.as_ref().map(ToString::to_string))
    .bind(&row.why)
    .bind(row.predicted.map(|cost| cost.0))
    .execute(connection)
    .await
    .map(drop)
}

async fn request_ended(connection: &mut SqliteConnection, row: &Ended) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE requests SET ended = $2, outcome = $3, reason = $4, total_ms = $5, attempts = $6 WHERE request = $1",
    )
    .bind(row.request.to_string())
    .bind(row.at.0)
    .bind(word(&row.outcome))
    .bind(&row.why)
    .bind(row.total_ms)
    .bind(row.attempts)
    .execute(connection)
    .await
    .map(drop)
}

async fn opened(connection: &mut SqliteConnection, owner: &str, row: &Opened) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO attempts (request, number, owner, at, caller, task, tier, backend, model, reserved, prices, kind, forecast)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
         ON CONFLICT (request, number) DO NOTHING",
    )
    .bind(row.request.to_string())
    .bind(row.number)
    .bind(owner)
    .bind(row.at.0)
    .bind(&*row.caller)
    .bind(word(&row.task))
    .bind(row.tier.name())
    .bind(row.backend.as_str())
    .bind(row.model.as_str())
    .bind(row.reserved.0)
    .bind(&*row.prices)
    .bind(row.kind.as_ref().and_then(|kind| serde_json::to_string(kind).ok()))
    .bind(row.forecast)
    .execute(connection)
    .await
    .map(drop)
}

async fn settled(connection: &mut SqliteConnection, owner: &str, row: &Settled) -> Result<(), sqlx::Error> {
    opened(connection, owner, &row.opened).await?;
    let (answered, result) = match &row.result {
        End::Answered(finish) => (true, word(finish)),
        End::Failed(class) => (false, word(class)),
        End::Lost => (false, "lost".to_owned()),
    };
    let tokens = |part: u64| i64::try_from(part).unwrap_or(i64::MAX);
    sqlx::query(
        "UPDATE attempts SET ended = $3, day = $4, answered = $5, result = $6, status = $7, delivered = $8, counts = $9,
             first_token_ms = $10, total_ms = $11, input = $12, cache_read = $13, cache_write = $14, cache_write_1h = $15,
             output = $16, reasoning = $17, cost = $18, basis = $19, charged = $20, longest_pause_ms = $21,
             predicted = $22, served = $23
         WHERE request = $1 AND number = $2",
    )
    .bind(row.opened.request.to_string())
    .bind(row.opened.number)
    .bind(row.ended.0)
    .bind(row.day.0)
    .bind(answered)
    .bind(result)
    .bind(row.status)
    .bind(row.delivered)
    .bind(row.counts)
    .bind(row.first_token_ms)
    .bind(row.total_ms)
    .bind(row.usage.map(|usage| tokens(usage.input)))
    .bind(row.usage.map(|usage| tokens(usage.cache_read)))
    .bind(row.usage.map(|usage| tokens(usage.cache_write)))
    .bind(row.usage.map(|usage| tokens(usage.cache_write_1h)))
    .bind(row.usage.map(|usage| tokens(usage.output)))
    .bind(row.usage.map(|usage| tokens(usage.reasoning)))
    .bind(row.cost.amount.map(|amount| amount.0))
    .bind(word(&row.cost.basis))
    .bind(row.charged.0)
    .bind(row.longest_pause_ms)
    .bind(row.predicted.map(|cost| cost.0))
    .bind(row.served.as_ref().map(word))
    .execute(connection)
    .await
    .map(drop)
}

/// What was never sent is no attempt.
async fn released(connection: &mut SqliteConnection, request: RequestId, number: u32) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM attempts WHERE request = $1 AND number = $2 AND ended IS NULL")
        .bind(request.to_string())
        .bind(number)
        .execute(connection)
        .await
        .map(drop)
}

async fn text(connection: &mut SqliteConnection, row: &TextRow) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO texts (request, at, prompt, answer) VALUES ($1, $2, $3, $4) ON CONFLICT (request) DO NOTHING",
    )
    .bind(row.request.to_string())
    .bind(row.at.0)
    .bind(&row.prompt)
    .bind(&row.answer)
    .execute(connection)
    .await
    .map(drop)
}

async fn audit(connection: &mut SqliteConnection, row: &AuditRow) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO audit (at, kind, who, target, what, request) VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(row.at.0)
        .bind(row.kind.name())
        .bind(&*row.by)
        .bind(&row.target)
        .bind(&row.what)
        .bind(row.request.map(|request| request.to_string()))
        .execute(connection)
        .await
        .map(drop)
}

/// The later word counts, whichever process is folded first; but one that was spoken while the clock ran ahead binds nobody.
async fn state(
    connection: &mut SqliteConnection,
    owner: &str,
    key: &str,
    at: Timestamp,
    record: &Record,
) -> Result<(), sqlx::Error> {
    let value = serde_json::to_string(record).map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
    sqlx::query(
        "INSERT INTO state (key, revision, owner, at, value)
         VALUES ($1, (SELECT coalesce(max(revision), 0) + 1 FROM state), $2, $3, $4)
         ON CONFLICT (key) DO UPDATE SET revision = excluded.revision, owner = $2, at = $3, value = $4
             WHERE at <= $3 OR at > unixepoch('subsec') * 1000",
    )
    .bind(key)
    .bind(owner)
    .bind(at.0)
    .bind(value)
    .execute(connection)
    .await
    .map(drop)
}

/// Ends what a process left open when it was killed.
pub(super) async fn close(
    connection: &mut SqliteConnection,
    owner: &str,
    now: Timestamp,
    day: Day,
) -> Result<u64, sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let rows = sqlx::query(
        "SELECT request, number, at, caller, task, tier, backend, model, reserved, prices, kind, forecast FROM attempts
         WHERE owner = $1 AND ended IS NULL",
    )
    .bind(owner)
    .fetch_all(&mut *transaction)
    .await?;
    let mut sums = Sums::default();
    for row in &rows {
        let lost = Settled::lost(opened_of(row)?, now, day);
        settled(&mut transaction, owner, &lost).await?;
        sums.add(&lost);
    }
    sums.write(&mut transaction).await?;
    sqlx::query(
        "UPDATE requests SET ended = $2, outcome = 'lost', reason = 'the program ended first', total_ms = max($2 - at, 0),
             attempts = (SELECT count(*) FROM attempts WHERE attempts.request = requests.request)
         WHERE owner = $1 AND ended IS NULL",
    )
    .bind(owner)
    .bind(now.0)
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(rows.len() as u64)
}

/// What outcomes of an attempt's work are remembered by. What an older program wrote, or a newer one, is not known.
pub(super) fn kind_of(row: &sqlx::sqlite::SqliteRow) -> Result<Option<Kind>, sqlx::Error> {
    let text: Option<String> = row.try_get("kind")?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

/// The beginning of an attempt, from its row.
pub(super) fn opened_of(row: &sqlx::sqlite::SqliteRow) -> Result<Opened, sqlx::Error> {
    let text = |column: &str| row.try_get::<String, _>(column);
    let request = text("request")?.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
    Ok(Opened {
        request: RequestId(request),
        number: count(row.try_get("number")?),
        at: Timestamp(row.try_get("at")?),
        caller: Arc::from(text("caller")?),
        task: of_word(text("task")?)?,
        kind: kind_of(row)?,
        forecast: row.try_get("forecast")?,
        tier: of_word(text("tier")?)?,
        backend: text("backend")?.into(),
        model: ModelId::from(text("model")?),
        reserved: Money(row.try_get("reserved")?),
        prices: Arc::from(text("prices")?),
    })
}

/// How long after the newest row the clock is believed to be right.
const BELIEVED: i64 = 86_400_000;

/// Deletes rows that are older than `keep`.
pub(super) async fn prune(
    connection: &mut SqliteConnection,
    now: Timestamp,
    keep: Duration,
) -> Result<u64, sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let newest = "SELECT max(at) FROM (SELECT max(at) AS at FROM requests UNION ALL SELECT max(ended) FROM attempts)";
    let newest = sqlx::query_scalar::<_, Option<i64>>(newest).fetch_one(&mut *transaction).await?;
    let Some(newest) = newest else { return Ok(0) };
    let now = now.0.min(newest.saturating_add(BELIEVED));
    let before = Timestamp(now.saturating_sub(i64::try_from(keep.as_millis()).unwrap_or(i64::MAX)));
    let mut gone = 0;
    for rows in [
        "DELETE FROM attempts WHERE ended < $1",
        "DELETE FROM requests WHERE at < $1 AND ended < $1",
        "DELETE FROM texts WHERE at < $1",
        "DELETE FROM audit WHERE at < $1",
        "DELETE FROM judgements WHERE at < $1",
        "DELETE FROM sums WHERE period = 'hour' AND start < $1 / 3600000",
        "DELETE FROM times WHERE period = 'hour' AND start < $1 / 3600000",
    ] {
        gone += sqlx::query(rows).bind(before.0).execute(&mut *transaction).await?.rows_affected();
    }
    transaction.commit().await?;
    Ok(gone)
}

/// Period, start, tier, backend, model, caller, task.
type SumKey = (&'static str, i64, String, String, String, String, String);
/// Period, start, tier, backend, model, measure, bucket.
type TimeKey = (&'static str, i64, String, String, String, &'static str, i64);

/// What a batch adds to the sums: worked out first, so that a batch costs one statement per sum and not one per attempt.
#[derive(Default)]
struct Sums {
    books: BTreeMap<SumKey, (Book, u32)>,
    times: BTreeMap<TimeKey, i64>,
}

/// Two buckets to a doubling: a percentile read from them is within a fifth of the true one.
pub(super) fn bucket(milliseconds: u32) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "below 64")]
    let bucket = (f64::from(milliseconds.max(1)).log2() * 2.0).round() as i64;
    bucket
}

impl Sums {
    fn add(&mut self, row: &Settled) {
        let Opened { tier, backend, model, caller, task, .. } = &row.opened;
        let place = || (word(tier), backend.to_string(), model.to_string());
        for (period, start) in [("hour", Hour::of(row.ended)), ("day", i64::from(row.day.0))] {
            let (tier, backend, model) = place();
            let (book, failed) =
                self.books.entry((period, start, tier, backend, model, caller.to_string(), word(task))).or_default();
            book.add(row.cost, row.usage.as_ref(), row.charged);
            // What a caller, an operator or a faster answer ended is no failure.
            *failed += u32::from(row.result == End::Lost || row.counts && !matches!(row.result, End::Answered(_)));
            if !matches!(row.result, End::Answered(_)) {
                continue;
            }
            book.forecasts.add(row.predicted, row.cost);
            let measures = [("first_token", row.first_token_ms), ("total", Some(row.total_ms))];
            for (measure, time) in measures.into_iter().filter_map(|(measure, time)| Some((measure, time?))) {
                let (tier, backend, model) = place();
                *self.times.entry((period, start, tier, backend, model, measure, bucket(time))).or_default() += 1;
            }
        }
    }

    async fn write(self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let tokens = |part: u64| i64::try_from(part).unwrap_or(i64::MAX);
        for ((period, start, tier, backend, model, caller, task), (book, failed)) in self.books {
            sqlx::query(
                "INSERT INTO sums (period, start, tier, backend, model, caller, task, attempts, failed, unknown, amount,
                     estimated, charged, input_tokens, output_tokens, foreseen, foreseen_predicted, foreseen_settled,
                     foreseen_off)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
                 ON CONFLICT (period, start, tier, backend, model, caller, task) DO UPDATE SET
                     attempts = attempts + $8, failed = failed + $9, unknown = unknown + $10, amount = amount + $11,
                     estimated = estimated + $12, charged = charged + $13, input_tokens = input_tokens + $14,
                     output_tokens = output_tokens + $15, foreseen = foreseen + $16,
                     foreseen_predicted = foreseen_predicted + $17, foreseen_settled = foreseen_settled + $18,
                     foreseen_off = foreseen_off + $19",
            )
            .bind(period)
            .bind(start)
            .bind(tier)
            .bind(backend)
            .bind(model)
            .bind(caller)
            .bind(task)
            .bind(book.attempts)
            .bind(failed)
            .bind(book.unknown)
            .bind(book.amount.0)
            .bind(book.estimated.0)
            .bind(book.charged.0)
            .bind(tokens(book.input_tokens))
            .bind(tokens(book.output_tokens))
            .bind(book.forecasts.attempts)
            .bind(book.forecasts.predicted.0)
            .bind(book.forecasts.settled.0)
            .bind(book.forecasts.off.0)
            .execute(&mut *connection)
            .await?;
        }
        for ((period, start, tier, backend, model, measure, bucket), times) in self.times {
            sqlx::query(
                "INSERT INTO times (period, start, tier, backend, model, measure, bucket, count)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                 ON CONFLICT (period, start, tier, backend, model, measure, bucket) DO UPDATE SET count = count + $8",
            )
            .bind(period)
            .bind(start)
            .bind(tier)
            .bind(backend)
            .bind(model)
            .bind(measure)
            .bind(bucket)
            .bind(times)
            .execute(&mut *connection)
            .await?;
        }
        Ok(())
    }
}
