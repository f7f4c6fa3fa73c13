//! What a change would do to the traffic: [`decide`] over the same requests twice, as things are and as they would be.
//! [`foresee`] asks it of a change of the fleet and of what passed lately, [`replay`](replay()) of another configuration and
//! of any record. Nothing is sent, and no prompt is needed.

mod replay;
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
use super::privacy::{Reach, Ruling};
use super::tier::Target;
use super::time::Timestamp;

pub use replay::{Twice, carried, replay, ruled};
pub use words::share;

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
    /// Half of them are expected to see their first token within this many milliseconds, by the slower end of what each of
    /// their models takes.
    pub first_token_p50_ms: Option<u32>,
    /// Nineteen in twenty of them are expected to see their first token within this many milliseconds.
    pub first_token_p95_ms: Option<u32>,
}

/// Requests that the guard keeps on this machine, or that asked for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Private {
    /// Those that stay as things are.
    pub requests: u32,
    /// Those of them that would go outside: none, unless the guard itself is another one.
    pub let_out: u32,
    /// Those of these that would go with placeholders in place of what was found.
    pub redacted: u32,
    /// Requests that may leave as things are, and that the other guard would keep.
    pub kept: u32,
}

/// What a change would do.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Foreseen {
    /// Requests that were looked at.
    pub requests: u32,
    /// The time that they span: up to the present where they are of late, up to the newest of them in a replay.
    pub span: Duration,
    /// Those that would go elsewhere, most first.
    pub moves: Vec<Move>,
    /// Those that nobody would serve any more, most first.
    pub lost: Vec<Loss>,
    /// Those that nobody can serve now and somebody could then.
    pub gained: u32,
    /// Those that are to stay on this machine.
    pub private: Private,
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

/// A fleet, and the policy that it is used by.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// The fleet.
    pub fleet: &'a Fleet,
    /// The policy.
    pub policy: &'a Policy,
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
    let (before, after) = (Setting { fleet, policy }, Setting { fleet: &changed, policy });
    let mut comparison = Comparison::new(before, after, nearest, now);
    let mut oldest = now;
    for (at, matter) in recent.into_iter().take(REQUESTS).take_while(|(at, _)| now.since(*at) <= WINDOW) {
        oldest = oldest.min(at);
        comparison.decide_twice(matter, matter);
    }
    comparison.end(now.since(oldest))
}

/// How the two ends of a way are called, where they differ.
type Names = fn(&Candidate, &Candidate) -> Option<(String, String)>;

/// Requests being decided twice, and what has come of it so far.
struct Comparison<'a> {
    settings: [Setting<'a>; 2],
    names: Names,
    now: Timestamp,
    tallies: [Tally; 2],
    moves: BTreeMap<(String, String), u32>,
    lost: BTreeMap<String, u32>,
    foreseen: Foreseen,
}

impl<'a> Comparison<'a> {
    fn new(before: Setting<'a>, after: Setting<'a>, names: Names, now: Timestamp) -> Self {
        Self {
            settings: [before, after],
            names,
            now,
            tallies: Default::default(),
            moves: BTreeMap::new(),
            lost: BTreeMap::new(),
            foreseen: Foreseen::default(),
        }
    }

    /// The same request as it is looked upon before and after: the guard may think otherwise of it.
    fn decide_twice(&mut self, before: Matter<'_>, after: Matter<'_>) {
        let [is, would] = &self.settings;
        let (is, would) =
            (decide(before, is.fleet, is.policy, self.now), decide(after, would.fleet, would.policy, self.now));
        let chosen = [is.chosen(), would.chosen()];
        self.foreseen.requests += 1;
        for (tally, chosen) in self.tallies.iter_mut().zip(chosen) {
            tally.count(chosen);
        }
        match chosen {
            [Some(from), Some(to)] => {
                if let Some(names) = (self.names)(from, to) {
                    *self.moves.entry(names).or_default() += 1;
                }
            }
            [Some(_), None] => {
                let why = would.obstacle().map_or_else(|| "there is no backend".to_owned(), ToString::to_string);
                *self.lost.entry(format!("{}{why}", bound_to(&after))).or_default() += 1;
            }
            [None, Some(_)] => self.foreseen.gained += 1,
            [None, None] => {}
        }
        let private = &mut self.foreseen.private;
        let stays = [before, after].map(|matter| !matter.verdict.permits(Reach::Outside));
        private.requests += u32::from(stays[0]);
        private.kept += u32::from(!stays[0] && stays[1]);
        let goes_out = || chosen[1].is_some_and(|to| reach(self.settings[1].fleet, to) == Reach::Outside);
        let is_let_out = stays[0] && goes_out();
        private.let_out += u32::from(is_let_out);
        private.redacted += u32::from(is_let_out && after.verdict.ruling == Ruling::FreeRedacted);
    }

    fn end(self, span: Duration) -> Foreseen {
        let [before, after] = self.tallies.map(|tally| tally.totals(span));
        let mut moves: Vec<Move> =
            self.moves.into_iter().map(|((from, to), requests)| Move { from, to, requests }).collect();
        moves.sort_by_key(|one| std::cmp::Reverse(one.requests));
        let mut lost: Vec<Loss> = self.lost.into_iter().map(|(why, requests)| Loss { why, requests }).collect();
        lost.sort_by_key(|one| std::cmp::Reverse(one.requests));
        Foreseen { span, moves, lost, before, after, ..self.foreseen }
    }
}

/// Whether a prompt that goes there leaves this machine. What the fleet does not know is somewhere else.
fn reach(fleet: &Fleet, to: &Candidate) -> Reach {
    let found = fleet.backend(&to.backend).and_then(|backend| Some(backend.reach_of(backend.model(&to.model)?)));
    found.unwrap_or(Reach::Outside)
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
fn nearest(from: &Candidate, to: &Candidate) -> Option<(String, String)> {
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
        let first_tokens = Percentiles::of(self.first_tokens);
        Totals {
            cost_per_hour: if span >= SHORTEST_SPAN { hourly() } else { None },
            first_token_p50_ms: first_tokens.map(|found| found.p50),
            first_token_p95_ms: first_tokens.map(|found| found.p95),
            ..self.totals
        }
    }
}
