//! What another configuration would do with recorded traffic: its policy, its guard, its limits, and its fleet.

use std::sync::Arc;

use super::super::decision::{Candidate, Matter};
use super::super::fleet::{Backend, Fleet, Model, Pin};
use super::super::privacy::{FindingKind, GuardPolicy, Handling, Ruling, Verdict};
use super::super::request::Privacy;
use super::super::time::Timestamp;
use super::{Comparison, Foreseen, Setting};

/// A request that is decided under two configurations.
#[derive(Clone, Copy, Debug)]
pub struct Twice<'a> {
    /// When it was asked.
    pub at: Timestamp,
    /// As the present configuration looks upon it.
    pub before: Matter<'a>,
    /// As the other one does: with its guard's verdict.
    pub after: Matter<'a>,
}

/// Decides every request under both settings, as if it were asked at `now`. Both sides are predictions from the same
/// estimates. The requests may come in any order.
#[must_use]
pub fn replay<'a>(
    asked: impl IntoIterator<Item = Twice<'a>>,
    before: Setting<'_>,
    after: Setting<'_>,
    now: Timestamp,
) -> Foreseen {
    let mut comparison = Comparison::new(before, after, in_full, now);
    let mut span: Option<(Timestamp, Timestamp)> = None;
    for Twice { at, before, after } in asked {
        let (oldest, newest) = span.unwrap_or((at, at));
        span = Some((oldest.min(at), newest.max(at)));
        comparison.decide_twice(before, after);
    }
    comparison.end(span.map(|(oldest, newest)| newest.since(oldest)).unwrap_or_default())
}

/// Tier and model of both ends, and the backend where only that differs.
fn in_full(from: &Candidate, to: &Candidate) -> Option<(String, String)> {
    let place = |one: &Candidate| format!("{} · {}", one.tier, one.model);
    if from.tier != to.tier || from.model != to.model {
        return Some((place(from), place(to)));
    }
    let on = |one: &Candidate| format!("{} on {}", place(one), one.backend);
    (from.backend != to.backend).then(|| (on(from), on(to)))
}

/// Another configuration's fleet with what is known of the present one: the operator's wishes, and what was observed of each
/// backend and model that both have at the same address. So both sides rest on the same estimates, and differ in what is
/// configured. What is spent stays as well; the limits on it are the other fleet's own.
#[must_use]
pub fn carried(mut other: Fleet, present: &Fleet) -> Fleet {
    other.tiers.clone_from(&present.tiers);
    for backend in &mut other.backends {
        if let Some(known) = present.backend(&backend.spec.id) {
            *backend = Arc::new(observed(backend, known));
        }
    }
    let has = |pin: &&Pin| other.admin(&pin.target).is_some();
    other.pins = present.pins.iter().filter(has).cloned().collect();
    other
}

fn observed(backend: &Backend, known: &Backend) -> Backend {
    let spec = Arc::clone(&backend.spec);
    if (spec.protocol, &spec.url) != (known.spec.protocol, &known.spec.url) {
        return Backend { admin: known.admin.clone(), ..backend.clone() };
    }
    let model = |one: &Model| match known.model(&one.id) {
        Some(known) => Model { spec: Arc::clone(&one.spec), offered: one.offered, found: one.found, ..known.clone() },
        None => one.clone(),
    };
    Backend { spec, models: backend.models.iter().map(model).collect(), ..known.clone() }
}

/// What another guard would say of a request of which only the kinds of its findings are known. Where the two guards treat
/// all of them alike, what was ruled stands. What only the other guard looks for is not in a record, so that no verdict
/// becomes stricter by it; and what an operator named has no kind of its own, so that a ruling with such a finding is never
/// relaxed.
#[must_use]
pub fn ruled(matter: &Matter<'_>, present: &GuardPolicy, other: &GuardPolicy) -> Arc<Verdict> {
    let found = || matter.verdict.findings.iter().map(|finding| finding.kind);
    if found().all(|kind| present.of(kind) == other.of(kind)) {
        return Arc::clone(matter.verdict);
    }
    let any = |wanted| found().filter(|kind| *kind != FindingKind::Named).any(|kind| other.of(kind) == wanted);
    let ruling = if any(Handling::Refuse) {
        Ruling::Refuse
    } else if matter.constraints.privacy == Privacy::High {
        Ruling::KeepAsAsked
    } else if any(Handling::KeepLocal) {
        Ruling::KeepAsFound
    } else if any(Handling::Redact) {
        // Whether nothing is left after that cannot be told without the prompt: what might leave counts as leaving.
        Ruling::FreeRedacted
    } else {
        Ruling::Free
    };
    let ruling =
        if found().any(|kind| kind == FindingKind::Named) { stricter(ruling, matter.verdict.ruling) } else { ruling };
    Arc::new(Verdict { findings: matter.verdict.findings.clone(), ruling })
}

const fn stricter(one: Ruling, other: Ruling) -> Ruling {
    if rank(other) > rank(one) { other } else { one }
}

const fn rank(ruling: Ruling) -> u8 {
    match ruling {
        Ruling::Free => 0,
        Ruling::FreeRedacted => 1,
        Ruling::KeepAsFound | Ruling::KeepAsAsked => 2,
        Ruling::Refuse => 3,
    }
}
