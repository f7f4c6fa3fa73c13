//! Every key, from the table of actions: what is not there does not exist, and what is there works.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::{scrolled, window};
use crate::tui::action::Scope;
use crate::tui::layout::Pane;
use crate::tui::panes::Ctx;
use crate::tui::text;
use crate::tui::theme::Role;

/// Draws the keys, those of the pane with the focus first.
pub fn render(ctx: &Ctx<'_>, scroll: &mut usize, area: Rect, buf: &mut Buffer) {
    let mut scopes = vec![Scope::In(ctx.focus)];
    scopes.extend(Pane::ALL.map(Scope::In).into_iter().filter(|scope| *scope != Scope::In(ctx.focus)));
    scopes.extend([Scope::Browse, Scope::Anywhere]);
    let mut lines = Vec::new();
    for scope in scopes {
        let title = match scope {
            Scope::Anywhere => "everywhere, also while typing".to_owned(),
            Scope::Browse => "in every pane but the prompt".to_owned(),
            Scope::In(pane) => format!("in {}", pane.name()),
        };
        let rows: Vec<Line<'static>> = ctx
            .keymap
            .all()
            .filter(|binding| binding.spec.scope == scope && !binding.keys.is_empty())
            .map(|binding| {
                let keys = binding.keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
                Line::from(vec![
                    ctx.span(Role::Accent, text::pad(&text::fit(&keys, 18, ctx.glyphs.ellipsis), 20)),
                    ctx.span(Role::Text, binding.spec.words),
                ])
            })
            .collect();
        if !rows.is_empty() {
            lines.push(Line::from(ctx.span(Role::Title, title)));
            lines.extend(rows);
            lines.push(Line::default());
        }
    }
    lines.push(Line::from(ctx.span(Role::Title, "signs")));
    let g = ctx.glyphs;
    for (sign, role, words) in [
        (g.up, Role::Ok, "up"),
        (g.degraded, Role::Warn, "slow, limited or full"),
        (g.down, Role::Bad, "down"),
        (g.draining, Role::Draining, "DRAIN n: n in flight still finish"),
        (g.drained, Role::Draining, "drained, or in maintenance"),
        (g.warming, Role::Warn, "warming up"),
        (g.unknown, Role::Unknown, "not known yet"),
        (g.pin, Role::Pinned, "pinned"),
        (g.failed, Role::Bad, "a failed attempt in a chart"),
        (g.gap, Role::Dim, "no attempt in a chart"),
        ("~", Role::Text, "an estimate"),
        (g.none, Role::Text, "an amount that is not known"),
    ] {
        lines.push(Line::from(vec![ctx.span(role, text::pad(sign, 20)), ctx.span(Role::Text, words)]));
    }
    let inner = window(ctx, "keys", 84, area.height.saturating_sub(2), area, buf);
    scrolled(ctx, &lines, scroll, inner, buf);
}
