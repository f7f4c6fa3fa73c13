//! Colour by meaning. Panes ask for a [`Role`] and never name a colour: this is the only file that does.
//!
//! Colour is resolved here and not by crossterm: with `NO_COLOR` crossterm writes an empty colour sequence, which
//! resets bold and reverse too, so a selected row would vanish. Without colour the theme hands out modifiers only.

use ratatui::style::{Color, Modifier, Style};

use crate::config::{ColorChoice, UiConfig};
use crate::domain::tier::Tier;

/// What a piece of the screen means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Ordinary text and essential numbers.
    Text,
    /// Labels, units, rules: there when looked for.
    Dim,
    /// The border of a pane without focus.
    Border,
    /// The border and title of the pane with focus.
    Focus,
    /// A pane's title.
    Title,
    /// Keys in hints, the caret, what can be acted on.
    Accent,
    /// All is well.
    Ok,
    /// Slow, nearly used up, about to end.
    Warn,
    /// Broken.
    Bad,
    /// Being drained, drained or in maintenance.
    Draining,
    /// Pinned.
    Pinned,
    /// Not known, or too old to be trusted.
    Unknown,
    /// The selected row.
    Selected,
    /// A mode that the operator must not overlook: DEMO, READ-ONLY, FROZEN.
    Badge,
    /// One tier's own colour in charts and shares.
    Series(Tier),
}

impl Role {
    /// Every role, for the legend of tests and for exhaustive checks.
    pub const ALL: [Self; 18] = [
        Self::Text,
        Self::Dim,
        Self::Border,
        Self::Focus,
        Self::Title,
        Self::Accent,
        Self::Ok,
        Self::Warn,
        Self::Bad,
        Self::Draining,
        Self::Pinned,
        Self::Unknown,
        Self::Selected,
        Self::Badge,
        Self::Series(Tier::Claude),
        Self::Series(Tier::Local),
        Self::Series(Tier::Gpu),
        Self::Series(Tier::Frontier),
    ];
}

/// A set of colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Palette {
    /// The terminal's own sixteen colours, for a dark background.
    #[default]
    Ansi,
    /// The same for a light background.
    AnsiLight,
    /// Blue, orange and their like: told apart with any colour vision.
    Colorblind,
    /// No colour: bold, reverse, underline.
    Mono,
}

impl Palette {
    /// Every palette with the name it has in the configuration.
    pub const NAMES: [(&'static str, Self); 4] =
        [("ansi", Self::Ansi), ("ansi-light", Self::AnsiLight), ("colorblind", Self::Colorblind), ("mono", Self::Mono)];

    /// The palette of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, palette)| *palette)
    }
}

/// The part of the environment that speaks about colour.
#[derive(Clone, Debug, Default)]
pub struct ColorEnv {
    /// `NO_COLOR` is set to something.
    pub no_color: bool,
    /// `TERM` is `dumb`.
    pub dumb: bool,
    /// The terminal calls its background light.
    pub light: bool,
}

impl ColorEnv {
    /// What this process's environment says.
    #[must_use]
    pub fn of_process() -> Self {
        Self {
            no_color: std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()),
            dumb: std::env::var("TERM").is_ok_and(|term| term == "dumb"),
            light: std::env::var("COLORFGBG").is_ok_and(|colours| background_is_light(&colours)),
        }
    }
}

/// Whether `COLORFGBG`, which rxvt, Konsole, iTerm2 and others set to the numbers of their colours (`0;15`,
/// `0;default;15`), names a light background: white, or bright and not the bright black. The terminal itself is not
/// asked, for an answer that comes late, through ssh or tmux, is taken for keys.
fn background_is_light(colours: &str) -> bool {
    let background = colours.rsplit(';').next().and_then(|number| number.trim().parse::<u8>().ok());
    matches!(background, Some(7 | 9..=15))
}

/// The styles of one palette.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Theme {
    palette: Palette,
}

impl Theme {
    /// A theme of a palette.
    #[must_use]
    pub const fn new(palette: Palette) -> Self {
        Self { palette }
    }

    /// Resolves the configuration: an explicit choice (a flag or the file) beats `NO_COLOR`, which beats `TERM=dumb`; and
    /// a palette that is named beats what the environment says of the background.
    #[must_use]
    pub fn resolve(ui: &UiConfig, env: &ColorEnv) -> Self {
        let by_background = if env.light { Palette::AnsiLight } else { Palette::Ansi };
        let wanted = Palette::named(&ui.palette).unwrap_or(by_background);
        Self::new(match ui.color {
            ColorChoice::Always => wanted,
            ColorChoice::Never => Palette::Mono,
            ColorChoice::Auto if env.no_color || env.dumb => Palette::Mono,
            ColorChoice::Auto => wanted,
        })
    }

    /// Whether this theme uses colours at all.
    #[must_use]
    pub fn is_coloured(self) -> bool {
        self.palette != Palette::Mono
    }

    /// The style of a role.
    #[must_use]
    pub fn style(self, role: Role) -> Style {
        let plain = Style::new();
        let bold = plain.add_modifier(Modifier::BOLD);
        let modifiers = match role {
            Role::Text | Role::Accent | Role::Ok | Role::Draining | Role::Series(_) => plain,
            Role::Dim | Role::Border | Role::Unknown => plain.add_modifier(Modifier::DIM),
            Role::Focus | Role::Title | Role::Warn | Role::Pinned => bold,
            Role::Bad => bold,
            Role::Selected => plain.add_modifier(Modifier::REVERSED),
            Role::Badge => bold.add_modifier(Modifier::REVERSED),
        };
        if role == Role::Selected {
            // What the row's cells had of their own would make a patchwork of the bar: dim on grey, colour on colour.
            let bar = modifiers.remove_modifier(Modifier::DIM);
            return if self.is_coloured() { bar.fg(Color::Reset) } else { bar };
        }
        let Some(colour) = self.colour(role) else {
            return match (self.palette, role) {
                (Palette::Mono, Role::Bad) => modifiers.add_modifier(Modifier::UNDERLINED),
                (Palette::Mono, Role::Accent) => modifiers.add_modifier(Modifier::BOLD),
                _ => modifiers,
            };
        };
        // A named grey is what dim means on most terminals; both together would be unreadable.
        modifiers.remove_modifier(Modifier::DIM).fg(colour)
    }

    fn colour(self, role: Role) -> Option<Color> {
        let pick = |ansi, light, blind| match self.palette {
            Palette::Ansi => Some(ansi),
            Palette::AnsiLight => Some(light),
            Palette::Colorblind => Some(blind),
            Palette::Mono => None,
        };
        match role {
            Role::Text | Role::Title | Role::Selected | Role::Badge => None,
            Role::Dim | Role::Border | Role::Unknown => pick(Color::DarkGray, Color::DarkGray, Color::DarkGray),
            Role::Focus | Role::Accent => pick(Color::Cyan, Color::Blue, Color::LightBlue),
            Role::Ok => pick(Color::Green, Color::Green, Color::LightBlue),
            Role::Warn => pick(Color::Yellow, Color::Magenta, Color::Yellow),
            Role::Bad => pick(Color::Red, Color::Red, Color::LightRed),
            Role::Draining => pick(Color::Cyan, Color::Blue, Color::Cyan),
            Role::Pinned => pick(Color::Magenta, Color::Magenta, Color::LightMagenta),
            Role::Series(Tier::Claude) => pick(Color::Magenta, Color::Magenta, Color::LightMagenta),
            Role::Series(Tier::Local) => pick(Color::Green, Color::Green, Color::LightBlue),
            // Plain blue is hard to read on black.
            Role::Series(Tier::Gpu) => pick(Color::LightBlue, Color::Blue, Color::Cyan),
            Role::Series(Tier::Frontier) => pick(Color::Cyan, Color::Cyan, Color::Yellow),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_explicit_choice_beats_the_environment() {
        let env = ColorEnv { no_color: true, dumb: true, light: false };
        let with = |color| UiConfig { color, ..UiConfig::default() };
        assert!(Theme::resolve(&with(ColorChoice::Always), &env).is_coloured());
        assert!(!Theme::resolve(&with(ColorChoice::Auto), &env).is_coloured());
        assert!(Theme::resolve(&with(ColorChoice::Auto), &ColorEnv::default()).is_coloured());
        assert!(!Theme::resolve(&with(ColorChoice::Never), &ColorEnv::default()).is_coloured());
    }

    #[test]
    fn a_light_background_is_believed_unless_a_palette_is_named() {
        for (said, light) in
            [("0;15", true), ("0;default;7", true), ("15;0", false), ("7;8", false), ("15;default", false)]
        {
            assert_eq!(background_is_light(said), light, "{said}");
        }
        let env = ColorEnv { light: true, ..ColorEnv::default() };
        assert_eq!(Theme::resolve(&UiConfig::default(), &env), Theme::new(Palette::AnsiLight));
        assert_eq!(Theme::resolve(&UiConfig::default(), &ColorEnv::default()), Theme::new(Palette::Ansi));
        let named = UiConfig { palette: "ansi".to_owned(), ..UiConfig::default() };
        assert_eq!(Theme::resolve(&named, &env), Theme::new(Palette::Ansi));
    }

    #[test]
    fn without_colour_no_role_has_one_and_the_selection_still_shows() {
        let mono = Theme::new(Palette::Mono);
        for role in Role::ALL {
            let style = mono.style(role);
            assert_eq!((style.fg, style.bg), (None, None), "{role:?}");
        }
        assert!(mono.style(Role::Selected).add_modifier.contains(Modifier::REVERSED));
        assert_ne!(mono.style(Role::Bad), mono.style(Role::Warn));
    }

    #[test]
    fn no_palette_paints_a_background() {
        for (_, palette) in Palette::NAMES {
            for role in Role::ALL {
                assert_eq!(Theme::new(palette).style(role).bg, None);
            }
        }
    }
}
