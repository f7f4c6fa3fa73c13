//! Money as it is spent: settled, reserved, rented by the hour, how fast it burns, and what limits it.

mod book;
mod budget;
mod hours;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::id::ModelId;
use super::money::{Cost, Money};
use super::tier::Tier;
use super::time::Timestamp;
use super::usage::Usage;

pub use book::{Book, Forecasts, charge};
pub use budget::{Action, Budget, Day, Month, Period, Scope, Short};
pub use hours::Hour;

/// The window over which the burn rate is taken.
pub const BURN_WINDOW: Duration = Duration::from_secs(300);
/// Settled costs kept for the burn rate; beyond it the oldest are merged, so that the sum stays right.
const RECENT: usize = 512;

/// What an amount of money is for: what limits look at.
#[derive(Clone, Copy, Debug)]
pub struct Purpose<'a> {
    /// The tier that is paid.
    pub tier: Tier,
    /// The model that is paid.
    pub model: &'a ModelId,
    /// Who asked.
    pub caller: &'a str,
}

/// What was booked under one tier, model and caller by somebody else: an earlier run, or another process on the same store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elsewhere {
    /// The tier.
    pub tier: Tier,
    /// The model.
    pub model: ModelId,
    /// The caller.
    pub caller: Arc<str>,
    /// What they came to in the day.
    pub today: Book,
    /// What they came to in the month.
    pub month: Book,
}

/// What earlier runs and other processes on the same store have spent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Others {
    /// The day that all of it is about.
    pub day: Day,
    /// What attempts cost.
    pub attempts: Vec<Elsewhere>,
    /// What rented machines cost in the day before this process began to count them.
    pub rented_today: Money,
    /// The same in the month.
    pub rented_month: Money,
}

/// All that is known of the money.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Spend {
    /// When counting began.
    pub since: Timestamp,
    /// The day that `today` counts.
    pub day: Day,
    /// What may be spent today, by everybody for everything.
    pub daily_limit: Option<Money>,
    /// What may be spent in a day unless an operator says otherwise for today.
    usual_limit: Option<Money>,
    /// The other limits.
    pub budgets: Vec<Budget>,
    /// Since counting began, by [`Tier::index`].
    pub session: [Book; 4],
    /// Since midnight or since counting began, whichever came later, by [`Tier::index`].
    own: [Book; 4],
    /// What others had booked today, by [`Tier::index`].
    others: [Book; 4],
    /// Upper bounds of the costs of what is in flight.
    pub reserved: Money,
    /// What rented machines cost per hour right now, whether used or idle.
    pub rented_per_hour: Money,
    /// What rented machines have cost since counting began.
    pub rented: Money,
    /// The part of it that fell into today.
    own_rented: Money,
    /// What others counted of rented machines today.
    others_rented: Money,
    /// Workers that are paid by the time they run.
    workers: Workers,
    /// The latest hours in which anything was spent, oldest first.
    pub hours: VecDeque<Hour>,
    accrued_until: Option<Timestamp>,
    recent: VecDeque<(Timestamp, Money)>,
}

/// Serverless workers are paid for as long as they run. Requests are charged for the time that they take of it; what is
/// left was idle, and is part of the bill all the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Workers {
    /// What those that run cost per hour.
    per_hour: Money,
    /// What running has cost so far, less what requests were charged for.
    unclaimed: Money,
    /// What requests in flight may still claim of it.
    reserved: Money,
}

impl Spend {
    /// Nothing spent yet.
    #[must_use]
    pub fn new(now: Timestamp, day: Day, daily_limit: Option<Money>) -> Self {
        Self { since: now, day, daily_limit, usual_limit: daily_limit, ..Self::default() }
    }

    /// The same under more limits.
    #[must_use]
    pub fn with_budgets(mut self, budgets: Vec<Budget>) -> Self {
        self.budgets = budgets;
        self
    }

    /// What is still free of today's limit, reservations taken off; `None` without a limit.
    #[must_use]
    pub fn headroom(&self) -> Option<Money> {
        self.daily_limit.map(|limit| limit - self.today_charged() - self.reserved)
    }

    /// The limit that has least left for a purpose, with what is left; `None` where nothing limits it.
    #[must_use]
    pub fn tightest(&self, purpose: &Purpose<'_>) -> Option<Short> {
        let day = self.headroom().map(|left| Short { limit: Arc::from(TODAY), left });
        let budgets =
            self.budgets.iter().filter(|budget| budget.action == Action::Refuse && budget.scope.covers(purpose));
        budgets.map(Budget::left).chain(day).min_by_key(|short| short.left)
    }

    /// Today by tier, whoever booked it: by [`Tier::index`].
    #[must_use]
    pub fn today(&self) -> [Book; 4] {
        std::array::from_fn(|tier| self.own[tier].with(&self.others[tier]))
    }

    /// What rented machines have cost today, idle workers included.
    #[must_use]
    pub fn rented_today(&self) -> Money {
        self.own_rented + self.others_rented
    }

    /// What today has cost so far, as far as it is known.
    #[must_use]
    pub fn today_total(&self) -> Money {
        self.today().iter().map(|tier| tier.amount).sum::<Money>() + self.rented_today()
    }

    /// What today's limit is charged with: what it has cost, and, where a cost is not settled, what had been set aside.
    #[must_use]
    pub fn today_charged(&self) -> Money {
        self.today().iter().map(|tier| tier.charged).sum::<Money>() + self.rented_today()
    }

    /// What it has cost since counting began.
    #[must_use]
    pub fn session_total(&self) -> Money {
        self.session.iter().map(|tier| tier.amount).sum::<Money>() + self.rented
    }

    /// Sets money aside for an attempt. What costs nothing is never too much, not even past a limit.
    ///
    /// # Errors
    ///
    /// The limit that has less left than the amount; nothing is set aside then.
    pub fn reserve(&mut self, amount: Money, purpose: &Purpose<'_>) -> Result<(), Short> {
        if let Some(short) = self.tightest(purpose)
            && amount > Money::ZERO
            && amount > short.left
        {
            return Err(short);
        }
        self.reserved += amount;
        self.covering(purpose, |budget| budget.reserved += amount);
        Ok(())
    }

    /// Gives a reservation back and books what the attempt cost.
    pub fn settle(
        &mut self,
        purpose: &Purpose<'_>,
        reserved: Money,
        cost: Cost,
        usage: Option<&Usage>,
        now: Timestamp,
    ) {
        self.release(reserved, purpose);
        let charged = charge(reserved, cost);
        let tier = purpose.tier.index();
        for book in [&mut self.session[tier], &mut self.own[tier]] {
            book.add(cost, usage, charged);
        }
        self.covering(purpose, |budget| budget.charge(charged));
        if let Some(amount) = cost.amount.filter(|amount| *amount > Money::ZERO) {
            hours::at(&mut self.hours, now).tiers[tier] += amount;
            self.burnt(amount, now);
        }
    }

    /// Gives a reservation back without booking anything: the attempt never left.
    pub fn release(&mut self, reserved: Money, purpose: &Purpose<'_>) {
        self.reserved = self.reserved - reserved;
        self.covering(purpose, |budget| budget.reserved = budget.reserved - reserved);
    }

    fn covering(&mut self, purpose: &Purpose<'_>, change: impl Fn(&mut Budget)) {
        self.budgets.iter_mut().filter(|budget| budget.scope.covers(purpose)).for_each(change);
    }

    fn burnt(&mut self, amount: Money, now: Timestamp) {
        if self.recent.len() == RECENT
            && let Some((_, oldest)) = self.recent.pop_front()
            && let Some((_, next)) = self.recent.front_mut()
        {
            *next += oldest;
        }
        self.recent.push_back((now, amount));
    }

    /// Takes in what earlier runs and other processes have spent, in place of what was known of them. What is about
    /// another day than today comes too early or too late, and is left out.
    pub fn set_others(&mut self, others: &Others) {
        if others.day != self.day {
            return;
        }
        self.others = Default::default();
        self.others_rented = others.rented_today;
        for budget in &mut self.budgets {
            budget.others = match (budget.scope.covers_rent(), budget.per) {
                (false, _) => Money::ZERO,
                (true, Period::Day) => others.rented_today,
                (true, Period::Month) => others.rented_month,
            };
        }
        for one in &others.attempts {
            let tier = one.tier.index();
            self.others[tier] = self.others[tier].with(&one.today);
            let purpose = Purpose { tier: one.tier, model: &one.model, caller: &one.caller };
            self.covering(&purpose, |budget| {
                budget.others += if budget.per == Period::Day { one.today.charged } else { one.month.charged };
            });
        }
    }

    /// Counts the rented hours up to now, then goes on at new hourly rates: of machines that are paid whether used or not,
    /// and of workers whose time requests are charged for.
    pub fn rent(&mut self, machines: Money, workers: Money, now: Timestamp) {
        self.accrue(now);
        self.rented_per_hour = machines;
        self.workers.per_hour = workers;
    }

    /// An attempt that is charged by a worker's time has begun: it may claim so much of it.
    pub fn occupy(&mut self, reserved: Money) {
        self.workers.reserved += reserved;
    }

    /// The attempt has ended, and was charged with so much.
    pub fn vacate(&mut self, reserved: Money, charged: Money) {
        self.workers.reserved = self.workers.reserved - reserved;
        self.workers.unclaimed = self.workers.unclaimed - charged;
    }

    /// Moves on to the present: counts rented time, and starts a new day where one has begun.
    pub fn advance(&mut self, now: Timestamp, day: Day) {
        self.accrue(now);
        // Several requests share a worker's time, so that they may claim more than there was. Once none is left, their
        // excess must not hide what idles next.
        if self.workers.reserved <= Money::ZERO && self.workers.unclaimed < Money::ZERO {
            self.workers.unclaimed = Money::ZERO;
        }
        let idle = self.workers.unclaimed - self.workers.reserved;
        if idle > Money::ZERO {
            self.workers.unclaimed = self.workers.unclaimed - idle;
            self.book_rent(idle, now);
        }
        if day != self.day {
            let same_month = day.month() == self.day.month();
            self.day = day;
            self.daily_limit = self.usual_limit;
            self.own = Default::default();
            self.others = Default::default();
            (self.own_rented, self.others_rented) = (Money::ZERO, Money::ZERO);
            for budget in &mut self.budgets {
                if budget.per == Period::Day || !same_month {
                    budget.begin_anew();
                } else {
                    budget.hand_over();
                }
            }
        }
    }

    fn accrue(&mut self, now: Timestamp) {
        if let Some(until) = self.accrued_until {
            let passed = now.since(until);
            self.workers.unclaimed += self.workers.per_hour.per_hour_over(passed);
            self.book_rent(self.rented_per_hour.per_hour_over(passed), now);
        }
        self.accrued_until = Some(self.accrued_until.map_or(now, |until| until.max(now)));
    }

    fn book_rent(&mut self, amount: Money, now: Timestamp) {
        if amount > Money::ZERO {
            self.rented += amount;
            self.own_rented += amount;
            hours::at(&mut self.hours, now).rented += amount;
            self.budgets
                .iter_mut()
                .filter(|budget| budget.scope.covers_rent())
                .for_each(|budget| budget.charge(amount));
        }
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
        let left = self.daily_limit? - self.today_charged();
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
impl Spend {
    /// Books what a tier's attempt cost for which nothing had been set aside.
    pub fn book(&mut self, tier: Tier, cost: Cost, usage: Option<&Usage>, now: Timestamp) {
        let model = ModelId::from("model");
        self.settle(&Purpose { tier, model: &model, caller: "test" }, Money::ZERO, cost, usage, now);
    }
}

/// What the limit of the day is called where it refuses something.
const TODAY: &str = "today's limit";
