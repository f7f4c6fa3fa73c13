//! Readings of the machines: GPUs through NVML and RunPod's API, the host through sysinfo. Never on the request path.

use crate::domain::machine::{GpuReadings, HostSample};
use crate::domain::money::Money;

/// What is known of the machines now.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Telemetry {
    /// GPUs in this machine.
    pub local: GpuReadings,
    /// RunPod pods and endpoints.
    pub runpod: GpuReadings,
    /// The RunPod account's balance, where the API tells.
    pub runpod_balance: Option<Money>,
    /// This machine.
    pub host: Option<HostSample>,
}

impl Telemetry {
    /// What rented machines cost per hour now: the hourly prices of all that are billed.
    #[must_use]
    pub fn rented_per_hour(&self) -> Money {
        self.runpod.samples().iter().filter(|gpu| gpu.billed).filter_map(|gpu| gpu.hourly).sum()
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Self { local: GpuReadings::Loading, runpod: GpuReadings::Loading, runpod_balance: None, host: None }
    }
}
