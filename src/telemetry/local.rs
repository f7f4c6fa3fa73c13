//! The thread on which a GPU driver may hang, and the way to it.
//!
//! It is a plain thread rather than one of the runtime's: the runtime waits for its blocking threads when it ends, and a
//! hanging driver would then hang the program. Nobody waits for this one; it ends when nobody asks any more.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use tokio::sync::mpsc;

use super::pace::{Read, Taken};
use super::{GpuSource, Reading};

/// The near end: asks the thread, and waits only so long.
pub(super) struct Reader {
    questions: SyncSender<bool>,
    answers: mpsc::Receiver<Reading>,
    /// A question is out that has not been answered.
    waiting: bool,
    /// The operator asked while the thread was hanging.
    retry: bool,
    patience: Duration,
}

impl Reader {
    /// Starts the thread.
    pub(super) fn start(mut source: Box<dyn GpuSource>, patience: Duration) -> io::Result<Self> {
        let (questions, asked) = sync_channel::<bool>(1);
        let (tell, answers) = mpsc::channel(1);
        std::thread::Builder::new().name("gpu-reader".to_owned()).spawn(move || {
            while let Ok(retry) = asked.recv() {
                if retry {
                    source.retry();
                }
                if tell.blocking_send(source.read()).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { questions, answers, waiting: false, retry: false, patience })
    }

    async fn ask(&mut self) -> Reading {
        if self.waiting && self.answers.try_recv().is_ok() {
            // The answer to a question that had been given up: it is as old as the wait was long.
            self.waiting = false;
        }
        if !self.waiting {
            if self.questions.try_send(self.retry).is_err() {
                return ended();
            }
            self.retry = false;
            self.waiting = true;
        }
        match tokio::time::timeout(self.patience, self.answers.recv()).await {
            Ok(Some(reading)) => {
                self.waiting = false;
                reading
            }
            Ok(None) => ended(),
            Err(_) => Reading::Failed(Arc::from("the GPU driver does not answer")),
        }
    }
}

fn ended() -> Reading {
    Reading::Absent(Arc::from("the GPU reader stopped; see the log"))
}

impl Read for Reader {
    async fn read(&mut self, asked: bool) -> Taken {
        self.retry |= asked;
        Taken { reading: self.ask().await, not_before: None, rest: None }
    }
}
