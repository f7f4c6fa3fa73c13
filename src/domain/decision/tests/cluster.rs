//! Several hosts as one tier: a request goes where its model is, and where there is room; and a figure from a bad hour
//! locks nobody out.

use super::*;
use crate::domain::decision::Part;
use crate::domain::fleet::AttemptResult;
use crate::domain::health::FoundModel;
use crate::domain::limits::{Allowance, Limits};
use crate::domain::money::Cost;
use crate::domain::task::Task;

const GIB: u64 = 1 << 30;

/// A model on a host: its name, whether it is loaded, its gigabytes, the requests that it is answering.
type Held = (&'static str, bool, u64, usize);

/// Hosts of the local tier, each with its memory in gigabytes, where that is known, and its models.
fn hosts(hosts: &[(&str, Option<u64>, &[Held])]) -> Fleet {
    let backends = hosts.iter().map(|(name, memory, _)| {
        let mut host = backend(Tier::Local, name, &[]);
        let memory = memory.map(|gigabytes| gigabytes * GIB);
        let spec =
            BackendSpec { protocol: Protocol::Ollama, default_pricing: Pricing::Free, memory, ..(*host.spec).clone() };
        host.spec = Arc::new(spec);
        host
    });
    let mut fleet = Fleet::new(backends.collect(), Spend::new(NOW, Day(0), None));
    for (name, _, models) in hosts {
        let found = models.iter().map(|(id, loaded, gigabytes, _)| FoundModel {
            id: (*id).to_owned(),
            loaded: Some(*loaded),
            memory: Some(gigabytes * GIB),
            ..FoundModel::default()
        });
        let report = ProbeReport {
            health: Health::Up,
            detail: String::new(),
            key_refused: false,
            took: Duration::ZERO,
            models: Some(found.collect()),
        };
        fleet.observe(&BackendId::from(*name), report, NOW);
        for (id, _, _, in_flight) in *models {
            for _ in 0..*in_flight {
                let (backend, model) = (BackendId::from(*name), ModelId::from(*id));
                // Held for as long as the fleet lives.
                let permit = fleet.admit(&Ask::to(backend.as_str(), model.as_str()), NOW);
                std::mem::forget(permit.expect("it is up"));
            }
        }
    }
    fleet
}

/// The order in which the hosts are asked for a model.
fn order(fleet: &Fleet, model: &str) -> Vec<String> {
    let wanted = Constraints { model: Some(model.into()), ..Constraints::default() };
    route(fleet, "Rate this action", wanted).candidates.iter().map(|one| one.backend.to_string()).collect()
}

#[test]
fn a_request_goes_where_its_model_is_in_memory_however_busy_that_host_is() {
    let fleet = hosts(&[("cold", Some(96), &[("m", false, 8, 0)]), ("warm", None, &[("m", true, 8, 20)])]);
    assert_eq!(order(&fleet, "m"), ["warm", "cold"]);
}

#[test]
fn of_hosts_that_have_it_in_memory_the_one_with_fewer_in_flight_is_asked() {
    let fleet = hosts(&[("busy", None, &[("m", true, 8, 2)]), ("idle", None, &[("m", true, 8, 1)])]);
    assert_eq!(order(&fleet, "m"), ["idle", "busy"]);
}

#[test]
fn a_second_request_follows_the_first_to_where_its_model_is_being_loaded() {
    let fleet = hosts(&[("roomy", Some(96), &[("m", false, 8, 0)]), ("loading", Some(24), &[("m", false, 8, 1)])]);
    assert_eq!(order(&fleet, "m"), ["loading", "roomy"]);
}

#[test]
fn where_nobody_has_it_the_host_with_the_most_free_memory_is_asked() {
    let fleet = hosts(&[
        ("small", Some(24), &[("m", false, 8, 0), ("other", true, 12, 0)]),
        ("large", Some(48), &[("m", false, 8, 0), ("other", true, 12, 0)]),
    ]);
    assert_eq!(order(&fleet, "m"), ["large", "small"]);
}

#[test]
fn where_the_whole_is_not_known_the_host_with_the_least_in_use_is_asked() {
    let fleet = hosts(&[
        ("full", None, &[("m", false, 8, 0), ("other", true, 20, 0)]),
        ("empty", None, &[("m", false, 8, 0), ("other", true, 4, 0)]),
    ]);
    assert_eq!(order(&fleet, "m"), ["empty", "full"]);
}

#[test]
fn no_host_is_asked_that_would_have_to_drop_a_model_which_is_serving() {
    // More is free on the first, but not enough for both.
    let fleet = hosts(&[
        ("serving", Some(32), &[("m", false, 20, 0), ("other", true, 16, 1)]),
        ("idle", Some(24), &[("m", false, 20, 0), ("other", true, 16, 0)]),
    ]);
    assert_eq!(order(&fleet, "m"), ["idle", "serving"]);
    // Where it is not known what fits, it might have to.
    let fleet = hosts(&[
        ("serving", None, &[("m", false, 20, 0), ("other", true, 4, 1)]),
        ("idle", None, &[("m", false, 20, 0), ("other", true, 16, 0)]),
    ]);
    assert_eq!(order(&fleet, "m"), ["idle", "serving"]);
}

#[test]
fn the_terms_of_a_score_tell_where_a_model_is() {
    let fleet = hosts(&[("warm", None, &[("m", true, 8, 0)]), ("cold", None, &[("m", false, 8, 0)])]);
    let decision = route(&fleet, "Rate this action", Constraints::default());
    let memory: Vec<f32> = decision
        .candidates
        .iter()
        .flat_map(|one| one.terms)
        .filter(|term| term.part == Part::Memory)
        .map(|term| term.value)
        .collect();
    assert!(memory[0] == 1.0 && memory[1] <= 0.25, "{memory:?}");
}

#[test]
fn every_term_stands_where_its_part_says() {
    let decision = route(&fleet(), "Explain tides", Constraints::default());
    let terms = &decision.candidates[0].terms;
    assert!(terms.iter().enumerate().all(|(place, term)| term.part as usize == place), "{terms:?}");
}

#[test]
fn no_term_but_what_was_learnt_outweighs_a_step_between_tiers() {
    let decision = route(&fleet(), "Explain tides", Constraints::default());
    let others: f32 = decision.candidates[0]
        .terms
        .iter()
        .filter(|term| !matches!(term.part, Part::Tier | Part::Learnt))
        .map(|term| term.weight)
        .sum();
    assert!(others < 0.25, "{others}");
}

/// One answer of a local model.
fn answered(fleet: &mut Fleet, first_token_ms: u32, at: Timestamp) {
    let permit = fleet.admit(&Ask::to("ollama", "llama3:8b"), at);
    let sample = Sample {
        at,
        ok: true,
        first_token_ms: Some(first_token_ms),
        total_ms: first_token_ms,
        tokens_per_second: None,
        longest_pause_ms: None,
    };
    let result = AttemptResult { sample: Some(sample), failure: None, usage: None, cost: Cost::UNKNOWN };
    fleet.settle(permit.expect("it is up"), &result, at);
}

#[test]
fn a_backend_that_was_slow_is_urgent_enough_again_after_a_minute() {
    let mut fleet = fleet();
    let urgent = || Constraints { max_latency_ms: Some(100), ..Constraints::default() };
    answered(&mut fleet, 4_000, Timestamp(NOW.0 - 59_000));
    assert!(route(&fleet, "hi", urgent()).candidates.is_empty(), "it was slow just now");
    let mut fleet = super::fleet();
    answered(&mut fleet, 4_000, Timestamp(NOW.0 - 61_000));
    let decision = route(&fleet, "hi", urgent());
    let local = decision.chosen().expect("it gets another chance");
    assert_eq!((local.tier, local.estimate.measured), (Tier::Local, false));
}

#[test]
fn a_request_that_passes_a_limit_goes_elsewhere_and_a_smaller_one_does_not() {
    let mut fleet = fleet();
    let tokens = Some(Allowance { remaining: 1_500, resets_in: Duration::from_secs(30) });
    let limits = Limits { tokens, ..Limits::default() };
    for model in ["opus", "sonnet", "haiku"] {
        fleet.told_limits(&"anthropic".into(), &model.into(), &limits, NOW);
    }
    let long = "Explain tides. ".repeat(2_000);
    // What nobody would write says little of its task, so the task is named.
    let explained = Constraints { task: Some(Task::Explanation), ..Constraints::default() };
    let decision = route(&fleet, &long, explained);
    assert_eq!(code_of(&decision, Tier::Claude), "rate_limited");
    assert_eq!(decision.chosen().expect("another one").tier, Tier::Frontier);
    assert_eq!(chosen(&fleet, "Explain tides", Constraints::default()).0, Tier::Claude);
}
