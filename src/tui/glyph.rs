//! The signs of the screen, in two sets that switch as one: Unicode signs of width one (no emoji), and ASCII.

use ratatui::symbols::border;

/// A set of signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glyphs {
    /// Answers.
    pub up: &'static str,
    /// Slow, or with errors.
    pub degraded: &'static str,
    /// Does not answer.
    pub down: &'static str,
    /// Drain under way.
    pub draining: &'static str,
    /// Drained, or in maintenance.
    pub drained: &'static str,
    /// Starting a worker or loading a model.
    pub warming: &'static str,
    /// Not known.
    pub unknown: &'static str,
    /// Pinned.
    pub pin: &'static str,
    /// The selected row and the input's mark.
    pub pointer: &'static str,
    /// From here to there.
    pub arrow: &'static str,
    /// A warning.
    pub warning: &'static str,
    /// Between facts on one line.
    pub dot: &'static str,
    /// Cut text.
    pub ellipsis: &'static str,
    /// No amount, no value.
    pub none: &'static str,
    /// A failed attempt in a chart.
    pub failed: &'static str,
    /// No attempt in a chart.
    pub gap: &'static str,
    /// Bars of rising height, from one eighth to full.
    pub bars: [&'static str; 8],
    /// Bars of rising length, from one eighth to full.
    pub across: [&'static str; 8],
    /// The filled and the empty part of a meter.
    pub meter: [&'static str; 2],
    /// Degrees Celsius.
    pub celsius: &'static str,
    /// Phases of a spinner.
    pub spinner: &'static [&'static str],
    /// The caret of an answer that is still being written.
    pub caret: &'static str,
    /// A pane's border.
    pub border: border::Set<'static>,
    /// The border of the pane with focus: heavier, so that it shows without colour.
    pub border_focus: border::Set<'static>,
}

/// Unicode.
pub const UNICODE: Glyphs = Glyphs {
    up: "●",
    degraded: "◐",
    down: "✕",
    draining: "◌",
    drained: "○",
    warming: "◔",
    unknown: "?",
    pin: "◆",
    pointer: "›",
    arrow: "→",
    warning: "!",
    dot: "·",
    ellipsis: "…",
    none: "—",
    failed: "×",
    gap: "·",
    bars: ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
    across: ["▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"],
    meter: ["■", "·"],
    celsius: "°C",
    spinner: &["◜", "◝", "◞", "◟"],
    caret: "▍",
    border: border::ROUNDED,
    border_focus: border::THICK,
};

const ASCII_BORDER: border::Set<'static> = border::Set {
    top_left: "+",
    top_right: "+",
    bottom_left: "+",
    bottom_right: "+",
    vertical_left: "|",
    vertical_right: "|",
    horizontal_top: "-",
    horizontal_bottom: "-",
};

/// ASCII.
pub const ASCII: Glyphs = Glyphs {
    up: "+",
    degraded: "~",
    down: "x",
    draining: "-",
    drained: "o",
    warming: "%",
    unknown: "?",
    pin: "*",
    pointer: ">",
    arrow: "->",
    warning: "!",
    dot: "-",
    ellipsis: "..",
    none: "-",
    failed: "x",
    gap: ".",
    bars: ["_", "_", ".", ":", "-", "=", "+", "#"],
    across: [".", ".", ".", "-", "-", "-", "=", "="],
    meter: ["#", "."],
    celsius: "C",
    spinner: &["|", "/", "-", "\\"],
    caret: "_",
    border: ASCII_BORDER,
    border_focus: border::Set { horizontal_top: "=", horizontal_bottom: "=", ..ASCII_BORDER },
};

/// The set that the configuration asks for; where it asks for none, the one that the locale can show.
#[must_use]
pub fn choose(ascii: Option<bool>, utf8_locale: bool) -> &'static Glyphs {
    if ascii.unwrap_or(!utf8_locale) { &ASCII } else { &UNICODE }
}

/// Whether this process's locale is a UTF-8 one, and its terminal has the signs (the Linux console has not).
#[must_use]
pub fn utf8_locale() -> bool {
    if std::env::var("TERM").is_ok_and(|term| term == "linux") {
        return false;
    }
    ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|value| !value.is_empty())
        .is_some_and(|value| value.to_ascii_lowercase().replace('-', "").contains("utf8"))
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr;

    use super::*;

    fn signs(set: &Glyphs) -> Vec<&'static str> {
        let mut all = vec![
            set.up,
            set.degraded,
            set.down,
            set.draining,
            set.drained,
            set.warming,
            set.unknown,
            set.pin,
            set.pointer,
            set.warning,
            set.dot,
            set.none,
            set.failed,
            set.gap,
            set.caret,
        ];
        all.extend(set.bars);
        all.extend(set.meter);
        all.extend(set.spinner);
        all
    }

    #[test]
    fn every_sign_is_one_cell_wide_and_ascii_is_ascii() {
        for sign in signs(&UNICODE).into_iter().chain(signs(&ASCII)) {
            assert_eq!(sign.width(), 1, "{sign}");
        }
        for sign in signs(&ASCII).into_iter().chain([ASCII.arrow, ASCII.ellipsis, ASCII.celsius]) {
            assert!(sign.is_ascii(), "{sign}");
        }
    }

    #[test]
    fn the_states_differ_without_colour() {
        for set in [UNICODE, ASCII] {
            let mut states = vec![set.up, set.degraded, set.down, set.draining, set.drained, set.warming, set.unknown];
            states.sort_unstable();
            states.dedup();
            assert_eq!(states.len(), 7);
        }
    }
}
