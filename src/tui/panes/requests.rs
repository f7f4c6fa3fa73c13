//! Every request that passed, as a table: who asked what kind of work, where it went, how long it took, what it was
//! predicted to cost and what it did.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::Ctx;
use super::decisions::{brief, cost_text, nothing, outcome, rows_note, unread_words};
use super::rows::RowList;
use crate::domain::judgement::Judgement;
use crate::tui::feed::{Feed, Kind, RequestRow};
use crate::tui::layout::Pane;
use crate::tui::text;
use crate::tui::theme::Role;
use crate::tui::widgets::table::{Column, Fitted, Table};

/// The screen.
#[derive(Clone, Debug)]
pub struct RequestsPane {
    /// Its rows.
    pub rows: RowList,
}

impl Default for RequestsPane {
    fn default() -> Self {
        Self { rows: RowList::new(true) }
    }
}

const TIME: usize = 0;
const ID: usize = 1;
const CALLER: usize = 2;
const TASK: usize = 3;
const TIER: usize = 4;
const PLACE: usize = 5;
const TRIES: usize = 6;
const IN: usize = 7;
const OUT: usize = 8;
const TTFT: usize = 9;
const TOTAL: usize = 10;
const PREDICTED: usize = 11;
const COST: usize = 12;
const END: usize = 13;
const JUDGED: usize = 14;
const WHY: usize = 15;

const COLUMNS: [Column; 16] = [
    Column::left("time", 8, 2),
    Column::left("id", 6, 11),
    Column::left("caller", 10, 8),
    Column::left("task", 11, 4),
    Column::left("tier", 8, 0),
    Column::growing("backend model", 18, 3).roomy(34),
    Column::right("try", 3, 10),
    Column::right("in", 5, 9),
    Column::right("out", 5, 7),
    Column::right("ttft", 6, 5),
    Column::right("total", 6, 2),
    Column::right("predicted", 9, 12),
    Column::right("cost", 8, 1),
    Column::left("end", 8, 0),
    Column::left("judged", 6, 6),
    Column::growing("why", 16, 13).roomy(30),
];

impl RequestsPane {
    /// Draws.
    pub fn render(&mut self, ctx: &Ctx<'_>, feed: &Feed, area: Rect, buf: &mut Buffer) {
        let inner = ctx.frame(Pane::Requests, rows_note(ctx, &self.rows), unread_words(ctx, &self.rows), area, buf);
        if self.rows.visible().is_empty() {
            ctx.say(nothing(&self.rows), inner, buf);
            return;
        }
        let table = Table { ctx, pane: Pane::Requests, columns: &COLUMNS, len: self.rows.visible().len() };
        let mut cursor = self.rows.cursor;
        let below = table.draw(&mut cursor, inner, buf, |index, fitted, area, buf| {
            let row = self.rows.visible().get(index).and_then(|number| feed.get(*number));
            if let Some(Kind::Request(request)) = row.map(|row| &row.kind) {
                draw(ctx, request, fitted, area, buf);
            }
        });
        self.rows.cursor = cursor;
        ctx.more_below(below, area, buf);
    }
}

/// The sign, the word and the role of a judgement.
#[must_use]
pub const fn judged(judgement: Judgement) -> (&'static str, Role) {
    match judgement {
        Judgement::Good | Judgement::Better => (judgement.name(), Role::Ok),
        Judgement::Bad => (judgement.name(), Role::Bad),
        Judgement::Worse => (judgement.name(), Role::Dim),
    }
}

fn draw(ctx: &Ctx<'_>, row: &RequestRow, fitted: &Fitted, area: Rect, buf: &mut Buffer) {
    let mut put = |column, content: &str, role| {
        fitted.put(buf, area, column, content, ctx.style(role), ctx.glyphs.ellipsis);
    };
    let decision = &row.decision;
    put(TIME, &ctx.clock(decision.at), Role::Dim);
    put(ID, &row.id.short(), Role::Dim);
    put(CALLER, &text::sanitise_line(&decision.caller), Role::Text);
    put(TASK, decision.analysis.task.name(), Role::Text);
    let last = row.attempts.last();
    let chosen = decision.chosen();
    // Where it went in the end, which after a failover is not where it was to go.
    let place = row
        .at_work
        .current()
        .map(|sent| (sent.tier, &sent.backend, &sent.model))
        .or_else(|| last.map(|one| (one.tier, &one.backend, &one.model)))
        .or_else(|| chosen.map(|one| (one.tier, &one.backend, &one.model)));
    match place {
        Some((tier, backend, model)) => {
            put(TIER, tier.name(), Role::Series(tier));
            let width = fitted.width(PLACE);
            let words = text::sanitise_line(&format!("{backend} {model}"));
            // On little room the model alone says more than the backend that serves it.
            let words = if text::width(&words) > width { text::sanitise_line(model.as_str()) } else { words };
            put(PLACE, &text::fit_middle(&words, width, ctx.glyphs.ellipsis), Role::Text);
        }
        None => put(TIER, ctx.glyphs.none, Role::Bad),
    }
    if !row.attempts.is_empty() {
        let failed = row.attempts.iter().any(|attempt| attempt.has_failed());
        put(TRIES, &row.attempts.len().to_string(), if failed { Role::Warn } else { Role::Dim });
    }
    if let Some(usage) = last.and_then(|attempt| attempt.usage) {
        put(IN, &text::count(usage.prompt()), Role::Dim);
        put(OUT, &text::count(usage.output), Role::Dim);
    }
    if let Some(after) = row.first_token {
        put(TTFT, &text::duration(after), Role::Text);
    }
    if let Some(cost) = chosen.and_then(|one| one.estimate.cost) {
        put(PREDICTED, &format!("~{cost}"), Role::Dim);
    }
    if let Some(cost) = row.cost() {
        put(COST, &cost_text(ctx, cost), Role::Text);
    }
    match &row.finished {
        Some(end) => {
            put(TOTAL, &text::duration(end.total), Role::Text);
            let (word, role) = outcome(end.outcome);
            put(END, word, role);
        }
        None => {
            put(TOTAL, &ctx.age(decision.at), Role::Dim);
            put(END, if row.first_token.is_some() { "writing" } else { "waiting" }, Role::Accent);
        }
    }
    if let Some(judgement) = row.judgement {
        let (word, role) = judged(judgement);
        put(JUDGED, word, role);
    }
    let why = row.finished.as_ref().and_then(|end| end.why.as_ref());
    put(WHY, &why.map_or_else(|| brief(decision), |why| text::sanitise_line(why)), Role::Dim);
}
