//! `llm-call drain`, `maint`, `ready`, `pin`, `unpin`: an operator's word from a shell. It goes into the store, where every
//! running engine hears of it within a second or so, and whatever starts next finds it. No engine is started for it.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use super::Global;
use super::kept::{Place, place};
use super::output::{Failure, Output, Style};
use super::request::task;
use super::session::operator;
use super::target::{Unknown, named, target};
use super::when::{full, lasting};
use crate::config::Config;
use crate::domain::fleet::{Admin, AdminState, Backend, CommandError, Fleet, Pin, PinScope};
use crate::domain::spend::Spend;
use crate::domain::task::Task;
use crate::domain::tier::Target;
use crate::domain::time::Timestamp;
use crate::engine::{Clock, Command};
use crate::store::StoreError;
use crate::store::database::Wish;
use crate::store::keeper::{self, Store};
use crate::store::record::{AuditKind, AuditRow, Record};

const EXIT_CODES: &str = "TARGET is a tier, a backend, or backend/model; `llm-call tiers` lists them. `llm-call what-if` \
tells beforehand what it would do. Every program that runs on the same store hears of it within a second or so, and what \
starts later finds it.\n\n\
Exit codes: 0 done; 1 the store cannot be written; 2 wrong usage or configuration.";

/// Arguments of `drain` and `maint`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub struct AdminArgs {
    /// A tier, a backend, or backend/model.
    target: String,
    /// For so long only: 15m, 1h30m, 2d; for good, where absent.
    #[arg(long = "for", value_name = "LENGTH", value_parser = lasting)]
    lasts: Option<Duration>,
    /// Why, for whoever sees it.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
}

/// Arguments of `ready`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub struct ReadyArgs {
    /// A tier, a backend, or backend/model.
    target: String,
    /// Why, for whoever sees it.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
}

/// Arguments of `pin`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub struct PinArgs {
    /// A tier, a backend, or backend/model.
    target: String,
    /// Nowhere else, even if it cannot serve.
    #[arg(long)]
    only: bool,
    /// Only requests of this task.
    #[arg(long, value_parser = task, conflicts_with = "caller")]
    task: Option<Task>,
    /// Only requests of this caller.
    #[arg(long, value_name = "NAME")]
    caller: Option<String>,
    /// For so long only: 15m, 1h30m, 2d; for good, where absent.
    #[arg(long = "for", value_name = "LENGTH", value_parser = lasting)]
    lasts: Option<Duration>,
    /// Why, for whoever sees it.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
}

/// Arguments of `unpin`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub struct UnpinArgs {
    /// A tier, a backend, or backend/model.
    target: String,
}

/// Runs `drain` and `maint`.
///
/// # Errors
///
/// If there is no such part of the fleet, or the store cannot be written.
pub async fn admin(args: AdminArgs, state: AdminState, global: &Global, output: &Output) -> Result<ExitCode, Failure> {
    let desk = Desk::open(global, output)?;
    let target = desk.target(&args.target, output)?;
    let reason = Arc::from(args.reason);
    desk.set(&Command::SetAdmin { target, state, lasts: args.lasts, reason }, output).await
}

/// Runs `ready`.
///
/// # Errors
///
/// As [`admin`].
pub async fn ready(args: ReadyArgs, global: &Global, output: &Output) -> Result<ExitCode, Failure> {
    let desk = Desk::open(global, output)?;
    let target = desk.target(&args.target, output)?;
    let reason = Arc::from(args.reason);
    desk.set(&Command::SetAdmin { target, state: AdminState::Ready, lasts: None, reason }, output).await
}

/// Runs `pin`.
///
/// # Errors
///
/// As [`admin`].
pub async fn pin(args: PinArgs, global: &Global, output: &Output) -> Result<ExitCode, Failure> {
    let desk = Desk::open(global, output)?;
    let target = desk.target(&args.target, output)?;
    let PinArgs { only, task, caller, lasts, reason, .. } = args;
    let by_caller = || caller.map(|caller| PinScope::Caller(caller.into()));
    let scope = task.map(PinScope::Task).or_else(by_caller).unwrap_or_default();
    desk.set(&Command::Pin { target, scope, only, lasts, reason: reason.into() }, output).await
}

/// Runs `unpin`.
///
/// # Errors
///
/// As [`admin`], and if nothing is pinned there.
pub async fn unpin(args: UnpinArgs, global: &Global, output: &Output) -> Result<ExitCode, Failure> {
    let desk = Desk::open(global, output)?;
    let target = desk.target(&args.target, output)?;
    desk.set(&Command::Unpin { target }, output).await
}

/// Where operators' words from a shell go through.
struct Desk {
    place: Place,
    fleet: Fleet,
    operator: Arc<str>,
}

impl Desk {
    fn open(global: &Global, output: &Output) -> Result<Self, Failure> {
        let place = place(global, output)?;
        if global.demo {
            output.note("DEMO: these tiers are simulated");
        }
        let fleet = configured(&place.config);
        Ok(Self { place, fleet, operator: operator() })
    }

    /// The part that is meant. What models a backend has only its probes know, and none is sent.
    fn target(&self, text: &str, output: &Output) -> Result<Target, Failure> {
        match target(text, &self.fleet) {
            Err(Unknown::Model { target: Target::Model(backend, model), .. }) if !model.as_str().is_empty() => {
                output.note(&format!(
                    "note: {model} is not configured for {backend}; it is taken as its backend names it"
                ));
                Ok(Target::Model(backend, model))
            }
            other => Ok(other?),
        }
    }

    /// Writes a command down as an engine does that carries it out.
    async fn set(self, command: &Command, output: &Output) -> Result<ExitCode, Failure> {
        let failed = |error: StoreError| Failure::Other(error.to_string());
        let others = keeper::in_use(&self.place.options).map_err(failed)?;
        let store = Store::open(self.place.options.clone()).await.map_err(failed)?;
        let now = Clock::system().now();
        let wishes = store.news.borrow().wishes.clone();
        let Spoken { target, wish, back } = spoken(command, &wishes, &self.operator, now)?;
        let audit = AuditRow {
            at: now,
            kind: AuditKind::Operator,
            by: Arc::clone(&self.operator),
            target: Some(target.to_string()),
            what: command.words(),
            request: None,
        };
        store.write(vec![wish, Record::Audit(audit)]).await.map_err(failed)?;
        output.line(&output.styled(Style::Bold, &command.words()))?;
        if let Some(back) = back {
            output.line(&format!("{back} takes it back"))?;
        }
        for still in self.still_held(command, &wishes, now) {
            output.note(&still);
        }
        output.line(&match others {
            0 => "no other program runs on this store: whatever starts next finds it so".to_owned(),
            1 => "1 other program runs on this store and hears of it within a second or so".to_owned(),
            many => format!("{many} other programs run on this store and hear of it within a second or so"),
        })?;
        Ok(ExitCode::SUCCESS)
    }

    /// What keeps requests away all the same after a part was made ready: another word on what lies around it or within it.
    fn still_held(&self, command: &Command, wishes: &[Wish], now: Timestamp) -> Vec<String> {
        let Command::SetAdmin { target: ready, state: AdminState::Ready, .. } = command else { return Vec::new() };
        let held = wishes.iter().filter_map(|wish| match &wish.record {
            Record::Admin { target, admin } if target != ready && self.overlap(target, ready) => {
                let state = Some(admin.state_at(now)).filter(|state| *state != AdminState::Ready)?;
                Some(format!(
                    "note: {target} is in {} by a word of its own; `llm-call ready {}` takes that back",
                    state.name(),
                    named(target)
                ))
            }
            _ => None,
        });
        held.collect()
    }

    /// Whether one lies within the other.
    fn overlap(&self, one: &Target, other: &Target) -> bool {
        let tier = |target: &Target| match target {
            Target::Tier(tier) => Some(*tier),
            Target::Backend(id) | Target::Model(id, _) => self.fleet.backend(id).map(|backend| backend.spec.tier),
        };
        let backend = |target: &Target| match target {
            Target::Tier(_) => None,
            Target::Backend(id) | Target::Model(id, _) => Some(id.clone()),
        };
        let model = |target: &Target| match target {
            Target::Tier(_) | Target::Backend(_) => None,
            Target::Model(_, model) => Some(model.clone()),
        };
        tier(one) == tier(other) && meet(backend(one), backend(other)) && meet(model(one), model(other))
    }
}

/// Whether two names are one, where both are given.
fn meet<T: PartialEq>(one: Option<T>, other: Option<T>) -> bool {
    one.is_none() || other.is_none() || one == other
}

/// The configured fleet, of which nothing is observed.
fn configured(config: &Config) -> Fleet {
    let backends = config.backends.iter().map(|one| Backend::new(one.spec.clone(), one.models.clone())).collect();
    Fleet::new(backends, Spend::default())
}

/// A command as it is written down.
struct Spoken {
    target: Target,
    wish: Record,
    /// What takes it back.
    back: Option<String>,
}

fn spoken(command: &Command, wishes: &[Wish], by: &Arc<str>, now: Timestamp) -> Result<Spoken, Failure> {
    let until = |lasts: &Option<Duration>| lasts.map(|lasts| now.after(lasts));
    match command {
        Command::SetAdmin { target, state, lasts, reason } => {
            let (by, until, reason) = (Arc::clone(by), until(lasts), Arc::clone(reason));
            let admin = Admin { state: *state, by, since: now, until, reason };
            let back = (*state != AdminState::Ready).then(|| {
                let sooner =
                    until.map(|until| format!("it ends at {}; before that, ", full(until))).unwrap_or_default();
                format!("{sooner}`llm-call ready {}`", named(target))
            });
            Ok(Spoken { target: target.clone(), wish: Record::Admin { target: target.clone(), admin }, back })
        }
        Command::Pin { target, scope, only, lasts, reason } => {
            let mut pins = pinned(wishes, now);
            pins.retain(|pin| *pin.target != *target || pin.scope != *scope);
            pins.push(Pin {
                target: Arc::new(target.clone()),
                scope: scope.clone(),
                only: *only,
                by: Arc::clone(by),
                since: now,
                until: until(lasts),
                reason: Arc::clone(reason),
            });
            let back = Some(format!("`llm-call unpin {}`", named(target)));
            Ok(Spoken { target: target.clone(), wish: Record::Pins { pins, at: now }, back })
        }
        Command::Unpin { target } => {
            let mut pins = pinned(wishes, now);
            let before = pins.len();
            pins.retain(|pin| *pin.target != *target);
            if pins.len() == before {
                return Err(Failure::Usage(not_pinned(target, &pins)));
            }
            Ok(Spoken { target: target.clone(), wish: Record::Pins { pins, at: now }, back: None })
        }
        _ => Err(Failure::Usage(format!("only a running engine can {}", command.words()))),
    }
}

/// The pins that there are.
fn pinned(wishes: &[Wish], now: Timestamp) -> Vec<Pin> {
    let pins = wishes.iter().rev().find_map(|wish| match &wish.record {
        Record::Pins { pins, .. } => Some(pins.clone()),
        _ => None,
    });
    let mut pins = pins.unwrap_or_default();
    pins.retain(|pin| pin.until.is_none_or(|until| now < until));
    pins
}

fn not_pinned(target: &Target, pins: &[Pin]) -> String {
    let words = CommandError::NotPinned(target.clone()).to_string();
    if pins.is_empty() {
        return format!("{words}, nor to anything else");
    }
    let to: Vec<String> = pins.iter().map(|pin| format!("{} ({})", named(&pin.target), pin.scope)).collect();
    format!("{words}\n  there are pins to: {}", to.join(", "))
}
