//! Hub: messages between modules, each routed by what it is. Run it with `cargo run --example hub`.

#![expect(clippy::print_stdout, reason = "an example prints")]

use llm_call::demo::Simulation;
use llm_call::engine::Options;
use llm_call::{Engine, Privacy};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let simulation = Simulation::start(llm_call::demo::Options::default()).await?;
    let engine = Engine::start(simulation.config(), Options { simulated: true, ..Options::default() })?;

    let messages = [
        ("planning", "Design a migration plan for the billing service", Privacy::Standard),
        ("scoring", "Rate this action: retry the payment", Privacy::Standard),
        ("support", "Summarize this customer's complaint", Privacy::High),
        ("records", "Extract the sender from: mail from ada@example.org", Privacy::Standard),
    ];
    for (kind, text, privacy) in messages {
        let reply = engine.call(text).privacy(privacy).caller("hub").await?;
        println!("{kind:<9} → {:<9} {:<18} {}", reply.ending.tier, reply.ending.model, reply.decision.headline());
    }

    engine.shutdown(std::time::Duration::from_secs(1)).await;
    simulation.shutdown().await;
    Ok(())
}
