//! Tests of the screen as a whole.

mod asking;
mod charts;
mod fake;
pub mod fixture;
mod hostile;
mod journeys;
mod keys;
mod moving;
mod numbers;
mod operating;
mod overlays;
mod panes;
mod props;
mod returning;
mod scene;
mod screens;

pub use scene::ending;
