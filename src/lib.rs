//! One router for language models in four tiers, and the control room that watches it.

pub mod cli;
pub mod config;
pub mod demo;
pub mod domain;
pub mod engine;
pub mod logging;
pub mod provider;
pub mod runpod;
pub mod telemetry;
pub mod tui;

pub use domain::decision::Decision;
pub use domain::money::Money;
pub use domain::prompt::Prompt;
pub use domain::request::{Constraints, Optimize, Privacy};
pub use domain::task::Task;
pub use domain::tier::Tier;
pub use engine::{Answer, CallError, Engine, Progress, Reply};
