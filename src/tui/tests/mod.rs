//! Tests of the screen as a whole.

mod fake;
mod fixture;
mod hostile;
mod journeys;
mod props;
mod screens;
