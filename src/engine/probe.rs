//! Asks every backend how it is, each at its own pace. Probes cost no tokens and wake no worker.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::clock::Clock;
use super::message::Message;
use super::snapshot::Snapshot;
use crate::config::PriceBook;
use crate::domain::fleet::{AdminState, Load, Protocol};
use crate::domain::health::{FoundModel, Health, ProbeReport};
use crate::domain::id::BackendId;
use crate::provider::Client;

/// A probe that takes longer has found nobody.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);
/// From one probe of a backend that is down to the next.
const WHILE_DOWN: Duration = Duration::from_secs(2);
/// Failed probes before that doubles: the first doubling comes after a minute.
const FAILURES_PER_DOUBLING: u32 = 30;
/// The longest pause between probes of a backend that stays down.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The shortest time from one probe to the next, however often one is asked for: every strike asks.
const SHORTEST_PAUSE: Duration = Duration::from_millis(500);
/// How often a resting prober looks whether requests wait in vain.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long a model may take to load: as long as Ollama itself waits for it.
const LOAD_TIMEOUT: Duration = Duration::from_secs(300);

/// One backend's prober.
pub(super) struct Prober {
    pub id: BackendId,
    pub client: Client,
    pub protocol: Protocol,
    pub every: Duration,
    /// What hosted models cost, where the backend itself does not say.
    pub prices: Arc<PriceBook>,
    pub clock: Clock,
    pub inbox: mpsc::Sender<Message>,
    pub snapshots: watch::Receiver<Arc<Snapshot>>,
    pub probe_now: broadcast::Receiver<Option<BackendId>>,
}

impl Prober {
    /// Probes until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut failures = 0_u32;
        // What the last probe took that found somebody.
        let mut usual = Duration::ZERO;
        let mut loads = JoinSet::new();
        loop {
            let began = Instant::now();
            // This probe is the answer to all of them.
            while !matches!(self.probe_now.try_recv(), Err(TryRecvError::Empty | TryRecvError::Closed)) {}
            if !self.in_maintenance() {
                let patience = patience(failures, usual);
                let report = tokio::select! {
                    () = stop.cancelled() => return,
                    report = tokio::time::timeout(patience, self.client.probe()) => {
                        report.unwrap_or_else(|_| timed_out(patience))
                    }
                };
                let (health, took) = (report.health, report.took);
                let Some(load) = self.report(report).await else { return };
                if health == Health::Down || health == Health::Degraded && self.is_held() {
                    failures = failures.saturating_add(1);
                } else {
                    (failures, usual) = (0, took);
                }
                if let Some(load) = load {
                    loads.spawn(warm_up(self.id.clone(), self.client.clone(), load));
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = rest(&self.id, &self.snapshots, &self.clock, began + self.pause(failures)) => {}
                () = asked(&mut self.probe_now, &self.id) => {}
                Some(_) = loads.join_next() => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep_until(began + SHORTEST_PAUSE) => {}
            }
        }
    }

    /// Tells the actor, and hears what the host is to load, if anything; `None` where the engine has stopped.
    async fn report(&self, mut report: ProbeReport) -> Option<Option<Load>> {
        for model in report.models.iter_mut().flatten() {
            self.look_up(model);
        }
        let (reply, load) = oneshot::channel();
        self.inbox.send(Message::Probed { backend: self.id.clone(), report, reply }).await.ok()?;
        load.await.ok()
    }

    /// Adds what the price table knows of a model that a probe found.
    fn look_up(&self, model: &mut FoundModel) {
        let Some(listed) = self.prices.lookup(self.protocol, &model.id) else { return };
        model.context = model.context.or(listed.context);
        model.max_output = model.max_output.or(listed.max_output);
        model.images = model.images.or(listed.images);
        model.tools = model.tools.or(listed.tools);
        if model.prices.is_empty() {
            model.prices.clone_from(&listed.rows);
        }
    }

    fn in_maintenance(&self) -> bool {
        let snapshot = self.snapshots.borrow();
        let now = self.clock.now();
        snapshot.fleet.backend(&self.id).is_some_and(|backend| {
            backend.admin.state_at(now) == AdminState::Maint
                || snapshot.fleet.tier(backend.spec.tier).admin.state_at(now) == AdminState::Maint
        })
    }

    /// Whether a breaker keeps requests away: then it waits for probes that find the backend well.
    fn is_held(&self) -> bool {
        let now = self.clock.now();
        let snapshot = self.snapshots.borrow();
        snapshot.fleet.backend(&self.id).is_some_and(|backend| {
            backend.breaker.allows(now).is_err() || backend.models.iter().any(|one| one.breaker.allows(now).is_err())
        })
    }

    /// From one probe to the next. While a backend is down it is probed more often than while it is up, so that it serves
    /// again within seconds of its recovery; after a minute of that the pause doubles every minute or so.
    fn pause(&self, failures: u32) -> Duration {
        if failures == 0 {
            return self.every;
        }
        let doublings = (failures / FAILURES_PER_DOUBLING).min(8);
        self.every.min(WHILE_DOWN).saturating_mul(1 << doublings).min(LONGEST_PAUSE)
    }
}

/// How long a probe may take. While a backend is down, a probe that it swallows must not keep the next one from finding it
/// recovered; one that is slow at the best of times is known to be, and after a minute it is given all the time again.
fn patience(failures: u32, usual: Duration) -> Duration {
    if (1..FAILURES_PER_DOUBLING).contains(&failures) {
        usual.saturating_mul(2).clamp(WHILE_DOWN, PROBE_TIMEOUT)
    } else {
        PROBE_TIMEOUT
    }
}

fn timed_out(patience: Duration) -> ProbeReport {
    ProbeReport {
        health: Health::Down,
        detail: format!("no answer to a probe within {} s", patience.as_secs()),
        key_refused: false,
        took: patience,
        models: None,
    }
}

/// Loads a model that is asked for often, before it is asked for again. That is no request: it counts nowhere.
async fn warm_up(backend: BackendId, client: Client, load: Load) {
    let Load { model, context } = load;
    tracing::info!(%backend, %model, "loading a model that is asked for often");
    match tokio::time::timeout(LOAD_TIMEOUT, client.load(&model, context)).await {
        Ok(Ok(())) => tracing::info!(%backend, %model, "loaded"),
        Ok(Err(failure)) => tracing::warn!(%backend, %model, %failure, "could not be loaded"),
        Err(_) => tracing::warn!(%backend, %model, "could not be loaded in time"),
    }
}

/// Waits until the next probe is due, or until a request has waited for long: a backend that swallows requests without a
/// word is found out before the first of them gives up.
async fn rest(id: &BackendId, snapshots: &watch::Receiver<Arc<Snapshot>>, clock: &Clock, due: Instant) {
    let keeps_waiting = || {
        let snapshot = snapshots.borrow();
        snapshot.fleet.backend(id).is_some_and(|backend| backend.keeps_waiting(clock.now()))
    };
    loop {
        let now = Instant::now();
        if now >= due {
            return;
        }
        tokio::time::sleep_until(due.min(now + LOOK_EVERY)).await;
        if keeps_waiting() {
            return;
        }
    }
}

/// Waits until somebody asks for a probe of this backend. Missed requests count as one.
async fn asked(requests: &mut broadcast::Receiver<Option<BackendId>>, id: &BackendId) {
    loop {
        match requests.recv().await {
            Ok(None) | Err(RecvError::Lagged(_)) => return,
            Ok(Some(wanted)) if wanted == *id => return,
            Ok(Some(_)) => {}
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}
