//! A program on a pseudo-terminal of its own, and what can be measured of it from outside.

use std::collections::hash_map::DefaultHasher;
use std::error::Error;
use std::hash::{Hash, Hasher};
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// What ends a frame: the end of a synchronised update.
const FRAME_ENDS: &[u8] = b"\x1b[?2026l";
/// A key that shows nothing for so long was lost.
const LOST: Duration = Duration::from_secs(2);
/// Ticks of the kernel's accounting in a second, which is the same on every Linux that has a `/proc`.
const TICKS: f64 = 100.0;
/// A letter that nothing else on the screen has.
pub const LETTER: char = '\u{a7}';

/// What a key changes on the screen.
#[derive(Clone, Copy)]
pub enum Sign {
    /// Which row is marked.
    Mark,
    /// How often [`LETTER`] stands there.
    Letter,
}

impl Sign {
    /// A value that changes when the key is to be seen, whatever else comes and goes.
    fn of(self, screen: &vt100::Screen) -> u64 {
        match self {
            Self::Letter => screen.contents().matches(LETTER).count() as u64,
            Self::Mark => {
                let (rows, columns) = screen.size();
                let mut hash = DefaultHasher::new();
                for row in 1..rows.get() {
                    // A selected row is marked over its whole width, so that fifteen cells in sequence tell it.
                    let mut length = 0;
                    for column in 0..columns.get() {
                        let marked = screen
                            .cell(row, column)
                            .is_some_and(|cell| cell.inverse() || cell.bgcolor() != vt100::Color::Default);
                        length = if marked { length + 1 } else { 0 };
                        if length == 15 {
                            (row, column).hash(&mut hash);
                        }
                    }
                }
                hash.finish()
            }
        }
    }
}

struct Pressed {
    at: Instant,
    sign: Sign,
    before: u64,
}

struct Seen {
    parser: vt100::Parser,
    frames: u64,
    bytes: u64,
    /// The end of what came, for a frame's end that two reads share.
    tail: Vec<u8>,
    pressed: Option<Pressed>,
    latency: Option<Duration>,
    ended: bool,
}

impl Seen {
    fn take(&mut self, bytes: &[u8], at: Instant) {
        self.bytes += bytes.len() as u64;
        self.tail.extend_from_slice(bytes);
        self.frames += self.tail.windows(FRAME_ENDS.len()).filter(|window| *window == FRAME_ENDS).count() as u64;
        let kept = self.tail.len().saturating_sub(FRAME_ENDS.len() - 1);
        self.tail.drain(..kept);
        self.parser.process(bytes);
        if let Some(pressed) = &self.pressed
            && pressed.sign.of(self.parser.screen()) != pressed.before
        {
            self.latency = Some(at - pressed.at);
            self.pressed = None;
        }
    }
}

/// What was counted up to a moment.
#[derive(Clone, Copy)]
pub struct Count {
    at: Instant,
    frames: u64,
    bytes: u64,
    cpu: f64,
    beside: f64,
}

/// What was counted between two moments, a second.
pub struct Rates {
    pub frames: f64,
    pub bytes: f64,
    /// Percent of a core, without the thread that is no part of what is measured.
    pub cpu: f64,
    /// Percent of a core for that thread.
    pub beside: f64,
}

/// The program.
pub struct Watched {
    shared: Arc<(Mutex<Seen>, Condvar)>,
    keys: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    pid: u32,
    _master: Box<dyn MasterPty + Send>,
    _folder: tempfile::TempDir,
}

impl Drop for Watched {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Watched {
    /// Starts a program on a terminal of a size.
    pub fn start(command: &[&str], (columns, rows): (u16, u16)) -> Result<Self, Box<dyn Error>> {
        let pair = native_pty_system().openpty(PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 })?;
        let folder = tempfile::tempdir()?;
        let mut builder = CommandBuilder::from_argv(command.iter().map(Into::into).collect());
        builder.env_clear();
        for (name, value) in [("TERM", "xterm-256color"), ("LANG", "C.UTF-8"), ("XDG_CONFIG_HOME", "/nonexistent")] {
            builder.env(name, value);
        }
        builder.env("PATH", std::env::var("PATH").unwrap_or_default());
        builder.env("HOME", folder.path());
        builder.env("LLM_CALL_STATE", folder.path());
        let child = pair.slave.spawn_command(builder)?;
        drop(pair.slave);
        let size = |size| NonZeroU16::new(size).ok_or("a terminal has a size");
        let parser = vt100::Parser::new(size(rows)?, size(columns)?, 0);
        let seen = Seen { parser, frames: 0, bytes: 0, tail: Vec::new(), pressed: None, latency: None, ended: false };
        let shared = Arc::new((Mutex::new(seen), Condvar::new()));
        let mut reader = pair.master.try_clone_reader()?;
        let into = Arc::clone(&shared);
        std::thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            loop {
                let count = reader.read(&mut buffer).unwrap_or(0);
                let at = Instant::now();
                let mut seen = lock(&into.0);
                seen.take(buffer.get(..count).unwrap_or_default(), at);
                seen.ended = count == 0;
                into.1.notify_all();
                if count == 0 {
                    return;
                }
            }
        });
        let pid = child.process_id().ok_or("it has no number")?;
        let keys = pair.master.take_writer()?;
        Ok(Self { shared, keys, child, pid, _master: pair.master, _folder: folder })
    }

    /// Waits until something is on the screen.
    pub fn first_frame(&self) -> Result<(), Box<dyn Error>> {
        let blank = |seen: &mut Seen| !seen.ended && seen.parser.screen().contents().trim().is_empty();
        let seen = self.shared.1.wait_timeout_while(lock(&self.shared.0), Duration::from_secs(30), blank);
        let seen = seen.unwrap_or_else(PoisonError::into_inner).0;
        if seen.ended || seen.parser.screen().contents().trim().is_empty() {
            return Err(format!("it shows nothing:\n{}", seen.parser.screen().contents()).into());
        }
        Ok(())
    }

    /// What it shows.
    pub fn screen(&self) -> String {
        lock(&self.shared.0).parser.screen().contents()
    }

    /// Presses keys without looking what they do.
    pub fn press(&mut self, keys: &str) -> Result<(), Box<dyn Error>> {
        self.keys.write_all(keys.as_bytes())?;
        self.keys.flush()?;
        Ok(())
    }

    /// Presses a key and returns how long it took to be seen; `None` if it never was.
    pub fn time(&mut self, key: &str, sign: Sign) -> Result<Option<Duration>, Box<dyn Error>> {
        {
            let mut seen = lock(&self.shared.0);
            let before = sign.of(seen.parser.screen());
            seen.latency = None;
            seen.pressed = Some(Pressed { at: Instant::now(), sign, before });
        }
        self.press(key)?;
        let unseen = |seen: &mut Seen| seen.latency.is_none();
        let seen = self.shared.1.wait_timeout_while(lock(&self.shared.0), LOST, unseen);
        let mut seen = seen.unwrap_or_else(PoisonError::into_inner).0;
        seen.pressed = None;
        Ok(seen.latency)
    }

    /// What was counted so far; the time of a thread of the name `beside` apart from the rest.
    pub fn count(&self, beside: &str) -> Result<Count, Box<dyn Error>> {
        let at = Instant::now();
        let (frames, bytes) = {
            let seen = lock(&self.shared.0);
            if seen.ended {
                return Err("the program ended".into());
            }
            (seen.frames, seen.bytes)
        };
        let all = cpu(&format!("/proc/{}/stat", self.pid))?;
        let mut apart = 0.0;
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.pid))? {
            let path = thread?.path();
            // A thread may have ended in between.
            let name = std::fs::read_to_string(path.join("comm")).unwrap_or_default();
            if name.trim_end() == beside {
                apart += cpu(&path.join("stat").to_string_lossy())?;
            }
        }
        Ok(Count { at, frames, bytes, cpu: all - apart, beside: apart })
    }

    /// Resident memory in MB.
    pub fn resident(&self) -> Result<f64, Box<dyn Error>> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        Ok(line.trim().trim_end_matches("kB").trim().parse::<f64>()? / 1024.0)
    }
}

impl Count {
    /// Since an earlier count.
    pub fn since(&self, earlier: &Self) -> Rates {
        let time = (self.at - earlier.at).as_secs_f64();
        Rates {
            frames: (self.frames - earlier.frames) as f64 / time,
            bytes: (self.bytes - earlier.bytes) as f64 / time,
            cpu: (self.cpu - earlier.cpu) / time * 100.0,
            beside: (self.beside - earlier.beside) / time * 100.0,
        }
    }
}

/// Seconds that a process or a thread has computed, for itself and in the kernel.
fn cpu(stat: &str) -> Result<f64, Box<dyn Error>> {
    let stat = std::fs::read_to_string(stat)?;
    // The name, in brackets, may have blanks in it; the numbers are counted from its end.
    let (_, numbers) = stat.rsplit_once(')').ok_or("no name")?;
    let mut numbers = numbers.split_whitespace().skip(11).map(str::parse::<f64>);
    let (user, system) = (numbers.next().ok_or("no time")??, numbers.next().ok_or("no time")??);
    Ok((user + system) / TICKS)
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
