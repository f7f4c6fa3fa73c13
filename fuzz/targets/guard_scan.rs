//! Any bytes: the guard neither panics nor tells places that are none.
#![no_main]
#![allow(
    dead_code,
    unused_imports,
    reason = "only the guard is called here, and it stands in the middle of the domain"
)]

#[path = "../../src/domain/mod.rs"]
mod domain;

use domain::privacy::{Kinds, detect, intent};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let mut last = 0;
    detect::scan(
        &text,
        Kinds::all(),
        |hit| {
            assert!(hit.start < hit.end && hit.end <= text.len());
            assert!(text.is_char_boundary(hit.start) && text.is_char_boundary(hit.end));
            assert!(hit.start >= last, "findings overlap");
            last = hit.end;
        },
    );
    intent::scan(&text, &[Kinds::all()], |_, start, end, _| {
        assert!(start <= end && text.is_char_boundary(start) && text.is_char_boundary(end));
    });
});
