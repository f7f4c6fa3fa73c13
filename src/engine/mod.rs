//! The engine: takes requests through the way of a prompt, owns the fleet's state, and tells what happens.

mod actor;
mod answer;
mod attempt;
mod books;
mod call;
mod chain;
mod clock;
mod command;
mod fact;
mod lease;
mod message;
mod pace;
mod probe;
mod race;
mod report;
mod restoring;
mod sending;
mod snapshot;
mod start;
mod teacher;
mod transcript;
pub mod warnings;
mod work;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::hash::RandomState;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::message::{Counters, Message};
use self::transcript::Transcript;
use self::work::{InFlight, Work};
use crate::domain::analysis::{Analysis, analyse};
use crate::domain::decision::{Decision, decide};
use crate::domain::fleet::{AdminState, Backend, CommandError, KeyState};
use crate::domain::id::{BackendId, RequestId};
use crate::domain::policy::Policy;
use crate::domain::privacy::Guarded;
use crate::domain::prompt::Prompt;
use crate::domain::request::{Constraints, Request};
use crate::provider::Client;
use crate::store::journal::Journal;
use crate::store::record::{Ended, Record, RequestRow, TextRow};

pub use answer::{Answer, CallError, Ending, Progress, Reply};
pub use books::recall;
pub use call::{Batch, Call};
pub use clock::{Clock, midnight_after};
pub use command::Command;
pub use fact::{Attempt, Dispatched, Drained, Fact, Finished, HealthChange, OperatorAction, Outcome};
pub use snapshot::Snapshot;
pub use start::Options;

/// How an answer is wanted, and so what becomes of one that breaks off after a part of it was handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Piece by piece, to somebody who passes the pieces on for good: the first one commits, and an answer that breaks off
    /// ends in an error.
    Streamed,
    /// Piece by piece, to somebody who can take back what was shown: an answer that breaks off is begun anew by the next
    /// candidate.
    Revocable,
    /// Whole: the provider is asked for it in one piece where the protocol allows. One that breaks off is begun anew.
    Whole,
}

impl Delivery {
    /// Whether an answer can be begun anew after a part of it was handed on.
    #[must_use]
    pub const fn can_be_taken_back(self) -> bool {
        !matches!(self, Self::Streamed)
    }
}

/// The routing engine. Clones share one engine.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

/// Facts that a slow listener may be behind before it misses some.
const FACTS: usize = 4_096;
/// Slots in the actor's inbox. Every attempt in flight holds one for its last word, so this also bounds those.
const INBOX: usize = 16_384;
/// Requests at once; what comes beyond is refused rather than queued without bound.
const MOST_REQUESTS: u32 = 8_192;
/// Pieces of an answer that may wait for a slow caller before the upstream is held back.
const PROGRESS: usize = 64;

struct Shared {
    clients: HashMap<BackendId, Client>,
    policy: Arc<Policy>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    facts: broadcast::Sender<Fact>,
    inbox: mpsc::Sender<Message>,
    counters: Arc<Counters>,
    clock: Clock,
    /// What questions are known again by, without being kept.
    secret: RandomState,
    log_performance: bool,
    /// Requests in flight.
    requests: TaskTracker,
    /// Cancels every request.
    abort: CancellationToken,
    /// The actor, the probes, the samplers.
    background: TaskTracker,
    stop: CancellationToken,
    stop_actor: CancellationToken,
    /// What is kept of all this; `None` where nothing is.
    store: Option<Keeping>,
}

/// The store, as far as requests and the end have to do with it.
struct Keeping {
    journal: Journal,
    /// Whether prompts and answers are kept as well.
    keep_text: bool,
    /// Ends the folding.
    stop: CancellationToken,
    /// Cancelled when the folding has come to its end.
    folded: CancellationToken,
}

/// An engine that nobody holds any more stops by itself.
impl Drop for Shared {
    fn drop(&mut self) {
        self.stop.cancel();
        self.stop_actor.cancel();
        if let Some(store) = &self.store {
            store.stop.cancel();
        }
    }
}

impl Shared {
    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshots.borrow())
    }

    /// Tells a fact. Nobody listening is no error.
    fn tell(&self, fact: Fact) {
        drop(self.facts.send(fact));
    }

    /// Tells of a decision, and writes it down.
    fn decided(&self, decision: &Arc<Decision>) {
        if let Some(Keeping { journal, .. }) = &self.store {
            journal.write(Record::Request(RequestRow::of(decision)));
            if let Some(found) = books::findings(decision) {
                journal.write(found);
            }
        }
        self.tell(Fact::Decided(Arc::clone(decision)));
    }

    /// Tells that a request has ended, and writes it down.
    fn finished(&self, finished: Finished) {
        if let Some(Keeping { journal, .. }) = &self.store {
            journal.write(Record::Ended(Ended::of(&finished)));
        }
        self.tell(Fact::Finished(Arc::new(finished)));
    }

    /// A transcript of a request's answer, where texts are kept.
    fn transcript(&self) -> Option<Transcript> {
        self.store.as_ref().filter(|store| store.keep_text).map(|_| Transcript::default())
    }

    /// Writes down what was asked and answered, where that is kept.
    fn keep_text(&self, request: &Request, transcript: Option<Transcript>) {
        if let (Some(Keeping { journal, .. }), Some(transcript)) = (&self.store, transcript) {
            journal.keep(TextRow::of(request.id, self.clock.now(), &request.prompt, &transcript.into_answer()));
        }
    }

    /// Logs an attempt's performance, where the configuration asks for it.
    fn performance(&self, decision: &Decision, attempt: &Attempt) {
        if !self.log_performance {
            return;
        }
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        tracing::info!(
            target: "llm_call::performance",
            request = %attempt.request,
            attempt = attempt.number,
            task = %decision.analysis.task,
            tier = %attempt.tier,
            backend = %attempt.backend,
            model = %attempt.model,
            outcome = attempt.outcome.as_ref().map_or_else(|failure| failure.class.words(), |_| "answered"),
            first_token_ms = attempt.first_token.map(millis),
            total_ms = millis(attempt.total),
            input_tokens = attempt.usage.map(|usage| usage.prompt()),
            output_tokens = attempt.usage.map(|usage| usage.output),
            cost = %attempt.cost,
            "attempt"
        );
    }
}

impl Engine {
    /// The policy that routes.
    #[must_use]
    pub fn policy(&self) -> &Arc<Policy> {
        &self.shared.policy
    }

    /// The latest snapshot.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.snapshot()
    }

    /// Snapshots as they come; only the latest is kept.
    #[must_use]
    pub fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.shared.snapshots.clone()
    }

    /// Waits until every backend that is probed at all has been probed once, or until `patience` has run out.
    pub async fn first_probes(&self, patience: Duration) {
        let mut snapshots = self.snapshots();
        let probed = snapshots.wait_for(|snapshot| {
            let Snapshot { fleet, at, .. } = &**snapshot;
            let is_left_alone = |backend: &Backend| {
                let admins = [&fleet.tier(backend.spec.tier).admin, &backend.admin];
                matches!(backend.spec.key, KeyState::Missing { .. })
                    || admins.iter().any(|admin| admin.state_at(*at) == AdminState::Maint)
            };
            fleet.backends.iter().all(|backend| backend.probed_at.is_some() || is_left_alone(backend))
        });
        drop(tokio::time::timeout(patience, probed).await);
    }

    /// Facts from now on. A listener that falls more than 4,096 facts behind misses some and is told how many.
    #[must_use]
    pub fn facts(&self) -> broadcast::Receiver<Fact> {
        self.shared.facts.subscribe()
    }

    /// Where a prompt would go now, without sending anything: the same code that routes.
    #[must_use]
    pub fn explain(&self, prompt: &Prompt, constraints: &Constraints, caller: &Arc<str>) -> Decision {
        self.consider(prompt.clone(), constraints.clone(), caller, false).2
    }

    fn consider(
        &self,
        prompt: Prompt,
        constraints: Constraints,
        caller: &Arc<str>,
        may_explore: bool,
    ) -> (Request, Guarded, Decision) {
        let policy = &self.shared.policy;
        let prompt = Arc::new(prompt);
        let analysis: Analysis = analyse(&prompt, constraints.task);
        let guarded = Guarded::inspect(Arc::clone(&prompt), constraints.privacy, &policy.guard);
        let id = RequestId(uuid::Uuid::now_v7());
        let request = Request {
            id,
            prompt,
            constraints,
            caller: Arc::clone(caller),
            chance: if may_explore { id.chance() } else { 1.0 },
        };
        let snapshot = self.snapshot();
        let matter = request.matter(&analysis, guarded.verdict());
        let decision = decide(matter, &snapshot.fleet, policy, self.shared.clock.now());
        (request, guarded, decision)
    }

    /// Takes a request. Returns at once; the answer arrives through the returned value.
    ///
    /// # Errors
    ///
    /// [`CallError::NoRoute`] if nobody may serve it, [`CallError::Busy`] if too many requests are in flight,
    /// [`CallError::ShuttingDown`].
    pub fn submit(
        &self,
        prompt: Prompt,
        constraints: Constraints,
        caller: &Arc<str>,
        delivery: Delivery,
    ) -> Result<Answer, CallError> {
        let shared = &self.shared;
        if shared.stop.is_cancelled() {
            return Err(CallError::ShuttingDown);
        }
        let counted = InFlight::within(MOST_REQUESTS, shared).ok_or(CallError::Busy { limit: MOST_REQUESTS })?;
        let (request, guarded, decision) = self.consider(prompt, constraints, caller, true);
        let decision = Arc::new(decision);
        let id = request.id;
        shared.counters.accepted.fetch_add(1, Ordering::Relaxed);
        shared.decided(&decision);
        if decision.candidates.is_empty() {
            shared.finished(Finished {
                request: id,
                at: shared.clock.now(),
                outcome: Outcome::NoRoute,
                why: Some(decision.headline()),
                total: Duration::ZERO,
                attempts: Vec::new(),
            });
            return Err(CallError::NoRoute(decision));
        }
        let cancel = shared.abort.child_token();
        let (progress, receiver) = mpsc::channel(PROGRESS + 1);
        let work = Work {
            shared: Arc::clone(shared),
            request,
            guarded,
            decision: Arc::clone(&decision),
            ending: progress.clone().try_reserve_owned().ok(),
            progress,
            cancel: cancel.clone(),
            delivery,
            transcript: shared.transcript(),
        };
        let defended = guarded_against_defects(Arc::clone(shared), id, work);
        shared.requests.spawn(async move {
            defended.await;
            drop(counted);
        });
        Ok(Answer { id, decision, progress: receiver, cancel: cancel.drop_guard() })
    }

    /// Carries out an operator's command, or says why it cannot be.
    ///
    /// # Errors
    ///
    /// [`CommandError`].
    pub async fn command(&self, command: Command, by: &Arc<str>) -> Result<(), CommandError> {
        let (reply, answer) = oneshot::channel();
        let message = Message::Command { command, by: Arc::clone(by), reply };
        self.shared.inbox.try_send(message).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => CommandError::Busy,
            mpsc::error::TrySendError::Closed(_) => CommandError::ShuttingDown,
        })?;
        answer.await.unwrap_or(Err(CommandError::ShuttingDown))
    }

    /// Stops the engine: takes no new requests, gives those in flight until `grace` has passed, then cancels them, and
    /// returns when everything is booked.
    pub async fn shutdown(&self, grace: Duration) {
        let shared = &self.shared;
        shared.stop.cancel();
        shared.requests.close();
        if tokio::time::timeout(grace, shared.requests.wait()).await.is_err() {
            shared.abort.cancel();
            shared.requests.wait().await;
        }
        shared.stop_actor.cancel();
        shared.background.close();
        shared.background.wait().await;
        if let Some(store) = &shared.store {
            store.journal.close().await;
            store.stop.cancel();
            store.folded.cancelled().await;
        }
    }
}

/// Runs a request. A panic in it costs this request alone, which still ends in a fact; its lease and its counts come back
/// by their destructors.
async fn guarded_against_defects(shared: Arc<Shared>, request: RequestId, work: Work) {
    let started = tokio::time::Instant::now();
    if AssertUnwindSafe(work.run()).catch_unwind().await.is_err() {
        tracing::error!(%request, "a request ended in a panic");
        drop(shared.inbox.send(Message::Ended { request, answered_by: None }).await);
        shared.finished(Finished {
            request,
            at: shared.clock.now(),
            outcome: Outcome::Failed,
            why: Some(CallError::Defect.to_string()),
            total: started.elapsed(),
            attempts: Vec::new(),
        });
    }
}
