//! Promise: while the program is stopped, the terminal is as it was found; when it goes on, the dashboard is back.

use crate::harness::{Setup, Terminal};

/// A shell with job control that runs the program from a script, as cargo or make would: two processes in one job.
/// It tells when the job stopped and when it ended, and lets it go on after a line was entered.
const SHELL: &str = r#"set -m
sh -c '"$1" demo; exit $?' job "$0"
echo "shell: stopped"
read -r line
fg >/dev/null
echo "shell: ended with $?"
"#;

fn back_on_the_screen(terminal: &Terminal, times: usize) {
    terminal.wait_until("the screen to be taken again", |seen| seen.taken() == times);
    terminal
        .wait_until("every mode to be set again", |seen| seen.modes().contains("2004") && !seen.modes().contains("25"));
    terminal.wait_for("a whole frame", |screen| screen.contains("DEMO") && screen.contains("claude"));
}

#[test]
fn ctrl_z_stops_the_whole_job_and_fg_brings_it_back() {
    let mut terminal = Setup::shell(SHELL).open();
    terminal.first_frame();
    terminal.press("\x1a");
    terminal.wait_for("the shell", |screen| screen.contains("shell: stopped"));
    terminal.assert_at_rest();
    terminal.press("\n");
    back_on_the_screen(&terminal, 2);
    terminal.press("\x1b2");
    terminal.press("q");
    let (_, screen) = terminal.finish();
    assert!(screen.contains("shell: ended with 0"), "{screen}");
}

/// The same, but the job is first sent to the background, and the shell tells when that has no longer got it running.
const SHELL_WITH_BACKGROUND: &str = r#"set -m
sh -c '"$1" demo; exit $?' job "$0"
bg >/dev/null
while jobs >"$HOME/jobs"; grep -q Running "$HOME/jobs"; do sleep 0.1; done
echo "shell: stopped again"
read -r line
fg >/dev/null
echo "shell: ended with $?"
"#;

#[test]
fn in_the_background_the_terminal_is_left_alone() {
    let mut terminal = Setup::shell(SHELL_WITH_BACKGROUND).open();
    terminal.first_frame();
    terminal.press("\x1a");
    terminal.wait_for("the shell", |screen| screen.contains("shell: stopped again"));
    terminal.assert_at_rest();
    assert_eq!(terminal.seen().taken(), 1);
    terminal.press("\n");
    back_on_the_screen(&terminal, 2);
    terminal.press("\x1b2");
    terminal.press("q");
    let (_, screen) = terminal.finish();
    assert!(screen.contains("shell: ended with 0"), "{screen}");
}

/// The same, but the stopped job is ended, as `kill %1` does: by the signal that ends and the one that lets it go on.
const SHELL_THAT_ENDS_IT: &str = r#"set -m
"$0" demo
job=$(jobs -p %1)
kill %1
while kill -0 "$job" 2>/dev/null; do sleep 0.1; done
echo "shell: it ended"
"#;

#[test]
fn a_stopped_job_can_be_ended() {
    let mut terminal = Setup::shell(SHELL_THAT_ENDS_IT).open();
    terminal.first_frame();
    terminal.press("\x1a");
    let (_, screen) = terminal.finish();
    assert!(screen.contains("requests in") && screen.contains("shell: it ended"), "{screen}");
}

#[test]
fn ctrl_z_says_so_where_no_shell_could_bring_it_back() {
    let mut terminal = Terminal::demo();
    terminal.press("\x1a");
    terminal.wait_for("the reason", |screen| screen.contains("there is no shell here to go back to"));
    assert_eq!(terminal.seen().taken(), 1);
    terminal.signal("-TERM");
    terminal.finish();
}

#[test]
fn a_stop_by_signal_gives_the_terminal_back_until_it_goes_on() {
    let mut terminal = Terminal::demo();
    for times in [2, 3] {
        terminal.signal("-TSTP");
        terminal.wait_until_stopped();
        terminal.assert_at_rest();
        terminal.signal("-CONT");
        back_on_the_screen(&terminal, times);
    }
    terminal.press("\x1b2");
    terminal.press("q");
    assert_eq!(terminal.finish().0, 0);
}

#[test]
fn a_stop_that_could_not_be_prepared_for_is_mended_afterwards() {
    let mut terminal = Terminal::demo();
    terminal.signal("-STOP");
    terminal.wait_until_stopped();
    terminal.signal("-CONT");
    back_on_the_screen(&terminal, 2);
    terminal.press("\x1b2");
    terminal.press("q");
    assert_eq!(terminal.finish().0, 0);
}

#[test]
fn a_mouse_that_was_taken_is_taken_again() {
    let mut terminal = Terminal::demo();
    terminal.press("\x1b2");
    terminal.press("m");
    terminal.wait_until("mouse reports", |seen| seen.modes().contains("1006"));
    terminal.signal("-TSTP");
    terminal.wait_until_stopped();
    terminal.assert_at_rest();
    terminal.signal("-CONT");
    back_on_the_screen(&terminal, 2);
    terminal.wait_until("mouse reports", |seen| seen.modes().contains("1006"));
    terminal.signal("-TERM");
    terminal.finish();
}
