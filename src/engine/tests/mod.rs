//! The engine over scripted upstreams, on paused time.

mod failover;
mod guard;
mod hedging;
mod money;
mod operator;
mod outage;
mod patience;
mod privacy;
mod restart;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::start::Parts;
use super::{Clock, Engine};
use crate::config::{BackendConfig, Config, LogConfig, StoreConfig, UiConfig};
use crate::domain::fleet::{Backend, BackendSpec, KeyState, ModelSpec, Protocol, Timeouts, Timer};
use crate::domain::id::{BackendId, ModelId};
use crate::domain::money::Money;
use crate::domain::policy::Policy;
use crate::domain::price::{PerToken, PriceRow, Pricing, Rates};
use crate::domain::privacy::Reach;
use crate::domain::tier::Tier;
use crate::domain::time::Timestamp;
use crate::provider::Client;
use crate::provider::scripted::Scripted;
use crate::telemetry::{Refresh, Telemetry};

/// One backend per tier, named like its tier, over the given scripts.
pub(super) struct Bench {
    pub engine: Engine,
    pub claude: Scripted,
    pub local: Scripted,
    pub gpu: Scripted,
    pub frontier: Scripted,
}

impl Bench {
    pub fn new(claude: Scripted, local: Scripted, gpu: Scripted, frontier: Scripted) -> Self {
        Self::with(claude, local, gpu, frontier, |_| {})
    }

    pub fn with(
        claude: Scripted,
        local: Scripted,
        gpu: Scripted,
        frontier: Scripted,
        adjust: impl FnOnce(&mut Config),
    ) -> Self {
        let mut config = config();
        adjust(&mut config);
        let scripts = [(Tier::Claude, &claude), (Tier::Local, &local), (Tier::Gpu, &gpu), (Tier::Frontier, &frontier)];
        let clients = scripts
            .into_iter()
            .map(|(tier, script)| (BackendId::from(tier.name()), script.client(reach(tier))))
            .collect::<HashMap<_, _>>();
        let engine = engine(config, clients);
        Self { engine, claude, local, gpu, frontier }
    }

    pub fn answering() -> Self {
        let ok = |name: &str| Scripted::new([crate::provider::scripted::Play::answer(name)]);
        Self::new(ok("claude"), ok("local"), ok("gpu"), ok("frontier"))
    }

    /// What every outside upstream saw.
    pub fn seen_outside(&self) -> Vec<String> {
        [&self.claude, &self.gpu, &self.frontier].into_iter().flat_map(Scripted::seen).collect()
    }
}

fn engine(config: Config, clients: HashMap<BackendId, Client>) -> Engine {
    let (_keep, telemetry) = watch::channel(Arc::new(Telemetry::default()));
    Engine::assemble(Parts {
        config,
        clients,
        telemetry,
        refresh: Refresh::default(),
        background: TaskTracker::new(),
        stop: CancellationToken::new(),
        clock: Clock::following_runtime(Timestamp(1_795_000_000_000)),
        simulated: false,
        store: None,
    })
}

fn reach(tier: Tier) -> Reach {
    if tier == Tier::Local { Reach::Inside } else { Reach::Outside }
}

fn config() -> Config {
    Config {
        policy: Policy::default(),
        cost_limit_daily: None,
        budgets: Vec::new(),
        log_performance: false,
        backends: Tier::ALL.into_iter().map(backend).collect(),
        runpod: None,
        local_gpu: false,
        ui: UiConfig::default(),
        log: LogConfig::default(),
        store: StoreConfig::default(),
        prices: Arc::default(),
    }
}

/// The backends of [`config`], as a fleet has them.
pub(super) fn backends() -> Vec<Backend> {
    config().backends.into_iter().map(|one| Backend::new(one.spec, one.models)).collect()
}

fn backend(tier: Tier) -> BackendConfig {
    // One micro-dollar per token in and ten out, so that figures can be checked by eye.
    let rates = Rates { input: PerToken(1_000_000), output: PerToken(10_000_000), ..Rates::default() };
    let pricing = match tier {
        Tier::Local => Pricing::Free,
        _ => Pricing::PerToken { rows: vec![PriceRow { base: rates, ..PriceRow::default() }] },
    };
    BackendConfig {
        spec: BackendSpec {
            id: BackendId::from(tier.name()),
            tier,
            protocol: Protocol::Openai,
            url: Arc::from("http://127.0.0.1:1"),
            reach: reach(tier),
            key: KeyState::NotNeeded,
            max_in_flight: None,
            timeouts: Timeouts {
                connect: Timer::Set(Duration::from_secs(1)),
                first_token: Timer::Set(Duration::from_secs(10)),
                stall: Timer::Set(Duration::from_secs(10)),
            },
            default_pricing: Pricing::Unknown,
            memory: None,
            warm_up: false,
        },
        key: None,
        bearer: false,
        models: vec![(ModelId::from("model"), ModelSpec { pricing, ..ModelSpec::default() })],
        probe_every: Duration::from_secs(5),
        num_ctx: None,
        keep_alive: None,
        headers: BTreeMap::new(),
    }
}

/// The cost of the scripted answer: 100 tokens in, 10 out.
pub(super) const ANSWER_COST: Money = Money(100 * 1_000 + 10 * 10_000);
