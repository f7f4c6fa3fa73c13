//! What the simulated upstreams saw: tests assert on it what reached whom.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tokio::sync::watch;

use super::fault::FaultKind;
use crate::domain::id::BackendId;
use crate::domain::money::Money;
use crate::domain::time::Timestamp;
use crate::domain::usage::Usage;

/// How an exchange ended, as the upstream saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With a whole answer, handed on to the last byte.
    Whole,
    /// With a word on why there is no answer.
    Refused,
    /// By a fault: without an answer, or with something that is not a whole one.
    Broken,
    /// The client went away before the answer was whole.
    Gone,
}

/// One request as an upstream saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Which upstream.
    pub backend: BackendId,
    /// When.
    pub at: Timestamp,
    /// The path, with the query.
    pub path: String,
    /// Whether it was a prompt rather than a probe or a listing.
    pub is_prompt: bool,
    /// The model that was asked for.
    pub model: Option<String>,
    /// Whether the answer was asked for piece by piece.
    pub streamed: bool,
    /// Every text in the request's body, joined by newlines. It holds what people wrote, so it is for tests only: no
    /// screen and no log may show it.
    pub prompt_text: String,
    /// The fault that the request met.
    pub fault: Option<FaultKind>,
    /// The response's status; `None` while there is none, and for good where the connection was closed without one.
    pub status: Option<u16>,
    /// How it ended; `None` while it is under way. A job ends when the work is done or cancelled, whoever asks for it.
    pub ended: Option<Ended>,
    /// What the upstream bills, by kind: the prompt as soon as it was read, and what had been produced when the answer
    /// ended or broke off, whether or not the client was told of it.
    pub usage: Usage,
    /// The time that is billed, for what is paid by the hour: from when a worker had the prompt until the last of its
    /// answer, in real time.
    pub held: Option<Duration>,
    /// The amount of the bill, by the prices that [`Simulation::config`](super::Simulation::config) states. What was
    /// refused, and what never reached a model, costs nothing.
    pub billed: Money,
}

#[derive(Debug)]
struct Ring {
    seen: VecDeque<Seen>,
    dropped: u64,
    capacity: usize,
}

/// The log: the latest requests of all upstreams. Clones are handles of the same log.
#[derive(Clone, Debug)]
pub(super) struct Log {
    ring: Arc<Mutex<Ring>>,
    /// Told of every exchange that ends.
    ends: watch::Sender<()>,
}

/// One line of the log that is still being written. When its last handle is gone, so is whoever might have ended it.
#[derive(Clone, Debug)]
pub(super) struct Entry(Arc<Line>);

#[derive(Debug)]
struct Line {
    log: Log,
    number: u64,
}

impl Log {
    pub(super) fn new(capacity: usize) -> Self {
        let ring = Ring { seen: VecDeque::new(), dropped: 0, capacity: capacity.max(1) };
        Self { ring: Arc::new(Mutex::new(ring)), ends: watch::Sender::default() }
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The prompts that hold a text, once every one of them has ended.
    pub(super) async fn ended(&self, text: &str) -> Vec<Seen> {
        let mut ends = self.ends.subscribe();
        loop {
            ends.mark_unchanged();
            let holds = |seen: &&Seen| seen.is_prompt && seen.prompt_text.contains(text);
            let found: Vec<Seen> = self.ring().seen.iter().filter(holds).cloned().collect();
            // The log itself holds a sender, so there is always one.
            if found.iter().all(|seen| seen.ended.is_some()) || ends.changed().await.is_err() {
                return found;
            }
        }
    }

    pub(super) fn all(&self) -> Vec<Seen> {
        self.ring().seen.iter().cloned().collect()
    }

    pub(super) fn clear(&self) {
        let mut ring = self.ring();
        ring.dropped += ring.seen.len() as u64;
        ring.seen.clear();
    }

    pub(super) fn begin(&self, backend: &BackendId, path: String, is_prompt: bool, body: &[u8]) -> Entry {
        let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let mut texts = Vec::new();
        gather(&body, &mut texts);
        let from_path = path.split("/models/").nth(1).and_then(|rest| rest.split([':', '?']).next());
        // A job of a queue carries the prompt one or two levels down.
        let job = body.get("input").unwrap_or(&body);
        let inner = job.get("openai_input").unwrap_or(job);
        let streamed = match inner.get("stream").and_then(Value::as_bool) {
            Some(streamed) => streamed,
            None => path.contains(":stream") || path.ends_with("/api/chat"),
        };
        let seen = Seen {
            backend: backend.clone(),
            at: now(),
            is_prompt,
            model: inner.get("model").and_then(Value::as_str).or(from_path).map(str::to_owned),
            streamed,
            prompt_text: texts.join("\n"),
            fault: None,
            status: None,
            ended: None,
            usage: Usage::default(),
            held: None,
            billed: Money::ZERO,
            path,
        };
        let mut ring = self.ring();
        if ring.seen.len() >= ring.capacity {
            ring.seen.pop_front();
            ring.dropped += 1;
        }
        ring.seen.push_back(seen);
        let number = ring.dropped + ring.seen.len() as u64 - 1;
        Entry(Arc::new(Line { log: self.clone(), number }))
    }
}

impl Entry {
    /// Changes the line, if the ring still has it.
    pub(super) fn edit(&self, change: impl FnOnce(&mut Seen)) {
        self.0.edit(change);
    }

    /// Says how the exchange ended, unless that has been said.
    pub(super) fn end(&self, how: Ended) {
        self.0.end(how);
    }

    /// The texts of the request.
    pub(super) fn prompt_text(&self) -> String {
        let mut text = String::new();
        self.edit(|seen| text.clone_from(&seen.prompt_text));
        text
    }
}

impl Line {
    fn edit(&self, change: impl FnOnce(&mut Seen)) {
        let mut ring = self.log.ring();
        let at = self.number.checked_sub(ring.dropped).and_then(|at| usize::try_from(at).ok());
        if let Some(seen) = at.and_then(|at| ring.seen.get_mut(at)) {
            change(seen);
        }
    }

    fn end(&self, how: Ended) {
        self.edit(|seen| seen.ended = seen.ended.or(Some(how)));
        self.log.ends.send_replace(());
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.end(Ended::Gone);
    }
}

fn gather(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::String(text) => into.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| gather(item, into)),
        Value::Object(fields) => fields.values().for_each(|field| gather(field, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The wall clock: what simulated services put into their answers.
pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A time as RFC 3339 writes it.
pub(super) fn rfc3339(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.0).map(|at| at.to_string()).unwrap_or_default()
}
