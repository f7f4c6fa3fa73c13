//! What the actor is told, and what comes with leave to send.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64};

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::books::Entry;
use super::command::Command;
use super::fact::Attempt;
use crate::domain::decision::Decision;
use crate::domain::failure::Failure;
use crate::domain::fleet::{self, CommandError, Lesson, Load, Passes, Permit};
use crate::domain::health::ProbeReport;
use crate::domain::id::{BackendId, ModelId, RequestId};
use crate::domain::latency::Sample;
use crate::domain::learning::Kind;
use crate::domain::limits::Limits;
use crate::domain::rejection::Rejection;
use crate::domain::task::Task;
use crate::store::journal::Wait;

/// Leave to send one attempt is asked for.
pub(super) struct Ask {
    pub ask: fleet::Ask,
    pub request: RequestId,
    pub number: u32,
    pub task: Task,
    pub kind: Option<Kind>,
    /// The answer's forecast length, of no model in particular.
    pub forecast: Option<u32>,
    /// Where the request goes and why, with its first attempt: the ledger is told of both at once.
    pub decision: Option<Arc<Decision>>,
}

/// What an attempt came to.
pub(super) struct Settled {
    pub attempt: Arc<Attempt>,
    pub sample: Option<Sample>,
    pub failure: Option<Failure>,
    pub lesson: Lesson,
}

/// Leave, and the attempt's place in the ledger.
#[derive(Debug)]
pub(super) struct Leave {
    pub permit: Permit,
    pub entry: Option<Entry>,
}

#[cfg(test)]
impl Leave {
    /// Leave without a ledger.
    pub const fn without_entry(permit: Permit) -> Self {
        Self { permit, entry: None }
    }
}

/// What comes with leave.
pub(super) struct Granted {
    pub admitted: Leave,
    /// What an operator ends the attempt by.
    pub kill: CancellationToken,
    /// What comes when the ledger's entry has been written; nothing, where it is safe already.
    pub written: Option<Wait>,
}

/// Leave, or why there is none.
pub(super) type Admission = Result<Granted, Rejection>;

type Reply = oneshot::Sender<Result<(), CommandError>>;

/// What a host is to load, if anything: the answer to a probe's report.
type LoadWanted = oneshot::Sender<Option<Load>>;

/// What the actor is told: `Began` is the first token of a trial, `Limits` what the head of an answer tells.
pub(super) enum Message {
    Accepted { request: RequestId, cancel: CancellationToken, question: Option<u64> },
    Ended { request: RequestId, answered_by: Option<(BackendId, ModelId)> },
    Admit { ask: Ask, reply: oneshot::Sender<Admission> },
    Release(Leave),
    Lost(Leave),
    Began { backend: BackendId, model: ModelId, passes: Passes },
    Limits { backend: BackendId, model: ModelId, limits: Limits },
    Settle { admitted: Leave, settled: Box<Settled> },
    Probed { backend: BackendId, report: ProbeReport, reply: LoadWanted },
    Command { command: Command, by: Arc<str>, reply: Reply },
}

/// Counters that requests raise themselves; the snapshot shows them.
#[derive(Default)]
pub(super) struct Counters {
    pub accepted: AtomicU64,
    pub in_flight: AtomicU32,
}
