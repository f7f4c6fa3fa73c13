//! A whole frame of the dashboard at 160x50 into a buffer, of a busy fleet with full rings. Wanted: under a millisecond.

// The fixture of the screen's own tests names the library `crate`.
use llm_call::{domain, engine, provider, telemetry};

#[path = "../src/tui/tests/fixture.rs"]
#[expect(clippy::expect_used, dead_code, reason = "the fixture of the screen's tests")]
mod fixture;

use std::sync::Arc;
use std::time::Duration;

use llm_call::engine::{Fact, Outcome, Progress};
use llm_call::provider::Finish;
use llm_call::tui::app::App;
use llm_call::tui::layout::Pane;
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
