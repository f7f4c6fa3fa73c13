//! What happened changes what comes next: statistics of what each model was worth for each kind of work.
//!
//! [`Learned`] is a table of sums. An [`Outcome`] is added to the sums of its model: all of them, those of its task, of
//! its [`Genre`], of its named [`Kind`], and of the drawers that the text's shape falls into (see [`views`]). What is expected of a model is
//! the mean of its model, moved by how much better or worse it did with such prompts; each mean is drawn towards the wider
//! one while there are few outcomes, and at the widest towards what is usual of the tier. Everything fades with time, and
//! a model that has changed loses its past at once.
//!
//! Nothing here holds text. Time and chance come in as arguments.

mod alone;
pub mod explore;
pub mod fit;
pub mod genre;
pub mod grow;
mod kind;
mod learned;
pub mod log;
pub mod online;
mod outcome;
mod record;
pub mod shape;
mod sum;
pub mod views;
mod words;

pub use alone::Alone;
pub use explore::{Choice, Contender, Exploration};
pub use genre::Genre;
pub use kind::{Kind, Length};
pub use learned::{Counted, Expectation, Forget, HALF_LIFE, Learned, LengthRatio, MOST_MODELS, Outlook, Row};
pub use outcome::{Outcome, Served};
pub use sum::{Histogram, Sum};
pub use words::{Compared, compare};

/// Options a prompt has to list before it offers a choice.
const OPTIONS: f32 = 2.0;

/// Whether a text lists answers to choose from, one behind each of `A)`, `B.` and so on.
#[must_use]
pub fn offers_choices(text: &str) -> bool {
    shape::shape(text).get(shape::OPTIONS).is_some_and(|options| *options >= OPTIONS)
}

#[cfg(test)]
mod tests;
