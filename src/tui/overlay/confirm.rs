//! The question before anything that changes the fleet: what it does, to what, and what follows. Cancel is the default,
//! and what would leave no tier to serve asks for its name.

use std::sync::Arc;
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{scrolled, window};
use crate::domain::fleet::{AdminState, Fleet, PinScope};
use crate::domain::task::Task;
use crate::domain::tier::{Target, Tier};
use crate::domain::time::Timestamp;
use crate::engine::Command;
use crate::tui::panes::Ctx;
use crate::tui::status;
use crate::tui::text;
use crate::tui::theme::Role;

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
        }
    }

    const fn lasts(self) -> bool {
        matches!(self, Self::Drain | Self::Maint | Self::Pin)
    }
}

/// How long it lasts.
const EXPIRIES: [(Option<Duration>, &str); 3] =
    [(Some(Duration::from_secs(15 * 60)), "15 min"), (Some(Duration::from_secs(3600)), "1 h"), (None, "until undone")];

/// A part of the dialog that can have the focus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Lasts,
    Scope,
    Only,
    Name,
    Cancel,
    Do,
}

/// The dialog.
#[derive(Clone, Debug)]
pub struct Confirm {
    verb: Verb,
    target: Target,
    expiry: usize,
    /// The class of work that is pinned, by its place in the list of all; `None` pins every request.
    task: Option<usize>,
    only: bool,
    field: Field,
    typed: String,
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
}

impl Confirm {
    /// Asks.
    #[must_use]
    pub const fn new(verb: Verb, target: Target) -> Self {
        Self { verb, target, expiry: 2, task: None, only: false, field: Field::Cancel, typed: String::new() }
    }

    /// The name that has to be typed, because nothing else would serve afterwards.
    fn name_to_type(&self, fleet: &Fleet, now: Timestamp) -> Option<String> {
        let covers = |id, tier, model: &_| self.target.covers(tier, id, model);
        let (mut inside, mut outside) = (0, 0);
        for backend in fleet.backends.iter().filter(|backend| fleet.routable(backend, now).is_ok()) {
            for model in backend.models.iter().filter(|m| m.offered && fleet.model_routable(m, now).is_ok()) {
                if covers(&backend.spec.id, backend.spec.tier, &model.id) { inside += 1 } else { outside += 1 }
            }
        }
        let grave = match self.verb {
            Verb::Drain | Verb::Maint => inside > 0 && outside == 0,
            // A pin that allows nothing else, on what cannot serve, stops everything too.
            Verb::Pin => self.only && self.task.is_none() && inside == 0,
            Verb::Ready | Verb::Unpin => false,
        };
        grave.then(|| short_name(&self.target))
    }

    fn fields(&self, named: bool) -> Vec<Field> {
        let mut fields = Vec::new();
        if self.verb.lasts() {
            fields.push(Field::Lasts);
        }
        if self.verb == Verb::Pin {
            fields.extend([Field::Scope, Field::Only]);
        }
        if named {
            fields.push(Field::Name);
        }
        fields.extend([Field::Cancel, Field::Do]);
        fields
    }

    /// A key.
    pub fn key(&mut self, key: KeyEvent, fleet: &Fleet, now: Timestamp) -> Answer {
        let name = self.name_to_type(fleet, now);
        let fields = self.fields(name.is_some());
        let at = fields.iter().position(|field| *field == self.field).unwrap_or(0);
        let go = |to: usize| fields.get(to % fields.len()).copied().unwrap_or(Field::Cancel);
        match key.code {
            KeyCode::Esc => return Answer::No,
            KeyCode::Down | KeyCode::Tab => self.field = go(at + 1),
            KeyCode::Up | KeyCode::BackTab => self.field = go(at + fields.len() - 1),
            KeyCode::Enter => match self.field {
                Field::Cancel => return Answer::No,
                Field::Do => return self.confirm(name.as_deref()),
                Field::Lasts | Field::Scope | Field::Only | Field::Name => self.field = go(at + 1),
            },
            KeyCode::Backspace if self.field == Field::Name => {
                self.typed.pop();
            }
            KeyCode::Char(c) if self.field == Field::Name && !key.modifiers.contains(KeyModifiers::CONTROL) => {
                self.typed.push(c);
            }
            KeyCode::Left | KeyCode::Right | KeyCode::Char(' ') => {
                self.change(key.code == KeyCode::Left, go(at + 1), go(at + fields.len() - 1));
            }
            KeyCode::Char('n') => return Answer::No,
            // One stray key never does it: the first `y` goes to the button, the second presses it.
            KeyCode::Char('y') if self.field == Field::Do => return self.confirm(name.as_deref()),
            KeyCode::Char('y') => self.field = Field::Do,
            _ => {}
        }
        Answer::Stay
    }

    /// The button was pressed; where a name has to be typed first, that comes first.
    fn confirm(&mut self, name: Option<&str>) -> Answer {
        if name.is_none_or(|name| name == self.typed) {
            return Answer::Yes(self.command());
        }
        self.field = Field::Name;
        Answer::Stay
    }

    const fn change(&mut self, left: bool, next: Field, previous: Field) {
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
            Field::Name => {}
            Field::Cancel | Field::Do => self.field = if left { previous } else { next },
        }
    }

    fn scope(&self) -> PinScope {
        self.task.and_then(|at| Task::ALL.get(at)).map_or(PinScope::All, |task| PinScope::Task(*task))
    }

    fn command(&self) -> Command {
        let (lasts, reason) = (EXPIRIES[self.expiry].0, Arc::from(""));
        let admin =
            |state, lasts| Command::SetAdmin { target: self.target.clone(), state, lasts, reason: Arc::clone(&reason) };
        match self.verb {
            Verb::Drain => admin(AdminState::Drain, lasts),
            Verb::Maint => admin(AdminState::Maint, lasts),
            Verb::Ready => admin(AdminState::Ready, None),
            Verb::Pin => {
                Command::Pin { target: self.target.clone(), scope: self.scope(), only: self.only, lasts, reason }
            }
            Verb::Unpin => Command::Unpin { target: self.target.clone() },
        }
    }

    /// What follows, in words, gravest last.
    fn consequences(&self, fleet: &Fleet, now: Timestamp) -> Vec<(Role, String)> {
        let in_flight = fleet.in_flight(&self.target);
        let finish = match in_flight {
            0 => "nothing is in flight there".to_owned(),
            1 => "1 request in flight will finish".to_owned(),
            n => format!("{n} requests in flight will finish"),
        };
        let left = Tier::ALL.into_iter().filter(|tier| serves_without(fleet, *tier, &self.target, now)).count();
        let left_words = match left {
            0 => (Role::Bad, "no tier is left: every request fails".to_owned()),
            1 => (Role::Warn, "1 tier is left to serve".to_owned()),
            n => (Role::Text, format!("{n} tiers are left to serve")),
        };
        match self.verb {
            Verb::Drain => {
                vec![(Role::Text, "takes no new requests; probes go on".to_owned()), (Role::Text, finish), left_words]
            }
            Verb::Maint => {
                vec![(Role::Text, "takes no requests and is not probed".to_owned()), (Role::Text, finish), left_words]
            }
            Verb::Ready => vec![(Role::Text, "takes requests again, as far as its health allows".to_owned())],
            Verb::Pin if self.only => vec![
                (Role::Text, format!("{} go there", self.scope())),
                (Role::Warn, "nothing else serves, even if it fails".to_owned()),
                (Role::Dim, "private prompts still stay on this machine".to_owned()),
            ],
            Verb::Pin => vec![
                (Role::Text, format!("{} go there first", self.scope())),
                (Role::Text, "the others stand in when it cannot serve".to_owned()),
                (Role::Dim, "private prompts still stay on this machine".to_owned()),
            ],
            Verb::Unpin => vec![(Role::Text, "requests go where the policy sends them".to_owned())],
        }
    }

    /// Draws.
    pub fn render(&self, ctx: &Ctx<'_>, area: Rect, buf: &mut Buffer) {
        let Some(snapshot) = ctx.snapshot else { return };
        let fleet = &snapshot.fleet;
        let name = self.name_to_type(fleet, ctx.now);
        let mut lines = vec![Line::default()];
        for (role, words) in self.consequences(fleet, ctx.now) {
            lines.push(Line::from(vec![ctx.span(Role::Dim, format!("{} ", ctx.glyphs.dot)), ctx.span(role, words)]));
        }
        lines.push(Line::default());
        if self.verb.lasts() {
            let options = EXPIRIES.iter().enumerate().map(|(index, (_, words))| {
                let mark = if index == self.expiry { format!("[{words}]") } else { format!(" {words} ") };
                ctx.span(if index == self.expiry { Role::Title } else { Role::Dim }, mark)
            });
            let mut spans = vec![self.label(ctx, Field::Lasts, "lasts")];
            spans.extend(options);
            lines.push(Line::from(spans));
        }
        if self.verb == Verb::Pin {
            lines.push(Line::from(vec![
                self.label(ctx, Field::Scope, "what"),
                ctx.span(Role::Title, format!("[{}]", self.scope())),
                ctx.span(Role::Dim, "  left/right: one task only"),
            ]));
            let mark = if self.only { "[x]" } else { "[ ]" };
            lines.push(Line::from(vec![
                self.label(ctx, Field::Only, "only"),
                ctx.span(Role::Text, format!("{mark} nowhere else, even if it cannot serve")),
            ]));
        }
        if let Some(name) = &name {
            let caret = if self.field == Field::Name { ctx.glyphs.caret } else { "" };
            lines.push(Line::from(vec![
                self.label(ctx, Field::Name, "name"),
                ctx.span(Role::Text, self.typed.clone()),
                ctx.span(Role::Accent, caret),
                ctx.span(Role::Dim, format!("  type {name} to go on")),
            ]));
        }
        lines.push(Line::default());
        let ready = name.is_none_or(|name| name == self.typed);
        lines.push(Line::from(vec![
            button(ctx, "cancel", self.field == Field::Cancel, true),
            Span::raw("  "),
            button(ctx, self.verb.word(), self.field == Field::Do, ready),
        ]));
        let title = format!("{} {}?", self.verb.word(), self.target);
        let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(3);
        let inner = window(ctx, &title, 58, height, area, buf);
        // On a low screen the fields and buttons stay in sight; the title says what it is about.
        let mut scroll = lines.len();
        scrolled(ctx, &lines, &mut scroll, inner, buf);
    }

    fn label(&self, ctx: &Ctx<'_>, field: Field, name: &str) -> Span<'static> {
        let (mark, role) = if self.field == field { (ctx.glyphs.pointer, Role::Accent) } else { (" ", Role::Dim) };
        ctx.span(role, text::pad(&format!("{mark} {name}"), 10))
    }

    /// The keys that count where the focus is, for the footer.
    #[must_use]
    pub fn hints(&self) -> Vec<(String, String)> {
        let doing = self.verb.word();
        let own: &[(&str, &str)] = match self.field {
            Field::Do => &[("y/enter", doing)],
            Field::Cancel => &[("enter", "cancel"), ("y", "go to the button")],
            Field::Lasts => &[("left/right", "how long"), ("y", "go to the button")],
            Field::Scope => &[("left/right", "what"), ("y", "go to the button")],
            Field::Only => &[("space", "on or off"), ("y", "go to the button")],
            Field::Name => &[("enter", "next")],
        };
        own.iter()
            .chain(&[("tab", "next field"), ("esc", "cancel")])
            .map(|(key, words)| ((*key).to_owned(), (*words).to_owned()))
            .collect()
    }
}

fn button(ctx: &Ctx<'_>, words: &str, focused: bool, ready: bool) -> Span<'static> {
    let role = match (focused, ready) {
        (true, _) => Role::Selected,
        (false, true) => Role::Text,
        (false, false) => Role::Dim,
    };
    ctx.span(role, format!("[ {words} ]"))
}

fn short_name(target: &Target) -> String {
    match target {
        Target::Tier(tier) => tier.name().to_owned(),
        Target::Backend(backend) => backend.to_string(),
        Target::Model(_, model) => model.to_string(),
    }
}

fn serves_without(fleet: &Fleet, tier: Tier, target: &Target, now: Timestamp) -> bool {
    status::serves(fleet, tier, now)
        && fleet.of_tier(tier).filter(|backend| fleet.routable(backend, now).is_ok()).any(|backend| {
            backend.models.iter().any(|m| {
                m.offered && fleet.model_routable(m, now).is_ok() && !target.covers(tier, &backend.spec.id, &m.id)
            })
        })
}
