//! Where a command prints. The answer goes to standard output, everything about it to standard error; a reader that has
//! gone away ends the command quietly. What comes from a model or a server cannot command a terminal; a pipe gets it as
//! it came.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use serde::Serialize;

use super::signals::Signal;
use super::{When, advice};
use crate::engine::CallError;

/// The terminal and the pipes.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    out_is_terminal: bool,
    err_is_terminal: bool,
    progress: bool,
    color: bool,
    notes_in_color: bool,
}

/// Whether the terminal says of itself that it only prints.
pub fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The configuration or the arguments are wrong.
    #[error("{0}")]
    Usage(String),
    /// A request failed.
    #[error("{0}")]
    Call(#[from] CallError),
    /// Something else failed.
    #[error("{0}")]
    Other(String),
    /// Standard output cannot be written.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
    /// The user or the system ended it.
    #[error("{0}")]
    Stopped(Signal),
}

impl Failure {
    /// The documented exit code.
    #[must_use]
    pub const fn code(&self) -> u8 {
        match self {
            Self::Call(CallError::NoRoute(_)) => 3,
            Self::Call(_) | Self::Other(_) | Self::Output(_) => 1,
            Self::Usage(_) => 2,
            Self::Stopped(signal) => signal.code(),
        }
    }
}

impl Output {
    /// Looks at what standard output and standard error are.
    #[must_use]
    pub fn new(when: When) -> Self {
        let (out_is_terminal, err_is_terminal) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = is_dumb();
        let color = |is_terminal: bool| match when {
            When::Always => true,
            When::Never => false,
            When::Auto => is_terminal && !no_color && !dumb,
        };
        let progress = err_is_terminal && !dumb;
        Self {
            out_is_terminal,
            err_is_terminal,
            progress,
            color: color(out_is_terminal),
            notes_in_color: color(err_is_terminal),
        }
    }

    /// The same, for text that becomes a note: its colours are those of standard error.
    #[must_use]
    pub const fn for_notes(self) -> Self {
        Self { color: self.notes_in_color, ..self }
    }

    /// Whether a person reads the output as it comes.
    #[must_use]
    pub const fn is_terminal(&self) -> bool {
        self.out_is_terminal
    }

    /// The columns of the terminal; `None` where the output goes elsewhere, which cuts nothing off.
    #[must_use]
    pub fn width(&self) -> Option<usize> {
        let size = self.out_is_terminal.then(crossterm::terminal::size)?;
        size.ok().map(|(columns, _)| usize::from(columns)).filter(|columns| *columns > 0)
    }

    /// Whether a person sees notes as they come.
    #[must_use]
    pub const fn notes_are_seen(&self) -> bool {
        self.err_is_terminal
    }

    /// Writes bytes to standard output as they are.
    ///
    /// # Errors
    ///
    /// [`Failure::Output`].
    pub fn bytes(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        out.write_all(bytes)?;
        out.flush()?;
        Ok(())
    }

    /// Writes text without a line end. It may come from a model: a terminal sees none of its control characters.
    ///
    /// # Errors
    ///
    /// [`Failure::Output`].
    pub fn text(&self, text: &str) -> Result<(), Failure> {
        let text = if self.out_is_terminal { harmless(text, Keep::Nothing) } else { text.into() };
        self.bytes(text.as_bytes())
    }

    /// Writes a line.
    ///
    /// # Errors
    ///
    /// [`Failure::Output`].
    pub fn line(&self, line: &str) -> Result<(), Failure> {
        let line = if self.out_is_terminal { harmless(line, Keep::Styles) } else { line.into() };
        self.bytes(format!("{line}\n").as_bytes())
    }

    /// Writes one JSON document and a line end.
    ///
    /// # Errors
    ///
    /// [`Failure::Output`].
    pub fn json(&self, value: &impl Serialize) -> Result<(), Failure> {
        let text =
            if self.out_is_terminal { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
        self.line(&text.map_err(|error| Failure::Other(error.to_string()))?)
    }

    /// Writes one JSON document on one line, wherever it goes.
    ///
    /// # Errors
    ///
    /// [`Failure::Output`].
    pub fn json_line(&self, value: &impl Serialize) -> Result<(), Failure> {
        self.line(&serde_json::to_string(value).map_err(|error| Failure::Other(error.to_string()))?)
    }

    /// Writes a note to standard error. A note that cannot be written is no reason to fail.
    pub fn note(&self, line: &str) {
        let line = if self.err_is_terminal { harmless(line, Keep::Styles) } else { line.into() };
        drop(writeln!(io::stderr().lock(), "{line}"));
    }

    /// Overwrites the current line of standard error, for progress.
    pub fn progress(&self, line: &str) {
        if self.progress {
            let mut err = io::stderr().lock();
            drop(write!(err, "\r\x1b[2K{line}"));
            drop(err.flush());
        }
    }

    /// Text in a style, where colours are used.
    #[must_use]
    pub fn styled(&self, style: Style, text: &str) -> String {
        if !self.color {
            return text.to_owned();
        }
        format!("{}{text}{PLAIN}", style.sequence())
    }

    /// Says why the command failed, and with which code. A reader that has gone away wants no message.
    pub fn fail(&self, failure: &Failure) -> ExitCode {
        if matches!(failure, Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe) {
            return ExitCode::SUCCESS;
        }
        let words = match failure {
            Failure::Call(CallError::NoRoute(decision)) => advice::no_route(decision),
            failure => failure.to_string(),
        };
        self.note(&format!("llm-call: {words}"));
        ExitCode::from(failure.code())
    }
}

/// Ends a style.
const PLAIN: &str = "\x1b[0m";

impl Style {
    const ALL: [Self; 5] = [Self::Bold, Self::Dim, Self::Good, Self::Warn, Self::Bad];

    const fn sequence(self) -> &'static str {
        match self {
            Self::Bold => "\x1b[1m",
            Self::Dim => "\x1b[2m",
            Self::Good => "\x1b[32m",
            Self::Warn => "\x1b[33;1m",
            Self::Bad => "\x1b[31;1m",
        }
    }
}

/// Which control sequences are left in a text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    /// None.
    Nothing,
    /// Those that this program writes itself.
    Styles,
}

/// Text that does nothing to a terminal but appear on it. Control characters are shown rather than left out, so that what
/// was there can be seen; a carriage return goes, since it would let a line write over itself.
fn harmless(text: &str, keep: Keep) -> Cow<'_, str> {
    let acts = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if !text.chars().any(acts) {
        return Cow::Borrowed(text);
    }
    let ours = || Style::ALL.map(Style::sequence).into_iter().chain([PLAIN]);
    let mut safe = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let kept = if keep == Keep::Styles { ours().find(|sequence| rest.starts_with(sequence)) } else { None };
        match (kept, c) {
            (Some(sequence), _) => safe.push_str(sequence),
            (None, '\r') => {}
            (None, '\u{7f}') => safe.push_str("^?"),
            // As terminals write them: ESC is ^[.
            (None, '\0'..='\u{1f}') if acts(c) => safe.extend(['^', char::from(c as u8 + b'@')]),
            (None, c) if acts(c) => safe.push(char::REPLACEMENT_CHARACTER),
            (None, c) => safe.push(c),
        }
        rest = &rest[kept.map_or(c.len_utf8(), str::len)..];
    }
    Cow::Owned(safe)
}

/// How text can stand out.
#[derive(Clone, Copy, Debug)]
pub enum Style {
    /// Important.
    Bold,
    /// Secondary.
    Dim,
    /// As it should be.
    Good,
    /// Worth a look.
    Warn,
    /// Broken.
    Bad,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_model_writes_cannot_command_a_terminal() {
        for (text, shown) in [
            ("plain\ttext\n", "plain\ttext\n"),
            ("\x1b]0;owned\x07\x1b[2Jhi\r\n", "^[]0;owned^G^[[2Jhi\n"),
            ("\u{9b}31m\x7f\0\x08", "\u{fffd}31m^?^@^H"),
            ("\x1b[1mbold\x1b[0m", "^[[1mbold^[[0m"),
        ] {
            assert_eq!(harmless(text, Keep::Nothing), shown);
        }
        let line = "\x1b[1mbold\x1b[0m \x1b[2J \x1b[8mhidden";
        assert_eq!(harmless(line, Keep::Styles), "\x1b[1mbold\x1b[0m ^[[2J ^[[8mhidden");
    }
}
