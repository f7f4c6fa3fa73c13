//! The signals that end a command: what it has so far is kept, and the exit code tells which signal it was.

use std::fmt;
use std::time::Duration;

use tokio::sync::oneshot;

/// How long a command may take to end in good order.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why a command was ended from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// The system, or `kill`.
    Terminate,
    /// The terminal went away.
    Hangup,
}

impl Signal {
    /// The exit code, as shells count them: 128 and the signal's number.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
            Self::Hangup => 129,
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupt => "interrupted",
            Self::Terminate => "terminated",
            Self::Hangup => "the terminal was closed",
        })
    }
}

/// Ends when the command is asked to end. Listens from now on, so that one of these serves for the whole of a command.
///
/// Whoever asks twice, or waits for long, is obeyed without ceremony: the command may be stuck in writing to a reader
/// that does not read.
#[expect(clippy::disallowed_methods, reason = "the task is to last as long as the process, whose end it is")]
pub fn asked_to_stop() -> impl Future<Output = Signal> {
    // Here and not in the task: a signal that came before the task had its first turn would end the program at once.
    let mut ears = Ears::open(true);
    let (tell, told) = oneshot::channel();
    tokio::spawn(async move {
        let signal = ears.next().await;
        let _ = tell.send(signal);
        let _ = tokio::time::timeout(PATIENCE, ears.next()).await;
        std::process::exit(i32::from(signal.code()));
    });
    async move {
        match told.await {
            Ok(signal) => signal,
            Err(_) => std::future::pending().await,
        }
    }
}

/// Ends when the system asks the program to end: for a surface that takes Ctrl-C as a key.
pub async fn asked_by_the_system() -> Signal {
    Ears::open(false).next().await
}

/// What the process listens to. A signal that cannot be listened to keeps its ordinary effect.
#[cfg(unix)]
struct Ears(Vec<(Signal, tokio::signal::unix::Signal)>);

#[cfg(unix)]
impl Ears {
    fn open(for_ctrl_c: bool) -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let kinds = [
            (Signal::Terminate, SignalKind::terminate()),
            (Signal::Hangup, SignalKind::hangup()),
            (Signal::Interrupt, SignalKind::interrupt()),
        ];
        let heard = kinds.into_iter().filter(|(name, _)| for_ctrl_c || *name != Signal::Interrupt);
        Self(heard.filter_map(|(name, kind)| Some((name, signal(kind).ok()?))).collect())
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
    const fn open(for_ctrl_c: bool) -> Self {
        Self(for_ctrl_c)
    }

    async fn next(&mut self) -> Signal {
        if !self.0 {
            return std::future::pending().await;
        }
        drop(tokio::signal::ctrl_c().await);
        Signal::Interrupt
    }
}
