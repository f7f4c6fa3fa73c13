//! The short way to count a text in o200k: most pieces of most texts are tokens as they stand.
//!
//! A coder cuts a text into pieces (a word with the space before it, a number, a few signs, white space) and then splits
//! each piece into tokens. Here pieces of plain ASCII are cut by the same rules and looked up in a table that holds nothing
//! else, so that a known one costs one line of memory. Whatever is not known or not ASCII goes to the coder, in stretches
//! that end where a piece surely ends: the counts are the coder's own.

use std::cell::RefCell;

use super::super::bytes::{Marks, beginning};

/// The longest piece in the table: one byte of a slot's sixteen is for its rarity.
const LONGEST: usize = 15;
/// Twice the number of known tokens at least, so that most searches take one step.
const PAIRS: usize = 1 << 17;

/// Tokens, and how many of them stand beyond each of two ranks.
pub(super) type Counts = [usize; 3];

/// Known pieces: their bytes with noughts behind, and in the last byte one more than the number of ranks they exceed.
pub(super) struct Pieces {
    pairs: Vec<[u128; 2]>,
}

/// Bits of a slot that hold the piece.
const PIECE: u128 = u128::MAX >> 8;
const RARITY: u32 = 120;

impl Pieces {
    /// A table of the tokens of a vocabulary, given in the order of their ranks.
    pub(super) fn of(tokens: impl Iterator<Item = Vec<u8>>, ranks: [u32; 2]) -> Self {
        let mut pieces = Self { pairs: vec![[0; 2]; PAIRS] };
        for (rank, token) in (0_u32..).zip(tokens) {
            if token.is_ascii() && (1..=LONGEST).contains(&token.len()) && !token.contains(&0) {
                let rarity = 1 + ranks.iter().filter(|limit| rank > **limit).count();
                pieces.insert(piece_at(&token, 0, token.len()), rarity as u128);
            }
        }
        pieces
    }

    fn insert(&mut self, piece: u128, rarity: u128) {
        let mut at = slot(piece);
        while let Some(pair) = self.pairs.get_mut(at) {
            if let Some(free) = pair.iter_mut().find(|here| **here == 0) {
                *free = piece | rarity << RARITY;
                return;
            }
            at = (at + 1) % PAIRS;
        }
    }

    /// How many of the two ranks a token exceeds; `None` where the piece is not known as one token.
    fn rarity(&self, piece: u128) -> Option<usize> {
        let mut at = slot(piece);
        loop {
            let [first, second] = self.pairs.get(at).copied()?;
            let found = if first & PIECE == piece { first } else { second };
            if found & PIECE == piece {
                return Some((found >> RARITY) as usize - 1);
            }
            if second == 0 {
                return None;
            }
            at = (at + 1) % PAIRS;
        }
    }

    /// Counts a text; `coder` counts a stretch of it that begins and ends between pieces.
    pub(super) fn count(&self, text: &str, coder: impl Fn(&str) -> Counts) -> Counts {
        let bytes = text.as_bytes();
        let small = Marks::of(bytes, |byte| byte.is_ascii_lowercase());
        let mut counts = [0; 3];
        let mut at = 0;
        while at < bytes.len() {
            let end = piece_end(bytes, &small, at);
            let known = end
                .filter(|end| (1..=LONGEST).contains(&(end - at)))
                .and_then(|end| self.rarity(piece_at(bytes, at, end - at)));
            let is_cut = end.is_some();
            let end = end.unwrap_or_else(|| sure_end(bytes, at));
            match known {
                Some(rarity) => {
                    let [all, rare, rarer] = &mut counts;
                    *all += 1;
                    *rare += usize::from(rarity > 0);
                    *rarer += usize::from(rarity > 1);
                }
                None => {
                    let stretch = text.get(at..end).unwrap_or_default();
                    let split = || coder(stretch);
                    // With noughts behind it, it would be taken for a shorter one; one that was cut by the rules has none.
                    let split = if (1..=REMEMBERED).contains(&stretch.len()) && (is_cut || !stretch.contains('\0')) {
                        SPLIT.with_borrow_mut(|pieces| pieces.counts(piece_at(bytes, at, stretch.len()), split))
                    } else {
                        split()
                    };
                    counts.iter_mut().zip(split).for_each(|(sum, count)| *sum += count);
                }
            }
            at = end;
        }
        counts
    }
}

/// The longest stretch that is remembered, in bytes.
const REMEMBERED: usize = 16;
/// Stretches that a thread remembers: 128 KiB, which stay at hand where the coder's own tables of megabytes do not.
const STRETCHES: usize = 1 << 12;

/// What the coder, which is always the same, made of stretches that it was asked about lately: names and words of a trade
/// come again and again. No more of a text is kept than these, and they are nowhere but in memory.
struct Split(Vec<(u128, [u8; 3])>);

thread_local! {
    static SPLIT: RefCell<Split> = RefCell::new(Split(vec![(0, [0; 3]); STRETCHES]));
}

impl Split {
    fn counts(&mut self, stretch: u128, coder: impl FnOnce() -> Counts) -> Counts {
        let Some(slot) = self.0.get_mut(slot(stretch) % STRETCHES) else { return coder() };
        if slot.0 != stretch {
            // None has more tokens than its sixteen bytes.
            *slot = (stretch, coder().map(|count| u8::try_from(count).unwrap_or(u8::MAX)));
        }
        slot.1.map(usize::from)
    }
}

/// The bytes of a piece of at most sixteen as a number, the first lowest.
fn piece_at(bytes: &[u8], at: usize, length: usize) -> u128 {
    let rest = bytes.get(at..).unwrap_or_default();
    let all = u128::from_le_bytes(beginning(rest));
    all & (u128::MAX >> (128 - 8 * length.clamp(1, 16)))
}

const fn slot(piece: u128) -> usize {
    let folded = (piece as u64) ^ ((piece >> 64) as u64).wrapping_mul(0xA24B_AED4_963E_E407);
    (folded.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as usize % PAIRS
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Upper,
    Lower,
    Digit,
    Sign,
    Space,
    Line,
    /// Beyond ASCII, and nought, which the table cannot hold.
    Other,
    /// Past the end of the text.
    End,
}

const CLASSES: [Class; 256] = {
    let mut classes = [Class::Other; 256];
    let mut byte = 1;
    while byte < 128 {
        classes[byte] = match byte as u8 {
            b'A'..=b'Z' => Class::Upper,
            b'a'..=b'z' => Class::Lower,
            b'0'..=b'9' => Class::Digit,
            b'\r' | b'\n' => Class::Line,
            b' ' | b'\t' | 0x0B | 0x0C => Class::Space,
            _ => Class::Sign,
        };
        byte += 1;
    }
    classes
};

fn class(bytes: &[u8], at: usize) -> Class {
    bytes.get(at).map_or(Class::End, |byte| CLASSES[usize::from(*byte)])
}

/// The first place from `at` on where another class stands.
fn run(bytes: &[u8], mut at: usize, of: Class) -> usize {
    while class(bytes, at) == of {
        at += 1;
    }
    at
}

/// Where the piece ends that begins here, by the rules of o200k. `None` where that depends on what is not ASCII.
fn piece_end(bytes: &[u8], small: &Marks, at: usize) -> Option<usize> {
    let first = class(bytes, at);
    let second = class(bytes, at + 1);
    let end = match (first, second) {
        (Class::Upper | Class::Lower, _) => word_end(bytes, small, at),
        (Class::Space | Class::Sign, Class::Upper | Class::Lower) => word_end(bytes, small, at + 1),
        (Class::Digit, _) => run(bytes.get(..at + 3).unwrap_or(bytes), at, Class::Digit),
        (Class::Sign, _) => signs_end(bytes, at),
        (Class::Space, Class::Sign) if bytes.get(at) == Some(&b' ') => signs_end(bytes, at + 1),
        (Class::Space | Class::Line, _) => return space_end(bytes, at),
        (Class::Other | Class::End, _) => return None,
    };
    // A letter, number or sign beyond ASCII may belong to it.
    (class(bytes, end) != Class::Other).then_some(end)
}

/// Capitals, small letters, and an ending such as `'s`.
fn word_end(bytes: &[u8], small: &Marks, at: usize) -> usize {
    let end = small.run_end(run(bytes, at, Class::Upper));
    if bytes.get(end) != Some(&b'\'') {
        return end;
    }
    let letter = |ahead: usize| bytes.get(end + ahead).map_or(0, u8::to_ascii_lowercase);
    end + match (letter(1), letter(2)) {
        (b's' | b't' | b'm' | b'd', _) => 2,
        (b'r' | b'v', b'e') | (b'l', b'l') => 3,
        _ => 0,
    }
}

/// Signs, and the line breaks and slashes behind them.
fn signs_end(bytes: &[u8], at: usize) -> usize {
    let mut end = run(bytes, at, Class::Sign);
    while matches!(bytes.get(end), Some(b'\r' | b'\n' | b'/')) {
        end += 1;
    }
    end
}

/// White space up to its last line break; or all of it but the last, which belongs to what follows.
fn space_end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut end = at;
    let mut line = None;
    loop {
        match class(bytes, end) {
            Class::Space => {}
            Class::Line => line = Some(end + 1),
            Class::Other => return None,
            Class::End => return Some(line.unwrap_or(end)),
            _ => return Some(line.unwrap_or(if end - at > 1 { end - 1 } else { end })),
        }
        end += 1;
    }
}

/// A place after `at` where a piece surely ends: a space behind something that is neither white space nor beyond ASCII.
fn sure_end(bytes: &[u8], at: usize) -> usize {
    let solid = |place: usize| matches!(class(bytes, place), Class::Upper | Class::Lower | Class::Digit | Class::Sign);
    (at + 1..bytes.len()).find(|end| bytes.get(*end) == Some(&b' ') && solid(end - 1)).unwrap_or(bytes.len())
}
