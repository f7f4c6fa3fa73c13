//! What an operator's pin does to the order.

use std::sync::Arc;

use serde::Serialize;

use super::super::fleet::Pin;
use super::super::rejection::Rejection;
use super::super::tier::Target;
use super::{Candidate, Rejected};

/// What an operator's pin did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PinEffect {
    /// Where it points.
    pub target: Arc<Target>,
    /// Whether without it another candidate would have been first.
    pub changed: bool,
    /// Whether none of its target's backends could serve, so that it had no effect.
    pub void: bool,
}

/// Moves a pin's target to the front; with `only`, takes the others out.
pub(super) fn apply(pin: &Pin, candidates: &mut Vec<Candidate>, rejected: &mut Vec<Rejected>) -> PinEffect {
    let covers = |one: &Candidate| pin.target.covers(one.tier, &one.backend, &one.model);
    let first = candidates.first().map(|one| (one.backend.clone(), one.model.clone()));
    candidates.sort_by_key(|one| !covers(one));
    let served = candidates.first().is_some_and(covers);
    if pin.only {
        let others = candidates.split_off(candidates.partition_point(covers));
        rejected.extend(others.into_iter().map(|one| Rejected {
            tier: one.tier,
            backend: one.backend,
            model: Some(one.model),
            reason: Rejection::PinnedElsewhere(Arc::clone(&pin.target)),
        }));
    }
    let now_first = candidates.first().map(|one| (one.backend.clone(), one.model.clone()));
    PinEffect { target: Arc::clone(&pin.target), changed: first != now_first, void: !served }
}
