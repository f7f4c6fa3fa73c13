//! Where the words of a text begin and end, how they look and what they say.

use super::super::super::bytes::Marks;
use super::assigned;
use super::table::{cues_at, unspaced_cues};
use super::words::{Word, cue, shape};

const SEPARATOR: u8 = 0;
const LOWER: u8 = 1;
const UPPER: u8 = 2;
const DIGIT: u8 = 3;
/// Letters of scripts that set spaces between words.
const SPACED: u8 = 4;
/// Letters of scripts that do not; and everything else beyond two bytes.
const UNSPACED: u8 = 5;
/// The second and later bytes of a letter.
const INNER: u8 = 6;

const CLASSES: [u8; 256] = {
    let mut classes = [SEPARATOR; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b'a'..=b'z' => LOWER,
            b'A'..=b'Z' => UPPER,
            b'0'..=b'9' => DIGIT,
            0x80..=0xBF => INNER,
            // U+00C0 to U+07FF; the signs of U+0080 to U+00BF come with 0xC2.
            0xC3..=0xDF => SPACED,
            0xE1..=0xF4 => UNSPACED,
            _ => SEPARATOR,
        };
        byte += 1;
    }
    classes
};

/// What an ASCII letter or digit adds to its word's shape; 0 for all else.
const PLAIN: [u8; 256] = {
    let mut bits = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        bits[byte] = match CLASSES[byte] {
            LOWER => shape::LOWER,
            UPPER => shape::UPPER,
            DIGIT => shape::DIGIT,
            _ => 0,
        };
        byte += 1;
    }
    bits
};

fn class(byte: u8) -> u8 {
    CLASSES.get(usize::from(byte)).copied().unwrap_or(SEPARATOR)
}

/// What a byte between two words may end.
const ENDED: [u8; 256] = {
    let mut table = [0; 256];
    table[b'\n' as usize] = shape::LINE;
    table[b'.' as usize] = shape::BREAK;
    table[b'?' as usize] = shape::BREAK;
    table[b'!' as usize] = shape::BREAK;
    table[b';' as usize] = shape::BREAK;
    table
};

/// A text's words, in order; and a bit for each, set unless one look told that no search starts from it.
pub fn cut(text: &str) -> (Vec<Word>, Vec<u64>) {
    let bytes = text.as_bytes();
    let mut words = Vec::with_capacity(bytes.len() / 5 + 1);
    let plain = Marks::of(bytes, |byte| byte.is_ascii_alphanumeric());
    let digits = Marks::of(bytes, |byte| byte.is_ascii_digit());
    let capitals = Marks::of(bytes, |byte| byte.is_ascii_uppercase());
    let mut at = 0;
    let mut ended = 0_u8;
    while let Some(&byte) = bytes.get(at) {
        let first = class(byte);
        if first == SEPARATOR || first == INNER {
            let parted = if bytes.get(at + 1).is_none_or(u8::is_ascii_whitespace) { shape::BREAK } else { 0 };
            ended |= ENDED[usize::from(byte)] & (shape::LINE | parted);
            at += 1;
            continue;
        }
        let end = plain.run_end(at);
        let is_plain = end > at && bytes.get(end).is_none_or(u8::is_ascii);
        let word = if is_plain {
            plain_word(bytes, (&digits, &capitals), at, end, ended)
        } else {
            read_word(text, at, first, ended)
        };
        ended = 0;
        at = word.end;
        words.push(word);
    }
    let notable = words
        .chunks(64)
        .map(|words| words.iter().rev().fold(0, |bits, word| bits << 1 | u64::from(!is_dull(bytes, word))));
    let notable: Vec<u64> = notable.collect();
    (words, notable)
}

/// What words say that a search may start from.
const STARTING: u64 =
    assigned::NAMING | cue::ROAD_AFTER | cue::ROAD_BEFORE | cue::UNIT | cue::POST | cue::MONTH | cue::WEEKDAY;

/// Whether one look at a word and the bytes beside it tells that none of the searches but that for people would start from
/// it. So it is with most words of prose. Nothing here is a branch: nothing foretells which word is next.
fn is_dull(bytes: &[u8], word: &Word) -> bool {
    let byte = |at: usize| usize::from(bytes.get(at).copied().unwrap_or(0));
    let is = |at: usize, signs: u8| SIGNS[byte(at)] & signs != 0;
    let length = word.len();
    let is_of_prose = (length < 16) & (word.shape & (shape::DIGIT | shape::HUMP | shape::OTHER) == 0);
    let may_name = BEGINS[byte(word.start)] >> (length & 15) & 1 == 1;
    let is_end = |back: usize, signs: u8| is(word.end.wrapping_sub(back), signs);
    let may_be_glued = (length >= 5) & is_end(1, sign::LAST) & is_end(2, sign::SECOND) & is_end(3, sign::THIRD);
    // "Hauptstraße 12", "AA 12 34 56 B".
    let is_numbered = is(word.end + 1, sign::DIGIT) & ((length == 2) | (word.is_capitalised() & (length > 5)));
    // What a space stands behind is the end of a sentence, or of a name before its value.
    let is_parted = is(word.end, sign::PARTS) & is(word.end + 1, sign::SPACE);
    let goes_on = is(word.end, sign::GOES_ON) & !is_parted;
    let starts_by_itself = word.cues & STARTING != 0;
    is_of_prose & !(may_name | may_be_glued | is_numbered | goes_on | starts_by_itself)
}

/// By the first letter, a bit for each length of the words that secrets stand beside without being named by them: "curl",
/// "u", "user", "seed", "mnemonic" and "recovery".
const BEGINS: [u16; 256] = {
    let mut table = [0; 256];
    let words = ["at", "curl", "u", "user", "seed", "mnemonic", "recovery"];
    let mut at = 0;
    while at < words.len() {
        let first = words[at].as_bytes()[0];
        table[first as usize] |= 1 << words[at].len();
        table[first.to_ascii_uppercase() as usize] |= 1 << words[at].len();
        at += 1;
    }
    table
};

/// What a byte can be to the word that it is in or behind; a set of bits.
mod sign {
    /// The last letter of a word for a secret that may be glued to another, as "token" is: see `assigned`.
    pub const LAST: u8 = 1;
    /// The letter before that one.
    pub const SECOND: u8 = 2;
    /// The letter before those two.
    pub const THIRD: u8 = 4;
    /// Makes the word the beginning of a longer name, token or site.
    pub const GOES_ON: u8 = 8;
    /// Does not where a space follows.
    pub const PARTS: u8 = 16;
    /// White space, or the end.
    pub const SPACE: u8 = 32;
    /// A digit.
    pub const DIGIT: u8 = 64;
}

const SIGNS: [u8; 256] = {
    let mut table = [0; 256];
    let groups: [(&[u8], u8); 7] = [
        (b"dnytDNYT", sign::LAST),
        (b"rweRWE", sign::SECOND),
        (b"oskrOSKR", sign::THIRD),
        (b"_-.:$~/|=+", sign::GOES_ON),
        (b".:", sign::PARTS),
        (b" \t\n\r\0", sign::SPACE),
        (b"0123456789", sign::DIGIT),
    ];
    let mut group = 0;
    while group < groups.len() {
        let (bytes, bit) = groups[group];
        let mut at = 0;
        while at < bytes.len() {
            table[bytes[at] as usize] |= bit;
            at += 1;
        }
        group += 1;
    }
    table
};

/// A word of ASCII letters and digits alone, as nearly all are.
fn plain_word(bytes: &[u8], (digits, capitals): (&Marks, &Marks), start: usize, end: usize, ended: u8) -> Word {
    let length = end - start;
    let bit = |is: bool, bit: u8| if is { bit } else { 0 };
    let mut seen = 0;
    for from in (start..end).step_by(64) {
        let all = u64::MAX >> (64 - (end - from).min(64));
        let (digits, capitals) = (digits.from(from) & all, capitals.from(from) & all);
        let inner = if from == start { capitals & !1 } else { capitals };
        seen |= bit(digits != 0, shape::DIGIT)
            | bit(capitals != 0, shape::UPPER)
            | bit(inner != 0, shape::HUMP)
            | bit(digits | capitals != all, shape::LOWER);
    }
    let rest = bytes.get(start..).unwrap_or_default();
    let cues = if seen == shape::DIGIT || length > 16 { 0 } else { cues_at(rest, length) };
    let capital = bit(rest.first().is_some_and(u8::is_ascii_uppercase), shape::CAPITAL);
    Word { start, end, cues, shape: seen | ended | capital }
}

fn read_word(text: &str, start: usize, first: u8, ended: u8) -> Word {
    let bytes = text.as_bytes();
    // Nearly all words are of ASCII letters and digits alone, among which nothing ends a word.
    let plain = |at: usize| bytes.get(at).map_or(0, |byte| PLAIN[usize::from(*byte)]);
    let mut at = start;
    let mut seen = plain(at);
    while plain(at) != 0 {
        at += 1;
        let more = plain(at);
        seen |= if more == shape::UPPER { shape::UPPER | shape::HUMP } else { more };
    }
    let mut last =
        at.checked_sub(1).filter(|_| at > start).and_then(|last| bytes.get(last)).map_or(first, |byte| class(*byte));
    while let Some(&byte) = bytes.get(at) {
        let class = class(byte);
        match class {
            SEPARATOR => break,
            INNER => {}
            _ => {
                let unspaced = (class == UNSPACED) != (last == UNSPACED);
                let number = (class == DIGIT && last >= SPACED) || (last == DIGIT && class >= SPACED);
                if at > start && (unspaced || number) {
                    break;
                }
                seen |= match class {
                    LOWER => shape::LOWER,
                    UPPER if at > start => shape::UPPER | shape::HUMP,
                    UPPER => shape::UPPER,
                    DIGIT => shape::DIGIT,
                    _ => shape::OTHER,
                };
                last = class;
            }
        }
        at += 1;
    }
    let cues = if first == UNSPACED {
        unspaced_cues(text.get(start..at).unwrap_or_default())
    } else if seen == shape::DIGIT || at - start > 16 {
        0
    } else {
        cues_at(bytes.get(start..).unwrap_or_default(), at - start)
    };
    let capital = match first {
        UPPER => true,
        // É, Ö, Š, Ж …: upper-case letters beyond ASCII; `char` knows.
        SPACED => text.get(start..).and_then(|rest| rest.chars().next()).is_some_and(char::is_uppercase),
        _ => false,
    };
    let capital = if capital { shape::CAPITAL } else { 0 };
    Word { start, end: at, cues, shape: seen | ended | capital }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::words::Page;
    use super::super::{Hit, Hits, encoded, search};
    use super::*;
    use crate::domain::privacy::planted::{Chance, plant};
    use crate::domain::privacy::{FindingKind, Kinds};

    fn found(page: &Page<'_>) -> Vec<Hit> {
        let mut hits = Hits { wanted: Kinds::all(), list: Vec::new() };
        search(page, &mut hits);
        encoded::find(page, &mut hits);
        hits.list
    }

    /// A text's words as they are read letter by letter.
    fn words_by_letters(text: &str) -> Vec<(usize, usize, u8)> {
        let (mut words, mut at, mut ended) = (Vec::new(), 0, 0);
        while let Some(&byte) = text.as_bytes().get(at) {
            let is_parted = text.as_bytes().get(at + 1).is_none_or(u8::is_ascii_whitespace);
            match class(byte) {
                SEPARATOR | INNER => {
                    ended |= match byte {
                        b'\n' => shape::LINE,
                        b'.' | b'?' | b'!' | b';' if is_parted => shape::BREAK,
                        _ => 0,
                    };
                    at += 1;
                }
                first => {
                    let word = read_word(text, at, first, ended);
                    words.push((word.start, word.end, word.shape));
                    (at, ended) = (word.end, 0);
                }
            }
        }
        words
    }

    /// Beginnings and ends of what is looked for, and words that only look like it.
    const PIECES: [&str; 65] = [
        "at",
        "At",
        "dot",
        "example",
        "org",
        "ada",
        "a",
        "I",
        "AA",
        "QQ",
        "12",
        "34",
        "56",
        "1",
        "B",
        "C",
        "curl",
        "-u",
        "u",
        "user",
        "--user",
        "seed",
        "phrase",
        "mnemonic",
        "recovery",
        "token",
        "mytoken",
        "garden",
        "turkey",
        "apikey",
        "dbpassword",
        "wizard",
        "secret",
        "interpret",
        "Hauptstraße",
        "Kongensgade",
        "Storgatan",
        "Parkallee",
        "Street",
        "box",
        "P",
        "O",
        "APO",
        "AP",
        "27815",
        "born",
        "March",
        "Monday",
        "-----BEGIN",
        "PRIVATE",
        "KEY-----",
        "sk-",
        "ghp_",
        "AKIA",
        "password",
        "is",
        "hunter22!",
        "example.org",
        "::beef:cafe",
        "fe80::1",
        "https://x.org",
        "é",
        "–",
        "日本",
        "x9Kq",
    ];
    const BETWEEN: [&str; 14] = [" ", " ", " ", " ", ". ", ": ", ":", ".", "-", "_", "=", "\n", ", ", ""];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn a_search_starts_from_no_word_that_is_passed_over(picks in prop::collection::vec((0..65_usize, 0..14_usize), 1..16)) {
            let text: String = picks.iter().flat_map(|(piece, between)| [PIECES[*piece], BETWEEN[*between]]).collect();
            let page = Page::read(&text);
            prop_assert_eq!(found(&page), found(&Page::read(&text).with_every_word_notable()), "{}", text);
            let words: Vec<_> = page.words.iter().map(|word| (word.start, word.end, word.shape)).collect();
            prop_assert_eq!(words, words_by_letters(&text), "{}", text);
        }

        #[test]
        fn nor_from_one_in_what_is_planted(seed in any::<u64>(), kind in 0..FindingKind::ALL.len()) {
            let text = plant(FindingKind::ALL[kind], &mut Chance::new(seed)).sentence();
            prop_assert_eq!(found(&Page::read(&text)), found(&Page::read(&text).with_every_word_notable()), "{}", text);
        }
    }
}
