//! The heart: where a request goes, and why nowhere else.
//!
//! [`decide`] is a pure function of the request, what was understood of it, the fleet and the policy. The engine calls it
//! to route, `llm-call route` to explain, the dashboard to foresee. What a screen shows is the [`Decision`] that was used.

mod explore;
mod pin;
mod score;
#[cfg(test)]
mod tests;
mod words;

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::analysis::Analysis;
use super::fleet::{Backend, Fleet, Model};
use super::id::{BackendId, ModelId, RequestId};
use super::latency::Pace;
use super::learning::{Expectation, Outlook};
use super::limits::Size;
use super::money::Money;
use super::policy::{Policy, TierOrder};
use super::privacy::Verdict;
use super::rejection::{Capability, Rejection};
use super::request::{Constraints, Optimize, Request};
use super::spend::Purpose;
use super::tier::Tier;
use super::time::Timestamp;
use super::tokens;
use super::usage::TokenRange;

pub use pin::PinEffect;
pub use score::{Part, Term, Terms};

/// What an attempt at a candidate is expected to take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Estimate {
    /// Prompt tokens.
    pub input_tokens: u32,
    /// Output tokens.
    pub output_tokens: TokenRange,
    /// What it would cost with the median output; `None` where no price is known.
    pub cost: Option<Money>,
    /// What it would cost with the longest likely output; `None` where no price is known.
    pub cost_upper: Option<Money>,
    /// Time to first token in milliseconds, 95th percentile.
    pub first_token_ms: u32,
    /// Whether that was measured, rather than assumed.
    pub measured: bool,
    /// Whether a cold start is part of it.
    pub cold: bool,
    /// Time to the end of an answer of median length, in milliseconds.
    pub total_ms: u32,
}

/// A backend's model that may serve the request.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Candidate {
    /// The tier.
    pub tier: Tier,
    /// The backend.
    pub backend: BackendId,
    /// The model.
    pub model: ModelId,
    /// Whether the request asks for it or its tier is right for the task, rather than standing in.
    pub preferred: bool,
    /// Whether it is taken only because nothing healthy is left.
    pub last_resort: bool,
    /// What it is expected to take.
    pub estimate: Estimate,
    /// The sum of its terms.
    pub score: f32,
    /// How the score came about.
    pub terms: Terms,
}

impl Estimate {
    /// What it is likely to take of a provider's limits.
    #[must_use]
    pub const fn size(&self) -> Size {
        Size { input: self.input_tokens, output: self.output_tokens.p50 }
    }
}

impl Candidate {
    /// Whether the request names its backend or its model: only then is the tier's term above one.
    fn was_asked_for(&self) -> bool {
        self.terms[0].value > 1.0
    }
}

/// A backend's model that may not serve the request, and the first reason why.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rejected {
    /// The tier.
    pub tier: Tier,
    /// The backend.
    pub backend: BackendId,
    /// The model; `None` where the reason concerns the whole backend.
    pub model: Option<ModelId>,
    /// The first reason that removed it.
    pub reason: Rejection,
}

/// What put the tiers in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// The request named a tier, backend or model.
    Asked,
    /// The task's rule.
    Rule,
    /// No rule speaks for the task.
    DefaultTier,
    /// The request's aim.
    Optimize,
    /// An everyday task that takes thought of its own goes where reasoning goes.
    Demanding,
}

/// Where a request goes, and why nowhere else.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The request.
    pub request: RequestId,
    /// When it was decided.
    pub at: Timestamp,
    /// Who asked.
    pub caller: Arc<str>,
    /// What the request demanded.
    pub constraints: Constraints,
    /// What was understood of the prompt.
    pub analysis: Analysis,
    /// What the guard found and ruled.
    pub verdict: Arc<Verdict>,
    /// The tiers that came into question, in the order in which they were preferred.
    pub order: Vec<Tier>,
    /// What put the tiers in their order.
    pub basis: Basis,
    /// What a pin did, if one spoke for this request.
    pub pin: Option<PinEffect>,
    /// Whether the first candidate is first to learn what it can do, and not because it is the best.
    pub explores: bool,
    /// What was learnt that put the first candidate before another one, in a sentence.
    pub lesson: Option<Arc<str>>,
    /// The request's lot in exploring: see [`Request::chance`].
    pub chance: f32,
    /// Those that may serve, in the order in which they are tried.
    pub candidates: Vec<Candidate>,
    /// Those that may not.
    pub rejected: Vec<Rejected>,
}

/// What a decision is about: all of a request but its text.
#[derive(Clone, Copy, Debug)]
pub struct Matter<'a> {
    /// The request.
    pub request: RequestId,
    /// Who asks.
    pub caller: &'a Arc<str>,
    /// What is demanded.
    pub constraints: &'a Constraints,
    /// What was understood of the prompt.
    pub analysis: &'a Analysis,
    /// What the guard found and ruled.
    pub verdict: &'a Arc<Verdict>,
    /// The request's lot in exploring: see [`Request::chance`].
    pub chance: f32,
}

impl Request {
    /// What a decision about this request is about.
    #[must_use]
    pub const fn matter<'a>(&'a self, analysis: &'a Analysis, verdict: &'a Arc<Verdict>) -> Matter<'a> {
        Matter {
            request: self.id,
            caller: &self.caller,
            constraints: &self.constraints,
            analysis,
            verdict,
            chance: self.chance,
        }
    }
}

impl Decision {
    /// What it was about: enough to decide again over another fleet or policy, or at another time, without the prompt.
    #[must_use]
    pub const fn matter(&self) -> Matter<'_> {
        let Self { request, caller, constraints, analysis, verdict, chance, .. } = self;
        Matter { request: *request, caller, constraints, analysis, verdict, chance: *chance }
    }
}

/// Decides. Takes microseconds; see `benches/decide.rs`.
#[must_use]
pub fn decide(matter: Matter<'_>, fleet: &Fleet, policy: &Policy, now: Timestamp) -> Decision {
    let Matter { request, caller, constraints, analysis, verdict, chance } = matter;
    let (order, basis) = tier_order(constraints, analysis, policy);
    let outlook = fleet.lessons.learned.outlook(&analysis.kind, now);
    let judge = Judge { caller, constraints, analysis, verdict, fleet, policy, order: &order, outlook, now };
    let mut candidates = Vec::with_capacity(fleet.backends.len());
    let mut rejected = Vec::new();
    let mut last_resort = Vec::new();
    for backend in &fleet.backends {
        judge.backend(backend, &mut candidates, &mut last_resort, &mut rejected);
    }
    let pin = fleet.pin_for(analysis.task, caller, now);
    let allowed =
        |one: &Candidate| pin.is_none_or(|pin| !pin.only || pin.target.covers(one.tier, &one.backend, &one.model));
    if !candidates.iter().any(allowed) {
        // Nothing healthy is left. Asking a backend that may be ill beats refusing for certain, and the decision says so.
        candidates.extend(last_resort.into_iter().filter(allowed));
    }
    let unlearned = judge.unlearned(&candidates);
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
    let lesson = judge.lesson(unlearned, &candidates);
    let explores = pin.is_none() && judge.explore(&mut candidates, chance);
    let pin = pin.map(|pin| pin::apply(pin, &mut candidates, &mut rejected));
    let lesson = lesson.filter(|_| !explores && pin.as_ref().is_none_or(|pin: &PinEffect| !pin.changed));
    // Thousands of decisions are kept to be looked at.
    candidates.shrink_to_fit();
    rejected.shrink_to_fit();
    Decision {
        request,
        at: now,
        caller: Arc::clone(caller),
        constraints: constraints.clone(),
        analysis: analysis.clone(),
        verdict: Arc::clone(verdict),
        order: judge.tiers(),
        basis,
        pin,
        explores,
        lesson,
        chance,
        candidates,
        rejected,
    }
}

/// Who is asked first. A request that names its tier gets that one alone, unless it allows a fallback.
fn tier_order(constraints: &Constraints, analysis: &Analysis, policy: &Policy) -> (TierOrder, Basis) {
    let task = policy.task_of(analysis);
    if let Some(tier) = constraints.tier {
        let chain = if constraints.fallback { policy.fallback_chain.as_slice() } else { &[] };
        return (TierOrder::new(&[tier], chain), Basis::Asked);
    }
    if constraints.backend.is_some() || constraints.model.is_some() {
        let order = policy.order(task, constraints.optimize);
        return (if constraints.fallback { order } else { TierOrder::new(&Tier::ALL, &[]) }, Basis::Asked);
    }
    let basis = match constraints.optimize {
        Optimize::Balanced if task != analysis.task && policy.rules.contains_key(&task) => Basis::Demanding,
        Optimize::Balanced if policy.rules.contains_key(&task) => Basis::Rule,
        Optimize::Balanced => Basis::DefaultTier,
        Optimize::Quality | Optimize::Latency | Optimize::Cost | Optimize::Throughput => Basis::Optimize,
    };
    (policy.order(task, constraints.optimize), basis)
}

/// What an attempt at a model is expected to take, and what its answer is expected to be worth.
type Expected = (Estimate, f32);

struct Judge<'a> {
    caller: &'a str,
    constraints: &'a Constraints,
    analysis: &'a Analysis,
    verdict: &'a Verdict,
    fleet: &'a Fleet,
    policy: &'a Policy,
    order: &'a TierOrder,
    outlook: Outlook<'a>,
    now: Timestamp,
}

impl Judge<'_> {
    /// Judges a backend and its models. A reason that holds for all of them is recorded once.
    fn backend(
        &self,
        backend: &Backend,
        candidates: &mut Vec<Candidate>,
        last_resort: &mut Vec<Candidate>,
        rejected: &mut Vec<Rejected>,
    ) {
        let mut reject = |model: Option<&ModelId>, reason: Rejection| {
            rejected.push(Rejected {
                tier: backend.spec.tier,
                backend: backend.spec.id.clone(),
                model: model.cloned(),
                reason,
            });
        };
        if let Err(reason) = self.backend_is_wanted(backend) {
            reject(None, reason);
            return;
        }
        let mut ill = false;
        if let Err(reason) = self.fleet.backend_routable(backend, self.now) {
            ill = reason.is_about_health();
            reject(None, reason);
            if !ill {
                return;
            }
        }
        let mut considered = false;
        for model in &backend.models {
            if !model.offered && self.constraints.model.as_ref().is_none_or(|wanted| !model.is_named(wanted)) {
                continue;
            }
            considered = true;
            let candidate = |(estimate, quality), ill| self.candidate(backend, model, estimate, quality, ill);
            match self.model(backend, model) {
                Ok(expected) if ill => last_resort.push(candidate(expected, true)),
                Ok(expected) => candidates.push(candidate(expected, false)),
                Err((reason, expected)) => {
                    last_resort.extend(expected.map(|expected| candidate(expected, true)));
                    if !ill {
                        reject(Some(&model.id), reason);
                    }
                }
            }
        }
        if !considered && !ill {
            reject(None, Rejection::NoModels);
        }
    }

    /// Reasons that need no look at the models.
    fn backend_is_wanted(&self, backend: &Backend) -> Result<(), Rejection> {
        let constraints = self.constraints;
        Rejection::by_guard(self.verdict, backend.spec.reach)?;
        if self.order.rank(backend.spec.tier).is_none() && !self.asks_for_any_of(backend) {
            return Err(constraints.tier.map_or(Rejection::NotInChain, Rejection::OtherTier));
        }
        if let Some(wanted) = &constraints.backend
            && *wanted != backend.spec.id
            && !constraints.fallback
        {
            return Err(Rejection::OtherBackend);
        }
        Ok(())
    }

    /// Whether the request names this backend or this model. Without a tier named beside it, what is named comes into
    /// question wherever it is, whether or not the others of its tier may stand in.
    fn asks_for(&self, backend: &Backend, model: &Model) -> bool {
        let Constraints { backend: wanted, model: named, .. } = self.constraints;
        wanted.as_ref() == Some(&backend.spec.id) || named.as_ref().is_some_and(|named| model.is_named(named))
    }

    fn asks_for_any_of(&self, backend: &Backend) -> bool {
        let is_named = self.constraints.backend.as_ref() == Some(&backend.spec.id);
        self.constraints.tier.is_none() && (is_named || backend.models.iter().any(|one| self.asks_for(backend, one)))
    }

    /// The tiers that come into question. Those that only do because the request names a part of them stand in front.
    fn tiers(&self) -> Vec<Tier> {
        let asked = self.fleet.backends.iter().filter(|one| self.asks_for_any_of(one)).map(|one| one.spec.tier);
        let mut tiers: Vec<Tier> = asked.filter(|tier| self.order.rank(*tier).is_none()).collect();
        tiers.dedup();
        tiers.extend(self.order.tiers());
        tiers
    }

    /// What is expected of a model that may serve. With a reason of health comes what would have been.
    fn model(&self, backend: &Backend, model: &Model) -> Result<Expected, (Rejection, Option<Expected>)> {
        let constraints = self.constraints;
        let firm = |reason| (reason, None);
        if let Some(wanted) = &constraints.model
            && !model.is_named(wanted)
            && !constraints.fallback
        {
            return Err(firm(Rejection::OtherModel(wanted.clone())));
        }
        if self.order.rank(backend.spec.tier).is_none() && !self.asks_for(backend, model) {
            return Err(firm(Rejection::NotInChain));
        }
        if let Err(reason) = Rejection::by_guard(self.verdict, backend.reach_of(model)) {
            return Err(firm(if model.spec.remote { reason } else { Rejection::Unlocated }));
        }
        let expected = self.outlook.expect(backend.spec.tier, &model.id);
        let estimate = self.estimate(backend, model, &expected);
        self.is_able(model, &estimate).map_err(firm)?;
        let purpose = Purpose { tier: backend.spec.tier, model: &model.id, caller: self.caller };
        self.is_affordable(&estimate, &purpose).map_err(firm)?;
        match self.fleet.model_takes(model, estimate.size(), self.now) {
            Ok(()) => Ok((estimate, expected.quality)),
            Err(reason) if reason.is_about_health() => Err((reason, Some((estimate, expected.quality)))),
            Err(reason) => Err(firm(reason)),
        }
    }

    fn is_able(&self, model: &Model, estimate: &Estimate) -> Result<(), Rejection> {
        let needs = self.analysis.needs;
        if model.spec.images == Some(false) && needs.images {
            return Err(Rejection::Lacks(Capability::Images));
        }
        if model.spec.tools == Some(false) && needs.tools {
            return Err(Rejection::Lacks(Capability::Tools));
        }
        let needs = u64::from(estimate.input_tokens) + u64::from(estimate.output_tokens.p50);
        match model.spec.context {
            Some(window) if needs > u64::from(window) => Err(Rejection::ContextTooSmall { needs, window }),
            Some(_) | None => Ok(()),
        }
    }

    fn is_affordable(&self, estimate: &Estimate, purpose: &Purpose<'_>) -> Result<(), Rejection> {
        let constraints = self.constraints;
        if let Some(limit_ms) = constraints.max_latency_ms
            && estimate.first_token_ms > limit_ms
        {
            let Estimate { first_token_ms: expected_ms, measured, .. } = *estimate;
            return Err(Rejection::TooSlow { expected_ms, measured, limit_ms });
        }
        match (estimate.cost_upper, constraints.max_cost, self.fleet.spend.tightest(purpose)) {
            (Some(cost), Some(limit), _) if cost > limit => Err(Rejection::TooDear { cost, limit }),
            (Some(cost), _, Some(short)) if cost > Money::ZERO && cost > short.left => {
                Err(Rejection::over_budget(cost, short))
            }
            (None, Some(_), _) => Err(Rejection::PriceUnknown),
            (None, None, Some(_)) if !self.policy.allow_unpriced => Err(Rejection::PriceUnknown),
            _ => Ok(()),
        }
    }

    fn estimate(&self, backend: &Backend, model: &Model, expected: &Expectation) -> Estimate {
        let assumed = self.policy.assumed[backend.spec.tier.index()];
        let (expected_ms, measured) = Pace::expected(model.pace, assumed.first_token_ms, self.now);
        let cold = backend.is_cold(model);
        let loading = if cold { assumed.cold_start_ms } else { 0 };
        let first_token_ms = expected_ms.saturating_add(loading);
        let lessons = &self.fleet.lessons;
        let analysis = self.analysis;
        let input = tokens::expected(
            &model.id,
            model.tokens_factor,
            analysis.input_tokens,
            &analysis.counts,
            &lessons.calibration,
        );
        let output = tokens::adjusted(
            analysis.output_tokens,
            expected.length.filter(|_| self.policy.learning.enabled),
            analysis.needs.max_tokens,
        );
        let speed = model.summary.tokens_per_second.unwrap_or(assumed.tokens_per_second as f32).max(1.0);
        let held = |tokens: u32| {
            Duration::from_millis(u64::from(first_token_ms)) + Duration::from_secs_f32(tokens as f32 / speed)
        };
        let cost =
            |tokens: u32| model.spec.pricing.predict(u64::from(input), u64::from(tokens), held(tokens), self.now);
        // What was learnt of lengths says what is likely; what is set aside has to cover what is not.
        let longest = output.p90.max(analysis.output_tokens.p90).max(analysis.needs.max_tokens.unwrap_or(0));
        Estimate {
            input_tokens: input,
            output_tokens: output,
            cost: cost(output.p50),
            cost_upper: cost(longest),
            first_token_ms,
            measured: measured && !cold,
            cold,
            total_ms: u32::try_from(held(output.p50).as_millis()).unwrap_or(u32::MAX),
        }
    }

    fn candidate(
        &self,
        backend: &Backend,
        model: &Model,
        estimate: Estimate,
        quality: f32,
        last_resort: bool,
    ) -> Candidate {
        let terms = self.terms(backend, model, &estimate, quality);
        Candidate {
            tier: backend.spec.tier,
            backend: backend.spec.id.clone(),
            model: model.id.clone(),
            preferred: self.order.prefers(backend.spec.tier) || self.asks_for(backend, model),
            last_resort,
            estimate,
            score: terms.iter().map(|term| term.value * term.weight).sum(),
            terms,
        }
    }
}
