//! Tests of the screen as a whole.

mod fake;
pub mod fixture;
mod hostile;
mod journeys;
mod panes;
mod props;
mod scene;
mod screens;
