//! What became of an attempt: what it cost, and what it says about the backend's pace.

use std::time::Duration;

use crate::domain::failure::{Failure, FailureClass};
use crate::domain::latency::Sample;
use crate::domain::money::{Cost, CostBasis, Money};
use crate::domain::price::Pricing;
use crate::domain::time::Timestamp;
use crate::domain::usage::Usage;
use crate::provider::Finish;

/// What became of an attempt.
pub(super) struct Report {
    pub outcome: Result<Finish, Failure>,
    /// Whether a meaningful piece came.
    pub begun: bool,
    /// Whether any of it was handed on.
    pub delivered: bool,
    pub first_token: Option<Duration>,
    /// The longest wait between two pieces of the answer.
    pub longest_pause: Option<Duration>,
    pub total: Duration,
    pub usage: Option<Usage>,
    pub reported_cost: Option<Money>,
    pub held: Option<Duration>,
    /// Ran out of time that others had used up, which says nothing of the backend.
    pub blameless: bool,
    /// Bytes of answer received, for an estimate where usage never came.
    pub received: usize,
    /// Bytes of a tool call that is not whole yet.
    pub growing: usize,
}

/// Bytes of English text per token, for answers whose usage never came.
const BYTES_PER_TOKEN: usize = 4;

impl Report {
    /// Of an attempt that is about to be made.
    pub const fn blank() -> Self {
        Self {
            outcome: Ok(Finish::Stop),
            begun: false,
            delivered: false,
            first_token: None,
            longest_pause: None,
            total: Duration::ZERO,
            usage: None,
            reported_cost: None,
            held: None,
            blameless: false,
            received: 0,
            growing: 0,
        }
    }

    /// Bytes that the upstream has produced, as far as they arrived.
    pub const fn produced(&self) -> usize {
        self.received + self.growing
    }

    /// What the attempt cost. Where the provider's usage never came, it is estimated from what was sent and received,
    /// unless the provider turned the request away before doing any work.
    pub fn cost(&self, pricing: &Pricing, input_tokens: u32, now: Timestamp) -> Cost {
        if let Some(cost) = self.reported_cost {
            return Cost::known(cost, CostBasis::Reported);
        }
        let held = Some(self.held.unwrap_or(self.total));
        let produced = u64::try_from(self.produced().div_ceil(BYTES_PER_TOKEN)).unwrap_or(u64::MAX);
        match (&self.outcome, self.usage) {
            // What was reported before the break is a beginning, not the bill.
            (Err(failure), Some(usage)) if broke_off(failure.class) => {
                let usage = Usage { output: usage.output.max(produced), ..usage };
                pricing.settle(Some(&usage), held, true, now)
            }
            (_, Some(usage)) => pricing.settle(Some(&usage), held, false, now),
            (Err(failure), None) if !may_have_been_billed(failure.class) && self.produced() == 0 => {
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
                    longest_pause_ms: self.longest_pause.filter(|_| self.first_token.is_some()).map(millis),
                })
            }
            Err(failure) if is_the_backends_fault(failure.class) && !self.blameless => Some(Sample {
                at,
                ok: false,
                first_token_ms: self.first_token.map(millis),
                total_ms: millis(self.total),
                tokens_per_second: None,
                longest_pause_ms: None,
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
            | FailureClass::Overtaken
    )
}

const fn is_the_backends_fault(class: FailureClass) -> bool {
    !matches!(
        class,
        FailureClass::Cancelled
            | FailureClass::Withdrawn
            | FailureClass::Overtaken
            | FailureClass::BadRequest
            | FailureClass::ContentRefused
            | FailureClass::ContextTooLong
    )
}
