//! GPUs: those in this machine and those rented. A value that nobody gave is left out, an old one is shown with its age,
//! and a source that gives nothing says why in one line.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{Ctx, put};
use crate::domain::machine::{GpuReadings, GpuSample};
use crate::domain::time::Timestamp;
use crate::telemetry::Telemetry;
use crate::tui::layout::Pane;
use crate::tui::text;
use crate::tui::theme::Role;
use crate::tui::widgets::meter::meter;

/// A sample older than this is shown with its age in a warning's role.
const STALE_SECONDS: u64 = 60;

/// Readings kept of each card: half an hour of them at two seconds each.
const READINGS: usize = 900;
/// Cards of which readings are kept; beyond, the charts of the rest stay empty.
const CARDS: usize = 64;
/// Programs listed of each card.
const PROCESSES: usize = 8;
/// How long a reading holds in a chart: hosted machines are asked twice a minute at the least.
const HOLDS: Duration = Duration::from_secs(40);
/// The span of a chart.
const CHART: Duration = Duration::from_secs(15 * 60);

/// The pane.
#[derive(Clone, Debug, Default)]
pub struct GpuPane {
    /// Rows scrolled away.
    pub scroll: usize,
    /// Readings by card, oldest first.
    history: HashMap<String, VecDeque<Reading>>,
}

/// What a card's charts are drawn from.
#[derive(Clone, Copy, Debug)]
struct Reading {
    at: Timestamp,
    load: Option<u8>,
    memory: Option<u8>,
}

impl GpuPane {
    /// Takes what was read anew into the charts.
    pub fn remember(&mut self, telemetry: &Telemetry) {
        for (source, readings) in [("local", &telemetry.local), ("runpod", &telemetry.runpod)] {
            let GpuReadings::Ok { gpus, at } = readings else { continue };
            // A machine that is gone makes room for the next one.
            self.history.retain(|_, known| known.back().is_some_and(|last| at.since(last.at) <= CHART));
            for (index, gpu) in gpus.iter().enumerate() {
                let card = card_name(source, index, gpu);
                let full = self.history.len() >= CARDS && !self.history.contains_key(&card);
                if full || (gpu.utilisation.is_none() && memory_percent(gpu).is_none()) {
                    continue;
                }
                let known = self.history.entry(card).or_default();
                if known.back().is_some_and(|last| last.at >= *at) {
                    continue;
                }
                if known.len() == READINGS {
                    known.pop_front();
                }
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a percentage")]
                let memory = memory_percent(gpu).map(|percent| percent.clamp(0.0, 100.0) as u8);
                known.push_back(Reading { at: *at, load: gpu.utilisation, memory });
            }
        }
    }

    /// Load and memory over the last minutes, two rows of eighths each, under a card.
    fn charts(&self, ctx: &Ctx<'_>, card: &str, width: usize) -> Vec<Line<'static>> {
        let Some(readings) = self.history.get(card) else { return Vec::new() };
        let columns = width.saturating_sub(19).min(180);
        if columns < 20 {
            return Vec::new();
        }
        ctx.changes_in(Duration::from_secs(5));
        let cell = i64::try_from(CHART.as_millis()).unwrap_or(i64::MAX) / columns as i64;
        let last = ctx.now.0.div_euclid(cell.max(1));
        let row = |name: &str, pick: fn(&Reading) -> Option<u8>, role: Role| {
            let mut cells: Vec<Option<u8>> = vec![None; columns];
            for reading in readings {
                let back = last - reading.at.0.div_euclid(cell.max(1));
                if let Some(index) = usize::try_from(back).ok().and_then(|back| (columns - 1).checked_sub(back)) {
                    cells[index] = cells[index].max(pick(reading));
                }
            }
            // A source that is asked less often than the chart has columns is no gap: a reading holds for a while.
            let holds = usize::try_from(HOLDS.as_millis() as i64 / cell.max(1)).unwrap_or(0);
            let (mut held, mut left) = (None, 0);
            for cell in &mut cells {
                match cell {
                    Some(_) => (held, left) = (*cell, holds),
                    None if left > 0 => (*cell, left) = (held, left - 1),
                    None => {}
                }
            }
            let bar = |cell: Option<u8>| match cell {
                None => ctx.span(Role::Dim, ctx.glyphs.gap),
                Some(percent) => ctx.span(role, ctx.glyphs.bars[usize::from(percent.min(100)) * 7 / 100]),
            };
            let mut spans = vec![ctx.span(Role::Dim, format!("  {}", text::pad(name, 6)))];
            spans.extend(cells.into_iter().map(bar));
            spans.push(ctx.span(Role::Dim, " last 15m"));
            Line::from(spans)
        };
        vec![row("util", |one| one.load, Role::Ok), row("mem", |one| one.memory, Role::Accent), Line::default()]
    }

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
        let mut lines = self.source(ctx, "local", &telemetry.local, None, width);
        if ctx.zoomed {
            lines.push(Line::default());
        }
        let balance = telemetry.runpod_balance.map(|balance| format!("balance {balance}"));
        lines.extend(self.source(ctx, "runpod", &telemetry.runpod, balance, width));
        // Low on room, the separate title of a source with samples goes first.
        let height = usize::from(inner.height);
        self.scroll = self.scroll.min(lines.len().saturating_sub(height));
        for (row, line) in lines.iter().skip(self.scroll).take(height).enumerate() {
            put(buf, inner, row as u16, line);
        }
        ctx.more_below(lines.len().saturating_sub(self.scroll + height), area, buf);
    }
}

fn age(ctx: &Ctx<'_>, at: Timestamp) -> Span<'static> {
    let old = ctx.now.since(at).as_secs() > STALE_SECONDS;
    ctx.span(if old { Role::Warn } else { Role::Dim }, format!("{} ago", ctx.age(at)))
}

impl GpuPane {
    fn source(
        &self,
        ctx: &Ctx<'_>,
        name: &str,
        readings: &GpuReadings,
        note: Option<String>,
        width: usize,
    ) -> Vec<Line<'static>> {
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
                vec![title(vec![ctx.span(
                    Role::Dim,
                    text::fit(&text::sanitise_line(why), width.saturating_sub(9), ctx.glyphs.ellipsis),
                )])]
            }
            GpuReadings::Ok { gpus, at } => {
                let mut lines = vec![title(vec![age(ctx, *at)])];
                if gpus.is_empty() {
                    lines.push(Line::from(ctx.span(Role::Dim, "  none running")));
                }
                lines.extend(
                    gpus.iter()
                        .enumerate()
                        .flat_map(|(at, gpu)| self.card(ctx, &card_name(name, at, gpu), gpu, (false, width))),
                );
                lines
            }
            GpuReadings::Failed { why, retry_at, last, at } => {
                let retry = if *retry_at > ctx.now {
                    format!("retry in {}", ctx.wait(*retry_at))
                } else {
                    "retrying".to_owned()
                };
                let room = width.saturating_sub(11 + retry.len());
                let cause = text::fit(&text::sanitise_line(why), room, ctx.glyphs.ellipsis);
                let mut lines =
                    vec![title(vec![ctx.span(Role::Bad, cause), ctx.span(Role::Dim, format!(", {retry}"))])];
                if let Some(at) = at {
                    let mut spans = vec![ctx.span(Role::Dim, "  as of ")];
                    spans.push(age(ctx, *at));
                    lines.push(Line::from(spans));
                }
                lines.extend(
                    last.iter()
                        .enumerate()
                        .flat_map(|(at, gpu)| self.card(ctx, &card_name(name, at, gpu), gpu, (true, width))),
                );
                lines
            }
        }
    }

    /// A card, and with the whole screen its charts.
    fn card(
        &self,
        ctx: &Ctx<'_>,
        card_name: &str,
        gpu: &GpuSample,
        (stale, width): (bool, usize),
    ) -> Vec<Line<'static>> {
        let mut lines = card(ctx, gpu, stale, width);
        if ctx.zoomed && ctx.focus == Pane::Gpu {
            lines.extend(details(ctx, gpu, stale));
            lines.extend(self.charts(ctx, card_name, width));
        }
        lines
    }
}

/// Tells a card from others of the same name.
fn card_name(source: &str, index: usize, gpu: &GpuSample) -> String {
    format!("{source} {index} {}", gpu.name)
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

/// What only the whole screen has room for: clocks, the link, what holds the card down, its errors and its programs.
fn details(ctx: &Ctx<'_>, gpu: &GpuSample, stale: bool) -> Vec<Line<'static>> {
    let plain = if stale { Role::Dim } else { Role::Text };
    let mut spans = Vec::new();
    let mut add = |name: &str, role: Role, words: String| {
        spans.push(ctx.span(Role::Dim, format!("  {name} ")));
        spans.push(ctx.span(role, words));
    };
    match (gpu.core_clock, gpu.memory_clock) {
        (Some(core), Some(memory)) => add("clocks", plain, format!("{core:>4} / {memory:>5} MHz")),
        (Some(clock), None) | (None, Some(clock)) => add("clock", plain, format!("{clock:>4} MHz")),
        (None, None) => {}
    }
    if let Some((generation, lanes)) = gpu.pcie {
        add("pcie", plain, format!("gen {generation} x{lanes}"));
    }
    if let Some(reasons) = &gpu.held_down_by {
        let (role, words) = match reasons.join(", ") {
            none if none.is_empty() => (Role::Dim, "nothing".to_owned()),
            some => (Role::Warn, text::sanitise_line(&some)),
        };
        add("held down by", role, words);
    }
    if let Some(errors) = gpu.memory_errors {
        add("memory errors", if errors > 0 { Role::Bad } else { Role::Dim }, errors.to_string());
    }
    let mut lines = if spans.is_empty() { Vec::new() } else { vec![Line::from(spans)] };
    for process in gpu.processes.iter().flatten().take(PROCESSES) {
        let (mark, role) = if process.serves_models() { (ctx.glyphs.pin, Role::Accent) } else { (" ", Role::Dim) };
        let name = process.name.as_deref().map_or_else(|| "?".to_owned(), text::sanitise_line);
        let memory =
            process.memory.map_or_else(|| ctx.glyphs.none.to_owned(), |bytes| format!("{}G", text::gib(bytes)));
        lines.push(Line::from(vec![
            ctx.span(Role::Dim, "  runs "),
            ctx.span(role, format!("{mark} {}", text::pad(&name, 20))),
            ctx.span(plain, text::pad_left(&memory, 7)),
            ctx.span(Role::Dim, format!("  pid {}", process.pid)),
        ]));
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
