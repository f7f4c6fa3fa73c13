//! The one task that changes the fleet.
//!
//! It reads one bounded inbox and awaits nothing else but the passing of time, so an admission takes microseconds. After
//! each batch of messages it publishes a new snapshot.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{broadcast, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::books::Books;
use super::clock::Clock;
use super::command::Command;
use super::fact::{Drained, Fact, HealthChange, OperatorAction};
use super::message::{Admission, Ask, Counters, Granted, Leave, Message, Settled};
use super::snapshot::Snapshot;
use super::teacher::Teacher;
use crate::domain::failure::{Failure, FailureClass, Penalty};
use crate::domain::fleet::{Admin, AdminState, AttemptResult, CommandError, Fleet, Pin};
use crate::domain::health::Health;
use crate::domain::id::{BackendId, ModelId, RequestId};
use crate::domain::judgement::Judgement;
use crate::domain::money::{Cost, Money};
use crate::domain::policy::Policy;
use crate::domain::rejection::Rejection;
use crate::domain::tier::Target;
use crate::domain::time::Timestamp;
use crate::store::journal::Full;
use crate::store::keeper::Status;
use crate::store::record::{Opened, Record};
use crate::telemetry::{Refresh, Telemetry};

/// How often the actor looks at the clock: expiries, rented hours, a new day.
const TICK: Duration = Duration::from_secs(1);
/// Messages handled before a snapshot is published, so that a burst costs few snapshots and delays none for long.
const BATCH: usize = 128;

/// Answers that can still be judged. A person judges one of the last few; a program may be some hundreds behind.
const JUDGED: usize = 4_096;

/// An answer that can be judged.
pub(super) struct Answered {
    request: RequestId,
    backend: BackendId,
    model: ModelId,
    judgement: Option<Judgement>,
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
    /// What the traffic teaches.
    pub teacher: Teacher,
    /// What is kept of all this; `None` where nothing is.
    pub books: Option<Books>,
    /// How the store is.
    pub store: Status,
    /// The price table's date.
    pub prices: Arc<str>,
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
                    None => break,
                },
                changed = self.telemetry.changed(), if telemetry_open => {
                    telemetry_open = changed.is_ok();
                    self.rent();
                }
                _ = tick.tick() => {
                    let now = self.clock.now();
                    Arc::make_mut(&mut self.fleet).advance(now, self.clock.day(now));
                    if let Some(books) = &mut self.books {
                        books.tick(&self.fleet, now);
                    }
                }
                () = news(self.books.as_mut()) => self.take_in(),
                () = stop.cancelled(), if !stopping => {
                    stopping = true;
                    // Nothing new comes in; slots that leases hold stay good, and `recv` ends when the last is used.
                    self.inbox.close();
                }
            }
            self.teacher.show(&mut self.fleet, self.clock.now());
            self.drains();
            self.publish();
        }
        let now = self.clock.now();
        self.teacher.show_now(&mut self.fleet, now);
        if let Some(books) = &mut self.books {
            books.book_rent(&self.fleet, now);
            books.keep_billed(&self.fleet, now);
        }
    }

    /// Takes in what earlier runs and other processes on the same store have written.
    fn take_in(&mut self) {
        let now = self.clock.now();
        let Some(books) = &mut self.books else { return };
        // What others have learnt, or want forgotten, goes into what is shown.
        self.teacher.show_now(&mut self.fleet, now);
        let (status, actions) = books.take_in(Arc::make_mut(&mut self.fleet), now);
        self.teacher.follow(&self.fleet);
        self.store = status;
        for said in books.said() {
            self.teacher.judge(said.request, &said.model, said.quality, now);
        }
        for action in actions {
            tracing::info!(by = &*action.by, action = %action.words, "operator");
            if let (Some(target), Some(state)) = (&action.target, action.state) {
                self.heed(target, state, now);
            }
            self.tell(Fact::Operator(Arc::new(action)));
        }
    }

    /// An operator's word on a part of the fleet holds: watches its drain, or has it probed.
    fn heed(&mut self, target: &Target, state: AdminState, now: Timestamp) {
        if state == AdminState::Ready {
            // What is known of it may date from before its maintenance. The probes look at the snapshot.
            self.publish();
            let within = self.fleet.backends.iter().filter(|backend| match target {
                Target::Tier(tier) => backend.spec.tier == *tier,
                Target::Backend(id) | Target::Model(id, _) => backend.spec.id == *id,
            });
            within.for_each(|backend| drop(self.probe_now.send(Some(backend.spec.id.clone()))));
        }
        self.watch_drain(target, state, now);
    }

    fn watch_drain(&mut self, target: &Target, state: AdminState, now: Timestamp) {
        self.draining.retain(|(known, _)| known != target);
        if state != AdminState::Ready {
            self.draining.push((target.clone(), now));
        }
    }

    fn admit(&mut self, ask: Ask, now: Timestamp) -> Admission {
        let Ask { ask, request, number, task, kind, forecast, decision } = ask;
        let fleet = Arc::make_mut(&mut self.fleet);
        let permit = fleet.admit(&ask, now)?;
        let (mut entry, mut written) = (None, None);
        if let Some(books) = &self.books {
            let opened = Opened {
                request,
                number,
                at: now,
                caller: ask.caller,
                task,
                kind,
                forecast,
                tier: permit.tier,
                backend: permit.backend.clone(),
                model: permit.model.clone(),
                reserved: permit.reserved,
                prices: Arc::clone(&self.prices),
            };
            let is_paid = permit.reserved > Money::ZERO;
            let left = is_paid.then(|| fleet.spend.tightest(&permit.purpose())).flatten().map(|short| short.left);
            match books.open(opened, decision.as_deref(), left) {
                Ok((opened, when)) => (entry, written) = (Some(opened), when),
                Err(Full) => {
                    fleet.release(permit, now);
                    return Err(Rejection::LedgerStuck);
                }
            }
        }
        let kill = self.kill.entry((ask.backend, ask.model)).or_default().clone();
        Ok(Granted { admitted: Leave { permit, entry }, kill, written })
    }

    fn release(&mut self, admitted: Leave, now: Timestamp) {
        Arc::make_mut(&mut self.fleet).release(admitted.permit, now);
        if let Some((books, entry)) = self.books.as_ref().zip(admitted.entry) {
            books.release(entry);
        }
    }

    /// An attempt that was sent will never be heard of again: it may have cost all that was set aside for it.
    fn lose(&mut self, admitted: Leave, now: Timestamp) {
        let Leave { permit, entry } = admitted;
        if let Some((books, entry)) = self.books.as_ref().zip(entry) {
            books.lose(entry, now);
        }
        let lost = Failure::new(FailureClass::Cancelled, "lost");
        let result = AttemptResult { sample: None, failure: Some(&lost), usage: None, cost: Cost::UNKNOWN };
        Arc::make_mut(&mut self.fleet).settle(permit, &result, now);
    }

    fn settle(&mut self, admitted: Leave, settled: Settled, now: Timestamp) {
        let Leave { permit, entry } = admitted;
        let day = self.clock.day(now);
        if day != self.fleet.spend.day {
            // The row that is written belongs to the new day, and so does what it takes from a limit.
            Arc::make_mut(&mut self.fleet).advance(now, day);
        }
        if let Some((books, entry)) = self.books.as_ref().zip(entry) {
            books.settle(entry, &settled, now);
        }
        let (backend, model) = (permit.backend.clone(), permit.model.clone());
        let result = AttemptResult {
            sample: settled.sample,
            failure: settled.failure.as_ref(),
            usage: settled.attempt.usage.as_ref(),
            cost: settled.attempt.cost,
        };
        self.watching_health(&backend, |fleet| fleet.settle(permit, &result, now));
        self.teacher.hear(settled.attempt.request, &settled.attempt.backend, settled.lesson);
        if settled.attempt.outcome.is_ok() {
            let (predicted, cost) = (settled.attempt.predicted, settled.attempt.cost);
            Arc::make_mut(&mut self.fleet).forecast_came_to(&backend, &model, predicted, cost);
        }
        let penalty = settled.failure.as_ref().map(|failure| failure.class.penalty());
        if matches!(penalty, Some(Penalty::Strike | Penalty::Down)) {
            // The prober is in the middle of its ordinary pause, which may be a minute long.
            drop(self.probe_now.send(Some(backend)));
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
            Message::Accepted { request, cancel, question } => {
                self.in_flight.insert(request, cancel);
                if let Some(question) = question {
                    self.teacher.asked(question, request, now);
                }
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
                let admission = self.admit(ask, now);
                // The asker may have been cancelled in the meantime: then the permit comes back at once.
                if let Err(Ok(granted)) = reply.send(admission) {
                    self.release(granted.admitted, now);
                }
            }
            Message::Release(admitted) => self.release(admitted, now),
            Message::Lost(admitted) => self.lose(admitted, now),
            Message::Settle { admitted, settled } => self.settle(admitted, *settled, now),
            Message::Began { backend, model, passes } => {
                Arc::make_mut(&mut self.fleet).began(&backend, &model, passes, now);
            }
            Message::Limits { backend, model, limits } => {
                Arc::make_mut(&mut self.fleet).told_limits(&backend, &model, &limits, now);
            }
            Message::Probed { backend, report, reply } => {
                self.watching_health(&backend, |fleet| fleet.observe(&backend, report, now));
                if let Some(books) = &mut self.books {
                    books.place(&backend, Arc::make_mut(&mut self.fleet), now);
                }
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
        let change = HealthChange {
            at: self.clock.now(),
            tier: found.spec.tier,
            backend: backend.clone(),
            from,
            to,
            why: Arc::clone(&found.detail),
        };
        if let Some(books) = &self.books {
            books.health(&change);
        }
        self.tell(Fact::Health(Arc::new(change)));
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
                self.heed(target, *state, now);
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
                let (model, quality) = (answer.model.clone(), judgement.quality());
                self.teacher.judge(*request, &model, quality, now);
                if let Some(books) = &self.books {
                    books.journal().write(Record::Judged {
                        request: *request,
                        backend: answer.backend.clone(),
                        model: answer.model.clone(),
                        judgement: *judgement,
                        quality: None,
                        at: now,
                    });
                }
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
        self.keep(command, &action, now);
        tracing::info!(by = &**by, action = %action.words, "operator");
        self.tell(Fact::Operator(Arc::new(action)));
        Ok(())
    }

    /// Writes down what an operator did, and what is wanted now.
    fn keep(&self, command: &Command, action: &OperatorAction, now: Timestamp) {
        let Some(books) = &self.books else { return };
        books.operator(action);
        match command {
            Command::SetAdmin { target, .. } => books.admin(target, &self.fleet),
            Command::Pin { .. } | Command::Unpin { .. } => books.pins(&self.fleet, now),
            Command::SetDailyLimit(limit) => books.daily_limit(*limit, now),
            Command::Kill { .. } | Command::Judge { .. } | Command::Probe(_) | Command::Cancel(_) => {}
        }
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
            let drained = Drained { at: now, target, after: now.since(since) };
            if let Some(books) = &self.books {
                books.drained(&drained);
            }
            self.tell(Fact::Drained(Arc::new(drained)));
        }
    }

    fn rent(&mut self) {
        let telemetry = Arc::clone(&self.telemetry.borrow_and_update());
        let now = self.clock.now();
        let fleet = Arc::make_mut(&mut self.fleet);
        Arc::make_mut(&mut fleet.spend).rent(telemetry.rented_per_hour(), telemetry.workers_per_hour(), now);
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
            store: self.store.clone(),
        }));
    }
}

/// Ends when the store has news; never, where there is no store or it has ended.
async fn news(books: Option<&mut Books>) {
    if let Some(books) = books
        && books.news.changed().await.is_ok()
    {
        return;
    }
    std::future::pending::<()>().await;
}
