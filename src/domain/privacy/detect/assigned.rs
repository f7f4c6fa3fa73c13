//! Secrets that something is said to be: `API_TOKEN=…`, `"password": "…"`, `--token …`, "the password is …".

use super::super::FindingKind as Kind;

use super::Hits;
use super::value::{Value, chunk, quoted_at, skip_spaces, value_after, value_before, value_end};

use super::shape::{self, Role};

use super::table::cues_of;
use super::words::{self, Page, Word, cue};

/// The longest name that is looked at, in bytes.
const LONGEST_NAME: usize = 80;

/// What words say that name secrets.
pub const NAMING: u64 = cue::PASSWORD | cue::TOKEN | cue::KEY | cue::PROVIDER;

/// Finds them.
pub fn find(page: &Page<'_>, hits: &mut Hits) {
    let mut curl_until = 0;
    let mut past = 0;
    let mut seen = 0;
    for (index, word) in page.notable() {
        if index < seen || is_prose(page.bytes, word) {
            continue;
        }
        let (next, cues) = name_from(page, index);
        if page.slice(word.start, word.end) == "curl" {
            curl_until = word.end + 600;
        }
        if word.start < curl_until
            && matches!(page.slice(word.start, word.end), "u" | "user")
            && page.byte_before(word.start) == b'-'
        {
            login(page, hits, word.end);
        } else if cues.all & NAMING != 0 && word.start >= past {
            let name = Name { start: word.start, end: page.word(next - 1).end, first: index, next, cues };
            past = one(page, hits, &name);
        }
        seed(page, hits, index);
        seen = next;
    }
}

/// Whether one look tells that a word names nothing and is none of those that matter here: so it is of nearly all words.
fn is_prose(bytes: &[u8], word: &Word) -> bool {
    use words::shape::{DIGIT, HUMP, OTHER};
    let small = |at: usize| bytes.get(at).map_or(0, |byte| byte | 0x20);
    // As "curl", "u", "user", "seed", "mnemonic" and "recovery" begin.
    let may_matter = matches!((word.len(), small(word.start)), (1 | 4, b'u') | (4, b'c' | b's') | (8, b'm' | b'r'));
    // As the words end that may be glued to others: see `glued`.
    let ending = word.end.checked_sub(2).map_or((0, 0), |at| (small(at), small(at + 1)));
    let may_be_glued = word.len() >= 5 && matches!(ending, (b'r' | b'w', b'd') | (b'e', b'n' | b'y' | b't'));
    word.cues & NAMING == 0
        && word.shape & (DIGIT | HUMP | OTHER) == 0
        && !matches!(bytes.get(word.end), Some(b'_' | b'-' | b'.' | b':'))
        && !may_matter
        && !may_be_glued
}

/// What the parts of a name say.
#[derive(Clone, Copy, Debug, Default)]
struct Parts {
    /// Of all parts together.
    all: u64,
    /// Of the last one that is not a number.
    last: u64,
    /// Whether a part says that it is a page's, or public.
    open: bool,
}

/// A name: words with `_`, `-` or `.` between them.
pub struct Name {
    /// The first byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// The index of its first word.
    pub first: usize,
    /// The index of the first word after it.
    pub next: usize,
    cues: Parts,
}

/// The name that begins with a word: the index of the word after it, and what its parts say.
fn name_from(page: &Page<'_>, index: usize) -> (usize, Parts) {
    let first = page.word(index);
    let mut parts = Parts::default();
    let mut at = index;
    loop {
        let word = page.word(at);
        // Most words of prose stand alone, and say nothing.
        add_parts(page.slice(word.start, word.end), word.shape, word.cues, &mut parts);
        let next = page.word(at + 1);
        let joined = matches!(page.byte(word.end), b'_' | b'-' | b'.' | b':')
            && matches!(page.slice(word.end, next.start), "_" | "-" | "." | "__" | ":_")
            && next.len() > 0;
        at += 1;
        if !joined || next.end - first.start > LONGEST_NAME {
            return (at, parts);
        }
    }
}

fn add_parts(word: &str, shape: u8, cues: u64, parts: &mut Parts) {
    if cues & (NAMING | cue::SECRETIVE | cue::ABOUT) != 0 || word.len() < 5 || shape & words::shape::OTHER != 0 {
        parts.add(cues, word);
    } else if shape & words::shape::HUMP == 0 {
        parts.add(cues | glued(word), word);
    } else {
        add_humps(word, cues, parts);
    }
}

/// "mysqlpassword", "dbtoken": what the last part says, without a sign before it.
fn glued(word: &str) -> u64 {
    const ENDINGS: [(&str, u64); 6] = [
        ("password", cue::PASSWORD),
        ("passwd", cue::PASSWORD),
        ("token", cue::TOKEN),
        ("apikey", cue::TOKEN),
        ("secret", cue::TOKEN),
        ("accesskey", cue::TOKEN),
    ];
    // Most words are seen by their last letter to end otherwise.
    let last = word.bytes().rev().find(|byte| !byte.is_ascii_digit());
    if !last.is_some_and(|byte| matches!(byte | 0x20, b'd' | b'n' | b'y' | b't')) {
        return 0;
    }
    let word = word.trim_end_matches(|c: char| c.is_ascii_digit());
    let ends = |ending: &str| {
        word.len() > ending.len()
            && word.get(word.len() - ending.len()..).is_some_and(|end| end.eq_ignore_ascii_case(ending))
    };
    ENDINGS.iter().find(|(ending, _)| ends(ending)).map_or(0, |(_, cues)| *cues)
}

/// "apiKey", "AWSToken": the parts that capitals begin.
fn add_humps(word: &str, cues: u64, parts: &mut Parts) {
    let bytes = word.as_bytes();
    let mut from = 0;
    for place in 1..=bytes.len() {
        let (before, here) = (bytes.get(place - 1).copied().unwrap_or(0), bytes.get(place).copied().unwrap_or(b'A'));
        let after = bytes.get(place + 1).copied().unwrap_or(b'A');
        let hump = place == bytes.len()
            || (here.is_ascii_uppercase()
                && (before.is_ascii_lowercase() || before.is_ascii_digit() || after.is_ascii_lowercase()));
        if !hump {
            continue;
        }
        let part = word.get(from..place).unwrap_or_default();
        if place - from < bytes.len() {
            let name = part.trim_end_matches(|c: char| c.is_ascii_digit());
            // "max2" is no word that says that something is public.
            let open = if name.len() == part.len() { 0 } else { cue::OPEN };
            parts.add(cues_of(name) & !open, part);
        } else {
            parts.add(cues | glued(word), word);
        }
        from = place;
    }
}

impl Parts {
    fn add(&mut self, cues: u64, text: &str) {
        self.all |= cues;
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            self.last = cues;
        }
        self.open |= cues & cue::OPEN != 0;
    }
}

fn role_of(name: &Name) -> Option<Role> {
    let Parts { all, last, open } = name.cues;
    // "password_hash", "token_type", "key_id"; but "apikey" and the like are about nothing else.
    if open || (last & cue::ABOUT != 0 && last & (cue::PASSWORD | cue::TOKEN) == 0) {
        return None;
    }
    let ends_well = last & (cue::KEY | cue::SECRETIVE | cue::PROVIDER) != 0;
    if all & cue::PASSWORD != 0 {
        Some(Role::Password)
    } else if all & cue::TOKEN != 0 {
        Some(Role::Token)
    } else if all & cue::KEY != 0 && all & cue::DIGEST == 0 && ends_well {
        Some(if all & (cue::SECRETIVE | cue::PROVIDER) != 0 { Role::Token } else { Role::Service })
    } else if all & cue::PROVIDER != 0 && all & cue::KEY == 0 {
        Some(Role::Service)
    } else {
        None
    }
}

/// Looks at one name; gives back the place before which no other name is worth a look.
fn one(page: &Page<'_>, hits: &mut Hits, name: &Name) -> usize {
    /// An unquoted value of more bytes is looked at once, and not again for each name in it.
    const LONG: usize = 128;
    let Some(mut role) = role_of(name) else { return 0 };
    // "cache key": a name of two words.
    if role == Role::Service && page.cues_before(name.first, 1) & cue::DIGEST != 0 {
        return 0;
    }
    // "API key", "access token", "OpenAI key": two words in prose.
    let before = page.cues_before(name.first, 2);
    if role == Role::Service
        && name.cues.all & cue::KEY != 0
        && before & (cue::SECRETIVE | cue::PROVIDER) != 0
        && before & cue::DIGEST == 0
    {
        role = Role::Token;
    }
    // "密码是…": scripts without spaces set nothing between the words and the value.
    if name.cues.all & cue::IS != 0 && page.word(name.next).start == name.end {
        judge(page, hits, chunk(page, name.end), if role == Role::Password { Role::Told } else { role });
        return 0;
    }
    if let Some(value) = value_after(page, name) {
        report(page, hits, value, role, name);
        return if value.end - value.start > LONG { value.end } else { 0 };
    }
    if page.byte_before(name.start) == b'(' && role != Role::Service {
        if let Some(value) = value_before(page, name.start - 1) {
            report(page, hits, value, role, name);
        }
    } else if role != Role::Service {
        prose(page, hits, name);
    }
    0
}

fn report(page: &Page<'_>, hits: &mut Hits, value: Value, role: Role, name: &Name) {
    let text = page.slice(value.start, value.end);
    let judged = if value.told && role == Role::Password { Role::Told } else { role };
    let pair = role == Role::Service
        && text.len() == 17
        && text.as_bytes().get(8) == Some(&b':')
        && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b':');
    if !pair && !shape::is_secret(text, judged, value.quoted) {
        return;
    }
    if text.contains("://") && role != Role::Password {
        return;
    }
    let service = if name.cues.all & cue::PROVIDER != 0 { "the name of a service stands before it" } else { "" };
    match role {
        Role::Password | Role::Told => {
            let why =
                if value.quoted { "between quotes after a word for a password" } else { "after a word for a password" };
            hits.add(Kind::Password, value.start, value.end, why, "");
        }
        Role::Token => {
            let why =
                if value.quoted { "between quotes after a name for a secret" } else { "after a name for a secret" };
            hits.add(Kind::Key, value.start, value.end, why, "");
        }
        Role::Service => hits.add(
            Kind::Key,
            value.start,
            value.end,
            if service.is_empty() { "random signs after “key”" } else { service },
            "",
        ),
    }
}

/// "The password for the server is …", "password hunter22!", "… is my password".
fn prose(page: &Page<'_>, hits: &mut Hits, name: &Name) {
    let is_password = name.cues.all & cue::PASSWORD != 0;
    let role = if is_password { Role::Told } else { Role::Token };
    for step in 0..6 {
        let word = page.word(name.next + step);
        if word.len() == 0 || word.shape & words::shape::BREAK != 0 {
            break;
        }
        let gap = page.slice(page.word(name.next + step - 1).end, word.start);
        // "the password (…)", "this password for me `…`".
        if step <= 3 && gap.len() <= 3 && gap.starts_with(' ') && gap.ends_with(['(', '`', '"', '\'']) {
            let open = word.start - 1;
            let value = quoted_at(page, open).unwrap_or_else(|| {
                let end = value_end(page, word.start, |byte| byte == b')' || byte <= b' ');
                Value { start: word.start, end, quoted: true, told: true }
            });
            judge(page, hits, value, role);
            return;
        }
        if gap.bytes().any(|byte| matches!(byte, b'.' | b'(' | b'=' | b'\n' | b'{' | b';')) {
            break;
        }
        let colon = gap.starts_with(": ") || gap == ":";
        if colon {
            told(page, hits, page.word(name.next + step).start, role);
            return;
        }
        if word.is(cue::IS) {
            let at = page.word(name.next + step).end;
            let mut start = skip_spaces(page, at);
            if page.byte(start) == b':' {
                start = skip_spaces(page, start + 1);
            }
            told(page, hits, start, role);
            return;
        }
        if word.is(cue::PASSWORD | cue::TOKEN) {
            break;
        }
    }
    if is_password && page.byte(name.end) == b' ' {
        let value = chunk(page, name.end + 1);
        let mix = shape::mix(page.slice(value.start, value.end));
        if mix.digits > 0 && mix.lower + mix.upper > 0 && (mix.signs > 0 || mix.upper > 0)
            || mix.digits >= 2 && mix.lower >= 3
        {
            told(page, hits, value.start, role);
        }
    }
    // "… is my password", "use … as the token": the value comes first.
    let Some(linked) = name.first.checked_sub(2) else { return };
    let (link, whose) = (page.word(linked), page.word(linked + 1));
    let is_link = link.is(cue::IS) || page.word_text(linked).eq_ignore_ascii_case("as");
    let is_whose = whose.is(cue::WHOSE) || matches!(page.word_text(linked + 1), "the" | "a" | "an" | "this");
    if is_link
        && is_whose
        && let Some(value) = value_before(page, link.start)
    {
        judge(page, hits, value, role);
    }
}

fn told(page: &Page<'_>, hits: &mut Hits, start: usize, role: Role) {
    judge(page, hits, chunk(page, start), role);
}

/// Takes what prose calls a secret for one if it looks like one.
fn judge(page: &Page<'_>, hits: &mut Hits, value: Value, role: Role) {
    let text = page.slice(value.start, value.end);
    if !shape::is_secret(text, role, value.quoted) || text.contains("://") {
        return;
    }
    let kind = if role == Role::Told { Kind::Password } else { Kind::Key };
    hits.add(kind, value.start, value.end, "said to be the secret", "");
}

/// `curl -u user:password`.
fn login(page: &Page<'_>, hits: &mut Hits, at: usize) {
    let start = if page.byte(at) == b'=' { at + 1 } else { skip_spaces(page, at) };
    let value = quoted_at(page, start).unwrap_or_else(|| {
        let end = value_end(page, start, |byte| byte <= b' ' || matches!(byte, b'"' | b'\''));
        Value { start, end, quoted: false, told: false }
    });
    let text = page.slice(value.start, value.end);
    let Some((user, password)) = text.split_once(':') else { return };
    let secret = if password.is_empty() { user } else { password };
    let stand_in =
        matches!(secret.to_ascii_lowercase().as_str(), "pass" | "password" | "passwd" | "pwd" | "secret" | "token");
    if secret.len() >= 4
        && !stand_in
        && !shape::is_placeholder(text)
        && !shape::is_reference(secret)
        && !text.contains(['$', '{', '<', '/'])
    {
        hits.add(Kind::Password, value.start, value.end, "a login given to curl", "");
    }
}

/// A wallet's seed phrase: twelve short words after words that name it.
fn seed(page: &Page<'_>, hits: &mut Hits, index: usize) {
    let word = page.word_text(index);
    if !(word.eq_ignore_ascii_case("seed")
        || word.eq_ignore_ascii_case("mnemonic")
        || word.eq_ignore_ascii_case("recovery"))
    {
        return;
    }
    let is_seed = |at: usize| {
        let word = page.word(at);
        let text = page.slice(word.start, word.end);
        (3..=8).contains(&word.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase())
    };
    let Some(skipped) = (1..=4).find(|step| page.byte(skip_spaces(page, page.word(index + step - 1).end)) == b':')
    else {
        return;
    };
    let first = index + skipped;
    let count = (first..first + 24)
        .take_while(|at| {
            is_seed(*at) && (*at == first || page.slice(page.word(at - 1).end, page.word(*at).start) == " ")
        })
        .count();
    if matches!(count, 12 | 15 | 18 | 21 | 24) {
        hits.add(
            Kind::Key,
            page.word(first).start,
            page.word(first + count - 1).end,
            "words after “seed phrase”",
            "wallet seed phrase",
        );
    }
}
