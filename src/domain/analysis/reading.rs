//! One pass over a prompt's text: its words, its sentences and the shapes that stand out.
//!
//! Of a long text only the beginning and the end are read: a request stands in one or the other, and what lies between
//! is what it is about. So the cost is bounded whatever is pasted.

use super::super::bytes::{self, Marks};
use super::hash::{BASIS, STEM, hash_and_stem, pair, step};

/// Bytes read at the beginning, and again at the end, of a text that is longer than both.
const WINDOW: usize = 4 * 1024;
/// The longest label before a colon, in words: "Question 1:" is one, a clause is not.
const LABEL_WORDS: usize = 3;
/// How many option letters are followed, `A` to `J`.
const LETTERS: u8 = 10;

/// What kind of thing a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Letters.
    Word,
    /// Beginning with a digit.
    Number,
    /// One character of a script that writes no spaces between words.
    Ideograph,
}

/// A word, a number or an ideograph.
#[derive(Clone, Copy, Debug)]
pub struct Token {
    /// Hash of the word in lower case.
    pub hash: u32,
    /// Hash of its first five characters: survives endings and late typing errors.
    pub stem: u32,
    /// How many characters it has, 255 at most.
    pub length: u8,
    /// Its kind.
    pub shape: Shape,
    /// The ASCII mark that stands before it, 0 where there is none but spaces.
    pub mark: u8,
}

/// A run of tokens up to a stop, a question mark or the end of the line.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sentence {
    /// Index of its first token.
    pub first: usize,
    /// Index one past its last token.
    pub end: usize,
    /// Bytes from its first character to its stop.
    pub bytes: usize,
    /// Whether it ends with a question mark.
    pub asks: bool,
    /// Whether it begins a line.
    pub begins_line: bool,
    /// Whether it ends with a colon or with no stop at all.
    pub open: bool,
}

/// What one pass has seen.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The words in order.
    pub tokens: Vec<Token>,
    /// The sentences in order; none is empty.
    pub sentences: Vec<Sentence>,
    /// How often each ASCII sign stands in the text; letters and digits are not counted.
    pub symbols: [u32; 128],
    /// Hashes of labels: what stands at the beginning of a line before a colon.
    pub labels: Vec<u32>,
    /// Lines with something in them.
    pub lines: usize,
    /// Lines that begin with a bullet.
    pub bullets: usize,
    /// Lines that begin with a number and a stop or a bracket.
    pub numbered: usize,
    /// Lines that look like code: they end with a brace, a semicolon or a bracket, or begin indented.
    pub code_lines: usize,
    /// Lines with three separators or more.
    pub rows: usize,
    /// Index of the first option letter's token; beyond the last token where there is none.
    pub options_from: usize,
    /// Option letters in order from `A`: three for `A) … B) … C) …`.
    pub options: u8,
    /// Bytes between double quotation marks.
    pub quoted: usize,
    /// Bytes of the longest line.
    pub longest_line: usize,
    /// Characters by script, for the language.
    pub scripts: Scripts,
    /// Bytes of the whole text, whatever was read of it.
    pub bytes: usize,
}

/// Characters by script.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scripts {
    pub latin: u32,
    pub han: u32,
    pub kana: u32,
    pub hangul: u32,
    pub cyrillic: u32,
    pub greek: u32,
    pub arabic: u32,
    pub hebrew: u32,
    pub devanagari: u32,
    pub thai: u32,
    pub other: u32,
}

/// Reads a text.
pub fn read(text: &str) -> Reading {
    let mut pass = Pass::new(text.len());
    if text.len() <= 2 * WINDOW {
        pass.run(text);
    } else {
        let head = text.floor_char_boundary(WINDOW);
        let tail = text.ceil_char_boundary(text.len() - WINDOW);
        pass.run(text.get(..head).unwrap_or_default());
        pass.run(text.get(tail..).unwrap_or_default());
    }
    pass.reading
}

/// The word that is being read.
#[derive(Default)]
struct Word {
    hash: u32,
    stem: u32,
    length: u8,
    number: bool,
}

struct Line {
    first_token: usize,
    start: usize,
    indent: usize,
    bullet: bool,
    separators: u32,
    last: u8,
    labelled: bool,
    begun: bool,
}

struct Pass {
    reading: Reading,
    word: Word,
    sentence: Sentence,
    sentence_start: usize,
    line: Line,
    quote: Option<usize>,
    letter_before: Option<u8>,
    before_letter: u8,
    mark: u8,
}

impl Pass {
    fn new(bytes: usize) -> Self {
        let capacity = bytes.min(2 * WINDOW) / 4 + 8;
        Self {
            reading: Reading {
                tokens: Vec::with_capacity(capacity),
                sentences: Vec::with_capacity(capacity / 8 + 4),
                symbols: [0; 128],
                labels: Vec::new(),
                lines: 0,
                bullets: 0,
                numbered: 0,
                code_lines: 0,
                rows: 0,
                options: 0,
                options_from: usize::MAX,
                quoted: 0,
                longest_line: 0,
                scripts: Scripts::default(),
                bytes,
            },
            word: Word { hash: BASIS, stem: BASIS, length: 0, number: false },
            sentence: Sentence { begins_line: true, ..Sentence::default() },
            sentence_start: 0,
            line: Line::new(0, 0),
            quote: None,
            letter_before: None,
            before_letter: b'\n',
            mark: 0,
        }
    }

    fn run(&mut self, text: &str) {
        let mut before = b'\n';
        self.line = Line::new(self.reading.tokens.len(), 0);
        self.sentence_start = 0;
        let bytes = text.as_bytes();
        let plain = Marks::of(bytes, |byte| byte.is_ascii_alphanumeric());
        let small = text.to_ascii_lowercase();
        self.reading.scripts.latin += bytes::count(text, |byte| byte.is_ascii_alphabetic()) as u32;
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            let end = plain.run_end(at);
            if end > at {
                self.letters(small.as_bytes().get(at..).unwrap_or_default(), end - at, before);
                self.line.last = bytes.get(end - 1).copied().unwrap_or_default();
                before = self.line.last;
                at = end;
            } else if byte == b' ' {
                self.space();
                before = byte;
                at += 1;
            } else if byte < 128 {
                let next = bytes.get(at + 1).copied().unwrap_or(b'\n');
                self.ascii(byte, at, next);
                before = byte;
                at += 1;
            } else {
                let Some(character) = text.get(at..).and_then(|rest| rest.chars().next()) else { break };
                self.other(character, at);
                before = 0x80;
                at += character.len_utf8();
            }
        }
        self.end_word();
        self.end_line(text.len());
        self.quote = None;
    }

    /// Takes the small ASCII letters and digits at the beginning, so many as they are. Most of a text are such: they are read
    /// without looking at all that another character could be.
    fn letters(&mut self, bytes: &[u8], count: usize, before: u8) {
        self.begin_line();
        let last = bytes.get(count - 1).copied().unwrap_or_default();
        if self.word.length == 0 {
            self.word.number = bytes.first().is_some_and(u8::is_ascii_digit);
            self.before_letter = before;
            [self.word.hash, self.word.stem] = hash_and_stem(bytes, count);
            self.word.length = u8::try_from(count).unwrap_or(u8::MAX);
        } else {
            bytes.iter().take(count).for_each(|byte| self.extend(u32::from(*byte)));
        }
        self.letter_before = (self.word.length == 1).then_some(last);
    }

    /// The sign that is met most, before which nothing has to be looked at.
    fn space(&mut self) {
        self.reading.symbols[usize::from(b' ')] += 1;
        self.end_word();
        self.line.indent += usize::from(!self.line.begun);
    }

    fn ascii(&mut self, byte: u8, at: usize, next: u8) {
        if let Some(count) = self.reading.symbols.get_mut(usize::from(byte)) {
            *count += 1;
        }
        // An apostrophe inside a word belongs to it: "don't", "what's".
        if byte == b'\'' && self.word.length > 0 && next.is_ascii_alphabetic() {
            self.extend(u32::from(byte));
            return;
        }
        if matches!(byte, b')' | b'.' | b':') && self.word.length == 1 {
            self.option(byte);
        }
        let number = self.word.number;
        self.end_word();
        match byte {
            b'\n' => return self.end_line(at),
            b'\t' | b'\r' => {
                self.line.separators += u32::from(byte == b'\t');
                self.line.indent += usize::from(!self.line.begun) * if byte == b'\t' { 4 } else { 1 };
                return;
            }
            b'?' => self.end_sentence(at, true, false),
            b'!' => self.end_sentence(at, false, false),
            // "1. " begins an item and ends nothing.
            b'.' if (next.is_ascii_whitespace() || next == b'"') && !(number && self.is_first_of_line()) => {
                self.end_sentence(at, false, false);
            }
            b':' => {
                self.label();
                if next.is_ascii_whitespace() {
                    self.end_sentence(at, false, true);
                }
            }
            b'-' | b'*' if !self.line.begun && next == b' ' => self.line.bullet = true,
            b'"' => self.quotation(at),
            b',' | b';' | b'|' => self.line.separators += 1,
            b')' if number && self.is_first_of_line() => self.reading.numbered += 1,
            _ => {}
        }
        self.mark = byte;
        self.begin_line();
        if byte == b'.' && number && next == b' ' && self.is_first_of_line() {
            self.reading.numbered += 1;
        }
        self.line.last = byte;
    }

    fn other(&mut self, character: char, at: usize) {
        self.begin_line();
        self.line.last = 0x80;
        let code = u32::from(character);
        match code {
            0x2018 | 0x2019 if self.word.length > 0 => return self.extend(u32::from(b'\'')),
            0x201C | 0x201D => {
                self.end_word();
                return self.quotation(at);
            }
            0x2022 => {
                self.end_word();
                self.line.bullet = true;
                return;
            }
            0x3002 | 0xFF01 => {
                self.end_word();
                return self.end_sentence(at, false, false);
            }
            0xFF1F | 0x061F => {
                self.end_word();
                return self.end_sentence(at, true, false);
            }
            0xFF1A => {
                self.end_word();
                self.label();
                return self.end_sentence(at, false, true);
            }
            _ => {}
        }
        let scripts = &mut self.reading.scripts;
        let (count, alone) = match code {
            0x00C0..=0x024F | 0x1E00..=0x1EFF => (&mut scripts.latin, false),
            0x0370..=0x03FF => (&mut scripts.greek, false),
            0x0400..=0x052F => (&mut scripts.cyrillic, false),
            0x0590..=0x05FF => (&mut scripts.hebrew, false),
            0x0600..=0x06FF | 0x0750..=0x077F => (&mut scripts.arabic, false),
            0x0900..=0x0DFF => (&mut scripts.devanagari, false),
            0x0E00..=0x0E7F => (&mut scripts.thai, true),
            0x3040..=0x30FF => (&mut scripts.kana, true),
            0x3400..=0x9FFF | 0x2_0000..=0x2_FFFF => (&mut scripts.han, true),
            0xAC00..=0xD7AF => (&mut scripts.hangul, false),
            0x0300..=0x036F => return,
            _ if character.is_alphanumeric() => (&mut scripts.other, false),
            _ => return self.end_word(),
        };
        *count += 1;
        if alone {
            self.end_word();
            self.extend(code);
            self.push(Shape::Ideograph);
        } else {
            let lower = character.to_lowercase().next().unwrap_or(character);
            self.extend(u32::from(lower));
        }
    }

    fn extend(&mut self, unit: u32) {
        self.word.hash = step(self.word.hash, unit);
        if usize::from(self.word.length) < STEM {
            self.word.stem = self.word.hash;
        }
        self.word.length = self.word.length.saturating_add(1);
    }

    fn end_word(&mut self) {
        if self.word.length > 0 {
            self.push(if self.word.number { Shape::Number } else { Shape::Word });
        }
    }

    fn push(&mut self, shape: Shape) {
        let Word { hash, stem, length, .. } = self.word;
        let mark = std::mem::take(&mut self.mark);
        self.reading.tokens.push(Token { hash, stem, length, shape, mark });
        self.word = Word { hash: BASIS, stem: BASIS, length: 0, number: false };
    }

    /// Follows option letters in their order. A stop after a letter counts at the beginning of a line only.
    fn option(&mut self, delimiter: u8) {
        let Some(letter) = self.letter_before else { return };
        let begins_line = self.reading.tokens.len() == self.line.first_token;
        let expected = b'a' + self.reading.options;
        let bracketed = delimiter == b')' && matches!(self.before_letter, b'(' | b' ' | b'\n');
        if letter == expected && self.reading.options < LETTERS && (begins_line || bracketed) {
            if self.reading.options == 0 {
                self.reading.options_from = self.reading.tokens.len();
            }
            self.reading.options += 1;
        }
    }

    /// Whether the line has one token so far.
    fn is_first_of_line(&self) -> bool {
        self.reading.tokens.len() == self.line.first_token + 1
    }

    fn begin_line(&mut self) {
        self.line.begun = true;
    }

    fn label(&mut self) {
        let tokens = self.reading.tokens.get(self.line.first_token..).unwrap_or_default();
        if self.line.labelled || tokens.is_empty() || tokens.len() > LABEL_WORDS {
            return;
        }
        self.line.labelled = true;
        // "Sentence 2:" is the same label as "Sentence 1:".
        let words = tokens.iter().filter(|token| token.shape != Shape::Number);
        let label = words.fold(BASIS, |label, token| pair(label, token.hash));
        self.reading.labels.push(label);
    }

    fn quotation(&mut self, at: usize) {
        match self.quote.take() {
            Some(from) => self.reading.quoted += at.saturating_sub(from + 1),
            None => self.quote = Some(at),
        }
    }

    fn end_sentence(&mut self, at: usize, asks: bool, open: bool) {
        let end = self.reading.tokens.len();
        if end > self.sentence.first {
            let bytes = at.saturating_sub(self.sentence_start);
            self.reading.sentences.push(Sentence { end, bytes, asks, open, ..self.sentence });
        } else if asks && let Some(last) = self.reading.sentences.last_mut() {
            // A mark that stands apart from its sentence, as in ".?" or " ?".
            last.asks = true;
        }
        self.sentence = Sentence { first: end, ..Sentence::default() };
        self.sentence_start = at;
    }

    fn end_line(&mut self, at: usize) {
        self.end_sentence(at, false, true);
        let tokens = self.reading.tokens.len();
        let line = &self.line;
        if line.begun {
            let reading = &mut self.reading;
            reading.lines += 1;
            reading.bullets += usize::from(line.bullet);
            reading.rows += usize::from(line.separators >= 3);
            let ends_as_code = matches!(line.last, b'{' | b'}' | b';');
            reading.code_lines += usize::from(ends_as_code || (line.indent >= 2 && !line.bullet));
            reading.longest_line = reading.longest_line.max(at.saturating_sub(line.start));
        }
        self.line = Line::new(tokens, at + 1);
        self.sentence.begins_line = true;
    }
}

impl Line {
    const fn new(first_token: usize, start: usize) -> Self {
        Self { first_token, start, indent: 0, bullet: false, separators: 0, last: 0, labelled: false, begun: false }
    }
}
