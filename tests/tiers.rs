//! Promise: the engine reaches all four tiers over their real protocols, streamed and whole, and moves on when one fails.
//!
//! The upstreams are the demonstration's: real HTTP servers on loopback.
#![expect(clippy::expect_used, reason = "what cannot go on fails")]

use std::str::FromStr;
use std::time::Duration;

use llm_call::demo::{self, Fault, FaultKind, Simulation};
use llm_call::domain::id::BackendId;
use llm_call::engine::Options;
use llm_call::{CallError, Engine, Optimize, Privacy, Progress, Tier};

struct World {
    engine: Engine,
    simulation: Simulation,
}

impl World {
    async fn start() -> Self {
        let options = demo::Options { speed: 50.0, ..demo::Options::default() };
        let simulation = Simulation::start(options).await.expect("loopback ports are to be had");
        let engine = Engine::start(simulation.config(), Options { simulated: true, ..Options::default() })
            .expect("the simulation's configuration is good");
        engine.first_probes(Duration::from_secs(10)).await;
        Self { engine, simulation }
    }

    async fn stop(self) {
        self.engine.shutdown(Duration::from_secs(5)).await;
        self.simulation.shutdown().await;
    }
}

#[tokio::test]
async fn every_backend_answers_streamed_and_whole_with_tokens_and_a_cost() {
    let world = World::start().await;
    let config = world.simulation.config();
    for backend in &config.backends {
        let id = &backend.spec.id;
        let call = || world.engine.call("Explain tides").backend(id.clone());
        let whole = call().await.unwrap_or_else(|error| panic!("{id}: {error}"));
        assert!(!whole.text.is_empty(), "{id}");
        assert_eq!(whole.ending.backend, *id);
        let mut answer = call().stream().unwrap_or_else(|error| panic!("{id}: {error}"));
        let (mut text, mut pieces) = (String::new(), 0);
        let ending = loop {
            match answer.next().await.expect("an end comes") {
                Progress::Text(piece) => {
                    text.push_str(&piece);
                    pieces += 1;
                }
                Progress::Ended(end) => break end.unwrap_or_else(|error| panic!("{id}: {error}")),
                _ => {}
            }
        };
        assert!(!text.is_empty() && pieces > 1, "{id}: {pieces} pieces");
        for ending in [&whole.ending, &ending] {
            assert!(ending.usage.is_some_and(|usage| usage.prompt() > 0 && usage.output > 0), "{id}: {ending:?}");
            assert!(ending.cost.amount.is_some(), "{id}: {ending:?}");
        }
    }
    world.stop().await;
}

#[tokio::test]
async fn the_seeds_access_patterns_reach_their_tiers() {
    let world = World::start().await;
    let engine = &world.engine;
    let tier = |reply: Result<llm_call::Reply, CallError>| reply.expect("answered").ending.tier;
    assert_eq!(tier(engine.call("Explain quantum computing").await), Tier::Claude);
    assert_eq!(tier(engine.call("Calculate reward for action").await), Tier::Local);
    assert_eq!(tier(engine.claude("hi").await), Tier::Claude);
    assert_eq!(tier(engine.local("hi").await), Tier::Local);
    assert_eq!(tier(engine.gpu("hi").await), Tier::Gpu);
    assert_eq!(tier(engine.frontier("hi").await), Tier::Frontier);
    assert_eq!(tier(engine.call("my card is 4111 1111 1111 1111, explain it").await), Tier::Local);
    assert_eq!(tier(engine.call("Explain tides").privacy(Privacy::High).await), Tier::Local);
    assert_eq!(tier(engine.call("hello").auto_route(false).await), engine.policy().default_tier);
    for reply in engine.batch(["a", "b", "c"]).optimize(Optimize::Throughput).await {
        assert_eq!(tier(reply), Tier::Gpu);
    }
    world.stop().await;
}

#[tokio::test]
async fn each_way_of_failing_before_the_first_token_moves_on_to_another_tier() {
    let world = World::start().await;
    for name in ["down", "rate-limited", "overloaded", "server-error", "html", "empty", "key-refused", "out-of-credit"]
    {
        let kind = FaultKind::from_str(name).unwrap_or_else(|_| panic!("{name} is a fault"));
        let anthropic = BackendId::from("anthropic");
        world.simulation.faults().set(&anthropic, Some(Fault::from(kind)));
        let reply = world.engine.call("Explain tides").await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_ne!(reply.ending.tier, Tier::Claude, "{name}");
        world.simulation.faults().set(&anthropic, None);
    }
    world.stop().await;
}

#[tokio::test]
async fn what_breaks_in_the_middle_is_never_shown_as_whole() {
    let world = World::start().await;
    for backend in world.simulation.config().backends {
        let id = backend.spec.id.clone();
        let kind = FaultKind::from_str("cut").expect("it is a fault");
        world.simulation.faults().set(&id, Some(Fault::from(kind)));
        let answer = world.engine.call("Explain tides").backend(id.clone()).stream().expect("there is a route");
        let end = answer.whole().await;
        assert!(end.is_err(), "{id}: {:?}", end.map(|reply| reply.text.len()));
        world.simulation.faults().set(&id, None);
    }
    world.stop().await;
}

#[tokio::test]
async fn no_private_prompt_reaches_an_outside_upstream_even_when_local_is_down() {
    let world = World::start().await;
    let locals: Vec<BackendId> = world
        .simulation
        .config()
        .backends
        .iter()
        .filter(|one| one.spec.tier == Tier::Local)
        .map(|one| one.spec.id.clone())
        .collect();
    for id in &locals {
        let kind = FaultKind::from_str("down").expect("it is a fault");
        world.simulation.faults().set(id, Some(Fault::from(kind)));
    }
    let marker = "diagnosis of patient zero";
    assert!(world.engine.call(marker).privacy(Privacy::High).await.is_err());
    let leaked = world
        .simulation
        .log()
        .into_iter()
        .find(|seen| seen.prompt_text.contains(marker) && !locals.contains(&seen.backend));
    assert!(leaked.is_none(), "{leaked:?}");
    world.stop().await;
}

#[tokio::test]
async fn a_model_that_is_asked_for_often_is_loaded_again_without_a_request() {
    let world = World::start().await;
    let (host, model) = (BackendId::from("mac-studio"), "qwen3:32b");
    for _ in 0..3 {
        world.engine.call("Explain tides").backend(host.clone()).model(model).await.expect("it answers");
    }
    let config = world.simulation.config();
    let url =
        config.backends.iter().find(|one| one.spec.id == host).map(|one| one.spec.url.clone()).expect("it is there");
    let is_loaded = |snapshot: &std::sync::Arc<llm_call::engine::Snapshot>| {
        let backend = snapshot.fleet.backend(&host).expect("it is there");
        backend.model(&model.into()).and_then(|model| model.loaded)
    };
    let mut snapshots = world.engine.snapshots();
    let in_time = Duration::from_secs(20);
    let became = tokio::time::timeout(in_time, snapshots.wait_for(|snapshot| is_loaded(snapshot) == Some(true)));
    drop(became.await.expect("a probe finds it in memory").expect("the engine runs"));

    // Somebody else has it dropped.
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let unload = format!("{{\"model\":\"{model}\",\"keep_alive\":0}}");
    let dropped = client.post(format!("{url}/api/generate")).body(unload).send().await.expect("the host is there");
    assert!(dropped.status().is_success());
    let became = tokio::time::timeout(in_time, snapshots.wait_for(|snapshot| is_loaded(snapshot) == Some(false)));
    drop(became.await.expect("a probe finds it gone").expect("the engine runs"));
    let became = tokio::time::timeout(in_time, snapshots.wait_for(|snapshot| is_loaded(snapshot) == Some(true)));
    drop(became.await.expect("it is loaded again").expect("the engine runs"));

    let seen = world.simulation.log();
    let at_host = || seen.iter().filter(|seen| seen.backend == host);
    assert_eq!(at_host().filter(|seen| seen.is_prompt).count(), 3, "no request was sent for it");
    assert_eq!(at_host().filter(|seen| seen.path == "/api/generate").count(), 2, "one drop, one load");
    let snapshot = world.engine.snapshot();
    let model = snapshot.fleet.backend(&host).and_then(|backend| backend.model(&model.into())).expect("it is there");
    assert_eq!((model.summary.count, snapshot.accepted), (3, 3), "and none is counted");
    world.stop().await;
}
