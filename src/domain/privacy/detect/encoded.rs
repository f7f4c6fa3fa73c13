//! What hides in base64: a mail address, a key. The whole token is then the finding.

use super::super::{FindingKind as Kind, Kinds};
use super::words::Page;
use super::{Hits, search, shape};

/// Shorter tokens hold less than a mail address.
const SHORTEST: usize = 20;
/// Longer ones are files; only so much of them is looked at.
const LONGEST: usize = 8192;

/// Finds them.
pub fn find(page: &Page<'_>, hits: &mut Hits) {
    let mut past = 0;
    for (_, word) in page.notable() {
        if word.start < past || word.len() < 4 || !page.byte(word.start).is_ascii() {
            continue;
        }
        let is_sign = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_');
        // Most words end soon.
        let bytes = page.bytes.get(word.start..).unwrap_or_default();
        if word.len() < SHORTEST && !bytes.get(word.len()).is_some_and(is_sign) {
            continue;
        }
        let length = bytes.iter().take_while(|byte| is_sign(byte)).count();
        past = word.start + length;
        if length < SHORTEST || (word.start > 0 && is_sign(&page.byte_before(word.start))) {
            continue;
        }
        let token = bytes.get(..length.min(LONGEST)).unwrap_or_default();
        let Some(text) = decode(token) else { continue };
        let mut end = past;
        while page.byte(end) == b'=' && end < past + 2 {
            end += 1;
        }
        let inner = Page::read(&text);
        let mut found = Hits { wanted: hits.wanted.without(PUBLIC), list: Vec::new() };
        search(&inner, &mut found);
        if let Some(hit) = found.list.iter().max_by_key(|hit| hit.kind.rank()) {
            hits.add(hit.kind, word.start, end, "seen through base64", hit.detail);
        }
    }
}

/// Kinds that are not worth a look through an encoding.
const PUBLIC: Kinds = Kinds::of(&[
    Kind::Url,
    Kind::Name,
    Kind::Place,
    Kind::Organisation,
    Kind::Date,
    Kind::Age,
    Kind::Title,
    Kind::LocalIp,
]);

/// The text that a token in base64 holds; `None` if it holds anything but text.
fn decode(token: &[u8]) -> Option<String> {
    let mut out = Vec::with_capacity(token.len() / 4 * 3 + 3);
    let mut bits = 0_u32;
    let mut count = 0;
    for byte in token {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            let byte = (bits >> count) as u8;
            // Text has no control characters; most tokens that are not text fail within the first few bytes.
            if byte < b' ' && !byte.is_ascii_whitespace() || byte == 0x7F {
                return None;
            }
            out.push(byte);
        }
    }
    let text = String::from_utf8(out).ok()?;
    let mix = shape::mix(&text);
    (mix.lower + mix.upper + mix.digits > 0 && text.is_ascii()).then_some(text)
}
