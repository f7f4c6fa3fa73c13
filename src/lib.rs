//! One router for language models in four tiers, and the control room that watches it.
//!
//! ```text
//! prompt → analyse → guard → decide → admit → attempt → first token → stream → settle ─┬─ next candidate, while
//!                                                                                      │  nothing was delivered
//!                                                                                      └─ facts → fleet, log, screen
//! ```
//!
//! | module | what lives there |
//! |---|---|
//! | [`domain`] | the pure core: the words, the guard, the analysis, [`domain::decision::decide`], the fleet, money |
//! | [`engine`] | the handle, the actor that owns the fleet, attempts and failover, snapshots, facts, commands |
//! | [`provider`] | one client per wire protocol; clients of outside services take only what the guard has cleared |
//! | [`runpod`], [`telemetry`] | rented machines, GPUs, this host |
//! | [`config`] | defaults, file and environment become one [`config::Config`] |
//! | [`demo`] | simulated upstreams on loopback that speak the real protocols |
//! | [`store`] | what is kept from run to run beside the log |
//! | [`tui`], [`cli`] | the dashboard and the command line |
//!
//! Start with [`Engine::start`], then [`Engine::call`] and its kin.

pub mod cli;
pub mod config;
pub mod demo;
pub mod domain;
pub mod engine;
pub mod logging;
pub mod provider;
pub mod runpod;
pub mod store;
pub mod telemetry;
pub mod tui;

pub use domain::decision::Decision;
pub use domain::money::Money;
pub use domain::prompt::Prompt;
pub use domain::request::{Constraints, Optimize, Privacy};
pub use domain::task::Task;
pub use domain::tier::Tier;
pub use engine::{Answer, CallError, Engine, Progress, Reply};

/// The README's code has to compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
