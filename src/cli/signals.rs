//! The signals that end a command: what it has so far is kept, and the exit code tells which signal it was.

use std::fmt;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::engine::Engine;

/// How long a command may take to end in good order, beyond what it gives to the answers in flight.
const PATIENCE: Duration = Duration::from_secs(5);
/// The same for the dashboard, which may have to wait for a slow terminal.
const PATIENCE_OF_A_SCREEN: Duration = Duration::from_secs(15);
/// How long the answers in flight are given when the system asks the program to end: what was paid for is to arrive. System
/// managers wait for longer than this before they kill.
const GRACE: Duration = Duration::from_secs(30);

/// Why a command was ended from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// The system, or `kill`.
    Terminate,
    /// The terminal went away.
    Hangup,
    /// `kill -QUIT`. Ctrl-\ sends it too, but not while the dashboard has the terminal.
    Quit,
}

impl Signal {
    /// The exit code, as shells count them: 128 and the signal's number.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
            Self::Hangup => 129,
            Self::Quit => 131,
        }
    }

    /// How long the answers in flight are given. A person who interrupts, or is gone, waits for none of them.
    #[must_use]
    pub const fn grace(self) -> Duration {
        match self {
            Self::Terminate => GRACE,
            Self::Interrupt | Self::Hangup | Self::Quit => Duration::ZERO,
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupt => "interrupted",
            Self::Terminate => "terminated",
            Self::Hangup => "the terminal was closed",
            Self::Quit => "told to quit",
        })
    }
}

/// What is to be ended.
enum Of {
    /// A command that prints. Ctrl-\ keeps its ordinary effect: it is the way out that needs nothing of the program.
    Printing,
    /// A surface that takes Ctrl-C as a key and has a terminal to give back, which a core dump would not do; and the engine
    /// that it shows.
    Screen(Engine),
}

impl Of {
    const fn signals(&self) -> &'static [Signal] {
        match self {
            Self::Printing => &[Signal::Terminate, Signal::Hangup, Signal::Interrupt],
            Self::Screen(_) => &[Signal::Terminate, Signal::Hangup, Signal::Quit],
        }
    }

    /// Ends when the time for ending in good order is over.
    async fn patience(self, signal: Signal, ears: &mut Ears) {
        match self {
            Self::Printing => drop(tokio::time::timeout(PATIENCE + signal.grace(), ears.next()).await),
            // Asking twice makes no difference here: when a terminal goes away, the system and the shell both tell.
            Self::Screen(engine) => {
                // The screen may be stuck in a terminal that takes nothing: the engine takes no new requests all the same,
                // and what is in flight does not wait for the screen to end.
                let engine = engine.shutdown(signal.grace());
                let ended = async {
                    futures::future::join(engine, tokio::time::sleep(PATIENCE_OF_A_SCREEN)).await;
                    // Where the screen has ended, the command is about to: it has a summary to tell and a log to close.
                    tokio::time::sleep(PATIENCE).await;
                };
                drop(tokio::time::timeout(PATIENCE_OF_A_SCREEN + PATIENCE + signal.grace(), ended).await);
                crate::tui::terminal::abandon();
            }
        }
    }
}

/// Ends when the command is asked to end. Listens from now on, so that one of these serves for the whole of a command.
///
/// Whoever asks twice, or waits for long, is obeyed without ceremony: the command may be stuck in writing to a reader
/// that does not read.
pub fn asked_to_stop() -> impl Future<Output = Signal> {
    asked(Of::Printing)
}

/// The same for the dashboard, which shows this engine: it begins to end at once, whatever the screen does.
pub fn asked_by_the_system(engine: Engine) -> impl Future<Output = Signal> {
    asked(Of::Screen(engine))
}

#[expect(clippy::disallowed_methods, reason = "the task is to last as long as the process, whose end it is")]
fn asked(of: Of) -> impl Future<Output = Signal> {
    // Here and not in the task: a signal that came before the task had its first turn would end the program at once.
    let mut ears = Ears::open(of.signals());
    let (tell, told) = oneshot::channel();
    tokio::spawn(async move {
        let signal = ears.next().await;
        let _ = tell.send(signal);
        of.patience(signal, &mut ears).await;
        std::process::exit(i32::from(signal.code()));
    });
    async move {
        match told.await {
            Ok(signal) => signal,
            Err(_) => std::future::pending().await,
        }
    }
}

/// What the process listens to. A signal that cannot be listened to keeps its ordinary effect.
#[cfg(unix)]
struct Ears(Vec<(Signal, tokio::signal::unix::Signal)>);

#[cfg(unix)]
impl Ears {
    fn open(signals: &[Signal]) -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let kind = |name: Signal| match name {
            Signal::Terminate => SignalKind::terminate(),
            Signal::Hangup => SignalKind::hangup(),
            Signal::Interrupt => SignalKind::interrupt(),
            Signal::Quit => SignalKind::quit(),
        };
        Self(signals.iter().filter_map(|name| Some((*name, signal(kind(*name)).ok()?))).collect())
    }

    async fn next(&mut self) -> Signal {
        std::future::poll_fn(|context| {
            let arrived = self.0.iter_mut().find_map(|(name, ear)| ear.poll_recv(context).is_ready().then_some(*name));
            arrived.map_or(std::task::Poll::Pending, std::task::Poll::Ready)
        })
        .await
    }
}

#[cfg(not(unix))]
struct Ears(bool);

#[cfg(not(unix))]
impl Ears {
    fn open(signals: &[Signal]) -> Self {
        Self(signals.contains(&Signal::Interrupt))
    }

    async fn next(&mut self) -> Signal {
        if !self.0 {
            return std::future::pending().await;
        }
        drop(tokio::signal::ctrl_c().await);
        Signal::Interrupt
    }
}
