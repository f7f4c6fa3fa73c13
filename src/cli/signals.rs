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
    let (tell, told) = oneshot::channel();
    tokio::spawn(async move {
        let signal = next().await;
        let _ = tell.send(signal);
        let _ = tokio::time::timeout(PATIENCE, next()).await;
        std::process::exit(i32::from(signal.code()));
    });
    async move {
        match told.await {
            Ok(signal) => signal,
            Err(_) => std::future::pending().await,
        }
    }
}

async fn next() -> Signal {
    tokio::select! {
        _ = tokio::signal::ctrl_c() => Signal::Interrupt,
        signal = asked_by_the_system() => signal,
    }
}

/// Ends when the system asks the program to end: for a surface that takes Ctrl-C as a key.
pub async fn asked_by_the_system() -> Signal {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (Ok(mut terminate), Ok(mut hangup)) = (signal(SignalKind::terminate()), signal(SignalKind::hangup()))
        else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = terminate.recv() => Signal::Terminate,
            _ = hangup.recv() => Signal::Hangup,
        }
    }
    #[cfg(not(unix))]
    std::future::pending().await
}
