//! The four classes of service, and the parts of the fleet that an operator can name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::id::{BackendId, ModelId};

/// One of the four classes of service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// The Anthropic API: reasoning, planning, code.
    Claude,
    /// Ollama, or another model server, on the organisation's own machines.
    #[serde(alias = "ollama")]
    Local,
    /// RunPod: serverless endpoints and pods.
    #[serde(alias = "runpod")]
    Gpu,
    /// A LiteLLM gateway and other hosted providers.
    #[serde(alias = "litellm")]
    Frontier,
}

impl Tier {
    /// Every tier, in the order in which screens list them.
    pub const ALL: [Self; 4] = [Self::Claude, Self::Local, Self::Gpu, Self::Frontier];

    /// The name used in configuration, JSON and on the screen.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Local => "local",
            Self::Gpu => "gpu",
            Self::Frontier => "frontier",
        }
    }

    /// Position in [`Tier::ALL`], for tables indexed by tier.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::Claude => 0,
            Self::Local => 1,
            Self::Gpu => 2,
            Self::Frontier => 3,
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The text names no tier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a tier: use claude, local (ollama), gpu (runpod) or frontier (litellm)")]
pub struct UnknownTier(pub String);

impl FromStr for Tier {
    type Err = UnknownTier;

    fn from_str(text: &str) -> Result<Self, UnknownTier> {
        match text.trim().to_ascii_lowercase().as_str() {
            "claude" => Ok(Self::Claude),
            "local" | "ollama" => Ok(Self::Local),
            "gpu" | "runpod" => Ok(Self::Gpu),
            "frontier" | "litellm" => Ok(Self::Frontier),
            _ => Err(UnknownTier(text.trim().to_owned())),
        }
    }
}

/// A part of the fleet that an operator can drain, hold for maintenance or pin.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// A whole tier.
    Tier(Tier),
    /// One backend.
    Backend(BackendId),
    /// One model of one backend.
    Model(BackendId, ModelId),
}

impl Target {
    /// Whether a model of a backend of a tier lies within this target.
    #[must_use]
    pub fn covers(&self, tier: Tier, backend: &BackendId, model: &ModelId) -> bool {
        match self {
            Self::Tier(named) => *named == tier,
            Self::Backend(named) => named == backend,
            Self::Model(named, of) => named == backend && of == model,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tier(tier) => write!(f, "tier {tier}"),
            Self::Backend(backend) => write!(f, "backend {backend}"),
            Self::Model(backend, model) => write!(f, "model {model} on {backend}"),
        }
    }
}
