//! Every model of every backend, by tier: whether it can be used, what it costs, how fast and how sure it is, and what it
//! was used for so far.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{Ctx, Cursor, put};
use crate::domain::fleet::{Backend, Fleet, Model};
use crate::domain::judgement::Judged;
use crate::domain::money::Money;
use crate::domain::price::Pricing;
use crate::domain::tier::{Target, Tier};
use crate::tui::layout::Pane;
use crate::tui::status;
use crate::tui::text;
use crate::tui::theme::Role;
use crate::tui::widgets::table::{Column, Fitted, Table};

/// What the models are sorted by, within their tier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Order {
    #[default]
    Configured,
    Calls,
    Cost,
    FirstToken,
    Errors,
}

impl Order {
    const fn next(self) -> Self {
        match self {
            Self::Configured => Self::Calls,
            Self::Calls => Self::Cost,
            Self::Cost => Self::FirstToken,
            Self::FirstToken => Self::Errors,
            Self::Errors => Self::Configured,
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Configured => "",
            Self::Calls => "by calls ",
            Self::Cost => "by cost ",
            Self::FirstToken => "by first token ",
            Self::Errors => "by errors ",
        }
    }
}

/// The screen.
#[derive(Clone, Debug, Default)]
pub struct ModelsPane {
    /// The selected row.
    pub cursor: Cursor,
    /// Only rows with this text.
    pub filter: String,
    order: Order,
    reversed: bool,
    targets: Vec<Target>,
}

const MODEL: usize = 0;
const BACKEND: usize = 1;
const STATE: usize = 2;
const IN: usize = 3;
const OUT: usize = 4;
const WINDOW: usize = 5;
const RUN: usize = 6;
const P50: usize = 7;
const P95: usize = 8;
const SPEED: usize = 9;
const GOOD: usize = 10;
const CALLS: usize = 11;
const TOKENS: usize = 12;
const COST: usize = 13;
const JUDGED: usize = 14;
const WHY: usize = 15;

const COLUMNS: [Column; 16] = [
    Column::growing("model", 18, 0).roomy(34),
    Column::left("backend", 14, 4),
    Column::left("state", 9, 0),
    Column::right("$/M in", 7, 5),
    Column::right("$/M out", 7, 3),
    Column::right("window", 6, 11),
    Column::right("run", 3, 6),
    Column::right("ttft", 6, 2),
    Column::right("p95", 6, 7),
    Column::right("tok/s", 5, 8),
    Column::right("ok", 4, 1),
    Column::right("calls", 5, 3),
    Column::right("tokens", 6, 9),
    Column::right("cost", 8, 2),
    Column::left("judged", 13, 10),
    Column::growing("", 10, 12).roomy(26),
];

impl ModelsPane {
    /// Works out which rows there are. Called before every frame.
    pub fn prepare(&mut self, fleet: &Fleet) {
        let selected = self.selected().cloned();
        let wanted = self.filter.to_lowercase();
        self.targets.clear();
        for tier in Tier::ALL {
            let mut models: Vec<(&Backend, &Model)> = fleet
                .of_tier(tier)
                .flat_map(|backend| backend.models.iter().map(move |model| (&**backend, model)))
                .filter(|(backend, model)| {
                    let text = format!("{tier} {} {}", backend.spec.id, model.id).to_lowercase();
                    // What was only found and never used is noise beside what the configuration offers.
                    (model.offered || model.book.attempts > 0) && (wanted.is_empty() || text.contains(&wanted))
                })
                .collect();
            self.sort(&mut models);
            self.targets.extend(
                models.into_iter().map(|(backend, model)| Target::Model(backend.spec.id.clone(), model.id.clone())),
            );
        }
        if let Some(index) = selected.and_then(|selected| self.targets.iter().position(|one| *one == selected)) {
            self.cursor.index = index;
        }
        self.cursor.index = self.cursor.index.min(self.targets.len().saturating_sub(1));
    }

    fn sort(&self, models: &mut [(&Backend, &Model)]) {
        match self.order {
            Order::Configured => {}
            Order::Calls => models.sort_by_key(|(_, model)| std::cmp::Reverse(model.book.attempts)),
            Order::Cost => models.sort_by_key(|(_, model)| std::cmp::Reverse(model.book.amount)),
            Order::FirstToken => {
                models.sort_by_key(|(_, model)| model.summary.first_token.map_or(u32::MAX, |found| found.p50));
            }
            Order::Errors => models.sort_by(|(_, a), (_, b)| {
                let ratio = |model: &Model| model.summary.error_ratio().unwrap_or(-1.0);
                ratio(b).total_cmp(&ratio(a))
            }),
        }
        if self.reversed {
            models.reverse();
        }
    }

    /// The selected model.
    #[must_use]
    pub fn selected(&self) -> Option<&Target> {
        self.targets.get(self.cursor.index)
    }

    /// Moves the selection.
    pub fn step(&mut self, by: isize) {
        self.cursor.step(by, self.targets.len());
    }

    /// Sorts by the next column.
    pub const fn sort_next(&mut self) {
        self.order = self.order.next();
    }

    /// Turns the order around.
    pub const fn sort_reverse(&mut self) {
        self.reversed = !self.reversed;
    }

    /// Draws.
    pub fn render(&mut self, ctx: &Ctx<'_>, area: Rect, buf: &mut Buffer) {
        let mut note = vec![ctx.span(Role::Dim, self.order.words())];
        if !self.filter.is_empty() {
            note.push(ctx.span(Role::Accent, format!("/{} ", self.filter)));
        }
        let facts = Line::from(ctx.span(Role::Dim, " times and success of the last 15 min, the rest since the start "));
        let inner = ctx.frame(Pane::Models, Line::from(note), facts, area, buf);
        let Some(snapshot) = ctx.snapshot else {
            ctx.say("waiting for the engine", inner, buf);
            return;
        };
        if self.targets.is_empty() {
            let words = if self.filter.is_empty() { "no model is known yet" } else { "nothing matches the filter" };
            ctx.say(words, inner, buf);
            return;
        }
        let table = Table { ctx, pane: Pane::Models, columns: &COLUMNS, len: self.targets.len() };
        let below = table.draw(&mut self.cursor, inner, buf, |index, fitted, area, buf| {
            let found = self.targets.get(index).and_then(|target| snapshot.fleet.within(target).next());
            if let Some((backend, model)) = found {
                draw(ctx, &snapshot.fleet, backend, model, fitted, area, buf);
            }
        });
        ctx.more_below(below, area, buf);
    }
}

fn draw(ctx: &Ctx<'_>, fleet: &Fleet, backend: &Backend, model: &Model, fitted: &Fitted, area: Rect, buf: &mut Buffer) {
    let cut = ctx.glyphs.ellipsis;
    let mark = status::of_model(fleet, backend, model, ctx.now);
    let name = text::fit_middle(model.id.as_str(), fitted.width(MODEL).saturating_sub(2), cut);
    let name = Line::from(vec![
        ctx.span(mark.role, format!("{} ", mark.sign.glyph(ctx.glyphs))),
        Span::styled(text::sanitise_line(&name), ctx.style(Role::Series(backend.spec.tier))),
    ]);
    put(buf, fitted.area(area, MODEL), 0, &name);
    let mut put = |column, content: &str, role| fitted.put(buf, area, column, content, ctx.style(role), cut);
    put(BACKEND, &text::sanitise_line(backend.spec.id.as_str()), Role::Text);
    put(STATE, &mark.word, mark.role);
    let (input, output) = prices(ctx, &model.spec.pricing);
    put(IN, &input, Role::Text);
    put(OUT, &output, Role::Text);
    if let Some(window) = model.spec.context {
        put(WINDOW, &text::count(u64::from(window)), Role::Dim);
    }
    put(RUN, &model.in_flight().to_string(), if model.sent.is_empty() { Role::Dim } else { Role::Text });
    if let Some(found) = model.summary.first_token {
        put(P50, &text::millis(u64::from(found.p50)), Role::Text);
        // With few samples the outer percentile says nothing.
        let p95 = if model.summary.count >= 20 { text::millis(u64::from(found.p95)) } else { "-".to_owned() };
        put(P95, &p95, Role::Dim);
    }
    if let Some(speed) = model.summary.tokens_per_second {
        put(SPEED, &format!("{speed:.0}"), Role::Dim);
    }
    if let Some(failed) = model.summary.error_ratio() {
        let role = match failed {
            f if f >= 0.3 => Role::Bad,
            f if f > 0.05 => Role::Warn,
            _ => Role::Text,
        };
        put(GOOD, &format!("{:.0}%", (1.0 - failed) * 100.0), role);
    }
    let book = &model.book;
    if book.attempts > 0 {
        put(CALLS, &text::count(u64::from(book.attempts)), Role::Text);
        put(TOKENS, &text::count(book.input_tokens + book.output_tokens), Role::Dim);
        let unknown = book.unknown > 0 && book.amount == Money::ZERO;
        let cost =
            if unknown { ctx.glyphs.none.to_owned() } else { text::money(book.amount, book.estimated > Money::ZERO) };
        put(COST, &cost, Role::Text);
    }
    put(JUDGED, &judged(model.judged), Role::Text);
    let why = mark.reason.as_ref().map(|reason| text::sanitise_line(&reason.to_string()));
    put(WHY, &why.unwrap_or_else(|| facts(model)), Role::Dim);
}

/// Prices of a million tokens, or how else it is paid for.
fn prices(ctx: &Ctx<'_>, pricing: &Pricing) -> (String, String) {
    let usd = |usd: f64| if usd < 10.0 { format!("{usd:.2}") } else { format!("{usd:.1}") };
    match pricing {
        Pricing::Free => ("free".to_owned(), "free".to_owned()),
        Pricing::PerHour { rate } => (format!("{rate}"), "an hour".to_owned()),
        Pricing::Rented => ("rented".to_owned(), "rented".to_owned()),
        Pricing::Unknown => (ctx.glyphs.none.to_owned(), ctx.glyphs.none.to_owned()),
        Pricing::PerToken { .. } => match pricing.row(ctx.now) {
            Some(row) => (usd(row.base.input.usd_per_million()), usd(row.base.output.usd_per_million())),
            None => (ctx.glyphs.none.to_owned(), ctx.glyphs.none.to_owned()),
        },
    }
}

/// Judgements as `3+ 1-` and comparisons as `2:1`.
fn judged(judged: Judged) -> String {
    let mut parts = Vec::new();
    if judged.good > 0 || judged.bad > 0 {
        parts.push(format!("{}+ {}-", judged.good, judged.bad));
    }
    if judged.better > 0 || judged.worse > 0 {
        parts.push(format!("{}:{}", judged.better, judged.worse));
    }
    parts.join(" ")
}

fn facts(model: &Model) -> String {
    let facts = [
        (!model.offered).then_some("only by name"),
        model.loaded.map(|loaded| if loaded { "loaded" } else { "not loaded" }),
        model.spec.remote.then_some("runs elsewhere"),
    ];
    facts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
