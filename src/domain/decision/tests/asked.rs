//! What a request names comes into question wherever it is; what stands in for it is a matter of rule and chain.

use super::*;
use crate::domain::task::Task;

/// Rewards go to the local tier, and only Claude stands in: the GPU and frontier tiers are for who names them.
fn decided(constraints: &Constraints, drained: &[Tier]) -> Decision {
    let mut fleet = fleet();
    fleet.backends.push(backend(Tier::Gpu, "runpod-other", &[("llama3:8b", Pricing::Rented, &[])]).into());
    for tier in drained {
        drain(&mut fleet, *tier);
    }
    let rule = super::super::super::policy::Rule { tiers: vec![Tier::Local], model: None };
    let policy = Policy {
        rules: [(Task::Reward, rule)].into(),
        fallback_chain: vec![Tier::Local, Tier::Claude],
        ..Policy::default()
    };
    let prompt = Arc::new(Prompt::user("Calculate reward for action"));
    let analysis = analyse(&prompt, None);
    let guarded = Guarded::inspect(Arc::clone(&prompt), Privacy::Standard, &policy.guard);
    let (id, constraints) = (RequestId(Uuid::nil()), constraints.clone());
    let request = Request { id, prompt, constraints, caller: Arc::from("test"), chance: 1.0 };
    decide(request.matter(&analysis, guarded.verdict()), &fleet, &policy, NOW)
}

#[test]
fn what_is_named_is_first_wherever_it_is_and_only_the_chain_stands_in_for_it() {
    let backend = |id: &str| Constraints { backend: Some(id.into()), ..Constraints::default() };
    let model = |id: &str| Constraints { model: Some(id.into()), ..Constraints::default() };
    for (named, first, tiers) in [
        // Of a tier in the chain, and of one that is nowhere.
        (backend("anthropic"), "anthropic", &[Tier::Local, Tier::Claude][..]),
        (backend("runpod"), "runpod", &[Tier::Gpu, Tier::Local, Tier::Claude]),
        (backend("litellm"), "litellm", &[Tier::Frontier, Tier::Local, Tier::Claude]),
        (model("opus"), "anthropic", &[Tier::Local, Tier::Claude]),
        (model("llama3:70b"), "runpod", &[Tier::Gpu, Tier::Local, Tier::Claude]),
        (model("gpt"), "litellm", &[Tier::Frontier, Tier::Local, Tier::Claude]),
    ] {
        let with = decided(&Constraints { fallback: true, ..named.clone() }, &[]);
        let who: Vec<&str> = with.candidates.iter().map(|one| one.backend.as_str()).collect();
        assert!(who[0] == first && with.candidates[0].preferred, "{named:?}");
        assert!(who.contains(&"ollama") && who.contains(&"anthropic"), "{named:?}: {who:?}");
        let not_in_chain = ["runpod", "runpod-other", "litellm"].into_iter().filter(|id| *id != first);
        assert!(not_in_chain.into_iter().all(|id| !who.contains(&id)), "{named:?}: {who:?}");
        assert_eq!(with.order, tiers, "{named:?}");
        assert!(with.headline().starts_with("the request asks for"), "{named:?}: {}", with.headline());
        // Without a fallback it is the same one, alone.
        let without = decided(&named, &[]);
        assert_eq!(
            without.chosen().map(|one| (&one.backend, &one.model)),
            with.chosen().map(|one| (&one.backend, &one.model))
        );
        assert!(without.candidates.iter().all(|one| one.backend.as_str() == first), "{named:?}");
    }
}

#[test]
fn when_what_is_named_cannot_serve_the_headline_says_why() {
    for (id, tier) in [("runpod", Tier::Gpu), ("anthropic", Tier::Claude)] {
        let named = Constraints { backend: Some(id.into()), fallback: true, ..Constraints::default() };
        let decision = decided(&named, &[tier]);
        assert_eq!(decision.headline(), format!("local stands in for backend {id}: tier drained"));
    }
}

#[test]
fn a_backend_of_another_tier_than_the_one_that_is_named_is_not_asked_for() {
    let named = Constraints {
        tier: Some(Tier::Claude),
        backend: Some("runpod".into()),
        fallback: true,
        ..Constraints::default()
    };
    let decision = decided(&named, &[]);
    assert!(decision.candidates.iter().all(|one| one.tier != Tier::Gpu));
    assert_eq!(code_of(&decision, Tier::Gpu), "other_tier");
}
