//! Columns that fit: what matters least goes first, rows never wrap, numbers keep their place.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::tui::layout::Pane;
use crate::tui::panes::{Ctx, Cursor, row_of};
use crate::tui::text;
use crate::tui::theme::Role;

/// A column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its head.
    pub title: &'static str,
    /// The width it needs.
    pub width: u16,
    /// Takes what is left over.
    pub grows: bool,
    /// The width it should have before columns that matter little get theirs.
    pub roomy: u16,
    /// Its content stands on the right.
    pub right: bool,
    /// 0 stays always; the highest goes first.
    pub rank: u8,
}

impl Column {
    /// A column of texts.
    #[must_use]
    pub const fn left(title: &'static str, width: u16, rank: u8) -> Self {
        Self { title, width, grows: false, roomy: 0, right: false, rank }
    }

    /// A column of numbers.
    #[must_use]
    pub const fn right(title: &'static str, width: u16, rank: u8) -> Self {
        Self { title, width, grows: false, roomy: 0, right: true, rank }
    }

    /// A column that takes what is left over.
    #[must_use]
    pub const fn growing(title: &'static str, width: u16, rank: u8) -> Self {
        Self { title, width, grows: true, roomy: 0, right: false, rank }
    }
}

impl Column {
    /// The same column, for which those that matter little give way until it has this width.
    #[must_use]
    pub const fn roomy(self, width: u16) -> Self {
        Self { roomy: width, ..self }
    }
}

/// Columns of a higher rank go not only where there is no room at all, but also where a roomy one is cramped.
const DISPENSABLE: u8 = 4;

/// Columns placed into a width.
#[derive(Clone, Debug, Default)]
pub struct Fitted {
    places: Vec<Option<(u16, u16)>>,
    right: Vec<bool>,
}

impl Fitted {
    /// Places columns.
    #[must_use]
    pub fn new(columns: &[Column], width: u16) -> Self {
        let mut kept: Vec<bool> = vec![true; columns.len()];
        let need = |kept: &[bool]| -> u16 {
            columns.iter().zip(kept).filter(|(_, kept)| **kept).map(|(column, _)| column.width + 1).sum::<u16>()
        };
        // What was left out needs no comfort either.
        let comfort = |kept: &[bool]| -> u16 {
            let wanted = |column: &Column| column.roomy.saturating_sub(column.width);
            columns.iter().zip(kept).filter(|(_, kept)| **kept).map(|(column, _)| wanted(column)).sum()
        };
        let worst = |kept: &[bool], above: u8| {
            (0..columns.len()).filter(|i| kept[*i] && columns[*i].rank > above).max_by_key(|i| columns[*i].rank)
        };
        for (roomy, above) in [(true, DISPENSABLE), (false, 0)] {
            while need(&kept) + if roomy { comfort(&kept) } else { 0 } > width + 1 {
                match worst(&kept, above) {
                    Some(index) => kept[index] = false,
                    None => break,
                }
            }
        }
        // Where a wide column had to go, a narrow one that went before it may have room now.
        let mut left_out: Vec<usize> = (0..columns.len()).filter(|index| !kept[*index]).collect();
        left_out.sort_by_key(|index| columns[*index].rank);
        for index in left_out {
            kept[index] = true;
            kept[index] = need(&kept) + comfort(&kept) <= width + 1;
        }
        let growing = columns.iter().zip(&kept).filter(|(column, kept)| **kept && column.grows).count() as u16;
        let spare = (width + 1).saturating_sub(need(&kept)).checked_div(growing).unwrap_or(0);
        let mut x = 0;
        let places = columns
            .iter()
            .zip(&kept)
            .map(|(column, kept)| {
                let place = (x, (column.width + if column.grows { spare } else { 0 }).min(width.saturating_sub(x)));
                (*kept && x < width).then(|| {
                    x += place.1 + 1;
                    place
                })
            })
            .collect();
        Self { places, right: columns.iter().map(|column| column.right).collect() }
    }

    /// The width of a column; 0 where it was left out.
    #[must_use]
    pub fn width(&self, column: usize) -> usize {
        self.places.get(column).copied().flatten().map_or(0, |(_, width)| usize::from(width))
    }

    /// The area of a column in a row.
    #[must_use]
    pub fn area(&self, row: Rect, column: usize) -> Rect {
        let (x, width) = self.places.get(column).copied().flatten().unwrap_or((0, 0));
        Rect {
            x: row.x + x.min(row.width),
            width: width.min(row.width.saturating_sub(x)),
            height: row.height.min(1),
            ..row
        }
    }

    /// Writes a cell.
    pub fn put(&self, buf: &mut Buffer, row: Rect, column: usize, content: &str, style: Style, ellipsis: &str) {
        let area = self.area(row, column);
        if area.is_empty() {
            return;
        }
        let width = usize::from(area.width);
        let content = text::fit(content, width, ellipsis);
        let content = if self.right.get(column) == Some(&true) { text::pad_left(&content, width) } else { content };
        buf.set_stringn(area.x, area.y, content, width, style);
    }

    /// Writes the heads.
    pub fn head(&self, buf: &mut Buffer, row: Rect, columns: &[Column], style: Style) {
        for (index, column) in columns.iter().enumerate() {
            self.put(buf, row, index, column.title, style, "");
        }
    }
}

/// A pane's table: its heads, and as many of its rows as fit around the selected one.
pub struct Table<'a> {
    /// What drawing depends on.
    pub ctx: &'a Ctx<'a>,
    /// The pane, which has the focus or not.
    pub pane: Pane,
    /// The columns.
    pub columns: &'a [Column],
    /// How many rows there are.
    pub len: usize,
}

/// From this width on, a column of air stands before the right border too.
const AIRY: u16 = 60;

impl Table<'_> {
    /// Draws: `row` is called for each row that is in view. Returns how many rows are out of sight below.
    pub fn draw(
        &self,
        cursor: &mut Cursor,
        area: Rect,
        buf: &mut Buffer,
        mut row: impl FnMut(usize, &Fitted, Rect, &mut Buffer),
    ) -> usize {
        let air = if area.width >= AIRY { 2 } else { 1 };
        let fitted = Fitted::new(self.columns, area.width.saturating_sub(air));
        let inner = |at: u16| {
            let row = row_of(area, at);
            Rect { x: row.x + row.width.min(1), width: row.width.saturating_sub(1), ..row }
        };
        let head = u16::from(area.height > 3);
        if head == 1 {
            fitted.head(buf, inner(0), self.columns, self.ctx.style(Role::Dim));
        }
        let height = usize::from(area.height - head);
        cursor.reveal(self.len, height);
        for (at, index) in (head..area.height).zip(cursor.top..self.len) {
            row(index, &fitted, inner(at), buf);
            if self.ctx.focus == self.pane && index == cursor.index {
                buf.set_style(row_of(area, at), self.ctx.style(Role::Selected));
            }
        }
        self.len.saturating_sub(cursor.top + height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_the_lowest_rank_stay() {
        let columns = [Column::left("a", 10, 0), Column::right("b", 5, 2), Column::growing("c", 5, 1)];
        let wide = Fitted::new(&columns, 40);
        assert_eq!((wide.width(0), wide.width(1), wide.width(2)), (10, 5, 23));
        let narrow = Fitted::new(&columns, 17);
        assert_eq!((narrow.width(0), narrow.width(1), narrow.width(2)), (10, 0, 6));
        // The wide one has no room, the narrow one of a higher rank has.
        let [a, _, c] = columns;
        let odd = Fitted::new(&[a, Column::left("b", 20, 2), Column { rank: 3, ..c }], 20);
        assert_eq!((odd.width(0), odd.width(1), odd.width(2)), (10, 0, 9));
        let tiny = Fitted::new(&columns, 4);
        assert_eq!((tiny.width(0), tiny.width(2)), (4, 0));
        assert_eq!(Fitted::new(&columns, 0).width(0), 0);
    }
}
