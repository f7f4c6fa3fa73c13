//! Numbers: runs of digits, perhaps in groups, and what they can be.

use super::super::FindingKind as Kind;
use super::words::{Page, cue};
use super::{Hits, checks, national, net, phone};

/// How many groups of digits are looked at together; no number that people write has more.
pub const MOST_GROUPS: usize = 8;

/// What stands between two groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Between {
    /// Nothing: the first group.
    Nothing,
    /// A space.
    Space,
    /// A hyphen.
    Dash,
    /// A full stop.
    Dot,
    /// A slash.
    Slash,
    /// A bracket, perhaps with a space or a hyphen.
    Bracket,
}

/// A group of digits.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// The first byte.
    pub start: usize,
    /// One past its last digit.
    pub end: usize,
    /// What stands before it.
    pub before: Between,
}

impl Group {
    /// How many digits.
    pub const fn len(&self) -> usize {
        self.end - self.start
    }
}

/// Groups of digits that stand together.
pub struct Sequence {
    groups: [Group; MOST_GROUPS],
    count: usize,
    /// The index of the first group's word.
    pub index: usize,
    /// Whether digits stand right before the first group, so that it is the middle of something.
    pub is_inner: bool,
    /// Whether something follows that makes the last group more than digits.
    pub is_open: bool,
}

impl Sequence {
    /// The groups.
    pub fn groups(&self) -> &[Group] {
        self.groups.get(..self.count).unwrap_or_default()
    }

    /// Whether the first `count` groups have these lengths and stand apart by the same sign.
    pub fn has_lengths(&self, lengths: &[u8]) -> bool {
        self.groups().len() >= lengths.len()
            && self.groups().iter().zip(lengths).all(|(group, length)| group.len() == usize::from(*length))
            && self.is_even(lengths.len())
    }

    /// Whether the first `count` groups stand apart by the same sign.
    pub fn is_even(&self, count: usize) -> bool {
        let mut signs = self.groups().iter().take(count).skip(1).map(|group| group.before);
        signs.next().is_none_or(|first| signs.all(|sign| sign == first))
    }

    /// Where the first `count` groups end.
    pub fn end(&self, count: usize) -> usize {
        count.checked_sub(1).and_then(|last| self.groups().get(last)).map_or(0, |group| group.end)
    }

    /// The digits of the first `count` groups.
    pub fn digits(&self, count: usize, page: &Page<'_>) -> Vec<u32> {
        self.groups().iter().take(count).flat_map(|group| checks::digits(page.slice(group.start, group.end))).collect()
    }
}

fn between(gap: &[u8]) -> Option<Between> {
    Some(match gap {
        b" " | b"  " => Between::Space,
        b"-" | b" - " => Between::Dash,
        b"." => Between::Dot,
        b"/" => Between::Slash,
        b") " | b")" | b")-" | b" (" | b"(" | b"-(" | b"/(" | b") -" | b")/" | b"-)" => Between::Bracket,
        _ => return None,
    })
}

/// Reads the groups that begin with the word of this index, which begins with a digit.
fn sequence(page: &Page<'_>, index: usize) -> Sequence {
    let nothing = Group { start: 0, end: 0, before: Between::Nothing };
    let mut sequence = Sequence { groups: [nothing; MOST_GROUPS], count: 0, index, is_inner: false, is_open: false };
    let mut before = Between::Nothing;
    let mut at = index;
    while let Some(slot) = sequence.groups.get_mut(sequence.count) {
        let word = page.word(at);
        let digits =
            page.bytes.get(word.start..word.end).unwrap_or_default().iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 {
            break;
        }
        *slot = Group { start: word.start, end: word.start + digits, before };
        sequence.count += 1;
        if digits < word.len() {
            sequence.is_open = true;
            break;
        }
        let next = page.word(at + 1);
        let Some(sign) = page.bytes.get(word.end..next.start).and_then(between) else { break };
        before = sign;
        at += 1;
    }
    sequence.is_inner = is_inner(page, index);
    sequence
}

/// Whether digits stand right before the word of this index.
fn is_inner(page: &Page<'_>, index: usize) -> bool {
    index.checked_sub(1).is_some_and(|last| {
        let last = page.word(last);
        let gap = page.bytes.get(last.end..page.word(index).start).unwrap_or_default();
        last.is_number() && between(gap).is_some()
    })
}

/// Finds them.
pub fn find(page: &Page<'_>, hits: &mut Hits) {
    let mut settled = 0;
    for (index, word) in page.notable() {
        if index < settled
            || !page.byte(word.start).is_ascii_digit()
            || (!matches!(word.len(), 4 | 8 | 12..=40) && is_inner(page, index))
        {
            continue;
        }
        let sequence = sequence(page, index);
        settled = index + one(page, hits, &sequence).max(1);
    }
}

/// Looks at one sequence; gives back how many of its groups are settled.
fn one(page: &Page<'_>, hits: &mut Hits, sequence: &Sequence) -> usize {
    let groups = sequence.groups();
    let Some(first) = groups.first() else { return 1 };
    if !sequence.is_inner && sequence.has_lengths_of_host() {
        let end = sequence.end(4);
        net::host_v4(page, hits, sequence.index, first.start, end);
        return 4;
    }
    if let Some(count) = card(page, hits, sequence) {
        return count;
    }
    // Grouped numbers in the middle of others are lists.
    if sequence.is_inner {
        return 1;
    }
    let total: usize = groups.iter().map(Group::len).sum();
    if total < 6 {
        return groups.len().min(2);
    }
    if let Some(count) = national::numbers(page, hits, sequence) {
        return count;
    }
    phone::find(page, hits, sequence).unwrap_or(1)
}

impl Sequence {
    /// Whether these are exactly four groups of one to three digits with full stops between them.
    fn has_lengths_of_host(&self) -> bool {
        let groups = self.groups();
        let is_part = |group: &Group| group.len() <= 3;
        groups.len() >= 4
            && groups.iter().take(4).all(is_part)
            && groups.iter().take(4).skip(1).all(|group| group.before == Between::Dot)
            && groups.get(4).is_none_or(|group| group.before != Between::Dot)
            && !(groups.len() == 4 && self.is_open)
    }
}

/// A payment card's number; gives back how many groups it has.
fn card(page: &Page<'_>, hits: &mut Hits, sequence: &Sequence) -> Option<usize> {
    let first = sequence.groups().first()?;
    let before = page.byte_before(first.start);
    let count = match first.len() {
        12..=19 if !matches!(before, b'-' | b'_' | b'.' | b'/') => 1,
        4 if sequence.has_lengths(&[4, 4, 4, 4, 3]) => 5,
        4 if sequence.has_lengths(&[4, 4, 4, 4]) => 4,
        4 if sequence.has_lengths(&[4, 6, 5]) || sequence.has_lengths(&[4, 6, 4]) => 3,
        8 if sequence.has_lengths(&[8, 8]) => 2,
        _ => return None,
    };
    let last = sequence.groups().get(count - 1)?;
    if count == sequence.groups().len() && sequence.is_open || matches!(page.byte(last.end), b'_') {
        return None;
    }
    if before.is_ascii_alphanumeric() || before == b'_' || before == b'$' {
        return None;
    }
    let mut digits = sequence.digits(count, page);
    let mut count = count;
    // Nineteen digits in fives: sixteen of them may be the number and three the code on the back.
    if count == 5 && !checks::luhn(&digits) {
        digits.truncate(16);
        count = 4;
    }
    let network = checks::card_network(&digits)?;
    if !checks::luhn(&digits) {
        return None;
    }
    let next = page.word_at(sequence.end(count));
    let near = page.cues_before(sequence.index, 8) | page.cues_from(next, 4);
    let close = page.cues_before(sequence.index, 2);
    let named = near & cue::CARD != 0 && close & cue::ORDER == 0;
    let usual = network && digits.len() >= 14 && (count > 1 || (close & cue::ORDER == 0 && near & cue::DIGEST == 0));
    if !(named || usual) {
        return None;
    }
    let why = if named {
        "the checksum holds, and a word for a card stands beside it"
    } else {
        "the checksum holds, in the range of a card network"
    };
    hits.add(Kind::Card, first.start, sequence.end(count), why, "");
    Some(count)
}
