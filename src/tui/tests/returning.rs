//! What an operator sees of a backend that comes back, of the last resort, and of what a host has in memory.

use std::sync::Arc;

use super::fixture::{self, NOW, ago};
use super::screens::{app_on, paint, text_of};
use crate::domain::breaker::Severity;
use crate::domain::health::Health;
use crate::engine::{Attempt, Fact, Snapshot};
use crate::provider::Finish;
use crate::tui::app::{App, Overlay};
use crate::tui::overlay::detail::Subject;
use crate::tui::status;

fn screen(app: &mut App) -> String {
    text_of(&paint(app, 200, 60))
}

fn word(snapshot: &Snapshot, id: &str) -> String {
    let backend = snapshot.fleet.backend(&fixture::id(id)).expect("it is in the fixture");
    status::of_backend(&snapshot.fleet, backend, NOW).word
}

#[test]
fn a_backend_that_comes_back_is_said_to_be_returning() {
    let mut snapshot = fixture::working();
    fixture::backend(Arc::make_mut(&mut snapshot.fleet), "anthropic").breaker.mend(ago(2));
    assert_eq!(word(&snapshot, "anthropic"), "RETURNING");
    assert!(screen(&mut app_on(snapshot.clone())).contains("RETURNING"));
    fixture::backend(Arc::make_mut(&mut snapshot.fleet), "litellm").breaker.mend(ago(60));
    assert_ne!(word(&snapshot, "litellm"), "RETURNING", "that was long ago");
}

#[test]
fn a_row_says_that_its_request_went_to_the_last_resort() {
    let mut snapshot = fixture::working();
    let fleet = Arc::make_mut(&mut snapshot.fleet);
    for backend in &mut fleet.backends {
        let backend = Arc::make_mut(backend);
        backend.health = Health::Down;
        let pass = backend.breaker.admit(NOW);
        backend.breaker.fail(pass, Severity::Fatal, NOW);
    }
    let decision = fixture::decision(&snapshot, 1, "Explain tides", NOW);
    assert!(decision.chosen().is_some_and(|one| one.last_resort));
    let mut app = app_on(snapshot);
    app.feed.take(Fact::Decided(decision));
    assert!(screen(&mut app).contains("as the last resort"), "{}", screen(&mut app));
}

#[test]
fn an_attempt_that_became_a_last_resort_says_so_although_its_decision_does_not() {
    let snapshot = fixture::working();
    let decision = fixture::decision(&snapshot, 1, "Explain tides", NOW);
    let made = (*fixture::attempt(&decision, 1, Ok(Finish::Stop))).clone();
    let shown = |last_resort| {
        let mut app = app_on(snapshot.clone());
        app.feed.take(Fact::Decided(Arc::clone(&decision)));
        app.feed.take(Fact::Attempted(Arc::new(Attempt { last_resort, ..made.clone() })));
        let row = app.feed.rows().last().expect("it has a row").number;
        app.overlay = Some(Overlay::Detail(Subject::Row(row), usize::MAX));
        screen(&mut app).contains("as the last resort")
    };
    assert!(shown(true) && !shown(false));
}

#[test]
fn a_model_in_memory_is_shown_with_what_it_takes() {
    let mut snapshot = fixture::working();
    let host = fixture::backend(Arc::make_mut(&mut snapshot.fleet), "workstation");
    host.models[0].loaded = Some(true);
    host.models[0].memory = Some(13 << 29);
    host.probed_at = Some(NOW);
    assert_eq!(host.memory_in_use(), Some(13 << 29));
    let mut app = app_on(snapshot);
    (app.focus, app.zoomed) = (crate::tui::layout::Pane::Tiers, true);
    assert!(screen(&mut app).contains("loaded, 6.5G"), "{}", screen(&mut app));
}
