//! A list of the feed's rows: filter, order, selection, following. New rows never move what is being read.

use std::collections::VecDeque;

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
    matched: Matched,
}

/// Which rows a filter lets through, as far as they are the same as when it was asked: looking through the text of every
/// row anew for each frame takes longer than to draw it.
#[derive(Clone, Debug, Default)]
struct Matched {
    filter: String,
    /// The number of the row that the first verdict is about.
    first: u64,
    /// At which change of its row each was given, and what it is.
    verdicts: VecDeque<(u64, bool)>,
}

impl Matched {
    /// The numbers of the rows that a filter lets through.
    fn through(&mut self, feed: &Feed, filter: String, matches: impl Fn(&Row, &str) -> bool) -> Vec<u64> {
        let first = feed.rows().next().map_or(0, |row| row.number);
        if self.filter != filter || first < self.first {
            (self.filter, self.first) = (filter, first);
            self.verdicts.clear();
        }
        let gone = usize::try_from(first - self.first).unwrap_or(usize::MAX).min(self.verdicts.len());
        self.verdicts.drain(..gone);
        self.first = first;
        let mut through = Vec::new();
        for (index, row) in feed.rows().enumerate() {
            let known = self.verdicts.get(index).filter(|(changed, _)| *changed == row.changed);
            let verdict = known.map_or_else(|| matches(row, &self.filter), |(_, verdict)| *verdict);
            match self.verdicts.get_mut(index) {
                Some(place) => *place = (row.changed, verdict),
                None => self.verdicts.push_back((row.changed, verdict)),
            }
            if verdict {
                through.push(row.number);
            }
        }
        through
    }
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
            matched: Matched::default(),
        }
    }

    /// Works out which rows there are: those that `matches` the filter, in lower case. Called before every frame.
    pub fn prepare(&mut self, feed: &Feed, matches: impl Fn(&Row, &str) -> bool) {
        let selected = self.selected();
        let wanted = self.filter.to_lowercase();
        let of_kind = |row: &Row| !self.requests_only || matches!(row.kind, Kind::Request(_));
        if wanted.is_empty() {
            self.visible.clear();
            self.visible.extend(feed.rows().filter(|row| of_kind(row)).map(|row| row.number));
        } else {
            self.visible = self.matched.through(feed, wanted, |row, wanted| of_kind(row) && matches(row, wanted));
        }
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
            _ if self.following => self.cursor.index = self.edge(),
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

    /// Moves the selection; following ends away from the newest row and starts again on it.
    pub fn step(&mut self, by: isize) {
        self.cursor.step(by, self.visible.len());
        self.following = self.cursor.index == self.edge();
    }

    /// Sorts by the next column.
    pub const fn sort_next(&mut self) {
        self.following = true;
        self.order = match self.order {
            Order::Time => Order::Cost,
            Order::Cost => Order::Duration,
            Order::Duration => Order::Time,
        };
    }

    /// Turns the order around. What comes first then is what was asked for, so that is where the selection goes.
    pub fn sort_reverse(&mut self) {
        self.reversed = !self.reversed;
        self.following = true;
    }

    /// Where the newest, dearest or slowest row stands: last, or first where the order is turned around.
    const fn edge(&self) -> usize {
        if self.reversed { 0 } else { self.visible.len().saturating_sub(1) }
    }

    /// Whether the order is turned around, so that what is newest stands first.
    #[must_use]
    pub const fn is_reversed(&self) -> bool {
        self.reversed
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Fact, Outcome};
    use crate::provider::Finish;
    use crate::tui::panes::decisions::matches;
    use crate::tui::tests::fixture;

    #[test]
    fn what_a_filter_lets_through_follows_the_rows() {
        let snapshot = fixture::working();
        let mut feed = Feed::default();
        let mut rows = RowList::new(true);
        let decisions: Vec<_> =
            (0..3).map(|number| fixture::decision(&snapshot, number, "hello", fixture::NOW)).collect();
        rows.filter = "Running".to_owned();
        feed.take(Fact::Decided(decisions[0].clone()));
        feed.take(Fact::Decided(decisions[1].clone()));
        rows.prepare(&feed, matches);
        assert_eq!(rows.visible(), [0, 1]);
        let before = feed.clone();
        let answer = fixture::attempt(&decisions[0], 1, Ok(Finish::Stop));
        feed.take(fixture::finished(&decisions[0], vec![answer], Outcome::Answered));
        feed.take(Fact::Decided(decisions[2].clone()));
        rows.prepare(&feed, matches);
        assert_eq!(rows.visible(), [1, 2]);
        rows.prepare(&before, matches);
        assert_eq!(rows.visible(), [0, 1], "a display that is held still shows what was");
        for number in 10..2_011 {
            feed.take(Fact::Decided(fixture::decision(&snapshot, number, "hello", fixture::NOW)));
        }
        rows.prepare(&feed, matches);
        assert_eq!(
            (rows.visible().len(), rows.visible()[0]),
            (2_000, 4),
            "rows that are gone take their verdicts along"
        );
        rows.filter = "answered by nobody".to_owned();
        rows.prepare(&feed, matches);
        assert!(rows.visible().is_empty());
    }
}
