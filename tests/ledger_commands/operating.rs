//! What an operator says at a shell holds in every running engine, and at the next start.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use llm_call::demo::{self, Simulation};
use llm_call::domain::fleet::{AdminState, PinScope};
use llm_call::domain::task::Task;
use llm_call::domain::tier::Target;
use llm_call::engine::{Options, Snapshot};
use llm_call::store::keeper::Store;
use llm_call::{Constraints, Engine, Prompt, Tier};
use serde_json::Value;

use super::{folder, json, options, rows, run, told};

const PATIENCE: Duration = Duration::from_secs(30);

/// An engine on the simulated store, as the dashboard of a demonstration has one.
async fn start(simulation: &Simulation, state: &Path) -> Engine {
    let store = Store::open(options(state)).await.expect("the store opens");
    let options = Options { simulated: true, telemetry: false, store: Some(store), ..Options::default() };
    let engine = Engine::start(simulation.config(), options).expect("the simulation's configuration is good");
    engine.first_probes(PATIENCE).await;
    engine
}

async fn simulate() -> Simulation {
    let options = demo::Options { speed: 400.0, ..demo::Options::default() };
    Simulation::start(options).await.expect("loopback ports are to be had")
}

async fn until(engine: &Engine, what: &str, holds: impl Fn(&Snapshot) -> bool) {
    let mut snapshots = engine.snapshots();
    let seen = tokio::time::timeout(PATIENCE, snapshots.wait_for(|snapshot| holds(snapshot))).await;
    assert!(seen.is_ok_and(|seen| seen.is_ok()), "{what} never came");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_from_a_shell_holds_in_a_running_engine_and_in_a_later_one() {
    let (simulation, state) = (simulate().await, folder());
    let engine = start(&simulation, state.path()).await;
    let out = told(state.path(), &["drain", "claude", "--for", "1h", "--reason", "key rotation"]);
    assert!(out.starts_with("drain tier claude for 60 min (key rotation)\n"), "{out}");
    assert!(out.contains("`llm-call ready claude` takes it back"), "{out}");
    assert!(out.contains("1 other program runs on this store"), "{out}");
    let state_of = |snapshot: &Snapshot| snapshot.fleet.tier(Tier::Claude).admin.state;
    until(&engine, "the drain", |snapshot| state_of(snapshot) == AdminState::Drain).await;
    let admin = engine.snapshot().fleet.tier(Tier::Claude).admin.clone();
    assert_eq!((&*admin.by, &*admin.reason), ("ada", "key rotation"));
    assert_eq!(admin.until.map(|until| until.since(admin.since)), Some(Duration::from_secs(3_600)));
    let decision = engine.explain(&Prompt::user("Explain tides"), &Constraints::default(), &Arc::from("test"));
    assert_ne!(decision.chosen().map(|chosen| chosen.tier), Some(Tier::Claude));
    engine.shutdown(PATIENCE).await;

    let tiers = json(state.path(), &["tiers", "--json"]);
    let claude = rows(&tiers["backends"]).iter().find(|backend| backend["tier"] == "claude").expect("there is one");
    assert_eq!((&claude["admin"], &claude["routable"]), (&"drain".into(), &false.into()));
    assert_eq!(tiers["held"][0]["admin"]["by"], "ada");
    let out = told(state.path(), &["tiers"]);
    assert!(out.contains("drain: tier claude, by ada, until ") && out.contains("(key rotation)"), "{out}");
    let audit = json(state.path(), &["audit", "--kind", "operator", "--json"]);
    let done: Vec<(&Value, &Value)> = rows(&audit["audit"]).iter().map(|row| (&row["by"], &row["what"])).collect();
    assert_eq!(done, [(&"ada".into(), &"drain tier claude for 60 min (key rotation)".into())], "it is told once");

    let out = told(state.path(), &["ready", "claude"]);
    assert!(out.contains("no other program runs on this store"), "{out}");
    let tiers = json(state.path(), &["tiers", "--json"]);
    assert!(rows(&tiers["backends"]).iter().all(|backend| backend["admin"] == "ready"), "{tiers}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pins_from_a_shell_are_added_replaced_and_taken_away_one_by_one() {
    let (simulation, state) = (simulate().await, folder());
    let engine = start(&simulation, state.path()).await;
    told(state.path(), &["pin", "gpu", "--only", "--task", "code", "--reason", "trial"]);
    told(state.path(), &["pin", "rtx-4090", "--caller", "nightly"]);
    until(&engine, "both pins", |snapshot| snapshot.fleet.pins.len() == 2).await;
    let pins = engine.snapshot().fleet.pins.clone();
    assert_eq!(
        (&*pins[0].target, &pins[0].scope, pins[0].only),
        (&Target::Tier(Tier::Gpu), &PinScope::Task(Task::Code), true)
    );
    assert_eq!((&*pins[0].by, &*pins[1].by, &pins[1].scope), ("ada", "ada", &PinScope::Caller("nightly".into())));
    // The same target and the same requests: it takes the other's place.
    told(state.path(), &["pin", "gpu", "--task", "code", "--for", "1h"]);
    until(&engine, "the new pin", |snapshot| snapshot.fleet.pins.iter().any(|pin| pin.until.is_some())).await;
    let code = engine.snapshot().fleet.pins.iter().filter(|pin| pin.scope == PinScope::Task(Task::Code)).count();
    assert_eq!((engine.snapshot().fleet.pins.len(), code), (2, 1));
    told(state.path(), &["unpin", "rtx-4090"]);
    until(&engine, "the pin's end", |snapshot| snapshot.fleet.pins.len() == 1).await;
    engine.shutdown(PATIENCE).await;
    let out = told(state.path(), &["tiers"]);
    assert!(out.contains("pin: code requests to tier gpu, by ada, until "), "{out}");
    let (code, _, err) = run(state.path(), &["unpin", "rtx-4090"]);
    assert!(code == 2 && err.contains("there are pins to: gpu (code requests)"), "{code} {err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_model_that_only_a_probe_finds_is_drained_at_the_next_start_as_well() {
    let (simulation, state) = (simulate().await, folder());
    let mut config = simulation.config();
    config.backends.iter_mut().for_each(|backend| backend.models.clear());
    let open = async || {
        let store = Store::open(options(state.path())).await.expect("the store opens");
        let options = Options { simulated: true, telemetry: false, store: Some(store), ..Options::default() };
        Engine::start(config.clone(), options).expect("the configuration is good")
    };
    told(state.path(), &["drain", "rtx-4090/llama3:8b"]);
    let target = Target::Model("rtx-4090".into(), "llama3:8b".into());
    let engine = open().await;
    engine.first_probes(PATIENCE).await;
    until(&engine, "the drain", |snapshot| {
        snapshot.fleet.admin(&target).is_some_and(|admin| admin.state == AdminState::Drain)
    })
    .await;
    engine.shutdown(PATIENCE).await;
}

#[test]
fn a_part_that_is_made_ready_within_one_that_is_not_is_told_what_still_keeps_requests_away() {
    let state = folder();
    told(state.path(), &["maint", "claude"]);
    told(state.path(), &["drain", "gpu"]);
    told(state.path(), &["drain", "anthropic"]);
    let (code, _, err) = run(state.path(), &["ready", "anthropic"]);
    assert!(code == 0 && err.contains("note: tier claude is in maint by a word of its own"), "{code} {err}");
    assert!(!err.contains("gpu"), "what lies elsewhere is no matter: {err}");
    // A model that is not configured may be one that a probe finds.
    let (code, out, err) = run(state.path(), &["drain", "anthropic/claude-next"]);
    assert!(code == 0 && out.starts_with("drain model claude-next on anthropic\n"), "{code} {out}");
    assert!(err.contains("claude-next is not configured for anthropic"), "{err}");
}
