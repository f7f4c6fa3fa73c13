//! The shape of a text: thirty-odd plain measures that cost one look at each byte, and say what kind of work it is
//! without saying what stands in it.

use std::sync::LazyLock;

use super::super::bytes::{self, Marks};

/// How many measures a shape has.
pub const MEASURES: usize = 37;

/// Which measure counts the labels of options to choose from.
pub(super) const OPTIONS: usize = 19;

/// The measures of one text. Counts are as they are; shares are of the text's length or of its words.
pub type Shape = [f32; MEASURES];

/// Buckets that words are sorted into by their hash.
pub const BUCKETS: usize = 2_048;
/// Bits of the hash that name a bucket: the upper ones, which FNV mixes best.
const BUCKET_BITS: u32 = BUCKETS.trailing_zeros();

/// Which buckets the words of a text's ends fall into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buckets([u64; BUCKETS / 64]);

impl Default for Buckets {
    fn default() -> Self {
        Self([0; BUCKETS / 64])
    }
}

impl Buckets {
    fn add(&mut self, hash: u64) {
        let bucket = (hash >> (u64::BITS - BUCKET_BITS)) as usize;
        if let Some(word) = self.0.get_mut(bucket / 64) {
            *word |= 1 << (bucket % 64);
        }
    }

    /// The buckets, in order.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        bytes::ones(&self.0)
    }

    /// What one bucket counts of all: a long text has many words, and must not speak louder for it.
    #[must_use]
    pub fn share(&self) -> f32 {
        let count: u32 = self.0.iter().map(|word| word.count_ones()).sum();
        1.0 / (1.0 + count as f32).sqrt()
    }
}

/// What one look at a text finds.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    /// Its shape.
    pub shape: Shape,
    /// The buckets of its words.
    pub buckets: Buckets,
}

/// Bytes of the text's beginning and end whose words are read. Requests stand in front of what is pasted or behind it;
/// reading all the words of a long document would tell of the document.
const HEAD: usize = 500;
const TAIL: usize = 1_000;

/// Words that show what is asked, by group. Each group's count is one measure.
const GROUPS: &[&[&str]] = &[
    &[
        "function",
        "functions",
        "python",
        "code",
        "def",
        "import",
        "class",
        "implement",
        "program",
        "script",
        "sql",
        "java",
        "javascript",
        "rust",
        "return",
        "returns",
        "string",
        "array",
        "list",
        "method",
        "bug",
        "api",
        "query",
    ],
    &[
        "many",
        "much",
        "sum",
        "find",
        "compute",
        "calculate",
        "equation",
        "solve",
        "probability",
        "number",
        "numbers",
        "integer",
        "integers",
        "total",
        "value",
        "evaluate",
        "simplify",
        "expression",
        "positive",
        "product",
        "real",
    ],
    &["who", "what", "when", "where", "which", "whose", "whom", "name"],
    &["write", "story", "poem", "essay", "compose", "generate", "create", "draft", "letter", "email", "article"],
    &[
        "passage",
        "text",
        "context",
        "according",
        "summary",
        "summarize",
        "summarise",
        "paragraph",
        "document",
        "following",
        "below",
        "given",
        "based",
    ],
    &["why", "explain", "because", "therefore", "how", "describe", "compare", "difference", "reason", "reasons"],
    &["likely", "would", "most", "best", "except", "not", "none", "all", "true", "false", "correct", "least", "might"],
    &["you", "your", "i", "my", "me", "we", "our", "please", "he", "she", "his", "her", "they", "their"],
    &[
        "energy",
        "cell",
        "cells",
        "water",
        "molecule",
        "molecules",
        "mass",
        "reaction",
        "field",
        "electron",
        "gene",
        "genes",
        "protein",
        "acid",
        "force",
        "temperature",
        "earth",
        "plant",
        "plants",
        "species",
        "compound",
        "light",
    ],
    &[
        "the", "a", "an", "of", "to", "in", "is", "are", "was", "were", "and", "or", "for", "with", "on", "at", "by",
        "from", "that", "this", "it", "as", "be", "has", "have", "had", "if",
    ],
];

/// Which of the groups, counted from one, holds the words that open a question.
const QUESTION_WORDS: usize = 3;

/// The offset and the prime of the 64-bit FNV-1a hash.
const SEED: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0100_0000_01b3;

const fn mix(hash: u64, byte: u8) -> u64 {
    (hash ^ byte as u64).wrapping_mul(PRIME)
}

/// The hash of the word of this length that a text begins with. Of most words all eight steps are taken and one of them is
/// chosen: that takes less than to find out by a loop where each ends.
fn hash_of(text: &[u8], length: usize) -> u64 {
    const STEPS: usize = 8;
    let mut hashes = [SEED; STEPS + 1];
    for (at, byte) in bytes::beginning::<STEPS>(text).into_iter().enumerate() {
        hashes[at + 1] = mix(hashes[at], byte);
    }
    text.get(STEPS..length).unwrap_or_default().iter().fold(hashes[length.min(STEPS)], |hash, byte| mix(hash, *byte))
}

/// Slots of the table of words: so many that a multiplier is soon found that gives each word one of its own.
const SLOTS: usize = 1 << 12;

/// Which group a word is of, told by one look and without a branch: nothing foretells which words a text has.
struct Groups {
    multiplier: u64,
    /// A word's hash but for its lowest bits, which are its group with one added.
    slots: Vec<u64>,
}

static WORDS: LazyLock<Groups> = LazyLock::new(|| {
    let words: Vec<(u64, u8)> = (1_u8..)
        .zip(GROUPS)
        .flat_map(|(group, words)| words.iter().map(move |word| (word.bytes().fold(SEED, mix), group)))
        .collect();
    // Odd numbers all; one of thirty or so will do.
    let multipliers = (1..).map(|step: u64| step.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    multipliers.take(1 << 16).find_map(|multiplier| Groups::of(&words, multiplier)).unwrap_or_else(Groups::none)
});

impl Groups {
    /// Bits of a slot that hold the group.
    const GROUP: u64 = 0xFF;

    const fn none() -> Self {
        Self { multiplier: 0, slots: Vec::new() }
    }

    /// `None` where two words would have the same slot.
    fn of(words: &[(u64, u8)], multiplier: u64) -> Option<Self> {
        let mut groups = Self { multiplier, slots: vec![0; SLOTS] };
        for (hash, group) in words {
            let slot = groups.slot(*hash);
            let free = groups.slots.get_mut(slot).filter(|slot| **slot == 0)?;
            *free = hash & !Self::GROUP | u64::from(*group);
        }
        Some(groups)
    }

    fn slot(&self, hash: u64) -> usize {
        (hash.wrapping_mul(self.multiplier) >> (u64::BITS - SLOTS.trailing_zeros())) as usize
    }

    /// The group of a word with one added, 0 where it is in none.
    fn of_word(&self, hash: u64) -> usize {
        let word = self.slots.get(self.slot(hash)).copied().unwrap_or_default();
        if (word ^ hash) & !Self::GROUP == 0 { (word & Self::GROUP) as usize } else { 0 }
    }
}

/// What one look at every byte counts.
#[derive(Default)]
struct Bytes {
    lines: usize,
    digits: usize,
    capitals: usize,
    signs: usize,
    foreign: usize,
    commas: usize,
    stops: usize,
    questions: usize,
    brackets: usize,
    quotes: usize,
    code: usize,
    underscores: usize,
    formulas: usize,
    equals: usize,
}

fn count_bytes(text: &str) -> Bytes {
    Bytes {
        lines: bytes::count(text, |c| c == b'\n'),
        digits: bytes::count(text, |c| c.is_ascii_digit()),
        capitals: bytes::count(text, |c| c.is_ascii_uppercase()),
        signs: bytes::count(text, |c| c.is_ascii_punctuation()),
        foreign: bytes::count(text, |c| c >= 0x80),
        commas: bytes::count(text, |c| c == b','),
        stops: bytes::count(text, |c| c == b'.'),
        questions: bytes::count(text, |c| c == b'?'),
        brackets: bytes::count(text, |c| c == b'('),
        quotes: bytes::count(text, |c| c == b'"' || c == b'\''),
        code: bytes::count(text, |c| matches!(c, b'{' | b'}' | b'[' | b']' | b'(' | b')' | b';' | b'=' | b'<' | b'>')),
        underscores: bytes::count(text, |c| c == b'_'),
        formulas: bytes::count(text, |c| c == b'\\' || c == b'$'),
        equals: bytes::count(text, |c| c == b'='),
    }
}

/// What the words of the text's ends tell.
#[derive(Default)]
struct Words {
    count: u32,
    letters: u32,
    longest: u32,
    numbers: u32,
    options: u32,
    distinct: u32,
    /// Of those that are in none, and in each group.
    groups: [u32; GROUPS.len() + 1],
    /// As [`Groups::of_word`] counts them.
    first_group: usize,
    buckets: Buckets,
}

/// Whether a byte belongs to a word.
const fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() | (byte >= 0x80)
}

fn read_words(text: &str, words: &mut Words, seen: &mut [u64; 16]) {
    let bytes = text.as_bytes();
    let small = text.to_ascii_lowercase();
    let groups = &*WORDS;
    let letters = Marks::of(bytes, is_of_word);
    for start in letters.beginnings().places() {
        let end = letters.run_end(start);
        let hash = hash_of(small.as_bytes().get(start..).unwrap_or_default(), end - start);
        let length = (end - start) as u32;
        words.letters += length;
        words.longest = words.longest.max(length);
        words.buckets.add(hash);
        let bit = hash >> 54;
        if let Some(word) = seen.get_mut((bit / 64) as usize) {
            words.distinct += u32::from(*word >> (bit % 64) & 1 == 0);
            *word |= 1 << (bit % 64);
        }
        let group = groups.of_word(hash);
        if let Some(count) = words.groups.get_mut(group) {
            *count += 1;
        }
        if words.count == 0 {
            words.first_group = group;
        }
        words.count += 1;
        words.options += u32::from(length == 1 && is_option(bytes, start));
    }
    words.numbers += Marks::of(bytes, |byte| byte.is_ascii_digit()).beginnings().count();
}

/// A single capital before a bracket or a full stop, at the start of a line: the label of an option.
fn is_option(bytes: &[u8], at: usize) -> bool {
    let opens = at == 0 || matches!(bytes.get(at - 1), Some(b'\n' | b'(' | b' '));
    opens && matches!(bytes.get(at), Some(b'A'..=b'E')) && matches!(bytes.get(at + 1), Some(b')' | b'.' | b':'))
}

/// Measures a text.
#[must_use]
pub fn shape(text: &str) -> Shape {
    read(text).shape
}

/// Measures a text and sorts its words.
#[must_use]
pub fn read(text: &str) -> Read {
    let counts = count_bytes(text);
    let mut words = Words::default();
    let mut seen = [0_u64; 16];
    if text.len() <= HEAD + TAIL {
        read_words(text, &mut words, &mut seen);
    } else {
        let head = text.get(..text.floor_char_boundary(HEAD)).unwrap_or_default();
        let tail = text.get(text.ceil_char_boundary(text.len() - TAIL)..).unwrap_or_default();
        read_words(head, &mut words, &mut seen);
        read_words(tail, &mut words, &mut seen);
    }
    Read { shape: assemble(text, &counts, &words), buckets: words.buckets }
}

fn assemble(text: &str, bytes: &Bytes, words: &Words) -> Shape {
    let length = text.len().max(1) as f32;
    let count = words.count.max(1) as f32;
    let share = |of: usize| of as f32 / length;
    let flag = |is: bool| f32::from(u8::from(is));
    let body = text.trim_end();
    let last = body.bytes().next_back().unwrap_or(b' ');
    let last_line = body.len() - body.rfind('\n').map_or(0, |at| at + 1);
    let [_, code, math, facts, write, source, why, judge, people, science, small] = words.groups;
    [
        text.len() as f32,
        bytes.lines as f32,
        share(bytes.digits),
        share(bytes.capitals),
        share(bytes.signs),
        share(bytes.foreign),
        share(bytes.code),
        bytes.commas as f32 / length * 100.0,
        bytes.stops as f32,
        bytes.questions as f32,
        bytes.brackets as f32,
        bytes.quotes as f32,
        bytes.underscores as f32,
        bytes.formulas as f32,
        bytes.equals as f32,
        words.numbers as f32,
        words.letters as f32 / count,
        words.longest as f32,
        words.distinct as f32 / count,
        words.options as f32,
        last_line as f32,
        flag(last == b'?'),
        flag(last == b'.'),
        flag(last == b':'),
        flag(last.is_ascii_alphabetic()),
        flag(text.bytes().next().is_some_and(|b| b.is_ascii_uppercase())),
        code as f32,
        math as f32,
        facts as f32,
        write as f32,
        source as f32,
        why as f32,
        judge as f32,
        people as f32,
        science as f32,
        small as f32 / count,
        flag(words.first_group == QUESTION_WORDS),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_counts_what_it_says() {
        let shape = shape("Which of these is a plant?\nA) oak\nB) iron");
        assert_eq!(shape[0], 41.0, "bytes");
        assert_eq!(shape[1], 2.0, "line breaks");
        assert_eq!(shape[9], 1.0, "question marks");
        assert_eq!(shape[19], 2.0, "options");
        assert_eq!((shape[28], shape[36]), (1.0, 1.0), "a question word, and in front");
    }

    #[test]
    fn each_word_has_one_bucket_however_often_it_stands() {
        let of = |text: &str| read(text).buckets.iter().collect::<Vec<_>>();
        assert_eq!(of("salt and pepper").len(), 3);
        assert_eq!(of("Pepper, salt; and salt"), of("salt and pepper"));
        assert!(of("").is_empty() && of("12 34!").is_empty());
    }

    #[test]
    fn words_are_known_whatever_their_case() {
        assert_eq!(shape("Write PYTHON code")[26], shape("write python code")[26]);
        assert_eq!(shape("")[0], 0.0);
    }
}
