//! Where a value stands: after a sign of assignment, on the next line, between quotes, before its name.

use super::assigned::Name;
use super::words::Page;

/// The longest value.
pub const LONGEST_VALUE: usize = 1024;

/// A value that may be a secret.
#[derive(Clone, Copy, Debug)]
pub struct Value {
    /// The first byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// Whether it stands between quotes.
    pub quoted: bool,
    /// Whether prose says it.
    pub told: bool,
}

/// What stands after a name and its sign of assignment.
pub fn value_after(page: &Page<'_>, name: &Name) -> Option<Value> {
    let mut at = name.end;
    let mut closed = false;
    while at < name.end + 3 && matches!(page.byte(at), b'"' | b'\'' | b'`' | b']' | b')' | b'*') {
        closed |= matches!(page.byte(at), b'"' | b'\'');
        at += 1;
    }
    let spaced = skip_spaces(page, at);
    let rest = page.bytes.get(spaced..).unwrap_or_default();
    let flag = page.byte_before(name.start) == b'-';
    let assigned = match rest {
        [b':', b':', b'=', ..] => spaced + 3,
        [b':' | b'?' | b'+', b'=', ..] | [b'=', b'>' | b'='] | [b'-' | b'=', b'>', ..] => spaced + 2,
        [b'!' | b'=', b'=', ..] => spaced + if rest.get(2) == Some(&b'=') { 3 } else { 2 },
        [b'=' | b':', ..] => spaced + 1,
        [b',', ..] if closed => return quoted_at(page, skip_spaces(page, spaced + 1)),
        [b'>', ..] if page.byte_before(name.start) == b'<' => {
            let end = value_end(page, spaced + 1, |byte| byte == b'<' || byte == b'\n');
            return Some(Value { start: spaced + 1, end, quoted: true, told: false });
        }
        _ if (flag || commanded(page, name)) && spaced > at => spaced,
        _ => return paired(page, name, at).or_else(|| typed(page, name, spaced)),
    };
    let compared = matches!(rest, [b'=' | b'!', b'=', ..]);
    let start = skip_spaces(page, assigned);
    // `name: &str = "…"`, `name: String = "…"`.
    if page.byte(assigned.saturating_sub(1)) == b':'
        && let Some(value) = annotated(page, start)
    {
        return Some(value);
    }
    let value = match quoted_at(page, start) {
        Some(value) => value,
        None if compared => return None,
        None => open_value(page, name, start)?,
    };
    Some(without_scheme(page, value))
}

/// `set NAME …`, `ENV NAME …`: commands that need no sign between name and value.
pub fn commanded(page: &Page<'_>, name: &Name) -> bool {
    const COMMANDS: [&str; 7] = ["set", "env", "setx", "export", "arg", "setenv", "put"];
    let Some(last) = name.first.checked_sub(1) else { return false };
    let spaced = page.slice(page.word(last).end, name.start) == " ";
    spaced
        && name.end - name.start >= 6
        && page.slice(name.start, name.end).contains('_')
        && COMMANDS.iter().any(|command| page.word_text(last).eq_ignore_ascii_case(command))
}

/// `name: NAME` and `value: …` on the next line, `variable "name" {` and `default = "…"`, `key="NAME" value="…"`.
pub fn paired(page: &Page<'_>, name: &Name, at: usize) -> Option<Value> {
    let word = page.word(name.next);
    if !matches!(page.slice(word.start, word.end), "value" | "default" | "Value") || word.start > name.end + 48 {
        return None;
    }
    let gap = page.slice(at, word.start);
    if !gap.bytes().all(|byte| byte.is_ascii_whitespace() || matches!(byte, b'{' | b'"' | b',' | b'\'')) {
        return None;
    }
    let mut sign = word.end;
    if matches!(page.byte(sign), b'"' | b'\'') {
        sign += 1;
    }
    sign = skip_spaces(page, sign);
    if !matches!(page.byte(sign), b':' | b'=') {
        return None;
    }
    let start = skip_spaces(page, sign + 1);
    quoted_at(page, start).or_else(|| open_value(page, name, start))
}

/// `var name string = "…"`: a type between name and sign.
pub fn typed(page: &Page<'_>, name: &Name, at: usize) -> Option<Value> {
    let word = page.word(name.next);
    let is_type = word.start == at && word.len() <= 16 && page.byte(skip_spaces(page, word.end)) == b'=';
    if !is_type {
        return None;
    }
    quoted_at(page, skip_spaces(page, skip_spaces(page, word.end) + 1))
}

/// A type after a colon, and then a sign of assignment and a value in quotes.
pub fn annotated(page: &Page<'_>, at: usize) -> Option<Value> {
    let end = value_end(page, at, |byte| matches!(byte, b'=' | b'\n' | b'"' | b'\'' | b',') || byte >= 0x80);
    (page.byte(end) == b'=' && end - at <= 32).then(|| quoted_at(page, skip_spaces(page, end + 1))).flatten()
}

pub fn skip_spaces(page: &Page<'_>, from: usize) -> usize {
    let bytes = page.bytes.get(from..).unwrap_or_default();
    from + bytes.iter().take(64).take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}

pub fn value_end(page: &Page<'_>, from: usize, ends: impl Fn(u8) -> bool) -> usize {
    let bytes = page.bytes.get(from..).unwrap_or_default();
    from + bytes.iter().take(LONGEST_VALUE).take_while(|byte| !ends(**byte)).count()
}

/// A value between quotes, perhaps with a letter that says what kind of quotes.
pub fn quoted_at(page: &Page<'_>, at: usize) -> Option<Value> {
    let at = if matches!(page.byte(at), b'b' | b'f' | b'r' | b'@' | b'u') && matches!(page.byte(at + 1), b'"' | b'\'') {
        at + 1
    } else {
        at
    };
    let quote = page.byte(at);
    if !matches!(quote, b'"' | b'\'' | b'`') {
        return None;
    }
    let mut start = at + 1;
    while start < at + 3 && page.byte(start) == quote {
        start += 1;
    }
    let end = value_end(page, start, |byte| byte == quote || byte == b'\n');
    Some(Value { start, end, quoted: true, told: false })
}

/// A value without quotes: up to a space or a sign that closes something.
pub fn open_value(page: &Page<'_>, name: &Name, start: usize) -> Option<Value> {
    let in_query = matches!(page.byte_before(name.start), b'?' | b'&');
    let end = value_end(page, start, |byte| {
        byte <= b' '
            || matches!(byte, b'"' | b'\'' | b'`' | b',' | b'<' | b'>')
            || byte >= 0xE1
            || (byte == b'&' && in_query)
            || byte == b';'
    });
    let text = page.slice(start, end);
    let mut trimmed = text.trim_end_matches(['.', '?', ':', '\\']);
    for (open, close) in [('(', ')'), ('[', ']'), ('{', '}')] {
        if !trimmed.contains(open) {
            trimmed = trimmed.trim_end_matches(close);
        }
    }
    let trimmed =
        if trimmed.ends_with('!') && trimmed.len() < text.len() { trimmed.trim_end_matches('!') } else { trimmed };
    // `key = value.method(…)` and the like; a value that goes on with a word is prose or code, which its own shape
    // decides.
    (!trimmed.is_empty()).then_some(Value { start, end: start + trimmed.len(), quoted: false, told: false })
}

/// "Bearer …", "Basic …": the scheme of a header is no part of the secret.
pub fn without_scheme(page: &Page<'_>, value: Value) -> Value {
    const SCHEMES: [&str; 11] = [
        "api-token",
        "api-key",
        "bearer",
        "basic",
        "token",
        "apikey",
        "key",
        "flyv1",
        "ghtoken",
        "digest",
        "negotiate",
    ];
    let text = page.slice(value.start, value.end);
    let first = text.split(' ').next().unwrap_or_default();
    if !SCHEMES.contains(&first.to_ascii_lowercase().as_str()) {
        return value;
    }
    let start = skip_spaces(page, value.start + first.len());
    if value.quoted {
        return Value { start: start.min(value.end), ..value };
    }
    let end = value_end(page, start, |byte| byte <= b' ' || matches!(byte, b'"' | b'\'' | b'`' | b',' | b'<' | b'>'));
    Value {
        start,
        end: start + page.slice(start, end).trim_end_matches(['.', ')', '?', '!', ';', '\\']).len(),
        ..value
    }
}

/// The chunk before a place: "… X (NAME)".
pub fn value_before(page: &Page<'_>, end: usize) -> Option<Value> {
    let mut end = end;
    let mut skipped = 0;
    while end > 0 && matches!(page.byte(end - 1), b' ' | b'"' | b'\'' | b'`') && skipped < 3 {
        end -= 1;
        skipped += 1;
    }
    let bytes = page.bytes.get(..end).unwrap_or_default();
    let length = bytes
        .iter()
        .rev()
        .take(LONGEST_VALUE)
        .take_while(|byte| **byte > b' ' && !matches!(byte, b'"' | b'\'' | b'`'))
        .count();
    (length > 0 && skipped > 0).then_some(Value { start: end - length, end, quoted: false, told: false })
}

/// The chunk from a place up to a space, or between quotes.
pub fn chunk(page: &Page<'_>, start: usize) -> Value {
    if let Some(value) = quoted_at(page, start) {
        return value;
    }
    let end = value_end(page, start, |byte| byte <= b' ' || byte >= 0xE1 || byte == b'"');
    let text = page.slice(start, end);
    let mut trimmed = text.trim_end_matches([',', ';', ':', ')']);
    if trimmed.ends_with(['.', '?']) {
        trimmed = trimmed.get(..trimmed.len() - 1).unwrap_or(trimmed);
    }
    Value { start, end: start + trimmed.len(), quoted: false, told: true }
}
