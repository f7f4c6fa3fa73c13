//! Promise: the real program, in a real pseudo-terminal: a prompt is typed and answered, a tier is drained, traffic moves,
//! the window changes its size, slow and poor terminals are served, and the terminal is left as it was found, however the
//! program ends or stops.
#![expect(clippy::expect_used, reason = "what cannot go on fails")]
#![cfg(unix)]

mod ending;
mod harness;
mod journey;
mod looks;
mod slow;
mod suspending;

use harness::{Setup, Terminal};

#[test]
fn a_prompt_is_answered_a_tier_is_drained_and_traffic_moves() {
    let mut terminal = Setup::program(&["demo"]).size(150, 44).open();
    terminal.first_frame();
    terminal.press("Explain quantum computing\r");
    terminal.wait_for("the answer and its decision", |screen| {
        screen.contains("factoring, and not for most") && screen.contains("explanation goes")
    });
    terminal.press("\x1b");
    terminal.press("\x1b2");
    terminal.press("gd");
    terminal.wait_for("the drain dialog", |screen| screen.to_lowercase().contains("drain tier claude"));
    // The default is to cancel.
    terminal.press("\x1b[C\r");
    terminal.wait_for("the tier to be drained", |screen| screen.contains("DRAINED"));
    terminal.press("i");
    terminal.press("Explain tides\r");
    terminal.wait_for("the traffic to move", |screen| {
        screen.lines().any(|line| line.contains("→ frontier") && line.contains("tok/s"))
    });
    terminal.press("\x1b2");
    // Twice: while an answer is under way, the first one only asks.
    terminal.press("qq");
    terminal.finish();
}

#[test]
fn every_size_is_survived() {
    let terminal = Terminal::demo();
    for (columns, rows) in [(80, 24), (60, 20), (20, 5), (5, 2), (1, 1), (200, 60), (100, 30)] {
        terminal.resize(columns, rows);
    }
    terminal.wait_for("the screen after the storm", |screen| screen.contains("DEMO") && screen.contains("claude"));
    terminal.signal("-TERM");
    terminal.finish();
}
