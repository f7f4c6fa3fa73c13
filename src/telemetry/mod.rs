//! Readings of the machines: GPUs through NVML and RunPod's API, the host through sysinfo. Never on the request path.
//!
//! Each sampler runs at its own pace and writes into one `watch` channel. What may block (the GPU driver) has a thread
//! of its own, so that it can neither hold up the others nor the end of the program.

mod host;
mod local;
pub mod nvml;
mod pace;
pub mod recorded;
mod sysfs;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::RunpodConfig;
use crate::domain::machine::{GpuReadings, GpuSample, HostSample};
use crate::domain::money::Money;
use crate::domain::time::Timestamp;
use crate::runpod::ApiError;
use crate::runpod::poll::Poller;
use pace::{Pace, Read, Taken};

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
    /// What rented machines cost per hour now: the hourly prices of all that are billed whether they are used or not.
    #[must_use]
    pub fn rented_per_hour(&self) -> Money {
        let rented = self.runpod.samples().iter().filter(|gpu| gpu.billed && !gpu.charged_per_request);
        rented.filter_map(|gpu| gpu.hourly).sum()
    }

    /// What serverless workers that run cost per hour now, at work or idle: requests are charged for the time that they take
    /// of it, and the rest is part of the bill.
    #[must_use]
    pub fn workers_per_hour(&self) -> Money {
        let workers = self.runpod.samples().iter().filter(|gpu| gpu.billed && gpu.charged_per_request);
        workers.filter_map(|gpu| gpu.hourly).sum()
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Self { local: GpuReadings::Loading, runpod: GpuReadings::Loading, runpod_balance: None, host: None }
    }
}

/// What one reading of a source gave.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// Samples, perhaps none.
    Samples(Vec<GpuSample>),
    /// There is nothing to read, and that is no error.
    Absent(Arc<str>),
    /// Reading failed, for the cause given in a few words.
    Failed(Arc<str>),
}

/// Something that reads GPUs and may block while it does.
pub trait GpuSource: Send {
    /// Reads once.
    fn read(&mut self) -> Reading;

    /// The operator asked for another try: forget what was given up.
    fn retry(&mut self) {}
}

/// Asks the samplers to read at once, and to try again what they had given up. Clones ask the same samplers.
#[derive(Clone, Debug)]
pub struct Refresh(Arc<watch::Sender<u64>>);

impl Default for Refresh {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }
}

impl Refresh {
    /// Asks. Asking often is harmless: each sampler keeps a least distance between two readings.
    pub fn request_refresh(&self) {
        self.0.send_modify(|count| *count = count.wrapping_add(1));
    }
}

/// What is to be read.
#[derive(Default)]
pub struct Sources {
    /// The GPUs in this machine; they are not read where absent.
    pub local: Option<Box<dyn GpuSource>>,
    /// The RunPod account; nothing is watched where absent.
    pub runpod: Option<RunpodConfig>,
    /// Whether this machine's processor and memory are read.
    pub host: bool,
    /// The handle for a manual retry; keep a clone of it.
    pub refresh: Refresh,
}

/// The time of day, as the caller reads it.
pub(crate) type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The channel into which all samplers write.
pub(crate) type Board = Arc<watch::Sender<Arc<Telemetry>>>;

/// How local GPUs are read: NVML asked more often than this keeps a GPU from sleeping.
const LOCAL: Pace = Pace {
    every: Duration::from_secs(2),
    absent_every: Duration::from_secs(5),
    longest_backoff: Duration::from_secs(60),
    least_gap: Duration::from_millis(500),
};

/// How long the driver may take for one reading before the pane says that it hangs. The first one may take seconds.
const STUCK_AFTER: Duration = Duration::from_secs(10);

/// A key that is refused will not be good a moment later, and every try counts against the account's quota.
const REFUSED_AGAIN_AFTER: Duration = Duration::from_secs(300);

/// The least time between two looks at the account, whatever is configured and however often somebody asks: a look
/// takes two to four of its 60 calls a minute.
const RUNPOD_GAP: Duration = Duration::from_secs(5);

/// Starts the samplers. They end with `stop`, and `tasks` can be waited for: a driver that hangs does not hold it up.
pub fn spawn(
    sources: Sources,
    clock: impl Fn() -> Timestamp + Send + Sync + 'static,
    tasks: &TaskTracker,
    stop: CancellationToken,
) -> watch::Receiver<Arc<Telemetry>> {
    let clock: Clock = Arc::new(clock);
    let board: Board = Arc::new(watch::Sender::new(Arc::new(Telemetry::default())));
    let readings = board.subscribe();
    let Sources { local, runpod, host, refresh } = sources;

    match local {
        None => note(&board, |now| now.local = absent("local GPUs are not read (switched off)")),
        Some(source) => match local::Reader::start(source, STUCK_AFTER) {
            Err(cause) => {
                tracing::warn!(%cause, "no thread for the GPU reader");
                note(&board, |now| now.local = absent("no thread to read GPUs with"));
            }
            Ok(reader) => {
                let sampler = Gpus {
                    read: reader,
                    slot: |now| &mut now.local,
                    board: Arc::clone(&board),
                    clock: Arc::clone(&clock),
                };
                tasks.spawn(pace::run(LOCAL, sampler, stop.clone(), refresh.0.subscribe()));
            }
        },
    }
    match runpod {
        None => note(&board, |now| now.runpod = absent("RunPod is not configured")),
        Some(config) => {
            let every = config.poll_every.max(RUNPOD_GAP);
            match Poller::new(config) {
                Err(why) => note(&board, |now| now.runpod = GpuReadings::Absent { why: why.clone() }),
                Ok(poller) => {
                    let pace = Pace {
                        every,
                        absent_every: every,
                        longest_backoff: Duration::from_secs(300).max(every),
                        least_gap: RUNPOD_GAP,
                    };
                    let read = Rented { poller, board: Arc::clone(&board) };
                    let sampler = Gpus {
                        read,
                        slot: |now| &mut now.runpod,
                        board: Arc::clone(&board),
                        clock: Arc::clone(&clock),
                    };
                    tasks.spawn(pace::run(pace, sampler, stop.clone(), refresh.0.subscribe()));
                }
            }
        }
    }
    if host {
        tasks.spawn(host::run(board, clock, stop));
    }
    readings
}

fn absent(why: &str) -> GpuReadings {
    GpuReadings::Absent { why: Arc::from(why) }
}

/// Changes what is known, and wakes the listeners only where something changed.
pub(crate) fn note(board: &Board, change: impl FnOnce(&mut Telemetry)) {
    board.send_if_modified(|shared| {
        let mut next = Telemetry::clone(shared);
        change(&mut next);
        let changed = next != **shared;
        if changed {
            *shared = Arc::new(next);
        }
        changed
    });
}

/// A source of GPU readings with its place on the board.
struct Gpus<R> {
    read: R,
    slot: fn(&mut Telemetry) -> &mut GpuReadings,
    board: Board,
    clock: Clock,
}

impl<R: Read> pace::Sampler for Gpus<R> {
    async fn sample(&mut self, asked: bool) -> Taken {
        self.read.read(asked).await
    }

    fn show(&mut self, reading: Reading, retry_in: Duration) {
        let now = (self.clock)();
        let slot = self.slot;
        note(&self.board, |board| {
            let place = slot(board);
            *place = match reading {
                Reading::Samples(gpus) => GpuReadings::Ok { gpus, at: now },
                Reading::Absent(why) => GpuReadings::Absent { why },
                Reading::Failed(why) => {
                    let (last, at) = match std::mem::replace(place, GpuReadings::Loading) {
                        GpuReadings::Ok { gpus, at } => (gpus, Some(at)),
                        GpuReadings::Failed { last, at, .. } => (last, at),
                        GpuReadings::Loading | GpuReadings::Absent { .. } => (Vec::new(), None),
                    };
                    GpuReadings::Failed { why, retry_at: now.after(retry_in), last, at }
                }
            };
        });
    }
}

/// The RunPod account: its machines are a reading, its balance stands beside them.
struct Rented {
    poller: Poller,
    board: Board,
}

impl Read for Rented {
    async fn read(&mut self, asked: bool) -> Taken {
        let taken = self.poller.poll(asked).await;
        let balance = self.poller.balance();
        note(&self.board, |now| now.runpod_balance = balance);
        match taken {
            Ok(gpus) => Taken { reading: Reading::Samples(gpus), not_before: self.poller.leave_alone(), rest: None },
            Err(error) => Taken {
                reading: Reading::Failed(Arc::from(error.to_string())),
                not_before: error.leave_alone(),
                rest: (error == ApiError::KeyRefused).then_some(REFUSED_AGAIN_AFTER),
            },
        }
    }
}

#[cfg(test)]
mod tests;
