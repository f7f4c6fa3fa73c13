//! What was observed of a backend, and the breaker that keeps requests away from one that fails.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::time::Timestamp;

/// What the probes and the traffic say about a backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Answers.
    Up,
    /// Answers, but slowly or with errors among its answers.
    Degraded,
    /// Does not answer.
    Down,
    /// Reachable, but has to start a worker or load a model first.
    Warming,
    /// Never probed yet.
    #[default]
    Unknown,
}

impl Health {
    /// The name used in JSON and on the screen.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Degraded => "degraded",
            Self::Down => "down",
            Self::Warming => "warming",
            Self::Unknown => "unknown",
        }
    }
}

/// What one probe found. Probes cost no tokens and wake no worker.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProbeReport {
    /// What the probe says.
    pub health: Health,
    /// The cause in a few words, where health is not `Up`; or a fact worth showing, where it is.
    pub detail: String,
    /// Whether the key was refused.
    pub key_refused: bool,
    /// How long the probe took.
    pub took: Duration,
    /// The models that the backend has, where the probe could tell.
    pub models: Option<Vec<FoundModel>>,
}

/// A model as a backend lists it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FoundModel {
    /// The model's id.
    pub id: String,
    /// Whether it is in memory now, where the backend tells.
    pub loaded: Option<bool>,
    /// The longest prompt, in tokens, where the backend tells.
    pub context: Option<u32>,
    /// Runs on someone else's machine although this backend lists it (Ollama's cloud models).
    pub remote: bool,
    /// The longest answer, in tokens, where it is known.
    pub max_output: Option<u32>,
    /// Takes pictures, where that is known.
    pub images: Option<bool>,
    /// Calls tools, where that is known.
    pub tools: Option<bool>,
    /// Its prices, by time: as the gateway states them, or as a price table does. Empty where nobody knows.
    pub prices: Vec<super::price::PriceRow>,
}

/// Strikes in a row that open the breaker.
const STRIKES_TO_OPEN: u32 = 3;
/// How long the breaker stays open the first time; each reopening doubles it, up to [`LONGEST_HOLD`].
const FIRST_HOLD: Duration = Duration::from_secs(5);
/// The longest time without a trial: a recovered tier is to serve again soon, and trials are single requests.
const LONGEST_HOLD: Duration = Duration::from_secs(60);

/// Keeps requests away from a backend that fails, and lets a single trial through when it may have recovered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Breaker {
    state: BreakerState,
    strikes: u32,
    /// How often it opened since it was last closed.
    openings: u32,
    /// Counts trials, so that the result of an overtaken trial is told apart and ignored.
    trial: u64,
}

/// The breaker's state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum BreakerState {
    /// Requests pass.
    #[default]
    Closed,
    /// No request passes before this time.
    Open {
        /// When a trial may pass.
        until: Timestamp,
    },
    /// One trial request is under way; no other passes.
    HalfOpen {
        /// When the trial began.
        since: Timestamp,
    },
}

/// A trial that never reported back is given up after this time, and another may pass.
const TRIAL_TIMEOUT: Duration = Duration::from_secs(120);

impl Breaker {
    /// The state, for display.
    #[must_use]
    pub const fn state(&self) -> BreakerState {
        self.state
    }

    /// Whether a request may pass now; if not, the time from which one may.
    ///
    /// # Errors
    ///
    /// The time from which the next trial may pass.
    pub fn allows(&self, now: Timestamp) -> Result<(), Timestamp> {
        match self.state {
            BreakerState::Closed => Ok(()),
            BreakerState::Open { until } if now >= until => Ok(()),
            BreakerState::Open { until } => Err(until),
            BreakerState::HalfOpen { since } if now.since(since) >= TRIAL_TIMEOUT => Ok(()),
            BreakerState::HalfOpen { since } => Err(since.after(TRIAL_TIMEOUT)),
        }
    }

    /// A request is about to be sent. Returns the trial's number where the request is a trial.
    pub fn admit(&mut self, now: Timestamp) -> Option<u64> {
        if self.state == BreakerState::Closed {
            return None;
        }
        self.trial += 1;
        self.state = BreakerState::HalfOpen { since: now };
        Some(self.trial)
    }

    /// An attempt succeeded: closes the breaker, unless it was a trial that another has overtaken.
    pub fn succeed(&mut self, trial: Option<u64>) {
        if trial.is_none_or(|number| number == self.trial) {
            *self = Self { trial: self.trial, ..Self::default() };
        }
    }

    /// An attempt failed in a way that speaks against the backend. `at_once` opens without waiting for more.
    pub fn fail(&mut self, trial: Option<u64>, at_once: bool, now: Timestamp) {
        if trial.is_some_and(|number| number != self.trial) {
            return;
        }
        self.strikes = self.strikes.saturating_add(1);
        match self.state {
            BreakerState::HalfOpen { .. } if trial.is_some() => self.open(now),
            BreakerState::Closed if at_once || self.strikes >= STRIKES_TO_OPEN => self.open(now),
            BreakerState::Closed | BreakerState::Open { .. } | BreakerState::HalfOpen { .. } => {}
        }
    }

    /// A trial ended without a verdict (its caller went away): the next request may be the trial.
    pub fn forget(&mut self, trial: Option<u64>, now: Timestamp) {
        if trial == Some(self.trial) && matches!(self.state, BreakerState::HalfOpen { .. }) {
            self.state = BreakerState::Open { until: now };
        }
    }

    /// A free probe saw the service answer after it had been down: a trial may pass at once.
    pub fn probe_succeeded(&mut self, now: Timestamp) {
        if let BreakerState::Open { until } = self.state
            && until > now
        {
            self.state = BreakerState::Open { until: now };
        }
    }

    /// Stays open until a time, as it was when the program last ended.
    pub fn hold(&mut self, until: Timestamp) {
        self.openings = self.openings.max(1);
        self.state = BreakerState::Open { until };
    }

    fn open(&mut self, now: Timestamp) {
        let hold = FIRST_HOLD.saturating_mul(1 << self.openings.min(4)).min(LONGEST_HOLD);
        self.openings = self.openings.saturating_add(1);
        self.state = BreakerState::Open { until: now.after(hold) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp(seconds * 1000)
    }

    fn opened() -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..STRIKES_TO_OPEN {
            breaker.fail(None, false, at(0));
        }
        breaker
    }

    #[test]
    fn three_strikes_open_it_and_a_success_between_them_does_not() {
        let mut breaker = Breaker::default();
        breaker.fail(None, false, at(0));
        breaker.fail(None, false, at(0));
        breaker.succeed(None);
        breaker.fail(None, false, at(1));
        assert_eq!(breaker.allows(at(1)), Ok(()));
        assert_eq!(opened().allows(at(1)), Err(at(5)));
    }

    #[test]
    fn an_unreachable_backend_opens_at_once() {
        let mut breaker = Breaker::default();
        breaker.fail(None, true, at(0));
        assert!(breaker.allows(at(0)).is_err());
    }

    #[test]
    fn only_one_trial_passes_and_its_result_decides() {
        let mut breaker = opened();
        let trial = breaker.admit(at(5));
        assert!(trial.is_some());
        assert!(breaker.allows(at(6)).is_err());
        breaker.succeed(trial);
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[test]
    fn each_failed_trial_doubles_the_hold_up_to_a_minute() {
        let mut breaker = opened();
        let mut now = at(5);
        for expected in [10, 20, 40, 60, 60] {
            let trial = breaker.admit(now);
            breaker.fail(trial, false, now);
            let until = breaker.allows(now).expect_err("open again");
            assert_eq!(until.since(now), Duration::from_secs(expected));
            now = until;
        }
    }

    #[test]
    fn the_result_of_an_overtaken_trial_is_ignored() {
        let mut breaker = opened();
        let stale = breaker.admit(at(5));
        let fresh = breaker.admit(at(200));
        breaker.succeed(stale);
        assert!(matches!(breaker.state(), BreakerState::HalfOpen { .. }));
        breaker.fail(stale, false, at(201));
        assert!(matches!(breaker.state(), BreakerState::HalfOpen { .. }));
        breaker.succeed(fresh);
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[test]
    fn a_late_failure_of_an_old_request_does_not_restart_the_hold() {
        let mut breaker = opened();
        breaker.fail(None, true, at(4));
        assert_eq!(breaker.allows(at(4)), Err(at(5)));
    }
}
