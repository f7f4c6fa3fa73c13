//! The program in a pseudo-terminal, and a person in front of it.

use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use crate::Fallible;
use crate::steps::Step;

/// Between two letters.
const TYPING: Duration = Duration::from_millis(55);
/// After a key, so that it is not taken for a part of the next one, and so that whoever watches can follow.
const PRESSING: Duration = Duration::from_millis(350);
/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Bytes that the terminal got, and when, in the time of the recording.
pub struct Shown {
    /// Since the start.
    pub at: Duration,
    /// What was written.
    pub bytes: Vec<u8>,
}

struct Seen {
    parser: vt100::Parser,
    shown: Vec<Shown>,
    started: Instant,
    /// Time that the recording leaves out.
    left_out: Duration,
    /// Since when it leaves time out.
    skipping: Option<Instant>,
    ended: bool,
}

impl Seen {
    fn take(&mut self, bytes: &[u8]) {
        let now = self.skipping.unwrap_or_else(Instant::now);
        let at = now.duration_since(self.started).saturating_sub(self.left_out);
        self.parser.process(bytes);
        self.shown.push(Shown { at, bytes: bytes.to_owned() });
    }
}

/// The program and whoever uses it.
pub struct Player {
    seen: Arc<(Mutex<Seen>, Condvar)>,
    keys: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    _master: Box<dyn MasterPty + Send>,
    _state: tempfile::TempDir,
}

impl Player {
    /// Starts the program, which was built beside this one, over simulated tiers.
    pub fn start(columns: u16, rows: u16, light: bool) -> Fallible<Self> {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size)?;
        let state = tempfile::tempdir()?;
        let program =
            std::env::current_exe()?.parent().and_then(|folder| folder.parent()).ok_or("no folder")?.join("llm-call");
        let mut command = CommandBuilder::new(program);
        command.args(["demo", "--color", "always"]);
        command.env("TERM", "xterm-256color");
        command.env("LANG", "C.UTF-8");
        command.env("LLM_CALL_STATE", state.path());
        if light {
            command.env("LLM_CALL_PALETTE", "ansi-light");
        }
        let child = pair.slave.spawn_command(command)?;
        drop(pair.slave);
        let (rows, columns) = (NonZeroU16::new(rows).ok_or("no rows")?, NonZeroU16::new(columns).ok_or("no columns")?);
        let seen = Seen {
            parser: vt100::Parser::new(rows, columns, 0),
            shown: Vec::new(),
            started: Instant::now(),
            left_out: Duration::ZERO,
            skipping: None,
            ended: false,
        };
        let seen = Arc::new((Mutex::new(seen), Condvar::new()));
        let reader = pair.master.try_clone_reader()?;
        let shared = Arc::clone(&seen);
        std::thread::spawn(move || read(reader, &shared));
        let keys = pair.master.take_writer()?;
        Ok(Self { seen, keys, child, _master: pair.master, _state: state })
    }

    /// Does one step.
    pub fn play(&mut self, step: &Step) -> Fallible<()> {
        match step {
            Step::Type(text) => {
                for character in text.chars() {
                    self.send(&character.to_string())?;
                    pass(TYPING);
                }
                Ok(())
            }
            Step::Press(bytes) => {
                self.send(bytes)?;
                pass(PRESSING);
                Ok(())
            }
            Step::Wait(text) => self.wait(step, |seen| shows(seen, text)),
            Step::Gone(text) => self.wait(step, |seen| !shows(seen, text)),
            Step::Pause(time) => {
                pass(*time);
                Ok(())
            }
            Step::Skip(time) => {
                let started = Instant::now();
                self.lock()?.skipping = Some(started);
                pass(*time);
                let mut seen = self.lock()?;
                seen.skipping = None;
                seen.left_out += started.elapsed();
                Ok(())
            }
            Step::End => self.wait(step, |seen| seen.ended),
        }
    }

    /// Ends the program if it runs, and returns what the screen shows last, and everything that it showed.
    pub fn stop(mut self) -> Fallible<(vt100::Screen, Vec<Shown>)> {
        let screen = self.lock()?.parser.screen().clone();
        let shown = std::mem::take(&mut self.lock()?.shown);
        drop(self.child.kill());
        self.child.wait()?;
        Ok((screen, shown))
    }

    fn lock(&self) -> Fallible<MutexGuard<'_, Seen>> {
        self.seen.0.lock().map_err(|_| "the reader panicked".into())
    }

    fn send(&mut self, bytes: &str) -> Fallible<()> {
        self.keys.write_all(bytes.as_bytes())?;
        Ok(self.keys.flush()?)
    }

    fn wait(&self, step: &Step, wanted: impl Fn(&Seen) -> bool) -> Fallible<()> {
        let until = Instant::now() + PATIENCE;
        let mut seen = self.lock()?;
        while !wanted(&seen) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || seen.ended {
                return Err(format!("{step:?}: the screen shows\n{}", seen.parser.screen().contents()).into());
            }
            seen = self.seen.1.wait_timeout(seen, left).map_err(|_| "the reader panicked")?.0;
        }
        Ok(())
    }
}

/// A step that fails must not leave the program behind.
impl Drop for Player {
    fn drop(&mut self) {
        drop(self.child.kill());
    }
}

fn shows(seen: &Seen, text: &str) -> bool {
    seen.parser.screen().contents().to_lowercase().contains(text)
}

fn read(mut reader: Box<dyn Read + Send>, shared: &(Mutex<Seen>, Condvar)) {
    let mut buffer = [0_u8; 16 * 1024];
    loop {
        let count = reader.read(&mut buffer).unwrap_or(0);
        let Ok(mut seen) = shared.0.lock() else { return };
        seen.take(&buffer[..count]);
        seen.ended = count == 0;
        shared.1.notify_all();
        if count == 0 {
            return;
        }
    }
}

fn pass(time: Duration) {
    let until = Instant::now() + time;
    while let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        std::thread::park_timeout(left);
    }
}
