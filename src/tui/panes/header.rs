//! The first line, the worst warning and the last line.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{Ctx, put};
use crate::domain::money::Money;
use crate::domain::tier::Tier;
use crate::domain::time::Timestamp;
use crate::engine::warnings::{Severity, Warning};
use crate::tui::layout::{Pane, Size};
use crate::tui::status;
use crate::tui::text;
use crate::tui::theme::Role;

/// How often a rate of minutes is worth a frame of its own.
const BURN: std::time::Duration = std::time::Duration::from_secs(10);

/// Modes that the operator must not overlook.
#[derive(Clone, Copy, Debug, Default)]
pub struct Modes {
    /// The keys that change the fleet are taken away.
    pub read_only: bool,
    /// Since when the display is held, by the real clock, and the real present.
    pub frozen: Option<(Timestamp, Timestamp)>,
    /// The program's version.
    pub version: &'static str,
    /// The mouse is ours.
    pub mouse: bool,
    /// Warnings that should not wait.
    pub warnings: usize,
    /// Requests of the last minutes that got no answer.
    pub unserved: usize,
    /// Whether the worst of them has a row of its own.
    pub warning_row: bool,
}

/// The first line.
pub fn header(ctx: &Ctx<'_>, modes: Modes, area: Rect, buf: &mut Buffer) {
    let mut left = Vec::new();
    let badge = |spans: &mut Vec<Span<'static>>, words: String| {
        spans.push(ctx.span(Role::Badge, format!(" {words} ")));
        spans.push(Span::raw(" "));
    };
    if area.width >= 50 {
        left.push(ctx.span(Role::Title, " llm-call "));
        if area.width >= 120 {
            left.push(ctx.span(Role::Dim, modes.version));
        }
        left.push(Span::raw("  "));
    }
    if ctx.snapshot.is_some_and(|snapshot| snapshot.simulated) {
        badge(&mut left, "DEMO".to_owned());
    }
    if modes.read_only {
        badge(&mut left, "READ-ONLY".to_owned());
    }
    if let Some((at, now)) = modes.frozen {
        ctx.changes_in(text::age_lasts(now.since(at)));
        badge(&mut left, format!("FROZEN {}", text::age(now.since(at))));
    }
    if let Some(snapshot) = ctx.snapshot {
        let probed = snapshot.fleet.backends.iter().any(|backend| backend.probed_at.is_some());
        let serving = if probed { status::serving_tiers(&snapshot.fleet, ctx.now) } else { 0 };
        let total = Tier::ALL.into_iter().filter(|tier| snapshot.fleet.of_tier(*tier).next().is_some()).count();
        let (sign, role) = match serving {
            _ if !probed => (ctx.glyphs.unknown, Role::Unknown),
            _ if serving == total => (ctx.glyphs.up, Role::Ok),
            0 => (ctx.glyphs.down, Role::Bad),
            _ => (ctx.glyphs.degraded, Role::Warn),
        };
        left.push(ctx.span(role, format!("{sign} {serving}/{total} ")));
        if area.width < 50 {
            if let Some(rate) = snapshot.fleet.spend.burn_per_hour(ctx.now).filter(|_| area.width >= 16) {
                burns(ctx, rate);
                left.push(ctx.span(Role::Text, format!(" ~{rate}/h ")));
            }
            if modes.warnings > 0 {
                left.push(ctx.span(Role::Bad, format!(" {} {}", ctx.glyphs.warning, modes.warnings)));
            }
        } else {
            left.push(ctx.span(Role::Dim, "tiers"));
            left.push(ctx.span(Role::Text, format!("  {} ", snapshot.in_flight)));
            left.push(ctx.span(Role::Dim, "in flight"));
            if modes.unserved > 0 {
                left.push(ctx.span(Role::Bad, format!("  {} unserved", modes.unserved)));
            }
        }
        // With one pane at a time, which ones there are matters more.
        if area.width >= 80 || (area.width >= 50 && ctx.size != Size::Small) {
            let burn = snapshot.fleet.spend.burn_per_hour(ctx.now);
            left.push(ctx.span(Role::Dim, "  burn "));
            left.push(match burn {
                Some(rate) => {
                    burns(ctx, rate);
                    ctx.span(Role::Text, format!("~{rate}/h"))
                }
                None => ctx.span(Role::Dim, "-"),
            });
        }
    } else {
        left.push(ctx.span(Role::Dim, "starting"));
    }
    let left = Line::from(left);
    put(buf, area, 0, &left);
    // What matters most takes its place first; what no longer fits is left out.
    let mut room = usize::from(area.width).saturating_sub(left.width() + 2);
    let mut right = Vec::new();
    for (group, changes) in right_groups(ctx, modes, area.width) {
        let width: usize = group.iter().map(Span::width).sum();
        if width <= room {
            room -= width;
            right.splice(0..0, group);
            // An age that is not shown is no reason for a frame.
            changes.into_iter().for_each(|after| ctx.changes_in(after));
        }
    }
    let right = Line::from(right);
    let width = right.width() as u16;
    put(buf, Rect { x: area.right().saturating_sub(width), width, ..area }, 0, &right);
}

/// A rate fades with the minutes that it is taken over; where nothing burns, nothing fades.
fn burns(ctx: &Ctx<'_>, rate: Money) {
    if rate > Money::ZERO {
        ctx.changes_in(BURN);
    }
}

/// Words that stand together, and after how long they will be others.
type Group = (Vec<Span<'static>>, Option<std::time::Duration>);

/// What stands on the right of the first line, the most important first.
fn right_groups(ctx: &Ctx<'_>, modes: Modes, width: u16) -> Vec<Group> {
    let mut groups = Vec::new();
    if ctx.size == Size::Small {
        groups.push((tabs(ctx), None));
    }
    if modes.mouse {
        groups.push((vec![ctx.span(Role::Accent, "mouse ")], None));
    }
    if modes.warnings > 0 && !modes.warning_row && width >= 50 {
        let s = if modes.warnings == 1 { "" } else { "s" };
        let words = if width >= 80 { format!(" warning{s}") } else { String::new() };
        let words = format!("{} {}{words}  ", ctx.glyphs.warning, modes.warnings);
        groups.push((vec![ctx.span(Role::Warn, words)], None));
    }
    let Some(snapshot) = ctx.snapshot else { return groups };
    if let Some(host) = snapshot.telemetry.host {
        let memory = format!("{}/{}G ", text::gib(host.memory_used), text::gib(host.memory_total));
        let spans = vec![
            ctx.span(Role::Dim, "cpu "),
            ctx.span(Role::Text, format!("{:>3.0}%", host.cpu)),
            ctx.span(Role::Dim, "  mem "),
            ctx.span(Role::Text, memory),
        ];
        groups.push((spans, None));
    }
    if width >= 60 {
        let up = ctx.now.since(snapshot.started);
        let words = format!("{} requests  up {}  ", snapshot.accepted, text::age(up));
        groups.push((vec![ctx.span(Role::Dim, words)], Some(text::age_lasts(up))));
    }
    groups
}

/// With one pane at a time, the header says which ones there are.
fn tabs(ctx: &Ctx<'_>) -> Vec<Span<'static>> {
    let mut spans = Vec::new();
    let screen = Some(ctx.focus).filter(|pane| pane.is_screen());
    for pane in Pane::BOARD.into_iter().chain(screen) {
        let role = if pane == ctx.focus { Role::Badge } else { Role::Dim };
        spans.push(ctx.span(role, pane.key().to_string()));
        spans.push(Span::raw(" "));
    }
    spans
}

/// The worst warning, and how many more there are.
pub fn warning(ctx: &Ctx<'_>, warnings: &[Warning], area: Rect, buf: &mut Buffer) {
    let Some(worst) = warnings.first() else { return };
    let role = severity_role(worst.severity);
    let key = ctx.keymap.key_of(crate::tui::action::Action::Warnings, Pane::Tiers);
    let tail = match (warnings.len(), key) {
        (1, Some(key)) => format!("  {key}: what to do "),
        (n, Some(key)) => format!("  +{} more, {key}: all ", n - 1),
        (_, None) => String::new(),
    };
    let room = usize::from(area.width).saturating_sub(4 + text::width(&tail));
    let words = text::fit(&text::sanitise_line(&worst.words), room, ctx.glyphs.ellipsis);
    let line = Line::from(vec![ctx.span(role, format!(" {} {words}", ctx.glyphs.warning)), ctx.span(Role::Dim, tail)]);
    put(buf, area, 0, &line);
}

/// The role of a severity.
#[must_use]
pub const fn severity_role(severity: Severity) -> Role {
    match severity {
        Severity::Critical => Role::Bad,
        Severity::Warning => Role::Warn,
        Severity::Notice => Role::Text,
    }
}

/// The keys that count now, as many as fit; help comes last and always.
pub fn footer(ctx: &Ctx<'_>, extra: &[(String, String)], area: Rect, buf: &mut Buffer) {
    let mut hints: Vec<(String, String)> = extra.to_vec();
    if extra.is_empty() {
        hints.extend(ctx.keymap.hints(ctx.focus).into_iter().map(|(key, hint)| (key.to_string(), hint.to_owned())));
    }
    let width = |(key, hint): &(String, String)| text::width(key) + text::width(hint) + 3;
    let help = hints.iter().position(|(_, hint)| hint == "help").map(|index| hints.remove(index));
    let mut room = usize::from(area.width).saturating_sub(1 + help.as_ref().map_or(0, width));
    let mut shown = Vec::new();
    for hint in hints {
        if width(&hint) > room {
            break;
        }
        room -= width(&hint);
        shown.push(hint);
    }
    shown.extend(help);
    let mut spans = vec![Span::raw(" ")];
    for (key, hint) in shown {
        spans.push(ctx.span(Role::Accent, key));
        spans.push(ctx.span(Role::Dim, format!(" {hint}  ")));
    }
    put(buf, area, 0, &Line::from(spans));
}
