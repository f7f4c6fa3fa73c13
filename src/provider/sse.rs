//! Server-sent events, one function over `sseer`: it is the only place that knows the parser.

use futures::{Stream, StreamExt, future, stream};
use sseer::errors::EventStreamError;
use sseer::event_stream::EventStream;
use tokio_util::bytes::Bytes;

use super::events::Frames;
use super::http::reading;
use crate::domain::failure::{Failure, FailureClass};

/// The longest line that is taken in.
pub(super) const LINE_BYTES: usize = 8 << 20;
/// The longest answer: far above any model's output, and a bound all the same.
const ANSWER_BYTES: usize = 64 << 20;
/// The longest stray error.
const STRAY_BYTES: usize = 64 << 10;

/// The data of each event of a body, in order.
pub(super) fn frames<E>(body: impl Stream<Item = Result<Bytes, E>> + Send + 'static) -> Frames
where
    E: std::error::Error + Into<Problem> + Send + 'static,
{
    let guarded = stream::unfold(Some((Box::pin(body), Guard::default())), |state| async move {
        let (mut body, mut guard) = state?;
        match body.next().await {
            Some(Ok(bytes)) => match guard.pass(bytes) {
                Ok(bytes) => Some((Ok(bytes), Some((body, guard)))),
                Err(problem) => Some((Err(problem), None)),
            },
            Some(Err(error)) => Some((Err(error.into()), None)),
            None => guard.rest().map(|bytes| (Ok(bytes), None)),
        }
    });
    EventStream::new(Box::pin(guarded))
        .map(|event| match event {
            Ok(event) => Ok(event.data.to_string()),
            Err(EventStreamError::Transport(problem)) => Err(problem.into()),
            Err(EventStreamError::Utf8Error(_)) => Err(Failure::new(FailureClass::Garbled, "the answer is not UTF-8")),
        })
        .scan(false, |failed, item| {
            let next = if *failed { None } else { Some(item) };
            *failed = next.as_ref().is_some_and(Result::is_err);
            future::ready(next)
        })
        .boxed()
}

/// What can go wrong below the events.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    /// The connection.
    #[error("{0}")]
    Connection(#[from] reqwest::Error),
    /// More bytes than are taken in.
    #[error("the answer is longer than is taken in")]
    TooLong,
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::Connection(error) => reading(&error),
            Problem::TooLong => Self::new(FailureClass::Garbled, "the answer is longer than is taken in"),
        }
    }
}

/// Stands before the parser, which has no bound of its own, and which drops what is no event. Gemini, and gateways that
/// die mid-answer, write a bare JSON error over several lines into the stream: it is held, and handed on as an event.
#[derive(Default)]
struct Guard {
    total: usize,
    line: usize,
    stray: Option<Vec<u8>>,
}

impl Guard {
    fn pass(&mut self, bytes: Bytes) -> Result<Bytes, Problem> {
        self.total = self.total.saturating_add(bytes.len());
        if self.total > ANSWER_BYTES {
            return Err(Problem::TooLong);
        }
        if let Some(stray) = &mut self.stray {
            stray.extend(bytes.iter().take(STRAY_BYTES.saturating_sub(stray.len())));
            return Ok(Bytes::new());
        }
        for (at, byte) in bytes.iter().enumerate() {
            match byte {
                b'\n' | b'\r' => self.line = 0,
                b'{' | b'[' if self.line == 0 => {
                    let from = &bytes[at..];
                    self.stray = Some(from[..from.len().min(STRAY_BYTES)].to_vec());
                    return Ok(bytes.slice(..at));
                }
                _ => self.line += 1,
            }
        }
        if self.line > LINE_BYTES { Err(Problem::TooLong) } else { Ok(bytes) }
    }

    fn rest(self) -> Option<Bytes> {
        let line: Vec<u8> =
            self.stray?.into_iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }).collect();
        Some(Bytes::from([b"\n\ndata: ", line.as_slice(), b"\n\n"].concat()))
    }
}
