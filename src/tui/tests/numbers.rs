//! Numbers keep their place: whatever they grow to, the columns end where they ended before.

use std::sync::Arc;
use std::time::Duration;

use ratatui::buffer::Buffer;

use super::fixture::{self, NOW, ago};
use super::screens::{paint, text_of};
use crate::domain::latency::Percentiles;
use crate::domain::money::{Cost, CostBasis, Money};
use crate::domain::spend::{Book, Day, Spend};
use crate::domain::tier::Tier;
use crate::domain::usage::Usage;
use crate::engine::{Attempt, Fact, Finished, Outcome, Snapshot};
use crate::provider::Finish;
use crate::tui::app::App;
use crate::tui::layout::Pane;

/// From nothing to more than anybody will see, in steps of ten and a little beside them.
const GROWING: [u64; 9] = [0, 7, 42, 640, 9_994, 9_996, 123_456, 7_654_321, 87_654_321];

/// A fleet all of whose numbers are of one magnitude.
fn fleet_of(number: u64) -> Snapshot {
    let mut snapshot = fixture::working();
    let fleet = Arc::make_mut(&mut snapshot.fleet);
    let ms = u32::try_from(number).expect("small enough");
    let times = Some(Percentiles { count: 1, p50: ms, p95: ms, p99: ms, max: ms });
    let amount = Money(i64::try_from(number).expect("small enough").saturating_mul(977_777));
    let book = Book { amount, attempts: ms.max(1), input_tokens: number * 3, output_tokens: number, ..Book::default() };
    for tier in &mut fleet.tiers {
        tier.summary.first_token = times;
        tier.summary.total = times;
        tier.summary.count = 500;
    }
    for backend in &mut fleet.backends {
        let backend = Arc::make_mut(backend);
        backend.probed_at = Some(ago(i64::from(ms) / 10));
        for model in &mut backend.models {
            model.summary = fleet.tiers[0].summary;
            model.summary.failed = ms.min(500);
            model.book = book;
        }
    }
    let mut spend = Spend::new(ago(4_000), Day(1), Some(fixture::usd(10_000.0)));
    let usage = Usage { input: number * 3, output: number, ..Usage::default() };
    for tier in Tier::ALL {
        spend.book(tier, Cost::known(amount, CostBasis::Priced), Some(&usage), ago(100));
    }
    fleet.spend = Arc::new(spend);
    snapshot
}

fn request_of(snapshot: &Snapshot, number: u64) -> Vec<Fact> {
    let decision = fixture::decision(snapshot, 1, "Write a function", ago(5));
    let took = Duration::from_millis(number);
    let amount = Money(i64::try_from(number).expect("small enough").saturating_mul(977_777));
    let attempt = Arc::new(Attempt {
        first_token: Some(took),
        total: took,
        usage: Some(Usage { input: number, output: number, ..Usage::default() }),
        cost: Cost::known(amount, CostBasis::Priced),
        ..(*fixture::attempt(&decision, 1, Ok(Finish::Stop))).clone()
    });
    let end = Finished {
        request: decision.request,
        at: decision.at,
        outcome: Outcome::Answered,
        why: None,
        total: took,
        attempts: vec![attempt],
    };
    vec![Fact::Decided(decision), Fact::Finished(Arc::new(end))]
}

fn screen(pane: Pane, zoomed: bool, number: u64, (width, height): (u16, u16)) -> (App, Buffer) {
    let snapshot = fleet_of(number);
    let mut app = App::plain(NOW);
    for fact in request_of(&snapshot, number) {
        app.feed.take(fact);
    }
    app.see(Arc::new(snapshot));
    (app.focus, app.zoomed) = (pane, zoomed);
    let shown = paint(&mut app, width, height);
    (app, shown)
}

/// The columns of a pane's rows in which a run of text ends, for each row: at those, the numbers of a column stand flush.
fn ends(app: &App, pane: Pane, shown: &Buffer) -> Vec<(u16, Vec<u16>)> {
    let area = app.layout.pane(pane);
    let blank = |x: u16, y: u16| shown[(x, y)].symbol() == " ";
    (area.top() + 1..area.bottom() - 1)
        .map(|y| {
            let inside = area.left() + 1..area.right() - 1;
            (y, inside.filter(|x| !blank(*x, y) && (x + 1 == area.right() - 1 || blank(x + 1, y))).collect())
        })
        .collect()
}

/// The words above columns of numbers, by pane.
fn heads(pane: Pane) -> &'static [&'static str] {
    match pane {
        Pane::Tiers => &["run", "err", "ttft", "probe"],
        Pane::Models => &["ttft", "ok", "calls", "cost"],
        Pane::Requests => &["total", "cost"],
        Pane::Decisions => &["cost"],
        _ => &[],
    }
}

#[test]
fn the_columns_of_a_table_stay_under_their_heads() {
    for pane in [Pane::Tiers, Pane::Models, Pane::Requests, Pane::Decisions] {
        for size in [(200, 60), (120, 40), (80, 24)] {
            for number in GROWING {
                let (app, shown) = screen(pane, false, number, size);
                let area = app.layout.pane(pane);
                let rows = ends(&app, pane, &shown);
                let head: String = (area.left()..area.right()).map(|x| shown[(x, area.y + 1)].symbol()).collect();
                for word in heads(pane) {
                    // Where there is little room, a column may be left out.
                    let Some(before) = head.find(&format!(" {word}")) else { continue };
                    let end = area.left() + (head[..before].chars().count() + word.len()) as u16;
                    // In every row the number ends there, or there is none.
                    let number_at = |y: u16| shown[(end, y)].symbol() != " ";
                    // Below the one request is the story behind it.
                    let count = if pane == Pane::Decisions { 1 } else { usize::MAX };
                    for (y, ends) in rows.iter().skip(1).take(count).filter(|(y, _)| number_at(*y)) {
                        let row = text_of(&shown).lines().nth(usize::from(*y)).expect("a row").to_owned();
                        // The reason of what does not serve goes over the numbers.
                        let told = ["set ", "oldest "].iter().any(|words| row.contains(words));
                        assert!(
                            ends.contains(&end) || (told && pane == Pane::Tiers),
                            "{word} of {number} in {pane:?} at {size:?}:\n{head}\n{row}"
                        );
                    }
                }
            }
        }
    }
}

/// The text left of the numbers and the words between them, with every digit gone: the skeleton of a row.
fn skeleton(app: &App, pane: Pane, shown: &Buffer, words: &[&str]) -> Vec<(String, Vec<usize>)> {
    let area = app.layout.pane(pane);
    (area.top() + 1..area.bottom() - 1)
        .map(|y| {
            let row: String = (area.left() + 1..area.right() - 1).map(|x| shown[(x, y)].symbol()).collect();
            let places = words.iter().filter_map(|word| row.find(word).map(|at| row[..at].chars().count())).collect();
            (row, places)
        })
        .collect()
}

#[test]
fn the_words_between_numbers_do_not_move() {
    let cases: [(Pane, bool, &[&str]); 5] = [
        (Pane::Latency, false, &["p50", "p95", "p99"]),
        (Pane::Latency, true, &["p50", "p95", "p99", "ttft"]),
        (Pane::Cost, false, &["today", "calls", "tok"]),
        (Pane::Cost, true, &["today", "calls", "tok"]),
        (Pane::Spend, false, &["calls"]),
    ];
    for (pane, zoomed, words) in cases {
        for size in [(200, 60), (120, 40), (80, 24)] {
            let (app, first) = screen(pane, zoomed, 640, size);
            let expected = skeleton(&app, pane, &first, words);
            for number in GROWING {
                let (app, shown) = screen(pane, zoomed, number, size);
                for ((row, places), (before, known)) in skeleton(&app, pane, &shown, words).iter().zip(&expected) {
                    if places.len() == known.len() {
                        assert_eq!(places, known, "{pane:?} zoomed {zoomed} at {size:?}, {number}:\n{before}\n{row}");
                    }
                }
            }
        }
    }
}

#[test]
fn no_amount_count_or_time_is_wider_than_its_column() {
    use crate::tui::text;

    for number in GROWING.into_iter().chain([u64::from(u32::MAX), 999_949, 999_951, 999_999_999]) {
        assert!(text::width(&text::count(number)) <= 6, "{}", text::count(number));
        assert!(text::width(&text::millis(number.min(86_400_000))) <= 6, "{}", text::millis(number));
        let amount = Money(i64::try_from(number).expect("small enough"));
        assert!(text::width(&text::money(amount, true)) <= 8, "{}", text::money(amount, true));
        assert!(
            text::width(&text::age(Duration::from_secs(number.min(700_000_000)))) <= 5,
            "{}",
            text::age(Duration::from_secs(number.min(700_000_000)))
        );
    }
}
