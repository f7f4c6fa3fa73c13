//! An answer as its caller gets it: a stream of what happens, or the whole of it.

use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio_util::sync::DropGuard;

use super::fact::{Attempt, Dispatched};
use crate::domain::decision::Decision;
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
    /// An attempt was sent.
    Attempting(Dispatched),
    /// The first meaningful token arrived, so long after dispatch.
    FirstToken(Duration),
    /// A piece of the answer's text.
    Text(String),
    /// A piece of the model's reasoning.
    Thinking(String),
    /// The model asks for a tool.
    ToolCall(ToolCall),
    /// An attempt failed before anything of it was delivered; the next one follows, or the end.
    AttemptFailed(Arc<Attempt>),
    /// The end; nothing follows.
    Ended(Result<Arc<Ending>, CallError>),
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
    /// All attempts, failed ones included.
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
    /// Every attempt failed, and nothing was delivered.
    #[error("every attempt failed; the last one at {} ({}): {}", .0.backend, .0.model, failure_of(.0))]
    AllFailed(Arc<Attempt>),
    /// The answer broke off after a part of it had been delivered. That part is not a whole answer.
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
                Progress::Attempting(_)
                | Progress::FirstToken(_)
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
