//! Holds the arrows of ARCHITECTURE.md: who may name whom. Reads the sources, so that a wrong `use` or a wrong path in
//! the middle of a line is found whether or not it compiles today.

#![expect(clippy::unwrap_used, reason = "a test, whose helpers clippy does not take for one")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

/// What the domain may be built from.
const PURE: [&str; 6] = ["aho_corasick", "serde", "serde_json", "thiserror", "tiktoken", "uuid"];
/// The calendar, which needs no clock: the rest of its crate is not for the domain.
const CALENDAR: &str = "jiff::civil";
/// Parts of the standard library that are I/O, a clock or another thread: not for the domain.
const IMPURE: [&str; 9] = [
    "std::fs",
    "std::env",
    "std::process",
    "std::thread",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::UdpSocket",
    "std::time::Instant",
    "std::time::SystemTime",
];
/// The rooms that draw nothing.
const INNER: [&str; 9] = ["domain", "engine", "provider", "runpod", "telemetry", "demo", "store", "config", "logging"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The crates that the manifest names, as code names them.
fn crates() -> BTreeSet<String> {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    ["dependencies", "dev-dependencies"]
        .iter()
        .filter_map(|section| manifest.get(*section)?.as_table())
        .flat_map(|table| table.keys().map(|name| name.replace('-', "_")))
        .collect()
}

/// The code without comments, without what stands in strings and characters, and without items that are only for tests.
fn code_of(text: &str) -> String {
    let literal = Regex::new(
        r##"(?sx)
        //[^\n]* | /\*.*?\*/
        | \bb?c?r\#\#".*?"\#\# | \bb?c?r\#".*?"\# | \bb?c?r"[^"]*"
        | b?"(?:\\.|[^"\\])*"
        | b?'(?:\\(?:u\{[^}]*\}|x..|.)|[^'\\\n])'"##,
    )
    .unwrap();
    let code = literal.replace_all(text, " \"\" ");
    let test_only = Regex::new(r"#\[cfg\(test\)\]").unwrap();
    let mut kept = String::new();
    let mut rest = &*code;
    while let Some(found) = test_only.find(rest) {
        kept.push_str(&rest[..found.start()]);
        rest = &rest[found.end()..];
        rest = &rest[end_of_item(rest)..];
    }
    kept + rest
}

/// Where the item ends with which the text begins: at the brace that closes it, or at its semicolon.
fn end_of_item(text: &str) -> usize {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '{' | '(' | '[' => depth += 1,
            '}' if depth == 1 => return at + 1,
            '}' | ')' | ']' => depth -= 1,
            ';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Every path that the code names: those of `use` with their braces unfolded, and those within the code.
fn paths_of(code: &str) -> Vec<Vec<String>> {
    let uses = Regex::new(r"(?s)\buse\s+([^;]+);").unwrap();
    let extern_crate = Regex::new(r"\bextern\s+crate\s+(\w+)").unwrap();
    let inline = Regex::new(r"(?:\b[A-Za-z_]\w*\s*::\s*)+[A-Za-z_]\w*").unwrap();
    let mut paths = Vec::new();
    for found in uses.captures_iter(code) {
        unfold(&found[1], &[], &mut paths);
    }
    paths.extend(extern_crate.captures_iter(code).map(|found| vec![found[1].to_owned()]));
    let bare = uses.replace_all(code, " ");
    paths.extend(inline.find_iter(&bare).map(|path| segments(path.as_str())));
    paths
}

fn segments(path: &str) -> Vec<String> {
    path.split("::").map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

/// Unfolds `a::{b, c::{self, d as e}}`.
fn unfold(tree: &str, before: &[String], paths: &mut Vec<Vec<String>>) {
    let mut depth = 0;
    let mut start = 0;
    let mut parts = Vec::new();
    for (at, c) in tree.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&tree[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&tree[start..]);
    for part in parts.into_iter().map(str::trim).filter(|part| !part.is_empty()) {
        let head = part.split('{').next().unwrap_or(part);
        let head = head.split(" as ").next().unwrap_or(head);
        let path: Vec<String> = before.iter().cloned().chain(segments(head)).collect();
        match (part.find('{'), part.rfind('}')) {
            (Some(open), Some(close)) => unfold(&part[open + 1..close], &path, paths),
            _ => paths.push(path),
        }
    }
}

/// A path as seen from the crate's root: `crate`, `self` and `super` resolved for the file at `file`.
fn absolute(path: &[String], file: &str) -> Vec<String> {
    let mut module: Vec<String> = file.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if matches!(module.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        module.pop();
    }
    let mut rest = path;
    match rest.first().map(String::as_str) {
        Some("crate" | "llm_call") => (module, rest) = (Vec::new(), &path[1..]),
        Some("self") => rest = &path[1..],
        Some("super") => {
            while rest.first().is_some_and(|part| part == "super") {
                module.pop();
                rest = &rest[1..];
            }
        }
        _ => return path.to_vec(),
    }
    [vec!["crate".to_owned()], module, rest.iter().filter(|part| *part != "self").cloned().collect()].concat()
}

/// What a file says that it may not. `file` is its path below `src`.
fn violations(file: &str, text: &str, crates: &BTreeSet<String>) -> Vec<String> {
    let room = file.split('/').next().unwrap_or_default().trim_end_matches(".rs");
    let mut found = BTreeSet::new();
    for path in paths_of(&code_of(text)) {
        let path = absolute(&path, file);
        let written = path.join("::");
        let is_in = |prefix: &str| written == prefix || written.starts_with(&format!("{prefix}::"));
        let mut forbid = |why: &str| {
            found.insert(format!("{file}: {written}: {why}"));
        };
        if room == "domain" {
            if crates.contains(&path[0]) && !PURE.contains(&path[0].as_str()) && !is_in(CALENDAR) {
                forbid("the domain is pure");
            }
            if path[0] == "crate" && !is_in("crate::domain") {
                forbid("the domain knows no other room");
            }
            if IMPURE.iter().any(|part| is_in(part)) {
                forbid("the domain has no I/O and no clock");
            }
        }
        if INNER.contains(&room) {
            if is_in("crate::tui") || is_in("crate::cli") {
                forbid("surfaces are outermost");
            }
            if ["ratatui", "crossterm", "tui_textarea"].contains(&path[0].as_str()) {
                forbid("only surfaces draw");
            }
        }
        if room == "config" && (is_in("crate::engine") || is_in("crate::provider")) {
            forbid("the configuration knows the domain only");
        }
        if room == "tui" {
            if path[0] == "reqwest" || path[0] == "axum" {
                forbid("the dashboard sees snapshots, not the network");
            }
            if is_in("crate::provider") && !is_in("crate::provider::Finish") {
                forbid("the dashboard knows nothing of wires");
            }
        }
        let names_a_colour = path.windows(2).any(|pair| pair[0] == "Color");
        if names_a_colour && file != "tui/theme.rs" && !file.starts_with("tui/theme/") {
            forbid("colours have roles, and only the theme gives them");
        }
    }
    found.into_iter().collect()
}

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            into.push(path);
        }
    }
}

#[test]
fn arrows_point_inward_only() {
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    assert!(files.len() > 20, "the sources were not found");
    let crates = crates();
    assert!(crates.contains("reqwest") && crates.contains("proptest"), "the manifest was not understood");
    let mut found = Vec::new();
    for path in files {
        let file = path.strip_prefix(root().join("src")).unwrap().to_str().unwrap().replace('\\', "/");
        if file.ends_with("/tests.rs") || file.contains("/tests/") {
            continue;
        }
        found.extend(violations(&file, &fs::read_to_string(&path).unwrap(), &crates));
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn every_room_exists() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let rooms = text.split("\n## Rooms").nth(1).expect("a section on rooms");
    let rooms = rooms.split("\n## ").next().unwrap();
    let row = Regex::new(r"(?m)^\| `([^`]+)` \|").unwrap();
    let named: Vec<&str> = row.captures_iter(rooms).map(|found| found.get(1).unwrap().as_str()).collect();
    assert!(named.len() >= 9, "the table of rooms was not found");
    let missing: Vec<_> =
        named.iter().filter(|room| !root().join("src").join(room).exists() && !root().join(room).exists()).collect();
    assert!(missing.is_empty(), "rooms that ARCHITECTURE.md names and nobody built: {missing:?}");
}

#[test]
fn what_is_wrong_is_found() {
    let crates = crates();
    for (file, text) in [
        ("domain/a.rs", "use tokio::time::sleep;"),
        ("domain/a.rs", "use {serde::Serialize, tokio::sync::{mpsc, watch}};"),
        ("domain/a.rs", "fn a() { let b = jiff::Timestamp::now(); }"),
        ("domain/a.rs", "use jiff::{civil::Date, Zoned};"),
        ("domain/a/b.rs", "use super::super::super::engine::Handle;"),
        ("domain/a.rs", "use crate::{domain::money::Money, config::Config};"),
        ("domain/a.rs", "use std::{fmt, time::{Duration, Instant}};"),
        ("domain/a.rs", "#[cfg(test)]\nmod tests { use proptest::prelude::*; }\nuse axum::Router;"),
        ("domain/a.rs", "extern crate reqwest;"),
        ("engine/actor.rs", "use crate::tui::Action;"),
        ("engine/mod.rs", "use super::cli;"),
        ("runpod/mod.rs", "fn a(_: crate :: cli :: Args) {}"),
        ("telemetry/mod.rs", "type A = ratatui::buffer::Buffer;"),
        ("demo/mod.rs", "use crossterm as terminal;"),
        ("store/recent.rs", "use crate::cli::Output;"),
        ("config/mod.rs", "use crate::engine::Command;"),
        ("tui/mod.rs", "use reqwest::Client;"),
        ("tui/panes/a.rs", "use crate::provider::{Finish, Call};"),
        ("tui/panes/a.rs", "use llm_call::provider;"),
        ("tui/panes/a.rs", "fn a() -> Style { Style::new().fg(ratatui::style::Color::Red) }"),
        ("tui/panes/a.rs", "use ratatui::style::Color::{self, Red};"),
        ("cli/ask.rs", "const A: Color = Color::Rgb(1, 2, 3);"),
        ("engine/a.rs", "fn a<'a>(_: &'a str) -> char { '\"' } use ratatui::Frame; const B: char = '\"';"),
    ] {
        assert!(!violations(file, text, &crates).is_empty(), "not found: {file}: {text}");
    }
}

#[test]
fn what_is_right_is_left_alone() {
    let crates = crates();
    for (file, text) in [
        ("domain/a.rs", "use std::time::Duration; use serde::{Deserialize, Serialize}; use super::money::Money;"),
        ("domain/a.rs", "use jiff::civil::{Date, date};"),
        ("domain/fleet/mod.rs", "mod change; pub use change::Permit; use crate::domain::{self, id::ModelId};"),
        ("domain/a.rs", "// use tokio::sync;\n/* axum::Router */ const A: &str = \"reqwest::get\";"),
        ("domain/a.rs", "const A: &str = r#\"a \" tokio::spawn\"#;"),
        ("domain/a.rs", "#[cfg(test)]\nmod tests {\n    use proptest::prelude::*;\n    fn a() { tokio::spawn(); }\n}"),
        ("engine/a.rs", "use tokio::sync::watch; use crate::provider::Client; use crate::telemetry::Telemetry;"),
        ("tui/panes/a.rs", "use crate::provider::Finish; use ratatui::widgets::Widget; fn a(_: ColorChoice) {}"),
        ("tui/theme.rs", "use ratatui::style::Color; const A: Color = Color::Red;"),
        ("cli/mod.rs", "use crate::tui; use crate::engine::Command;"),
    ] {
        assert_eq!(violations(file, text, &crates), Vec::<String>::new(), "{file}: {text}");
    }
}
