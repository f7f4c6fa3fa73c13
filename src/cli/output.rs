//! Where a command prints. The answer goes to standard output, everything about it to standard error; a reader that has
//! gone away ends the command quietly.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use serde::Serialize;

use super::When;
use crate::engine::CallError;

/// The terminal and the pipes.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    out_is_terminal: bool,
    err_is_terminal: bool,
    color: bool,
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
    /// Interrupted by the user.
    #[error("interrupted")]
    Interrupted,
}

impl Failure {
    /// The documented exit code.
    #[must_use]
    pub const fn code(&self) -> u8 {
        match self {
            Self::Call(CallError::NoRoute(_)) => 3,
            Self::Call(_) | Self::Other(_) | Self::Output(_) => 1,
            Self::Usage(_) => 2,
            Self::Interrupted => 130,
        }
    }
}

impl Output {
    /// Looks at what standard output and standard error are.
    #[must_use]
    pub fn new(when: When) -> Self {
        let out_is_terminal = io::stdout().is_terminal();
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let color = match when {
            When::Always => true,
            When::Never => false,
            When::Auto => out_is_terminal && !no_color && !dumb,
        };
        Self { out_is_terminal, err_is_terminal: io::stderr().is_terminal(), color }
    }

    /// Whether a person reads the output as it comes.
    #[must_use]
    pub const fn is_terminal(&self) -> bool {
        self.out_is_terminal
    }

    /// Whether a person sees notes as they come.
    #[must_use]
    pub const fn notes_are_seen(&self) -> bool {
        self.err_is_terminal
    }

    /// Writes bytes to standard output.
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

    /// Writes text without a line end.
    ///
    /// # Errors
    ///
    /// [`Failure::Output`].
    pub fn text(&self, text: &str) -> Result<(), Failure> {
        self.bytes(text.as_bytes())
    }

    /// Writes a line.
    ///
    /// # Errors
    ///
    /// [`Failure::Output`].
    pub fn line(&self, line: &str) -> Result<(), Failure> {
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

    /// Writes a note to standard error. A note that cannot be written is no reason to fail.
    pub fn note(&self, line: &str) {
        drop(writeln!(io::stderr().lock(), "{line}"));
    }

    /// Overwrites the current line of standard error, for progress.
    pub fn progress(&self, line: &str) {
        if self.err_is_terminal {
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
        let code = match style {
            Style::Bold => "1",
            Style::Dim => "2",
            Style::Good => "32",
            Style::Warn => "33;1",
            Style::Bad => "31;1",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// Says why the command failed, and with which code. A reader that has gone away wants no message.
    pub fn fail(&self, failure: &Failure) -> ExitCode {
        if matches!(failure, Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe) {
            return ExitCode::SUCCESS;
        }
        self.note(&format!("llm-call: {failure}"));
        ExitCode::from(failure.code())
    }
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
