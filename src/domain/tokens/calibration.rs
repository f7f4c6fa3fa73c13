//! What providers bill corrects the estimates of models whose vocabulary is not public.
//!
//! For each model a regression of billed tokens on a few counts of the text, all relative to the count of a public
//! vocabulary, and drawn towards what the vendor's family is known for while there are few bills. Kept as the sums that
//! the regression is solved from, so that each bill costs the same and old ones can fade.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::id::ModelId;
use super::family::Family;

/// How many counts an estimate goes by.
pub const FEATURES: usize = 10;

/// Counts of one prompt: tokens of the base vocabulary, messages, rare and very rare tokens, quarters of bytes, digits,
/// bytes outside ASCII, line breaks, capitals, signs.
pub type Features = [f32; FEATURES];

const BASE: usize = 0;
const MESSAGES: usize = 1;
/// Sums of products, the lower triangle of a matrix row by row.
const PRODUCTS: usize = FEATURES * (FEATURES + 1) / 2;

/// The most models that are calibrated; the one with the fewest bills makes room.
const MOST_MODELS: usize = 64;
/// Bills until an old one counts a third: vocabularies change with versions, and those have new names.
const MEMORY: f64 = 3_000.0;
/// How many bills the prior counts as, for the base and for each other count.
const PRIOR_BASE: f64 = 0.3;
const PRIOR_OTHERS: f64 = 1.0;
/// Relative error from which a bill begins to count less: a gateway that adds a system prompt must not teach a vocabulary.
const ODD: f64 = 0.05;
/// A bill this far from the estimate is not of the same text.
const ABSURD: f64 = 3.0;

/// What was billed, by model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Calibration {
    models: BTreeMap<ModelId, Bills>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Bills {
    weight: f64,
    products: Vec<f64>,
    answers: Vec<f64>,
    /// Solved from the sums; worked out again when they have changed.
    weights: Features,
}

const fn place(row: usize, column: usize) -> usize {
    if row >= column { row * (row + 1) / 2 + column } else { column * (column + 1) / 2 + row }
}

/// Weights before any bill: the family's factor, and its tokens around a message.
fn prior(model: &ModelId) -> Features {
    let family = Family::of(model.as_str());
    let mut weights = [0.0; FEATURES];
    weights[BASE] = family.factor;
    weights[MESSAGES] = (family.around + family.each) as f32;
    weights
}

fn product(weights: &Features, features: &Features) -> f64 {
    weights.iter().zip(features).map(|(weight, feature)| f64::from(*weight) * f64::from(*feature)).sum()
}

impl Calibration {
    /// Whether anything was billed for this model.
    #[must_use]
    pub fn knows(&self, model: &ModelId) -> bool {
        self.models.contains_key(model)
    }

    /// How many bills a model's estimate rests on, old ones in part.
    #[must_use]
    pub fn bills(&self, model: &ModelId) -> f32 {
        self.models.get(model).map_or(0.0, |bills| bills.weight as f32)
    }

    /// Learns from what was billed: all prompt tokens, cached ones included.
    pub fn observe(&mut self, model: &ModelId, features: &Features, billed: u32) {
        let base = f64::from(features[BASE]);
        if base < 1.0 || billed == 0 {
            return;
        }
        let prior = prior(model);
        if !self.models.contains_key(model) {
            self.make_room();
        }
        let bills = self.models.entry(model.clone()).or_insert_with(|| Bills::new(prior));
        let expected = product(&bills.weights, features).max(1.0);
        let billed = f64::from(billed);
        if billed > ABSURD * expected || billed < expected / ABSURD {
            return;
        }
        // Relative errors are what matters, so a row is divided by its base.
        let weight = 1.0 / ((billed - expected).abs() / billed / ODD).max(1.0);
        bills.add(&features.map(|feature| f64::from(feature) / base), billed / base, weight);
        bills.solve(&prior);
    }

    fn make_room(&mut self) {
        if self.models.len() >= MOST_MODELS
            && let Some(least) =
                self.models.iter().min_by(|a, b| a.1.weight.total_cmp(&b.1.weight)).map(|(id, _)| id.clone())
        {
            self.models.remove(&least);
        }
    }

    /// Tokens to expect of a prompt; `published` where nothing was billed yet.
    #[must_use]
    pub fn estimate(&self, model: &ModelId, features: &Features, published: u32) -> u32 {
        let Some(bills) = self.models.get(model) else { return published };
        // Far outside of what was seen a regression may go anywhere: it may halve or double what is published, no more.
        let bound = f64::from(published);
        product(&bills.weights, features).round().clamp(bound / 2.0, bound * 2.0) as u32
    }

    /// Forgets a model.
    pub fn forget(&mut self, model: &ModelId) {
        self.models.remove(model);
    }
}

impl Bills {
    fn new(weights: Features) -> Self {
        Self { weight: 0.0, products: vec![0.0; PRODUCTS], answers: vec![0.0; FEATURES], weights }
    }

    fn add(&mut self, row: &[f64; FEATURES], answer: f64, weight: f64) {
        let keep = 1.0 - 1.0 / MEMORY;
        self.products.resize(PRODUCTS, 0.0);
        self.answers.resize(FEATURES, 0.0);
        self.weight = self.weight * keep + weight;
        self.products.iter_mut().chain(&mut self.answers).for_each(|sum| *sum *= keep);
        for (i, a) in row.iter().enumerate() {
            for (j, b) in row.iter().enumerate().take(i + 1) {
                if let Some(sum) = self.products.get_mut(place(i, j)) {
                    *sum += weight * a * b;
                }
            }
            if let Some(sum) = self.answers.get_mut(i) {
                *sum += weight * a * answer;
            }
        }
    }

    /// Weights that explain the bills, drawn towards the prior: a linear system, solved by Cholesky's method.
    fn solve(&mut self, prior: &Features) {
        let mut matrix = [[0.0_f64; FEATURES]; FEATURES];
        let mut right = [0.0_f64; FEATURES];
        let at = |i: usize, j: usize| self.products.get(place(i, j)).copied().unwrap_or_default();
        for (i, (row, side)) in matrix.iter_mut().zip(&mut right).enumerate() {
            for (j, cell) in row.iter_mut().enumerate() {
                *cell = at(i, j);
            }
            let explained: f64 = row.iter().zip(prior).map(|(cell, weight)| cell * f64::from(*weight)).sum();
            *side = self.answers.get(i).copied().unwrap_or_default() - explained;
            // A count's own mean square makes the prior weigh the same whatever the count's size.
            let strength = if i == BASE { PRIOR_BASE } else { PRIOR_OTHERS };
            if let Some(cell) = row.get_mut(i) {
                *cell += strength * *cell / self.weight.max(1.0) + f64::EPSILON;
            }
        }
        if let Some(change) = cholesky(matrix, right) {
            for ((weight, prior), change) in self.weights.iter_mut().zip(prior).zip(change) {
                *weight = prior + change as f32;
            }
        }
    }
}

/// Solves a symmetric positive definite system; `None` where it is not one.
#[expect(clippy::needless_range_loop, reason = "the textbook's indices say more than iterators over three of them")]
fn cholesky<const N: usize>(mut a: [[f64; N]; N], mut b: [f64; N]) -> Option<[f64; N]> {
    for j in 0..N {
        for i in j..N {
            let mut sum = a[i][j];
            for k in 0..j {
                sum -= a[i][k] * a[j][k];
            }
            if i == j {
                if sum <= 0.0 {
                    return None;
                }
                a[j][j] = sum.sqrt();
            } else {
                a[i][j] = sum / a[j][j];
            }
        }
    }
    for i in 0..N {
        for k in 0..i {
            b[i] -= a[i][k] * b[k];
        }
        b[i] /= a[i][i];
    }
    for i in (0..N).rev() {
        for k in i + 1..N {
            b[i] -= a[k][i] * b[k];
        }
        b[i] /= a[i][i];
    }
    b.iter().all(|value| value.is_finite()).then_some(b)
}
