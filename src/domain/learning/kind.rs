//! What kind of work a prompt is: what statistics are kept by.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::super::task::Task;
use super::genre::{self, Genre};
use super::shape;
use super::views::{self, Drawers};

/// How long a prompt is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Length {
    /// A sentence or two.
    #[default]
    Short,
    /// A paragraph.
    Medium,
    /// A page or more.
    Long,
    /// A document.
    Huge,
}

impl Length {
    const fn of(bytes: usize) -> Self {
        match bytes {
            0..200 => Self::Short,
            200..1_000 => Self::Medium,
            1_000..8_000 => Self::Long,
            _ => Self::Huge,
        }
    }
}

/// A kind of work, from coarse to fine: its task; what it reads like, whether the answer is one of given choices, and how
/// long the prompt is; and the drawers that the text's shape falls into. Holds no text, and none can be made from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Kind {
    /// The class of work.
    pub task: Task,
    /// Whether the prompt offers answers to choose from.
    #[serde(default)]
    pub choices: bool,
    /// How long the prompt is.
    #[serde(default)]
    pub length: Length,
    /// What the text reads like. Records of before there were genres have the first.
    #[serde(default)]
    pub genre: Genre,
    /// Where the text's shape belongs.
    #[serde(default)]
    pub drawers: Drawers,
}

impl Kind {
    /// The kind of a prompt whose last user message is `text`.
    #[must_use]
    pub fn of(task: Task, choices: bool, text: &str) -> Self {
        let shape::Read { shape, buckets } = shape::read(text);
        Self {
            task,
            choices,
            length: Length::of(text.len()),
            genre: genre::genre(&shape, &buckets),
            drawers: views::drawers(&shape),
        }
    }

    /// The kind of work of which no more than the task is known.
    #[must_use]
    pub fn of_task(task: Task) -> Self {
        Self { task, choices: false, length: Length::default(), genre: Genre::default(), drawers: Drawers::default() }
    }

    pub(super) const fn fine(&self) -> Fine {
        Fine { task: self.task, choices: self.choices, length: self.length, genre: self.genre }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.task, if self.choices { " with choices" } else { "" })
    }
}

/// The named part of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Fine {
    pub task: Task,
    pub choices: bool,
    pub length: Length,
    #[serde(default)]
    pub genre: Genre,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_written_before_there_were_genres_are_read() {
        let kind = Kind::of(Task::Mathematics, false, "Tom has 12 marbles and buys 9 more. How many has he now?");
        let mut written = serde_json::to_value(kind).expect("a kind can be written");
        assert_eq!(serde_json::from_value::<Kind>(written.clone()).ok(), Some(kind));
        written.as_object_mut().expect("it is an object").remove("genre");
        let read = serde_json::from_value::<Kind>(written).expect("it can be read");
        assert_eq!(read, Kind { genre: Genre::default(), ..kind });
        assert_ne!(read, kind);
    }
}
