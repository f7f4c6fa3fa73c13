//! A simulated graphics card: its load follows what the simulated local host is doing, with a slow drift of its own.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use super::ollama::Memory;
use super::upstream::Upstream;
use crate::domain::machine::{GpuProcess, GpuSample};
use crate::telemetry::{GpuSource, Reading};

/// The card of the simulated local host.
#[derive(Clone)]
pub struct SimulatedGpu {
    host: Arc<Upstream>,
    memory: Arc<Memory>,
    last: Option<(Instant, f64, f64)>,
}

impl fmt::Debug for SimulatedGpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulatedGpu").field("last", &self.last).finish_non_exhaustive()
    }
}

impl GpuSource for SimulatedGpu {
    fn read(&mut self) -> Reading {
        Reading::Samples(Self::read(self, Instant::now()))
    }
}

/// A slow, smooth wander between -1 and 1, different for each `phase`: two waves that never meet.
#[expect(clippy::cast_precision_loss, reason = "a phase is a small number")]
pub(super) fn drift(seconds: f64, phase: u64) -> f64 {
    let phase = phase as f64;
    (0.6 * (seconds / 11.0 + phase).sin()) + (0.4 * (seconds / 29.3 + phase * 1.7).sin())
}

impl SimulatedGpu {
    pub(super) const fn new(host: Arc<Upstream>, memory: Arc<Memory>) -> Self {
        Self { host, memory, last: None }
    }

    /// The card as it is now. The load moves towards what the host is doing, the temperature follows the load.
    pub fn read(&mut self, now: Instant) -> Vec<GpuSample> {
        let seconds = self.host.world.seconds();
        let busy = f64::from(self.host.load().min(4));
        let target = if busy > 0.0 { 38.0 + busy * 15.0 } else { 4.0 } + drift(seconds, 3) * 4.0;
        let target = target.clamp(0.0, 100.0);
        let (load, heat) = match self.last {
            None => (target, 46.0),
            Some((before, load, heat)) => {
                let passed = now.saturating_duration_since(before).as_secs_f64() * f64::from(self.host.world.speed);
                let near = |from: f64, to: f64, over: f64| to + (from - to) * (-passed / over).exp();
                (near(load, target, 1.2), near(heat, 40.0 + load * 0.38, 18.0))
            }
        };
        self.last = Some((now, load, heat));
        let used = (self.memory.gigabytes(&self.host) << 30) + (900 << 20);
        let total = 24_u64 << 30;
        vec![GpuSample {
            name: Arc::from("DEMO RTX 4090"),
            utilisation: u8::try_from(whole(load)).ok(),
            memory_used: Some(used.min(total)),
            memory_total: Some(total),
            temperature: Some(whole(heat)),
            slowdown_temperature: Some(90),
            power: Some(whole(28.0 + load * 3.9)),
            power_limit: Some(450),
            fan: u8::try_from(whole((heat - 30.0) * 1.4)).ok(),
            core_clock: Some(whole((210.0 + load * 25.0).min(2_700.0) / 10.0) * 10),
            memory_clock: Some(if load > 6.0 { 10_501 } else { 405 }),
            pcie: Some((if load > 6.0 { 4 } else { 1 }, 16)),
            held_down_by: Some(if load > 92.0 { vec![Arc::from("power limit")] } else { Vec::new() }),
            processes: Some(vec![GpuProcess {
                pid: 4_242,
                name: Some(Arc::from("ollama")),
                memory: Some(used.min(total)),
            }]),
            ..GpuSample::default()
        }]
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a small range first")]
fn whole(value: f64) -> u32 {
    value.clamp(0.0, 1_000.0).round() as u32
}
