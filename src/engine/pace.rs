//! Whether an answer that has begun moves on.

use std::time::Duration;

use futures::StreamExt;
use tokio::time::{Instant, timeout};

use crate::domain::failure::{Failure, FailureClass};
use crate::provider::{Event, Events};

/// Bytes that an answer must bring within each stall window: about four tokens, so that a drip of single letters does not
/// count as going on. It cannot hit an honest model on a slow processor: the slowest that anybody waits for gives a token
/// of some four bytes every second or two, which is 16 bytes in eight seconds, against half a minute or more by default;
/// and a learnt window is ten times the longest pauses between that model's own pieces, in which ten pieces come.
const PROGRESS: usize = 16;

/// The pace of one answer. Only time that is spent waiting for the upstream counts: that a caller reads slowly is not its
/// fault.
pub(super) struct Pace {
    window: Duration,
    /// Waited since the last progress, and what came in that time.
    waited: Duration,
    brought: usize,
    /// Waited since the last piece; `None` before the first.
    since_piece: Option<Duration>,
    longest_pause: Option<Duration>,
}

impl Pace {
    pub const fn new(window: Duration) -> Self {
        Self { window, waited: Duration::ZERO, brought: 0, since_piece: None, longest_pause: None }
    }

    /// The next event of an answer that has begun; a failure, if the answer has not moved on by then.
    pub async fn next(&mut self, events: &mut Events) -> Result<Option<Result<Event, Failure>>, Failure> {
        let before = Instant::now();
        let left = self.window.saturating_sub(self.waited);
        let event = timeout(left, events.next()).await.map_err(|_| self.stalled())?;
        let took = before.elapsed();
        self.waited += took;
        self.since_piece = self.since_piece.map(|since| since + took);
        Ok(event)
    }

    /// So many bytes of the answer came.
    pub fn bring(&mut self, bytes: usize) {
        if bytes == 0 {
            return;
        }
        self.longest_pause = self.longest_pause.max(self.since_piece.replace(Duration::ZERO));
        self.brought += bytes;
        if self.brought >= PROGRESS {
            (self.waited, self.brought) = (Duration::ZERO, 0);
        }
    }

    /// The longest wait from one piece to the next; `None` before there were two.
    pub const fn longest_pause(&self) -> Option<Duration> {
        self.longest_pause
    }

    fn stalled(&self) -> Failure {
        let seconds = self.window.as_secs_f32();
        let what = match self.brought {
            0 => format!("nothing for {seconds:.1} s in the middle of an answer"),
            bytes => format!("only {bytes} bytes in {seconds:.1} s in the middle of an answer"),
        };
        Failure::new(FailureClass::Stalled, &what)
    }
}
