//! One line that says what just happened. Errors stay until a key is pressed after they could be read.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Clear, Widget};

use crate::domain::time::Timestamp;
use crate::tui::panes::{Ctx, put};
use crate::tui::text;
use crate::tui::theme::Role;

/// How long good news stays.
const STAYS: Duration = Duration::from_secs(4);
/// How long an error stays at least, whatever keys are pressed.
const READABLE: Duration = Duration::from_millis(1500);

/// The lines that wait to be read, newest last.
#[derive(Clone, Debug, Default)]
pub struct Toasts {
    waiting: Vec<(Timestamp, String, bool)>,
}

impl Toasts {
    /// Says something.
    pub fn say(&mut self, words: impl Into<String>, now: Timestamp) {
        self.push(words.into(), false, now);
    }

    /// Says that something went wrong.
    pub fn error(&mut self, words: impl Into<String>, now: Timestamp) {
        self.push(words.into(), true, now);
    }

    fn push(&mut self, words: String, error: bool, now: Timestamp) {
        self.waiting.retain(|(_, known, _)| *known != words);
        if self.waiting.len() == 8 {
            self.waiting.remove(0);
        }
        self.waiting.push((now, text::sanitise_line(&words), error));
    }

    /// A key was pressed: errors that were there long enough to be read go.
    pub fn acknowledge(&mut self, now: Timestamp) {
        self.waiting.retain(|(at, _, error)| !error || now.since(*at) < READABLE);
    }

    /// Good news that was there long enough goes. Returns when the next one does.
    pub fn expire(&mut self, now: Timestamp) -> Option<Timestamp> {
        self.waiting.retain(|(at, _, error)| *error || now.since(*at) < STAYS);
        self.waiting.iter().filter(|(_, _, error)| !error).map(|(at, _, _)| at.after(STAYS)).min()
    }

    /// Whether there is nothing to say.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Draws the newest one over the footer.
    pub fn render(&self, ctx: &Ctx<'_>, area: Rect, buf: &mut Buffer) {
        let Some((_, words, error)) = self.waiting.last() else { return };
        let area = area.intersection(buf.area);
        if area.is_empty() {
            return;
        }
        Clear.render(area, buf);
        let more = if self.waiting.len() > 1 { format!(" (+{})", self.waiting.len() - 1) } else { String::new() };
        let (role, sign) = if *error { (Role::Bad, ctx.glyphs.warning) } else { (Role::Ok, ctx.glyphs.arrow) };
        let room = usize::from(area.width).saturating_sub(4 + more.len());
        put(
            buf,
            area,
            0,
            &Line::from(vec![
                ctx.span(role, format!(" {sign} ")),
                ctx.span(if *error { Role::Bad } else { Role::Text }, text::fit(words, room, ctx.glyphs.ellipsis)),
                ctx.span(Role::Dim, more),
            ]),
        );
    }
}
