//! This machine's processor and memory.

use std::time::Duration;

use sysinfo::System;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use super::{Board, Clock, note};
use crate::domain::machine::HostSample;

/// The load is a difference between two readings: the first sample is shown after this, the others at [`EVERY`].
const FIRST_AFTER: Duration = Duration::from_millis(500);
const EVERY: Duration = Duration::from_secs(2);

/// Reads until told to stop. Reading is a look into `/proc`, so it needs no thread of its own.
pub(super) async fn run(board: Board, clock: Clock, stop: CancellationToken) {
    let mut system = match System::new() {
        Ok(system) => system,
        Err(cause) => {
            tracing::warn!(%cause, "this machine's load cannot be read");
            return;
        }
    };
    system.refresh_cpu_usage();
    let mut ticks = interval_at(Instant::now() + FIRST_AFTER, EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        system.refresh_cpu_usage();
        system.refresh_memory();
        let sample = HostSample {
            cpu: system.global_cpu_usage().clamp(0.0, 100.0),
            memory_used: system.used_memory(),
            memory_total: system.total_memory(),
            at: clock(),
        };
        note(&board, |now| now.host = Some(sample));
    }
}
