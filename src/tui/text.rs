//! Text that fits: cut and wrapped by display width, numbers of steady width, and foreign text made harmless.

use std::time::Duration;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::domain::money::Money;

/// The display width of a text.
#[must_use]
pub fn width(text: &str) -> usize {
    text.width()
}

/// Cuts a text to a width, with an ellipsis at its end.
#[must_use]
pub fn fit(text: &str, max: usize, ellipsis: &str) -> String {
    if text.width() <= max {
        return text.to_owned();
    }
    let mark = ellipsis.width();
    if max <= mark {
        return head(text, max).to_owned();
    }
    format!("{}{ellipsis}", head(text, max - mark))
}

/// Cuts a name to a width in its middle: the ends of ids tell them apart.
#[must_use]
pub fn fit_middle(text: &str, max: usize, ellipsis: &str) -> String {
    if text.width() <= max {
        return text.to_owned();
    }
    let mark = ellipsis.width();
    if max <= mark + 1 {
        return head(text, max).to_owned();
    }
    let room = max - mark;
    let front = head(text, room.div_ceil(2));
    format!("{front}{ellipsis}{}", tail(text, room / 2))
}

/// The longest beginning of a text within a width.
#[must_use]
pub fn head(text: &str, max: usize) -> &str {
    let mut used = 0;
    for (index, c) in text.char_indices() {
        used += c.width().unwrap_or(0);
        if used > max {
            return &text[..index];
        }
    }
    text
}

fn tail(text: &str, max: usize) -> &str {
    let mut used = 0;
    for (index, c) in text.char_indices().rev() {
        used += c.width().unwrap_or(0);
        if used > max {
            return &text[index + c.len_utf8()..];
        }
    }
    text
}

/// Fills a text up to a width on its right.
#[must_use]
pub fn pad(text: &str, to: usize) -> String {
    format!("{text}{}", " ".repeat(to.saturating_sub(text.width())))
}

/// Fills a text up to a width on its left.
#[must_use]
pub fn pad_left(text: &str, to: usize) -> String {
    format!("{}{text}", " ".repeat(to.saturating_sub(text.width())))
}

/// Breaks one logical line into rows of a width, at spaces where there are any.
#[must_use]
pub fn wrap(line: &str, columns: usize) -> Vec<String> {
    if columns == 0 {
        return Vec::new();
    }
    let mut rows = Vec::new();
    let mut row = String::new();
    let mut used = 0;
    for word in line.split_inclusive(' ') {
        let wide = word.trim_end().width();
        if used + wide > columns && used > 0 {
            rows.push(std::mem::take(&mut row).trim_end().to_owned());
            used = 0;
        }
        for c in word.chars() {
            let wide = c.width().unwrap_or(0);
            if used + wide > columns {
                if c == ' ' {
                    continue;
                }
                rows.push(std::mem::take(&mut row));
                used = 0;
            }
            row.push(c);
            used += wide;
        }
    }
    rows.push(row.trim_end().to_owned());
    rows
}

/// Makes foreign text harmless on a terminal: escape sequences, control characters, bidirectional overrides, zero-width
/// characters and variation selectors go; tabs become spaces; line ends become `\n`.
#[must_use]
pub fn sanitise(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\n' => clean.push('\n'),
            '\t' => clean.push_str("    "),
            '\r' if chars.peek() == Some(&'\n') => {}
            '\r' => clean.push('\n'),
            '\u{1b}' => skip_sequence(&mut chars),
            '\u{9b}' => skip_csi(&mut chars),
            _ if c.is_control() || is_invisible(c) => {}
            _ => clean.push(c),
        }
    }
    clean
}

/// No screen has room for a longer line; what is behind it would only cost time, frame after frame.
const LINE: usize = 4 * 1024;

/// The same on one line, of a length that can be shown.
#[must_use]
pub fn sanitise_line(text: &str) -> String {
    let shown = &text[..text.floor_char_boundary(LINE)];
    let mut line = sanitise(shown).split_whitespace().collect::<Vec<_>>().join(" ");
    if shown.len() < text.len() {
        line.push_str("...");
    }
    line
}

/// Whether a character shows nothing itself and changes how others are shown.
#[must_use]
pub const fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
}

fn skip_sequence(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match chars.peek() {
        Some('[') => {
            chars.next();
            skip_csi(chars);
        }
        // OSC and its like run up to BEL or to the string terminator; one that never ends takes only its first word.
        Some(']' | 'P' | '^' | '_') => {
            while let Some(c) = chars.peek() {
                if *c == '\n' || *c == ' ' {
                    return;
                }
                let ends = *c == '\u{7}' || *c == '\\';
                chars.next();
                if ends {
                    return;
                }
            }
        }
        _ => {}
    }
}

fn skip_csi(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while let Some(c) = chars.peek() {
        let (part, end) = (matches!(c, ' '..='?'), matches!(c, '@'..='~'));
        if part || end {
            chars.next();
        }
        if !part {
            return;
        }
    }
}

/// An age or a wait in at most four columns: `3s`, `42s`, `7m`, `3h`, `12d`.
#[must_use]
pub fn age(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..100 => format!("{seconds}s"),
        100..6_000 => format!("{}m", seconds / 60),
        6_000..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// How long an age is written as it is now.
#[must_use]
pub const fn age_lasts(duration: Duration) -> Duration {
    let seconds = duration.as_secs();
    Duration::from_secs(match seconds {
        0..100 => 1,
        100..6_000 => 60 - seconds % 60,
        6_000..172_800 => 3_600 - seconds % 3_600,
        _ => 86_400 - seconds % 86_400,
    })
}

/// A latency in at most five columns: `850ms`, `1.24s`, `12.4s`, `124s`, `21m`.
#[must_use]
pub fn millis(ms: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "display only")]
    let seconds = ms as f64 / 1000.0;
    match ms {
        0..1_000 => format!("{ms}ms"),
        1_000..9_995 => format!("{seconds:.2}s"),
        9_995..99_950 => format!("{seconds:.1}s"),
        99_950..1_000_000 => format!("{seconds:.0}s"),
        _ => format!("{}m", ms / 60_000),
    }
}

/// The same of a duration.
#[must_use]
pub fn duration(duration: Duration) -> String {
    millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// GiB with one decimal, without the unit.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "display only")]
pub fn gib(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / f64::from(1 << 30))
}

/// A count in at most five columns: `999`, `12.3k`, `4.5M`.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "display only")]
pub fn count(number: u64) -> String {
    match number {
        0..1_000 => number.to_string(),
        1_000..999_950 => format!("{:.1}k", number as f64 / 1e3),
        999_950..999_950_000 => format!("{:.1}M", number as f64 / 1e6),
        _ => format!("{:.1}G", number as f64 / 1e9),
    }
}

/// A count of calls, in eleven columns.
#[must_use]
pub fn calls(number: u32) -> String {
    format!("{:>5} call{}", count(u64::from(number)), if number == 1 { " " } else { "s" })
}

/// Money in at most eight columns, with a tilde where it rests on estimates. Nobody counts the cents of thousands, and less
/// than the least that is shown is vague enough.
#[must_use]
pub fn money(amount: Money, estimated: bool) -> String {
    let words = if amount.as_usd() < 999.995 { amount.to_string() } else { format!("${:.0}", amount.as_usd()) };
    if estimated && !words.starts_with('<') { format!("~{words}") } else { words }
}

/// A share in percent.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "display only")]
pub fn percent(part: i64, whole: i64) -> Option<f64> {
    (whole > 0).then(|| part as f64 * 100.0 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_by_display_width_and_keeps_the_ends() {
        assert_eq!(fit("hello world", 8, "…"), "hello w…");
        assert_eq!(fit_middle("qwen2.5-coder:32b", 9, "…"), "qwen…:32b");
        assert_eq!(fit("漢字漢字", 5, "…"), "漢字…");
        assert_eq!(fit_middle("漢字漢字", 5, "…"), "漢…字");
        for max in 0..20 {
            assert!(width(&fit("naïve 漢字 text", max, "…")) <= max);
            assert!(width(&fit_middle("naïve 漢字 text", max, "..")) <= max);
        }
    }

    #[test]
    fn wraps_at_spaces_and_breaks_what_is_longer_than_a_row() {
        assert_eq!(wrap("the quick brown fox", 10), ["the quick", "brown fox"]);
        assert_eq!(wrap("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("", 4), [""]);
        assert_eq!(wrap("漢字漢", 4), ["漢字", "漢"]);
        assert!(wrap("anything", 0).is_empty());
    }

    #[test]
    fn model_output_cannot_drive_the_terminal() {
        assert_eq!(sanitise("a\u{1b}[31mred\u{1b}[0m b"), "ared b");
        assert_eq!(sanitise("x\u{1b}]0;title\u{7}y\u{8}\r\nz\rw"), "xy\nz\nw");
        assert_eq!(sanitise("❤\u{fe0f}\u{200d}\u{202e}abc\u{feff}"), "❤abc");
        assert_eq!(sanitise("tab\there"), "tab    here");
        assert_eq!(sanitise_line("two\nlines  and\tmore"), "two lines and more");
        for hostile in ["\u{1b}", "\u{1b}[", "\u{1b}]8;;http", "\u{9b}1;2", "\u{1b}P"] {
            assert!(!sanitise(hostile).chars().any(char::is_control));
        }
    }

    #[test]
    fn an_age_lasts_until_it_is_written_differently() {
        for seconds in [0, 42, 99, 100, 119, 120, 5_999, 6_000, 7_199, 172_799, 172_800, 200_000] {
            let now = Duration::from_secs(seconds);
            let lasts = age_lasts(now);
            assert_eq!(age(now), age(now + lasts - Duration::from_secs(1)), "{seconds}");
            assert!(lasts == Duration::from_secs(1) || age(now) != age(now + lasts) || seconds < 100, "{seconds}");
        }
    }

    #[test]
    fn numbers_keep_their_columns() {
        for seconds in [0, 59, 99, 100, 5_999, 6_000, 172_799, 172_800, 8_640_000] {
            assert!(age(Duration::from_secs(seconds)).len() <= 4, "{seconds}");
        }
        for ms in [0, 999, 1_000, 9_994, 9_995, 99_949, 99_950, 999_999, 59_000_000] {
            assert!(millis(ms).len() <= 5, "{ms} {}", millis(ms));
        }
        assert_eq!((millis(850), millis(1_240), millis(12_400)), ("850ms".into(), "1.24s".into(), "12.4s".into()));
        assert_eq!((count(999), count(12_300), count(4_500_000)), ("999".into(), "12.3k".into(), "4.5M".into()));
    }
}
