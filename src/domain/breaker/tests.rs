//! What opens a breaker, what closes it, and what must hold in any order of events.

use proptest::prelude::*;

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp(seconds * 1000)
}

/// One request that fails.
fn strike(breaker: &mut Breaker, severity: Severity, now: Timestamp) {
    let pass = breaker.admit(now);
    breaker.fail(pass, severity, now);
}

fn opened() -> Breaker {
    let mut breaker = Breaker::default();
    for _ in 0..STRIKES_TO_OPEN {
        strike(&mut breaker, Severity::Strike, at(0));
    }
    breaker
}

fn is_recovering(breaker: &Breaker, now: Timestamp) -> bool {
    matches!(breaker.state(now), BreakerState::Recovering { .. })
}

#[test]
fn three_strikes_open_it_and_a_success_between_them_does_not() {
    let mut breaker = Breaker::default();
    strike(&mut breaker, Severity::Strike, at(0));
    strike(&mut breaker, Severity::Strike, at(0));
    let pass = breaker.admit(at(0));
    breaker.succeed(pass, at(0));
    strike(&mut breaker, Severity::Strike, at(1));
    assert_eq!(breaker.allows(at(1)), Ok(()));
    assert_eq!(opened().allows(at(1)), Err(at(5)));
}

#[test]
fn what_is_fatal_opens_it_at_once_and_what_other_models_share_at_the_second_time() {
    let mut breaker = Breaker::default();
    strike(&mut breaker, Severity::Fatal, at(0));
    assert!(breaker.allows(at(0)).is_err());
    let mut breaker = Breaker::default();
    strike(&mut breaker, Severity::Shared, at(0));
    assert_eq!(breaker.allows(at(0)), Ok(()));
    strike(&mut breaker, Severity::Shared, at(0));
    assert!(breaker.allows(at(0)).is_err());
}

#[test]
fn only_one_trial_passes_and_its_result_decides() {
    let mut breaker = opened();
    let trial = breaker.admit(at(5));
    assert!(trial.is_some_and(Pass::is_trial));
    assert!(breaker.allows(at(6)).is_err());
    breaker.succeed(trial, at(6));
    assert_eq!(breaker.allows(at(6)), Ok(()));
}

#[test]
fn the_beginning_of_an_answer_decides_a_trial_and_its_breaking_off_opens_again() {
    let mut breaker = opened();
    let trial = breaker.admit(at(5));
    breaker.began(trial, at(6));
    assert!(is_recovering(&breaker, at(6)));
    assert!(breaker.fail(trial, Severity::Strike, at(7)));
    assert_eq!(breaker.allows(at(7)), Err(at(22)), "for longer than the first time");
}

#[test]
fn a_last_resort_beside_a_trial_counts_for_nothing() {
    let mut breaker = opened();
    let trial = breaker.admit(at(5));
    let beside = breaker.admit(at(6));
    assert_eq!(beside, None);
    let before = breaker;
    breaker.succeed(beside, at(6));
    breaker.fail(beside, Severity::Fatal, at(6));
    assert_eq!(breaker, before);
    breaker.succeed(trial, at(7));
    assert_eq!(breaker.allows(at(7)), Ok(()));
}

#[test]
fn each_failed_trial_triples_the_hold_up_to_a_minute() {
    let mut breaker = opened();
    let mut now = at(5);
    for expected in [15, 45, 60, 60] {
        strike(&mut breaker, Severity::Strike, now);
        let until = breaker.allows(now).expect_err("open again");
        assert_eq!(until.since(now), Duration::from_secs(expected));
        now = until;
    }
}

#[test]
fn the_result_of_an_overtaken_trial_is_ignored() {
    let mut breaker = opened();
    let stale = breaker.admit(at(5));
    let fresh = breaker.admit(at(700));
    let before = breaker;
    breaker.succeed(stale, at(201));
    assert!(!breaker.fail(stale, Severity::Fatal, at(201)));
    assert_eq!(breaker, before);
    breaker.succeed(fresh, at(201));
    assert!(is_recovering(&breaker, at(201)));
}

#[test]
fn what_was_sent_before_it_opened_says_nothing_afterwards() {
    let mut breaker = Breaker::default();
    let (long, slow) = (breaker.admit(at(0)), breaker.admit(at(0)));
    strike(&mut breaker, Severity::Fatal, at(0));
    breaker.succeed(long, at(4));
    assert_eq!(breaker.allows(at(4)), Err(at(5)), "it closes nothing");
    let trial = breaker.admit(at(5));
    breaker.succeed(trial, at(5));
    assert!(!breaker.fail(slow, Severity::Fatal, at(6)), "and opens nothing");
    assert_eq!(breaker.allows(at(6)), Ok(()));
}

#[test]
fn a_return_doubles_each_second_and_is_over_within_seconds() {
    let mut breaker = opened();
    let trial = breaker.admit(at(5));
    breaker.succeed(trial, at(10));
    let limits: Vec<Option<u32>> = (10..18).map(|second| breaker.limit(at(second))).collect();
    assert_eq!(limits, [Some(1), Some(2), Some(4), Some(8), Some(16), Some(32), None, None]);
    assert_eq!(breaker.state(at(16)), BreakerState::Closed);
    assert_eq!(breaker.returned(), Some(at(10)));
}

#[test]
fn a_failure_during_the_return_opens_at_once_and_one_after_it_is_a_strike() {
    let mut breaker = opened();
    let trial = breaker.admit(at(5));
    breaker.succeed(trial, at(5));
    let mut later = breaker;
    strike(&mut breaker, Severity::Strike, at(6));
    assert_eq!(breaker.allows(at(6)), Err(at(21)));
    strike(&mut later, Severity::Strike, at(12));
    assert_eq!(later.allows(at(12)), Ok(()));
}

#[test]
fn what_is_mended_gets_a_trial_at_once_or_begins_its_return() {
    let mut breaker = opened();
    breaker.mend(at(1));
    assert_eq!(breaker.allows(at(1)), Ok(()));
    assert!(breaker.admit(at(1)).is_some_and(Pass::is_trial));
    let mut never_struck = Breaker::default();
    never_struck.mend(at(1));
    assert_eq!(never_struck.limit(at(1)), Some(1));
}

#[test]
fn a_clock_that_was_set_back_holds_nothing() {
    let hour = 3600;
    let mut breaker = opened();
    assert_eq!(breaker.allows(at(-hour)), Ok(()));
    let trial = breaker.admit(at(5));
    assert_eq!(breaker.allows(at(-hour)), Ok(()));
    breaker.succeed(trial, at(6));
    assert_eq!(breaker.limit(at(-hour)), None);
}

/// What may happen to a breaker.
#[derive(Clone, Copy, Debug)]
enum Step {
    Admit,
    Began(prop::sample::Index),
    Succeed(prop::sample::Index),
    Fail(prop::sample::Index, u8),
    Forget(prop::sample::Index),
    Mend,
    Wait(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let which = any::<prop::sample::Index>;
    let step = prop_oneof![
        4 => Just(Step::Admit),
        1 => which().prop_map(Step::Began),
        2 => which().prop_map(Step::Succeed),
        4 => (which(), 0_u8..3).prop_map(|(index, severity)| Step::Fail(index, severity)),
        1 => which().prop_map(Step::Forget),
        1 => Just(Step::Mend),
        3 => (0_i64..130_000).prop_map(Step::Wait),
        2 => (0_i64..3_000).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 0..80)
}

proptest! {
    /// In whatever order requests are admitted, answered, failed and forgotten, probes report and time passes: at most
    /// one trial counts, what no longer counts changes nothing, a closed breaker admits, and an open one has an end.
    #[test]
    fn a_breaker_keeps_its_word_in_any_order_of_events(steps in steps()) {
        let mut breaker = Breaker::default();
        let mut held: Vec<Option<Pass>> = Vec::new();
        let mut now = at(1_000);
        for step in steps {
            let before = breaker;
            let mut pass = None;
            match step {
                Step::Admit => held.push(breaker.admit(now)),
                Step::Mend => breaker.mend(now),
                Step::Wait(millis) => now = Timestamp(now.0 + millis),
                Step::Began(_) | Step::Succeed(_) | Step::Fail(..) | Step::Forget(_) if held.is_empty() => continue,
                Step::Began(which) => {
                    let one = held[which.index(held.len())];
                    pass = Some(one);
                    breaker.began(one, now);
                }
                Step::Succeed(which) => {
                    let one = held.swap_remove(which.index(held.len()));
                    pass = Some(one);
                    breaker.succeed(one, now);
                }
                Step::Fail(which, severity) => {
                    let one = held.swap_remove(which.index(held.len()));
                    pass = Some(one);
                    let severity = [Severity::Strike, Severity::Shared, Severity::Fatal][usize::from(severity)];
                    breaker.fail(one, severity, now);
                }
                Step::Forget(which) => {
                    let one = held.swap_remove(which.index(held.len()));
                    pass = Some(one);
                    breaker.forget(one, now);
                }
            }
            if let Some(pass) = pass
                && !before.counts(pass)
            {
                prop_assert_eq!(breaker, before, "what no longer counts changed something");
            }
            let trials = held.iter().flatten().filter(|one| one.is_trial() && breaker.counts(Some(**one))).count();
            prop_assert!(trials <= 1, "{trials} trials count at once");
            match breaker.state(now) {
                BreakerState::Closed => {
                    prop_assert_eq!(breaker.allows(now), Ok(()));
                    prop_assert_eq!(breaker.limit(now), None);
                }
                BreakerState::Recovering { .. } => {
                    prop_assert_eq!(breaker.allows(now), Ok(()));
                    prop_assert!(breaker.limit(now).is_some_and(|limit| limit >= 1));
                    prop_assert_eq!(breaker.limit(now.after(RETURN)), None);
                }
                BreakerState::Open { until } => {
                    prop_assert!(until.since(now) <= LONGEST_HOLD);
                    prop_assert_eq!(breaker.allows(now.after(LONGEST_HOLD)), Ok(()));
                }
                BreakerState::HalfOpen { .. } => {
                    prop_assert_eq!(breaker.allows(now.after(TRIAL_TIMEOUT)), Ok(()));
                }
            }
        }
    }
}
