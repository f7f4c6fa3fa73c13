//! Tokens before anything is sent: how many a prompt has, and how many an answer will.
//!
//! Where a model's vocabulary is public the count is exact; elsewhere it is an estimate from the nearest public one, which
//! what the provider bills then calibrates ([`Calibration`]).

mod calibration;
mod family;
mod length;
mod measured;
mod pieces;
mod vocabulary;

pub use calibration::{Calibration, Features};
pub use length::{adjusted, forecast};
pub use measured::{Measured, TokenCount, count, expected, factor};
pub use vocabulary::{Tally, Vocabulary};

/// Unpacks every vocabulary, so that the first request does not pay for it: about 200 ms of one core.
pub fn warm() {
    Vocabulary::ALL.into_iter().for_each(Vocabulary::warm);
}

#[cfg(test)]
mod tests;
