//! Job control: how the dashboard stops and goes on as a job of the shell that started it.
//!
//! The terminal is in raw mode, so that ctrl-z is a key and no signal: what the terminal would have done with it is done
//! here. And `SIGTSTP` is caught, because the terminal must be given back first: what the system would have done with it
//! is done here too. A caught signal has lost its ordinary effect for good, so the stop itself is a `SIGSTOP`.

use std::task::Poll;

use futures::FutureExt;
use tokio::sync::Notify;

/// What befell the terminal while the loop was busy with something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upset {
    /// The program is asked to stop (`SIGTSTP`).
    Stop,
    /// The program was stopped and goes on (`SIGCONT`). Where it did not stop itself, nobody gave the terminal back, and
    /// a shell may have used it since.
    Continued,
    /// A task panicked, and the terminal was given back so that the words could be read.
    Lost,
}

/// Who stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    /// All that the shell started on this line, as ctrl-z does: whatever runs this program (cargo, a script, a
    /// pipeline) is stopped too, or the shell would go on waiting for it.
    Job,
    /// Only this program, as an ordinary one would on `kill -TSTP PID`. Whoever means the whole job signals all of it
    /// (`kill -TSTP %1`), and then the others need nothing from us.
    Program,
}

/// The terminal was given back by a panic. A permit stays until somebody listens.
static LOST: Notify = Notify::const_new();

/// Tells that a panic gave the terminal back.
pub(super) fn lost() {
    LOST.notify_one();
}

/// What the process listens to. A signal that cannot be listened to keeps its ordinary effect.
#[derive(Default)]
pub(super) struct Ears {
    signals: Vec<(Upset, system::Ear)>,
}

/// A shell that ends a stopped job (`kill %1`) sends what ends it together with what lets it go on. The second is heard at
/// once, the first a moment later; to stop again before would swallow it.
const LAST_WORD: std::time::Duration = std::time::Duration::from_millis(200);

impl Ears {
    /// Listens from now on.
    pub(super) fn open() -> Self {
        Self { signals: system::ears() }
    }

    /// The next thing that befalls the terminal. Can be dropped without losing anything.
    pub(super) async fn next(&mut self) -> Upset {
        tokio::select! {
            () = LOST.notified() => Upset::Lost,
            upset = first(&mut self.signals, |_| true) => upset,
        }
    }

    /// Waits until the program goes on after a stop. That it goes on is the only way to know that it had stopped: the
    /// system stops one thread after the other, and the one that asked for it may run on for a moment.
    async fn continued(&mut self) {
        if self.signals.iter().any(|(what, _)| *what == Upset::Continued) {
            first(&mut self.signals, |what| what == Upset::Continued).await;
        }
    }

    /// Stops, and returns when the program goes on with the terminal at its disposal.
    ///
    /// # Errors
    ///
    /// The system does not let it stop.
    pub(super) async fn stop(&mut self, whom: Whom) -> std::io::Result<()> {
        // One that was heard before and not looked at would pass for the end of this stop.
        let _ = self.continued().now_or_never();
        system::stop(whom)?;
        self.continued().await;
        self.foreground().await;
        Ok(())
    }

    /// Waits until the terminal is at the program's disposal. In the background (`bg`) it is the shell's: touching it
    /// would take the shell's settings for those to go back to, so the job stops again, as one that wants to write.
    pub(super) async fn foreground(&mut self) {
        while system::in_background() && system::can_stop() {
            tokio::time::sleep(LAST_WORD).await;
            if system::refuse_background().is_err() {
                break;
            }
            self.continued().await;
        }
    }
}

async fn first(ears: &mut [(Upset, system::Ear)], wanted: impl Fn(Upset) -> bool) -> Upset {
    std::future::poll_fn(|context| {
        let mut heard = ears.iter_mut().filter(|(what, _)| wanted(*what));
        let arrived = heard.find_map(|(what, ear)| ear.poll_recv(context).is_ready().then_some(*what));
        arrived.map_or(Poll::Pending, Poll::Ready)
    })
    .await
}

/// Whether a stop of the whole job would have an effect: where no shell watches it (the program is the first one of its
/// session, as in `xterm -e` or a container), nobody could let it go on.
pub(super) fn can_stop() -> bool {
    system::can_stop()
}

#[cfg(unix)]
mod system {
    use std::io;
    use std::process::{Command, Stdio};

    use rustix::process::{
        Pid, Signal, WaitOptions, getpgrp, getpid, kill_current_process_group, kill_process, waitpid,
    };
    use rustix::termios::tcgetpgrp;
    use tokio::signal::unix::{SignalKind, signal};

    use super::{Upset, Whom};

    pub(super) type Ear = tokio::signal::unix::Signal;

    pub(super) fn ears() -> Vec<(Upset, Ear)> {
        let kinds = [(Upset::Stop, Signal::TSTP), (Upset::Continued, Signal::CONT)];
        kinds
            .into_iter()
            .filter_map(|(what, kind)| Some((what, signal(SignalKind::from_raw(kind.as_raw())).ok()?)))
            .collect()
    }

    pub(super) fn stop(whom: Whom) -> io::Result<()> {
        match whom {
            Whom::Job => kill_current_process_group(Signal::STOP)?,
            Whom::Program => kill_process(getpid(), Signal::STOP)?,
        }
        Ok(())
    }

    /// The system discards a `SIGTSTP` that nobody could undo, but obeys every `SIGSTOP`. Its rule (orphaned process
    /// groups, ignored signals) is asked for by letting it decide about a shell that does nothing else.
    pub(super) fn can_stop() -> bool {
        let probe = Command::new("sh")
            .args(["-c", "kill -TSTP $$"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut probe) = probe else { return false };
        let stopped = waitpid(Some(Pid::from_child(&probe)), WaitOptions::UNTRACED)
            .is_ok_and(|status| status.is_some_and(|(_, status)| status.stopped()));
        if stopped {
            // It must not stay behind in the job, stopped for ever.
            drop(probe.kill());
            drop(probe.wait());
        }
        stopped
    }

    pub(super) fn in_background() -> bool {
        tcgetpgrp(io::stdin()).is_ok_and(|foreground| foreground != getpgrp())
    }

    pub(super) fn refuse_background() -> io::Result<()> {
        Ok(kill_current_process_group(Signal::TTOU)?)
    }
}

#[cfg(not(unix))]
mod system {
    use std::io;
    use std::task::{Context, Poll};

    use super::{Upset, Whom};

    pub(super) struct Ear;

    impl Ear {
        pub(super) fn poll_recv(&mut self, _: &mut Context<'_>) -> Poll<Option<()>> {
            Poll::Pending
        }
    }

    pub(super) fn ears() -> Vec<(Upset, Ear)> {
        Vec::new()
    }

    pub(super) fn stop(_: Whom) -> io::Result<()> {
        Ok(())
    }

    pub(super) fn can_stop() -> bool {
        false
    }

    pub(super) fn in_background() -> bool {
        false
    }

    pub(super) fn refuse_background() -> io::Result<()> {
        Ok(())
    }
}
