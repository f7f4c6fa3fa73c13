//! Each byte picks a piece of what the guard looks for, so that its deeper searches are reached. What is found lies on
//! characters, also where harmless words stand before it; and what leaves without its values comes back with them.
#![no_main]
#![allow(
    dead_code,
    unused_imports,
    reason = "only the guard is called here, and it stands in the middle of the domain"
)]

#[path = "../../src/domain/mod.rs"]
mod domain;
#[path = "../src/pieces.rs"]
mod pieces;

use std::sync::Arc;

use domain::privacy::{FindingKind, GuardPolicy, Guarded, Handling, Kinds, detect};
use domain::prompt::Prompt;
use domain::request::Privacy;
use libfuzzer_sys::fuzz_target;
use pieces::PIECES;

fn check(text: &str) {
    let mut last = 0;
    detect::scan(
        text,
        Kinds::all(),
        |hit| {
            assert!(hit.start < hit.end && hit.start >= last);
            assert!(text.is_char_boundary(hit.start) && text.is_char_boundary(hit.end));
            last = hit.end;
        },
    );
}

/// Redacts whatever can be.
fn policy() -> GuardPolicy {
    GuardPolicy { handling: FindingKind::ALL.map(|kind| (kind, Handling::Redact)).into(), ..GuardPolicy::default() }
}

fuzz_target!(|bytes: &[u8]| {
    let text: String = bytes.iter().filter_map(|byte| PIECES.get(usize::from(*byte) % PIECES.len())).copied().collect();
    check(&text);
    check(&("Well, this was quiet. Then nothing much happened here at all, nor there. ".repeat(2) + "\n\n" + &text));
    let guarded = Guarded::inspect(Arc::new(Prompt::user(text.clone())), Privacy::Standard, &policy());
    let Ok(cleared) = guarded.clear() else { return };
    let left = cleared.prompt().question();
    match cleared.restorer() {
        Some(restorer) => {
            assert_eq!(restorer.restored(&left), text);
            for finding in &guarded.verdict().findings {
                assert!(!left.contains(&text[finding.start..finding.end]), "{} left", finding.kind);
            }
        }
        None => assert_eq!(left, text),
    }
});
