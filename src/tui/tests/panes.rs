//! Every pane by itself, with the focus: at every class of size, in every state that its data can be in. Header and footer
//! stand with it; what is beside it is in the snapshots of whole screens.

use std::collections::HashMap;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::fixture::{self, NOW};
use super::scene;
use super::screens::{app_on, paint, roles_of, text_of};
use crate::tui::app::App;
use crate::tui::glyph::ASCII;
use crate::tui::layout::Pane;
use crate::tui::theme::{Palette, Theme};

const SIZES: [(u16, u16); 5] = [(200, 60), (120, 40), (80, 24), (60, 20), (20, 5)];

/// A state of the data, and a screen in it.
type State = (&'static str, fn() -> App);

const STATES: [State; 5] = [
    ("nothing", || App::plain(NOW)),
    ("loading", || app_on(fixture::loading())),
    ("empty", || app_on(scene::idle())),
    ("normal", scene::normal),
    ("failing", scene::failing),
];

/// The header, the pane and the footer of a screen, one below the other.
fn cut_out(app: &App, pane: Pane, screen: &Buffer) -> Buffer {
    let parts = [app.layout.header, app.layout.pane(pane), app.layout.footer];
    let height = parts.iter().map(|part| part.height).sum();
    let mut out = Buffer::empty(Rect::new(0, 0, screen.area.width, height));
    let mut y = 0;
    for part in parts {
        for row in 0..part.height {
            for column in 0..part.width {
                out[(column, y)] = screen[(part.x + column, part.y + row)].clone();
            }
            y += 1;
        }
    }
    out
}

fn shown(app: &mut App, pane: Pane, zoomed: bool, (width, height): (u16, u16)) -> String {
    (app.focus, app.zoomed) = (pane, zoomed);
    let screen = paint(app, width, height);
    text_of(&cut_out(app, pane, &screen))
}

/// All sizes of a pane in a state. What looks as in a state before is only named.
#[test]
fn at_every_size_in_every_state() {
    for pane in Pane::ALL {
        let mut seen: HashMap<String, &str> = HashMap::new();
        for (state, make) in STATES {
            let mut sheet = String::new();
            for size in SIZES {
                // Anew for every size: what a pane remembers of the size before is a matter of other tests.
                let text = shown(&mut make(), pane, false, size);
                let same = seen.get(&text).map(|other| format!("as in {other}"));
                sheet.push_str(&format!("== {}x{}\n{}\n", size.0, size.1, same.as_deref().unwrap_or(&text)));
                seen.entry(text).or_insert(state);
            }
            insta::assert_snapshot!(format!("{}_{state}", pane.name()), sheet);
        }
    }
}

#[test]
fn with_the_whole_screen() {
    for pane in Pane::BOARD {
        let mut sheet = String::new();
        for size in [(200, 60), (120, 40)] {
            let text = shown(&mut scene::normal(), pane, true, size);
            sheet.push_str(&format!("== {}x{}\n{text}\n", size.0, size.1));
        }
        insta::assert_snapshot!(format!("{}_zoomed", pane.name()), sheet);
    }
}

#[test]
fn by_meaning() {
    for pane in Pane::ALL {
        for (state, make) in [STATES[3], STATES[4]] {
            let mut sheet = String::new();
            for (name, palette) in [("ansi", Palette::Ansi), ("mono", Palette::Mono)] {
                let mut app = make();
                (app.theme, app.focus) = (Theme::new(palette), pane);
                let screen = paint(&mut app, 120, 40);
                let roles = roles_of(&cut_out(&app, pane, &screen), app.theme);
                sheet.push_str(&format!("== {name}\n{roles}\n"));
            }
            insta::assert_snapshot!(format!("{}_{state}_roles", pane.name()), sheet);
        }
    }
}

#[test]
fn every_pane_can_be_drawn_with_ascii_alone_and_says_the_same_without_colour() {
    for pane in Pane::ALL {
        for zoomed in [false, true] {
            for size in [(120, 40), (60, 20)] {
                let mut app = scene::normal();
                let coloured = shown(&mut app, pane, zoomed, size);
                app.theme = Theme::new(Palette::Mono);
                assert_eq!(shown(&mut app, pane, zoomed, size), coloured, "{pane:?}");
                app.glyphs = &ASCII;
                let text = shown(&mut app, pane, zoomed, size);
                let other: String = text.chars().filter(|c| !c.is_ascii()).collect();
                assert_eq!(other, "", "{pane:?}");
            }
        }
    }
}
