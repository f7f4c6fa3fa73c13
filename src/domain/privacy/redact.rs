//! A prompt without what must not leave, and the way back.
//!
//! Each value is replaced by a placeholder such as `[EMAIL_1]`, the same value by the same one wherever it stands in the
//! prompt, found there or not. The model answers about the placeholders, and a [`Restorer`] puts the values back.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aho_corasick::{AhoCorasick, MatchKind};
use serde_json::{Map, Value};

use super::FindingKind;
use crate::domain::prompt::{Format, Part, Prompt, ToolChoice};

/// What stands for what.
pub struct Table {
    /// By what stands between the brackets, in small letters: the value.
    values: BTreeMap<String, String>,
    /// The longest text between brackets, in bytes.
    longest: usize,
}

/// Its `Debug` form shows the placeholders, never the values.
impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

/// A prompt whose values were replaced.
#[derive(Clone, Debug)]
pub struct Redacted {
    /// What may leave.
    pub prompt: Arc<Prompt>,
    /// What its placeholders stand for.
    pub table: Arc<Table>,
}

/// A value that must not leave.
#[derive(Clone, Copy, Debug)]
pub struct Secret<'a> {
    /// What kind, for the placeholder's name.
    pub kind: FindingKind,
    /// The value.
    pub value: &'a str,
}

/// The most that is replaced of a prompt, in bytes: a text that is nothing but secrets stays where it is.
pub const MOST_BYTES: usize = 4 << 20;
/// From this length on a key or a password may have been found in part only: the detectors look no further.
const MAY_GO_ON: usize = 1_000;

impl Secret<'_> {
    /// Whether the value may be longer than what was found of it, so that a placeholder would leave its end behind.
    pub fn may_go_on(&self) -> bool {
        match self.kind {
            FindingKind::PrivateKey => !self.value.contains("-----END"),
            FindingKind::Key | FindingKind::Password => self.value.len() >= MAY_GO_ON,
            _ => false,
        }
    }
}

/// Replaces values in every text of a prompt. `None` where nothing could be replaced: the values are too many for one
/// table, which no prompt of any real size comes near.
#[must_use]
pub fn redact(prompt: &Prompt, secrets: &[Secret<'_>]) -> Option<Redacted> {
    let taken: BTreeSet<String> = prompt.every_text().iter().flat_map(|(_, text)| lookalikes(text)).collect();
    let mut numbers: BTreeMap<FindingKind, u32> = BTreeMap::new();
    let mut known: BTreeMap<&str, String> = BTreeMap::new();
    let mut values = BTreeMap::new();
    for secret in secrets.iter().filter(|secret| !secret.value.is_empty()) {
        if known.contains_key(secret.value) {
            continue;
        }
        let number = numbers.entry(secret.kind).or_default();
        let name = loop {
            *number += 1;
            // What looks like a placeholder in the prompt itself must come back as it is.
            let name = format!("{}_{number}", secret.kind.name());
            if !taken.contains(&name) {
                break name;
            }
        };
        known.insert(secret.value, format!("[{}]", name.to_uppercase()));
        values.insert(name, secret.value.to_owned());
    }
    let longest = values.keys().map(String::len).max().unwrap_or_default();
    let (patterns, placeholders): (Vec<&str>, Vec<String>) = known.into_iter().unzip();
    let automaton = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(patterns).ok()?;
    let pen = Pen { automaton, placeholders };
    Some(Redacted { prompt: Arc::new(pen.prompt(prompt)), table: Arc::new(Table { values, longest }) })
}

/// Whether what stands at a place of a text is nothing but placeholders of a table, or a part of one: what is found there
/// is no finding.
#[must_use]
pub fn is_placeholder(table: &Table, text: &str, start: usize, end: usize) -> bool {
    let is_around = |c: char| !c.is_alphanumeric() && c != '[' && c != ']';
    let found = text.get(start..end).unwrap_or_default();
    let end = start + found.trim_end_matches(is_around).len();
    let mut at = start + (found.len() - found.trim_start_matches(is_around).len());
    // The number in a placeholder may look like an age.
    let before = text.get(..at).unwrap_or_default();
    if let Some(opened) = before.rfind('[')
        && at - opened <= LONGEST_NAME
        && matches!(read(table, text.get(opened..).unwrap_or_default()), Reading::Placeholder { length, .. } if opened + length > at)
    {
        at = opened;
    }
    while at < end {
        match read(table, text.get(at..).unwrap_or_default()) {
            Reading::Placeholder { length, .. } => at += length,
            Reading::Beginning | Reading::Other => return false,
        }
    }
    true
}

/// Whether any of the values still stands in a text of a prompt: in one that is not written anew, such as a call's id, or
/// across two that are.
#[must_use]
pub fn is_left(prompt: &Prompt, secrets: &[Secret<'_>]) -> bool {
    let values = secrets.iter().map(|secret| secret.value).filter(|value| !value.is_empty());
    let Ok(automaton) = AhoCorasick::new(values) else { return true };
    prompt.every_text().iter().any(|(_, text)| automaton.is_match(&**text))
}

/// Where the value of a finding ends. A private key is found by its first line, and its value is the whole block; one
/// whose last line is missing goes on to the end.
#[must_use]
pub fn whole_end(kind: FindingKind, text: &str, start: usize, end: usize) -> usize {
    if kind != FindingKind::PrivateKey || text.get(start..end).is_some_and(|found| found.contains("-----END")) {
        return end;
    }
    let rest = text.get(end..).unwrap_or_default();
    let last = rest.find("-----END").and_then(|at| {
        let after = at + "-----END".len();
        Some(after + rest.get(after..)?.find("-----")? + "-----".len())
    });
    end + last.unwrap_or(rest.len())
}

/// What overlapping spans of a text cover together, each as text, kind, start and end. A span that overlaps no other
/// stands for itself.
#[must_use]
pub fn merged(spans: &[(usize, FindingKind, usize, usize)]) -> Vec<(usize, FindingKind, usize, usize)> {
    let mut sorted = spans.to_vec();
    sorted.sort_by_key(|(text, _, start, end)| (*text, *start, std::cmp::Reverse(*end)));
    let mut merged: Vec<(usize, FindingKind, usize, usize)> = Vec::new();
    for span in sorted {
        match merged.last_mut() {
            Some(last) if last.0 == span.0 && span.2 < last.3 => last.3 = last.3.max(span.3),
            _ => merged.push(span),
        }
    }
    merged
}

/// What strikes the values out.
struct Pen {
    automaton: AhoCorasick,
    placeholders: Vec<String>,
}

impl Pen {
    fn text(&self, text: &str) -> String {
        self.automaton.replace_all(text, &self.placeholders)
    }

    fn strike(&self, text: &mut String) {
        if self.automaton.is_match(text.as_str()) {
            *text = self.text(text);
        }
    }

    fn value(&self, value: &mut Value) {
        each_text(value, &mut |text| self.strike(text), &|number| {
            // A card number may be written as a number; its placeholder is a text.
            self.automaton.is_match(number).then(|| self.text(number))
        });
    }

    fn prompt(&self, prompt: &Prompt) -> Prompt {
        let mut prompt = prompt.clone();
        for part in prompt.messages.iter_mut().flat_map(|message| &mut message.parts) {
            match part {
                Part::Text { text } => self.strike(text),
                Part::Image { .. } => {}
                Part::ToolCall(call) => {
                    self.strike(&mut call.name);
                    self.value(&mut call.arguments);
                }
                Part::ToolResult { name, content, .. } => {
                    self.strike(name);
                    self.strike(content);
                }
            }
        }
        for tool in &mut prompt.tools {
            self.strike(&mut tool.name);
            self.strike(&mut tool.description);
            self.value(&mut tool.parameters);
        }
        if let ToolChoice::Named(name) = &mut prompt.tool_choice {
            self.strike(name);
        }
        if let Format::Schema { name, schema } = &mut prompt.sampling.format {
            self.strike(name);
            self.value(schema);
        }
        for stop in &mut prompt.sampling.stop {
            self.strike(stop);
        }
        prompt
    }
}

/// Changes every text of a JSON value, names of fields included, and every number that is to become a text.
fn each_text(value: &mut Value, change: &mut impl FnMut(&mut String), number: &impl Fn(&str) -> Option<String>) {
    match value {
        Value::String(text) => change(text),
        Value::Array(items) => items.iter_mut().for_each(|item| each_text(item, change, number)),
        Value::Object(fields) => {
            *fields = std::mem::take(fields)
                .into_iter()
                .map(|(mut name, mut field)| {
                    change(&mut name);
                    each_text(&mut field, change, number);
                    (name, field)
                })
                .collect::<Map<String, Value>>();
        }
        Value::Number(_) | Value::Bool(_) => {
            if let Some(text) = number(&value.to_string()) {
                *value = Value::String(text);
            }
        }
        Value::Null => {}
    }
}

/// What a text is read as, from its beginning.
enum Reading<'a> {
    /// A placeholder of so many bytes.
    Placeholder { length: usize, value: &'a str },
    /// What could be the beginning of one, up to the text's end.
    Beginning,
    /// Anything else.
    Other,
}

/// Reads a placeholder. Models change the case, and in Markdown they escape brackets and underscores.
fn read<'a>(table: &'a Table, text: &str) -> Reading<'a> {
    let mut name = String::new();
    let mut at = 0;
    let bytes = text.as_bytes();
    let escaped = bytes.first() == Some(&b'\\');
    at += usize::from(escaped);
    match bytes.get(at) {
        Some(b'[') => at += 1,
        None if escaped => return Reading::Beginning,
        _ => return Reading::Other,
    }
    loop {
        match bytes.get(at..).unwrap_or_default() {
            [] => break,
            [b'\\'] => break,
            [b'\\', b'_', ..] => at += 1,
            [b'\\', b']', ..] if escaped => return found(table, &name, at + 2),
            [b']', ..] if !escaped => return found(table, &name, at + 1),
            [byte, ..] if (byte.is_ascii_alphanumeric() || *byte == b'_') && name.len() < table.longest => {
                name.push(char::from(byte.to_ascii_lowercase()));
                at += 1;
            }
            _ => return Reading::Other,
        }
    }
    // The names are in order, so that one that begins so would be next.
    let next =
        table.values.range::<str, _>((std::ops::Bound::Included(name.as_str()), std::ops::Bound::Unbounded)).next();
    if next.is_some_and(|(known, _)| known.starts_with(&name)) { Reading::Beginning } else { Reading::Other }
}

fn found<'a>(table: &'a Table, name: &str, length: usize) -> Reading<'a> {
    table.values.get(name).map_or(Reading::Other, |value| Reading::Placeholder { length, value })
}

/// Every text between brackets that could be taken for a placeholder's, as [`read`] would understand it.
fn lookalikes(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices('[') {
        let mut name = String::new();
        for c in text.get(at + 1..).unwrap_or_default().chars() {
            match c {
                ']' => {
                    found.push(std::mem::take(&mut name));
                    break;
                }
                '\\' => {}
                c if (c.is_ascii_alphanumeric() || c == '_') && name.len() < LONGEST_NAME => {
                    name.push(c.to_ascii_lowercase());
                }
                _ => break,
            }
        }
    }
    found
}

/// No placeholder's name is longer, in bytes: the longest kind and any number.
const LONGEST_NAME: usize = 40;

/// Puts values back into an answer as it arrives.
#[derive(Clone, Debug)]
pub struct Restorer {
    table: Arc<Table>,
    /// Whether the answer is JSON, so that a value has to be written as a part of a JSON text.
    json: bool,
    /// What could be the beginning of a placeholder.
    held: String,
}

impl Restorer {
    /// For an answer to a redacted prompt.
    #[must_use]
    pub fn new(redacted: &Redacted) -> Self {
        let json = redacted.prompt.sampling.format != Format::Text;
        Self { table: Arc::clone(&redacted.table), json, held: String::new() }
    }

    /// Takes a piece of the answer and returns what can be handed on: all but what could be the beginning of a
    /// placeholder.
    #[must_use]
    pub fn push(&mut self, piece: &str) -> String {
        let mut text = std::mem::take(&mut self.held);
        text.push_str(piece);
        let mut out = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some(at) = rest.find(['[', '\\']) {
            out.push_str(rest.get(..at).unwrap_or_default());
            rest = rest.get(at..).unwrap_or_default();
            let length = match read(&self.table, rest) {
                Reading::Placeholder { length, value } => {
                    out.push_str(&self.written(value));
                    length
                }
                Reading::Beginning => {
                    self.held.push_str(rest);
                    return out;
                }
                Reading::Other => {
                    out.push_str(rest.get(..1).unwrap_or_default());
                    1
                }
            };
            rest = rest.get(length..).unwrap_or_default();
        }
        out.push_str(rest);
        out
    }

    /// The answer, or this part of it, has ended: what is still held.
    #[must_use]
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// A whole text with its values put back.
    #[must_use]
    pub fn restored(&self, text: &str) -> String {
        let mut whole = Self { held: String::new(), ..self.clone() };
        let mut out = whole.push(text);
        out.push_str(&whole.finish());
        out
    }

    /// Puts values back into a tool's arguments, names of fields included. The texts are not written as JSON here, so
    /// that nothing has to be escaped.
    pub fn restore(&self, value: &mut Value) {
        let plain = Self { json: false, ..self.clone() };
        each_text(value, &mut |text| *text = plain.restored(text), &|_| None);
    }

    fn written<'a>(&self, value: &'a str) -> Cow<'a, str> {
        if !self.json {
            return Cow::Borrowed(value);
        }
        let quoted = Value::from(value).to_string();
        let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        Cow::Owned(inner.unwrap_or_default().to_owned())
    }
}

#[cfg(test)]
mod tests;
