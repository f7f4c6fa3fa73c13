//! A list of the feed's rows: filter, order, selection, following. New rows never move what is being read.

use super::Cursor;
use crate::domain::money::Money;
use crate::tui::feed::{Feed, Kind, RequestRow, Row};

/// What the rows are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// By time.
    #[default]
    Time,
    /// By cost.
    Cost,
    /// By total time.
    Duration,
}

/// The list.
#[derive(Clone, Debug)]
pub struct RowList {
    /// The selected row.
    pub cursor: Cursor,
    /// Only rows with this text.
    pub filter: String,
    /// Only requests, leaving events out.
    requests_only: bool,
    order: Order,
    reversed: bool,
    /// Whether the selection stays on the newest row.
    following: bool,
    /// The first row that is new since following ended.
    new_from: u64,
    visible: Vec<u64>,
}

impl RowList {
    /// A list of every row, or of requests alone.
    #[must_use]
    pub fn new(requests_only: bool) -> Self {
        Self {
            cursor: Cursor::default(),
            filter: String::new(),
            requests_only,
            order: Order::default(),
            reversed: false,
            following: true,
            new_from: 0,
            visible: Vec::new(),
        }
    }

    /// Works out which rows there are: those that `matches` the filter, in lower case. Called before every frame.
    pub fn prepare(&mut self, feed: &Feed, matches: impl Fn(&Row, &str) -> bool) {
        let selected = self.selected();
        self.visible.clear();
        let wanted = self.filter.to_lowercase();
        let shown = |row: &&Row| {
            (!self.requests_only || matches!(row.kind, Kind::Request(_)))
                && (wanted.is_empty() || matches(row, &wanted))
        };
        self.visible.extend(feed.rows().filter(shown).map(|row| row.number));
        let request = |number: &u64| match feed.get(*number).map(|row| &row.kind) {
            Some(Kind::Request(row)) => Some(row),
            _ => None,
        };
        let cost = |row: &RequestRow| row.cost().and_then(|cost| cost.amount).unwrap_or(Money::ZERO);
        let total = |row: &RequestRow| row.finished.as_ref().map_or(0, |end| end.total.as_millis());
        match self.order {
            Order::Time => {}
            Order::Cost => self.visible.sort_by_cached_key(|number| request(number).map(|row| cost(row))),
            Order::Duration => self.visible.sort_by_cached_key(|number| request(number).map(|row| total(row))),
        }
        if self.reversed {
            self.visible.reverse();
        }
        let at = selected.and_then(|number| self.visible.iter().position(|one| *one == number));
        match at {
            _ if self.following => self.cursor.index = self.visible.len().saturating_sub(1),
            Some(index) => {
                // What is read stays where it is on the screen, whatever comes or goes around it.
                let shift = index as isize - self.cursor.index as isize;
                self.cursor.top = self.cursor.top.saturating_add_signed(shift);
                self.cursor.index = index;
            }
            None => self.cursor.index = self.cursor.index.min(self.visible.len().saturating_sub(1)),
        }
        if self.following {
            self.new_from = feed.next_number();
        }
    }

    /// The numbers of the rows, in their order.
    #[must_use]
    pub fn visible(&self) -> &[u64] {
        &self.visible
    }

    /// The number of the selected row.
    #[must_use]
    pub fn selected(&self) -> Option<u64> {
        self.visible.get(self.cursor.index).copied()
    }

    /// Whether the selection stays on the newest row.
    #[must_use]
    pub const fn is_following(&self) -> bool {
        self.following
    }

    /// Rows that came since following ended; none while it goes on.
    #[must_use]
    pub fn unread(&self) -> usize {
        if self.following { 0 } else { self.visible.iter().filter(|number| **number >= self.new_from).count() }
    }

    /// Moves the selection; following ends above the last row and starts again on it.
    pub fn step(&mut self, by: isize) {
        self.cursor.step(by, self.visible.len());
        self.following = self.cursor.index + 1 >= self.visible.len();
    }

    /// Sorts by the next column.
    pub const fn sort_next(&mut self) {
        self.order = match self.order {
            Order::Time => Order::Cost,
            Order::Cost => Order::Duration,
            Order::Duration => Order::Time,
        };
    }

    /// Turns the order around.
    pub const fn sort_reverse(&mut self) {
        self.reversed = !self.reversed;
    }

    /// The order in words; nothing for the usual one.
    #[must_use]
    pub const fn order_words(&self) -> &'static str {
        match (self.order, self.reversed) {
            (Order::Time, false) => "",
            (Order::Time, true) => "newest first ",
            (Order::Cost, false) => "by cost, dearest last ",
            (Order::Cost, true) => "by cost, dearest first ",
            (Order::Duration, false) => "by total time, slowest last ",
            (Order::Duration, true) => "by total time, slowest first ",
        }
    }
}
