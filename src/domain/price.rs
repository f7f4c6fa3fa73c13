//! Prices per token, with validity dates and size tiers, and what a usage costs under them.
//!
//! The semantics are those of LiteLLM's public price map: when a prompt has more tokens than a tier's threshold, the
//! *whole* request is charged at that tier's prices; a price that a tier leaves out falls back to the base price.

use serde::{Deserialize, Serialize};

use super::money::{Cost, CostBasis, Money};
use super::time::Timestamp;
use super::usage::Usage;

/// A price per token in pico-dollars (1 USD = 10¹²): nano-dollars are too coarse for the price of one cached token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PerToken(pub i64);

impl PerToken {
    /// From dollars per token, as LiteLLM's price map has it. `None` if it is negative, not finite, or above one
    /// dollar per token (which can only be an error in the table).
    #[must_use]
    pub fn from_usd(usd: f64) -> Option<Self> {
        #[expect(clippy::cast_possible_truncation, reason = "the range is checked in the same breath")]
        (usd.is_finite() && (0.0..=1.0).contains(&usd)).then(|| Self((usd * 1e12).round() as i64))
    }

    /// From dollars per million tokens, as vendors print it.
    #[must_use]
    pub fn from_usd_per_million(usd: f64) -> Option<Self> {
        Self::from_usd(usd / 1e6)
    }

    /// In dollars per million tokens, for display.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "display only")]
    pub fn usd_per_million(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

/// The prices of one size tier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rates {
    /// Per prompt token that no cache had.
    pub input: PerToken,
    /// Per token produced, reasoning included.
    pub output: PerToken,
    /// Per prompt token read from a cache; the input price where absent.
    pub cache_read: Option<PerToken>,
    /// Per prompt token written to a short-lived cache; the input price where absent.
    pub cache_write: Option<PerToken>,
    /// Per prompt token written to a one-hour cache; the short-lived price where absent.
    pub cache_write_1h: Option<PerToken>,
}

impl Rates {
    fn cost(&self, usage: &Usage) -> Money {
        let write = self.cache_write.unwrap_or(self.input);
        let parts = [
            (usage.input, self.input),
            (usage.cache_read, self.cache_read.unwrap_or(self.input)),
            (usage.cache_write, write),
            (usage.cache_write_1h, self.cache_write_1h.unwrap_or(write)),
            (usage.output, self.output),
        ];
        let pico: i128 = parts.iter().map(|(tokens, price)| i128::from(*tokens) * i128::from(price.0)).sum();
        Money(i64::try_from((pico + 500) / 1000).unwrap_or(i64::MAX))
    }
}

/// Rates that apply when the prompt is longer than a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SizeTier {
    /// Applies when the prompt has more tokens than this.
    pub above: u64,
    /// The rates.
    pub rates: Rates,
}

/// The price of a model over one span of time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceRow {
    /// Valid from this time on; always, where absent.
    pub from: Option<Timestamp>,
    /// Valid until just before this time; for good, where absent.
    pub until: Option<Timestamp>,
    /// The base rates.
    pub base: Rates,
    /// Size tiers, by rising threshold.
    pub tiers: Vec<SizeTier>,
}

impl PriceRow {
    /// Whether the row holds at a time.
    #[must_use]
    pub fn holds_at(&self, now: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= now) && self.until.is_none_or(|until| now < until)
    }

    /// What a usage costs: all of it at the rates of the highest tier that its prompt exceeds.
    #[must_use]
    pub fn cost(&self, usage: &Usage) -> Money {
        let prompt = usage.prompt();
        let rates = self.tiers.iter().rev().find(|tier| prompt > tier.above).map_or(&self.base, |tier| &tier.rates);
        rates.cost(usage)
    }
}

/// How the use of a model is paid for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Pricing {
    /// One's own machine: no charge.
    Free,
    /// By the token. Rows do not overlap in time.
    PerToken {
        /// The rows.
        rows: Vec<PriceRow>,
    },
    /// By the time the request occupies a GPU.
    PerHour {
        /// The price of an hour.
        rate: Money,
    },
    /// By the hour of a machine that runs anyway: the hours are counted as they pass, a request adds nothing.
    Rented,
    /// No price is known. Unknown is not zero.
    #[default]
    Unknown,
}

impl Pricing {
    /// The row that holds at a time; `None` where the price is not per token or no row holds.
    #[must_use]
    pub fn row(&self, now: Timestamp) -> Option<&PriceRow> {
        match self {
            Self::PerToken { rows } => rows.iter().find(|row| row.holds_at(now)),
            Self::Free | Self::PerHour { .. } | Self::Rented | Self::Unknown => None,
        }
    }

    /// What an attempt cost. `usage` is what the provider reported, `seconds` how long it held the GPU, and
    /// `estimated` says that either is our own estimate.
    #[must_use]
    pub fn settle(
        &self,
        usage: Option<&Usage>,
        held: Option<std::time::Duration>,
        estimated: bool,
        now: Timestamp,
    ) -> Cost {
        let basis = if estimated { CostBasis::Estimated } else { CostBasis::Priced };
        match self {
            Self::Free | Self::Rented => Cost::known(Money::ZERO, CostBasis::Priced),
            Self::PerHour { rate } => held.map_or(Cost::UNKNOWN, |held| {
                Cost::known(rate.per_hour_over(held), if estimated { basis } else { CostBasis::Timed })
            }),
            Self::PerToken { .. } => match (self.row(now), usage) {
                (Some(row), Some(usage)) => Cost::known(row.cost(usage), basis),
                _ => Cost::UNKNOWN,
            },
            Self::Unknown => Cost::UNKNOWN,
        }
    }

    /// What a request of so many tokens would cost, or `None` where that cannot be said. `held` is how long it is
    /// expected to take, for what is paid by the hour.
    #[must_use]
    pub fn predict(&self, input: u64, output: u64, held: std::time::Duration, now: Timestamp) -> Option<Money> {
        match self {
            Self::Free | Self::Rented => Some(Money::ZERO),
            Self::PerHour { rate } => Some(rate.per_hour_over(held)),
            Self::PerToken { .. } => self.row(now).map(|row| row.cost(&Usage { input, output, ..Usage::default() })),
            Self::Unknown => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(input: f64, output: f64) -> Rates {
        Rates {
            input: PerToken::from_usd_per_million(input).expect("in range"),
            output: PerToken::from_usd_per_million(output).expect("in range"),
            ..Rates::default()
        }
    }

    #[test]
    fn a_long_prompt_pays_the_higher_tier_for_all_of_its_tokens() {
        let row = PriceRow {
            base: rates(0.10, 0.50),
            tiers: vec![SizeTier { above: 100_000, rates: rates(0.50, 2.50) }],
            ..PriceRow::default()
        };
        let short = Usage { input: 100_000, output: 1_000, ..Usage::default() };
        let long = Usage { input: 100_001, output: 1_000, ..Usage::default() };
        assert_eq!(row.cost(&short), Money(10_500_000));
        assert_eq!(row.cost(&long), Money(52_500_500));
    }

    #[test]
    fn cached_tokens_are_charged_once_at_their_own_price() {
        let row = PriceRow {
            base: Rates { cache_read: PerToken::from_usd_per_million(0.20), ..rates(4.0, 20.0) },
            ..PriceRow::default()
        };
        let usage = Usage { input: 310, cache_read: 2048, output: 41, ..Usage::default() };
        assert_eq!(row.cost(&usage), Money(310 * 4_000 + 2048 * 200 + 41 * 20_000));
    }

    #[test]
    fn a_price_outside_its_dates_is_unknown_rather_than_stale() {
        let row = PriceRow { until: Some(Timestamp(1_000)), base: rates(2.0, 10.0), ..PriceRow::default() };
        let pricing = Pricing::PerToken { rows: vec![row] };
        let usage = Usage { input: 10, output: 10, ..Usage::default() };
        assert_eq!(pricing.settle(Some(&usage), None, false, Timestamp(999)).amount, Some(Money(120_000)));
        assert_eq!(pricing.settle(Some(&usage), None, false, Timestamp(1_000)), Cost::UNKNOWN);
    }
}
