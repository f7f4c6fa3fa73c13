//! The question before anything that changes the fleet: what it does, to what, and what would follow for the traffic of
//! late. Cancel is the default, and what would leave nobody to serve asks for its name.

mod view;

use std::sync::Arc;
use std::time::Duration;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::domain::decision::Decision;
use crate::domain::fleet::{AdminState, Fleet, PinScope};
use crate::domain::money::Money;
use crate::domain::task::Task;
use crate::domain::tier::Target;
use crate::domain::time::Timestamp;
use crate::domain::what_if::{Change, Foreseen, foresee};
use crate::engine::{Command, Snapshot};
use crate::tui::text;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// To drain.
    Drain,
    /// To take into maintenance.
    Maint,
    /// To make ready.
    Ready,
    /// To pin.
    Pin,
    /// To unpin.
    Unpin,
    /// To end what is in flight.
    Kill,
}

impl Verb {
    /// The word on the button.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Drain => "drain",
            Self::Maint => "maintenance",
            Self::Ready => "make ready",
            Self::Pin => "pin",
            Self::Unpin => "unpin",
            Self::Kill => "end what is in flight on",
        }
    }

    const fn lasts(self) -> bool {
        matches!(self, Self::Drain | Self::Maint | Self::Pin)
    }
}

/// What the question is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Matter {
    /// A part of the fleet.
    Part(Verb, Target),
    /// What may be spent today.
    Limit,
    /// Commands that turn an earlier one around.
    Undo(Vec<Command>),
}

/// How long it lasts.
const EXPIRIES: [(Option<Duration>, &str); 4] = [
    (Some(Duration::from_secs(15 * 60)), "15 min"),
    (Some(Duration::from_secs(3600)), "1 h"),
    (Some(Duration::from_secs(8 * 3600)), "8 h"),
    (None, "until undone"),
];
/// The longest reason: one line of a screen.
const REASON: usize = 120;
/// How often the outlook is worked out anew while the dialog stands.
const OUTLOOK: Duration = Duration::from_secs(1);

/// A part of the dialog that can have the focus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Lasts,
    Scope,
    Only,
    Amount,
    Reason,
    Name,
    Cancel,
    Do,
}

/// The dialog.
#[derive(Clone, Debug)]
pub struct Confirm {
    matter: Matter,
    expiry: usize,
    /// The class of work that is pinned, by its place in the list of all; `None` pins every request.
    task: Option<usize>,
    only: bool,
    field: Field,
    reason: String,
    amount: String,
    typed: String,
    /// What the change would do, for which change, and when that was worked out.
    outlook: Option<Box<(Change, Timestamp, Foreseen)>>,
}

/// What became of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The dialog stays.
    Stay,
    /// Nothing is done.
    No,
    /// The command is to be carried out.
    Yes(Command),
    /// The last change is to be undone by these commands.
    Undo(Vec<Command>),
}

impl Confirm {
    fn of(matter: Matter, field: Field, amount: String) -> Self {
        Self {
            matter,
            expiry: EXPIRIES.len() - 1,
            task: None,
            only: false,
            field,
            reason: String::new(),
            amount,
            typed: String::new(),
            outlook: None,
        }
    }

    /// Asks about a part of the fleet.
    #[must_use]
    pub fn new(verb: Verb, target: Target) -> Self {
        Self::of(Matter::Part(verb, target), Field::Cancel, String::new())
    }

    /// Asks what may be spent today.
    #[must_use]
    pub fn limit(now: Option<Money>) -> Self {
        let amount = now.map_or_else(String::new, |limit| format!("{:.2}", limit.as_usd()));
        Self::of(Matter::Limit, Field::Amount, amount)
    }

    /// Asks whether to turn an earlier change around with these commands.
    #[must_use]
    pub fn undo(commands: Vec<Command>) -> Self {
        Self::of(Matter::Undo(commands), Field::Cancel, String::new())
    }

    /// The change in question; `None` where it changes no routing, or where its amount cannot be read.
    fn change(&self) -> Option<Change> {
        let (verb, target) = match &self.matter {
            Matter::Part(verb, target) => (verb, target.clone()),
            Matter::Limit => return self.limit_typed().ok().map(|limit| Change::DailyLimit { limit }),
            // Several commands are no single change that could be looked ahead at.
            Matter::Undo(commands) => return if let [one] = &commands[..] { change_of(one) } else { None },
        };
        match verb {
            Verb::Drain => Some(Change::Admin { target, state: AdminState::Drain }),
            Verb::Maint => Some(Change::Admin { target, state: AdminState::Maint }),
            Verb::Ready => Some(Change::Admin { target, state: AdminState::Ready }),
            Verb::Pin => Some(Change::Pin { target, scope: self.scope(), only: self.only }),
            Verb::Unpin => Some(Change::Unpin { target }),
            Verb::Kill => None,
        }
    }

    /// The amount as typed; nothing typed means no limit.
    fn limit_typed(&self) -> Result<Option<Money>, String> {
        match self.amount.trim().trim_start_matches('$') {
            "" => Ok(None),
            text => text
                .parse()
                .ok()
                .and_then(Money::from_usd)
                .map(Some)
                .ok_or_else(|| format!("`{text}` is no amount of dollars")),
        }
    }

    /// Works out what the change would do to the requests of late, newest first, unless that was done just now.
    pub fn look_ahead<'a>(&mut self, recent: impl Iterator<Item = &'a Decision>, snapshot: &Snapshot, now: Timestamp) {
        let Some(change) = self.change() else {
            self.outlook = None;
            return;
        };
        if self.outlook.as_deref().is_some_and(|(known, at, _)| *known == change && now.since(*at) < OUTLOOK) {
            return;
        }
        let recent = recent.map(|decision| (decision.at, decision.matter()));
        let foreseen = foresee(recent, &change, &snapshot.fleet, &snapshot.policy, now);
        self.outlook = Some(Box::new((change, now, foreseen)));
    }

    /// The name that has to be typed, because nothing else would serve afterwards.
    fn name_to_type(&self, fleet: &Fleet, now: Timestamp) -> Option<String> {
        let grave = match &self.matter {
            Matter::Limit => None,
            Matter::Part(verb, target) => {
                let only = *verb == Verb::Pin && self.only && self.task.is_none();
                takes_out(*verb, only).filter(|takes| leaves_nobody(*takes, target, fleet, now)).map(|_| target)
            }
            Matter::Undo(commands) => commands.iter().find_map(|command| {
                let (verb, only, target) = match command {
                    Command::SetAdmin { target, state: AdminState::Drain, .. } => (Verb::Drain, false, target),
                    Command::SetAdmin { target, state: AdminState::Maint, .. } => (Verb::Maint, false, target),
                    Command::Pin { target, scope: PinScope::All, only: true, .. } => (Verb::Pin, true, target),
                    _ => return None,
                };
                takes_out(verb, only).filter(|takes| leaves_nobody(*takes, target, fleet, now)).map(|_| target)
            }),
        };
        grave.map(short_name)
    }

    fn fields(&self, named: bool) -> Vec<Field> {
        let mut fields = Vec::new();
        match &self.matter {
            Matter::Limit => fields.push(Field::Amount),
            Matter::Undo(_) => {}
            Matter::Part(verb, _) => {
                if verb.lasts() {
                    fields.push(Field::Lasts);
                }
                if *verb == Verb::Pin {
                    fields.extend([Field::Scope, Field::Only]);
                }
                if verb.lasts() {
                    fields.push(Field::Reason);
                }
            }
        }
        if named {
            fields.push(Field::Name);
        }
        fields.extend([Field::Cancel, Field::Do]);
        fields
    }

    /// The text that the focused field takes, with the longest that it may be.
    const fn text(&mut self) -> Option<(&mut String, usize)> {
        match self.field {
            Field::Reason => Some((&mut self.reason, REASON)),
            Field::Amount => Some((&mut self.amount, 12)),
            Field::Name => Some((&mut self.typed, REASON)),
            Field::Lasts | Field::Scope | Field::Only | Field::Cancel | Field::Do => None,
        }
    }

    /// Pasted text, where the focused field takes any.
    pub fn paste(&mut self, pasted: &str) {
        let line = text::sanitise_line(pasted);
        if let Some((field, most)) = self.text() {
            let room = most.saturating_sub(field.chars().count());
            field.extend(line.chars().take(room));
        }
    }

    /// A key.
    pub fn key(&mut self, key: KeyEvent, fleet: &Fleet, now: Timestamp) -> Answer {
        let name = self.name_to_type(fleet, now);
        let fields = self.fields(name.is_some());
        let at = fields.iter().position(|field| *field == self.field).unwrap_or(0);
        let go = |to: usize| fields.get(to % fields.len()).copied().unwrap_or(Field::Cancel);
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Esc => return Answer::No,
            KeyCode::Down | KeyCode::Tab => self.field = go(at + 1),
            KeyCode::Up | KeyCode::BackTab => self.field = go(at + fields.len() - 1),
            KeyCode::Enter => match self.field {
                Field::Cancel => return Answer::No,
                Field::Do => return self.confirm(name.as_deref()),
                // Who has typed goes on to the button: two Enters must not throw the text away.
                Field::Reason | Field::Amount | Field::Name => self.field = Field::Do,
                Field::Lasts | Field::Scope | Field::Only => self.field = go(at + 1),
            },
            KeyCode::Backspace => {
                if let Some((text, _)) = self.text() {
                    text.pop();
                }
            }
            KeyCode::Char('u') if control => {
                if let Some((text, _)) = self.text() {
                    text.clear();
                }
            }
            KeyCode::Char(c) if self.text().is_some() => {
                if let Some((text, most)) = self.text().filter(|_| !control && !c.is_control())
                    && text.chars().count() < most
                {
                    text.push(c);
                }
            }
            KeyCode::Left | KeyCode::Right | KeyCode::Char(' ') => {
                self.turn(key.code == KeyCode::Left, go(at + 1), go(at + fields.len() - 1));
            }
            // One stray key never does it, nor closes the dialog under the rest of a word.
            KeyCode::Char('n') => self.field = Field::Cancel,
            // The first `y` goes to the button, the second presses it.
            KeyCode::Char('y') if self.field == Field::Do => return self.confirm(name.as_deref()),
            KeyCode::Char('y') => self.field = Field::Do,
            _ => {}
        }
        Answer::Stay
    }

    /// The button was pressed; where a name has to be typed first, or an amount cannot be read, that comes first.
    fn confirm(&mut self, name: Option<&str>) -> Answer {
        if name.is_some_and(|name| name != self.typed) {
            self.field = Field::Name;
            return Answer::Stay;
        }
        if let Matter::Undo(commands) = &self.matter {
            return Answer::Undo(commands.clone());
        }
        match self.command() {
            Ok(command) => Answer::Yes(command),
            Err(_) => {
                self.field = Field::Amount;
                Answer::Stay
            }
        }
    }

    const fn turn(&mut self, left: bool, next: Field, previous: Field) {
        match self.field {
            Field::Lasts => {
                let step = if left { EXPIRIES.len() - 1 } else { 1 };
                self.expiry = (self.expiry + step) % EXPIRIES.len();
            }
            Field::Scope => {
                // Every request stands between the last task and the first.
                let last = Task::ALL.len() - 1;
                self.task = match (self.task, left) {
                    (None, true) => Some(last),
                    (None, false) => Some(0),
                    (Some(0), true) => None,
                    (Some(at), true) => Some(at - 1),
                    (Some(at), false) if at >= last => None,
                    (Some(at), false) => Some(at + 1),
                };
            }
            Field::Only => self.only = !self.only,
            Field::Amount | Field::Reason | Field::Name => {}
            Field::Cancel | Field::Do => self.field = if left { previous } else { next },
        }
    }

    fn scope(&self) -> PinScope {
        self.task.and_then(|at| Task::ALL.get(at)).map_or(PinScope::All, |task| PinScope::Task(*task))
    }

    fn command(&self) -> Result<Command, String> {
        let (verb, target) = match &self.matter {
            Matter::Part(verb, target) => (verb, target),
            Matter::Limit => return self.limit_typed().map(Command::SetDailyLimit),
            Matter::Undo(_) => return Err("it is more than one command".to_owned()),
        };
        let (lasts, reason) = (EXPIRIES[self.expiry].0, Arc::from(self.reason.trim()));
        let target = target.clone();
        let admin = |state, lasts, reason| Command::SetAdmin { target: target.clone(), state, lasts, reason };
        Ok(match verb {
            Verb::Drain => admin(AdminState::Drain, lasts, reason),
            Verb::Maint => admin(AdminState::Maint, lasts, reason),
            Verb::Ready => admin(AdminState::Ready, None, Arc::from("")),
            Verb::Pin => Command::Pin { target, scope: self.scope(), only: self.only, lasts, reason },
            Verb::Unpin => Command::Unpin { target },
            Verb::Kill => Command::Kill { target },
        })
    }
}

/// What a verb keeps requests from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// The target itself.
    Target,
    /// All but the target.
    TheRest,
}

const fn takes_out(verb: Verb, only: bool) -> Option<Takes> {
    match verb {
        Verb::Drain | Verb::Maint => Some(Takes::Target),
        Verb::Pin if only => Some(Takes::TheRest),
        Verb::Pin | Verb::Ready | Verb::Unpin | Verb::Kill => None,
    }
}

/// Whether nobody who serves now would serve any more.
fn leaves_nobody(takes: Takes, target: &Target, fleet: &Fleet, now: Timestamp) -> bool {
    // A pin that allows nothing else has taken the rest out already.
    let only = fleet.pins.iter().rev().find(|pin| pin.only && pin.scope == PinScope::All);
    let only = only.filter(|pin| pin.until.is_none_or(|until| now < until));
    let (mut inside, mut outside) = (0, 0);
    for backend in fleet.backends.iter().filter(|backend| fleet.routable(backend, now).is_ok()) {
        for model in backend.models.iter().filter(|m| m.offered && fleet.model_routable(m, now).is_ok()) {
            let covered = |target: &Target| target.covers(backend.spec.tier, &backend.spec.id, &model.id);
            if covered(target) {
                inside += 1;
            } else if only.is_none_or(|pin| covered(&pin.target)) {
                outside += 1;
            }
        }
    }
    match takes {
        Takes::Target => inside > 0 && outside == 0,
        Takes::TheRest => inside == 0,
    }
}

/// What a command changes in the fleet; `None` where it changes no routing.
fn change_of(command: &Command) -> Option<Change> {
    Some(match command {
        Command::SetAdmin { target, state, .. } => Change::Admin { target: target.clone(), state: *state },
        Command::Pin { target, scope, only, .. } => {
            Change::Pin { target: target.clone(), scope: scope.clone(), only: *only }
        }
        Command::Unpin { target } => Change::Unpin { target: target.clone() },
        Command::SetDailyLimit(limit) => Change::DailyLimit { limit: *limit },
        Command::Kill { .. } | Command::Judge { .. } | Command::Probe(_) | Command::Cancel(_) => return None,
    })
}

fn short_name(target: &Target) -> String {
    match target {
        Target::Tier(tier) => tier.name().to_owned(),
        Target::Backend(backend) => backend.to_string(),
        Target::Model(_, model) => model.to_string(),
    }
}
