//! What the limits are charged with, and what is left of them: as the engine counts it.

use serde_json::{Value, json};

use super::{money, usd};
use crate::cli::output::{Failure, Output, Style};
use crate::cli::table::{Cell, Column, Table};
use crate::config::Config;
use crate::domain::money::Money;
use crate::domain::spend::{Action, Budget, Others, Period, Scope, Spend};
use crate::engine::Clock;
use crate::store::StoreError;
use crate::store::database::Database;
use crate::store::record::Record;

/// The limits of today and of this month.
pub(super) struct Limits(Vec<Limit>);

struct Limit {
    name: String,
    scope: Scope,
    per: Period,
    limit: Money,
    charged: Money,
    action: Action,
}

/// What is spent under a configuration's limits, with an operator's own word on today's.
pub async fn spent(
    database: Option<&mut (dyn Database + 'static)>,
    config: &Config,
    clock: &Clock,
) -> Result<Spend, StoreError> {
    let now = clock.now();
    let day = clock.day(now);
    let mut spend = Spend::new(now, day, config.cost_limit_daily).with_budgets(config.budgets.clone());
    if let Some(database) = database {
        let (rented_today, rented_month) = database.rented(day, i64::MAX).await?;
        let attempts = database.booked(day, "").await?;
        spend.set_others(&Others { day, attempts, rented_today, rented_month });
        for wish in database.wishes().await? {
            if let Record::DailyLimit { limit, day: of, .. } = wish.record
                && of == day
            {
                spend.daily_limit = limit;
            }
        }
    }
    Ok(spend)
}

/// The limits with what they are charged with; `None` where there are none.
pub(super) async fn charged(
    database: Option<&mut (dyn Database + 'static)>,
    config: &Config,
    clock: &Clock,
) -> Result<Option<Limits>, StoreError> {
    let spend = spent(database, config, clock).await?;
    let today = spend.daily_limit.map(|limit| {
        // It is a budget like the others, but for who may set it.
        let budget = Budget::new(Scope::All, Period::Day, limit, Action::Refuse);
        Limit { charged: spend.today_charged(), ..Limit::of(&budget) }
    });
    let limits: Vec<Limit> = today.into_iter().chain(spend.budgets.iter().map(Limit::of)).collect();
    Ok(Some(Limits(limits)).filter(|limits| !limits.0.is_empty()))
}

impl Limit {
    fn of(budget: &Budget) -> Self {
        Self {
            name: budget.to_string(),
            scope: budget.scope.clone(),
            per: budget.per,
            limit: budget.limit,
            charged: budget.charged(),
            action: budget.action,
        }
    }

    /// What is left; less than nothing where it was passed.
    fn left(&self) -> Money {
        self.limit - self.charged
    }
}

impl Limits {
    pub(super) fn as_json(&self) -> Value {
        let one = |limit: &Limit| {
            json!({
                "name": limit.name,
                "scope": limit.scope,
                "per": limit.per,
                "action": limit.action,
                "limit_nano_usd": limit.limit.0,
                "limit_usd": usd(limit.limit),
                "charged_nano_usd": limit.charged.0,
                "charged_usd": usd(limit.charged),
                "left_nano_usd": limit.left().0,
                "left_usd": usd(limit.left()),
            })
        };
        self.0.iter().map(one).collect()
    }

    pub(super) fn print(&self, output: &Output) -> Result<(), Failure> {
        let mut table = Table::new(vec![
            Column::text("LIMIT", 0).cut_to(20),
            Column::number("OF", 1),
            Column::number("CHARGED", 2),
            Column::number("LEFT", 0),
            Column::text("WHEN REACHED", 3),
        ]);
        for limit in &self.0 {
            let left = money(limit.left());
            let left = if limit.left() <= Money::ZERO { Cell::styled(&left, Style::Bad) } else { left.into() };
            let action = match limit.action {
                Action::Refuse => "refuses",
                Action::Warn => "warns",
            };
            table.row(vec![
                limit.name.as_str().into(),
                money(limit.limit).into(),
                money(limit.charged).into(),
                left,
                action.into(),
            ]);
        }
        table.print(output)
    }
}
