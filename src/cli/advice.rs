//! What to tell somebody whose prompt nobody may serve: the names that were meant, or where to look.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::config::suggestion;
use crate::domain::decision::{Decision, Rejected};
use crate::domain::rejection::Rejection;

/// More names than these are no help.
const MOST_NAMES: usize = 12;

/// Why nobody may serve it, whom that concerns, and what to do.
pub fn no_route(decision: &Decision) -> String {
    let unknown = unknown_name(decision);
    let mut text = unknown.clone().unwrap_or_else(|| decision.headline());
    // Whoever asks for one tier knows that all others are not it, whatever else may be said about them.
    let concerns = |rejected: &&Rejected| is_asked_for(decision, rejected) && !is_another(&rejected.reason);
    let others = decision.rejected.iter().filter(|rejected| !concerns(rejected)).count();
    // Writing into a string cannot fail.
    for rejected in decision.rejected.iter().filter(concerns) {
        let model = rejected.model.as_ref().map(|model| format!(" {model}")).unwrap_or_default();
        let (reason, remedy) = (&rejected.reason, rejected.reason.remedy());
        let _ = write!(text, "\n  {} {}{model}: {reason} ({remedy})", rejected.tier, rejected.backend);
    }
    if others > 0 && unknown.is_none() {
        let (s, are) = if others == 1 { ("", "is") } else { ("s", "are") };
        let _ = write!(text, "\n  {others} other{s} {are} not what was asked for; --fallback lets them stand in");
    }
    if !decision.rejected.is_empty() && decision.rejected.iter().all(|rejected| is_out_of_order(&rejected.reason)) {
        text.push_str("\nllm-call doctor tells what to do about each; --demo uses simulated tiers, which need nothing");
    }
    text
}

/// About a model, a backend or a tier that was asked for and that nobody has.
fn unknown_name(decision: &Decision) -> Option<String> {
    let (rejected, constraints) = (&decision.rejected, &decision.constraints);
    if let Some(asked) = &constraints.backend {
        let names: BTreeSet<&str> = rejected.iter().map(|one| one.backend.as_str()).collect();
        if !names.contains(asked.as_str()) {
            return Some(format!("there is no backend `{asked}`{}", meant(asked.as_str(), &names)));
        }
    }
    if let Some(tier) = constraints.tier
        && !rejected.iter().any(|one| one.tier == tier)
    {
        return Some(format!("no backend is configured in the tier {tier}; llm-call config --example shows how"));
    }
    if let Some(asked) = &constraints.model {
        let turned_down = |one: &&Rejected| matches!(one.reason, Rejection::OtherModel(_));
        let names: BTreeSet<&str> =
            rejected.iter().filter(turned_down).filter_map(|one| Some(one.model.as_ref()?.as_str())).collect();
        let elsewhere = rejected.iter().any(|one| one.model.is_some() && !is_another(&one.reason));
        if !names.is_empty() && !elsewhere {
            return Some(format!("no backend offers the model `{asked}`{}", meant(asked.as_str(), &names)));
        }
    }
    None
}

fn meant(asked: &str, names: &BTreeSet<&str>) -> String {
    let containing = names.iter().find(|name| !asked.is_empty() && name.contains(asked));
    let near = match containing {
        Some(name) => format!("; did you mean `{name}`?"),
        None => suggestion(asked, names.iter().copied()),
    };
    let shown: Vec<&str> = names.iter().copied().take(MOST_NAMES).collect();
    let more = names.len().saturating_sub(MOST_NAMES);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{near}\n  there are: {}{more}", shown.join(", "))
}

fn is_asked_for(decision: &Decision, rejected: &Rejected) -> bool {
    let constraints = &decision.constraints;
    constraints.fallback
        || (constraints.tier.is_none_or(|tier| tier == rejected.tier)
            && constraints.backend.as_ref().is_none_or(|backend| *backend == rejected.backend))
}

const fn is_another(reason: &Rejection) -> bool {
    matches!(reason, Rejection::OtherTier(_) | Rejection::OtherBackend | Rejection::OtherModel(_))
}

/// Whether nothing about the request would help, only something about the backend.
const fn is_out_of_order(reason: &Rejection) -> bool {
    matches!(
        reason,
        Rejection::NoKey { .. }
            | Rejection::KeyRefused
            | Rejection::OutOfCredit
            | Rejection::Down { .. }
            | Rejection::NoModels
            | Rejection::ModelMissing
    )
}
