//! Tests of the screen as a whole.

mod fake;
mod fixture;
mod journeys;
mod props;
mod screens;
