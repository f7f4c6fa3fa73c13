//! An operator's whole journey through the real program: type, see where it would go, send, read, interrupt, look ahead at a
//! drain, do it, see it done, undo it, find an action by name, filter, fill the screen, go through the screens, leave.

use std::time::Duration;

use super::harness::{Setup, Terminal};

/// Longer than the program takes a second Esc, or a `q`, for a slip.
const SLIP: Duration = Duration::from_millis(900);

fn stage() -> Terminal {
    let terminal = Setup::program(&["demo"]).size(150, 44).open();
    terminal.first_frame();
    terminal
}

#[test]
fn from_the_first_key_to_the_last() {
    let mut terminal = stage();

    // What is typed is foreseen: where it would go and why, at what price, how soon, and what stands in.
    terminal.press("Explain quantum computing");
    terminal.wait_for("the preview", |screen| {
        screen.contains("explanation goes to claude") && screen.contains("ttft") && screen.contains("then frontier")
    });
    // A command before it changes that at once; a wrong one is refused and keeps the text.
    terminal.press("\x01/privat ");
    terminal.press("\r");
    terminal.wait_for("the refusal", |screen| screen.contains("/privat is no command; did you mean `private`?"));
    terminal.press("\x7fe ");
    terminal.wait_for("the private preview", |screen| screen.contains("private as asked, so it stays on local"));
    terminal.press("\r");
    terminal.wait_for("the answer", |screen| screen.contains("factoring, and not for most"));

    // What follows in a private talk is private too; a new talk is not. Its answer is interrupted.
    terminal.wait_for("the private talk", |screen| screen.contains("private talk"));
    terminal.press("\x0e");
    terminal.wait_for("a talk of its own", |screen| !screen.contains("private talk"));
    terminal.press("Plan the migration of a large database\r");
    terminal.wait_for("an answer under way", |screen| screen.contains("in flight, esc interrupts"));
    terminal.press("\x1b");
    terminal.wait_for("the interruption", |screen| screen.contains("interrupted: not the whole answer"));

    // The dialog tells what a drain would do, from the traffic of late; Cancel is its default.
    terminal.pass(SLIP);
    terminal.press("\x1b2gd");
    terminal.wait_for("the outlook", |screen| {
        screen.contains("drain tier claude?") && screen.contains("would move") && screen.contains("first token p95")
    });
    terminal.press("\r");
    terminal
        .wait_for("the dialog gone", |screen| !screen.contains("drain tier claude?") && !screen.contains("DRAINED"));
    terminal.press("d\x1b[Awindow of an hour\r\r");
    terminal.wait_for("the drain, done", |screen| screen.contains("DRAINED"));
    // New rows come all the time: the filter holds on to the one that tells of it.
    terminal.press("6/drained\r");
    terminal.wait_for("the drain, told", |screen| screen.contains("nothing in flight"));
    terminal.press("2");
    // And undone.
    terminal.press("U");
    terminal.wait_for("the way back", |screen| screen.contains("undo: make ready tier claude?"));
    terminal.press("yy");
    terminal.wait_for("the tier back", |screen| !screen.contains("DRAINED") && screen.contains("4/4"));

    // An action by its name, a filter, a pane that fills the screen.
    terminal.press(":theme mono\r");
    terminal.press("/anthropic\r");
    terminal.wait_for("the filter", |screen| screen.contains("/anthropic") && !screen.contains("mac-studio"));
    terminal.press("\x1b");
    terminal.wait_for("all rows again", |screen| screen.contains("mac-studio"));
    terminal.press("z");
    // Both ways, what was there before has to be gone: a frame may be half drawn, and a key right behind esc is another key.
    terminal.wait_for("the zoom", |screen| {
        screen.contains("zoomed, esc leaves") && screen.contains("claude-opus") && !screen.contains("6 decisions")
    });
    terminal.press("\x1b");
    terminal.wait_for("all panes again", |screen| screen.contains("6 decisions") && !screen.contains("zoomed"));

    // The screens, with the fleet's state above each of them.
    for (key, seen) in [("7", "backend model"), ("8", "$/M in"), ("9", "by tier, since start"), ("0", "log")] {
        terminal.press(key);
        terminal.wait_for(seen, |screen| {
            screen.contains(seen) && screen.lines().next().is_some_and(|header| header.contains("4/4"))
        });
    }
    // Esc leads back to where the first screen was entered from.
    terminal.press("\x1b");
    terminal.wait_for("the dashboard", |screen| screen.contains("2 tiers") && screen.contains("6 decisions"));
    terminal.press("q");
    let (code, last) = terminal.finish();
    assert_eq!(code, 0);
    assert!(last.contains("requests in"), "the summary on the ordinary screen: {last}");
}

#[test]
fn answers_stream_side_by_side_and_one_is_chosen() {
    let mut terminal = stage();
    terminal.press("/compare claude local Explain tides\r");
    terminal.wait_for("both answers", |screen| {
        screen.contains("compare Explain tides") && screen.matches("they are low.").count() == 2
    });
    terminal.press("\x1b[C");
    terminal.press("b");
    terminal.wait_for("the choice", |screen| screen.contains("chosen: the talk goes on with this answer"));
    terminal.press("8");
    terminal.wait_for("the judgements", |screen| screen.contains("1:0") && screen.contains("0:1"));
    terminal.press("i");
    terminal.wait_for("the chosen answer in the talk", |screen| screen.contains("talk 1, 1 turn"));
    terminal.signal("-TERM");
    terminal.finish();
}
