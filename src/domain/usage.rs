//! Token counts, normalised to disjoint parts: every protocol counts cached tokens its own way, and a cost is
//! only right when no token is in two parts at once.

use serde::{Deserialize, Serialize};

/// What a provider reported for one attempt. The parts are disjoint but for `reasoning`, which is within `output`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Prompt tokens that came from no cache and were written to none.
    pub input: u64,
    /// Prompt tokens read from a cache.
    pub cache_read: u64,
    /// Prompt tokens written to a short-lived cache (five minutes, or the provider's only kind).
    pub cache_write: u64,
    /// Prompt tokens written to a cache that lives an hour.
    pub cache_write_1h: u64,
    /// Tokens produced, reasoning included.
    pub output: u64,
    /// The part of `output` that was reasoning; zero where the provider does not say.
    pub reasoning: u64,
}

impl Usage {
    /// All prompt tokens: what size tiers of a price are judged by.
    #[must_use]
    pub const fn prompt(&self) -> u64 {
        self.input + self.cache_read + self.cache_write + self.cache_write_1h
    }

    /// Prompt and output together.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.prompt() + self.output
    }
}

/// A forecast of a token count: the middle and the high end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRange {
    /// Half of such requests stay below this.
    pub p50: u32,
    /// Nine in ten stay below this.
    pub p90: u32,
}
