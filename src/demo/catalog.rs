//! The simulated fleet: which upstreams there are, which models they have, and the configuration that reaches them.
//! Prices and windows are those of the vendors' pages in November 2026.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use super::log;
use crate::config::{BackendConfig, Config, LogConfig, RunpodConfig, StoreConfig, UiConfig};
use crate::domain::fleet::{BackendSpec, KeyState, ModelSpec, Protocol, Timeouts, Timer};
use crate::domain::id::{BackendId, ModelId};
use crate::domain::money::Money;
use crate::domain::policy::Policy;
use crate::domain::price::{PerToken, PriceRow, Pricing, Rates, SizeTier};
use crate::domain::privacy::Reach;
use crate::domain::task::Task;
use crate::domain::tier::Tier;
use crate::domain::usage::Usage;

use Task::{
    Bulk, Code, Context, Creative, Explanation, Extraction, General, Mathematics, Planning, Question, Reasoning,
    Reward, Summary,
};

/// The endpoint id of the vLLM worker.
pub(super) const LLAMA_ENDPOINT: &str = "demo-llama-70b";
/// The endpoint id of the fine-tuned model.
pub(super) const TUNE_ENDPOINT: &str = "demo-granger-tune";
/// The pod that serves a model.
pub(super) const POD: &str = "demopodvllm32b";

/// What a model costs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cost {
    Free,
    /// Dollars per million tokens: input, output, cache read.
    Tokens(f64, f64, f64),
    /// Cents per hour of use.
    Cents(i64),
    Rented,
}

/// A simulated model.
#[derive(Clone, Copy, Debug)]
pub(super) struct Card {
    pub(super) id: &'static str,
    pub(super) aliases: &'static [&'static str],
    pub(super) roles: &'static [Task],
    pub(super) context: u32,
    pub(super) max_output: u32,
    pub(super) cost: Cost,
    /// What writing to the cache costs, in input prices: briefly, and for an hour.
    pub(super) cache_write: &'static [f64],
    /// Above so many prompt tokens the whole request costs so many times the input and the output price.
    pub(super) long: Option<(u64, f64, f64)>,
    /// Time to the first token of a short prompt, in milliseconds, from and to.
    pub(super) first_ms: (f32, f32),
    /// Tokens per second.
    pub(super) rate: f32,
    /// Thinks before it answers, and bills it.
    pub(super) reasons: bool,
    pub(super) images: bool,
    /// Gigabytes in GPU memory, for those that have to be loaded.
    pub(super) gigabytes: u64,
}

/// What most cards have in common.
const CARD: Card = Card {
    id: "",
    aliases: &[],
    roles: &[],
    context: 1_000_000,
    max_output: 128_000,
    cost: Cost::Free,
    cache_write: &[],
    long: None,
    first_ms: (700.0, 1_400.0),
    rate: 70.0,
    reasons: false,
    images: true,
    gigabytes: 0,
};

const STRONG: &[Task] = &[Reasoning, Planning, Code, Explanation, Mathematics];
const LIGHT: &[Task] = &[Reward, Extraction, Question, Context, Summary, General];
const PROSE: &[Task] = &[Creative, Explanation, Code, Reasoning, General];

const ANTHROPIC: Card = Card { cache_write: &[1.25, 2.0], ..CARD };

const GPT_6: Card =
    Card { context: 1_050_000, cache_write: &[1.25], long: Some((272_000, 2.0, 1.5)), reasons: true, ..CARD };

const CLAUDE: &[Card] = &[
    Card {
        id: "claude-opus-5-5",
        roles: &[Reasoning, Planning],
        cost: Cost::Tokens(4.0, 20.0, 0.20),
        first_ms: (950.0, 1_500.0),
        rate: 60.0,
        ..ANTHROPIC
    },
    Card { id: "claude-sonnet-5-5", roles: STRONG, cost: Cost::Tokens(2.0, 10.0, 0.10), ..ANTHROPIC },
    Card {
        id: "claude-haiku-5-5",
        roles: LIGHT,
        cost: Cost::Tokens(0.10, 0.50, 0.01),
        first_ms: (350.0, 700.0),
        rate: 140.0,
        long: Some((100_000, 5.0, 5.0)),
        ..ANTHROPIC
    },
];

const OLLAMA: Card = Card { images: false, max_output: 4_096, ..CARD };

const RTX: &[Card] = &[
    Card {
        id: "llama3:8b",
        aliases: &["llama3:8b-instruct"],
        roles: LIGHT,
        context: 8_192,
        first_ms: (30.0, 80.0),
        rate: 90.0,
        gigabytes: 6,
        ..OLLAMA
    },
    Card { id: "qwen3:8b", context: 40_960, first_ms: (40.0, 95.0), rate: 82.0, gigabytes: 7, ..OLLAMA },
    Card {
        id: "codellama:13b",
        roles: &[Code],
        context: 16_384,
        first_ms: (70.0, 150.0),
        rate: 52.0,
        gigabytes: 10,
        ..OLLAMA
    },
];

const MAC: &[Card] = &[
    Card { id: "qwen3:32b", context: 40_960, first_ms: (180.0, 420.0), rate: 24.0, gigabytes: 22, ..OLLAMA },
    Card {
        id: "mistral:7b",
        roles: LIGHT,
        context: 32_768,
        first_ms: (60.0, 140.0),
        rate: 58.0,
        gigabytes: 5,
        ..OLLAMA
    },
    Card { id: "phi4:14b", context: 16_384, first_ms: (110.0, 240.0), rate: 36.0, gigabytes: 10, ..OLLAMA },
];

const LLAMA_70B: &[Card] = &[Card {
    id: "meta-llama/Llama-3.3-70B-Instruct",
    aliases: &["llama3:70b"],
    context: 131_072,
    max_output: 8_192,
    cost: Cost::Cents(418),
    first_ms: (300.0, 800.0),
    rate: 35.0,
    images: false,
    ..CARD
}];

const TUNE: &[Card] = &[Card {
    id: "granger-tune-8b",
    roles: &[Extraction, Bulk, Reward, Summary],
    context: 32_768,
    max_output: 4_096,
    cost: Cost::Cents(111),
    first_ms: (250.0, 600.0),
    rate: 80.0,
    images: false,
    ..CARD
}];

const POD_MODELS: &[Card] = &[Card {
    id: "Qwen/Qwen3-32B",
    aliases: &["qwen3-32b"],
    context: 40_960,
    max_output: 8_192,
    cost: Cost::Rented,
    first_ms: (220.0, 520.0),
    rate: 44.0,
    images: false,
    ..CARD
}];

const LITELLM: &[Card] = &[
    Card {
        id: "gpt-6-sol",
        roles: PROSE,
        cost: Cost::Tokens(2.0, 10.0, 0.20),
        first_ms: (600.0, 1_200.0),
        rate: 85.0,
        ..GPT_6
    },
    Card {
        id: "deepseek-v4-pro",
        max_output: 8_192,
        cost: Cost::Tokens(0.435, 0.87, 0.003_625),
        first_ms: (700.0, 1_300.0),
        rate: 45.0,
        images: false,
        ..CARD
    },
    Card {
        id: "grok-4.5",
        context: 500_000,
        cost: Cost::Tokens(2.0, 6.0, 0.50),
        first_ms: (500.0, 1_100.0),
        rate: 75.0,
        ..CARD
    },
];

const OPENAI: &[Card] = &[
    Card { id: "gpt-6-sol", cost: Cost::Tokens(2.0, 10.0, 0.20), first_ms: (550.0, 1_100.0), rate: 90.0, ..GPT_6 },
    Card {
        id: "gpt-6-luna",
        roles: LIGHT,
        cost: Cost::Tokens(0.10, 0.50, 0.01),
        first_ms: (300.0, 650.0),
        rate: 150.0,
        ..GPT_6
    },
];

const GEMINI: &[Card] = &[
    Card {
        id: "gemini-3.6-flash",
        context: 1_048_576,
        max_output: 65_536,
        cost: Cost::Tokens(1.50, 7.50, 0.15),
        first_ms: (400.0, 900.0),
        rate: 160.0,
        reasons: true,
        ..CARD
    },
    Card {
        id: "gemini-3.1-flash-lite",
        roles: LIGHT,
        context: 1_048_576,
        max_output: 65_536,
        cost: Cost::Tokens(0.25, 1.50, 0.025),
        first_ms: (300.0, 600.0),
        rate: 220.0,
        ..CARD
    },
];

/// A simulated upstream, as it is configured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Site {
    pub(super) id: &'static str,
    pub(super) tier: Tier,
    pub(super) protocol: Protocol,
    pub(super) reach: Reach,
    pub(super) key: Option<&'static str>,
    /// What stands after the host in its URL.
    pub(super) path: &'static str,
    pub(super) cards: &'static [Card],
}

/// The key of the simulated RunPod account.
pub(super) const RUNPOD_KEY: &str = "rpa_DEMO0000000000000000";
/// The simulated RunPod account's own name in logs and faults.
pub(super) const RUNPOD_ACCOUNT: &str = "runpod-account";

/// Every upstream, in the order in which screens list them.
pub(super) const SITES: [Site; 9] = [
    site("anthropic", Tier::Claude, Protocol::Anthropic, Some("sk-ant-demo-key"), "", CLAUDE),
    Site { reach: Reach::Inside, ..site("rtx-4090", Tier::Local, Protocol::Ollama, None, "", RTX) },
    Site { reach: Reach::Inside, ..site("mac-studio", Tier::Local, Protocol::Ollama, None, "", MAC) },
    site("runpod-llama-70b", Tier::Gpu, Protocol::RunpodOpenai, Some(RUNPOD_KEY), "/v2/demo-llama-70b", LLAMA_70B),
    site("runpod-tune", Tier::Gpu, Protocol::RunpodQueue, Some(RUNPOD_KEY), "/v2/demo-granger-tune", TUNE),
    site("pod-vllm", Tier::Gpu, Protocol::Openai, Some("sk-demo-pod-vllm"), "/v1", POD_MODELS),
    site("litellm", Tier::Frontier, Protocol::Litellm, Some("sk-demo-litellm"), "", LITELLM),
    site("openai", Tier::Frontier, Protocol::Openai, Some("sk-demo-openai"), "/v1", OPENAI),
    site("gemini", Tier::Frontier, Protocol::Gemini, Some("AIzaDemoKey"), "", GEMINI),
];

const fn site(
    id: &'static str,
    tier: Tier,
    protocol: Protocol,
    key: Option<&'static str>,
    path: &'static str,
    cards: &'static [Card],
) -> Site {
    Site { id, tier, protocol, reach: Reach::Outside, key, path, cards }
}

impl Card {
    /// The price per token, where there is one.
    pub(super) fn price(&self) -> Option<PriceRow> {
        let Cost::Tokens(input, output, cache_read) = self.cost else { return None };
        let rates = |in_factor: f64, out_factor: f64| {
            let price = |usd| PerToken::from_usd_per_million(usd).unwrap_or_default();
            let write = |at: usize| self.cache_write.get(at).map(|factor| price(input * factor * in_factor));
            Rates {
                input: price(input * in_factor),
                output: price(output * out_factor),
                cache_read: Some(price(cache_read * in_factor)),
                cache_write: write(0),
                cache_write_1h: write(1),
            }
        };
        let tiers = self.long.map(|(above, times_in, times_out)| SizeTier { above, rates: rates(times_in, times_out) });
        Some(PriceRow { from: None, until: None, base: rates(1.0, 1.0), tiers: tiers.into_iter().collect() })
    }

    fn pricing(&self) -> Pricing {
        match self.cost {
            Cost::Free => Pricing::Free,
            Cost::Tokens(..) => Pricing::PerToken { rows: self.price().into_iter().collect() },
            Cost::Cents(cents) => Pricing::PerHour { rate: Money(cents * 10_000_000) },
            Cost::Rented => Pricing::Rented,
        }
    }

    /// The time that is billed, where time is billed.
    pub(super) fn billed_time(&self, held: Duration) -> Option<Duration> {
        matches!(self.cost, Cost::Cents(_)).then_some(held)
    }

    /// What is billed for a use: the very price that the configuration states.
    pub(super) fn bill(&self, usage: &Usage, held: Option<Duration>) -> Money {
        self.pricing().settle(Some(usage), held, false, log::now()).amount.unwrap_or(Money::ZERO)
    }

    fn spec(&self) -> ModelSpec {
        ModelSpec {
            aliases: self.aliases.iter().map(|alias| ModelId::from(*alias)).collect(),
            roles: self.roles.to_vec(),
            context: Some(self.context),
            max_output: Some(self.max_output),
            images: Some(self.images),
            tools: Some(true),
            pricing: self.pricing(),
            remote: false,
        }
    }
}

/// The configuration that reaches the simulated fleet. `at` says where each upstream listens.
pub(super) fn config(at: &BTreeMap<&'static str, SocketAddr>) -> Config {
    let url = |id: &str, path: &str| {
        at.get(id).map_or_else(|| format!("http://127.0.0.1:9{path}"), |address| format!("http://{address}{path}"))
    };
    let backends = SITES.iter().map(|site| backend(site, url(site.id, site.path))).collect();
    Config {
        policy: Policy::default(),
        cost_limit_daily: Some(Money(25_000_000_000)),
        budgets: Vec::new(),
        log_performance: true,
        backends,
        runpod: Some(RunpodConfig {
            api_url: url(RUNPOD_ACCOUNT, ""),
            serverless_url: url(RUNPOD_ACCOUNT, "/serverless/v2"),
            key: Some(SecretString::from(RUNPOD_KEY)),
            poll_every: Duration::from_secs(2),
        }),
        local_gpu: true,
        ui: UiConfig::default(),
        log: LogConfig::default(),
        store: StoreConfig::default(),
        prices: Arc::default(),
    }
}

fn backend(site: &Site, url: String) -> BackendConfig {
    let local = site.tier == Tier::Local;
    let first_token = match site.protocol {
        Protocol::RunpodOpenai | Protocol::RunpodQueue | Protocol::RunpodBalancer => 90,
        _ => 30,
    };
    let key = match site.key {
        Some(_) => KeyState::Present,
        None => KeyState::NotNeeded,
    };
    BackendConfig {
        spec: BackendSpec {
            id: BackendId::from(site.id),
            tier: site.tier,
            protocol: site.protocol,
            url: Arc::from(url),
            reach: site.reach,
            key,
            max_in_flight: local.then_some(8),
            timeouts: Timeouts {
                connect: Timer::Set(Duration::from_secs(3)),
                first_token: Timer::Learnt(Duration::from_secs(first_token)),
                stall: Timer::Learnt(Duration::from_secs(20)),
            },
            default_pricing: if local { Pricing::Free } else { Pricing::Unknown },
            memory: None,
            warm_up: local,
        },
        key: site.key.map(SecretString::from),
        bearer: false,
        models: site.cards.iter().map(|card| (ModelId::from(card.id), card.spec())).collect(),
        probe_every: Duration::from_secs(if local { 3 } else { 10 }),
        num_ctx: local.then_some(8_192),
        keep_alive: local.then(|| "10m".to_owned()),
        headers: BTreeMap::new(),
    }
}
