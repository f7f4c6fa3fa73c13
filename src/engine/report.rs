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
    /// Whether the backend took the request, rather than turning it away: from then on it may have been at work.
    pub taken: bool,
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
    /// Bytes handed on of an answer whose values were put back: more or fewer than were received.
    pub restored: usize,
}

/// Bytes of English text per token, for answers whose usage never came.
const BYTES_PER_TOKEN: usize = 4;

impl Report {
    /// Of an attempt that is about to be made.
    pub const fn blank() -> Self {
        Self {
            outcome: Ok(Finish::Stop),
            taken: false,
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
            restored: 0,
        }
    }

    /// Bytes that the upstream has produced, as far as they arrived.
    pub const fn produced(&self) -> usize {
        self.received + self.growing
    }

    /// What the attempt cost. Where the provider's bill never came, it is estimated from what was sent and received,
    /// unless the provider turned the request away before doing any work.
    pub fn cost(&self, pricing: &Pricing, input_tokens: u32, now: Timestamp) -> Cost {
        if let Some(cost) = self.reported_cost {
            return Cost::known(cost, CostBasis::Reported);
        }
        let held = Some(self.held.unwrap_or(self.total));
        let failure = match &self.outcome {
            Ok(_) => return pricing.settle(self.usage.as_ref(), held, false, now),
            Err(failure) => failure,
        };
        let is_timed = matches!(pricing, Pricing::PerHour { .. });
        let was_at_work = self.usage.is_some() || self.produced() > 0 || (is_timed && self.taken);
        if !was_at_work && !may_have_been_billed(failure.class) {
            return Cost::known(Money::ZERO, CostBasis::Priced);
        }
        // What was told before a break is a beginning, not the bill.
        let is_bill =
            if is_timed { self.held.is_some() && !broke_off(failure.class) } else { self.ended(failure.class) };
        let told = self.usage.unwrap_or_else(|| Usage { input: input_tokens.into(), ..Usage::default() });
        let produced = u64::try_from(self.produced().div_ceil(BYTES_PER_TOKEN)).unwrap_or(u64::MAX);
        let usage = Usage { output: told.output.max(produced), ..told };
        pricing.settle(Some(&usage), held, !is_bill, now)
    }

    /// Whether an attempt that failed had come to its protocol's end all the same, so that the usage it told is its bill:
    /// the model said nothing, or its provider would not let it.
    fn ended(&self, class: FailureClass) -> bool {
        let is_end = matches!(class, FailureClass::Empty | FailureClass::ContentRefused);
        is_end && self.usage.is_some() && self.produced() == 0
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

#[cfg(test)]
mod tests {
    use FailureClass::{
        Cancelled, ContentRefused, Empty, KeyRefused, Overloaded, RateLimited, ServerError, Silent, Truncated,
    };

    use super::*;
    use crate::domain::price::{PerToken, PriceRow, Rates};

    const TOLD: Usage = Usage { input: 100, output: 1, cache_read: 0, cache_write: 0, cache_write_1h: 0, reasoning: 0 };

    fn failed(class: FailureClass) -> Report {
        let outcome = Err(Failure::new(class, "scripted"));
        Report { outcome, total: Duration::from_secs(36), ..Report::blank() }
    }

    fn cost(report: &Report, pricing: &Pricing) -> (CostBasis, i64) {
        let cost = report.cost(pricing, 50, Timestamp(0));
        (cost.basis, cost.amount.expect("it is known").0)
    }

    #[test]
    fn usage_that_was_told_before_an_error_is_a_beginning_and_a_refusal_costs_nothing() {
        let base = Rates { input: PerToken(1_000_000), output: PerToken(10_000_000), ..Rates::default() };
        let pricing = Pricing::PerToken { rows: vec![PriceRow { base, ..PriceRow::default() }] };
        let (told, nothing) = (100 * 1_000 + 10_000, (CostBasis::Priced, 0));
        for class in [ServerError, Overloaded, RateLimited, Truncated, Cancelled] {
            let report = Report { taken: true, usage: Some(TOLD), ..failed(class) };
            assert_eq!(cost(&report, &pricing), (CostBasis::Estimated, told), "{class}");
            // What had come by then was produced, whatever was told.
            let report = Report { received: 40, ..report };
            assert_eq!(cost(&report, &pricing), (CostBasis::Estimated, told + 9 * 10_000), "{class}");
        }
        for class in [Empty, ContentRefused] {
            let report = Report { taken: true, usage: Some(TOLD), ..failed(class) };
            assert_eq!(cost(&report, &pricing), (CostBasis::Priced, told), "{class}: the model was at its end");
        }
        for class in [ServerError, Overloaded, RateLimited, KeyRefused, ContentRefused] {
            assert_eq!(cost(&failed(class), &pricing), nothing, "{class}");
        }
        assert_eq!(cost(&failed(Silent), &pricing), (CostBasis::Estimated, 50 * 1_000));
    }

    #[test]
    fn a_job_that_was_taken_and_then_failed_is_charged_for_its_time() {
        let pricing = Pricing::PerHour { rate: Money(3_600_000_000) };
        let seconds = |seconds: i64| seconds * 1_000_000;
        for class in [ServerError, Overloaded, RateLimited, Empty] {
            let lost = Report { taken: true, ..failed(class) };
            assert_eq!(cost(&lost, &pricing), (CostBasis::Estimated, seconds(36)), "{class}: by our own clock");
            let told = Report { held: Some(Duration::from_secs(2)), ..lost };
            assert_eq!(cost(&told, &pricing), (CostBasis::Timed, seconds(2)), "{class}");
        }
        let cancelled = Report { taken: true, held: Some(Duration::from_secs(2)), ..failed(Cancelled) };
        assert_eq!(cost(&cancelled, &pricing).0, CostBasis::Estimated, "it may have gone on");
        for class in [ServerError, Overloaded, RateLimited, KeyRefused] {
            assert_eq!(cost(&failed(class), &pricing), (CostBasis::Priced, 0), "{class}: it was turned away");
        }
    }
}
