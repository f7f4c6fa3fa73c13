//! RunPod's management API: which machines are rented, how busy they are and what they cost.
//!
//! Only reads. Prompts go to endpoints through `provider`, not through here. The answers hold the environment of the
//! pods in clear; nothing of it is ever taken in.

mod convert;
pub mod poll;
mod quota;
mod wire;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::domain::money::Money;
use quota::Quota;
pub(crate) use wire::{Endpoint, Pod, Workers};

/// The longest answer that is read. Hundreds of pods fit; a runaway answer does not fill the memory.
const LONGEST_ANSWER: usize = 4 << 20;
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// Why RunPod's API gave no answer. The text is short enough for a line of a pane and never holds a key.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ApiError {
    /// 401 or 403.
    #[error("key refused")]
    KeyRefused,
    /// 429, or our own count says that it would be.
    #[error("rate limited")]
    RateLimited {
        /// How long to leave the API alone.
        retry_after: Option<Duration>,
    },
    /// Another status than success.
    #[error("{status}{}{detail}", if detail.is_empty() { "" } else { ": " })]
    Status {
        /// The HTTP status.
        status: u16,
        /// What the API said of it.
        detail: String,
    },
    /// No connection, or it broke.
    #[error("{0}")]
    Unreachable(&'static str),
    /// An answer that is not what RunPod's API is documented to say.
    #[error("{0}")]
    Garbled(&'static str),
}

impl ApiError {
    /// How long the API asks to be left alone, where it does.
    #[must_use]
    pub const fn leave_alone(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after } => *retry_after,
            Self::KeyRefused | Self::Status { .. } | Self::Unreachable(_) | Self::Garbled(_) => None,
        }
    }
}

/// A client of the management API.
pub struct Client {
    http: reqwest::Client,
    base: String,
    key: SecretString,
    quota: Quota,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("base", &self.base).finish_non_exhaustive()
    }
}

impl Client {
    /// A client of the API at `base`, `https://api.runpod.io` in the real world.
    ///
    /// # Errors
    ///
    /// When no HTTP client can be made on this machine.
    pub fn new(base: &str, key: SecretString) -> Result<Self, ApiError> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_WITHIN)
            .timeout(ANSWER_WITHIN)
            // The API does not redirect; whoever does is not it, and must not be shown the key.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("llm-call/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|_| ApiError::Unreachable("no HTTP client"))?;
        Ok(Self { http, base: base.trim_end_matches('/').to_owned(), key, quota: Quota::default() })
    }

    /// The pods, in one call.
    pub(crate) async fn pods(&mut self) -> Result<Vec<Pod>, ApiError> {
        let answer: wire::Pods = self.get("/v2/pods?includeClusterPods=false").await?;
        Ok(answer.pods)
    }

    /// The serverless endpoints, in one call.
    pub(crate) async fn endpoints(&mut self) -> Result<Vec<Endpoint>, ApiError> {
        let answer: wire::Endpoints = self.get("/v2/serverless").await?;
        Ok(answer.endpoints)
    }

    /// The workers of one endpoint.
    pub(crate) async fn workers(&mut self, endpoint: &str) -> Result<Workers, ApiError> {
        // The id becomes a part of a path: an odd one must not become another path.
        if endpoint.is_empty() || !endpoint.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')) {
            return Err(ApiError::Garbled("odd endpoint id"));
        }
        self.get(&format!("/v2/serverless/{endpoint}/workers")).await
    }

    /// What an hour of one serverless GPU costs, by GPU type.
    pub(crate) async fn serverless_prices(&mut self) -> Result<BTreeMap<String, Money>, ApiError> {
        let answer: wire::Catalog = self.get("/v2/catalog/gpus").await?;
        Ok(answer.prices())
    }

    /// The account's balance. Only the old GraphQL API knows it, and that is about to go.
    pub(crate) async fn balance(&mut self) -> Result<Option<Money>, ApiError> {
        let body = serde_json::json!({ "query": "query { myself { clientBalance } }" });
        let answer: wire::GraphQl = self.call(Method::POST, "/graphql", Some(body)).await?;
        Ok(answer.balance())
    }

    /// How many more calls the account may make at present, where the API told.
    pub(crate) fn calls_left(&self) -> Option<u32> {
        self.quota.left()
    }

    /// How long to wait before the next call, where the account's calls are used up.
    pub(crate) fn leave_alone(&self) -> Option<Duration> {
        self.quota.pause()
    }

    async fn get<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, ApiError> {
        self.call(Method::GET, path, None).await
    }

    async fn call<T: DeserializeOwned>(
        &mut self,
        method: Method,
        path: &str,
        body: Option<serde_json::Value>,
    ) -> Result<T, ApiError> {
        if let Some(pause) = self.quota.pause() {
            return Err(ApiError::RateLimited { retry_after: Some(pause) });
        }
        let url = format!("{}{path}", self.base);
        let mut request = self.http.request(method, url).bearer_auth(self.key.expose_secret());
        if let Some(body) = body {
            request = request.json(&body);
        }
        let mut response = request.send().await.map_err(|error| cause(&error))?;
        self.quota.note(response.headers());
        let status = response.status();
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|error| cause(&error))? {
            if body.len() + piece.len() > LONGEST_ANSWER {
                return Err(ApiError::Garbled("answer too long"));
            }
            body.extend_from_slice(&piece);
        }
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|_| garbled(&body));
        }
        Err(match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ApiError::KeyRefused,
            StatusCode::TOO_MANY_REQUESTS => {
                let retry_after = quota::retry_after(response.headers());
                // The old API has a quota of its own; what it refuses does not keep us from the new one.
                if let Some(pause) = retry_after
                    && path.starts_with("/v2/")
                {
                    self.quota.refused(pause);
                }
                ApiError::RateLimited { retry_after }
            }
            _ => ApiError::Status { status: status.as_u16(), detail: self.detail(&body) },
        })
    }

    /// What an error says of itself, without the key should it have been sent back.
    fn detail(&self, body: &[u8]) -> String {
        let problem: wire::Problem = serde_json::from_slice(body).unwrap_or_default();
        let text = problem.detail.or(problem.title).unwrap_or_default();
        let key = self.key.expose_secret();
        convert::label(&if key.is_empty() { text } else { text.replace(key, "…") })
    }
}

/// Says what is wrong without quoting the error, which may quote the address with whatever somebody wrote into it.
fn cause(error: &reqwest::Error) -> ApiError {
    ApiError::Unreachable(if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "cannot connect"
    } else if error.is_builder() {
        "not a usable address"
    } else {
        "connection broke"
    })
}

fn garbled(body: &[u8]) -> ApiError {
    let start = body.iter().copied().find(|byte| !byte.is_ascii_whitespace());
    ApiError::Garbled(match start {
        None => "empty answer",
        Some(b'<') => "a web page instead of the API",
        Some(b'{' | b'[') => "answer not understood",
        Some(_) => "not JSON",
    })
}

#[cfg(test)]
mod tests;
