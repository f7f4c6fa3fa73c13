//! A request's candidates, one after the other, until one has answered or none is left.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::Delivery;
use super::answer::CallError;
use super::fact::{Attempt, Outcome};
use super::lease::Refused;
use super::race::Race;
use super::sending::{Admitted, Plan};
use super::work::Work;
use crate::domain::decision::{Candidate, Rejected};
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::fleet::Turn;
use crate::domain::id::BackendId;
use crate::domain::money::Money;
use crate::domain::rejection::Rejection;
use crate::provider::Finish;

/// The longest pause before the same candidate is tried again. A person waits; past this, an error serves them better.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// The pause where the provider named none.
const DEFAULT_PAUSE: Duration = Duration::from_millis(500);
/// The actor counts a hold from when it hears of the failure, which is a little later than when it happened.
const MARGIN: Duration = Duration::from_millis(50);

/// How a request ended: with the attempt that answered it, or why there is no answer.
pub(super) type End = Result<(Arc<Attempt>, Finish), (CallError, Outcome)>;

/// The way of one request through its candidates.
pub(super) struct Chain<'a> {
    work: &'a Work,
    /// The end of the time for a first token.
    deadline: Instant,
    attempts: &'a mut Vec<Arc<Attempt>>,
    /// Candidates that were asked, by their place in the decision.
    asked: Vec<usize>,
    /// Backends of which nothing more is expected.
    given_up: Vec<BackendId>,
    /// Candidates that were refused when their turn came.
    refused: Vec<(usize, Rejection)>,
    /// Who asked for the least patience, and for how much.
    again: Option<(usize, Duration)>,
}

impl<'a> Chain<'a> {
    pub fn new(work: &'a Work, started: Instant, attempts: &'a mut Vec<Arc<Attempt>>) -> Self {
        let deadline = started + work.shared.policy.deadline;
        Self { work, deadline, attempts, asked: Vec::new(), given_up: Vec::new(), refused: Vec::new(), again: None }
    }

    /// Asks one candidate after the other.
    pub async fn run(mut self) -> End {
        while let Some((index, candidate)) = self.next() {
            let end = match self.hedge(index) {
                Some((second, after)) => self.ask_both(index, second, after).await,
                None => self.ask(index, candidate).await,
            };
            if let Some(end) = end {
                return end;
            }
        }
        if self.has_time()
            && let Some((index, candidate)) = self.least_bad()
            && let Some(end) = self.ask(index, &candidate).await
        {
            // Healthy when it was decided, ill when its turn came, and nobody else is there: the same last resort as if
            // it had been ill from the start.
            return end;
        }
        if let Some(end) = self.ask_again().await {
            return end;
        }
        Err(self.nobody_answered())
    }

    /// The next candidate: one that was neither asked nor refused, and whose backend may still answer.
    fn next(&self) -> Option<(usize, &'a Candidate)> {
        let is_refused = |index: usize| self.refused.iter().any(|(refused, _)| *refused == index);
        let mut candidates = self.work.decision.candidates.iter().enumerate().filter(|_| self.has_time());
        candidates.find(|(index, _)| self.is_open(*index) && !is_refused(*index))
    }

    fn has_time(&self) -> bool {
        self.attempts_left() > 0 && Instant::now() < self.deadline
    }

    /// Nobody else is left. Who asked for the least patience gets one more try, if that is short.
    async fn ask_again(&mut self) -> Option<End> {
        let (index, pause) = self.again.take()?;
        let candidate = self.work.decision.candidates.get(index)?;
        let is_too_late = pause > LONGEST_PAUSE + MARGIN || Instant::now() + pause >= self.deadline;
        if is_too_late || self.attempts_left() == 0 {
            return None;
        }
        tokio::select! {
            biased;
            () = self.work.cancel.cancelled() => return Some(cancelled()),
            () = tokio::time::sleep(pause) => {}
        }
        self.ask(index, candidate).await
    }

    fn attempts_left(&self) -> u32 {
        let made = u32::try_from(self.attempts.len()).unwrap_or(u32::MAX);
        self.work.shared.policy.max_attempts.saturating_sub(made)
    }

    fn number(&self) -> u32 {
        u32::try_from(self.attempts.len()).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// Whether a candidate has not been asked yet and may still be.
    fn is_open(&self, index: usize) -> bool {
        let given_up = |candidate: &Candidate| self.given_up.contains(&candidate.backend);
        !self.asked.contains(&index) && self.work.decision.candidates.get(index).is_some_and(|one| !given_up(one))
    }

    /// Whether nobody could be asked after this candidate, if it turns out to be silent: that speaks for its whole backend.
    fn is_last(&self, candidate: &Candidate, number: u32) -> bool {
        let mut others = self.work.decision.candidates.iter().enumerate();
        let somebody = others.any(|(index, other)| other.backend != candidate.backend && self.is_open(index));
        number >= self.work.shared.policy.max_attempts || (!somebody && self.again.is_none())
    }

    /// Asks one candidate. Returns how the request ended, if that is its end.
    async fn ask(&mut self, index: usize, candidate: &Candidate) -> Option<End> {
        let race = Race::default();
        let admitted = match self.admit(index, candidate, &race).await {
            Ok(admitted) => admitted,
            Err(end) => return end,
        };
        let attempt = self.work.send(admitted).await;
        self.conclude(index, attempt)
    }

    /// Asks for leave. Without it comes how the request ended, if that is its end.
    async fn admit<'b>(
        &mut self,
        index: usize,
        candidate: &'b Candidate,
        race: &'b Race,
    ) -> Result<Admitted<'b>, Option<End>>
    where
        'a: 'b,
    {
        let number = self.number();
        let is_last = self.is_last(candidate, number);
        let turn = match number {
            1 => Turn::First,
            2 if !self.asked.contains(&index) => Turn::Over,
            _ => Turn::Further,
        };
        let plan = Plan { candidate, number, is_last, turn, deadline: self.deadline, race };
        match self.work.admit(plan).await {
            Ok(admitted) => {
                self.asked.push(index);
                Ok(admitted)
            }
            Err(Refused::Rejected(rejection)) => {
                self.refused.push((index, rejection));
                Err(None)
            }
            Err(Refused::Closed) => Err(Some(Err((CallError::ShuttingDown, Outcome::Failed)))),
            Err(Refused::Unwanted) => Err(Some(cancelled())),
        }
    }

    /// Who is asked as well, and after how long, if a request's first candidate is slower than in nineteen cases of twenty.
    /// Only where enough was measured to say so, and where both together cost no more than the request allows.
    fn hedge(&self, index: usize) -> Option<(usize, Duration)> {
        let work = self.work;
        if !work.shared.policy.hedge
            || work.delivery == Delivery::Whole
            || self.number() > 1
            || self.attempts_left() < 2
        {
            return None;
        }
        let candidates = &work.decision.candidates;
        let first = candidates.get(index).filter(|first| !first.estimate.cold)?;
        let snapshot = work.shared.snapshot();
        let history = &snapshot.fleet.backend(&first.backend)?.model(&first.model)?.summary;
        let usual = history.first_token.filter(|measured| measured.are_enough())?;
        let is_another = |other: &Candidate| other.backend != first.backend && !other.last_resort;
        let (second, other) = candidates.iter().enumerate().skip(index + 1).find(|(_, other)| is_another(other))?;
        let cost = |one: &Candidate| one.estimate.cost_upper.unwrap_or(Money::ZERO);
        let is_too_dear = work.request.constraints.max_cost.is_some_and(|limit| cost(first) + cost(other) > limit);
        (!is_too_dear).then(|| (second, Duration::from_millis(usual.p95.into())))
    }

    /// Asks a candidate and, if it has not begun to answer by then, another one as well. Whoever begins first answers. If
    /// one of them fails before, the other goes on.
    async fn ask_both(&mut self, first: usize, second: usize, after: Duration) -> Option<End> {
        let work = self.work;
        let (one, other) = (work.decision.candidates.get(first)?, work.decision.candidates.get(second)?);
        let race = Race::default();
        let admitted = match self.admit(first, one, &race).await {
            Ok(admitted) => admitted,
            Err(end) => return end,
        };
        let number = self.number() + 1;
        let is_last = self.is_last(other, number);
        let turn = Turn::Further;
        let plan = Plan { candidate: other, number, is_last, turn, deadline: self.deadline, race: &race };
        let is_asked = AtomicBool::new(false);
        let mut leading = pin!(work.send(admitted));
        let mut hedge = pin!(async {
            tokio::time::sleep(after).await;
            is_asked.store(true, Ordering::Relaxed);
            // Whoever is refused as a second one may still be asked in turn.
            match work.admit(plan).await {
                Ok(admitted) => Some(work.send(admitted).await),
                Err(_) => None,
            }
        });
        let mut ended = tokio::select! {
            biased;
            attempt = &mut leading => {
                let other = if is_asked.load(Ordering::Relaxed) { hedge.await } else { None };
                [(first, Some(attempt)), (second, other)]
            }
            other = &mut hedge => [(second, other), (first, Some(leading.await))],
        };
        // In the order in which they ended. Both may end in one moment, and then the one that was overtaken was first.
        let is_overtaken = |attempt: &Attempt| attempt.outcome.is_err() && !attempt.has_failed();
        ended.sort_by_key(|(_, attempt)| !attempt.as_deref().is_some_and(is_overtaken));
        let mut end = None;
        for (index, attempt) in ended {
            let Some(attempt) = attempt else { continue };
            if is_overtaken(&attempt) {
                // It did nothing wrong: if the other breaks off, it may be asked again.
                self.asked.retain(|asked| *asked != index);
            } else if index == second {
                self.asked.push(second);
            }
            let concluded = self.conclude(index, attempt);
            // An answer is one, whatever became of the other attempt.
            if end.is_none() || matches!(concluded, Some(Ok(_))) {
                end = concluded;
            }
        }
        end
    }

    /// What an attempt's end means for the request: its end, or nothing yet.
    fn conclude(&mut self, index: usize, attempt: Arc<Attempt>) -> Option<End> {
        self.attempts.push(Arc::clone(&attempt));
        let failure = match &attempt.outcome {
            Ok(finish) => return Some(Ok((Arc::clone(&attempt), *finish))),
            Err(failure) => failure,
        };
        if attempt.delivered
            && let Some(first_token) = attempt.first_token
        {
            // The time in which an answer arrived was not spent waiting for one.
            self.deadline += attempt.total.saturating_sub(first_token);
        }
        if self.work.delivery == Delivery::Whole {
            // Nor was the time that a whole answer may take beyond its beginning.
            let snapshot = self.work.shared.snapshot();
            let backend = snapshot.fleet.backend(&attempt.backend);
            let wait = backend.map_or(attempt.total, |backend| backend.spec.timeouts.first_token.longest());
            self.deadline += attempt.total.saturating_sub(wait);
        }
        match failure.class {
            FailureClass::Cancelled => Some(cancelled()),
            _ if attempt.delivered && !self.work.delivery.can_be_taken_back() => {
                Some(Err(self.failed(&attempt, failure)))
            }
            class if !class.may_move_on() => Some(Err(self.failed(&attempt, failure))),
            class => {
                if class.concerns_backend() {
                    self.given_up.push(attempt.backend.clone());
                }
                if let Some(pause) = pause(failure).filter(|pause| self.again.is_none_or(|(_, least)| *pause < least)) {
                    self.again = Some((index, pause));
                }
                None
            }
        }
    }

    /// The first candidate that was refused for its health alone, as a last resort.
    fn least_bad(&self) -> Option<(usize, Candidate)> {
        let is_left = |(index, reason): &&(usize, Rejection)| reason.is_about_health() && self.is_open(*index);
        let (index, _) = self.refused.iter().find(is_left)?;
        let candidate = self.work.decision.candidates.get(*index)?;
        Some((*index, Candidate { last_resort: true, ..candidate.clone() }))
    }

    /// The end of a request whose last attempt failed: a part that was delivered is not taken for nothing.
    fn failed(&self, last: &Arc<Attempt>, failure: &Failure) -> (CallError, Outcome) {
        if last.delivered {
            return (CallError::Cut(failure.clone()), Outcome::Cut);
        }
        (CallError::AllFailed { last: Arc::clone(last), skipped: self.skipped() }, Outcome::Failed)
    }

    fn nobody_answered(&self) -> (CallError, Outcome) {
        if let Some(last) = self.attempts.last()
            && let Err(failure) = &last.outcome
        {
            return self.failed(last, failure);
        }
        // Every candidate went out of reach between the decision and its turn: the decision is told again as it came out.
        let mut decision = (*self.work.decision).clone();
        decision.rejected.extend(self.skipped());
        decision.candidates.clear();
        (CallError::NoRoute(Arc::new(decision)), Outcome::NoRoute)
    }

    /// The candidates that were refused when their turn came.
    fn skipped(&self) -> Vec<Rejected> {
        let told = |(index, reason): &(usize, Rejection)| {
            let candidate = self.work.decision.candidates.get(*index)?;
            Some(Rejected {
                tier: candidate.tier,
                backend: candidate.backend.clone(),
                model: Some(candidate.model.clone()),
                reason: reason.clone(),
            })
        };
        self.refused.iter().filter_map(told).collect()
    }
}

fn cancelled() -> End {
    Err((CallError::Cancelled, Outcome::Cancelled))
}

/// How long to wait before the same candidate is tried once more; `None` where that would be of no use. A rate limit
/// without a time is held for longer than a caller waits.
fn pause(failure: &Failure) -> Option<Duration> {
    let named = failure.retry_after.map(|pause| pause.saturating_add(MARGIN));
    let unnamed = (failure.class != FailureClass::RateLimited).then_some(DEFAULT_PAUSE);
    named.or(unnamed).filter(|_| failure.class.may_retry())
}
