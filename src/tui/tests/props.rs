//! Whatever the state, whatever the size: drawing never panics, and neither does any key.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers, MouseEvent, MouseEventKind};
use ratatui::layout::Rect;

use super::fixture::{self, NOW};
use super::scene;
use super::screens::{app_on, talking};
use crate::domain::fleet::{Admin, AdminState};
use crate::domain::health::Health;
use crate::domain::judgement::Judgement;
use crate::domain::latency::Sample;
use crate::domain::machine::{GpuReadings, GpuSample};
use crate::domain::money::{Cost, CostBasis, Money};
use crate::domain::tier::{Target, Tier};
use crate::domain::time::Timestamp;
use crate::engine::Snapshot;
use crate::telemetry::Telemetry;
use crate::tui::app::{App, Overlay};
use crate::tui::glyph::{ASCII, UNICODE};
use crate::tui::input;
use crate::tui::layout::Pane;
use crate::tui::overlay::confirm::{Confirm, Verb};
use crate::tui::overlay::detail::Subject;
use crate::tui::overlay::palette::Palette;
use crate::tui::view;

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z ]{0,12}",
        Just("漢字漢字漢字漢字".to_owned()),
        Just("e\u{301}\u{1b}[31m\u{202e}\u{fe0f}👩‍👩‍👧\t\n".to_owned()),
        Just("x".repeat(400)),
    ]
}

prop_compose! {
    fn any_gpu()(
        name in any_text(),
        load in any::<Option<u8>>(),
        used in any::<Option<u64>>(),
        total in any::<Option<u64>>(),
        celsius in any::<Option<u32>>(),
        limit in proptest::option::of(0u32..4_000_000),
        power in any::<Option<u32>>(),
        hourly in proptest::option::of(0i64..i64::MAX / 1_000_000),
        billed in any::<bool>(),
        uptime in any::<Option<u64>>(),
    ) -> GpuSample {
        GpuSample {
            charged_per_request: false,
            name: name.clone().into(),
            model: billed.then(|| name.into()),
            utilisation: load,
            memory_used: used,
            memory_total: total,
            memory_percent: load,
            temperature: celsius.map(|celsius| celsius % 1_000_000),
            slowdown_temperature: limit,
            power,
            power_limit: power,
            fan: load,
            hourly: hourly.map(Money),
            state: Some("RUNNING".into()),
            billed,
            uptime_seconds: uptime,
            ..GpuSample::default()
        }
    }
}

fn any_readings() -> impl Strategy<Value = GpuReadings> {
    let at = (-10_000_000i64..10_000_000).prop_map(|offset| Timestamp(NOW.0 + offset));
    prop_oneof![
        Just(GpuReadings::Loading),
        any_text().prop_map(|why| GpuReadings::Absent { why: why.into() }),
        (proptest::collection::vec(any_gpu(), 0..5), at.clone()).prop_map(|(gpus, at)| GpuReadings::Ok { gpus, at }),
        (proptest::collection::vec(any_gpu(), 0..3), at, any_text()).prop_map(|(last, at, why)| GpuReadings::Failed {
            why: why.into(),
            retry_at: at,
            last,
            at: Some(at),
        }),
    ]
}

prop_compose! {
    fn any_snapshot()(
        base in prop_oneof![Just(0), Just(1), Just(2)],
        local in any_readings(),
        runpod in any_readings(),
        health in proptest::collection::vec(0usize..5, 6),
        states in proptest::collection::vec(0usize..3, 4),
        detail in any_text(),
        samples in proptest::collection::vec((0i64..4_000_000, any::<bool>(), any::<u32>()), 0..40),
        models in proptest::collection::vec(any_text(), 0..6),
        cost in proptest::option::of(0i64..i64::MAX / 8),
        shift in -100_000i64..100_000,
    ) -> Snapshot {
        let mut snapshot = match base {
            0 => fixture::loading(),
            1 => fixture::working(),
            _ => fixture::failing(),
        };
        snapshot.at = Timestamp(NOW.0 + shift);
        snapshot.telemetry = Arc::new(Telemetry { local, runpod, runpod_balance: cost.map(Money), host: None });
        let fleet = Arc::make_mut(&mut snapshot.fleet);
        for (one, health) in fleet.backends.iter_mut().zip(health) {
            let one = Arc::make_mut(one);
            one.health = [Health::Up, Health::Degraded, Health::Down, Health::Warming, Health::Unknown][health];
            one.detail = detail.as_str().into();
            one.models.extend(models.iter().map(|name| fixture::any_model(name.clone())));
        }
        for (tier, state) in fleet.tiers.iter_mut().zip(states) {
            let state = [AdminState::Ready, AdminState::Drain, AdminState::Maint][state];
            tier.admin = Admin { state, reason: detail.as_str().into(), ..Admin::default() };
            for (back, ok, ms) in &samples {
                let sample = Sample {
                    at: Timestamp(NOW.0 - back),
                    ok: *ok,
                    first_token_ms: Some(*ms),
                    total_ms: ms.saturating_mul(3),
                    tokens_per_second: Some(*ms as f32),
            longest_pause_ms: None,
                };
                Arc::make_mut(&mut tier.history).push(&sample);
            }
            tier.summary = tier.history.window.summary(NOW);
        }
        let amount = cost.map_or(Cost::UNKNOWN, |cost| Cost::known(Money(cost), CostBasis::Estimated));
        let spend = Arc::make_mut(&mut fleet.spend);
        spend.book(Tier::Gpu, amount, None, NOW);
        for (index, (back, ok, _)) in samples.iter().enumerate() {
            let at = Timestamp(NOW.0 - back * 60);
            let cost = if *ok { Cost::known(Money(index as i64 * 777_777), CostBasis::Priced) } else { Cost::UNKNOWN };
            spend.book(Tier::ALL[index % 4], cost, None, at);
            let backend = index % fleet.backends.len();
            let models = &mut Arc::make_mut(&mut fleet.backends[backend]).models;
            let count = models.len();
            models[index % count].book.add(cost, None, Money::ZERO);
            models[index % count].judged.add(if *ok { Judgement::Good } else { Judgement::Worse });
        }
        snapshot
    }
}

fn any_key() -> impl Strategy<Value = Event> {
    let code = prop_oneof![
        any::<char>().prop_map(KeyCode::Char),
        prop::sample::select("abcdefghijklmnopqrstuvwxyzGPLSUK/:?-+=$ 1234567890".chars().collect::<Vec<_>>())
            .prop_map(KeyCode::Char),
        prop::sample::select(vec![
            KeyCode::Enter,
            KeyCode::Esc,
            KeyCode::Tab,
            KeyCode::BackTab,
            KeyCode::Up,
            KeyCode::Down,
            KeyCode::Left,
            KeyCode::Right,
            KeyCode::Home,
            KeyCode::End,
            KeyCode::PageUp,
            KeyCode::PageDown,
            KeyCode::Backspace,
            KeyCode::Delete,
            KeyCode::F(1),
        ]),
    ];
    let modifiers = prop::sample::select(vec![
        KeyModifiers::NONE,
        KeyModifiers::NONE,
        KeyModifiers::SHIFT,
        KeyModifiers::CONTROL,
        KeyModifiers::ALT,
    ]);
    let alt = prop::sample::select("cptone0123456789".chars().collect::<Vec<_>>());
    let alt = alt.prop_map(|c| Event::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::ALT)));
    let slash =
        prop::sample::select(vec!["/", "/ti", "/tier ", "/model ", "/compare a b", "/max-cost x", "//", "/clear"]);
    let slash = slash.prop_map(|words| Event::Paste(words.to_owned()));
    let key = (code, modifiers).prop_map(|(code, modifiers)| Event::Key(KeyEvent::new(code, modifiers)));
    let click = (any::<u16>(), any::<u16>()).prop_map(|(column, row)| {
        let kind = MouseEventKind::ScrollDown;
        Event::Mouse(MouseEvent { kind, column: column % 200, row: row % 60, modifiers: KeyModifiers::NONE })
    });
    prop_oneof![8 => key, 2 => alt, 1 => slash, 1 => click, 1 => any_text().prop_map(Event::Paste)]
}

/// One of all that can lie over the panes; none for a number beyond.
fn an_overlay(app: &App, number: usize) -> Option<Overlay> {
    let fleet = &app.live.as_ref()?.fleet;
    let backend = fleet.backends.first()?;
    let model = Target::Model(backend.spec.id.clone(), backend.models.last()?.id.clone());
    let verbs = [Verb::Drain, Verb::Maint, Verb::Ready, Verb::Pin, Verb::Unpin, Verb::Kill];
    let targets = [Target::Tier(Tier::Local), Target::Backend("nowhere".into()), model.clone()];
    Some(match number {
        0..=5 => Overlay::Confirm(Box::new(Confirm::new(verbs[number], targets[number % 3].clone()))),
        6 => Overlay::Confirm(Box::new(Confirm::limit(Some(Money(i64::MAX))))),
        7 => Overlay::Detail(Subject::Row(2), usize::MAX),
        8 => Overlay::Detail(Subject::Part(model), 3),
        9 => Overlay::Palette(Palette::elsewhere(0, false, fleet, NOW)),
        10 => Overlay::Palette(Palette::new(&app.keymap, Some(fleet), None, false)),
        11 => Overlay::Help(usize::MAX),
        12 => Overlay::Filter(Pane::Models, "x".to_owned()),
        _ => return None,
    })
}

/// Draws into a part of a larger buffer: what is around it is none of the screen's business.
fn draw(app: &mut App, width: u16, height: u16) {
    let area = Rect::new(3, 2, width, height);
    let mut buffer = Buffer::empty(Rect::new(0, 0, width + 6, height + 4));
    for cell in &mut buffer.content {
        cell.set_symbol("#");
    }
    view::draw(app, area, &mut buffer);
    for y in 0..height + 4 {
        for x in 0..width + 6 {
            let outside = !area.contains((x, y).into());
            assert!(!outside || buffer[(x, y)].symbol() == "#", "{x},{y} is outside of {area}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_state_at_any_size(
        snapshot in any_snapshot(),
        width in 0u16..240,
        height in 0u16..80,
        focus in 0usize..11,
        zoomed in any::<bool>(),
        ascii in any::<bool>(),
        overlay in 0usize..14,
        talk in any::<bool>(),
    ) {
        let mut app = app_on(snapshot);
        if talk {
            scene::judge(&mut app);
            scene::compare(&mut app);
            app.log = scene::log();
        }
        app.overlay = an_overlay(&app, overlay);
        app.glyphs = if ascii { &ASCII } else { &UNICODE };
        app.focus = Pane::ALL[focus];
        app.zoomed = zoomed;
        draw(&mut app, width, height);
        for (width, height) in [(width.min(90), height.min(30)), (width.min(55), height.min(15)), (width.min(30), height.min(6))] {
            draw(&mut app, width, height);
        }
    }

    #[test]
    fn any_keys_in_any_order(
        snapshot in any_snapshot(),
        keys in proptest::collection::vec(any_key(), 0..80),
        sizes in proptest::collection::vec((0u16..200, 0u16..60), 1..4),
    ) {
        let mut app = talking();
        scene::compare(&mut app);
        app.log = scene::log();
        for (index, key) in keys.into_iter().enumerate() {
            input::on_event(&mut app, key);
            while app.next_effect().is_some() {}
            app.forecast_request();
            app.now = app.now.after(Duration::from_millis(170));
            if index % 10 == 0 {
                let (width, height) = sizes[index / 10 % sizes.len()];
                draw(&mut app, width, height);
            }
            if index == 40 {
                app.see(Arc::new(snapshot.clone()));
            }
        }
        draw(&mut app, 120, 40);
    }
}

#[test]
fn every_size_up_to_the_smallest_class() {
    let mut app = scene::normal();
    for pane in Pane::ALL {
        app.focus = pane;
        // Every fourth size of each pane, another quarter for the next: all of them together.
        for width in 0..84 {
            for height in (0..26).filter(|height| (usize::from(width + height) + pane.index()) % 4 == 0) {
                draw(&mut app, width, height);
            }
        }
    }
}
