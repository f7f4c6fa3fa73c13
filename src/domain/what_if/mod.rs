//! What a change of the fleet would do to the traffic: [`decide`] over the requests that passed
//! lately, on the fleet as it is and on the fleet as it would be. Nothing is sent, and no prompt is needed.

#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::decision::{Candidate, Matter, decide};
use super::fleet::{Admin, AdminState, Fleet, Pin, PinScope};
use super::latency::Percentiles;
use super::money::Money;
use super::policy::Policy;
use super::privacy::Reach;
use super::tier::Target;
use super::time::Timestamp;

/// Requests that are looked at, at most: enough for a share, few enough to decide twice within a few milliseconds.
pub const REQUESTS: usize = 500;
/// How far back they may lie: what passed earlier says little about what comes next.
pub const WINDOW: Duration = Duration::from_secs(15 * 60);
/// Below this span, a rate per hour would be a guess.
const SHORTEST_SPAN: Duration = Duration::from_secs(30);

/// A change that an operator could make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// A part of the fleet gets another admin state.
    Admin {
        /// Which part.
        target: Target,
        /// The state.
        state: AdminState,
    },
    /// Requests are pinned.
    Pin {
        /// Where to.
        target: Target,
        /// Which requests.
        scope: PinScope,
        /// Nowhere else.
        only: bool,
    },
    /// The pins on a part of the fleet go.
    Unpin {
        /// Which part.
        target: Target,
    },
    /// Today's limit becomes another one; none at all, where absent.
    DailyLimit {
        /// The limit.
        limit: Option<Money>,
    },
}

impl Change {
    /// The fleet as it would be. A part that the fleet does not have changes nothing.
    #[must_use]
    pub fn applied(&self, fleet: &Fleet, now: Timestamp) -> Fleet {
        let mut fleet = fleet.clone();
        let by: Arc<str> = Arc::from("what if");
        match self.clone() {
            Self::Admin { target, state } => {
                let admin = Admin { state, by, since: now, ..Admin::default() };
                drop(fleet.set_admin(&target, admin));
            }
            Self::Pin { target, scope, only } => {
                let (target, reason) = (Arc::new(target), Arc::from(""));
                drop(fleet.pin(Pin { target, scope, only, by, since: now, until: None, reason }));
            }
            Self::Unpin { target } => drop(fleet.unpin(&target)),
            Self::DailyLimit { limit } => fleet.set_daily_limit(limit),
        }
        fleet
    }
}

/// Requests that would go elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Move {
    /// Where they go now: the tier, or the backend or model where the tier stays the same.
    pub from: String,
    /// Where they would go.
    pub to: String,
    /// How many.
    pub requests: u32,
}

/// Requests that nobody would serve any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// What would stand in their way.
    pub why: String,
    /// How many.
    pub requests: u32,
}

/// What all of the requests come to under one fleet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Requests that somebody would serve.
    pub served: u32,
    /// Their predicted cost, as far as it is known.
    pub cost: Money,
    /// Served requests whose cost is not known, and so is not in `cost`.
    pub unpriced: u32,
    /// The same per hour, at the pace of these requests; `None` where they span too short a time for a rate.
    pub cost_per_hour: Option<Money>,
    /// Nineteen in twenty of them are expected to see their first token within this many milliseconds.
    pub first_token_p95_ms: Option<u32>,
}

/// What a change would do.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Foreseen {
    /// Requests that were looked at.
    pub requests: u32,
    /// How long ago the oldest of them was.
    pub span: Duration,
    /// Those that would go elsewhere, most first.
    pub moves: Vec<Move>,
    /// Those that nobody would serve any more, most first.
    pub lost: Vec<Loss>,
    /// Those that nobody can serve now and somebody could then.
    pub gained: u32,
    /// As it is.
    pub before: Totals,
    /// As it would be.
    pub after: Totals,
}

impl Foreseen {
    /// Requests that would go elsewhere.
    #[must_use]
    pub fn moved(&self) -> u32 {
        self.moves.iter().map(|one| one.requests).sum()
    }

    /// Requests that nobody would serve any more.
    #[must_use]
    pub fn failing(&self) -> u32 {
        self.lost.iter().map(|one| one.requests).sum()
    }
}

/// Looks ahead. `recent` has what was asked and when, newest first; what is older than [`WINDOW`] or beyond [`REQUESTS`] is
/// left out.
#[must_use]
pub fn foresee<'a>(
    recent: impl IntoIterator<Item = (Timestamp, Matter<'a>)>,
    change: &Change,
    fleet: &Fleet,
    policy: &Policy,
    now: Timestamp,
) -> Foreseen {
    let changed = change.applied(fleet, now);
    let (mut before, mut after) = (Tally::default(), Tally::default());
    let mut moves: BTreeMap<(String, String), u32> = BTreeMap::new();
    let mut lost: BTreeMap<String, u32> = BTreeMap::new();
    let mut foreseen = Foreseen::default();
    for (at, matter) in recent.into_iter().take(REQUESTS).take_while(|(at, _)| now.since(*at) <= WINDOW) {
        foreseen.requests += 1;
        foreseen.span = foreseen.span.max(now.since(at));
        let (is, would) = (decide(matter, fleet, policy, now), decide(matter, &changed, policy, now));
        before.count(is.chosen());
        after.count(would.chosen());
        match (is.chosen(), would.chosen()) {
            (Some(from), Some(to)) => {
                if let Some(names) = names(from, to) {
                    *moves.entry(names).or_default() += 1;
                }
            }
            (Some(_), None) => {
                let why = would.obstacle().map_or_else(|| "there is no backend".to_owned(), ToString::to_string);
                *lost.entry(format!("{}{why}", bound_to(&matter))).or_default() += 1;
            }
            (None, Some(_)) => foreseen.gained += 1,
            (None, None) => {}
        }
    }
    foreseen.moves = moves.into_iter().map(|((from, to), requests)| Move { from, to, requests }).collect();
    foreseen.moves.sort_by_key(|one| std::cmp::Reverse(one.requests));
    foreseen.lost = lost.into_iter().map(|(why, requests)| Loss { why, requests }).collect();
    foreseen.lost.sort_by_key(|one| std::cmp::Reverse(one.requests));
    (foreseen.before, foreseen.after) = (before.totals(foreseen.span), after.totals(foreseen.span));
    foreseen
}

/// What kept a request to those few that could serve it, so that nobody can stand in.
fn bound_to(matter: &Matter<'_>) -> &'static str {
    let wanted = matter.constraints;
    if !matter.verdict.permits(Reach::Outside) {
        "private, and "
    } else if wanted.tier.is_some() || wanted.backend.is_some() || wanted.model.is_some() {
        "asked for by name, and "
    } else if wanted.max_latency_ms.is_some() {
        "urgent, and "
    } else if wanted.max_cost.is_some() {
        "cheap, and "
    } else {
        ""
    }
}

/// From where to where, at the first level at which the two differ; `None` where they do not.
fn names(from: &Candidate, to: &Candidate) -> Option<(String, String)> {
    if from.tier != to.tier {
        return Some((from.tier.to_string(), to.tier.to_string()));
    }
    if from.backend != to.backend {
        return Some((from.backend.to_string(), to.backend.to_string()));
    }
    (from.model != to.model).then(|| (from.model.to_string(), to.model.to_string()))
}

#[derive(Default)]
struct Tally {
    totals: Totals,
    first_tokens: Vec<u32>,
}

impl Tally {
    fn count(&mut self, chosen: Option<&Candidate>) {
        let Some(chosen) = chosen else { return };
        self.totals.served += 1;
        match chosen.estimate.cost {
            Some(cost) => self.totals.cost += cost,
            None => self.totals.unpriced += 1,
        }
        self.first_tokens.push(chosen.estimate.first_token_ms);
    }

    fn totals(self, span: Duration) -> Totals {
        let millis = i128::try_from(span.as_millis()).unwrap_or(i128::MAX);
        let hourly = || i64::try_from(i128::from(self.totals.cost.0) * 3_600_000 / millis).ok().map(Money);
        Totals {
            cost_per_hour: if span >= SHORTEST_SPAN { hourly() } else { None },
            first_token_p95_ms: Percentiles::of(self.first_tokens).map(|found| found.p95),
            ..self.totals
        }
    }
}
