//! What was learnt changes where a request goes, within bounds, and says so.

use super::*;
use crate::domain::learning::{Exploration, Kind, Outcome, Served};

/// A fleet with two local models that saw so many reward prompts, of which so many failed.
fn taught(outcomes: &[(&str, u32, u32)]) -> Fleet {
    let local =
        [("llama3:8b", Pricing::Free, [Task::Reward].as_slice()), ("mistral:7b", Pricing::Free, &[Task::Reward])];
    let mut fleet = Fleet::new(
        vec![
            backend(Tier::Claude, "anthropic", &[("haiku", priced(0.1, 0.5), &[])]),
            backend(Tier::Local, "ollama", &local),
            backend(Tier::Gpu, "runpod", &[("llama3:70b", Pricing::Rented, &[])]),
        ],
        Spend::new(NOW, Day(0), None),
    );
    let learned = &mut Arc::make_mut(&mut fleet.lessons).learned;
    let analysis = analyse(&Prompt::user(REWARD), None);
    for (model, asked, failed) in outcomes {
        for number in 0..*asked {
            learned.observe(&Outcome {
                kind: Kind { task: Task::Reward, ..analysis.kind },
                tier: Tier::Local,
                model: (*model).into(),
                served: if number * failed / asked == (number + 1) * failed / asked {
                    Served::Ok
                } else {
                    Served::Failed
                },
                quality: None,
                first_token_ms: None,
                total_ms: None,
                output_tokens: None,
                forecast_tokens: None,
                at: NOW,
            });
        }
    }
    fleet
}

const REWARD: &str = "Rate this action: move left";

fn decided(fleet: &Fleet, constraints: Constraints, policy: &Policy, chance: f32) -> Decision {
    let prompt = Arc::new(Prompt::user(REWARD));
    let analysis = analyse(&prompt, constraints.task);
    let guarded = Guarded::inspect(Arc::clone(&prompt), constraints.privacy, &policy.guard);
    let request = Request { id: RequestId(Uuid::nil()), prompt, constraints, caller: Arc::from("test"), chance };
    decide(request.matter(&analysis, guarded.verdict()), fleet, policy, NOW)
}

fn model_of(decision: &Decision) -> &str {
    decision.chosen().map_or("", |one| one.model.as_str())
}

#[test]
fn a_model_that_fails_at_such_work_gives_way_to_its_neighbour_and_the_decision_says_why() {
    let policy = Policy::default();
    let none = Constraints::default;
    assert_eq!(
        model_of(&decided(&taught(&[]), none(), &policy, 1.0)),
        "llama3:8b",
        "in the order of the configuration"
    );
    for (failing, other) in [("llama3:8b", "mistral:7b"), ("mistral:7b", "llama3:8b")] {
        let decision = decided(&taught(&[(failing, 60, 11), (other, 60, 1)]), none(), &policy, 1.0);
        assert_eq!(model_of(&decision), other);
        if failing == "llama3:8b" {
            assert!(
                decision.headline().contains("llama3:8b on local fails 18 % of reward prompts (11 of 60)"),
                "{}",
                decision.headline()
            );
        }
    }
    // Whoever switches learning off, or names a model, gets what they said.
    let fleet = taught(&[("llama3:8b", 60, 40), ("mistral:7b", 60, 1)]);
    let mut off = policy.clone();
    off.learning.enabled = false;
    let decision = decided(&fleet, none(), &off, 1.0);
    assert_eq!((model_of(&decision), &decision.lesson), ("llama3:8b", &None));
    let named = Constraints { model: Some("llama3:8b".into()), ..none() };
    assert_eq!(model_of(&decided(&fleet, named, &policy, 1.0)), "llama3:8b");
}

#[test]
fn a_tier_whose_answers_are_worth_far_less_gives_way_to_the_next() {
    let fleet = taught(&[("llama3:8b", 80, 60), ("mistral:7b", 80, 60)]);
    let decision = decided(&fleet, Constraints::default(), &Policy::default(), 1.0);
    assert_eq!(decision.chosen().map(|one| one.tier), Some(Tier::Gpu));
    assert!(decision.lesson.is_some(), "{decision:#?}");
    let private = Constraints { privacy: Privacy::High, ..Constraints::default() };
    let decision = decided(&fleet, private, &Policy::default(), 1.0);
    assert_eq!(decision.chosen().map(|one| one.tier), Some(Tier::Local), "nothing that was learnt opens the guard");
}

#[test]
fn a_bounded_share_explores_and_only_where_nothing_is_demanded() {
    let fleet = taught(&[("llama3:8b", 5, 0)]);
    let mut policy = Policy::default();
    let explored = |policy: &Policy, constraints: &Constraints| {
        let chances = (0..1_000_u16).map(|lot| f32::from(lot) / 1_000.0);
        chances.filter(|chance| decided(&fleet, constraints.clone(), policy, *chance).explores).count()
    };
    let none = Constraints::default();
    assert_eq!(explored(&policy, &none), 0, "it is off");
    policy.learning.exploration = Exploration { share: 0.03 };
    let count = explored(&policy, &none);
    assert!((1..=30).contains(&count), "{count} of 1,000");
    let decision = decided(&fleet, none.clone(), &policy, 0.0);
    assert!(decision.explores && decision.headline().contains("to learn what"), "{}", decision.headline());
    assert_ne!(model_of(&decision), "llama3:8b");
    for demand in [
        Constraints { tier: Some(Tier::Local), ..none.clone() },
        Constraints { model: Some("mistral:7b".into()), ..none.clone() },
    ] {
        assert_eq!(explored(&policy, &demand), 0, "{demand:?}");
    }
    let private = Constraints { privacy: Privacy::High, ..none };
    let stays =
        |chance| decided(&fleet, private.clone(), &policy, chance).candidates.iter().all(|one| one.tier == Tier::Local);
    assert!([0.0, 0.01, 0.02].into_iter().all(stays), "a trial is no way out");
}

#[test]
fn an_everyday_prompt_that_takes_thought_of_its_own_goes_where_reasoning_goes() {
    let fleet = fleet();
    let mut analysis = analyse(&Prompt::user("hello"), Some(Task::General));
    for (demanding, task, tier) in [
        (false, Task::General, Tier::Local),
        (true, Task::General, Tier::Claude),
        (true, Task::Question, Tier::Claude),
        (true, Task::Reward, Tier::Local),
        (true, Task::Bulk, Tier::Gpu),
    ] {
        (analysis.demanding, analysis.task) = (demanding, task);
        let prompt = Arc::new(Prompt::user("hello"));
        let guarded = Guarded::inspect(Arc::clone(&prompt), Privacy::Standard, &GuardPolicy::default());
        let constraints = Constraints::default();
        let request =
            Request { id: RequestId(Uuid::nil()), prompt, constraints, caller: Arc::from("test"), chance: 1.0 };
        let decision = decide(request.matter(&analysis, guarded.verdict()), &fleet, &Policy::default(), NOW);
        assert_eq!(decision.chosen().map(|one| one.tier), Some(tier), "{task} {demanding}");
    }
}

#[test]
fn what_was_learnt_of_lengths_and_bills_is_in_the_estimate() {
    let fleet = taught(&[]);
    let before = decided(&fleet, Constraints::default(), &Policy::default(), 1.0);
    let mut fleet = fleet;
    let analysis = analyse(&Prompt::user(REWARD), None);
    let lessons = Arc::make_mut(&mut fleet.lessons);
    for _ in 0..40 {
        lessons.learned.observe(&Outcome {
            kind: analysis.kind,
            tier: Tier::Claude,
            model: "haiku".into(),
            served: Served::Ok,
            quality: None,
            first_token_ms: None,
            total_ms: None,
            output_tokens: Some(analysis.output_tokens.p50 * 3),
            forecast_tokens: Some(analysis.output_tokens.p50),
            at: NOW,
        });
        let billed = before.analysis.input_tokens * 5 / 4;
        lessons.calibration.observe(&"haiku".into(), &analysis.counts, billed);
    }
    let after = decided(&fleet, Constraints::default(), &Policy::default(), 1.0);
    let of = |decision: &Decision| {
        decision.candidates.iter().find(|one| one.model.as_str() == "haiku").map(|one| one.estimate)
    };
    let (before, after) = (of(&before).expect("a candidate"), of(&after).expect("a candidate"));
    assert!(after.output_tokens.p50 > before.output_tokens.p50 && after.input_tokens > before.input_tokens);
    assert!(after.cost > before.cost, "{before:?} {after:?}");
}
