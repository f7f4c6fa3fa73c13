//! What a prompt is about, where that alone makes it private: internal papers, other people's records, code that is
//! nobody else's, the word that it must stay here; and attempts to turn a model against its owner.
//!
//! No single word decides. Cues of many kinds ("our", "confidential", "runbook", "review", "do not", "cloud") are found in
//! one pass over the text's plain form, and what stands close together is weighed (`weigh`). That takes time linear to
//! the text.

mod cues;
pub mod named;
mod plain;
#[cfg(test)]
mod tests;
mod weigh;

use super::{FindingKind, Kinds};

pub use named::{Intent, Named};

/// The kinds that are looked for here.
const KINDS: Kinds = Kinds::of(&[
    FindingKind::Confidential,
    FindingKind::PersonalRecords,
    FindingKind::ProprietaryCode,
    FindingKind::StayLocal,
    FindingKind::Attack,
]);

/// Calls `found` with the kind, the start and end (bytes) of the words that gave it away, and why, for each intent that a
/// text shows; each kind at most once. The kinds of each of `wanted` are looked for by themselves, so that none hides one
/// of another.
pub fn scan(text: &str, wanted: &[Kinds], mut found: impl FnMut(FindingKind, usize, usize, &'static str)) {
    // The shortest text that shows an intent has a verb and an object.
    if text.len() < SHORTEST {
        return;
    }
    let plain = plain::plain(text);
    let cues = cues::find(&plain);
    for wanted in wanted.iter().filter(|wanted| wanted.has_any_of(KINDS)) {
        weigh::weigh(&plain, &cues, *wanted, |shown| {
            // A word may end within what its plain form has no sign for.
            let start = text.floor_char_boundary(plain::origin(text, shown.start));
            let end = text.ceil_char_boundary(plain::origin(text, shown.end).max(start));
            found(shown.kind, start, end, shown.why);
        });
    }
}

/// Bytes of the shortest text that is looked at: two characters of Chinese.
const SHORTEST: usize = 6;
