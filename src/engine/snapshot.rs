//! What a surface may see of the engine: one immutable value, replaced as a whole.

use std::sync::Arc;

use serde::Serialize;

use crate::domain::fleet::Fleet;
use crate::domain::policy::Policy;
use crate::domain::time::Timestamp;
use crate::store::keeper::Status;
use crate::telemetry::Telemetry;

/// The engine's state at one moment.
#[derive(Clone, Debug, Serialize)]
pub struct Snapshot {
    /// The moment.
    pub at: Timestamp,
    /// When the engine started.
    pub started: Timestamp,
    /// Whether the tiers are simulated. Surfaces must say so.
    pub simulated: bool,
    /// The fleet, with its operator state, its health and its money.
    pub fleet: Arc<Fleet>,
    /// The policy that routes.
    pub policy: Arc<Policy>,
    /// The machines.
    pub telemetry: Arc<Telemetry>,
    /// Requests accepted since the start.
    pub accepted: u64,
    /// Requests being worked on.
    pub in_flight: u32,
    /// How the store is.
    #[serde(skip)]
    pub store: Status,
}
