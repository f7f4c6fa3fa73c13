//! From a configured backend to its client.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::anthropic::Anthropic;
use super::gemini::Gemini;
use super::ollama::Ollama;
use super::openai::{Flavour, Openai};
use super::runpod_queue::RunpodQueue;
use super::{Client, Inside, Outside, Wire};
use crate::config::BackendConfig;
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::fleet::Protocol;
use crate::domain::health::{FoundModel, Health, ProbeReport};
use crate::domain::id::ModelId;
use crate::domain::privacy::Reach;

/// Why a backend has no client. Names the backend and what is wrong with its entry, never a value that may be secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("backend `{backend}`: {problem}")]
pub struct ConnectError {
    /// The backend.
    pub backend: String,
    /// What is wrong.
    pub problem: String,
}

impl ConnectError {
    fn new(config: &BackendConfig, problem: impl Into<String>) -> Self {
        Self { backend: config.spec.id.as_str().to_owned(), problem: problem.into() }
    }

    pub(super) fn key(config: &BackendConfig) -> Self {
        Self::new(config, "its key has characters that no header can carry")
    }

    pub(super) fn header(config: &BackendConfig, name: &str) -> Self {
        Self::new(config, format!("the header `{name}` has a name or a value that HTTP does not allow"))
    }

    pub(super) fn client(config: &BackendConfig, error: &reqwest::Error) -> Self {
        Self::new(config, format!("no HTTP client can be made: {error}"))
    }
}

/// Builds a backend's client. Nothing is sent.
///
/// # Errors
///
/// What is wrong with the backend's URL, key or headers.
pub fn connect(config: &BackendConfig) -> Result<Client, ConnectError> {
    let url = reqwest::Url::parse(&config.spec.url)
        .map_err(|error| ConnectError::new(config, format!("its URL does not parse: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(ConnectError::new(config, "its URL must begin with http:// or https:// and name a host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(ConnectError::new(config, "its URL carries a password: use the key or a header instead"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(ConnectError::new(config, "its URL must end with its path: keys belong into the key"));
    }
    let wire: Arc<dyn Wire> = match config.spec.protocol {
        Protocol::Anthropic => Arc::new(Anthropic::new(config)?),
        Protocol::Ollama => Arc::new(Ollama::new(config)?),
        Protocol::Openai => Arc::new(Openai::new(config, Flavour::Plain)?),
        Protocol::Litellm => Arc::new(Openai::new(config, Flavour::Litellm)?),
        Protocol::RunpodOpenai => Arc::new(Openai::new(config, Flavour::RunpodOpenai)?),
        Protocol::RunpodBalancer => Arc::new(Openai::new(config, Flavour::RunpodBalancer)?),
        Protocol::Gemini => Arc::new(Gemini::new(config)?),
        Protocol::RunpodQueue => Arc::new(RunpodQueue::new(config)?),
    };
    Ok(match config.spec.reach {
        Reach::Inside => Client::Inside(Inside(wire)),
        Reach::Outside => Client::Outside(Outside(wire)),
    })
}

/// A backend's URL without a path at its end that the protocol adds itself: both ways of writing it are common.
pub(super) fn base_without(config: &BackendConfig, endings: &[&str]) -> String {
    let url = config.spec.url.trim_end_matches('/');
    let shorter = endings.iter().find_map(|ending| url.strip_suffix(ending));
    shorter.unwrap_or(url).trim_end_matches('/').to_owned()
}

/// The ids under which the configuration knows the backend's models.
pub(super) fn names(config: &BackendConfig) -> Vec<ModelId> {
    config.models.iter().map(|(id, _)| id.clone()).collect()
}

/// Adds the configured names that stand for a listed model, so that they do not look missing: `claude-opus-4-5` for
/// `claude-opus-4-5-20251101`, `llama3` for `llama3:latest`.
pub(super) fn with_short_names(mut found: Vec<FoundModel>, names: &[ModelId]) -> Vec<FoundModel> {
    let mut short = Vec::new();
    for name in names.iter().filter(|name| !found.iter().any(|model| model.id == name.as_str())) {
        let longer = found.iter().find(|model| {
            model.id.strip_prefix(name.as_str()).is_some_and(|rest| {
                rest == ":latest"
                    || rest == "-latest"
                    || rest
                        .strip_prefix('-')
                        .is_some_and(|date| date.len() == 8 && date.bytes().all(|b| b.is_ascii_digit()))
            })
        });
        if let Some(model) = longer {
            short.push(FoundModel { id: name.as_str().to_owned(), ..model.clone() });
        }
    }
    found.extend(short);
    found
}

/// What a probe found, or why it found nothing.
pub(super) fn report(started: Instant, found: Result<Sighting, Failure>) -> ProbeReport {
    let took = started.elapsed();
    match found {
        Ok(Sighting { health, detail, models }) => ProbeReport { health, detail, key_refused: false, took, models },
        Err(failure) => unwell(&failure, took),
    }
}

fn unwell(failure: &Failure, took: Duration) -> ProbeReport {
    let health = match (failure.class, failure.status) {
        // It answers: with a word on the key, the account or the pace.
        (FailureClass::KeyRefused | FailureClass::OutOfCredit | FailureClass::RateLimited, _) => Health::Degraded,
        (FailureClass::Overloaded, _) => Health::Degraded,
        _ => Health::Down,
    };
    let detail = match failure.class {
        FailureClass::KeyRefused => "key refused".to_owned(),
        // A probe asks for no token.
        FailureClass::Silent => format!("no answer within {:.0} s", took.as_secs_f32()),
        class => format!("{class}: {}", failure.message),
    };
    ProbeReport { health, detail, key_refused: failure.class == FailureClass::KeyRefused, took, models: None }
}

/// What a probe saw.
pub(super) struct Sighting {
    pub(super) health: Health,
    pub(super) detail: String,
    pub(super) models: Option<Vec<FoundModel>>,
}

impl Sighting {
    pub(super) fn up(models: Option<Vec<FoundModel>>) -> Self {
        Self { health: Health::Up, detail: String::new(), models }
    }

    pub(super) fn new(health: Health, detail: impl Into<String>) -> Self {
        Self { health, detail: detail.into(), models: None }
    }
}
