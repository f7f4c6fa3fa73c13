//! Money in integer nano-dollars (1 USD = 1,000,000,000): the cheapest cached token of the price table costs
//! less than three of them, so nothing coarser can add up, and nothing fractional can drift.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub};

use serde::{Deserialize, Serialize};

/// An amount of US dollars, in nano-dollars. Arithmetic saturates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Money(pub i64);

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// From dollars, rounded to the nearest nano-dollar. `None` for a value that is not finite, is negative, or
    /// is beyond nine billion dollars.
    #[must_use]
    pub fn from_usd(usd: f64) -> Option<Self> {
        let nano = (usd * 1e9).round();
        #[expect(clippy::cast_possible_truncation, reason = "the range is checked in the same breath")]
        (usd.is_finite() && (0.0..9e18).contains(&nano)).then_some(Self(nano as i64))
    }

    /// In dollars, for display and for scores; sums are always made in nano-dollars.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "display only")]
    pub fn as_usd(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// What an hourly rate costs over a time.
    #[must_use]
    pub fn per_hour_over(self, duration: std::time::Duration) -> Self {
        let nano = i128::from(self.0) * i128::try_from(duration.as_millis()).unwrap_or(i128::MAX >> 64) / 3_600_000;
        Self(i64::try_from(nano).unwrap_or(i64::MAX))
    }
}

impl Add for Money {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Money {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Money {
    /// Four decimals below one cent, three below one dollar, two above: `$0.0034`, `$0.120`, `$3.10`. What is
    /// smaller than the last decimal shows as `<$0.0001`, never as zero.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let usd = self.as_usd().abs();
        let text = match self.0.unsigned_abs() {
            0 => "$0.00".to_owned(),
            1..100_000 => "<$0.0001".to_owned(),
            100_000..10_000_000 => format!("{sign}${usd:.4}"),
            10_000_000..1_000_000_000 => format!("{sign}${usd:.3}"),
            _ => format!("{sign}${usd:.2}"),
        };
        f.pad(&text)
    }
}

/// Where a cost figure comes from, from the surest to none at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CostBasis {
    /// The gateway itself reported the amount.
    Reported,
    /// Reported usage times the price table.
    Priced,
    /// GPU time times an hourly price.
    Timed,
    /// Estimated, because the usage never arrived (a cut or cancelled stream).
    Estimated,
    /// No price or no usage: the amount is not known, which is not zero.
    Unknown,
}

/// What one attempt cost, and how sure that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// The amount; `None` exactly when the basis is [`CostBasis::Unknown`].
    pub amount: Option<Money>,
    /// Where the amount comes from.
    pub basis: CostBasis,
}

impl Cost {
    /// A cost that nobody could work out.
    pub const UNKNOWN: Self = Self { amount: None, basis: CostBasis::Unknown };

    /// A known amount.
    #[must_use]
    pub const fn known(amount: Money, basis: CostBasis) -> Self {
        Self { amount: Some(amount), basis }
    }

    /// Whether it can be relied on that nothing more is charged.
    #[must_use]
    pub const fn is_settled(self) -> bool {
        matches!(self.basis, CostBasis::Reported | CostBasis::Priced | CostBasis::Timed)
    }

    /// Whether the figure was worked out from something other than reported tokens or amounts.
    #[must_use]
    pub const fn is_estimate(self) -> bool {
        matches!(self.basis, CostBasis::Estimated | CostBasis::Timed)
    }
}

impl fmt::Display for Cost {
    /// `~` marks an estimate, `—` an unknown amount.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.amount {
            None => f.pad("—"),
            Some(amount) if self.is_estimate() => f.pad(&format!("~{amount}")),
            Some(amount) => fmt::Display::fmt(&amount, f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_amounts_never_read_as_zero() {
        for (nano, text) in [
            (0, "$0.00"),
            (3, "<$0.0001"),
            (3_400_000, "$0.0034"),
            (120_000_000, "$0.120"),
            (3_100_000_000, "$3.10"),
            (-3_100_000_000, "-$3.10"),
        ] {
            assert_eq!(Money(nano).to_string(), text);
        }
    }

    #[test]
    fn dollars_convert_to_the_nearest_nano_dollar() {
        assert_eq!(Money::from_usd(1.35e-5), Some(Money(13_500)));
        assert_eq!(Money::from_usd(f64::NAN), None);
        assert_eq!(Money::from_usd(-0.1), None);
    }

    #[test]
    fn hourly_rates_accrue() {
        let rate = Money(440_000_000);
        assert_eq!(rate.per_hour_over(std::time::Duration::from_secs(1800)), Money(220_000_000));
    }
}
