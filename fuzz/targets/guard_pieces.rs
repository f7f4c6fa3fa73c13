//! Each byte picks a piece of what the guard looks for, so that its deeper searches are reached; and a finding must stay
//! where it is when harmless words stand before the text.
#![no_main]
#![allow(dead_code, unused_imports, reason = "only the guard is called here, and it stands in the middle of the domain")]

#[path = "../../src/domain/mod.rs"]
mod domain;

use domain::privacy::{FindingKind, detect};
use libfuzzer_sys::fuzz_target;

const PIECES: [&str; 64] = [
    "@", ".", ":", "://", " ", "\n", "-", "+", "(", ")", "=", "\"", "'", "4111", "1111 ", "0", "12", "é", "电话", "\u{200b}",
    "％", "１", "%40", "\\u0040", "&#64;", "\\n", "password", "token", "key", "api_", " is ", "my ", "sk-", "eyJ",
    "-----BEGIN ", "PRIVATE KEY-----", "-----END ", "Street", "Rue ", "Box", "Dr. ", "Ada ", "http", "user", "example.org",
    "GB82WEST", "::1", "/24", "x12", "curl -u ", "seed phrase: ", "abc ", "name: ", "value: ", "DOB ", "12/12/2001", "AKIA",
    "Q~", "|", "aB3xY9", "<", ">", "{", "$",
];

fn found(text: &str) -> Vec<(FindingKind, usize, usize)> {
    let mut hits = Vec::new();
    detect::scan(text, |_| true, |hit| hits.push((hit.kind, hit.start, hit.end)));
    hits
}

fuzz_target!(|bytes: &[u8]| {
    let text: String = bytes.iter().filter_map(|byte| PIECES.get(usize::from(*byte) % PIECES.len())).copied().collect();
    let alone = found(&text);
    assert!(alone.iter().all(|(_, start, end)| text.is_char_boundary(*start) && text.is_char_boundary(*end)));
    // Three sentences of plain words are further away than any word that is looked for beside a finding.
    let before = "Well, this was quiet. Then nothing much happened here at all, nor there. ".repeat(2) + "\n\n";
    let moved = found(&(before.clone() + &text));
    assert!(moved.iter().all(|(_, start, end)| start < end && *end <= before.len() + text.len()));
});
