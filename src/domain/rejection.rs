//! Why a backend's model is no candidate for a request: the first reason that removes it, in words an operator can
//! act on.

use std::fmt;
use std::sync::Arc;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::fleet::AdminState;
use super::id::ModelId;
use super::money::Money;
use super::privacy::{Reach, Ruling, Verdict};
use super::spend::Short;
use super::tier::{Target, Tier};
use super::time::Timestamp;

/// The first reason that removed a candidate.
#[derive(Clone, Debug, PartialEq)]
pub enum Rejection {
    /// The request asked for privacy, and this backend is not on this machine.
    PrivacyAsked,
    /// The guard found something that must stay on this machine.
    PrivacyFound {
        /// How many findings.
        findings: u32,
    },
    /// The prompt must stay on this machine, and the backend has not told yet where the model runs.
    Unlocated,
    /// The guard found something that the policy refuses to send anywhere.
    Refused,
    /// The request named another tier.
    OtherTier(Tier),
    /// The request named another backend.
    OtherBackend,
    /// The request named another model.
    OtherModel(ModelId),
    /// No rule and no fallback chain names the tier for this task.
    NotInChain,
    /// Drained or in maintenance.
    Admin {
        /// Which of the two.
        state: AdminState,
        /// What was drained: the tier, the backend or the model.
        level: Level,
        /// The operator's reason; may be empty.
        reason: Arc<str>,
    },
    /// An operator's pin allows only its own target.
    PinnedElsewhere(Arc<Target>),
    /// No key is configured.
    NoKey {
        /// The environment variable that would hold it.
        variable: Arc<str>,
    },
    /// The key was refused.
    KeyRefused,
    /// The account has run out of credit.
    OutOfCredit,
    /// The last probe or attempt found nobody there.
    Down {
        /// The cause in a few words.
        cause: Arc<str>,
    },
    /// The breaker is open.
    BreakerOpen {
        /// When the next trial may pass.
        until: Timestamp,
    },
    /// It has just come back, and gets its traffic back by and by.
    Recovering {
        /// The most requests in flight for now.
        limit: u32,
    },
    /// The backend asked to be left alone, or one more request would pass a limit of which it told.
    RateLimited {
        /// Until when.
        until: Timestamp,
    },
    /// The backend offers no model at all, as far as is known.
    NoModels,
    /// The backend does not have the model.
    ModelMissing,
    /// As many requests in flight as the configuration allows.
    Full {
        /// How many that is.
        limit: u32,
    },
    /// The prompt and its answer do not fit the model's window.
    ContextTooSmall {
        /// Tokens needed.
        needs: u64,
        /// Tokens there are.
        window: u32,
    },
    /// The request has pictures, tools or a schema that the model cannot take.
    Lacks(Capability),
    /// The first token would come too late.
    TooSlow {
        /// The expected time, in milliseconds.
        expected_ms: u32,
        /// Whether that was measured, rather than assumed.
        measured: bool,
        /// What the request allows.
        limit_ms: u32,
    },
    /// The predicted cost is above what the request allows.
    TooDear {
        /// The predicted upper bound.
        cost: Money,
        /// What the request allows.
        limit: Money,
    },
    /// No price is known, and a cost limit is to be kept.
    PriceUnknown,
    /// A limit on spending would be passed.
    OverBudget {
        /// Which limit.
        limit: Arc<str>,
        /// What an attempt might cost.
        cost: Money,
        /// What is left.
        left: Money,
    },
    /// The ledger cannot be written: what costs money must not be spent without being booked.
    LedgerStuck,
    /// Another model of the same backend already failed in a way that concerns all of them.
    BackendFailed,
    /// The tier has taken as many further attempts as it takes while so many first ones fail.
    RetriesSpent,
}

/// At which level an operator's word was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The whole tier.
    Tier,
    /// The backend.
    Backend,
    /// The model.
    Model,
}

/// Something that not every model can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Capability {
    /// Take pictures.
    Images,
    /// Call tools.
    Tools,
    /// Answer in JSON on demand.
    Json,
}

impl Rejection {
    /// Whether the guard lets a prompt go where it would go.
    ///
    /// # Errors
    ///
    /// What keeps it away.
    pub fn by_guard(verdict: &Verdict, reach: Reach) -> Result<(), Self> {
        if verdict.permits(reach) {
            return Ok(());
        }
        Err(match verdict.ruling {
            Ruling::Refuse => Self::Refused,
            Ruling::KeepAsFound => {
                Self::PrivacyFound { findings: u32::try_from(verdict.findings.len()).unwrap_or(u32::MAX) }
            }
            Ruling::KeepAsAsked | Ruling::Free | Ruling::FreeRedacted => Self::PrivacyAsked,
        })
    }

    /// What an attempt might cost is more than a limit has left.
    #[must_use]
    pub fn over_budget(cost: Money, short: Short) -> Self {
        Self::OverBudget { limit: short.limit, cost, left: short.left }
    }

    /// A stable name for scripts.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::PrivacyAsked => "privacy_asked",
            Self::PrivacyFound { .. } => "privacy_found",
            Self::Unlocated => "unlocated",
            Self::Refused => "refused",
            Self::OtherTier(_) => "other_tier",
            Self::OtherBackend => "other_backend",
            Self::OtherModel(_) => "other_model",
            Self::NotInChain => "not_in_chain",
            Self::Admin { state, .. } => state.name(),
            Self::PinnedElsewhere(_) => "pinned_elsewhere",
            Self::NoKey { .. } => "no_key",
            Self::KeyRefused => "key_refused",
            Self::OutOfCredit => "out_of_credit",
            Self::Down { .. } => "down",
            Self::BreakerOpen { .. } => "breaker_open",
            Self::Recovering { .. } => "recovering",
            Self::RateLimited { .. } => "rate_limited",
            Self::NoModels => "no_models",
            Self::ModelMissing => "model_missing",
            Self::Full { .. } => "full",
            Self::ContextTooSmall { .. } => "context_too_small",
            Self::Lacks(_) => "lacks_capability",
            Self::TooSlow { .. } => "too_slow",
            Self::TooDear { .. } => "too_dear",
            Self::PriceUnknown => "price_unknown",
            Self::OverBudget { .. } => "over_budget",
            Self::LedgerStuck => "ledger_stuck",
            Self::BackendFailed => "backend_failed",
            Self::RetriesSpent => "retries_spent",
        }
    }

    /// Whether the reason is about whether the backend can serve at present, so that it may be tried as a last resort
    /// when nothing else is left: what is left is never cooled. What an operator or a constraint forbids is not, and
    /// neither is what only an operator can mend.
    #[must_use]
    pub const fn is_about_health(&self) -> bool {
        matches!(
            self,
            Self::Down { .. } | Self::BreakerOpen { .. } | Self::Recovering { .. } | Self::RateLimited { .. }
        )
    }

    /// Whether the reason lies in what the request demands or says, rather than in the state of things.
    #[must_use]
    pub const fn follows_from_the_request(&self) -> bool {
        matches!(
            self,
            Self::PrivacyAsked
                | Self::PrivacyFound { .. }
                | Self::OtherTier(_)
                | Self::OtherBackend
                | Self::OtherModel(_)
                | Self::NotInChain
        )
    }

    /// What would let the backend through.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::PrivacyAsked => "drop privacy=high".into(),
            Self::PrivacyFound { .. } => "take the sensitive text out, or change [guard]".into(),
            Self::Unlocated => "bring the backend up, so that it can tell".into(),
            Self::Refused => "take the refused text out, or change [guard]".into(),
            Self::OtherTier(_) | Self::OtherBackend | Self::OtherModel(_) => "name it, or allow a fallback".into(),
            Self::NotInChain => "add the tier to fallback_chain or to the task's rule".into(),
            Self::Admin { level, .. } => format!("set the {} to ready", level.name()),
            Self::PinnedElsewhere(target) => format!("unpin {target}"),
            Self::NoKey { variable } => format!("set {variable}"),
            Self::KeyRefused => "replace the key".into(),
            Self::OutOfCredit => "add credit".into(),
            Self::Down { .. } => "bring the backend up".into(),
            Self::BreakerOpen { .. } | Self::Recovering { .. } | Self::RateLimited { .. } => "wait".into(),
            Self::NoModels => "list models in the configuration, or pull one".into(),
            Self::ModelMissing => "install the model on the backend".into(),
            Self::Full { .. } => "wait, or raise max_in_flight".into(),
            Self::ContextTooSmall { .. } => "shorten the prompt".into(),
            Self::Lacks(_) => "use a model that can".into(),
            Self::TooSlow { .. } => "raise max_latency_ms".into(),
            Self::TooDear { .. } => "raise max_cost or lower max_tokens".into(),
            Self::PriceUnknown => "give the model a price, or set allow_unpriced".into(),
            Self::OverBudget { limit, .. } => format!("raise {limit}, or wait until it begins anew"),
            Self::LedgerStuck => "make room on the disk".into(),
            Self::BackendFailed => "see the failed attempt".into(),
            Self::RetriesSpent => "find out why first attempts fail; every second brings one retry back".into(),
        }
    }
}

impl Level {
    /// The level in a word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tier => "tier",
            Self::Backend => "backend",
            Self::Model => "model",
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PrivacyAsked => f.write_str("the request is private and this is not on this machine"),
            Self::PrivacyFound { findings: 1 } => f.write_str("1 finding must stay on this machine"),
            Self::PrivacyFound { findings } => write!(f, "{findings} findings must stay on this machine"),
            Self::Unlocated => f.write_str("not yet known to run on this machine"),
            Self::Refused => f.write_str("the guard refuses this prompt"),
            Self::OtherTier(tier) => write!(f, "the request asks for tier {tier}"),
            Self::OtherBackend => f.write_str("the request asks for another backend"),
            Self::OtherModel(model) => write!(f, "the request asks for model {model}"),
            Self::NotInChain => f.write_str("not in the fallback chain"),
            Self::Admin { state, level, reason } => {
                let how = match state {
                    AdminState::Ready => "ready",
                    AdminState::Drain => "drained",
                    AdminState::Maint => "in maintenance",
                };
                write!(f, "{} {how}", level.name())?;
                if reason.is_empty() { Ok(()) } else { write!(f, " ({reason})") }
            }
            Self::PinnedElsewhere(target) => write!(f, "pinned to {target} only"),
            Self::NoKey { .. } => f.write_str("no key"),
            Self::KeyRefused => f.write_str("key refused"),
            Self::OutOfCredit => f.write_str("out of credit"),
            Self::Down { cause } if cause.is_empty() => f.write_str("down"),
            Self::Down { cause } => write!(f, "down: {cause}"),
            Self::BreakerOpen { .. } => f.write_str("breaker open after failures"),
            Self::Recovering { limit } => write!(f, "coming back, {limit} at a time for now"),
            Self::RateLimited { .. } => f.write_str("rate limited"),
            Self::NoModels => f.write_str("no model known"),
            Self::ModelMissing => f.write_str("model not installed"),
            Self::Full { limit } => write!(f, "{limit} in flight, which is its limit"),
            Self::ContextTooSmall { needs, window } => write!(f, "needs {needs} tokens, window is {window}"),
            Self::Lacks(Capability::Images) => f.write_str("takes no pictures"),
            Self::Lacks(Capability::Tools) => f.write_str("calls no tools"),
            Self::Lacks(Capability::Json) => f.write_str("has no JSON mode"),
            Self::TooSlow { expected_ms, measured, limit_ms } => {
                let basis = if *measured { "p95" } else { "expected" };
                write!(f, "first token {basis} {expected_ms} ms > {limit_ms} ms")
            }
            Self::TooDear { cost, limit } => write!(f, "could cost {cost} > {limit}"),
            Self::PriceUnknown => f.write_str("price unknown under a cost limit"),
            Self::OverBudget { limit, left, .. } if *left <= Money::ZERO => write!(f, "{limit} is used up"),
            Self::OverBudget { limit, cost, left } => write!(f, "could cost {cost}, {left} left of {limit}"),
            Self::LedgerStuck => f.write_str("the ledger cannot be written, so nothing that costs money is sent"),
            Self::BackendFailed => f.write_str("the backend just failed this request"),
            Self::RetriesSpent => {
                f.write_str("its retries are spent: in a bad hour a tier takes one for every two requests")
            }
        }
    }
}

impl Serialize for Rejection {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Rejection", 3)?;
        fields.serialize_field("code", self.code())?;
        fields.serialize_field("words", &self.to_string())?;
        fields.serialize_field("remedy", &self.remedy())?;
        fields.end()
    }
}
