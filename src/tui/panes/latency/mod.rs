//! Latency per tier over time: a chart with its scale and window written, and percentiles with how many they stand on.

mod zoomed;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{Ctx, put, row_of};
use crate::domain::id::ModelId;
use crate::domain::latency::{History, Percentiles, Series, Summary};
use crate::domain::tier::Tier;
use crate::tui::layout::Pane;
use crate::tui::text;
use crate::tui::theme::Role;
use crate::tui::widgets::spark::{self, Axis, Measure, Scale};

/// A window of time: its buckets, whether they are those of the day, and its name.
type Window = (u16, bool, &'static str);
/// From a minute to a day. The last hour is kept in buckets of five seconds, the day in buckets of two minutes.
const WINDOWS: [Window; 6] = [
    (12, false, "1m"),
    (60, false, "5m"),
    (180, false, "15m"),
    (720, false, "1h"),
    (180, true, "6h"),
    (720, true, "24h"),
];
/// Below this many samples a p95 is noise.
const ENOUGH: u32 = 20;

/// What shares a scale, and of what kind it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ScaleOf {
    /// All charts, so that they compare.
    #[default]
    All,
    /// Each chart its own.
    Each,
    /// All charts, each step up multiplying: milliseconds and minutes side by side.
    Log,
}

/// The pane.
#[derive(Clone, Debug)]
pub struct LatencyPane {
    window: usize,
    measure: Measure,
    scale_of: ScaleOf,
    shared: Scale,
    own: [Scale; 4],
    /// Charts scrolled away while it fills the screen.
    scroll: usize,
}

impl Default for LatencyPane {
    fn default() -> Self {
        Self {
            window: 1,
            measure: Measure::default(),
            scale_of: ScaleOf::default(),
            shared: Scale::default(),
            own: Default::default(),
            scroll: 0,
        }
    }
}

impl LatencyPane {
    /// A longer or shorter window.
    pub fn resize(&mut self, longer: bool) {
        let step = if longer { 1 } else { -1 };
        self.window = self.window.saturating_add_signed(step).min(WINDOWS.len() - 1);
    }

    /// The other measure. The scale starts anew.
    pub fn switch_measure(&mut self) {
        self.measure = if self.measure == Measure::FirstToken { Measure::Total } else { Measure::FirstToken };
        self.shared = Scale::default();
        self.own = Default::default();
    }

    /// One scale for all, one each, or a logarithmic one for all.
    pub const fn switch_scale(&mut self) {
        self.scale_of = match self.scale_of {
            ScaleOf::All => ScaleOf::Each,
            ScaleOf::Each => ScaleOf::Log,
            ScaleOf::Log => ScaleOf::All,
        };
    }

    fn scale_words(&self, top: u32) -> String {
        let top = text::millis(u64::from(top));
        match self.scale_of {
            ScaleOf::All => format!("0 to {top}"),
            ScaleOf::Each => "own scales".to_owned(),
            ScaleOf::Log => format!("log, {} to {top}", text::millis(u64::from(spark::LOG_FLOOR))),
        }
    }

    const fn axis(&self, top: u32) -> Axis {
        Axis { top, log: matches!(self.scale_of, ScaleOf::Log) }
    }

    /// Scrolls the charts of a zoomed pane.
    pub const fn step(&mut self, by: isize) {
        self.scroll = self.scroll.saturating_add_signed(by);
    }

    /// Draws.
    pub fn render(&mut self, ctx: &Ctx<'_>, area: Rect, buf: &mut Buffer) {
        let (buckets, _, window) = WINDOWS[self.window];
        let measure = if self.measure == Measure::FirstToken { "first token" } else { "total" };
        let words = match (area.width, self.measure) {
            (60.., _) => format!("{measure}, last {window} "),
            (_, Measure::FirstToken) => format!("ttft {window} "),
            (_, Measure::Total) => format!("total {window} "),
        };
        let note = Line::from(ctx.span(Role::Dim, words));
        let Some(snapshot) = ctx.snapshot else {
            let inner = ctx.frame(Pane::Latency, note, Line::default(), area, buf);
            ctx.say("waiting for the engine", inner, buf);
            return;
        };
        if ctx.zoomed && ctx.focus == Pane::Latency {
            self.render_zoomed(ctx, snapshot, note, area, buf);
            return;
        }
        let inner_width = area.width.saturating_sub(2);
        let stats = stats_width(inner_width);
        let columns = inner_width.saturating_sub(10 + stats).max(1);
        let charts = Tier::ALL.map(|tier| {
            spark::cells(self.series(&snapshot.fleet.tier(tier).history), self.measure, buckets, columns, ctx.now)
        });
        if charts.iter().any(|(cells, _)| cells.iter().any(|cell| cell.value.is_some())) {
            ctx.changes_in(Series::FINE);
        }
        let max = |cells: &[spark::Cell]| cells.iter().filter_map(|cell| cell.value).max();
        let top = self.shared.update(charts.iter().filter_map(|(cells, _)| max(cells)).max());
        for (scale, (cells, _)) in self.own.iter_mut().zip(&charts) {
            scale.update(max(cells));
        }
        let scale = self.scale_words(top);
        // The numbers beside the charts have a span of their own.
        let numbers = if area.width >= 60 { ", numbers of 15m" } else { "" };
        let facts = Line::from(ctx.span(Role::Dim, format!(" {scale}{numbers} ")));
        let inner = ctx.frame(Pane::Latency, note, facts, area, buf);
        let (rows, extra) = (inner.height / 4, inner.height % 4);
        if rows == 0 {
            self.render_few(ctx, snapshot, inner, buf);
            return;
        }
        let mut y = inner.y;
        for (index, tier) in Tier::ALL.into_iter().enumerate() {
            let height = rows + u16::from((index as u16) < extra);
            let block = Rect { y, height, ..inner };
            y += height;
            let each = self.scale_of == ScaleOf::Each;
            let axis = self.axis(if each { self.own[index].top() } else { top });
            let (cells, stretch) = &charts[index];
            let summary = &snapshot.fleet.tier(tier).summary;
            tier_block(ctx, tier, summary, (cells, *stretch), (axis, each), stats, block, buf);
        }
    }

    /// The series of the window that is shown.
    const fn series<'a>(&self, history: &'a History) -> &'a Series {
        if WINDOWS[self.window].1 { &history.day } else { &history.hour }
    }

    /// With the whole screen: axes, and a chart for every model that had traffic.
    fn render_zoomed(
        &mut self,
        ctx: &Ctx<'_>,
        snapshot: &crate::engine::Snapshot,
        note: Line<'static>,
        area: Rect,
        buf: &mut Buffer,
    ) {
        let (buckets, _, _) = WINDOWS[self.window];
        let tracks = tracks(snapshot);
        let inner_width = area.width.saturating_sub(2);
        let columns = inner_width.saturating_sub(zoomed::NAME + zoomed::AXIS + stats_width(inner_width) + 1).max(1);
        let charts: Vec<(Vec<spark::Cell>, u16)> = tracks
            .iter()
            .map(|track| spark::cells(self.series(track.history), self.measure, buckets, columns, ctx.now))
            .collect();
        if charts.iter().any(|(cells, _)| cells.iter().any(|cell| cell.value.is_some())) {
            ctx.changes_in(Series::FINE);
        }
        let max = |cells: &[spark::Cell]| cells.iter().filter_map(|cell| cell.value).max();
        let shared = self.shared.update(charts.iter().filter_map(|(cells, _)| max(cells)).max());
        let scale = format!("{}, max in each span, numbers of 15m", self.scale_words(shared));
        let facts = Line::from(ctx.span(Role::Dim, format!(" {scale} ")));
        let inner = ctx.frame(Pane::Latency, note, facts, area, buf);
        self.scroll = self.scroll.min(tracks.len().saturating_sub(1));
        let mut y = inner.y;
        let floor = inner.bottom().saturating_sub(1);
        let mut shown = 0;
        let base = |track: &Track<'_>| if track.model.is_some() { 3 } else { 5 };
        // Few charts share the room that there is.
        let whole: u16 = tracks.iter().map(base).sum();
        let grow = (floor.saturating_sub(inner.y) / whole.max(1)).clamp(1, 3);
        for (track, (cells, stretch)) in tracks.iter().zip(&charts).skip(self.scroll) {
            let height = base(track) * grow;
            if y + 2 > floor {
                break;
            }
            let block = Rect { y, height: height.min(floor - y), ..inner };
            let each = self.scale_of == ScaleOf::Each;
            let top = if each { Scale::default().update(max(cells)) } else { shared };
            zoomed::track(ctx, track, (cells, *stretch), self.axis(top), block, buf);
            y += height;
            shown += 1;
        }
        let span = self.series(tracks[0].history).width().saturating_mul(u32::from(buckets));
        let drawn = charts.first().map_or(0, |(cells, stretch)| cells.len() as u16 * stretch);
        zoomed::time_axis(ctx, span, (drawn, columns), Rect { y: floor, height: 1, ..inner }, buf);
        ctx.more_below(tracks.len() - self.scroll - shown, area, buf);
    }

    /// Too low for four charts: percentiles of as many tiers as there are rows.
    fn render_few(&self, ctx: &Ctx<'_>, snapshot: &crate::engine::Snapshot, inner: Rect, buf: &mut Buffer) {
        for (index, tier) in Tier::ALL.into_iter().enumerate() {
            let summary = &snapshot.fleet.tier(tier).summary;
            let mut spans = vec![ctx.span(Role::Series(tier), text::pad(tier.name(), 9))];
            spans.extend(percentiles(
                ctx,
                summary.first_token,
                summary.count - summary.failed,
                inner.width.saturating_sub(9),
            ));
            put(buf, inner, index as u16, &Line::from(spans));
        }
    }
}

/// One chart of the zoomed pane.
struct Track<'a> {
    tier: Tier,
    /// The model, and the backend that serves it; none for the tier as a whole.
    model: Option<(&'a ModelId, String)>,
    history: &'a History,
    summary: &'a Summary,
}

/// Every tier, each followed by its models that had traffic.
fn tracks(snapshot: &crate::engine::Snapshot) -> Vec<Track<'_>> {
    let mut tracks = Vec::new();
    for tier in Tier::ALL {
        let state = snapshot.fleet.tier(tier);
        tracks.push(Track { tier, model: None, history: &state.history, summary: &state.summary });
        for backend in snapshot.fleet.of_tier(tier) {
            let used = backend.models.iter().filter(|model| model.book.attempts > 0 || model.summary.count > 0);
            tracks.extend(used.map(|model| Track {
                tier,
                model: Some((&model.id, backend.spec.id.to_string())),
                history: &model.history,
                summary: &model.summary,
            }));
        }
    }
    tracks
}

/// The room for numbers beside the chart: all of them, the two that matter, or one.
const fn stats_width(width: u16) -> u16 {
    match width {
        90.. => 39,
        52.. => 27,
        24.. => 11,
        _ => 0,
    }
}

type Cells<'a> = (&'a [spark::Cell], u16);

#[expect(clippy::too_many_arguments, reason = "a drawing helper of one caller")]
fn tier_block(
    ctx: &Ctx<'_>,
    tier: Tier,
    summary: &Summary,
    (cells, stretch): (&Vec<spark::Cell>, u16),
    (axis, own_scale): (Axis, bool),
    stats: u16,
    block: Rect,
    buf: &mut Buffer,
) {
    let cells: Cells<'_> = (cells, stretch);
    let block = Rect { x: block.x + block.width.min(1), width: block.width.saturating_sub(1), ..block };
    put(buf, block, 0, &Line::from(ctx.span(Role::Series(tier), tier.name())));
    if block.height > 1 && summary.count > 0 {
        put(buf, block, 1, &Line::from(ctx.span(Role::Dim, format!("n {}", summary.count))));
    }
    if own_scale && block.height > 2 {
        put(buf, block, 2, &Line::from(ctx.span(Role::Dim, format!("to {}", text::millis(u64::from(axis.top))))));
    }
    let chart = Rect {
        x: block.x + block.width.min(9),
        width: block.width.saturating_sub(10 + stats),
        // A free row between the charts, where there is room for one.
        height: if block.height > 3 { block.height - 1 } else { block.height },
        ..block
    };
    spark::draw(ctx, cells.0, cells.1, axis, Role::Series(tier), chart, buf);
    let numbers = Rect { x: block.right().saturating_sub(stats), width: stats, ..block };
    if stats == 0 {
        return;
    }
    let good = summary.count.saturating_sub(summary.failed);
    if summary.count == 0 {
        put(buf, numbers, 0, &Line::from(ctx.span(Role::Dim, " no traffic")));
        return;
    }
    let mut lines = vec![stat_line(ctx, "ttft ", summary.first_token, good, stats)];
    if block.height > 1 {
        lines.push(stat_line(ctx, "total", summary.total, good, stats));
    }
    if block.height > 2 {
        let speed = summary.tokens_per_second.map_or_else(String::new, |speed| format!("{speed:.0} tok/s  "));
        let failed = if summary.failed > 0 { format!("{} failed  ", summary.failed) } else { String::new() };
        lines.push(Line::from(vec![ctx.span(Role::Text, format!(" {speed}")), ctx.span(Role::Bad, failed)]));
    }
    for (index, line) in lines.iter().enumerate() {
        put(buf, row_of(numbers, index as u16), 0, line);
    }
}

fn stat_line(ctx: &Ctx<'_>, name: &str, found: Option<Percentiles>, good: u32, width: u16) -> Line<'static> {
    let mut spans = vec![Span::raw(" ")];
    let mut room = width.saturating_sub(1);
    if width >= 27 {
        spans.push(ctx.span(Role::Dim, name.to_owned()));
        room -= 5;
    }
    spans.extend(percentiles(ctx, found, good, room));
    Line::from(spans)
}

/// `p50 820ms p95 1.9s p99 2.4s`, as many as fit, all in columns of a steady width. With few samples the outer ones say nothing.
fn percentiles(ctx: &Ctx<'_>, found: Option<Percentiles>, good: u32, room: u16) -> Vec<Span<'static>> {
    let value = |pick: fn(&Percentiles) -> u32, enough: bool| {
        let shown = found.as_ref().filter(|_| enough).map(|found| text::millis(u64::from(pick(found))));
        text::pad_left(shown.as_deref().unwrap_or("-"), 6)
    };
    type Pick = fn(&Percentiles) -> u32;
    let columns: [(&str, Pick, bool); 3] = [
        ("p50", |found| found.p50, true),
        ("p95", |found| found.p95, good >= ENOUGH),
        ("p99", |found| found.p99, good >= ENOUGH),
    ];
    // Narrow, the names go: the median and the p95 without a name are read by their place.
    let (named, count) = match room {
        30.. => (true, 3),
        20.. => (true, 2),
        12.. => (false, 2),
        _ => (true, 1),
    };
    let mut spans = Vec::new();
    for (name, pick, enough) in columns.into_iter().take(count) {
        if named {
            spans.push(ctx.span(Role::Dim, format!(" {name}")));
        }
        spans.push(ctx.span(Role::Text, value(pick, enough)));
    }
    spans
}
