//! What the traffic has taught: what each model's answers were worth, how long they were, and how its provider counts.

use super::super::failure::FailureClass;
use super::super::id::ModelId;
use super::super::learning::{Counted, Learned, Outcome, Served};
use super::super::tokens::{Calibration, Features};

/// Everything that was learnt.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lessons {
    /// What answers were worth, by model and kind of work.
    pub learned: Learned,
    /// What providers billed for prompts, by model.
    pub calibration: Calibration,
}

/// What one attempt teaches.
#[derive(Clone, Debug, PartialEq)]
pub struct Lesson {
    /// What came of it; `None` where that says nothing of the model.
    pub outcome: Option<Outcome>,
    /// What was billed for the prompt, where the provider told, and the counts of its text.
    pub billed: Option<(ModelId, Features, u32)>,
}

impl Lessons {
    /// Takes a lesson in. Returns the receipt of its outcome, by which a judgement can correct it later.
    pub fn take(&mut self, lesson: &Lesson) -> Option<Counted> {
        if let Some((model, features, tokens)) = &lesson.billed {
            self.calibration.observe(model, features, *tokens);
        }
        lesson.outcome.as_ref().map(|outcome| self.learned.observe(outcome))
    }
}

impl FailureClass {
    /// What a failure says of the model's work; `None` where it speaks of the way there, the key, the load or the caller.
    #[must_use]
    pub const fn served(self) -> Option<Served> {
        match self {
            Self::ServerError | Self::Silent | Self::Stalled | Self::Truncated | Self::Garbled | Self::Empty => {
                Some(Served::Failed)
            }
            Self::ContentRefused => Some(Served::Refused),
            Self::RateLimited
            | Self::Overloaded
            | Self::Busy
            | Self::Unreachable
            | Self::KeyRefused
            | Self::OutOfCredit
            | Self::ModelMissing
            | Self::ContextTooLong
            | Self::BadRequest
            | Self::Cancelled
            | Self::Withdrawn
            | Self::Overtaken => None,
        }
    }
}
