//! Ways in which an attempt can fail, and what each of them means for the request and for the backend.
//!
//! One table, three questions: may the same candidate be tried again, may the next one be tried, and what does it
//! say about the backend's health.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::usage::Usage;

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// 429: too many requests for now.
    RateLimited,
    /// 503 or 529: the service has no capacity for now.
    Overloaded,
    /// 409, or a single-slot server that is at work.
    Busy,
    /// Another 5xx.
    ServerError,
    /// Refused, reset or unresolvable before any answer.
    Unreachable,
    /// Connected, but no first token in time.
    Silent,
    /// The answer began and then stopped moving.
    Stalled,
    /// The connection ended before the protocol's end mark.
    Truncated,
    /// The answer is not in the protocol: broken JSON, HTML, a wrong content type.
    Garbled,
    /// The protocol ended properly, with nothing in it.
    Empty,
    /// 401 or 403: the key is refused.
    KeyRefused,
    /// 402, or a quota that will not refill by waiting.
    OutOfCredit,
    /// The backend does not have this model.
    ModelMissing,
    /// The prompt does not fit the model's window, or was cut to fit it.
    ContextTooLong,
    /// The provider's policy refused the content.
    ContentRefused,
    /// 400: the request itself is malformed.
    BadRequest,
    /// The caller went away.
    Cancelled,
    /// An operator took the attempt off its backend.
    Withdrawn,
    /// Another candidate, asked as well, answered sooner.
    Overtaken,
}

/// What a failure says about the backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Penalty {
    /// Nothing.
    None,
    /// One strike towards opening the breaker.
    Strike,
    /// Opens the breaker at once; free probes decide when it closes.
    Down,
    /// Not to be used until the time the backend named, or a default hold.
    RateLimit,
    /// Not to be used until the operator has mended the key.
    KeyRefused,
    /// Not to be used until somebody has paid.
    OutOfCredit,
    /// This model of the backend is not there.
    ModelMissing,
}

impl FailureClass {
    /// Every class.
    pub const ALL: [Self; 19] = [
        Self::RateLimited,
        Self::Overloaded,
        Self::Busy,
        Self::ServerError,
        Self::Unreachable,
        Self::Silent,
        Self::Stalled,
        Self::Truncated,
        Self::Garbled,
        Self::Empty,
        Self::KeyRefused,
        Self::OutOfCredit,
        Self::ModelMissing,
        Self::ContextTooLong,
        Self::ContentRefused,
        Self::BadRequest,
        Self::Cancelled,
        Self::Withdrawn,
        Self::Overtaken,
    ];

    /// Whether the same candidate may be tried once more, after a pause, when no other candidate is left. Never
    /// after silence: it would cost a second first-token timer.
    #[must_use]
    pub const fn may_retry(self) -> bool {
        matches!(self, Self::RateLimited | Self::Overloaded | Self::Busy | Self::ServerError)
    }

    /// Whether the next candidate may be tried, as long as nothing was delivered.
    #[must_use]
    pub const fn may_move_on(self) -> bool {
        !matches!(self, Self::BadRequest | Self::ContentRefused | Self::Cancelled)
    }

    /// Whether the failure speaks for the whole backend, so that its other models need not be tried either.
    #[must_use]
    pub const fn concerns_backend(self) -> bool {
        matches!(self, Self::Unreachable | Self::Silent | Self::KeyRefused | Self::OutOfCredit)
    }

    /// What it means for the backend's health.
    #[must_use]
    pub const fn penalty(self) -> Penalty {
        match self {
            Self::RateLimited => Penalty::RateLimit,
            Self::Overloaded
            | Self::ServerError
            | Self::Silent
            | Self::Stalled
            | Self::Truncated
            | Self::Garbled
            | Self::Empty => Penalty::Strike,
            Self::Unreachable => Penalty::Down,
            Self::KeyRefused => Penalty::KeyRefused,
            Self::OutOfCredit => Penalty::OutOfCredit,
            Self::ModelMissing => Penalty::ModelMissing,
            Self::Busy
            | Self::ContextTooLong
            | Self::ContentRefused
            | Self::BadRequest
            | Self::Cancelled
            | Self::Withdrawn
            | Self::Overtaken => Penalty::None,
        }
    }

    /// A few words for a row of a screen.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::RateLimited => "rate limited",
            Self::Overloaded => "overloaded",
            Self::Busy => "busy",
            Self::ServerError => "server error",
            Self::Unreachable => "unreachable",
            Self::Silent => "no first token in time",
            Self::Stalled => "stalled mid-answer",
            Self::Truncated => "cut off mid-answer",
            Self::Garbled => "garbled answer",
            Self::Empty => "empty answer",
            Self::KeyRefused => "key refused",
            Self::OutOfCredit => "out of credit",
            Self::ModelMissing => "model not found",
            Self::ContextTooLong => "prompt too long",
            Self::ContentRefused => "content refused",
            Self::BadRequest => "bad request",
            Self::Cancelled => "cancelled",
            Self::Withdrawn => "ended by an operator",
            Self::Overtaken => "overtaken",
        }
    }
}

impl fmt::Display for FailureClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.words())
    }
}

/// The longest upstream message that is kept: enough to act on, too short to carry a document.
pub const MESSAGE_CHARS: usize = 240;

/// One failed attempt's reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{class}{}: {message}", status.map(|s| format!(" (HTTP {s})")).unwrap_or_default())]
pub struct Failure {
    /// The class.
    pub class: FailureClass,
    /// The upstream's own words or ours: one line, no control characters, at most [`MESSAGE_CHARS`] characters.
    pub message: String,
    /// The HTTP status, where there was one.
    pub status: Option<u16>,
    /// How long the backend asked to be left alone.
    pub retry_after: Option<Duration>,
    /// What the attempt had used by then, where the provider said so.
    pub usage: Option<Usage>,
}

impl Failure {
    /// A failure of a class, with a message that is cut and cleaned for display.
    #[must_use]
    pub fn new(class: FailureClass, message: &str) -> Self {
        Self { class, message: one_line(message), status: None, retry_after: None, usage: None }
    }

    /// The same, with the HTTP status that came with it.
    #[must_use]
    pub const fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// The same, with the pause that the backend asked for.
    #[must_use]
    pub const fn with_retry_after(mut self, pause: Option<Duration>) -> Self {
        self.retry_after = pause;
        self
    }

    /// The same without the upstream's words if they quote the prompt: an error may be logged, a prompt may not.
    /// Words count as a quotation when sixteen characters in a row also stand in one of the prompt's texts, or when a
    /// text of eight or more stands there as a whole.
    #[must_use]
    pub fn without_quotes_of(self, texts: &[&str]) -> Self {
        const RUN: usize = 16;
        // As the message is written.
        let texts: Vec<String> = texts.iter().map(|text| spaced(text, usize::MAX)).collect();
        let chars: Vec<(usize, char)> = self.message.char_indices().collect();
        let quotes = (0..chars.len().saturating_sub(RUN - 1)).any(|start| {
            let from = chars[start].0;
            let to = chars.get(start + RUN).map_or(self.message.len(), |(at, _)| *at);
            let run = &self.message[from..to];
            run.trim().chars().count() >= RUN / 2 && texts.iter().any(|text| text.contains(run))
        });
        // A prompt that is shorter than such a run is quoted when it is there as a whole.
        let whole = |text: &str| (RUN / 2..RUN).contains(&text.chars().count()) && self.message.contains(text);
        if quotes || texts.iter().any(|text| whole(text.trim())) { self.withheld() } else { self }
    }

    /// The same without the upstream's words if one of these values stands among them, of four bytes or more: what the
    /// guard found in a prompt is not to be told on, however short it is.
    #[must_use]
    pub fn without_values(self, values: &[&str]) -> Self {
        const LEAST: usize = 4;
        let tells = |value: &&str| value.len() >= LEAST && self.message.contains(&spaced(value, usize::MAX));
        if values.iter().any(tells) { self.withheld() } else { self }
    }

    fn withheld(mut self) -> Self {
        "(the provider's message quotes the prompt and is withheld)".clone_into(&mut self.message);
        self
    }
}

/// The first so many characters of a text, with one space wherever there are some, or signs that are not to be seen.
fn spaced(text: &str, most: usize) -> String {
    let plain = |c: char| if c.is_control() || c.is_whitespace() { ' ' } else { c };
    let line: String = text.chars().map(plain).take(most).collect();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn one_line(message: &str) -> String {
    let mut line = spaced(message, MESSAGE_CHARS * 4);
    if let Some((cut, _)) = line.char_indices().nth(MESSAGE_CHARS) {
        line.truncate(cut);
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_clean_short_line() {
        let failure = Failure::new(FailureClass::ServerError, "a\n\u{1b}[31mb\t c");
        assert_eq!(failure.message, "a [31mb c");
        let long = Failure::new(FailureClass::ServerError, &"x".repeat(10_000));
        assert_eq!(long.message.chars().count(), MESSAGE_CHARS + 1);
    }

    #[test]
    fn an_error_that_quotes_the_prompt_is_withheld() {
        let prompt = "my neighbour's diagnosis is confidential";
        let quoting = Failure::new(FailureClass::BadRequest, "invalid content: 'my neighbour's diagnosis is'");
        assert!(quoting.without_quotes_of(&[prompt]).message.contains("withheld"));
        let short = Failure::new(FailureClass::BadRequest, "cannot parse: PIN is 48121");
        assert!(short.without_quotes_of(&["PIN is 48121\n"]).message.contains("withheld"));
        let plain = Failure::new(FailureClass::BadRequest, "`temperature` is deprecated for this model");
        assert!(plain.without_quotes_of(&[prompt]).message.contains("temperature"));
        let found = Failure::new(FailureClass::BadRequest, "cannot parse 48121");
        let spaced = Failure::new(FailureClass::BadRequest, "cannot parse 48\u{2009}121");
        assert!(spaced.clone().without_values(&["48\u{2009}121"]).message.contains("withheld"));
        assert!(spaced.without_quotes_of(&["cannot\nparse 48\u{2009}121"]).message.contains("withheld"));
        assert!(found.clone().without_values(&["48121"]).message.contains("withheld"));
        assert!(found.without_values(&["par", "999999"]).message.contains("48121"));
    }

    #[test]
    fn nothing_that_ends_a_request_is_held_against_a_backend() {
        for class in FailureClass::ALL {
            if !class.may_move_on() {
                assert_eq!(class.penalty(), Penalty::None, "{class}");
            }
        }
    }
}
