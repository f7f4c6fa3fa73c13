//! What came of one attempt.

use serde::{Deserialize, Serialize};

use super::super::id::ModelId;
use super::super::tier::Tier;
use super::super::time::Timestamp;
use super::kind::Kind;

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Served {
    /// With a whole answer.
    Ok,
    /// With an error, or none in time.
    Failed,
    /// The model would not.
    Refused,
    /// The answer broke off, or was longer than allowed.
    Cut,
}

/// One attempt and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// What kind of work it was.
    pub kind: Kind,
    /// The tier that was asked.
    pub tier: Tier,
    /// The model that was asked.
    pub model: ModelId,
    /// How it ended.
    pub served: Served,
    /// What the answer was worth, 0 to 1, where something told: a judgement, a test, a re-ask. `None` where nobody said
    /// anything.
    #[serde(default)]
    pub quality: Option<f32>,
    /// Milliseconds to the first token, where the answer came in pieces.
    #[serde(default)]
    pub first_token_ms: Option<u32>,
    /// Milliseconds to the end.
    #[serde(default)]
    pub total_ms: Option<u32>,
    /// Tokens that the model produced, where it reported them.
    #[serde(default)]
    pub output_tokens: Option<u32>,
    /// The median that was forecast for them before anything was learnt (`tokens::forecast` without lessons).
    #[serde(default)]
    pub forecast_tokens: Option<u32>,
    /// When it ended.
    pub at: Timestamp,
}

/// What an answer is taken to be worth that nobody complained of. Most answers are of use; one below full marks leaves
/// room for a judgement to lift it.
const SILENCE: f32 = 0.8;
/// How much silence weighs against something said.
const SILENCE_WEIGHT: f32 = 0.3;
/// What is left of a broken answer's worth.
const CUT: f32 = 0.2;

impl Outcome {
    /// What the attempt was worth, 0 to 1, and how much that weighs, above 0 and at most 1.
    #[must_use]
    pub fn worth(&self) -> (f32, f32) {
        match (self.quality, self.served) {
            (Some(quality), _) if quality.is_finite() => (quality.clamp(0.0, 1.0), 1.0),
            (_, Served::Ok) => (SILENCE, SILENCE_WEIGHT),
            (_, Served::Failed | Served::Refused) => (0.0, 1.0),
            (_, Served::Cut) => (CUT, 1.0),
        }
    }

    /// How much longer the answer was than forecast, as a natural logarithm, where both are known of a whole answer.
    #[must_use]
    pub fn length_ratio(&self) -> Option<f32> {
        let (out, forecast) = (self.output_tokens?, self.forecast_tokens?);
        let ratio = (out.max(1) as f32 / forecast.max(1) as f32).ln();
        (self.served == Served::Ok).then_some(ratio)
    }
}
