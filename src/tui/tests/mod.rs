//! Tests of the screen as a whole.

mod fake;
pub mod fixture;
mod hostile;
mod journeys;
mod props;
mod screens;
