//! World Model: Claude understands a scenario once, the local tier predicts the next states quickly. Run it with
//! `cargo run --example world_model`.

#![expect(clippy::print_stdout, reason = "an example prints")]

use llm_call::Engine;
use llm_call::demo::Simulation;
use llm_call::engine::Options;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let simulation = Simulation::start(llm_call::demo::Options::default()).await?;
    let engine = Engine::start(simulation.config(), Options { simulated: true, ..Options::default() })?;

    let analysis = engine
        .claude("Explain the forces in this scenario: a cart on a slope, a spring at its foot, and rain")
        .caller("world-model")
        .await?;
    println!("understood by {} for {}:\n{}\n", analysis.ending.model, analysis.ending.cost, analysis.text);

    let mut state = "cart at the top, at rest".to_owned();
    for step in 1..=3 {
        let prediction = engine
            .local(format!("Given the state '{state}', what is the next state?"))
            .system("You predict states of a physical world in one sentence.")
            .caller("world-model")
            .await?;
        println!("step {step} ({:.0?}): {}", prediction.ending.total, prediction.text);
        state = prediction.text;
    }

    engine.shutdown(std::time::Duration::from_secs(1)).await;
    simulation.shutdown().await;
    Ok(())
}
