//! What was observed of a backend.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What the probes and the traffic say about a backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Answers.
    Up,
    /// Answers, but slowly or with errors among its answers.
    Degraded,
    /// Does not answer.
    Down,
    /// Reachable, but has to start a worker or load a model first.
    Warming,
    /// Never probed yet.
    #[default]
    Unknown,
}

impl Health {
    /// The name used in JSON and on the screen.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Degraded => "degraded",
            Self::Down => "down",
            Self::Warming => "warming",
            Self::Unknown => "unknown",
        }
    }
}

/// What one probe found. Probes cost no tokens and wake no worker.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProbeReport {
    /// What the probe says.
    pub health: Health,
    /// The cause in a few words, where health is not `Up`; or a fact worth showing, where it is.
    pub detail: String,
    /// Whether the key was refused.
    pub key_refused: bool,
    /// How long the probe took.
    pub took: Duration,
    /// The models that the backend has, where the probe could tell.
    pub models: Option<Vec<FoundModel>>,
}

/// A model as a backend lists it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FoundModel {
    /// The model's id.
    pub id: String,
    /// Whether it is in memory now, where the backend tells.
    pub loaded: Option<bool>,
    /// The memory that it takes, in bytes, where the backend tells: measured while it is loaded, else the size of its file.
    pub memory: Option<u64>,
    /// The longest prompt, in tokens, where the backend tells.
    pub context: Option<u32>,
    /// Runs on someone else's machine although this backend lists it (Ollama's cloud models).
    pub remote: bool,
    /// The longest answer, in tokens, where it is known.
    pub max_output: Option<u32>,
    /// Takes pictures, where that is known.
    pub images: Option<bool>,
    /// Calls tools, where that is known.
    pub tools: Option<bool>,
    /// Its prices, by time: as the gateway states them, or as a price table does. Empty where nobody knows.
    pub prices: Vec<super::price::PriceRow>,
}
