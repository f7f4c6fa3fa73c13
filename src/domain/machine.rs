//! Readings of GPUs and of this host. Every field that a driver or an API may lack is optional: not known is not zero.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::money::Money;
use super::time::Timestamp;

/// A program that computes on a card.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GpuProcess {
    /// Its process id.
    pub pid: u32,
    /// Its name, where the system tells.
    pub name: Option<Arc<str>>,
    /// The card's memory that it holds, in bytes.
    pub memory: Option<u64>,
}

impl GpuProcess {
    /// Whether it is a server of models, as far as its name tells.
    #[must_use]
    pub fn serves_models(&self) -> bool {
        const SERVERS: [&str; 5] = ["ollama", "llama-server", "vllm", "sglang", "tgi"];
        self.name.as_ref().is_some_and(|name| SERVERS.iter().any(|server| name.to_lowercase().contains(server)))
    }
}

/// One GPU, or one rented machine with GPUs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GpuSample {
    /// The card's or the pod's own name.
    pub name: Arc<str>,
    /// The kind of card, where `name` is a pod's.
    pub model: Option<Arc<str>>,
    /// The load, 0 to 100.
    pub utilisation: Option<u8>,
    /// Memory in use, in bytes.
    pub memory_used: Option<u64>,
    /// Memory in all, in bytes.
    pub memory_total: Option<u64>,
    /// Memory in use, 0 to 100, where only the share is known.
    pub memory_percent: Option<u8>,
    /// Degrees Celsius.
    pub temperature: Option<u32>,
    /// The temperature at which the card slows itself down.
    pub slowdown_temperature: Option<u32>,
    /// Watts drawn.
    pub power: Option<u32>,
    /// Watts allowed.
    pub power_limit: Option<u32>,
    /// The fan, 0 to 100.
    pub fan: Option<u8>,
    /// The clock of its cores, in megahertz.
    pub core_clock: Option<u32>,
    /// The clock of its memory, in megahertz.
    pub memory_clock: Option<u32>,
    /// The generation and the lanes of its PCIe link, as they are at present.
    pub pcie: Option<(u32, u32)>,
    /// What holds its clocks down, in words; empty where nothing does.
    pub held_down_by: Option<Vec<Arc<str>>>,
    /// Memory errors since the driver started that could not be corrected.
    pub memory_errors: Option<u64>,
    /// The programs that compute on it.
    pub processes: Option<Vec<GpuProcess>>,
    /// What an hour costs, for a rented one.
    pub hourly: Option<Money>,
    /// What it is doing, for a rented one: `RUNNING`, `2 running, 1 idle`.
    pub state: Option<Arc<str>>,
    /// Whether it costs money at present.
    pub billed: bool,
    /// Whether its hours are charged to the requests that occupy it (a serverless endpoint), so that they must not be
    /// counted a second time as rent.
    pub charged_per_request: bool,
    /// Seconds since it was started.
    pub uptime_seconds: Option<u64>,
}

/// What one source of GPU readings has to say.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum GpuReadings {
    /// Nothing has been read yet.
    Loading,
    /// Read.
    Ok {
        /// The samples.
        gpus: Vec<GpuSample>,
        /// When they were taken.
        at: Timestamp,
    },
    /// There is nothing to read, and that is no error: no driver, no key, a card asleep. One line says which.
    Absent {
        /// Why.
        why: Arc<str>,
    },
    /// Reading failed. The last good samples are kept, with their age.
    Failed {
        /// The cause in a few words.
        why: Arc<str>,
        /// When it is tried again.
        retry_at: Timestamp,
        /// The last good samples.
        last: Vec<GpuSample>,
        /// When those were taken.
        at: Option<Timestamp>,
    },
}

impl GpuReadings {
    /// The samples at hand, fresh or not.
    #[must_use]
    pub fn samples(&self) -> &[GpuSample] {
        match self {
            Self::Ok { gpus, .. } | Self::Failed { last: gpus, .. } => gpus,
            Self::Loading | Self::Absent { .. } => &[],
        }
    }
}

/// This machine's processor and memory.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct HostSample {
    /// The load of all cores, 0 to 100.
    pub cpu: f32,
    /// Memory in use, in bytes.
    pub memory_used: u64,
    /// Memory in all, in bytes.
    pub memory_total: u64,
    /// When it was taken.
    pub at: Timestamp,
}
