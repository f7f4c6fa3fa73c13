//! Sums of what attempts cost.

use serde::Serialize;

use super::super::money::{Cost, Money};
use super::super::usage::Usage;

/// What an attempt takes from a limit, of what had been set aside for it. A settled cost may give some of it back. An estimate
/// never does: the provider may have gone on after the last that was heard of it. And where nothing is known, all of it is
/// taken for spent.
#[must_use]
pub fn charge(reserved: Money, cost: Cost) -> Money {
    match cost.amount {
        Some(amount) if cost.is_settled() => amount,
        Some(amount) => amount.max(reserved),
        None => reserved,
    }
}

/// What a tier or a model has cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Book {
    /// Sum of all known amounts, estimates included.
    pub amount: Money,
    /// The part of `amount` that rests on estimates.
    pub estimated: Money,
    /// What limits are charged with: `amount`, and for what is not settled what had been set aside.
    pub charged: Money,
    /// Attempts whose cost is not known, and so is not in `amount`.
    pub unknown: u32,
    /// Attempts.
    pub attempts: u32,
    /// Prompt tokens reported.
    pub input_tokens: u64,
    /// Output tokens reported.
    pub output_tokens: u64,
}

impl Book {
    /// Books an attempt.
    pub fn add(&mut self, cost: Cost, usage: Option<&Usage>, charged: Money) {
        self.attempts = self.attempts.saturating_add(1);
        self.charged += charged;
        match cost.amount {
            None => self.unknown = self.unknown.saturating_add(1),
            Some(amount) => {
                self.amount += amount;
                if cost.is_estimate() {
                    self.estimated += amount;
                }
            }
        }
        if let Some(usage) = usage {
            self.input_tokens = self.input_tokens.saturating_add(usage.prompt());
            self.output_tokens = self.output_tokens.saturating_add(usage.output);
        }
    }

    /// Both together.
    #[must_use]
    pub fn with(&self, other: &Self) -> Self {
        Self {
            amount: self.amount + other.amount,
            estimated: self.estimated + other.estimated,
            charged: self.charged + other.charged,
            unknown: self.unknown.saturating_add(other.unknown),
            attempts: self.attempts.saturating_add(other.attempts),
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
        }
    }

    /// This less a part of it.
    #[must_use]
    pub fn without(&self, part: &Self) -> Self {
        Self {
            amount: self.amount - part.amount,
            estimated: self.estimated - part.estimated,
            charged: self.charged - part.charged,
            unknown: self.unknown.saturating_sub(part.unknown),
            attempts: self.attempts.saturating_sub(part.attempts),
            input_tokens: self.input_tokens.saturating_sub(part.input_tokens),
            output_tokens: self.output_tokens.saturating_sub(part.output_tokens),
        }
    }
}
