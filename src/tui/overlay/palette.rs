//! Any action by name: those of the table, each of them on any part of the fleet, demands on the next prompts, themes, and
//! in a demonstration the faults.

use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::confirm::Verb;
use super::window;
use crate::domain::fleet::Fleet;
use crate::domain::privacy::Reach;
use crate::domain::request::{Optimize, Privacy};
use crate::domain::tier::{Target, Tier};
use crate::domain::time::Timestamp;
use crate::tui::action::Action;
use crate::tui::backing::Faults;
use crate::tui::keymap::Keymap;
use crate::tui::panes::{Ctx, Cursor, put, row_of};
use crate::tui::text;
use crate::tui::theme::{Palette as Colours, Role};

/// What an entry does.
#[derive(Clone, Debug, PartialEq)]
pub enum Run {
    /// An action of the table.
    Action(Action),
    /// A change of a part of the fleet, after the question.
    Ask(Verb, Target),
    /// Dials a fault in, or all of an upstream out.
    Fault(String, Option<String>),
    /// Demands privacy of the next prompts.
    Privacy(Privacy),
    /// Sets the aim of the next prompts.
    Optimize(Optimize),
    /// Sends the next prompts to one tier, or wherever they belong.
    AskTier(Option<Tier>),
    /// Lets go of every demand.
    NoDemands,
    /// Changes the colours.
    Theme(Colours),
    /// Sends the prompt of a turn again, to one part of the fleet.
    SendAgain(u64, Target),
}

/// An entry.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What is typed.
    pub name: String,
    /// What it does, in words.
    pub words: String,
    /// Its key, if it has one.
    pub key: String,
    /// What is done.
    pub run: Run,
}

/// The palette.
#[derive(Clone, Debug)]
pub struct Palette {
    title: &'static str,
    /// What it says where nothing is found.
    nothing: &'static str,
    entries: Vec<Entry>,
    found: Vec<usize>,
    typed: String,
    cursor: Cursor,
}

/// What became of a key.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The palette stays.
    Stay,
    /// Nothing is done.
    Close,
    /// An entry is to be done.
    Run(Run),
}

impl Palette {
    /// Everything that can be done now.
    #[must_use]
    pub fn new(keymap: &Keymap, fleet: Option<&Fleet>, faults: Option<&Faults>, read_only: bool) -> Self {
        let mut entries: Vec<Entry> = Vec::new();
        for binding in keymap.all() {
            if entries.iter().any(|entry| entry.run == Run::Action(binding.spec.action)) {
                continue;
            }
            entries.push(Entry {
                name: binding.spec.name.to_owned(),
                words: binding.spec.words.to_owned(),
                key: binding.keys.first().map(ToString::to_string).unwrap_or_default(),
                run: Run::Action(binding.spec.action),
            });
        }
        entries.extend(demands());
        if let Some(fleet) = fleet.filter(|_| !read_only) {
            entries.extend(targets(fleet).into_iter().flat_map(|(name, target)| on_target(&name, &target)));
        }
        if let Some(faults) = faults {
            for upstream in &faults.upstreams {
                let fault = |kind: Option<&String>| Entry {
                    name: format!("fault {upstream} {}", kind.map_or("off", |kind| kind)),
                    words: kind.map_or_else(
                        || format!("let the simulated {upstream} recover"),
                        |kind| format!("make the simulated {upstream} fail: {kind}"),
                    ),
                    key: String::new(),
                    run: Run::Fault(upstream.clone(), kind.cloned()),
                };
                entries.extend(faults.kinds.iter().map(|kind| fault(Some(kind))));
                entries.push(fault(None));
            }
        }
        Self::of("actions", "no such action", entries)
    }

    fn of(title: &'static str, nothing: &'static str, entries: Vec<Entry>) -> Self {
        let mut palette =
            Self { title, nothing, entries, found: Vec::new(), typed: String::new(), cursor: Cursor::default() };
        palette.search();
        palette
    }

    /// Every place that a turn's prompt could be sent to; where it has to stay on this machine, those on it.
    #[must_use]
    pub fn elsewhere(turn: u64, stays: bool, fleet: &Fleet, now: Timestamp) -> Self {
        let serves = |target: &Target| {
            fleet.within(target).any(|(backend, model)| {
                let allowed = !stays || (backend.spec.reach == Reach::Inside && !model.spec.remote);
                allowed && fleet.backend_routable(backend, now).is_ok() && fleet.model_routable(model, now).is_ok()
            })
        };
        let entry = |(name, target): (String, Target)| Entry {
            name,
            words: match &target {
                Target::Tier(_) => "the best of this tier for it".to_owned(),
                Target::Backend(_) => "its best model for it".to_owned(),
                Target::Model(..) => "this model".to_owned(),
            },
            key: String::new(),
            run: Run::SendAgain(turn, target),
        };
        let entries: Vec<Entry> = targets(fleet).into_iter().filter(|(_, target)| serves(target)).map(entry).collect();
        let nothing = if entries.is_empty() { "nobody can serve it now" } else { "no such place" };
        Self::of("send it again to", nothing, entries)
    }

    /// The entries, for tests.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// A key.
    pub fn key(&mut self, key: KeyEvent) -> Answer {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Esc => return Answer::Close,
            KeyCode::Enter => {
                let chosen = self.found.get(self.cursor.index).and_then(|index| self.entries.get(*index));
                return chosen.map_or(Answer::Stay, |entry| Answer::Run(entry.run.clone()));
            }
            KeyCode::Up => self.cursor.step(-1, self.found.len()),
            KeyCode::Down => self.cursor.step(1, self.found.len()),
            KeyCode::Char('p') if control => self.cursor.step(-1, self.found.len()),
            KeyCode::Char('n') if control => self.cursor.step(1, self.found.len()),
            KeyCode::Char('u') if control => self.retype(String::new()),
            KeyCode::Tab => {
                if let Some(entry) = self.found.get(self.cursor.index).and_then(|index| self.entries.get(*index)) {
                    let name = entry.name.clone();
                    self.retype(name);
                }
            }
            KeyCode::Backspace => {
                let mut typed = std::mem::take(&mut self.typed);
                typed.pop();
                self.retype(typed);
            }
            KeyCode::Char(c) if !control => {
                let mut typed = std::mem::take(&mut self.typed);
                typed.push(c);
                self.retype(typed);
            }
            _ => {}
        }
        Answer::Stay
    }

    /// Pasted text.
    pub fn paste(&mut self, pasted: &str) {
        let typed = format!("{}{}", self.typed, text::sanitise_line(pasted));
        self.retype(typed);
    }

    fn retype(&mut self, typed: String) {
        self.typed = typed;
        self.cursor = Cursor::default();
        self.search();
    }

    /// Every typed word must occur; a name that begins with what was typed comes first, then names, then descriptions.
    fn search(&mut self) {
        let wanted = self.typed.trim().to_lowercase();
        let words: Vec<&str> = wanted.split_whitespace().collect();
        let mut scored: Vec<(u8, usize)> = Vec::new();
        for (index, entry) in self.entries.iter().enumerate() {
            let name = entry.name.to_lowercase();
            let score = if name.starts_with(&wanted) {
                0
            } else if words.iter().all(|word| name.split(' ').any(|part| part.starts_with(word))) {
                1
            } else if words.iter().all(|word| name.contains(word)) {
                2
            } else if words.iter().all(|word| name.contains(word) || entry.words.to_lowercase().contains(word)) {
                3
            } else {
                continue;
            };
            scored.push((score, index));
        }
        scored.sort_by_key(|(score, _)| *score);
        self.found = scored.into_iter().map(|(_, index)| index).collect();
    }

    /// Draws.
    pub fn render(&mut self, ctx: &Ctx<'_>, area: Rect, buf: &mut Buffer) {
        let inner = window(ctx, self.title, 76, area.height.saturating_sub(4).min(18), area, buf);
        let input = Line::from(vec![
            ctx.span(Role::Accent, ":"),
            Span::raw(self.typed.clone()),
            ctx.span(Role::Accent, ctx.glyphs.caret),
        ]);
        put(buf, inner, 0, &input);
        if self.found.is_empty() {
            put(buf, row_of(inner, 2), 0, &Line::from(ctx.span(Role::Dim, self.nothing)));
        }
        let height = usize::from(inner.height.saturating_sub(2));
        self.cursor.reveal(self.found.len(), height);
        let width = usize::from(inner.width);
        let name_width = 26.min(width);
        for (offset, index) in self.found.iter().skip(self.cursor.top).take(height).enumerate() {
            let Some(entry) = self.entries.get(*index) else { continue };
            let row = row_of(inner, offset as u16 + 2);
            let key_width = text::width(&entry.key);
            let room = width.saturating_sub(name_width + key_width + 2);
            let line = Line::from(vec![
                ctx.span(
                    Role::Text,
                    text::pad(
                        &text::fit_middle(&entry.name, name_width.saturating_sub(1), ctx.glyphs.ellipsis),
                        name_width,
                    ),
                ),
                ctx.span(Role::Dim, text::pad(&text::fit(&entry.words, room, ctx.glyphs.ellipsis), room + 1)),
                ctx.span(Role::Accent, entry.key.clone()),
            ]);
            put(buf, row, 0, &line);
            if self.cursor.top + offset == self.cursor.index {
                buf.set_style(row, ctx.style(Role::Selected));
            }
        }
    }

    /// The keys of the palette, for the footer.
    #[must_use]
    pub fn hints() -> Vec<(String, String)> {
        [("up/down", "select"), ("tab", "complete"), ("enter", "do it"), ("esc", "close")]
            .map(|(key, words)| (key.to_owned(), words.to_owned()))
            .to_vec()
    }
}

fn demands() -> Vec<Entry> {
    let entry = |name: &str, words: &str, run| Entry {
        name: name.to_owned(),
        words: words.to_owned(),
        key: String::new(),
        run,
    };
    let mut entries = vec![
        entry("private on", "the next prompts never leave this machine", Run::Privacy(Privacy::High)),
        entry("private off", "the next prompts may leave, unless the guard objects", Run::Privacy(Privacy::Standard)),
        entry("no demands", "let go of every demand on the next prompts", Run::NoDemands),
        entry("ask any tier", "the next prompts go where they belong", Run::AskTier(None)),
    ];
    for (name, aim) in [
        ("balanced", Optimize::Balanced),
        ("quality", Optimize::Quality),
        ("latency", Optimize::Latency),
        ("cost", Optimize::Cost),
        ("throughput", Optimize::Throughput),
    ] {
        entries.push(entry(&format!("optimize {name}"), "the aim of the next prompts", Run::Optimize(aim)));
    }
    for tier in Tier::ALL {
        entries.push(entry(&format!("ask {tier}"), "the next prompts go to this tier only", Run::AskTier(Some(tier))));
    }
    for (name, colours) in Colours::NAMES {
        entries.push(entry(&format!("theme {name}"), "change the colours", Run::Theme(colours)));
    }
    entries
}

fn targets(fleet: &Fleet) -> Vec<(String, Target)> {
    let mut targets: Vec<(String, Target)> =
        Tier::ALL.into_iter().map(|tier| (tier.name().to_owned(), Target::Tier(tier))).collect();
    for backend in &fleet.backends {
        let id = &backend.spec.id;
        targets.push((id.to_string(), Target::Backend(id.clone())));
        for model in &backend.models {
            targets.push((format!("{id}/{}", model.id), Target::Model(id.clone(), model.id.clone())));
        }
    }
    targets
}

fn on_target(name: &str, target: &Target) -> Vec<Entry> {
    [
        (Verb::Drain, "drain", "take no new requests there"),
        (Verb::Ready, "ready", "undo a drain or maintenance"),
        (Verb::Maint, "maint", "take no requests there and stop probing it"),
        (Verb::Pin, "pin", "send requests there first, or only there"),
        (Verb::Unpin, "unpin", "take the pins on it away"),
        (Verb::Kill, "kill", "end what is in flight there"),
    ]
    .map(|(verb, word, words)| Entry {
        name: format!("{word} {name}"),
        words: words.to_owned(),
        key: String::new(),
        run: Run::Ask(verb, target.clone()),
    })
    .to_vec()
}
