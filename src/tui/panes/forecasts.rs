//! How forecasts of costs compare with what was settled, by model: the error figure of the panes about money.

use ratatui::text::Line;

use super::Ctx;
use crate::domain::fleet::Fleet;
use crate::domain::spend::Forecasts;
use crate::domain::tier::Tier;
use crate::tui::text;
use crate::tui::theme::Role;

/// Models that are listed.
const MODELS: usize = 12;

/// `within 12 %, 3 % low over 240`; `None` where nothing was settled that had been foreseen.
fn words(forecasts: &Forecasts) -> Option<String> {
    forecasts.words().map(|words| format!("{words} over {}", forecasts.attempts))
}

/// All models together, in a line; `None` where nothing was settled that had been foreseen.
pub(super) fn in_all(ctx: &Ctx<'_>, fleet: &Fleet, width: usize) -> Option<Line<'static>> {
    let models = fleet.backends.iter().flat_map(|backend| &backend.models);
    let all = models.fold(Forecasts::default(), |all, model| all.with(&model.book.forecasts));
    let words = text::fit(&words(&all)?, width.saturating_sub(11), ctx.glyphs.ellipsis);
    Some(Line::from(vec![ctx.span(Role::Dim, text::pad(" foreseen", 10)), ctx.span(Role::Text, format!(" {words}"))]))
}

/// A line for each model, under a title, what was settled most first; nothing where nothing was settled that had been foreseen.
pub(super) fn by_model(ctx: &Ctx<'_>, fleet: &Fleet, width: usize) -> Vec<Line<'static>> {
    let mut known: Vec<(Tier, String, Forecasts, String)> = Vec::new();
    for backend in &fleet.backends {
        known.extend(backend.models.iter().filter_map(|model| {
            let forecasts = model.book.forecasts;
            Some((backend.spec.tier, model.id.to_string(), forecasts, words(&forecasts)?))
        }));
    }
    if known.is_empty() {
        return Vec::new();
    }
    known.sort_by_key(|(_, _, forecasts, _)| std::cmp::Reverse(forecasts.settled));
    let names = (width / 3).clamp(12, 28);
    let mut lines = vec![Line::from(ctx.span(Role::Title, " costs foreseen against settled, since start"))];
    lines.extend(known.into_iter().take(MODELS).map(|(tier, name, _, words)| {
        let name = text::fit_middle(&text::sanitise_line(&name), names - 1, ctx.glyphs.ellipsis);
        let words = text::fit(&words, width.saturating_sub(names + 2), ctx.glyphs.ellipsis);
        Line::from(vec![
            ctx.span(Role::Series(tier), format!(" {}", text::pad(&name, names))),
            ctx.span(Role::Text, words),
        ])
    }));
    lines
}
