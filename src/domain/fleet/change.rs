//! How the fleet changes: a request is admitted, an attempt ends, a probe reports, an operator speaks, time passes.
//!
//! These methods are the only ones that change a fleet. They perform no I/O and read no clock.

use std::sync::Arc;

use super::super::breaker::Pass;
use super::super::failure::Failure;
use super::super::health::ProbeReport;
use super::super::id::{BackendId, ModelId};
use super::super::judgement::Judgement;
use super::super::latency::{History, Sample, Summary};
use super::super::limits::Size;
use super::super::money::{Cost, Money};
use super::super::price::Pricing;
use super::super::privacy::Reach;
use super::super::rejection::Rejection;
use super::super::spend::{Day, Purpose, charge};
use super::super::tier::{Target, Tier};
use super::super::time::Timestamp;
use super::super::usage::Usage;
use super::{Admin, Backend, Fleet, Model, Pin};

/// Leave to send one attempt. Every permit must be given back, through [`Fleet::settle`] or [`Fleet::release`].
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a permit that is not given back holds money and a place for ever"]
pub struct Permit {
    /// The tier.
    pub tier: Tier,
    /// The backend.
    pub backend: BackendId,
    /// The model.
    pub model: ModelId,
    /// Whether a prompt sent to the model leaves this machine, as known when leave was given: a probe may have found
    /// since the decision that somebody else's machine runs the model.
    pub reach: Reach,
    /// Who asked.
    pub caller: Arc<str>,
    /// The money set aside.
    pub reserved: Money,
    /// Whether the model is paid by the time that it takes of a worker.
    timed: bool,
    pub(super) sent: Timestamp,
    pub(super) passes: Passes,
}

/// What the breakers of an attempt's backend and model gave it to carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passes {
    pub(super) backend: Option<Pass>,
    pub(super) model: Option<Pass>,
}

impl Permit {
    /// The breakers' passes, where the attempt is a trial that the first token decides.
    #[must_use]
    pub fn trial(&self) -> Option<Passes> {
        let Passes { backend, model } = self.passes;
        [backend, model].into_iter().flatten().any(Pass::is_trial).then_some(self.passes)
    }
}

impl Permit {
    /// What its money is for.
    #[must_use]
    pub fn purpose(&self) -> Purpose<'_> {
        Purpose { tier: self.tier, model: &self.model, caller: &self.caller }
    }
}

/// What leave is asked for.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The backend.
    pub backend: BackendId,
    /// The model.
    pub model: ModelId,
    /// Who asks.
    pub caller: Arc<str>,
    /// The money to set aside.
    pub reserve: Money,
    /// What the attempt is expected to take of the model's rate limits.
    pub size: Size,
    /// Whether reasons of health count for nothing, because nobody else is left.
    pub last_resort: bool,
    /// Which of its request's attempts it is.
    pub turn: Turn,
}

#[cfg(test)]
impl Ask {
    /// Leave to send a request that costs nothing.
    pub fn to(backend: &str, model: &str) -> Self {
        let (backend, model) = (backend.into(), model.into());
        Self {
            backend,
            model,
            caller: "test".into(),
            reserve: Money::ZERO,
            size: Size::default(),
            last_resort: false,
            turn: Turn::First,
        }
    }
}

/// Which of its request's attempts one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The first: it adds to what its tier takes of further ones.
    First,
    /// The second, at somebody else, because the first failed: what saves a request in an ordinary outage is never refused.
    Over,
    /// One more after that, the same once again, or one beside another that is slow: its tier has to have a retry left for it.
    Further,
}

/// How an attempt ended.
#[derive(Clone, Debug)]
pub struct AttemptResult<'a> {
    /// What it measured; `None` where nothing can be said (cancelled before the first token).
    pub sample: Option<Sample>,
    /// The failure, if it failed.
    pub failure: Option<&'a Failure>,
    /// What it used.
    pub usage: Option<&'a Usage>,
    /// What it cost.
    pub cost: Cost,
}

/// A command that cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The fleet has no such part.
    #[error("there is no {0}")]
    NoSuchTarget(Target),
    /// There is no such pin.
    #[error("nothing is pinned to {0}")]
    NotPinned(Target),
    /// No answer to such a request is known: it had none, or too many came after it.
    #[error("no answer to that request is known any more")]
    NotAnswered,
    /// No such request is in flight.
    #[error("that request is not in flight any more")]
    NotInFlight,
    /// The engine is shutting down.
    #[error("the engine is shutting down")]
    ShuttingDown,
    /// Too many commands are waiting.
    #[error("the engine is too busy to take the command; try again")]
    Busy,
}

impl Fleet {
    pub(super) fn backend_mut(&mut self, id: &BackendId) -> Option<&mut Backend> {
        self.backends.iter_mut().find(|backend| backend.spec.id == *id).map(Arc::make_mut)
    }

    /// Asks for leave to send one attempt, and sets money aside for it.
    ///
    /// # Errors
    ///
    /// The reason, if the backend or model went out of reach since the decision, its tier has no retry left for a further
    /// attempt, or the money is short.
    pub fn admit(&mut self, ask: &Ask, now: Timestamp) -> Result<Permit, Rejection> {
        let Ask { backend, model, caller, reserve, size, last_resort, turn } = ask;
        let (reserve, size) = (*reserve, *size);
        let found = self.backend(backend).map(Arc::clone).ok_or(Rejection::OtherBackend)?;
        let one = found.model(model).ok_or(Rejection::ModelMissing)?;
        for checked in [self.backend_routable(&found, now), self.model_takes(one, size, now)] {
            match checked {
                Err(rejection) if !(*last_resort && rejection.is_about_health()) => return Err(rejection),
                Ok(()) | Err(_) => {}
            }
        }
        let tier = found.spec.tier;
        if *turn == Turn::Further && !self.tiers[tier.index()].retries.is_enough(now) {
            return Err(Rejection::RetriesSpent);
        }
        let timed = matches!(one.spec.pricing, Pricing::PerHour { .. });
        let spend = Arc::make_mut(&mut self.spend);
        let purpose = Purpose { tier, model, caller };
        spend.reserve(reserve, &purpose).map_err(|short| Rejection::over_budget(reserve, short))?;
        if timed {
            spend.occupy(reserve);
        }
        let retries = &mut self.tiers[tier.index()].retries;
        match turn {
            Turn::First => retries.deposit(now),
            Turn::Over => {}
            Turn::Further => _ = retries.draw(now),
        }
        let backend_state = self.backend_mut(backend).ok_or(Rejection::OtherBackend)?;
        let mut passes = Passes { backend: backend_state.breaker.admit(now), model: None };
        if let Some(one) = backend_state.model_mut(model) {
            one.sent.push(now);
            one.quota.sent(size);
            passes.model = one.breaker.admit(now);
        }
        Ok(Permit {
            tier: found.spec.tier,
            backend: backend.clone(),
            model: model.clone(),
            reach: found.reach_of(one),
            caller: Arc::clone(caller),
            reserved: reserve,
            timed,
            sent: now,
            passes,
        })
    }

    /// Gives a permit back unused: the attempt never left.
    pub fn release(&mut self, permit: Permit, now: Timestamp) {
        let spend = Arc::make_mut(&mut self.spend);
        spend.release(permit.reserved, &permit.purpose());
        if permit.timed {
            spend.vacate(permit.reserved, Money::ZERO);
        }
        if let Some(backend) = self.backend_mut(&permit.backend) {
            backend.forget_trials(&permit, now);
            if let Some(model) = backend.model_mut(&permit.model) {
                model.gave_back(permit.sent);
            }
        }
    }

    /// An attempt ended: books its cost, and draws from its outcome what it says about the backend.
    pub fn settle(&mut self, permit: Permit, result: &AttemptResult<'_>, now: Timestamp) {
        let spend = Arc::make_mut(&mut self.spend);
        spend.settle(&permit.purpose(), permit.reserved, result.cost, result.usage, now);
        if permit.timed {
            spend.vacate(permit.reserved, result.cost.amount.unwrap_or(Money::ZERO));
        }
        if let Some(sample) = &result.sample {
            let tier = &mut self.tiers[permit.tier.index()];
            Arc::make_mut(&mut tier.history).push(sample);
            tier.summary = tier.history.window.summary(now);
        }
        let Some(backend) = self.backend_mut(&permit.backend) else { return };
        if let Some(model) = backend.model_mut(&permit.model) {
            model.gave_back(permit.sent);
            model.book.add(result.cost, result.usage, charge(permit.reserved, result.cost));
            if let Some(sample) = &result.sample {
                Arc::make_mut(&mut model.history).push(sample);
                model.summary = model.history.window.summary(now);
            }
        }
        if let Some(sample) = &result.sample {
            Arc::make_mut(&mut backend.window).push(*sample);
            backend.summary = backend.window.summary(now);
        }
        backend.measuring(&permit.model, |backend| match result.failure {
            None => backend.attempt_succeeded(&permit, now),
            Some(failure) => backend.attempt_failed(&permit, failure, now),
        });
    }

    /// An attempt of a model ended whole: compares what was predicted of its cost with what it came to.
    pub fn forecast_came_to(&mut self, backend: &BackendId, model: &ModelId, predicted: Option<Money>, cost: Cost) {
        if let Some(model) = self.backend_mut(backend).and_then(|backend| backend.model_mut(model)) {
            model.book.forecasts.add(predicted, cost);
        }
    }

    /// Takes up again what was measured before the program began. Returns whether the model is known.
    pub fn remember(&mut self, tier: Tier, backend: &BackendId, model: &ModelId, sample: &Sample) -> bool {
        Arc::make_mut(&mut self.tiers[tier.index()].history).push(sample);
        let Some(found) = self.backend_mut(backend) else { return false };
        Arc::make_mut(&mut found.window).push(*sample);
        found.remember(model, sample)
    }

    /// The same for a model alone that a probe has found since.
    pub fn remember_model(&mut self, backend: &BackendId, model: &ModelId, sample: &Sample) -> bool {
        self.backend_mut(backend).is_some_and(|found| found.remember(model, sample))
    }

    /// Works out anew what the windows say.
    pub fn summarise(&mut self, now: Timestamp) {
        for tier in &mut self.tiers {
            tier.summary = tier.history.window.summary(now);
        }
        for backend in &mut self.backends {
            let backend = Arc::make_mut(backend);
            backend.summary = backend.window.summary(now);
            let returned = backend.breaker.returned();
            for model in &mut backend.models {
                model.summary = model.history.window.summary(now);
                model.take_pace(returned);
            }
        }
    }

    /// A probe came back.
    pub fn observe(&mut self, id: &BackendId, report: ProbeReport, now: Timestamp) {
        if let Some(backend) = self.backend_mut(id) {
            backend.probed(report, now);
        }
    }

    /// The operator's word on a part of the fleet.
    ///
    /// # Errors
    ///
    /// [`CommandError::NoSuchTarget`].
    pub fn set_admin(&mut self, target: &Target, admin: Admin) -> Result<(), CommandError> {
        let missing = || CommandError::NoSuchTarget(target.clone());
        match target {
            Target::Tier(tier) => self.tiers[tier.index()].admin = admin,
            Target::Backend(id) => self.backend_mut(id).ok_or_else(missing)?.admin = admin,
            Target::Model(id, model) => {
                let backend = self.backend_mut(id).ok_or_else(missing)?;
                backend.model_mut(model).ok_or_else(missing)?.admin = admin;
            }
        }
        Ok(())
    }

    /// Pins. A pin on the same target and scope is replaced.
    ///
    /// # Errors
    ///
    /// [`CommandError::NoSuchTarget`].
    pub fn pin(&mut self, pin: Pin) -> Result<(), CommandError> {
        if self.admin(&pin.target).is_none() {
            return Err(CommandError::NoSuchTarget((*pin.target).clone()));
        }
        self.pins.retain(|other| other.target != pin.target || other.scope != pin.scope);
        self.pins.push(pin);
        Ok(())
    }

    /// Takes every pin on a target away.
    ///
    /// # Errors
    ///
    /// [`CommandError::NotPinned`].
    pub fn unpin(&mut self, target: &Target) -> Result<(), CommandError> {
        let before = self.pins.len();
        self.pins.retain(|pin| *pin.target != *target);
        if self.pins.len() == before { Err(CommandError::NotPinned(target.clone())) } else { Ok(()) }
    }

    /// Sets what may be spent today; no limit, where absent. On another day the usual limit holds again.
    pub fn set_daily_limit(&mut self, limit: Option<Money>) {
        Arc::make_mut(&mut self.spend).daily_limit = limit;
    }

    /// Somebody said what an answer of a model was worth; `before` is what they had said of the same answer.
    pub fn judge(&mut self, backend: &BackendId, model: &ModelId, before: Option<Judgement>, judgement: Judgement) {
        let found = self.backend_mut(backend).and_then(|found| found.model_mut(model));
        if let Some(model) = found {
            if let Some(before) = before {
                model.judged.take_back(before);
            }
            model.judged.add(judgement);
        }
    }

    /// Time passed: drops what has expired or is too old to count, and counts rented hours and days.
    pub fn advance(&mut self, now: Timestamp, day: Day) {
        Arc::make_mut(&mut self.spend).advance(now, day);
        self.pins.retain(|pin| pin.until.is_none_or(|until| now < until));
        for tier in &mut self.tiers {
            tier.admin.expire(now);
            forget_old(&mut tier.history, &mut tier.summary, now);
        }
        for backend in &mut self.backends {
            let expired = |admin: &Admin| admin.until.is_some_and(|until| now >= until);
            let old = |model: &Model| expired(&model.admin) || model.history.window.has_old(now);
            let stale = backend.window.has_old(now);
            if expired(&backend.admin) || stale || backend.models.iter().any(old) {
                let backend = Arc::make_mut(backend);
                if stale {
                    let window = Arc::make_mut(&mut backend.window);
                    window.forget_old(now);
                    backend.summary = window.summary(now);
                }
                backend.admin.expire(now);
                let returned = backend.breaker.returned();
                for model in &mut backend.models {
                    model.admin.expire(now);
                    forget_old(&mut model.history, &mut model.summary, now);
                    model.take_pace(returned);
                }
            }
        }
    }
}

/// Without this a model that was slow once would be held to it for ever: out of reach, it gets no request to show better.
fn forget_old(history: &mut Arc<History>, summary: &mut Summary, now: Timestamp) {
    if history.window.has_old(now) {
        let window = &mut Arc::make_mut(history).window;
        window.forget_old(now);
        *summary = window.summary(now);
    }
}

impl Backend {
    fn remember(&mut self, model: &ModelId, sample: &Sample) -> bool {
        let Some(one) = self.models.iter_mut().find(|one| one.id == *model) else { return false };
        Arc::make_mut(&mut one.history).push(sample);
        true
    }
}

impl Model {
    /// One of its requests is no longer in flight.
    fn gave_back(&mut self, sent: Timestamp) {
        if let Some(index) = self.sent.iter().position(|at| *at == sent) {
            self.sent.remove(index);
        }
    }
}

impl Admin {
    fn expire(&mut self, now: Timestamp) {
        if self.until.is_some_and(|until| now >= until) {
            *self = Self::default();
        }
    }
}
