//! What was measured of attempts: a window of samples for percentiles, and a series of buckets for charts.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;

use super::time::Timestamp;

/// One attempt's times.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Sample {
    /// When the attempt ended.
    pub at: Timestamp,
    /// Whether it succeeded; the times of a failed one are not counted into percentiles.
    pub ok: bool,
    /// From dispatch to the first meaningful token; `None` where the answer came whole, or never began.
    pub first_token_ms: Option<u32>,
    /// From dispatch to the end.
    pub total_ms: u32,
    /// Tokens per second after the first, where the provider reported usage.
    pub tokens_per_second: Option<f32>,
    /// The longest wait from one piece of the answer to the next; `None` where it did not come in pieces, or not whole.
    pub longest_pause_ms: Option<u32>,
}

/// Percentiles of one measure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Percentiles {
    /// How many values there were.
    pub count: u32,
    /// The median.
    pub p50: u32,
    /// Nineteen in twenty stay below.
    pub p95: u32,
    /// Ninety-nine in a hundred stay below.
    pub p99: u32,
    /// The largest.
    pub max: u32,
}

/// Values before they tell what is usual: percentiles of fewer are the whim of one of them.
const ENOUGH: u32 = 20;

impl Percentiles {
    /// Whether there were enough values to act upon.
    #[must_use]
    pub const fn are_enough(&self) -> bool {
        self.count >= ENOUGH
    }

    /// By the nearest-rank method. `None` without values.
    #[must_use]
    pub fn of(mut values: Vec<u32>) -> Option<Self> {
        values.sort_unstable();
        let rank = |percent: usize| values.get((values.len() * percent).div_ceil(100).max(1) - 1).copied();
        let count = u32::try_from(values.len()).unwrap_or(u32::MAX);
        Some(Self { count, p50: rank(50)?, p95: rank(95)?, p99: rank(99)?, max: rank(100)? })
    }
}

/// What a window says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// Samples in the window, failed ones included.
    pub count: u32,
    /// Failed ones among them.
    pub failed: u32,
    /// Time to first token in milliseconds, of the successful ones.
    pub first_token: Option<Percentiles>,
    /// Total time in milliseconds, of the successful ones.
    pub total: Option<Percentiles>,
    /// The median of tokens per second.
    pub tokens_per_second: Option<f32>,
    /// The longest pause within an answer in milliseconds, of the successful ones.
    pub longest_pause: Option<Percentiles>,
    /// Failed ones since the last that succeeded.
    pub failed_in_a_row: u32,
}

impl Summary {
    /// The share of attempts that failed, 0 to 1; `None` without attempts.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a ratio for display and scores")]
    pub fn error_ratio(&self) -> Option<f32> {
        (self.count > 0).then(|| self.failed as f32 / self.count as f32)
    }
}

/// The samples kept for percentiles: enough for a p99, small enough to sort at every change.
const WINDOW: usize = 256;
/// Samples older than this no longer count.
const WINDOW_AGE: Duration = Duration::from_secs(15 * 60);

/// The latest attempts of one model, backend or tier.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Window {
    samples: VecDeque<Sample>,
}

impl Window {
    /// Adds an attempt; the oldest gives way.
    pub fn push(&mut self, sample: Sample) {
        if self.samples.len() == WINDOW {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
    }

    /// Drops what is too old to count.
    pub fn forget_old(&mut self, now: Timestamp) {
        self.samples.retain(|sample| now.since(sample.at) <= WINDOW_AGE);
    }

    /// Whether any of it is too old to count.
    #[must_use]
    pub fn has_old(&self, now: Timestamp) -> bool {
        self.samples.front().is_some_and(|oldest| now.since(oldest.at) > WINDOW_AGE)
    }

    /// The samples no older than `age`, oldest first.
    pub fn within(&self, age: Duration, now: Timestamp) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(move |sample| now.since(sample.at) <= age)
    }

    /// What the last fifteen minutes (at most 256 attempts) say.
    #[must_use]
    pub fn summary(&self, now: Timestamp) -> Summary {
        self.summary_within(WINDOW_AGE, now)
    }

    /// The same over another age.
    #[must_use]
    pub fn summary_within(&self, age: Duration, now: Timestamp) -> Summary {
        let recent: Vec<&Sample> = self.within(age, now).collect();
        let good: Vec<&&Sample> = recent.iter().filter(|sample| sample.ok).collect();
        let mut speeds: Vec<f32> = good.iter().filter_map(|sample| sample.tokens_per_second).collect();
        speeds.sort_unstable_by(f32::total_cmp);
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Summary {
            count: count(recent.len()),
            failed: count(recent.len() - good.len()),
            first_token: Percentiles::of(good.iter().filter_map(|sample| sample.first_token_ms).collect()),
            total: Percentiles::of(good.iter().map(|sample| sample.total_ms).collect()),
            tokens_per_second: speeds.get(speeds.len() / 2).copied(),
            longest_pause: Percentiles::of(good.iter().filter_map(|sample| sample.longest_pause_ms).collect()),
            failed_in_a_row: count(recent.iter().rev().take_while(|sample| !sample.ok).count()),
        }
    }
}

/// Buckets of a series.
const BUCKETS: usize = 720;

/// What fell into one bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Bucket {
    /// Attempts that succeeded.
    pub ok: u32,
    /// Attempts that failed.
    pub failed: u32,
    /// The largest time to first token, in milliseconds.
    pub first_token_ms: u32,
    /// The largest total time, in milliseconds.
    pub total_ms: u32,
}

/// The latest 720 buckets of one width, addressed by time, so that a gap stays a gap.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Series {
    width: Duration,
    /// The bucket number (time divided by the width) of the last element.
    latest: i64,
    buckets: VecDeque<Bucket>,
}

impl Series {
    /// The width of a bucket of the last hour.
    pub const FINE: Duration = Duration::from_secs(5);
    /// The width of a bucket of the last day.
    pub const COARSE: Duration = Duration::from_secs(120);

    /// An empty series.
    #[must_use]
    pub const fn new(width: Duration) -> Self {
        Self { width, latest: 0, buckets: VecDeque::new() }
    }

    /// How much time a bucket stands for.
    #[must_use]
    pub const fn width(&self) -> Duration {
        self.width
    }

    /// The number of the bucket that a time falls into.
    #[must_use]
    pub fn bucket_of(&self, at: Timestamp) -> i64 {
        at.0.div_euclid((self.width.as_millis() as i64).max(1))
    }

    /// Adds an attempt. One older than the series is left out.
    pub fn push(&mut self, sample: &Sample) {
        let number = self.bucket_of(sample.at);
        if self.buckets.is_empty() {
            self.latest = number - 1;
        }
        while self.latest < number {
            let gap = usize::try_from(number - self.latest).unwrap_or(usize::MAX);
            if gap > BUCKETS {
                self.buckets.clear();
                self.latest = number - 1;
            }
            if self.buckets.len() == BUCKETS {
                self.buckets.pop_front();
            }
            self.buckets.push_back(Bucket::default());
            self.latest += 1;
        }
        let back = usize::try_from(self.latest - number).unwrap_or(usize::MAX);
        let Some(index) = self.buckets.len().checked_sub(back + 1) else { return };
        let bucket = &mut self.buckets[index];
        if sample.ok {
            bucket.ok += 1;
            bucket.first_token_ms = bucket.first_token_ms.max(sample.first_token_ms.unwrap_or(0));
            bucket.total_ms = bucket.total_ms.max(sample.total_ms);
        } else {
            bucket.failed += 1;
        }
    }

    /// The bucket of a number; `None` where nothing is known of that time.
    #[must_use]
    pub fn get(&self, number: i64) -> Option<&Bucket> {
        let back = usize::try_from(self.latest - number).ok()?;
        self.buckets.get(self.buckets.len().checked_sub(back + 1)?)
    }
}

/// All that is kept of attempts' times: samples for percentiles, an hour and a day for charts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct History {
    /// The latest attempts.
    pub window: Window,
    /// The last hour.
    pub hour: Series,
    /// The last day.
    pub day: Series,
}

impl Default for History {
    fn default() -> Self {
        Self { window: Window::default(), hour: Series::new(Series::FINE), day: Series::new(Series::COARSE) }
    }
}

impl History {
    /// Adds an attempt.
    pub fn push(&mut self, sample: &Sample) {
        self.window.push(*sample);
        self.hour.push(sample);
        self.day.push(sample);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(second: i64, ok: bool, first_token_ms: u32) -> Sample {
        Sample {
            at: Timestamp(second * 1000),
            ok,
            first_token_ms: Some(first_token_ms),
            total_ms: first_token_ms * 2,
            tokens_per_second: None,
            longest_pause_ms: None,
        }
    }

    #[test]
    fn percentiles_follow_the_nearest_rank() {
        let found = Percentiles::of((1..=100).collect()).expect("values");
        assert_eq!((found.count, found.p50, found.p95, found.p99, found.max), (100, 50, 95, 99, 100));
        assert_eq!(Percentiles::of(vec![7]).expect("one value").p99, 7);
        assert_eq!(Percentiles::of(vec![]), None);
    }

    #[test]
    fn a_fast_failure_does_not_make_a_backend_look_fast() {
        let mut window = Window::default();
        window.push(sample(1, true, 400));
        window.push(sample(2, false, 3));
        let summary = window.summary(Timestamp(3_000));
        assert_eq!(summary.first_token.expect("one good sample").p50, 400);
        assert_eq!(summary.error_ratio(), Some(0.5));
    }

    #[test]
    fn failures_are_counted_from_the_last_success_on() {
        let mut window = Window::default();
        for (second, ok) in [(1, false), (2, true), (3, false), (4, false)] {
            window.push(sample(second, ok, 1));
        }
        assert_eq!(window.summary(Timestamp(5_000)).failed_in_a_row, 2);
        window.push(sample(5, true, 1));
        assert_eq!(window.summary(Timestamp(5_000)).failed_in_a_row, 0);
    }

    #[test]
    fn a_series_keeps_gaps_and_forgets_the_far_past() {
        let mut series = Series::new(Series::FINE);
        series.push(&sample(0, true, 10));
        series.push(&sample(20, true, 30));
        series.push(&sample(1, true, 40));
        assert_eq!(series.get(0).expect("first").first_token_ms, 40);
        assert_eq!(series.get(2).expect("gap").ok, 0);
        assert_eq!(series.get(4).expect("last").first_token_ms, 30);
        series.push(&sample(100_000, true, 50));
        assert_eq!(series.get(4), None);
        assert_eq!(series.get(20_000).expect("far later").first_token_ms, 50);
    }
}
