//! GPUs: those in this machine and those rented. A value that nobody gave is left out, an old one is shown with its age,
//! and a source that gives nothing says why in one line.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{Ctx, put};
use crate::domain::machine::{GpuReadings, GpuSample};
use crate::domain::time::Timestamp;
use crate::tui::layout::Pane;
use crate::tui::text;
use crate::tui::theme::Role;
use crate::tui::widgets::meter::meter;

/// A sample older than this is shown with its age in a warning's role.
const STALE_SECONDS: u64 = 60;

/// The pane.
#[derive(Clone, Debug, Default)]
pub struct GpuPane {
    /// Rows scrolled away.
    pub scroll: usize,
}

impl GpuPane {
    /// Draws.
    pub fn render(&mut self, ctx: &Ctx<'_>, area: Rect, buf: &mut Buffer) {
        let Some(snapshot) = ctx.snapshot else {
            let inner = ctx.frame(Pane::Gpu, Line::default(), Line::default(), area, buf);
            ctx.say("waiting for the engine", inner, buf);
            return;
        };
        let rented = snapshot.telemetry.rented_per_hour();
        let facts = if rented > crate::domain::money::Money::ZERO {
            Line::from(ctx.span(Role::Text, format!(" {rented}/h ")))
        } else {
            Line::default()
        };
        let inner = ctx.frame(Pane::Gpu, Line::default(), facts, area, buf);
        let width = usize::from(inner.width);
        let telemetry = &snapshot.telemetry;
        let mut lines = source(ctx, "local", &telemetry.local, None, width);
        if ctx.zoomed {
            lines.push(Line::default());
        }
        let balance = telemetry.runpod_balance.map(|balance| format!("balance {balance}"));
        lines.extend(source(ctx, "runpod", &telemetry.runpod, balance, width));
        // Low on room, the separate title of a source with samples goes first.
        let height = usize::from(inner.height);
        self.scroll = self.scroll.min(lines.len().saturating_sub(height));
        for (row, line) in lines.iter().skip(self.scroll).take(height).enumerate() {
            put(buf, inner, row as u16, line);
        }
        ctx.more_below(lines.len().saturating_sub(self.scroll + height), area, buf);
    }
}

fn source(ctx: &Ctx<'_>, name: &str, readings: &GpuReadings, note: Option<String>, width: usize) -> Vec<Line<'static>> {
    let title = |state: Vec<Span<'static>>| {
        let mut spans = vec![Span::raw(" "), ctx.span(Role::Title, text::pad(name, 7))];
        spans.extend(state);
        let failed = matches!(readings, GpuReadings::Failed { .. });
        let room = width.saturating_sub(spans.iter().map(Span::width).sum::<usize>() + 2);
        if let Some(note) = note.as_ref().filter(|note| !failed && text::width(note) <= room) {
            spans.push(ctx.span(Role::Dim, format!("  {note}")));
        }
        Line::from(spans)
    };
    match readings {
        GpuReadings::Loading => vec![title(vec![ctx.span(Role::Dim, "reading")])],
        GpuReadings::Absent { why } => {
            vec![title(vec![
                ctx.span(Role::Dim, text::fit(&text::sanitise_line(why), width.saturating_sub(9), ctx.glyphs.ellipsis)),
            ])]
        }
        GpuReadings::Ok { gpus, at } => {
            let mut lines = vec![title(vec![age(ctx, *at)])];
            if gpus.is_empty() {
                lines.push(Line::from(ctx.span(Role::Dim, "  none running")));
            }
            lines.extend(gpus.iter().flat_map(|gpu| card(ctx, gpu, false, width)));
            lines
        }
        GpuReadings::Failed { why, retry_at, last, at } => {
            let retry = format!("retry in {}", ctx.wait(*retry_at));
            let room = width.saturating_sub(11 + retry.len());
            let cause = text::fit(&text::sanitise_line(why), room, ctx.glyphs.ellipsis);
            let mut lines = vec![title(vec![ctx.span(Role::Bad, cause), ctx.span(Role::Dim, format!(", {retry}"))])];
            if let Some(at) = at {
                let mut spans = vec![ctx.span(Role::Dim, "  as of ")];
                spans.push(age(ctx, *at));
                lines.push(Line::from(spans));
            }
            lines.extend(last.iter().flat_map(|gpu| card(ctx, gpu, true, width)));
            lines
        }
    }
}

fn age(ctx: &Ctx<'_>, at: Timestamp) -> Span<'static> {
    let old = ctx.now.since(at).as_secs() > STALE_SECONDS;
    ctx.span(if old { Role::Warn } else { Role::Dim }, format!("{} ago", ctx.age(at)))
}

/// One card: its name and what it costs, then its readings.
fn card(ctx: &Ctx<'_>, gpu: &GpuSample, stale: bool, width: usize) -> Vec<Line<'static>> {
    let plain = if stale { Role::Dim } else { Role::Text };
    let mut right = Vec::new();
    if let Some(state) = &gpu.state {
        right.push(ctx.span(if gpu.billed { plain } else { Role::Dim }, text::sanitise_line(state)));
    }
    if let Some(hourly) = gpu.hourly {
        let role = if gpu.billed { plain } else { Role::Dim };
        right.push(ctx.span(role, format!("{hourly}/h")));
    }
    if let Some(uptime) = gpu.uptime_seconds.filter(|_| gpu.billed) {
        right.push(ctx.span(Role::Dim, format!("up {}", text::age(std::time::Duration::from_secs(uptime)))));
    }
    let taken: usize = right.iter().map(|span| span.width() + 2).sum();
    let mut name = text::sanitise_line(&gpu.name);
    if let Some(model) = &gpu.model {
        name = format!("{name} ({})", text::sanitise_line(model));
    }
    let name = text::fit_middle(&name, width.saturating_sub(taken + 3), ctx.glyphs.ellipsis);
    let mut first = vec![Span::raw("  "), ctx.span(plain, name)];
    for span in right {
        first.push(Span::raw("  "));
        first.push(span);
    }
    if width < 40 {
        return vec![brief(ctx, gpu, plain, width)];
    }
    // What does not fit behind the others begins a line of its own.
    let mut lines = vec![Line::from(first)];
    let mut line: Vec<Span<'static>> = Vec::new();
    for part in readings(ctx, gpu, stale, width) {
        let taken: usize = line.iter().chain(&part).map(Span::width).sum();
        if taken > width && !line.is_empty() {
            lines.push(Line::from(std::mem::take(&mut line)));
        }
        line.extend(part);
    }
    if !line.is_empty() {
        lines.push(Line::from(line));
    }
    lines
}

/// A card on one short line: its name, load and memory, or its price where it has no load.
fn brief(ctx: &Ctx<'_>, gpu: &GpuSample, plain: Role, width: usize) -> Line<'static> {
    let load = gpu.utilisation.map(|load| format!("{load}%"));
    let memory = memory_percent(gpu).map(|percent| format!("mem {percent:.0}%"));
    let hourly = gpu.hourly.filter(|_| load.is_none()).map(|hourly| format!("{hourly}/h"));
    let numbers = [load, memory, hourly].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let room = width.saturating_sub(text::width(&numbers) + 3);
    let name = text::pad(&text::fit_middle(&text::sanitise_line(&gpu.name), room, ctx.glyphs.ellipsis), room);
    Line::from(vec![Span::raw("  "), ctx.span(Role::Dim, name), ctx.span(plain, format!(" {numbers}"))])
}

/// The readings in parts that stay together on a line.
fn readings(ctx: &Ctx<'_>, gpu: &GpuSample, stale: bool, width: usize) -> Vec<Vec<Span<'static>>> {
    let plain = if stale { Role::Dim } else { Role::Text };
    let cells = if width >= 60 { 10 } else { 6 };
    let mut parts = Vec::new();
    if let Some(load) = gpu.utilisation {
        let mut part = vec![ctx.span(Role::Dim, "  util ")];
        part.extend(meter(ctx, f64::from(load), cells, if stale { Role::Dim } else { Role::Ok }));
        part.push(ctx.span(plain, format!("{load:>4}%")));
        parts.push(part);
    }
    if let Some(percent) = memory_percent(gpu) {
        let role = match percent {
            _ if stale => Role::Dim,
            p if p >= 95.0 => Role::Bad,
            p if p >= 85.0 => Role::Warn,
            _ => Role::Ok,
        };
        let mut part = vec![ctx.span(Role::Dim, "  mem ")];
        part.extend(meter(ctx, percent, cells, role));
        let amount = match (gpu.memory_used, gpu.memory_total) {
            (Some(used), Some(total)) => format!(" {}/{}G", text::gib(used), text::gib(total)),
            _ => format!("{percent:>4.0}%"),
        };
        part.push(ctx.span(plain, amount));
        parts.push(part);
    }
    if let Some(celsius) = gpu.temperature {
        let role = match gpu.slowdown_temperature {
            _ if stale => Role::Dim,
            Some(limit) if celsius >= limit => Role::Bad,
            Some(limit) if celsius + 5 >= limit => Role::Warn,
            _ => plain,
        };
        parts.push(vec![ctx.span(role, format!("  {celsius}{}", ctx.glyphs.celsius))]);
    }
    if let Some(power) = gpu.power {
        let limit = gpu.power_limit.map(|limit| format!("/{limit}")).unwrap_or_default();
        parts.push(vec![ctx.span(plain, format!("  {power}{limit}W"))]);
    }
    if let Some(fan) = gpu.fan {
        parts.push(vec![ctx.span(Role::Dim, format!("  fan {fan}%"))]);
    }
    parts
}

#[expect(clippy::cast_precision_loss, reason = "display only")]
fn memory_percent(gpu: &GpuSample) -> Option<f64> {
    match (gpu.memory_used, gpu.memory_total) {
        (Some(used), Some(total)) if total > 0 => Some(used as f64 * 100.0 / total as f64),
        _ => gpu.memory_percent.map(f64::from),
    }
}
