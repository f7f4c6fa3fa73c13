//! From frames to an answer: what holds for every protocol, once a protocol's decoder has understood a frame.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt};
use serde_json::Value;

use super::http::Secrets;
use super::{Event, Events, Finish};
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::usage::Usage;

/// The pieces into which a protocol cuts its answer: an SSE event's data, a line, or a whole body.
pub(super) type Frames = BoxStream<'static, Result<String, Failure>>;

/// How long to wait for a tardy usage figure or end mark, once the model has said why it stopped: silence after that is
/// an end, not a stall.
const GRACE: Duration = Duration::from_secs(2);

/// Understands one protocol's frames.
pub(super) trait Decoder: Send + 'static {
    /// Understands one frame.
    fn frame(&mut self, text: &str, out: &mut Vec<Event>) -> Result<(), Failure>;

    /// The frames have ended. A decoder that has seen the answer's end says [`Event::Done`] if it has not yet.
    fn end(&mut self, out: &mut Vec<Event>) -> Result<(), Failure>;

    /// Whether the model has said why it stopped, so that nothing of worth is lost if no more comes.
    fn is_finished(&self) -> bool {
        false
    }
}

/// Reads an answer. What its head told comes first.
pub(super) fn read(head: Option<Event>, frames: Frames, decoder: impl Decoder, secrets: Arc<Secrets>) -> Events {
    let reading = Reading {
        frames,
        decoder,
        secrets,
        ready: head.into_iter().collect(),
        failure: None,
        said: false,
        called: false,
        usage: None,
        over: false,
    };
    stream::unfold(reading, |mut reading| async move { reading.next().await.map(|item| (item, reading)) }).boxed()
}

struct Reading<D> {
    frames: Frames,
    decoder: D,
    secrets: Arc<Secrets>,
    ready: VecDeque<Event>,
    /// To be told after what is ready.
    failure: Option<Failure>,
    said: bool,
    called: bool,
    usage: Option<Usage>,
    over: bool,
}

impl<D: Decoder> Reading<D> {
    async fn next(&mut self) -> Option<Result<Event, Failure>> {
        loop {
            while let Some(event) = self.ready.pop_front() {
                if let Some(item) = self.checked(event) {
                    return Some(item);
                }
            }
            if let Some(failure) = self.failure.take() {
                return Some(Err(self.failed(failure)));
            }
            if self.over {
                return None;
            }
            let mut out = Vec::new();
            if let Err(failure) = self.advance(&mut out).await {
                self.failure = Some(failure);
            }
            self.ready.extend(out);
        }
    }

    async fn advance(&mut self, out: &mut Vec<Event>) -> Result<(), Failure> {
        let finished = self.decoder.is_finished();
        let next = if finished {
            tokio::time::timeout(GRACE, self.frames.next()).map(Result::ok).await.flatten()
        } else {
            self.frames.next().await
        };
        match next {
            Some(Ok(frame)) => self.decoder.frame(&frame, out),
            Some(Err(failure)) if !finished => Err(failure),
            Some(Err(_)) | None => {
                // Whatever the decoder says now, nothing more comes.
                let ended = self.decoder.end(out);
                if ended.is_ok() && !out.iter().any(|event| matches!(event, Event::Done(_))) {
                    return Err(Failure::new(FailureClass::Truncated, "the answer ended without its end mark"));
                }
                ended
            }
        }
    }

    /// What holds of an event whatever the protocol: emptiness, that no usage is unknown usage, and that some protocols end a tool call with `stop`.
    fn checked(&mut self, event: Event) -> Option<Result<Event, Failure>> {
        match &event {
            Event::Text(text) | Event::Thinking(text) if text.is_empty() => return None,
            Event::Growing(0) => return None,
            Event::Text(_) | Event::Thinking(_) => self.said = true,
            Event::ToolCall(_) => (self.said, self.called) = (true, true),
            // Who counts nothing at all says nothing: it is also what gateways write where they do not know.
            Event::Usage(usage) if *usage == Usage::default() || self.usage == Some(*usage) => return None,
            Event::Usage(usage) => self.usage = Some(*usage),
            Event::Growing(_) | Event::Cost(_) | Event::Held(_) | Event::ColdStart(_) | Event::Limits(_) => {}
            Event::Done(finish) => {
                let item = self.finish(*finish);
                self.close();
                return Some(item);
            }
        }
        Some(Ok(event))
    }

    fn finish(&self, finish: Finish) -> Result<Event, Failure> {
        let produced = self.usage.is_some_and(|usage| usage.output > 0);
        let class = match finish {
            Finish::Stop | Finish::ToolCalls if self.called => return Ok(Event::Done(Finish::ToolCalls)),
            _ if self.said => return Ok(Event::Done(finish)),
            // The limit went on reasoning that is not shown: an answer that was cut short, not an empty one.
            Finish::Length if produced => return Ok(Event::Done(finish)),
            Finish::ContentFilter => FailureClass::ContentRefused,
            Finish::Stop | Finish::Length | Finish::ToolCalls => FailureClass::Empty,
        };
        let message =
            if class == FailureClass::Empty { "the answer is empty" } else { "the provider refused to answer" };
        Err(self.dressed(Failure::new(class, message)))
    }

    fn failed(&mut self, failure: Failure) -> Failure {
        self.close();
        self.dressed(failure)
    }

    fn dressed(&self, mut failure: Failure) -> Failure {
        failure.usage = failure.usage.or(self.usage);
        self.secrets.scrubbed(failure)
    }

    /// Lets go of the connection.
    fn close(&mut self) {
        self.over = true;
        self.ready.clear();
        self.failure = None;
        self.frames = stream::empty().boxed();
    }
}

/// A frame as JSON.
pub(super) fn parse(frame: &str) -> Result<Value, Failure> {
    serde_json::from_str(frame).map_err(|error| {
        // The error tells a place, never the text.
        Failure::new(FailureClass::Garbled, &format!("the answer is not JSON: {error}"))
    })
}

/// A tool's arguments, that arrive as JSON in a string. Some models leave an empty string where they mean none.
pub(super) fn arguments(text: &str) -> Option<Value> {
    if text.trim().is_empty() {
        return Some(Value::Object(serde_json::Map::new()));
    }
    serde_json::from_str(text).ok().filter(Value::is_object)
}

/// A text field.
pub(super) fn text<'a>(value: &'a Value, field: &str) -> Option<&'a str> {
    value.get(field).and_then(Value::as_str)
}

/// The largest count that is believed, beyond every window and every load time in nanoseconds that there is: a service that
/// says more has counted below nought, and must not spoil every sum that its figure is in.
const MOST: u64 = 1_000_000_000_000;

/// A count, however it is written.
pub(super) fn count(value: &Value, pointer: &str) -> Option<u64> {
    let found = value.pointer(pointer)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a count, and checked"
    )]
    let count = found.as_u64().or_else(|| found.as_f64().filter(|n| (0.0..=MOST as f64).contains(n)).map(|n| n as u64));
    count.filter(|count| *count <= MOST)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_count_that_no_model_could_reach_is_not_believed() {
        let counts = json!({ "below": u64::MAX, "good": 41, "written": 41.0, "far": 1e300 });
        assert_eq!((count(&counts, "/good"), count(&counts, "/written")), (Some(41), Some(41)));
        assert_eq!((count(&counts, "/below"), count(&counts, "/far")), (None, None));
    }
}
