//! Limits on what may be spent: of whom or of what, in which span of time, and what happens when they are reached.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::{Date, date};
use serde::{Deserialize, Serialize};

use super::super::id::ModelId;
use super::super::money::Money;
use super::super::tier::Tier;
use super::Purpose;

/// A calendar day, as a count of days since the Unix epoch in the operator's time zone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Day(pub i32);

/// A calendar month, as a count of months since the beginning of the year 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month(pub i32);

impl Day {
    /// The day of the calendar. No money was spent before the epoch, and none is after the calendar's end.
    #[must_use]
    pub fn date(self) -> Date {
        let passed = Duration::from_secs(u64::try_from(self.0).unwrap_or(0) * 86_400);
        date(1970, 1, 1).checked_add(passed).unwrap_or(Date::MAX)
    }

    /// The month that the day falls into.
    #[must_use]
    pub fn month(self) -> Month {
        let date = self.date();
        Month(i32::from(date.year()) * 12 + i32::from(date.month()) - 1)
    }

    /// The first day of the month that the day falls into.
    #[must_use]
    pub fn first_of_month(self) -> Self {
        Self(self.0 - i32::from(self.date().day()) + 1)
    }
}

/// The span of time that a budget is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Period {
    /// A calendar day.
    Day,
    /// A calendar month.
    Month,
}

/// What a budget is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Everything.
    All,
    /// One tier.
    Tier(Tier),
    /// One model, wherever it is served.
    Model(ModelId),
    /// One caller.
    Caller(Arc<str>),
}

impl Scope {
    /// Whether a purpose falls under it.
    #[must_use]
    pub fn covers(&self, purpose: &Purpose<'_>) -> bool {
        match self {
            Self::All => true,
            Self::Tier(tier) => *tier == purpose.tier,
            Self::Model(model) => model == purpose.model,
            Self::Caller(caller) => **caller == *purpose.caller,
        }
    }

    /// Whether rented machines fall under it: they are RunPod's, and nobody's in particular.
    #[must_use]
    pub const fn covers_rent(&self) -> bool {
        matches!(self, Self::All | Self::Tier(Tier::Gpu))
    }
}

/// What happens when a budget is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// What would pass it goes to somebody cheaper, or nowhere.
    Refuse,
    /// The operator is warned.
    Warn,
}

/// One limit, and what it is charged with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Budget {
    /// What it is for.
    pub scope: Scope,
    /// In which span of time.
    pub per: Period,
    /// How much.
    pub limit: Money,
    /// What happens when it is reached.
    pub action: Action,
    /// What this process has charged in the span.
    own: Money,
    /// What others have.
    pub(super) others: Money,
    /// Upper bounds of the costs of what is in flight.
    pub reserved: Money,
}

/// A limit with less left than is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Short {
    /// The limit's name: `this month's limit of claude`.
    pub limit: Arc<str>,
    /// What is left of it; less than nothing where it was passed.
    pub left: Money,
}

impl Budget {
    /// A budget of which nothing is spent.
    #[must_use]
    pub const fn new(scope: Scope, per: Period, limit: Money, action: Action) -> Self {
        Self { scope, per, limit, action, own: Money::ZERO, others: Money::ZERO, reserved: Money::ZERO }
    }

    /// What it is charged with: what was spent, and what had been set aside where that is not settled.
    #[must_use]
    pub fn charged(&self) -> Money {
        self.own + self.others
    }

    pub(super) fn charge(&mut self, amount: Money) {
        self.own += amount;
    }

    pub(super) fn begin_anew(&mut self) {
        (self.own, self.others) = (Money::ZERO, Money::ZERO);
    }

    /// Another day of the same month has begun: what this process has charged so far is among what the store tells from now on.
    /// So a clock that is set back and forth finds each day as it was left.
    pub(super) fn hand_over(&mut self) {
        self.others += self.own;
        self.own = Money::ZERO;
    }

    pub(super) fn left(&self) -> Short {
        Short { limit: Arc::from(self.to_string()), left: self.limit - self.charged() - self.reserved }
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let span = match self.per {
            Period::Day => "today's",
            Period::Month => "this month's",
        };
        match &self.scope {
            Scope::All => write!(f, "{span} limit"),
            Scope::Tier(tier) => write!(f, "{span} limit of {tier}"),
            Scope::Model(model) => write!(f, "{span} limit of {model}"),
            Scope::Caller(caller) => write!(f, "{span} limit of caller {caller}"),
        }
    }
}
