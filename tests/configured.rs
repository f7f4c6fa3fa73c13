//! Promise: a configuration file is all it takes to reach every kind of service over its own protocol.
#![expect(clippy::expect_used, reason = "what cannot go on fails")]

use std::fmt::Write;
use std::time::Duration;

use llm_call::Engine;
use llm_call::config;
use llm_call::demo::{self, Simulation};
use llm_call::domain::fleet::Protocol;
use llm_call::engine::Options;
use secrecy::ExposeSecret;

/// The simulated fleet written down as an operator would, and a balancer in front of the pod.
fn file(simulation: &Simulation) -> String {
    let mut text = String::from("default_backends = false\n");
    for backend in simulation.config().backends {
        let spec = &backend.spec;
        let (tier, protocol) = (spec.tier, spec.protocol.name());
        write!(
            text,
            "[[backends]]\nid = \"{}\"\ntier = \"{tier}\"\nprotocol = \"{protocol}\"\nurl = \"{}\"\n",
            spec.id, spec.url
        )
        .expect("a string takes it");
        if let Some(key) = &backend.key {
            writeln!(text, "api_key = \"{}\"", key.expose_secret()).expect("a string takes it");
        }
        let models: Vec<String> = backend.models.iter().map(|(id, _)| format!("{{ id = \"{id}\" }}")).collect();
        writeln!(text, "models = [{}]", models.join(", ")).expect("a string takes it");
        if spec.id.as_str() == "pod-vllm" {
            let url = spec.url.trim_end_matches("/v1");
            let protocol = Protocol::RunpodBalancer.name();
            write!(
                text,
                "[[backends]]\nid = \"balancer\"\ntier = \"gpu\"\nprotocol = \"{protocol}\"\nurl = \"{url}\"\n"
            )
            .expect("a string takes it");
            if let Some(key) = &backend.key {
                writeln!(text, "api_key = \"{}\"", key.expose_secret()).expect("a string takes it");
            }
            writeln!(text, "models = [{}]", models.join(", ")).expect("a string takes it");
        }
    }
    text
}

#[tokio::test]
async fn every_protocol_is_reached_from_a_file() {
    let options = demo::Options { speed: 50.0, ..demo::Options::default() };
    let simulation = Simulation::start(options).await.expect("loopback ports are to be had");
    let text = file(&simulation);
    let loaded = config::load_text(&text, &Default::default()).unwrap_or_else(|errors| panic!("{errors}\n{text}"));
    for key in loaded.config.backends.iter().filter_map(|backend| backend.key.as_ref()) {
        assert!(!loaded.render().contains(key.expose_secret()), "keys are masked");
    }
    let engine = Engine::start(loaded.config.clone(), Options { telemetry: false, ..Options::default() })
        .expect("the file is good");
    engine.first_probes(Duration::from_secs(10)).await;
    let mut protocols: Vec<&str> = Vec::new();
    for backend in &loaded.config.backends {
        let id = &backend.spec.id;
        let reply =
            engine.call("Explain tides").backend(id.clone()).await.unwrap_or_else(|error| panic!("{id}: {error}"));
        assert!(!reply.text.is_empty(), "{id}");
        protocols.push(backend.spec.protocol.name());
    }
    for protocol in Protocol::ALL {
        assert!(protocols.contains(&protocol.name()), "{}", protocol.name());
    }
    engine.shutdown(Duration::from_secs(5)).await;
    simulation.shutdown().await;
}
