//! Money as it is spent: settled, reserved, rented by the hour, and how fast it burns.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;

use super::money::{Cost, Money};
use super::tier::Tier;
use super::time::Timestamp;
use super::usage::Usage;

/// A calendar day, as a count of days since the Unix epoch in the operator's time zone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Day(pub i32);

/// What a tier or a model has cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Book {
    /// Sum of all known amounts, estimates included.
    pub amount: Money,
    /// The part of `amount` that rests on estimates.
    pub estimated: Money,
    /// Attempts whose cost is not known, and so is in no sum.
    pub unknown: u32,
    /// Attempts.
    pub attempts: u32,
    /// Prompt tokens reported.
    pub input_tokens: u64,
    /// Output tokens reported.
    pub output_tokens: u64,
}

impl Book {
    /// Books an attempt.
    pub fn add(&mut self, cost: Cost, usage: Option<&Usage>) {
        self.attempts += 1;
        match cost.amount {
            None => self.unknown += 1,
            Some(amount) => {
                self.amount += amount;
                if cost.is_estimate() {
                    self.estimated += amount;
                }
            }
        }
        if let Some(usage) = usage {
            self.input_tokens += usage.prompt();
            self.output_tokens += usage.output;
        }
    }
}

/// What one hour of the clock has cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Hour {
    /// Which: hours since the Unix epoch.
    pub number: i64,
    /// Known amounts, by [`Tier::index`].
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
const HOURS: usize = 48;

/// The window over which the burn rate is taken.
pub const BURN_WINDOW: Duration = Duration::from_secs(300);
/// Settled costs kept for the burn rate; beyond it the oldest are merged, so that the sum stays right.
const RECENT: usize = 512;

/// All that is known of the money.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Spend {
    /// When counting began.
    pub since: Timestamp,
    /// The day that `today` counts.
    pub day: Day,
    /// What may be spent in a day.
    pub daily_limit: Option<Money>,
    /// Since counting began, by [`Tier::index`].
    pub session: [Book; 4],
    /// Since midnight or since counting began, whichever came later, by [`Tier::index`].
    pub today: [Book; 4],
    /// Upper bounds of the costs of what is in flight.
    pub reserved: Money,
    /// What rented machines cost per hour right now, whether used or idle.
    pub rented_per_hour: Money,
    /// What rented machines have cost since counting began.
    pub rented: Money,
    /// The part of `rented` that fell into today.
    pub rented_today: Money,
    /// The latest hours in which anything was spent, oldest first.
    pub hours: VecDeque<Hour>,
    rented_until: Option<Timestamp>,
    recent: VecDeque<(Timestamp, Money)>,
}

impl Spend {
    /// Nothing spent yet.
    #[must_use]
    pub fn new(now: Timestamp, day: Day, daily_limit: Option<Money>) -> Self {
        Self { since: now, day, daily_limit, ..Self::default() }
    }

    /// What is still free of today's limit, reservations taken off; `None` without a limit.
    #[must_use]
    pub fn headroom(&self) -> Option<Money> {
        self.daily_limit.map(|limit| limit - self.today_total() - self.reserved)
    }

    /// What today has cost so far.
    #[must_use]
    pub fn today_total(&self) -> Money {
        self.today.iter().map(|tier| tier.amount).sum::<Money>() + self.rented_today
    }

    /// What it has cost since counting began.
    #[must_use]
    pub fn session_total(&self) -> Money {
        self.session.iter().map(|tier| tier.amount).sum::<Money>() + self.rented
    }

    /// Sets money aside for an attempt. What costs nothing is never too much, not even past the limit.
    ///
    /// # Errors
    ///
    /// What is left of the limit, where it is less than the amount; nothing is set aside then.
    pub fn reserve(&mut self, amount: Money) -> Result<(), Money> {
        if let Some(left) = self.headroom()
            && amount > Money::ZERO
            && amount > left
        {
            return Err(left);
        }
        self.reserved += amount;
        Ok(())
    }

    /// Gives a reservation back and books what the attempt cost.
    pub fn settle(&mut self, tier: Tier, reserved: Money, cost: Cost, usage: Option<&Usage>, now: Timestamp) {
        self.reserved = self.reserved - reserved;
        for book in [&mut self.session[tier.index()], &mut self.today[tier.index()]] {
            book.add(cost, usage);
        }
        if let Some(amount) = cost.amount.filter(|amount| *amount > Money::ZERO) {
            self.hour(now).tiers[tier.index()] += amount;
            if self.recent.len() == RECENT
                && let Some((_, oldest)) = self.recent.pop_front()
                && let Some((_, next)) = self.recent.front_mut()
            {
                *next += oldest;
            }
            self.recent.push_back((now, amount));
        }
    }

    /// Gives a reservation back without booking anything: the attempt never left.
    pub fn release(&mut self, reserved: Money) {
        self.reserved = self.reserved - reserved;
    }

    /// Counts the rented hours up to now, then goes on at a new hourly rate.
    pub fn rent(&mut self, per_hour: Money, now: Timestamp) {
        self.accrue(now);
        self.rented_per_hour = per_hour;
    }

    /// Moves on to the present: counts rented time, and starts a new day where one has begun.
    pub fn advance(&mut self, now: Timestamp, day: Day) {
        self.accrue(now);
        if day != self.day {
            self.day = day;
            self.today = Default::default();
            self.rented_today = Money::ZERO;
        }
    }

    fn accrue(&mut self, now: Timestamp) {
        if let Some(until) = self.rented_until {
            let accrued = self.rented_per_hour.per_hour_over(now.since(until));
            self.rented += accrued;
            self.rented_today += accrued;
            if accrued > Money::ZERO {
                self.hour(now).rented += accrued;
            }
        }
        self.rented_until = Some(self.rented_until.map_or(now, |until| until.max(now)));
    }

    fn hour(&mut self, now: Timestamp) -> &mut Hour {
        let number = Hour::of(now);
        // After the clock was set back, the latest hour goes on.
        if self.hours.back().is_none_or(|last| last.number < number) {
            if self.hours.len() == HOURS {
                self.hours.pop_front();
            }
            self.hours.push_back(Hour { number, ..Hour::default() });
        }
        let last = self.hours.len() - 1;
        &mut self.hours[last]
    }

    /// What today will have cost at `midnight`, if it goes on as in the last five minutes. `None` before five minutes have
    /// passed: less is no trend.
    #[must_use]
    pub fn forecast(&self, midnight: Timestamp, now: Timestamp) -> Option<Money> {
        let burn = self.trend(now)?;
        Some(self.today_total() + burn.per_hour_over(midnight.since(now)))
    }

    /// When today's limit will be used up at the present pace; `None` without a limit, without a trend, or where nothing
    /// is being spent.
    #[must_use]
    pub fn used_up_at(&self, now: Timestamp) -> Option<Timestamp> {
        let burn = self.trend(now).filter(|burn| *burn > Money::ZERO)?;
        let left = self.daily_limit? - self.today_total();
        if left <= Money::ZERO {
            return Some(now);
        }
        let millis = i128::from(left.0) * 3_600_000 / i128::from(burn.0);
        Some(Timestamp(now.0.saturating_add(i64::try_from(millis).unwrap_or(i64::MAX))))
    }

    fn trend(&self, now: Timestamp) -> Option<Money> {
        self.burn_per_hour(now).filter(|_| now.since(self.since) >= BURN_WINDOW)
    }

    /// What an hour costs at the pace of the last five minutes, rented machines included. Before five minutes have
    /// passed it is the pace of the time there was; `None` in the first half minute, when it would be a guess.
    #[must_use]
    pub fn burn_per_hour(&self, now: Timestamp) -> Option<Money> {
        let span = now.since(self.since).min(BURN_WINDOW);
        if span < Duration::from_secs(30) {
            return None;
        }
        let spent: Money =
            self.recent.iter().filter(|(at, _)| now.since(*at) <= BURN_WINDOW).map(|(_, amount)| *amount).sum();
        let millis = i128::try_from(span.as_millis()).ok()?;
        let hourly = i128::from(spent.0) * 3_600_000 / millis;
        Some(Money(i64::try_from(hourly).ok()?) + self.rented_per_hour)
    }
}

#[cfg(test)]
mod tests {
    use super::super::money::CostBasis;
    use super::*;

    fn spend(limit: i64) -> Spend {
        Spend::new(Timestamp(0), Day(1), Some(Money(limit)))
    }

    #[test]
    fn reservations_count_against_the_limit_until_they_settle() {
        let mut spend = spend(100);
        assert_eq!(spend.reserve(Money(60)), Ok(()));
        assert_eq!(spend.reserve(Money(60)), Err(Money(40)));
        spend.settle(Tier::Claude, Money(60), Cost::known(Money(10), CostBasis::Priced), None, Timestamp(1));
        assert_eq!(spend.headroom(), Some(Money(90)));
        assert_eq!(spend.reserved, Money::ZERO);
    }

    #[test]
    fn an_unknown_cost_is_counted_as_unknown_not_as_nothing() {
        let mut spend = spend(100);
        spend.settle(Tier::Frontier, Money::ZERO, Cost::UNKNOWN, None, Timestamp(1));
        assert_eq!(spend.today[Tier::Frontier.index()].unknown, 1);
        assert_eq!(spend.today_total(), Money::ZERO);
    }

    #[test]
    fn a_rented_machine_costs_while_it_idles_and_a_new_day_starts_from_nothing() {
        let mut spend = spend(1_000_000);
        spend.rent(Money(3_600), Timestamp(0));
        spend.advance(Timestamp(1_000_000), Day(1));
        assert_eq!((spend.rented, spend.rented_today), (Money(1_000), Money(1_000)));
        spend.advance(Timestamp(1_000_000), Day(2));
        assert_eq!((spend.rented, spend.rented_today), (Money(1_000), Money::ZERO));
    }

    #[test]
    fn burn_is_unknown_at_first_and_then_the_pace_of_five_minutes() {
        let mut spend = spend(1_000_000);
        let cost = Cost::known(Money(500), CostBasis::Priced);
        spend.settle(Tier::Claude, Money::ZERO, cost, None, Timestamp(1_000));
        assert_eq!(spend.burn_per_hour(Timestamp(10_000)), None);
        assert_eq!(spend.burn_per_hour(Timestamp(60_000)), Some(Money(30_000)));
        assert_eq!(spend.burn_per_hour(Timestamp(300_000)), Some(Money(6_000)));
        assert_eq!(spend.burn_per_hour(Timestamp(900_000)), Some(Money::ZERO));
    }

    const HOUR: i64 = 3_600_000;

    fn spent(spend: &mut Spend, amount: i64, at: i64) {
        let cost = Cost::known(Money(amount), CostBasis::Priced);
        spend.settle(Tier::Claude, Money::ZERO, cost, None, Timestamp(at));
    }

    #[test]
    fn each_hour_of_the_clock_has_its_own_sum_by_tier_and_for_rent() {
        let mut spend = spend(1_000_000);
        spent(&mut spend, 5, HOUR - 1);
        spent(&mut spend, 7, HOUR);
        spend.rent(Money(60), Timestamp(HOUR));
        spend.advance(Timestamp(HOUR + HOUR / 2), Day(1));
        spent(&mut spend, 8, 3 * HOUR);
        let hours: Vec<(i64, Money, Money)> =
            spend.hours.iter().map(|hour| (hour.number, hour.tiers[Tier::Claude.index()], hour.rented)).collect();
        // Nothing fell into the hour between: it is left out.
        assert_eq!(hours, [(0, Money(5), Money(0)), (1, Money(7), Money(30)), (3, Money(8), Money(0))]);
        assert_eq!((spend.hours[1].began(), spend.hours[1].total()), (Timestamp(HOUR), Money(37)));
    }

    #[test]
    fn two_days_of_hours_are_kept_and_a_clock_set_back_loses_nothing() {
        let mut spend = spend(1_000_000);
        (0..60).for_each(|hour| spent(&mut spend, 1, hour * HOUR));
        assert_eq!((spend.hours.len(), spend.hours[0].number), (48, 12));
        spent(&mut spend, 4, 10 * HOUR);
        assert_eq!(spend.hours.back().map(|hour| (hour.number, hour.total())), Some((59, Money(5))));
    }

    #[test]
    fn a_forecast_takes_five_minutes_of_trend_and_goes_on_to_midnight() {
        let mut spend = spend(1_000_000);
        spent(&mut spend, 600, 60_000);
        assert_eq!(spend.forecast(Timestamp(2 * HOUR), Timestamp(299_999)), None);
        // 600 in five minutes are 7,200 an hour, for the hour that is left of the day.
        assert_eq!(spend.forecast(Timestamp(300_000 + HOUR), Timestamp(300_000)), Some(Money(600 + 7_200)));
        assert_eq!(spend.forecast(Timestamp(0), Timestamp(300_000)), Some(Money(600)), "midnight is past");
    }

    #[test]
    fn a_limit_is_used_up_when_the_pace_says_so_and_only_where_there_is_one() {
        let mut spend = spend(600 + 7_200);
        spent(&mut spend, 600, 60_000);
        assert_eq!(spend.used_up_at(Timestamp(200_000)), None, "less than five minutes are no trend");
        assert_eq!(spend.used_up_at(Timestamp(300_000)), Some(Timestamp(300_000 + HOUR)));
        spend.daily_limit = Some(Money(600));
        assert_eq!(spend.used_up_at(Timestamp(300_000)), Some(Timestamp(300_000)), "it is used up now");
        spend.daily_limit = None;
        assert_eq!(spend.used_up_at(Timestamp(300_000)), None);
        spend.daily_limit = Some(Money(1_000_000));
        assert_eq!(spend.used_up_at(Timestamp(HOUR)), None, "nothing is being spent any more");
    }
}
