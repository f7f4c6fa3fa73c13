//! The reasoning of one decision in a few rows, beside the rows themselves: what was understood, who may serve, who may not.

use ratatui::text::{Line, Span};

use super::Ctx;
use crate::domain::decision::{Decision, Rejected};
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
    let failed = |backend: &str| row.attempts.iter().any(|one| one.backend.as_str() == backend && one.has_failed());
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
    for group in alike(&decision.rejected) {
        let Some(one) = group.first() else { continue };
        let what = match (&one.model, group.len()) {
            (Some(model), 1) => format!("{} {model}", one.backend),
            (Some(_), n) => format!("{}, {n} models", one.backend),
            (None, _) => one.backend.to_string(),
        };
        // The reason comes first: the name gives way down to what still tells one from another.
        let reason = text::sanitise_line(&one.reason.to_string());
        let room = columns.saturating_sub(15);
        let name = room.saturating_sub(text::width(&reason) + 2).max(22).min(text::width(&what));
        let place = text::fit_middle(&what, name, ctx.glyphs.ellipsis);
        let reason = text::fit(&reason, room.saturating_sub(text::width(&place)), ctx.glyphs.ellipsis);
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

/// Rejections of one backend for one reason, together: a fleet of many models says the same of most of them.
fn alike(rejected: &[Rejected]) -> Vec<Vec<&Rejected>> {
    let mut groups: Vec<Vec<&Rejected>> = Vec::new();
    for one in rejected {
        let same = |other: &&Rejected| {
            other.backend == one.backend && other.model.is_some() == one.model.is_some() && other.reason == one.reason
        };
        match groups.iter_mut().find(|group| group.first().is_some_and(same)) {
            Some(group) => group.push(one),
            None => groups.push(vec![one]),
        }
    }
    groups
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
        Ruling::FreeRedacted => {
            Some((Role::Warn, format!("{} of {findings} found redacted", decision.verdict.redacted())))
        }
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
