//! Learning from nothing while it decides: the line protocol of a bandit, over the same table and the same exploring that
//! real requests use.
//!
//! ```text
//! → {"op":"init","models":[{"name":…,"price":…}],"lambda":x}
//! → {"op":"decide","id":…,"prompt":…}                                      ← {"id":…,"model":…,"explored":…}
//! → {"op":"outcome","id":…,"model":…,"quality":q,"cost":c,"latency_ms":l,"ok":true}
//! ```

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::analysis;
use super::super::id::ModelId;
use super::super::prompt::Prompt;
use super::super::tier::Tier;
use super::super::time::Timestamp;
use super::explore::{Contender, Exploration};
use super::kind::Kind;
use super::learned::Learned;
use super::outcome::{Outcome, Served};

/// The protocol knows no tiers; all its models are taken to be of one.
const TIER: Tier = Tier::Frontier;
/// Decisions that may wait for their outcomes; a client that never reports any must not fill the memory.
const MOST_WAITING: usize = 100_000;

/// A line of the protocol.
#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
enum Line {
    Init {
        models: Vec<Offered>,
        #[serde(default)]
        lambda: f32,
    },
    Decide {
        id: Value,
        prompt: String,
    },
    Outcome {
        id: Value,
        model: ModelId,
        #[serde(default)]
        quality: Option<f32>,
        #[serde(default)]
        latency_ms: Option<f64>,
        #[serde(default = "yes")]
        ok: bool,
    },
}

#[derive(Debug, Deserialize)]
struct Offered {
    name: ModelId,
    #[serde(default)]
    price: f32,
}

const fn yes() -> bool {
    true
}

/// A line was not understood.
#[derive(Debug, thiserror::Error)]
pub enum NotUnderstood {
    /// It is none of the three.
    #[error("not a line of the protocol: {0}")]
    Line(#[from] serde_json::Error),
    /// Nothing to choose from.
    #[error("no models: begin with an `init` line that names some")]
    NoModels,
}

/// The learner behind the protocol.
#[derive(Debug, Default)]
pub struct Online {
    learned: Learned,
    exploration: Exploration,
    models: Vec<Offered>,
    lambda: f32,
    waiting: HashMap<String, Kind>,
}

impl Online {
    /// A learner that knows nothing.
    #[must_use]
    pub fn new(exploration: Exploration) -> Self {
        Self { exploration, ..Self::default() }
    }

    /// Takes a line, and gives the line to answer with, if any. `chance` is a random number from 0 up to but not
    /// including 1.
    ///
    /// # Errors
    ///
    /// Where the line is not of the protocol, or asks for a decision before there are models.
    pub fn line(&mut self, line: &str, chance: f32, now: Timestamp) -> Result<Option<String>, NotUnderstood> {
        match serde_json::from_str(line)? {
            Line::Init { models, lambda } => {
                *self = Self { models, lambda, ..Self::new(self.exploration) };
                Ok(None)
            }
            Line::Decide { id, prompt } => {
                let (model, explored) = self.decide(&id, &prompt, chance, now).ok_or(NotUnderstood::NoModels)?;
                Ok(Some(json!({"id": id, "model": model, "explored": explored}).to_string()))
            }
            Line::Outcome { id, model, quality, latency_ms, ok } => {
                let Some(kind) = self.waiting.remove(&id.to_string()) else { return Ok(None) };
                self.learned.observe(&Outcome {
                    kind,
                    tier: TIER,
                    model,
                    served: if ok { Served::Ok } else { Served::Failed },
                    quality,
                    first_token_ms: None,
                    total_ms: latency_ms.filter(|ms| *ms > 0.0).map(|ms| ms as u32),
                    output_tokens: None,
                    forecast_tokens: None,
                    at: now,
                });
                Ok(None)
            }
        }
    }

    fn decide(&mut self, id: &Value, prompt: &str, chance: f32, now: Timestamp) -> Option<(ModelId, bool)> {
        let task = analysis::analyse(&Prompt::user(prompt), None).task;
        let kind = Kind::of(task, super::offers_choices(prompt), prompt);
        let dearest = self.models.iter().map(|model| model.price).fold(f32::MIN_POSITIVE, f32::max);
        let outlook = self.learned.outlook(&kind, now);
        let contender = |model: &Offered| {
            let expected = outlook.expect(TIER, &model.name);
            let score = expected.quality - self.lambda * model.price / dearest;
            Contender { score, per_quality: 1.0, expected }
        };
        let contenders: Vec<Contender> = self.models.iter().map(contender).collect();
        let choice = self.exploration.choose(&contenders, chance)?;
        let model = self.models.get(choice.index)?.name.clone();
        if self.waiting.len() < MOST_WAITING {
            self.waiting.insert(id.to_string(), kind);
        }
        Some((model, choice.explored))
    }
}
