//! A share as a bar.

use ratatui::text::Span;

use crate::tui::panes::Ctx;
use crate::tui::theme::Role;

/// A bar of so many cells, filled to a percentage.
#[must_use]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a percentage of a few cells")]
pub fn meter(ctx: &Ctx<'_>, percent: f64, cells: usize, role: Role) -> [Span<'static>; 2] {
    let share = (percent / 100.0).clamp(0.0, 1.0);
    let mut filled = (share * cells as f64).round() as usize;
    if share > 0.0 {
        // A small share is not none.
        filled = filled.clamp(cells.min(1), cells);
        // Nor is a large one all.
        if share < 1.0 {
            filled = filled.min(cells.saturating_sub(1).max(1).min(cells));
        }
    }
    [
        Span::styled(ctx.glyphs.meter[0].repeat(filled), ctx.style(role)),
        Span::styled(ctx.glyphs.meter[1].repeat(cells - filled.min(cells)), ctx.style(Role::Dim)),
    ]
}

/// The role of a share that should not be used up.
#[must_use]
pub fn usage_role(percent: f64) -> Role {
    match percent {
        p if p >= 100.0 => Role::Bad,
        p if p >= 80.0 => Role::Warn,
        _ => Role::Ok,
    }
}
