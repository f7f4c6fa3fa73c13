//! Sums of the ledger, from the rows that stay.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection};

use super::count;
use super::list::named;
use super::read::book;
use crate::domain::money::Money;
use crate::domain::spend::{Book, Day, Forecasts};
use crate::domain::tier::Tier;
use crate::store::database::{By, Filter, Sum};

/// Sums of whole days.
pub(super) async fn sums(
    connection: &mut SqliteConnection,
    days: &RangeInclusive<Day>,
    filter: &Filter,
    by: By,
) -> Result<Vec<Sum>, sqlx::Error> {
    let column = match by {
        By::Day => "start",
        By::Tier => "tier",
        By::Backend => "backend",
        By::Model => "model",
        By::Caller => "caller",
        By::Task => "task",
    };
    let mut query: QueryBuilder<Sqlite> = QueryBuilder::new("SELECT CAST(");
    query.push(column).push(
        " AS TEXT) AS what, sum(amount) AS amount, sum(estimated) AS estimated, sum(charged) AS charged,
             sum(unknown) AS unknown, sum(attempts) AS attempts, sum(failed) AS failed,
             sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens, sum(foreseen) AS foreseen,
             sum(foreseen_predicted) AS foreseen_predicted, sum(foreseen_settled) AS foreseen_settled,
             sum(foreseen_off) AS foreseen_off
         FROM sums WHERE period = 'day' AND start BETWEEN ",
    );
    query.push_bind(days.start().0).push(" AND ").push_bind(days.end().0);
    named(&mut query, filter);
    query.push(" GROUP BY what ORDER BY amount DESC, attempts DESC, what");
    let mut sums = Vec::new();
    for row in &query.build().fetch_all(&mut *connection).await? {
        sums.push(Sum {
            of: Arc::from(row.try_get::<String, _>("what")?),
            book: Book { forecasts: forecasts(row)?, ..book(row, "")? },
            failed: count(row.try_get("failed")?),
            rented: Money::ZERO,
        });
    }
    if by == By::Day {
        with_rent(connection, days, filter, &mut sums).await?;
    }
    Ok(sums)
}

fn forecasts(row: &SqliteRow) -> Result<Forecasts, sqlx::Error> {
    Ok(Forecasts {
        attempts: count(row.try_get("foreseen")?),
        predicted: Money(row.try_get("foreseen_predicted")?),
        settled: Money(row.try_get("foreseen_settled")?),
        off: Money(row.try_get("foreseen_off")?),
    })
}

/// Rent belongs to RunPod's tier, to no model and to no caller.
fn covers_rent(filter: &Filter) -> bool {
    let Filter { tier, backend, model, caller, task, .. } = filter;
    matches!(tier, None | Some(Tier::Gpu))
        && [backend, model, caller].iter().all(|named| named.is_none())
        && task.is_none()
}

/// Adds what rented machines cost, puts the days in their order, and calls them by their dates.
async fn with_rent(
    connection: &mut SqliteConnection,
    days: &RangeInclusive<Day>,
    filter: &Filter,
    sums: &mut Vec<Sum>,
) -> Result<(), sqlx::Error> {
    let mut by_day: BTreeMap<i32, Sum> = sums.drain(..).filter_map(|sum| Some((sum.of.parse().ok()?, sum))).collect();
    if covers_rent(filter) {
        let rented =
            sqlx::query("SELECT day, sum(amount) AS amount FROM rented WHERE day BETWEEN $1 AND $2 GROUP BY day")
                .bind(days.start().0)
                .bind(days.end().0)
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
