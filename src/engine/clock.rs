//! The only place where the engine learns what time it is, so that tests can own it.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::tz::TimeZone;
use tokio::time::Instant;

use crate::domain::spend::Day;
use crate::domain::time::Timestamp;

/// The first moment of the day after the one that `at` falls into, in `zone`: when today's limit begins anew. Where the
/// clocks skip that midnight, it is the first moment that they show of the new day.
#[must_use]
pub fn midnight_after(at: Timestamp, zone: &TimeZone) -> Timestamp {
    let begins = || {
        let today = jiff::Timestamp::from_millisecond(at.0).ok()?.to_zoned(zone.clone()).date();
        today.tomorrow().ok()?.to_zoned(zone.clone()).ok()
    };
    // Only beyond the calendar's last day is there none.
    begins().map_or(Timestamp(i64::MAX), |midnight| Timestamp(midnight.timestamp().as_millisecond()))
}

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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp(text.parse::<jiff::Timestamp>().expect("a time").as_millisecond())
    }

    #[test]
    fn the_next_midnight_is_that_of_the_zone_even_when_its_clocks_change() {
        // A rule in the POSIX form, so that no database of zones is needed.
        let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a zone");
        let santiago = TimeZone::posix("<-04>4<-03>,M9.1.6/24,M4.1.6/24").expect("a zone");
        for (zone, now, midnight) in [
            (&TimeZone::UTC, "2026-10-24T12:00:00Z", "2026-10-25T00:00:00Z"),
            (&TimeZone::UTC, "2026-10-25T00:00:00Z", "2026-10-26T00:00:00Z"),
            // In summer time and, after a day of 25 hours, no longer.
            (&berlin, "2026-10-24T23:30:00Z", "2026-10-25T23:00:00Z"),
            (&berlin, "2026-10-24T21:30:00Z", "2026-10-24T22:00:00Z"),
            // A day of 23 hours.
            (&berlin, "2026-03-28T23:30:00Z", "2026-03-29T22:00:00Z"),
            // The clocks go from midnight to one: the day begins at one.
            (&santiago, "2026-09-05T20:00:00Z", "2026-09-06T04:00:00Z"),
        ] {
            assert_eq!(midnight_after(at(now), zone), at(midnight), "{now}");
        }
    }

    #[test]
    fn the_end_of_the_calendar_has_no_next_midnight() {
        assert_eq!(midnight_after(Timestamp(i64::MAX), &TimeZone::UTC), Timestamp(i64::MAX));
    }
}
