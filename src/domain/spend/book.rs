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

/// How forecasts of costs compare with what was settled, over attempts that ended whole, that had a forecast, and whose cost
/// is known. Where both are nothing, as with a model that is free, there was nothing to foresee.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Forecasts {
    /// Attempts.
    pub attempts: u32,
    /// Sum of what was predicted.
    pub predicted: Money,
    /// Sum of what was settled.
    pub settled: Money,
    /// Sum of by how much each forecast was off, either way.
    pub off: Money,
}

impl Forecasts {
    /// Compares a forecast with the cost that it came to.
    pub fn add(&mut self, predicted: Option<Money>, cost: Cost) {
        let (Some(predicted), Some(settled)) = (predicted, cost.amount.filter(|_| cost.is_settled())) else { return };
        if predicted == Money::ZERO && settled == Money::ZERO {
            return;
        }
        self.attempts = self.attempts.saturating_add(1);
        self.predicted += predicted;
        self.settled += settled;
        self.off += Money(predicted.0.saturating_sub(settled.0).saturating_abs());
    }

    /// Both together.
    #[must_use]
    pub fn with(&self, other: &Self) -> Self {
        Self {
            attempts: self.attempts.saturating_add(other.attempts),
            predicted: self.predicted + other.predicted,
            settled: self.settled + other.settled,
            off: self.off + other.off,
        }
    }

    /// By how much forecasts are off, in percent of what was settled; `None` where nothing was.
    #[must_use]
    pub fn error_percent(&self) -> Option<f64> {
        self.of_settled(self.off)
    }

    /// By how much forecasts lie above what was settled, in percent of it; below zero where they lie under it, `None` where
    /// nothing was settled.
    #[must_use]
    pub fn bias_percent(&self) -> Option<f64> {
        self.of_settled(self.predicted).map(|percent| percent - 100.0)
    }

    fn of_settled(&self, amount: Money) -> Option<f64> {
        (self.settled > Money::ZERO).then(|| amount.as_usd() / self.settled.as_usd() * 100.0)
    }

    /// Error and bias in words: `within 12 %, 3 % low`; `None` where nothing was settled.
    #[must_use]
    pub fn words(&self) -> Option<String> {
        let (error, bias) = (self.error_percent()?, self.bias_percent()?);
        let leans = match bias.round() {
            0.0 => String::new(),
            low if low < 0.0 => format!(", {:.0} % low", -low),
            high => format!(", {high:.0} % high"),
        };
        Some(format!("within {error:.0} %{leans}"))
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
    /// How forecasts compare with what was settled.
    pub forecasts: Forecasts,
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
            forecasts: self.forecasts.with(&other.forecasts),
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
            // Limits have nothing to do with forecasts, and only for limits something is taken off.
            forecasts: Forecasts::default(),
        }
    }
}
