//! One frame: the state of the screen into a buffer. The only place that draws.

use std::cell::Cell;
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::app::{App, Overlay};
use super::feed::Kind;
use super::layout::{Layout, Pane, Size, Wishes};
use super::overlay::palette::Palette;
use super::overlay::{detail, help, scrolled, window};
use super::panes::decisions::matches;
use super::panes::header::{self, Modes};
use super::panes::tiers::Detail;
use super::panes::{Ctx, put};
use super::text;
use super::theme::Role;
use crate::domain::tier::Tier;
use crate::engine::warnings::Severity;

/// Works out which rows there are. Before every frame, and before every key: a key that comes ahead of the next frame
/// must mean what is there, not what was.
pub fn prepare(app: &mut App) {
    if let Some(snapshot) = app.shown().cloned() {
        let fleet = &snapshot.fleet;
        let focused = app.focus == Pane::Tiers;
        let rows = usize::from(Layout::of(app.area, app.wishes()).pane(Pane::Tiers).height.saturating_sub(3));
        let whole = fleet.backends.len() + Tier::ALL.len();
        let detail = match Size::of(app.area) {
            _ if app.zoomed && focused => Detail::Models,
            Size::Medium if whole > rows && focused => Detail::Merged,
            Size::Medium if whole > rows => Detail::Overview(rows),
            _ => Detail::Backends,
        };
        app.tiers.prepare(fleet, detail, app.now);
        if app.focus == Pane::Models {
            app.models.prepare(fleet);
        }
    }
    let feed = app.frozen.as_ref().map_or(&app.feed, |frozen| &frozen.feed);
    app.decisions.rows.prepare(feed, matches);
    if app.focus == Pane::Requests {
        app.requests.rows.prepare(feed, matches);
    }
    if let (Some(Overlay::Confirm(confirm)), Some(live)) = (&mut app.overlay, &app.live) {
        let decisions = app.feed.rows().rev().filter_map(|row| match &row.kind {
            Kind::Request(request) => Some(&*request.decision),
            Kind::Operator(_) | Kind::Drained(_) | Kind::Health(_) | Kind::Missed(_) => None,
        });
        confirm.look_ahead(decisions, live, app.now);
    }
}

impl App {
    fn wishes(&self) -> Wishes {
        Wishes {
            focus: self.focus,
            zoomed: self.zoomed,
            fleet_rows: u16::try_from(self.tiers.len()).unwrap_or(u16::MAX).max(4),
            // Notices can wait for whoever asks for the list.
            warning: self.warnings.iter().any(|warning| warning.severity < Severity::Notice),
        }
    }
}

/// Draws everything.
pub fn draw(app: &mut App, area: Rect, buf: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let changes = Cell::new(None);
    paint(app, area, &changes, buf);
    app.changes = changes.get();
    app.seen_row = match app.focus {
        Pane::Decisions => app.decisions.rows.selected(),
        Pane::Requests => app.requests.rows.selected(),
        _ => None,
    };
    // Whatever a provider calls its models and whatever a pane forgot: nothing that turns the direction of a line or
    // joins cells reaches the terminal, where it would break the borders.
    for cell in &mut buf.content {
        if !cell.symbol().is_ascii() && cell.symbol().contains(text::is_invisible) {
            let first = cell.symbol().chars().find(|c| !text::is_invisible(*c)).unwrap_or(' ');
            cell.set_char(first);
        }
    }
}

fn paint(app: &mut App, area: Rect, changes: &Cell<Option<Duration>>, buf: &mut Buffer) {
    app.area = area;
    prepare(app);
    let snapshot = app.shown().cloned();
    let shown_now = app.frozen.as_ref().map_or(app.now, |frozen| frozen.at);
    let feed = app.frozen.as_ref().map_or(&app.feed, |frozen| &frozen.feed);
    app.layout = Layout::of(area, app.wishes());
    let layout = app.layout;
    let ctx = Ctx {
        snapshot: snapshot.as_deref(),
        now: shown_now,
        theme: app.theme,
        glyphs: app.glyphs,
        keymap: &app.keymap,
        zone: &app.zone,
        focus: app.focus,
        zoomed: app.zoomed,
        size: layout.size,
        probe_every: app.probe_every,
        requested: &app.requested,
        animations: app.animations,
        changes,
    };
    let modes = Modes {
        read_only: app.read_only,
        frozen: app.frozen.as_ref().map(|frozen| (frozen.at, app.now)),
        mouse: app.mouse,
        version: app.version,
        warnings: app.warnings.iter().filter(|warning| warning.severity < Severity::Notice).count(),
        unserved: app.unserved.as_ref().map_or(0, |unserved| unserved.requests),
        warning_row: !layout.warning.is_empty(),
    };
    header::header(&ctx, modes, layout.header, buf);
    header::warning(&ctx, &app.warnings, layout.warning, buf);
    // The operator's own answers go on while the fleet's display is held.
    let live = Ctx { now: app.now, ..ctx };
    if !layout.pane(Pane::Prompt).is_empty() {
        app.prompt.render(&live, &mut app.session, layout.pane(Pane::Prompt), buf);
    }
    for pane in Pane::ALL {
        let area = layout.pane(pane);
        if area.is_empty() {
            continue;
        }
        match pane {
            Pane::Prompt => {}
            Pane::Tiers => app.tiers.render(&ctx, area, buf),
            Pane::Latency => app.latency.render(&ctx, area, buf),
            Pane::Gpu => app.gpu.render(&ctx, area, buf),
            Pane::Cost => app.cost.render(&ctx, area, buf),
            Pane::Decisions => app.decisions.render(&ctx, feed, area, buf),
            Pane::Requests => app.requests.render(&ctx, feed, area, buf),
            Pane::Models => app.models.render(&ctx, area, buf),
            Pane::Spend => app.spend.render(&ctx, area, buf),
            Pane::Log => app.log_pane.render(&live, &app.log, app.log_file.as_deref(), area, buf),
            Pane::Compare => app.comparison.render(&live, &mut app.session, area, buf),
        }
    }
    let mut hints = Vec::new();
    if let Some(overlay) = &mut app.overlay {
        let middle = Rect { height: area.height.saturating_sub(layout.footer.height), ..area };
        hints = match overlay {
            Overlay::Help(scroll) => {
                help::render(&ctx, scroll, middle, buf);
                reading_hints()
            }
            Overlay::Palette(palette) => {
                palette.render(&ctx, middle, buf);
                Palette::hints()
            }
            Overlay::Confirm(confirm) => {
                confirm.render(&live, middle, buf);
                confirm.hints()
            }
            Overlay::Detail(subject, scroll) => {
                detail::render(&ctx, subject, feed, scroll, middle, buf);
                detail::hints(&ctx, subject, feed)
            }
            Overlay::Warnings(scroll) => {
                let lines = warning_lines(&live, &app.warnings);
                reading(&ctx, "warnings", &lines, scroll, middle, buf);
                reading_hints()
            }
            Overlay::Filter(pane, _) => {
                let filter = match pane {
                    Pane::Tiers => app.tiers.filter.clone(),
                    Pane::Models => app.models.filter.clone(),
                    Pane::Log => app.log_pane.filter.clone(),
                    Pane::Requests => app.requests.rows.filter.clone(),
                    _ => app.decisions.rows.filter.clone(),
                };
                let line = Line::from(vec![
                    ctx.span(Role::Accent, " /"),
                    Span::raw(filter),
                    ctx.span(Role::Accent, ctx.glyphs.caret),
                    ctx.span(Role::Dim, "  enter keeps it, esc clears it"),
                ]);
                put(buf, layout.footer, 0, &line);
                return;
            }
        };
    }
    if app.toasts.is_empty() {
        header::footer(&ctx, &hints, layout.footer, buf);
    } else {
        let area = if layout.size == Size::Tiny { layout.header } else { layout.footer };
        app.toasts.render(&ctx, area, buf);
    }
}

fn reading_hints() -> Vec<(String, String)> {
    [("up/down", "scroll"), ("esc", "close")].map(|(key, words)| (key.to_owned(), words.to_owned())).to_vec()
}

fn reading(ctx: &Ctx<'_>, title: &str, lines: &[Line<'_>], scroll: &mut usize, area: Rect, buf: &mut Buffer) {
    let height = u16::try_from(lines.len() + 2).unwrap_or(u16::MAX).min(area.height.saturating_sub(2)).max(5);
    let inner = window(ctx, title, area.width.saturating_sub(6).min(110), height, area, buf);
    scrolled(ctx, lines, scroll, inner, buf);
}

fn warning_lines(ctx: &Ctx<'_>, warnings: &[crate::engine::warnings::Warning]) -> Vec<Line<'static>> {
    if warnings.is_empty() {
        return vec![Line::from(ctx.span(Role::Ok, "nothing to warn about"))];
    }
    let mut lines = Vec::new();
    for warning in warnings {
        let role = header::severity_role(warning.severity);
        lines.push(Line::from(
            ctx.span(role, format!("{} {}", ctx.glyphs.warning, text::sanitise_line(&warning.words))),
        ));
        lines.push(Line::from(
            ctx.span(Role::Dim, format!("  {} {}", ctx.glyphs.arrow, text::sanitise_line(&warning.remedy))),
        ));
    }
    lines
}
