//! RL Commons: a learning loop that asks the local tier for rewards. Run it with `cargo run --example reward_loop`.
//!
//! It runs on simulated tiers; `Engine::start` with your own configuration is all that changes for real ones.

#![expect(clippy::print_stdout, reason = "an example prints")]

use llm_call::demo::Simulation;
use llm_call::engine::Options;
use llm_call::{Engine, Tier};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let simulation = Simulation::start(llm_call::demo::Options::default()).await?;
    let engine = Engine::start(simulation.config(), Options { simulated: true, ..Options::default() })?;

    let mut best = ("none", f64::MIN);
    for action in ["move left", "move right", "wait"] {
        let reply = engine
            .local(format!("Rate this action on a scale of 0 to 1, with the number alone: {action}"))
            .max_tokens(8)
            .caller("rl-commons")
            .await?;
        assert_eq!(reply.ending.tier, Tier::Local);
        let reward: f64 = reply.text.trim().parse()?;
        println!("{action:<12} {reward:.2}  {:.0?}  {}", reply.ending.total, reply.ending.cost);
        if reward > best.1 {
            best = (action, reward);
        }
    }
    println!("best action: {}", best.0);

    engine.shutdown(std::time::Duration::from_secs(1)).await;
    simulation.shutdown().await;
    Ok(())
}
