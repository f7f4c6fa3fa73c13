//! Keeps requests away from what fails, lets a single trial through when it may have recovered, and gives it its traffic
//! back by and by.

use std::time::Duration;

use serde::Serialize;

use super::time::Timestamp;

/// Plain strikes in a row that open the breaker.
const STRIKES_TO_OPEN: u32 = 3;
/// How long the breaker stays open the first time. Each reopening triples it, up to [`LONGEST_HOLD`]: where no free probe
/// can tell of the recovery, a minute of failures then costs two trials.
const FIRST_HOLD: Duration = Duration::from_secs(5);
/// The longest time without a trial: a recovered tier is to serve again soon, and trials are single requests.
const LONGEST_HOLD: Duration = Duration::from_secs(60);
/// A trial that never reported back is given up after this time, and another may pass. A long whole answer is a trial until its
/// end, and has to come to it.
const TRIAL_TIMEOUT: Duration = Duration::from_secs(600);
/// What lies further ahead than this was noted before the clock was set back, and must not be held for the hours until it
/// has caught up.
const SET_BACK: Duration = Duration::from_secs(600);
/// How long a return takes: from one request in flight at a time, doubled each second, to as many as come.
const RETURN: Duration = Duration::from_secs(6);

/// The breaker of a backend, or of one of its models.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Breaker {
    state: BreakerState,
    strikes: u32,
    /// How often it opened since it was last closed.
    openings: u32,
    /// Goes up with everything that makes earlier results worthless: an opening, a trial, a return from down.
    generation: u64,
    /// When traffic last came back.
    returned: Option<Timestamp>,
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
    /// Requests pass, but for some seconds only so many at a time.
    Recovering {
        /// When the return began.
        since: Timestamp,
    },
}

/// What a request carries from its admission to its result, so that results which no longer count are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass {
    generation: u64,
    is_trial: bool,
}

impl Pass {
    /// Whether the request is the one that decides whether others may follow.
    #[must_use]
    pub const fn is_trial(self) -> bool {
        self.is_trial
    }
}

/// How heavily a failure weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Opens the breaker if it is the third in a row.
    Strike,
    /// Opens it if it is the second in a row: another model of the same backend is failing too.
    Shared,
    /// Opens it at once.
    Fatal,
}

impl Severity {
    const fn strikes_to_open(self) -> u32 {
        match self {
            Self::Strike => STRIKES_TO_OPEN,
            Self::Shared => 2,
            Self::Fatal => 1,
        }
    }
}

/// Whether a stretch of time is over. A clock that was set back by more than [`SET_BACK`] ends it too.
fn is_over(since: Timestamp, length: Duration, now: Timestamp) -> bool {
    now.since(since) >= length || since.since(now) > SET_BACK
}

impl Breaker {
    /// The state at a time, for display: a return that is over is a closed breaker.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> BreakerState {
        match self.state {
            BreakerState::Recovering { since } if is_over(since, RETURN, now) => BreakerState::Closed,
            state => state,
        }
    }

    /// Whether a request may pass now.
    ///
    /// # Errors
    ///
    /// The time from which the next trial may pass.
    pub fn allows(&self, now: Timestamp) -> Result<(), Timestamp> {
        match self.state {
            BreakerState::Closed | BreakerState::Recovering { .. } => Ok(()),
            BreakerState::Open { until } if now >= until || until.since(now) > SET_BACK => Ok(()),
            BreakerState::Open { until } => Err(until),
            BreakerState::HalfOpen { since } if is_over(since, TRIAL_TIMEOUT, now) => Ok(()),
            BreakerState::HalfOpen { since } => Err(since.after(TRIAL_TIMEOUT)),
        }
    }

    /// The most requests in flight at a time while traffic comes back; `None` for no limit.
    #[must_use]
    pub fn limit(&self, now: Timestamp) -> Option<u32> {
        match self.state(now) {
            BreakerState::Recovering { since } => Some(1 << now.since(since).as_secs().min(RETURN.as_secs())),
            BreakerState::Closed | BreakerState::Open { .. } | BreakerState::HalfOpen { .. } => None,
        }
    }

    /// When traffic last came back after failures; what was measured before says little of how things are now.
    #[must_use]
    pub const fn returned(&self) -> Option<Timestamp> {
        self.returned
    }

    /// Whether the latest result that counted was a failure.
    #[must_use]
    pub const fn is_failing(&self) -> bool {
        self.strikes > 0
    }

    /// A request is about to be sent. `None` where its result is not going to count: it passes as a last resort, beside
    /// a trial that is still under way.
    pub fn admit(&mut self, now: Timestamp) -> Option<Pass> {
        self.ripen(now);
        let is_trial = match self.state {
            BreakerState::Closed | BreakerState::Recovering { .. } => false,
            BreakerState::HalfOpen { since } if !is_over(since, TRIAL_TIMEOUT, now) => return None,
            BreakerState::Open { .. } | BreakerState::HalfOpen { .. } => {
                self.generation += 1;
                self.state = BreakerState::HalfOpen { since: now };
                true
            }
        };
        Some(Pass { generation: self.generation, is_trial })
    }

    /// The answer has begun. That decides a trial: the rest of a long answer need not be waited for.
    pub fn began(&mut self, pass: Option<Pass>, now: Timestamp) {
        if self.counts(pass) && matches!(self.state, BreakerState::HalfOpen { .. }) {
            self.recover(now);
        }
    }

    /// The request was answered. Says whether that counted.
    pub fn succeed(&mut self, pass: Option<Pass>, now: Timestamp) -> bool {
        self.began(pass, now);
        let counted = self.counts(pass);
        if counted {
            self.strikes = 0;
        }
        counted
    }

    /// The request failed in a way that speaks against what it was sent to. Says whether that counted.
    pub fn fail(&mut self, pass: Option<Pass>, severity: Severity, now: Timestamp) -> bool {
        if !self.counts(pass) {
            return false;
        }
        self.ripen(now);
        self.strikes = self.strikes.saturating_add(1);
        let may_stay = self.state == BreakerState::Closed && self.strikes < severity.strikes_to_open();
        if !may_stay {
            self.open(now);
        }
        true
    }

    /// The request ended without a verdict, for instance because its caller went away: if it was the trial, the next
    /// request may be it.
    pub fn forget(&mut self, pass: Option<Pass>, now: Timestamp) {
        if self.counts(pass) && matches!(self.state, BreakerState::HalfOpen { .. }) {
            self.generation += 1;
            self.state = BreakerState::Open { until: now };
        }
    }

    /// What was down is up again, as a free probe says: a trial may pass at once, and where no trial is asked for, the
    /// return begins.
    pub fn mend(&mut self, now: Timestamp) {
        self.ripen(now);
        match self.state {
            BreakerState::Open { until } => self.state = BreakerState::Open { until: until.min(now) },
            BreakerState::Closed => {
                self.generation += 1;
                self.recover(now);
            }
            BreakerState::HalfOpen { .. } | BreakerState::Recovering { .. } => {}
        }
    }

    /// Stays open until a time, as it was when the program last ended.
    pub fn hold(&mut self, until: Timestamp) {
        self.generation += 1;
        self.openings = self.openings.max(1);
        self.state = BreakerState::Open { until };
    }

    fn counts(&self, pass: Option<Pass>) -> bool {
        pass.is_some_and(|pass| pass.generation == self.generation)
    }

    fn recover(&mut self, now: Timestamp) {
        self.strikes = 0;
        self.returned = Some(now);
        self.state = BreakerState::Recovering { since: now };
    }

    /// A return that is over leaves nothing behind. Until then a single failure opens again, for longer than before.
    fn ripen(&mut self, now: Timestamp) {
        if matches!(self.state, BreakerState::Recovering { .. }) && self.state(now) == BreakerState::Closed {
            self.state = BreakerState::Closed;
            self.openings = 0;
        }
    }

    fn open(&mut self, now: Timestamp) {
        let hold = FIRST_HOLD.saturating_mul(3_u32.pow(self.openings.min(4))).min(LONGEST_HOLD);
        self.openings = self.openings.saturating_add(1);
        self.generation += 1;
        self.state = BreakerState::Open { until: now.after(hold) };
    }
}

#[cfg(test)]
mod tests;
