//! Money by the hour of the clock.

use std::collections::VecDeque;

use serde::Serialize;

use super::super::money::Money;
use super::super::time::Timestamp;

/// What one hour of the clock has cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Hour {
    /// Which: hours since the Unix epoch.
    pub number: i64,
    /// Known amounts, by [`Tier::index`](super::super::tier::Tier::index).
    pub tiers: [Money; 4],
    /// What rented machines cost.
    pub rented: Money,
}

impl Hour {
    /// The hour that a time falls into.
    #[must_use]
    pub const fn of(at: Timestamp) -> i64 {
        at.0.div_euclid(3_600_000)
    }

    /// When it began.
    #[must_use]
    pub const fn began(&self) -> Timestamp {
        Timestamp(self.number.saturating_mul(3_600_000))
    }

    /// All of it.
    #[must_use]
    pub fn total(&self) -> Money {
        self.tiers.iter().copied().sum::<Money>() + self.rented
    }
}

/// Hours kept: today and yesterday, whatever the time of day.
pub(super) const HOURS: usize = 48;

/// The hour of a time among the latest ones.
pub(super) fn at(hours: &mut VecDeque<Hour>, now: Timestamp) -> &mut Hour {
    let number = Hour::of(now);
    // After the clock was set back, the latest hour goes on.
    if hours.back().is_none_or(|last| last.number < number) {
        if hours.len() == HOURS {
            hours.pop_front();
        }
        hours.push_back(Hour { number, ..Hour::default() });
    }
    let last = hours.len() - 1;
    &mut hours[last]
}
