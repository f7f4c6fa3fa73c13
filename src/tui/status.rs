//! The state of a part of the fleet as an operator reads it: a sign, a word and a role, never a colour alone.

use std::time::Duration;

use super::glyph::Glyphs;
use super::text;
use super::theme::Role;
use crate::domain::fleet::{Admin, AdminState, Backend, Fleet, Model};
use crate::domain::health::Health;
use crate::domain::rejection::Rejection;
use crate::domain::tier::{Target, Tier};
use crate::domain::time::Timestamp;

/// Which sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// Serves.
    Up,
    /// Serves, but not as it should.
    Degraded,
    /// Does not serve.
    Down,
    /// Being drained.
    Draining,
    /// Drained, or in maintenance.
    Drained,
    /// Starting.
    Warming,
    /// Not known.
    Unknown,
}

impl Sign {
    /// The sign in a set.
    #[must_use]
    pub const fn glyph(self, glyphs: &Glyphs) -> &'static str {
        match self {
            Self::Up => glyphs.up,
            Self::Degraded => glyphs.degraded,
            Self::Down => glyphs.down,
            Self::Draining => glyphs.draining,
            Self::Drained => glyphs.drained,
            Self::Warming => glyphs.warming,
            Self::Unknown => glyphs.unknown,
        }
    }
}

/// A state: sign, word and role, and the reason where there is one.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// The sign.
    pub sign: Sign,
    /// The word.
    pub word: String,
    /// The role.
    pub role: Role,
    /// Why it does not serve.
    pub reason: Option<Rejection>,
}

impl Mark {
    fn new(sign: Sign, word: impl Into<String>, role: Role) -> Self {
        Self { sign, word: word.into(), role, reason: None }
    }

    /// Whether it takes requests.
    #[must_use]
    pub fn serves(&self) -> bool {
        self.reason.is_none() && matches!(self.sign, Sign::Up | Sign::Degraded | Sign::Warming | Sign::Unknown)
    }
}

fn of_admin(admin: &Admin, in_flight: u32, now: Timestamp) -> Option<Mark> {
    match admin.state_at(now) {
        AdminState::Ready => None,
        AdminState::Drain if in_flight > 0 => {
            Some(Mark::new(Sign::Draining, format!("DRAIN {in_flight}"), Role::Draining))
        }
        AdminState::Drain => Some(Mark::new(Sign::Drained, "DRAINED", Role::Draining)),
        AdminState::Maint => Some(Mark::new(Sign::Drained, "MAINT", Role::Draining)),
    }
}

fn of_health(health: Health) -> Mark {
    match health {
        Health::Up => Mark::new(Sign::Up, "UP", Role::Ok),
        Health::Degraded => Mark::new(Sign::Degraded, "SLOW", Role::Warn),
        Health::Down => Mark::new(Sign::Down, "DOWN", Role::Bad),
        Health::Warming => Mark::new(Sign::Warming, "WARMING", Role::Warn),
        Health::Unknown => Mark::new(Sign::Unknown, "PROBING", Role::Unknown),
    }
}

/// It gets its traffic back by and by.
fn returning() -> Mark {
    Mark::new(Sign::Degraded, "RETURNING", Role::Warn)
}

fn of_reason(reason: &Rejection) -> Mark {
    match reason {
        Rejection::NoKey { .. } => Mark::new(Sign::Unknown, "NO KEY", Role::Unknown),
        Rejection::KeyRefused => Mark::new(Sign::Down, "KEY BAD", Role::Bad),
        Rejection::OutOfCredit => Mark::new(Sign::Down, "NO CREDIT", Role::Bad),
        Rejection::Down { .. } => Mark::new(Sign::Down, "DOWN", Role::Bad),
        Rejection::BreakerOpen { .. } => Mark::new(Sign::Down, "BREAKER", Role::Bad),
        Rejection::Recovering { .. } => returning(),
        Rejection::RateLimited { .. } => Mark::new(Sign::Degraded, "LIMITED", Role::Warn),
        Rejection::Full { .. } => Mark::new(Sign::Degraded, "FULL", Role::Warn),
        Rejection::NoModels | Rejection::ModelMissing => Mark::new(Sign::Degraded, "NO MODEL", Role::Warn),
        _ => Mark::new(Sign::Down, "OUT", Role::Bad),
    }
}

/// The state of a backend.
#[must_use]
pub fn of_backend(fleet: &Fleet, backend: &Backend, now: Timestamp) -> Mark {
    let in_flight = backend.in_flight();
    let admin = of_admin(&backend.admin, in_flight, now)
        .or_else(|| of_admin(&fleet.tier(backend.spec.tier).admin, in_flight, now));
    let reason = fleet.routable(backend, now).err();
    let mut mark = match (admin, &reason) {
        (Some(mark), _) => mark,
        (None, None) if backend.breaker.limit(now).is_some() => returning(),
        (None, None) => of_health(backend.health),
        // Before the first probe nobody knows its models: that is no fault of the configuration.
        (None, Some(Rejection::NoModels)) if backend.health == Health::Unknown => of_health(Health::Unknown),
        (None, Some(reason)) => of_reason(reason),
    };
    mark.reason = reason;
    mark
}

/// A good state that nobody has confirmed for three probe intervals is not known any more: the question mark and its age
/// stand in its place.
#[must_use]
pub fn unless_stale(mark: Mark, backend: &Backend, probe_every: Duration, now: Timestamp) -> Mark {
    let age = backend.probed_at.map(|at| now.since(at));
    match age.filter(|age| *age > probe_every.saturating_mul(3) && mark.serves() && mark.role != Role::Draining) {
        Some(age) => Mark { sign: Sign::Unknown, word: format!("? {}", text::age(age)), role: Role::Unknown, ..mark },
        None => mark,
    }
}

/// The state of a model of a backend.
#[must_use]
pub fn of_model(fleet: &Fleet, backend: &Backend, model: &Model, now: Timestamp) -> Mark {
    if let Some(mark) = of_admin(&model.admin, model.in_flight(), now) {
        return mark;
    }
    let whole = of_backend(fleet, backend, now);
    if fleet.backend_routable(backend, now).is_err() {
        return whole;
    }
    match fleet.model_routable(model, now) {
        Ok(()) => of_health(backend.health),
        Err(reason) => Mark { reason: Some(reason.clone()), ..of_reason(&reason) },
    }
}

/// The state of a tier: that of its best backend, with how many of them serve where it is not all.
#[must_use]
pub fn of_tier(fleet: &Fleet, tier: Tier, now: Timestamp) -> Mark {
    if let Some(mark) = of_admin(&fleet.tier(tier).admin, fleet.in_flight(&Target::Tier(tier)), now) {
        return mark;
    }
    let marks: Vec<Mark> = fleet.of_tier(tier).map(|backend| of_backend(fleet, backend, now)).collect();
    let serving: Vec<&Mark> = marks.iter().filter(|mark| mark.serves()).collect();
    let best = serving.iter().min_by_key(|mark| mark.sign as u8);
    match (best, marks.first()) {
        (None, None) => Mark::new(Sign::Unknown, "NONE", Role::Unknown),
        (None, Some(first)) => {
            let alike = marks.iter().all(|mark| mark.word == first.word);
            let waiting = marks.iter().any(|mark| mark.sign == Sign::Unknown && mark.word == "PROBING");
            match (alike, waiting) {
                (true, _) => Mark { reason: None, ..first.clone() },
                (false, true) => of_health(Health::Unknown),
                (false, false) => of_health(Health::Down),
            }
        }
        (Some(best), _) if serving.len() < marks.len() => {
            Mark { word: format!("{} {}/{}", best.word, serving.len(), marks.len()), ..(**best).clone() }
        }
        (Some(best), _) => (**best).clone(),
    }
}

/// How many tiers take requests.
#[must_use]
pub fn serving_tiers(fleet: &Fleet, now: Timestamp) -> usize {
    Tier::ALL.into_iter().filter(|tier| serves(fleet, *tier, now)).count()
}

/// Whether a tier takes requests.
#[must_use]
pub fn serves(fleet: &Fleet, tier: Tier, now: Timestamp) -> bool {
    fleet.of_tier(tier).any(|backend| fleet.routable(backend, now).is_ok())
}
