//! The whole story of one row: a decision with everything that led to it, or a part of the fleet with all that is known.

mod part;
mod request;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::{scrolled, window};
use crate::domain::tier::Target;
use crate::tui::action::Action;
use crate::tui::feed::{Feed, Kind};
use crate::tui::panes::Ctx;
use crate::tui::text;
use crate::tui::theme::Role;

/// What the details are of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A row of the decisions.
    Row(u64),
    /// A part of the fleet.
    Part(Target),
}

/// Draws the details, from what is known at this moment.
pub fn render(ctx: &Ctx<'_>, subject: &Subject, feed: &Feed, scroll: &mut usize, area: Rect, buf: &mut Buffer) {
    let width = area.width.saturating_sub(4).min(136);
    let columns = usize::from(width.saturating_sub(4));
    let (title, lines) = match subject {
        Subject::Row(number) => match feed.get(*number).map(|row| &row.kind) {
            Some(Kind::Request(row)) => (format!("request {}", row.id.short()), request::request(ctx, row, columns)),
            Some(Kind::Operator(action)) => (
                "operator".to_owned(),
                vec![
                    fact(ctx, "when", &ctx.clock(action.at)),
                    fact(ctx, "who", &action.by),
                    fact(ctx, "what", &action.words),
                ],
            ),
            Some(Kind::Health(change)) => (
                format!("health of {}", change.backend),
                vec![
                    fact(ctx, "when", &ctx.clock(change.at)),
                    fact(ctx, "from", change.from.name()),
                    fact(ctx, "to", change.to.name()),
                    fact(ctx, "why", &change.why),
                ],
            ),
            Some(Kind::Drained(drained)) => (
                format!("drain of {}", drained.target),
                vec![
                    fact(ctx, "when", &ctx.clock(drained.at)),
                    fact(ctx, "took", &text::age(drained.after)),
                    fact(ctx, "now", "nothing is in flight there any more"),
                ],
            ),
            Some(Kind::Missed(_)) | None => ("gone".to_owned(), vec![fact(ctx, "", "this row is not kept any more")]),
        },
        Subject::Part(target) => (target.to_string(), part::part(ctx, target, columns)),
    };
    let height = u16::try_from(lines.len() + 2).unwrap_or(u16::MAX).min(area.height.saturating_sub(2)).max(6);
    let inner = window(ctx, &title, width, height, area, buf);
    scrolled(ctx, &lines, scroll, inner, buf);
}

/// The keys that count while details are read, for the footer.
#[must_use]
pub fn hints(ctx: &Ctx<'_>, subject: &Subject, feed: &Feed) -> Vec<(String, String)> {
    let mut hints: Vec<(String, String)> = Vec::new();
    let row = if let Subject::Row(number) = subject { feed.get(*number) } else { None };
    if let Some(Kind::Request(row)) = row.map(|row| &row.kind) {
        // What is over cannot be cancelled, and what is not cannot be judged.
        let actions: &[Action] = if row.finished.is_some() {
            &[Action::Good, Action::Bad, Action::Elsewhere, Action::Copy]
        } else {
            &[Action::Cancel, Action::Elsewhere, Action::Copy]
        };
        for action in actions {
            let spec = ctx.keymap.active(ctx.focus).find(|binding| binding.spec.action == *action);
            if let Some((binding, key)) = spec.and_then(|binding| Some((binding, binding.keys.first()?))) {
                hints.push((key.to_string(), binding.spec.hint.to_owned()));
            }
        }
    }
    hints.extend([("up/down", "scroll"), ("esc", "close")].map(|(key, words)| (key.to_owned(), words.to_owned())));
    hints
}

fn fact(ctx: &Ctx<'_>, name: &str, value: &str) -> Line<'static> {
    Line::from(vec![ctx.span(Role::Dim, text::pad(name, 12)), ctx.span(Role::Text, text::sanitise_line(value))])
}

fn title(ctx: &Ctx<'_>, words: &str) -> Line<'static> {
    Line::from(ctx.span(Role::Title, words.to_owned()))
}
