//! What keeps requests away from a backend: each state is told apart, and ends by itself or by a probe.

use super::*;
use crate::domain::breaker::BreakerState;
use crate::domain::limits::{Allowance, Limits};

fn later(seconds: u64) -> Timestamp {
    NOW.after(Duration::from_secs(seconds))
}

fn probe_at(fleet: &mut Fleet, health: Health, at: Timestamp) {
    let report =
        ProbeReport { health, detail: String::new(), key_refused: false, took: Duration::from_millis(1), models: None };
    fleet.observe(&"one".into(), report, at);
}

fn reason(fleet: &Fleet, at: Timestamp) -> &'static str {
    fleet.routable(&fleet.backends[0], at).map_or_else(|reason| reason.code(), |()| "routable")
}

fn admit(fleet: &mut Fleet, at: Timestamp) -> Permit {
    fleet.admit(&Ask { last_resort: true, ..Ask::to("one", "model") }, at).expect("leave is given")
}

fn end(fleet: &mut Fleet, permit: Permit, class: Option<FailureClass>, first_token_ms: u32, at: Timestamp) {
    let failure = class.map(|class| Failure::new(class, "scripted"));
    let ok = failure.is_none();
    let sample = Sample {
        at,
        ok,
        first_token_ms: Some(first_token_ms),
        total_ms: first_token_ms,
        tokens_per_second: None,
        longest_pause_ms: None,
    };
    let result = AttemptResult { sample: Some(sample), failure: failure.as_ref(), usage: None, cost: Cost::UNKNOWN };
    fleet.settle(permit, &result, at);
}

#[test]
fn every_state_is_told_apart_and_has_an_end() {
    for (class, code, ends_by_itself_after, ends_by_a_probe) in [
        (FailureClass::KeyRefused, "key_refused", None, true),
        (FailureClass::OutOfCredit, "out_of_credit", Some(600), false),
        (FailureClass::ModelMissing, "model_missing", None, true),
        (FailureClass::RateLimited, "rate_limited", Some(30), false),
        (FailureClass::Unreachable, "down", None, true),
        (FailureClass::Silent, "breaker_open", Some(5), false),
    ] {
        let mut fleet = fleet(None);
        attempt(&mut fleet, Cost::UNKNOWN, Some(class), NOW);
        assert_eq!(reason(&fleet, NOW), code, "{class}");
        if let Some(seconds) = ends_by_itself_after {
            assert_eq!(reason(&fleet, later(seconds - 1)), code, "{class}");
            assert_eq!(reason(&fleet, later(seconds)), "routable", "{class}");
        }
        if ends_by_a_probe {
            assert_eq!(reason(&fleet, later(86_400)), code, "{class}: not by itself");
            probe_at(&mut fleet, Health::Up, later(60));
            assert_eq!(reason(&fleet, later(60)), "routable", "{class}");
        }
    }
}

#[test]
fn a_cold_start_is_no_obstacle_and_is_told() {
    let mut fleet = fleet(None);
    probe_at(&mut fleet, Health::Warming, NOW);
    assert_eq!((reason(&fleet, NOW), fleet.backends[0].health), ("routable", Health::Warming));
    attempt(&mut fleet, Cost::UNKNOWN, None, later(60));
    assert_eq!(fleet.backends[0].health, Health::Up, "an answer is proof that it has started");
}

#[test]
fn a_limit_that_headers_told_of_is_a_rate_limit_until_its_reset() {
    let mut fleet = fleet(None);
    let requests = Some(Allowance { remaining: 1, resets_in: Duration::from_secs(20) });
    fleet.told_limits(&"one".into(), &"model".into(), &Limits { requests, ..Limits::default() }, NOW);
    let permit = fleet.admit(&Ask::to("one", "model"), NOW);
    fleet.release(permit.expect("the last one fits"), NOW);
    assert_eq!(reason(&fleet, NOW), "rate_limited");
    assert_eq!(reason(&fleet, later(20)), "routable");
}

#[test]
fn a_probe_that_was_never_worried_does_not_hurry_a_trial() {
    let mut fleet = fleet(None);
    probe_at(&mut fleet, Health::Up, NOW);
    attempt(&mut fleet, Cost::UNKNOWN, Some(FailureClass::Silent), NOW);
    probe_at(&mut fleet, Health::Up, later(1));
    assert_eq!(reason(&fleet, later(1)), "breaker_open", "it sees less than the requests do");
    probe_at(&mut fleet, Health::Degraded, later(2));
    probe_at(&mut fleet, Health::Up, later(3));
    assert_eq!(reason(&fleet, later(3)), "routable", "it has seen the end of what it saw");
}

#[test]
fn what_probes_alone_found_down_comes_back_by_and_by() {
    let mut fleet = fleet(None);
    probe_at(&mut fleet, Health::Down, NOW);
    probe_at(&mut fleet, Health::Up, later(2));
    let permit = admit(&mut fleet, later(2));
    assert_eq!(reason(&fleet, later(2)), "recovering");
    assert_eq!(reason(&fleet, later(3)), "routable", "two at a time after a second");
    fleet.release(permit, later(3));
    assert_eq!(fleet.backends[0].breaker.state(later(8)), BreakerState::Closed);
}

#[test]
fn a_silence_beside_answers_is_one_strike() {
    let mut fleet = fleet(None);
    let silent = admit(&mut fleet, NOW);
    let answered = admit(&mut fleet, later(1));
    end(&mut fleet, answered, None, 40, later(2));
    end(&mut fleet, silent, Some(FailureClass::Silent), 0, later(10));
    assert_eq!(reason(&fleet, later(10)), "routable");
}

#[test]
fn an_answer_that_began_before_the_outage_does_not_end_it() {
    let mut fleet = fleet(None);
    let long = admit(&mut fleet, NOW);
    attempt(&mut fleet, Cost::UNKNOWN, Some(FailureClass::Unreachable), later(1));
    end(&mut fleet, long, None, 40, later(2));
    assert_eq!(reason(&fleet, later(2)), "down");
}

#[test]
fn a_request_that_waits_in_vain_is_noticed_unless_others_are_answered() {
    let mut fleet = fleet(None);
    let waiting = admit(&mut fleet, NOW);
    assert!(!fleet.backends[0].keeps_waiting(later(4)));
    assert!(fleet.backends[0].keeps_waiting(later(5)));
    let other = admit(&mut fleet, later(5));
    end(&mut fleet, other, None, 40, later(6));
    assert!(!fleet.backends[0].keeps_waiting(later(7)));
    fleet.release(waiting, later(7));
    assert!(!fleet.backends[0].keeps_waiting(later(60)), "nobody waits");
}

#[test]
fn what_was_measured_before_the_return_does_not_count() {
    let mut fleet = fleet(None);
    let slow = admit(&mut fleet, NOW);
    end(&mut fleet, slow, None, 9_000, later(9));
    let pace = |fleet: &Fleet| fleet.backends[0].models[0].pace.map(|pace| pace.p95_ms);
    assert_eq!(pace(&fleet), Some(9_000));
    attempt(&mut fleet, Cost::UNKNOWN, Some(FailureClass::Unreachable), later(10));
    probe_at(&mut fleet, Health::Down, later(11));
    probe_at(&mut fleet, Health::Up, later(20));
    let trial = admit(&mut fleet, later(20));
    let passes = trial.trial().expect("the first one is a trial");
    fleet.began(&"one".into(), &"model".into(), passes, later(21));
    assert_eq!(pace(&fleet), None);
    end(&mut fleet, trial, None, 50, later(22));
    assert_eq!(pace(&fleet), Some(50));
}

/// What may happen while a drain lasts.
#[derive(Clone, Copy, Debug)]
enum Step {
    Admit { last_resort: bool },
    Settle(prop::sample::Index, usize),
    Release(prop::sample::Index),
    Probe(bool),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let which = any::<prop::sample::Index>;
    let step = prop_oneof![
        3 => any::<bool>().prop_map(|last_resort| Step::Admit { last_resort }),
        3 => (which(), 0..=FailureClass::ALL.len()).prop_map(|(index, class)| Step::Settle(index, class)),
        1 => which().prop_map(Step::Release),
        1 => any::<bool>().prop_map(Step::Probe),
        1 => (0_u64..90).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 0..60)
}

proptest! {
    /// In whatever order requests are admitted, settled and given back, before a drain and during it: it lets nobody in,
    /// not even as a last resort, and ends with the last of those that were there.
    #[test]
    fn a_drain_always_ends(
        steps in steps(),
        begins in 0_usize..60,
        level in 0_usize..3,
        maintenance in any::<bool>(),
    ) {
        let mut fleet = fleet(None);
        let targets = [Target::Tier(Tier::Gpu), Target::Backend("one".into()), Target::Model("one".into(), "model".into())];
        let target = &targets[level];
        let state = if maintenance { AdminState::Maint } else { AdminState::Drain };
        let mut held: Vec<Permit> = Vec::new();
        let mut at = NOW;
        let mut most = u32::MAX;
        for (number, step) in steps.into_iter().enumerate() {
            if number == begins {
                fleet.set_admin(target, Admin { state, ..Admin::default() }).expect("it exists");
                most = fleet.in_flight(target);
            }
            match step {
                Step::Admit { last_resort } => {
                    let size = Size::default();
                    let asked = fleet.admit(&Ask { size, last_resort, ..Ask::to("one", "model") }, at);
                    prop_assert!(number < begins || asked.is_err(), "a drain let somebody in");
                    held.extend(asked.ok());
                }
                Step::Settle(..) | Step::Release(_) if held.is_empty() => {}
                Step::Settle(which, class) => {
                    let permit = held.swap_remove(which.index(held.len()));
                    end(&mut fleet, permit, FailureClass::ALL.get(class).copied(), 10, at);
                }
                Step::Release(which) => fleet.release(held.swap_remove(which.index(held.len())), at),
                Step::Probe(up) => probe_at(&mut fleet, if up { Health::Up } else { Health::Down }, at),
                Step::Wait(seconds) => at = at.after(Duration::from_secs(seconds)),
            }
            prop_assert!(fleet.in_flight(target) <= most);
            prop_assert_eq!(fleet.in_flight(target) as usize, held.len());
            if number >= begins {
                most = fleet.in_flight(target);
            }
        }
        for permit in held {
            fleet.release(permit, at);
        }
        prop_assert_eq!(fleet.in_flight(target), 0);
    }
}
