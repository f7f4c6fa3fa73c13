//! What is left alone for a while: kept, so that a program that starts again does not run into the same wall.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::health::BreakerState;
use super::super::id::{BackendId, ModelId};
use super::super::time::Timestamp;
use super::{Backend, Fleet, Trouble};
use std::sync::Arc;

/// Why something is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldKind {
    /// Its breaker is open.
    Breaker,
    /// It asked to be left alone.
    RateLimit,
    /// Its account has no credit.
    NoCredit,
}

/// A backend or a model that gets no requests before a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// The backend.
    pub backend: BackendId,
    /// The model; the whole backend where absent.
    pub model: Option<ModelId>,
    /// Why.
    pub kind: HoldKind,
    /// Until when.
    pub until: Timestamp,
}

/// Holds shorter than this are not worth keeping: they are over before a program has started again.
const WORTH_KEEPING: Duration = Duration::from_secs(10);

impl Fleet {
    /// Everything that will be left alone for a while yet.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> Vec<Hold> {
        let mut holds: Vec<Hold> = self.backends.iter().flat_map(|backend| holds_of(backend)).collect();
        holds.retain(|hold| hold.until.since(now) >= WORTH_KEEPING);
        holds
    }

    /// Leaves alone again what was left alone when the program ended. Parts that are no more are passed over.
    pub fn restore_holds(&mut self, holds: &[Hold], now: Timestamp) {
        for hold in holds.iter().filter(|hold| now < hold.until) {
            let Some(backend) = self.backends.iter_mut().find(|backend| backend.spec.id == hold.backend) else {
                continue;
            };
            let backend = Arc::make_mut(backend);
            let model = hold.model.as_ref().and_then(|id| backend.models.iter_mut().find(|model| model.id == *id));
            match (hold.kind, model) {
                (HoldKind::Breaker, Some(model)) => model.breaker.hold(hold.until),
                (HoldKind::Breaker, None) if hold.model.is_none() => backend.breaker.hold(hold.until),
                (HoldKind::RateLimit, Some(model)) => model.rate_limited_until = Some(hold.until),
                (HoldKind::NoCredit, None) => backend.trouble = Some(Trouble::OutOfCredit { until: hold.until }),
                _ => {}
            }
        }
    }
}

fn holds_of(backend: &Backend) -> Vec<Hold> {
    let hold = |model: Option<&ModelId>, kind, until| Hold {
        backend: backend.spec.id.clone(),
        model: model.cloned(),
        kind,
        until,
    };
    let open = |state| match state {
        BreakerState::Open { until } => Some(until),
        _ => None,
    };
    let mut holds = Vec::new();
    holds.extend(open(backend.breaker.state()).map(|until| hold(None, HoldKind::Breaker, until)));
    if let Some(Trouble::OutOfCredit { until }) = backend.trouble {
        holds.push(hold(None, HoldKind::NoCredit, until));
    }
    for model in &backend.models {
        holds.extend(open(model.breaker.state()).map(|until| hold(Some(&model.id), HoldKind::Breaker, until)));
        holds.extend(model.rate_limited_until.map(|until| hold(Some(&model.id), HoldKind::RateLimit, until)));
    }
    holds
}
