//! The fleet: every backend with what is configured of it, what the operator wants of it and what was observed of it.
//!
//! One value plays both parts: the engine's actor changes it through the events of [`change`](self), and everybody else
//! reads an `Arc` of it. Backends are shared between versions, so that a new version costs one backend, not the fleet.

mod admin;
mod change;
mod hold;
mod lessons;
mod memory;
mod observe;
mod routable;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::breaker::Breaker;
use super::health::Health;
use super::id::{BackendId, ModelId};
use super::judgement::Judged;
use super::latency::{History, Pace, Summary, Window};
use super::limits::Quota;
use super::money::Money;
use super::price::Pricing;
use super::privacy::Reach;
use super::retries::RetryBudget;
use super::spend::{Book, Spend};
use super::task::Task;
use super::tier::{Target, Tier};
use super::time::Timestamp;

pub use super::timeouts::{Timeouts, Timer};
pub use admin::{Admin, AdminState, Pin, PinScope};
pub use change::{Ask, AttemptResult, CommandError, Passes, Permit, Turn};
pub use hold::{Hold, HoldKind};
pub use lessons::{Lesson, Lessons};
pub use memory::Load;

/// What a model can do and how it is paid for: configured, or found by a probe.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ModelSpec {
    /// Other names under which a request may ask for it.
    pub aliases: Vec<ModelId>,
    /// The tasks it is meant for; empty for all.
    pub roles: Vec<Task>,
    /// The longest prompt and answer together, in tokens; `None` where not known.
    pub context: Option<u32>,
    /// The longest answer it gives, in tokens; `None` where not known.
    pub max_output: Option<u32>,
    /// Takes pictures; `None` where not known.
    pub images: Option<bool>,
    /// Calls tools; `None` where not known.
    pub tools: Option<bool>,
    /// How it is paid for.
    pub pricing: Pricing,
    /// Runs on someone else's machine although a local backend lists it.
    pub remote: bool,
}

/// Whether a backend has a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Presence {
    /// The backend has not said.
    #[default]
    Unknown,
    /// The backend lists it.
    Present,
    /// The backend does not list it, or answered that it has no such model.
    Missing,
}

/// One model of one backend.
#[derive(Clone, Debug, Serialize)]
pub struct Model {
    /// The id as the backend names it.
    pub id: ModelId,
    /// Tokens that it is known to make for one of the nearest public vocabulary.
    #[serde(skip)]
    pub tokens_factor: f32,
    /// What it can do.
    pub spec: Arc<ModelSpec>,
    /// Whether requests that do not name it may be sent to it. A backend with configured models offers only those.
    pub offered: bool,
    /// Found by a probe rather than configured.
    pub found: bool,
    /// What the operator wants of it.
    pub admin: Admin,
    /// Whether the backend has it.
    pub presence: Presence,
    /// Whether it is in memory, where the backend tells.
    pub loaded: Option<bool>,
    /// The memory that it takes, in bytes, where the backend tells: measured while it is loaded, else the size of its file.
    pub memory: Option<u64>,
    /// When it was last loaded without a request, because it is asked for often.
    pub warmed_up_at: Option<Timestamp>,
    /// Not to be used before this time: the provider asked to be left alone.
    pub rate_limited_until: Option<Timestamp>,
    /// What is left of the provider's limits, as it told of them.
    pub quota: Quota,
    /// Keeps requests away after failures of this model.
    pub breaker: Breaker,
    /// When each of the requests that it is answering was sent, oldest first.
    pub sent: Vec<Timestamp>,
    /// What its attempts cost since counting began.
    pub book: Book,
    /// What people thought of its answers.
    pub judged: Judged,
    /// Its latest attempts.
    #[serde(skip)]
    pub history: Arc<History>,
    /// What the history's window said when it last changed.
    pub summary: Summary,
    /// How soon its first token comes, by its answers since it last came back from failures.
    pub pace: Option<Pace>,
}

/// The wire protocol that a backend speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// Anthropic Messages.
    Anthropic,
    /// Ollama's own `/api/chat`.
    Ollama,
    /// OpenAI chat completions: OpenAI, vLLM, llama.cpp and their like.
    Openai,
    /// OpenAI chat completions as a LiteLLM proxy serves them, with its cost headers and health routes.
    Litellm,
    /// Google's generateContent.
    Gemini,
    /// A RunPod serverless endpoint with the vLLM worker's OpenAI route.
    RunpodOpenai,
    /// A RunPod serverless endpoint without one: queue jobs through run and stream.
    RunpodQueue,
    /// A RunPod load-balancing endpoint that serves the OpenAI protocol.
    RunpodBalancer,
}

impl Protocol {
    /// Every protocol.
    pub const ALL: [Self; 8] = [
        Self::Anthropic,
        Self::Ollama,
        Self::Openai,
        Self::Litellm,
        Self::Gemini,
        Self::RunpodOpenai,
        Self::RunpodQueue,
        Self::RunpodBalancer,
    ];

    /// The name used in configuration, JSON and on the screen.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::Ollama => "ollama",
            Self::Openai => "openai",
            Self::Litellm => "litellm",
            Self::Gemini => "gemini",
            Self::RunpodOpenai => "runpod-openai",
            Self::RunpodQueue => "runpod-queue",
            Self::RunpodBalancer => "runpod-balancer",
        }
    }
}

/// Whether a backend can be used as far as its key is concerned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum KeyState {
    /// It asks for none.
    NotNeeded,
    /// One is configured.
    Present,
    /// None is configured.
    Missing {
        /// The environment variable that would hold it.
        variable: Arc<str>,
    },
}

/// What is configured of a backend, as far as routing and screens need it. Keys are elsewhere.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BackendSpec {
    /// Its name.
    pub id: BackendId,
    /// The tier it serves.
    pub tier: Tier,
    /// What it speaks.
    pub protocol: Protocol,
    /// Where it is, without credentials.
    pub url: Arc<str>,
    /// Whether private prompts may go to it.
    pub reach: Reach,
    /// Its key.
    pub key: KeyState,
    /// The most requests at a time; `None` for no limit of ours.
    pub max_in_flight: Option<u32>,
    /// How long to wait for what.
    pub timeouts: Timeouts,
    /// How the models that a probe finds are paid for, where nothing better is known.
    pub default_pricing: Pricing,
    /// The memory that its models have, in bytes; `None` where not known.
    pub memory: Option<u64>,
    /// Whether a model that is asked for often is loaded again when it has been dropped from memory.
    pub warm_up: bool,
}

/// Something that keeps a backend from serving until somebody acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Trouble {
    /// Its key is refused.
    KeyRefused {
        /// Since when.
        since: Timestamp,
    },
    /// The account has no credit. Tried again at `until`.
    OutOfCredit {
        /// When it is tried again.
        until: Timestamp,
    },
}

/// One reachable service.
#[derive(Clone, Debug, Serialize)]
pub struct Backend {
    /// What is configured of it.
    pub spec: Arc<BackendSpec>,
    /// What the operator wants of it.
    pub admin: Admin,
    /// What was observed of it.
    pub health: Health,
    /// What the last probe said of it, whatever the requests say.
    pub probe_said: Health,
    /// The cause of its health, in a few words; a fact worth showing where it is up.
    pub detail: Arc<str>,
    /// Keeps requests away after failures that concern the whole backend.
    pub breaker: Breaker,
    /// Something only the operator can mend.
    pub trouble: Option<Trouble>,
    /// When the last probe ended.
    pub probed_at: Option<Timestamp>,
    /// How long the last probe took.
    #[serde(skip)]
    pub probe_took: Option<Duration>,
    /// Its models.
    pub models: Vec<Model>,
    /// The latest attempts of all its models.
    #[serde(skip)]
    pub window: Arc<Window>,
    /// What the window said when it last changed.
    pub summary: Summary,
}

/// The state of a whole tier.
#[derive(Clone, Debug, Serialize)]
pub struct TierState {
    /// What the operator wants of it.
    pub admin: Admin,
    /// Its latest attempts.
    #[serde(skip)]
    pub history: Arc<History>,
    /// What the history's window said when it last changed.
    pub summary: Summary,
    /// The further attempts that it takes, so that a bad hour multiplies nothing.
    pub retries: RetryBudget,
}

/// The fleet.
#[derive(Clone, Debug, Serialize)]
pub struct Fleet {
    /// The backends, in the order of the configuration.
    pub backends: Vec<Arc<Backend>>,
    /// The tiers, by [`Tier::index`].
    pub tiers: [TierState; 4],
    /// The operator's pins; the latest word stands last and is heard first.
    pub pins: Vec<Pin>,
    /// The money.
    pub spend: Arc<Spend>,
    /// What the traffic has taught.
    #[serde(skip)]
    pub lessons: Arc<Lessons>,
}

impl Backend {
    /// Requests being answered by any of its models.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.models.iter().map(Model::in_flight).sum()
    }

    /// The model of this id.
    #[must_use]
    pub fn model(&self, id: &ModelId) -> Option<&Model> {
        self.models.iter().find(|model| model.id == *id)
    }

    /// Whether a request for this model has to wait for a worker or for the model itself to be loaded.
    #[must_use]
    pub fn is_cold(&self, model: &Model) -> bool {
        model.loaded == Some(false) || self.health == Health::Warming
    }

    fn model_mut(&mut self, id: &ModelId) -> Option<&mut Model> {
        self.models.iter_mut().find(|model| model.id == *id)
    }

    /// Whether a prompt sent to this model leaves this machine. An Ollama on this machine can list models that run on
    /// somebody else's, under any name; until it has told which, each of its models counts as one of those.
    #[must_use]
    pub fn reach_of(&self, model: &Model) -> Reach {
        let unlocated = self.spec.protocol == Protocol::Ollama && model.presence == Presence::Unknown;
        if model.spec.remote || unlocated { Reach::Outside } else { self.spec.reach }
    }
}

impl Model {
    /// Requests being answered.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        u32::try_from(self.sent.len()).unwrap_or(u32::MAX)
    }

    /// Whether a request that asks for `wanted` means this model: by its id, by an alias, or by its id without
    /// Ollama's `:latest` tag.
    #[must_use]
    pub fn is_named(&self, wanted: &ModelId) -> bool {
        let id = self.id.as_str();
        id == wanted.as_str()
            || id.strip_suffix(":latest") == Some(wanted.as_str())
            || self.spec.aliases.contains(wanted)
    }
}

impl Fleet {
    /// A fleet of which nothing was observed yet.
    #[must_use]
    pub fn new(backends: Vec<Backend>, spend: Spend) -> Self {
        let tier = || TierState {
            admin: Admin::default(),
            history: Arc::default(),
            summary: Summary::default(),
            retries: RetryBudget::default(),
        };
        Self {
            backends: backends.into_iter().map(Arc::new).collect(),
            tiers: [tier(), tier(), tier(), tier()],
            pins: Vec::new(),
            spend: Arc::new(spend),
            lessons: Arc::default(),
        }
    }

    /// The backend of this name.
    #[must_use]
    pub fn backend(&self, id: &BackendId) -> Option<&Arc<Backend>> {
        self.backends.iter().find(|backend| backend.spec.id == *id)
    }

    /// A tier's state.
    #[must_use]
    pub const fn tier(&self, tier: Tier) -> &TierState {
        &self.tiers[tier.index()]
    }

    /// The backends of a tier.
    pub fn of_tier(&self, tier: Tier) -> impl Iterator<Item = &Arc<Backend>> {
        self.backends.iter().filter(move |backend| backend.spec.tier == tier)
    }

    /// The models within a part of the fleet, each with its backend.
    pub fn within<'a>(&'a self, target: &'a Target) -> impl Iterator<Item = (&'a Arc<Backend>, &'a Model)> {
        self.backends
            .iter()
            .flat_map(|backend| backend.models.iter().map(move |model| (backend, model)))
            .filter(|(backend, model)| target.covers(backend.spec.tier, &backend.spec.id, &model.id))
    }

    /// Requests being answered by a part of the fleet.
    #[must_use]
    pub fn in_flight(&self, target: &Target) -> u32 {
        self.within(target).map(|(_, model)| model.in_flight()).sum()
    }

    /// When the oldest of the requests that a part of the fleet is answering was sent.
    #[must_use]
    pub fn oldest_in_flight(&self, target: &Target) -> Option<Timestamp> {
        self.within(target).filter_map(|(_, model)| model.sent.first().copied()).min()
    }

    /// What the operator wants of a part of the fleet, itself alone.
    #[must_use]
    pub fn admin(&self, target: &Target) -> Option<&Admin> {
        match target {
            Target::Tier(tier) => Some(&self.tier(*tier).admin),
            Target::Backend(id) => self.backend(id).map(|backend| &backend.admin),
            Target::Model(id, model) => self.backend(id)?.model(model).map(|model| &model.admin),
        }
    }

    /// The pin that holds for a request of this task and caller: the operator's latest word.
    #[must_use]
    pub fn pin_for(&self, task: Task, caller: &str, now: Timestamp) -> Option<&Pin> {
        self.pins.iter().rev().find(|pin| pin.holds_for(task, caller, now))
    }

    /// What rented machines of the fleet cost per hour, as last told.
    #[must_use]
    pub fn rented_per_hour(&self) -> Money {
        self.spend.rented_per_hour
    }
}

impl Backend {
    /// A backend of which nothing was observed yet, offering the given models.
    #[must_use]
    pub fn new(spec: BackendSpec, models: Vec<(ModelId, ModelSpec)>) -> Self {
        Self {
            spec: Arc::new(spec),
            admin: Admin::default(),
            health: Health::Unknown,
            probe_said: Health::Unknown,
            detail: Arc::from(""),
            breaker: Breaker::default(),
            trouble: None,
            probed_at: None,
            probe_took: None,
            models: models.into_iter().map(|(id, spec)| Model::new(id, spec, true)).collect(),
            window: Arc::default(),
            summary: Summary::default(),
        }
    }
}

impl Model {
    /// A model of which nothing was observed yet.
    #[must_use]
    pub fn new(id: ModelId, spec: ModelSpec, offered: bool) -> Self {
        Self {
            tokens_factor: super::tokens::factor(&id),
            id,
            spec: Arc::new(spec),
            offered,
            found: false,
            admin: Admin::default(),
            presence: Presence::Unknown,
            loaded: None,
            memory: None,
            warmed_up_at: None,
            rate_limited_until: None,
            quota: Quota::default(),
            breaker: Breaker::default(),
            sent: Vec::new(),
            book: Book::default(),
            judged: Judged::default(),
            history: Arc::default(),
            summary: Summary::default(),
            pace: None,
        }
    }
}
