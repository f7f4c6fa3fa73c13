//! The weights, and what they make of a prompt's features.
//!
//! Every judgement is a sum: of what each word says, and of what each measure says at its size. So no single word decides,
//! and a reader can be told which did. The weights are whole numbers of one byte with a scale for each judgement; the
//! command `fit_analysis` writes them (see `assets/analysis.md`).

use std::sync::LazyLock;

use super::features::{ALL_BUCKETS, ASK_BUCKETS, Features, KNOTS};
use super::shape::MEASURES;
use crate::domain::task::Task;

/// How many tasks are told apart.
pub const TASKS: usize = Task::ALL.len();
/// The judgement whether there are answers to pick from.
pub const CHOICES: usize = TASKS;
/// The judgement how hard an open request is.
pub const OPEN: usize = TASKS + 1;
/// The judgement whether a request is worth a model at the frontier.
pub const DEMANDING: usize = TASKS + 2;
/// What a strong model gains on a question with answers to pick from.
pub const PICKING: usize = TASKS + 3;
/// What a strong model gains on a mathematical problem.
pub const MATHEMATICS: usize = TASKS + 4;
/// How many judgements there are.
pub const HEADS: usize = TASKS + 5;
/// Judgements that the words of the part that asks speak for: the first of all.
pub const ASK_HEADS: usize = TASKS + 3;
/// Judgements that all words speak for: the last of all.
pub const ALL_HEADS: usize = 4;
/// The first of those.
pub const FIRST_ALL_HEAD: usize = HEADS - ALL_HEADS;
/// How much the general judgement counts beside that of the kind.
pub const GENERAL_SHARE: f32 = 0.3;
/// Numbers that turn sums into what is reported: an offset and a slope each for picking, mathematics and open requests,
/// and what the tasks' sums are multiplied by to be honest odds.
pub const CALIBRATION: usize = 8;

/// What a weights file begins with: its name and the version of its form.
const MAGIC: &[u8; 8] = b"analys\x01\0";
const FLOATS: usize = HEADS + ASK_HEADS + ALL_HEADS + CALIBRATION + MEASURES * KNOTS * HEADS;

/// Bytes of a weights file.
pub const SIZE: usize = MAGIC.len() + FLOATS * 4 + ASK_BUCKETS * ASK_HEADS + ALL_BUCKETS * ALL_HEADS;

/// The fitted weights.
#[derive(Clone, Debug)]
pub struct Weights {
    /// What each judgement starts from.
    pub bias: Vec<f32>,
    /// What one unit of the words' weights is worth, for each judgement of the part that asks.
    pub ask_scale: Vec<f32>,
    /// The same for all words.
    pub all_scale: Vec<f32>,
    /// Offsets and slopes.
    pub calibration: Vec<f32>,
    /// What each measure says at each knot, for each judgement.
    pub knots: Vec<f32>,
    /// A row of [`ASK_HEADS`] for each bucket.
    pub ask: Vec<i8>,
    /// A row of [`ALL_HEADS`] for each bucket.
    pub all: Vec<i8>,
}

/// The sums for one prompt.
pub type Sums = [f32; HEADS];

static MODEL: LazyLock<Model> = LazyLock::new(|| {
    Model::of(Weights::parse(include_bytes!("../../../assets/analysis.bin")).unwrap_or_else(Weights::none))
});

/// The weights that the program was built with.
pub fn model() -> &'static Model {
    &MODEL
}

/// The weights, made ready to add up.
#[derive(Clone, Debug)]
pub struct Model {
    /// As they were fitted.
    pub weights: Weights,
    /// The sums where every measure is nought, as most are in most texts.
    start: Sums,
    /// What each measure adds to that at each knot.
    steps: Vec<Sums>,
}

impl Weights {
    /// Weights that say nothing.
    #[must_use]
    pub fn none() -> Self {
        Self {
            bias: vec![0.0; HEADS],
            ask_scale: vec![0.0; ASK_HEADS],
            all_scale: vec![0.0; ALL_HEADS],
            calibration: vec![0.0; CALIBRATION],
            knots: vec![0.0; MEASURES * KNOTS * HEADS],
            ask: vec![0; ASK_BUCKETS * ASK_HEADS],
            all: vec![0; ALL_BUCKETS * ALL_HEADS],
        }
    }

    /// Reads a weights file; `None` where it has another form than this program's features.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(MAGIC).filter(|_| bytes.len() == SIZE)?;
        let (floats, rest) = rest.split_at_checked(FLOATS * 4)?;
        let (ask, all) = rest.split_at_checked(ASK_BUCKETS * ASK_HEADS)?;
        let mut floats = floats.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
        let mut take = |count: usize| floats.by_ref().take(count).collect::<Vec<f32>>();
        let signed = |bytes: &[u8]| bytes.iter().map(|byte| byte.cast_signed()).collect();
        Some(Self {
            bias: take(HEADS),
            ask_scale: take(ASK_HEADS),
            all_scale: take(ALL_HEADS),
            calibration: take(CALIBRATION),
            knots: take(MEASURES * KNOTS * HEADS),
            ask: signed(ask),
            all: signed(all),
        })
    }

    /// The weights as a file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let floats = [&self.bias, &self.ask_scale, &self.all_scale, &self.calibration, &self.knots];
        let mut bytes = MAGIC.to_vec();
        bytes.extend(floats.into_iter().flatten().flat_map(|value| value.to_le_bytes()));
        bytes.extend(self.ask.iter().chain(&self.all).map(|value| value.cast_unsigned()));
        bytes
    }
}

impl Model {
    /// Makes weights ready.
    #[must_use]
    pub fn of(weights: Weights) -> Self {
        let knots = weights.knots.as_chunks::<HEADS>().0;
        let mut start = [0.0; HEADS];
        let at_nought = knots.iter().step_by(KNOTS);
        for row in std::iter::once(weights.bias.as_slice()).chain(at_nought.map(|row| row.as_slice())) {
            start.iter_mut().zip(row).for_each(|(sum, weight)| *sum += weight);
        }
        let steps = knots.chunks(KNOTS).flat_map(|knots| {
            knots
                .iter()
                .map(|row| std::array::from_fn(|head| row[head] - knots.first().map_or(0.0, |first| first[head])))
        });
        let steps = steps.collect();
        Self { weights, start, steps }
    }

    /// What the weights make of a prompt.
    #[must_use]
    pub fn sums(&self, features: &Features) -> Sums {
        let weights = &self.weights;
        let mut sums = self.start;
        let asked: [i32; ASK_HEADS] = add_up(&weights.ask, &features.ask);
        let value = features.ask_value();
        for ((sum, total), scale) in sums.iter_mut().zip(asked).zip(&weights.ask_scale) {
            *sum += total as f32 * scale * value;
        }
        let everything: [i32; ALL_HEADS] = add_up(&weights.all, &features.all);
        let value = features.all_value();
        for ((sum, total), scale) in sums.iter_mut().skip(FIRST_ALL_HEAD).zip(everything).zip(&weights.all_scale) {
            *sum += total as f32 * scale * value;
        }
        for (measure, value) in features.measures.iter().enumerate().filter(|(_, value)| **value > 0.0) {
            // The step to the first knot is nought.
            for (knot, share) in hat(*value).into_iter().filter(|(knot, _)| *knot > 0) {
                let row = self.steps.get(measure * KNOTS + knot).unwrap_or(&[0.0; HEADS]);
                sums.iter_mut().zip(row).for_each(|(sum, step)| *sum += step * share);
            }
        }
        sums
    }
}

/// The two knots that a value from 0 to 1 lies between, each with its share.
#[must_use]
pub fn hat(value: f32) -> [(usize, f32); 2] {
    let place = value.clamp(0.0, 1.0) * (KNOTS - 1) as f32;
    let left = (place as usize).min(KNOTS - 2);
    let share = place - left as f32;
    [(left, 1.0 - share), (left + 1, share)]
}

fn add_up<const N: usize>(table: &[i8], buckets: &[u32]) -> [i32; N] {
    let rows = table.as_chunks::<N>().0;
    let mut totals = [0; N];
    for bucket in buckets {
        let Some(row) = rows.get(*bucket as usize) else { continue };
        totals.iter_mut().zip(row).for_each(|(total, weight)| *total += i32::from(*weight));
    }
    totals
}
