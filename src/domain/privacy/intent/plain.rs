//! Text as the cues of intents are written: lower case, without accents, one space between words, a dot where a sentence
//! ends, a line break where a line does. What people do to a text without meaning anything by it (capitals, doubled spaces, hyphens, quotation marks) is
//! gone, so that the cues need one spelling each.

use super::super::super::bytes::Marks;

/// The plain form of a text, in bytes of valid UTF-8. It begins with a space, so that every word has one before it.
#[must_use]
pub fn plain(text: &str) -> Vec<u8> {
    let mut plain = Plain { out: Vec::with_capacity(text.len() + text.len() / 8 + 8), after_wide: false };
    plain.out.push(b' ');
    plain.take(text.as_bytes(), usize::MAX);
    plain.out
}

/// Where in the text a byte of its plain form came from. Works by making the plain form again: findings are rare.
#[must_use]
pub fn origin(text: &str, at: usize) -> usize {
    let mut plain = Plain { out: Vec::with_capacity(at + 8), after_wide: false };
    plain.out.push(b' ');
    plain.take(text.as_bytes(), at)
}

struct Plain {
    out: Vec<u8>,
    /// Whether the last character was of a script that writes no spaces.
    after_wide: bool,
}

impl Plain {
    /// Takes text until the plain form is longer than `until`, and returns where in the text that was.
    fn take(&mut self, bytes: &[u8], until: usize) -> usize {
        let runs = Marks::of(bytes, |byte| byte.is_ascii() & !is_mark(byte));
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            let (taken, last) = match byte {
                0..0x80 if is_mark(byte) => {
                    self.mark(byte, bytes.get(at + 1));
                    (1, 1)
                }
                0..0x80 => (self.words(bytes.get(at..runs.run_end(at)).unwrap_or_default(), until), 1),
                0xC0..0xE0 => {
                    self.two(byte, bytes.get(at + 1).copied().unwrap_or_default());
                    (2, 2)
                }
                0xE0..0xF0 => {
                    self.three(bytes.get(at..at + 3).unwrap_or_default());
                    (3, 3)
                }
                // Pictures and rare letters: they end a word.
                _ => {
                    self.space();
                    (4, 4)
                }
            };
            at += taken;
            if self.out.len() > until {
                return at - last;
            }
        }
        bytes.len()
    }

    /// Takes a run of ASCII letters, digits and what counts as a space, and returns how many bytes it took.
    fn words(&mut self, run: &[u8], until: usize) -> usize {
        if self.after_wide && run.first().is_some_and(u8::is_ascii_alphanumeric) {
            self.out.push(SPACE);
        }
        self.after_wide = false;
        let from = self.out.len();
        let mut last = self.out.last().copied().unwrap_or_default();
        // Where it may become too long, it is taken letter by letter.
        let run = if from + run.len() > until { run.get(..1).unwrap_or_default() } else { run };
        // All are written, and a space after a space is written over: nothing foretells where the next space stands.
        self.out.resize(from + run.len(), 0);
        let out = self.out.get_mut(from..).unwrap_or_default();
        let mut end = 0;
        for byte in run {
            let letter = ASCII[usize::from(*byte)];
            if let Some(place) = out.get_mut(end) {
                *place = letter;
            }
            end += usize::from(letter != SPACE) | usize::from(last != SPACE);
            last = letter;
        }
        self.out.truncate(from + end);
        run.len()
    }

    /// A space, a line break or a mark of punctuation.
    fn mark(&mut self, byte: u8, next: Option<&u8>) {
        match byte {
            b'.' | b'!' | b'?' | b';' | b':' if next.is_none_or(u8::is_ascii_whitespace) => self.stop(),
            b'\n' => self.line(),
            // An apostrophe: "don't" is one word.
            b'\'' => return,
            _ => {}
        }
        self.space();
    }

    fn letter(&mut self, letter: u8) {
        if self.after_wide {
            self.out.push(b' ');
            self.after_wide = false;
        }
        self.out.push(letter);
    }

    /// Letters with accents lose them; Cyrillic ones become small.
    fn two(&mut self, first: u8, second: u8) {
        match (first, second) {
            (0xC3, _) => {
                let place = usize::from(second & 0x3F);
                let base = ACCENTED.get(place).copied().unwrap_or(b' ');
                if base == b' ' { self.space() } else { self.letter(base) }
            }
            (0xC2, _) => self.space(),
            (0xD0, 0x90..=0x9F) => self.pair(0xD0, second + 0x20),
            (0xD0, 0xA0..=0xAF) => self.pair(0xD1, second - 0x20),
            // A `ё` is mostly written as `е`.
            (0xD0, 0x81) | (0xD1, 0x91) => self.pair(0xD0, 0xB5),
            _ => self.pair(first, second),
        }
    }

    fn pair(&mut self, first: u8, second: u8) {
        self.letter(first);
        self.out.push(second);
    }

    fn three(&mut self, bytes: &[u8]) {
        match bytes {
            // A curled apostrophe.
            [0xE2, 0x80, 0x99] => {}
            // 。 ！ ？
            [0xE3, 0x80, 0x82] | [0xEF, 0xBC, 0x81 | 0x9F] => {
                self.stop();
                self.space();
            }
            // The other marks, and wide spaces.
            [0xE2, 0x80..=0xBF, _] | [0xE3, 0x80, _] | [0xEF, 0xBC, 0x80..=0x8F | 0x9A..=0xA0] => self.space(),
            _ => {
                self.out.extend_from_slice(bytes);
                self.after_wide = true;
            }
        }
    }

    fn space(&mut self) {
        self.after_wide = false;
        if self.out.last() != Some(&b' ') {
            self.out.push(b' ');
        }
    }

    /// Marks the beginning of a line, where an order may stand.
    fn line(&mut self) {
        if self.out.last() == Some(&b' ') {
            self.out.pop();
        }
        if !matches!(self.out.last(), Some(b'.' | b'\n')) {
            self.out.push(b'\n');
        }
    }

    fn stop(&mut self) {
        self.after_wide = false;
        if self.out.last() == Some(&b' ') {
            self.out.pop();
        }
        if self.out.last() != Some(&b'.') {
            self.out.push(b'.');
        }
    }
}

const SPACE: u8 = b' ';
/// Whether a byte is not the same wherever it stands.
const fn is_mark(byte: u8) -> bool {
    matches!(byte, b'.' | b'!' | b'?' | b';' | b':' | b'\n' | b'\'')
}

/// Letters in lower case, digits as they are, a space for the rest.
const ASCII: [u8; 256] = {
    let mut table = [SPACE; 256];
    let mut byte = 0;
    while byte < 128 {
        let letter = byte as u8;
        if letter.is_ascii_alphanumeric() {
            table[byte] = letter.to_ascii_lowercase();
        }
        byte += 1;
    }
    table
};

/// The letters of U+00C0 to U+00FF without their accents; a space for the two signs among them.
const ACCENTED: &[u8; 64] = b"aaaaaaaceeeeiiiidnooooo ouuuuytsaaaaaaaceeeeiiiidnooooo ouuuuyty";
