//! All that is known of a part of the fleet.

use ratatui::text::Line;

use super::{fact, title};
use crate::domain::breaker::BreakerState;
use crate::domain::fleet::{Backend, Fleet, KeyState, Pin};
use crate::domain::tier::Target;
use crate::tui::panes::Ctx;
use crate::tui::status;
use crate::tui::text;
use crate::tui::theme::Role;

pub(super) fn part(ctx: &Ctx<'_>, target: &Target, columns: usize) -> Vec<Line<'static>> {
    let Some(snapshot) = ctx.snapshot else { return Vec::new() };
    let fleet = &snapshot.fleet;
    match target {
        Target::Tier(tier) => {
            let state = fleet.tier(*tier);
            let mut lines = vec![
                fact(ctx, "state", &status::of_tier(fleet, *tier, ctx.now).word),
                fact(ctx, "wanted", &admin_words(ctx, &state.admin)),
                fact(ctx, "in flight", &fleet.in_flight(target).to_string()),
                fact(ctx, "last 15 min", &summary_words(&state.summary)),
                Line::default(),
            ];
            lines.splice(2..2, pin_lines(ctx, fleet, target));
            for backend in fleet.of_tier(*tier) {
                lines.push(title(ctx, backend.spec.id.as_str()));
                lines.extend(backend_lines(ctx, snapshot, backend, columns));
                lines.push(Line::default());
            }
            lines
        }
        Target::Backend(id) | Target::Model(id, _) => {
            let mut lines = pin_lines(ctx, fleet, target);
            lines.extend(fleet.backend(id).into_iter().flat_map(|one| backend_lines(ctx, snapshot, one, columns)));
            lines
        }
    }
}

/// The pins on a part of the fleet, with who set them, until when and why.
fn pin_lines(ctx: &Ctx<'_>, fleet: &Fleet, target: &Target) -> Vec<Line<'static>> {
    let holding =
        fleet.pins.iter().filter(|pin| *pin.target == *target && pin.until.is_none_or(|until| ctx.now < until));
    let words = |pin: &Pin| {
        let only = if pin.only { ", nowhere else" } else { "" };
        let until = pin.until.map_or_else(String::new, |until| format!(", {} left", ctx.wait(until)));
        let reason = if pin.reason.is_empty() { String::new() } else { format!(" ({})", pin.reason) };
        fact(ctx, "pinned", &format!("{}{only} by {} {} ago{until}{reason}", pin.scope, pin.by, ctx.age(pin.since)))
    };
    holding.map(words).collect()
}

fn admin_words(ctx: &Ctx<'_>, admin: &crate::domain::fleet::Admin) -> String {
    let state = admin.state_at(ctx.now);
    let until = admin.until.map_or_else(String::new, |until| format!(", {} left", ctx.wait(until)));
    let reason = if admin.reason.is_empty() { String::new() } else { format!(" ({})", admin.reason) };
    format!("{} by {}{until}{reason}", state.name(), admin.by)
}

fn summary_words(summary: &crate::domain::latency::Summary) -> String {
    let Some(first) = summary.first_token else { return "no traffic".to_owned() };
    let total = summary.total.map_or_else(String::new, |total| {
        format!(", total p50 {} p95 {}", text::millis(u64::from(total.p50)), text::millis(u64::from(total.p95)))
    });
    format!(
        "{} attempts, {} failed, ttft p50 {} p95 {}{total}",
        summary.count,
        summary.failed,
        text::millis(u64::from(first.p50)),
        text::millis(u64::from(first.p95))
    )
}

fn backend_lines(
    ctx: &Ctx<'_>,
    snapshot: &crate::engine::Snapshot,
    backend: &Backend,
    columns: usize,
) -> Vec<Line<'static>> {
    let fleet = &snapshot.fleet;
    let mark = status::of_backend(fleet, backend, ctx.now);
    let mut lines = vec![Line::from(vec![
        ctx.span(Role::Dim, text::pad("state", 12)),
        ctx.span(mark.role, format!("{} {}", mark.sign.glyph(ctx.glyphs), mark.word)),
        ctx.span(Role::Dim, format!("  health {}", backend.health.name())),
    ])];
    if let Some(reason) = &mark.reason {
        lines.push(fact(ctx, "why", &reason.to_string()));
        lines.push(fact(ctx, "remedy", &reason.remedy()));
    }
    if !backend.detail.is_empty() {
        lines.push(fact(ctx, "says", &backend.detail));
    }
    lines.push(fact(ctx, "wanted", &admin_words(ctx, &backend.admin)));
    let breaker = match backend.breaker.state(ctx.now) {
        BreakerState::Closed => "closed".to_owned(),
        BreakerState::Open { until } => format!("open, a trial may pass in {}", ctx.wait(until)),
        BreakerState::HalfOpen { since } => format!("half-open, trial under way for {}", ctx.age(since)),
        BreakerState::Recovering { since } => {
            let limit = backend.breaker.limit(ctx.now).unwrap_or(1);
            format!("closed {} ago, {limit} in flight at most for now", ctx.age(since))
        }
    };
    lines.push(fact(ctx, "breaker", &breaker));
    let key = match &backend.spec.key {
        KeyState::NotNeeded => "not needed".to_owned(),
        KeyState::Present => "configured".to_owned(),
        KeyState::Missing { variable } => format!("missing: set {variable}"),
    };
    lines.push(fact(ctx, "key", &key));
    lines.push(fact(ctx, "speaks", &format!("{} at {}", backend.spec.protocol.name(), backend.spec.url)));
    let probe = match (backend.probed_at, backend.probe_took) {
        (Some(at), Some(took)) => format!("{} ago, took {}", ctx.age(at), text::duration(took)),
        (Some(at), None) => format!("{} ago", ctx.age(at)),
        (None, _) => "never".to_owned(),
    };
    lines.push(fact(ctx, "probe", &probe));
    let limit = backend.spec.max_in_flight.map_or_else(|| "no limit".to_owned(), |limit| format!("limit {limit}"));
    lines.push(fact(ctx, "in flight", &format!("{} ({limit})", backend.in_flight())));
    if let Some(used) = backend.memory_in_use().filter(|used| *used > 0) {
        let total = backend.spec.memory.map_or_else(String::new, |total| format!(" of {}G", text::gib(total)));
        lines.push(fact(ctx, "memory", &format!("{}G{total} in models", text::gib(used))));
    }
    for model in &backend.models {
        let mark = status::of_model(fleet, backend, model, ctx.now);
        let name = text::pad(&text::fit_middle(model.id.as_str(), 26, ctx.glyphs.ellipsis), 27);
        let words = text::fit(&summary_words(&model.summary), columns.saturating_sub(50), ctx.glyphs.ellipsis);
        lines.push(Line::from(vec![
            ctx.span(Role::Dim, text::pad("model", 12)),
            ctx.span(mark.role, format!("{} ", mark.sign.glyph(ctx.glyphs))),
            ctx.span(Role::Text, name),
            ctx.span(mark.role, text::pad(&mark.word, 9)),
            ctx.span(Role::Dim, words),
        ]));
    }
    lines
}
