//! Keys and tokens that give themselves away: by a known prefix, by their own form, or by being as good as random
//! beside a word for a key.

use std::sync::LazyLock;

use super::super::FindingKind as Kind;
use super::prefixes::{Body, PREFIXES, Prefix};
use super::words::{Page, cue};
use super::{Hits, shape};

/// The prefixes by their first byte.
static BY_FIRST: LazyLock<Vec<Vec<&'static Prefix>>> = LazyLock::new(|| {
    let mut table: Vec<Vec<&'static Prefix>> = vec![Vec::new(); 128];
    for prefix in PREFIXES {
        let first = prefix.start.as_bytes().first().copied().unwrap_or(0);
        if let Some(row) = table.get_mut(usize::from(first)) {
            row.push(prefix);
        }
    }
    table
});

fn is_core(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// What a token may be made of.
pub fn is_token(byte: u8) -> bool {
    is_core(byte) || matches!(byte, b'.' | b'=' | b'+' | b'/' | b'~')
}

/// Finds them.
pub fn find(page: &Page<'_>, hits: &mut Hits) {
    private_keys(page, hits);
    let mut past = 0;
    let mut refused = 0;
    for (index, word) in page.notable() {
        if word.start < past || !page.byte(word.start).is_ascii() {
            continue;
        }
        let start = word.start;
        let inner = start > 0 && is_core(page.byte(start - 1));
        // Words are short, and keys are not: most words are done here.
        let mut end = word.end;
        while !inner && end < page.bytes.len() && is_core(page.byte(end)) && end - start < 4096 {
            end += 1;
        }
        let dotted = matches!(page.byte(end), b'.' | b'$' | b'~' | b'/' | b':' | b'|' | b'=' | b'+');
        if inner || (end - start < 16 && !dotted) {
            continue;
        }
        if let Some(end) = prefixed(page, hits, start).or_else(|| formed(page, hits, start)) {
            past = end;
            continue;
        }
        if start >= refused && end - start >= 12 {
            refused = told(page, hits, index, start).max(end);
        }
    }
}

/// How far the signs of a body go from a place.
fn body_end(page: &Page<'_>, from: usize, body: Body, most: usize) -> usize {
    let belongs = |byte: u8| match body {
        Body::Word => byte.is_ascii_alphanumeric(),
        Body::Name => is_core(byte),
        Body::Wide => is_token(byte),
        Body::Hex => byte.is_ascii_hexdigit(),
        Body::Large => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
    };
    let bytes = page.bytes.get(from..).unwrap_or_default();
    from + bytes.iter().take(most + 1).take_while(|byte| belongs(**byte)).count()
}

/// A key with a known prefix that begins here; gives back its end.
fn prefixed(page: &Page<'_>, hits: &mut Hits, start: usize) -> Option<usize> {
    let rest = page.bytes.get(start..)?;
    // In the middle of base64 or of a file's name.
    if page.byte_before(start) == b'+'
        || (page.byte_before(start) == b'.' && start > 1 && page.byte(start - 2).is_ascii_alphanumeric())
    {
        return None;
    }
    let rows = BY_FIRST.get(usize::from(page.byte(start)))?;
    for prefix in rows.iter().filter(|prefix| rest.starts_with(prefix.start.as_bytes())) {
        let from = start + prefix.start.len();
        let mut end = body_end(page, from, prefix.body, usize::from(prefix.most));
        // PlanetScale, OpenShift and others of old allow signs that end a sentence too.
        while prefix.body == Body::Wide && end > from && matches!(page.byte(end - 1), b'.' | b'/') {
            end -= 1;
        }
        let body = page.slice(from, end);
        let fits = (usize::from(prefix.least)..=usize::from(prefix.most)).contains(&body.len());
        let closed = match prefix.body {
            Body::Wide | Body::Name => true,
            Body::Word | Body::Hex | Body::Large => !page.byte(end).is_ascii_alphanumeric(),
        };
        let mix = shape::mix(body);
        let mixed = mix.digits > 0 && (body.len() >= 40 || mix.digits + mix.signs < body.len());
        let random = (mixed && !shape::is_wordy(body))
            || (mix.upper > 0 && mix.lower > 0 && shape::is_gibberish(body))
            || (mix.upper >= 3 && mix.lower >= 3 && body.len() >= 20 && !shape::is_wordy(body))
            || (prefix.body == Body::Large && shape::is_gibberish(body) && mix.different >= 8);
        if fits && closed && random && !shape::is_placeholder(body) {
            hits.add(Kind::Key, start, end, "a prefix under which keys are issued", prefix.detail);
            return Some(end);
        }
    }
    None
}

/// A token whose own form says what it is.
fn formed(page: &Page<'_>, hits: &mut Hits, start: usize) -> Option<usize> {
    let first = page.byte(start);
    if page.slice(start, start + 2) == "ey" {
        return web_token(page, hits, start);
    }
    let core = body_end(page, start, Body::Name, 64);
    let hex = body_end(page, start, Body::Hex, 33) - start;
    if hex == 32
        && page.slice(start + 32, start + 35) == "-us"
        && (36..=37).contains(&(core - start))
        && shape::mix(page.slice(start, start + 32)).upper == 0
    {
        hits.add(Kind::Key, start, core, "32 hexadecimal digits and a data centre", "Mailchimp key");
        return Some(core);
    }
    if first.is_ascii_digit() {
        let digits = page.bytes.get(start..core).unwrap_or_default().iter().take_while(|b| b.is_ascii_digit()).count();
        let from = start + digits + 1;
        let end = body_end(page, from, Body::Name, 64);
        let body = page.slice(from, end);
        if page.byte(start + digits) == b':' && (8..=10).contains(&digits) && body.len() == 35 && body.starts_with('A')
        {
            hits.add(Kind::Key, start, end, "a number, a colon and 35 signs", "Telegram token");
            return Some(end);
        }
        if page.byte(start + digits) == b'|'
            && (12..=17).contains(&digits)
            && body.len() == 27
            && shape::mix(body).upper > 0
        {
            hits.add(Kind::Key, start, end, "a number, a bar and 27 signs", "Facebook token");
            return Some(end);
        }
    }
    if matches!(first, b'M' | b'N' | b'O') && page.byte(core) == b'.' && (23..=28).contains(&(core - start)) {
        let middle = body_end(page, core + 1, Body::Name, 16);
        let end = body_end(page, middle + 1, Body::Name, 64);
        if middle - core == 7 && page.byte(middle) == b'.' && (27..=38).contains(&(end - middle - 1)) {
            hits.add(Kind::Key, start, end, "three parts of a Discord token's lengths", "Discord token");
            return Some(end);
        }
    }
    if page.byte(core) == b'~' && matches!(core - start, 4 | 5) && page.byte(core - 1) == b'Q' {
        let end = body_end(page, core + 1, Body::Wide, 40);
        if (31..=36).contains(&(end - core - 1)) {
            hits.add(Kind::Key, start, end, "a digit, “Q~” and 31 signs or more", "Azure client secret");
            return Some(end);
        }
    }
    None
}

/// A JSON Web Token: two or three parts in base64, the first two of which begin like JSON.
fn web_token(page: &Page<'_>, hits: &mut Hits, start: usize) -> Option<usize> {
    /// The longest part that is looked at, in bytes.
    const LONGEST: usize = 8192;
    let part = |from: usize| {
        let bytes = page.bytes.get(from..).unwrap_or_default();
        let signs =
            bytes.iter().take(LONGEST).take_while(|byte| is_token(**byte) && !matches!(byte, b'.' | b'~')).count();
        from + signs
    };
    let header_end = part(start);
    if header_end - start < 17 || page.slice(header_end, header_end + 3) != ".ey" {
        return None;
    }
    let payload_end = part(header_end + 1);
    let payload = page.slice(header_end + 1, payload_end);
    let end = if page.byte(payload_end) == b'.' { part(payload_end + 1).max(payload_end) } else { payload_end };
    if payload.len() < 17 || shape::is_placeholder(payload) {
        return None;
    }
    hits.add(Kind::Key, start, end, "parts that begin like JSON in base64", "JSON web token");
    Some(end)
}

/// Names that keys are given by themselves, as parts before their random one.
const KEYISH: [&str; 27] = [
    "sk", "rk", "ak", "key", "keys", "api", "apikey", "token", "tok", "secret", "live", "prod", "test", "auth", "priv",
    "private", "pat", "access", "svc", "admin", "at", "rt", "bot", "oauth", "sec", "cred", "pk",
];

/// Parts before a random one that make an identifier, which everybody may see.
const IDENTIFIERS: [&str; 34] = [
    "id", "msg", "req", "resp", "run", "call", "toolu", "thread", "asst", "file", "user", "usr", "org", "cus", "pi",
    "pm", "ch", "in", "evt", "sub", "price", "acct", "prod", "sha256", "sha512", "sha1", "md5", "chatcmpl", "cmpl",
    "batch", "img", "job", "build", "etag",
];

/// A token that is as good as random, beside a word for a key or behind a part that keys have; gives back the token's
/// end.
fn told(page: &Page<'_>, hits: &mut Hits, index: usize, start: usize) -> usize {
    let end = body_end(page, start, Body::Wide, 1024);
    let before = page.byte_before(start);
    let text = page.slice(start, end).trim_end_matches(['.', '/', '=']);
    let padded = page.slice(start, end).len() - text.len();
    let text = if padded <= 2 && page.slice(start, end).ends_with('=') { page.slice(start, end) } else { text };
    // What is assigned is judged by the name that it is assigned to.
    let assigned = before == b'=' || text.trim_end_matches('=').contains('=');
    let is_path = matches!(before, b'/' | b'.' | b'@' | b'#' | b'\\')
        || (text.contains("//") && !text.ends_with('='))
        || is_file(text)
        || assigned;
    if is_path || text.len() < 16 || shape::is_uuid(text) || !shape::is_random(text) || shape::is_reference(text) {
        return end;
    }
    let small = text.get(..text.len().min(40)).unwrap_or(text).to_ascii_lowercase();
    let mut parts = small.split(['_', '-']).collect::<Vec<_>>();
    parts.pop();
    let key = text.rsplit(['_', '-']).next().unwrap_or(text);
    let key = if key.len() < 16 { text } else { key };
    let mix = shape::mix(key);
    let mixed = mix.upper > 0 && mix.lower > 0 && mix.digits > 0;
    if text.len() >= 24 && mixed && parts.iter().take(3).any(|part| KEYISH.contains(part)) && shape::is_random(key) {
        hits.add(Kind::Key, start, start + text.len(), "a part that keys begin with, and random signs", "");
        return end;
    }
    if parts.first().is_some_and(|part| IDENTIFIERS.contains(part)) || text.starts_with("sha") {
        return end;
    }
    let next = page.word_at(start + text.len());
    let near = page.cues_before(index, 8) | page.cues_from(next, 5);
    let strong = near & cue::TOKEN != 0 || (near & cue::KEY != 0 && near & (cue::SECRETIVE | cue::PROVIDER) != 0);
    let plain = mix.is_hex || !mixed || mix.signs > 0;
    if near & cue::DIGEST != 0 || text.len() < 20 && !strong {
        return end;
    }
    if strong || (!plain && near & (cue::KEY | cue::PASSWORD) != 0) {
        hits.add(Kind::Key, start, start + text.len(), "random signs beside a word for a key", "");
    }
    end
}

/// Whether a token ends like the name of a file.
fn is_file(text: &str) -> bool {
    text.rsplit_once('.').is_some_and(|(_, ending)| {
        (1..=5).contains(&ending.len()) && ending.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    })
}

/// Private keys in PEM, from their first line to their last.
fn private_keys(page: &Page<'_>, hits: &mut Hits) {
    /// The longest such text: RSA with 16,384 bits is about 13 kB.
    const LONGEST: usize = 16_384;
    const BEGIN: &str = "-----BEGIN ";
    let mut past = 0;
    for (_, word) in page.notable().filter(|(_, word)| word.len() == "BEGIN".len()) {
        let start = word.start.saturating_sub("-----".len());
        if start < past || page.slice(start, start + BEGIN.len()) != BEGIN {
            continue;
        }
        let label_at = start + BEGIN.len();
        let label_length =
            page.bytes.get(label_at..).unwrap_or_default().iter().take(64).take_while(|byte| **byte != b'-').count();
        if !page.slice(label_at, label_at + label_length).contains("PRIVATE KEY") {
            continue;
        }
        let body_at = label_at + label_length + 5;
        let bytes = page.bytes.get(body_at..).unwrap_or_default();
        let body = bytes
            .iter()
            .take(LONGEST)
            .take_while(|byte| {
                is_token(**byte) && **byte != b'-' || byte.is_ascii_whitespace() || matches!(byte, b':' | b',' | b'"')
            })
            .count();
        let mut end = (body_at + body).min(page.bytes.len());
        let closed = page.slice(end, end + 9) == "-----END ";
        if closed {
            let rest = page.bytes.get(end + 9..).unwrap_or_default();
            let label = rest.iter().take(64).take_while(|byte| **byte != b'-').count();
            end = (end + 9 + label + 5).min(page.bytes.len());
            if body < 24 && !page.slice(body_at, body_at + body).bytes().any(|byte| byte.is_ascii_alphanumeric()) {
                continue;
            }
        } else {
            // Not closed: only what is surely part of it, which is its first line and the lines of base64 under it.
            end = body_at + base64_lines(page, body_at, body);
        }
        hits.add(
            Kind::PrivateKey,
            start,
            end.max(body_at.min(page.bytes.len())),
            "the first line of a private key",
            "",
        );
        past = end;
    }
}

/// How many bytes from a place on are lines of at least forty signs of base64.
fn base64_lines(page: &Page<'_>, from: usize, most: usize) -> usize {
    let mut kept = 0;
    let mut at = 0;
    for line in page.slice(from, from + most).split_inclusive('\n') {
        at += line.len();
        let line = line.trim();
        if !line.is_empty() {
            if line.len() < 24 || line.contains(' ') {
                break;
            }
            kept = at;
        }
    }
    kept
}
