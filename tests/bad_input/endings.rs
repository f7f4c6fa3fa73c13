//! Signals, pipes that are closed, and terminals.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};

use super::fake::{DONE, Fake, piece, sse};
use super::{bare, ran};

pub fn signal(process: u32, name: &str) {
    let done = Command::new("kill").args([&format!("-{name}"), &process.to_string()]).status().expect("kill starts");
    assert!(done.success());
}

/// An answer that goes on and on.
fn endless() -> Fake {
    Fake::start(|_, stream| {
        drop(stream.write_all(sse("").as_bytes()));
        while stream.write_all(piece("word ").as_bytes()).is_ok() {}
    })
}

#[test]
#[cfg(unix)]
fn signals_end_an_answer_with_the_code_that_shells_expect() {
    let fake = endless();
    for (name, code, word) in [("INT", 130, "interrupted"), ("TERM", 143, "terminated"), ("HUP", 129, "closed")] {
        let mut child = fake
            .llm_call(&["ask", "hi"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut first = [0; 4];
        child.stdout.as_mut().expect("piped").read_exact(&mut first).expect("an answer begins");
        signal(child.id(), name);
        let output = child.wait_with_output().expect("it ends");
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(code) && err.contains(word), "{name}: {} {err}", output.status);
        assert!(output.stdout.ends_with(b"\n"), "{name}: the shell's prompt gets a line of its own");
    }
}

#[test]
#[cfg(unix)]
fn whoever_insists_is_obeyed_though_the_reader_sleeps() {
    let fake = endless();
    let mut child = fake.llm_call(&["ask", "hi"]).stdout(Stdio::piped()).spawn().expect("the program starts");
    let mut first = [0; 4];
    let mut out = child.stdout.take().expect("piped");
    out.read_exact(&mut first).expect("an answer begins");
    signal(child.id(), "INT");
    signal(child.id(), "INT");
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    drop(out);
}

#[test]
fn a_reader_that_has_enough_ends_an_endless_answer_quietly() {
    let fake = endless();
    let mut child = fake
        .llm_call(&["ask", "hi"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut first = [0; 4];
    let mut out = child.stdout.take().expect("piped");
    out.read_exact(&mut first).expect("an answer begins");
    drop(out);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[test]
#[cfg(unix)]
fn closed_outputs_do_no_harm() {
    let shell = |redirection: &str| {
        let line = format!("\"$0\" ask --demo hi {redirection}");
        let program = bare(&[]);
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &line]).arg(program.get_program()).env_clear();
        command.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?)))).stdin(Stdio::null());
        ran(&mut command)
    };
    let closed = shell("2>&-");
    assert!(closed.code == 0 && !closed.out.is_empty(), "{closed:?}");
    let closed = shell(">&-");
    assert!(closed.code == 0 && closed.err.is_empty(), "{closed:?}");
    if std::path::Path::new("/dev/full").exists() {
        let full = shell(">/dev/full");
        assert!(full.code == 1 && full.err.contains("cannot write the output"), "{full:?}");
    }
}

/// What the program writes to a terminal.
fn on_a_terminal(fake: &Fake, args: &[&str], more: &[(&str, &str)]) -> String {
    let size = PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 };
    let pair = native_pty_system().openpty(size).expect("a pseudo-terminal");
    let mut command = CommandBuilder::new(assert_cmd::cargo::cargo_bin("llm-call"));
    command.args(args);
    command.env_clear();
    command.env("TERM", "xterm-256color");
    for (name, value) in fake.environment() {
        command.env(name, value);
    }
    for (name, value) in more {
        command.env(name, value);
    }
    let mut child = pair.slave.spawn_command(command).expect("the program starts");
    drop(pair.slave);
    let mut reader = pair.master.try_clone_reader().expect("a reader");
    let mut seen = Vec::new();
    // A terminal whose program has ended reads as an error on some systems.
    drop(reader.read_to_end(&mut seen));
    drop(child.wait());
    String::from_utf8_lossy(&seen).into_owned()
}

#[test]
#[cfg(unix)]
fn a_model_cannot_command_the_terminal() {
    const TEXT: &str = "\u{1b}]0;owned\u{7}\u{1b}[2Jhi\u{9b}31m\rthere\u{8}";
    let fake = Fake::start(|_, stream| drop(stream.write_all(sse(&(piece(TEXT) + DONE)).as_bytes())));
    let seen = on_a_terminal(&fake, &["ask", "--explain", "hi"], &[]);
    assert!(seen.contains("^[]0;owned^G^[[2Jhi\u{fffd}31mthere^H"), "{seen:?}");
    for acting in ["\u{1b}]", "\u{1b}[2J", "\u{7}", "\u{9b}", "\u{8}"] {
        assert!(!seen.contains(acting), "{seen:?}");
    }
    // A pipe gets what the model wrote.
    assert_eq!(fake.run(&["ask", "hi"]).out, format!("{TEXT}\n"));
}

#[test]
#[cfg(unix)]
fn colours_are_for_terminals_that_want_them() {
    let fake = Fake::start(|_, _| {});
    for (more, colours) in
        [(&[][..], true), (&[("NO_COLOR", "1")], false), (&[("TERM", "dumb")], false), (&[("COLUMNS", "5")], true)]
    {
        let seen = on_a_terminal(&fake, &["tiers"], more);
        assert!(seen.contains("fake") && seen.contains("\u{1b}[32m") == colours, "{more:?} {seen:?}");
    }
    let seen = on_a_terminal(&fake, &["demo"], &[("TERM", "dumb")]);
    assert!(seen.contains("needs a terminal") && !seen.contains('\u{1b}'), "{seen:?}");
    assert!(on_a_terminal(&fake, &["--color", "always", "tiers"], &[("NO_COLOR", "1")]).contains("\u{1b}[32m"));
    assert!(!on_a_terminal(&fake, &["--color", "never", "tiers"], &[]).contains('\u{1b}'));
}
