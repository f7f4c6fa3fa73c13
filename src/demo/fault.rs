//! Kinds of faults that a simulated upstream can have: one table, a row each.

use std::fmt;
use std::str::FromStr;

/// What a fault comes to, as the upstream sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nature {
    /// A whole answer, however odd its form.
    Answers,
    /// No answer, and a word on why.
    Refuses,
    /// No answer, or something that is not a whole one.
    Breaks,
}

/// What is known of a kind beside its name.
struct Row {
    name: &'static str,
    nature: Nature,
    /// Whether probes and listings meet it as well.
    hits_probes: bool,
    /// Whether it comes to an end by itself.
    ends: bool,
    /// The number that shows it best, and what the number counts; an empty unit where the kind has none.
    number: f32,
    unit: &'static str,
}

macro_rules! probes {
    () => {
        false
    };
    (probes) => {
        true
    };
}
macro_rules! ends {
    () => {
        true
    };
    (forever) => {
        false
    };
}

/// A row: what it is, its name, its nature, its number with the unit, and whether probes meet it and it lasts for ever.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $name:literal $nature:ident $number:literal $unit:literal $([$probes:ident])? $($forever:ident)?;)*) => {
        /// The kinds of faults, without their numbers: what a command palette offers.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum FaultKind { $($(#[$doc])* $kind,)* }

        impl FaultKind {
            /// Every kind.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$kind),*];

            const fn row(self) -> Row {
                match self {
                    $(Self::$kind => Row {
                        name: $name,
                        nature: Nature::$nature,
                        hits_probes: probes!($($probes)?),
                        ends: ends!($($forever)?),
                        number: $number,
                        unit: $unit,
                    },)*
                }
            }
        }
    };
}

kinds! {
    // Slow, and well.
    /// Answers, but slowly.
    Slow "slow" Answers 6.0 "×";
    /// A model has to be loaded, or a worker started, before the answer begins.
    ColdStart "cold-start" Answers 45.0 "s";
    /// One character at a time, each after a pause.
    SlowDrip "slow-drip" Answers 0.2 "s";

    // Odd, and well.
    /// The answer begins with a byte order mark.
    ByteOrderMark "byte-order-mark" Answers 0.0 "";
    /// Lines end as HTTP's do.
    CrlfLines "crlf" Answers 0.0 "";
    /// A chunk boundary after every byte, and so inside every token.
    SplitTokens "split-tokens" Answers 0.0 "";
    /// Chunk boundaries only inside characters of several bytes.
    SplitCharacters "split-characters" Answers 0.0 "";
    /// The end mark comes twice.
    DoubleEnd "double-end" Answers 0.0 "";
    /// Nothing is said of what was used.
    NoUsage "no-usage" Answers 0.0 "";
    /// An answer whose headers say that it was the last one for a while.
    LimitReached "limit-reached" Answers 20.0 "s";
    /// A single line of so many mebibytes.
    HugeLine "huge-line" Answers 9.0 "MiB";

    // Refused.
    /// 429; a `retry-after` of nought seconds is not stated.
    RateLimited "rate-limited" Refuses 20.0 "s";
    /// 429 without a `retry-after`: the limit headers say when the next request may come.
    RateLimitHeaders "rate-limit-headers" Refuses 20.0 "s";
    /// 503, or 529 where the service has it.
    Overloaded "overloaded" Refuses 0.0 "";
    /// 500.
    ServerError "server-error" Refuses 0.0 "";
    /// Any status, with an error in the protocol's own shape.
    Status "status" Refuses 502.0 "HTTP";
    /// A redirect to somewhere else.
    Redirect "redirect" Refuses 307.0 "HTTP";
    /// A web page under this status, probes included.
    Html "html" Refuses 200.0 "HTTP" [probes];
    /// The key is refused, probes included.
    KeyRefused "key-refused" Refuses 0.0 "" [probes];
    /// The key is good, and has no right to this.
    Forbidden "forbidden" Refuses 0.0 "";
    /// The account has no credit.
    OutOfCredit "out-of-credit" Refuses 0.0 "";
    /// The model is not there.
    ModelMissing "model-missing" Refuses 0.0 "";
    /// The prompt is said to be too long.
    ContextTooLong "context-too-long" Refuses 0.0 "";
    /// The provider's policy refuses the content.
    ContentRefused "content-refused" Refuses 0.0 "";
    /// The request is said to be malformed.
    BadRequest "bad-request" Refuses 0.0 "";

    // Gone before an answer.
    /// Closes every connection before answering, probes included.
    Down "down" Breaks 0.0 "" [probes];
    /// Nobody listens, probes included. Only a standing one can be: the fault of a single request closes its connection.
    NoListener "no-listener" Breaks 0.0 "" [probes];
    /// Takes the request and resets the connection.
    Reset "reset" Breaks 0.0 "";
    /// Takes the request and never answers, probes included.
    Silent "silent" Breaks 0.0 "" [probes] forever;
    /// Status 200 and headers, and then nothing.
    SilentAfterHead "silent-after-head" Breaks 0.0 "" forever;
    /// Status 200, and then signs of life for ever, but no answer.
    PingsOnly "pings-only" Breaks 1.0 "s" forever;

    // Broken within an answer.
    /// The connection breaks in the middle of an answer.
    CutMidStream "cut" Breaks 2.0 "pieces";
    /// The connection is reset in the middle of an answer.
    ResetMidStream "reset-mid" Breaks 2.0 "pieces";
    /// The connection breaks in the middle of a character.
    CutInCharacter "cut-in-character" Breaks 0.0 "";
    /// The answer stops moving, and the connection stays open.
    StallMidStream "stall" Breaks 2.0 "pieces" forever;
    /// The response ends properly in the middle of an answer.
    Truncated "truncated" Breaks 2.0 "pieces";
    /// All of the answer but its end mark, and a proper end of the response.
    NoEndMark "no-end-mark" Breaks 0.0 "";
    /// The answer never ends.
    Endless "endless" Breaks 0.0 "" forever;
    /// Status 200, and then an error in the protocol's own shape.
    ErrorInsideStream "error-inside" Breaks 2.0 "pieces";

    // Not the protocol.
    /// Status 200 with JSON that breaks off, and a proper end of the response.
    HalfJson "half-json" Breaks 0.0 "";
    /// A byte inside a text that no UTF-8 has.
    BadUtf8 "bad-utf8" Breaks 0.0 "";
    /// Status 200 and the right content type over bytes that mean nothing.
    Garbage "garbage" Breaks 0.0 "";
    /// A proper answer under a content type that is not the protocol's.
    WrongContentType "wrong-type" Breaks 0.0 "";
    /// A proper answer with nothing in it.
    Empty "empty" Breaks 0.0 "";
}

impl FaultKind {
    /// The name used in commands and on the screen.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// Whether probes and listings meet the fault as well as prompts do.
    #[must_use]
    pub const fn hits_probes(self) -> bool {
        self.row().hits_probes
    }

    /// Whether what it does comes to an end by itself; the others end when somebody's patience does.
    #[must_use]
    pub const fn ends_by_itself(self) -> bool {
        self.row().ends
    }

    pub(super) const fn nature(self) -> Nature {
        self.row().nature
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The text names no fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a fault: use one of {}", FaultKind::ALL.map(FaultKind::name).join(", "))]
pub struct UnknownFault {
    /// What was given.
    pub given: String,
}

impl FromStr for FaultKind {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        let name = text.trim().to_ascii_lowercase().replace('_', "-");
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or(UnknownFault { given: name })
    }
}

/// A fault with its numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fault {
    /// The kind.
    pub kind: FaultKind,
    /// What the kind's number is: a factor, seconds of simulated time (of `retry-after` and its like: seconds as
    /// they are told), an HTTP status, mebibytes, or the pieces of answer that go out before it breaks. Many kinds have
    /// none.
    pub number: f32,
}

impl Fault {
    /// A kind with this number.
    #[must_use]
    pub const fn new(kind: FaultKind, number: f32) -> Self {
        Self { kind, number }
    }

    /// Every time of the answer is multiplied.
    #[must_use]
    pub const fn slow(factor: f32) -> Self {
        Self::new(FaultKind::Slow, factor)
    }

    /// Too many requests; come back after so many seconds.
    #[must_use]
    pub const fn rate_limited(retry_after: f32) -> Self {
        Self::new(FaultKind::RateLimited, retry_after)
    }

    /// The connection breaks after so many pieces of the answer.
    #[must_use]
    pub const fn cut_after(pieces: f32) -> Self {
        Self::new(FaultKind::CutMidStream, pieces)
    }

    /// A cold start of so many simulated seconds.
    #[must_use]
    pub const fn cold_start(seconds: f32) -> Self {
        Self::new(FaultKind::ColdStart, seconds)
    }

    /// The number as a count: of pieces, of seconds, a status.
    #[must_use]
    pub(super) fn count(self) -> u32 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a small range first")]
        let count = self.number.clamp(0.0, 1e6) as u32;
        count
    }

    /// The number as simulated time.
    pub(super) fn time(self) -> std::time::Duration {
        std::time::Duration::from_secs_f32(self.number.clamp(0.0, 86_400.0))
    }

    /// The pieces of an answer that go out first, where the kind breaks in the middle of one.
    pub(super) fn pieces(self) -> Option<usize> {
        (self.kind.row().unit == "pieces").then(|| usize::try_from(self.count()).unwrap_or(usize::MAX))
    }
}

impl From<FaultKind> for Fault {
    /// With the number that shows the fault best.
    fn from(kind: FaultKind) -> Self {
        Self { kind, number: kind.row().number }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind.row().unit {
            // How many pieces go out first is of no interest on a screen.
            "" | "pieces" => write!(f, "{}", self.kind),
            "×" => write!(f, "{} ×{}", self.kind, self.number),
            "HTTP" => write!(f, "{} {}", self.kind, self.number),
            unit => write!(f, "{} {} {unit}", self.kind, self.number),
        }
    }
}

impl FromStr for Fault {
    type Err = UnknownFault;

    /// A kind, and its number if it shall be another than the usual one: `down`, `slow 4`, `rate-limited 30`.
    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        let mut words = text.split_whitespace();
        let kind: FaultKind = words.next().unwrap_or_default().parse()?;
        match words.next() {
            None => Ok(Self::from(kind)),
            Some(word) => {
                let number = word.parse().map_err(|_| UnknownFault { given: text.to_owned() })?;
                Ok(Self { kind, number })
            }
        }
    }
}
