//! The operator's policy: which tier is right for which task, what may stand in for it, and what is assumed of a
//! tier before anything was measured.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::analysis::Analysis;
use super::id::ModelId;
use super::learning::{Exploration, HALF_LIFE};
use super::privacy::GuardPolicy;
use super::request::Optimize;
use super::task::Task;
use super::tier::Tier;

/// Where a task goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// The tiers that are right for it, best first.
    pub tiers: Vec<Tier>,
    /// The model to prefer, wherever it is served.
    pub model: Option<ModelId>,
}

/// What is taken for granted of a tier until its own traffic says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Assumed {
    /// Time to first token, in milliseconds, at the 95th percentile.
    pub first_token_ms: u32,
    /// What a cold start adds, in milliseconds: a model that is not loaded, a worker that is not running.
    pub cold_start_ms: u32,
    /// Tokens per second.
    pub tokens_per_second: u32,
}

/// The operator's routing policy.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Policy {
    /// Rules by task; a task without one goes to `default_tier`.
    pub rules: BTreeMap<Task, Rule>,
    /// Where tasks without a rule go.
    pub default_tier: Tier,
    /// The tiers that may stand in when the right ones cannot serve, in order. A tier that is neither in a rule nor
    /// here gets only requests that name it.
    pub fallback_chain: Vec<Tier>,
    /// Assumptions per tier, by [`Tier::index`].
    pub assumed: [Assumed; 4],
    /// Whether a backend without a known price may be used while a cost limit is set.
    pub allow_unpriced: bool,
    /// The time a request may take over all its attempts before the first token. Time in which an answer arrived that then
    /// broke off is not counted.
    pub deadline: Duration,
    /// Attempts that one request may make, retries included.
    pub max_attempts: u32,
    /// Whether a second candidate is asked as well when the first is slower than it is in nineteen of twenty cases.
    pub hedge: bool,
    /// What the guard does about what it finds.
    pub guard: GuardPolicy,
    /// What is made of what the traffic teaches.
    pub learning: LearningPolicy,
}

/// What is made of what the traffic teaches.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LearningPolicy {
    /// Whether what was learnt has a say in where a request goes.
    pub enabled: bool,
    /// The share of requests that may go elsewhere than to the best candidate, to learn what that one can do.
    pub exploration: Exploration,
    /// How long until an outcome counts half.
    pub half_life: Duration,
}

impl Default for Policy {
    /// The seed's tier selection matrix: rewards to local models, code and reasoning to Claude, bulk to the GPUs,
    /// specialised work wherever it is served.
    fn default() -> Self {
        use Tier::{Claude, Frontier, Gpu, Local};
        let rule = |tiers: &[Tier]| Rule { tiers: tiers.to_vec(), model: None };
        let strong = rule(&[Claude, Frontier, Gpu, Local]);
        let light = rule(&[Local, Gpu, Frontier, Claude]);
        let rules = BTreeMap::from([
            (Task::Reasoning, strong.clone()),
            (Task::Planning, strong.clone()),
            (Task::Code, strong.clone()),
            (Task::Explanation, strong.clone()),
            (Task::Mathematics, strong),
            (Task::Creative, rule(&[Frontier, Claude, Gpu, Local])),
            (Task::Reward, light.clone()),
            (Task::Extraction, light.clone()),
            (Task::Question, light.clone()),
            (Task::Context, light.clone()),
            (Task::Summary, light),
            (Task::Bulk, rule(&[Gpu, Local, Frontier, Claude])),
        ]);
        let assumed = |first_token_ms, cold_start_ms, tokens_per_second| Assumed {
            first_token_ms,
            cold_start_ms,
            tokens_per_second,
        };
        Self {
            rules,
            default_tier: Local,
            fallback_chain: vec![Local, Claude, Frontier, Gpu],
            // The matrix's latency column: <100 ms, 1-3 s, 5-10 s, 1-5 s; cold starts from the providers' own docs.
            assumed: [assumed(3_000, 0, 60), assumed(90, 5_000, 40), assumed(8_000, 60_000, 40), assumed(4_000, 0, 60)],
            allow_unpriced: false,
            deadline: Duration::from_secs(120),
            max_attempts: 4,
            hedge: false,
            guard: GuardPolicy::default(),
            // Nothing explores that nobody asked to; the configuration that is shipped does.
            learning: LearningPolicy { enabled: true, exploration: Exploration { share: 0.0 }, half_life: HALF_LIFE },
        }
    }
}

/// The order in which tiers are considered, and what it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TierOrder {
    ranks: [Option<u8>; 4],
    /// Tiers up to this rank are right for the task; the later ones stand in.
    preferred: u8,
}

impl TierOrder {
    /// Preferred tiers, then the chain.
    #[must_use]
    pub fn new(preferred: &[Tier], chain: &[Tier]) -> Self {
        let mut ranks = [None; 4];
        let mut next = 0;
        let mut count = 0;
        for (position, tier) in preferred.iter().chain(chain).enumerate() {
            if ranks[tier.index()].is_none() {
                ranks[tier.index()] = Some(next);
                next += 1;
            }
            if position < preferred.len() {
                count = next;
            }
        }
        Self { ranks, preferred: count }
    }

    /// A tier's place, 0 for the first; `None` for a tier that is not to be used.
    #[must_use]
    pub const fn rank(&self, tier: Tier) -> Option<u8> {
        self.ranks[tier.index()]
    }

    /// The tiers in their order.
    #[must_use]
    pub fn tiers(&self) -> Vec<Tier> {
        let mut tiers: Vec<Tier> = Tier::ALL.into_iter().filter(|tier| self.rank(*tier).is_some()).collect();
        tiers.sort_by_key(|tier| self.rank(*tier));
        tiers
    }

    /// Whether a tier is one of the right ones rather than a stand-in.
    #[must_use]
    pub fn prefers(&self, tier: Tier) -> bool {
        self.rank(tier).is_some_and(|rank| rank < self.preferred)
    }
}

impl Policy {
    /// The task by whose rule a prompt is sent: its own, but that of reasoning where an everyday task takes thought of its own.
    /// A reward stays a number and bulk stays bulk, however hard.
    #[must_use]
    pub const fn task_of(&self, analysis: &Analysis) -> Task {
        match analysis.task {
            Task::General | Task::Question | Task::Context | Task::Summary if analysis.demanding => Task::Reasoning,
            task => task,
        }
    }

    /// The order of tiers for a task under an aim.
    #[must_use]
    pub fn order(&self, task: Task, optimize: Optimize) -> TierOrder {
        use Tier::{Claude, Frontier, Gpu, Local};
        let by_aim: Option<&[Tier]> = match optimize {
            Optimize::Throughput => {
                Some(self.rules.get(&Task::Bulk).map_or(&[Gpu, Local, Frontier, Claude], |rule| &rule.tiers))
            }
            Optimize::Quality => Some(&[Claude, Frontier, Gpu, Local]),
            Optimize::Balanced | Optimize::Latency | Optimize::Cost => None,
        };
        let preferred = by_aim.unwrap_or_else(|| {
            self.rules.get(&task).map_or(std::slice::from_ref(&self.default_tier), |rule| &rule.tiers)
        });
        TierOrder::new(preferred, &self.fallback_chain)
    }

    /// The model that a task's rule prefers.
    #[must_use]
    pub fn preferred_model(&self, task: Task) -> Option<&ModelId> {
        self.rules.get(&task).and_then(|rule| rule.model.as_ref())
    }
}
