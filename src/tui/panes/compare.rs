//! One prompt's answers side by side, as they stream, with what each takes and costs, and a key that says which is better.

use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::decisions::cost_text;
use super::{Ctx, put};
use crate::engine::Attempt;
use crate::tui::layout::Pane;
use crate::tui::session::{Phase, Session, Turn};
use crate::tui::text;
use crate::tui::theme::Role;

/// The narrowest column in which an answer can be read.
const NARROWEST: u16 = 24;

/// The screen.
#[derive(Clone, Debug, Default)]
pub struct ComparePane {
    /// The selected answer.
    selected: usize,
    /// Rows of the answers scrolled away.
    scroll: usize,
}

impl ComparePane {
    /// A new comparison is shown from its beginning.
    pub const fn restart(&mut self) {
        (self.selected, self.scroll) = (0, 0);
    }

    /// Selects the answer so many columns to the right.
    pub fn turn(&mut self, by: isize, session: &Session) {
        let count = session.comparisons.last().map_or(0, |comparison| comparison.turns.len());
        self.selected = self.selected.saturating_add_signed(by).min(count.saturating_sub(1));
    }

    /// Scrolls the answers.
    pub const fn step(&mut self, by: isize) {
        self.scroll = self.scroll.saturating_add_signed(by);
    }

    /// The key of the selected answer's turn.
    #[must_use]
    pub fn selected(&self, session: &Session) -> Option<u64> {
        session.comparisons.last()?.turns.get(self.selected).copied()
    }

    /// Draws.
    pub fn render(&mut self, ctx: &Ctx<'_>, session: &mut Session, area: Rect, buf: &mut Buffer) {
        let Some(comparison) = session.comparisons.last().cloned() else {
            let inner = ctx.frame(Pane::Compare, Line::default(), Line::default(), area, buf);
            ctx.say("nothing compared yet: type a prompt, then alt-c, or /compare", inner, buf);
            return;
        };
        let first = comparison.turns.first().and_then(|key| session.turn(*key));
        let question = first.map_or_else(String::new, |turn| text::sanitise_line(&turn.question));
        let note = text::fit(&question, usize::from(area.width).saturating_sub(30), ctx.glyphs.ellipsis);
        let note = Line::from(ctx.span(Role::Dim, format!("{note} ")));
        let count = u16::try_from(comparison.turns.len()).unwrap_or(1).max(1);
        // Where not all fit, those around the selected one are shown.
        let fits = (area.width.saturating_sub(2) / NARROWEST).clamp(1, count);
        let first = (u16::try_from(self.selected).unwrap_or(0)).saturating_sub(fits - 1);
        let range =
            if fits < count { format!(" {} to {} of {count} ", first + 1, first + fits) } else { String::new() };
        let range = Line::from(ctx.span(Role::Accent, range));
        let inner = ctx.frame(Pane::Compare, note, range, area, buf);
        let width = inner.width / fits;
        let mut longest = 0;
        for place in 0..fits {
            let index = usize::from(first + place);
            let Some(key) = comparison.turns.get(index) else { break };
            let Some(turn) = session.turns.iter_mut().find(|turn| turn.key == *key) else { continue };
            let column = Rect { x: inner.x + place * width, width: width.saturating_sub(1), ..inner };
            let selected = index == self.selected && ctx.focus == Pane::Compare;
            let chosen = comparison.better == Some(*key);
            longest = longest.max(self.column(ctx, turn, (selected, chosen), column, buf));
            if place > 0 {
                let rule = Line::from(ctx.span(Role::Border, ctx.glyphs.border.vertical_left));
                for row in 0..inner.height {
                    put(buf, Rect { x: column.x - 1, width: 1, ..inner }, row, &rule);
                }
            }
        }
        self.scroll = self.scroll.min(longest);
        ctx.more_below(longest.saturating_sub(self.scroll), area, buf);
    }

    /// One answer; returns how far it can be scrolled.
    fn column(
        &self,
        ctx: &Ctx<'_>,
        turn: &mut Turn,
        (selected, chosen): (bool, bool),
        area: Rect,
        buf: &mut Buffer,
    ) -> usize {
        const HEAD: u16 = 4;
        let width = usize::from(area.width.saturating_sub(2));
        for (row, line) in head(ctx, turn, chosen, width).iter().enumerate() {
            put(
                buf,
                Rect { x: area.x + area.width.min(1), width: area.width.saturating_sub(1), ..area },
                row as u16,
                line,
            );
        }
        if selected {
            buf.set_style(Rect { height: area.height.min(1), ..area }, ctx.style(Role::Selected));
        }
        let body = Rect { y: area.y.saturating_add(HEAD), height: area.height.saturating_sub(HEAD), ..area };
        let streaming = matches!(turn.phase, Phase::Streaming);
        let end = ending(ctx, turn);
        let broken_off = broken_off(ctx, turn, width);
        let rows = turn.rows(width);
        // Rows out of sight are counted and not made.
        let seen = self.scroll..self.scroll.saturating_add(usize::from(body.height));
        let made = |(at, row): (usize, &String)| {
            if seen.contains(&(at + broken_off.len())) {
                Line::from(ctx.span(Role::Text, format!(" {row}")))
            } else {
                Line::default()
            }
        };
        let mut rows: Vec<Line<'static>> = rows.iter().enumerate().map(made).collect();
        if streaming && let Some(last) = rows.last_mut() {
            last.push_span(ctx.span(Role::Accent, ctx.glyphs.caret));
        }
        rows.splice(0..0, broken_off);
        if let Some((role, words)) = end {
            rows.extend(text::wrap(&words, width).into_iter().map(|row| Line::from(ctx.span(role, format!(" {row}")))));
        }
        for (row, line) in rows.iter().skip(self.scroll).take(usize::from(body.height)).enumerate() {
            put(buf, body, row as u16, line);
        }
        rows.len().saturating_sub(usize::from(body.height))
    }
}

fn head(ctx: &Ctx<'_>, turn: &Turn, chosen: bool, width: usize) -> Vec<Line<'static>> {
    let place = turn
        .at_work
        .current()
        .map(|one| (one.tier, one.backend.clone(), one.model.clone()))
        .or_else(|| turn.decision.as_ref()?.chosen().map(|one| (one.tier, one.backend.clone(), one.model.clone())));
    let mark = if chosen { format!("{} ", ctx.glyphs.pin) } else { String::new() };
    let (title, model) = match place {
        Some((tier, backend, model)) => (
            vec![
                ctx.span(Role::Pinned, mark),
                ctx.span(Role::Series(tier), tier.name()),
                ctx.span(Role::Dim, format!(" {}", text::sanitise_line(backend.as_str()))),
            ],
            text::fit_middle(&text::sanitise_line(model.as_str()), width, ctx.glyphs.ellipsis),
        ),
        None => (vec![ctx.span(Role::Dim, "deciding")], String::new()),
    };
    let first = match turn.first_token {
        Some(after) => format!("ttft {}", text::duration(after)),
        None if turn.is_open() => format!("{} {}", ctx.spinner(), text::age(turn.elapsed(ctx.now))),
        None => String::new(),
    };
    let (tokens, estimated) = turn.tokens();
    let mark = if estimated { "~" } else { "" };
    let rate =
        turn.rate(ctx.now).map(|(rate, estimated)| format!("{}{rate:.0} tok/s", if estimated { "~" } else { "" }));
    let total = turn.ended.map(|_| text::duration(turn.elapsed(ctx.now)));
    let mut times = String::new();
    for words in [Some(first).filter(|words| !words.is_empty()), rate, total].into_iter().flatten() {
        // A number that is cut says something else.
        if text::width(&times) + text::width(&words) + 2 <= width {
            let gap = if times.is_empty() { "" } else { "  " };
            times.push_str(&format!("{gap}{words}"));
        }
    }
    let cost = cost_text(ctx, turn.cost(ctx.snapshot, ctx.now));
    let amounts = if tokens > 0 { format!("{mark}{} tok  {cost}", text::count(tokens)) } else { String::new() };
    vec![
        Line::from(title),
        Line::from(ctx.span(Role::Text, model)),
        Line::from(ctx.span(Role::Dim, times)),
        Line::from(vec![Span::styled(amounts, ctx.style(Role::Text))]),
    ]
}

/// Attempts that failed: what a failed one had said is begun anew by the next.
fn broken_off(ctx: &Ctx<'_>, turn: &Turn, width: usize) -> Vec<Line<'static>> {
    let words = |failed: &Arc<Attempt>| {
        let class = failed.outcome.as_ref().err().map(|failure| failure.class.words()).unwrap_or_default();
        let words = format!("{} {}: {class}", ctx.glyphs.failed, text::sanitise_line(failed.backend.as_str()));
        Line::from(ctx.span(Role::Dim, format!(" {}", text::fit(&words, width, ctx.glyphs.ellipsis))))
    };
    turn.failed.iter().map(words).collect()
}

fn ending(ctx: &Ctx<'_>, turn: &Turn) -> Option<(Role, String)> {
    match &turn.phase {
        Phase::Broken(why) => Some((Role::Bad, format!("{} {why}", ctx.glyphs.down))),
        Phase::Interrupted => Some((Role::Warn, "interrupted: not the whole answer".to_owned())),
        Phase::Asking | Phase::Waiting | Phase::Streaming | Phase::Whole(_) => None,
    }
}
