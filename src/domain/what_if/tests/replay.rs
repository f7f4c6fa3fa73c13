//! What another configuration would do, over the fleet of the tests beside.

use std::collections::BTreeMap;

use super::super::super::fleet::Model;
use super::super::super::latency::Sample;
use super::super::super::policy::Rule;
use super::super::super::privacy::{Finding, FindingKind, GuardPolicy, Handling, Ruling};
use super::super::replay::{Twice, carried, replay, ruled};
use super::*;

/// A policy under which a task goes to one tier first, and to nobody else unless others may stand in.
fn rule(task: Task, tier: Tier, chain: &[Tier]) -> Policy {
    let mut policy = Policy { fallback_chain: chain.to_vec(), ..Policy::default() };
    policy.rules.insert(task, Rule { tiers: vec![tier], model: None });
    policy
}

fn guard(handling: impl IntoIterator<Item = (FindingKind, Handling)>) -> GuardPolicy {
    GuardPolicy { handling: BTreeMap::from_iter(handling), ..GuardPolicy::default() }
}

/// The same requests under another policy and over another fleet, each guard with its own verdict.
fn under(asked: &[Asked], fleets: [&Fleet; 2], other: &Policy) -> Foreseen {
    let present = Policy::default();
    let verdicts: Vec<_> = asked.iter().map(|one| ruled(&one.matter(), &present.guard, &other.guard)).collect();
    let twice = asked.iter().zip(&verdicts).map(|(one, verdict)| {
        let before = one.matter();
        Twice { at: one.at, before, after: Matter { verdict, ..before } }
    });
    let before = Setting { fleet: fleets[0], policy: &present };
    replay(twice, before, Setting { fleet: fleets[1], policy: other }, NOW)
}

fn mail() -> Asked {
    Asked::new("write to ada@example.org", Privacy::Standard, 1)
}

#[test]
fn another_rule_moves_its_task_and_both_costs_and_times_are_predicted() {
    let recent = [asked(EXPLAIN, Privacy::Standard, 3), asked(REWARD, Privacy::Standard, 2)].concat();
    let fleet = fleet();
    let told = under(&recent, [&fleet, &fleet], &rule(Task::Explanation, Tier::Local, &Tier::ALL));
    let moved = Move { from: "claude · model".into(), to: "local · model".into(), requests: 3 };
    assert_eq!((told.requests, told.moves.as_slice()), (5, [moved].as_slice()));
    assert!(told.before.cost > Money::ZERO && told.after.cost == Money::ZERO);
    let [claude, local, ..] = Policy::default().assumed.map(|assumed| Some(assumed.first_token_ms));
    assert_eq!((told.before.first_token_p50_ms, told.before.first_token_p95_ms), (claude, claude));
    assert_eq!((told.after.first_token_p50_ms, told.after.first_token_p95_ms), (local, local));
}

#[test]
fn an_unknown_price_is_counted_and_never_nothing() {
    let fleet = fleet();
    let other = rule(Task::Explanation, Tier::Gpu, &[]);
    let told = under(&asked(EXPLAIN, Privacy::Standard, 4), [&fleet, &fleet], &other);
    assert_eq!((told.after.served, told.after.unpriced), (4, 4));
    assert!(told.replayed().iter().any(|line| line.ends_with(", then unknown")), "{:?}", told.replayed());
}

#[test]
fn what_the_other_fleet_has_nobody_for_fails_and_the_reason_is_told() {
    let present = fleet();
    let mut smaller = fleet();
    smaller.backends.retain(|backend| backend.spec.tier != Tier::Local);
    let recent = [asked("hi", Privacy::High, 2), asked(EXPLAIN, Privacy::Standard, 1)].concat();
    let told = under(&recent, [&present, &smaller], &Policy::default());
    assert_eq!((told.failing(), told.lost.len(), told.after.served), (2, 1, 1));
    assert!(told.lost[0].why.starts_with("private, and "), "{:?}", told.lost);
    assert_eq!(under(&recent, [&smaller, &present], &Policy::default()).gained, 2);
}

#[test]
fn a_guard_that_allows_more_lets_out_what_is_private_now_and_that_is_told() {
    let fleet = fleet();
    let everywhere = Policy { default_tier: Tier::Claude, rules: BTreeMap::new(), ..Policy::default() };
    let with = |handling| Policy { guard: guard([(FindingKind::Email, handling)]), ..everywhere.clone() };
    let (lax, redacting) = (with(Handling::Warn), with(Handling::Redact));
    for (policy, out, redacted) in [(&everywhere, 0, 0), (&lax, 1, 0), (&redacting, 1, 1)] {
        let recent = [mail(), Asked::new("hi", Privacy::High, 1)];
        let told = under(&recent, [&fleet, &fleet], policy);
        assert_eq!(told.private, Private { requests: 2, let_out: out, redacted, kept: 0 });
    }
    let strict = Policy { guard: guard([(FindingKind::Email, Handling::KeepLocal)]), ..Policy::default() };
    let mut free = mail();
    free.verdict = Arc::new(Verdict { ruling: Ruling::Free, ..(*free.verdict).clone() });
    let before = free.matter();
    let verdict = ruled(&before, &lax.guard, &strict.guard);
    let twice = Twice { at: free.at, before, after: Matter { verdict: &verdict, ..before } };
    let settings = [&lax, &strict].map(|policy| Setting { fleet: &fleet, policy });
    let told = replay([twice], settings[0], settings[1], NOW);
    assert_eq!(told.private, Private { kept: 1, ..Private::default() });
}

#[test]
fn a_record_is_ruled_anew_from_the_kinds_that_were_found() {
    let email = |handling| guard([(FindingKind::Email, handling)]);
    let (default, named) = (GuardPolicy::default(), Finding::new(FindingKind::Named, 0, 0, 0));
    for (other, privacy, with_named, expected) in [
        (default.clone(), Privacy::Standard, false, Ruling::KeepAsFound),
        (guard([(FindingKind::Iban, Handling::Warn)]), Privacy::Standard, false, Ruling::KeepAsFound),
        (email(Handling::Warn), Privacy::Standard, false, Ruling::Free),
        (email(Handling::Redact), Privacy::Standard, false, Ruling::FreeRedacted),
        (email(Handling::Refuse), Privacy::Standard, false, Ruling::Refuse),
        (email(Handling::Warn), Privacy::High, false, Ruling::KeepAsAsked),
        // What an operator's own intent stood for is not in the record.
        (email(Handling::Warn), Privacy::Standard, true, Ruling::KeepAsFound),
    ] {
        let mut asked = mail();
        asked.constraints.privacy = privacy;
        if with_named {
            Arc::make_mut(&mut asked.verdict).findings.push(named.clone());
        }
        assert_eq!(ruled(&asked.matter(), &default, &other).ruling, expected, "{other:?}");
    }
}

#[test]
fn a_replay_spans_what_it_was_given_in_whatever_order() {
    let fleet = fleet();
    let mut recent = asked(EXPLAIN, Privacy::Standard, 61);
    recent.iter_mut().for_each(|one| one.at = Timestamp(one.at.0 - 86_400_000));
    recent.swap(0, 30);
    let told = under(&recent, [&fleet, &fleet], &Policy::default());
    assert_eq!((told.requests, told.span), (61, Duration::from_secs(60)), "old requests count, and their own span");
    assert_eq!(told.looked_at(), "61 requests over 60 s");
}

#[test]
fn what_was_observed_stays_with_the_same_address_and_wishes_with_the_name() {
    let mut present = fleet();
    let sample = Sample {
        at: NOW,
        ok: true,
        first_token_ms: Some(70),
        total_ms: 100,
        tokens_per_second: None,
        longest_pause_ms: None,
    };
    for tier in Tier::ALL {
        present.remember(tier, &format!("{tier}-1").into(), &"model".into(), &sample);
    }
    present.summarise(NOW);
    let drained = Admin { state: AdminState::Drain, ..Admin::default() };
    present.set_admin(&Target::Backend("gpu-1".into()), drained).expect("it is there");
    for target in [Target::Tier(Tier::Claude), Target::Backend("local-1".into())] {
        let (by, reason) = (Arc::from("test"), Arc::from(""));
        let scope = PinScope::All;
        let pin = Pin { target: Arc::new(target), scope, only: false, by, since: NOW, until: None, reason };
        present.pin(pin).expect("it is there");
    }
    let mut other = fleet();
    other.backends.retain(|backend| backend.spec.tier != Tier::Local);
    let moved = |backend: &mut Arc<Backend>| Arc::make_mut(&mut Arc::make_mut(backend).spec).url = "http://new".into();
    moved(&mut other.backends[1]);
    let other = carried(other, &present);
    let measured = |id: &str| other.backend(&id.into()).map(|one| one.models[0].pace.is_some());
    assert_eq!((measured("claude-1"), measured("gpu-1"), measured("local-1")), (Some(true), Some(false), None));
    let gpu = other.backend(&"gpu-1".into()).expect("it is there");
    assert_eq!((gpu.admin.state, &*gpu.spec.url), (AdminState::Drain, "http://new"));
    assert_eq!(other.pins.len(), 1, "a pin on what is not there says nothing");
    let spec = |model: &Model| Arc::clone(&model.spec);
    let [now, then] = [&present, &other].map(|fleet| spec(&fleet.backends[0].models[0]));
    assert_eq!(now, then);
}

proptest! {
    #[test]
    fn the_same_configuration_moves_nothing_and_no_policy_lets_a_private_prompt_out(
        recent in proptest::collection::vec(any_asked(), 0..12),
        tier in tiers(),
    ) {
        let fleet = fleet();
        let same = under(&recent, [&fleet, &fleet], &Policy::default());
        prop_assert_eq!((same.moved(), same.failing(), same.gained), (0, 0, 0));
        prop_assert_eq!(same.before, same.after);
        let other = Policy { default_tier: tier, rules: BTreeMap::new(), ..Policy::default() };
        let told = under(&recent, [&fleet, &fleet], &other);
        prop_assert_eq!((told.private.let_out, told.private.kept), (0, 0));
        prop_assert_eq!(told.before.served + told.gained, told.after.served + told.failing());
    }
}
