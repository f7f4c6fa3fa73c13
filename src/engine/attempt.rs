//! One attempt: one call of one backend's model, from dispatch to the last token, with its timers and its bill.

use std::time::Duration;

use futures::StreamExt;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::answer::Progress;
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::fleet::Timeouts;
use crate::domain::latency::Sample;
use crate::domain::limits::Limits;
use crate::domain::money::{Cost, CostBasis, Money};
use crate::domain::price::Pricing;
use crate::domain::privacy::{Guarded, Reach, Withheld};
use crate::domain::time::Timestamp;
use crate::domain::usage::Usage;
use crate::provider::{Call, Client, Event, Events, Finish};

/// What an attempt needs.
pub(super) struct Errand<'a> {
    pub client: &'a Client,
    /// Where the model runs: an inside backend may list one that is not there.
    pub reach: Reach,
    pub guarded: &'a Guarded,
    pub call: &'a Call,
    pub timeouts: Timeouts,
    /// The end of the whole request's time for a first token.
    pub deadline: Instant,
    /// Whether earlier attempts have had some of that time.
    pub late: bool,
    /// What an answer takes that comes all at once, beyond the time for its first token; nothing, where it is streamed.
    pub whole: Duration,
    pub cancel: &'a CancellationToken,
    /// Cancelled when an operator takes what is in flight off this model.
    pub kill: &'a CancellationToken,
    pub progress: &'a mpsc::Sender<Progress>,
    /// Called when the first meaningful token has arrived.
    pub on_first_token: &'a (dyn Fn(Duration) + Send + Sync),
    /// Called when the provider has told what is left of its limits.
    pub on_limits: &'a (dyn Fn(Limits) + Send + Sync),
}

/// What became of an attempt.
pub(super) struct Report {
    pub outcome: Result<Finish, Failure>,
    pub delivered: bool,
    pub first_token: Option<Duration>,
    pub total: Duration,
    pub usage: Option<Usage>,
    reported_cost: Option<Money>,
    held: Option<Duration>,
    /// Ran out of time that others had used up, which says nothing of the backend.
    pub blameless: bool,
    /// Bytes of answer received, for an estimate where usage never came.
    received: usize,
}

impl Errand<'_> {
    /// Makes the attempt.
    pub async fn run(&self) -> Report {
        let started = Instant::now();
        let mut report = Report {
            outcome: Ok(Finish::Stop),
            delivered: false,
            first_token: None,
            total: Duration::ZERO,
            usage: None,
            reported_cost: None,
            held: None,
            blameless: false,
            received: 0,
        };
        let outcome = tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(Failure::new(FailureClass::Cancelled, "cancelled")),
            () = self.kill.cancelled() => Err(Failure::new(FailureClass::Withdrawn, "taken off by an operator")),
            outcome = self.exchange(started, &mut report) => outcome,
        };
        report.total = started.elapsed();
        if let Err(failure) = &outcome {
            report.usage = report.usage.or(failure.usage);
            let hurried = self.late && self.deadline < started + self.timeouts.first_token;
            report.blameless = hurried && failure.class == FailureClass::Silent;
        }
        report.outcome = outcome;
        report
    }

    async fn exchange(&self, started: Instant, report: &mut Report) -> Result<Finish, Failure> {
        let first_by = (started + self.timeouts.first_token).min(self.deadline) + self.whole;
        let silent = |_| {
            let waited = started.elapsed().as_secs_f32();
            Failure::new(FailureClass::Silent, &format!("no first token within {waited:.1} s"))
        };
        let mut events = timeout_at(first_by, self.start()).await.map_err(silent)??;
        loop {
            let event = if !report.delivered {
                timeout_at(first_by, events.next()).await.map_err(silent)?
            } else {
                tokio::time::timeout(self.timeouts.stall, events.next()).await.map_err(|_| {
                    let seconds = self.timeouts.stall.as_secs_f32();
                    Failure::new(
                        FailureClass::Stalled,
                        &format!("nothing for {seconds:.1} s in the middle of an answer"),
                    )
                })?
            };
            match event {
                None => {
                    return Err(Failure::new(FailureClass::Truncated, "the connection ended before the answer did"));
                }
                Some(Err(failure)) => return Err(failure),
                Some(Ok(event)) => {
                    // The pieces of an answer that was asked for whole come all at once, and say nothing about its beginning.
                    if event.is_content() && !report.delivered && self.call.stream {
                        let after = started.elapsed();
                        report.first_token = Some(after);
                        (self.on_first_token)(after);
                        self.deliver(Progress::FirstToken(after)).await?;
                    }
                    if let Some(finish) = self.take(event, report).await? {
                        return if !report.delivered && finish == Finish::Stop {
                            Err(Failure::new(FailureClass::Empty, "the answer was empty"))
                        } else {
                            Ok(finish)
                        };
                    }
                }
            }
        }
    }

    /// The only way out of the engine: an outside client gets a cleared prompt or nothing, and so does an inside one for
    /// a model that runs elsewhere.
    async fn start(&self) -> Result<Events, Failure> {
        let withheld = |withheld: Withheld| Failure::new(FailureClass::BadRequest, &withheld.to_string());
        match (self.client, self.reach) {
            (Client::Inside(client), Reach::Inside) => client.start(self.guarded.prompt(), self.call).await,
            (Client::Inside(client), Reach::Outside) => {
                let cleared = self.guarded.clear().map_err(withheld)?;
                client.start(cleared.prompt(), self.call).await
            }
            (Client::Outside(client), _) => {
                let cleared = self.guarded.clear().map_err(withheld)?;
                client.start(&cleared, self.call).await
            }
        }
    }

    async fn take(&self, event: Event, report: &mut Report) -> Result<Option<Finish>, Failure> {
        match event {
            Event::Text(text) if text.is_empty() => {}
            Event::Thinking(text) if text.is_empty() => {}
            Event::Text(text) => {
                report.received += text.len();
                report.delivered = true;
                self.deliver(Progress::Text(text)).await?;
            }
            Event::Thinking(text) => {
                report.received += text.len();
                report.delivered = true;
                self.deliver(Progress::Thinking(text)).await?;
            }
            Event::ToolCall(call) => {
                report.received += call.arguments.to_string().len();
                report.delivered = true;
                self.deliver(Progress::ToolCall(call)).await?;
            }
            Event::Usage(usage) => report.usage = Some(usage),
            Event::Cost(cost) => report.reported_cost = Some(cost),
            Event::Held(held) => report.held = Some(held),
            Event::ColdStart(_) => {}
            Event::Limits(limits) => (self.on_limits)(limits),
            Event::Done(finish) => return Ok(Some(finish)),
        }
        if report.received > LONGEST_ANSWER {
            let limit = LONGEST_ANSWER >> 20;
            return Err(Failure::new(FailureClass::Garbled, &format!("the answer did not end within {limit} MiB")));
        }
        Ok(None)
    }

    /// A caller that reads slowly slows the upstream down; one that has gone away ends the attempt.
    async fn deliver(&self, progress: Progress) -> Result<(), Failure> {
        self.progress.send(progress).await.map_err(|_| Failure::new(FailureClass::Cancelled, "the caller went away"))
    }
}

/// No model gives so long an answer (the longest limit in the price table is 384,000 tokens): who sends more does not end,
/// and must not fill a caller's memory.
const LONGEST_ANSWER: usize = 16 << 20;

/// Bytes of English text per token, for answers whose usage never came.
const BYTES_PER_TOKEN: usize = 4;

impl Report {
    /// What the attempt cost. Where the provider's usage never came, it is estimated from what was sent and received,
    /// unless the provider turned the request away before doing any work.
    pub fn cost(&self, pricing: &Pricing, input_tokens: u32, now: Timestamp) -> Cost {
        if let Some(cost) = self.reported_cost {
            return Cost::known(cost, CostBasis::Reported);
        }
        let held = Some(self.held.unwrap_or(self.total));
        let produced = u64::try_from(self.received.div_ceil(BYTES_PER_TOKEN)).unwrap_or(u64::MAX);
        match (&self.outcome, self.usage) {
            // What was reported before the break is a beginning, not the bill.
            (Err(failure), Some(usage)) if broke_off(failure.class) => {
                let usage = Usage { output: usage.output.max(produced), ..usage };
                pricing.settle(Some(&usage), held, true, now)
            }
            (_, Some(usage)) => pricing.settle(Some(&usage), held, false, now),
            (Err(failure), None) if !may_have_been_billed(failure.class) && self.received == 0 => {
                Cost::known(Money::ZERO, CostBasis::Priced)
            }
            (Err(_), None) => {
                let usage = Usage { input: u64::from(input_tokens), output: produced, ..Usage::default() };
                pricing.settle(Some(&usage), held, true, now)
            }
            (Ok(_), None) => pricing.settle(None, held, false, now),
        }
    }

    /// What it says about the backend's pace; nothing, where the failure was not the backend's.
    pub fn sample(&self, at: Timestamp) -> Option<Sample> {
        let millis = |duration: Duration| u32::try_from(duration.as_millis()).unwrap_or(u32::MAX);
        match &self.outcome {
            Ok(_) => {
                let streamed = self.first_token.map(|first| self.total.saturating_sub(first).as_secs_f32());
                #[expect(clippy::cast_precision_loss, reason = "a rate for display")]
                let tokens_per_second = streamed
                    .filter(|seconds| *seconds > 0.01)
                    .and_then(|seconds| self.usage.map(|usage| usage.output as f32 / seconds));
                Some(Sample {
                    at,
                    ok: true,
                    first_token_ms: self.first_token.map(millis),
                    total_ms: millis(self.total),
                    tokens_per_second,
                })
            }
            Err(failure) if is_the_backends_fault(failure.class) && !self.blameless => Some(Sample {
                at,
                ok: false,
                first_token_ms: self.first_token.map(millis),
                total_ms: millis(self.total),
                tokens_per_second: None,
            }),
            Err(_) => None,
        }
    }
}

const fn may_have_been_billed(class: FailureClass) -> bool {
    broke_off(class) || matches!(class, FailureClass::Empty)
}

/// Whether the provider may have gone on after the last that was heard of it.
const fn broke_off(class: FailureClass) -> bool {
    matches!(
        class,
        FailureClass::Silent
            | FailureClass::Stalled
            | FailureClass::Truncated
            | FailureClass::Garbled
            | FailureClass::Cancelled
            | FailureClass::Withdrawn
    )
}

const fn is_the_backends_fault(class: FailureClass) -> bool {
    !matches!(
        class,
        FailureClass::Cancelled
            | FailureClass::Withdrawn
            | FailureClass::BadRequest
            | FailureClass::ContentRefused
            | FailureClass::ContextTooLong
    )
}
