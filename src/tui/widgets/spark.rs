//! A chart of one value per span of time, drawn with block elements. Cells are time, not samples: a gap stays a gap, and a
//! failure is marked rather than drawn as a fast answer.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::domain::latency::Series;
use crate::domain::time::Timestamp;
use crate::tui::panes::Ctx;
use crate::tui::theme::Role;

/// One cell of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// The largest value; `None` where nothing succeeded.
    pub value: Option<u32>,
    /// Whether anything failed.
    pub failed: bool,
}

/// Which of the two latencies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Measure {
    /// Time to first token.
    #[default]
    FirstToken,
    /// Total time.
    Total,
}

/// A cell is not drawn wider: a minute of five-second buckets fills most charts at this width.
const WIDEST: i64 = 8;

/// Cells of a window of time that ends now, oldest first, and the columns that each of them takes.
#[must_use]
pub fn cells(series: &Series, measure: Measure, buckets: u16, columns: u16, now: Timestamp) -> (Vec<Cell>, u16) {
    if columns == 0 || buckets == 0 {
        return (Vec::new(), 1);
    }
    let per_cell = i64::from(buckets.div_ceil(columns));
    let count = i64::from(buckets).div_euclid(per_cell);
    let stretch = (i64::from(columns) / count.max(1)).clamp(1, WIDEST);
    // Cells are aligned to the clock, so that a bar keeps its height while it moves to the left.
    let last = series.bucket_of(now).div_euclid(per_cell);
    let cell = |number: i64| {
        let mut cell = Cell::default();
        for bucket in (number * per_cell..(number + 1) * per_cell).filter_map(|bucket| series.get(bucket)) {
            cell.failed |= bucket.failed > 0;
            if bucket.ok > 0 {
                let value = match measure {
                    Measure::FirstToken => bucket.first_token_ms,
                    Measure::Total => bucket.total_ms,
                };
                cell.value = cell.value.max(Some(value));
            }
        }
        cell
    };
    ((last - count + 1..=last).map(cell).collect(), u16::try_from(stretch).unwrap_or(1))
}

/// What a full column stands for, and how values become heights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Axis {
    /// The value of a full column.
    pub top: u32,
    /// Each equal step up multiplies the value, from [`LOG_FLOOR`] on, instead of adding to it.
    pub log: bool,
}

/// Where a logarithmic axis begins, in milliseconds: no model answers faster.
pub const LOG_FLOOR: u32 = 10;

impl Axis {
    /// An axis from 0 to a value.
    #[must_use]
    pub const fn linear(top: u32) -> Self {
        Self { top, log: false }
    }

    /// The height of a value in eighths of a cell; what is small but not nothing has one.
    fn eighths(self, value: u32, full: u64) -> u64 {
        let height = if self.log {
            let share = |value: u32| f64::from(value.max(LOG_FLOOR)).ln() - f64::from(LOG_FLOOR).ln();
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_precision_loss,
                clippy::cast_sign_loss,
                reason = "a share of a small height"
            )]
            let height = (share(value) / share(self.top).max(f64::EPSILON) * full as f64).ceil().max(0.0) as u64;
            height
        } else {
            (u64::from(value) * full).div_ceil(u64::from(self.top.max(1)))
        };
        height.clamp(1, full)
    }

    /// The value at half of the height.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the root of two positive u32")]
    pub fn middle(self) -> u32 {
        if self.log { (f64::from(LOG_FLOOR) * f64::from(self.top)).sqrt().round() as u32 } else { self.top / 2 }
    }

    /// The value at the bottom.
    #[must_use]
    pub const fn bottom(self) -> u32 {
        if self.log { LOG_FLOOR } else { 0 }
    }
}

/// Draws cells, newest on the right.
pub fn draw(ctx: &Ctx<'_>, cells: &[Cell], stretch: u16, axis: Axis, role: Role, area: Rect, buf: &mut Buffer) {
    let area = area.intersection(buf.area);
    if area.is_empty() {
        return;
    }
    let mut x = area.right();
    for cell in cells.iter().rev() {
        for _ in 0..stretch {
            if x == area.x {
                return;
            }
            x -= 1;
            column(ctx, *cell, axis, role, Rect { x, width: 1, ..area }, buf);
        }
    }
}

fn column(ctx: &Ctx<'_>, cell: Cell, axis: Axis, role: Role, area: Rect, buf: &mut Buffer) {
    let eighths = cell.value.map_or(0, |value| axis.eighths(value, u64::from(area.height) * 8));
    for row in 0..area.height {
        let y = area.bottom() - 1 - row;
        let fill = eighths.saturating_sub(u64::from(row) * 8).min(8) as usize;
        let (symbol, role) = match fill {
            0 if row == 0 && !cell.failed => (ctx.glyphs.gap, Role::Dim),
            0 => continue,
            _ => (ctx.glyphs.bars[fill - 1], role),
        };
        buf.set_stringn(area.x, y, symbol, 1, ctx.style(role));
    }
    if cell.failed {
        let y = if cell.value.is_none() { area.bottom() - 1 } else { area.y };
        buf.set_stringn(area.x, y, ctx.glyphs.failed, 1, ctx.style(Role::Bad));
    }
}

/// A scale that grows at once and shrinks late, in steps of 1, 2 and 5, so that the picture does not jump.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scale {
    top: u32,
}

impl Scale {
    /// Takes the largest visible value; returns the top of the scale.
    pub fn update(&mut self, max: Option<u32>) -> u32 {
        let wanted = step(max.unwrap_or(0));
        // Two steps lower before it shrinks: a value that swings around a step would rescale the chart all the time.
        if wanted > self.top || u64::from(wanted) * 4 <= u64::from(self.top) {
            self.top = wanted;
        }
        self.top
    }

    /// The top as it is.
    #[must_use]
    pub const fn top(self) -> u32 {
        self.top
    }
}

fn step(value: u32) -> u32 {
    let mut decade: u32 = 100;
    loop {
        for factor in [1, 2, 5] {
            let top = decade.saturating_mul(factor);
            if value <= top {
                return top;
            }
        }
        decade = match decade.checked_mul(10) {
            Some(next) => next,
            None => return u32::MAX,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::latency::Sample;

    fn sample(second: i64, ok: bool, ms: u32) -> Sample {
        Sample {
            at: Timestamp(second * 1000),
            ok,
            first_token_ms: Some(ms),
            total_ms: ms * 3,
            tokens_per_second: None,
            longest_pause_ms: None,
        }
    }

    #[test]
    fn cells_are_time_and_gaps_stay_gaps() {
        let mut series = Series::new(Series::FINE);
        series.push(&sample(0, true, 100));
        series.push(&sample(3, true, 300));
        series.push(&sample(10, false, 1));
        let (cells, stretch) = cells(&series, Measure::FirstToken, 4, 4, Timestamp(19_000));
        let values: Vec<_> = cells.iter().map(|cell| (cell.value, cell.failed)).collect();
        assert_eq!(values, [(Some(300), false), (None, false), (None, true), (None, false)]);
        assert_eq!(stretch, 1);
    }

    #[test]
    fn few_buckets_are_stretched_and_many_are_merged() {
        let series = Series::new(Series::FINE);
        assert_eq!(cells(&series, Measure::Total, 12, 40, Timestamp(0)).1, 3);
        let (merged, stretch) = cells(&series, Measure::Total, 720, 50, Timestamp(0));
        assert_eq!((merged.len(), stretch), (48, 1));
        assert!(cells(&series, Measure::Total, 60, 0, Timestamp(0)).0.is_empty());
    }

    #[test]
    fn a_logarithmic_axis_shows_a_fast_tier_beside_a_slow_one() {
        let (linear, log) = (Axis::linear(10_000), Axis { top: 10_000, log: true });
        assert_eq!((linear.eighths(60, 32), linear.eighths(10_000, 32)), (1, 32));
        assert_eq!((log.eighths(10, 32), log.eighths(60, 32), log.eighths(10_000, 32)), (1, 9, 32));
        assert_eq!((log.middle(), log.bottom(), linear.middle(), linear.bottom()), (316, 10, 5_000, 0));
        assert_eq!(Axis { top: 10, log: true }.eighths(10, 8), 1, "an axis without height");
    }

    #[test]
    fn the_scale_moves_in_steps_and_shrinks_late() {
        let mut scale = Scale::default();
        assert_eq!(scale.update(Some(812)), 1_000);
        assert_eq!(scale.update(Some(480)), 1_000);
        assert_eq!(scale.update(Some(1_001)), 2_000);
        assert_eq!(scale.update(Some(600)), 2_000);
        assert_eq!(scale.update(Some(450)), 500);
        assert_eq!(scale.update(None), 100);
        assert_eq!(scale.update(Some(u32::MAX)), u32::MAX);
    }
}
