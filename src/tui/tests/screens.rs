//! What the screen looks like, at every class of size and in every state of the data.

use std::sync::Arc;
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::fixture::{self, NOW, ago};
use crate::domain::money::{Cost, CostBasis};
use crate::domain::time::Timestamp;
use crate::domain::usage::Usage;
use crate::engine::{Dispatched, Ending, Progress, Snapshot};
use crate::provider::Finish;
use crate::tui::app::App;
use crate::tui::glyph::ASCII;
use crate::tui::layout::Pane;
use crate::tui::session::TurnEvent;
use crate::tui::theme::{Palette, Role, Theme};
use crate::tui::view;

pub fn paint(app: &mut App, width: u16, height: u16) -> Buffer {
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    view::draw(app, area, &mut buffer);
    buffer
}

/// The screen as text, without trailing blanks.
pub fn text_of(buffer: &Buffer) -> String {
    let mut lines = Vec::new();
    for y in buffer.area.top()..buffer.area.bottom() {
        let mut line = String::new();
        let mut skip = 0;
        for x in buffer.area.left()..buffer.area.right() {
            if skip > 0 {
                skip -= 1;
                continue;
            }
            let symbol = buffer[(x, y)].symbol();
            skip = crate::tui::text::width(symbol).saturating_sub(1);
            line.push_str(symbol);
        }
        lines.push(line.trim_end().to_owned());
    }
    lines.join("\n")
}

/// The screen's meaning: a letter for the role of each cell.
pub fn roles_of(buffer: &Buffer, theme: Theme) -> String {
    let letter = |x, y| {
        let cell = &buffer[(x, y)];
        let style = cell.style();
        if cell.symbol() == " " && style.add_modifier.is_empty() {
            return ' ';
        }
        let letters = [
            (Role::Selected, 'S'),
            (Role::Badge, 'G'),
            (Role::Bad, 'B'),
            (Role::Warn, 'W'),
            (Role::Ok, 'o'),
            (Role::Pinned, 'P'),
            (Role::Focus, 'F'),
            (Role::Title, 'T'),
            (Role::Accent, 'a'),
            (Role::Dim, '.'),
            (Role::Text, 't'),
        ];
        let alike = |role: Role| {
            let wanted = theme.style(role);
            wanted.add_modifier == style.add_modifier
                && wanted.fg.unwrap_or(ratatui::style::Color::Reset) == style.fg.unwrap_or(ratatui::style::Color::Reset)
        };
        letters.iter().find(|(role, _)| alike(*role)).map_or('s', |(_, letter)| *letter)
    };
    (buffer.area.top()..buffer.area.bottom())
        .map(|y| {
            (buffer.area.left()..buffer.area.right()).map(|x| letter(x, y)).collect::<String>().trim_end().to_owned()
        })
        .collect::<Vec<_>>()
        .join("\n")
}

pub fn app_on(snapshot: Snapshot) -> App {
    let mut app = App::plain(NOW);
    for fact in if snapshot.accepted > 0 { fixture::facts(&snapshot) } else { Vec::new() } {
        app.feed.take(fact);
    }
    app.see(Arc::new(snapshot));
    app
}

/// A screen with a whole answer and one that is being written.
pub fn talking() -> App {
    let snapshot = fixture::working();
    let mut app = app_on(snapshot.clone());
    let decision = fixture::decision(&snapshot, 9, "Write a haiku about routers", ago(30));
    let sent = |at| Dispatched { at, ..fixture::dispatched(&decision) };
    let key = app.session.open("Write a haiku about routers".to_owned(), ago(30));
    let one = decision.chosen().expect("a candidate").clone();
    for event in [
        TurnEvent::Decided(Arc::clone(&decision)),
        TurnEvent::Progress(Progress::Attempting(sent(ago(30)))),
        TurnEvent::Progress(Progress::FirstToken { attempt: 1, after: Duration::from_millis(640) }),
        TurnEvent::Progress(Progress::Text(
            "Packets drift like leaves,\neach finds its stream in the dark;\nthe table remembers.".to_owned(),
        )),
        TurnEvent::Progress(Progress::Ended(Ok(Arc::new(Ending {
            request: decision.request,
            tier: one.tier,
            backend: one.backend,
            model: one.model,
            finish: Finish::Stop,
            first_token: Some(Duration::from_millis(640)),
            total: Duration::from_millis(1_900),
            usage: Some(Usage { input: 15, output: 61, ..Usage::default() }),
            cost: Cost::known(fixture::usd(0.0016), CostBasis::Priced),
            attempts: Vec::new(),
        })))),
    ] {
        app.session.take(key, event, ago(28));
    }
    let decision = fixture::decision(&snapshot, 10, "Explain why it is a haiku", ago(4));
    let key = app.session.open("Explain why it is a haiku".to_owned(), ago(4));
    for event in [
        TurnEvent::Decided(Arc::clone(&decision)),
        TurnEvent::Progress(Progress::Attempting(Dispatched { at: ago(4), ..fixture::dispatched(&decision) })),
        TurnEvent::Progress(Progress::FirstToken { attempt: 1, after: Duration::from_millis(712) }),
        TurnEvent::Progress(Progress::Text("A haiku has three lines of five, seven and five syllables. Counting them here: packets drift like leaves has five, ".to_owned())),
    ] {
        app.session.take(key, event, ago(1));
    }
    app
}

/// The sizes: one of each class, and one far beyond.
const SIZES: [(u16, u16); 5] = [(200, 60), (120, 40), (80, 24), (60, 20), (20, 5)];

/// All sizes of one screen in one snapshot.
fn at_every_size(name: &str, mut app: App) {
    for (width, height) in SIZES {
        let text = text_of(&paint(&mut app, width, height));
        insta::assert_snapshot!(format!("{name}_{width}x{height}"), text);
    }
}

#[test]
fn normal() {
    at_every_size("normal", talking());
}

#[test]
fn loading() {
    at_every_size("loading", app_on(fixture::loading()));
}

#[test]
fn nothing_at_all() {
    let mut app = App::plain(NOW);
    let text = text_of(&paint(&mut app, 80, 24));
    insta::assert_snapshot!(text);
}

#[test]
fn failing() {
    let mut app = app_on(fixture::failing());
    app.focus = Pane::Tiers;
    at_every_size("failing", app);
}

#[test]
fn ascii() {
    let mut app = talking();
    app.glyphs = &ASCII;
    for (width, height) in SIZES {
        let text = text_of(&paint(&mut app, width, height));
        assert!(text.is_ascii(), "{:?}", text.chars().filter(|c| !c.is_ascii()).collect::<String>());
    }
    at_every_size("ascii", app);
}

#[test]
fn colours_by_meaning() {
    for (name, palette) in Palette::NAMES {
        let mut app = app_on(fixture::failing());
        app.focus = Pane::Tiers;
        app.theme = Theme::new(palette);
        let roles = roles_of(&paint(&mut app, 120, 40), app.theme);
        insta::assert_snapshot!(format!("roles_{name}"), roles);
    }
}

#[test]
fn mono_says_the_same_with_no_colour_at_all() {
    let mut app = talking();
    let coloured = text_of(&paint(&mut app, 120, 40));
    app.theme = Theme::new(Palette::Mono);
    let buffer = paint(&mut app, 120, 40);
    assert_eq!(text_of(&buffer), coloured);
    for cell in buffer.content() {
        assert_eq!((cell.fg, cell.bg), (ratatui::style::Color::Reset, ratatui::style::Color::Reset));
    }
}

#[test]
fn modes_show_in_the_header() {
    let mut snapshot = fixture::working();
    snapshot.simulated = true;
    let mut app = app_on(snapshot);
    app.read_only = true;
    app.act(crate::tui::action::Action::Freeze);
    app.now = Timestamp(NOW.0 + 7_000);
    let text = text_of(&paint(&mut app, 120, 40));
    let header = text.lines().next().expect("a header");
    for word in ["DEMO", "READ-ONLY", "FROZEN 7s", "3/4 tiers"] {
        assert!(header.contains(word), "{word} in {header}");
    }
}

#[test]
fn zoomed_panes() {
    for pane in Pane::ALL {
        let mut app = talking();
        (app.focus, app.zoomed) = (pane, true);
        insta::assert_snapshot!(format!("zoomed_{}", pane.name()), text_of(&paint(&mut app, 100, 30)));
    }
}

#[test]
fn overlays() {
    use crate::domain::tier::{Target, Tier};
    use crate::tui::app::Overlay;
    use crate::tui::overlay::confirm::{Confirm, Verb};
    use crate::tui::overlay::detail::Subject;
    use crate::tui::overlay::palette::Palette as Actions;

    let mut app = app_on(fixture::failing());
    app.focus = Pane::Tiers;
    let fleet = Arc::clone(&app.live.as_ref().expect("a snapshot").fleet);
    let actions = Actions::new(&app.keymap, Some(&fleet), None, false);
    let overlays = [
        ("help", Overlay::Help(0)),
        ("palette", Overlay::Palette(actions)),
        ("drain", Overlay::Confirm(Box::new(Confirm::new(Verb::Drain, Target::Tier(Tier::Local))))),
        ("pin", Overlay::Confirm(Box::new(Confirm::new(Verb::Pin, Target::Backend(fixture::id("laptop")))))),
        ("decision", Overlay::Detail(Subject::Row(3), 0)),
        ("backend", Overlay::Detail(Subject::Part(Target::Backend(fixture::id("litellm"))), 0)),
        ("warnings", Overlay::Warnings(0)),
    ];
    for (name, overlay) in overlays {
        app.overlay = Some(overlay);
        insta::assert_snapshot!(format!("overlay_{name}"), text_of(&paint(&mut app, 120, 40)));
    }
}

#[test]
fn no_colour_is_named_outside_the_theme() {
    fn visit(folder: &std::path::Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                if !path.ends_with("tests") {
                    visit(&path, found);
                }
            } else if !path.ends_with("theme.rs") && path.extension().is_some_and(|kind| kind == "rs") {
                let text = std::fs::read_to_string(&path).expect("a file");
                if text.contains("Color::") {
                    found.push(path.display().to_string());
                }
            }
        }
    }
    let mut found = Vec::new();
    visit(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tui"), &mut found);
    assert_eq!(found, Vec::<String>::new());
}
