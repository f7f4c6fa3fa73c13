//! The actor's side of the store: writes down what happens, and takes in what earlier runs and other processes have left.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::watch;

use super::clock::Clock;
use super::fact::{Drained, HealthChange, OperatorAction};
use super::message;
use crate::domain::decision::Decision;
use crate::domain::fleet::{Admin, AdminState, Fleet, Hold};
use crate::domain::health::Health;
use crate::domain::id::{BackendId, ModelId, RequestId};
use crate::domain::latency::Sample;
use crate::domain::learning::{Alone, Forget, Learned, Outcome};
use crate::domain::money::Money;
use crate::domain::spend::Day;
use crate::domain::tier::Target;
use crate::domain::time::Timestamp;
use crate::domain::tokens::Calibration;
use crate::store::database::{Kept, Said, Wish};
use crate::store::journal::{Full, Journal, Place, Wait};
use crate::store::keeper::{News, Status};
use crate::store::record::{AuditKind, AuditRow, Opened, Record, RequestRow, Settled};

/// Milliseconds of a minute: rent is booked by the minute of the clock.
const MINUTE: i64 = 60_000;

/// An attempt in the ledger, and the place that is kept there for its end.
#[derive(Debug)]
pub(super) struct Entry {
    opened: Opened,
    place: Option<Place>,
}

/// What the actor keeps of the store.
pub(super) struct Books {
    journal: Journal,
    /// This process's name in the store.
    owner: String,
    pub news: watch::Receiver<Arc<News>>,
    /// The newest wish that was heard.
    revision: i64,
    /// Times of models that no probe has found yet.
    unplaced: HashMap<(BackendId, ModelId), Vec<Sample>>,
    /// What is wanted of models that no probe has found yet.
    waiting: Vec<(Target, Admin)>,
    holds: Vec<Hold>,
    /// What people have said of answers, as far as it was heard.
    heard: HashMap<RequestId, f32>,
    /// What providers had billed when that was last written down.
    billed: Calibration,
    /// The minute whose rent is being counted, and what all rent had come to before it.
    rent: (i64, Money),
    clock: Clock,
}

impl Books {
    /// Books over a store, and the fleet as earlier runs left it.
    pub fn begin(
        journal: Journal,
        kept: Kept,
        news: watch::Receiver<Arc<News>>,
        owner: String,
        clock: Clock,
        fleet: &mut Fleet,
    ) -> Self {
        let now = clock.now();
        let rent = (now.0.div_euclid(MINUTE), Money::ZERO);
        let (unplaced, waiting, holds) = (HashMap::new(), Vec::new(), Vec::new());
        let mut books = Self {
            journal,
            owner,
            news,
            revision: 0,
            unplaced,
            waiting,
            holds,
            heard: HashMap::new(),
            billed: Calibration::default(),
            rent,
            clock,
        };
        Arc::make_mut(&mut fleet.spend).hours = kept.hours;
        for one in kept.samples {
            if !fleet.remember(one.tier, &one.backend, &one.model, &one.sample) {
                books.unplaced.entry((one.backend, one.model)).or_default().push(one.sample);
            }
        }
        let wishes = books.news.borrow().wishes.clone();
        recall(&kept.outcomes, &wishes, &mut Arc::make_mut(&mut fleet.lessons).learned);
        for (backend, model, judgement) in kept.judged {
            fleet.judge(&backend, &model, None, judgement);
        }
        fleet.summarise(now);
        let news = Arc::clone(&books.news.borrow_and_update());
        Arc::make_mut(&mut fleet.spend).set_others(&news.others);
        for wish in books.unheard(&news.wishes) {
            if matches!(wish.record, Record::Forget { .. }) {
                continue;
            }
            books.grant(&wish.record, fleet, now);
        }
        books
    }

    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Writes down that an attempt is about to be sent. What costs money is not sent without that; what costs nothing is.
    /// `left` is what is left of the limit that has least left, the attempt taken off.
    pub fn open(
        &self,
        opened: Opened,
        decision: Option<&Decision>,
        left: Option<Money>,
    ) -> Result<(Entry, Option<Wait>), Full> {
        let request = decision.map(|decision| Record::Request(RequestRow::of(decision)));
        match self.journal.open(Record::Opened(opened.clone()), request.as_ref(), left) {
            Ok((place, written)) => Ok((Entry { opened, place: Some(place) }, written)),
            Err(Full) if opened.reserved > Money::ZERO => Err(Full),
            Err(Full) => Ok((Entry { opened, place: None }, None)),
        }
    }

    /// Writes down how an attempt ended, with what it said of its model's pace, if anything.
    pub fn settle(&self, entry: Entry, came_to: &message::Settled, now: Timestamp) {
        if let Some(place) = entry.place {
            let (attempt, sample) = (&came_to.attempt, came_to.sample.as_ref());
            let row = Settled::of(entry.opened, attempt, sample, now, self.clock.day(now));
            let served = came_to.lesson.outcome.as_ref().map(|outcome| outcome.served);
            place.write(Record::Settled(Settled { served, ..row }));
        }
    }

    /// Writes down that nobody will ever know what came of an attempt.
    pub fn lose(&self, entry: Entry, now: Timestamp) {
        if let Some(place) = entry.place {
            place.write(Record::Settled(Settled::lost(entry.opened, now, self.clock.day(now))));
        }
    }

    /// Writes down that an attempt was never sent.
    pub fn release(&self, entry: Entry) {
        if let Some(place) = entry.place {
            place.write(Record::Released { request: entry.opened.request, number: entry.opened.number });
        }
    }

    fn audit(&self, at: Timestamp, kind: AuditKind, by: &Arc<str>, target: Option<&Target>, what: String) {
        let target = target.map(ToString::to_string);
        self.journal.write(Record::Audit(AuditRow { at, kind, by: Arc::clone(by), target, what, request: None }));
    }

    /// Writes down what an operator did.
    pub fn operator(&self, action: &OperatorAction) {
        self.audit(action.at, AuditKind::Operator, &action.by, action.target.as_ref(), action.words.clone());
    }

    /// Writes down that a backend's health changed. Each start finds out what it is: that is no change.
    pub fn health(&self, change: &HealthChange) {
        if change.from == Health::Unknown {
            return;
        }
        let why = if change.why.is_empty() { String::new() } else { format!(": {}", change.why) };
        let what = format!("{} to {}{why}", change.from.name(), change.to.name());
        let target = Target::Backend(change.backend.clone());
        self.audit(change.at, AuditKind::Engine, &engine(), Some(&target), what);
    }

    /// Writes down that a drain came to its end.
    pub fn drained(&self, drained: &Drained) {
        let what = format!("drained after {} s", drained.after.as_secs());
        self.audit(drained.at, AuditKind::Engine, &engine(), Some(&drained.target), what);
    }

    /// Writes down what an operator wants of a part of the fleet now.
    pub fn admin(&self, target: &Target, fleet: &Fleet) {
        if let Some(admin) = fleet.admin(target) {
            self.journal.write(Record::Admin { target: target.clone(), admin: admin.clone() });
        }
    }

    /// Writes down the pins there are now.
    pub fn pins(&self, fleet: &Fleet, at: Timestamp) {
        self.journal.write(Record::Pins { pins: fleet.pins.clone(), at });
    }

    /// Writes down the day's limit that an operator set.
    pub fn daily_limit(&self, limit: Option<Money>, at: Timestamp) {
        self.journal.write(Record::DailyLimit { limit, day: self.clock.day(at), at });
    }

    /// Writes down what changes with time: what is held back, and what rented machines have cost.
    pub fn tick(&mut self, fleet: &Fleet, now: Timestamp) {
        let holds = fleet.holds(now);
        if holds != self.holds {
            self.holds.clone_from(&holds);
            self.journal.write(Record::Holds { holds, at: now });
        }
        if now.0.div_euclid(MINUTE) > self.rent.0 {
            self.book_rent(fleet, now);
            self.keep_billed(fleet, now);
        }
    }

    /// Writes down how providers count, where that has changed.
    pub fn keep_billed(&mut self, fleet: &Fleet, now: Timestamp) {
        let calibration = &fleet.lessons.calibration;
        if *calibration != self.billed {
            self.billed.clone_from(calibration);
            self.journal.write(Record::Billed { calibration: calibration.clone(), at: now });
        }
    }

    /// Books the rent of the minute that is being counted.
    pub fn book_rent(&mut self, fleet: &Fleet, now: Timestamp) {
        let (minute, before) = self.rent;
        let amount = fleet.spend.rented - before;
        if amount > Money::ZERO {
            let day = self.clock.day(Timestamp(minute.saturating_mul(MINUTE)));
            self.journal.write(Record::Rented { minute, day, amount });
        }
        self.rent = (now.0.div_euclid(MINUTE), fleet.spend.rented);
    }

    /// What a probe has found may have been measured before, and an operator may want something of it.
    pub fn place(&mut self, backend: &BackendId, fleet: &mut Fleet, now: Timestamp) {
        // What is not found by this probe waits on.
        self.waiting.retain(|(target, admin)| fleet.set_admin(target, admin.clone()).is_err());
        let known: Vec<(BackendId, ModelId)> = self
            .unplaced
            .keys()
            .filter(|(of, model)| of == backend && fleet.backend(of).is_some_and(|found| found.model(model).is_some()))
            .cloned()
            .collect();
        for key in &known {
            for sample in self.unplaced.remove(key).unwrap_or_default() {
                fleet.remember_model(&key.0, &key.1, &sample);
            }
        }
        if !known.is_empty() {
            fleet.summarise(now);
        }
    }

    /// Takes in what others have written. Returns the parts of the fleet of which an operator elsewhere has said something,
    /// and what.
    pub fn take_in(&mut self, fleet: &mut Fleet, now: Timestamp) -> (Status, Vec<OperatorAction>) {
        let news = Arc::clone(&self.news.borrow_and_update());
        Arc::make_mut(&mut fleet.spend).set_others(&news.others);
        let mut wishes = self.unheard(&news.wishes);
        wishes.retain(|wish| wish.owner != self.owner);
        let actions = wishes.into_iter().filter_map(|wish| self.grant(&wish.record, fleet, now)).collect();
        (news.status.clone(), actions)
    }

    /// What people have said of answers that was not heard yet, here or elsewhere.
    pub fn said(&mut self) -> Vec<Said> {
        let said = &self.news.borrow().judged;
        let new = said.iter().filter(|one| self.heard.get(&one.request) != Some(&one.quality)).cloned().collect();
        self.heard = said.iter().map(|one| (one.request, one.quality)).collect();
        new
    }

    /// The wishes that came after the last that was heard.
    fn unheard<'a>(&mut self, wishes: &'a [Wish]) -> Vec<&'a Wish> {
        let unheard: Vec<&Wish> = wishes.iter().filter(|wish| wish.revision > self.revision).collect();
        self.revision = wishes.iter().map(|wish| wish.revision).max().unwrap_or(0).max(self.revision);
        unheard
    }

    /// Does what a wish says. Parts of the fleet that are not there wait until a probe finds them.
    fn grant(&mut self, wish: &Record, fleet: &mut Fleet, now: Timestamp) -> Option<OperatorAction> {
        match wish {
            Record::Admin { target, admin } => {
                let admin =
                    if admin.until.is_some_and(|until| now >= until) { Default::default() } else { admin.clone() };
                let is_newer = |known: &Admin| known.since > admin.since && known.since <= now;
                if fleet.admin(target).is_some_and(|known| *known == admin || is_newer(known)) {
                    return None;
                }
                self.waiting.retain(|(waiting, _)| waiting != target);
                if fleet.set_admin(target, admin.clone()).is_err() {
                    self.waiting.push((target.clone(), admin));
                    return None;
                }
                let words = match admin.state {
                    AdminState::Ready => format!("make ready {target}, elsewhere"),
                    AdminState::Drain => format!("drain {target}, elsewhere"),
                    AdminState::Maint => format!("take into maintenance {target}, elsewhere"),
                };
                let (by, state) = (Arc::clone(&admin.by), Some(admin.state));
                Some(OperatorAction { at: now, by, target: Some(target.clone()), state, judged: None, words })
            }
            Record::Pins { pins, .. } => {
                let live = |pin: &&crate::domain::fleet::Pin| pin.until.is_none_or(|until| now < until);
                let pins: Vec<_> = pins.iter().filter(live).cloned().collect();
                if pins == fleet.pins {
                    return None;
                }
                let by = pins.last().map_or_else(engine, |pin| Arc::clone(&pin.by));
                let target = pins.last().map(|pin| (*pin.target).clone());
                fleet.pins = pins;
                let words = format!("{} pins, elsewhere", fleet.pins.len());
                Some(OperatorAction { at: now, by, target, state: None, judged: None, words })
            }
            Record::DailyLimit { limit, day, .. } if self.is_today(*day, now) => {
                if fleet.spend.daily_limit == *limit {
                    return None;
                }
                fleet.set_daily_limit(*limit);
                let words = "set today's limit, elsewhere".to_owned();
                Some(OperatorAction { at: now, by: engine(), target: None, state: None, judged: None, words })
            }
            Record::Holds { holds, .. } => {
                fleet.restore_holds(holds, now);
                None
            }
            Record::Billed { calibration, .. } => {
                // What this process has seen itself comes first.
                if fleet.lessons.calibration == Calibration::default() {
                    Arc::make_mut(&mut fleet.lessons).calibration = calibration.clone();
                    self.billed.clone_from(calibration);
                }
                None
            }
            Record::Forget { tier, model, task, .. } => {
                let what = Forget { tier: *tier, model: model.clone(), task: *task };
                Arc::make_mut(&mut fleet.lessons).learned.forget(&what);
                let words = "forget what was learnt, elsewhere".to_owned();
                Some(OperatorAction { at: now, by: engine(), target: None, state: None, judged: None, words })
            }
            _ => None,
        }
    }

    fn is_today(&self, day: Day, now: Timestamp) -> bool {
        self.clock.day(now) == day
    }
}

/// Learns again what attempts of earlier runs came to, but for what is to be forgotten.
pub fn recall(outcomes: &[(BackendId, Outcome)], wishes: &[Wish], learned: &mut Learned) {
    let is_forgotten = |outcome: &Outcome| {
        wishes.iter().any(|wish| match &wish.record {
            Record::Forget { tier, model, task, at } => {
                outcome.at <= *at
                    && tier.is_none_or(|tier| tier == outcome.tier)
                    && model.as_ref().is_none_or(|model| *model == outcome.model)
                    && task.is_none_or(|task| task == outcome.kind.task)
            }
            _ => false,
        })
    };
    let mut alone = Alone::default();
    for (backend, outcome) in outcomes.iter().filter(|(_, outcome)| !is_forgotten(outcome)) {
        for counted in alone.take(backend.as_str(), outcome, outcome).into_iter().flatten() {
            learned.observe(counted);
        }
    }
}

/// Who acts where nobody in particular does.
fn engine() -> Arc<str> {
    Arc::from("engine")
}

/// What the guard found in a request, for the audit; nothing, where it found nothing.
pub(super) fn findings(decision: &Decision) -> Option<Record> {
    let found = &decision.verdict.findings;
    if found.is_empty() {
        return None;
    }
    let kinds: Vec<String> = found.iter().fold(Vec::new(), |mut kinds, finding| {
        let kind = finding.words().to_owned();
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
        kinds
    });
    let ruled = match decision.verdict.ruling {
        crate::domain::privacy::Ruling::Free => "may go anywhere",
        crate::domain::privacy::Ruling::FreeRedacted => "redacted outside this machine",
        crate::domain::privacy::Ruling::KeepAsAsked | crate::domain::privacy::Ruling::KeepAsFound => {
            "stays on this machine"
        }
        crate::domain::privacy::Ruling::Refuse => "refused",
    };
    Some(Record::Audit(AuditRow {
        at: decision.at,
        kind: AuditKind::Guard,
        by: Arc::clone(&decision.caller),
        target: None,
        what: format!("{} found {}: {ruled}", kinds.join(", "), times(found.len())),
        request: Some(decision.request),
    }))
}

fn times(count: usize) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}
