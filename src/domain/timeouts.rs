//! How long to wait for what: as the operator set it, or as learnt from a model's own history.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;

use super::latency::{Percentiles, Summary};

/// How long to wait for something that a model's history can tell about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Timer {
    /// The operator's word, which holds whatever was measured.
    Set(Duration),
    /// Nobody's word: what the model's history says, and never longer than this, which also holds without a history.
    Learnt(Duration),
}

/// How long to wait for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Timeouts {
    /// Until a connection stands, encryption included.
    pub connect: Timer,
    /// From dispatch to the first meaningful token.
    pub first_token: Timer,
    /// In the middle of an answer, until it has moved on.
    pub stall: Timer,
}

/// Times the 99th percentile of the first token: whoever takes three times as long as nearly ever is not about to begin.
const FIRST_TOKEN_TIMES: u32 = 3;
/// Times the 99th percentile of the longest pause in an answer. Within ten pauses come ten pieces, so that an answer which
/// goes on as its model's answers do is far from stalling, and brings the bytes that it has to show.
const PAUSE_TIMES: u32 = 10;
/// No learnt wait for an answer is shorter: a model that mostly answers within a blink is still given time for one hiccup.
const SHORTEST: Duration = Duration::from_secs(5);
/// The shortest learnt stall timer: a cut in the middle cannot be taken back, so that it takes more than a slow beginning to
/// pass a request on.
const SHORTEST_STALL: Duration = Duration::from_secs(15);
/// Times the 99th percentile of the time to connect.
const CONNECT_TIMES: u32 = 3;
/// The shortest learnt wait for a connection: a first packet that was lost is sent again after a second (RFC 6298), and that
/// one has to arrive, with a handshake after it.
const SHORTEST_CONNECT: Duration = Duration::from_secs(2);
/// Prompt tokens that any model reads in a second: a prompt that is longer than those of late takes longer to begin on.
const READ_PER_SECOND: u32 = 250;

impl Timer {
    /// The longest it can come to.
    #[must_use]
    pub const fn longest(self) -> Duration {
        match self {
            Self::Set(wait) | Self::Learnt(wait) => wait,
        }
    }

    /// Whether the operator set it.
    #[must_use]
    pub const fn is_set(self) -> bool {
        matches!(self, Self::Set(_))
    }

    /// So many times what was measured, and not too short; `None` where the operator's word or the longest holds.
    fn learn(self, measured: Option<Percentiles>, times: u32, shortest: Duration) -> Option<Duration> {
        let measured = measured.filter(|measured| !self.is_set() && measured.are_enough())?;
        Some(Duration::from_millis(measured.p99.into()).saturating_mul(times).max(shortest))
    }
}

impl Timeouts {
    /// How long a model may take to the first token of its answer to a prompt of so many tokens. A cold start is no
    /// silence, so one that has to start first gets the whole time. Each failure in a row doubles the patience: the model
    /// may have become slower, and only a longer wait can tell.
    #[must_use]
    pub fn until_first_token(&self, history: &Summary, is_cold: bool, prompt_tokens: u32) -> Duration {
        let longest = self.first_token.longest();
        let Some(learnt) =
            self.first_token.learn(history.first_token, FIRST_TOKEN_TIMES, SHORTEST).filter(|_| !is_cold)
        else {
            return longest;
        };
        let reading = Duration::from_millis(u64::from(prompt_tokens) * 1000 / u64::from(READ_PER_SECOND));
        let patience = learnt.saturating_mul(1 << history.failed_in_a_row.min(8));
        patience.saturating_add(reading).min(longest)
    }

    /// How long an answer of a model may go on without bringing anything worth the name. Failures in a row double this as
    /// well: a host that has become slower must not have each of its answers cut.
    #[must_use]
    pub fn until_it_moves(&self, history: &Summary) -> Duration {
        let longest = self.stall.longest();
        let learnt = self.stall.learn(history.longest_pause, PAUSE_TIMES, SHORTEST_STALL);
        learnt.map_or(longest, |learnt| learnt.saturating_mul(1 << history.failed_in_a_row.min(8)).min(longest))
    }
}

/// How long a backend's connections took of late. New ones are rare, since they are kept open: no more than the latest few
/// dozen are remembered.
#[derive(Clone, Debug, Default)]
pub struct Connections {
    took_ms: VecDeque<u32>,
    failed_in_a_row: u32,
}

/// Connections that are remembered.
const REMEMBERED: usize = 64;

impl Connections {
    /// A connection stands after so long.
    pub fn made(&mut self, took: Duration) {
        if self.took_ms.len() == REMEMBERED {
            self.took_ms.pop_front();
        }
        self.took_ms.push_back(u32::try_from(took.as_millis()).unwrap_or(u32::MAX));
        self.failed_in_a_row = 0;
    }

    /// A connection did not come about in time.
    pub const fn missed(&mut self) {
        self.failed_in_a_row = self.failed_in_a_row.saturating_add(1);
    }

    /// How long the next may take. Each that was missed in a row doubles the patience: the way may have become longer, and
    /// only a longer wait can tell.
    #[must_use]
    pub fn until_the_next(&self, timer: Timer) -> Duration {
        let measured = Percentiles::of(self.took_ms.iter().copied().collect());
        let learnt = timer.learn(measured, CONNECT_TIMES, SHORTEST_CONNECT);
        let patience = learnt.map(|learnt| learnt.saturating_mul(1 << self.failed_in_a_row.min(8)));
        patience.map_or(timer.longest(), |patience| patience.min(timer.longest()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn measured(count: u32, p99: u32) -> Option<Percentiles> {
        Some(Percentiles { count, p50: p99 / 4, p95: p99 / 2, p99, max: p99 })
    }

    const LEARNT: Timeouts = Timeouts {
        connect: Timer::Learnt(seconds(5)),
        first_token: Timer::Learnt(seconds(60)),
        stall: Timer::Learnt(seconds(40)),
    };
    const SET: Timeouts = Timeouts {
        connect: Timer::Set(seconds(1)),
        first_token: Timer::Set(seconds(2)),
        stall: Timer::Set(seconds(3)),
    };

    #[test]
    fn a_first_token_is_waited_for_as_long_as_the_history_says_within_bounds() {
        for (first_token, expected) in [
            (None, 60),
            (measured(19, 3_000), 60),
            (measured(20, 3_000), 9),
            (measured(20, 100), 5),
            (measured(256, 30_000), 60),
        ] {
            let history = Summary { first_token, ..Summary::default() };
            assert_eq!(LEARNT.until_first_token(&history, false, 0), seconds(expected), "{first_token:?}");
            assert_eq!(LEARNT.until_first_token(&history, true, 0), seconds(60), "a cold start is no silence");
            assert_eq!(SET.until_first_token(&history, false, 0), seconds(2), "the operator's word");
        }
    }

    #[test]
    fn a_stall_takes_ten_times_the_pauses_of_late_within_bounds() {
        for (longest_pause, expected) in [
            (None, 40),
            (measured(19, 800), 40),
            (measured(20, 800), 15),
            (measured(20, 100), 15),
            (measured(20, 2_000), 20),
            (measured(20, 9_000), 40),
        ] {
            let history = Summary { longest_pause, ..Summary::default() };
            assert_eq!(LEARNT.until_it_moves(&history), seconds(expected), "{longest_pause:?}");
            assert_eq!(SET.until_it_moves(&history), seconds(3), "the operator's word");
        }
    }

    #[test]
    fn a_connection_is_waited_for_as_long_as_those_of_late_took_within_bounds() {
        for (count, took, missed, expected) in
            [(0, 0, 0, 5), (19, 100, 0, 5), (20, 100, 0, 2), (200, 900, 0, 3), (20, 100, 1, 4), (20, 100, 9, 5)]
        {
            let mut connections = Connections::default();
            (0..count).for_each(|_| connections.made(Duration::from_millis(took)));
            (0..missed).for_each(|_| connections.missed());
            let expected = if took == 900 { Duration::from_millis(2_700) } else { seconds(expected) };
            assert_eq!(connections.until_the_next(LEARNT.connect), expected, "{count} of {took} ms, {missed} missed");
            assert_eq!(connections.until_the_next(SET.connect), seconds(1), "the operator's word");
        }
    }

    #[test]
    fn a_long_prompt_is_given_the_time_that_reading_it_takes() {
        let history = Summary { first_token: measured(50, 1_000), ..Summary::default() };
        for (tokens, expected) in [(0, 5), (2_500, 15), (1_000_000, 60)] {
            assert_eq!(LEARNT.until_first_token(&history, false, tokens), seconds(expected), "{tokens}");
        }
    }

    #[test]
    fn patience_grows_with_every_failure_in_a_row_up_to_what_it_was_before_anything_was_learnt() {
        for (failed_in_a_row, expected) in [(0, 5), (1, 10), (2, 20), (3, 40), (4, 60), (1_000, 60)] {
            let history = Summary { first_token: measured(50, 200), failed_in_a_row, ..Summary::default() };
            assert_eq!(LEARNT.until_first_token(&history, false, 0), seconds(expected), "{failed_in_a_row}");
        }
    }
}
