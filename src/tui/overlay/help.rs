//! Every key, from the table of actions: what is not there does not exist, and what is there works.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{scrolled, window};
use crate::tui::action::{Action, Scope};
use crate::tui::keymap::Binding;
use crate::tui::layout::Pane;
use crate::tui::panes::Ctx;
use crate::tui::text;
use crate::tui::theme::Role;

/// Room for the keys of a row; more of them go on in the next one.
const KEYS: usize = 18;
/// From this width on, there are two columns.
const TWO_COLUMNS: u16 = 110;
/// A column is not wider: long rows are hard to follow from key to words.
const COLUMN: usize = 78;

/// Draws the keys, those of the pane with the focus first.
pub fn render(ctx: &Ctx<'_>, scroll: &mut usize, area: Rect, buf: &mut Buffer) {
    let columns = if area.width >= TWO_COLUMNS { 2 } else { 1 };
    let width = (usize::from(area.width.saturating_sub(8)) / columns).min(COLUMN);
    let all = Pane::ALL.map(Scope::In).into_iter().chain([Scope::Fleet, Scope::Rows, Scope::Browse, Scope::Anywhere]);
    let general = |scope: &Scope| matches!(scope, Scope::Browse | Scope::Anywhere);
    let (here, elsewhere): (Vec<Scope>, Vec<Scope>) = all.partition(|scope| scope.covers(ctx.focus) && !general(scope));
    let scopes = here.into_iter().chain(elsewhere);
    let mut blocks: Vec<Vec<Line<'static>>> =
        scopes.into_iter().map(|scope| keys(ctx, scope, width)).filter(|block| !block.is_empty()).collect();
    blocks.push(signs(ctx, width));
    let lines = if columns == 1 { blocks.concat() } else { side_by_side(blocks, width) };
    let wide = u16::try_from(width * columns + 4 + (columns - 1) * 2).unwrap_or(u16::MAX);
    let high = u16::try_from(lines.len() + 1).unwrap_or(u16::MAX).min(area.height.saturating_sub(2));
    let inner = window(ctx, "keys", wide, high, area, buf);
    scrolled(ctx, &lines, scroll, inner, buf);
}

/// A heading, rows, and an empty one.
fn keys(ctx: &Ctx<'_>, scope: Scope, width: usize) -> Vec<Line<'static>> {
    let title = match scope {
        Scope::Anywhere => "everywhere, also while typing".to_owned(),
        Scope::Browse => "in every pane but the prompt".to_owned(),
        Scope::Fleet => "in tiers and models".to_owned(),
        Scope::Rows => "in decisions and requests".to_owned(),
        Scope::In(pane) => format!("in {}", pane.name()),
    };
    let bound: Vec<&Binding> =
        ctx.keymap.all().filter(|binding| binding.spec.scope == scope && !binding.keys.is_empty()).collect();
    let board = |action| matches!(action, Action::Focus(pane) if !pane.is_screen());
    let jumps: Vec<&&Binding> = bound.iter().filter(|one| board(one.spec.action)).collect();
    // The numbers of the dashboard's panes are one row, unless somebody gave them other keys.
    let usual =
        jumps.iter().all(|one| one.keys.iter().zip(one.spec.keys).all(|(key, usual)| key.to_string() == *usual));
    let together = if usual && jumps.len() == Pane::BOARD.len() { jumps } else { Vec::new() };
    let mut lines = Vec::new();
    for binding in &bound {
        let (keys, words) = match together.iter().position(|one| one.spec.name == binding.spec.name) {
            None => (join(binding), binding.spec.words.to_owned()),
            Some(0) => {
                let ends = [together.first(), together.last()].map(|one| one.and_then(|one| one.keys.first()));
                let [first, last] = ends.map(|key| key.map(ToString::to_string).unwrap_or_default());
                let also = if scope == Scope::Anywhere { ", also while typing" } else { "" };
                (format!("{first} .. {last}"), format!("go to the pane of this number{also}"))
            }
            Some(_) => continue,
        };
        lines.extend(entry(ctx, Role::Accent, &keys, &words, width));
    }
    if !lines.is_empty() {
        lines.insert(0, Line::from(ctx.span(Role::Title, title)));
        lines.push(Line::default());
    }
    lines
}

fn join(binding: &Binding) -> String {
    binding.keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// A key or a sign with its words; either goes on below where it is long.
fn entry(ctx: &Ctx<'_>, role: Role, left: &str, words: &str, width: usize) -> Vec<Line<'static>> {
    let (mut left, mut words) = (text::wrap(left, KEYS - 2), text::wrap(words, width.saturating_sub(KEYS).max(1)));
    let rows = left.len().max(words.len());
    left.resize(rows, String::new());
    words.resize(rows, String::new());
    let row = |(left, words): (String, String)| {
        Line::from(vec![ctx.span(role, text::pad(&left, KEYS)), ctx.span(Role::Text, words)])
    };
    left.into_iter().zip(words).map(row).collect()
}

fn signs(ctx: &Ctx<'_>, width: usize) -> Vec<Line<'static>> {
    let g = ctx.glyphs;
    let signs = [
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
    ];
    let mut lines = vec![Line::from(ctx.span(Role::Title, "signs"))];
    lines.extend(signs.into_iter().flat_map(|(sign, role, words)| entry(ctx, role, sign, words, width)));
    lines
}

/// Blocks in two columns of about the same height, none of them torn apart.
fn side_by_side(blocks: Vec<Vec<Line<'static>>>, width: usize) -> Vec<Line<'static>> {
    let total: usize = blocks.iter().map(Vec::len).sum();
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for block in blocks {
        // The left column takes a block as long as that brings both heights closer to each other.
        if right.is_empty() && left.len() + block.len() / 2 <= total / 2 {
            left.extend(block);
        } else {
            right.extend(block);
        }
    }
    let rows = left.len().max(right.len());
    left.resize(rows, Line::default());
    right.resize(rows, Line::default());
    let join = |(mut left, right): (Line<'static>, Line<'static>)| {
        left.push_span(Span::raw(" ".repeat((width + 2).saturating_sub(left.width()))));
        left.spans.extend(right.spans);
        left
    };
    left.into_iter().zip(right).map(join).collect()
}
