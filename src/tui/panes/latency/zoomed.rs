//! A chart with its axes.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{Track, stat_line, stats_width};
use crate::tui::panes::{Ctx, put, row_of};
use crate::tui::text;
use crate::tui::theme::Role;
use crate::tui::widgets::spark;

/// The room for the name on the left.
pub(super) const NAME: u16 = 22;
/// The room for the values of the scale.
pub(super) const AXIS: u16 = 7;

/// A tier's or a model's chart: its name, the scale, the chart, its numbers.
pub(super) fn track(
    ctx: &Ctx<'_>,
    track: &Track<'_>,
    (cells, stretch): (&[spark::Cell], u16),
    axis: spark::Axis,
    block: Rect,
    buf: &mut Buffer,
) {
    let cut = ctx.glyphs.ellipsis;
    let room = usize::from(NAME) - 4;
    let (first, second) = match &track.model {
        None => (Span::styled(format!(" {}", track.tier), ctx.style(Role::Series(track.tier))), String::new()),
        Some((model, backend)) => (
            ctx.span(Role::Text, format!("   {}", text::fit_middle(&text::sanitise_line(model.as_str()), room, cut))),
            format!("   {}", text::fit_middle(&text::sanitise_line(backend), room, cut)),
        ),
    };
    put(buf, Rect { width: block.width.min(NAME), ..block }, 0, &Line::from(first));
    let count = if track.summary.count > 0 { format!("   n {}", track.summary.count) } else { String::new() };
    let below = if second.is_empty() { count } else { second };
    put(buf, Rect { width: block.width.min(NAME), ..block }, 1, &Line::from(ctx.span(Role::Dim, below)));
    let height = block.height.saturating_sub(1).max(1);
    let stats = stats_width(block.width);
    let left = NAME + AXIS;
    let chart = Rect {
        x: block.x + block.width.min(left),
        width: block.width.saturating_sub(left + stats + 1),
        height,
        ..block
    };
    for (row, value) in [(0, axis.top), (height / 2, axis.middle()), (height - 1, axis.bottom())] {
        if row == 0 || (height >= 3 && row < height) {
            let words = if value == 0 { "0".to_owned() } else { text::millis(u64::from(value)) };
            let scale = Rect {
                x: block.x + block.width.min(NAME),
                width: block.width.saturating_sub(NAME).min(AXIS - 1),
                ..block
            };
            put(buf, scale, row, &Line::from(ctx.span(Role::Dim, text::pad_left(&words, usize::from(AXIS) - 1))));
        }
    }
    spark::draw(ctx, cells, stretch, axis, Role::Series(track.tier), chart, buf);
    let numbers = Rect { x: block.right().saturating_sub(stats), width: stats, ..block };
    let good = track.summary.count.saturating_sub(track.summary.failed);
    if stats == 0 {
        return;
    }
    if track.summary.count == 0 {
        put(buf, numbers, 0, &Line::from(ctx.span(Role::Dim, " no traffic")));
        return;
    }
    let mut lines = vec![stat_line(ctx, "ttft ", track.summary.first_token, good, stats)];
    if block.height > 2 {
        lines.push(stat_line(ctx, "total", track.summary.total, good, stats));
    }
    if block.height > 3 {
        let speed = track.summary.tokens_per_second.map_or_else(String::new, |speed| format!(" {speed:.0} tok/s "));
        let failed = match track.summary.failed {
            0 => String::new(),
            failed => format!(" {failed} failed"),
        };
        lines.push(Line::from(vec![ctx.span(Role::Text, speed), ctx.span(Role::Bad, failed)]));
    }
    for (index, line) in lines.iter().enumerate() {
        put(buf, row_of(numbers, index as u16), 0, line);
    }
}

/// The ages at the left end, at each quarter, and now: under the columns that are drawn, which may be fewer than there is
/// room for. They end where the room does.
pub(super) fn time_axis(ctx: &Ctx<'_>, span: Duration, (columns, room): (u16, u16), row: Rect, buf: &mut Buffer) {
    let columns = columns.min(room);
    let start = row.x + row.width.min(NAME + AXIS) + (room - columns);
    for quarter in 0..=4_u16 {
        let age = span.saturating_mul(u32::from(4 - quarter)) / 4;
        let words = if quarter == 4 { "now".to_owned() } else { format!("-{}", exact(age)) };
        let width = text::width(&words) as u16;
        let at = columns * quarter / 4;
        // The last label ends where the chart does.
        let x = start + if quarter == 4 { columns.saturating_sub(width) } else { at };
        if (quarter % 2 == 0 || columns >= 60) && x + width <= row.right() {
            put(buf, Rect { x, width, ..row }, 0, &Line::from(ctx.span(Role::Dim, words)));
        }
    }
}

/// An age without rounding: a label on an axis that is half a minute off would be wrong.
fn exact(age: Duration) -> String {
    let (hours, minutes, seconds) = (age.as_secs() / 3_600, age.as_secs() / 60 % 60, age.as_secs() % 60);
    match (hours, minutes, seconds) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, 0) => format!("{minutes}m"),
        (0, minutes, seconds) => format!("{minutes}m{seconds:02}s"),
        (hours, 0, _) => format!("{hours}h"),
        (hours, minutes, _) => format!("{hours}h{minutes:02}m"),
    }
}
