//! Dialogs, details and the rows above the input, as they look with much behind them.

use std::sync::Arc;

use super::fixture::{self, NOW};
use super::scene;
use super::screens::{paint, text_of};
use crate::domain::request::Constraints;
use crate::domain::tier::{Target, Tier};
use crate::tui::app::{App, Overlay};
use crate::tui::layout::Pane;
use crate::tui::overlay::confirm::{Confirm, Verb};
use crate::tui::overlay::detail::Subject;
use crate::tui::overlay::palette::Palette;

/// The screen at several sizes, one below the other.
fn sheet(app: &mut App, sizes: &[(u16, u16)]) -> String {
    let screen =
        |(width, height): &(u16, u16)| format!("== {width}x{height}\n{}\n", text_of(&paint(app, *width, *height)));
    sizes.iter().map(screen).collect()
}

#[test]
fn over_the_panes() {
    let mut app = scene::normal();
    let fleet = Arc::clone(&app.live.as_ref().expect("a snapshot").fleet);
    let anthropic = || Target::Backend(fixture::id("anthropic"));
    for (name, focus, overlay) in [
        ("drain", Pane::Tiers, Overlay::Confirm(Box::new(Confirm::new(Verb::Drain, Target::Tier(Tier::Claude))))),
        ("ready", Pane::Tiers, Overlay::Confirm(Box::new(Confirm::new(Verb::Ready, Target::Tier(Tier::Gpu))))),
        ("pin", Pane::Models, Overlay::Confirm(Box::new(Confirm::new(Verb::Pin, anthropic())))),
        ("kill", Pane::Tiers, Overlay::Confirm(Box::new(Confirm::new(Verb::Kill, anthropic())))),
        ("limit", Pane::Spend, Overlay::Confirm(Box::new(Confirm::limit(fleet.spend.daily_limit)))),
        ("elsewhere", Pane::Requests, Overlay::Palette(Palette::elsewhere(0, false, &fleet, NOW))),
        ("story", Pane::Requests, Overlay::Detail(Subject::Row(0), 0)),
        ("story_end", Pane::Requests, Overlay::Detail(Subject::Row(3), usize::MAX)),
        ("drained", Pane::Decisions, Overlay::Detail(Subject::Row(10), 0)),
    ] {
        (app.focus, app.overlay) = (focus, Some(overlay));
        insta::assert_snapshot!(format!("over_{name}"), sheet(&mut app, &[(120, 40), (60, 20)]));
    }
}

#[test]
fn above_the_input() {
    for (name, text) in [
        ("forecast", "Write a function that sorts a list of words"),
        ("found", "Write to ada@example.org and to bob@example.org"),
        ("commands", "/"),
        ("models", "/private /model "),
        ("wrong", "/tier moon Hello"),
    ] {
        let mut app = scene::normal();
        app.prompt.set_text(text);
        app.foresee();
        if let Some((prompt, demands)) = app.forecast_request() {
            app.prompt.forecast = Some(fixture::demanding(&scene::busy(), 1, prompt, demands, NOW));
        }
        insta::assert_snapshot!(format!("typed_{name}"), sheet(&mut app, &[(120, 40), (80, 24), (60, 20)]));
    }
}

#[test]
fn where_nobody_can_serve_the_input_says_why() {
    let mut app = scene::normal();
    app.prompt.constraints = Constraints { tier: Some(Tier::Gpu), fallback: false, ..Constraints::default() };
    app.prompt.set_text("Hello");
    app.foresee();
    let (prompt, demands) = app.forecast_request().expect("a text");
    app.prompt.forecast = Some(fixture::demanding(&scene::busy(), 1, prompt, demands, NOW));
    let shown = text_of(&paint(&mut app, 120, 40));
    let line = shown.lines().find(|line| line.contains("┃ ! ")).unwrap_or_else(|| panic!("a warning in {shown}"));
    assert!(line.contains("nobody can serve it: tier drained"), "{line}");
}
