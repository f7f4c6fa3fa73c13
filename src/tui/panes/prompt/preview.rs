//! What would become of the text as it stands: where it would go and why, at what price, how soon, and then where; what the
//! guard found; and the ways to go on with a slash command.

use ratatui::text::{Line, Span};

use super::PromptPane;
use super::talk::place_words;
use crate::domain::decision::{Candidate, Decision};
use crate::domain::privacy::Ruling;
use crate::tui::action::Action;
use crate::tui::layout::Pane;
use crate::tui::panes::Ctx;
use crate::tui::panes::decisions::brief;
use crate::tui::text;
use crate::tui::theme::Role;

/// Proposals shown at once.
const PROPOSALS: usize = 6;

impl PromptPane {
    /// The rows above the input; none where there is no room or nothing to say.
    pub(super) fn preview(&self, ctx: &Ctx<'_>, width: u16, room: u16) -> Vec<Line<'static>> {
        // The talk keeps half of the room, but from what enter would do.
        let most = usize::from(room / 2);
        if let Some(line) = self.asking_line(ctx, usize::from(width)) {
            let mut lines = self
                .forecast
                .as_ref()
                .map_or_else(Vec::new, |decision| forecast(ctx, decision, self.asked, usize::from(width)));
            lines.insert(0, line);
            lines.truncate(most.max(usize::from(room.min(1))));
            return lines;
        }
        if most == 0 || self.is_blank() {
            return Vec::new();
        }
        if !self.proposals.is_empty() {
            return self.proposal_lines(ctx, usize::from(width), most.min(PROPOSALS));
        }
        if let Some(words) = &self.wrong {
            let room = usize::from(width).saturating_sub(4);
            let rows = text::wrap(&text::sanitise_line(words), room);
            let mark = |index| if index == 0 { ctx.glyphs.warning } else { " " };
            let line =
                |(index, row): (usize, String)| Line::from(ctx.span(Role::Bad, format!(" {} {row}", mark(index))));
            return rows.into_iter().enumerate().map(line).take(most).collect();
        }
        let Some(decision) = &self.forecast else { return Vec::new() };
        let mut lines = forecast(ctx, decision, self.asked, usize::from(width));
        lines.truncate(most);
        lines
    }

    /// What the text as it stands may cost, where enter does not send it without a second word.
    pub(super) fn asking_line(&self, ctx: &Ctx<'_>, width: usize) -> Option<Line<'static>> {
        let key = ctx.keymap.key_of(Action::Send, Pane::Prompt);
        let key = key.map_or_else(|| "sending".to_owned(), |key| key.to_string());
        let words = text::fit(&self.asking?.words(&key), width.saturating_sub(4), ctx.glyphs.ellipsis);
        Some(Line::from(ctx.span(Role::Warn, format!(" {} {words}", ctx.glyphs.warning))))
    }

    fn proposal_lines(&self, ctx: &Ctx<'_>, width: usize, most: usize) -> Vec<Line<'static>> {
        let names = self.proposals.iter().map(|one| text::width(&one.shown)).max().unwrap_or(0).min(24);
        let first = self.proposed.saturating_sub(most.saturating_sub(1));
        let line = |(index, one): (usize, &crate::tui::slash::Completion)| {
            let chosen = index == self.proposed;
            let name =
                text::pad(&text::fit_middle(&text::sanitise_line(&one.shown), names, ctx.glyphs.ellipsis), names);
            let mut spans = vec![
                ctx.span(
                    if chosen { Role::Accent } else { Role::Dim },
                    if chosen { format!(" {} ", ctx.glyphs.pointer) } else { "   ".to_owned() },
                ),
                ctx.span(if chosen { Role::Title } else { Role::Text }, name),
                ctx.span(
                    Role::Dim,
                    format!("  {}", text::fit(&one.words, width.saturating_sub(names + 17), ctx.glyphs.ellipsis)),
                ),
            ];
            if chosen {
                let (number, all) = (index + 1, self.proposals.len());
                let count = if all > most { format!(" {number}/{all}") } else { String::new() };
                spans.push(ctx.span(Role::Accent, format!("  tab {}/{}", index + 1, self.proposals.len())));
                spans.push(ctx.span(Role::Dim, count));
            }
            Line::from(spans)
        };
        self.proposals.iter().enumerate().skip(first).take(most).map(line).collect()
    }
}

fn warning(ctx: &Ctx<'_>, words: &str, width: usize) -> Line<'static> {
    let words = text::fit(&text::sanitise_line(words), width.saturating_sub(4), ctx.glyphs.ellipsis);
    Line::from(ctx.span(Role::Bad, format!(" {} {words}", ctx.glyphs.warning)))
}

/// The decision before the fact, the most important row first: where and why; what it takes, and what stands in; what was
/// found.
fn forecast(ctx: &Ctx<'_>, decision: &Decision, asked: usize, width: usize) -> Vec<Line<'static>> {
    let Some(chosen) = decision.chosen() else {
        return [vec![warning(ctx, &decision.headline(), width)], found(ctx, decision, asked, width)].concat();
    };
    // The tier stands beside it.
    let why = brief(decision);
    let head = format!(" {} ", ctx.glyphs.arrow);
    let taken = text::width(&head) + chosen.tier.name().len() + 1;
    // The reason has the first claim on the room; the place gives way down to nothing.
    let room = width.saturating_sub(taken + text::width(&why).min(width / 2) + 3);
    let place = place_words(ctx, chosen.backend.as_str(), chosen.model.as_str(), room);
    let left = width.saturating_sub(taken + text::width(&place) + 3);
    let mut lines = vec![Line::from(vec![
        ctx.span(Role::Dim, head),
        ctx.span(Role::Series(chosen.tier), chosen.tier.name()),
        ctx.span(Role::Text, place),
        ctx.span(Role::Dim, format!("  {}", text::fit(&why, left, ctx.glyphs.ellipsis))),
    ])];
    lines.push(takes(ctx, decision, chosen, width));
    // What was found comes before the price where there is room for two rows only.
    let found = found(ctx, decision, asked, width);
    lines.splice(1..1, found);
    lines
}

/// What it would cost and how soon it would begin, and where it would go next.
fn takes(ctx: &Ctx<'_>, decision: &Decision, chosen: &Candidate, width: usize) -> Line<'static> {
    let estimate = &chosen.estimate;
    let cost = match (estimate.cost, estimate.cost_upper) {
        (Some(likely), Some(upper)) if upper > likely => format!("~{likely} to {upper}"),
        (Some(likely), _) => format!("~{likely}"),
        (None, _) => "price unknown".to_owned(),
    };
    let basis = match (estimate.measured, estimate.cold) {
        (true, _) => "p95",
        (false, true) => "cold start",
        (false, false) => "assumed",
    };
    let first = format!("ttft {} {basis}", text::millis(u64::from(estimate.first_token_ms)));
    let mut spans = vec![ctx.span(Role::Text, format!("   {cost}")), ctx.span(Role::Dim, format!("  {first}"))];
    let used: usize = spans.iter().map(Span::width).sum();
    // One stand-in per tier or backend: what else of the same backend could serve says little.
    let mut next: Vec<String> = Vec::new();
    for one in &decision.candidates[1..] {
        let name = if one.tier == chosen.tier { one.backend.to_string() } else { one.tier.to_string() };
        let same = one.backend == chosen.backend;
        if !same && !next.contains(&name) {
            next.push(name);
        }
    }
    let words = if next.is_empty() { "nothing stands in".to_owned() } else { format!("then {}", next.join(", ")) };
    let room = width.saturating_sub(used + 3);
    if room >= 12 {
        let words = text::fit(&text::sanitise_line(&words), room, ctx.glyphs.ellipsis);
        spans.push(ctx.span(Role::Dim, format!("  {words}")));
    }
    Line::from(spans)
}

/// What the guard found, by kind and number, and what follows.
fn found(ctx: &Ctx<'_>, decision: &Decision, asked: usize, width: usize) -> Vec<Line<'static>> {
    let findings = &decision.verdict.findings;
    if findings.is_empty() {
        return Vec::new();
    }
    let mut kinds: Vec<(&str, usize)> = Vec::new();
    for finding in findings {
        match kinds.iter_mut().find(|(name, _)| *name == finding.words()) {
            Some((_, count)) => *count += 1,
            None => kinds.push((finding.words(), 1)),
        }
    }
    let kinds: Vec<String> = kinds
        .into_iter()
        .map(|(name, count)| if count > 1 { format!("{name} x{count}") } else { name.to_owned() })
        .collect();
    let (role, follows) = match decision.verdict.ruling {
        Ruling::KeepAsAsked | Ruling::KeepAsFound => (Role::Pinned, "stays on this machine"),
        Ruling::Free => (Role::Warn, "may leave this machine all the same"),
        Ruling::FreeRedacted => (Role::Warn, "may leave this machine, redacted"),
        Ruling::Refuse => (Role::Bad, "goes nowhere"),
    };
    // What was said before goes along with the next prompt.
    let earlier = findings.iter().all(|finding| finding.message < asked);
    let place = if earlier { " earlier in this talk" } else { "" };
    let words = format!("found {}{place}: {follows}", kinds.join(", "));
    let words = text::fit(&words, width.saturating_sub(4), ctx.glyphs.ellipsis);
    vec![Line::from(ctx.span(role, format!("   {words}")))]
}
