//! What every protocol does over HTTP: keys in headers, statuses as failures, bodies within bounds.

use std::error::Error as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::{StreamExt, stream};
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Response};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::ConnectError;
use super::dial::Dialling;
use super::errors;
use super::events::{self, Decoder, Frames};
use super::{Event, Events, limits, ndjson, sse};
use crate::config::BackendConfig;
use crate::domain::failure::{Failure, FailureClass};

/// The longest whole body that is taken in.
const BODY_BYTES: usize = 8 << 20;
/// As much of an error's body as is read.
const ERROR_BYTES: usize = 64 << 10;
/// How long an error's body is waited for.
const ERROR_WAIT: Duration = Duration::from_secs(5);
/// How long a free question may take.
const PROBE_WAIT: Duration = Duration::from_secs(10);
/// Secrets shorter than this are not looked for in messages: they would be found everywhere.
const SHORTEST_SECRET: usize = 6;

/// How a protocol carries its key.
#[derive(Clone, Copy, Debug)]
pub(super) enum Auth {
    /// `Authorization: Bearer`.
    Bearer,
    /// A header of its own.
    Header(&'static str),
}

/// How an answer is cut into frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// Server-sent events.
    Sse,
    /// JSON lines.
    Ndjson,
    /// One JSON body.
    Whole,
}

/// What must appear in no message: the key, and the values of configured headers.
pub(super) struct Secrets(Vec<SecretString>);

impl Secrets {
    /// The failure without any secret that its message quotes, whole or cut off at the message's end.
    pub(super) fn scrubbed(&self, mut failure: Failure) -> Failure {
        for secret in &self.0 {
            let secret = secret.expose_secret();
            if failure.message.contains(secret) {
                failure.message = failure.message.replace(secret, "[key]");
            }
            // A message that was cut may have been cut in the middle of one.
            let Some(shown) = failure.message.strip_suffix('…') else { continue };
            let cut = (SHORTEST_SECRET..secret.len())
                .rev()
                .find(|length| secret.get(..*length).is_some_and(|start| shown.ends_with(start)));
            if let Some(length) = cut {
                failure.message.truncate(shown.len() - length);
                failure.message.push_str("[key]…");
            }
        }
        failure
    }
}

/// A backend's HTTP client.
pub(super) struct Http {
    client: Client,
    base: String,
    secrets: Arc<Secrets>,
}

impl Http {
    /// A client for a backend. `base` is the part of its URL that the protocol's paths are added to.
    pub(super) fn new(
        config: &BackendConfig,
        base: String,
        auth: Auth,
        fixed: &[(&'static str, &'static str)],
    ) -> Result<Self, ConnectError> {
        let mut headers = HeaderMap::new();
        for (name, value) in fixed {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        if let Some(key) = &config.key {
            let (name, value) = match auth {
                Auth::Bearer => (header::AUTHORIZATION, format!("Bearer {}", key.expose_secret())),
                Auth::Header(name) => (HeaderName::from_static(name), key.expose_secret().to_owned()),
            };
            headers.insert(name, sensitive(&value).ok_or_else(|| ConnectError::key(config))?);
        }
        for (name, value) in &config.headers {
            let parsed = HeaderName::try_from(name.as_str()).ok().zip(sensitive(value));
            let (parsed, value) = parsed.ok_or_else(|| ConnectError::header(config, name))?;
            headers.insert(parsed, value);
        }
        let mut builder = Client::builder()
            .default_headers(headers)
            .connector_layer(Dialling::new(config.spec.timeouts.connect))
            // No other timeout: how long an answer may take is the engine's to say, and every question has its own time.
            .tcp_nodelay(true)
            // A redirect would carry the prompt, and perhaps the key, to a place that nobody configured.
            .redirect(reqwest::redirect::Policy::none());
        if is_loopback(&config.spec.url) {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|error| ConnectError::client(config, &error))?;
        let secrets = config
            .key
            .iter()
            .cloned()
            .chain(config.headers.values().map(|value| SecretString::from(value.as_str())))
            .filter(|secret| secret.expose_secret().len() >= SHORTEST_SECRET)
            .collect();
        Ok(Self { client, base, secrets: Arc::new(Secrets(secrets)) })
    }

    /// Whether the backend is a service on a RunPod pod, behind RunPod's proxy.
    pub(super) fn is_pod(&self) -> bool {
        let host = self.base.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
        host.ends_with(".proxy.runpod.net")
    }

    /// What no message may quote.
    pub(super) fn secrets(&self) -> Arc<Secrets> {
        Arc::clone(&self.secrets)
    }

    /// Sends a body. If the backend refuses one optional parameter of it, sends it once more without.
    pub(super) async fn post(&self, path: &str, mut body: Value) -> Result<Response, Failure> {
        match self.post_once(path, &body).await {
            Err(failure) if failure.status == Some(400) && errors::drop_refused(&mut body, &failure.message) => {
                self.post_once(path, &body).await
            }
            result => result,
        }
    }

    async fn post_once(&self, path: &str, body: &Value) -> Result<Response, Failure> {
        self.accepted(self.client.post(self.url(path)).json(body)).await
    }

    /// Asks something that costs nothing.
    pub(super) async fn get(&self, path: &str) -> Result<Value, Failure> {
        let (status, body) = self.get_text(path).await?;
        if body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&body)
            .map_err(|_| Failure::new(FailureClass::Garbled, "not JSON: is the URL right?").with_status(status))
    }

    /// The same, whatever the body.
    pub(super) async fn get_text(&self, path: &str) -> Result<(u16, String), Failure> {
        self.get_within(path, PROBE_WAIT).await
    }

    /// The same, within some time.
    pub(super) async fn get_within(&self, path: &str, wait: Duration) -> Result<(u16, String), Failure> {
        let response = self.accepted(self.client.get(self.url(path)).timeout(wait)).await?;
        let status = response.status().as_u16();
        Ok((status, self.whole(response).await?))
    }

    /// Sends a request and turns every status but success into a failure.
    async fn accepted(&self, request: reqwest::RequestBuilder) -> Result<Response, Failure> {
        let response = request.send().await.map_err(|error| self.secrets.scrubbed(sending(&error)))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let headers = response.headers().clone();
        let body = tokio::time::timeout(ERROR_WAIT, bounded(response, ERROR_BYTES)).await;
        let body = match body {
            Ok(Ok(body) | Err((_, body))) => body,
            Err(_) => Vec::new(),
        };
        let failure = errors::refusal(status.as_u16(), &headers, unmarked(&String::from_utf8_lossy(&body)));
        Err(self.secrets.scrubbed(failure))
    }

    /// Reads an answer, beginning with what its head tells of limits.
    pub(super) fn answer(
        &self,
        response: Response,
        framing: Framing,
        decoder: impl Decoder,
    ) -> Result<Events, Failure> {
        let limits = limits::told(response.headers(), SystemTime::now()).map(Event::Limits);
        let frames = self.frames(response, framing)?;
        Ok(events::read(limits, frames, decoder, self.secrets()))
    }

    /// The frames of an answer. Something that is not in the protocol fails here already, and a whole JSON body where a
    /// stream was asked for is taken for what it is: mostly an error under a status of 200.
    fn frames(&self, response: Response, framing: Framing) -> Result<Frames, Failure> {
        let declared = media_type(&response);
        match (framing, declared.as_str()) {
            (Framing::Sse, "text/event-stream" | "") => Ok(sse::frames(response.bytes_stream())),
            (Framing::Ndjson, "application/x-ndjson" | "application/ndjson" | "application/json" | "") => {
                Ok(ndjson::frames(response))
            }
            (_, json) if json == "application/json" || json.ends_with("+json") => Ok(self.whole_frame(response)),
            (Framing::Whole, "") => Ok(self.whole_frame(response)),
            (_, other) => {
                let status = response.status().as_u16();
                Err(Failure::new(FailureClass::Garbled, &format!("answered with {other}: is the URL right?"))
                    .with_status(status))
            }
        }
    }

    fn whole_frame(&self, response: Response) -> Frames {
        let secrets = self.secrets();
        stream::once(async move { whole(&secrets, response).await }).boxed()
    }

    async fn whole(&self, response: Response) -> Result<String, Failure> {
        whole(&self.secrets, response).await
    }

    /// A whole JSON body.
    pub(super) async fn json(&self, response: Response) -> Result<Value, Failure> {
        events::parse(&self.whole(response).await?)
    }

    fn url(&self, path: &str) -> String {
        if path.starts_with("https://") { path.to_owned() } else { format!("{}{path}", self.base) }
    }
}

async fn whole(secrets: &Secrets, response: Response) -> Result<String, Failure> {
    let body = bounded(response, BODY_BYTES).await.map_err(|(failure, _)| secrets.scrubbed(failure))?;
    let body = String::from_utf8(body).map_err(|_| Failure::new(FailureClass::Garbled, "the answer is not UTF-8"))?;
    Ok(unmarked(&body).to_owned())
}

/// A text without the byte order mark that some services put in front: it is no part of it.
pub(super) fn unmarked(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// A body of at most so many bytes. With a failure comes what had arrived.
async fn bounded(response: Response, limit: usize) -> Result<Vec<u8>, (Failure, Vec<u8>)> {
    let mut body = Vec::new();
    let mut bytes = response.bytes_stream();
    while let Some(piece) = bytes.next().await {
        match piece {
            Err(error) => return Err((reading(&error), body)),
            Ok(piece) if body.len() + piece.len() > limit => {
                return Err((Failure::new(FailureClass::Garbled, "the answer is longer than is taken in"), body));
            }
            Ok(piece) => body.extend_from_slice(&piece),
        }
    }
    Ok(body)
}

/// The answer's media type, without parameters.
fn media_type(response: &Response) -> String {
    let declared = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    declared.split(';').next().unwrap_or("").trim().to_ascii_lowercase()
}

/// What went wrong before the head of an answer arrived. Whether nobody was there, or somebody hung up, is for a person to
/// tell apart: the one is a service that does not run, the other one that fails.
fn sending(error: &reqwest::Error) -> Failure {
    let cause = cause(error);
    if error.is_builder() {
        Failure::new(FailureClass::BadRequest, &cause)
    } else if error.is_connect() {
        Failure::new(FailureClass::Unreachable, &format!("no connection: {cause}"))
    } else if error.is_timeout() {
        Failure::new(FailureClass::Silent, &cause)
    } else {
        Failure::new(FailureClass::Unreachable, &format!("the connection broke before an answer: {cause}"))
    }
}

/// What went wrong while an answer was read.
pub(super) fn reading(error: &reqwest::Error) -> Failure {
    if error.is_timeout() {
        Failure::new(FailureClass::Stalled, "nothing came for too long")
    } else {
        Failure::new(FailureClass::Truncated, &format!("the connection broke: {}", cause(error)))
    }
}

/// The innermost cause: the layers above it repeat the URL and say nothing.
fn cause(error: &reqwest::Error) -> String {
    let mut cause = error.source();
    while let Some(inner) = cause.and_then(|error| error.source()) {
        cause = Some(inner);
    }
    cause.map_or_else(|| "the request could not be sent".to_owned(), ToString::to_string)
}

fn sensitive(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(value.trim()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn is_loopback(url: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(url) else { return false };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
