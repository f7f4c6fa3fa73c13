//! Where requests go: the seed's examples, the order of reasons, and what must hold for any fleet.

mod asked;
mod cluster;
mod learnt;

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use uuid::Uuid;

use super::super::analysis::analyse;
use super::super::fleet::{
    Admin, AdminState, Ask, BackendSpec, KeyState, ModelSpec, Pin, PinScope, Protocol, Timeouts, Timer,
};
use super::super::health::{Health, ProbeReport};
use super::super::latency::Sample;
use super::super::price::{PerToken, PriceRow, Pricing, Rates};
use super::super::privacy::{GuardPolicy, Guarded, Reach};
use super::super::prompt::Prompt;
use super::super::request::Privacy;
use super::super::spend::{Day, Spend};
use super::super::task::Task;
use super::*;
use crate::domain::tier::Target;

const NOW: Timestamp = Timestamp(1_795_000_000_000);

fn priced(usd_in: f64, usd_out: f64) -> Pricing {
    let per = |usd| PerToken::from_usd_per_million(usd).expect("in range");
    let base = Rates { input: per(usd_in), output: per(usd_out), ..Rates::default() };
    Pricing::PerToken { rows: vec![PriceRow { base, ..PriceRow::default() }] }
}

fn backend(tier: Tier, name: &str, models: &[(&str, Pricing, &[Task])]) -> Backend {
    let spec = BackendSpec {
        id: BackendId::from(name),
        tier,
        protocol: Protocol::Openai,
        url: Arc::from("http://test"),
        reach: if tier == Tier::Local { Reach::Inside } else { Reach::Outside },
        key: KeyState::NotNeeded,
        max_in_flight: None,
        timeouts: Timeouts {
            connect: Timer::Set(Duration::from_secs(1)),
            first_token: Timer::Set(Duration::from_secs(30)),
            stall: Timer::Set(Duration::from_secs(30)),
        },
        default_pricing: Pricing::Unknown,
        memory: None,
        warm_up: false,
    };
    let models = models
        .iter()
        .map(|(id, pricing, roles)| {
            let spec = ModelSpec {
                pricing: pricing.clone(),
                roles: roles.to_vec(),
                context: Some(100_000),
                ..ModelSpec::default()
            };
            (ModelId::from(*id), spec)
        })
        .collect();
    Backend::new(spec, models)
}

fn fleet() -> Fleet {
    let claude = [
        ("opus", priced(4.0, 20.0), [Task::Reasoning, Task::Planning].as_slice()),
        ("sonnet", priced(2.0, 10.0), &[Task::Code, Task::Explanation]),
        ("haiku", priced(0.1, 0.5), &[Task::Summary]),
    ];
    Fleet::new(
        vec![
            backend(Tier::Claude, "anthropic", &claude),
            backend(Tier::Local, "ollama", &[("llama3:8b", Pricing::Free, &[])]),
            backend(Tier::Gpu, "runpod", &[("llama3:70b", Pricing::Rented, &[])]),
            backend(Tier::Frontier, "litellm", &[("gpt", priced(2.0, 10.0), &[])]),
        ],
        Spend::new(NOW, Day(0), None),
    )
}

fn route(fleet: &Fleet, text: &str, constraints: Constraints) -> Decision {
    let prompt = Arc::new(Prompt::user(text));
    let analysis = analyse(&prompt, constraints.task);
    let policy = Policy::default();
    let guarded = Guarded::inspect(Arc::clone(&prompt), constraints.privacy, &policy.guard);
    let request = Request { id: RequestId(Uuid::nil()), prompt, constraints, caller: Arc::from("test"), chance: 1.0 };
    decide(request.matter(&analysis, guarded.verdict()), fleet, &policy, NOW)
}

fn chosen(fleet: &Fleet, text: &str, constraints: Constraints) -> (Tier, String) {
    let decision = route(fleet, text, constraints);
    let chosen = decision.chosen().unwrap_or_else(|| panic!("no candidate: {decision:#?}"));
    (chosen.tier, chosen.model.to_string())
}

fn code_of(decision: &Decision, tier: Tier) -> &'static str {
    decision.rejected.iter().find(|one| one.tier == tier).map_or("", |one| one.reason.code())
}

fn drain(fleet: &mut Fleet, tier: Tier) {
    let admin = Admin { state: AdminState::Drain, ..Admin::default() };
    fleet.set_admin(&Target::Tier(tier), admin).expect("tiers always exist");
}

#[test]
fn the_seeds_examples_come_out_as_the_seed_says() {
    let fleet = fleet();
    let none = Constraints::default;
    for (text, constraints, tier) in [
        ("Explain quantum computing", none(), Tier::Claude),
        ("Calculate reward for action", none(), Tier::Local),
        ("Explain this", Constraints { max_latency_ms: Some(100), ..none() }, Tier::Local),
        ("Analyse this record", Constraints { optimize: Optimize::Throughput, ..none() }, Tier::Gpu),
        ("Explain quantum computing", Constraints { max_cost: Some(Money(1_000)), ..none() }, Tier::Local),
        ("Explain quantum computing", Constraints { privacy: Privacy::High, ..none() }, Tier::Local),
        ("hi", Constraints { tier: Some(Tier::Frontier), ..none() }, Tier::Frontier),
    ] {
        let got = chosen(&fleet, text, constraints.clone()).0;
        // A cost limit leaves local and rented GPUs, which cost nothing more per request; both avoid expensive models.
        let cheap = constraints.max_cost.is_some() && got == Tier::Gpu;
        assert!(got == tier || cheap, "{text} {constraints:?}: {got}");
    }
}

#[test]
fn within_a_tier_the_model_meant_for_the_task_is_chosen() {
    let fleet = fleet();
    assert_eq!(chosen(&fleet, "Write a Python function", Constraints::default()).1, "sonnet");
    assert_eq!(chosen(&fleet, "Prove it step by step", Constraints::default()).1, "opus");
    let cheap = Constraints { tier: Some(Tier::Claude), optimize: Optimize::Cost, ..Constraints::default() };
    assert_eq!(chosen(&fleet, "Prove it step by step", cheap).1, "haiku");
}

#[test]
fn a_named_model_is_found_wherever_it_is_and_nothing_else_is() {
    let named = Constraints { model: Some("llama3:70b".into()), ..Constraints::default() };
    let decision = route(&fleet(), "hi", named);
    assert_eq!(decision.candidates.len(), 1);
    assert_eq!(decision.chosen().expect("one").tier, Tier::Gpu);
    let unknown = Constraints { model: Some("gpt-9".into()), ..Constraints::default() };
    assert!(route(&fleet(), "hi", unknown).candidates.is_empty());
}

#[test]
fn a_drained_tier_gives_way_and_the_decision_says_why() {
    let mut fleet = fleet();
    drain(&mut fleet, Tier::Claude);
    let decision = route(&fleet, "Explain tides", Constraints::default());
    assert_eq!(decision.chosen().expect("one").tier, Tier::Frontier);
    assert_eq!(code_of(&decision, Tier::Claude), "drain");
    assert_eq!(decision.headline(), "explanation goes to frontier: tier drained");
}

#[test]
fn a_model_that_an_inside_backend_has_run_elsewhere_is_outside() {
    use super::super::health::FoundModel;
    let mut fleet = fleet();
    fleet.backends[1] = Arc::new(backend(Tier::Local, "ollama", &[("big", Pricing::Free, &[])]));
    let ollama = Arc::make_mut(&mut fleet.backends[1]);
    Arc::make_mut(&mut ollama.models[0].spec).aliases.push("small".into());
    let found = |id: &str, remote| FoundModel { id: id.to_owned(), remote, ..FoundModel::default() };
    let report = ProbeReport {
        health: Health::Up,
        detail: String::new(),
        key_refused: false,
        took: Duration::ZERO,
        // The alias of the one is the id of the other, and only the first of them leaves this machine.
        models: Some(vec![found("big", true), found("small", false)]),
    };
    fleet.observe(&"ollama".into(), report, NOW);
    for (text, privacy, code) in
        [("hi", Privacy::High, "privacy_asked"), ("hi ada@example.org", Privacy::Standard, "privacy_found")]
    {
        let decision = route(&fleet, text, Constraints { privacy, ..Constraints::default() });
        assert!(decision.candidates.is_empty(), "{:?}", decision.candidates);
        assert_eq!(code_of(&decision, Tier::Local), code);
    }
    let permit = fleet.admit(&Ask::to("ollama", "big"), NOW).expect("it is up");
    assert_eq!(permit.reach, Reach::Outside);
    fleet.release(permit, NOW);
}

#[test]
fn an_aim_whose_own_tier_cannot_serve_is_not_said_to_be_met() {
    let mut fleet = fleet();
    let bulk = Constraints { optimize: Optimize::Throughput, ..Constraints::default() };
    assert_eq!(route(&fleet, "hi", bulk.clone()).headline(), "gpu is best for throughput");
    drain(&mut fleet, Tier::Gpu);
    assert_eq!(route(&fleet, "hi", bulk).headline(), "local stands in for throughput: tier drained");
}

#[test]
fn every_backend_not_taken_has_a_reason() {
    let decision = route(&fleet(), "hi", Constraints { privacy: Privacy::High, ..Constraints::default() });
    for tier in [Tier::Claude, Tier::Gpu, Tier::Frontier] {
        assert_eq!(code_of(&decision, tier), "privacy_asked");
    }
}

#[test]
fn an_ill_backend_is_the_last_resort_and_only_when_nothing_healthy_is_left() {
    let mut fleet = fleet();
    let down = |detail: &str| ProbeReport {
        health: Health::Down,
        detail: detail.to_owned(),
        key_refused: false,
        took: Duration::ZERO,
        models: None,
    };
    fleet.observe(&BackendId::from("ollama"), down("connection refused"), NOW);
    let elsewhere = route(&fleet, "Rate this action", Constraints::default());
    assert_ne!(elsewhere.chosen().expect("others are up").tier, Tier::Local);
    let private = route(&fleet, "Rate this action", Constraints { privacy: Privacy::High, ..Constraints::default() });
    let only = private.chosen().expect("better than refusing for certain");
    assert!(only.last_resort && only.tier == Tier::Local);
    assert_eq!(private.headline(), "local as the last resort: nothing healthy is left");
    drain(&mut fleet, Tier::Local);
    let refused = route(&fleet, "Rate this action", Constraints { privacy: Privacy::High, ..Constraints::default() });
    assert!(refused.candidates.is_empty(), "what the operator drained is no last resort");
}

#[test]
fn measured_latency_counts_against_a_limit_once_there_is_any() {
    let mut fleet = fleet();
    let permit = fleet.admit(&Ask::to("ollama", "llama3:8b"), NOW).expect("it is up");
    let sample = Sample {
        at: NOW,
        ok: true,
        first_token_ms: Some(450),
        total_ms: 900,
        tokens_per_second: None,
        longest_pause_ms: None,
    };
    let result = super::super::fleet::AttemptResult {
        sample: Some(sample),
        failure: None,
        usage: None,
        cost: super::super::money::Cost::UNKNOWN,
    };
    fleet.settle(permit, &result, NOW);
    let decision = route(&fleet, "hi", Constraints { max_latency_ms: Some(100), ..Constraints::default() });
    assert!(decision.candidates.is_empty());
    let local = decision.rejected.iter().find(|one| one.tier == Tier::Local).expect("it was considered");
    assert_eq!(local.reason.to_string(), "first token p95 450 ms > 100 ms");
}

#[test]
fn a_pin_to_what_cannot_serve_is_void_and_says_so() {
    let mut fleet = fleet();
    fleet
        .pin(Pin {
            target: Arc::new(Target::Tier(Tier::Claude)),
            scope: PinScope::All,
            only: true,
            by: Arc::from("test"),
            since: NOW,
            until: None,
            reason: Arc::from(""),
        })
        .expect("tiers always exist");
    let decision = route(&fleet, "hi", Constraints { privacy: Privacy::High, ..Constraints::default() });
    assert!(decision.pin.as_ref().is_some_and(|pin| pin.void));
    assert!(decision.candidates.is_empty(), "an only-pin never widens and never falls through");
}

#[test]
fn the_headline_names_what_the_operator_can_do_something_about() {
    let private = || Constraints { privacy: Privacy::High, ..Constraints::default() };
    let mut one = fleet();
    drain(&mut one, Tier::Local);
    assert_eq!(route(&one, "Explain tides", private()).headline(), "nobody can serve it: tier drained");
    // The others are out because another backend was asked for; that is no news to who asked for it.
    let asked = Constraints { backend: Some("ollama".into()), ..Constraints::default() };
    assert_eq!(route(&one, "Explain tides", asked).headline(), "nobody can serve it: tier drained");
    drain(&mut one, Tier::Claude);
    let asked = |fallback| Constraints { tier: Some(Tier::Claude), fallback, ..Constraints::default() };
    assert_eq!(
        route(&one, "Explain tides", asked(true)).headline(),
        "frontier stands in for tier claude: tier drained"
    );
    assert_eq!(route(&fleet(), "hi", asked(true)).headline(), "the request asks for tier claude");
    let model = Constraints { model: Some("opus".into()), fallback: true, ..Constraints::default() };
    assert_eq!(route(&fleet(), "hi", model.clone()).headline(), "the request asks for model opus");
    assert_eq!(route(&one, "Explain tides", model).headline(), "frontier stands in for model opus: tier drained");
}

#[test]
fn a_pin_that_allows_nothing_else_reaches_an_ill_target_as_the_last_resort() {
    let mut fleet = fleet();
    let down = ProbeReport {
        health: Health::Down,
        detail: "connection refused".to_owned(),
        key_refused: false,
        took: Duration::ZERO,
        models: None,
    };
    fleet.observe(&"runpod".into(), down, NOW);
    let pin = |only| Pin {
        target: Arc::new(Target::Tier(Tier::Gpu)),
        scope: PinScope::All,
        only,
        by: Arc::from("test"),
        since: NOW,
        until: None,
        reason: Arc::from(""),
    };
    fleet.pin(pin(true)).expect("tiers always exist");
    let decision = route(&fleet, "hi", Constraints::default());
    let only = decision.chosen().expect("better than refusing for certain");
    assert!(only.last_resort && only.tier == Tier::Gpu && decision.candidates.len() == 1);
    fleet.pin(pin(false)).expect("tiers always exist");
    assert!(route(&fleet, "hi", Constraints::default()).chosen().is_some_and(|one| one.tier != Tier::Gpu));
}

#[test]
fn the_chosen_tier_stands_where_scripts_look_for_it() {
    let json = serde_json::to_value(route(&fleet(), "Explain tides", Constraints::default())).expect("serialises");
    assert_eq!(json["chosen"]["tier"], "claude");
    assert!(json["rejected"].is_array() && json["why"].is_string());
}

#[test]
fn an_ollama_that_has_not_told_where_its_models_run_gets_no_private_prompt() {
    let mut local = backend(Tier::Local, "ollama", &[("llama3:8b", Pricing::Free, &[])]);
    local.spec = Arc::new(BackendSpec { protocol: Protocol::Ollama, ..(*local.spec).clone() });
    let fleet = |told: bool| {
        let mut local = local.clone();
        if told {
            local.models[0].presence = super::super::fleet::Presence::Present;
        }
        Fleet::new(vec![local], Spend::new(NOW, Day(0), None))
    };
    let private = Constraints { privacy: Privacy::High, ..Constraints::default() };
    assert_eq!(code_of(&route(&fleet(false), "hi", private.clone()), Tier::Local), "unlocated");
    assert!(route(&fleet(false), "hi", Constraints::default()).chosen().is_some());
    assert!(route(&fleet(true), "hi", private).chosen().is_some());
}

fn healths() -> impl Strategy<Value = Health> {
    proptest::sample::select(vec![Health::Up, Health::Degraded, Health::Down, Health::Warming, Health::Unknown])
}

proptest! {
    /// Whatever the fleet is like, a private request has no candidate outside, and candidates and rejections together
    /// speak for every backend.
    #[test]
    fn private_requests_have_no_candidate_outside(
        health in proptest::collection::vec(healths(), 4),
        drained in proptest::collection::vec(any::<bool>(), 4),
        pinned in proptest::option::of((0_usize..4, any::<bool>())),
        by_finding in any::<bool>(),
        tier in proptest::option::of(0_usize..4),
        fallback in any::<bool>(),
    ) {
        let mut fleet = fleet();
        for (index, tier) in Tier::ALL.into_iter().enumerate() {
            let id = fleet.backends[index].spec.id.clone();
            let report = ProbeReport {
                health: health[index], detail: String::new(), key_refused: false, took: Duration::ZERO, models: None,
            };
            fleet.observe(&id, report, NOW);
            if drained[index] {
                drain(&mut fleet, tier);
            }
        }
        if let Some((index, only)) = pinned {
            let target = Arc::new(Target::Tier(Tier::ALL[index]));
            let pin = Pin {
                target, scope: PinScope::All, only, by: Arc::from("t"), since: NOW, until: None, reason: Arc::from(""),
            };
            fleet.pin(pin).expect("tiers always exist");
        }
        let text = if by_finding { "write to ada@example.org" } else { "hi" };
        let privacy = if by_finding { Privacy::Standard } else { Privacy::High };
        let constraints = Constraints { privacy, tier: tier.map(|i| Tier::ALL[i]), fallback, ..Constraints::default() };
        let decision = route(&fleet, text, constraints);
        prop_assert!(decision.candidates.iter().all(|one| one.tier == Tier::Local));
        for backend in &fleet.backends {
            let id = &backend.spec.id;
            let spoken_for = decision.candidates.iter().any(|one| one.backend == *id)
                || decision.rejected.iter().any(|one| one.backend == *id);
            prop_assert!(spoken_for, "{id}");
        }
    }
}

/// A backend of any kind: a tier, whether it is on this machine, whether it speaks Ollama's protocol, and its models as
/// (run elsewhere, told of by the backend).
fn any_backend() -> impl Strategy<Value = (usize, bool, bool, Vec<(bool, bool)>)> {
    (0_usize..4, any::<bool>(), any::<bool>(), proptest::collection::vec((any::<bool>(), any::<bool>()), 0..3))
}

fn built(number: usize, tier: usize, inside: bool, ollama: bool, models: &[(bool, bool)]) -> Backend {
    let mut one = backend(Tier::ALL[tier], &format!("b{number}"), &[]);
    one.spec = Arc::new(BackendSpec {
        // The configuration lets no other tier be inside; the decision must not depend on that.
        reach: if inside { Reach::Inside } else { Reach::Outside },
        protocol: if ollama { Protocol::Ollama } else { Protocol::Openai },
        ..(*one.spec).clone()
    });
    for (index, (remote, told)) in models.iter().enumerate() {
        let spec = ModelSpec { pricing: Pricing::Free, remote: *remote, ..ModelSpec::default() };
        let mut model = Model::new(ModelId::from(format!("m{index}")), spec, true);
        if *told {
            model.presence = super::super::fleet::Presence::Present;
        }
        one.models.push(model);
    }
    one
}

proptest! {
    /// Over random fleets and configurations: whatever the rules, the chain, the pins and the limits say, every candidate
    /// of a private request runs on this machine.
    #[test]
    fn private_candidates_run_on_this_machine_in_any_fleet(
        parts in proptest::collection::vec(any_backend(), 0..8),
        health in proptest::collection::vec(healths(), 8),
        chain in proptest::collection::vec(0_usize..4, 0..4),
        preferred in proptest::collection::vec(0_usize..4, 0..4),
        pinned in proptest::option::of((0_usize..8, any::<bool>())),
        limit in proptest::option::of(0_i64..1_000),
        model in proptest::option::of(0_usize..3),
        fallback in any::<bool>(),
        by_finding in any::<bool>(),
    ) {
        let backends: Vec<Backend> = parts
            .iter()
            .enumerate()
            .map(|(number, (tier, inside, ollama, models))| built(number, *tier, *inside, *ollama, models))
            .collect();
        let mut fleet = Fleet::new(backends, Spend::new(NOW, Day(0), limit.map(Money)));
        for (backend, health) in fleet.backends.clone().iter().zip(&health) {
            let report = ProbeReport {
                health: *health, detail: String::new(), key_refused: false, took: Duration::ZERO, models: None,
            };
            fleet.observe(&backend.spec.id, report, NOW);
        }
        if let Some((number, only)) = pinned {
            let target = Arc::new(Target::Backend(BackendId::from(format!("b{number}"))));
            // A pin on a backend that does not exist is refused, which is just as well here.
            drop(fleet.pin(Pin {
                target, scope: PinScope::All, only, by: Arc::from("t"), since: NOW, until: None, reason: Arc::from(""),
            }));
        }
        let tiers = |indices: &[usize]| indices.iter().map(|index| Tier::ALL[*index]).collect::<Vec<_>>();
        let rule = super::super::policy::Rule { tiers: tiers(&preferred), model: None };
        let policy = Policy {
            rules: Task::ALL.into_iter().map(|task| (task, rule.clone())).collect(),
            fallback_chain: tiers(&chain),
            ..Policy::default()
        };
        let text = if by_finding { "write to ada@example.org" } else { "hi" };
        let privacy = if by_finding { Privacy::Standard } else { Privacy::High };
        let constraints = Constraints {
            privacy, model: model.map(|index| ModelId::from(format!("m{index}"))), fallback, ..Constraints::default()
        };
        let prompt = Arc::new(Prompt::user(text));
        let analysis = analyse(&prompt, None);
        let guarded = Guarded::inspect(Arc::clone(&prompt), privacy, &policy.guard);
        let request = Request { id: RequestId(Uuid::nil()), prompt, constraints, caller: Arc::from("test"), chance: 1.0 };
        let decision = decide(request.matter(&analysis, guarded.verdict()), &fleet, &policy, NOW);
        for candidate in &decision.candidates {
            let backend = fleet.backend(&candidate.backend).expect("it is of this fleet");
            let model = backend.model(&candidate.model).expect("it is of this backend");
            prop_assert_eq!(backend.reach_of(model), Reach::Inside);
            prop_assert!(backend.spec.reach == Reach::Inside && !model.spec.remote);
        }
    }
}
