//! One attempt from leave to ledger: admitted by the actor, told of, made, settled.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Delivery;
use super::answer::Progress;
use super::attempt::{Errand, Patience};
use super::fact::{Attempt, Dispatched, Fact};
use super::lease::{Lease, Refused};
use super::message::{Ask, Message, Settled};
use super::race::Race;
use super::work::Work;
use crate::domain::decision::Candidate;
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::fleet::{self, Backend, Lesson, Model, ModelSpec, Turn};
use crate::domain::learning::{Outcome, Served};
use crate::domain::money::Money;
use crate::domain::rejection::Rejection;
use crate::domain::time::Timestamp;
use crate::provider::{Call, Client, Finish};

/// What is asked of whom, and when it has to begin.
#[derive(Clone, Copy)]
pub(super) struct Plan<'a> {
    pub candidate: &'a Candidate,
    /// The attempt's number, from 1.
    pub number: u32,
    /// Whether nobody else is left to be asked: then it may take what is left of the request's time.
    pub is_last: bool,
    /// Which of the request's attempts it is, as far as its tier's retries are concerned.
    pub turn: Turn,
    /// The end of the request's time for a first token.
    pub deadline: Instant,
    pub race: &'a Race,
}

/// An attempt that has leave, and that the caller was told of.
pub(super) struct Admitted<'a> {
    plan: Plan<'a>,
    client: &'a Client,
    lease: Lease,
    dispatched: Dispatched,
    model: Arc<ModelSpec>,
    patience: Patience,
}

impl Work {
    /// Asks for leave for an attempt, and tells that it is sent.
    pub async fn admit<'a>(&'a self, plan: Plan<'a>) -> Result<Admitted<'a>, Refused> {
        let (shared, candidate) = (&*self.shared, plan.candidate);
        let snapshot = shared.snapshot();
        let Some(backend) = snapshot.fleet.backend(&candidate.backend) else {
            return Err(Refused::Rejected(Rejection::OtherBackend));
        };
        let (Some(model), Some(client)) = (backend.model(&candidate.model), shared.clients.get(&candidate.backend))
        else {
            return Err(Refused::Rejected(Rejection::ModelMissing));
        };
        let mut lease = tokio::select! {
            biased;
            () = self.cancel.cancelled() => return Err(Refused::Unwanted),
            lease = Lease::acquire(&shared.inbox, self.ask(&plan)) => lease?,
        };
        // What a model is may have come out since the decision; dropping the lease gives it back.
        Rejection::by_guard(self.guarded.verdict(), lease.reach()).map_err(Refused::Rejected)?;
        let dispatched = Dispatched {
            request: self.request.id,
            attempt: plan.number,
            tier: candidate.tier,
            backend: candidate.backend.clone(),
            model: candidate.model.clone(),
            at: shared.clock.now(),
        };
        lease.written().await?;
        let patience = self.patience(&plan, backend, model);
        // Once another attempt answers, its pieces may be on their way, and the caller must not take them for this one's.
        let told = Progress::Attempting(dispatched.clone());
        self.tell_caller_if(|| !plan.race.is_won(), told).await?;
        shared.tell(Fact::Dispatched(dispatched.clone()));
        Ok(Admitted { plan, client, lease, dispatched, model: Arc::clone(&model.spec), patience })
    }

    fn ask(&self, plan: &Plan<'_>) -> Ask {
        let candidate = plan.candidate;
        Ask {
            ask: fleet::Ask {
                backend: candidate.backend.clone(),
                model: candidate.model.clone(),
                caller: Arc::clone(&self.request.caller),
                reserve: candidate.estimate.cost_upper.unwrap_or(Money::ZERO),
                size: candidate.estimate.size(),
                last_resort: candidate.last_resort,
                turn: plan.turn,
            },
            request: self.request.id,
            number: plan.number,
            task: self.decision.analysis.task,
            kind: Some(self.decision.analysis.kind),
            forecast: Some(self.decision.analysis.output_tokens.p50),
            decision: (plan.number == 1).then(|| Arc::clone(&self.decision)),
        }
    }

    /// Makes an attempt and books it.
    pub async fn send(&self, admitted: Admitted<'_>) -> Arc<Attempt> {
        let shared = &*self.shared;
        let Admitted { plan, client, mut lease, dispatched, model, patience } = admitted;
        lease.sent();
        let Dispatched { request, attempt: number, tier, backend, model: id, at } = dispatched;
        let call = Call {
            model: id.clone(),
            stream: self.delivery != Delivery::Whole,
            context: model.context,
            max_output: model.max_output,
            input_tokens: self.decision.analysis.input_tokens,
        };
        let on_first_token = |after| {
            shared.tell(Fact::FirstToken { request, attempt: number, after });
            if let Some(passes) = lease.trial() {
                // With a full inbox the end of the answer decides the trial.
                drop(shared.inbox.try_send(Message::Began { backend: backend.clone(), model: id.clone(), passes }));
            }
        };
        let on_limits = |limits| {
            // With a full inbox the next answer tells them again.
            drop(shared.inbox.try_send(Message::Limits { backend: backend.clone(), model: id.clone(), limits }));
        };
        let errand = Errand {
            client,
            reach: lease.reach(),
            guarded: &self.guarded,
            call: &call,
            patience,
            number,
            race: plan.race,
            cancel: &self.cancel,
            kill: &lease.kill(),
            progress: &self.progress,
            transcript: self.transcript.as_ref(),
            on_first_token: &on_first_token,
            on_limits: &on_limits,
        };
        let report = errand.run().await;
        let now = shared.clock.now();
        let cost = report.cost(&model.pricing, self.decision.analysis.input_tokens, now);
        let outcome = report.outcome.clone().map_err(|failure| self.without_quotes(failure));
        let attempt = Arc::new(Attempt {
            request,
            number,
            tier,
            backend,
            model: id,
            last_resort: plan.candidate.last_resort,
            started: at,
            first_token: report.first_token,
            total: report.total,
            outcome,
            delivered: report.delivered,
            usage: report.usage,
            cost,
            predicted: plan.candidate.estimate.cost,
        });
        lease.settle(Settled {
            sample: report.sample(now),
            failure: match &attempt.outcome {
                Err(_) if report.blameless => Some(Failure::new(FailureClass::Cancelled, "no time was left for it")),
                outcome => outcome.as_ref().err().cloned(),
            },
            lesson: self.lesson(plan.candidate, &attempt, report.blameless, now),
            attempt: Arc::clone(&attempt),
        });
        shared.performance(&self.decision, &attempt);
        shared.tell(Fact::Attempted(Arc::clone(&attempt)));
        self.tell_failure(&attempt).await;
        attempt
    }

    /// What an attempt teaches: what came of such work at this model, and how its provider counts.
    fn lesson(&self, candidate: &Candidate, attempt: &Attempt, blameless: bool, now: Timestamp) -> Lesson {
        let analysis = &self.decision.analysis;
        let served = match &attempt.outcome {
            Ok(Finish::ContentFilter) => Some(Served::Refused),
            // An answer that was to be no longer than that is whole as far as it was wanted.
            Ok(Finish::Length) if analysis.needs.max_tokens.is_none() => Some(Served::Cut),
            Ok(_) => Some(Served::Ok),
            Err(failure) => failure.class.served().filter(|_| !blameless),
        };
        let millis = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
        let usage = attempt.usage.as_ref();
        let tokens = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        Lesson {
            outcome: served.map(|served| Outcome {
                kind: analysis.kind,
                tier: candidate.tier,
                model: candidate.model.clone(),
                served,
                quality: None,
                first_token_ms: attempt.first_token.map(millis),
                total_ms: Some(millis(attempt.total)),
                output_tokens: usage.map(|usage| tokens(usage.output)),
                forecast_tokens: Some(analysis.output_tokens.p50),
                at: now,
            }),
            billed: usage
                .filter(|_| attempt.outcome.is_ok() && !analysis.needs.images && !analysis.needs.tools)
                .map(|usage| (candidate.model.clone(), analysis.counts, tokens(usage.prompt()))),
        }
    }

    /// How long the attempt may take. The operator's word holds for every candidate; a timer that was learnt is there to
    /// pass a request on, and must not end one that nobody else can serve.
    fn patience(&self, plan: &Plan<'_>, backend: &Backend, model: &Model) -> Patience {
        let timeouts = &backend.spec.timeouts;
        let tokens = self.decision.analysis.input_tokens;
        Patience {
            // The beginning of a whole answer is not seen, so that nothing is learnt of how long this one may take.
            first_token: match self.delivery {
                Delivery::Whole => timeouts.first_token.longest(),
                _ => timeouts.until_first_token(&model.summary, backend.is_cold(model), tokens),
            },
            stall: timeouts.until_it_moves(&model.summary),
            whole: self.whole_answer(plan.candidate, model, timeouts.first_token.longest()),
            deadline: plan.deadline,
            to_the_last: plan.is_last && !timeouts.first_token.is_set(),
        }
    }

    /// How long an answer that is asked for whole may take beyond its first token: twice what a long one of its task is
    /// expected to, and no less than its beginning may take: forecasts of a length are rough, and thinking is not in them.
    /// Streamed answers show that they move, and need no such allowance.
    #[expect(clippy::cast_precision_loss, reason = "a rough allowance")]
    fn whole_answer(&self, candidate: &Candidate, model: &Model, least: Duration) -> Duration {
        if self.delivery != Delivery::Whole {
            return Duration::ZERO;
        }
        let assumed = self.shared.policy.assumed[candidate.tier.index()].tokens_per_second;
        let speed = model.summary.tokens_per_second.unwrap_or(assumed as f32).max(1.0);
        Duration::from_secs_f32(2.0 * candidate.estimate.output_tokens.p90 as f32 / speed).max(least)
    }

    /// Tells the log and the caller of an attempt that failed; nothing, where the caller or a faster candidate ended it. A
    /// caller who cannot take back what was delivered hears of it at the end, which is next.
    async fn tell_failure(&self, attempt: &Arc<Attempt>) {
        let Err(failure) = &attempt.outcome else { return };
        if matches!(failure.class, FailureClass::Cancelled | FailureClass::Overtaken) {
            return;
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
        if attempt.delivered && !self.delivery.can_be_taken_back() {
            return;
        }
        // If the caller has gone away, the next step finds out.
        drop(self.tell_caller_if(|| true, Progress::AttemptFailed(Arc::clone(attempt))).await);
    }

    /// Tells the caller something if, at the moment in which there is room for it, it is still to be told.
    async fn tell_caller_if(&self, is_wanted: impl Fn() -> bool, progress: Progress) -> Result<(), Refused> {
        let room = tokio::select! {
            biased;
            () = self.cancel.cancelled() => return Err(Refused::Unwanted),
            room = self.progress.reserve() => room.map_err(|_| Refused::Unwanted)?,
        };
        if !is_wanted() {
            return Err(Refused::Unwanted);
        }
        room.send(progress);
        Ok(())
    }

    fn without_quotes(&self, failure: Failure) -> Failure {
        let texts = self.request.prompt.every_text();
        let findings = &self.guarded.verdict().findings;
        // A finding tells its message and not which of its texts, so that others give pieces that are none; they do no harm.
        let values = findings.iter().flat_map(|found| {
            let texts = texts.iter().filter(|(message, _)| *message == found.message);
            texts.filter_map(|(_, text)| text.get(found.start..found.end))
        });
        let values: Vec<&str> = values.collect();
        let texts: Vec<&str> = texts.iter().map(|(_, text)| &**text).collect();
        failure.without_quotes_of(&texts).without_values(&values)
    }
}
