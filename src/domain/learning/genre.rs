//! What a text reads like: which of a dozen public collections of prompts its words and its shape are nearest to.
//!
//! A name for kinds of work that a task class does not tell apart, such as trivia from questions of common sense, or school
//! problems from those of competitions. The weights are a softmax regression over hashed words and the shape (see
//! `examples/fit_genres.rs`); what models are worth on each genre is learnt from a deployment's own outcomes. A text from
//! elsewhere has a nearest genre too, which is then no more than a group of texts that read alike.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::shape::{BUCKETS, Buckets, MEASURES, Shape};

/// Genres that the weights have room for; a row of weights is then sixteen bytes.
pub const GENRES: usize = 16;

/// The genre of a text: an index without further meaning, below [`GENRES`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Genre(pub u8);

/// Weights of a genre's words and shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// For each bucket of words, in units of [`Weights::unit`].
    pub words: Vec<[i8; GENRES]>,
    /// What one of those is worth.
    pub unit: f32,
    /// For the logarithm of each measure of the shape.
    pub shape: Vec<[f32; GENRES]>,
    /// Where nothing else speaks.
    pub bias: [f32; GENRES],
}

static SHIPPED: LazyLock<Weights> =
    LazyLock::new(|| Weights::parse(include_bytes!("../../../assets/genres.bin")).unwrap_or_else(Weights::empty));

/// The genre of a text.
#[must_use]
pub fn genre(shape: &Shape, buckets: &Buckets) -> Genre {
    SHIPPED.genre(shape, buckets)
}

/// A measure as the weights see it: counts differ by orders of magnitude.
#[must_use]
pub fn level(measure: f32) -> f32 {
    (1.0 + measure.max(0.0)).ln()
}

impl Weights {
    /// Weights that say nothing: every text is of the first genre.
    fn empty() -> Self {
        Self { words: vec![[0; GENRES]; BUCKETS], unit: 0.0, shape: vec![[0.0; GENRES]; MEASURES], bias: [0.0; GENRES] }
    }

    /// The likeliest genre of a text.
    #[must_use]
    pub fn genre(&self, shape: &Shape, buckets: &Buckets) -> Genre {
        let mut words = [0_i32; GENRES];
        for row in buckets.iter().filter_map(|bucket| self.words.get(bucket)) {
            words = std::array::from_fn(|at| words[at] + i32::from(row[at]));
        }
        let unit = self.unit * buckets.share();
        let mut sums = self.bias;
        for (sum, words) in sums.iter_mut().zip(words) {
            *sum += unit * words as f32;
        }
        for (row, measure) in self.shape.iter().zip(shape) {
            let level = level(*measure);
            sums = std::array::from_fn(|at| sums[at] + level * row[at]);
        }
        let best = sums.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)));
        Genre(best.and_then(|(index, _)| u8::try_from(index).ok()).unwrap_or_default())
    }

    /// Reads what [`Weights::bytes`] wrote; `None` where that is not what it is.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (words, numbers) = bytes.split_at_checked(BUCKETS * GENRES)?;
        let words = words.chunks_exact(GENRES).map(|row| std::array::from_fn(|at| row[at].cast_signed())).collect();
        let numbers: Vec<f32> =
            numbers.chunks_exact(4).filter_map(|four| Some(f32::from_le_bytes(four.try_into().ok()?))).collect();
        let (unit, rows) = numbers.split_first()?;
        let mut rows = rows.chunks_exact(GENRES).filter_map(|row| <[f32; GENRES]>::try_from(row).ok());
        let bias = rows.next()?;
        let shape: Vec<_> = rows.collect();
        (shape.len() == MEASURES).then_some(Self { words, unit: *unit, shape, bias })
    }

    /// The weights as they ship: words a byte each, then unit, bias and shape as little-endian numbers of four bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let words = self.words.iter().flatten().map(|weight| weight.cast_unsigned());
        let numbers = std::iter::once(&self.unit).chain(&self.bias).chain(self.shape.iter().flatten());
        words.chain(numbers.flat_map(|number| number.to_le_bytes())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::shape::read;
    use super::*;

    fn of(text: &str) -> Genre {
        let read = read(text);
        genre(&read.shape, &read.buckets)
    }

    #[test]
    fn texts_that_read_alike_are_of_one_genre() {
        let story = of("Tom has 12 marbles. He gives 5 to Ann and buys 9 more. How many marbles does Tom have now?");
        let other = of("A baker sells 30 rolls a day for $2 each. How much money does she make in 7 days?");
        let code = of("Write a python function to find the second largest number in a list.");
        let fact = of("who was the first person to sail around the world");
        assert_eq!(story, other);
        assert_ne!(story, code);
        assert_ne!(story, fact);
        assert_ne!(code, fact);
    }

    #[test]
    fn weights_come_back_as_they_were_written() {
        let shipped = Weights::parse(include_bytes!("../../../assets/genres.bin")).expect("they are whole");
        assert_eq!(Weights::parse(&shipped.bytes()), Some(shipped.clone()));
        assert_eq!(Weights::parse(&shipped.bytes()[1..]), None, "cut weights are none");
    }
}
