//! The story of one request.

use ratatui::text::{Line, Span};

use super::{fact, title};
use crate::domain::decision::{Candidate, Decision, Term, decide};
use crate::domain::money::{Cost, Money};
use crate::engine::Attempt;
use crate::tui::feed::RequestRow;
use crate::tui::panes::Ctx;
use crate::tui::panes::decisions::{cost_text, outcome};
use crate::tui::panes::prompt::constraint_words;
use crate::tui::text;
use crate::tui::theme::Role;

/// From this width on, a candidate needs one line.
const ONE_LINE: usize = 105;
/// Below this width there is no room for a table of terms.
const TABLE: usize = 86;
/// The room for a figure of a score, with a space on either side where its name is no longer.
const FIGURE: usize = 7;

/// The story from top to bottom: what was understood and found, who could serve and who could not and why, what was tried,
/// what it came to against what was predicted, and where it would go now.
pub(super) fn request(ctx: &Ctx<'_>, row: &RequestRow, columns: usize) -> Vec<Line<'static>> {
    let decision = &row.decision;
    let mut lines = vec![
        Line::from(
            ctx.span(Role::Title, text::fit(&text::sanitise_line(&decision.headline()), columns, ctx.glyphs.ellipsis)),
        ),
        Line::default(),
        fact(ctx, "asked", &format!("{} by {}", ctx.clock(decision.at), decision.caller)),
    ];
    let analysis = &decision.analysis;
    let evidence =
        if analysis.evidence.is_empty() { "no marker words".to_owned() } else { analysis.evidence.join(", ") };
    lines.push(fact(ctx, "task", &format!("{}, complexity {:.2} ({evidence})", analysis.task, analysis.complexity)));
    lines.push(fact(
        ctx,
        "tokens",
        &format!(
            "~{} in, ~{} to {} out",
            analysis.input_tokens, analysis.output_tokens.p50, analysis.output_tokens.p90
        ),
    ));
    lines.push(fact(ctx, "guard", &guard_words(decision)));
    let demands = constraint_words(&decision.constraints);
    if !demands.is_empty() {
        lines.push(fact(ctx, "demands", &demands.join(", ")));
    }
    let order =
        decision.order.iter().map(|tier| tier.name()).collect::<Vec<_>>().join(&format!(" {} ", ctx.glyphs.arrow));
    let basis = match decision.basis {
        crate::domain::decision::Basis::Asked => "the request says so",
        crate::domain::decision::Basis::Rule => "the task's rule",
        crate::domain::decision::Basis::DefaultTier => "the default tier",
        crate::domain::decision::Basis::Optimize => "the request's aim",
        crate::domain::decision::Basis::Demanding => "the rule of reasoning: it takes thought of its own",
    };
    lines.push(fact(ctx, "order", &format!("{order} ({basis})")));
    if let Some(pin) = &decision.pin {
        let effect = match (pin.void, pin.changed) {
            (true, _) => "it could not serve",
            (false, true) => "it changed the choice",
            (false, false) => "it was the choice anyway",
        };
        lines.push(fact(ctx, "pin", &format!("{}: {effect}", pin.target)));
    }
    lines.push(Line::default());
    candidates(ctx, decision, columns, &mut lines);
    if row.left_out > 0 {
        let words = format!("   and {} more that were not tried: only the latest requests keep them", row.left_out);
        lines.insert(lines.len() - 1, Line::from(ctx.span(Role::Dim, words)));
    }
    rejections(ctx, decision, columns, &mut lines);
    attempts(ctx, row, columns, &mut lines);
    outcome_lines(ctx, row, columns, &mut lines);
    lines.extend(now_lines(ctx, decision, columns));
    lines
}

/// What it cost and took against what was predicted, and what somebody thought of it.
fn outcome_lines(ctx: &Ctx<'_>, row: &RequestRow, columns: usize, lines: &mut Vec<Line<'static>>) {
    let Some(end) = &row.finished else { return };
    lines.push(title(ctx, "in the end"));
    let (word, role) = outcome(end.outcome);
    let cost = row.cost().map_or_else(String::new, |cost| format!(", {} in all", cost_text(ctx, cost)));
    lines.push(Line::from(vec![
        ctx.span(Role::Dim, text::pad("outcome", 12)),
        ctx.span(role, word),
        ctx.span(Role::Text, format!(" after {}{cost}", text::duration(end.total))),
    ]));
    if let Some(why) = &end.why {
        let rows = text::wrap(&text::sanitise_line(why), columns.saturating_sub(12));
        let label = |index| text::pad(if index == 0 { "why" } else { "" }, 12);
        lines.extend(
            rows.into_iter()
                .enumerate()
                .map(|(index, row)| Line::from(vec![ctx.span(Role::Dim, label(index)), ctx.span(Role::Bad, row)])),
        );
    }
    // The prediction was for the candidate that answered, which may not have been the first.
    let answered = row.attempts.last().filter(|attempt| attempt.outcome.is_ok());
    let predicted = answered.and_then(|attempt| {
        let same = |one: &&Candidate| one.backend == attempt.backend && one.model == attempt.model;
        row.decision.candidates.iter().find(same).map(|one| (attempt, one.estimate))
    });
    if let Some((attempt, estimate)) = predicted {
        let actual = cost_text(ctx, row.cost().unwrap_or(Cost::UNKNOWN));
        let cost = estimate.cost.map_or_else(|| "price unknown".to_owned(), |cost| format!("~{cost}"));
        lines.push(fact(ctx, "cost", &format!("{actual}, predicted {cost}{}", off(row.cost(), estimate.cost))));
        let actual = attempt.first_token.map_or_else(|| "came whole".to_owned(), text::duration);
        let expected = text::millis(u64::from(estimate.first_token_ms));
        lines.push(fact(ctx, "first token", &format!("{actual}, expected within {expected}")));
        if let Some(usage) = attempt.usage {
            let words = format!(
                "{} in, {} out, predicted ~{} in, ~{} to {} out",
                usage.prompt(),
                usage.output,
                estimate.input_tokens,
                estimate.output_tokens.p50,
                estimate.output_tokens.p90
            );
            lines.push(fact(ctx, "tokens", &words));
        }
    }
    if let Some(judgement) = row.judgement {
        lines.push(fact(ctx, "judged", judgement.name()));
    }
    lines.push(Line::default());
}

/// By how much a cost differs from its prediction.
fn off(actual: Option<Cost>, predicted: Option<Money>) -> String {
    let actual = actual.and_then(|cost| cost.amount);
    match (actual, predicted) {
        (Some(actual), Some(predicted)) if predicted > Money::ZERO => {
            text::percent(actual.0 - predicted.0, predicted.0).map_or_else(String::new, |off| format!(" ({off:+.0} %)"))
        }
        _ => String::new(),
    }
}

/// Where the same request would go at this moment.
fn now_lines(ctx: &Ctx<'_>, then: &Decision, columns: usize) -> Vec<Line<'static>> {
    let Some(snapshot) = ctx.snapshot else { return Vec::new() };
    let now = decide(then.matter(), &snapshot.fleet, &snapshot.policy, ctx.now);
    let place = |one: &Candidate| (one.backend.clone(), one.model.clone());
    let same = now.chosen().map(place) == then.chosen().map(place);
    let words = match now.chosen() {
        Some(_) if same => "it would go the same way".to_owned(),
        Some(one) => format!("it would go to {} {} on {}", one.tier, one.model, one.backend),
        None => "nobody could serve it".to_owned(),
    };
    let mut lines = vec![title(ctx, "if it came now"), fact(ctx, "where", &words)];
    if !same {
        let why = text::fit(&text::sanitise_line(&now.headline()), columns.saturating_sub(12), ctx.glyphs.ellipsis);
        lines.push(fact(ctx, "why", &why));
    }
    let cost = |decision: &Decision| decision.chosen().and_then(|one| one.estimate.cost);
    if let (Some(now), Some(then)) = (cost(&now), cost(then)) {
        lines.push(fact(ctx, "cost", &format!("~{now}, when it came ~{then}")));
    }
    lines
}

fn guard_words(decision: &Decision) -> String {
    use crate::domain::privacy::{Finding, Ruling};
    let mut kinds: Vec<&str> = decision.verdict.findings.iter().map(Finding::words).collect();
    let count = kinds.len();
    kinds.sort_unstable();
    kinds.dedup();
    let found = if count == 0 { "nothing found".to_owned() } else { format!("{count} found: {}", kinds.join(", ")) };
    let ruling = match decision.verdict.ruling {
        Ruling::Free => "may leave this machine",
        Ruling::FreeRedacted => "may leave this machine, redacted",
        Ruling::KeepAsAsked => "stays on this machine, as asked",
        Ruling::KeepAsFound => "stays on this machine",
        Ruling::Refuse => "goes nowhere",
    };
    format!("{found}; {ruling}")
}

fn candidates(ctx: &Ctx<'_>, decision: &Decision, columns: usize, lines: &mut Vec<Line<'static>>) {
    let Some(first) = decision.candidates.first() else {
        lines.push(Line::from(ctx.span(Role::Bad, "no candidate")));
        lines.push(Line::default());
        return;
    };
    let wide = columns >= ONE_LINE;
    if columns < TABLE {
        lines.push(title(ctx, "candidates, in the order in which they are tried"));
        for (index, one) in decision.candidates.iter().enumerate() {
            lines.extend(narrow(ctx, index, one, columns));
        }
        lines.push(Line::default());
        return;
    }
    let terms = first.terms.iter().map(|term| text::pad_left(term.part.name(), column(term))).collect::<String>();
    lines.push(title(ctx, "candidates, in the order in which they are tried"));
    // Number, tier, score and terms have their places; the name has the rest.
    let fixed = 3 + 9 + 6 + text::width(&terms) + if wide { 20 } else { 0 };
    let name = columns.saturating_sub(fixed).clamp(12, 44);
    let more = if wide { format!("{:>10}{:>9}", "cost", "ttft") } else { String::new() };
    lines.push(Line::from(ctx.span(Role::Dim, format!("{}{:>6}{terms}{more}", " ".repeat(3 + 9 + name), "score"))));
    for (index, one) in decision.candidates.iter().enumerate() {
        let mut line = candidate(ctx, index, one, name);
        if wide {
            let cost = one.estimate.cost.map_or_else(|| ctx.glyphs.none.to_owned(), |cost| format!("~{cost}"));
            let basis = if one.estimate.measured { " " } else { "?" };
            let first = format!("{}{basis}", text::millis(u64::from(one.estimate.first_token_ms)));
            line.push_span(
                ctx.span(Role::Text, format!("{}{}", text::pad_left(&cost, 10), text::pad_left(&first, 10))),
            );
        }
        lines.push(line);
        // What is tried first deserves its second line in any case.
        if !wide || index == 0 {
            lines.push(estimate(ctx, one, columns));
        }
    }
    lines.push(Line::default());
}

/// A candidate where there is no room for a table: its terms in words, wrapped.
fn narrow(ctx: &Ctx<'_>, index: usize, one: &Candidate, columns: usize) -> Vec<Line<'static>> {
    let place = text::sanitise_line(&format!("{} {}", one.backend, one.model));
    let room = columns.saturating_sub(3 + 9 + 7);
    let mut lines = vec![
        Line::from(vec![
            ctx.span(Role::Dim, format!("{:>2} ", index + 1)),
            ctx.span(Role::Series(one.tier), text::pad(one.tier.name(), 9)),
            ctx.span(
                if index == 0 { Role::Title } else { Role::Text },
                text::pad(&text::fit_middle(&place, room, ctx.glyphs.ellipsis), room),
            ),
            ctx.span(Role::Text, format!("{:>7.3}", one.score)),
        ]),
        estimate(ctx, one, columns),
    ];
    let terms: Vec<String> =
        one.terms.iter().map(|term| format!("{} {:.3}", term.part.name(), term.value * term.weight)).collect();
    let rows = text::wrap(&terms.join("  "), columns.saturating_sub(12));
    lines.extend(rows.into_iter().map(|row| Line::from(ctx.span(Role::Dim, format!("            {row}")))));
    lines
}

/// The width of a term's column.
fn column(term: &Term) -> usize {
    FIGURE.max(text::width(term.part.name()) + 2)
}

fn candidate(ctx: &Ctx<'_>, index: usize, one: &Candidate, name: usize) -> Line<'static> {
    let place = format!("{} {}", one.backend, one.model);
    let place = text::pad(&text::fit_middle(&place, name - 1, ctx.glyphs.ellipsis), name);
    let mut spans = vec![
        ctx.span(Role::Dim, format!("{:>2} ", index + 1)),
        ctx.span(Role::Series(one.tier), text::pad(one.tier.name(), 9)),
        ctx.span(if index == 0 { Role::Title } else { Role::Text }, place),
        ctx.span(Role::Text, format!("{:>6.3}", one.score)),
    ];
    for term in &one.terms {
        // What a term adds to the score: that, and not its value, is what the order comes from.
        let role = if term.value * term.weight >= 0.05 { Role::Text } else { Role::Dim };
        spans.push(ctx.span(role, format!("{:>1$.3}", term.value * term.weight, column(term))));
    }
    Line::from(spans)
}

fn estimate(ctx: &Ctx<'_>, one: &Candidate, columns: usize) -> Line<'static> {
    let estimate = &one.estimate;
    let cost = match (estimate.cost, estimate.cost_upper) {
        (Some(cost), Some(upper)) if upper > cost => format!("~{cost} to {upper}"),
        (Some(cost), _) => format!("~{cost}"),
        (None, _) => "price unknown".to_owned(),
    };
    let basis = if estimate.measured { "measured p95" } else { "assumed" };
    let cold = if estimate.cold { ", cold start" } else { "" };
    let standing = match (one.last_resort, one.preferred) {
        (true, _) => ", last resort",
        (false, false) => ", stands in",
        (false, true) => "",
    };
    let words =
        format!("{cost}, first token {} ({basis}{cold}){standing}", text::millis(u64::from(estimate.first_token_ms)));
    Line::from(ctx.span(Role::Dim, text::fit(&format!("            {words}"), columns, ctx.glyphs.ellipsis)))
}

fn rejections(ctx: &Ctx<'_>, decision: &Decision, columns: usize, lines: &mut Vec<Line<'static>>) {
    if decision.rejected.is_empty() {
        return;
    }
    lines.push(title(ctx, "not considered"));
    for one in &decision.rejected {
        let model = one.model.as_ref().map(|model| format!(" {model}")).unwrap_or_default();
        let place = text::fit_middle(&format!("{}{model}", one.backend), 24, ctx.glyphs.ellipsis);
        let reason = text::sanitise_line(&one.reason.to_string());
        let room = columns.saturating_sub(37);
        let mut rows = text::wrap(&reason, room).into_iter();
        lines.push(Line::from(vec![
            ctx.span(Role::Series(one.tier), format!("   {}", text::pad(one.tier.name(), 9))),
            ctx.span(Role::Text, text::pad(&place, 25)),
            ctx.span(Role::Text, rows.next().unwrap_or_default()),
        ]));
        lines.extend(rows.map(|row| Line::from(vec![Span::raw(" ".repeat(37)), ctx.span(Role::Text, row)])));
        lines.push(Line::from(
            ctx.span(Role::Dim, format!("{}{} {}", " ".repeat(37), ctx.glyphs.arrow, one.reason.remedy())),
        ));
    }
    lines.push(Line::default());
}

fn attempts(ctx: &Ctx<'_>, row: &RequestRow, columns: usize, lines: &mut Vec<Line<'static>>) {
    lines.push(title(ctx, "attempts"));
    for attempt in &row.attempts {
        lines.extend(attempt_lines(ctx, attempt, columns));
    }
    match (&row.finished, row.at_work.current()) {
        (Some(_), _) if row.attempts.is_empty() => lines.push(Line::from(ctx.span(Role::Dim, "none"))),
        (Some(_), _) => {}
        (None, Some(_)) => {
            for sent in row.at_work.beside().into_iter().chain(row.at_work.current()) {
                lines.push(Line::from(vec![
                    ctx.span(Role::Accent, format!("{} ", ctx.spinner())),
                    ctx.span(Role::Text, format!("{} {} since {}", sent.backend, sent.model, ctx.age(sent.at))),
                ]));
            }
        }
        (None, None) => lines.push(Line::from(ctx.span(Role::Dim, "none yet"))),
    }
    lines.push(Line::default());
}

fn attempt_lines(ctx: &Ctx<'_>, attempt: &Attempt, columns: usize) -> Vec<Line<'static>> {
    let (sign, role, words) = match &attempt.outcome {
        Ok(_) => (ctx.glyphs.up, Role::Ok, "answered".to_owned()),
        Err(failure) if !attempt.has_failed() => (ctx.glyphs.none, Role::Dim, failure.message.clone()),
        Err(failure) => (ctx.glyphs.down, Role::Bad, text::sanitise_line(&failure.to_string())),
    };
    let first =
        attempt.first_token.map_or_else(|| "no token".to_owned(), |after| format!("ttft {}", text::duration(after)));
    let last_resort = if attempt.last_resort { "as the last resort, " } else { "" };
    let usage = attempt.usage.map_or_else(
        || "usage not told".to_owned(),
        |usage| format!("{} in, {} out", text::count(usage.prompt()), text::count(usage.output)),
    );
    let mut lines = vec![Line::from(vec![
        ctx.span(Role::Dim, format!("{:>2} ", attempt.number)),
        ctx.span(role, format!("{sign} ")),
        ctx.span(Role::Series(attempt.tier), attempt.tier.name()),
        ctx.span(Role::Text, format!(" {} {}", attempt.backend, attempt.model)),
        ctx.span(
            Role::Dim,
            format!(
                "  {last_resort}{first}, {} in all, {usage}, {}",
                text::duration(attempt.total),
                cost_text(ctx, attempt.cost)
            ),
        ),
    ])];
    for row in text::wrap(&words, columns.saturating_sub(5)) {
        lines.push(Line::from(vec![Span::raw("     "), Span::styled(row, ctx.style(role))]));
    }
    lines
}
