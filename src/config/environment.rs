//! The environment: the variables that providers' own tools read, and `LLM_CALL_…` for single settings.

use std::collections::BTreeMap;

use super::report::{Origin, suggestion};
use super::section::Report;
use super::tree::{Node, Table, Value};

/// Environment variables by name.
pub type Environment = BTreeMap<String, String>;

/// How a variable's text becomes a value.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Number,
    Flag,
    List,
}

/// The variable that names the configuration file; it is no setting in it.
pub const FILE_VARIABLE: &str = "LLM_CALL_CONFIG";
const PREFIX: &str = "LLM_CALL_";
/// Variables that other parts of the program read: the log's filter and the state folder.
const READ_ELSEWHERE: [&str; 2] = [crate::logging::FILTER_VARIABLE, crate::logging::FOLDER_VARIABLE];
/// What the test suite is told, such as the address of a LiteLLM proxy.
const FOR_TESTS: &str = "LLM_CALL_TEST_";

/// Which variable overrides which key. Keys and addresses of backends are not here: those variables are named by the
/// backends themselves, with `api_key_env` and `url_env`.
const OVERRIDES: &[(&str, &[&str], Kind)] = &[
    ("LLM_CALL_DEFAULT_TIER", &["default_tier"], Kind::Text),
    ("LLM_CALL_FALLBACK_CHAIN", &["fallback_chain"], Kind::List),
    ("LLM_CALL_COST_LIMIT_DAILY", &["cost_limit_daily"], Kind::Number),
    ("LLM_CALL_LOG_PERFORMANCE", &["log_performance"], Kind::Flag),
    ("LLM_CALL_ALLOW_UNPRICED", &["allow_unpriced"], Kind::Flag),
    ("LLM_CALL_DEADLINE_MS", &["deadline_ms"], Kind::Number),
    ("LLM_CALL_MAX_ATTEMPTS", &["max_attempts"], Kind::Number),
    ("LLM_CALL_HEDGE", &["hedge"], Kind::Flag),
    ("LLM_CALL_LEARNING", &["learning", "enabled"], Kind::Flag),
    ("LLM_CALL_LEARNING_EXPLORE", &["learning", "explore"], Kind::Number),
    ("LLM_CALL_DEFAULT_BACKENDS", &["default_backends"], Kind::Flag),
    ("LLM_CALL_LOG_LEVEL", &["log", "level"], Kind::Text),
    ("LLM_CALL_LOG_FOLDER", &["log", "folder"], Kind::Text),
    ("LLM_CALL_STORE", &["store", "enabled"], Kind::Flag),
    ("LLM_CALL_STORE_FILE", &["store", "file"], Kind::Text),
    ("LLM_CALL_STORE_KEEP_TEXT", &["store", "keep_text"], Kind::Flag),
    ("LLM_CALL_READ_ONLY", &["ui", "read_only"], Kind::Flag),
    ("LLM_CALL_PALETTE", &["ui", "palette"], Kind::Text),
    ("LLM_CALL_COLOR", &["ui", "color"], Kind::Text),
    ("LLM_CALL_ASCII", &["ui", "ascii"], Kind::Flag),
    ("LLM_CALL_MAX_FPS", &["ui", "max_fps"], Kind::Number),
    ("LLM_CALL_ANIMATIONS", &["ui", "animations"], Kind::Flag),
    ("LLM_CALL_LOCAL_GPU", &["gpu", "local"], Kind::Flag),
    ("LLM_CALL_PRICES_FILE", &["prices", "file"], Kind::Text),
    ("RUNPOD_API_BASE_URL", &["runpod", "api_url"], Kind::Text),
    ("RUNPOD_ENDPOINT_BASE_URL", &["runpod", "serverless_url"], Kind::Text),
];

/// A variable's text; empty variables count as unset.
#[must_use]
pub fn value<'a>(environment: &'a Environment, variable: &str) -> Option<&'a str> {
    environment.get(variable).map(|text| text.trim()).filter(|text| !text.is_empty())
}

/// The overrides as a tree to lay over the file's. Variables of our prefix that mean nothing are written down.
#[must_use]
pub fn overrides(environment: &Environment, report: &Report) -> Node {
    let mut root = node(Value::Table(Table::new()), "");
    for (variable, path, kind) in OVERRIDES {
        if let Some(text) = value(environment, variable) {
            insert(&mut root, path, node(read(text, *kind, variable), variable));
        }
    }
    let elsewhere = |name: &str| READ_ELSEWHERE.contains(&name) || name.starts_with(FOR_TESTS);
    let known = || OVERRIDES.iter().map(|(variable, ..)| *variable).chain([FILE_VARIABLE]);
    for variable in environment.keys().filter(|name| name.starts_with(PREFIX)) {
        if !known().any(|name| name == variable) && !elsewhere(variable) {
            let near = suggestion(variable, known());
            let origin = Origin::Env { variable: variable.clone() };
            report.problem(&origin, "", format!("no setting has this name{near}"));
        }
    }
    root
}

fn node(value: Value, variable: &str) -> Node {
    let origin = Origin::Env { variable: variable.to_owned() };
    Node { value, key_origin: origin.clone(), origin }
}

fn insert(parent: &mut Node, path: &[&str], leaf: Node) {
    let (Value::Table(table), [key, rest @ ..]) = (&mut parent.value, path) else { return };
    if rest.is_empty() {
        table.insert((*key).to_owned(), leaf);
    } else {
        let child = table.entry((*key).to_owned()).or_insert_with(|| node(Value::Table(Table::new()), ""));
        insert(child, rest, leaf);
    }
}

/// What cannot be read as its kind stays a text, about which the typed reader then complains with the place.
fn read(text: &str, kind: Kind, variable: &str) -> Value {
    let as_text = || Value::Text(text.to_owned());
    match kind {
        Kind::Text => as_text(),
        Kind::Number => {
            text.parse().map(Value::Integer).or_else(|_| text.parse().map(Value::Float)).unwrap_or_else(|_| as_text())
        }
        Kind::Flag => match text.to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => Value::Flag(true),
            "0" | "false" | "no" | "off" => Value::Flag(false),
            _ => as_text(),
        },
        Kind::List => Value::List(
            text.split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(|item| node(Value::Text(item.to_owned()), variable))
                .collect(),
        ),
    }
}
