//! One request through the engine and a loopback upstream, against the same request by bare reqwest: what the router
//! costs a request. The ratio of the two is the figure; both run in one process, one after the other.
#![expect(clippy::expect_used, reason = "what cannot go on fails")]

use std::future::IntoFuture;
use std::time::Duration;

use divan::Bencher;
use llm_call::demo::{self, Simulation};
use llm_call::engine::{Engine, Options};
use serde_json::json;
use tokio::runtime::Runtime;

fn main() {
    divan::main();
}

/// Simulated times are divided by this, so that the upstream itself takes next to nothing.
const SPEED: f32 = 10_000.0;

fn world(runtime: &Runtime) -> (Simulation, Engine, String) {
    runtime.block_on(async {
        let simulation = Simulation::start(demo::Options { speed: SPEED, ..demo::Options::default() })
            .await
            .expect("loopback ports are to be had");
        let config = simulation.config();
        let url = config
            .backends
            .iter()
            .find(|one| one.spec.id.as_str() == "rtx-4090")
            .map(|one| one.spec.url.to_string())
            .expect("the local host is there");
        let engine = Engine::start(config, Options { simulated: true, telemetry: false, ..Options::default() })
            .expect("the simulation's configuration is good");
        engine.first_probes(Duration::from_secs(5)).await;
        (simulation, engine, url)
    })
}

#[divan::bench(sample_count = 200)]
fn through_the_engine(bencher: Bencher<'_, '_>) {
    let runtime = Runtime::new().expect("a runtime");
    let (_simulation, engine, _) = world(&runtime);
    bencher.bench_local(|| {
        let call = engine.local("Rate this action: wait").backend("rtx-4090").model("llama3:8b");
        runtime.block_on(call.into_future()).expect("it answers")
    });
}

#[divan::bench(sample_count = 200)]
fn by_bare_reqwest(bencher: Bencher<'_, '_>) {
    let runtime = Runtime::new().expect("a runtime");
    let (_simulation, _engine, url) = world(&runtime);
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let body = json!({
        "model": "llama3:8b",
        "stream": false,
        "messages": [{"role": "user", "content": "Rate this action: wait"}],
        "options": {"num_ctx": 8192},
    });
    bencher.bench_local(|| {
        runtime.block_on(async {
            let answer = client.post(format!("{url}/api/chat")).json(&body).send().await.expect("it answers");
            answer.json::<serde_json::Value>().await.expect("in JSON")
        })
    });
}
