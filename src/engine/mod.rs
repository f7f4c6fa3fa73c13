//! The engine: takes requests through the way of a prompt, owns the fleet's state, and tells what happens.

mod answer;
mod command;
mod fact;
mod snapshot;
pub mod warnings;

pub use answer::{Answer, CallError, Ending, Progress, Reply};
pub use command::Command;
pub use fact::{Attempt, Dispatched, Fact, Finished, HealthChange, OperatorAction, Outcome};
pub use snapshot::Snapshot;
