//! The life of one request: its candidates one after the other, until one has answered or none is left.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::actor::{Ask, Message, Settled};
use super::answer::{CallError, Ending, Progress};
use super::attempt::Errand;
use super::fact::{Attempt, Dispatched, Fact, Finished, Outcome};
use super::lease::{Lease, Refused};
use super::{Delivery, Shared};
use crate::domain::decision::{Candidate, Decision};
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::fleet::Model;
use crate::domain::id::BackendId;
use crate::domain::money::Money;
use crate::domain::privacy::Guarded;
use crate::domain::rejection::Rejection;
use crate::domain::request::Request;
use crate::provider::{Call, Finish};

/// The longest pause before the same candidate is tried again. A person waits; past this, an error serves them better.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// The pause where the provider named none.
const DEFAULT_PAUSE: Duration = Duration::from_millis(500);
/// The actor counts a hold from when it hears of the failure, which is a little later than when it happened.
const MARGIN: Duration = Duration::from_millis(50);

/// One request on its way.
pub(super) struct Work {
    pub shared: Arc<Shared>,
    pub request: Request,
    pub guarded: Guarded,
    pub decision: Arc<Decision>,
    pub progress: mpsc::Sender<Progress>,
    /// Room for the end, so that a caller who reads no more cannot keep the request from ending.
    pub ending: Option<mpsc::OwnedPermit<Progress>>,
    pub cancel: CancellationToken,
    pub delivery: Delivery,
}

/// What one candidate came to.
enum Step {
    Answered {
        attempt: Arc<Attempt>,
        finish: Finish,
    },
    /// Nothing was delivered; the next may try.
    Next(Failure),
    /// The request has to end here.
    End(CallError, Outcome),
}

impl Work {
    /// Runs the request to its end. Whatever happens, it ends in exactly one [`Fact::Finished`] and, as long as somebody
    /// listens, one [`Progress::Ended`].
    pub async fn run(mut self) {
        let started = Instant::now();
        let accepted = Message::Accepted { request: self.request.id, cancel: self.cancel.clone() };
        // A closed inbox shows when leave is asked for.
        drop(self.shared.inbox.send(accepted).await);
        let mut attempts = Vec::new();
        let end = self.serve(started, &mut attempts).await;
        let answered_by = end.as_ref().ok().map(|(attempt, _)| (attempt.backend.clone(), attempt.model.clone()));
        drop(self.shared.inbox.send(Message::Ended { request: self.request.id, answered_by }).await);
        let (ended, outcome) = match end {
            Ok((attempt, finish)) => {
                let ending = Ending {
                    request: self.request.id,
                    tier: attempt.tier,
                    backend: attempt.backend.clone(),
                    model: attempt.model.clone(),
                    finish,
                    first_token: attempt.first_token,
                    total: started.elapsed(),
                    usage: attempt.usage,
                    cost: attempt.cost,
                    attempts: attempts.clone(),
                };
                (Ok(Arc::new(ending)), Outcome::Answered)
            }
            Err((error, outcome)) => (Err(error), outcome),
        };
        self.shared.tell(Fact::Finished(Arc::new(Finished {
            request: self.request.id,
            at: self.shared.clock.now(),
            outcome,
            why: ended.as_ref().err().map(|error| error.to_string().lines().next().unwrap_or_default().to_owned()),
            total: started.elapsed(),
            attempts,
        })));
        if let Some(slot) = self.ending.take() {
            slot.send(Progress::Ended(ended));
        }
    }

    async fn serve(
        &self,
        started: Instant,
        attempts: &mut Vec<Arc<Attempt>>,
    ) -> Result<(Arc<Attempt>, Finish), (CallError, Outcome)> {
        let deadline = started + self.shared.policy.deadline;
        let mut given_up: Vec<BackendId> = Vec::new();
        let mut refusals: Vec<(usize, Rejection)> = Vec::new();
        let mut again: Option<(&Candidate, Duration)> = None;
        for (index, candidate) in self.decision.candidates.iter().enumerate() {
            let made = u32::try_from(attempts.len()).unwrap_or(u32::MAX);
            if made >= self.shared.policy.max_attempts || Instant::now() >= deadline {
                break;
            }
            if given_up.contains(&candidate.backend) {
                continue;
            }
            let step = match self.attempt(candidate, deadline, attempts).await {
                Ok(step) => step,
                Err(Refused::Closed) => return Err((CallError::ShuttingDown, Outcome::Failed)),
                Err(Refused::Rejected(rejection)) => {
                    refusals.push((index, rejection));
                    continue;
                }
            };
            match step {
                Step::Answered { attempt, finish } => return Ok((attempt, finish)),
                Step::End(error, outcome) => return Err((error, outcome)),
                Step::Next(failure) => {
                    if failure.class.concerns_backend() {
                        given_up.push(candidate.backend.clone());
                    }
                    if let Some(pause) = pause(&failure).filter(|pause| again.is_none_or(|(_, least)| *pause < least)) {
                        again = Some((candidate, pause));
                    }
                }
            }
        }
        if attempts.is_empty()
            && let Some(candidate) = self.least_bad(&refusals)
        {
            // Healthy when it was decided, ill when its turn came, and nobody else is there: the same last resort as if
            // it had been ill from the start.
            match self.attempt(&candidate, deadline, attempts).await {
                Ok(Step::Answered { attempt, finish }) => return Ok((attempt, finish)),
                Ok(Step::End(error, outcome)) => return Err((error, outcome)),
                Ok(Step::Next(_)) | Err(_) => {}
            }
        }
        // Nobody else is left. Who asked for the least patience gets one more try, if that is short.
        if let Some((candidate, pause)) = again
            && pause <= LONGEST_PAUSE + MARGIN
            && Instant::now() + pause < deadline
            && u32::try_from(attempts.len()).unwrap_or(u32::MAX) < self.shared.policy.max_attempts
        {
            tokio::select! {
                biased;
                () = self.cancel.cancelled() => return Err((CallError::Cancelled, Outcome::Cancelled)),
                () = tokio::time::sleep(pause) => {}
            }
            match self.attempt(candidate, deadline, attempts).await {
                Ok(Step::Answered { attempt, finish }) => return Ok((attempt, finish)),
                Ok(Step::End(error, outcome)) => return Err((error, outcome)),
                Ok(Step::Next(_)) | Err(_) => {}
            }
        }
        Err(self.nobody_answered(attempts, refusals))
    }

    /// The first candidate that was refused for its health alone, as a last resort.
    fn least_bad(&self, refusals: &[(usize, Rejection)]) -> Option<Candidate> {
        let (index, _) = refusals.iter().find(|(_, reason)| reason.is_about_health())?;
        let candidate = self.decision.candidates.get(*index)?;
        Some(Candidate { last_resort: true, ..candidate.clone() })
    }

    fn nobody_answered(&self, attempts: &[Arc<Attempt>], refusals: Vec<(usize, Rejection)>) -> (CallError, Outcome) {
        if let Some(last) = attempts.last() {
            return (CallError::AllFailed(Arc::clone(last)), Outcome::Failed);
        }
        // Every candidate went out of reach between the decision and its turn: the decision is told again as it came out.
        let mut decision = (*self.decision).clone();
        for (index, reason) in refusals {
            if let Some(candidate) = self.decision.candidates.get(index) {
                decision.rejected.push(crate::domain::decision::Rejected {
                    tier: candidate.tier,
                    backend: candidate.backend.clone(),
                    model: Some(candidate.model.clone()),
                    reason,
                });
            }
        }
        decision.candidates.clear();
        (CallError::NoRoute(Arc::new(decision)), Outcome::NoRoute)
    }

    async fn attempt(
        &self,
        candidate: &Candidate,
        deadline: Instant,
        attempts: &mut Vec<Arc<Attempt>>,
    ) -> Result<Step, Refused> {
        let shared = &*self.shared;
        let snapshot = shared.snapshot();
        let Some(backend) = snapshot.fleet.backend(&candidate.backend) else {
            return Err(Refused::Rejected(Rejection::OtherBackend));
        };
        let (Some(model), Some(client)) = (backend.model(&candidate.model), shared.clients.get(&candidate.backend))
        else {
            return Err(Refused::Rejected(Rejection::ModelMissing));
        };
        let lease = tokio::select! {
            biased;
            () = self.cancel.cancelled() => return Ok(Step::End(CallError::Cancelled, Outcome::Cancelled)),
            lease = Lease::acquire(&shared.inbox, Ask {
                backend: candidate.backend.clone(),
                model: candidate.model.clone(),
                reserve: candidate.estimate.cost_upper.unwrap_or(Money::ZERO),
                size: candidate.estimate.size(),
                last_resort: candidate.last_resort,
            }) => lease?,
        };
        // What a model is may have come out since the decision; dropping the lease gives it back.
        Rejection::by_guard(self.guarded.verdict(), lease.reach()).map_err(Refused::Rejected)?;
        let number = u32::try_from(attempts.len()).unwrap_or(u32::MAX).saturating_add(1);
        let dispatched = Dispatched {
            request: self.request.id,
            attempt: number,
            tier: candidate.tier,
            backend: candidate.backend.clone(),
            model: candidate.model.clone(),
            at: shared.clock.now(),
        };
        shared.tell(Fact::Dispatched(dispatched.clone()));
        if self.progress.send(Progress::Attempting(dispatched.clone())).await.is_err() {
            return Ok(Step::End(CallError::Cancelled, Outcome::Cancelled));
        }
        let call = Call {
            model: candidate.model.clone(),
            stream: self.delivery == Delivery::Streamed,
            context: model.spec.context,
            max_output: model.spec.max_output,
            input_tokens: self.decision.analysis.input_tokens,
        };
        let on_first_token = |after| {
            shared.tell(Fact::FirstToken { request: self.request.id, attempt: number, after });
            if let Some(passes) = lease.trial() {
                let (backend, model) = (candidate.backend.clone(), candidate.model.clone());
                // With a full inbox the end of the answer decides the trial.
                drop(shared.inbox.try_send(Message::Began { backend, model, passes }));
            }
        };
        let on_limits = |limits| {
            let (backend, model) = (candidate.backend.clone(), candidate.model.clone());
            // With a full inbox the next answer tells them again.
            drop(shared.inbox.try_send(Message::Limits { backend, model, limits }));
        };
        let errand = Errand {
            client,
            reach: lease.reach(),
            guarded: &self.guarded,
            call: &call,
            timeouts: backend.spec.timeouts,
            deadline,
            late: number > 1,
            whole: self.whole_answer(candidate, model),
            cancel: &self.cancel,
            kill: &lease.kill(),
            progress: &self.progress,
            on_first_token: &on_first_token,
            on_limits: &on_limits,
        };
        let report = errand.run().await;
        let now = shared.clock.now();
        let cost = report.cost(&model.spec.pricing, self.decision.analysis.input_tokens, now);
        let outcome = report.outcome.clone().map_err(|failure| self.without_quotes(failure));
        let attempt = Arc::new(Attempt {
            request: self.request.id,
            number,
            tier: candidate.tier,
            backend: candidate.backend.clone(),
            model: candidate.model.clone(),
            started: dispatched.at,
            first_token: report.first_token,
            total: report.total,
            outcome,
            delivered: report.delivered,
            usage: report.usage,
            cost,
        });
        lease.settle(Settled {
            sample: report.sample(now),
            failure: match &attempt.outcome {
                Err(_) if report.blameless => Some(Failure::new(FailureClass::Cancelled, "no time was left for it")),
                outcome => outcome.as_ref().err().cloned(),
            },
            usage: report.usage,
            cost,
        });
        attempts.push(Arc::clone(&attempt));
        shared.performance(&self.decision, &attempt);
        shared.tell(Fact::Attempted(Arc::clone(&attempt)));
        Ok(self.after(attempt).await)
    }

    /// What an attempt's end means for the request.
    async fn after(&self, attempt: Arc<Attempt>) -> Step {
        let failure = match &attempt.outcome {
            Ok(finish) => return Step::Answered { finish: *finish, attempt },
            Err(failure) => failure.clone(),
        };
        if failure.class == FailureClass::Cancelled {
            return Step::End(CallError::Cancelled, Outcome::Cancelled);
        }
        tracing::warn!(
            request = %attempt.request,
            attempt = attempt.number,
            backend = %attempt.backend,
            model = %attempt.model,
            delivered = attempt.delivered,
            %failure,
            "attempt failed"
        );
        if attempt.delivered {
            return Step::End(CallError::Cut(failure), Outcome::Cut);
        }
        // If the caller has gone away, the next step finds out.
        drop(self.progress.send(Progress::AttemptFailed(Arc::clone(&attempt))).await);
        if failure.class.may_move_on() {
            Step::Next(failure)
        } else {
            Step::End(CallError::AllFailed(attempt), Outcome::Failed)
        }
    }

    /// How long an answer that is asked for whole may take beyond its first token: twice what a long one of its task is
    /// expected to. Streamed answers show that they move, and need no such allowance.
    #[expect(clippy::cast_precision_loss, reason = "a rough allowance")]
    fn whole_answer(&self, candidate: &Candidate, model: &Model) -> Duration {
        if self.delivery == Delivery::Streamed {
            return Duration::ZERO;
        }
        let assumed = self.shared.policy.assumed[candidate.tier.index()].tokens_per_second;
        let speed = model.summary.tokens_per_second.unwrap_or(assumed as f32).max(1.0);
        Duration::from_secs_f32(2.0 * candidate.estimate.output_tokens.p90 as f32 / speed)
    }

    fn without_quotes(&self, failure: Failure) -> Failure {
        let texts = self.request.prompt.every_text();
        let texts: Vec<&str> = texts.iter().map(|(_, text)| &**text).collect();
        failure.without_quotes_of(&texts)
    }
}

/// How long to wait before the same candidate is tried once more; `None` where that would be of no use. A rate limit
/// without a time is held for longer than a caller waits.
fn pause(failure: &Failure) -> Option<Duration> {
    let named = failure.retry_after.map(|pause| pause.saturating_add(MARGIN));
    let unnamed = (failure.class != FailureClass::RateLimited).then_some(DEFAULT_PAUSE);
    named.or(unnamed).filter(|_| failure.class.may_retry())
}

/// Counts a request in flight for as long as it lives.
pub(super) struct InFlight(Arc<Shared>);

impl InFlight {
    /// Counts one more; `None` if that would be more than `most`. It has to be counted before its task runs: a flood that
    /// is counted later takes every slot of the actor's inbox, and then nobody gets a second one.
    pub fn within(most: u32, shared: &Arc<Shared>) -> Option<Self> {
        let counted = Self(Arc::clone(shared));
        let before = shared.counters.in_flight.fetch_add(1, Ordering::Relaxed);
        (before < most).then_some(counted)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.counters.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
