//! The only place where the engine learns what time it is, so that tests can own it.

use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use crate::domain::spend::Day;
use crate::domain::time::Timestamp;

/// A source of time.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    /// Follows the runtime's clock, which tests can pause; days are counted in UTC.
    Runtime {
        base: Timestamp,
        origin: Instant,
    },
}

impl Clock {
    /// The system's clock, with days in the system's time zone.
    #[must_use]
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands at `base` now and follows the runtime's clock from here on.
    #[must_use]
    pub fn following_runtime(base: Timestamp) -> Self {
        Self(Source::Runtime { base, origin: Instant::now() })
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
            }
            Source::Runtime { base, origin } => base.after(origin.elapsed()),
        }
    }

    /// The day that a time falls into.
    #[must_use]
    pub fn day(&self, at: Timestamp) -> Day {
        const DAY_SECONDS: i64 = 86_400;
        let seconds = at.0.div_euclid(1000);
        let offset = match &self.0 {
            Source::System => jiff::Timestamp::from_second(seconds)
                .map_or(0, |stamp| i64::from(jiff::tz::TimeZone::system().to_offset(stamp).seconds())),
            Source::Runtime { .. } => 0,
        };
        Day(i32::try_from((seconds + offset).div_euclid(DAY_SECONDS)).unwrap_or(i32::MAX))
    }
}
