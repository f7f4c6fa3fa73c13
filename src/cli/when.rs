//! Times at a shell: how they are given, and how they are shown, in the operator's zone.

use std::time::Duration;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan, Zoned};

use crate::domain::spend::Day;
use crate::domain::time::Timestamp;
use crate::engine::Clock;

/// A time as it was given: a moment, or a whole day.
#[derive(Clone, Debug, PartialEq)]
pub enum Moment {
    /// A moment.
    At(Zoned),
    /// A day, from midnight to midnight.
    Whole(Date, TimeZone),
}

/// Reads `2h` (ago), `7d`, `today`, `2026-11-20`, `2026-11-20T14:00` or the same with an offset.
///
/// # Errors
///
/// What may be given.
pub fn moment(text: &str) -> Result<Moment, String> {
    Moment::read(text.trim(), &Zoned::now())
        .ok_or_else(|| "not a time: give 2h or 7d (ago), today, yesterday, 2026-11-20 or 2026-11-20T14:00".to_owned())
}

/// Reads `15m`, `1h30m` or `2d`.
///
/// # Errors
///
/// What may be given.
pub fn lasting(text: &str) -> Result<Duration, String> {
    let now = Zoned::now();
    let until = span(text.trim()).and_then(|span| now.checked_add(span).ok());
    let lasts = until.and_then(|until| Duration::try_from(until.duration_since(&now)).ok());
    lasts.filter(|lasts| !lasts.is_zero()).ok_or_else(|| "not a length of time: give 15m, 1h30m or 2d".to_owned())
}

/// A length of time that is not negative.
fn span(text: &str) -> Option<Span> {
    text.parse::<Span>().ok().filter(|span| !span.is_negative())
}

impl Moment {
    fn read(text: &str, now: &Zoned) -> Option<Self> {
        /// A date alone, as `2026-11-20`.
        const DATE: usize = 10;
        let zone = now.time_zone();
        let whole = |date: Date| Some(Self::Whole(date, zone.clone()));
        match text {
            "today" => return whole(now.date()),
            "yesterday" => return whole(now.date().yesterday().ok()?),
            _ => {}
        }
        if text.len() == DATE
            && let Ok(date) = text.parse::<Date>()
        {
            return whole(date);
        }
        if let Some(span) = span(text) {
            return now.checked_sub(span).ok().map(Self::At);
        }
        // With an offset it is a moment anywhere, and without one a time of the operator's clock.
        if let Ok(at) = text.parse::<jiff::Timestamp>() {
            return Some(Self::At(at.to_zoned(zone.clone())));
        }
        let local: DateTime = text.parse().ok()?;
        local.to_zoned(zone.clone()).ok().map(Self::At)
    }

    /// Where it begins.
    #[must_use]
    pub fn begin(&self) -> Timestamp {
        match self {
            Self::At(at) => Timestamp(at.timestamp().as_millisecond()),
            Self::Whole(date, zone) => midnight(*date, zone),
        }
    }

    /// The first moment that is not within it any more.
    #[must_use]
    pub fn end(&self) -> Timestamp {
        match self {
            Self::At(_) => self.begin(),
            Self::Whole(date, zone) => midnight(date.saturating_add(1.day()), zone),
        }
    }

    /// The day that it falls into.
    #[must_use]
    pub fn day(&self) -> Day {
        Clock::system().day(self.begin())
    }
}

/// The first moment of a day. Only beyond the calendar's last day is there none.
fn midnight(date: Date, zone: &TimeZone) -> Timestamp {
    date.to_zoned(zone.clone()).map_or(Timestamp(i64::MAX), |at| Timestamp(at.timestamp().as_millisecond()))
}

/// A time on the operator's clock; `None` only beyond the calendar.
fn local(at: Timestamp) -> Option<Zoned> {
    jiff::Timestamp::from_millisecond(at.0).ok().map(|at| at.to_zoned(TimeZone::system()))
}

/// A time in a row: `21:51:03` today, `11-20 21:51` in this year, `2025-11-20` before it.
#[must_use]
pub fn brief(at: Timestamp, now: Timestamp) -> String {
    let (Some(at), Some(now)) = (local(at), local(now)) else { return "—".to_owned() };
    let form = match (at.date() == now.date(), at.year() == now.year()) {
        (true, _) => "%H:%M:%S",
        (false, true) => "%m-%d %H:%M",
        (false, false) => "%Y-%m-%d",
    };
    at.strftime(form).to_string()
}

/// A time in full: `2026-11-20 21:51:03`.
#[must_use]
pub fn full(at: Timestamp) -> String {
    local(at).map_or_else(|| "—".to_owned(), |at| at.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

/// A time for a script, which knows nothing of the operator's zone: `2026-11-20T20:51:03.123Z`.
#[must_use]
pub fn utc(at: Timestamp) -> String {
    let form = |at: jiff::Timestamp| at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string();
    jiff::Timestamp::from_millisecond(at.0).map_or_else(|_| at.0.to_string(), form)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Zoned {
        // A rule in the POSIX form, so that no database of zones is needed.
        let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a zone");
        "2026-10-25T12:00:00Z".parse::<jiff::Timestamp>().expect("a time").to_zoned(berlin)
    }

    fn at(text: &str) -> Timestamp {
        Timestamp(text.parse::<jiff::Timestamp>().expect("a time").as_millisecond())
    }

    #[test]
    fn a_day_is_meant_whole_and_in_the_operators_zone_even_when_its_clocks_change() {
        for (text, begin, end) in [
            // A day of 25 hours.
            ("today", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
            ("yesterday", "2026-10-23T22:00:00Z", "2026-10-24T22:00:00Z"),
            ("2026-11-20", "2026-11-19T23:00:00Z", "2026-11-20T23:00:00Z"),
            ("2h", "2026-10-25T10:00:00Z", "2026-10-25T10:00:00Z"),
            // The same time of the clock, a day ago.
            ("1d", "2026-10-24T11:00:00Z", "2026-10-24T11:00:00Z"),
            ("2026-11-20T14:00", "2026-11-20T13:00:00Z", "2026-11-20T13:00:00Z"),
            ("2026-11-20 14:00:30", "2026-11-20T13:00:30Z", "2026-11-20T13:00:30Z"),
            ("2026-11-20T14:00:00Z", "2026-11-20T14:00:00Z", "2026-11-20T14:00:00Z"),
        ] {
            let moment = Moment::read(text, &now()).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((moment.begin(), moment.end()), (at(begin), at(end)), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for wrong in ["", "soon", "2026-13-01", "-2h", "2h ago", "12", "2026-11-20T25:00"] {
            assert_eq!(Moment::read(wrong, &now()), None, "{wrong}");
        }
        for wrong in ["", "0m", "-5m", "15", "for ever", "99999y"] {
            assert!(lasting(wrong).is_err(), "{wrong}");
        }
        for (text, seconds) in [("15m", 900), ("1h30m", 5_400), ("90s", 90)] {
            assert_eq!(lasting(text), Ok(Duration::from_secs(seconds)));
        }
    }

    #[test]
    fn a_script_gets_times_of_one_form() {
        assert_eq!(utc(Timestamp(0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(utc(Timestamp(1_700_000_000_123)), "2023-11-14T22:13:20.123Z");
    }
}
