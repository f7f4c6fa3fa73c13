//! The dashboard. It draws the engine's snapshots and facts and sends it commands; it routes nothing itself.
//!
//! ```text
//! terminal events ─┐                       ┌─ effects → engine, clipboard, terminal
//! snapshots, facts ┼→ one select loop → App┤
//! answers ─────────┘                       └─ frame due → view → terminal
//! ```
//!
//! The loop's branches only change the state and ask for a frame; drawing happens in one place, when [`frame::Pacer`] says
//! so. Nothing here may wait for the engine: what takes time runs as a task and reports back over a bounded channel.

mod act;
pub mod action;
pub mod app;
pub mod at_work;
pub mod backing;
pub mod clipboard;
pub mod feed;
pub mod frame;
pub mod glyph;
pub mod input;
pub mod job;
pub mod keymap;
pub mod layout;
pub mod overlay;
pub mod panes;
pub mod session;
pub mod slash;
pub mod status;
mod summary;
pub mod terminal;
pub mod text;
pub mod theme;
pub mod turn;
pub mod undo;
pub mod view;
mod weigh;
pub mod widgets;

#[cfg(debug_assertions)]
mod provoke;
mod run;
#[cfg(test)]
mod tests;

pub use backing::{Backing, Faults, LogLine, Submitted};
pub use keymap::check as check_keys;
pub use run::{Options, TuiError, run, run_on};
pub use summary::ExitSummary;
