//! The limits that providers set, as the heads of their answers tell them: kept ahead of, not run into.

use std::time::Duration;

use serde::Serialize;

use super::time::Timestamp;

/// No word of a provider may send its backend away for longer than this; a later one can say so again.
pub const LONGEST_RATE_LIMIT: Duration = Duration::from_secs(600);

/// How much of one limit is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Requests or tokens that may still be sent.
    pub remaining: u64,
    /// When the whole limit is there again, counted from when this was told.
    pub resets_in: Duration,
}

/// What the head of an answer tells. A limit of which it says nothing is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Requests.
    pub requests: Option<Allowance>,
    /// Tokens of prompts and answers together.
    pub tokens: Option<Allowance>,
    /// Tokens of prompts.
    pub input_tokens: Option<Allowance>,
    /// Tokens of answers.
    pub output_tokens: Option<Allowance>,
}

impl Limits {
    /// Whether nothing at all was told.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// How long it takes until every limit that is used up is there again; `None` where none is.
    #[must_use]
    pub fn used_up_for(&self) -> Option<Duration> {
        let all = [self.requests, self.tokens, self.input_tokens, self.output_tokens];
        all.into_iter().flatten().filter(|one| one.remaining == 0).map(|one| one.resets_in).max()
    }
}

/// What a request is expected to take, in tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Its prompt.
    pub input: u32,
    /// Its answer.
    pub output: u32,
}

/// One limit as it was last told, and what was sent since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Meter {
    remaining: u64,
    sent: u64,
    told_at: Timestamp,
    resets_at: Timestamp,
}

impl Meter {
    fn told(allowance: Allowance, now: Timestamp) -> Self {
        let resets_at = now.after(allowance.resets_in.min(LONGEST_RATE_LIMIT));
        Self { remaining: allowance.remaining, sent: 0, told_at: now, resets_at }
    }

    /// Whether so much more fits. After the reset nothing is known, and so nothing forbidden; the same holds for a clock
    /// that was set back.
    fn admits(&self, more: u64, now: Timestamp) -> Result<(), Timestamp> {
        let is_known = self.told_at <= now && now < self.resets_at;
        let fits = self.sent.saturating_add(more) <= self.remaining;
        if is_known && !fits { Err(self.resets_at) } else { Ok(()) }
    }
}

/// What is left of a model's limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Quota {
    requests: Option<Meter>,
    tokens: Option<Meter>,
    input_tokens: Option<Meter>,
    output_tokens: Option<Meter>,
}

impl Quota {
    /// An answer told how things stand.
    pub fn told(&mut self, limits: &Limits, now: Timestamp) {
        let told = [limits.requests, limits.tokens, limits.input_tokens, limits.output_tokens];
        for (meter, told) in self.meters().into_iter().zip(told) {
            *meter = told.map(|told| Meter::told(told, now)).or(*meter);
        }
    }

    /// A request was sent. One that comes back unused stays counted until the provider's next word: on the safe side.
    pub fn sent(&mut self, size: Size) {
        for (meter, more) in self.meters().into_iter().zip(takes(size)) {
            if let Some(meter) = meter {
                meter.sent = meter.sent.saturating_add(more);
            }
        }
    }

    /// Whether a request of some size still fits.
    ///
    /// # Errors
    ///
    /// The time from which it may.
    pub fn admits(&self, size: Size, now: Timestamp) -> Result<(), Timestamp> {
        let meters = [self.requests, self.tokens, self.input_tokens, self.output_tokens];
        let refusals = meters.into_iter().zip(takes(size)).filter_map(|(meter, more)| meter?.admits(more, now).err());
        refusals.max().map_or(Ok(()), Err)
    }

    const fn meters(&mut self) -> [&mut Option<Meter>; 4] {
        [&mut self.requests, &mut self.tokens, &mut self.input_tokens, &mut self.output_tokens]
    }
}

/// What a request takes of each limit, in the order of [`Quota`]'s fields. No request is without a token.
fn takes(size: Size) -> [u64; 4] {
    let (input, output) = (u64::from(size.input.max(1)), u64::from(size.output.max(1)));
    [1, input + output, input, output]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp(seconds * 1000)
    }

    fn allowance(remaining: u64, seconds: u64) -> Option<Allowance> {
        Some(Allowance { remaining, resets_in: Duration::from_secs(seconds) })
    }

    fn told(limits: Limits) -> Quota {
        let mut quota = Quota::default();
        quota.told(&limits, at(0));
        quota
    }

    const SMALL: Size = Size { input: 100, output: 50 };

    #[test]
    fn the_last_request_that_fits_is_the_last_until_the_reset() {
        let mut quota = told(Limits { requests: allowance(2, 30), ..Limits::default() });
        for _ in 0..2 {
            assert_eq!(quota.admits(SMALL, at(1)), Ok(()));
            quota.sent(SMALL);
        }
        assert_eq!(quota.admits(SMALL, at(1)), Err(at(30)));
        assert_eq!(quota.admits(SMALL, at(30)), Ok(()));
    }

    #[test]
    fn a_small_request_still_fits_where_a_large_one_does_not() {
        let mut quota = told(Limits { tokens: allowance(1_000, 30), ..Limits::default() });
        quota.sent(Size { input: 500, output: 200 });
        assert_eq!(quota.admits(Size { input: 300, output: 100 }, at(1)), Err(at(30)));
        assert_eq!(quota.admits(SMALL, at(1)), Ok(()));
    }

    #[test]
    fn prompts_and_answers_have_limits_of_their_own() {
        let quota =
            told(Limits { output_tokens: allowance(10, 20), input_tokens: allowance(90, 40), ..Limits::default() });
        assert_eq!(quota.admits(Size { input: 10, output: 20 }, at(1)), Err(at(20)));
        assert_eq!(quota.admits(SMALL, at(1)), Err(at(40)), "both have to be there again");
    }

    #[test]
    fn a_newer_word_replaces_an_older_one_and_silence_does_not() {
        let mut quota = told(Limits { requests: allowance(0, 30), ..Limits::default() });
        quota.told(&Limits { tokens: allowance(1_000_000, 30), ..Limits::default() }, at(1));
        assert_eq!(quota.admits(SMALL, at(1)), Err(at(30)));
        quota.told(&Limits { requests: allowance(5, 30), ..Limits::default() }, at(2));
        assert_eq!(quota.admits(SMALL, at(2)), Ok(()));
    }

    #[test]
    fn no_word_sends_a_backend_away_for_longer_than_ten_minutes() {
        let quota = told(Limits { requests: allowance(0, 86_400), ..Limits::default() });
        assert_eq!(quota.admits(SMALL, at(1)), Err(at(600)));
        assert_eq!(quota.admits(SMALL, at(-3_600)), Ok(()), "and a clock that was set back sends nobody away");
    }

    #[test]
    fn what_is_used_up_is_waited_for_as_long_as_the_longest_of_it() {
        let limits = Limits {
            requests: allowance(0, 5),
            tokens: allowance(0, 20),
            input_tokens: allowance(7, 90),
            ..Limits::default()
        };
        assert_eq!(limits.used_up_for(), Some(Duration::from_secs(20)));
        assert_eq!(Limits { requests: allowance(1, 5), ..Limits::default() }.used_up_for(), None);
    }
}
