//! What lies over the panes: one thing at a time, closed by Esc, while the input beneath keeps its text.

pub mod confirm;
pub mod detail;
pub mod help;
pub mod palette;
pub mod toast;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Block, Borders, Clear, Widget};

use super::layout::centred;
use super::panes::{Ctx, put};
use super::theme::Role;

/// A window in the middle; returns what is inside its border.
pub fn window(ctx: &Ctx<'_>, title: &str, width: u16, height: u16, area: Rect, buf: &mut Buffer) -> Rect {
    let area = centred(area, width, height).intersection(buf.area);
    Clear.render(area, buf);
    let title = Line::from(ctx.span(Role::Focus, format!(" {title} ")));
    let block = Block::new()
        .borders(Borders::ALL)
        .border_set(ctx.glyphs.border_focus)
        .border_style(ctx.style(Role::Focus))
        .title_top(title);
    let inner = block.inner(area);
    block.render(area, buf);
    // A column of air on both sides.
    Rect { x: inner.x + inner.width.min(1), width: inner.width.saturating_sub(2), ..inner }
}

/// Lines that scroll; the last row tells how many more there are.
pub fn scrolled(ctx: &Ctx<'_>, lines: &[Line<'_>], scroll: &mut usize, area: Rect, buf: &mut Buffer) {
    let height = usize::from(area.height);
    *scroll = (*scroll).min(lines.len().saturating_sub(height));
    for (row, line) in lines.iter().skip(*scroll).take(height).enumerate() {
        put(buf, area, row as u16, line);
    }
    let below = lines.len().saturating_sub(*scroll + height);
    if below > 0 && area.height > 1 {
        let note = Line::from(ctx.span(Role::Accent, format!(" {below} more below ")));
        let width = (note.width() as u16).min(area.width);
        put(buf, Rect { x: area.right() - width, width, ..area }, area.height - 1, &note);
    }
}
