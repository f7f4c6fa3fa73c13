//! The part of the fleet that is meant by a word at a shell.

use super::output::Failure;
use crate::config::suggestion;
use crate::domain::fleet::Fleet;
use crate::domain::tier::{Target, Tier};

/// A word that names no part of the fleet that is known.
#[derive(Debug)]
pub enum Unknown {
    /// Neither a tier nor a backend; in words.
    Part(String),
    /// A model that a backend is not known to have.
    Model {
        /// What was meant, if the backend has it.
        target: Target,
        /// In words.
        words: String,
    },
}

impl From<Unknown> for Failure {
    fn from(unknown: Unknown) -> Self {
        match unknown {
            Unknown::Part(words) | Unknown::Model { words, .. } => Self::Usage(words),
        }
    }
}

/// The part of the fleet that is meant. A backend comes before a tier's other name: with a backend `ollama`, that one is
/// meant and not all of the tier.
///
/// # Errors
///
/// [`Unknown`].
pub fn target(text: &str, fleet: &Fleet) -> Result<Target, Unknown> {
    if let Some(tier) = Tier::ALL.into_iter().find(|tier| tier.name() == text) {
        return Ok(Target::Tier(tier));
    }
    if fleet.backend(&text.into()).is_some() {
        return Ok(Target::Backend(text.into()));
    }
    if let Ok(tier) = text.parse() {
        return Ok(Target::Tier(tier));
    }
    let of_backend = text.split_once('/').and_then(|(id, model)| Some((fleet.backend(&id.into())?, model)));
    if let Some((backend, wanted)) = of_backend {
        let id = &backend.spec.id;
        if let Some(model) = backend.models.iter().find(|model| model.is_named(&wanted.into())) {
            return Ok(Target::Model(id.clone(), model.id.clone()));
        }
        let known: Vec<&str> = backend.models.iter().map(|model| model.id.as_str()).collect();
        let near = suggestion(wanted, known.iter().copied());
        let known = if known.is_empty() { "no models yet".to_owned() } else { known.join(", ") };
        return Err(Unknown::Model {
            target: Target::Model(id.clone(), wanted.into()),
            words: format!("{id} has no model `{wanted}`{near}\n  it has: {known}"),
        });
    }
    let tiers = Tier::ALL.map(Tier::name);
    let known: Vec<&str> = tiers.into_iter().chain(fleet.backends.iter().map(|one| one.spec.id.as_str())).collect();
    let near = suggestion(text, known.iter().copied());
    let names = known.join(", ");
    Err(Unknown::Part(format!(
        "there is no tier and no backend `{text}`{near}\n  there are: {names}; and backend/model"
    )))
}

/// A part of the fleet as it is named at a shell.
#[must_use]
pub fn named(target: &Target) -> String {
    match target {
        Target::Tier(tier) => tier.to_string(),
        Target::Backend(backend) => backend.to_string(),
        Target::Model(backend, model) => format!("{backend}/{model}"),
    }
}
