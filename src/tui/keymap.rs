//! Keys to actions: the table's defaults, with `[ui.keys]` laid over them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::action::{Action, Scope, Spec, TABLE};
use super::layout::Pane;
use crate::config::suggestion;

/// A key with its modifiers, as one of the terminal's events or a word of the configuration names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    code: KeyCode,
    modifiers: KeyModifiers,
}

impl From<KeyEvent> for Key {
    /// Terminals differ in how they report capitals and shift-tab; here they become one.
    fn from(event: KeyEvent) -> Self {
        let mut modifiers = event.modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::SHIFT);
        let code = match event.code {
            KeyCode::Char(c) if c.is_ascii_uppercase() && !modifiers.contains(KeyModifiers::CONTROL) => {
                modifiers |= KeyModifiers::SHIFT;
                KeyCode::Char(c.to_ascii_lowercase())
            }
            KeyCode::Char(c) if c.is_ascii_alphabetic() => KeyCode::Char(c.to_ascii_lowercase()),
            KeyCode::Char(c) => {
                modifiers -= KeyModifiers::SHIFT;
                KeyCode::Char(c)
            }
            KeyCode::BackTab => {
                modifiers |= KeyModifiers::SHIFT;
                KeyCode::Tab
            }
            other => other,
        };
        Self { code, modifiers }
    }
}

/// The text names no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a key{hint}")]
pub struct UnknownKey {
    text: String,
    hint: String,
}

const MODIFIERS: [(&str, KeyModifiers); 3] =
    [("ctrl", KeyModifiers::CONTROL), ("alt", KeyModifiers::ALT), ("shift", KeyModifiers::SHIFT)];

const NAMES: [(&str, KeyCode); 16] = [
    ("enter", KeyCode::Enter),
    ("esc", KeyCode::Esc),
    ("tab", KeyCode::Tab),
    ("space", KeyCode::Char(' ')),
    ("backspace", KeyCode::Backspace),
    ("delete", KeyCode::Delete),
    ("insert", KeyCode::Insert),
    ("up", KeyCode::Up),
    ("down", KeyCode::Down),
    ("left", KeyCode::Left),
    ("right", KeyCode::Right),
    ("home", KeyCode::Home),
    ("end", KeyCode::End),
    ("pageup", KeyCode::PageUp),
    ("pagedown", KeyCode::PageDown),
    ("minus", KeyCode::Char('-')),
];

impl FromStr for Key {
    type Err = UnknownKey;

    fn from_str(text: &str) -> Result<Self, UnknownKey> {
        let unknown = || {
            let front = |modifier: &'static str| NAMES.iter().map(move |(name, _)| format!("{modifier}{name}"));
            let known: Vec<String> = ["", "ctrl-", "alt-", "shift-"].into_iter().flat_map(front).collect();
            let nearest = suggestion(text, known.iter().map(String::as_str));
            let example = "; write it like `d`, `shift-p`, `ctrl-n`, `alt-1`, `enter`, `pageup`, `f1`";
            let hint = if nearest.is_empty() { example.to_owned() } else { nearest };
            UnknownKey { text: text.to_owned(), hint }
        };
        let mut rest = text.trim();
        let mut modifiers = KeyModifiers::NONE;
        while let Some((name, after)) = rest.split_once('-').filter(|(_, after)| !after.is_empty()) {
            let Some((_, modifier)) = MODIFIERS.iter().find(|(known, _)| *known == name) else { break };
            modifiers |= *modifier;
            rest = after;
        }
        let named = NAMES.iter().find(|(name, _)| *name == rest).map(|(_, code)| *code);
        let function = || rest.strip_prefix('f')?.parse().ok().filter(|n| (1..=24).contains(n)).map(KeyCode::F);
        let single = || {
            let mut chars = rest.chars();
            let only = chars.next().filter(|_| chars.as_str().is_empty())?;
            (!only.is_control()).then_some(KeyCode::Char(only))
        };
        let code = named.or_else(function).or_else(single).ok_or_else(unknown)?;
        Ok(Self::from(KeyEvent::new(code, modifiers)))
    }
}

impl fmt::Display for Key {
    /// As help and hints show it: `ctrl-n`, `P`, `enter`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut modifiers = self.modifiers;
        let code = match self.code {
            KeyCode::Char(c) if c.is_ascii_lowercase() && modifiers == KeyModifiers::SHIFT => {
                modifiers = KeyModifiers::NONE;
                c.to_ascii_uppercase().to_string()
            }
            KeyCode::F(n) => format!("F{n}"),
            code => match NAMES.iter().find(|(name, known)| *known == code && *name != "minus") {
                Some((name, _)) => (*name).to_owned(),
                None => match code {
                    KeyCode::Char(c) => c.to_string(),
                    other => format!("{other:?}"),
                },
            },
        };
        let mut text = String::new();
        for (name, modifier) in MODIFIERS {
            if modifiers.contains(modifier) {
                text.push_str(name);
                text.push('-');
            }
        }
        f.pad(&(text + &code))
    }
}

/// All that is wrong with `[ui.keys]`, for whoever starts the screen: it should not be taken with keys that mean something
/// else than the operator believes.
///
/// # Errors
///
/// Every mistake, one a line: actions and keys that do not exist, each with the nearest that does, and keys that would mean
/// two things in one place.
pub fn check(patches: &BTreeMap<String, Vec<String>>) -> Result<(), String> {
    let (_, problems) = Keymap::new(patches, false);
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
}

/// One row of the table with the keys that hold for it.
#[derive(Clone, Debug)]
pub struct Binding {
    /// The row.
    pub spec: &'static Spec,
    /// Its keys.
    pub keys: Vec<Key>,
}

/// All bindings.
#[derive(Clone, Debug)]
pub struct Keymap {
    bindings: Vec<Binding>,
    read_only: bool,
}

impl Keymap {
    /// The defaults with patches over them, and all that is wrong with the patches: an unknown action, an unknown key, a
    /// key that something else in the same place has already. A wrong patch is left out; the rest holds.
    #[must_use]
    pub fn new(patches: &BTreeMap<String, Vec<String>>, read_only: bool) -> (Self, Vec<String>) {
        let mut problems = Vec::new();
        let default =
            |spec: &'static Spec| Binding { spec, keys: spec.keys.iter().filter_map(|key| key.parse().ok()).collect() };
        let defaults: Vec<Binding> = TABLE.iter().map(default).collect();
        let mut map = Self { bindings: defaults.clone(), read_only };
        for (name, keys) in patches {
            let Some(index) = map.bindings.iter().position(|binding| binding.spec.name == name) else {
                let nearest = suggestion(name, TABLE.iter().map(|spec| spec.name));
                problems.push(format!("ui.keys.{name}: there is no such action{nearest}"));
                continue;
            };
            let (right, wrong): (Vec<_>, Vec<_>) = keys.iter().map(|key| key.parse::<Key>()).partition(Result::is_ok);
            problems.extend(wrong.into_iter().filter_map(Result::err).map(|error| format!("ui.keys.{name}: {error}")));
            if right.len() == keys.len() {
                map.bindings[index].keys = right.into_iter().filter_map(Result::ok).collect();
            }
        }
        // Only when all are in: two patches may trade their keys.
        for (name, other, key) in map.collisions() {
            problems
                .push(format!("ui.keys: `{key}` cannot be both `{name}` and `{other}`: give one of them another key"));
            for (binding, default) in map.bindings.iter_mut().zip(&defaults) {
                if [name, other].contains(&binding.spec.name) {
                    binding.keys.clone_from(&default.keys);
                }
            }
        }
        (map, problems)
    }

    /// Keys that mean two things in one place: the names of both, and the key.
    #[must_use]
    pub fn collisions(&self) -> Vec<(&'static str, &'static str, Key)> {
        let mut found = Vec::new();
        for (index, one) in self.bindings.iter().enumerate() {
            for other in &self.bindings[index + 1..] {
                let meet = Pane::ALL.into_iter().any(|p| one.spec.scope.covers(p) && other.spec.scope.covers(p));
                if let Some(key) = one.keys.iter().find(|key| meet && other.keys.contains(key)) {
                    found.push((one.spec.name, other.spec.name, *key));
                }
            }
        }
        found
    }

    /// What a key means while a pane has the focus.
    #[must_use]
    pub fn action(&self, key: Key, focus: Pane) -> Option<Action> {
        self.active(focus).find(|binding| binding.keys.contains(&key)).map(|binding| binding.spec.action)
    }

    /// The bindings that count while a pane has the focus.
    pub fn active(&self, focus: Pane) -> impl Iterator<Item = &Binding> {
        self.all().filter(move |binding| binding.spec.scope.covers(focus))
    }

    /// All bindings; in read-only mode without those that change the fleet.
    pub fn all(&self) -> impl Iterator<Item = &Binding> {
        self.bindings.iter().filter(|binding| !(self.read_only && binding.spec.changes))
    }

    /// The first key of an action in a pane, for texts that name one.
    #[must_use]
    pub fn key_of(&self, action: Action, focus: Pane) -> Option<Key> {
        self.active(focus)
            .filter(|binding| binding.spec.action == action)
            .find_map(|binding| binding.keys.first().copied())
    }

    /// The footer's hints for a pane, the pane's own first.
    #[must_use]
    pub fn hints(&self, focus: Pane) -> Vec<(Key, &'static str)> {
        // Only panes with rows have something to filter and sort, only those of the dashboard can be zoomed.
        let sorted = matches!(focus, Pane::Tiers | Pane::Models | Pane::Decisions | Pane::Requests);
        let idle = move |action| match action {
            Action::Sort => !sorted,
            Action::Filter => !sorted && focus != Pane::Log,
            Action::Zoom => focus.is_screen(),
            Action::Probe | Action::Limit | Action::Back => !means_most(action, focus),
            // A new talk starts where the talk is.
            Action::NewConversation => !matches!(focus, Pane::Prompt | Pane::Compare),
            Action::Focus(pane) => pane == focus || (pane == Pane::Tiers && focus != Pane::Prompt),
            _ => false,
        };
        let worth = move |binding: &&Binding| !binding.spec.hint.is_empty() && !idle(binding.spec.action);
        let mut shown: Vec<&Binding> = self.active(focus).filter(worth).collect();
        shown.sort_by_key(|binding| hint_rank(binding.spec, focus));
        let mut hints: Vec<(Key, &'static str)> = Vec::new();
        for binding in shown {
            let known = hints.iter().any(|(_, words)| *words == binding.spec.hint);
            if let Some(key) = binding.keys.first().filter(|_| !known) {
                hints.push((*key, binding.spec.hint));
            }
        }
        hints
    }
}

/// What a footer shows first: a pane's own verbs, then the ways to what an operator asks most (what is in trouble, why
/// did it go there, what does it cost, undo it), then the rest.
fn hint_rank(spec: &Spec, focus: Pane) -> u8 {
    let own = !matches!(spec.scope, Scope::Anywhere | Scope::Browse) || means_most(spec.action, focus);
    match spec.action {
        Action::Send | Action::Newline => 0,
        Action::Focus(Pane::Tiers | Pane::Decisions | Pane::Spend) => 1,
        Action::Undo => 2,
        _ if own && focus != Pane::Prompt => 0,
        _ if own => 3,
        _ => 4,
    }
}

/// Whether a key that counts elsewhere too means most in a pane.
const fn means_most(action: Action, focus: Pane) -> bool {
    match action {
        Action::Probe => matches!(focus, Pane::Tiers | Pane::Models | Pane::Gpu),
        Action::Limit => matches!(focus, Pane::Cost | Pane::Spend),
        Action::Back => focus.is_screen(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keymap(patches: &[(&str, &[&str])]) -> (Keymap, Vec<String>) {
        let patches = patches
            .iter()
            .map(|(name, keys)| ((*name).to_owned(), keys.iter().map(|key| (*key).to_owned()).collect()))
            .collect();
        Keymap::new(&patches, false)
    }

    #[test]
    fn the_table_has_no_collisions_no_wrong_keys_and_no_double_names() {
        let (map, problems) = keymap(&[]);
        assert!(problems.is_empty());
        assert_eq!(map.collisions(), []);
        for spec in TABLE {
            assert!(!spec.keys.is_empty(), "{} has no key", spec.name);
            for key in spec.keys {
                assert!(key.parse::<Key>().is_ok(), "{key}");
            }
            assert_eq!(TABLE.iter().filter(|other| other.name == spec.name).count(), 1, "{}", spec.name);
        }
    }

    #[test]
    fn every_key_of_the_table_is_found_again_by_its_event() {
        let (map, _) = keymap(&[]);
        for binding in map.all() {
            for key in &binding.keys {
                for pane in Pane::ALL.into_iter().filter(|pane| binding.spec.scope.covers(*pane)) {
                    assert_eq!(map.action(*key, pane), Some(binding.spec.action));
                }
            }
        }
    }

    #[test]
    fn letters_are_text_in_the_prompt() {
        let (map, _) = keymap(&[]);
        for c in ('a'..='z').chain('A'..='Z').chain('0'..='9').chain("?:/ +-=".chars()) {
            let key = Key::from(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE));
            assert_eq!(map.action(key, Pane::Prompt), None, "{c}");
        }
    }

    #[test]
    fn patches_replace_keys_and_wrong_ones_are_told() {
        let (map, problems) = keymap(&[
            ("drain", &["ctrl-x"]),
            ("nonsense", &["a"]),
            ("ready", &["hyper-q"]),
            ("pin", &["u"]),
            ("unpin", &["ctrl-y"]),
        ]);
        assert_eq!(map.action("ctrl-x".parse().expect("a key"), Pane::Tiers), Some(Action::Drain));
        assert_eq!(map.action("d".parse().expect("a key"), Pane::Tiers), None);
        assert_eq!(map.action("p".parse().expect("a key"), Pane::Tiers), Some(Action::Pin));
        assert_eq!(map.action("ctrl-y".parse().expect("a key"), Pane::Tiers), Some(Action::Unpin));
        assert_eq!(problems.len(), 3, "{problems:?}");
    }

    #[test]
    fn all_mistakes_are_told_at_once_with_the_nearest_name() {
        let patch = |name: &str, keys: &[&str]| (name.to_owned(), keys.iter().map(|key| (*key).to_owned()).collect());
        let wrong = [
            patch("dran", &["ctrl-x"]),
            patch("zoom", &["pagedwn", "crtl-tab"]),
            patch("filter", &["space"]),
            patch("copy", &["y"]),
        ];
        let told = check(&wrong.into_iter().collect()).expect_err("four mistakes");
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines.len(), 4, "{told}");
        assert_eq!(lines[0], "ui.keys.dran: there is no such action; did you mean `drain`?");
        assert!(lines[1].contains("`pagedwn` is not a key; did you mean `pagedown`?"), "{told}");
        assert!(lines[2].contains("`crtl-tab` is not a key; did you mean `ctrl-tab`?"), "{told}");
        assert!(lines[3].contains("`space` cannot be both `filter` and `freeze`"), "{told}");
        // Two that trade their keys are no mistake.
        let trade = [patch("drain", &["u"]), patch("ready", &["d"])];
        assert_eq!(check(&trade.into_iter().collect()), Ok(()));
    }

    #[test]
    fn read_only_takes_the_changing_keys_away() {
        let (map, _) = Keymap::new(&BTreeMap::new(), true);
        assert_eq!(map.action("d".parse().expect("a key"), Pane::Tiers), None);
        assert!(map.all().all(|binding| !binding.spec.changes));
    }

    #[test]
    fn keys_read_as_they_are_written() {
        for (text, shown) in [
            ("shift-p", "P"),
            ("ctrl-n", "ctrl-n"),
            ("alt-enter", "alt-enter"),
            ("-", "-"),
            ("f1", "F1"),
            ("space", "space"),
        ] {
            assert_eq!(text.parse::<Key>().expect("a key").to_string(), shown);
        }
        let capital = Key::from(KeyEvent::new(KeyCode::Char('G'), KeyModifiers::SHIFT));
        assert_eq!(capital, "shift-g".parse().expect("a key"));
        let backtab = Key::from(KeyEvent::new(KeyCode::BackTab, KeyModifiers::SHIFT));
        assert_eq!(backtab, "shift-tab".parse().expect("a key"));
    }
}
