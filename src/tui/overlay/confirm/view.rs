//! How the question looks.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{Confirm, EXPIRIES, Field, Matter, Verb};
use crate::domain::fleet::Fleet;
use crate::domain::tier::{Target, Tier};
use crate::domain::time::Timestamp;
use crate::engine::Command;
use crate::tui::overlay::{scrolled, window};
use crate::tui::panes::Ctx;
use crate::tui::status;
use crate::tui::text;
use crate::tui::theme::Role;

/// The dialog's width: the outlook's sentences fit into it.
const WIDTH: u16 = 66;

impl Confirm {
    fn doing(&self) -> &'static str {
        match &self.matter {
            Matter::Part(Verb::Kill, _) => "end them",
            Matter::Part(verb, _) => verb.word(),
            Matter::Limit => "set",
            Matter::Undo(_) => "undo",
        }
    }

    fn title(&self) -> String {
        match &self.matter {
            Matter::Part(verb, target) => format!("{} {target}?", verb.word()),
            Matter::Limit => "what may be spent today?".to_owned(),
            Matter::Undo(commands) => {
                let words: Vec<String> = commands.iter().map(Command::words).collect();
                format!("undo: {}?", words.join(", "))
            }
        }
    }

    /// What follows, in words, gravest last.
    fn consequences(&self, fleet: &Fleet, now: Timestamp) -> Vec<(Role, String)> {
        let (verb, target) = match &self.matter {
            Matter::Part(verb, target) => (verb, target),
            Matter::Limit => {
                let used = fleet.spend.today_total();
                return vec![
                    (Role::Text, format!("{used} of it are used already; empty for no limit")),
                    (Role::Dim, "holds until the program ends".to_owned()),
                ];
            }
            Matter::Undo(_) => {
                return vec![(Role::Text, "brings it back to how it was before the last change".to_owned())];
            }
        };
        let in_flight = fleet.in_flight(target);
        let oldest = fleet.oldest_in_flight(target).map(|at| format!(", oldest {}", text::age(now.since(at))));
        let oldest = oldest.unwrap_or_default();
        let finish = match in_flight {
            0 => "nothing is in flight there".to_owned(),
            1 => format!("1 request in flight will finish{oldest}"),
            n => format!("{n} requests in flight will finish{oldest}"),
        };
        let left = Tier::ALL.into_iter().filter(|tier| serves_without(fleet, *tier, target, now)).count();
        let left_words = match left {
            0 => (Role::Bad, "no tier is left: every request fails".to_owned()),
            1 => (Role::Warn, "1 tier is left to serve".to_owned()),
            n => (Role::Text, format!("{n} tiers are left to serve")),
        };
        let private = || (Role::Dim, "private prompts still stay on this machine".to_owned());
        let mut consequences = match verb {
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
                private(),
            ],
            Verb::Pin => vec![
                (Role::Text, format!("{} go there first", self.scope())),
                (Role::Text, "the others stand in when it cannot serve".to_owned()),
                private(),
            ],
            Verb::Unpin => vec![(Role::Text, "requests go where the policy sends them".to_owned())],
            Verb::Kill => vec![
                (Role::Text, format!("{in_flight} in flight{oldest}")),
                (Role::Text, "what has no answer yet goes to its next candidate".to_owned()),
                (Role::Warn, "answers under way are cut off".to_owned()),
            ],
        };
        if let Some(words) = at_present(fleet, target, now).filter(|_| *verb != Verb::Kill) {
            consequences.insert(0, (Role::Warn, words));
        }
        consequences
    }

    /// What the change would do to the requests of late.
    fn outlook_lines(&self, ctx: &Ctx<'_>) -> Vec<Line<'static>> {
        let Some((_, _, foreseen)) = self.outlook.as_deref() else { return Vec::new() };
        let fails = foreseen.failing() > 0;
        let styled = |(index, words): (usize, String)| {
            let role = match () {
                () if fails && words.contains("would fail") => Role::Bad,
                () if index == 0 => Role::Title,
                () => Role::Text,
            };
            Line::from(ctx.span(role, text::sanitise(&words).replace('\n', " ")))
        };
        let mut lines = vec![Line::default()];
        lines.extend(foreseen.sentences().into_iter().enumerate().map(styled));
        lines
    }

    /// Draws.
    pub fn render(&self, ctx: &Ctx<'_>, area: Rect, buf: &mut Buffer) {
        let Some(snapshot) = ctx.snapshot else { return };
        let fleet = &snapshot.fleet;
        // The ages in it and the outlook move on by themselves.
        ctx.changes_in(super::OUTLOOK);
        let name = self.name_to_type(fleet, ctx.now);
        let mut lines = vec![Line::default()];
        for (role, words) in self.consequences(fleet, ctx.now) {
            lines.push(Line::from(vec![ctx.span(Role::Dim, format!("{} ", ctx.glyphs.dot)), ctx.span(role, words)]));
        }
        lines.extend(self.outlook_lines(ctx));
        lines.push(Line::default());
        for field in self.fields(name.is_some()) {
            lines.extend(self.field_line(ctx, field, name.as_deref()));
        }
        lines.push(Line::default());
        let ready = name.is_none_or(|name| name == self.typed)
            && (matches!(self.matter, Matter::Undo(_)) || self.command().is_ok());
        lines.push(Line::from(vec![
            button(ctx, "cancel", self.field == Field::Cancel, true),
            Span::raw("  "),
            button(ctx, self.doing(), self.field == Field::Do, ready),
        ]));
        let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2);
        let title = text::fit(&text::sanitise_line(&self.title()), usize::from(WIDTH) - 6, ctx.glyphs.ellipsis);
        let inner = window(ctx, &title, WIDTH, height, area, buf);
        // On a low screen the fields and buttons stay in sight; the title says what it is about.
        let mut scroll = lines.len();
        scrolled(ctx, &lines, &mut scroll, inner, buf);
    }

    fn field_line(&self, ctx: &Ctx<'_>, field: Field, name: Option<&str>) -> Option<Line<'static>> {
        let label = |words: &str| {
            let (mark, role) = if self.field == field { (ctx.glyphs.pointer, Role::Accent) } else { (" ", Role::Dim) };
            ctx.span(role, text::pad(&format!("{mark} {words}"), 10))
        };
        let typed = |content: &str, hint: String| {
            let caret = if self.field == field { ctx.glyphs.caret } else { "" };
            vec![
                ctx.span(Role::Text, text::sanitise_line(content)),
                ctx.span(Role::Accent, caret),
                ctx.span(Role::Dim, hint),
            ]
        };
        let (words, rest) = match field {
            Field::Cancel | Field::Do => return None,
            Field::Lasts => {
                let option = |(index, (_, words)): (usize, &(_, &str))| {
                    let chosen = index == self.expiry;
                    let mark = if chosen { format!("[{words}]") } else { format!(" {words} ") };
                    ctx.span(if chosen { Role::Title } else { Role::Dim }, mark)
                };
                ("lasts", EXPIRIES.iter().enumerate().map(option).collect())
            }
            Field::Scope => (
                "what",
                vec![
                    ctx.span(Role::Title, format!("[{}]", self.scope())),
                    ctx.span(Role::Dim, "  left/right: one task only"),
                ],
            ),
            Field::Only => {
                let mark = if self.only { "[x]" } else { "[ ]" };
                ("only", vec![ctx.span(Role::Text, format!("{mark} nowhere else, even if it cannot serve"))])
            }
            Field::Amount => {
                let hint = match self.limit_typed() {
                    Ok(Some(limit)) => format!("  {limit} a day"),
                    Ok(None) => "  no limit".to_owned(),
                    Err(words) => format!("  {words}"),
                };
                ("dollars", typed(&self.amount, hint))
            }
            Field::Reason => {
                let hint = if self.reason.is_empty() { "  for whoever finds it later; may stay empty" } else { "" };
                ("reason", typed(&self.reason, hint.to_owned()))
            }
            Field::Name => ("name", typed(&self.typed, format!("  type {} to go on", name.unwrap_or_default()))),
        };
        Some(Line::from([vec![label(words)], rest].concat()))
    }

    /// The keys that count where the focus is, for the footer.
    #[must_use]
    pub fn hints(&self) -> Vec<(String, String)> {
        let doing = self.doing();
        let own: &[(&str, &str)] = match self.field {
            Field::Do => &[("y/enter", doing)],
            Field::Cancel => &[("enter", "cancel"), ("y", "to the button")],
            Field::Lasts => &[("left/right", "how long"), ("y", "to the button")],
            Field::Scope => &[("left/right", "what"), ("y", "to the button")],
            Field::Only => &[("space", "on or off"), ("y", "to the button")],
            Field::Name | Field::Reason | Field::Amount => &[("enter", "to the button")],
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
    let mark = if focused { ctx.glyphs.pointer } else { " " };
    ctx.span(role, format!("[{mark}{words} ]"))
}

/// Why a part of the fleet takes no requests as it is; `None` where it does.
fn at_present(fleet: &Fleet, target: &Target, now: Timestamp) -> Option<String> {
    let mut reasons = fleet.within(target).filter(|(_, model)| model.offered).map(|(backend, model)| {
        fleet.backend_routable(backend, now).and_then(|()| fleet.model_routable(model, now)).err()
    });
    let first = reasons.next()??;
    reasons.all(|reason| reason.is_some()).then(|| format!("takes no requests as it is: {first}"))
}

fn serves_without(fleet: &Fleet, tier: Tier, target: &Target, now: Timestamp) -> bool {
    status::serves(fleet, tier, now)
        && fleet.of_tier(tier).filter(|backend| fleet.routable(backend, now).is_ok()).any(|backend| {
            backend.models.iter().any(|m| {
                m.offered && fleet.model_routable(m, now).is_ok() && !target.covers(tier, &backend.spec.id, &m.id)
            })
        })
}
