//! Promise: on a slow terminal the program falls behind by what the system keeps for it and a frame or two, never by more:
//! it draws what is, not what was.

use std::time::{Duration, Instant};

use crate::harness::{Setup, Terminal};

/// What the terminal takes, as over a bad line.
const BYTES_PER_SECOND: u32 = 2_000;
/// What the system holds between the program and its terminal, at most.
const HELD: usize = 16 * 1024;

/// Where the first frame ends: with the end of a synchronised update.
fn end_of_frame(bytes: &[u8]) -> Option<usize> {
    const END: &[u8] = b"\x1b[?2026l";
    Some(bytes.windows(END.len()).position(|window| window == END)? + END.len())
}

#[test]
fn a_slow_terminal_is_behind_by_a_few_frames_only() {
    let mut terminal = Setup::program(&["demo"]).size(80, 24).slow(BYTES_PER_SECOND).open();
    terminal.first_frame();
    terminal.wait_until("the end of the frame", |seen| end_of_frame(&seen.bytes).is_some());
    let frame = end_of_frame(&terminal.seen().bytes).expect("it was waited for");
    // Somebody types for ten seconds without waiting for anything, and has everything painted anew with each letter: more
    // than the terminal takes, many times over.
    let word = "abcdefghijklmnopqrstuvwxyzabcd";
    for at in 0..word.len() {
        terminal.press(&format!("{}\x0c", &word[at..=at]));
        terminal.pass(Duration::from_secs(10) / 30);
    }
    terminal.press("!");
    let before = terminal.seen().bytes.len();
    terminal.wait_for("what was typed", |screen| screen.contains(&format!("{word}!")));
    let behind = terminal.seen().bytes.len() - before;
    assert!(behind <= HELD + 2 * frame, "{behind} bytes came between a key and its effect, a frame has {frame}");
    let asked = Instant::now();
    terminal.signal("-TERM");
    assert_eq!(terminal.finish().0, 143);
    assert!(asked.elapsed() < Duration::from_secs(15), "it took {:?} to end", asked.elapsed());
}

#[test]
fn a_terminal_that_takes_nothing_does_not_keep_the_program() {
    let mut terminal = Terminal::demo();
    terminal.stop_reading();
    // Enough to fill whatever the system holds.
    for _ in 0..30 {
        terminal.press("\x0c");
        terminal.pass(Duration::from_millis(50));
    }
    let asked = Instant::now();
    terminal.signal("-TERM");
    assert_eq!(terminal.finish_unread(), 143);
    // The quarter of a minute that the screen is given; the answers in flight do not wait for it to begin with theirs.
    assert!(asked.elapsed() < Duration::from_secs(30), "it took {:?} to end", asked.elapsed());
}
