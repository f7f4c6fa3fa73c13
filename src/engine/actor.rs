//! The one task that changes the fleet.
//!
//! It reads one bounded inbox and awaits nothing else but the passing of time, so an admission takes microseconds. After
//! each batch of messages it publishes a new snapshot.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::clock::Clock;
use super::command::Command;
use super::fact::{Drained, Fact, HealthChange, OperatorAction};
use super::snapshot::Snapshot;
use crate::domain::failure::{Failure, Penalty};
use crate::domain::fleet::{Admin, AdminState, AttemptResult, CommandError, Fleet, Load, Passes, Permit, Pin};
use crate::domain::health::{Health, ProbeReport};
use crate::domain::id::{BackendId, ModelId, RequestId};
use crate::domain::judgement::Judgement;
use crate::domain::latency::Sample;
use crate::domain::limits::{Limits, Size};
use crate::domain::money::{Cost, Money};
use crate::domain::policy::Policy;
use crate::domain::rejection::Rejection;
use crate::domain::tier::Target;
use crate::domain::time::Timestamp;
use crate::domain::usage::Usage;
use crate::telemetry::{Refresh, Telemetry};

/// How often the actor looks at the clock: expiries, rented hours, a new day.
const TICK: Duration = Duration::from_secs(1);
/// Messages handled before a snapshot is published, so that a burst costs few snapshots and delays none for long.
const BATCH: usize = 128;

/// Leave to send one attempt is asked for.
pub(super) struct Ask {
    pub backend: BackendId,
    pub model: ModelId,
    pub reserve: Money,
    pub size: Size,
    pub last_resort: bool,
}

/// What an attempt came to.
pub(super) struct Settled {
    pub sample: Option<Sample>,
    pub failure: Option<Failure>,
    pub usage: Option<Usage>,
    pub cost: Cost,
}

/// A permit, with what an operator ends its attempt by.
pub(super) type Admission = Result<(Permit, CancellationToken), Rejection>;

/// Answers that can still be judged. A person judges one of the last few; a program may be some hundreds behind.
const JUDGED: usize = 4_096;

/// An answer that can be judged.
pub(super) struct Answered {
    request: RequestId,
    backend: BackendId,
    model: ModelId,
    judgement: Option<Judgement>,
}

/// Says what a host is to load, if anything.
pub(super) type LoadWanted = oneshot::Sender<Option<Load>>;

/// What the actor is told: `Began` is the first token of a trial, `Limits` what the head of an answer tells.
pub(super) enum Message {
    Accepted { request: RequestId, cancel: CancellationToken },
    Ended { request: RequestId, answered_by: Option<(BackendId, ModelId)> },
    Admit { ask: Ask, reply: oneshot::Sender<Admission> },
    Release(Permit),
    Began { backend: BackendId, model: ModelId, passes: Passes },
    Limits { backend: BackendId, model: ModelId, limits: Limits },
    Settle { permit: Permit, settled: Box<Settled> },
    Probed { backend: BackendId, report: ProbeReport, reply: LoadWanted },
    Command { command: Command, by: Arc<str>, reply: oneshot::Sender<Result<(), CommandError>> },
}

/// Counters that requests raise themselves; the snapshot shows them.
#[derive(Default)]
pub(super) struct Counters {
    pub accepted: AtomicU64,
    pub in_flight: AtomicU32,
}

pub(super) struct Actor {
    pub fleet: Arc<Fleet>,
    pub policy: Arc<Policy>,
    pub telemetry: watch::Receiver<Arc<Telemetry>>,
    pub inbox: mpsc::Receiver<Message>,
    pub snapshots: watch::Sender<Arc<Snapshot>>,
    pub facts: broadcast::Sender<Fact>,
    /// Wakes the probes of one backend, or of all.
    pub probe_now: broadcast::Sender<Option<BackendId>>,
    /// Has the machines read again.
    pub refresh: Refresh,
    pub counters: Arc<Counters>,
    pub clock: Clock,
    pub in_flight: HashMap<RequestId, CancellationToken>,
    /// What ends the attempts on a model, for the models that have had any.
    pub kill: HashMap<(BackendId, ModelId), CancellationToken>,
    /// Drains under way, with when each began.
    pub draining: Vec<(Target, Timestamp)>,
    /// The latest answers.
    pub answered: VecDeque<Answered>,
}

impl Actor {
    /// Runs until `stop`, and then until every lease has been given back, so that late settlements are still booked.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut telemetry_open = true;
        let mut stopping = false;
        loop {
            tokio::select! {
                biased;
                message = self.inbox.recv() => match message {
                    Some(message) => self.handle_batch(message),
                    None => return,
                },
                changed = self.telemetry.changed(), if telemetry_open => {
                    telemetry_open = changed.is_ok();
                    self.rent();
                }
                _ = tick.tick() => {
                    let now = self.clock.now();
                    Arc::make_mut(&mut self.fleet).advance(now, self.clock.day(now));
                }
                () = stop.cancelled(), if !stopping => {
                    stopping = true;
                    // Nothing new comes in; slots that leases hold stay good, and `recv` ends when the last is used.
                    self.inbox.close();
                }
            }
            self.drains();
            self.publish();
        }
    }

    fn handle_batch(&mut self, first: Message) {
        self.handle(first);
        for _ in 1..BATCH {
            match self.inbox.try_recv() {
                Ok(message) => self.handle(message),
                Err(_) => break,
            }
        }
    }

    fn handle(&mut self, message: Message) {
        let now = self.clock.now();
        match message {
            Message::Accepted { request, cancel } => {
                self.in_flight.insert(request, cancel);
            }
            Message::Ended { request, answered_by } => {
                self.in_flight.remove(&request);
                if let Some((backend, model)) = answered_by {
                    if self.answered.len() == JUDGED {
                        self.answered.pop_front();
                    }
                    self.answered.push_back(Answered { request, backend, model, judgement: None });
                }
            }
            Message::Admit { ask, reply } => {
                let fleet = Arc::make_mut(&mut self.fleet);
                let admitted = fleet.admit(&ask.backend, &ask.model, ask.reserve, ask.size, ask.last_resort, now);
                let kill = |permit| (permit, self.kill.entry((ask.backend, ask.model)).or_default().clone());
                let admitted = admitted.map(kill);
                // The asker may have been cancelled in the meantime: then the permit comes back at once.
                if let Err(Ok((permit, _))) = reply.send(admitted) {
                    Arc::make_mut(&mut self.fleet).release(permit, now);
                }
            }
            Message::Release(permit) => Arc::make_mut(&mut self.fleet).release(permit, now),
            Message::Settle { permit, settled } => {
                let backend = permit.backend.clone();
                let result = AttemptResult {
                    sample: settled.sample,
                    failure: settled.failure.as_ref(),
                    usage: settled.usage.as_ref(),
                    cost: settled.cost,
                };
                self.watching_health(&backend, |fleet| fleet.settle(permit, &result, now));
                let penalty = settled.failure.map(|failure| failure.class.penalty());
                if matches!(penalty, Some(Penalty::Strike | Penalty::Down)) {
                    // The prober is in the middle of its ordinary pause, which may be a minute long.
                    drop(self.probe_now.send(Some(backend)));
                }
            }
            Message::Began { backend, model, passes } => {
                Arc::make_mut(&mut self.fleet).began(&backend, &model, passes, now);
            }
            Message::Limits { backend, model, limits } => {
                Arc::make_mut(&mut self.fleet).told_limits(&backend, &model, &limits, now);
            }
            Message::Probed { backend, report, reply } => {
                self.watching_health(&backend, |fleet| fleet.observe(&backend, report, now));
                // Whoever probed may have stopped in the meantime.
                drop(reply.send(Arc::make_mut(&mut self.fleet).load_wanted(&backend, now)));
            }
            Message::Command { command, by, reply } => {
                let done = self.carry_out(&command, &by);
                drop(reply.send(done));
            }
        }
    }

    /// Changes the fleet, and tells if a backend's health changed with it.
    fn watching_health(&mut self, backend: &BackendId, change: impl FnOnce(&mut Fleet)) {
        let health = |fleet: &Fleet| fleet.backend(backend).map_or(Health::Unknown, |found| found.health);
        let from = health(&self.fleet);
        change(Arc::make_mut(&mut self.fleet));
        let to = health(&self.fleet);
        if from == to {
            return;
        }
        let Some(found) = self.fleet.backend(backend) else { return };
        if to == Health::Down {
            tracing::warn!(backend = %backend, from = from.name(), to = to.name(), why = &*found.detail, "health changed");
        } else {
            tracing::info!(backend = %backend, from = from.name(), to = to.name(), why = &*found.detail, "health changed");
        }
        self.tell(Fact::Health(Arc::new(HealthChange {
            at: self.clock.now(),
            tier: found.spec.tier,
            backend: backend.clone(),
            from,
            to,
            why: Arc::clone(&found.detail),
        })));
    }

    fn carry_out(&mut self, command: &Command, by: &Arc<str>) -> Result<(), CommandError> {
        let now = self.clock.now();
        let fleet = Arc::make_mut(&mut self.fleet);
        let until = |lasts: &Option<Duration>| lasts.map(|lasts| now.after(lasts));
        let mut action = OperatorAction {
            at: now,
            by: Arc::clone(by),
            target: None,
            state: None,
            judged: None,
            words: command.words(),
        };
        match command {
            Command::SetAdmin { target, state, lasts, reason } => {
                let admin = Admin {
                    state: *state,
                    by: Arc::clone(by),
                    since: now,
                    until: until(lasts),
                    reason: Arc::clone(reason),
                };
                fleet.set_admin(target, admin)?;
                if *state == AdminState::Ready {
                    // What is known of it may date from before its maintenance. The probes look at the snapshot.
                    self.publish();
                    let within = self.fleet.backends.iter().filter(|backend| match target {
                        Target::Tier(tier) => backend.spec.tier == *tier,
                        Target::Backend(id) | Target::Model(id, _) => backend.spec.id == *id,
                    });
                    within.for_each(|backend| drop(self.probe_now.send(Some(backend.spec.id.clone()))));
                }
                self.draining.retain(|(known, _)| known != target);
                if *state != AdminState::Ready {
                    self.draining.push((target.clone(), now));
                }
                action.target = Some(target.clone());
                action.state = Some(*state);
            }
            Command::Pin { target, scope, only, lasts, reason } => {
                fleet.pin(Pin {
                    target: Arc::new(target.clone()),
                    scope: scope.clone(),
                    only: *only,
                    by: Arc::clone(by),
                    since: now,
                    until: until(lasts),
                    reason: Arc::clone(reason),
                })?;
                action.target = Some(target.clone());
            }
            Command::Unpin { target } => {
                fleet.unpin(target)?;
                action.target = Some(target.clone());
            }
            Command::Kill { target } => {
                self.fleet.admin(target).ok_or_else(|| CommandError::NoSuchTarget(target.clone()))?;
                for (backend, model) in self.fleet.within(target) {
                    // Whoever is admitted from now on gets a new one.
                    if let Some(kill) = self.kill.remove(&(backend.spec.id.clone(), model.id.clone())) {
                        kill.cancel();
                    }
                }
                action.target = Some(target.clone());
            }
            Command::SetDailyLimit(limit) => fleet.set_daily_limit(*limit),
            Command::Judge { request, judgement } => {
                let known = self.answered.iter_mut().rev().find(|one| one.request == *request);
                let answer = known.ok_or(CommandError::NotAnswered)?;
                let before = answer.judgement.replace(*judgement);
                fleet.judge(&answer.backend, &answer.model, before, *judgement);
                action.judged = Some((*request, *judgement));
            }
            Command::Probe(backend) => {
                if backend.is_none() {
                    self.refresh.request_refresh();
                }
                drop(self.probe_now.send(backend.clone()));
                return Ok(());
            }
            Command::Cancel(request) => {
                self.in_flight.get(request).ok_or(CommandError::NotInFlight)?.cancel();
            }
        }
        tracing::info!(by = &**by, action = %action.words, "operator");
        self.tell(Fact::Operator(Arc::new(action)));
        Ok(())
    }

    /// Tells of drains that have come to their end; those that were called off are forgotten.
    fn drains(&mut self) {
        if self.draining.is_empty() {
            return;
        }
        let now = self.clock.now();
        let fleet = Arc::clone(&self.fleet);
        let wanted =
            |target: &Target| fleet.admin(target).is_some_and(|admin| admin.state_at(now) != AdminState::Ready);
        self.draining.retain(|(target, _)| wanted(target));
        let done: Vec<(Target, Timestamp)> =
            self.draining.extract_if(.., |(target, _)| fleet.in_flight(target) == 0).collect();
        for (target, since) in done {
            self.tell(Fact::Drained(Arc::new(Drained { at: now, target, after: now.since(since) })));
        }
    }

    fn rent(&mut self) {
        let rate = self.telemetry.borrow_and_update().rented_per_hour();
        let now = self.clock.now();
        let fleet = Arc::make_mut(&mut self.fleet);
        Arc::make_mut(&mut fleet.spend).rent(rate, now);
    }

    /// Nobody listening is no error.
    fn tell(&self, fact: Fact) {
        drop(self.facts.send(fact));
    }

    fn publish(&self) {
        let before = self.snapshots.borrow().clone();
        self.snapshots.send_replace(Arc::new(Snapshot {
            at: self.clock.now(),
            started: before.started,
            simulated: before.simulated,
            fleet: Arc::clone(&self.fleet),
            policy: Arc::clone(&self.policy),
            telemetry: Arc::clone(&self.telemetry.borrow()),
            accepted: self.counters.accepted.load(Ordering::Relaxed),
            in_flight: self.counters.in_flight.load(Ordering::Relaxed),
        }));
    }
}
