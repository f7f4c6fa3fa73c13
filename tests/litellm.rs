//! Promise: the frontier tier works with a real LiteLLM proxy, streamed and not, its errors, its models, its cost.
//!
//! `.ci/run` starts the proxy and names it in `LLM_CALL_TEST_LITELLM`. Without it these tests say that they are skipped.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "what cannot go on fails, what is skipped says so"
)]

use std::collections::BTreeMap;
use std::time::Duration;

use llm_call::config::{self, Config, Sources};
use llm_call::domain::failure::FailureClass;
use llm_call::domain::money::CostBasis;
use llm_call::engine::Options;
use llm_call::{CallError, Engine, Money, Progress, Tier};

fn proxy() -> Option<Config> {
    let Ok(base) = std::env::var("LLM_CALL_TEST_LITELLM") else {
        eprintln!("skipped: LLM_CALL_TEST_LITELLM names no LiteLLM proxy; .ci/run starts one");
        return None;
    };
    let key = std::env::var("LLM_CALL_TEST_LITELLM_KEY").expect("the key comes with the proxy");
    Some(config(&base, &key))
}

fn config(base: &str, key: &str) -> Config {
    let environment = BTreeMap::from([
        ("LITELLM_PROXY_API_BASE".to_owned(), base.to_owned()),
        ("LITELLM_PROXY_API_KEY".to_owned(), key.to_owned()),
    ]);
    config::load(&Sources { environment, ..Sources::default() }).expect("the environment is all it needs").config
}

async fn engine(config: Config) -> Engine {
    let engine = Engine::start(config, Options::default()).expect("the configuration is good");
    engine.first_probes(Duration::from_secs(10)).await;
    engine
}

fn class(error: CallError) -> FailureClass {
    match error {
        CallError::AllFailed { last: attempt, .. } => attempt.outcome.as_ref().expect_err("it failed").class,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn it_answers_whole_with_its_own_cost() {
    let Some(config) = proxy() else { return };
    let engine = engine(config).await;
    let reply = engine.frontier("hi").model("mock-small").await.expect("the mock answers");
    assert!(reply.text.starts_with("Hello from mock-small"), "{}", reply.text);
    assert_eq!(reply.ending.tier, Tier::Frontier);
    assert_eq!(reply.ending.cost.basis, CostBasis::Reported);
    assert!(reply.ending.cost.amount.is_some_and(|cost| cost > Money::ZERO));
    assert!(reply.ending.usage.is_some_and(|usage| usage.output > 0));
}

#[tokio::test]
async fn it_answers_streamed_in_pieces() {
    let Some(config) = proxy() else { return };
    let engine = engine(config).await;
    let mut answer = engine.frontier("hi").model("mock-large").stream().expect("there is a route");
    let mut pieces = Vec::new();
    let ending = loop {
        match answer.next().await.expect("an end comes") {
            Progress::Text(piece) => pieces.push(piece),
            Progress::Ended(end) => break end.expect("it ends well"),
            _ => {}
        }
    };
    assert!(pieces.len() > 1 && pieces.concat().starts_with("Hello from mock-large"));
    assert!(ending.cost.amount.is_some_and(|cost| cost > Money::ZERO), "{ending:?}");
}

#[tokio::test]
async fn its_errors_are_told_apart() {
    let Some(config) = proxy() else { return };
    let engine = engine(config).await;
    for (model, expected) in [
        ("mock-429", FailureClass::RateLimited),
        ("mock-500", FailureClass::ServerError),
        ("mock-ctx", FailureClass::ContextTooLong),
    ] {
        let error = engine.frontier("hi").model(model).await.expect_err("the mock fails");
        assert_eq!(class(error), expected, "{model}");
    }
}

#[tokio::test]
async fn its_models_are_found_with_their_prices() {
    let Some(config) = proxy() else { return };
    let engine = engine(config).await;
    let snapshot = engine.snapshot();
    let litellm = snapshot.fleet.backend(&"litellm".into()).expect("it is configured");
    let small = litellm.models.iter().find(|model| model.id.as_str() == "mock-small").expect("it is listed");
    let decision = engine.frontier("hi").model("mock-small").explain();
    assert!(decision.chosen().expect("it is up").estimate.cost.is_some(), "{:?}", small.spec.pricing);
    assert!(litellm.models.iter().all(|model| model.id.as_str() != "mock-embed" || !model.offered));
}

#[tokio::test]
async fn a_wrong_key_is_seen_by_the_probe_and_nothing_is_sent() {
    let Some(_) = proxy() else { return };
    let base = std::env::var("LLM_CALL_TEST_LITELLM").expect("just seen");
    let engine = engine(config(&base, "sk-wrong")).await;
    let error = engine.frontier("hi").model("mock-small").await.expect_err("the key is refused");
    let CallError::NoRoute(decision) = error else { panic!("{error}") };
    assert!(
        decision.rejected.iter().any(|one| one.backend.as_str() == "litellm" && one.reason.code() == "key_refused")
    );
}
