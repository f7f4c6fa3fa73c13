//! The reasoning of one decision in a few rows, beside the rows themselves: what was understood, who may serve, who may not.

use ratatui::text::{Line, Span};

use super::Ctx;
use crate::domain::decision::Decision;
use crate::domain::privacy::Ruling;
use crate::tui::feed::RequestRow;
use crate::tui::text;
use crate::tui::theme::Role;

/// The story, at most so many rows; what is left out is counted in the last one.
#[must_use]
pub fn lines(ctx: &Ctx<'_>, row: &RequestRow, columns: usize, rows: usize) -> Vec<Line<'static>> {
    let decision = &row.decision;
    let headline =
        text::fit(&text::sanitise_line(&decision.headline()), columns.saturating_sub(10), ctx.glyphs.ellipsis);
    let mut lines = vec![
        Line::from(vec![ctx.span(Role::Dim, format!(" {}  ", row.id.short())), ctx.span(Role::Title, headline)]),
        understood(ctx, decision),
    ];
    let failed = |backend: &str| row.attempts.iter().any(|one| one.backend.as_str() == backend && one.outcome.is_err());
    for (index, one) in decision.candidates.iter().enumerate() {
        let cost = one.estimate.cost.map_or_else(|| "price unknown".to_owned(), |cost| format!("~{cost}"));
        let tail = format!("  {:.2}  {cost}  ttft {}", one.score, text::millis(u64::from(one.estimate.first_token_ms)));
        let room = columns.saturating_sub(13 + text::width(&tail));
        let place = text::fit_middle(&format!("{} {}", one.backend, one.model), room, ctx.glyphs.ellipsis);
        let (sign, role) = match index {
            _ if failed(one.backend.as_str()) => (ctx.glyphs.failed, Role::Bad),
            0 => (ctx.glyphs.pointer, Role::Accent),
            _ => (" ", Role::Dim),
        };
        lines.push(Line::from(vec![
            ctx.span(role, format!(" {sign} ")),
            ctx.span(Role::Series(one.tier), text::pad(one.tier.name(), 9)),
            ctx.span(if index == 0 { Role::Text } else { Role::Dim }, text::pad(&place, room.min(34))),
            ctx.span(Role::Dim, tail),
        ]));
    }
    for one in &decision.rejected {
        let model = one.model.as_ref().map(|model| format!(" {model}")).unwrap_or_default();
        let place = text::fit_middle(&format!("{}{model}", one.backend), 22, ctx.glyphs.ellipsis);
        let room = columns.saturating_sub(14 + text::width(&place));
        let reason = text::fit(&text::sanitise_line(&one.reason.to_string()), room, ctx.glyphs.ellipsis);
        lines.push(Line::from(vec![
            ctx.span(Role::Dim, format!(" {} ", ctx.glyphs.down)),
            ctx.span(Role::Dim, text::pad(one.tier.name(), 9)),
            ctx.span(Role::Dim, format!("{place}: ")),
            ctx.span(Role::Text, reason),
        ]));
    }
    if lines.len() > rows && rows > 0 {
        let more = lines.len() - rows + 1;
        lines.truncate(rows - 1);
        lines.push(Line::from(ctx.span(Role::Dim, format!("   {more} more, enter: all"))));
    }
    lines
}

fn understood(ctx: &Ctx<'_>, decision: &Decision) -> Line<'static> {
    let analysis = &decision.analysis;
    let mut spans: Vec<Span<'static>> = vec![
        ctx.span(Role::Dim, " task "),
        ctx.span(Role::Text, analysis.task.name()),
        ctx.span(
            Role::Dim,
            format!(
                " {:.2}  tokens ~{} in ~{} out",
                analysis.complexity, analysis.input_tokens, analysis.output_tokens.p50
            ),
        ),
    ];
    let findings = decision.verdict.findings.len();
    let guard = match decision.verdict.ruling {
        Ruling::Free if findings == 0 => None,
        Ruling::Free => Some((Role::Warn, format!("{findings} found, may leave"))),
        Ruling::KeepAsAsked => Some((Role::Pinned, "private as asked".to_owned())),
        Ruling::KeepAsFound => Some((Role::Pinned, format!("{findings} found, stays here"))),
        Ruling::Refuse => Some((Role::Bad, format!("{findings} found, refused"))),
    };
    if let Some((role, words)) = guard {
        spans.push(ctx.span(Role::Dim, "  guard "));
        spans.push(ctx.span(role, words));
    }
    Line::from(spans)
}
