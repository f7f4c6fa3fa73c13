//! Fitting the genres: a softmax regression by stochastic gradients, with steps that shrink for each weight by itself
//! (Duchi, Hazan and Singer, 2011).
//!
//! Not used while the program runs; it is here so that the weights that ship can be made again from the text that they were
//! made from.

use super::genre::{GENRES, Weights, level};
use super::grow::Chance;
use super::shape::{BUCKETS, MEASURES, Read};

/// Passes over the examples. More no longer change the figures that were held out.
const PASSES: usize = 40;
/// The first step of a weight.
const STEP: f32 = 0.15;
/// By how much larger the words are made than the shape, whose measures have one standard deviation of this: prompts of one
/// genre differ in length more than in words.
const OF_WORDS: f32 = 3.0;
const OF_SHAPE: f32 = 0.3;
/// How much weights are drawn to zero: as much as one example pulls, over a whole pass.
const DRAWN: f32 = 1.0;

type Row = [f32; GENRES];

/// Fits weights to texts whose genre is known. The same examples and seed give the same weights.
#[must_use]
pub fn fit(examples: &[(Read, u8)], seed: u64) -> Weights {
    let count = examples.len().max(1) as f32;
    let levels: Vec<[f32; MEASURES]> = examples.iter().map(|(read, _)| read.shape.map(level)).collect();
    let mean: [f32; MEASURES] = std::array::from_fn(|at| levels.iter().map(|row| row[at]).sum::<f32>() / count);
    let deviation: [f32; MEASURES] = std::array::from_fn(|at| {
        let variance = levels.iter().map(|row| (row[at] - mean[at]).powi(2)).sum::<f32>() / count;
        variance.sqrt().max(1e-3)
    });
    let inputs: Vec<(Vec<(usize, f32)>, u8)> = examples
        .iter()
        .zip(&levels)
        .map(|((read, genre), levels)| {
            let share = OF_WORDS * read.buckets.share();
            let words = read.buckets.iter().map(|bucket| (bucket, share));
            let shape = (0..MEASURES).map(|at| (BUCKETS + at, OF_SHAPE * (levels[at] - mean[at]) / deviation[at]));
            (words.chain(shape).chain([(BUCKETS + MEASURES, 1.0)]).collect(), *genre)
        })
        .collect();
    let weights = descend(&inputs, seed);
    let (words, rest) = weights.split_at(BUCKETS);
    let largest = words.iter().flatten().fold(f32::MIN_POSITIVE, |most, weight| most.max(weight.abs()));
    let unit = largest / 127.0;
    let mut bias = rest.last().copied().unwrap_or_default();
    let mut shape = Vec::new();
    for ((row, mean), deviation) in rest.iter().zip(mean).zip(deviation) {
        let row = row.map(|weight| OF_SHAPE * weight / deviation);
        bias = std::array::from_fn(|genre| bias[genre] - row[genre] * mean);
        shape.push(row);
    }
    let words = words.iter().map(|row| row.map(|weight| (weight / unit).round() as i8)).collect();
    Weights { words, unit: OF_WORDS * unit, shape, bias }
}

fn descend(inputs: &[(Vec<(usize, f32)>, u8)], seed: u64) -> Vec<Row> {
    let mut weights = vec![[0.0; GENRES]; BUCKETS + MEASURES + 1];
    let mut seen = weights.clone();
    let mut chance = Chance(seed);
    let present: Vec<bool> = (0..GENRES).map(|genre| inputs.iter().any(|(_, of)| usize::from(*of) == genre)).collect();
    let mut order: Vec<usize> = (0..inputs.len()).collect();
    for _ in 0..PASSES {
        for last in (1..order.len()).rev() {
            order.swap(last, chance.below(last + 1));
        }
        for (input, genre) in order.iter().filter_map(|at| inputs.get(*at)) {
            let mut sums = [0.0; GENRES];
            for (place, value) in input {
                for (sum, weight) in sums.iter_mut().zip(&weights[*place]) {
                    *sum += value * weight;
                }
            }
            let most = sums.iter().copied().fold(f32::MIN, f32::max);
            let mut chances: Row = std::array::from_fn(|at| if present[at] { (sums[at] - most).exp() } else { 0.0 });
            let whole: f32 = chances.iter().sum();
            chances.iter_mut().for_each(|chance| *chance /= whole);
            chances[usize::from(*genre)] -= 1.0;
            for (place, value) in input {
                let drawn = DRAWN / inputs.len() as f32;
                for ((weight, seen), off) in weights[*place].iter_mut().zip(&mut seen[*place]).zip(&chances) {
                    let slope = value * off + drawn * *weight;
                    *seen += slope * slope;
                    *weight -= STEP * slope / (1e-8 + *seen).sqrt();
                }
            }
        }
    }
    // Genres that were not among the examples must never win.
    if let Some(bias) = weights.last_mut() {
        for (bias, _) in bias.iter_mut().zip(&present).filter(|(_, present)| !**present) {
            *bias = -1e3;
        }
    }
    weights
}
