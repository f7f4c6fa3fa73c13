//! Sums of the ledger, from the rows that stay.

use std::collections::BTreeMap;
use std::sync::Arc;

use sqlx::{Row, SqliteConnection};

use super::read::{book, filtered};
use super::{count, word};
use crate::domain::money::Money;
use crate::domain::spend::{Book, Day};
use crate::domain::time::Timestamp;
use crate::store::database::{By, Filter, Sum};

const DAY_MILLIS: i64 = 86_400_000;

/// The days that a span of time touches, as the sums know them: a sum of days is the most that is kept for good.
const fn day(at: Timestamp) -> i64 {
    at.0.div_euclid(DAY_MILLIS)
}

macro_rules! sums_by {
    ($column:literal) => {
        concat!(
            "SELECT CAST(",
            $column,
            " AS TEXT) AS what, sum(amount) AS amount, sum(estimated) AS estimated, sum(charged) AS charged,
                 sum(unknown) AS unknown, sum(attempts) AS attempts, sum(failed) AS failed,
                 sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens
             FROM sums WHERE period = 'day' AND start >= $1 AND start <= $2 AND ($3 IS NULL OR tier = $3)
                 AND ($4 IS NULL OR backend = $4) AND ($5 IS NULL OR model = $5) AND ($6 IS NULL OR caller = $6)
                 AND ($7 IS NULL OR task = $7) AND $8 IS NULL
             GROUP BY what ORDER BY amount DESC, attempts DESC LIMIT $9"
        )
    };
}

/// Sums of whole days.
pub(super) async fn sums(connection: &mut SqliteConnection, filter: &Filter, by: By) -> Result<Vec<Sum>, sqlx::Error> {
    let days = Filter {
        since: filter.since.map(|since| Timestamp(day(since))),
        until: filter.until.map(|until| Timestamp(day(until))),
        answered: None,
        ..filter.clone()
    };
    let query = match by {
        By::Day => sums_by!("start"),
        By::Tier => sums_by!("tier"),
        By::Backend => sums_by!("backend"),
        By::Model => sums_by!("model"),
        By::Caller => sums_by!("caller"),
        By::Task => sums_by!("task"),
    };
    let rows = filtered!(sqlx::query(query), days).fetch_all(&mut *connection).await?;
    let mut sums = Vec::new();
    for row in &rows {
        sums.push(Sum {
            of: Arc::from(row.try_get::<String, _>("what")?),
            book: book(row, "")?,
            failed: count(row.try_get("failed")?),
            rented: Money::ZERO,
        });
    }
    if by == By::Day {
        with_rent(connection, &days, &mut sums).await?;
    }
    Ok(sums)
}

/// Adds what rented machines cost, puts the days in their order, and calls them by their dates.
async fn with_rent(connection: &mut SqliteConnection, days: &Filter, sums: &mut Vec<Sum>) -> Result<(), sqlx::Error> {
    let mut by_day: BTreeMap<i32, Sum> = sums.drain(..).filter_map(|sum| Some((sum.of.parse().ok()?, sum))).collect();
    // Rent belongs to no model and to no caller.
    if [&days.backend, &days.model, &days.caller].iter().all(|named| named.is_none()) && days.task.is_none() {
        let rented =
            sqlx::query("SELECT day, sum(amount) AS amount FROM rented WHERE day BETWEEN $1 AND $2 GROUP BY day")
                .bind(days.since.map_or(i64::MIN, |since| since.0))
                .bind(days.until.map_or(i64::MAX, |until| until.0))
                .fetch_all(connection)
                .await?;
        for row in &rented {
            let empty = || Sum { of: Arc::from(""), book: Book::default(), failed: 0, rented: Money::ZERO };
            by_day.entry(row.try_get("day")?).or_insert_with(empty).rented = Money(row.try_get("amount")?);
        }
    }
    sums.extend(by_day.into_iter().map(|(day, sum)| Sum { of: Arc::from(Day(day).date().to_string()), ..sum }));
    Ok(())
}
