//! A request: what is asked, under which constraints, by whom.

use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::id::{BackendId, ModelId, RequestId};
use super::money::Money;
use super::prompt::Prompt;
use super::task::Task;
use super::tier::Tier;

/// How private a prompt is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Privacy {
    /// May leave this machine, unless the guard finds something in it that must not.
    #[default]
    Standard,
    /// Never leaves this machine.
    High,
}

/// What a request wants most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Optimize {
    /// The task's own order of tiers.
    #[default]
    Balanced,
    /// The best answer.
    Quality,
    /// The quickest first token.
    Latency,
    /// The lowest cost.
    Cost,
    /// The most work per hour: bulk goes to the GPU tier.
    Throughput,
}

/// The text names none of the choices.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is none of {choices}")]
pub struct UnknownChoice {
    /// What was given.
    pub given: String,
    /// What could have been given.
    pub choices: &'static str,
}

impl FromStr for Privacy {
    type Err = UnknownChoice;

    fn from_str(text: &str) -> Result<Self, UnknownChoice> {
        match text.trim().to_ascii_lowercase().as_str() {
            "standard" => Ok(Self::Standard),
            "high" => Ok(Self::High),
            _ => Err(UnknownChoice { given: text.to_owned(), choices: "standard, high" }),
        }
    }
}

impl FromStr for Optimize {
    type Err = UnknownChoice;

    fn from_str(text: &str) -> Result<Self, UnknownChoice> {
        match text.trim().to_ascii_lowercase().as_str() {
            "balanced" => Ok(Self::Balanced),
            "quality" => Ok(Self::Quality),
            "latency" => Ok(Self::Latency),
            "cost" => Ok(Self::Cost),
            "throughput" => Ok(Self::Throughput),
            _ => Err(UnknownChoice { given: text.to_owned(), choices: "balanced, quality, latency, cost, throughput" }),
        }
    }
}

/// What a request demands of whoever answers it. All but `optimize` and `fallback` are hard: a backend that fails
/// one of them is not a candidate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Constraints {
    /// The first token must be expected within this many milliseconds (judged by the measured p95).
    pub max_latency_ms: Option<u32>,
    /// The highest predicted cost of the request.
    pub max_cost: Option<Money>,
    /// Whether the prompt may leave this machine.
    pub privacy: Privacy,
    /// What to weigh most among the candidates that are left.
    pub optimize: Optimize,
    /// Only this tier.
    pub tier: Option<Tier>,
    /// Only this backend.
    pub backend: Option<BackendId>,
    /// Only this model.
    pub model: Option<ModelId>,
    /// The task, where the caller knows it better than the analysis could.
    pub task: Option<Task>,
    /// With a tier, backend or model named: fall back to the others when it fails, instead of failing.
    pub fallback: bool,
}

/// One request to the router.
#[derive(Clone, Debug)]
pub struct Request {
    /// Who it is.
    pub id: RequestId,
    /// What is asked.
    pub prompt: Arc<Prompt>,
    /// What is demanded of the answer.
    pub constraints: Constraints,
    /// Which program or person asks, as it names itself; shown to operators.
    pub caller: Arc<str>,
    /// The request's lot in exploring, from 0 up to 1: below the share that explores, it may go to another than the best
    /// candidate. At 1, as in an explanation, it never does.
    pub chance: f32,
}
