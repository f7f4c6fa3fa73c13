//! The program on a pseudo-terminal of its own, seen both as a screen and as the bytes that it wrote.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// How long anything may take on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);

/// The modes of a terminal that nobody uses at present: the cursor (25) shows, and nothing else is set.
pub const AT_REST: [&str; 1] = ["25"];

/// What the program wrote so far.
pub struct Seen {
    parser: vt100::Parser,
    pub bytes: Vec<u8>,
    ended: bool,
    unread: bool,
}

impl Seen {
    pub fn screen(&self) -> String {
        self.parser.screen().contents()
    }

    /// The private modes that are set.
    pub fn modes(&self) -> BTreeSet<String> {
        let mut on = BTreeSet::from(AT_REST.map(str::to_owned));
        for (mode, set) in changes(&self.bytes) {
            if set {
                on.insert(mode)
            } else {
                on.remove(&mode)
            };
        }
        on
    }

    /// How often the alternate screen was taken.
    pub fn taken(&self) -> usize {
        changes(&self.bytes).iter().filter(|(mode, set)| mode == "1049" && *set).count()
    }
}

/// The private modes in the order in which they were set (`true`) and unset.
fn changes(bytes: &[u8]) -> Vec<(String, bool)> {
    let text = String::from_utf8_lossy(bytes);
    let mut found = Vec::new();
    for part in text.split("\x1b[?").skip(1) {
        let digits: String = part.chars().take_while(|c| c.is_ascii_digit() || *c == ';').collect();
        let set = match part.as_bytes().get(digits.len()) {
            Some(b'h') => true,
            Some(b'l') => false,
            _ => continue,
        };
        found.extend(digits.split(';').map(|mode| (mode.to_owned(), set)));
    }
    found
}

fn non_zero(size: u16) -> NonZeroU16 {
    NonZeroU16::new(size).expect("not zero")
}

/// What to start, and on what.
pub struct Setup {
    command: Vec<String>,
    columns: u16,
    rows: u16,
    environment: Vec<(&'static str, String)>,
    bytes_per_second: Option<u32>,
}

impl Setup {
    /// The program with these arguments.
    pub fn program(arguments: &[&str]) -> Self {
        let program = std::iter::once(Self::path()).chain(arguments.iter().map(|argument| (*argument).to_owned()));
        Self::command(program.collect())
    }

    /// A shell that runs these lines, in which `$0` is the program.
    pub fn shell(lines: &str) -> Self {
        Self::command(vec!["/bin/sh".to_owned(), "-c".to_owned(), lines.to_owned(), Self::path()])
    }

    fn path() -> String {
        assert_cmd::cargo::cargo_bin("llm-call").to_str().expect("a path in UTF-8").to_owned()
    }

    fn command(command: Vec<String>) -> Self {
        let environment = [("TERM", "xterm-256color"), ("LANG", "C.UTF-8"), ("XDG_CONFIG_HOME", "/nonexistent")];
        let environment = environment.map(|(name, value)| (name, value.to_owned())).into();
        Self { command, columns: 100, rows: 30, environment, bytes_per_second: None }
    }

    pub fn size(self, columns: u16, rows: u16) -> Self {
        Self { columns, rows, ..self }
    }

    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.environment.retain(|(known, _)| *known != name);
        self.environment.push((name, value.to_owned()));
        self
    }

    /// A terminal that takes only so much.
    pub fn slow(self, bytes_per_second: u32) -> Self {
        Self { bytes_per_second: Some(bytes_per_second), ..self }
    }

    pub fn open(self) -> Terminal {
        let size = PtySize { rows: self.rows, cols: self.columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a pseudo-terminal");
        let settings = pair.master.get_termios().expect("a terminal has settings");
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = CommandBuilder::from_argv(self.command.iter().map(Into::into).collect());
        command.env_clear();
        command.env("PATH", std::env::var("PATH").unwrap_or_default());
        command.env("HOME", folder.path());
        command.env("LLM_CALL_STATE", folder.path());
        for (name, value) in &self.environment {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).expect("the program starts");
        drop(pair.slave);
        let parser = vt100::Parser::new(non_zero(self.rows), non_zero(self.columns), 0);
        let seen = Seen { parser, bytes: Vec::new(), ended: false, unread: false };
        let seen = Arc::new((Mutex::new(seen), Condvar::new()));
        let reader = pair.master.try_clone_reader().expect("a reader");
        let shared = Arc::clone(&seen);
        let slow = self.bytes_per_second;
        std::thread::spawn(move || read(reader, &shared, slow));
        Terminal { seen, keys: None, child, master: Some(pair.master), settings: format!("{settings:?}"), folder }
    }
}

/// Reads what the program writes, as fast as the terminal is to be.
fn read(mut reader: Box<dyn Read + Send>, shared: &(Mutex<Seen>, Condvar), bytes_per_second: Option<u32>) {
    let mut buffer = vec![0_u8; bytes_per_second.map_or(16 * 1024, |speed| speed as usize / 10)];
    loop {
        let started = Instant::now();
        let count = reader.read(&mut buffer).unwrap_or(0);
        let mut seen = shared.0.lock().expect("no panic under this lock");
        seen.parser.process(&buffer[..count]);
        seen.bytes.extend_from_slice(&buffer[..count]);
        seen.ended = count == 0;
        shared.1.notify_all();
        if count == 0 || seen.unread {
            return;
        }
        drop(seen);
        if let Some(speed) = bytes_per_second {
            let takes = Duration::from_secs(1) * u32::try_from(count).expect("a small buffer") / speed;
            wait(takes.saturating_sub(started.elapsed()));
        }
    }
}

/// Lets time pass.
fn wait(time: Duration) {
    let until = Instant::now() + time;
    while let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        std::thread::park_timeout(left);
    }
}

/// The program on a terminal of its own.
pub struct Terminal {
    seen: Arc<(Mutex<Seen>, Condvar)>,
    /// Only once a key is pressed: when it goes, it presses ctrl-d.
    keys: Option<Box<dyn Write + Send>>,
    child: Box<dyn Child + Send + Sync>,
    /// Until the terminal hangs up.
    master: Option<Box<dyn MasterPty + Send>>,
    settings: String,
    pub folder: tempfile::TempDir,
}

/// A test that fails must not leave its program behind, which may be stopped.
impl Drop for Terminal {
    fn drop(&mut self) {
        drop(self.child.kill());
    }
}

impl Terminal {
    /// The simulated tiers, once they are on the screen.
    pub fn demo() -> Self {
        let terminal = Setup::program(&["demo"]).open();
        terminal.first_frame();
        terminal
    }

    pub fn first_frame(&self) {
        self.wait_for("the first frame", |screen| screen.contains("DEMO") && screen.contains("claude"));
    }

    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.0.lock().expect("no panic under this lock")
    }

    /// Waits until the screen is as wanted; fails with what it shows instead.
    pub fn wait_for(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        self.wait_until(what, |seen| wanted(&seen.screen()));
        self.seen().screen()
    }

    /// The same for whatever can be told from what was written.
    pub fn wait_until(&self, what: &str, wanted: impl Fn(&Seen) -> bool) {
        let until = Instant::now() + PATIENCE;
        let mut seen = self.seen();
        while !wanted(&seen) {
            let left = until.saturating_duration_since(Instant::now());
            let modes = seen.modes();
            let screen = seen.screen();
            assert!(!left.is_zero() && !seen.ended, "waiting for {what}, with {modes:?} set, it shows:\n{screen}");
            seen = self.seen.1.wait_timeout(seen, left).expect("no panic under this lock").0;
        }
    }

    fn master(&self) -> &dyn MasterPty {
        self.master.as_deref().expect("it is there")
    }

    pub fn press(&mut self, keys: &str) {
        let writer = || self.master.as_ref().expect("it is there").take_writer().expect("a writer");
        let into = self.keys.get_or_insert_with(writer);
        into.write_all(keys.as_bytes()).and_then(|()| into.flush()).expect("the program reads its keys");
    }

    /// Lets time pass, for a person's pace.
    pub fn pass(&self, time: Duration) {
        wait(time);
    }

    pub fn resize(&self, columns: u16, rows: u16) {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        self.seen().parser.screen_mut().set_size(non_zero(rows), non_zero(columns));
        self.master().resize(size).expect("the window changes");
    }

    pub fn signal(&self, signal: &str) {
        let pid = self.child.process_id().expect("it runs").to_string();
        let sent = std::process::Command::new("kill").args([signal, &pid]).status().expect("kill is there");
        assert!(sent.success());
    }

    /// Waits until the program is stopped. Nothing tells when that happens, so that it has to be asked for.
    pub fn wait_until_stopped(&self) {
        let pid = self.child.process_id().expect("it runs").to_string();
        let until = Instant::now() + PATIENCE;
        loop {
            let state =
                std::process::Command::new("ps").args(["-o", "state=", "-p", &pid]).output().expect("ps is there");
            if state.stdout.trim_ascii().starts_with(b"T") {
                return;
            }
            assert!(Instant::now() < until, "it does not stop: {}", String::from_utf8_lossy(&state.stdout));
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// Checks that the terminal is as the program found it, once all was read that was written.
    pub fn assert_at_rest(&self) {
        self.wait_until("every mode to be unset", |seen| seen.modes() == BTreeSet::from(AT_REST.map(str::to_owned)));
        let seen = self.seen();
        let changes = changes(&seen.bytes);
        assert_eq!(changes.last(), Some(&("1049".to_owned(), false)), "the alternate screen is left last");
        self.assert_settings();
    }

    fn assert_settings(&self) {
        let settings = self.master().get_termios().expect("a terminal has settings");
        assert_eq!(format!("{settings:?}"), self.settings, "raw mode is off");
    }

    /// The terminal takes nothing any more, once it has taken what comes next.
    pub fn stop_reading(&self) {
        self.seen().unread = true;
    }

    /// Waits for the end of a program that can no longer write. Returns the exit code.
    pub fn finish_unread(mut self) -> u32 {
        let code = self.exit_code();
        self.assert_settings();
        code
    }

    /// The terminal goes away, as when its window is closed. Returns the exit code.
    pub fn hang_up(mut self) -> u32 {
        assert!(self.keys.is_none(), "a key was pressed, and closing would press another one");
        // The reader goes with the next bytes that it gets.
        self.seen().unread = true;
        self.master = None;
        self.exit_code()
    }

    /// Waits for the end, and checks that the terminal is as the program found it. Returns the exit code and what the
    /// screen shows.
    pub fn finish(mut self) -> (u32, String) {
        let until = Instant::now() + PATIENCE;
        let mut seen = self.seen();
        while !seen.ended {
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "it does not end; the screen shows:\n{}", seen.screen());
            seen = self.seen.1.wait_timeout(seen, left).expect("no panic under this lock").0;
        }
        assert!(seen.taken() > 0, "the dashboard never took the screen, which shows:\n{}", seen.screen());
        drop(seen);
        self.assert_at_rest();
        let code = self.exit_code();
        (code, self.seen().screen())
    }

    /// Waits for the end of a program that never took the screen. Returns the exit code.
    pub fn refused(mut self) -> u32 {
        self.exit_code()
    }

    fn exit_code(&mut self) -> u32 {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                return status.exit_code();
            }
            assert!(Instant::now() < until, "it does not end");
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}
