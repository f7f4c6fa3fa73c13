//! A caller that goes away, at each stage: the upstream is let go, the ledger says so, and nobody is penalised.

use llm_call::demo::{Ended, Seen};
use llm_call::domain::failure::FailureClass;
use llm_call::domain::money::Money;
use llm_call::engine::{Delivery, Finished, Outcome};
use llm_call::{Constraints, Engine, Progress};

use crate::harness::{self, SHORT, Sent, Wire, config, disagreements, engine, send};

/// How far a request gets before its caller goes away.
#[derive(Clone, Copy, Debug)]
enum Stage {
    /// It has been sent, and nothing has come yet.
    Sent,
    /// The head of the response has come, and nothing else.
    Headed,
    /// A part has been delivered.
    Begun,
}

impl Stage {
    const ALL: [Self; 3] = [Self::Sent, Self::Headed, Self::Begun];

    /// What keeps it there for as long as it takes.
    const fn fault(self) -> &'static str {
        match self {
            Self::Sent => "silent",
            Self::Headed => "silent-after-head",
            Self::Begun => "stall 2",
        }
    }
}

/// Waits until the request has come so far.
async fn reach(stage: Stage, sent: &mut Sent) {
    let reached = |progress: &Progress| match stage {
        Stage::Sent | Stage::Headed => matches!(progress, Progress::Attempting(_)),
        Stage::Begun => matches!(progress, Progress::Text(_)),
    };
    while !reached(&sent.answer.next().await.expect("it gets there")) {}
}

fn check(what: &str, finished: &Finished, seen: &[Seen]) {
    assert_eq!(finished.outcome, Outcome::Cancelled, "{what}");
    // Whoever goes away at once may do so before the prompt has left.
    assert!(finished.attempts.len() <= 1 && seen.len() <= 1, "{what}: {finished:?}");
    for attempt in &finished.attempts {
        let class = attempt.outcome.as_ref().err().map(|failure| failure.class);
        assert_eq!(class, Some(FailureClass::Cancelled), "{what}");
    }
    assert!(seen.iter().all(|seen| seen.ended != Some(Ended::Whole)), "{what}: {seen:?}");
}

/// Every job that was taken is cancelled, whether or not its id had come when its caller went away.
async fn jobs_are_cancelled(what: &str, simulation: &llm_call::demo::Simulation, taken: usize) {
    let is_cancel = |seen: &Seen| seen.backend.as_str() == Wire::Queue.upstream() && seen.path.contains("/cancel/");
    let cancelled = async {
        while simulation.log().iter().filter(|seen| is_cancel(seen)).count() < taken {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(harness::LONG, cancelled).await.is_ok(), "{what}: {taken} jobs were taken");
}

/// The next request is answered, at once and by the same backend: nothing was held against it.
async fn is_unharmed(what: &str, engine: &Engine, only: Constraints, simulation: &llm_call::demo::Simulation) {
    let ran = send(engine, "Rate this action: wait.", only, Delivery::Streamed).run(simulation).await;
    assert!(ran.end.is_ok() && ran.finished.attempts.len() == 1, "{what}: {:?}", ran.finished);
    let idle = engine.snapshots().wait_for(|snapshot| snapshot.fleet.spend.reserved == Money::ZERO).await.is_ok();
    assert!(idle, "{what}: no money stays set aside");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_goes_away_stops_the_upstream_and_penalises_nobody() {
    let simulation = &harness::simulation().await;
    let backends = Wire::ALL.map(|wire| wire.backend(simulation, wire.upstream()));
    let engine = &engine(config(simulation, backends.into()));
    let one = |wire: Wire| async move {
        let only = Constraints { backend: Some(wire.upstream().into()), ..Constraints::default() };
        let mut jobs = 0;
        for stage in Stage::ALL {
            for delivery in [Delivery::Streamed, Delivery::Whole] {
                if matches!((stage, delivery), (Stage::Begun, Delivery::Whole)) {
                    continue;
                }
                let what = format!("{wire:?} {stage:?} {delivery:?}");
                let words = format!("Explain tides. [[fault {} {}]]", wire.upstream(), stage.fault());
                let mut sent = send(engine, &words, only.clone(), delivery);
                reach(stage, &mut sent).await;
                let decision = sent.decision.clone();
                let (finished, seen) = sent.cancel(simulation).await;
                check(&what, &finished, &seen);
                jobs += seen.iter().filter(|seen| seen.path.ends_with("/run") && seen.status == Some(200)).count();
                let wrong = disagreements(&finished.attempts, &decision, &seen, |_| wire.upstream().to_owned());
                assert!(wrong.is_empty(), "{what}: {wrong:?}");
            }
        }
        jobs_are_cancelled(&format!("{wire:?}"), simulation, jobs).await;
        is_unharmed(&format!("{wire:?}"), engine, only, simulation).await;
    };
    // A request that is still on its way when its caller leaves has the fault of silence at most.
    futures::future::join_all(Wire::ALL.map(one)).await;
    engine.shutdown(SHORT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_goes_away_while_another_try_is_waited_for_is_let_go_at_once() {
    let simulation = &harness::simulation().await;
    let backend = Wire::Openai.backend(simulation, "openai");
    let engine = &engine(config(simulation, vec![backend]));
    let only = Constraints { backend: Some("openai".into()), ..Constraints::default() };
    let mut sent = send(engine, "Hi. [[fault openai rate-limited 8]]", only, Delivery::Streamed);
    while !matches!(sent.answer.next().await.expect("it fails once"), Progress::AttemptFailed(_)) {}
    let (finished, seen) = sent.cancel(simulation).await;
    assert_eq!((finished.outcome, finished.attempts.len(), seen.len()), (Outcome::Cancelled, 1, 1));
    assert!(finished.total < std::time::Duration::from_secs(8), "{:?}", finished.total);
    engine.shutdown(SHORT).await;
}
