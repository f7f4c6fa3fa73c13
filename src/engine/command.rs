//! What an operator can tell the engine to do.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::fleet::{AdminState, PinScope};
use crate::domain::id::{BackendId, RequestId};
use crate::domain::judgement::Judgement;
use crate::domain::money::Money;
use crate::domain::tier::Target;

/// An operator's command. Every one of them that is carried out becomes a [`Fact::Operator`](super::Fact::Operator).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Makes a part of the fleet ready, drains it, or takes it into maintenance.
    SetAdmin {
        /// Which part.
        target: Target,
        /// What is wanted.
        state: AdminState,
        /// For how long; for good, where absent.
        lasts: Option<Duration>,
        /// Why; may be empty.
        reason: Arc<str>,
    },
    /// Sends requests to one part of the fleet.
    Pin {
        /// Which part.
        target: Target,
        /// Which requests.
        scope: PinScope,
        /// Nowhere else, even if the target cannot serve.
        only: bool,
        /// For how long; for good, where absent.
        lasts: Option<Duration>,
        /// Why; may be empty.
        reason: Arc<str>,
    },
    /// Takes the pins on a part of the fleet away.
    Unpin {
        /// Which part.
        target: Target,
    },
    /// Ends what is in flight on a part of the fleet: what has delivered nothing goes to its next candidate, the rest is
    /// cut off.
    Kill {
        /// Which part.
        target: Target,
    },
    /// Sets what may be spent today; no limit, where absent. Tomorrow the configured limit holds again.
    SetDailyLimit(Option<Money>),
    /// Says what the answer to a request was worth. A second word on the same answer replaces the first.
    Judge {
        /// Which request.
        request: RequestId,
        /// What it was worth.
        judgement: Judgement,
    },
    /// Probes one backend, or all of them, now.
    Probe(Option<BackendId>),
    /// Cancels a request in flight.
    Cancel(RequestId),
}

impl Command {
    /// What the command does, in words: for the audit, the log and the screen.
    #[must_use]
    pub fn words(&self) -> String {
        let tail = |lasts: &Option<Duration>, reason: &str| {
            let lasts = lasts.map(|lasts| format!(" for {} min", lasts.as_secs().div_ceil(60))).unwrap_or_default();
            if reason.is_empty() { lasts } else { format!("{lasts} ({reason})") }
        };
        match self {
            Self::SetAdmin { target, state, lasts, reason } => {
                let verb = match state {
                    AdminState::Ready => "make ready",
                    AdminState::Drain => "drain",
                    AdminState::Maint => "take into maintenance",
                };
                format!("{verb} {target}{}", tail(lasts, reason))
            }
            Self::Pin { target, scope, only, lasts, reason } => {
                let only = if *only { " only" } else { "" };
                format!("pin {scope} to {target}{only}{}", tail(lasts, reason))
            }
            Self::Unpin { target } => format!("unpin {target}"),
            Self::Kill { target } => format!("end what is in flight on {target}"),
            Self::SetDailyLimit(Some(limit)) => format!("set today's limit to {limit}"),
            Self::SetDailyLimit(None) => "lift today's limit".to_owned(),
            Self::Judge { request, judgement } => {
                format!("judge the answer to {} as {}", request.short(), judgement.name())
            }
            Self::Probe(Some(backend)) => format!("probe {backend}"),
            Self::Probe(None) => "probe all backends".to_owned(),
            Self::Cancel(request) => format!("cancel request {}", request.short()),
        }
    }
}
