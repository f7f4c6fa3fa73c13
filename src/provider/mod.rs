//! Clients of the services behind the tiers: one file per wire protocol.
//!
//! A protocol is a `Wire`: it turns a prompt into a stream of [`Event`]s, and probes without cost. Nobody outside this
//! module can call a wire directly. They hold a [`Client`], which is one of two types: [`Inside`] takes any prompt, and
//! is built only for backends to which private prompts may go; [`Outside`] takes only what the guard has cleared.

mod anthropic;
mod connect;
mod dial;
mod errors;
mod events;
mod gemini;
mod http;
#[cfg(feature = "bench")]
pub mod instant;
mod limits;
mod litellm;
mod ndjson;
mod ollama;
mod openai;
mod openai_answer;
mod runpod_health;
mod runpod_queue;
#[cfg(test)]
pub(crate) mod scripted;
mod sse;
#[cfg(test)]
mod tests;

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::Stream;
use futures::future::BoxFuture;

use crate::domain::failure::Failure;
use crate::domain::health::ProbeReport;
use crate::domain::id::ModelId;
use crate::domain::limits::Limits;
use crate::domain::money::Money;
use crate::domain::privacy::Cleared;
use crate::domain::prompt::{Prompt, ToolCall};
use crate::domain::usage::Usage;

use connect::Sighting;
pub use connect::{ConnectError, connect};

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// The model had said all.
    Stop,
    /// The token limit was reached.
    Length,
    /// The model asks for tools.
    ToolCalls,
    /// The provider's policy cut it short.
    ContentFilter,
}

/// A piece of an answer. Its `Debug` form shows sizes, never text.
#[derive(Clone, PartialEq)]
pub enum Event {
    /// Text of the answer.
    Text(String),
    /// Text of the model's reasoning.
    Thinking(String),
    /// The model asks for a tool; arguments are whole and parsed.
    ToolCall(ToolCall),
    /// So many bytes more of a tool call that is not whole yet: the answer moves, though nothing of it can be handed on.
    Growing(usize),
    /// What was used so far; the last one counts.
    Usage(Usage),
    /// The gateway's own figure for the cost of the answer.
    Cost(Money),
    /// How long the worker was at it, where the service says so.
    Held(Duration),
    /// How long the model had to be loaded first, where the service says so.
    ColdStart(Duration),
    /// What is left of the provider's limits, as the answer's head tells: always the first event, if it comes.
    Limits(Limits),
    /// The answer ended properly, by the protocol's own end mark. Always the last event of a whole answer: a stream that
    /// ends without it was cut, and says so with a failure.
    Done(Finish),
}

impl Event {
    /// Whether the event is a part of the answer: what ends the wait for the first token. Roles, pings and usage are not.
    #[must_use]
    pub fn is_content(&self) -> bool {
        match self {
            Self::Text(text) | Self::Thinking(text) => !text.is_empty(),
            Self::ToolCall(_) => true,
            Self::Growing(bytes) => *bytes > 0,
            Self::Usage(_) | Self::Cost(_) | Self::Held(_) | Self::ColdStart(_) | Self::Limits(_) | Self::Done(_) => {
                false
            }
        }
    }

    /// How much of the answer it brings, in bytes.
    #[must_use]
    pub fn content_bytes(&self) -> usize {
        match self {
            Self::Text(text) | Self::Thinking(text) => text.len(),
            Self::ToolCall(call) => call.arguments.to_string().len(),
            Self::Growing(bytes) => *bytes,
            Self::Usage(_) | Self::Cost(_) | Self::Held(_) | Self::ColdStart(_) | Self::Limits(_) | Self::Done(_) => 0,
        }
    }
}

impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Thinking(text) => write!(f, "Thinking({} bytes)", text.len()),
            Self::ToolCall(call) => write!(f, "ToolCall({})", call.name),
            Self::Growing(bytes) => write!(f, "Growing({bytes} bytes)"),
            Self::Usage(usage) => write!(f, "{usage:?}"),
            Self::Cost(cost) => write!(f, "Cost({cost})"),
            Self::Held(held) => write!(f, "Held({held:?})"),
            Self::ColdStart(took) => write!(f, "ColdStart({took:?})"),
            Self::Limits(limits) => write!(f, "{limits:?}"),
            Self::Done(finish) => write!(f, "Done({finish:?})"),
        }
    }
}

/// An answer as it arrives. Dropping it cancels the request upstream. After an error or [`Event::Done`] it ends.
pub type Events = Pin<Box<dyn Stream<Item = Result<Event, Failure>> + Send>>;

/// One call of a model.
#[derive(Clone, Debug)]
pub struct Call {
    /// The model, as the backend names it.
    pub model: ModelId,
    /// Whether the answer is wanted piece by piece. Where not, the wire asks for it whole, and yields it in one event.
    pub stream: bool,
    /// The model's window, where it is known: Ollama has to be told.
    pub context: Option<u32>,
    /// The longest answer the model gives, where it is known; a wire that must name a limit uses it as the bound.
    pub max_output: Option<u32>,
    /// Our own estimate of the prompt's tokens: a wire uses it to notice that a prompt was cut.
    pub input_tokens: u32,
}

/// A wire protocol, bound to one backend.
trait Wire: Send + Sync {
    /// Sends a prompt. The future ends when the response's head has arrived and was no error; timers are the caller's.
    fn start<'a>(&'a self, prompt: &'a Prompt, call: &'a Call) -> BoxFuture<'a, Result<Events, Failure>>;

    /// Asks how the backend is, without using a token or waking a worker.
    fn probe(&self) -> BoxFuture<'_, Result<Sighting, Failure>>;

    /// Loads a model into memory, with the window that requests will ask for. It takes no prompt and no token, and ends
    /// when the model is there. Services that load by themselves have nothing to do.
    fn load<'a>(&'a self, _model: &'a ModelId, _context: Option<u32>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async { Ok(()) })
    }
}

/// A client of a backend to which private prompts may go.
#[derive(Clone)]
pub struct Inside(Arc<dyn Wire>);

/// A client of any other backend: it takes only what the guard has cleared.
#[derive(Clone)]
pub struct Outside(Arc<dyn Wire>);

/// A backend's client.
#[derive(Clone)]
pub enum Client {
    /// Private prompts may go there.
    Inside(Inside),
    /// Only cleared prompts may.
    Outside(Outside),
}

impl Inside {
    /// Sends a prompt.
    ///
    /// # Errors
    ///
    /// What went wrong before the answer began.
    pub async fn start(&self, prompt: &Prompt, call: &Call) -> Result<Events, Failure> {
        self.0.start(prompt, call).await
    }
}

impl Outside {
    /// Sends a prompt that the guard has cleared.
    ///
    /// # Errors
    ///
    /// What went wrong before the answer began.
    pub async fn start(&self, prompt: &Cleared, call: &Call) -> Result<Events, Failure> {
        self.0.start(prompt.prompt(), call).await
    }
}

impl Client {
    /// Asks how the backend is, without using a token or waking a worker.
    pub async fn probe(&self) -> ProbeReport {
        let started = Instant::now();
        let found = match self {
            Self::Inside(client) => client.0.probe().await,
            Self::Outside(client) => client.0.probe().await,
        };
        connect::report(started, found)
    }

    /// Has a model loaded into memory, where the backend does that on demand.
    ///
    /// # Errors
    ///
    /// What kept the backend from loading it.
    pub async fn load(&self, model: &ModelId, context: Option<u32>) -> Result<(), Failure> {
        match self {
            Self::Inside(client) => client.0.load(model, context).await,
            Self::Outside(client) => client.0.load(model, context).await,
        }
    }
}
