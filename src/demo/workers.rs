//! The workers of a simulated serverless endpoint: none costs nothing, the first one has to be started, and idle ones
//! go away. Nothing runs in the background: every look works out what has happened since the last one.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::rng::Chance;
use super::upstream::World;

/// An endpoint's settings and their times, simulated.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scaling {
    pub(super) max: usize,
    /// Requests that one worker serves at a time.
    pub(super) each: usize,
    pub(super) start: (f32, f32),
    pub(super) idle: Duration,
    pub(super) gpu: &'static str,
}

#[derive(Clone, Debug)]
struct Worker {
    id: String,
    ready_at: Instant,
    /// When each of its requests ends.
    busy: Vec<Instant>,
    idle_since: Instant,
}

/// The workers of one endpoint.
#[derive(Debug)]
pub(super) struct Workers {
    pub(super) scaling: Scaling,
    workers: Mutex<Vec<Worker>>,
}

/// How many workers are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) running: usize,
    pub(super) idle: usize,
    pub(super) initializing: usize,
}

/// When a request gets its worker.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) worker: String,
    /// From now, in simulated time.
    pub(super) wait: Duration,
}

impl Workers {
    pub(super) fn new(scaling: Scaling) -> Self {
        Self { scaling, workers: Mutex::default() }
    }

    fn current(&self, world: &World) -> MutexGuard<'_, Vec<Worker>> {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let idle = world.scaled(self.scaling.idle);
        for worker in workers.iter_mut() {
            if let Some(last) = worker.busy.iter().max().copied() {
                worker.idle_since = worker.idle_since.max(last);
            }
            worker.busy.retain(|end| *end > now);
        }
        workers.retain(|worker| !worker.busy.is_empty() || now < worker.idle_since + idle);
        workers
    }

    /// Starts a worker that is ready after so long.
    pub(super) fn start(&self, world: &World, chance: &Chance, after: Duration) {
        let ready_at = Instant::now() + world.scaled(after);
        let worker = Worker { id: chance.id("w"), ready_at, busy: Vec::new(), idle_since: ready_at };
        self.current(world).push(worker);
    }

    /// Gives a request of this length a worker, and starts one if all are full and there may be more.
    pub(super) fn place(&self, world: &World, chance: &Chance, length: Duration) -> Place {
        let each = self.scaling.each;
        let free = |workers: &[Worker]| {
            let free = workers.iter().filter(|worker| worker.busy.len() < each);
            free.min_by_key(|worker| worker.ready_at).map(|worker| worker.id.clone())
        };
        let found = free(&self.current(world));
        let has_room = self.current(world).len() < self.scaling.max;
        if found.is_none() && has_room {
            self.start(world, chance, chance.millis(self.scaling.start));
        }
        let now = Instant::now();
        let mut workers = self.current(world);
        let wanted = found.or_else(|| free(&workers));
        let worker = match wanted {
            Some(id) => workers.iter_mut().find(|worker| worker.id == id),
            // All are full: the one that gets free first.
            None => workers.iter_mut().min_by_key(|worker| worker.busy.iter().min().copied()),
        };
        let Some(worker) = worker else { return Place { worker: String::new(), wait: Duration::ZERO } };
        let full = worker.busy.len() >= each;
        let freed = worker.busy.iter().min().copied().filter(|_| full).unwrap_or(now);
        let begins = worker.ready_at.max(freed).max(now);
        worker.busy.push(begins + world.scaled(length));
        Place { worker: worker.id.clone(), wait: begins.duration_since(now).mul_f32(world.speed) }
    }

    /// How many workers are in which state.
    pub(super) fn count(&self, world: &World) -> Count {
        let now = Instant::now();
        let mut count = Count::default();
        for worker in self.current(world).iter() {
            *match (now < worker.ready_at, worker.busy.is_empty()) {
                (true, _) => &mut count.initializing,
                (false, true) => &mut count.idle,
                (false, false) => &mut count.running,
            } += 1;
        }
        count
    }

    /// The workers as the management API shows them.
    pub(super) fn describe(&self, world: &World) -> Value {
        let now = Instant::now();
        let count = self.count(world);
        let workers: Vec<Value> = self
            .current(world)
            .iter()
            .map(|worker| {
                let status = match (now < worker.ready_at, worker.busy.is_empty()) {
                    (true, _) => "INITIALIZING",
                    (false, true) => "IDLE",
                    (false, false) => "RUNNING",
                };
                let up = now.saturating_duration_since(worker.ready_at).mul_f32(world.speed).as_secs();
                json!({
                    "id": worker.id, "status": status, "isStale": false, "version": 4, "gpuCount": 1,
                    "image": "runpod/worker-v1-vllm:demo", "uptimeSeconds": up, "gpuTypeId": self.scaling.gpu,
                    "dataCenterId": "EU-SE-1", "startedAt": "2026-11-22T09:00:00Z",
                })
            })
            .collect();
        let summary = json!({
            "running": count.running, "idle": count.idle, "initializing": count.initializing, "throttled": 0,
            "unhealthy": 0, "total": workers.len(),
        });
        json!({ "endpointVersion": 4, "summary": summary, "workers": workers })
    }
}
