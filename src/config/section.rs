//! A small typed reader: each key is asked for once, with its type and range. What is wrong is written down and reading
//! goes on; what is never asked for is unknown.

use std::cell::RefCell;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::report::{Entry, Origin, Problem, masked, suggestion};
use super::tree::{Node, Table, Value};

/// What reading has brought to light.
#[derive(Debug, Default)]
pub struct Report {
    problems: RefCell<Vec<Problem>>,
    entries: RefCell<Vec<Entry>>,
    warnings: RefCell<Vec<String>>,
}

impl Report {
    /// Writes a problem down.
    pub fn problem(&self, origin: &Origin, key: &str, message: impl Into<String>) {
        let problem = Problem { origin: origin.clone(), key: key.to_owned(), message: message.into() };
        self.problems.borrow_mut().push(problem);
    }

    /// Writes an effective value down.
    pub fn entry(&self, key: String, value: impl Into<String>, origin: &Origin) {
        self.entries.borrow_mut().push(Entry { key, value: value.into(), origin: origin.clone() });
    }

    /// Writes a warning down.
    pub fn warn(&self, message: impl Into<String>) {
        self.warnings.borrow_mut().push(message.into());
    }

    /// Takes back the entries of a key or a table that turned out not to count.
    pub fn forget(&self, path: &str) {
        let below = |key: &str| key.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        self.entries.borrow_mut().retain(|entry| !below(&entry.key));
    }

    /// Problems in the order of the file, entries in the order of reading, and warnings.
    #[must_use]
    pub fn into_parts(self) -> (Vec<Problem>, Vec<Entry>, Vec<String>) {
        let mut problems = self.problems.into_inner();
        problems.sort_by(|a, b| a.origin.cmp(&b.origin));
        problems.dedup();
        (problems, self.entries.into_inner(), self.warnings.into_inner())
    }
}

/// One table, as it is being read.
pub struct Section<'a> {
    path: String,
    origin: Origin,
    table: &'a Table,
    asked: RefCell<Vec<&'static str>>,
    report: &'a Report,
}

impl<'a> Section<'a> {
    /// The table that a node holds; a problem is written down where it holds something else.
    #[must_use]
    pub fn of(path: String, node: &'a Node, report: &'a Report) -> Option<Self> {
        let Value::Table(table) = &node.value else {
            report.problem(&node.origin, &path, format!("expected a table, found {}", node.value.kind()));
            return None;
        };
        Some(Self { path, origin: node.origin.clone(), table, asked: RefCell::default(), report })
    }

    /// The table's path.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Where the table begins.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// A key's path.
    #[must_use]
    pub fn key(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Calls the table by another name from here on: a backend by its id rather than by its number.
    pub fn rename(&mut self, path: String) {
        self.path = path;
    }

    /// The value of a key.
    pub fn node(&self, key: &'static str) -> Option<&'a Node> {
        self.asked.borrow_mut().push(key);
        self.table.get(key)
    }

    /// Whether the table has a key.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Where a key stands; where the table begins, if it has no such key.
    #[must_use]
    pub fn origin_of(&self, key: &str) -> &Origin {
        self.table.get(key).map_or(&self.origin, |node| &node.origin)
    }

    /// Writes down a problem with a key.
    pub fn problem(&self, key: &str, message: impl Into<String>) {
        self.report.problem(self.origin_of(key), &self.key(key), message);
    }

    /// Writes down what a key comes to, in place of what was read under it.
    pub fn entry(&self, key: &str, value: impl Into<String>, origin: &Origin) {
        self.report.forget(&self.key(key));
        self.report.entry(self.key(key), value, origin);
    }

    fn wrong(&self, key: &str, node: &Node, expected: &str) {
        let message = format!("expected {expected}, found {}", node.value.kind());
        self.report.problem(&node.origin, &self.key(key), message);
    }

    fn read<T>(
        &self,
        key: &'static str,
        expected: &str,
        take: impl FnOnce(&Value) -> Option<T>,
        show: impl FnOnce(&T) -> String,
    ) -> Option<T> {
        let node = self.node(key)?;
        let taken = take(&node.value);
        match &taken {
            Some(value) => self.report.entry(self.key(key), show(value), &node.key_origin),
            None => self.wrong(key, node, expected),
        }
        taken
    }

    /// A text.
    pub fn text(&self, key: &'static str) -> Option<String> {
        self.read(key, "text", as_text, |text| format!("{text:?}"))
    }

    /// A text that is not to be shown.
    pub fn secret(&self, key: &'static str) -> Option<String> {
        self.read(key, "text", as_text, |text| masked(text))
    }

    /// True or false.
    pub fn flag(&self, key: &'static str) -> Option<bool> {
        let take = |value: &Value| if let Value::Flag(flag) = value { Some(*flag) } else { None };
        self.read(key, "true or false", take, bool::to_string)
    }

    /// A whole number within a range.
    pub fn integer(&self, key: &'static str, range: RangeInclusive<u32>) -> Option<u32> {
        let take = |value: &Value| if let Value::Integer(number) = value { Some(*number) } else { None };
        let number = self.read(key, "a whole number", take, i64::to_string)?;
        let fitting = u32::try_from(number).ok().filter(|number| range.contains(number));
        if fitting.is_none() {
            self.problem(key, format!("{number} is out of range: {} to {}", range.start(), range.end()));
        }
        fitting
    }

    /// A number within a range, written with or without decimals.
    pub fn number(&self, key: &'static str, range: RangeInclusive<f64>) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "amounts of money are far below 2^53")]
        let take = |value: &Value| match value {
            Value::Integer(number) => Some(*number as f64),
            Value::Float(number) => Some(*number),
            _ => None,
        };
        let number = self.read(key, "a number", take, f64::to_string)?;
        if range.contains(&number) {
            return Some(number);
        }
        self.problem(key, format!("{number} is out of range: {} to {}", range.start(), range.end()));
        None
    }

    /// A number within a range, or nothing, where a word stands in its place that says so.
    pub fn number_or(&self, key: &'static str, word: &str, range: RangeInclusive<f64>) -> Option<Option<f64>> {
        match self.node(key).map(|node| &node.value) {
            Some(Value::Text(text)) if text == word => self.text(key).map(|_| None),
            Some(Value::Text(text)) => {
                self.problem(key, format!("`{text}` is neither a number nor `{word}`"));
                None
            }
            _ => self.number(key, range).map(Some),
        }
    }

    /// One of some words.
    pub fn choice<T: Copy>(&self, key: &'static str, choices: &[(&'static str, T)]) -> Option<T> {
        let word = self.text(key)?;
        let found = choices.iter().find(|(name, _)| *name == word).map(|(_, value)| *value);
        if found.is_none() {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            let near = suggestion(&word, names.iter().copied());
            self.problem(key, format!("`{word}` is none of {}{near}", names.join(", ")));
        }
        found
    }

    /// A text that means something.
    pub fn parsed<T>(&self, key: &'static str) -> Option<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        let text = self.text(key)?;
        text.parse().map_err(|error: T::Err| self.problem(key, error.to_string())).ok()
    }

    /// A list of texts, each with its place. A single text counts as a list of one.
    pub fn texts(&self, key: &'static str) -> Option<Vec<(String, Origin)>> {
        self.texts_of(key, self.node(key)?)
    }

    fn texts_of(&self, key: &str, node: &Node) -> Option<Vec<(String, Origin)>> {
        let texts: Option<Vec<_>> = match &node.value {
            Value::Text(text) => Some(vec![(text.clone(), node.origin.clone())]),
            Value::List(items) => {
                items.iter().map(|item| as_text(&item.value).map(|text| (text, item.origin.clone()))).collect()
            }
            _ => None,
        };
        match &texts {
            Some(texts) => {
                let names: Vec<&str> = texts.iter().map(|(text, _)| text.as_str()).collect();
                self.report.entry(self.key(key), format!("{names:?}"), &node.key_origin);
            }
            None => {
                // The place of the first wrong item says more than the place of the list.
                let wrong = match &node.value {
                    Value::List(items) => items.iter().find(|item| as_text(&item.value).is_none()).unwrap_or(node),
                    _ => node,
                };
                self.wrong(key, wrong, "a list of texts");
            }
        }
        texts
    }

    /// A list of texts that mean something, none of it twice.
    pub fn parsed_list<T>(&self, key: &'static str) -> Option<Vec<T>>
    where
        T: FromStr + PartialEq + Display,
        T::Err: Display,
    {
        let mut list = Vec::new();
        for (text, origin) in self.texts(key)? {
            match text.parse::<T>() {
                Ok(value) if list.contains(&value) => {
                    self.report.problem(&origin, &self.key(key), format!("names `{value}` twice"));
                }
                Ok(value) => list.push(value),
                Err(error) => self.report.problem(&origin, &self.key(key), error.to_string()),
            }
        }
        Some(list)
    }

    /// A table within this one.
    pub fn section(&self, key: &'static str) -> Option<Section<'a>> {
        Section::of(self.key(key), self.node(key)?, self.report)
    }

    /// A list of tables.
    pub fn sections(&self, key: &'static str) -> Option<Vec<Section<'a>>> {
        let node = self.node(key)?;
        let Value::List(items) = &node.value else {
            self.wrong(key, node, "a list of tables");
            return None;
        };
        let sections = items.iter().enumerate();
        Some(
            sections.filter_map(|(i, item)| Section::of(self.key(&format!("{key}[{i}]")), item, self.report)).collect(),
        )
    }

    /// The tables by name in a table whose names are the operator's own.
    pub fn named_sections(&self) -> Vec<(&'a str, &'a Origin, Section<'a>)> {
        let section = |(name, node): (&'a String, &'a Node)| {
            Some((name.as_str(), &node.key_origin, Section::of(self.key(name), node, self.report)?))
        };
        self.table.iter().filter_map(section).collect()
    }

    /// The lists of texts by name in a table whose names are the operator's own.
    pub fn named_texts(&self) -> Vec<(String, Vec<String>)> {
        let list = |(name, node): (&String, &'a Node)| {
            let texts = self.texts_of(name, node)?;
            Some((name.clone(), texts.into_iter().map(|(text, _)| text).collect()))
        };
        self.table.iter().filter_map(list).collect()
    }

    /// The texts by name in a table whose names are the operator's own; the texts are not to be shown.
    pub fn named_secrets(&self) -> Vec<(String, String)> {
        let text = |(name, node): (&String, &'a Node)| {
            let Some(text) = as_text(&node.value) else {
                self.wrong(name, node, "text");
                return None;
            };
            self.report.entry(self.key(name), masked(&text), &node.key_origin);
            Some((name.clone(), text))
        };
        self.table.iter().filter_map(text).collect()
    }

    /// Writes down what was never asked for.
    pub fn finish(&self) {
        let asked = self.asked.borrow();
        for (key, node) in self.table {
            if !asked.contains(&key.as_str()) {
                let near = suggestion(key, asked.iter().copied());
                self.report.problem(&node.key_origin, &self.key(key), format!("unknown key{near}"));
            }
        }
    }
}

fn as_text(value: &Value) -> Option<String> {
    if let Value::Text(text) = value { Some(text.clone()) } else { None }
}
