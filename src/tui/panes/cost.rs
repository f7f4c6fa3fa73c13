//! Money: what was spent, how fast it goes, and what is left. `~` marks estimates, unknown amounts are counted, not guessed.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{Ctx, forecasts, put};
use crate::domain::money::Money;
use crate::domain::spend::{Book, Spend};
use crate::domain::tier::Tier;
use crate::tui::layout::Pane;
use crate::tui::text;
use crate::tui::theme::Role;
use crate::tui::widgets::meter::{meter, usage_role};

/// The pane.
#[derive(Clone, Debug, Default)]
pub struct CostPane {
    /// Rows scrolled away.
    pub scroll: usize,
}

impl CostPane {
    /// Draws.
    pub fn render(&mut self, ctx: &Ctx<'_>, area: Rect, buf: &mut Buffer) {
        let Some(snapshot) = ctx.snapshot else {
            let inner = ctx.frame(Pane::Cost, Line::default(), Line::default(), area, buf);
            ctx.say("waiting for the engine", inner, buf);
            return;
        };
        let spend = &*snapshot.fleet.spend;
        let facts = Line::from(ctx.span(Role::Dim, format!(" since {} ", ctx.moment(spend.since))));
        let inner = ctx.frame(Pane::Cost, Line::default(), facts, area, buf);
        let width = usize::from(inner.width);
        let mut lines = totals(ctx, spend, width);
        lines.push(burn(ctx, spend, width));
        if let Some(line) = budget(ctx, spend, width) {
            lines.push(line);
        }
        lines.extend(Tier::ALL.map(|tier| tier_line(ctx, spend, tier, width)));
        if spend.rented > Money::ZERO || spend.rented_per_hour > Money::ZERO {
            lines.push(rented(ctx, spend, width));
        }
        if ctx.zoomed {
            lines.push(Line::default());
            lines.extend(per_token(ctx, spend));
            let foreseen = forecasts::by_model(ctx, &snapshot.fleet, width);
            if !foreseen.is_empty() {
                lines.push(Line::default());
                lines.extend(foreseen);
            }
        } else {
            lines.extend(forecasts::in_all(ctx, &snapshot.fleet, width));
        }
        let height = usize::from(inner.height);
        self.scroll = self.scroll.min(lines.len().saturating_sub(height));
        for (row, line) in lines.iter().skip(self.scroll).take(height).enumerate() {
            put(buf, inner, row as u16, line);
        }
    }
}

/// The sum of a book as text: a tilde where any of it is estimated, and how many amounts are missing from it.
fn book(amounts: &[Book; 4], rented: Money) -> (String, Option<String>) {
    let total = amounts.iter().map(|tier| tier.amount).sum::<Money>() + rented;
    let estimated = amounts.iter().any(|tier| tier.estimated > Money::ZERO) || rented > Money::ZERO;
    let unknown: u32 = amounts.iter().map(|tier| tier.unknown).sum();
    (text::money(total, estimated), (unknown > 0).then(|| format!("+{unknown} unknown")))
}

fn totals(ctx: &Ctx<'_>, spend: &Spend, width: usize) -> Vec<Line<'static>> {
    let (session, session_unknown) = book(&spend.session, spend.rented);
    let (today, _) = book(&spend.today(), spend.rented_today());
    let mut spans = vec![ctx.span(Role::Dim, " session "), ctx.span(Role::Title, text::pad_left(&session, 8))];
    let mut lines = Vec::new();
    if width < 36 {
        lines.push(Line::from(std::mem::take(&mut spans)));
        spans.push(ctx.span(Role::Dim, " today   "));
    } else {
        spans.push(ctx.span(Role::Dim, "  today "));
    }
    spans.push(ctx.span(Role::Title, text::pad_left(&today, 8)));
    if let Some(unknown) = session_unknown {
        let fits = spans.iter().map(Span::width).sum::<usize>() + unknown.len() + 2 <= width;
        let short = unknown.trim_end_matches(" unknown").to_owned();
        spans.push(ctx.span(Role::Warn, format!("  {}", if fits { unknown } else { short + "?" })));
    }
    lines.push(Line::from(spans));
    lines
}

fn burn(ctx: &Ctx<'_>, spend: &Spend, width: usize) -> Line<'static> {
    let mut spans = vec![ctx.span(Role::Dim, " burn    ")];
    match spend.burn_per_hour(ctx.now) {
        None => spans.push(ctx.span(Role::Dim, "       - first 30 s")),
        Some(rate) => {
            spans.push(ctx.span(Role::Title, text::pad_left(&format!("~{rate}"), 8)));
            spans.push(ctx.span(Role::Dim, "/h"));
            if width >= 30 {
                spans.push(ctx.span(Role::Dim, " over 5m"));
            }
        }
    }
    if spend.reserved > Money::ZERO && width >= 44 {
        spans.push(ctx.span(Role::Dim, "  held "));
        spans.push(ctx.span(Role::Text, spend.reserved.to_string()));
    }
    Line::from(spans)
}

fn budget(ctx: &Ctx<'_>, spend: &Spend, width: usize) -> Option<Line<'static>> {
    let limit = spend.daily_limit?;
    let percent = text::percent(spend.today_charged().0, limit.0)?;
    let role = usage_role(percent);
    let mut spans = vec![ctx.span(Role::Dim, " budget  ")];
    let words = format!("{percent:>3.0}% of {limit}");
    let cells = width.saturating_sub(11 + text::width(&words)).min(20);
    if cells >= 4 {
        spans.extend(meter(ctx, percent, cells, role));
        spans.push(Span::raw(" "));
    }
    spans.push(ctx.span(if role == Role::Ok { Role::Text } else { role }, words));
    Some(Line::from(spans))
}

fn tier_line(ctx: &Ctx<'_>, spend: &Spend, tier: Tier, width: usize) -> Line<'static> {
    let of = &spend.session[tier.index()];
    let mut spans = vec![ctx.span(Role::Series(tier), text::pad(&format!(" {tier}"), 10))];
    if of.attempts == 0 {
        spans.push(ctx.span(Role::Dim, text::pad_left(ctx.glyphs.none, 7)));
        return Line::from(spans);
    }
    let role = if of.amount == Money::ZERO { Role::Dim } else { Role::Text };
    spans.push(ctx.span(role, text::pad_left(&text::money(of.amount, of.estimated > Money::ZERO), 7)));
    let share = text::percent(of.amount.0, spend.session_total().0).unwrap_or(0.0);
    spans.push(ctx.span(Role::Dim, format!("{share:>4.0}%")));
    if width >= 34 {
        spans.push(ctx.span(Role::Dim, format!("  {}", text::calls(of.attempts))));
    }
    if width >= 44 {
        spans.push(ctx.span(Role::Dim, format!("{:>7} tok", text::count(of.input_tokens + of.output_tokens))));
    }
    if of.unknown > 0 && width >= 56 {
        spans.push(ctx.span(Role::Warn, format!("  +{} unknown", of.unknown)));
    }
    Line::from(spans)
}

/// Tokens and what a thousand of them came to: with the whole screen there is room for it.
#[expect(clippy::cast_precision_loss, reason = "display only")]
fn per_token(ctx: &Ctx<'_>, spend: &Spend) -> Vec<Line<'static>> {
    let mut lines = vec![Line::from(
        ctx.span(Role::Dim, format!(" {:<12}{:>12}{:>12}{:>16}", "tokens", "in", "out", "per 1k tokens")),
    )];
    for tier in Tier::ALL {
        let of = &spend.session[tier.index()];
        let tokens = of.input_tokens + of.output_tokens;
        let price = (tokens > 0)
            .then(|| Money::from_usd(of.amount.as_usd() * 1000.0 / tokens as f64))
            .flatten()
            .map_or_else(|| ctx.glyphs.none.to_owned(), |price| price.to_string());
        lines.push(Line::from(vec![
            ctx.span(Role::Series(tier), format!(" {:<12}", tier.name())),
            ctx.span(Role::Text, format!("{:>12}{:>12}", text::count(of.input_tokens), text::count(of.output_tokens))),
            ctx.span(Role::Text, text::pad_left(&price, 16)),
        ]));
    }
    let held = format!(" held for what is in flight: {}", spend.reserved);
    lines.extend([Line::default(), Line::from(ctx.span(Role::Dim, held))]);
    if let Some(left) = spend.headroom() {
        lines.push(Line::from(ctx.span(Role::Dim, format!(" left of today's limit: {left}"))));
    }
    lines
}

fn rented(ctx: &Ctx<'_>, spend: &Spend, width: usize) -> Line<'static> {
    let mut spans = vec![
        ctx.span(Role::Text, text::pad(" rented", 10)),
        ctx.span(Role::Text, text::pad_left(&format!("~{}", spend.rented), 7)),
    ];
    let share = text::percent(spend.rented.0, spend.session_total().0).unwrap_or(0.0);
    spans.push(ctx.span(Role::Dim, format!("{share:>4.0}%")));
    if width >= 34 {
        spans.push(ctx.span(Role::Dim, format!("   {}/h, even idle", spend.rented_per_hour)));
    }
    Line::from(spans)
}
