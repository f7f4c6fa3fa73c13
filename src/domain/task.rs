//! The classes of work that a prompt can ask for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What kind of work a prompt asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// Multi-step thinking.
    Reasoning,
    /// Plans and architecture.
    Planning,
    /// Writing or reading code.
    Code,
    /// Explaining something to a person.
    Explanation,
    /// Scoring an action or an answer, as reinforcement learning does.
    Reward,
    /// Pulling fields out of text, or sorting it into classes.
    Extraction,
    /// Making a text shorter.
    Summary,
    /// A question whose answer stands in the text that comes with it.
    Context,
    /// A question of fact.
    Question,
    /// Mathematics.
    Mathematics,
    /// Prose, verse, names, ideas.
    Creative,
    /// Many alike items at once.
    Bulk,
    /// Anything else, small talk included.
    General,
}

impl Task {
    /// Every task.
    pub const ALL: [Self; 13] = [
        Self::Reasoning,
        Self::Planning,
        Self::Code,
        Self::Explanation,
        Self::Reward,
        Self::Extraction,
        Self::Summary,
        Self::Context,
        Self::Question,
        Self::Mathematics,
        Self::Creative,
        Self::Bulk,
        Self::General,
    ];

    /// The name used in configuration, JSON and on the screen.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reasoning => "reasoning",
            Self::Planning => "planning",
            Self::Code => "code",
            Self::Explanation => "explanation",
            Self::Reward => "reward",
            Self::Extraction => "extraction",
            Self::Summary => "summary",
            Self::Context => "context",
            Self::Question => "question",
            Self::Mathematics => "mathematics",
            Self::Creative => "creative",
            Self::Bulk => "bulk",
            Self::General => "general",
        }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The text names no task.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a task")]
pub struct UnknownTask(pub String);

impl FromStr for Task {
    type Err = UnknownTask;

    fn from_str(text: &str) -> Result<Self, UnknownTask> {
        let name = text.trim().to_ascii_lowercase();
        Self::ALL.into_iter().find(|task| task.name() == name).ok_or(UnknownTask(name))
    }
}
