//! Values with their origins: the defaults, the file and the environment, laid over each other before anything is read.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::report::{Origin, Problem};

/// A value and where it stands.
#[derive(Clone, Debug)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Where it stands.
    pub origin: Origin,
    /// Where its key stands; the same for items of lists.
    pub key_origin: Origin,
}

/// A value.
#[derive(Clone, Debug)]
pub enum Value {
    /// Text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// Yes or no.
    Flag(bool),
    /// A list.
    List(Vec<Node>),
    /// Values by key.
    Table(Table),
    /// A date or a number that no key of ours takes.
    Other,
}

/// Values by key.
pub type Table = BTreeMap<String, Node>;

impl Value {
    /// What kind of value it is, as a message says it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Integer(_) => "a whole number",
            Self::Float(_) => "a number",
            Self::Flag(_) => "true or false",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Other => "a date or a number out of range",
        }
    }
}

/// Reads TOML. `default` marks the values as nobody's wish, for the built-in file.
///
/// # Errors
///
/// Every mistake of syntax, with the caret text of `toml`.
pub fn parse(text: &str, default: bool) -> Result<Node, Vec<Problem>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        let at = |offset| if default { Origin::Default } else { Origin::at(text, offset) };
        return Ok(Node { value: table(document.get_ref(), &at), origin: at(0), key_origin: at(0) });
    }
    let problem = |error: &toml::de::Error| {
        let offset = error.span().map_or(0, |span| span.start);
        let message = if may_hold_a_key(text, offset) { error.message().to_owned() } else { error.to_string() };
        Problem { origin: Origin::at(text, offset), key: String::new(), message }
    };
    Err(errors.iter().map(problem).collect())
}

/// Whether the line at an offset must not be shown, because it looks as if a key were on it.
fn may_hold_a_key(text: &str, offset: usize) -> bool {
    let start = text.get(..offset).unwrap_or(text).rfind('\n').map_or(0, |newline| newline + 1);
    let line = text.get(start..).unwrap_or("").lines().next().unwrap_or("").to_ascii_lowercase();
    ["key", "token", "secret", "auth", "password", "sk-", "rpa_", "aiza"].iter().any(|mark| line.contains(mark))
}

fn table(source: &DeTable<'_>, at: &impl Fn(usize) -> Origin) -> Value {
    let entry = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
        let key_origin = at(key.span().start);
        (std::string::ToString::to_string(key.get_ref() as &std::borrow::Cow<'_, str>), node(value, key_origin, at))
    };
    Value::Table(source.iter().map(entry).collect())
}

fn node(source: &Spanned<DeValue<'_>>, key_origin: Origin, at: &impl Fn(usize) -> Origin) -> Node {
    let value = match source.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).map_or(Value::Other, Value::Integer)
        }
        DeValue::Float(number) => number.as_str().parse().map_or(Value::Other, Value::Float),
        DeValue::Boolean(flag) => Value::Flag(*flag),
        DeValue::Datetime(_) => Value::Other,
        DeValue::Array(items) => Value::List(items.iter().map(|item| node(item, at(item.span().start), at)).collect()),
        DeValue::Table(entries) => table(entries, at),
    };
    Node { value, origin: at(source.span().start), key_origin }
}

/// Lays a tree over another: tables are joined key by key, everything else is replaced. Lists of backends are joined
/// by `id`: an entry that names a `protocol` stands for itself, any other one adjusts the earlier one of its id.
pub fn overlay(base: &mut Node, over: Node) {
    match (&mut base.value, over) {
        (Value::Table(base), Node { value: Value::Table(over), .. }) => {
            for (key, node) in over {
                match base.get_mut(&key) {
                    Some(earlier) if key == "backends" => {
                        earlier.key_origin = node.key_origin.clone();
                        overlay_backends(earlier, node);
                    }
                    Some(earlier) => overlay(earlier, node),
                    None => {
                        base.insert(key, node);
                    }
                }
            }
        }
        (_, over) => *base = over,
    }
}

fn overlay_backends(base: &mut Node, over: Node) {
    match (&mut base.value, over) {
        (Value::List(earlier), Node { value: Value::List(later), .. }) => {
            // Two entries of one file are not joined: that is a mistake, which the reader reports.
            let count = earlier.len();
            for node in later {
                match earlier[..count]
                    .iter_mut()
                    .find(|other| field(other, "id").is_some_and(|id| field(&node, "id") == Some(id)))
                {
                    Some(place) if place.origin == Origin::Default => {
                        if field(&node, "protocol").is_some() {
                            *place = node;
                        } else {
                            let origin = node.origin.clone();
                            overlay(place, node);
                            place.origin = origin;
                        }
                    }
                    _ => earlier.push(node),
                }
            }
        }
        (_, over) => *base = over,
    }
}

fn field<'a>(node: &'a Node, key: &str) -> Option<&'a str> {
    match &node.value {
        Value::Table(table) => match &table.get(key)?.value {
            Value::Text(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}
