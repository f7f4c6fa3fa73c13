//! What was learnt changes the order, and a bounded share of requests finds out what is not known.

use std::sync::Arc;

use super::super::id::ModelId;
use super::super::learning::{Contender, compare};
use super::super::tier::Tier;
use super::score::Part;
use super::{Candidate, Judge};

impl Candidate {
    /// What was learnt, as a part of the score.
    fn learnt(&self) -> f32 {
        let term = self.terms[Part::Learnt as usize];
        term.value * term.weight
    }

    /// Whether a trial of it can cost nothing that the best candidate would not: no other tier's money, and no cold start.
    fn is_no_worse_to_try(&self, best: &Self) -> bool {
        let (own, other) = (&self.estimate, &best.estimate);
        let is_cheap = own.cost_upper.zip(other.cost_upper).is_some_and(|(own, other)| own <= other);
        (self.tier == best.tier || is_cheap) && (!own.cold || other.cold)
    }

    /// What one unit of quality counts in the score.
    fn per_quality(&self) -> f32 {
        self.terms[Part::Learnt as usize].weight
    }
}

impl Judge<'_> {
    /// Who would be first had nothing been learnt. The candidates are in the order of the configuration, and the first of
    /// equals is meant.
    pub(super) fn unlearned(&self, candidates: &[Candidate]) -> Option<(Tier, ModelId)> {
        let plain = |one: &Candidate| one.score - one.learnt();
        let better = |best: &'_ Candidate, one: &'_ Candidate| plain(one) > plain(best);
        let first = candidates.iter().reduce(|best, one| if better(best, one) { one } else { best })?;
        Some((first.tier, first.model.clone()))
    }

    /// What put the first candidate before the one that would have been first had nothing been learnt.
    pub(super) fn lesson(&self, unlearned: Option<(Tier, ModelId)>, candidates: &[Candidate]) -> Option<Arc<str>> {
        let first = candidates.first()?;
        let (tier, model) = unlearned.filter(|(tier, model)| (*tier, model) != (first.tier, &first.model))?;
        let learned = &self.fleet.lessons.learned;
        let (passed, preferred) = ((tier, &model), (first.tier, &first.model));
        let compared = compare(learned, self.analysis.task, passed, preferred, self.now);
        Some(match compared {
            Some(compared) => compared.to_string().into(),
            // Too little is known of the one to put it in numbers: what is known of the other was enough.
            None => format!("{} did better at such prompts than is expected of {model} on {tier}", first.model).into(),
        })
    }

    /// Puts another candidate first where this request is one of those that find out. Who was asked for by name, and the last
    /// resort, are no ground for trials. Returns whether it did.
    pub(super) fn explore(&self, candidates: &mut Vec<Candidate>, chance: f32) -> bool {
        let learning = &self.policy.learning;
        let constraints = self.constraints;
        let is_named = constraints.tier.is_some() || constraints.backend.is_some() || constraints.model.is_some();
        if !learning.enabled || is_named || candidates.len() < 2 || chance >= learning.exploration.share {
            return false;
        }
        let contenders: Vec<Contender> = candidates
            .iter()
            .take_while(|one| !one.last_resort)
            .map(|one| Contender {
                score: one.score,
                per_quality: one.per_quality(),
                expected: self.outlook.expect(one.tier, &one.model),
            })
            .collect();
        let choice = learning.exploration.choose(&contenders, chance).filter(|choice| choice.explored);
        let Some(choice) = choice.filter(|choice| choice.index < candidates.len()) else { return false };
        let (best, other) = (candidates.first(), candidates.get(choice.index));
        if !best.zip(other).is_some_and(|(best, other)| other.is_no_worse_to_try(best)) {
            return false;
        }
        let chosen = candidates.remove(choice.index);
        candidates.insert(0, chosen);
        true
    }
}
