//! What hosts have in memory, and what they load without a request.

use super::*;
use crate::domain::health::FoundModel;

const GIB: u64 = 1 << 30;

/// An Ollama host with three models of eight gigabytes each, and as much memory as is said.
fn host(memory: Option<u64>) -> Fleet {
    let mut fleet = fleet(None);
    let backend = Arc::make_mut(&mut fleet.backends[0]);
    let spec = BackendSpec {
        tier: Tier::Local,
        protocol: Protocol::Ollama,
        reach: Reach::Inside,
        memory,
        warm_up: true,
        default_pricing: Pricing::Free,
        ..(*backend.spec).clone()
    };
    backend.spec = Arc::new(spec);
    backend.models.clear();
    fleet
}

/// A probe finds these of its models in memory.
fn found(fleet: &mut Fleet, loaded: &[&str], at: Timestamp) {
    let model = |id: &str| FoundModel {
        id: id.to_owned(),
        loaded: Some(loaded.contains(&id)),
        memory: Some(8 * GIB),
        context: Some(8_192),
        ..FoundModel::default()
    };
    let report = ProbeReport {
        health: Health::Up,
        detail: String::new(),
        key_refused: false,
        took: Duration::ZERO,
        models: Some(["a", "b", "c"].map(model).into()),
    };
    fleet.observe(&"one".into(), report, at);
}

fn admit(fleet: &mut Fleet, model: &str, at: Timestamp) -> Permit {
    fleet.admit(&Ask::to("one", model), at).expect("it is up")
}

fn answered(fleet: &mut Fleet, model: &str, times: usize, at: Timestamp) {
    for _ in 0..times {
        let permit = admit(fleet, model, at);
        let sample = Sample {
            at,
            ok: true,
            first_token_ms: Some(50),
            total_ms: 90,
            tokens_per_second: None,
            longest_pause_ms: None,
        };
        let result = AttemptResult { sample: Some(sample), failure: None, usage: None, cost: Cost::UNKNOWN };
        fleet.settle(permit, &result, at);
    }
}

fn minutes(minutes: u64) -> Timestamp {
    NOW.after(Duration::from_secs(minutes * 60))
}

fn wanted(fleet: &mut Fleet, at: Timestamp) -> Option<String> {
    fleet.load_wanted(&"one".into(), at).map(|load| load.model.to_string())
}

/// Host and model that were asked for often, and the model dropped.
fn dropped(memory: Option<u64>) -> Fleet {
    let mut fleet = host(memory);
    found(&mut fleet, &["a"], NOW);
    answered(&mut fleet, "a", 3, NOW);
    found(&mut fleet, &[], minutes(5));
    fleet
}

#[test]
fn a_model_that_is_asked_for_often_is_loaded_again_once_in_ten_minutes() {
    let mut fleet = dropped(None);
    let load = fleet.load_wanted(&"one".into(), minutes(5)).expect("the traffic asks for it");
    assert_eq!((load.model.as_str(), load.context), ("a", Some(8_192)));
    answered(&mut fleet, "a", 3, minutes(14));
    found(&mut fleet, &[], minutes(14));
    assert_eq!(wanted(&mut fleet, minutes(14)), None, "not so soon again");
    assert_eq!(wanted(&mut fleet, minutes(15)), Some("a".to_owned()));
}

#[test]
fn what_nobody_asks_for_is_left_where_it_is() {
    let mut fleet = host(None);
    found(&mut fleet, &["a"], NOW);
    answered(&mut fleet, "a", 2, NOW);
    found(&mut fleet, &[], minutes(5));
    assert_eq!(wanted(&mut fleet, minutes(5)), None, "two are chance");
    let mut fleet = dropped(None);
    assert_eq!(wanted(&mut fleet, minutes(11)), None, "that was long ago");
    let mut fleet = dropped(None);
    found(&mut fleet, &["a"], minutes(5));
    assert_eq!(wanted(&mut fleet, minutes(5)), None, "it is there");
}

#[test]
fn nothing_is_loaded_on_a_host_that_has_other_things_to_do() {
    let mut busy = dropped(None);
    let permit = admit(&mut busy, "b", minutes(5));
    assert_eq!(wanted(&mut busy, minutes(5)), None);
    busy.release(permit, minutes(5));
    assert_eq!(wanted(&mut busy, minutes(5)), Some("a".to_owned()));
    for target in [Target::Tier(Tier::Local), Target::Backend("one".into()), Target::Model("one".into(), "a".into())] {
        let mut drained = dropped(None);
        drained.set_admin(&target, Admin { state: AdminState::Drain, ..Admin::default() }).expect("it exists");
        assert_eq!(wanted(&mut drained, minutes(5)), None, "{target}");
    }
    let mut unwell = dropped(None);
    probe(&mut unwell, Health::Degraded, "slow", false);
    assert_eq!(wanted(&mut unwell, minutes(5)), None);
}

#[test]
fn nothing_is_loaded_that_costs_money_or_runs_elsewhere_or_is_not_wanted() {
    type Change = fn(&mut Backend);
    let changes: [(&str, Change); 4] = [
        ("by the hour", |backend| {
            Arc::make_mut(&mut backend.models[0].spec).pricing = Pricing::PerHour { rate: Money(1) };
        }),
        ("elsewhere", |backend| Arc::make_mut(&mut backend.models[0].spec).remote = true),
        ("not wanted", |backend| Arc::make_mut(&mut backend.spec).warm_up = false),
        ("not Ollama", |backend| Arc::make_mut(&mut backend.spec).protocol = Protocol::Openai),
    ];
    for (name, change) in changes {
        let mut fleet = dropped(None);
        change(Arc::make_mut(&mut fleet.backends[0]));
        assert_eq!(wanted(&mut fleet, minutes(5)), None, "{name}");
    }
}

#[test]
fn two_models_in_use_do_not_drive_each_other_out_by_turns() {
    for (memory, expected) in [(None, None), (Some(12 * GIB), None), (Some(24 * GIB), Some("a".to_owned()))] {
        let mut fleet = host(memory);
        found(&mut fleet, &["a"], NOW);
        answered(&mut fleet, "a", 3, NOW);
        answered(&mut fleet, "b", 1, NOW);
        found(&mut fleet, &["b"], minutes(5));
        assert_eq!(wanted(&mut fleet, minutes(5)), expected, "{memory:?}");
    }
}

#[test]
fn memory_is_told_as_far_as_it_is_known() {
    let mut fleet = host(Some(24 * GIB));
    found(&mut fleet, &["a", "b"], NOW);
    let backend = &fleet.backends[0];
    assert_eq!((backend.memory_in_use(), backend.memory_free()), (Some(16 * GIB), Some(8 * GIB)));
    let mut fleet = host(None);
    found(&mut fleet, &["a"], NOW);
    assert_eq!((fleet.backends[0].memory_in_use(), fleet.backends[0].memory_free()), (Some(8 * GIB), None));
    Arc::make_mut(&mut fleet.backends[0]).models[0].memory = None;
    assert_eq!(fleet.backends[0].memory_in_use(), None, "not known is not nought");
}

#[test]
fn an_answer_shows_that_its_model_is_in_memory_before_the_next_probe_does() {
    let mut fleet = host(None);
    found(&mut fleet, &[], NOW);
    answered(&mut fleet, "a", 1, NOW);
    assert_eq!(fleet.backends[0].model(&"a".into()).and_then(|model| model.loaded), Some(true));
    assert_eq!(fleet.backends[0].model(&"b".into()).and_then(|model| model.loaded), Some(false));
}

#[test]
fn what_an_operator_said_of_a_model_holds_when_it_has_been_away() {
    let mut fleet = host(None);
    found(&mut fleet, &[], NOW);
    let target = crate::domain::tier::Target::Model("one".into(), "a".into());
    let drained = Admin { state: AdminState::Drain, ..Admin::default() };
    fleet.set_admin(&target, drained.clone()).expect("it is there");
    let gone = ProbeReport {
        health: Health::Up,
        detail: String::new(),
        key_refused: false,
        took: Duration::ZERO,
        models: Some(Vec::new()),
    };
    fleet.observe(&"one".into(), gone, NOW);
    found(&mut fleet, &[], NOW);
    assert_eq!(fleet.admin(&target), Some(&drained));
}
