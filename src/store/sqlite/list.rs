//! Rows as a filter asks for them: the newest, or each in the order in which they came.

use std::ops::ControlFlow;
use std::sync::Arc;

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection};

use super::fold::opened_of;
use super::read::invalid;
use super::{count, of_word, word};
use crate::domain::id::RequestId;
use crate::domain::money::{Cost, Money};
use crate::domain::privacy::FindingKind;
use crate::domain::spend::Day;
use crate::domain::time::Timestamp;
use crate::domain::usage::Usage;
use crate::store::database::{Each, Filter, KeptAttempt, KeptRequest};
use crate::store::record::{AuditRow, Ended, RequestRow, Result as End, Settled, TextRow};

/// Rows that are read in one go where each is taken in. Between two of them others may write.
const PAGE: usize = 1_000;

type Query = QueryBuilder<Sqlite>;

/// Keeps to what a filter names, if it names something.
pub(super) fn named(query: &mut Query, filter: &Filter) {
    placed(query, filter);
    if let Some(caller) = &filter.caller {
        query.push(" AND caller = ").push_bind(caller.clone());
    }
    if let Some(task) = &filter.task {
        query.push(" AND task = ").push_bind(word(task));
    }
}

/// The part of it that is about the place.
pub(super) fn placed(query: &mut Query, filter: &Filter) {
    if let Some(tier) = filter.tier {
        query.push(" AND tier = ").push_bind(tier.name());
    }
    if let Some(backend) = &filter.backend {
        query.push(" AND backend = ").push_bind(backend.clone());
    }
    if let Some(model) = &filter.model {
        query.push(" AND model = ").push_bind(model.clone());
    }
}

/// The part of it that every table knows: when, and of which requests.
fn common(query: &mut Query, filter: &Filter) {
    if let Some(since) = filter.since {
        query.push(" AND at >= ").push_bind(since.0);
    }
    if let Some(until) = filter.until {
        query.push(" AND at < ").push_bind(until.0);
    }
    if let Some(ending) = &filter.ending {
        query.push(" AND replace(request, '-', '') LIKE ").push_bind(format!("%{ending}"));
    }
    if !filter.requests.is_empty() {
        query.push(" AND request IN (");
        let mut ids = query.separated(", ");
        for id in &filter.requests {
            ids.push_bind(id.to_string());
        }
        query.push(")");
    }
}

/// What was asked and answered in a request, where that was kept.
pub(super) async fn text(
    connection: &mut SqliteConnection,
    request: RequestId,
) -> Result<Option<TextRow>, sqlx::Error> {
    let row = sqlx::query("SELECT at, prompt, answer FROM texts WHERE request = $1").bind(request.to_string());
    let Some(row) = row.fetch_optional(connection).await? else { return Ok(None) };
    Ok(Some(TextRow {
        request,
        at: Timestamp(row.try_get("at")?),
        prompt: row.try_get("prompt")?,
        answer: row.try_get("answer")?,
    }))
}

fn of_requests(filter: &Filter) -> Query {
    let mut query = Query::new(
        "SELECT *, (SELECT judgement FROM judgements WHERE judgements.request = requests.request) AS judgement
         FROM requests WHERE TRUE",
    );
    common(&mut query, filter);
    if filter.tier.is_some() || filter.backend.is_some() || filter.model.is_some() {
        // Where a request was to go first is not always where it went.
        query.push(" AND ((TRUE");
        placed(&mut query, filter);
        query.push(") OR EXISTS (SELECT 1 FROM attempts WHERE attempts.request = requests.request");
        placed(&mut query, filter);
        query.push("))");
    }
    named(&mut query, &Filter { tier: None, backend: None, model: None, ..filter.clone() });
    match filter.answered {
        Some(true) => drop(query.push(" AND outcome = 'answered'")),
        Some(false) => drop(query.push(" AND outcome <> 'answered'")),
        None => {}
    }
    query
}

fn of_attempts(filter: &Filter) -> Query {
    let mut query = Query::new("SELECT * FROM attempts WHERE TRUE");
    common(&mut query, filter);
    named(&mut query, filter);
    if let Some(answered) = filter.answered {
        query.push(" AND answered = ").push_bind(answered);
    }
    query
}

fn of_audit(filter: &Filter) -> Query {
    let mut query = Query::new("SELECT * FROM audit WHERE TRUE");
    common(&mut query, filter);
    if let Some(kind) = filter.kind {
        query.push(" AND kind = ").push_bind(kind.name());
    }
    if let Some(who) = &filter.caller {
        query.push(" AND who = ").push_bind(who.clone());
    }
    query
}

/// The newest rows that there are, newest first.
async fn newest<T>(
    connection: &mut SqliteConnection,
    mut query: Query,
    order: &str,
    most: u32,
    read: fn(&SqliteRow) -> Result<T, sqlx::Error>,
) -> Result<Vec<T>, sqlx::Error> {
    query.push(" ORDER BY ").push(order).push(" LIMIT ").push_bind(most);
    query.build().fetch_all(connection).await?.iter().map(read).collect()
}

/// Requests, newest first.
pub(super) async fn requests(
    connection: &mut SqliteConnection,
    filter: &Filter,
) -> Result<Vec<KeptRequest>, sqlx::Error> {
    newest(connection, of_requests(filter), "at DESC, request DESC", filter.most, request).await
}

/// The ledger, newest first.
pub(super) async fn attempts(
    connection: &mut SqliteConnection,
    filter: &Filter,
) -> Result<Vec<KeptAttempt>, sqlx::Error> {
    newest(connection, of_attempts(filter), "at DESC, request DESC, number DESC", filter.most, attempt).await
}

/// The audit, newest first.
pub(super) async fn audit(connection: &mut SqliteConnection, filter: &Filter) -> Result<Vec<AuditRow>, sqlx::Error> {
    newest(connection, of_audit(filter), "at DESC, id DESC", filter.most, audited).await
}

/// Each request. The order of their ids is the order in which they came.
pub(super) async fn each_request(
    connection: &mut SqliteConnection,
    filter: &Filter,
    each: Each<'_, KeptRequest>,
) -> Result<(), sqlx::Error> {
    let mut query = of_requests(filter);
    loop {
        query.push(" ORDER BY request LIMIT ").push_bind(PAGE as i64);
        let rows = query.build().fetch_all(&mut *connection).await?;
        for row in &rows {
            if each(request(row)?) == ControlFlow::Break(()) {
                return Ok(());
            }
        }
        let Some(last) = rows.last().filter(|_| rows.len() == PAGE) else { return Ok(()) };
        query = of_requests(filter);
        query.push(" AND request > ").push_bind(last.try_get::<String, _>("request")?);
    }
}

/// Each row of the ledger.
pub(super) async fn each_attempt(
    connection: &mut SqliteConnection,
    filter: &Filter,
    each: Each<'_, KeptAttempt>,
) -> Result<(), sqlx::Error> {
    let mut query = of_attempts(filter);
    loop {
        query.push(" ORDER BY request, number LIMIT ").push_bind(PAGE as i64);
        let rows = query.build().fetch_all(&mut *connection).await?;
        for row in &rows {
            if each(attempt(row)?) == ControlFlow::Break(()) {
                return Ok(());
            }
        }
        let Some(last) = rows.last().filter(|_| rows.len() == PAGE) else { return Ok(()) };
        query = of_attempts(filter);
        query.push(" AND (request, number) > (").push_bind(last.try_get::<String, _>("request")?);
        query.push(", ").push_bind(last.try_get::<i64, _>("number")?).push(")");
    }
}

/// Each row of the audit.
pub(super) async fn each_audit(
    connection: &mut SqliteConnection,
    filter: &Filter,
    each: Each<'_, AuditRow>,
) -> Result<(), sqlx::Error> {
    let mut query = of_audit(filter);
    loop {
        query.push(" ORDER BY id LIMIT ").push_bind(PAGE as i64);
        let rows = query.build().fetch_all(&mut *connection).await?;
        for row in &rows {
            if each(audited(row)?) == ControlFlow::Break(()) {
                return Ok(());
            }
        }
        let Some(last) = rows.last().filter(|_| rows.len() == PAGE) else { return Ok(()) };
        query = of_audit(filter);
        query.push(" AND id > ").push_bind(last.try_get::<i64, _>("id")?);
    }
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
    let judgement = maybe("judgement")?.map(of_word).transpose()?;
    Ok(KeptRequest { asked, ended, judgement })
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
        served: row.try_get::<Option<String>, _>("served")?.map(of_word).transpose()?,
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
        predicted: row.try_get::<Option<i64>, _>("predicted")?.map(Money),
    }))
}

fn audited(row: &SqliteRow) -> Result<AuditRow, sqlx::Error> {
    let request: Option<String> = row.try_get("request")?;
    Ok(AuditRow {
        at: Timestamp(row.try_get("at")?),
        kind: of_word(row.try_get("kind")?)?,
        by: Arc::from(row.try_get::<String, _>("who")?),
        target: row.try_get("target")?,
        what: row.try_get("what")?,
        request: request.map(|id| id.parse().map(RequestId)).transpose().map_err(invalid)?,
    })
}
