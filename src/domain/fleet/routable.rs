//! Whether a part of the fleet may get requests now, leaving the single request's constraints aside.

use std::sync::Arc;

use super::super::breaker::Breaker;
use super::super::health::Health;
use super::super::limits::{LONGEST_RATE_LIMIT, Size};
use super::super::rejection::{Level, Rejection};
use super::super::time::Timestamp;
use super::{Backend, Fleet, KeyState, Model, Presence, Trouble};

impl Fleet {
    /// Whether a backend as a whole may get requests now.
    ///
    /// # Errors
    ///
    /// The first reason why not.
    pub fn backend_routable(&self, backend: &Backend, now: Timestamp) -> Result<(), Rejection> {
        self.tier(backend.spec.tier).admin.admits(Level::Tier, now)?;
        backend.admin.admits(Level::Backend, now)?;
        if let KeyState::Missing { variable } = &backend.spec.key {
            return Err(Rejection::NoKey { variable: Arc::clone(variable) });
        }
        match backend.trouble {
            Some(Trouble::KeyRefused { .. }) => return Err(Rejection::KeyRefused),
            Some(Trouble::OutOfCredit { until }) if now < until => return Err(Rejection::OutOfCredit),
            Some(Trouble::OutOfCredit { .. }) | None => {}
        }
        if backend.health == Health::Down {
            return Err(Rejection::Down { cause: Arc::clone(&backend.detail) });
        }
        backend.breaker.allows(now).map_err(|until| Rejection::BreakerOpen { until })?;
        if let Some(limit) = backend.spec.max_in_flight
            && backend.in_flight() >= limit
        {
            return Err(Rejection::Full { limit });
        }
        has_returned(&backend.breaker, backend.in_flight(), now)
    }

    /// Whether a model of a routable backend may get requests now.
    ///
    /// # Errors
    ///
    /// The first reason why not.
    pub fn model_routable(&self, model: &Model, now: Timestamp) -> Result<(), Rejection> {
        self.model_takes(model, Size::default(), now)
    }

    /// The same for a request of some size: a small one may still fit where a large one would pass a limit.
    ///
    /// # Errors
    ///
    /// The first reason why not.
    pub fn model_takes(&self, model: &Model, size: Size, now: Timestamp) -> Result<(), Rejection> {
        model.admin.admits(Level::Model, now)?;
        if model.presence == Presence::Missing {
            return Err(Rejection::ModelMissing);
        }
        if let Some(until) = model.rate_limited_until
            && now < until
            // Longer than any limit lasts: the clock was set back.
            && until.since(now) <= LONGEST_RATE_LIMIT
        {
            return Err(Rejection::RateLimited { until });
        }
        model.quota.admits(size, now).map_err(|until| Rejection::RateLimited { until })?;
        model.breaker.allows(now).map_err(|until| Rejection::BreakerOpen { until })?;
        has_returned(&model.breaker, model.in_flight(), now)
    }

    /// Whether a backend may get requests now and has a model that may: what the screen shows.
    ///
    /// # Errors
    ///
    /// The first reason why not.
    pub fn routable(&self, backend: &Backend, now: Timestamp) -> Result<(), Rejection> {
        self.backend_routable(backend, now)?;
        let mut reason = Rejection::NoModels;
        for model in backend.models.iter().filter(|model| model.offered) {
            match self.model_routable(model, now) {
                Ok(()) => return Ok(()),
                Err(rejection) => reason = rejection,
            }
        }
        Err(reason)
    }
}

/// Whether what comes back may have one more request.
fn has_returned(breaker: &Breaker, in_flight: u32, now: Timestamp) -> Result<(), Rejection> {
    match breaker.limit(now) {
        Some(limit) if in_flight >= limit => Err(Rejection::Recovering { limit }),
        Some(_) | None => Ok(()),
    }
}
