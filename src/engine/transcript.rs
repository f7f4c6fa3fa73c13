//! What was delivered of an answer, noted down where the configuration says that texts are kept.

use std::sync::{Mutex, PoisonError};

use super::answer::Progress;

/// The answer so far, of the attempt that is being delivered.
#[derive(Default)]
pub(super) struct Transcript(Mutex<(u32, String)>);

impl Transcript {
    /// Notes a piece down. The first one of a later attempt takes back what an earlier one brought.
    pub fn note(&self, attempt: u32, piece: &Progress) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (of, text) = &mut *noted;
        if *of != attempt {
            *of = attempt;
            text.clear();
        }
        match piece {
            Progress::Text(piece) => text.push_str(piece),
            Progress::ToolCall(call) => text.push_str(&format!("[calls {} with {}]", call.name, call.arguments)),
            _ => {}
        }
    }

    pub fn into_answer(self) -> String {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner).1
    }
}
