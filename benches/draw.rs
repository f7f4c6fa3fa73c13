//! A whole frame of the dashboard at 160x50 into a buffer, of a busy fleet with full rings. Wanted: under a millisecond;
//! and under eight for what is worked out once a second while a dialog stands.

// The fixture of the screen's own tests names the library `crate`.
use llm_call::{domain, engine, provider, telemetry};

#[path = "../src/tui/tests/fixture.rs"]
#[expect(clippy::expect_used, dead_code, reason = "the fixture of the screen's tests")]
mod fixture;

use std::sync::Arc;
use std::time::Duration;

use llm_call::domain::request::Constraints;
use llm_call::domain::tier::{Target, Tier};
use llm_call::engine::{Fact, Outcome, Progress};
use llm_call::provider::Finish;
use llm_call::tui::app::{App, Overlay};
use llm_call::tui::layout::Pane;
use llm_call::tui::overlay::confirm::{Confirm, Verb};
use llm_call::tui::session::TurnEvent;
use llm_call::tui::view;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

fn main() {
    divan::main();
}

/// As many rows as are kept, and a conversation with an answer under way.
fn busy() -> App {
    let snapshot = fixture::working();
    let mut app = App::plain(fixture::NOW);
    for number in 0..2_000_u128 {
        let decision =
            fixture::decision(&snapshot, number, "Explain step by step why the sky is blue", fixture::ago(9));
        app.feed.take(Fact::Decided(Arc::clone(&decision)));
        if number % 50 != 0 {
            let attempt = fixture::attempt(&decision, 1, Ok(Finish::Stop));
            app.feed.take(fixture::finished(&decision, vec![attempt], Outcome::Answered));
        }
    }
    for fact in fixture::facts(&snapshot) {
        app.feed.take(fact);
    }
    app.see(Arc::new(snapshot));
    let key = app.session.open("Tell me everything".to_owned(), fixture::NOW);
    let text = "A paragraph of an answer that goes on for a while, as answers do.\n".repeat(400);
    app.session.take(key, TurnEvent::Progress(Progress::Text(text)), fixture::NOW);
    app
}

fn frames(bencher: divan::Bencher<'_, '_>, mut app: App, piece: Option<&str>) {
    let area = Rect::new(0, 0, 160, 50);
    let mut buffer = Buffer::empty(area);
    let key = app.session.turns.first().map_or(0, |turn| turn.key);
    bencher.bench_local(|| {
        if let Some(piece) = piece {
            app.now = app.now.after(Duration::from_millis(33));
            app.session.take(key, TurnEvent::Progress(Progress::Text(piece.to_owned())), app.now);
        }
        buffer.reset();
        view::draw(&mut app, area, &mut buffer);
    });
}

#[divan::bench]
fn a_full_frame(bencher: divan::Bencher<'_, '_>) {
    frames(bencher, busy(), None);
}

#[divan::bench]
fn a_frame_per_piece_of_a_streaming_answer(bencher: divan::Bencher<'_, '_>) {
    frames(bencher, busy(), Some("more "));
}

#[divan::bench]
fn sorted_and_filtered_decisions(bencher: divan::Bencher<'_, '_>) {
    let mut app = busy();
    app.focus = Pane::Decisions;
    app.decisions.rows.filter = "claude".to_owned();
    app.decisions.rows.sort_next();
    frames(bencher, app, None);
}

#[divan::bench]
fn a_small_screen(bencher: divan::Bencher<'_, '_>) {
    let mut app = busy();
    let area = Rect::new(0, 0, 80, 24);
    let mut buffer = Buffer::empty(area);
    bencher.bench_local(|| {
        buffer.reset();
        view::draw(&mut app, area, &mut buffer);
    });
}

/// A screen that a pane fills.
fn screen(bencher: divan::Bencher<'_, '_>, pane: Pane) {
    let mut app = busy();
    app.focus = pane;
    frames(bencher, app, None);
}

#[divan::bench]
fn requests(bencher: divan::Bencher<'_, '_>) {
    screen(bencher, Pane::Requests);
}

#[divan::bench]
fn filtered_requests_by_cost(bencher: divan::Bencher<'_, '_>) {
    let mut app = busy();
    app.focus = Pane::Requests;
    app.requests.rows.filter = "claude".to_owned();
    app.requests.rows.sort_next();
    frames(bencher, app, None);
}

#[divan::bench]
fn models(bencher: divan::Bencher<'_, '_>) {
    screen(bencher, Pane::Models);
}

#[divan::bench]
fn spending(bencher: divan::Bencher<'_, '_>) {
    screen(bencher, Pane::Spend);
}

/// A frame per piece of each of four answers.
#[divan::bench]
fn answers_side_by_side_while_they_stream(bencher: divan::Bencher<'_, '_>) {
    let mut app = busy();
    app.open_comparison("Tell me everything", &Tier::ALL, None, &Constraints::default());
    app.focus = Pane::Compare;
    let keys = app.session.comparisons.last().map(|one| one.turns.clone()).unwrap_or_default();
    let text = "A paragraph of an answer that goes on for a while, as answers do.\n".repeat(400);
    for key in &keys {
        app.session.take(*key, TurnEvent::Progress(Progress::Text(text.clone())), fixture::NOW);
    }
    let area = Rect::new(0, 0, 160, 50);
    let mut buffer = Buffer::empty(area);
    bencher.bench_local(|| {
        app.now = app.now.after(Duration::from_millis(33));
        for key in &keys {
            app.session.take(*key, TurnEvent::Progress(Progress::Text("more ".to_owned())), app.now);
        }
        buffer.reset();
        view::draw(&mut app, area, &mut buffer);
    });
}

/// A new dialog each time, so that each frame looks ahead over the requests of late.
#[divan::bench]
fn the_question_before_a_drain_looking_ahead(bencher: divan::Bencher<'_, '_>) {
    let mut app = busy();
    app.focus = Pane::Tiers;
    let area = Rect::new(0, 0, 160, 50);
    let mut buffer = Buffer::empty(area);
    bencher.bench_local(|| {
        app.overlay = Some(Overlay::Confirm(Box::new(Confirm::new(Verb::Drain, Target::Tier(Tier::Claude)))));
        buffer.reset();
        view::draw(&mut app, area, &mut buffer);
    });
}

/// What a snapshot costs before anything is drawn of it.
#[divan::bench]
fn a_snapshot_comes_in(bencher: divan::Bencher<'_, '_>) {
    let mut app = busy();
    let snapshot = Arc::new(fixture::working());
    bencher.bench_local(|| app.see(Arc::clone(&snapshot)));
}
