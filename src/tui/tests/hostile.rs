//! Text from outside cannot break the screen: whatever a provider answers, calls its models or says in an error, every
//! border stands where it stood, and nothing that drives a terminal reaches it.

use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};

use super::fixture::{self, NOW};
use super::screens::paint;
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::fleet::{Admin, AdminState};
use crate::domain::health::Health;
use crate::domain::tier::{Target, Tier};
use crate::engine::{CallError, Drained, Fact, HealthChange, OperatorAction, Outcome, Progress};
use crate::tui::app::{App, Overlay};
use crate::tui::backing::LogLine;
use crate::tui::input;
use crate::tui::layout::Pane;
use crate::tui::overlay::confirm::{Confirm, Verb};
use crate::tui::overlay::detail::Subject;
use crate::tui::overlay::palette::Palette;
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
        let mut model = fixture::any_model(text.to_owned());
        model.book.attempts = 3;
        backend.models.push(model);
    }
    fleet.tiers[0].admin = Admin { state: AdminState::Drain, by: text.into(), reason: text.into(), ..Admin::default() };
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
    let keys = app.session.open_comparison(text, 3, NOW);
    for (number, key) in keys.into_iter().enumerate() {
        let decision = fixture::decision(app.live.as_ref().expect("a snapshot"), 20 + number as u128, text, NOW);
        app.session.take(key, TurnEvent::Decided(decision), NOW);
        app.session.take(key, TurnEvent::Progress(Progress::Text(text.to_owned())), NOW);
        let failure = Failure::new(FailureClass::Overloaded, text);
        if number == 1 {
            app.session.take(key, TurnEvent::Progress(Progress::Ended(Err(CallError::Cut(failure)))), NOW);
        }
    }
    app.log = ["ERROR", "INFO"].map(|level| LogLine { at: NOW, level, text: text.to_owned() }).to_vec();
    app.feed.take(Fact::Drained(Arc::new(Drained {
        at: NOW,
        target: Target::Backend(text.into()),
        after: std::time::Duration::ZERO,
    })));
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

fn texts() -> Vec<String> {
    let long = std::iter::once("x".repeat(1 << 20));
    HOSTILE.into_iter().map(str::to_owned).chain(long).collect()
}

#[test]
fn no_text_from_outside_breaks_a_border() {
    for text in texts() {
        let (mut app, mut plain) = (app_of(&text), app_of("plain"));
        for (width, height) in [(200, 60), (120, 40), (80, 24), (60, 20)] {
            for focus in Pane::ALL {
                for zoomed in [false, true] {
                    (app.focus, plain.focus) = (focus, focus);
                    (app.zoomed, plain.zoomed) = (zoomed, zoomed);
                    assert_whole(&paint(&mut app, width, height), &paint(&mut plain, width, height), &text);
                }
            }
        }
    }
}

/// Windows stand in the middle with both of their sides, and nothing in them drives the terminal.
fn assert_window(app: &mut App, text: &str) {
    let shown = paint(app, 120, 40);
    let sides = (0..40).filter(|y| (0..120).filter(|x| shown[(*x, *y)].symbol() == "┃").count() >= 2).count();
    assert!(sides >= 3, "the window has both of its sides, for {text:?}");
    let bad = |c: char| c.is_control() || crate::tui::text::is_invisible(c);
    assert!(shown.content().iter().all(|cell| !cell.symbol().contains(bad)), "{text:?}");
}

#[test]
fn no_text_from_outside_breaks_a_window() {
    for text in texts() {
        let mut app = app_of(&text);
        let fleet = Arc::clone(&app.live.as_ref().expect("a snapshot").fleet);
        let model = Target::Model(text.as_str().into(), text.as_str().into());
        for overlay in [
            Overlay::Detail(Subject::Row(0), 0),
            Overlay::Detail(Subject::Row(4), 0),
            Overlay::Detail(Subject::Row(5), 0),
            Overlay::Detail(Subject::Row(6), 0),
            Overlay::Detail(Subject::Part(Target::Backend(text.as_str().into())), 0),
            Overlay::Detail(Subject::Part(Target::Tier(Tier::Claude)), 0),
            Overlay::Warnings(0),
            Overlay::Palette(Palette::elsewhere(0, false, &fleet, NOW)),
            Overlay::Palette(Palette::new(&app.keymap, Some(&fleet), None, false)),
            Overlay::Confirm(Box::new(Confirm::new(Verb::Drain, Target::Backend(text.as_str().into())))),
            Overlay::Confirm(Box::new(Confirm::new(Verb::Pin, model.clone()))),
            Overlay::Confirm(Box::new(Confirm::new(Verb::Kill, model))),
        ] {
            app.overlay = Some(overlay);
            assert_window(&mut app, &text);
        }
    }
}

#[test]
fn what_is_pasted_into_a_dialog_or_the_palette_is_harmless_too() {
    for text in texts() {
        let mut app = app_of("plain");
        for overlay in [
            Overlay::Confirm(Box::new(Confirm::new(Verb::Drain, Target::Tier(Tier::Local)))),
            Overlay::Confirm(Box::new(Confirm::limit(None))),
            Overlay::Palette(Palette::new(&app.keymap, None, None, false)),
        ] {
            app.overlay = Some(overlay);
            // Up from the button is the reason.
            input::on_event(&mut app, Event::Key(KeyEvent::new(KeyCode::Up, KeyModifiers::NONE)));
            input::on_event(&mut app, Event::Paste(text.clone()));
            for c in text.chars().take(2_000) {
                input::on_event(&mut app, Event::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE)));
            }
            if app.overlay.is_some() {
                assert_window(&mut app, &text);
            }
        }
    }
}

#[test]
fn proposals_of_foreign_names_break_nothing() {
    for text in texts() {
        let (mut app, mut plain) = (app_of(&text), app_of("plain"));
        for app in [&mut app, &mut plain] {
            app.toasts = Default::default();
            app.session = Default::default();
            app.prompt.set_text("/model ");
            app.foresee();
            assert!(app.prompt.proposals().len() > 2);
        }
        for (width, height) in [(120, 40), (80, 24), (60, 20)] {
            assert_whole(&paint(&mut app, width, height), &paint(&mut plain, width, height), &text);
        }
    }
}
