//! The words of a text, and what each says about its neighbours.
//!
//! One pass cuts the text into words and looks each up in one table. Everything else asks "what stands beside this" and
//! gets an answer from the bits of a few words, so that no neighbourhood is searched twice.

use super::super::super::bytes::ones;
use super::cut;

/// What a word can mean to its neighbours; a set of bits.
pub mod cue {
    /// A number beside it is a telephone's: "phone", "fax".
    pub const PHONE: u64 = 1;
    /// A number right after it may be a telephone's: "call", "reach".
    pub const CALL: u64 = 1 << 1;
    /// A payment card.
    pub const CARD: u64 = 1 << 2;
    /// A passport or another travel document.
    pub const PASSPORT: u64 = 1 << 3;
    /// Driving, as in "driving licence".
    pub const DRIVER: u64 = 1 << 4;
    /// A licence.
    pub const LICENCE: u64 = 1 << 5;
    /// A bank account, a routing number.
    pub const BANK: u64 = 1 << 6;
    /// Birth.
    pub const BIRTH: u64 = 1 << 7;
    /// A number beside it counts things of a business: orders, tickets, parcels, books.
    pub const ORDER: u64 = 1 << 8;
    /// A token beside it is a digest or an identifier that everybody may see: "commit", "sha256", "uuid".
    pub const DIGEST: u64 = 1 << 9;
    /// Names a password.
    pub const PASSWORD: u64 = 1 << 10;
    /// Names a secret token by itself: "token", "secret", "apikey".
    pub const TOKEN: u64 = 1 << 11;
    /// "key", which needs a word beside it to be a secret one.
    pub const KEY: u64 = 1 << 12;
    /// What makes "key" a secret one: "api", "access", "signing".
    pub const SECRETIVE: u64 = 1 << 13;
    /// A service that issues keys.
    pub const PROVIDER: u64 = 1 << 14;
    /// In a name, says that the value is about the secret and is not it: "name", "path", "length", "public".
    pub const ABOUT: u64 = 1 << 15;
    /// A given name.
    pub const GIVEN: u64 = 1 << 16;
    /// A family name.
    pub const FAMILY: u64 = 1 << 17;
    /// An everyday word that is also a name.
    pub const EVERYDAY: u64 = 1 << 18;
    /// "Mr", "Dr".
    pub const TITLE: u64 = 1 << 19;
    /// A month.
    pub const MONTH: u64 = 1 << 20;
    /// A day of the week.
    pub const WEEKDAY: u64 = 1 << 21;
    /// A word for a road that follows its name: "Street".
    pub const ROAD_AFTER: u64 = 1 << 22;
    /// A word for a road that comes before its name: "Rue".
    pub const ROAD_BEFORE: u64 = 1 << 23;
    /// A part of a building: "Apt", "Suite".
    pub const UNIT: u64 = 1 << 24;
    /// A country or a large city.
    pub const PLACE: u64 = 1 << 25;
    /// The legal form of a company.
    pub const COMPANY: u64 = 1 << 26;
    /// A number beside it is a host's: "ip", "server".
    pub const HOST: u64 = 1 << 27;
    /// A number beside it is a version or a section.
    pub const VERSION: u64 = 1 << 28;
    /// What is counted or measured: "dollars", "people".
    pub const MEASURE: u64 = 1 << 29;
    /// A crypto currency or its wallet.
    pub const CRYPTO: u64 = 1 << 30;
    /// Says that something is: "is", "are", "was".
    pub const IS: u64 = 1 << 31;
    /// Whose: "my", "her", "our".
    pub const WHOSE: u64 = 1 << 32;
    /// "number", "no", "nr".
    pub const NUMBER: u64 = 1 << 33;
    /// "name", as in "my name is".
    pub const NAME: u64 = 1 << 34;
    /// A number beside it belongs to a person's papers: "ssn", "id", "passport", "tax".
    pub const PAPERS: u64 = 1 << 35;
    /// Somebody lives, ships or moves there.
    pub const RESIDES: u64 = 1 << 36;
    /// "at", "on", "to": between "reach me" and the number.
    pub const AT: u64 = 1 << 37;
    /// A compass point or a military post: parts of addresses.
    pub const POST: u64 = 1 << 38;
    /// Says hello or goodbye, or who is who in a conversation or a form: a name is likely to follow.
    pub const BEFORE_NAME: u64 = 1 << 39;
    /// A user name or login, beside which a password stands.
    pub const LOGIN: u64 = 1 << 40;
    /// In a name, makes a token one that everybody may see, or one that opens nothing.
    pub const OPEN: u64 = 1 << 41;
}

/// How the letters of a word look; a set of bits.
pub mod shape {
    /// Has a lower-case ASCII letter.
    pub const LOWER: u8 = 1;
    /// Has an upper-case ASCII letter.
    pub const UPPER: u8 = 2;
    /// Has an ASCII digit.
    pub const DIGIT: u8 = 4;
    /// Has a letter that is not ASCII.
    pub const OTHER: u8 = 8;
    /// Begins with an upper-case letter, as far as a byte can tell.
    pub const CAPITAL: u8 = 16;
    /// A sentence ends before it.
    pub const BREAK: u8 = 32;
    /// A line ends before it.
    pub const LINE: u8 = 64;
    /// Has a capital after its first letter, as `apiKey` and `API`.
    pub const HUMP: u8 = 128;
}

/// One word: letters and digits without anything between them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Word {
    /// The first byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// Bits of [`cue`].
    pub cues: u64,
    /// Bits of [`shape`].
    pub shape: u8,
}

impl Word {
    /// Whether it consists of ASCII digits.
    #[must_use]
    pub const fn is_number(&self) -> bool {
        self.shape & (shape::LOWER | shape::UPPER | shape::DIGIT | shape::OTHER) == shape::DIGIT
    }

    /// Its length in bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether any of these cues is among its own.
    #[must_use]
    pub const fn is(&self, cues: u64) -> bool {
        self.cues & cues != 0
    }

    /// Whether it looks like a name: a capital and then small letters only.
    #[must_use]
    pub const fn is_capitalised(&self) -> bool {
        self.shape & shape::CAPITAL != 0 && self.shape & shape::DIGIT == 0
    }
}

/// A text and its words.
pub struct Page<'t> {
    /// The text.
    pub text: &'t str,
    /// The same, as bytes.
    pub bytes: &'t [u8],
    /// Its words, in order.
    pub words: Vec<Word>,
    /// A bit for each word: see [`Page::notable`].
    notable: Vec<u64>,
    /// How many bytes were asked for so far, so that a test can hold that the work is linear.
    #[cfg(test)]
    pub touched: std::cell::Cell<usize>,
}

impl<'t> Page<'t> {
    /// Cuts a text into words.
    #[must_use]
    pub fn read(text: &'t str) -> Self {
        let (words, notable) = cut::cut(text);
        Self {
            text,
            bytes: text.as_bytes(),
            words,
            notable,
            #[cfg(test)]
            touched: std::cell::Cell::new(0),
        }
    }

    /// The page with no word passed over.
    #[cfg(test)]
    pub fn with_every_word_notable(mut self) -> Self {
        self.notable.fill(u64::MAX);
        self
    }

    /// The words that a search may start from, with their indices, in order.
    pub fn notable(&self) -> impl Iterator<Item = (usize, &Word)> {
        ones(&self.notable).filter_map(|index| self.words.get(index).map(|word| (index, word)))
    }

    #[cfg(test)]
    fn touch(&self, bytes: usize) {
        self.touched.set(self.touched.get() + bytes);
    }

    /// A part of the text; empty where there is none.
    #[must_use]
    pub fn slice(&self, start: usize, end: usize) -> &'t str {
        #[cfg(test)]
        self.touch(end.saturating_sub(start).max(1));
        self.text.get(start..end).unwrap_or_default()
    }

    /// A byte of the text; 0 past its ends.
    #[must_use]
    pub fn byte(&self, at: usize) -> u8 {
        #[cfg(test)]
        self.touch(1);
        self.bytes.get(at).copied().unwrap_or(0)
    }

    /// The byte before a place; 0 at the beginning.
    #[must_use]
    pub fn byte_before(&self, at: usize) -> u8 {
        at.checked_sub(1).map_or(0, |before| self.byte(before))
    }

    /// The word of this index; an empty one where there is none.
    #[must_use]
    pub fn word(&self, index: usize) -> Word {
        self.words.get(index).copied().unwrap_or_default()
    }

    /// The text of the word of this index.
    #[must_use]
    pub fn word_text(&self, index: usize) -> &'t str {
        let word = self.word(index);
        self.slice(word.start, word.end)
    }

    /// The index of the first word that begins at or after a place.
    #[must_use]
    pub fn word_at(&self, place: usize) -> usize {
        self.words.partition_point(|word| word.start < place)
    }

    /// The cues of up to `count` words before the word of this index, in its sentence.
    #[must_use]
    pub fn cues_before(&self, index: usize, count: usize) -> u64 {
        let mut cues = 0;
        let mut here = index;
        for _ in 0..count {
            let Some(before) = here.checked_sub(1) else { break };
            // "Tel. 123": a full stop after an abbreviation ends no sentence.
            if self.word(here).shape & shape::BREAK != 0 && self.word(before).len() > 4 {
                break;
            }
            cues |= self.word(before).cues;
            here = before;
        }
        cues
    }

    /// The cues of up to `count` words from the word of this index on, in its sentence.
    #[must_use]
    pub fn cues_from(&self, index: usize, count: usize) -> u64 {
        let mut cues = 0;
        for word in self.words.iter().skip(index).take(count) {
            if word.shape & shape::BREAK != 0 {
                break;
            }
            cues |= word.cues;
        }
        cues
    }

    /// Whether one of these lower-case words, or one that holds one of them in a script without spaces, stands within
    /// `count` words before the word of this index or within three from `next` on.
    #[must_use]
    pub fn is_beside(&self, index: usize, next: usize, count: usize, wanted: &[&str]) -> bool {
        let is_wanted = |word: &Word| {
            let text = self.slice(word.start, word.end);
            wanted
                .iter()
                .any(|wanted| text.eq_ignore_ascii_case(wanted) || (!wanted.is_ascii() && text.contains(wanted)))
        };
        let from = index.saturating_sub(count);
        self.words.get(from..index).unwrap_or_default().iter().any(is_wanted)
            || self.words.iter().skip(next).take(3).any(is_wanted)
    }
}
