#![expect(clippy::expect_used, reason = "what cannot go on fails")]
use std::time::{Duration, Instant};
use llm_call::demo::{self, Simulation};
use llm_call::engine::Options;
use llm_call::Engine;
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cost() {
    let t = Instant::now();
    let simulation = Simulation::start(demo::Options { speed: 200.0, ..demo::Options::default() }).await.expect("s");
    eprintln!("sim {:?}", t.elapsed());
    let t = Instant::now();
    for n in 0..20 {
        let mut config = simulation.config();
        config.backends.truncate(2);
        let engine = Engine::start(config, Options { telemetry: false, ..Options::default() }).expect("e");
        let t1 = t.elapsed();
        let r = engine.call("Rate this action: wait").backend("anthropic").await.expect("a");
        eprintln!("{n} {:?} {:?} {:?}", t1, t.elapsed(), r.ending.cost);
        engine.shutdown(Duration::from_secs(1)).await;
    }
    eprintln!("20 engines {:?}", t.elapsed());
}
