//! A decision in words, and as JSON.

use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use super::super::privacy::{Finding, Ruling};
use super::super::rejection::Rejection;
use super::super::request::Optimize;
use super::super::tier::Tier;
use super::{Basis, Candidate, Decision};

impl Decision {
    /// The first candidate.
    #[must_use]
    pub fn chosen(&self) -> Option<&Candidate> {
        self.candidates.first()
    }

    /// Why the first candidate is first, in one clause.
    #[must_use]
    pub fn headline(&self) -> String {
        let Some(chosen) = self.chosen() else {
            return self
                .obstacle()
                .map_or_else(|| "there is no backend".to_owned(), |reason| format!("nobody can serve it: {reason}"));
        };
        let task = self.analysis.task;
        let tier = chosen.tier;
        if chosen.last_resort {
            return format!("{tier} as the last resort: nothing healthy is left");
        }
        if let Some(pin) = self.pin.as_ref().filter(|pin| pin.changed) {
            return format!("pinned to {}", pin.target);
        }
        if self.explores {
            return format!("{tier} this once, to learn what {} can do", chosen.model);
        }
        match self.verdict.ruling {
            Ruling::KeepAsAsked => return format!("private as asked, so it stays on {tier}"),
            Ruling::KeepAsFound => {
                let first = self.verdict.findings.first().map_or("a finding", Finding::words);
                return format!("{first} found, so it stays on {tier}");
            }
            Ruling::Free | Ruling::FreeRedacted | Ruling::Refuse => {}
        }
        match self.basis {
            Basis::Asked if !self.is_as_asked() => {
                format!("{tier} stands in for {}: {}", self.asked_for(), self.why_not_preferred())
            }
            Basis::Asked => format!("the request asks for {}", self.asked_for()),
            Basis::Optimize => self.aim_headline(tier),
            Basis::Rule | Basis::DefaultTier | Basis::Demanding if self.lesson.is_some() => {
                self.lesson.as_deref().unwrap_or_default().to_owned()
            }
            Basis::Demanding if !chosen.preferred => {
                format!("{tier} stands in for a demanding {task}: {}", self.why_not_preferred())
            }
            Basis::Demanding if self.order.first() != Some(&tier) => {
                format!("a demanding {task} goes to {tier}: {}", self.why_not_preferred())
            }
            Basis::Demanding => format!("a demanding {task} goes to {tier}"),
            Basis::Rule | Basis::DefaultTier if !chosen.preferred => {
                format!("{tier} stands in for {task}: {}", self.why_not_preferred())
            }
            Basis::Rule if self.order.first() != Some(&tier) => {
                format!("{task} goes to {tier}: {}", self.why_not_preferred())
            }
            Basis::Rule => format!("{task} goes to {tier}"),
            Basis::DefaultTier => format!("{tier} is the default tier"),
        }
    }

    /// Cost and latency choose by their figures; quality and throughput by their order of tiers.
    fn aim_headline(&self, tier: Tier) -> String {
        let aim = optimize_words(self.constraints.optimize);
        match self.constraints.optimize {
            Optimize::Quality | Optimize::Throughput if self.order.first() != Some(&tier) => {
                format!("{tier} stands in for {aim}: {}", self.why_not_preferred())
            }
            Optimize::Balanced | Optimize::Quality | Optimize::Latency | Optimize::Cost | Optimize::Throughput => {
                format!("{tier} is best for {aim}")
            }
        }
    }

    fn asked_for(&self) -> String {
        let wanted = &self.constraints;
        match (&wanted.tier, &wanted.backend, &wanted.model) {
            (_, _, Some(model)) => format!("model {model}"),
            (_, Some(backend), None) => format!("backend {backend}"),
            (Some(tier), None, None) => format!("tier {tier}"),
            (None, None, None) => "it".to_owned(),
        }
    }

    fn why_not_preferred(&self) -> String {
        self.obstacle().map_or_else(|| "it is the only one there is".to_owned(), ToString::to_string)
    }

    /// The rejection that a person would name first: that of the backend that the request names, or of the tier that comes
    /// before the chosen one.
    #[must_use]
    pub fn obstacle(&self) -> Option<&Rejection> {
        let reasons = || {
            let named = self.rejected.iter().filter(|one| self.constraints.backend.as_ref() == Some(&one.backend));
            let before = self.order.iter().take_while(|tier| self.chosen().is_none_or(|chosen| chosen.tier != **tier));
            let before = before.flat_map(|tier| self.rejected.iter().filter(move |one| one.tier == *tier));
            named.chain(before).map(|one| &one.reason)
        };
        // What the request itself rules out is no news to who sent it.
        let first = || reasons().next().or_else(|| self.rejected.first().map(|one| &one.reason));
        reasons().find(|reason| !reason.follows_from_the_request()).or_else(first)
    }

    /// Whether the first candidate is the tier, backend or model that the request names.
    fn is_as_asked(&self) -> bool {
        let wanted = &self.constraints;
        self.chosen().is_some_and(|chosen| {
            let named = wanted.backend.is_some() || wanted.model.is_some();
            wanted.tier.is_none_or(|tier| tier == chosen.tier) && (!named || chosen.was_asked_for())
        })
    }
}

const fn optimize_words(optimize: Optimize) -> &'static str {
    match optimize {
        Optimize::Balanced => "balance",
        Optimize::Quality => "quality",
        Optimize::Latency => "latency",
        Optimize::Cost => "cost",
        Optimize::Throughput => "throughput",
    }
}

impl Serialize for Decision {
    /// The chosen candidate stands apart, at `.chosen`, so that a script finds `.chosen.tier` without an index.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Decision", 15)?;
        fields.serialize_field("request", &self.request)?;
        fields.serialize_field("at", &self.at)?;
        fields.serialize_field("caller", &self.caller)?;
        fields.serialize_field("why", &self.headline())?;
        fields.serialize_field("chosen", &self.chosen())?;
        fields.serialize_field("fallbacks", self.candidates.get(1..).unwrap_or_default())?;
        fields.serialize_field("rejected", &self.rejected)?;
        fields.serialize_field("order", &self.order)?;
        fields.serialize_field("basis", &self.basis)?;
        fields.serialize_field("pin", &self.pin)?;
        fields.serialize_field("explores", &self.explores)?;
        fields.serialize_field("lesson", &self.lesson)?;
        fields.serialize_field("analysis", &self.analysis)?;
        fields.serialize_field("guard", &*self.verdict)?;
        fields.serialize_field("constraints", &self.constraints)?;
        fields.end()
    }
}
