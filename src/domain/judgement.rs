//! What people think of answers: given by hand, counted per model.

use serde::{Deserialize, Serialize};

/// What an answer was worth to whoever read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Judgement {
    /// Of use.
    Good,
    /// Of no use.
    Bad,
    /// Better than the others that were asked the same.
    Better,
    /// Not as good as another that was asked the same.
    Worse,
}

impl Judgement {
    /// What it makes the answer worth, 0 to 1. Who loses a comparison may still be good.
    #[must_use]
    pub const fn quality(self) -> f32 {
        match self {
            Self::Good => 1.0,
            Self::Better => 0.9,
            Self::Worse => 0.4,
            Self::Bad => 0.0,
        }
    }

    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Better => "better",
            Self::Worse => "worse",
        }
    }
}

/// How often a model's answers were judged which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Judged {
    /// Of use.
    pub good: u32,
    /// Of no use.
    pub bad: u32,
    /// Comparisons won.
    pub better: u32,
    /// Comparisons lost.
    pub worse: u32,
}

impl Judged {
    const fn of(&mut self, judgement: Judgement) -> &mut u32 {
        match judgement {
            Judgement::Good => &mut self.good,
            Judgement::Bad => &mut self.bad,
            Judgement::Better => &mut self.better,
            Judgement::Worse => &mut self.worse,
        }
    }

    /// Counts a judgement.
    pub const fn add(&mut self, judgement: Judgement) {
        let count = self.of(judgement);
        *count = count.saturating_add(1);
    }

    /// Takes a judgement back.
    pub const fn take_back(&mut self, judgement: Judgement) {
        let count = self.of(judgement);
        *count = count.saturating_sub(1);
    }

    /// Whether nobody has said anything yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.good == 0 && self.bad == 0 && self.better == 0 && self.worse == 0
    }
}
