//! Training pipeline: bulk inference on the GPU tier. Run it with `cargo run --example gpu_batch`.

#![expect(clippy::print_stdout, reason = "an example prints")]

use futures::StreamExt;
use llm_call::demo::Simulation;
use llm_call::engine::Options;
use llm_call::{Engine, Optimize};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let simulation = Simulation::start(llm_call::demo::Options::default()).await?;
    let engine = Engine::start(simulation.config(), Options { simulated: true, ..Options::default() })?;

    let prompts = (1..=12).map(|number| format!("Classify record {number} as invoice, letter or report"));
    let mut replies =
        std::pin::pin!(engine.batch(prompts).optimize(Optimize::Throughput).caller("training").concurrency(6).run());
    while let Some((index, reply)) = replies.next().await {
        let reply = reply?;
        println!("{index:>2} {:<6} {:<24} {:.0?}", reply.ending.tier, reply.ending.model, reply.ending.total);
    }

    engine.shutdown(std::time::Duration::from_secs(1)).await;
    simulation.shutdown().await;
    Ok(())
}
