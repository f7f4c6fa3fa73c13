//! Facts: what happened, told once to everyone who listens, over a bounded channel. A listener that falls behind misses
//! some and is told how many; the engine never waits for it. Facts carry no prompt and no answer text.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::decision::Decision;
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::fleet::AdminState;
use crate::domain::health::Health;
use crate::domain::id::{BackendId, ModelId, RequestId};
use crate::domain::judgement::Judgement;
use crate::domain::money::{Cost, Money};
use crate::domain::tier::{Target, Tier};
use crate::domain::time::Timestamp;
use crate::domain::usage::Usage;
use crate::provider::Finish;

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Fact {
    /// A request was accepted, and it was decided where it goes.
    Decided(Arc<Decision>),
    /// An attempt was sent: after one that failed, or beside one that is slow.
    Dispatched(Dispatched),
    /// An attempt's first meaningful token arrived.
    FirstToken {
        /// The request.
        request: RequestId,
        /// The attempt's number, from 1.
        attempt: u32,
        /// Since dispatch.
        after: Duration,
    },
    /// An attempt ended.
    Attempted(Arc<Attempt>),
    /// A request ended. Every accepted request ends in exactly one of these.
    Finished(Arc<Finished>),
    /// An operator acted.
    Operator(Arc<OperatorAction>),
    /// A backend's health changed.
    Health(Arc<HealthChange>),
    /// Nothing is in flight any more on a part of the fleet that was drained or taken into maintenance.
    Drained(Arc<Drained>),
}

/// An attempt that was sent.
#[derive(Clone, Debug)]
pub struct Dispatched {
    /// The request.
    pub request: RequestId,
    /// The attempt's number, from 1.
    pub attempt: u32,
    /// The tier.
    pub tier: Tier,
    /// The backend.
    pub backend: BackendId,
    /// The model.
    pub model: ModelId,
    /// When.
    pub at: Timestamp,
}

/// An attempt that ended: a row of the ledger.
#[derive(Clone, Debug, Serialize)]
pub struct Attempt {
    /// The request.
    pub request: RequestId,
    /// The attempt's number, from 1.
    pub number: u32,
    /// The tier.
    pub tier: Tier,
    /// The backend.
    pub backend: BackendId,
    /// The model.
    pub model: ModelId,
    /// Whether it was made only because nothing healthy was left, when its decision was made or when its turn came.
    pub last_resort: bool,
    /// When it was sent.
    pub started: Timestamp,
    /// From dispatch to the first meaningful token; `None` if there was none.
    pub first_token: Option<Duration>,
    /// From dispatch to the end.
    pub total: Duration,
    /// How it ended.
    pub outcome: Result<Finish, Failure>,
    /// Whether any of its answer had been delivered to the caller.
    pub delivered: bool,
    /// What it used, where the provider said so.
    pub usage: Option<Usage>,
    /// What it cost.
    pub cost: Cost,
    /// What it was expected to cost when it was decided, with the median output; `None` where not known.
    pub predicted: Option<Money>,
}

impl Attempt {
    /// Whether something went wrong with it: one that another candidate overtook was in order.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.outcome.as_ref().is_err_and(|failure| failure.class != FailureClass::Overtaken)
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// With a whole answer.
    Answered,
    /// Nobody could serve it: no attempt was made.
    NoRoute,
    /// Every attempt failed, the last one before anything of it was delivered.
    Failed,
    /// The answer broke off after a part of it had been delivered, and was not begun anew.
    Cut,
    /// The caller or an operator cancelled it.
    Cancelled,
    /// The program ended before it did. Only the history knows of these.
    Lost,
}

/// A request that ended.
#[derive(Clone, Debug, Serialize)]
pub struct Finished {
    /// The request.
    pub request: RequestId,
    /// When.
    pub at: Timestamp,
    /// How.
    pub outcome: Outcome,
    /// Why, where it did not end in an answer; one line, without prompt text.
    pub why: Option<String>,
    /// From acceptance to the end.
    pub total: Duration,
    /// Its attempts, in the order in which they ended: where there is an answer, the last one gave it.
    pub attempts: Vec<Arc<Attempt>>,
}

/// What an operator did.
#[derive(Clone, Debug, Serialize)]
pub struct OperatorAction {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: Arc<str>,
    /// To what; `None` for what concerns no part of the fleet.
    pub target: Option<Target>,
    /// What the target's admin state is now, where that was changed.
    pub state: Option<AdminState>,
    /// The judgement of an answer, where that is what was done.
    pub judged: Option<(RequestId, Judgement)>,
    /// What was done, in words: `drain tier claude for 15 min`.
    pub words: String,
}

/// A drain came to its end.
#[derive(Clone, Debug, Serialize)]
pub struct Drained {
    /// When.
    pub at: Timestamp,
    /// Which part of the fleet.
    pub target: Target,
    /// How long it took from the operator's word.
    pub after: Duration,
}

/// A backend's health changed.
#[derive(Clone, Debug, Serialize)]
pub struct HealthChange {
    /// When.
    pub at: Timestamp,
    /// The tier.
    pub tier: Tier,
    /// The backend.
    pub backend: BackendId,
    /// From.
    pub from: Health,
    /// To.
    pub to: Health,
    /// Why, in a few words.
    pub why: Arc<str>,
}
