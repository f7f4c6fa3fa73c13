//! What was decided, done and observed: one row each. New rows never move what is being read.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::rows::RowList;
use super::{Ctx, put, story};
use crate::domain::decision::Decision;
use crate::domain::health::Health;
use crate::domain::judgement::Judgement;
use crate::engine::Outcome;
use crate::tui::feed::{Feed, Kind, RequestRow, Row};
use crate::tui::layout::{Pane, split_down};
use crate::tui::text;
use crate::tui::theme::Role;
use crate::tui::widgets::table::{Column, Fitted, Table};

/// The pane.
#[derive(Clone, Debug)]
pub struct DecisionsPane {
    /// Its rows.
    pub rows: RowList,
}

impl Default for DecisionsPane {
    fn default() -> Self {
        Self { rows: RowList::new(false) }
    }
}

const TIME: usize = 0;
const TIER: usize = 1;
const WHAT: usize = 2;
const TTFT: usize = 3;
const TOTAL: usize = 4;
const TOKENS: usize = 5;
const COST: usize = 6;
const END: usize = 7;

const COLUMNS: [Column; 8] = [
    Column::left("time", 8, 3),
    Column::left("tier", 8, 0),
    Column::growing("why", 19, 1).roomy(24),
    Column::right("ttft", 6, 6),
    Column::right("total", 6, 5),
    Column::right("tok", 5, 7),
    Column::right("cost", 8, 4),
    Column::left("end", 8, 2),
];

impl DecisionsPane {
    /// Draws.
    pub fn render(&mut self, ctx: &Ctx<'_>, feed: &Feed, area: Rect, buf: &mut Buffer) {
        let facts = unread_words(ctx, &self.rows);
        let inner = ctx.frame(Pane::Decisions, rows_note(ctx, &self.rows), facts, area, buf);
        if self.rows.visible().is_empty() {
            ctx.say(nothing(&self.rows), inner, buf);
            return;
        }
        let inner = self.with_story(ctx, feed, inner, buf);
        let table = Table { ctx, pane: Pane::Decisions, columns: &COLUMNS, len: self.rows.visible().len() };
        let mut cursor = self.rows.cursor;
        table.draw(&mut cursor, inner, buf, |index, fitted, area, buf| {
            if let Some(row) = self.rows.visible().get(index).and_then(|number| feed.get(*number)) {
                draw_row(ctx, row, fitted, area, buf);
            }
        });
        self.rows.cursor = cursor;
    }
}

impl DecisionsPane {
    /// Where there is room, the reasoning behind the selected row stands below the rows; returns what is left for them.
    fn with_story(&self, ctx: &Ctx<'_>, feed: &Feed, inner: Rect, buf: &mut Buffer) -> Rect {
        let room = (inner.height / 2).min(12);
        let selected = self.rows.selected().and_then(|number| feed.get(number));
        let request = |row: &Row| match &row.kind {
            Kind::Request(request) => Some((**request).clone()),
            _ => None,
        };
        // While new rows are followed, an event between requests does not take the last decision's reasons away.
        let latest = || self.rows.visible().iter().rev().filter_map(|number| feed.get(*number)).find_map(request);
        let shown = selected.and_then(request).or_else(|| latest().filter(|_| self.rows.is_following()));
        let Some(shown) = shown.filter(|_| inner.height >= 10 && inner.width >= 40) else { return inner };
        let lines = story::lines(ctx, &shown, usize::from(inner.width), usize::from(room));
        let (rows, below) = split_down(inner, inner.height.saturating_sub(lines.len() as u16 + 1));
        let rule =
            Line::from(ctx.span(Role::Border, ctx.glyphs.border.horizontal_top.repeat(usize::from(below.width))));
        put(buf, below, 0, &rule);
        for (index, line) in lines.iter().enumerate() {
            put(buf, below, index as u16 + 1, line);
        }
        rows
    }
}

/// How a list of rows is narrowed and sorted.
#[must_use]
pub fn rows_note(ctx: &Ctx<'_>, rows: &RowList) -> Line<'static> {
    let mut note = vec![ctx.span(Role::Dim, rows.order_words())];
    if !rows.filter.is_empty() {
        note.push(ctx.span(Role::Accent, format!("/{} ", rows.filter)));
    }
    Line::from(note)
}

/// How many rows came while older ones were read.
#[must_use]
pub fn unread_words(ctx: &Ctx<'_>, rows: &RowList) -> Line<'static> {
    match rows.unread() {
        0 => Line::default(),
        new => {
            let key = if rows.is_reversed() { "g" } else { "G" };
            Line::from(ctx.span(Role::Accent, format!(" {new} new, {key} to follow ")))
        }
    }
}

/// What a list without rows says.
#[must_use]
pub const fn nothing(rows: &RowList) -> &'static str {
    if rows.filter.is_empty() { "no requests yet: type a prompt" } else { "nothing matches the filter" }
}

/// The text that a filter looks through: what a row shows, and the ids behind it.
#[must_use]
pub fn matches(row: &Row, wanted: &str) -> bool {
    let text = match &row.kind {
        Kind::Request(request) => {
            let decision = &request.decision;
            let chosen = decision.chosen().map(|one| format!("{} {} {}", one.tier, one.backend, one.model));
            let end = request.finished.as_ref().map_or("running", |end| match end.outcome {
                Outcome::Cancelled => "cancelled stopped",
                other => outcome(other).0,
            });
            format!(
                "{} {} {} {} {} {} {end}",
                request.id,
                request.judgement.map_or("", Judgement::name),
                decision.caller,
                decision.analysis.task,
                decision.headline(),
                chosen.unwrap_or_default()
            )
        }
        Kind::Operator(action) => format!("operator {} {}", action.by, action.words),
        Kind::Health(change) => {
            format!("health {} {} {} {}", change.tier, change.backend, change.to.name(), change.why)
        }
        Kind::Drained(drained) => format!("drained {}", drained.target),
        Kind::Missed(_) => "missed".to_owned(),
    };
    text.to_lowercase().contains(wanted)
}

/// A word and a role for how a request ended.
#[must_use]
pub const fn outcome(outcome: Outcome) -> (&'static str, Role) {
    match outcome {
        Outcome::Answered => ("ok", Role::Ok),
        Outcome::NoRoute => ("no route", Role::Bad),
        Outcome::Failed => ("failed", Role::Bad),
        Outcome::Cut => ("cut off", Role::Bad),
        Outcome::Cancelled => ("stopped", Role::Dim),
        Outcome::Lost => ("lost", Role::Bad),
    }
}

fn draw_row(ctx: &Ctx<'_>, row: &Row, fitted: &Fitted, area: Rect, buf: &mut Buffer) {
    let cut = ctx.glyphs.ellipsis;
    fitted.put(buf, area, TIME, &ctx.clock(row.at), ctx.style(Role::Dim), cut);
    match &row.kind {
        Kind::Request(request) => request_row(ctx, request, fitted, area, buf),
        Kind::Operator(action) => {
            fitted.put(buf, area, TIER, "operator", ctx.style(Role::Pinned), cut);
            event(ctx, vec![ctx.span(Role::Text, text::sanitise_line(&action.words))], fitted, area, buf);
        }
        Kind::Health(change) => {
            fitted.put(buf, area, TIER, change.tier.name(), ctx.style(Role::Series(change.tier)), cut);
            let role = match change.to {
                Health::Up => Role::Ok,
                Health::Down => Role::Bad,
                Health::Degraded | Health::Warming => Role::Warn,
                Health::Unknown => Role::Unknown,
            };
            let mut spans = vec![
                ctx.span(Role::Text, format!("{} ", change.backend)),
                ctx.span(Role::Dim, format!("{} {} ", change.from.name(), ctx.glyphs.arrow)),
                ctx.span(role, change.to.name()),
            ];
            if !change.why.is_empty() {
                spans.push(ctx.span(Role::Dim, format!(": {}", text::sanitise_line(&change.why))));
            }
            event(ctx, spans, fitted, area, buf);
        }
        Kind::Drained(drained) => {
            fitted.put(buf, area, TIER, "drained", ctx.style(Role::Draining), cut);
            let words = format!("{} after {}: nothing in flight", drained.target, text::age(drained.after));
            event(ctx, vec![ctx.span(Role::Text, text::sanitise_line(&words))], fitted, area, buf);
        }
        Kind::Missed(count) => {
            let words = format!("{count} facts missed: the screen was too slow for them");
            event(ctx, vec![ctx.span(Role::Warn, words)], fitted, area, buf);
        }
    }
}

/// Events have no numbers: their words take the room up to the row's end. The last ones give way where there is too little.
fn event(ctx: &Ctx<'_>, mut spans: Vec<Span<'static>>, fitted: &Fitted, row: Rect, buf: &mut Buffer) {
    let what = fitted.area(row, WHAT);
    let area = Rect { width: row.right().saturating_sub(what.x + 1), ..what };
    if let Some(last) = spans.pop() {
        let taken: usize = spans.iter().map(Span::width).sum();
        let words = text::fit(&last.content, usize::from(area.width).saturating_sub(taken), ctx.glyphs.ellipsis);
        spans.push(Span::styled(words, last.style));
    }
    put(buf, area, 0, &Line::from(spans));
}

fn request_row(ctx: &Ctx<'_>, row: &RequestRow, fitted: &Fitted, area: Rect, buf: &mut Buffer) {
    let cut = ctx.glyphs.ellipsis;
    let put = |buf: &mut Buffer, column, content: &str, role| {
        fitted.put(buf, area, column, content, ctx.style(role), cut);
    };
    // The tier that worked last, which after a failover is not the one that was chosen.
    let dispatched = row.at_work.current().map(|sent| sent.tier);
    let last = || row.attempts.last().map(|one| one.tier);
    let tier = dispatched.or_else(last).or_else(|| row.decision.chosen().map(|one| one.tier));
    match tier {
        Some(tier) => put(buf, TIER, tier.name(), Role::Series(tier)),
        None => put(buf, TIER, ctx.glyphs.none, Role::Bad),
    }
    let mut why = brief(&row.decision);
    let failed = row.attempts.iter().filter(|attempt| attempt.has_failed()).count();
    if failed > 0 && row.attempts.len() > failed {
        why = format!("after {failed} failed: {why}");
    }
    if let Some(error) = row.finished.as_ref().and_then(|end| end.why.as_ref()) {
        why = text::sanitise_line(error);
    }
    put(buf, WHAT, &why, Role::Text);
    if let Some(after) = row.first_token {
        put(buf, TTFT, &text::duration(after), Role::Text);
    }
    let last = row.attempts.last();
    if let Some(usage) = last.and_then(|attempt| attempt.usage) {
        put(buf, TOKENS, &text::count(usage.output), Role::Dim);
    }
    if let Some(cost) = row.cost() {
        put(buf, COST, &cost_text(ctx, cost), Role::Text);
    }
    match &row.finished {
        Some(end) => {
            put(buf, TOTAL, &text::duration(end.total), Role::Text);
            let (word, role) = outcome(end.outcome);
            put(buf, END, word, role);
        }
        None => {
            put(buf, TOTAL, &ctx.age(row.decision.at), Role::Dim);
            let word = if row.first_token.is_some() { "writing" } else { "waiting" };
            put(buf, END, word, Role::Accent);
        }
    }
}

/// The headline without the tier, which has a column of its own.
#[must_use]
pub fn brief(decision: &Decision) -> String {
    let headline = text::sanitise_line(&decision.headline());
    let Some(tier) = decision.chosen().map(|one| one.tier.name()) else { return headline };
    let rest = headline.strip_prefix(tier).and_then(|rest| rest.strip_prefix(' '));
    let rest = rest.map_or(headline.as_str(), |rest| rest.strip_prefix("is ").unwrap_or(rest));
    rest.replacen(&format!(" goes to {tier}"), "", 1).replacen(&format!(", so it stays on {tier}"), "", 1)
}

/// A cost with the sign of the glyph set for an unknown amount.
#[must_use]
pub fn cost_text(ctx: &Ctx<'_>, cost: crate::domain::money::Cost) -> String {
    cost.amount.map_or_else(|| ctx.glyphs.none.to_owned(), |amount| text::money(amount, cost.is_estimate()))
}
