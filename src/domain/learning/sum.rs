//! Weighted sums that fade.

use serde::{Deserialize, Serialize};

/// How much was seen, and what it came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "(f32, f32)", into = "(f32, f32)")]
pub struct Sum {
    /// How many outcomes, faded ones in part.
    pub weight: f32,
    /// The sum of their values, each times its weight.
    pub total: f32,
}

impl Sum {
    pub(super) fn add(&mut self, value: f32, weight: f32) {
        self.weight += weight;
        self.total += value * weight;
    }

    /// Takes an earlier addition back. Rounding must not leave less than nothing.
    pub(super) fn take(&mut self, value: f32, weight: f32) {
        self.weight = (self.weight - weight).max(0.0);
        self.total = (self.total - value * weight).max(0.0);
    }

    pub(super) fn fade(&mut self, factor: f32) {
        self.weight *= factor;
        self.total *= factor;
    }

    /// The mean, drawn towards `prior` as if `strength` outcomes of that value had been seen too.
    #[must_use]
    pub fn towards(self, prior: f32, strength: f32) -> f32 {
        (self.total + strength * prior) / (self.weight + strength)
    }

    /// By how much these outcomes surpass `mean`, summed.
    #[must_use]
    pub fn above(self, mean: f32) -> f32 {
        self.total - self.weight * mean
    }
}

impl From<(f32, f32)> for Sum {
    fn from((weight, total): (f32, f32)) -> Self {
        Self { weight, total }
    }
}

/// Three decimals: less than any outcome weighs that is worth keeping, and half the text.
fn rounded(value: f32) -> f32 {
    (value * 1_000.0).round() / 1_000.0
}

impl From<Sum> for (f32, f32) {
    fn from(sum: Sum) -> Self {
        (rounded(sum.weight), rounded(sum.total))
    }
}

/// Bins of a [`Histogram`], and the logarithms that the first begins and the last ends with: from a twentieth to twenty
/// times the forecast.
const BINS: usize = 24;
const WIDEST: f32 = 3.0;

/// How logarithms of ratios are spread, whatever the shape of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Histogram([f32; BINS]);

impl Histogram {
    pub(super) fn add(&mut self, value: f32) {
        let bin = ((value + WIDEST) / (2.0 * WIDEST) * BINS as f32).clamp(0.0, BINS as f32 - 1.0) as usize;
        if let Some(count) = self.0.get_mut(bin) {
            *count += 1.0;
        }
    }

    pub(super) fn fade(&mut self, factor: f32) {
        self.0.iter_mut().for_each(|count| *count *= factor);
    }

    /// How many values, faded ones in part.
    #[must_use]
    pub fn weight(&self) -> f32 {
        self.0.iter().sum()
    }

    /// The value that a `share`, 0 to 1, of all lies below, drawn towards `prior` as if `strength` values spoke for it.
    #[must_use]
    pub fn quantile(&self, share: f32, prior: f32, strength: f32) -> f32 {
        let weight = self.weight();
        let width = 2.0 * WIDEST / BINS as f32;
        let (mut left, mut found) = (share * weight, WIDEST);
        for (bin, count) in self.0.iter().enumerate() {
            if left <= *count && *count > 0.0 {
                found = -WIDEST + width * (bin as f32 + left / count);
                break;
            }
            left -= count;
        }
        (weight * found + strength * prior) / (weight + strength)
    }
}
