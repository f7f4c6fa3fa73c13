//! Faults that can be dialled into a simulated upstream, and who has which.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::id::BackendId;

/// The kinds of faults, without their numbers: what a command palette offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    /// Answers, but slowly.
    Slow,
    /// Closes every connection before answering, probes included.
    Down,
    /// 429.
    RateLimited,
    /// 503, or 529 where the service has it.
    Overloaded,
    /// 500.
    ServerError,
    /// The connection breaks in the middle of an answer.
    CutMidStream,
    /// The answer stops moving, and the connection stays open.
    StallMidStream,
    /// Takes the request and never answers, probes included.
    Silent,
    /// Status 200, and then an error in the protocol's own shape.
    ErrorInsideStream,
    /// Status 200 with a web page, probes included.
    Html,
    /// Status 200 with JSON that breaks off, and a proper end of the response.
    HalfJson,
    /// A proper answer with nothing in it.
    Empty,
    /// A proper answer under a content type that is not the protocol's.
    WrongContentType,
    /// The key is refused, probes included.
    KeyRefused,
    /// The account has no credit.
    OutOfCredit,
    /// The model is not there.
    ModelMissing,
    /// The prompt is said to be too long.
    ContextTooLong,
    /// A model has to be loaded, or a worker started, before the answer begins.
    ColdStart,
    /// Status 200 and the right content type over bytes that mean nothing.
    Garbage,
}

impl FaultKind {
    /// Every kind.
    pub const ALL: [Self; 19] = [
        Self::Slow,
        Self::Down,
        Self::RateLimited,
        Self::Overloaded,
        Self::ServerError,
        Self::CutMidStream,
        Self::StallMidStream,
        Self::Silent,
        Self::ErrorInsideStream,
        Self::Html,
        Self::HalfJson,
        Self::Empty,
        Self::WrongContentType,
        Self::KeyRefused,
        Self::OutOfCredit,
        Self::ModelMissing,
        Self::ContextTooLong,
        Self::ColdStart,
        Self::Garbage,
    ];

    /// The name used in commands and on the screen.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Slow => "slow",
            Self::Down => "down",
            Self::RateLimited => "rate-limited",
            Self::Overloaded => "overloaded",
            Self::ServerError => "server-error",
            Self::CutMidStream => "cut",
            Self::StallMidStream => "stall",
            Self::Silent => "silent",
            Self::ErrorInsideStream => "error-inside",
            Self::Html => "html",
            Self::HalfJson => "half-json",
            Self::Empty => "empty",
            Self::WrongContentType => "wrong-type",
            Self::KeyRefused => "key-refused",
            Self::OutOfCredit => "out-of-credit",
            Self::ModelMissing => "model-missing",
            Self::ContextTooLong => "context-too-long",
            Self::ColdStart => "cold-start",
            Self::Garbage => "garbage",
        }
    }

    /// Whether probes and listings meet the fault as well as prompts do.
    #[must_use]
    pub const fn hits_probes(self) -> bool {
        matches!(self, Self::Down | Self::Silent | Self::Html | Self::KeyRefused)
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
    /// What the kind's number is: the factor of `Slow`, the seconds of `ColdStart`, the `retry-after` seconds of
    /// `RateLimited` (0 for none stated), the pieces of answer that go out before `CutMidStream`, `StallMidStream`
    /// and `ErrorInsideStream`. The other kinds have none.
    pub number: f32,
}

impl Fault {
    /// Every time of the answer is multiplied.
    #[must_use]
    pub const fn slow(factor: f32) -> Self {
        Self { kind: FaultKind::Slow, number: factor }
    }

    /// Too many requests; come back after so many seconds.
    #[must_use]
    pub const fn rate_limited(retry_after: f32) -> Self {
        Self { kind: FaultKind::RateLimited, number: retry_after }
    }

    /// The connection breaks after so many pieces of the answer.
    #[must_use]
    pub const fn cut_after(pieces: f32) -> Self {
        Self { kind: FaultKind::CutMidStream, number: pieces }
    }

    /// A cold start of so many simulated seconds.
    #[must_use]
    pub const fn cold_start(seconds: f32) -> Self {
        Self { kind: FaultKind::ColdStart, number: seconds }
    }

    /// The pieces of an answer that go out first, for the kinds that break in the middle.
    #[must_use]
    pub fn pieces(self) -> usize {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a small range first")]
        let pieces = self.number.clamp(0.0, 1e6) as usize;
        pieces
    }
}

impl From<FaultKind> for Fault {
    /// With the number that shows the fault best.
    fn from(kind: FaultKind) -> Self {
        let number = match kind {
            FaultKind::Slow => 6.0,
            FaultKind::RateLimited => 20.0,
            FaultKind::ColdStart => 45.0,
            FaultKind::CutMidStream | FaultKind::StallMidStream | FaultKind::ErrorInsideStream => 2.0,
            _ => 0.0,
        };
        Self { kind, number }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            FaultKind::Slow => write!(f, "{} ×{}", self.kind, self.number),
            FaultKind::RateLimited | FaultKind::ColdStart => write!(f, "{} {} s", self.kind, self.number),
            _ => write!(f, "{}", self.kind),
        }
    }
}

impl FromStr for Fault {
    type Err = UnknownFault;

    /// A kind, and its number if it shall be another than the usual one: `down`, `slow 4`, `rate-limited 30`.
    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        let mut words = text.split_whitespace();
        let kind: FaultKind = words.next().unwrap_or_default().parse()?;
        let usual = Self::from(kind);
        match words.next() {
            None => Ok(usual),
            Some(word) => {
                let number = word.parse().map_err(|_| UnknownFault { given: text.to_owned() })?;
                Ok(Self { number, ..usual })
            }
        }
    }
}

#[derive(Debug, Default)]
struct Dial {
    standing: Option<Fault>,
    /// Faults for the next prompts, nearest first.
    next: Vec<(Fault, u32)>,
}

/// Who has which fault. Clones are handles of the same dials.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Mutex<BTreeMap<BackendId, Dial>>>);

impl Faults {
    fn dials(&self) -> MutexGuard<'_, BTreeMap<BackendId, Dial>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a backend a standing fault, or takes it and all that was set for its next prompts away.
    pub fn set(&self, backend: &BackendId, fault: Option<Fault>) {
        let mut dials = self.dials();
        match fault {
            Some(fault) => dials.entry(backend.clone()).or_default().standing = Some(fault),
            None => {
                dials.remove(backend);
            }
        }
    }

    /// Gives a backend a fault for its next `count` prompts, before any standing one. Probes do not count and do not
    /// meet it, so that a test is not at the mercy of the prober's timing.
    pub fn set_for_next(&self, backend: &BackendId, fault: Fault, count: u32) {
        if count > 0 {
            self.dials().entry(backend.clone()).or_default().next.push((fault, count));
        }
    }

    /// Takes all faults away.
    pub fn clear(&self) {
        self.dials().clear();
    }

    /// Every backend's fault as its next prompt would meet it.
    #[must_use]
    pub fn current(&self) -> Vec<(BackendId, Fault)> {
        let dials = self.dials();
        let fault = |dial: &Dial| dial.next.first().map(|(fault, _)| *fault).or(dial.standing);
        dials.iter().filter_map(|(id, dial)| fault(dial).map(|fault| (id.clone(), fault))).collect()
    }

    /// The fault that this request meets; counts it down if it is a prompt.
    pub(super) fn draw(&self, backend: &BackendId, is_prompt: bool) -> Option<Fault> {
        let mut dials = self.dials();
        let dial = dials.get_mut(backend)?;
        if !is_prompt {
            return dial.standing.filter(|fault| fault.kind.hits_probes());
        }
        let Some((fault, left)) = dial.next.first_mut() else { return dial.standing };
        let fault = *fault;
        *left -= 1;
        if *left == 0 {
            dial.next.remove(0);
        }
        Some(fault)
    }
}
