//! The table of actions, and what is made of it: keys, palette, help, footers.

use super::fixture::{self, NOW};
use super::screens::{app_on, paint, text_of};
use crate::tui::action::{Action, Scope, Spec, TABLE};
use crate::tui::app::{App, Overlay};
use crate::tui::layout::Pane;
use crate::tui::overlay::palette::{Palette, Run};

#[test]
fn every_action_has_a_key_in_some_pane_and_a_name_in_the_palette() {
    let app = App::plain(NOW);
    let palette = Palette::new(&app.keymap, None, None, false);
    for spec in TABLE {
        assert!(palette.entries().iter().any(|entry| entry.run == Run::Action(spec.action)), "{}", spec.name);
        let reached = Pane::ALL.into_iter().any(|pane| app.keymap.key_of(spec.action, pane).is_some());
        assert!(reached, "{} has no key", spec.name);
    }
}

#[test]
fn no_two_keys_mean_two_things_in_any_pane() {
    let app = App::plain(NOW);
    assert_eq!(app.keymap.collisions(), []);
    for pane in Pane::ALL {
        let mut seen = Vec::new();
        for binding in app.keymap.active(pane) {
            for key in &binding.keys {
                assert!(!seen.contains(key), "{key} twice in {pane:?}");
                seen.push(*key);
            }
        }
    }
}

/// All of help, however long it is, while a pane has the focus.
fn help(pane: Pane) -> String {
    let mut app = App::plain(NOW);
    app.focus = pane;
    app.overlay = Some(Overlay::Help(0));
    let shown = text_of(&paint(&mut app, 108, 300));
    // The window stands in the middle; what is beside it is not of it.
    let inside = shown.lines().map(|line| line.chars().skip(14).take(80).collect::<String>());
    inside.collect::<Vec<_>>().join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The numbers of the dashboard's panes are one row.
fn together(spec: &Spec) -> bool {
    matches!(spec.action, Action::Focus(pane) if !pane.is_screen())
        && (spec.name.starts_with("go-") || spec.name.starts_with("jump-"))
}

#[test]
fn help_shows_every_row_wherever_it_is_opened() {
    for pane in Pane::ALL {
        let shown = help(pane);
        for spec in TABLE {
            let words = spec.words.split_whitespace().collect::<Vec<_>>().join(" ");
            let told = shown.contains(&words) || (together(spec) && shown.contains("go to the pane of this number"));
            assert!(told, "`{}` is not in help of {pane:?}", spec.words);
        }
    }
}

#[test]
fn help_begins_with_the_keys_of_the_pane_that_has_the_focus() {
    for pane in Pane::ALL {
        let own =
            TABLE.iter().find(|spec| spec.scope.covers(pane) && !matches!(spec.scope, Scope::Anywhere | Scope::Browse));
        let Some(own) = own else { continue };
        let shown = help(pane);
        let place = |words: &str| shown.find(words).unwrap_or_else(|| panic!("`{words}` in {shown}"));
        assert!(place(own.words) < place("find any action by name"), "{pane:?}");
        for other in TABLE.iter().filter(|spec| !spec.scope.covers(pane) && !together(spec)) {
            assert!(place(own.words) < place(other.words), "{} comes after {} in {pane:?}", own.name, other.name);
        }
    }
}

/// Hints of a footer as they are shown, in their order.
fn footer(pane: Pane, width: u16) -> String {
    let mut app = app_on(fixture::working());
    app.focus = pane;
    let text = text_of(&paint(&mut app, width, 24));
    text.lines().last().expect("a footer").to_owned()
}

#[test]
fn a_footer_fits_has_the_panes_own_keys_first_and_help_last() {
    for pane in Pane::ALL {
        let shown = footer(pane, 80);
        assert!(shown.ends_with("help"), "{pane:?}: {shown}");
        let app = App::plain(NOW);
        let own = app.keymap.active(pane).find(|binding| {
            !matches!(binding.spec.scope, Scope::Anywhere | Scope::Browse) && !binding.spec.hint.is_empty()
        });
        let first = match (pane, own) {
            (_, Some(own)) => format!(" {} {}", own.keys[0], own.spec.hint),
            (Pane::Gpu, None) => " r probe".to_owned(),
            (Pane::Cost | Pane::Spend, None) => " $ limit".to_owned(),
            (Pane::Log, None) => " esc back".to_owned(),
            (pane, None) => panic!("{pane:?} has nothing to say"),
        };
        assert!(shown.starts_with(&first), "{pane:?}: {shown}");
        // Whatever is left out is left out whole.
        for hint in shown.trim().split("  ") {
            let known = app.keymap.hints(pane).iter().any(|(key, words)| hint == format!("{key} {words}"));
            assert!(known, "`{hint}` in the footer of {pane:?}");
        }
    }
}

#[test]
fn every_screen_says_how_to_leave_it() {
    for pane in Pane::SCREENS {
        assert!(footer(pane, 120).contains("esc back"), "{pane:?}");
    }
}

#[test]
fn hints_name_only_what_does_something() {
    for pane in Pane::ALL {
        for (key, words) in App::plain(NOW).keymap.hints(pane) {
            let mut app = app_on(fixture::working());
            app.focus = pane;
            paint(&mut app, 120, 40);
            app.act(app.keymap.action(key, pane).expect("an action"));
            let text = text_of(&paint(&mut app, 120, 40));
            assert!(!text.contains("this pane has no rows"), "`{key} {words}` in {pane:?}");
        }
    }
}
