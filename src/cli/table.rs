//! Rows in columns, within the width of a terminal. What does not fit is cut where it hurts least, and columns that can be
//! done without are left out before a row would run over.

use super::output::{Failure, Output, Style};
use crate::tui::text;

/// What stands in place of what was cut off.
const CUT: &str = "…";

/// A column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    head: &'static str,
    right: bool,
    /// The least that it may be cut to; `None` where it is whole or not at all.
    least: Option<usize>,
    /// Columns of a higher rank are cut and left out first; one of rank 0 always stays.
    rank: u8,
}

impl Column {
    /// A column of text.
    #[must_use]
    pub const fn text(head: &'static str, rank: u8) -> Self {
        Self { head, right: false, least: None, rank }
    }

    /// A column of numbers.
    #[must_use]
    pub const fn number(head: &'static str, rank: u8) -> Self {
        Self { head, right: true, least: None, rank }
    }

    /// A column that may be cut.
    #[must_use]
    pub const fn cut_to(self, least: usize) -> Self {
        Self { least: Some(least), ..self }
    }
}

/// A cell: one line of text, and how it stands out.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    text: String,
    style: Option<Style>,
}

impl Cell {
    /// Text in a style.
    #[must_use]
    pub fn styled(text: &str, style: Style) -> Self {
        Self { style: Some(style), ..Self::from(text) }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        // Names come from callers and from servers.
        Self { text: text::sanitise_line(text), style: None }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

/// A table.
#[derive(Debug)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table without rows.
    #[must_use]
    pub const fn new(columns: Vec<Column>) -> Self {
        Self { columns, rows: Vec::new() }
    }

    /// Adds a row: a cell for each column.
    pub fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// Prints it. Columns in which nothing stands are left out.
    ///
    /// # Errors
    ///
    /// [`Failure::Output`].
    pub fn print(&self, output: &Output) -> Result<(), Failure> {
        for line in self.lines(output.width(), output) {
            output.line(&line)?;
        }
        Ok(())
    }

    fn lines(&self, width: Option<usize>, output: &Output) -> Vec<String> {
        let (gap, shown) = self.layout(width);
        let line = |cells: &dyn Fn(usize) -> Cell| {
            let mut line = String::new();
            for (place, (column, width)) in shown.iter().enumerate() {
                let Cell { text, style } = cells(*column);
                let fitted = fit(&text, *width, self.columns[*column]);
                let style = style.filter(|_| !fitted.is_empty());
                let styled = style.map_or_else(|| fitted.clone(), |style| output.styled(style, &fitted));
                let room = width.saturating_sub(text::width(&fitted));
                let (before, after) = if self.columns[*column].right { (room, 0) } else { (0, room) };
                let after = if place + 1 == shown.len() { 0 } else { after };
                let gap = if place == 0 { 0 } else { gap };
                line.extend([&" ".repeat(gap + before), &styled, &" ".repeat(after)].map(String::as_str));
            }
            line.truncate(line.trim_end().len());
            line
        };
        let head = line(&|column| Cell::styled(self.columns[column].head, Style::Dim));
        let rows = self.rows.iter().map(|row| line(&|column| row.get(column).cloned().unwrap_or_default()));
        std::iter::once(head).chain(rows).collect()
    }

    /// The space between columns, and the columns that are shown with the width of each.
    fn layout(&self, width: Option<usize>) -> (usize, Vec<(usize, usize)>) {
        let widest = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| text::width(&cell.text)).max().unwrap_or(0)
        };
        let mut shown: Vec<(usize, usize)> = (0..self.columns.len())
            .map(|column| (column, widest(column)))
            .filter(|(_, widest)| *widest > 0 || self.rows.is_empty())
            .map(|(column, widest)| (column, widest.max(text::width(self.columns[column].head))))
            .collect();
        let Some(width) = width else { return (2, shown) };
        loop {
            let total =
                |gap: usize| shown.iter().map(|(_, width)| width).sum::<usize>() + gap * shown.len().saturating_sub(1);
            if total(2) <= width {
                return (2, shown);
            }
            let over = total(1).saturating_sub(width);
            if let Some(cut) = self.cut(&shown, over) {
                return (1, cut);
            }
            let spare = shown.iter().enumerate().max_by_key(|(_, (column, _))| self.columns[*column].rank);
            match spare {
                Some((place, (column, _))) if self.columns[*column].rank > 0 => drop(shown.remove(place)),
                _ => return (1, shown),
            }
        }
    }

    /// The same columns, cut by so much in all; `None` where that cannot be had.
    fn cut(&self, shown: &[(usize, usize)], mut over: usize) -> Option<Vec<(usize, usize)>> {
        let mut cut = shown.to_vec();
        let mut order: Vec<usize> = (0..cut.len()).collect();
        order.sort_by_key(|place| std::cmp::Reverse(self.columns[cut[*place].0].rank));
        for place in order {
            let (column, width) = cut[place];
            let least = self.columns[column].least.unwrap_or(width).min(width);
            let taken = over.min(width - least);
            cut[place].1 -= taken;
            over -= taken;
        }
        (over == 0).then_some(cut)
    }
}

/// Names are told apart by their ends, sentences by their beginnings.
fn fit(cell: &str, width: usize, column: Column) -> String {
    let sentence = cell.contains(' ');
    match (column.least.is_some(), sentence) {
        (true, false) => text::fit_middle(cell, width, CUT),
        _ => text::fit(cell, width, CUT),
    }
}

#[cfg(test)]
mod tests {
    use super::super::When;
    use super::*;

    fn lines(width: usize) -> Vec<String> {
        let columns = vec![
            Column::text("ID", 0),
            Column::text("MODEL", 1).cut_to(8),
            Column::number("COST", 0),
            Column::text("EMPTY", 0),
            Column::text("WHY", 2).cut_to(10),
        ];
        let mut table = Table::new(columns);
        let row = |id: &str, cost: &str| {
            let cells: [Cell; 5] =
                [id.into(), "claude-opus-5-5".into(), cost.into(), "".into(), "code goes to claude first".into()];
            cells.to_vec()
        };
        table.row(row("a1b2c3", "$0.0123"));
        table.row(row("漢字", "—"));
        table.lines(Some(width), &Output::new(When::Never))
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_and_the_numbers_are_whole() {
        for width in 24..100 {
            for line in lines(width) {
                assert!(text::width(&line) <= width, "{width}: {line}");
            }
            assert!(lines(width)[1].contains("$0.0123"), "{width}");
        }
    }

    #[test]
    fn what_says_least_goes_first_and_what_says_nothing_is_left_out() {
        assert_eq!(
            lines(80),
            [
                "ID      MODEL               COST  WHY",
                "a1b2c3  claude-opus-5-5  $0.0123  code goes to claude first",
                "漢字    claude-opus-5-5        —  code goes to claude first",
            ]
        );
        assert_eq!(lines(44)[1], "a1b2c3 claude-opus-5-5 $0.0123 code goes to…");
        assert_eq!(lines(30)[1], "a1b2c3 claude-opus-5-5 $0.0123");
        assert_eq!(lines(26)[1], "a1b2c3 claud…s-5-5 $0.0123");
    }
}
