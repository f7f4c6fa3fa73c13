//! Text from outside cannot break the screen: whatever a provider answers, calls its models or says in an error, every
//! border stands where it stood, and nothing that drives a terminal reaches it.

use std::sync::Arc;

use ratatui::buffer::Buffer;

use super::fixture::{self, NOW};
use super::screens::paint;
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::health::Health;
use crate::domain::tier::{Target, Tier};
use crate::engine::{Fact, HealthChange, OperatorAction, Outcome, Progress};
use crate::tui::app::{App, Overlay};
use crate::tui::layout::Pane;
use crate::tui::overlay::detail::Subject;
use crate::tui::session::TurnEvent;

const HOSTILE: [&str; 6] = [
    "\u{1b}[2J\u{1b}[31mred\u{1b}]0;title\u{7}\u{9b}5A",
    "\u{202e}desrever\u{202c} \u{2066}isolated\u{200f}",
    "👩\u{200d}👩\u{200d}👧\u{fe0f} 漢字漢字 e\u{301}\u{300} ❤\u{fe0f} 🇩🇪",
    "tab\tand\rreturn\nline\u{0}\u{8}\u{7f}",
    "\u{1b}P1;2|sixel",
    "a\u{200b}b\u{feff}c\u{e0041}\u{85}\u{2028}",
];

/// Backends, models, reasons, facts, an answer, all of one text.
fn app_of(text: &str) -> App {
    let mut snapshot = fixture::working();
    let fleet = Arc::make_mut(&mut snapshot.fleet);
    for backend in &mut fleet.backends {
        let backend = Arc::make_mut(backend);
        backend.detail = text.into();
        backend.models.push(fixture::any_model(text.to_owned()));
    }
    let down = Arc::make_mut(&mut fleet.backends[1]);
    down.health = Health::Down;
    Arc::make_mut(&mut down.spec).id = text.into();
    let mut app = App::plain(NOW);
    for number in 0..4 {
        let decision = fixture::decision(&snapshot, number, text, NOW);
        let failure = Failure::new(FailureClass::Overloaded, text);
        let attempt = fixture::attempt(&decision, 1, Err(failure));
        app.feed.take(Fact::Decided(Arc::clone(&decision)));
        app.feed.take(fixture::finished(&decision, vec![attempt], Outcome::Failed));
    }
    app.feed.take(Fact::Health(Arc::new(HealthChange {
        at: NOW,
        tier: Tier::Local,
        backend: text.into(),
        from: Health::Up,
        to: Health::Down,
        why: text.into(),
    })));
    app.feed.take(Fact::Operator(Arc::new(OperatorAction {
        at: NOW,
        by: text.into(),
        target: None,
        state: None,
        judged: None,
        words: text.into(),
    })));
    app.see(Arc::new(snapshot));
    let key = app.session.open(text.to_owned(), NOW);
    app.session.take(
        key,
        TurnEvent::Progress(Progress::Text(text.repeat(if text.len() > 1_000 { 1 } else { 9 }))),
        NOW,
    );
    app.toasts.error(text, NOW);
    app
}

/// Where borders stand on a screen whose texts are all harmless, and on this one.
fn assert_whole(shown: &Buffer, plain: &Buffer, what: &str) {
    for y in 0..shown.area.height {
        for x in 0..shown.area.width {
            let (cell, expected) = (shown[(x, y)].symbol(), plain[(x, y)].symbol());
            if "│┃╭╮╰╯┏┓┗┛".contains(expected) {
                assert_eq!(cell, expected, "the border at {x},{y}, for {what:?}");
            }
            let bad = |c: char| c.is_control() || crate::tui::text::is_invisible(c);
            assert!(!cell.contains(bad), "{cell:?} at {x},{y}, for {what:?}");
        }
    }
}

#[test]
fn no_text_from_outside_breaks_a_border() {
    let long = "x".repeat(1 << 20);
    for text in HOSTILE.into_iter().chain([long.as_str()]) {
        let (mut app, mut plain) = (app_of(text), app_of("plain"));
        for (width, height) in [(200, 60), (120, 40), (80, 24), (60, 20)] {
            for focus in Pane::ALL {
                (app.focus, plain.focus) = (focus, focus);
                assert_whole(&paint(&mut app, width, height), &paint(&mut plain, width, height), text);
            }
        }
        for overlay in [
            Overlay::Detail(Subject::Row(0), 0),
            Overlay::Detail(Subject::Part(Target::Backend(text.into())), 0),
            Overlay::Warnings(0),
        ] {
            app.overlay = Some(overlay);
            let shown = paint(&mut app, 120, 40);
            let sides = (0..40).filter(|y| (0..120).filter(|x| shown[(*x, *y)].symbol() == "┃").count() >= 2).count();
            assert!(sides >= 3, "the window has both of its sides, for {text:?}");
        }
    }
}
