//! What the simulated upstreams saw: tests assert on it what reached whom.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::fault::FaultKind;
use crate::domain::id::BackendId;
use crate::domain::time::Timestamp;

/// Requests that the log keeps.
const CAPACITY: usize = 4_096;

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
    /// Prompt tokens that the upstream would charge for.
    pub input_tokens: u64,
    /// Tokens of the answer that it had produced when the answer ended or broke off.
    pub output_tokens: u64,
}

#[derive(Debug, Default)]
struct Ring {
    seen: VecDeque<Seen>,
    dropped: u64,
}

/// The log: the latest requests of all upstreams. Clones are handles of the same log.
#[derive(Clone, Debug, Default)]
pub(super) struct Log(Arc<Mutex<Ring>>);

/// One line of the log that is still being written.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    log: Log,
    number: u64,
}

impl Log {
    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
            input_tokens: 0,
            output_tokens: 0,
            path,
        };
        let mut ring = self.ring();
        if ring.seen.len() == CAPACITY {
            ring.seen.pop_front();
            ring.dropped += 1;
        }
        ring.seen.push_back(seen);
        let number = ring.dropped + ring.seen.len() as u64 - 1;
        Entry { log: self.clone(), number }
    }
}

impl Entry {
    /// Changes the line, if the ring still has it.
    pub(super) fn edit(&self, change: impl FnOnce(&mut Seen)) {
        let mut ring = self.log.ring();
        let at = self.number.checked_sub(ring.dropped).and_then(|at| usize::try_from(at).ok());
        if let Some(seen) = at.and_then(|at| ring.seen.get_mut(at)) {
            change(seen);
        }
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
