//! What the screen needs of an engine. The engine implements it in a few lines; tests have a fake.

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use tokio::sync::{broadcast, watch};

use crate::domain::decision::Decision;
use crate::domain::fleet::CommandError;
use crate::domain::prompt::Prompt;
use crate::domain::request::Constraints;
use crate::domain::time::Timestamp;
use crate::engine::{CallError, Command, Fact, Progress, Snapshot};

/// A request that the engine took. Dropping `progress` cancels it.
pub struct Submitted {
    /// Where it goes and why.
    pub decision: Arc<Decision>,
    /// What happens next, up to [`Progress::Ended`].
    pub progress: BoxStream<'static, Progress>,
}

/// Faults that can be dialled into simulated upstreams.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// The upstreams.
    pub upstreams: Vec<String>,
    /// The kinds of faults.
    pub kinds: Vec<String>,
}

/// The engine, as the screen sees it.
pub trait Backing: Send + Sync + 'static {
    /// The fleet's state; the newest wins.
    fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>>;

    /// What happens; a slow listener is told how many it missed.
    fn facts(&self) -> broadcast::Receiver<Fact>;

    /// Sends a prompt. The future ends when it was decided where the prompt goes.
    fn submit(&self, prompt: Prompt, constraints: Constraints) -> BoxFuture<'static, Result<Submitted, CallError>>;

    /// Where a prompt would go at this moment. Takes microseconds, sends nothing.
    fn explain(&self, prompt: &Prompt, constraints: &Constraints) -> Decision;

    /// Carries out an operator's command.
    fn command(&self, command: Command) -> BoxFuture<'static, Result<(), CommandError>>;

    /// The faults on offer; `None` where the tiers are real.
    fn faults(&self) -> Option<Faults> {
        None
    }

    /// Dials a fault in, or all faults of an upstream out.
    ///
    /// # Errors
    ///
    /// In words: there is no such upstream or fault.
    fn set_fault(&self, upstream: &str, fault: Option<&str>) -> Result<(), String> {
        let _ = (upstream, fault);
        Err("the tiers are real: there are no faults to dial in".to_owned())
    }

    /// The present. Tests have their own clock.
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// One line of the program's own log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When.
    pub at: Timestamp,
    /// How grave: `ERROR`, `WARN`, `INFO`, `DEBUG` or `TRACE`.
    pub level: &'static str,
    /// What.
    pub text: String,
}
