//! What attempts and probes say of a backend: its health, its breakers, its limits, its models.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::super::breaker::Severity;
use super::super::failure::{Failure, FailureClass, Penalty};
use super::super::health::{FoundModel, Health, ProbeReport};
use super::super::id::{BackendId, ModelId};
use super::super::latency::Summary;
use super::super::limits::{LONGEST_RATE_LIMIT, Limits};
use super::super::price::Pricing;
use super::super::time::Timestamp;
use super::{Backend, Fleet, Model, ModelSpec, Passes, Permit, Presence, Trouble};

/// How long a backend is left alone after a 429 that names no time. The hosted providers' own limits refill within
/// a minute; half of one is what other routers settled on.
const DEFAULT_RATE_LIMIT: Duration = Duration::from_secs(30);
/// How long an account without credit is left alone before it is tried again.
const CREDIT_RETRY: Duration = Duration::from_secs(600);

/// How long a request may wait before its backend is asked whether it is still there.
const LONG_WAIT: Duration = Duration::from_secs(5);

impl Fleet {
    /// The answer to a trial has begun, which decides it.
    pub fn began(&mut self, backend: &BackendId, model: &ModelId, passes: Passes, now: Timestamp) {
        let Some(backend) = self.backend_mut(backend) else { return };
        backend.measuring(model, |backend| {
            backend.breaker.began(passes.backend, now);
            if let Some(model) = backend.model_mut(model) {
                model.breaker.began(passes.model, now);
            }
        });
    }

    /// The head of an answer told what is left of the provider's limits.
    pub fn told_limits(&mut self, backend: &BackendId, model: &ModelId, limits: &Limits, now: Timestamp) {
        if let Some(model) = self.backend_mut(backend).and_then(|backend| backend.model_mut(model)) {
            model.quota.told(limits, now);
        }
    }
}

impl Model {
    /// What was measured before it, or its backend, came back does not count.
    pub(super) fn take_pace(&mut self, backend_returned: Option<Timestamp>) {
        self.pace = self.history.window.pace(backend_returned.max(self.breaker.returned()));
    }
}

/// A share of failed attempts above which a backend that answers counts as degraded, once there were enough of them.
const DEGRADED_RATIO: f32 = 0.3;
/// Attempts before a share means anything.
const DEGRADED_MIN_ATTEMPTS: u32 = 5;

impl Backend {
    /// Whether a request has waited here for long while nobody was answered.
    #[must_use]
    pub fn keeps_waiting(&self, now: Timestamp) -> bool {
        let oldest = self.models.iter().filter_map(|model| model.sent.first()).min();
        oldest.is_some_and(|sent| now.since(*sent) >= LONG_WAIT)
            && !self.window.within(LONG_WAIT, now).any(|sample| sample.ok)
    }

    pub(super) fn attempt_succeeded(&mut self, permit: &Permit, now: Timestamp) {
        let counted = self.breaker.succeed(permit.passes.backend, now);
        // An answer that was on its way before the trouble began says nothing of it.
        let began = match self.trouble {
            Some(Trouble::KeyRefused { since }) => since,
            Some(Trouble::OutOfCredit { until }) => Timestamp(until.0 - CREDIT_RETRY.as_millis() as i64),
            None => now,
        };
        if permit.sent >= began {
            self.trouble = None;
        }
        if let Some(model) = self.model_mut(&permit.model) {
            // A rate limit ends by its own clock: what answers now may have been sent before it was said.
            model.breaker.succeed(permit.passes.model, now);
            model.presence = Presence::Present;
            // Whatever its backend loads has been loaded for this answer.
            model.loaded = model.loaded.map(|_| true);
        }
        // What is degraded answers too: only a probe knows when that is over. And an answer that began before the backend
        // failed says nothing of how it is now.
        if counted && !matches!(self.health, Health::Up | Health::Degraded) {
            if self.health == Health::Down {
                self.breaker.mend(now);
            }
            self.health = Health::Up;
            self.detail = Arc::from("");
        }
        self.judge_error_ratio();
    }

    pub(super) fn attempt_failed(&mut self, permit: &Permit, failure: &Failure, now: Timestamp) {
        match failure.class.penalty() {
            Penalty::Strike | Penalty::Down => self.struck(permit, failure, now),
            Penalty::RateLimit => {
                let pause = failure.retry_after.unwrap_or(DEFAULT_RATE_LIMIT).min(LONGEST_RATE_LIMIT);
                let until = now.after(pause);
                if let Some(model) = self.model_mut(&permit.model) {
                    // What lies further ahead was noted before the clock was set back.
                    let before = model.rate_limited_until.filter(|before| before.since(now) <= LONGEST_RATE_LIMIT);
                    model.rate_limited_until = Some(before.map_or(until, |before| before.max(until)));
                }
                self.forget_trials(permit, now);
            }
            Penalty::KeyRefused => {
                self.trouble = Some(Trouble::KeyRefused { since: now });
                self.forget_trials(permit, now);
            }
            Penalty::OutOfCredit => {
                self.trouble = Some(Trouble::OutOfCredit { until: now.after(CREDIT_RETRY) });
                self.forget_trials(permit, now);
            }
            Penalty::ModelMissing => {
                if let Some(model) = self.model_mut(&permit.model) {
                    model.presence = Presence::Missing;
                    // Not every backend lists its models, and then only another try can tell that it is back.
                    model.breaker.fail(permit.passes.model, Severity::Fatal, now);
                }
                self.breaker.forget(permit.passes.backend, now);
            }
            Penalty::None => self.forget_trials(permit, now),
        }
        if failure.class != FailureClass::Cancelled {
            self.judge_error_ratio();
        }
    }

    /// A failure that speaks against the backend, or against its model.
    fn struck(&mut self, permit: &Permit, failure: &Failure, now: Timestamp) {
        let Passes { backend, model: model_pass } = permit.passes;
        if failure.class.concerns_backend() {
            let is_gone = failure.class.penalty() == Penalty::Down;
            // A silence in which others were answered is the request's own.
            let is_mute = failure.class == FailureClass::Silent && !self.window.answered_since(permit.sent);
            let severity = if is_gone || is_mute { Severity::Fatal } else { Severity::Strike };
            let counted = self.breaker.fail(backend, severity, now);
            if counted && is_gone {
                self.health = Health::Down;
                self.detail = Arc::from(failure.message.as_str());
            }
            if let Some(model) = self.model_mut(&permit.model) {
                model.breaker.forget(model_pass, now);
            }
            return;
        }
        let is_shared = self.models.iter().any(|other| other.id != permit.model && other.breaker.is_failing());
        if let Some(model) = self.model_mut(&permit.model) {
            model.breaker.fail(model_pass, Severity::Strike, now);
        }
        if is_shared {
            // Several models fail, and none has answered in between: it is not the models.
            self.breaker.fail(backend, Severity::Shared, now);
        } else {
            self.breaker.forget(backend, now);
        }
    }

    pub(super) fn forget_trials(&mut self, permit: &Permit, now: Timestamp) {
        self.breaker.forget(permit.passes.backend, now);
        if let Some(model) = self.model_mut(&permit.model) {
            model.breaker.forget(permit.passes.model, now);
        }
    }

    /// Carries out a change, and takes the measure of one model anew, or of all if the backend came back with it.
    pub(super) fn measuring(&mut self, model: &ModelId, change: impl FnOnce(&mut Self)) {
        let before = self.breaker.returned();
        change(self);
        let returned = self.breaker.returned();
        for one in self.models.iter_mut().filter(|one| before != returned || one.id == *model) {
            one.take_pace(returned);
        }
    }

    fn judge_error_ratio(&mut self) {
        let Summary { count, failed, .. } = self.summary;
        #[expect(clippy::cast_precision_loss, reason = "a ratio of small counts")]
        let failing = count >= DEGRADED_MIN_ATTEMPTS && failed as f32 / count as f32 > DEGRADED_RATIO;
        if failing && self.health == Health::Up {
            self.health = Health::Degraded;
            self.detail = Arc::from(format!("{failed} of {count} attempts failed").as_str());
        }
    }

    pub(super) fn probed(&mut self, report: ProbeReport, now: Timestamp) {
        self.probed_at = Some(now);
        self.probe_took = Some(report.took);
        if report.key_refused {
            let since = match self.trouble {
                Some(Trouble::KeyRefused { since }) => since,
                _ => now,
            };
            self.trouble = Some(Trouble::KeyRefused { since });
        } else if matches!(report.health, Health::Up | Health::Warming)
            && matches!(self.trouble, Some(Trouble::KeyRefused { .. }))
        {
            self.trouble = None;
        }
        self.mend(report.health, now);
        self.probe_said = report.health;
        self.health = report.health;
        self.detail = Arc::from(report.detail.as_str());
        match report.models {
            Some(found) => self.merge_models(found),
            None if matches!(self.health, Health::Up | Health::Warming) => {
                for model in self.models.iter_mut().filter(|model| model.presence == Presence::Missing) {
                    model.presence = Presence::Unknown;
                }
            }
            None => {}
        }
        self.judge_error_ratio();
    }

    /// A probe that finds well what an earlier one found ill lets trials through. One that never found anything ill does
    /// not: it sees less than the requests do.
    fn mend(&mut self, now_found: Health, now: Timestamp) {
        let is_well = matches!(now_found, Health::Up | Health::Warming);
        if !is_well || !matches!(self.probe_said, Health::Down | Health::Degraded) {
            return;
        }
        if self.probe_said == Health::Down || self.breaker.allows(now).is_err() {
            self.breaker.mend(now);
        }
        for model in self.models.iter_mut().filter(|model| model.breaker.allows(now).is_err()) {
            model.breaker.mend(now);
        }
    }

    /// Models that the configuration lists stay, marked as present or missing; others that the backend has are added,
    /// and offered only where the configuration lists none at all.
    fn merge_models(&mut self, found: Vec<FoundModel>) {
        let configured = self.models.iter().any(|model| model.offered && !model.found);
        for model in &mut self.models {
            let listed = found
                .iter()
                .any(|one| model.is_named(&ModelId::from(one.id.as_str())) || *one.id == *model.id.as_str());
            model.presence = if listed { Presence::Present } else { Presence::Missing };
        }
        // What an operator has said of a model holds when it comes back.
        let is_kept = |model: &Model| {
            !model.found
                || model.presence == Presence::Present
                || !model.sent.is_empty()
                || model.admin != super::Admin::default()
        };
        self.models.retain(is_kept);
        let listed: BTreeSet<String> = found.iter().map(|one| one.id.clone()).collect();
        for one in found {
            let id = ModelId::from(one.id.as_str());
            // A model's own id before another one's alias: what is said of the one must not be taken for the other.
            let own = self.models.iter().position(|model| model.id == id);
            let place = own.or_else(|| {
                let alias = |model: &Model| model.is_named(&id) && !listed.contains(model.id.as_str());
                self.models.iter().position(alias)
            });
            if let Some(model) = place.and_then(|place| self.models.get_mut(place)) {
                model.loaded = one.loaded;
                model.memory = one.memory;
                let spec = Arc::make_mut(&mut model.spec);
                if model.found {
                    // Nothing of it is configured: what the backend says now replaces what it said before.
                    let pricing = self.spec.default_pricing.clone();
                    *spec = ModelSpec { pricing, remote: spec.remote, ..ModelSpec::default() };
                }
                learn(spec, one);
                continue;
            }
            let mut spec = ModelSpec { pricing: self.spec.default_pricing.clone(), ..ModelSpec::default() };
            let (loaded, memory) = (one.loaded, one.memory);
            learn(&mut spec, one);
            let mut model = Model::new(id, spec, !configured);
            model.presence = Presence::Present;
            model.loaded = loaded;
            model.memory = memory;
            model.found = true;
            self.models.push(model);
        }
    }
}

/// What a probe says fills in what the configuration left open.
fn learn(spec: &mut ModelSpec, found: FoundModel) {
    // Once known to run elsewhere, a model never counts as local again: privacy hangs on it.
    spec.remote |= found.remote;
    spec.context = spec.context.or(found.context);
    spec.max_output = spec.max_output.or(found.max_output);
    spec.images = spec.images.or(found.images);
    spec.tools = spec.tools.or(found.tools);
    if spec.pricing == Pricing::Unknown && !found.prices.is_empty() {
        spec.pricing = Pricing::PerToken { rows: found.prices };
    }
}
