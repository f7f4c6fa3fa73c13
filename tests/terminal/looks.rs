//! Promise: what a terminal cannot show, or its owner does not want to see, is not written to it.

use crate::harness::{Seen, Setup, Terminal};

/// The parameters of every SGR sequence (`ESC [ … m`).
fn styles(seen: &Seen) -> Vec<Vec<u16>> {
    let text = String::from_utf8_lossy(&seen.bytes);
    let mut found = Vec::new();
    for part in text.split("\x1b[").skip(1) {
        let parameters: String = part.chars().take_while(|c| c.is_ascii_digit() || *c == ';').collect();
        if part.as_bytes().get(parameters.len()) == Some(&b'm') {
            found.push(parameters.split(';').map(|number| number.parse().unwrap_or(0)).collect());
        }
    }
    found
}

/// Whether a style names a colour. 39 and 49 take one away.
fn is_coloured(style: &[u16]) -> bool {
    style.first().is_some_and(|first| matches!(first, 30..=38 | 40..=48 | 90..=97 | 100..=107))
}

fn is_bold_or_reverse(style: &[u16]) -> bool {
    style.iter().any(|number| matches!(number, 1 | 7))
}

/// A dashboard with something typed, answered and selected.
fn in_use(setup: Setup) -> Terminal {
    let mut terminal = setup.open();
    terminal.first_frame();
    terminal.press("Explain tides\r");
    terminal.wait_for("an answer", |screen| screen.contains("tok/s"));
    terminal.press("\x1b2");
    terminal.press("jjk");
    terminal.signal("-TERM");
    terminal
}

#[test]
fn without_unicode_only_ascii_is_written() {
    for (name, value) in [("TERM", "linux"), ("LANG", "C")] {
        let terminal = in_use(Setup::program(&["demo"]).with(name, value));
        terminal.wait_until("the end", |seen| !seen.modes().contains("1049"));
        let seen = terminal.seen();
        let other = seen.bytes.iter().position(|byte| !byte.is_ascii());
        let around = |at: usize| String::from_utf8_lossy(&seen.bytes[at.saturating_sub(40)..at + 8]).into_owned();
        assert_eq!(other.map(around), None, "{name}={value}");
    }
}

#[test]
fn no_color_leaves_bold_and_reverse() {
    let terminal = in_use(Setup::program(&["demo"]).with("NO_COLOR", "1"));
    terminal.wait_until("the end", |seen| !seen.modes().contains("1049"));
    let styles = styles(&terminal.seen());
    assert_eq!(styles.iter().find(|style| is_coloured(style)), None);
    assert!(styles.iter().any(|style| is_bold_or_reverse(style)), "{styles:?}");
}

#[test]
fn a_flag_for_colours_overrides_no_color() {
    let terminal = in_use(Setup::program(&["demo", "--color", "always"]).with("NO_COLOR", "1"));
    terminal.wait_until("the end", |seen| !seen.modes().contains("1049"));
    assert!(styles(&terminal.seen()).iter().any(|style| is_coloured(style)));
}

#[test]
fn a_dumb_terminal_is_refused_with_words() {
    let terminal = Setup::program(&["demo"]).with("TERM", "dumb").open();
    terminal.wait_for("the reason", |screen| screen.contains("it is dumb") && screen.contains("llm-call ask"));
    assert_eq!(terminal.seen().taken(), 0);
    assert_eq!(terminal.refused(), 2);
}

#[test]
fn a_copy_that_the_terminal_cannot_take_goes_to_a_file() {
    let mut terminal = Setup::program(&["demo"]).with("TERM", "linux").open();
    terminal.first_frame();
    terminal.press("\x1b2");
    terminal.press("gy");
    terminal.wait_for("where it went", |screen| screen.contains("copied to ~/copied.txt"));
    let copied = std::fs::read_to_string(terminal.folder.path().join("copied.txt")).expect("it is there");
    assert!(copied.contains("claude"), "{copied}");
    assert!(!terminal.seen().bytes.windows(5).any(|window| window == b"\x1b]52;"), "nothing goes to the clipboard");
    terminal.signal("-TERM");
    terminal.finish();
}

#[test]
fn a_copy_goes_to_the_clipboard_where_there_is_one() {
    let mut terminal = Terminal::demo();
    terminal.press("\x1b2");
    terminal.press("gy");
    terminal.wait_until("the copy", |seen| seen.bytes.windows(5).any(|window| window == b"\x1b]52;"));
    assert!(!terminal.folder.path().join("copied.txt").exists());
    terminal.signal("-TERM");
    terminal.finish();
}
