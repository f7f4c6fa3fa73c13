//! Promise: whatever the upstreams and the operator do, every accepted request ends, money and places come back, and no
//! private prompt is seen outside.
#![expect(clippy::expect_used, reason = "what cannot go on fails")]

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use llm_call::demo::{self, Chance, Fault, FaultKind, Simulation};
use llm_call::domain::fleet::{AdminState, PinScope};
use llm_call::domain::tier::Target;
use llm_call::engine::{Command, Options};
use llm_call::{Engine, Money, Privacy, Tier};

const REQUESTS: u64 = 400;
const PRIVATE: &str = "diagnosis of patient";

/// The operator and the upstreams at their worst, one step.
async fn disturb(engine: &Engine, simulation: &Simulation, chance: &Chance) {
    let backends = simulation.config().backends;
    let pick = |count: usize| usize::try_from(chance.bits() % count as u64).expect("small");
    let backend = backends[pick(backends.len())].spec.id.clone();
    let tier = Tier::ALL[pick(4)];
    let by = Arc::from("chaos");
    let reason = Arc::from("");
    let lasts = Some(Duration::from_millis(50));
    match pick(20) {
        0 => {
            // What is ended by nothing but time (timers, holds of minutes) belongs to tests with paused time.
            let lasting = [
                FaultKind::Down,
                FaultKind::NoListener,
                FaultKind::Reset,
                FaultKind::ColdStart,
                FaultKind::SlowDrip,
                FaultKind::RateLimited,
                FaultKind::RateLimitHeaders,
                FaultKind::LimitReached,
                FaultKind::OutOfCredit,
                FaultKind::KeyRefused,
                FaultKind::Forbidden,
                FaultKind::ModelMissing,
            ];
            let passes = |kind: &FaultKind| kind.ends_by_itself() && !lasting.contains(kind);
            let kinds: Vec<FaultKind> = FaultKind::ALL.into_iter().filter(passes).collect();
            simulation.faults().set(&backend, Some(Fault::from(kinds[pick(kinds.len())])));
        }
        1..4 => simulation.faults().set(&backend, None),
        4 => {
            let state = [AdminState::Ready, AdminState::Drain, AdminState::Maint][pick(3)];
            let command = Command::SetAdmin { target: Target::Tier(tier), state, lasts, reason };
            engine.command(command, &by).await.expect("tiers always exist");
        }
        5 => {
            let only = pick(2) == 0;
            let command = Command::Pin { target: Target::Tier(tier), scope: PinScope::All, only, lasts, reason };
            engine.command(command, &by).await.expect("tiers always exist");
        }
        _ => {}
    }
}

#[tokio::test]
async fn every_request_ends_and_everything_comes_back() {
    let options = demo::Options { speed: 400.0, ..demo::Options::default() };
    let simulation = Simulation::start(options).await.expect("loopback ports are to be had");
    let engine = Engine::start(simulation.config(), Options { telemetry: false, ..Options::default() })
        .expect("the simulation's configuration is good");
    engine.first_probes(Duration::from_secs(10)).await;
    let chance = Chance::new(42);
    let (mut answered, mut failed) = (0_u64, 0_u64);
    let ends = stream::iter(0..REQUESTS).map(|number| {
        let (engine, simulation, chance) = (&engine, &simulation, &chance);
        async move {
            disturb(engine, simulation, chance).await;
            let call = if number % 5 == 0 {
                engine.call(format!("{PRIVATE} {number}")).privacy(Privacy::High)
            } else {
                engine.call(format!("Explain tides, number {number}"))
            };
            match number % 7 {
                0 => call.await.is_ok(),
                // A caller that goes away.
                1 => call.stream().map(drop).is_ok(),
                _ => match call.stream() {
                    Ok(answer) => answer.whole().await.is_ok(),
                    Err(_) => false,
                },
            }
        }
    });
    let mut ends = Box::pin(ends.buffer_unordered(24));
    while let Some(ok) = ends.next().await {
        if ok { answered += 1 } else { failed += 1 }
    }
    drop(ends);
    assert_eq!(answered + failed, REQUESTS);
    assert!(
        answered > REQUESTS / 10 && failed > 0,
        "{answered} answered, {failed} failed: the storm is too mild or too wild"
    );
    let mut snapshots = engine.snapshots();
    let calm = snapshots.wait_for(|snapshot| {
        let none_in_flight = Tier::ALL.iter().all(|tier| snapshot.fleet.in_flight(&Target::Tier(*tier)) == 0);
        snapshot.fleet.spend.reserved == Money::ZERO && none_in_flight
    });
    let calm = tokio::time::timeout(Duration::from_secs(20), calm).await;
    assert!(calm.is_ok(), "money or places are still taken: {:?}", engine.snapshot().fleet.spend);
    drop(calm);
    let inside: Vec<_> = simulation
        .config()
        .backends
        .into_iter()
        .filter(|one| one.spec.tier == Tier::Local)
        .map(|one| one.spec.id)
        .collect();
    let leaked =
        simulation.log().into_iter().find(|seen| seen.prompt_text.contains(PRIVATE) && !inside.contains(&seen.backend));
    assert!(leaked.is_none(), "{leaked:?}");
    engine.shutdown(Duration::from_secs(5)).await;
    simulation.shutdown().await;
}
