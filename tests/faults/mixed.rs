//! Faults together: several upstreams at once, one after the other, storms, and an operator at work meanwhile.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, StreamExt};
use llm_call::config::{BackendConfig, Config};
use llm_call::demo::{Ended, Fault, FaultKind, Simulation, Storm};
use llm_call::domain::failure::FailureClass as Class;
use llm_call::domain::fleet::{AdminState, Timer};
use llm_call::domain::id::{BackendId, ModelId};
use llm_call::domain::tier::Target;
use llm_call::engine::{Command, Delivery, Fact, Outcome};
use llm_call::{CallError, Constraints, Engine, Money, Privacy, Tier};

use crate::harness::{self, LONG, PARTNER, Ran, SHORT, configured, disagreements, engine, send};

const BOTH: [Delivery; 2] = [Delivery::Streamed, Delivery::Whole];
/// What goes to the Claude tier first, then to the frontier.
const EXPLAIN: &str = "Explain tides.";

/// Three candidates in a row for an explanation: Anthropic, OpenAI, and the partner.
fn three(simulation: &Simulation) -> Config {
    let one = |id: &str| {
        let mut backend = configured(simulation, id);
        backend.models.truncate(1);
        backend
    };
    let mut config = harness::config(simulation, vec![one("anthropic"), one("openai")]);
    config.policy.rules = simulation.config().policy.rules;
    config
}

fn backend<'a>(config: &'a mut Config, id: &str) -> &'a mut BackendConfig {
    config.backends.iter_mut().find(|one| one.spec.id.as_str() == id).expect("it is there")
}

/// Asks for an explanation while these faults are wished for.
async fn explained(config: Config, simulation: &Simulation, wishes: &str, delivery: Delivery) -> Ran {
    let engine = engine(config);
    let ran = send(&engine, &format!("{EXPLAIN} {wishes}"), Constraints::default(), delivery).run(simulation).await;
    engine.shutdown(SHORT).await;
    ran
}

/// Who was tried, and what came of it.
fn story(ran: &Ran) -> Vec<(&str, Option<Class>)> {
    let class = |one: &Arc<llm_call::engine::Attempt>| one.outcome.as_ref().err().map(|failure| failure.class);
    ran.finished.attempts.iter().map(|one| (one.backend.as_str(), class(one))).collect()
}

fn agree(ran: &Ran) {
    let found = disagreements(&ran.finished.attempts, &ran.decision, &ran.seen, |id| id.as_str().to_owned());
    assert!(found.is_empty(), "{found:?} {:?}", story(ran));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_is_silent_the_second_turns_it_away_and_the_third_answers() {
    let simulation = harness::simulation().await;
    for delivery in BOTH {
        let mut config = three(&simulation);
        backend(&mut config, "anthropic").spec.timeouts.first_token = Timer::Set(SHORT);
        let wishes = "[[fault anthropic silent]] [[fault openai overloaded]]";
        let ran = explained(config, &simulation, wishes, delivery).await;
        let expected = [("anthropic", Some(Class::Silent)), ("openai", Some(Class::Overloaded)), (PARTNER, None)];
        assert_eq!(story(&ran), expected, "{delivery:?}");
        assert!(ran.end.is_ok());
        agree(&ran);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_is_silent_and_the_second_is_cut_and_only_what_was_not_delivered_yet_goes_on() {
    let simulation = harness::simulation().await;
    for delivery in BOTH {
        let mut config = three(&simulation);
        backend(&mut config, "anthropic").spec.timeouts.first_token = Timer::Set(SHORT);
        let ran = explained(config, &simulation, "[[fault anthropic silent]] [[fault openai cut 3]]", delivery).await;
        let broken = [("anthropic", Some(Class::Silent)), ("openai", Some(Class::Truncated))];
        if delivery == Delivery::Streamed {
            assert_eq!(story(&ran), broken);
            assert!(matches!(ran.end, Err(CallError::Cut(_))) && ran.finished.outcome == Outcome::Cut);
        } else {
            assert_eq!(story(&ran), [broken[0], broken[1], (PARTNER, None)]);
            assert!(ran.end.is_ok());
        }
        agree(&ran);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_refuses_the_key_one_has_no_credit_and_the_third_answers() {
    let simulation = harness::simulation().await;
    for delivery in BOTH {
        let wishes = "[[fault anthropic key-refused]] [[fault openai out-of-credit]]";
        let ran = explained(three(&simulation), &simulation, wishes, delivery).await;
        let expected = [("anthropic", Some(Class::KeyRefused)), ("openai", Some(Class::OutOfCredit)), (PARTNER, None)];
        assert_eq!(story(&ran), expected, "{delivery:?}");
        assert!(ran.finished.attempts[..2].iter().all(|one| one.cost.amount == Some(Money::ZERO)));
        agree(&ran);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_all_fail_each_in_its_way_the_error_is_clear_and_every_attempt_is_told() {
    let simulation = harness::simulation().await;
    for delivery in BOTH {
        let wishes = "[[fault anthropic html]] [[fault openai empty]] [[fault local garbage]]";
        let ran = explained(three(&simulation), &simulation, wishes, delivery).await;
        let expected =
            [("anthropic", Some(Class::Garbled)), ("openai", Some(Class::Empty)), (PARTNER, Some(Class::Garbled))];
        assert_eq!(story(&ran), expected, "{delivery:?}");
        assert!(matches!(ran.end, Err(CallError::AllFailed { .. })) && ran.delivered.is_empty());
        agree(&ran);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_of_everybody_is_met_by_everybody_once() {
    let simulation = harness::simulation().await;
    let ran = explained(three(&simulation), &simulation, "[[fault * reset]]", Delivery::Whole).await;
    let expected = ["anthropic", "openai", PARTNER].map(|id| (id, Some(Class::Unreachable)));
    assert_eq!(story(&ran), expected);
    assert_eq!(ran.seen.len(), 3);
    agree(&ran);
}

/// Too many requests for a second, then an error, then an answer: each is tried again no more than it should be.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_of_too_many_requests_then_an_error_then_all_is_well() {
    let simulation = harness::simulation().await;
    let id = BackendId::from("openai");
    let config = three(&simulation);
    let engine = engine(config);
    simulation.faults().set_for_next(&id, Fault::rate_limited(1.0), 1);
    simulation.faults().set_for_next(&id, FaultKind::ServerError.into(), 1);
    let only = Constraints { backend: Some(id.clone()), ..Constraints::default() };
    let ran = send(&engine, EXPLAIN, only.clone(), Delivery::Whole).run(&simulation).await;
    let classes: Vec<_> = story(&ran).into_iter().map(|(_, class)| class).collect();
    // Whether a third try is made is a matter of the budget for retries; more than one is never lost on the way.
    assert_eq!(classes[..2], [Some(Class::RateLimited), Some(Class::ServerError)]);
    let waited = ran.finished.attempts[1].started.since(ran.finished.attempts[0].started);
    assert!(waited >= Duration::from_secs(1), "it was asked to wait for a second: {waited:?}");
    agree(&ran);
    let again = send(&engine, EXPLAIN, only, Delivery::Whole).run(&simulation).await;
    assert!(again.end.is_ok(), "{:?}", story(&again));
    engine.shutdown(SHORT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_is_missing_is_no_reason_to_leave_the_backend() {
    let simulation = harness::simulation().await;
    let mut config = three(&simulation);
    *backend(&mut config, "anthropic") = configured(&simulation, "anthropic");
    let engine = engine(config);
    let id = BackendId::from("anthropic");
    simulation.faults().set_for_next(&id, FaultKind::ModelMissing.into(), 1);
    let ran = send(&engine, EXPLAIN, Constraints::default(), Delivery::Whole).run(&simulation).await;
    assert_eq!(story(&ran), [("anthropic", Some(Class::ModelMissing)), ("anthropic", None)]);
    let models: Vec<&ModelId> = ran.finished.attempts.iter().map(|one| &one.model).collect();
    assert_ne!(models[0], models[1]);
    engine.shutdown(SHORT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_key_at_one_backend_leaves_another_with_the_same_key_alone() {
    let simulation = harness::simulation().await;
    let mut config = three(&simulation);
    // Two accounts at the same provider: the key of the one is refused for good, the other's is good.
    let mut other = configured(&simulation, "anthropic");
    other.spec.id = BackendId::from("anthropic-other");
    other.models.truncate(1);
    let good = other.key.clone();
    backend(&mut config, "anthropic").key = Some("sk-ant-revoked".into());
    other.key = good;
    config.backends.push(other);
    let engine = engine(config);
    for delivery in BOTH {
        let constraints = Constraints { tier: Some(Tier::Claude), ..Constraints::default() };
        let ran = send(&engine, EXPLAIN, constraints, delivery).run(&simulation).await;
        let reply = ran.end.as_ref().expect("the other key is good");
        assert_eq!(reply.ending.backend.as_str(), "anthropic-other");
    }
    engine.shutdown(SHORT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_that_nobody_listens_on_costs_one_attempt_and_no_prompt() {
    let simulation = harness::simulation().await;
    let id = BackendId::from("anthropic");
    let address = configured(&simulation, "anthropic").spec.url.replace("http://", "");
    simulation.faults().set(&id, Some(FaultKind::NoListener.into()));
    let closed = async {
        while tokio::net::TcpStream::connect(&address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, closed).await.expect("the port closes");
    for delivery in BOTH {
        let mut config = three(&simulation);
        config.backends.retain(|one| one.spec.id.as_str() != "openai");
        let ran = explained(config, &simulation, "", delivery).await;
        assert!(ran.end.is_ok(), "{delivery:?}");
        // A probe may have been there first; then it is not even tried.
        let failed: Vec<_> = story(&ran).into_iter().filter(|(_, class)| class.is_some()).collect();
        assert!(failed.is_empty() || failed == [("anthropic", Some(Class::Unreachable))], "{failed:?}");
        assert!(ran.seen.iter().all(|seen| seen.backend.as_str() == PARTNER));
        let unbilled = ran.finished.attempts.iter().filter(|one| one.backend == id);
        assert!(unbilled.into_iter().all(|one| one.cost.amount == Some(Money::ZERO)));
    }
}

/// A drain under way, and what is in flight breaks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_ends_although_what_it_waits_for_breaks() {
    let simulation = harness::simulation().await;
    for (fault, class) in [("stall 3", Class::Stalled), ("cut 3", Class::Truncated), ("slow 40", Class::Cancelled)] {
        let mut config = three(&simulation);
        backend(&mut config, "anthropic").spec.timeouts.stall = Timer::Set(SHORT);
        let engine = engine(config);
        let mut facts = engine.facts();
        let words = format!("{EXPLAIN} [[fault anthropic {fault}]]");
        let mut sent = send(&engine, &words, Constraints::default(), Delivery::Streamed);
        while !matches!(sent.answer.next().await, Some(llm_call::Progress::Text(_))) {}
        drain(&engine, Tier::Claude).await;
        // What comes now goes elsewhere.
        let other = send(&engine, EXPLAIN, Constraints::default(), Delivery::Streamed).run(&simulation).await;
        assert_ne!(story(&other)[0].0, "anthropic", "{fault}");
        let ran = sent.run(&simulation).await;
        match ran.finished.attempts.last().expect("one was made").outcome.as_ref() {
            // What is only slow is let finish.
            Ok(_) => assert_eq!(class, Class::Cancelled, "{fault}"),
            Err(failure) => assert_eq!(failure.class, class, "{fault}"),
        }
        let drained = async { while !matches!(facts.recv().await.expect("no fact is missed"), Fact::Drained(_)) {} };
        tokio::time::timeout(LONG, drained).await.expect("the drain ends");
        engine.shutdown(SHORT).await;
    }
}

async fn drain(engine: &Engine, tier: Tier) {
    let target = Target::Tier(tier);
    let command = Command::SetAdmin { target, state: AdminState::Drain, lasts: None, reason: Arc::from("test") };
    engine.command(command, &Arc::from("test")).await.expect("tiers always exist");
}

/// Every kind that comes to an end before any timer does.
fn weather(share: f32, seed: u64) -> Storm {
    let passing = |kind: &FaultKind| {
        let slow = matches!(kind, FaultKind::SlowDrip | FaultKind::HugeLine | FaultKind::NoListener);
        kind.ends_by_itself() && !slow
    };
    let faults = FaultKind::ALL.into_iter().filter(passing).map(Fault::from).collect();
    Storm { share, faults, seed }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_storm_no_private_prompt_is_seen_outside_and_the_ledger_agrees_with_the_upstreams() {
    const PRIVATE: &str = "diagnosis of patient zero";
    let simulation = &harness::simulation().await;
    let mut config = simulation.config();
    config.cost_limit_daily = None;
    config.runpod = None;
    let inside: Vec<BackendId> =
        config.backends.iter().filter(|one| one.spec.tier == Tier::Local).map(|one| one.spec.id.clone()).collect();
    let engine = &engine(config);
    simulation.faults().storm(Some(weather(0.5, 11)));
    let runs: Vec<(bool, Ran)> = stream::iter(0..80_u32)
        .map(|number| async move {
            let private = number % 2 == 0;
            let privacy = if private { Privacy::High } else { Privacy::Standard };
            let words = if private { PRIVATE } else { EXPLAIN };
            let delivery = BOTH[usize::from(number % 4 < 2)];
            // A private request for which both hosts are out of service is turned away: that too is an end.
            let constraints = Constraints { privacy, ..Constraints::default() };
            Some((private, harness::try_send(engine, words, constraints, delivery)?.run(simulation).await))
        })
        .buffer_unordered(8)
        .filter_map(std::future::ready)
        .collect()
        .await;
    for (private, ran) in &runs {
        let whole = ran.seen.iter().any(|seen| matches!(seen.ended, Some(Ended::Whole | Ended::Broken)));
        assert!(ran.end.is_err() || whole, "an answer that nobody gave: {:?}", story(ran));
        agree(ran);
        if *private {
            assert!(ran.seen.iter().all(|seen| inside.contains(&seen.backend)), "{:?}", story(ran));
        }
    }
    assert!(runs.iter().any(|(_, ran)| ran.end.is_ok()) && runs.iter().any(|(_, ran)| ran.finished.attempts.len() > 1));
    let leaked =
        simulation.log().into_iter().find(|seen| seen.prompt_text.contains(PRIVATE) && !inside.contains(&seen.backend));
    assert!(leaked.is_none(), "{:?}", leaked.map(|seen| seen.backend));
    engine.shutdown(LONG).await;
}
