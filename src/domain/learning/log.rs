//! A log of outcomes, to learn from what happened elsewhere: one JSON object a line.

use serde::Deserialize;

use super::super::analysis;
use super::super::id::ModelId;
use super::super::prompt::Prompt;
use super::super::task::Task;
use super::super::tier::Tier;
use super::super::time::Timestamp;
use super::super::tokens;
use super::kind::Kind;
use super::outcome::{Outcome, Served};

/// One line: which model was asked what, and what came of it. Fields that are not named here are passed over.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Line {
    /// What was asked: the text of the last user message.
    pub prompt: String,
    /// The model that was asked.
    pub model: ModelId,
    /// Its tier; the importer says which is meant if the line does not.
    #[serde(default)]
    pub tier: Option<Tier>,
    /// The task, where it is one of this program's; any other word is passed over, and the text decides.
    #[serde(default)]
    pub task: Option<String>,
    /// What the answer was worth, 0 to 1.
    #[serde(default)]
    pub quality: Option<f32>,
    /// What it cost, in US dollars. Costs are known from prices; this is kept for the reader of the log.
    #[serde(default)]
    pub cost: Option<f64>,
    /// Whether there was an answer.
    #[serde(default = "yes")]
    pub ok: bool,
    /// Prompt tokens billed.
    #[serde(default)]
    pub input_tokens: Option<u32>,
    /// Output tokens billed.
    #[serde(default)]
    pub output_tokens: Option<u32>,
    /// When, in milliseconds since the Unix epoch; the time of the import, if the line does not say.
    #[serde(default)]
    pub at: Option<Timestamp>,
}

const fn yes() -> bool {
    true
}

/// A line could not be read.
#[derive(Debug, thiserror::Error)]
#[error("not a line of a log of outcomes: {0}")]
pub struct NotALine(#[from] serde_json::Error);

impl Line {
    /// Reads one line.
    ///
    /// # Errors
    ///
    /// Where the text is no JSON object with at least `prompt` and `model`.
    pub fn parse(text: &str) -> Result<Self, NotALine> {
        Ok(serde_json::from_str(text)?)
    }

    /// The outcome that it tells of. `tier` and `now` hold where the line says nothing.
    #[must_use]
    pub fn outcome(&self, tier: Tier, now: Timestamp) -> Outcome {
        let task = self.task.as_deref().and_then(|task| task.parse::<Task>().ok());
        let analysis = analysis::analyse(&Prompt::user(self.prompt.as_str()), task);
        let forecast = tokens::forecast(&analysis, &self.prompt, None);
        Outcome {
            kind: Kind::of(analysis.task, super::offers_choices(&self.prompt), &self.prompt),
            tier: self.tier.unwrap_or(tier),
            model: self.model.clone(),
            served: if self.ok { Served::Ok } else { Served::Failed },
            quality: self.quality,
            first_token_ms: None,
            total_ms: None,
            output_tokens: self.output_tokens,
            forecast_tokens: Some(forecast.p50),
            at: self.at.unwrap_or(now),
        }
    }
}
