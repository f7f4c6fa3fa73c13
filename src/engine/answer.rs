//! An answer as its caller gets it: a stream of what happens, or the whole of it.

use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio_util::sync::DropGuard;

use super::fact::{Attempt, Dispatched};
use crate::domain::decision::{Decision, Rejected};
use crate::domain::failure::Failure;
use crate::domain::id::{BackendId, ModelId, RequestId};
use crate::domain::money::Cost;
use crate::domain::prompt::ToolCall;
use crate::domain::tier::Tier;
use crate::domain::usage::Usage;
use crate::provider::Finish;

/// What happens while an answer is on its way, in order.
#[derive(Clone)]
pub enum Progress {
    /// An attempt was sent: after one that failed, or beside one that is slow.
    Attempting(Dispatched),
    /// The first meaningful token arrived. Where two attempts are under way, this one answers, and the other is no more.
    FirstToken {
        /// The attempt's number, from 1.
        attempt: u32,
        /// Since dispatch.
        after: Duration,
    },
    /// A piece of the answer's text.
    Text(String),
    /// A piece of the model's reasoning.
    Thinking(String),
    /// The model asks for a tool.
    ToolCall(ToolCall),
    /// An attempt failed; another one follows, or goes on beside it, or the end comes. What arrived of it since its
    /// [`Progress::Attempting`] is no part of the answer: it is to be discarded, at the latest when the next one is sent.
    /// Under [`Delivery::Streamed`](super::Delivery) nothing arrived.
    AttemptFailed(Arc<Attempt>),
    /// The end; nothing follows.
    Ended(Result<Arc<Ending>, CallError>),
}

impl Progress {
    /// How much of the answer it brings, in bytes.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Text(text) | Self::Thinking(text) => text.len(),
            Self::ToolCall(call) => call.arguments.to_string().len(),
            Self::Attempting(_) | Self::FirstToken { .. } | Self::AttemptFailed(_) | Self::Ended(_) => 0,
        }
    }
}

/// How a whole answer ended.
#[derive(Clone, Debug, Serialize)]
pub struct Ending {
    /// The request.
    pub request: RequestId,
    /// Which tier answered.
    pub tier: Tier,
    /// Which backend.
    pub backend: BackendId,
    /// Which model.
    pub model: ModelId,
    /// Why the answer ended.
    pub finish: Finish,
    /// From dispatch of the attempt that answered to its first token.
    pub first_token: Option<Duration>,
    /// From acceptance of the request to the end.
    pub total: Duration,
    /// What the attempt that answered used.
    pub usage: Option<Usage>,
    /// What the attempt that answered cost.
    pub cost: Cost,
    /// All attempts, failed ones included, in the order in which they ended.
    pub attempts: Vec<Arc<Attempt>>,
}

/// A whole answer. Its `Debug` form shows sizes, never text.
#[derive(Clone, Serialize)]
pub struct Reply {
    /// The text.
    pub text: String,
    /// The tools that the model asks for.
    #[serde(skip)]
    pub tool_calls: Vec<ToolCall>,
    /// How it ended.
    #[serde(flatten)]
    pub ending: Arc<Ending>,
    /// Where it went and why.
    pub decision: Arc<Decision>,
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reply")
            .field("text_bytes", &self.text.len())
            .field("tool_calls", &self.tool_calls.len())
            .field("ending", &self.ending)
            .finish_non_exhaustive()
    }
}

/// Why a request has no whole answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CallError {
    /// No backend may serve the request.
    #[error("{}", no_route(.0))]
    NoRoute(Arc<Decision>),
    /// Every attempt failed, the last one before anything of it was delivered.
    #[error("every attempt failed; the last one at {} ({}): {}{}", last.backend, last.model, failure_of(last), skipped_words(skipped))]
    AllFailed {
        /// The last attempt.
        last: Arc<Attempt>,
        /// Candidates that were not asked, because they had gone out of reach by the time of their turn.
        skipped: Vec<Rejected>,
    },
    /// The answer broke off after a part of it had been delivered, and nobody else could give it anew. That part is not a
    /// whole answer.
    #[error("the answer broke off: {0}")]
    Cut(Failure),
    /// The caller or an operator cancelled it.
    #[error("cancelled")]
    Cancelled,
    /// A defect of this program ended the request.
    #[error("a defect of llm-call ended the request; the log has more")]
    Defect,
    /// Too many requests are in flight.
    #[error("{limit} requests are in flight, which is the limit; try again")]
    Busy {
        /// How many that is.
        limit: u32,
    },
    /// The engine is shutting down and takes no requests.
    #[error("the engine is shutting down")]
    ShuttingDown,
}

fn no_route(decision: &Decision) -> String {
    let mut text = decision.headline();
    for rejected in &decision.rejected {
        let model = rejected.model.as_ref().map(|model| format!(" {model}")).unwrap_or_default();
        text.push_str(&format!(
            "\n  {} {}{model}: {} ({})",
            rejected.tier,
            rejected.backend,
            rejected.reason,
            rejected.reason.remedy()
        ));
    }
    text
}

fn skipped_words(skipped: &[Rejected]) -> String {
    let Some(first) = skipped.first() else { return String::new() };
    let more = match skipped.len() {
        1 => String::new(),
        count => format!(", and {} more not asked", count - 1),
    };
    format!("; {} not asked: {}{more}", first.backend, first.reason)
}

fn failure_of(attempt: &Attempt) -> String {
    attempt.outcome.as_ref().err().map(ToString::to_string).unwrap_or_default()
}

/// An answer on its way. Dropping it cancels the request.
pub struct Answer {
    pub(super) id: RequestId,
    pub(super) decision: Arc<Decision>,
    pub(super) progress: mpsc::Receiver<Progress>,
    pub(super) cancel: DropGuard,
}

impl Answer {
    /// The request's id.
    #[must_use]
    pub const fn id(&self) -> RequestId {
        self.id
    }

    /// Where it goes and why.
    #[must_use]
    pub const fn decision(&self) -> &Arc<Decision> {
        &self.decision
    }

    /// What happens next; `None` after [`Progress::Ended`].
    pub async fn next(&mut self) -> Option<Progress> {
        self.progress.recv().await
    }

    /// The whole answer.
    ///
    /// # Errors
    ///
    /// Why there is none. What had arrived by then is dropped: a part is never shown as the whole.
    pub async fn whole(mut self) -> Result<Reply, CallError> {
        let mut text = String::new();
        let mut tool_calls = Vec::new();
        while let Some(progress) = self.next().await {
            match progress {
                Progress::Text(piece) => text.push_str(&piece),
                Progress::ToolCall(call) => tool_calls.push(call),
                Progress::Ended(end) => {
                    return end.map(|ending| Reply { text, tool_calls, ending, decision: Arc::clone(&self.decision) });
                }
                Progress::AttemptFailed(attempt) if attempt.delivered => {
                    text.clear();
                    tool_calls.clear();
                }
                Progress::Attempting(_)
                | Progress::FirstToken { .. }
                | Progress::Thinking(_)
                | Progress::AttemptFailed(_) => {}
            }
        }
        Err(CallError::Defect)
    }

    /// Cancels the request. Dropping the answer does the same.
    pub fn cancel(self) {
        drop(self.cancel);
    }
}

impl Stream for Answer {
    type Item = Progress;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Progress>> {
        self.progress.poll_recv(context)
    }
}
