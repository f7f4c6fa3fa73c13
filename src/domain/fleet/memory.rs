//! Where models are in memory: hosts that load and drop models by themselves serve best what they have already.

use std::time::Duration;

use super::super::health::Health;
use super::super::id::{BackendId, ModelId};
use super::super::price::Pricing;
use super::super::time::Timestamp;
use super::{AdminState, Backend, Fleet, Model, Protocol};

/// An order to load a model before anybody asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    /// The model.
    pub model: ModelId,
    /// Its window, as requests ask for it: with another one they would load it again.
    pub context: Option<u32>,
}

/// How far back traffic speaks for a model, and how often at most it is loaded for it.
const TRAFFIC: Duration = Duration::from_secs(600);
/// Answers within that time that make a model worth loading: fewer are chance.
const WORTH_LOADING: usize = 3;
/// Memory of which the half of a host's room is made up, in bytes: as much as a small model takes.
const SMALL: f32 = (8_u64 << 30) as f32;

impl Model {
    /// Whether a request needs no loading: it is there, or on its way, or its backend does not load models.
    #[must_use]
    pub fn is_at_hand(&self) -> bool {
        self.loaded != Some(false) || !self.sent.is_empty()
    }

    fn answers_of_late(&self, now: Timestamp) -> usize {
        self.history.window.within(TRAFFIC, now).filter(|sample| sample.ok).count()
    }
}

impl Backend {
    fn loaded(&self) -> impl Iterator<Item = &Model> {
        self.models.iter().filter(|model| model.loaded == Some(true))
    }

    /// The memory that its models take, in bytes, as far as it tells; `None` where it does not tell of every model.
    #[must_use]
    pub fn memory_in_use(&self) -> Option<u64> {
        self.loaded().map(|model| model.memory).sum()
    }

    /// The memory that is free for another model, in bytes; `None` where that is not known.
    #[must_use]
    pub fn memory_free(&self) -> Option<u64> {
        Some(self.spec.memory?.saturating_sub(self.memory_in_use()?))
    }

    /// Whether loading a model would drop one for which `is_wanted` holds. Idle models are dropped first. Where it is not
    /// known what fits, it might.
    fn would_drop(&self, model: &Model, is_wanted: impl Fn(&Model) -> bool) -> bool {
        if !self.loaded().any(&is_wanted) {
            return false;
        }
        let idle: Option<u64> = self.loaded().filter(|other| !is_wanted(other)).map(|other| other.memory).sum();
        match (self.memory_free(), idle, model.memory) {
            (Some(free), Some(idle), Some(needed)) => needed > free.saturating_add(idle),
            _ => true,
        }
    }

    /// How well a model fits into memory here, from 0 to 1: where it is already, 1; where it would have to be loaded, at
    /// most a quarter, by the free memory, or where the whole is not known, by the memory in use; where a model that is
    /// serving might have to give way for it, 0.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a score")]
    pub fn memory_fit(&self, model: &Model) -> f32 {
        if model.is_at_hand() {
            return 1.0;
        }
        if self.would_drop(model, |other| !other.sent.is_empty()) {
            return 0.0;
        }
        let room = match (self.memory_free(), self.memory_in_use()) {
            (Some(free), _) => free as f32 / (free as f32 + SMALL),
            (None, Some(used)) => SMALL / (SMALL + used as f32),
            (None, None) => 0.5,
        };
        room / 4.0
    }
}

impl Fleet {
    /// The model that a host is to load now, if the traffic asks for one: it was dropped from memory, was asked for often
    /// of late, and nothing else goes on there. Notes that it was ordered: each model is loaded so once in ten minutes.
    pub fn load_wanted(&mut self, id: &BackendId, now: Timestamp) -> Option<Load> {
        let backend = self.backend(id)?;
        let is_ready = |admin: &super::Admin| admin.state_at(now) == AdminState::Ready;
        let may = backend.spec.warm_up
            && backend.spec.protocol == Protocol::Ollama
            && backend.health == Health::Up
            && backend.in_flight() == 0
            && is_ready(&backend.admin)
            && is_ready(&self.tier(backend.spec.tier).admin);
        if !may {
            return None;
        }
        let wanted = backend.models.iter().filter(|model| {
            model.loaded == Some(false)
                && !model.spec.remote
                // Never what costs money by being there.
                && matches!(model.spec.pricing, Pricing::Free | Pricing::Rented)
                && is_ready(&model.admin)
                && model.warmed_up_at.is_none_or(|at| at > now || now.since(at) >= TRAFFIC)
                && model.answers_of_late(now) >= WORTH_LOADING
                // Two models that are both in use must not drive each other out by turns.
                && !backend.would_drop(model, |other| other.answers_of_late(now) > 0)
        });
        let model = wanted.max_by_key(|model| model.answers_of_late(now))?.id.clone();
        let model = self.backend_mut(id)?.model_mut(&model)?;
        model.warmed_up_at = Some(now);
        Some(Load { model: model.id.clone(), context: model.spec.context })
    }
}
