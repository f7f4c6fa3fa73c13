//! The panes: plain structs that hold what the operator did to them (selection, filter, window) and draw the rest from the
//! snapshot. They format; they decide nothing.

pub mod compare;
pub mod cost;
pub mod decisions;
mod forecasts;
pub mod gpu;
pub mod header;
pub mod latency;
pub mod log;
pub mod models;
pub mod prompt;
pub mod requests;
pub mod rows;
pub mod spend;
pub mod story;
pub mod tiers;

use std::cell::Cell;
use std::time::Duration;

use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Widget};

use super::glyph::Glyphs;
use super::keymap::Keymap;
use super::layout::{Pane, Size};
use super::text;
use super::theme::{Role, Theme};
use crate::domain::tier::Target;
use crate::domain::time::Timestamp;
use crate::engine::Snapshot;

/// All that drawing depends on besides a pane's own state.
#[derive(Clone, Copy)]
pub struct Ctx<'a> {
    /// The fleet; `None` until the first snapshot.
    pub snapshot: Option<&'a Snapshot>,
    /// The present, or the moment at which the display was frozen.
    pub now: Timestamp,
    /// The styles.
    pub theme: Theme,
    /// The signs.
    pub glyphs: &'static Glyphs,
    /// The keys, for hints.
    pub keymap: &'a Keymap,
    /// The operator's time zone.
    pub zone: &'a TimeZone,
    /// The pane with the focus.
    pub focus: Pane,
    /// Whether it fills the screen.
    pub zoomed: bool,
    /// The class of the screen's size.
    pub size: Size,
    /// The longest probe interval: what was probed three of them ago is not known any more.
    pub probe_every: Duration,
    /// Parts of the fleet whose admin state was asked to change, until the engine says that it did.
    pub requested: &'a [Target],
    /// Whether decoration may move.
    pub animations: bool,
    /// When something that was drawn changes by itself; nothing that does means that no frame is needed.
    pub changes: &'a Cell<Option<Duration>>,
}

impl Ctx<'_> {
    /// The style of a role.
    #[must_use]
    pub fn style(&self, role: Role) -> Style {
        self.theme.style(role)
    }

    /// A styled piece of text.
    #[must_use]
    pub fn span(&self, role: Role, content: impl Into<String>) -> Span<'static> {
        Span::styled(content.into(), self.style(role))
    }

    /// How long ago a time was.
    #[must_use]
    pub fn age(&self, at: Timestamp) -> String {
        let age = self.now.since(at);
        self.changes_in(text::age_lasts(age));
        text::age(age)
    }

    /// How long until a time.
    #[must_use]
    pub fn wait(&self, until: Timestamp) -> String {
        self.changes_in(Duration::from_secs(1));
        text::age(until.since(self.now))
    }

    /// What is drawn now will look different after a time, whatever happens.
    pub fn changes_in(&self, after: Duration) {
        self.changes.set(Some(self.changes.get().map_or(after, |sooner| sooner.min(after))));
    }

    /// The time of day.
    #[must_use]
    pub fn clock(&self, at: Timestamp) -> String {
        self.strftime(at, "%H:%M:%S")
    }

    /// The time of day to the minute.
    #[must_use]
    pub fn clock_short(&self, at: Timestamp) -> String {
        self.strftime(at, "%H:%M")
    }

    /// The time of day to the minute, with its date where that is another day.
    #[must_use]
    pub fn moment(&self, at: Timestamp) -> String {
        let day = |at| self.strftime(at, "%F");
        if day(at) == day(self.now) { self.clock_short(at) } else { self.strftime(at, "%b %-d %H:%M") }
    }

    fn strftime(&self, at: Timestamp, format: &str) -> String {
        jiff::Timestamp::from_millisecond(at.0)
            .map(|at| at.to_zoned(self.zone.clone()).strftime(format).to_string())
            .unwrap_or_default()
    }

    /// The sign of something under way.
    #[must_use]
    pub fn spinner(&self) -> &'static str {
        if !self.animations {
            return self.glyphs.spinner[0];
        }
        let phase = self.now.0.div_euclid(250).rem_euclid(self.glyphs.spinner.len() as i64);
        self.glyphs.spinner[usize::try_from(phase).unwrap_or(0)]
    }

    /// Draws a pane's border with its title on the left and a line of facts on the right; returns what is inside.
    pub fn frame(&self, pane: Pane, note: Line<'static>, facts: Line<'static>, area: Rect, buf: &mut Buffer) -> Rect {
        let focused = self.focus == pane && self.size != Size::Tiny;
        let (set, role) =
            if focused { (self.glyphs.border_focus, Role::Focus) } else { (self.glyphs.border, Role::Border) };
        let title = if focused { Role::Focus } else { Role::Title };
        let mut left = vec![
            Span::raw(" "),
            self.span(Role::Dim, format!("{} ", pane.key())),
            self.span(title, pane.name()),
            Span::raw(" "),
        ];
        let room = usize::from(area.width).saturating_sub(4 + Line::from(left.clone()).width());
        if note.width() <= room {
            left.extend(note.spans);
        }
        if focused && self.zoomed && !pane.is_screen() {
            left.push(self.span(Role::Dim, "zoomed, esc leaves "));
        }
        let left = Line::from(left);
        let mut block = Block::new().borders(Borders::ALL).border_set(set).border_style(self.style(role));
        // Two titles that overlap would be unreadable: the facts give way.
        if left.width() + facts.width() + 4 <= usize::from(area.width) && !facts.spans.is_empty() {
            block = block.title_top(facts.right_aligned());
        }
        block = block.title_top(left);
        let inner = block.inner(area);
        block.render(area, buf);
        inner
    }

    /// Says in a pane's lower border how many rows are out of sight.
    pub fn more_below(&self, hidden: usize, area: Rect, buf: &mut Buffer) {
        if hidden == 0 || area.height < 3 || area.width < 5 {
            return;
        }
        let words = if area.width < 30 { format!(" +{hidden} ") } else { format!(" {hidden} more below ") };
        let note = Line::from(self.span(Role::Dim, words));
        let width = (note.width() as u16).min(area.width - 2);
        let row = row_of(area, area.height - 1);
        put(buf, Rect { x: area.right() - 1 - width, width, ..row }, 0, &note);
    }

    /// Writes one dim line: what a pane says that has nothing else to show.
    pub fn say(&self, content: &str, area: Rect, buf: &mut Buffer) {
        let content = text::fit(content, usize::from(area.width).saturating_sub(2), self.glyphs.ellipsis);
        put(buf, area, 0, &Line::from(self.span(Role::Dim, format!(" {content}"))));
    }
}

/// Writes a line into a row of an area; nothing where there is no such row.
pub fn put(buf: &mut Buffer, area: Rect, row: u16, line: &Line<'_>) {
    let area = area.intersection(buf.area);
    if row < area.height && area.width > 0 {
        buf.set_line(area.x, area.y + row, line, area.width);
    }
}

/// One row of an area.
#[must_use]
pub fn row_of(area: Rect, row: u16) -> Rect {
    if row < area.height { Rect { y: area.y + row, height: 1, ..area } } else { Rect { height: 0, ..area } }
}

/// A selection in a list that scrolls with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// The selected row.
    pub index: usize,
    /// The first row in view.
    pub top: usize,
}

impl Cursor {
    /// Moves by so many rows.
    pub fn step(&mut self, by: isize, len: usize) {
        self.index = self.index.saturating_add_signed(by).min(len.saturating_sub(1));
    }

    /// Scrolls so that the selected row is in view.
    pub fn reveal(&mut self, len: usize, height: usize) {
        self.index = self.index.min(len.saturating_sub(1));
        self.top = self.top.min(len.saturating_sub(height)).min(self.index);
        if height > 0 && self.index >= self.top + height {
            self.top = self.index + 1 - height;
        }
    }
}
