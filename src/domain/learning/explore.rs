//! A bounded share of requests that goes to another candidate than the best, to learn what that one can do.

use serde::{Deserialize, Serialize};

use super::learned::Expectation;

/// How much is explored.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Exploration {
    /// The share of requests, 0 to 1, that may go elsewhere than to the best candidate. Zero switches exploring off.
    pub share: f32,
}

impl Default for Exploration {
    /// Three in a hundred: what is lost by it stays below three in a hundred of the difference between two models that
    /// were near one another anyhow, and a thousand requests still bring thirty outcomes of what would else not be known.
    fn default() -> Self {
        Self { share: 0.03 }
    }
}

/// A candidate that has passed every constraint, as exploring sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Contender {
    /// What the decision thinks of it; higher is better. In any unit.
    pub score: f32,
    /// How many units of score one unit of quality is worth.
    pub per_quality: f32,
    /// What is expected of it.
    pub expected: Expectation,
}

/// Which candidate it is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Its index among the contenders.
    pub index: usize,
    /// Whether it was chosen to learn of it, and not because it is the best.
    pub explored: bool,
}

impl Contender {
    /// The score that it would have if its quality were at the upper end of what is likely.
    fn at_best(&self) -> f32 {
        self.score + self.per_quality * (self.expected.interval.1 - self.expected.quality)
    }
}

impl Exploration {
    /// Chooses among contenders. `chance` is a random number from 0 up to but not including 1; if it is not below the
    /// share, the best is chosen. Else one of the others may be, where it could be better than the best as far as
    /// anybody knows; the more it could be, the likelier. `None` without contenders.
    #[must_use]
    pub fn choose(self, contenders: &[Contender], chance: f32) -> Option<Choice> {
        let (index, best) = contenders.iter().enumerate().max_by(|a, b| {
            // The first of equals, which is the order that the decision gave them.
            a.1.score.total_cmp(&b.1.score).then(b.0.cmp(&a.0))
        })?;
        let exploit = Choice { index, explored: false };
        let share = if self.share.is_finite() { self.share.clamp(0.0, 1.0) } else { 0.0 };
        if chance >= share || share <= 0.0 {
            return Some(exploit);
        }
        let hope =
            |at: usize, other: &Contender| if at == index { 0.0 } else { (other.at_best() - best.score).max(0.0) };
        let hopes = || contenders.iter().enumerate().map(|(at, other)| (at, hope(at, other)));
        let total: f32 = hopes().map(|(_, hope)| hope).sum();
        if total.is_nan() || total <= 0.0 {
            return Some(exploit);
        }
        let mut left = (chance / share).clamp(0.0, 1.0) * total;
        let mut chosen = exploit;
        for (at, hope) in hopes().filter(|(_, hope)| *hope > 0.0) {
            chosen = Choice { index: at, explored: true };
            left -= hope;
            if left < 0.0 {
                break;
            }
        }
        Some(chosen)
    }
}
