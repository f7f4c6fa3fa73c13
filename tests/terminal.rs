//! Promise: the real program, in a real pseudo-terminal: a prompt is typed and answered, a tier is drained, traffic moves,
//! the window changes its size, and the terminal is left as it was found, however the program ends.
#![expect(clippy::expect_used, clippy::panic, reason = "what cannot go on fails")]
#![cfg(unix)]

use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// The modes that the dashboard sets, as (what sets it, what unsets it).
const MODES: [(&[u8], &[u8]); 4] = [
    (b"\x1b[?1049h", b"\x1b[?1049l"),
    (b"\x1b[?2004h", b"\x1b[?2004l"),
    (b"\x1b[?25l", b"\x1b[?25h"),
    (b"\x1b[?1004h", b"\x1b[?1004l"),
];

struct Seen {
    parser: vt100::Parser,
    bytes: Vec<u8>,
    ended: bool,
}

/// The program on a terminal of its own.
struct Terminal {
    seen: Arc<(Mutex<Seen>, Condvar)>,
    keys: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    _folder: tempfile::TempDir,
}

fn non_zero(size: u16) -> NonZeroU16 {
    NonZeroU16::new(size).expect("not zero")
}

/// A test that fails must not leave its program behind.
impl Drop for Terminal {
    fn drop(&mut self) {
        drop(self.child.kill());
    }
}

impl Terminal {
    fn open(arguments: &[&str], columns: u16, rows: u16) -> Self {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a pseudo-terminal");
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = CommandBuilder::new(assert_cmd::cargo::cargo_bin("llm-call"));
        command.args(arguments);
        command.env_clear();
        for (name, value) in [("TERM", "xterm-256color"), ("LANG", "C.UTF-8"), ("XDG_CONFIG_HOME", "/nonexistent")] {
            command.env(name, value);
        }
        command.env("HOME", folder.path());
        command.env("LLM_CALL_STATE", folder.path());
        let child = pair.slave.spawn_command(command).expect("the program starts");
        drop(pair.slave);
        let parser = vt100::Parser::new(non_zero(rows), non_zero(columns), 0);
        let seen = Arc::new((Mutex::new(Seen { parser, bytes: Vec::new(), ended: false }), Condvar::new()));
        let mut reader = pair.master.try_clone_reader().expect("a reader");
        let shared = Arc::clone(&seen);
        std::thread::spawn(move || {
            let mut buffer = [0_u8; 16 * 1024];
            loop {
                let count = reader.read(&mut buffer).unwrap_or(0);
                let mut seen = shared.0.lock().expect("no panic under this lock");
                seen.parser.process(&buffer[..count]);
                seen.bytes.extend_from_slice(&buffer[..count]);
                seen.ended = count == 0;
                shared.1.notify_all();
                if count == 0 {
                    return;
                }
            }
        });
        let keys = pair.master.take_writer().expect("a writer");
        Self { seen, keys, child, master: pair.master, _folder: folder }
    }

    /// Waits until the screen is as wanted; fails with what it shows instead.
    fn wait_for(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let until = Instant::now() + Duration::from_secs(60);
        let mut seen = self.seen.0.lock().expect("no panic under this lock");
        loop {
            let screen = seen.parser.screen().contents();
            if wanted(&screen) {
                return screen;
            }
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero() && !seen.ended, "waiting for {what}, the screen shows:\n{screen}");
            seen = self.seen.1.wait_timeout(seen, left).expect("no panic under this lock").0;
        }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("the program reads its keys");
        self.keys.flush().expect("the program reads its keys");
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.process_id().expect("it runs").to_string();
        let sent = std::process::Command::new("kill").args([signal, &pid]).status().expect("kill is there");
        assert!(sent.success());
    }

    /// Waits for the end, and checks that every mode that was set is unset.
    fn finish(mut self) -> (u32, String) {
        let until = Instant::now() + Duration::from_secs(30);
        let mut seen = self.seen.0.lock().expect("no panic under this lock");
        while !seen.ended {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                drop(self.child.kill());
                panic!("it does not end; the screen shows:\n{}", seen.parser.screen().contents());
            }
            seen = self.seen.1.wait_timeout(seen, left).expect("no panic under this lock").0;
        }
        let status = self.child.wait().expect("it ended");
        let last = |needle: &[u8]| seen.bytes.windows(needle.len()).rposition(|window| window == needle);
        for (set, unset) in MODES {
            if let Some(at) = last(set) {
                let undone = last(unset).is_some_and(|undone| undone > at);
                assert!(undone, "{} is left set", String::from_utf8_lossy(&set[1..]));
            }
        }
        assert!(last(MODES[0].0).is_some(), "the dashboard never took the screen");
        (status.exit_code(), seen.parser.screen().contents())
    }
}

#[test]
fn a_prompt_is_answered_a_tier_is_drained_and_traffic_moves() {
    let mut terminal = Terminal::open(&["demo"], 150, 44);
    terminal.wait_for("the first frame", |screen| screen.contains("DEMO") && screen.contains("claude"));
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
    let terminal = Terminal::open(&["demo"], 120, 40);
    terminal.wait_for("the first frame", |screen| screen.contains("DEMO"));
    for (columns, rows) in [(80, 24), (60, 20), (20, 5), (5, 2), (1, 1), (200, 60), (100, 30)] {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        terminal.seen.0.lock().expect("no panic").parser.screen_mut().set_size(non_zero(rows), non_zero(columns));
        terminal.master.resize(size).expect("the window changes");
    }
    terminal.wait_for("the screen after the storm", |screen| screen.contains("DEMO") && screen.contains("claude"));
    terminal.signal("-TERM");
    terminal.finish();
}

#[test]
fn a_signal_leaves_the_terminal_as_it_was() {
    for signal in ["-TERM", "-HUP"] {
        let terminal = Terminal::open(&["demo"], 100, 30);
        terminal.wait_for("the first frame", |screen| screen.contains("DEMO"));
        terminal.signal(signal);
        let (code, _) = terminal.finish();
        assert_eq!(code, 0, "{signal}");
    }
}
