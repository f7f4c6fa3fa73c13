//! A fleet, its machines and an engine that only plays: what the screen is shown while it is measured.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use tokio::sync::{broadcast, mpsc, watch};
use uuid::Uuid;

use llm_call::domain::analysis::analyse;
use llm_call::domain::decision::{Decision, decide};
use llm_call::domain::fleet::{
    Backend, BackendSpec, CommandError, Fleet, KeyState, ModelSpec, Presence, Protocol, Timeouts, Timer,
};
use llm_call::domain::health::Health;
use llm_call::domain::id::{ModelId, RequestId};
use llm_call::domain::latency::Sample;
use llm_call::domain::machine::{GpuReadings, GpuSample, HostSample};
use llm_call::domain::money::Money;
use llm_call::domain::policy::Policy;
use llm_call::domain::price::{PerToken, PriceRow, Pricing, Rates};
use llm_call::domain::privacy::{Guarded, Reach};
use llm_call::domain::prompt::Prompt;
use llm_call::domain::request::{Constraints, Request};
use llm_call::domain::spend::{Day, Spend};
use llm_call::domain::tier::Tier;
use llm_call::domain::time::Timestamp;
use llm_call::engine::{CallError, Command, Fact, Progress, Snapshot};
use llm_call::telemetry::Telemetry;
use llm_call::tui::{Backing, Submitted};

/// As many facts wait for the screen as in the real engine.
const FACTS: usize = 1024;

/// The engine that plays.
pub struct Stage {
    pub snapshots: watch::Sender<Arc<Snapshot>>,
    pub facts: broadcast::Sender<Fact>,
    /// Answers under way, and with what they begin.
    pub answers: Mutex<Vec<mpsc::Sender<Progress>>>,
}

impl Stage {
    pub fn new(snapshot: Snapshot) -> Self {
        Self {
            snapshots: watch::channel(Arc::new(snapshot)).0,
            facts: broadcast::channel(FACTS).0,
            answers: Mutex::default(),
        }
    }
}

impl Backing for Stage {
    fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshots.subscribe()
    }

    fn facts(&self) -> broadcast::Receiver<Fact> {
        self.facts.subscribe()
    }

    fn submit(&self, prompt: Prompt, constraints: Constraints) -> BoxFuture<'static, Result<Submitted, CallError>> {
        let decision = Arc::new(self.explain(&prompt, &constraints));
        let (answer, progress) = mpsc::channel(64);
        if let Some(sent) = super::load::dispatched(&decision, decision.at) {
            drop(answer.try_send(Progress::Attempting(sent)));
            drop(answer.try_send(Progress::FirstToken { attempt: 1, after: Duration::from_millis(180) }));
        }
        if let Ok(mut answers) = self.answers.lock() {
            answers.push(answer);
        }
        let progress = futures::stream::unfold(progress, async |mut progress| {
            let next = progress.recv().await?;
            Some((next, progress))
        });
        async { Ok(Submitted { decision, progress: progress.boxed() }) }.boxed()
    }

    fn explain(&self, prompt: &Prompt, constraints: &Constraints) -> Decision {
        let snapshot = self.snapshots.borrow().clone();
        decided(&snapshot, Arc::new(prompt.clone()), constraints, self.now())
    }

    fn command(&self, _: Command) -> BoxFuture<'static, Result<(), CommandError>> {
        async { Ok(()) }.boxed()
    }
}

/// A decision as the engine makes it.
pub fn decided(snapshot: &Snapshot, prompt: Arc<Prompt>, constraints: &Constraints, at: Timestamp) -> Decision {
    let analysis = analyse(&prompt, None);
    let guarded = Guarded::inspect(Arc::clone(&prompt), constraints.privacy, &snapshot.policy.guard);
    let id = RequestId(Uuid::now_v7());
    let request = Request { id, prompt, constraints: constraints.clone(), caller: "bench".into(), chance: 1.0 };
    decide(request.matter(&analysis, guarded.verdict()), &snapshot.fleet, &snapshot.policy, at)
}

/// Four tiers of three backends of three models each.
fn backends() -> Vec<Backend> {
    let protocols = [Protocol::Anthropic, Protocol::Ollama, Protocol::RunpodOpenai, Protocol::Litellm];
    let mut backends = Vec::new();
    for (tier, protocol) in Tier::ALL.into_iter().zip(protocols) {
        for number in 1..=3 {
            let inside = tier == Tier::Local;
            let spec = BackendSpec {
                id: format!("{tier}-{number}").as_str().into(),
                tier,
                protocol,
                url: "http://127.0.0.1:1".into(),
                reach: if inside { Reach::Inside } else { Reach::Outside },
                key: if inside { KeyState::NotNeeded } else { KeyState::Present },
                max_in_flight: None,
                timeouts: Timeouts {
                    connect: Timer::Set(Duration::from_secs(5)),
                    first_token: Timer::Set(Duration::from_secs(30)),
                    stall: Timer::Set(Duration::from_secs(30)),
                },
                default_pricing: Pricing::Free,
                memory: None,
                warm_up: false,
            };
            let models = (1..=3).map(|model| {
                let pricing = match tier {
                    Tier::Local => Pricing::Free,
                    Tier::Gpu => Pricing::Rented,
                    Tier::Claude | Tier::Frontier => per_token(f64::from(model)),
                };
                let spec = ModelSpec { pricing, context: Some(200_000), ..ModelSpec::default() };
                (ModelId::from(format!("model-{tier}-{number}-{model}b-instruct").as_str()), spec)
            });
            backends.push(Backend::new(spec, models.collect()));
        }
    }
    backends
}

fn per_token(usd: f64) -> Pricing {
    let price = |usd| PerToken::from_usd_per_million(usd).unwrap_or_default();
    let base = Rates { input: price(usd), output: price(usd * 5.0), ..Rates::default() };
    Pricing::PerToken { rows: vec![PriceRow { base, ..PriceRow::default() }] }
}

/// A fleet that nobody has looked at yet: nothing on the screen grows old.
pub fn loading(now: Timestamp) -> Snapshot {
    Snapshot {
        at: now,
        started: now,
        simulated: false,
        fleet: Arc::new(Fleet::new(backends(), Spend::new(now, Day(1), Money::from_usd(1000.0)))),
        policy: Arc::new(Policy::default()),
        telemetry: Arc::new(Telemetry::default()),
        accepted: 0,
        in_flight: 0,
        store: Default::default(),
    }
}

/// A fleet that was probed and has served for minutes.
pub fn working(now: Timestamp) -> Snapshot {
    let mut snapshot = loading(now);
    let fleet = Arc::make_mut(&mut snapshot.fleet);
    for (place, backend) in fleet.backends.iter_mut().enumerate() {
        let backend = Arc::make_mut(backend);
        (backend.health, backend.probed_at) = (Health::Up, Some(now));
        backend.probe_took = Some(Duration::from_millis(42));
        let tier = &mut fleet.tiers[backend.spec.tier.index()];
        for (number, model) in backend.models.iter_mut().enumerate() {
            model.presence = Presence::Present;
            for index in 0..60_u32 {
                let base = 90 + u32::try_from(place * 60 + number * 20).unwrap_or(0);
                let sample = Sample {
                    at: Timestamp(now.0 - i64::from(290 - index * 4) * 1000),
                    ok: index % 29 != 7,
                    first_token_ms: Some(base + index * 37 % 170),
                    total_ms: base * 4 + index * 91 % 900,
                    tokens_per_second: Some(62.0),
                    longest_pause_ms: None,
                };
                Arc::make_mut(&mut model.history).push(&sample);
                Arc::make_mut(&mut tier.history).push(&sample);
            }
            model.summary = model.history.window.summary(now);
            model.pace = model.history.window.pace(None);
        }
        tier.summary = tier.history.window.summary(now);
    }
    snapshot.telemetry = Arc::new(telemetry(now));
    snapshot
}

/// Two cards and two pods.
pub fn telemetry(now: Timestamp) -> Telemetry {
    let swing = u8::try_from(now.0 / 1000 % 30).unwrap_or(0);
    let card = |number: u8| GpuSample {
        name: format!("NVIDIA GeForce RTX 4090 {number}").as_str().into(),
        utilisation: Some(40 + swing + number),
        memory_used: Some(18 << 30),
        memory_total: Some(24 << 30),
        temperature: Some(u32::from(60 + swing / 3)),
        slowdown_temperature: Some(90),
        power: Some(280 + u32::from(swing)),
        power_limit: Some(450),
        fan: Some(58),
        ..GpuSample::default()
    };
    let pod = |number: u8| GpuSample {
        name: format!("pod-{number}").as_str().into(),
        model: Some("A100 80GB".into()),
        utilisation: Some(60 + swing),
        memory_percent: Some(91),
        hourly: Money::from_usd(1.64),
        state: Some("RUNNING".into()),
        billed: true,
        uptime_seconds: Some(u64::try_from(now.0 / 1000 % 100_000).unwrap_or(0)),
        ..GpuSample::default()
    };
    Telemetry {
        local: GpuReadings::Ok { gpus: vec![card(0), card(1)], at: now },
        runpod: GpuReadings::Ok { gpus: vec![pod(1), pod(2)], at: now },
        runpod_balance: Money::from_usd(23.5),
        host: Some(HostSample { cpu: f32::from(swing) + 20.0, memory_used: 21 << 30, memory_total: 64 << 30, at: now }),
    }
}
