//! Two ways to fit a sum of weights, both deterministic: least squares by conjugate gradients, and logistic regression
//! by steps that shrink with use (AdaGrad).

use llm_call::domain::analysis::features::{ALL_BUCKETS, ASK_BUCKETS, Features, KNOTS};
use llm_call::domain::analysis::model::hat;
use llm_call::domain::analysis::shape::MEASURES;

/// First column of the words of the part that asks.
pub const ASK: usize = 0;
/// First column of all words.
pub const ALL: usize = ASK + ASK_BUCKETS;
/// First column of the knots.
pub const KNOT: usize = ALL + ALL_BUCKETS;
/// How many columns there are.
pub const COLUMNS: usize = KNOT + MEASURES * KNOTS;

/// One prompt as columns and values.
pub type Row = Vec<(u32, f32)>;

/// Which columns a judgement may use.
#[derive(Clone, Copy)]
pub struct Uses {
    pub ask: bool,
    pub all: bool,
}

/// How much the weights of each kind of column may cost: the knots are few and common, words many and rare.
#[derive(Clone, Copy)]
pub struct Scales {
    pub words: f32,
    pub knots: f32,
}

pub fn row(features: &Features) -> Row {
    let mut row: Row = Vec::new();
    let value = features.ask_value();
    row.extend(features.ask.iter().map(|bucket| (ASK as u32 + bucket, value)));
    let value = features.all_value();
    row.extend(features.all.iter().map(|bucket| (ALL as u32 + bucket, value)));
    for (measure, size) in features.measures.iter().enumerate() {
        for (knot, share) in hat(*size) {
            if share > 0.0 {
                row.push(((KNOT + measure * KNOTS + knot) as u32, share));
            }
        }
    }
    // Equal words add up, so that each column stands once.
    row.sort_by_key(|entry| entry.0);
    row.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 += next.1;
        }
        same
    });
    row
}

/// What each column is multiplied by while fitting: rare words say more than common ones.
pub fn importance(rows: &[&Row], uses: Uses, scales: Scales) -> Vec<f32> {
    let mut seen = vec![0u32; COLUMNS];
    for row in rows {
        for (column, _) in row.iter() {
            seen[*column as usize] += 1;
        }
    }
    let count = rows.len() as f32;
    let word = |seen: u32| if seen < 2 { 0.0 } else { scales.words * (1.0 + (count / seen as f32).ln()) };
    seen.iter()
        .enumerate()
        .map(|(column, seen)| match column {
            ASK..ALL => {
                if uses.ask {
                    word(*seen)
                } else {
                    0.0
                }
            }
            ALL..KNOT => {
                if uses.all {
                    word(*seen)
                } else {
                    0.0
                }
            }
            _ => scales.knots,
        })
        .collect()
}

/// A fitted sum.
#[derive(Clone)]
pub struct Fit {
    pub bias: f32,
    pub weights: Vec<f32>,
}

impl Fit {
    pub fn sum(&self, row: &Row) -> f32 {
        self.bias + row.iter().map(|(column, value)| self.weights[*column as usize] * value).sum::<f32>()
    }
}

/// Least squares with weights of the rows; `penalty` holds the fitted weights small.
pub fn least_squares(rows: &[&Row], targets: &[f32], row_weights: &[f32], importance: &[f32], penalty: f32) -> Fit {
    let total: f64 = row_weights.iter().map(|w| f64::from(*w)).sum();
    let mean = (targets.iter().zip(row_weights).map(|(t, w)| f64::from(t * w)).sum::<f64>() / total) as f32;
    let scaled = |row: &Row, x: &[f64]| -> f64 {
        row.iter().map(|(c, v)| f64::from(v * importance[*c as usize]) * x[*c as usize]).sum()
    };
    let multiply = |x: &[f64]| -> Vec<f64> {
        let mut out: Vec<f64> = x.iter().map(|v| v * f64::from(penalty)).collect();
        for (row, weight) in rows.iter().zip(row_weights) {
            let dot = scaled(row, x) * f64::from(*weight);
            for (c, v) in row.iter() {
                out[*c as usize] += dot * f64::from(v * importance[*c as usize]);
            }
        }
        out
    };
    let mut residual = vec![0.0f64; COLUMNS];
    for ((row, target), weight) in rows.iter().zip(targets).zip(row_weights) {
        let centred = f64::from((target - mean) * weight);
        for (c, v) in row.iter() {
            residual[*c as usize] += centred * f64::from(v * importance[*c as usize]);
        }
    }
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut x = vec![0.0f64; COLUMNS];
    let mut direction = residual.clone();
    let mut energy = dot(&residual, &residual);
    let first = energy;
    for _ in 0..120 {
        let image = multiply(&direction);
        let step = energy / dot(&direction, &image).max(1e-30);
        for at in 0..COLUMNS {
            x[at] += step * direction[at];
            residual[at] -= step * image[at];
        }
        let next = dot(&residual, &residual);
        if next < first * 1e-8 {
            break;
        }
        let turn = next / energy;
        energy = next;
        for at in 0..COLUMNS {
            direction[at] = residual[at] + turn * direction[at];
        }
    }
    Fit { bias: mean, weights: x.iter().zip(importance).map(|(x, i)| *x as f32 * i).collect() }
}

/// How a logistic regression is fitted.
#[derive(Clone, Copy)]
pub struct Steps {
    pub epochs: usize,
    /// What holds the weights small.
    pub penalty: f32,
    /// Of a thousand words this many are left out at each step, so that no judgement leans on one.
    pub dropped: usize,
}

/// Logistic regression over several classes, or over two with one sum. `targets` are class numbers.
pub fn logistic(
    rows: &[&Row],
    targets: &[usize],
    row_weights: &[f32],
    classes: usize,
    importance: &[f32],
    steps: Steps,
) -> Vec<Fit> {
    let penalty = steps.penalty;
    let mut weights = vec![0.0f32; COLUMNS * classes];
    let mut used = vec![1e-6f32; COLUMNS * classes];
    let mut bias = vec![0.0f32; classes];
    let mut bias_used = vec![1e-6f32; classes];
    let mut order: Vec<usize> = (0..rows.len()).collect();
    let mut chance = Chance::new(7);
    let grown = 1_000.0 / (1_000 - steps.dropped) as f32;
    for epoch in 0..steps.epochs {
        chance.shuffle(&mut order);
        let rate = 0.15 / (1.0 + epoch as f32 * 0.5);
        for index in &order {
            let row: Vec<(u32, f32)> = rows[*index]
                .iter()
                .filter(|(c, _)| *c as usize >= ALL || chance.below(1_000) >= steps.dropped)
                .map(|(c, v)| (*c, if (*c as usize) < ALL { v * grown } else { *v }))
                .collect();
            let mut sums = bias.clone();
            for (c, v) in &row {
                let value = v * importance[*c as usize];
                if value != 0.0 {
                    let at = *c as usize * classes;
                    for (sum, weight) in sums.iter_mut().zip(&weights[at..at + classes]) {
                        *sum += weight * value;
                    }
                }
            }
            let mut slopes = probabilities(&sums);
            if classes == 1 {
                slopes[0] -= targets[*index] as f32;
            } else {
                slopes[targets[*index]] -= 1.0;
            }
            slopes.iter_mut().for_each(|slope| *slope *= row_weights[*index]);
            for class in 0..classes {
                bias_used[class] += slopes[class] * slopes[class];
                bias[class] -= rate * slopes[class] / bias_used[class].sqrt();
            }
            for (c, v) in &row {
                let value = v * importance[*c as usize];
                if value != 0.0 {
                    let at = *c as usize * classes;
                    for class in 0..classes {
                        let slope = slopes[class] * value + penalty * weights[at + class];
                        used[at + class] += slope * slope;
                        weights[at + class] -= rate * slope / used[at + class].sqrt();
                    }
                }
            }
        }
    }
    (0..classes)
        .map(|class| Fit {
            bias: bias[class],
            weights: (0..COLUMNS).map(|c| weights[c * classes + class] * importance[c]).collect(),
        })
        .collect()
}

pub fn probabilities(sums: &[f32]) -> Vec<f32> {
    if let [sum] = sums {
        return vec![1.0 / (1.0 + (-sum).exp())];
    }
    let most = sums.iter().copied().fold(f32::MIN, f32::max);
    let powers: Vec<f32> = sums.iter().map(|sum| (sum - most).exp()).collect();
    let whole: f32 = powers.iter().sum();
    powers.iter().map(|power| power / whole).collect()
}

/// A small generator of chance, the same in every run (SplitMix64).
pub struct Chance(u64);

impl Chance {
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
    }
}
