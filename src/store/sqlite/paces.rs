//! How fast models were, from the buckets that stay when the ledger's rows are gone.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection};

use super::list::placed;
use crate::domain::spend::Day;
use crate::store::database::{By, Filter, Paced, Quantiles};

/// Buckets and how often a time fell into each, lowest first, by what they are of and by what was measured.
type Buckets = BTreeMap<String, BTreeMap<String, Vec<(i64, i64)>>>;

/// The pace of whole days.
pub(super) async fn paces(
    connection: &mut SqliteConnection,
    days: &RangeInclusive<Day>,
    filter: &Filter,
    by: By,
) -> Result<Vec<Paced>, sqlx::Error> {
    let column = match by {
        By::Day => "start",
        By::Tier => "tier",
        By::Backend => "backend",
        By::Model => "model",
        // The buckets are not kept by caller and task: a year of them would not be small.
        By::Caller | By::Task => return Ok(Vec::new()),
    };
    let mut query: QueryBuilder<Sqlite> = QueryBuilder::new("SELECT CAST(");
    query.push(column).push(
        " AS TEXT) AS what, measure, bucket, sum(count) AS count FROM times WHERE period = 'day' AND start BETWEEN ",
    );
    query.push_bind(days.start().0).push(" AND ").push_bind(days.end().0);
    placed(&mut query, filter);
    query.push(" GROUP BY what, measure, bucket ORDER BY what, measure, bucket");
    let mut found = Buckets::new();
    for row in &query.build().fetch_all(connection).await? {
        let buckets = found.entry(row.try_get("what")?).or_default().entry(row.try_get("measure")?).or_default();
        buckets.push((row.try_get("bucket")?, row.try_get("count")?));
    }
    let paced = found.into_iter().map(|(what, measures)| {
        let of = match (by, what.parse()) {
            (By::Day, Ok(day)) => Day(day).date().to_string(),
            _ => what,
        };
        let quantiles = |measure| measures.get(measure).and_then(|buckets| quantiles(buckets));
        Paced { of: Arc::from(of), first_token: quantiles("first_token"), total: quantiles("total") }
    });
    Ok(paced.collect())
}

fn quantiles(buckets: &[(i64, i64)]) -> Option<Quantiles> {
    let all: i64 = buckets.iter().map(|(_, count)| count).sum();
    let at = |percent: i64| {
        let rank = (all * percent + 99) / 100;
        let mut passed = 0;
        let found = buckets.iter().find(|(_, count)| {
            passed += count;
            passed >= rank
        });
        found.map(|(bucket, _)| milliseconds(*bucket))
    };
    Some(Quantiles { p50: at(50)?, p95: at(95)? })
}

/// The middle of a bucket: see [`bucket`](super::fold::bucket).
fn milliseconds(bucket: i64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a cast saturates, and buckets are below 64"
    )]
    let middle = 2_f64.powf(bucket as f64 / 2.0).round() as u32;
    middle
}

#[cfg(test)]
mod tests {
    use super::super::fold::bucket;
    use super::*;

    #[test]
    fn a_percentile_of_buckets_is_within_a_fifth_of_the_true_one() {
        let times: Vec<u32> = (1..=1000).map(|n| n * 7).collect();
        let mut buckets: BTreeMap<i64, i64> = BTreeMap::new();
        for time in &times {
            *buckets.entry(bucket(*time)).or_default() += 1;
        }
        let found = quantiles(&buckets.into_iter().collect::<Vec<_>>()).expect("there are times");
        for (found, truth) in [(found.p50, 3_500_u32), (found.p95, 6_650)] {
            assert!(found.abs_diff(truth) * 5 <= truth, "{found} for {truth}");
        }
        assert_eq!(quantiles(&[]), None);
    }
}
