//! What attempts, probes and the passing of time do to a fleet.

mod cluster;
mod states;

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::super::failure::{Failure, FailureClass};
use super::super::health::ProbeReport;
use super::super::judgement::Judgement;
use super::super::latency::Sample;
use super::super::limits::Size;
use super::super::money::{Cost, CostBasis};
use super::super::privacy::Reach;
use super::super::rejection::Rejection;
use super::super::spend::Day;
use super::*;

const NOW: Timestamp = Timestamp(1_795_000_000_000);

fn fleet(limit: Option<Money>) -> Fleet {
    let spec = BackendSpec {
        id: BackendId::from("one"),
        tier: Tier::Gpu,
        protocol: Protocol::RunpodOpenai,
        url: Arc::from("http://test"),
        reach: Reach::Outside,
        key: KeyState::Present,
        max_in_flight: None,
        timeouts: Timeouts {
            connect: Timer::Set(Duration::from_secs(1)),
            first_token: Timer::Set(Duration::from_secs(30)),
            stall: Timer::Set(Duration::from_secs(30)),
        },
        default_pricing: Pricing::Unknown,
        memory: None,
        warm_up: false,
    };
    let backend = Backend::new(spec, vec![("model".into(), ModelSpec::default())]);
    Fleet::new(vec![backend], Spend::new(NOW, Day(0), limit))
}

fn attempt(fleet: &mut Fleet, cost: Cost, failure: Option<FailureClass>, at: Timestamp) {
    let failure = failure.map(|class| Failure::new(class, "scripted"));
    let permit = fleet.admit(&Ask { last_resort: true, ..Ask::to("one", "model") }, at).expect("leave is given");
    let sample = Sample {
        at,
        ok: failure.is_none(),
        first_token_ms: Some(5_000),
        total_ms: 9_000,
        tokens_per_second: Some(9.0),
        longest_pause_ms: None,
    };
    let result = AttemptResult { sample: Some(sample), failure: failure.as_ref(), usage: None, cost };
    fleet.settle(permit, &result, at);
}

fn probe(fleet: &mut Fleet, health: Health, detail: &str, key_refused: bool) {
    let report =
        ProbeReport { health, detail: detail.to_owned(), key_refused, took: Duration::from_millis(1), models: None };
    fleet.observe(&"one".into(), report, NOW);
}

#[test]
fn past_the_limit_what_costs_nothing_is_still_admitted() {
    let mut fleet = fleet(Some(Money(100)));
    // The true-up of what was in flight may pass the limit.
    attempt(&mut fleet, Cost::known(Money(150), CostBasis::Priced), None, NOW);
    let free = fleet.admit(&Ask::to("one", "model"), NOW);
    fleet.release(free.expect("a free request adds nothing"), NOW);
    let dear = fleet.admit(&Ask { reserve: Money(1), ..Ask::to("one", "model") }, NOW);
    assert_eq!(dear, Err(Rejection::OverBudget { limit: "today's limit".into(), cost: Money(1), left: Money(-50) }));
}

#[test]
fn a_tier_takes_so_many_further_attempts_and_refuses_the_rest_without_setting_money_aside() {
    let mut fleet = fleet(Some(Money(1_000)));
    let further = |fleet: &mut Fleet, at| {
        fleet.admit(&Ask { reserve: Money(10), turn: Turn::Further, ..Ask::to("one", "model") }, at)
    };
    for _ in 0..50 {
        let permit = further(&mut fleet, NOW).expect("a full budget");
        fleet.release(permit, NOW);
    }
    assert_eq!(further(&mut fleet, NOW), Err(Rejection::RetriesSpent));
    assert_eq!(fleet.spend.reserved, Money::ZERO);
    // Two requests that begin here bring one retry; first attempts are never refused for it.
    (0..2).for_each(|_| attempt(&mut fleet, Cost::UNKNOWN, None, NOW));
    let permit = further(&mut fleet, NOW).expect("one was brought in");
    fleet.release(permit, NOW);
    assert_eq!(further(&mut fleet, NOW), Err(Rejection::RetriesSpent));
    let dear = fleet.admit(
        &Ask { reserve: Money(5_000), turn: Turn::Further, ..Ask::to("one", "model") },
        NOW.after(Duration::from_secs(1)),
    );
    assert!(matches!(dear, Err(Rejection::OverBudget { .. })), "what is refused for another reason takes no retry");
    let permit = further(&mut fleet, NOW.after(Duration::from_secs(1))).expect("a second brought one back");
    fleet.release(permit, NOW);
}

#[test]
fn what_a_probe_calls_degraded_stays_so_until_a_probe_says_otherwise() {
    let mut fleet = fleet(None);
    let seen = |fleet: &Fleet| (fleet.backends[0].health, fleet.backends[0].detail.to_string());
    probe(&mut fleet, Health::Degraded, "no worker running, 1 throttled", false);
    assert_eq!(seen(&fleet), (Health::Degraded, "no worker running, 1 throttled".to_owned()));
    attempt(&mut fleet, Cost::UNKNOWN, Some(FailureClass::Overloaded), NOW);
    assert_eq!(seen(&fleet).0, Health::Degraded, "a failure does not heal");
    attempt(&mut fleet, Cost::UNKNOWN, None, NOW);
    assert_eq!(seen(&fleet).0, Health::Degraded, "one answer says nothing of the throttled workers");
    probe(&mut fleet, Health::Up, "", false);
    assert_eq!(seen(&fleet), (Health::Up, String::new()));
}

#[test]
fn failing_answers_degrade_a_backend_until_they_are_few_again() {
    let mut fleet = fleet(None);
    for class in [None, None, None, Some(FailureClass::Garbled), Some(FailureClass::Garbled)] {
        attempt(&mut fleet, Cost::UNKNOWN, class, NOW);
    }
    assert_eq!(fleet.backends[0].health, Health::Degraded);
    probe(&mut fleet, Health::Up, "", false);
    assert_eq!(fleet.backends[0].health, Health::Degraded, "a probe sees no answers");
    for _ in 0..2 {
        attempt(&mut fleet, Cost::UNKNOWN, None, NOW);
    }
    probe(&mut fleet, Health::Up, "", false);
    assert_eq!(fleet.backends[0].health, Health::Up);
}

#[test]
fn a_refused_key_is_forgotten_when_a_sleeping_endpoint_takes_it_again() {
    let mut fleet = fleet(None);
    attempt(&mut fleet, Cost::UNKNOWN, Some(FailureClass::KeyRefused), NOW);
    assert_eq!(fleet.routable(&fleet.backends[0], NOW), Err(Rejection::KeyRefused));
    // Nobody will wake it to find out otherwise.
    probe(&mut fleet, Health::Warming, "no worker running: cold start ahead", false);
    assert_eq!(fleet.routable(&fleet.backends[0], NOW), Ok(()));
}

#[test]
fn old_measurements_are_forgotten_though_no_new_ones_come() {
    let mut fleet = fleet(None);
    attempt(&mut fleet, Cost::UNKNOWN, None, NOW);
    fleet.advance(NOW.after(Duration::from_secs(14 * 60)), Day(0));
    assert!(fleet.backends[0].models[0].summary.first_token.is_some());
    assert_eq!(fleet.tier(Tier::Gpu).summary.count, 1);
    // A backend that a slow quarter of an hour has put out of reach of every request is given another chance.
    fleet.advance(NOW.after(Duration::from_secs(16 * 60)), Day(0));
    assert_eq!(fleet.backends[0].models[0].summary, Summary::default());
    assert_eq!(fleet.tier(Tier::Gpu).summary, Summary::default());
}

#[test]
fn a_model_once_missing_is_asked_for_again_where_no_list_can_tell() {
    let mut fleet = fleet(None);
    attempt(&mut fleet, Cost::UNKNOWN, Some(FailureClass::ModelMissing), NOW);
    assert_eq!(fleet.routable(&fleet.backends[0], NOW), Err(Rejection::ModelMissing));
    probe(&mut fleet, Health::Up, "1 worker", false);
    assert!(fleet.routable(&fleet.backends[0], NOW).is_err(), "not at every probe");
    assert_eq!(fleet.routable(&fleet.backends[0], NOW.after(Duration::from_secs(60))), Ok(()));
}

#[test]
fn a_second_word_on_an_answer_replaces_the_first() {
    let mut fleet = fleet(None);
    let (backend, model) = (BackendId::from("one"), ModelId::from("model"));
    fleet.judge(&backend, &model, None, Judgement::Good);
    fleet.judge(&backend, &model, None, Judgement::Worse);
    fleet.judge(&backend, &model, Some(Judgement::Good), Judgement::Bad);
    assert_eq!(fleet.backends[0].models[0].judged, Judged { bad: 1, worse: 1, ..Judged::default() });
    // A model that has gone in the meantime is judged no more.
    fleet.judge(&backend, &"gone".into(), None, Judgement::Good);
}

proptest! {
    /// In whatever order requests are sent and come back: those in flight are those that were not given back, and the
    /// oldest is the oldest of them.
    #[test]
    fn what_is_in_flight_is_what_was_sent_and_did_not_come_back(
        steps in proptest::collection::vec((0_u8..3, any::<prop::sample::Index>(), 0_i64..3), 0..60),
    ) {
        let mut fleet = fleet(None);
        let mut held: Vec<(Permit, Timestamp)> = Vec::new();
        let mut at = NOW;
        for (step, which, later) in steps {
            // Several may be sent within one millisecond.
            at = Timestamp(at.0 + later);
            match step {
                _ if held.is_empty() || step == 0 => {
                    let permit = fleet.admit(&Ask::to("one", "model"), at);
                    held.push((permit.expect("it is up"), at));
                }
                1 => fleet.release(held.remove(which.index(held.len())).0, at),
                _ => {
                    let permit = held.remove(which.index(held.len())).0;
                    let failure = None;
                    fleet.settle(permit, &AttemptResult { sample: None, failure, usage: None, cost: Cost::UNKNOWN }, at);
                }
            }
            for target in [Target::Tier(Tier::Gpu), Target::Backend("one".into()), Target::Model("one".into(), "model".into())] {
                prop_assert_eq!(fleet.in_flight(&target) as usize, held.len());
                prop_assert_eq!(fleet.oldest_in_flight(&target), held.iter().map(|(_, sent)| *sent).min());
            }
            prop_assert_eq!(fleet.oldest_in_flight(&Target::Tier(Tier::Claude)), None);
        }
        for (permit, _) in held {
            fleet.release(permit, at);
        }
    }
}
