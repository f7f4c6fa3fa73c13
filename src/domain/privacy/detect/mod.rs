//! What sensitive text looks like: personal data and secrets, found without a model.
//!
//! One pass cuts the text into words and looks each up; small searches then start only where something could begin
//! (an `@`, a run of digits, the name of a secret, a known prefix), look at a bounded stretch and decide by shape,
//! checksum and the words beside. So the work grows with the text and not with what is in it. What a reader would see
//! through (full-width digits, invisible characters, escapes, base64) is seen through here as well; places are always
//! those of the text as it was given.

mod account;
mod address;
mod assigned;
mod checks;
mod cut;
mod date;
mod encoded;
mod fold;
mod key;
mod lexicon;
mod national;
mod net;
mod number;
mod person;
mod phone;
mod prefixes;
mod shape;
mod table;
#[cfg(test)]
mod tests;
mod value;
mod words;

use super::{FindingKind, Kinds};
use words::Page;

/// Something sensitive in a text: kind, place and why it was taken for that. Never what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// What kind.
    pub kind: FindingKind,
    /// The first byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// What gave it away, in a few words.
    pub why: &'static str,
    /// What exactly it is, where that is known: whose key, which country's number. Otherwise empty.
    pub detail: &'static str,
}

/// What was found so far, of the kinds that somebody wants.
struct Hits {
    wanted: Kinds,
    list: Vec<Hit>,
}

impl Hits {
    const fn wants(&self, kind: FindingKind) -> bool {
        self.wanted.has(kind)
    }

    fn add(&mut self, kind: FindingKind, start: usize, end: usize, why: &'static str, detail: &'static str) {
        if self.wants(kind) && start < end {
            self.list.push(Hit { kind, start, end, why, detail });
        }
    }
}

/// Calls `found` with everything sensitive in a text, in order; only kinds that are `wanted` are looked for. Of
/// findings that overlap only one is told: the one that gives away most, and the longer of two alike.
pub fn scan(text: &str, wanted: Kinds, found: impl FnMut(Hit)) {
    if wanted == Kinds::default() || text.is_empty() {
        return;
    }
    let hits = if let Some(folded) = fold::fold(text) {
        let mut hits = look(&folded.text, wanted);
        for hit in &mut hits {
            hit.start = folded.origin(hit.start);
            hit.end = folded.origin(hit.end);
        }
        hits
    } else {
        look(text, wanted)
    };
    hits.into_iter().map(|hit| on_boundaries(text, hit)).for_each(found);
}

/// Widens a finding to whole characters.
fn on_boundaries(text: &str, mut hit: Hit) -> Hit {
    hit.start = hit.start.min(text.len());
    hit.end = hit.end.clamp(hit.start, text.len());
    while !text.is_char_boundary(hit.start) {
        hit.start -= 1;
    }
    while !text.is_char_boundary(hit.end) {
        hit.end += 1;
    }
    hit
}

/// Looks through a text in plain characters.
fn look(text: &str, wanted: Kinds) -> Vec<Hit> {
    let page = Page::read(text);
    // A kind that is not wanted is still looked for where it would hide another: a card number is no telephone's.
    let mut hits = Hits { wanted, list: Vec::new() };
    search(&page, &mut hits);
    encoded::find(&page, &mut hits);
    settle(hits.list)
}

/// Every search but the one inside of encodings.
fn search(page: &Page<'_>, hits: &mut Hits) {
    use FindingKind as Kind;
    if hits.wants(Kind::Key) || hits.wants(Kind::PrivateKey) || hits.wants(Kind::Password) {
        key::find(page, hits);
        assigned::find(page, hits);
    }
    net::find(page, hits);
    number::find(page, hits);
    account::find(page, hits);
    if hits.wants(Kind::Address) {
        address::find(page, hits);
    }
    if [Kind::Name, Kind::Title, Kind::Organisation, Kind::Place, Kind::Age].iter().any(|kind| hits.wants(*kind)) {
        person::find(page, hits);
    }
    if hits.wants(Kind::BirthDate) || hits.wants(Kind::Date) {
        date::find(page, hits);
    }
}

/// Leaves one finding where several overlap.
fn settle(mut hits: Vec<Hit>) -> Vec<Hit> {
    hits.sort_by_key(|hit| (hit.start, std::cmp::Reverse(hit.end)));
    let mut kept: Vec<Hit> = Vec::with_capacity(hits.len());
    for hit in hits {
        let Some(last) = kept.last_mut() else {
            kept.push(hit);
            continue;
        };
        if hit.start >= last.end {
            kept.push(hit);
        } else if (hit.kind.rank(), hit.end - hit.start) > (last.kind.rank(), last.end - last.start) {
            *last = hit;
        }
    }
    kept
}
