//! Promise: however the program ends, the terminal is left as it was found, and the exit code tells what ended it.

use crate::harness::{Setup, Terminal};

#[test]
fn quitting_by_key_leaves_the_terminal_as_it_was() {
    let mut terminal = Terminal::demo();
    terminal.press("\x1b2");
    terminal.press("q");
    let (code, screen) = terminal.finish();
    assert_eq!(code, 0);
    assert!(screen.contains("(simulated)"), "the summary is on the ordinary screen: {screen}");
}

#[test]
fn quitting_by_command_leaves_the_terminal_as_it_was() {
    let mut terminal = Terminal::demo();
    terminal.press("\x1b2");
    terminal.press(":quit\r");
    assert_eq!(terminal.finish().0, 0);
}

#[test]
fn ctrl_c_twice_leaves_the_terminal_as_it_was() {
    let mut terminal = Terminal::demo();
    terminal.press("\x03\x03");
    assert_eq!(terminal.finish().0, 0);
}

#[test]
fn a_mouse_that_was_taken_is_given_back() {
    let mut terminal = Terminal::demo();
    terminal.press("\x1b2");
    terminal.press("m");
    terminal.wait_until("mouse reports", |seen| seen.modes().contains("1006"));
    terminal.press("q");
    assert_eq!(terminal.finish().0, 0);
}

#[test]
fn a_signal_leaves_the_terminal_as_it_was_and_is_told_by_the_exit_code() {
    for (signal, code) in [("-TERM", 143), ("-HUP", 129), ("-QUIT", 131)] {
        let terminal = Terminal::demo();
        terminal.signal(signal);
        assert_eq!(terminal.finish().0, code, "{signal}");
    }
}

#[test]
fn a_terminal_that_goes_away_ends_the_program() {
    let terminal = Terminal::demo();
    let code = terminal.hang_up();
    // The signal or the end of what can be read: whichever comes first.
    assert!([129, 0, 1].contains(&code), "{code}");
}

#[test]
#[cfg(debug_assertions)]
fn a_panic_while_drawing_leaves_the_terminal_as_it_was_and_says_where_but_not_what() {
    let terminal = Setup::program(&["demo"]).with("LLM_CALL_TEST_PANIC", "draw").open();
    let (code, screen) = terminal.finish();
    assert_eq!(code, 101);
    // What a panic says may quote a prompt.
    assert!(
        screen.contains("a defect at src/tui/provoke.rs") && !screen.contains("provoked while drawing"),
        "{screen}"
    );
}

#[test]
#[cfg(debug_assertions)]
fn a_panic_beside_the_screen_takes_only_itself_away() {
    let mut terminal = Setup::program(&["demo"]).with("LLM_CALL_TEST_PANIC", "task").open();
    terminal.wait_until("the screen to come back", |seen| seen.taken() == 2);
    terminal
        .wait_for("what was lost", |screen| screen.contains("DEMO") && screen.contains("a task of the program failed"));
    terminal.press("\x1b2");
    terminal.press("q");
    assert_eq!(terminal.finish().0, 0);
}
