//! Asks every backend how it is, each at its own pace. Probes cost no tokens and wake no worker.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{broadcast, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::actor::Message;
use super::clock::Clock;
use super::snapshot::Snapshot;
use crate::config::PriceBook;
use crate::domain::fleet::{AdminState, Protocol};
use crate::domain::health::{FoundModel, Health, ProbeReport};
use crate::domain::id::BackendId;
use crate::provider::Client;

/// A probe that takes longer has found nobody.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);
/// The pause between probes of a backend that is down.
const WHILE_DOWN: Duration = Duration::from_secs(4);
/// Failed probes before that pause doubles: the first doubling comes after a minute.
const FAILURES_PER_DOUBLING: u32 = 15;
/// The longest pause between probes of a backend that stays down.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

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
        loop {
            if !self.in_maintenance() {
                let mut report = tokio::select! {
                    () = stop.cancelled() => return,
                    report = tokio::time::timeout(PROBE_TIMEOUT, self.client.probe()) => report.unwrap_or_else(|_| timed_out()),
                };
                failures = if report.health == Health::Down { failures.saturating_add(1) } else { 0 };
                for model in report.models.iter_mut().flatten() {
                    self.look_up(model);
                }
                let probed = Message::Probed { backend: self.id.clone(), report };
                if self.inbox.send(probed).await.is_err() {
                    return;
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(self.pause(failures)) => {}
                () = asked(&mut self.probe_now, &self.id) => {}
            }
        }
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

    /// While a backend is down it is probed more often than while it is up, so that it serves again within seconds of its
    /// recovery; after a minute of that the pause doubles every minute or so.
    fn pause(&self, failures: u32) -> Duration {
        if failures == 0 {
            return self.every;
        }
        let doublings = (failures / FAILURES_PER_DOUBLING).min(8);
        self.every.min(WHILE_DOWN).saturating_mul(1 << doublings).min(LONGEST_PAUSE)
    }
}

fn timed_out() -> ProbeReport {
    ProbeReport {
        health: Health::Down,
        detail: format!("no answer to a probe within {} s", PROBE_TIMEOUT.as_secs()),
        key_refused: false,
        took: PROBE_TIMEOUT,
        models: None,
    }
}

/// Waits until somebody asks for a probe of this backend. Missed requests count as one.
async fn asked(requests: &mut broadcast::Receiver<Option<BackendId>>, id: &BackendId) {
    loop {
        match requests.recv().await {
            Ok(None) | Err(broadcast::error::RecvError::Lagged(_)) => return,
            Ok(Some(wanted)) if wanted == *id => return,
            Ok(Some(_)) => {}
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}
