//! Snapshots and facts built from the domain's own types, so that a screen in a test shows what a real one would.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::domain::analysis::analyse;
use crate::domain::breaker::Severity;
use crate::domain::decision::{Candidate, Decision, Estimate, Part, Term, decide};
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::fleet::{
    Admin, AdminState, Backend, BackendSpec, Fleet, KeyState, Model, ModelSpec, Pin, PinScope, Presence, Protocol,
    Timeouts, Timer, Trouble,
};
use crate::domain::health::Health;
use crate::domain::id::{BackendId, ModelId, RequestId};
use crate::domain::latency::Sample;
use crate::domain::machine::{GpuReadings, GpuSample, HostSample};
use crate::domain::money::{Cost, CostBasis, Money};
use crate::domain::policy::Policy;
use crate::domain::price::{PerToken, PriceRow, Pricing, Rates};
use crate::domain::privacy::{Guarded, Reach};
use crate::domain::prompt::Prompt;
use crate::domain::request::{Constraints, Request};
use crate::domain::spend::{Day, Purpose, Spend};
use crate::domain::tier::{Target, Tier};
use crate::domain::time::Timestamp;
use crate::domain::usage::Usage;
use crate::engine::{Attempt, Dispatched, Fact, Finished, HealthChange, OperatorAction, Outcome, Snapshot};
use crate::provider::Finish;
use crate::telemetry::Telemetry;

/// 2026-11-23 12:00:00 UTC.
pub const NOW: Timestamp = Timestamp(1_795_435_200_000);

pub fn ago(seconds: i64) -> Timestamp {
    Timestamp(NOW.0 - seconds * 1000)
}

pub fn usd(dollars: f64) -> Money {
    Money::from_usd(dollars).expect("a sum of money")
}

fn spec(id: &str, tier: Tier, protocol: Protocol, reach: Reach, key: KeyState) -> BackendSpec {
    BackendSpec {
        id: id.into(),
        tier,
        protocol,
        url: "http://127.0.0.1:1".into(),
        reach,
        key,
        max_in_flight: Some(8),
        timeouts: Timeouts {
            connect: Timer::Set(Duration::from_secs(5)),
            first_token: Timer::Set(Duration::from_secs(30)),
            stall: Timer::Set(Duration::from_secs(30)),
        },
        default_pricing: Pricing::Free,
        memory: None,
        warm_up: false,
    }
}

fn priced(input: f64, output: f64) -> ModelSpec {
    let price = |usd| PerToken::from_usd_per_million(usd).expect("a price");
    let base = Rates { input: price(input), output: price(output), ..Rates::default() };
    let rows = vec![PriceRow { base, ..PriceRow::default() }];
    ModelSpec { pricing: Pricing::PerToken { rows }, context: Some(200_000), ..ModelSpec::default() }
}

fn free() -> ModelSpec {
    ModelSpec { pricing: Pricing::Free, context: Some(32_768), ..ModelSpec::default() }
}

fn backends() -> Vec<Backend> {
    use Reach::{Inside, Outside};
    let model = |id: &str, spec| (ModelId::from(id), spec);
    let rented = ModelSpec { pricing: Pricing::Rented, ..free() };
    let mut backends = vec![
        Backend::new(
            spec("anthropic", Tier::Claude, Protocol::Anthropic, Outside, KeyState::Present),
            vec![model("claude-opus-5-5", priced(5.0, 25.0)), model("claude-sonnet-5", priced(3.0, 15.0))],
        ),
        Backend::new(
            spec("workstation", Tier::Local, Protocol::Ollama, Inside, KeyState::NotNeeded),
            vec![model("llama3.3:70b", free()), model("qwen3-coder:30b", free())],
        ),
        Backend::new(
            spec("laptop", Tier::Local, Protocol::Ollama, Inside, KeyState::NotNeeded),
            vec![model("llama3:8b", free())],
        ),
        Backend::new(
            spec("vllm-a100", Tier::Gpu, Protocol::RunpodOpenai, Outside, KeyState::Present),
            vec![model("Qwen/Qwen3-235B-A22B-Instruct", rented)],
        ),
        Backend::new(
            spec("litellm", Tier::Frontier, Protocol::Litellm, Outside, KeyState::Present),
            vec![model("gpt-5.5", priced(2.0, 10.0)), model("gemini-3-pro", priced(1.25, 10.0))],
        ),
        Backend::new(
            spec(
                "openai",
                Tier::Frontier,
                Protocol::Openai,
                Outside,
                KeyState::Missing { variable: "OPENAI_API_KEY".into() },
            ),
            vec![model("gpt-5.5", priced(2.0, 10.0))],
        ),
    ];
    // The backends have told what they have: until then, no private prompt would go to any of them.
    for model in backends.iter_mut().flat_map(|backend| &mut backend.models) {
        model.presence = Presence::Present;
    }
    backends
}

/// What money is spent for in a tier.
pub fn purpose(tier: Tier) -> Purpose<'static> {
    static MODEL: std::sync::LazyLock<ModelId> = std::sync::LazyLock::new(|| ModelId::from("model"));
    Purpose { tier, model: &MODEL, caller: "test" }
}

/// A fleet that nobody has looked at yet.
pub fn loading() -> Snapshot {
    Snapshot {
        at: NOW,
        started: ago(1),
        simulated: false,
        fleet: Arc::new(Fleet::new(backends(), Spend::new(ago(1), Day(1), Some(usd(10.0))))),
        policy: Arc::new(Policy::default()),
        telemetry: Arc::new(Telemetry::default()),
        accepted: 0,
        in_flight: 0,
        store: Default::default(),
    }
}

pub fn backend<'a>(fleet: &'a mut Fleet, id: &str) -> &'a mut Backend {
    let found = fleet.backends.iter_mut().find(|one| one.spec.id.as_str() == id).expect("a backend");
    Arc::make_mut(found)
}

fn traffic(fleet: &mut Fleet, id: &str, count: i64, base: u32, failures: &[i64]) {
    let tier = fleet.backend(&id.into()).expect("a backend").spec.tier;
    for index in 0..count {
        // A pattern that looks like traffic, the same in every run.
        let swing = (index * 37 % 17) as u32 * base / 20 + (index * 11 % 5) as u32 * base / 9;
        let sample = Sample {
            at: ago(290 - index * 280 / count.max(1)),
            ok: !failures.contains(&index),
            first_token_ms: Some(base + swing),
            total_ms: (base + swing) * 4,
            tokens_per_second: Some(62.0),
            longest_pause_ms: None,
        };
        let state = &mut fleet.tiers[tier.index()];
        Arc::make_mut(&mut state.history).push(&sample);
        state.summary = state.history.window.summary(NOW);
        let model = &mut backend(fleet, id).models[0];
        Arc::make_mut(&mut model.history).push(&sample);
        model.summary = model.history.window.summary(NOW);
        model.pace = model.history.window.pace(None);
    }
}

/// A fleet at work: a drain under way, a pin, a missing key, a pod, money spent.
pub fn working() -> Snapshot {
    let mut snapshot = loading();
    snapshot.started = ago(4_000);
    let mut spend = Spend::new(ago(4_000), Day(1), Some(usd(10.0)));
    spend.rent(usd(1.64), Money::ZERO, ago(3_600));
    spend.advance(NOW, Day(1));
    let usage = Usage { input: 1_830, output: 612, ..Usage::default() };
    for index in 0..38 {
        let cost = Cost::known(usd(0.012 + f64::from(index) * 0.0011), CostBasis::Priced);
        spend.settle(&purpose(Tier::Claude), Money::ZERO, cost, Some(&usage), ago(i64::from(400 - index * 10)));
    }
    for _ in 0..112 {
        spend.settle(
            &purpose(Tier::Local),
            Money::ZERO,
            Cost::known(Money::ZERO, CostBasis::Priced),
            Some(&usage),
            ago(100),
        );
    }
    for index in 0..9 {
        let cost = if index < 2 { Cost::UNKNOWN } else { Cost::known(usd(0.0093), CostBasis::Estimated) };
        spend.settle(&purpose(Tier::Frontier), Money::ZERO, cost, Some(&usage), ago(60 - index));
    }
    spend.reserve(usd(0.084), &purpose(Tier::Claude)).expect("within the limit");
    let mut fleet = Fleet::new(backends(), spend);
    for (id, health, detail, probed) in [
        ("anthropic", Health::Up, "", 3),
        ("workstation", Health::Up, "ollama 0.13.2", 5),
        ("laptop", Health::Degraded, "probe took 2.1 s", 4),
        ("vllm-a100", Health::Up, "2 workers", 11),
        ("litellm", Health::Up, "", 8),
    ] {
        let one = backend(&mut fleet, id);
        (one.health, one.detail, one.probed_at) = (health, detail.into(), Some(ago(probed)));
        one.probe_took = Some(Duration::from_millis(42));
    }
    traffic(&mut fleet, "anthropic", 60, 620, &[]);
    traffic(&mut fleet, "workstation", 110, 90, &[]);
    traffic(&mut fleet, "vllm-a100", 12, 1_400, &[3, 4]);
    traffic(&mut fleet, "litellm", 24, 900, &[9]);
    backend(&mut fleet, "anthropic").models[0].sent = vec![ago(12), ago(3)];
    backend(&mut fleet, "workstation").models[0].sent = vec![ago(1)];
    backend(&mut fleet, "vllm-a100").models[0].sent = vec![ago(14), ago(9), ago(2)];
    backend(&mut fleet, "workstation").models[0].loaded = Some(true);
    fleet.tiers[Tier::Gpu.index()].admin = Admin {
        state: AdminState::Drain,
        by: "operator".into(),
        since: ago(40),
        until: Some(Timestamp(NOW.0 + 860_000)),
        reason: "".into(),
    };
    fleet.pins.push(Pin {
        target: Arc::new(Target::Backend("workstation".into())),
        scope: PinScope::Task(crate::domain::task::Task::Extraction),
        only: false,
        by: "operator".into(),
        since: ago(300),
        until: Some(Timestamp(NOW.0 + 1_500_000)),
        reason: "".into(),
    });
    snapshot.fleet = Arc::new(fleet);
    snapshot.telemetry = Arc::new(telemetry());
    (snapshot.accepted, snapshot.in_flight) = (159, 6);
    snapshot
}

fn telemetry() -> Telemetry {
    let gib = |n: f64| Some((n * f64::from(1 << 30)) as u64);
    Telemetry {
        local: GpuReadings::Ok {
            gpus: vec![GpuSample {
                name: "NVIDIA GeForce RTX 4090".into(),
                utilisation: Some(63),
                memory_used: gib(18.2),
                memory_total: gib(24.0),
                temperature: Some(71),
                slowdown_temperature: Some(90),
                power: Some(312),
                power_limit: Some(450),
                fan: Some(58),
                ..GpuSample::default()
            }],
            at: ago(2),
        },
        runpod: GpuReadings::Ok {
            gpus: vec![GpuSample {
                name: "vllm-a100".into(),
                model: Some("A100 80GB".into()),
                utilisation: Some(88),
                memory_percent: Some(91),
                hourly: Some(usd(1.64)),
                state: Some("RUNNING".into()),
                billed: true,
                uptime_seconds: Some(12_340),
                ..GpuSample::default()
            }],
            at: ago(14),
        },
        runpod_balance: Some(usd(23.5)),
        host: Some(HostSample { cpu: 37.0, memory_used: 21 << 30, memory_total: 64 << 30, at: ago(1) }),
    }
}

/// A fleet in trouble: a refused key, a breaker, a dead host, a failing API, a budget nearly gone.
pub fn failing() -> Snapshot {
    let mut snapshot = working();
    let fleet = Arc::make_mut(&mut snapshot.fleet);
    let spend = Arc::make_mut(&mut fleet.spend);
    let cost = Cost::known(usd(6.9), CostBasis::Priced);
    spend.settle(&purpose(Tier::Claude), Money::ZERO, cost, None, ago(20));
    backend(fleet, "anthropic").trouble = Some(Trouble::KeyRefused { since: ago(9) });
    let down = backend(fleet, "workstation");
    (down.health, down.detail) = (Health::Down, "connection refused (111)".into());
    down.models[0].sent.clear();
    let litellm = backend(fleet, "litellm");
    for _ in 0..3 {
        let pass = litellm.breaker.admit(ago(1));
        litellm.breaker.fail(pass, Severity::Strike, ago(1));
    }
    let telemetry = Arc::make_mut(&mut snapshot.telemetry);
    telemetry.local = GpuReadings::Absent { why: "no NVIDIA driver (NVML not found)".into() };
    let last = telemetry.runpod.samples().to_vec();
    telemetry.runpod = GpuReadings::Failed {
        why: "HTTP 401: key refused".into(),
        retry_at: Timestamp(NOW.0 + 8_000),
        last,
        at: Some(ago(95)),
    };
    snapshot
}

/// A decision as the engine would make it.
pub fn decision(snapshot: &Snapshot, number: u128, text: &str, at: Timestamp) -> Arc<Decision> {
    demanding(snapshot, number, Prompt::user(text), Constraints::default(), at)
}

/// The same under demands.
pub fn demanding(
    snapshot: &Snapshot,
    number: u128,
    prompt: Prompt,
    constraints: Constraints,
    at: Timestamp,
) -> Arc<Decision> {
    let prompt = Arc::new(prompt);
    let analysis = analyse(&prompt, None);
    let guarded = Guarded::inspect(Arc::clone(&prompt), constraints.privacy, &snapshot.policy.guard);
    let request = Request {
        id: RequestId(Uuid::from_u128(0x0191_0000_0000_7000_8000_0000_0000_0000 + number * 0x1357)),
        prompt,
        constraints,
        caller: "operator".into(),
        chance: 1.0,
    };
    Arc::new(decide(request.matter(&analysis, guarded.verdict()), &snapshot.fleet, &snapshot.policy, at))
}

pub fn attempt(decision: &Decision, number: u32, outcome: Result<Finish, Failure>) -> Arc<Attempt> {
    let nobody = Candidate {
        tier: Tier::Local,
        backend: "nobody".into(),
        model: "none".into(),
        preferred: false,
        last_resort: false,
        estimate: Estimate::default(),
        score: 0.0,
        terms: [Term { part: Part::Tier, value: 0.0, weight: 0.0 }; 9],
    };
    let last = decision.candidates.len().saturating_sub(1);
    let one = decision.candidates.get((number as usize - 1).min(last)).unwrap_or(&nobody);
    let good = outcome.is_ok();
    Arc::new(Attempt {
        request: decision.request,
        number,
        tier: one.tier,
        backend: one.backend.clone(),
        model: one.model.clone(),
        last_resort: one.last_resort,
        started: decision.at,
        first_token: good.then_some(Duration::from_millis(640)),
        total: Duration::from_millis(if good { 4_210 } else { 12 }),
        outcome,
        delivered: good,
        usage: good.then_some(Usage { input: 310, output: 214, ..Usage::default() }),
        cost: if good {
            Cost::known(usd(0.0069), CostBasis::Priced)
        } else {
            Cost::known(Money::ZERO, CostBasis::Priced)
        },
        predicted: one.estimate.cost,
    })
}

pub fn dispatched(decision: &Decision) -> Dispatched {
    let first = attempt(decision, 1, Ok(Finish::Stop));
    Dispatched {
        request: decision.request,
        attempt: 1,
        tier: first.tier,
        backend: first.backend.clone(),
        model: first.model.clone(),
        at: decision.at,
    }
}

pub fn finished(decision: &Decision, attempts: Vec<Arc<Attempt>>, outcome: Outcome) -> Fact {
    Fact::Finished(Arc::new(Finished {
        request: decision.request,
        at: decision.at,
        outcome,
        why: (outcome != Outcome::Answered).then(|| "every attempt failed; the last one: overloaded".to_owned()),
        total: Duration::from_millis(4_222),
        attempts,
    }))
}

/// Facts of a few minutes.
pub fn facts(snapshot: &Snapshot) -> Vec<Fact> {
    let overloaded = || Err(Failure::new(FailureClass::Overloaded, "no capacity"));
    let mut facts = Vec::new();
    let first = decision(snapshot, 1, "Write a function that sorts a list", ago(190));
    let answer = attempt(&first, 1, Ok(Finish::Stop));
    facts.extend([
        Fact::Decided(Arc::clone(&first)),
        Fact::Dispatched(dispatched(&first)),
        Fact::Attempted(Arc::clone(&answer)),
        finished(&first, vec![answer], Outcome::Answered),
    ]);
    facts.push(Fact::Health(Arc::new(HealthChange {
        at: ago(150),
        tier: Tier::Local,
        backend: "laptop".into(),
        from: Health::Up,
        to: Health::Degraded,
        why: "probe took 2.1 s".into(),
    })));
    let second = decision(snapshot, 2, "Extract the mail of ada@example.org as JSON", ago(120));
    let answer = attempt(&second, 1, Ok(Finish::Stop));
    facts.extend([Fact::Decided(Arc::clone(&second)), finished(&second, vec![answer], Outcome::Answered)]);
    let third = decision(snapshot, 3, "Explain step by step why the sky is blue", ago(80));
    let attempts = vec![attempt(&third, 1, overloaded()), attempt(&third, 2, Ok(Finish::Stop))];
    facts.extend([Fact::Decided(Arc::clone(&third)), finished(&third, attempts, Outcome::Answered)]);
    facts.push(Fact::Operator(Arc::new(OperatorAction {
        at: ago(40),
        by: "operator".into(),
        target: Some(Target::Tier(Tier::Gpu)),
        state: Some(AdminState::Drain),
        judged: None,
        words: "drain tier gpu for 15 min".into(),
    })));
    let fourth = decision(snapshot, 4, "Prove that there are infinitely many primes", ago(12));
    facts.extend([
        Fact::Decided(Arc::clone(&fourth)),
        finished(&fourth, vec![attempt(&fourth, 1, overloaded())], Outcome::Failed),
    ]);
    let fifth = decision(snapshot, 5, "Plan a migration of the database", ago(3));
    facts.extend([
        Fact::Decided(Arc::clone(&fifth)),
        Fact::Dispatched(dispatched(&fifth)),
        Fact::FirstToken { request: fifth.request, attempt: 1, after: Duration::from_millis(610) },
    ]);
    facts
}

/// A model, for fleets made at random.
pub fn any_model(id: String) -> Model {
    Model::new(ModelId::from(id), free(), true)
}

/// A backend id.
pub fn id(name: &str) -> BackendId {
    name.into()
}
