//! Texts as a reader sees them: full-width digits, invisible characters and escapes become the plain characters that
//! they stand for, and every byte remembers where it came from.

use super::super::super::bytes;

/// A text in plain characters, with the way back.
pub struct Folded {
    /// The plain text.
    pub text: String,
    /// For each byte of it, and for its end, the place in the original.
    origin: Vec<usize>,
}

impl Folded {
    /// The place in the original that a place in the plain text came from.
    #[must_use]
    pub fn origin(&self, place: usize) -> usize {
        self.origin.get(place).or(self.origin.last()).copied().unwrap_or(0)
    }

    fn copy(&mut self, text: &str, from: usize, to: usize) {
        self.text.push_str(text.get(from..to).unwrap_or_default());
        self.origin.extend(from..to);
    }

    fn push(&mut self, character: char, from: usize) {
        self.text.push(character);
        self.origin.extend((0..character.len_utf8()).map(|_| from));
    }
}

/// Whether a byte can begin something that is not plain.
const fn is_suspect(byte: u8) -> bool {
    matches!(byte, b'%' | b'\\' | b'&' | 0xC2 | 0xD9 | 0xDB | 0xE0..=0xF4)
}

/// What stands at a place instead of itself, if anything, and how many bytes it takes the place of.
fn instead(text: &str, at: usize) -> Option<(Plain, usize)> {
    let character = text.get(at..)?.chars().next()?;
    if let Some((escaped, length)) = escape(text, at) {
        return Some((Plain::As(escaped), length));
    }
    match plain(character) {
        Plain::Same => None,
        other => Some((other, character.len_utf8())),
    }
}

/// The plain form of a text; `None` if it is plain already, as nearly all are.
#[must_use]
pub fn fold(text: &str) -> Option<Folded> {
    let all = text.as_bytes();
    let mut folded: Option<Folded> = None;
    // What lies between `copied` and `at` is plain and waits to be copied in one go.
    let mut copied = 0;
    let mut at = 0;
    while let Some(ahead) = all.get(at..).and_then(|rest| bytes::find(rest, is_suspect)) {
        at += ahead;
        let Some((plain, length)) = instead(text, at) else {
            at += 1;
            continue;
        };
        let folded = folded.get_or_insert_with(|| Folded {
            text: String::with_capacity(text.len()),
            origin: Vec::with_capacity(text.len() + 1),
        });
        folded.copy(text, copied, at);
        if let Plain::As(other) = plain {
            folded.push(other, at);
        }
        at += length;
        copied = at;
    }
    let mut folded = folded?;
    folded.copy(text, copied, text.len());
    folded.origin.push(text.len());
    Some(folded)
}

#[derive(PartialEq)]
enum Plain {
    Same,
    As(char),
    Nothing,
}

fn plain(character: char) -> Plain {
    let code = u32::from(character);
    let digit = |zero: u32| char::from_u32(u32::from('0') + (code - zero)).map_or(Plain::Same, Plain::As);
    match code {
        0xFF01..=0xFF5E => char::from_u32(code - 0xFEE0).map_or(Plain::Same, Plain::As),
        0xA0 | 0x2000..=0x200A | 0x202F | 0x205F | 0x3000 => Plain::As(' '),
        0xAD | 0x180E | 0x200B..=0x200F | 0x202A..=0x202E | 0x2060..=0x2064 | 0x2066..=0x2069 | 0xFEFF => {
            Plain::Nothing
        }
        0x2010..=0x2015 | 0x2212 | 0xFE63 => Plain::As('-'),
        0x2018 | 0x2019 | 0x2032 => Plain::As('\''),
        0x201C..=0x201F | 0xAB | 0xBB | 0x300C..=0x300F => Plain::As('"'),
        0x3002 => Plain::As('.'),
        0x3001 => Plain::As(','),
        0x0660..=0x0669 => digit(0x0660),
        0x06F0..=0x06F9 => digit(0x06F0),
        0x0966..=0x096F => digit(0x0966),
        // Letters and digits of mathematics: thirteen alphabets of 52, five rows of ten digits.
        0x1D400..=0x1D6A3 => {
            let place = (code - 0x1D400) % 52;
            let letter = if place < 26 { u32::from('A') + place } else { u32::from('a') + place - 26 };
            char::from_u32(letter).map_or(Plain::Same, Plain::As)
        }
        0x1D7CE..=0x1D7FF => digit(0x1D7CE + (code - 0x1D7CE) / 10 * 10),
        _ => Plain::Same,
    }
}

/// The character that an escape at this place stands for, and the escape's length.
fn escape(text: &str, at: usize) -> Option<(char, usize)> {
    let rest = text.as_bytes().get(at..)?;
    let hex = |from: usize, to: usize| {
        let digits = rest.get(from..to)?;
        digits.iter().try_fold(0_u32, |value, byte| Some(value * 16 + (*byte as char).to_digit(16)?))
    };
    let printable = |code: u32| char::from_u32(code).filter(|c| c.is_ascii_graphic() || *c == ' ' || *c == '\n');
    match rest {
        [b'%', ..] => printable(hex(1, 3)?).map(|c| (c, 3)),
        [b'\\', b'u', ..] => printable(hex(2, 6)?).map(|c| (c, 6)),
        [b'\\', b'x', ..] => printable(hex(2, 4)?).map(|c| (c, 4)),
        [b'\\', b'n' | b'r', ..] => Some(('\n', 2)),
        [b'\\', b't', ..] => Some(('\t', 2)),
        [b'\\', quote @ (b'"' | b'/' | b'\''), ..] => Some((char::from(*quote), 2)),
        [b'&', b'#', b'x' | b'X', ..] => {
            entity(rest, 3, 16).and_then(|(code, length)| Some((printable(code)?, length)))
        }
        [b'&', b'#', ..] => entity(rest, 2, 10).and_then(|(code, length)| Some((printable(code)?, length))),
        [b'&', ..] => {
            NAMED.iter().find(|(name, _)| rest.starts_with(name.as_bytes())).map(|(name, c)| (*c, name.len()))
        }
        _ => None,
    }
}

const NAMED: [(&str, char); 9] = [
    ("&commat;", '@'),
    ("&period;", '.'),
    ("&nbsp;", ' '),
    ("&quot;", '"'),
    ("&apos;", '\''),
    ("&amp;", '&'),
    ("&colon;", ':'),
    ("&equals;", '='),
    ("&lowbar;", '_'),
];

/// A numeric entity's code and length, its number beginning at `from`.
fn entity(rest: &[u8], from: usize, radix: u32) -> Option<(u32, usize)> {
    let mut code = 0_u32;
    for (place, byte) in rest.iter().enumerate().skip(from).take(7) {
        if *byte == b';' {
            return (place > from).then_some((code, place + 1));
        }
        code = code.checked_mul(radix)?.checked_add((*byte as char).to_digit(radix)?)?;
    }
    None
}
