//! What a session came to, told when the dashboard is left.

use std::fmt;
use std::time::Duration;

use super::text;
use crate::domain::money::Money;
use crate::domain::spend::Book;
use crate::domain::tier::Tier;
use crate::domain::time::Timestamp;
use crate::engine::Snapshot;

/// What happened in the session, in plain text for the shell that the operator returns to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExitSummary {
    /// How long it ran.
    pub ran: Duration,
    /// Requests accepted.
    pub requests: u64,
    /// By tier.
    pub tiers: [Book; 4],
    /// What it cost.
    pub cost: Money,
    /// The part of it that rented machines cost, used or idle.
    pub rented: Money,
    /// Whether the tiers were simulated, so that nobody pays.
    pub simulated: bool,
}

impl ExitSummary {
    /// Of a session that ends `now` with this state.
    #[must_use]
    pub fn of(snapshot: &Snapshot, now: Timestamp) -> Self {
        Self {
            ran: now.since(snapshot.started),
            requests: snapshot.accepted,
            tiers: snapshot.fleet.spend.session,
            cost: snapshot.fleet.spend.session_total(),
            rented: snapshot.fleet.spend.rented,
            simulated: snapshot.simulated,
        }
    }
}

impl fmt::Display for ExitSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = if self.requests == 1 { "" } else { "s" };
        let demo = if self.simulated { " (simulated)" } else { "" };
        write!(f, "{} request{s} in {}, {}{demo}", self.requests, text::age(self.ran), self.cost)?;
        let attempts: u32 = self.tiers.iter().map(|tier| tier.attempts).sum();
        for tier in Tier::ALL {
            let of = &self.tiers[tier.index()];
            if of.attempts > 0 {
                let share = text::percent(i64::from(of.attempts), i64::from(attempts)).unwrap_or(0.0);
                let unknown = if of.unknown > 0 { format!(" +{} unknown", of.unknown) } else { String::new() };
                let amount = text::money(of.amount, of.estimated > Money::ZERO);
                write!(f, "\n  {tier:<9}{share:>3.0}% of calls  {amount}{unknown}")?;
            }
        }
        if self.rented > Money::ZERO {
            write!(f, "\n  {:<9}{:>13}  {}", "rented", "", text::money(self.rented, true))?;
        }
        Ok(())
    }
}
