//! What an operator wants of a part of the fleet. Kept apart from health: a drained tier may be in perfect health.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::rejection::{Level, Rejection};
use super::super::task::Task;
use super::super::tier::Target;
use super::super::time::Timestamp;

/// What an operator wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AdminState {
    /// Takes requests.
    #[default]
    Ready,
    /// Takes no new requests; what is in flight finishes; probes go on.
    Drain,
    /// Takes no requests and is not probed.
    Maint,
}

impl AdminState {
    /// The name used in commands, JSON and on the screen.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Drain => "drain",
            Self::Maint => "maint",
        }
    }
}

/// An operator's word on a part of the fleet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admin {
    /// What is wanted.
    pub state: AdminState,
    /// Who said so; `default` where nobody did.
    pub by: Arc<str>,
    /// When.
    pub since: Timestamp,
    /// Until when; for good, where absent.
    pub until: Option<Timestamp>,
    /// Why; may be empty.
    pub reason: Arc<str>,
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            state: AdminState::Ready,
            by: Arc::from("default"),
            since: Timestamp(0),
            until: None,
            reason: Arc::from(""),
        }
    }
}

impl Admin {
    /// What holds at a time: after its expiry, a word is as if it had never been given.
    #[must_use]
    pub fn state_at(&self, now: Timestamp) -> AdminState {
        if self.until.is_some_and(|until| now >= until) { AdminState::Ready } else { self.state }
    }

    /// Whether new requests may pass.
    ///
    /// # Errors
    ///
    /// The rejection that names this word, at the given level.
    pub fn admits(&self, level: Level, now: Timestamp) -> Result<(), Rejection> {
        match self.state_at(now) {
            AdminState::Ready => Ok(()),
            state => Err(Rejection::Admin { state, level, reason: Arc::clone(&self.reason) }),
        }
    }
}

/// Which requests a pin is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PinScope {
    /// All of them.
    #[default]
    All,
    /// Those of one task.
    Task(Task),
    /// Those of one caller.
    Caller(Arc<str>),
}

impl std::fmt::Display for PinScope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => f.write_str("all requests"),
            Self::Task(task) => write!(f, "{task} requests"),
            Self::Caller(caller) => write!(f, "requests of {caller}"),
        }
    }
}

/// An operator's wish to have requests go to one part of the fleet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// Where to.
    pub target: Arc<Target>,
    /// Which requests.
    pub scope: PinScope,
    /// Nowhere else, even if the target cannot serve. Otherwise the other candidates stand in.
    pub only: bool,
    /// Who pinned.
    pub by: Arc<str>,
    /// When.
    pub since: Timestamp,
    /// Until when; for good, where absent.
    pub until: Option<Timestamp>,
    /// Why; may be empty.
    pub reason: Arc<str>,
}

impl Pin {
    /// Whether the pin speaks for a request at a time.
    #[must_use]
    pub fn holds_for(&self, task: Task, caller: &str, now: Timestamp) -> bool {
        let in_scope = match &self.scope {
            PinScope::All => true,
            PinScope::Task(wanted) => *wanted == task,
            PinScope::Caller(wanted) => **wanted == *caller,
        };
        in_scope && self.until.is_none_or(|until| now < until)
    }
}
