//! The program's own log: its latest lines, newest last, followed until somebody scrolls up.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::{Ctx, put};
use crate::tui::backing::LogLine;
use crate::tui::layout::Pane;
use crate::tui::text;
use crate::tui::theme::Role;

/// The screen.
#[derive(Clone, Debug, Default)]
pub struct LogPane {
    /// Only lines with this text.
    pub filter: String,
    /// Lines scrolled up from the end.
    scroll: usize,
}

impl LogPane {
    /// Scrolls down by so many lines, or up.
    pub const fn step(&mut self, by: isize) {
        self.scroll = self.scroll.saturating_add_signed(by.saturating_neg());
    }

    /// The lines that the filter lets through.
    #[must_use]
    pub fn matching<'a>(&self, log: &'a [LogLine]) -> Vec<&'a LogLine> {
        let wanted = self.filter.to_lowercase();
        let matches = |line: &&LogLine| {
            wanted.is_empty() || format!("{} {}", line.level, line.text).to_lowercase().contains(&wanted)
        };
        log.iter().filter(matches).collect()
    }

    /// Draws.
    pub fn render(&mut self, ctx: &Ctx<'_>, log: &[LogLine], file: Option<&str>, area: Rect, buf: &mut Buffer) {
        let mut note = Vec::new();
        if !self.filter.is_empty() {
            note.push(ctx.span(Role::Accent, format!("/{} ", self.filter)));
        }
        let shown = self.matching(log);
        let facts = match self.scroll {
            0 => Line::from(ctx.span(Role::Dim, file.map_or_else(String::new, |file| format!(" all of it: {file} ")))),
            _ => Line::from(ctx.span(Role::Accent, " G to follow ")),
        };
        let inner = ctx.frame(Pane::Log, Line::from(note), facts, area, buf);
        if shown.is_empty() {
            let words = if log.is_empty() { "no warning and no error so far" } else { "nothing matches the filter" };
            ctx.say(words, inner, buf);
            return;
        }
        let height = usize::from(inner.height);
        self.scroll = self.scroll.min(shown.len().saturating_sub(height));
        let top = shown.len().saturating_sub(height + self.scroll);
        for (row, line) in shown.iter().skip(top).take(height).enumerate() {
            put(buf, inner, row as u16, &words(ctx, line, usize::from(inner.width)));
        }
        ctx.more_below(self.scroll, area, buf);
    }
}

fn words(ctx: &Ctx<'_>, line: &LogLine, width: usize) -> Line<'static> {
    let role = match line.level {
        "ERROR" => Role::Bad,
        "WARN" => Role::Warn,
        _ => Role::Dim,
    };
    Line::from(vec![
        ctx.span(Role::Dim, format!(" {} ", ctx.clock(line.at))),
        ctx.span(role, text::pad(line.level, 6)),
        ctx.span(
            Role::Text,
            text::fit(&text::sanitise_line(&line.text), width.saturating_sub(16), ctx.glyphs.ellipsis),
        ),
    ])
}
