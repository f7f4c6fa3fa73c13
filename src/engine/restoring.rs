//! An answer to a redacted prompt, with the values put back before anybody reads it.

use super::answer::Progress;
use crate::domain::privacy::redact::Restorer;
use crate::domain::prompt::ToolCall;

/// The pieces of one attempt's answer on their way to the caller. Text and reasoning come in turns, so that each has
/// its own beginning of a placeholder that may be held back.
pub(super) struct Restoring {
    text: Restorer,
    thinking: Restorer,
}

impl Restoring {
    pub fn new(restorer: &Restorer) -> Self {
        Self { text: restorer.clone(), thinking: restorer.clone() }
    }

    /// A piece of text; nothing, while all of it could be the beginning of a placeholder.
    pub fn text(&mut self, piece: &str) -> Option<Progress> {
        Some(self.text.push(piece)).filter(|piece| !piece.is_empty()).map(Progress::Text)
    }

    /// A piece of reasoning.
    pub fn thinking(&mut self, piece: &str) -> Option<Progress> {
        Some(self.thinking.push(piece)).filter(|piece| !piece.is_empty()).map(Progress::Thinking)
    }

    /// A tool call. Its arguments are whole.
    pub fn call(&self, mut call: ToolCall) -> ToolCall {
        call.name = self.text.restored(&call.name);
        self.text.restore(&mut call.arguments);
        call
    }

    /// What was held back, once nothing of its kind follows: before a tool call, and at the end.
    pub fn rest(&mut self) -> impl Iterator<Item = Progress> + use<> {
        let thinking = Some(self.thinking.finish()).filter(|rest| !rest.is_empty()).map(Progress::Thinking);
        let text = Some(self.text.finish()).filter(|rest| !rest.is_empty()).map(Progress::Text);
        thinking.into_iter().chain(text)
    }
}
