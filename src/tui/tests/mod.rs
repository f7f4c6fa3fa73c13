//! Tests of the screen as a whole.

mod fixture;
mod props;
mod screens;
