//! The terminal, taken and given back. `leave` is the exact inverse of `enter`, whatever ends the program: the end of
//! the loop, an error, a panic. Nothing else in the program writes to the terminal while it is taken.

use std::future::Future;
use std::io::{self, BufWriter, Stdout, Write, stdout};
use std::mem::ManuallyDrop;
use std::path::PathBuf;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use ratatui::Terminal;
use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::crossterm::clipboard::CopyToClipboard;
use ratatui::crossterm::cursor::{Hide, SetCursorStyle, Show};
use ratatui::crossterm::event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture};
use ratatui::crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
    enable_raw_mode,
};
use ratatui::crossterm::{Command, QueueableCommand, execute, queue};

use super::clipboard::{self, ClipboardEnv, Copied};
use super::job::{self, Upset, Whom};

/// What the loop draws on. Tests have their own.
pub trait Surface {
    /// Draws a frame.
    ///
    /// # Errors
    ///
    /// The terminal is gone.
    fn draw(&mut self, paint: &mut dyn FnMut(&mut ratatui::Frame<'_>)) -> io::Result<()>;

    /// Forgets what is on the screen, so that the next frame paints all of it.
    ///
    /// # Errors
    ///
    /// The terminal is gone.
    fn clear(&mut self) -> io::Result<()>;

    /// Turns mouse reports on or off.
    ///
    /// # Errors
    ///
    /// The terminal is gone.
    fn mouse(&mut self, on: bool) -> io::Result<()>;

    /// Hands a text to the terminal's clipboard (OSC 52), or to a file where that would lose it.
    ///
    /// # Errors
    ///
    /// The terminal is gone, or the file cannot be written.
    fn copy(&mut self, text: &str) -> io::Result<Copied>;

    /// Gives the terminal back, stops, and takes the terminal again afterwards. Returns whether it did: where nobody
    /// could let the program go on, it does not stop.
    ///
    /// # Errors
    ///
    /// The terminal is gone.
    fn suspend(&mut self, whom: Whom) -> impl Future<Output = io::Result<bool>> + Send;

    /// Ends when something befell the terminal. Can be dropped without losing anything.
    fn upset(&mut self) -> impl Future<Output = Upset> + Send {
        std::future::pending()
    }

    /// Takes the terminal anew and forgets what is on it: the program was stopped from outside, and somebody else had it.
    ///
    /// # Errors
    ///
    /// The terminal is gone.
    fn retake(&mut self) -> impl Future<Output = io::Result<()>> + Send {
        std::future::ready(Ok(()))
    }
}

/// Whether the terminal is ours at present. Global, because a panic hook has no other way to know.
static TAKEN: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

/// Writes what a full-screen program asks of a terminal.
fn enter(out: &mut impl Write) -> io::Result<()> {
    queue!(out, EnterAlternateScreen, EnableBracketedPaste, Hide)?;
    out.flush()
}

/// Takes all of it back, in reverse, and goes on after an error: what can be restored is restored. Modes that were
/// never set are reset as well, which does no harm.
fn leave(out: &mut impl Write) -> io::Result<()> {
    fn attempt(out: &mut impl Write, command: impl Command) -> io::Result<()> {
        out.queue(command).map(|_| ())
    }
    let results = [
        attempt(out, EndSynchronizedUpdate),
        attempt(out, DisableMouseCapture),
        attempt(out, DisableBracketedPaste),
        attempt(out, SetCursorStyle::DefaultUserShape),
        attempt(out, Show),
        attempt(out, LeaveAlternateScreen),
        out.flush(),
    ];
    results.into_iter().collect()
}

/// Gives the terminal back if it is taken, and returns whether it was. Safe to call at any time, from anywhere, any
/// number of times.
pub fn restore() -> bool {
    let taken = TAKEN.swap(false, Ordering::SeqCst);
    if taken {
        // Nothing can be done about an error here: the terminal is gone, or about to be.
        let _ = leave(&mut stdout());
        let _ = disable_raw_mode();
    }
    taken
}

/// Gives back what can be given back without writing: for a terminal that no longer reads.
pub fn abandon() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let _ = disable_raw_mode();
    }
}

/// What is collected before it is written. Not a whole frame: the system takes all of a long write that it has begun, and
/// a slow terminal would be behind by a frame more.
const WRITTEN: usize = 1024;

/// The real terminal. Dropping it gives it back.
pub struct Screen {
    /// Never dropped: its end would write to the terminal after that was given back.
    terminal: ManuallyDrop<Terminal<CrosstermBackend<BufWriter<Stdout>>>>,
    mouse: bool,
    /// What is on the screen is not what the last frame painted.
    stale: bool,
    ears: job::Ears,
    state: Option<PathBuf>,
}

impl Screen {
    /// Takes the terminal. `state` is the folder for what the clipboard cannot take.
    ///
    /// # Errors
    ///
    /// There is no terminal, or it does not do as it is told; what was set is taken back.
    pub fn take(state: Option<PathBuf>) -> io::Result<Self> {
        HOOK.call_once(|| {
            let previous = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                if restore() {
                    job::lost();
                }
                // What a panic says can quote the text that it stumbled over: where it happened is enough, unless somebody
                // asks for all of it.
                let place = info.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
                tracing::error!("a defect at {place}");
                if std::env::var_os("RUST_BACKTRACE").is_some() {
                    previous(info);
                } else {
                    let _ = writeln!(io::stderr(), "llm-call: a defect at {place} (RUST_BACKTRACE=1 shows all of it)");
                }
            }));
        });
        // Before the terminal is taken: a stop in between would leave it so.
        let ears = job::Ears::open();
        take_modes()?;
        // Standard output by itself takes a lock and looks for line ends at every piece that comes.
        match Terminal::new(CrosstermBackend::new(BufWriter::with_capacity(WRITTEN, stdout()))) {
            Ok(terminal) => Ok(Self { terminal: ManuallyDrop::new(terminal), mouse: false, stale: false, ears, state }),
            Err(error) => {
                restore();
                Err(error)
            }
        }
    }

    /// A panic of a background task gave the terminal back although the program goes on: takes it again.
    fn retake_if_lost(&mut self) -> io::Result<()> {
        if TAKEN.load(Ordering::SeqCst) {
            return Ok(());
        }
        take_modes()?;
        if self.mouse {
            execute!(stdout(), EnableMouseCapture)?;
        }
        self.stale = true;
        Ok(())
    }

    /// Not `Terminal::clear`: that asks the terminal where its cursor is, and waits for the answer on the very stream
    /// that the keys come from.
    fn forget_frame(&mut self) -> io::Result<()> {
        self.terminal.backend_mut().clear()?;
        // The frame before becomes an empty one, so that the next is painted whole.
        self.terminal.swap_buffers();
        Ok(())
    }
}

fn take_modes() -> io::Result<()> {
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    enter(&mut stdout()).inspect_err(|_| {
        restore();
    })
}

impl Surface for Screen {
    fn draw(&mut self, paint: &mut dyn FnMut(&mut ratatui::Frame<'_>)) -> io::Result<()> {
        self.retake_if_lost()?;
        // One whole frame or none: without this, terminals show half-drawn ones.
        queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        if std::mem::take(&mut self.stale) {
            self.forget_frame()?;
        }
        let drawn = self.terminal.draw(|frame| paint(frame)).map(|_| ());
        execute!(self.terminal.backend_mut(), EndSynchronizedUpdate)?;
        drawn
    }

    fn clear(&mut self) -> io::Result<()> {
        // Together with the next frame: an empty screen in between would flicker.
        self.stale = true;
        Ok(())
    }

    fn mouse(&mut self, on: bool) -> io::Result<()> {
        self.mouse = on;
        if on { execute!(stdout(), EnableMouseCapture) } else { execute!(stdout(), DisableMouseCapture) }
    }

    fn copy(&mut self, text: &str) -> io::Result<Copied> {
        if let Some(obstacle) = clipboard::obstacle(text.len(), &ClipboardEnv::of_process()) {
            return Ok(Copied::File(clipboard::write(self.state.as_deref(), text)?, obstacle));
        }
        execute!(stdout(), CopyToClipboard::to_clipboard_from(text))?;
        Ok(Copied::Clipboard)
    }

    async fn suspend(&mut self, whom: Whom) -> io::Result<bool> {
        // A signal comes from somebody who can send another one; a key may come from somebody who cannot.
        if whom == Whom::Job && !job::can_stop() {
            return Ok(false);
        }
        restore();
        let stopped = self.ears.stop(whom).await;
        self.retake_if_lost()?;
        stopped.map(|()| true)
    }

    async fn upset(&mut self) -> Upset {
        self.ears.next().await
    }

    async fn retake(&mut self) -> io::Result<()> {
        self.ears.foreground().await;
        if TAKEN.swap(false, Ordering::SeqCst) {
            // Crossterm holds raw mode for set and would not set it again; and what it found first is what to go back to.
            disable_raw_mode()?;
        }
        self.retake_if_lost()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The private modes that a byte stream sets and resets, in the end.
    fn modes_left_on(bytes: &[u8]) -> BTreeSet<String> {
        let text = String::from_utf8_lossy(bytes);
        let mut on = BTreeSet::new();
        for part in text.split("\u{1b}[?").skip(1) {
            let digits: String = part.chars().take_while(|c| c.is_ascii_digit() || *c == ';').collect();
            let set = part[digits.len()..].starts_with('h');
            for mode in digits.split(';').map(str::to_owned) {
                if set {
                    on.insert(mode)
                } else {
                    on.remove(&mode)
                };
            }
        }
        on
    }

    #[test]
    fn leaving_unsets_every_mode_that_entering_and_drawing_set() {
        let mut bytes = Vec::new();
        enter(&mut bytes).expect("a vector");
        queue!(bytes, EnableMouseCapture, BeginSynchronizedUpdate).expect("a vector");
        let entered = modes_left_on(&bytes);
        for mode in ["1049", "2004", "1000", "1006", "2026"] {
            assert!(entered.contains(mode), "{mode} in {entered:?}");
        }
        leave(&mut bytes).expect("a vector");
        // 25 is the cursor, on by default: hidden by `?25l`, shown again by `?25h`.
        assert_eq!(modes_left_on(&bytes), BTreeSet::from(["25".to_owned()]));
        assert!(bytes.ends_with(b"\x1b[?1049l"), "the alternate screen is left last");
    }

    #[test]
    fn leaving_goes_on_after_an_error() {
        struct Refuses(usize, Vec<u8>);
        impl Write for Refuses {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0 += 1;
                if self.0 == 1 {
                    return Err(io::Error::other("once"));
                }
                self.1.extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut out = Refuses(0, Vec::new());
        assert!(leave(&mut out).is_err());
        assert!(String::from_utf8_lossy(&out.1).contains("?1049l"));
    }

    #[test]
    fn restoring_what_was_never_taken_does_nothing() {
        restore();
        restore();
        assert!(!TAKEN.load(Ordering::SeqCst));
    }
}
