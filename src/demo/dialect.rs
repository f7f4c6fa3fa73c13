//! What every protocol says in its own way: an answer whole, an answer in frames, a refusal. Pure text; time, faults
//! and sockets are the upstream's business.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::Value;

use super::answer::{Ask, Script};
use super::catalog::Card;
use super::log;
use crate::domain::usage::Usage;

/// One exchange: who was asked what, and the answer that was chosen.
pub(super) struct Turn {
    pub(super) ask: Ask,
    pub(super) card: Card,
    pub(super) script: Script,
    /// Sixteen hexadecimal digits, for ids.
    pub(super) id: String,
    /// Prompt tokens by where they came from, and the answer's.
    pub(super) usage: Usage,
    /// Seconds that loading the model took.
    pub(super) load_seconds: f64,
    /// Seconds until the first token, loading left aside.
    pub(super) first_seconds: f64,
    /// Seconds from the first token to the last.
    pub(super) answer_seconds: f64,
}

impl Turn {
    /// Seconds since 1970.
    pub(super) fn created() -> i64 {
        log::now().0 / 1_000
    }

    /// The dollars that the answer costs, where it is charged by the token.
    pub(super) fn dollars(&self) -> f64 {
        self.card.price().map_or(0.0, |price| price.cost(&self.usage).as_usd())
    }
}

/// A part of a streamed answer that is sent in one go.
pub(super) struct Frame {
    pub(super) bytes: Vec<u8>,
    /// Tokens of the answer in it: the time it takes, and what is billed for it. Zero for the frames around the answer.
    pub(super) tokens: u32,
    /// A simulated pause before it, beyond what its tokens take.
    pub(super) pause: Duration,
}

impl Frame {
    pub(super) fn around(text: impl Into<Vec<u8>>) -> Self {
        Self { bytes: text.into(), tokens: 0, pause: Duration::ZERO }
    }

    pub(super) fn piece(text: String, of: &str) -> Self {
        Self { tokens: super::answer::tokens(of).max(1), ..Self::around(text) }
    }
}

/// Why a request gets no answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Refusal {
    BadKey,
    /// The key is good, and has no right to this.
    Forbidden,
    /// `limits` are the seconds until the next request that limit headers name.
    RateLimited {
        retry_after: Option<u32>,
        limits: Option<u32>,
    },
    Overloaded,
    ServerError,
    OutOfCredit,
    ModelMissing {
        model: String,
    },
    ContextTooLong {
        tokens: u32,
        limit: u32,
    },
    ContentRefused,
    BadRequest {
        message: String,
    },
    /// Whatever else a status can say.
    Status(u16),
}

/// What a status is called, for those that have no message of their own.
pub(super) fn reason(status: u16) -> String {
    let known = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    known.map_or_else(|| format!("status {status}"), str::to_owned)
}

/// A protocol, spoken by a server.
pub(super) trait Dialect: Send + Sync + 'static {
    /// Whether the key that a request brings is this one.
    fn knows(&self, headers: &HeaderMap, key: &str) -> bool {
        bearer(headers) == Some(key)
    }

    /// Whether a path answers without a key.
    fn is_open(&self, path: &str) -> bool {
        let _ = path;
        false
    }

    /// The content type of a streamed answer.
    fn stream_type(&self) -> &'static str {
        "text/event-stream; charset=utf-8"
    }

    /// An answer as a whole.
    fn whole(&self, turn: &Turn) -> Value;

    /// An answer in frames.
    fn frames(&self, turn: &Turn) -> Vec<Frame>;

    /// The headers that come with an answer.
    fn headers(&self, turn: &Turn) -> Vec<(&'static str, String)>;

    /// The response to a request that is refused.
    fn refuse(&self, refusal: &Refusal) -> Response;

    /// The headers that say that nothing is left for so many seconds, where the service has such headers.
    fn limits(&self, seconds: u32) -> Vec<(&'static str, String)> {
        let _ = seconds;
        Vec::new()
    }

    /// Whether a policy's refusal comes as an answer of its own kind, under a status of 200.
    fn refuses_in_answer(&self) -> bool {
        false
    }

    /// A sign of life that is no answer.
    fn ping(&self) -> &'static str {
        ": still at it\n\n"
    }

    /// An error in the middle of a streamed answer.
    fn error_frame(&self) -> String;
}

/// The token of an `Authorization: Bearer` header.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

/// A JSON response.
pub(super) fn json_response(status: u16, headers: &[(&'static str, String)], body: &Value) -> Response {
    respond(status, "application/json", headers, Body::from(body.to_string()))
}

/// Any response.
pub(super) fn respond(status: u16, kind: &'static str, headers: &[(&'static str, String)], body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().append(HeaderName::from_static(name), value);
        }
    }
    response
}

/// An event of an event stream: a name, where the protocol has names, and JSON.
pub(super) fn event(name: Option<&str>, data: &Value) -> String {
    name.map_or_else(|| format!("data: {data}\n\n"), |name| format!("event: {name}\ndata: {data}\n\n"))
}
