//! The simulated upstreams over the wire, with a plain HTTP client.

mod faults;
mod protocols;
mod runpod;

use std::time::Duration;

use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};

use super::*;
use crate::domain::id::BackendId;

/// A chat protocol, and how a test speaks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speaks {
    Anthropic,
    Ollama,
    Openai,
    Gemini,
}

/// Every backend that answers chats over HTTP.
const CHATS: [(&str, Speaks); 8] = [
    ("anthropic", Speaks::Anthropic),
    ("rtx-4090", Speaks::Ollama),
    ("mac-studio", Speaks::Ollama),
    ("runpod-llama-70b", Speaks::Openai),
    ("pod-vllm", Speaks::Openai),
    ("litellm", Speaks::Openai),
    ("openai", Speaks::Openai),
    ("gemini", Speaks::Gemini),
];

/// The status, the content type, the body as far as it came, and whether it came to a proper end.
struct Got {
    status: u16,
    kind: String,
    text: String,
    proper: bool,
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

struct Bench {
    simulation: Simulation,
    client: reqwest::Client,
}

impl Bench {
    async fn new() -> Self {
        let simulation = Simulation::start(Options { speed: 200.0, ..Options::default() }).await.unwrap();
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { simulation, client }
    }

    fn backend(&self, id: &str) -> crate::config::BackendConfig {
        let config = self.simulation.config();
        config.backends.into_iter().find(|backend| backend.spec.id.as_str() == id).unwrap()
    }

    fn url(&self, id: &str, path: &str) -> String {
        format!("{}{path}", self.backend(id).spec.url)
    }

    /// A prompt as the backend's protocol writes it, under a key.
    fn ask_with(
        &self,
        id: &str,
        speaks: Speaks,
        text: &str,
        stream: bool,
        key: Option<&str>,
        extra: Value,
    ) -> RequestBuilder {
        let backend = self.backend(id);
        let model = backend.models[0].0.as_str().to_owned();
        let messages = json!([{ "role": "user", "content": text }]);
        let (path, mut body) = match speaks {
            Speaks::Anthropic => (
                "/v1/messages".to_owned(),
                json!({ "model": model, "max_tokens": 900, "messages": messages, "stream": stream }),
            ),
            Speaks::Ollama => {
                ("/api/chat".to_owned(), json!({ "model": model, "messages": messages, "stream": stream }))
            }
            Speaks::Openai => {
                let prefix = match id {
                    "runpod-llama-70b" => "/openai/v1",
                    "litellm" => "/v1",
                    _ => "",
                };
                let options = json!({ "include_usage": true });
                let mut body = json!({ "model": model, "messages": messages, "stream": stream });
                if stream {
                    body["stream_options"] = options;
                }
                (format!("{prefix}/chat/completions"), body)
            }
            Speaks::Gemini => {
                let method = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
                let contents = json!([{ "role": "user", "parts": [{ "text": text }] }]);
                (format!("/v1beta/models/{model}:{method}"), json!({ "contents": contents }))
            }
        };
        for (name, value) in extra.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        let request = self.client.post(format!("{}{path}", backend.spec.url)).json(&body);
        self.sign(request, speaks, key)
    }

    fn sign(&self, request: RequestBuilder, speaks: Speaks, key: Option<&str>) -> RequestBuilder {
        let Some(key) = key else { return request };
        match speaks {
            Speaks::Anthropic => request.header("x-api-key", key).header("anthropic-version", "2023-06-01"),
            Speaks::Gemini => request.header("x-goog-api-key", key),
            Speaks::Openai | Speaks::Ollama => request.bearer_auth(key),
        }
    }

    fn key(&self, id: &str) -> Option<String> {
        use secrecy::ExposeSecret;
        self.backend(id).key.map(|key| key.expose_secret().to_owned())
    }

    fn ask(&self, id: &str, speaks: Speaks, text: &str, stream: bool) -> RequestBuilder {
        self.ask_with(id, speaks, text, stream, self.key(id).as_deref(), Value::Null)
    }
}

/// More than any answer has.
const TOO_MUCH: usize = 3 << 20;

/// Reads a response until it ends, breaks, says nothing for half a second, or has said too much.
async fn read(mut response: Response) -> Got {
    let status = response.status().as_u16();
    let kind = response.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned()).unwrap_or_default();
    let mut bytes = Vec::new();
    let proper = loop {
        match tokio::time::timeout(Duration::from_millis(500), response.chunk()).await {
            Ok(Ok(Some(_))) if bytes.len() > TOO_MUCH => break false,
            Ok(Ok(Some(chunk))) => bytes.extend_from_slice(&chunk),
            Ok(Ok(None)) => break true,
            Ok(Err(_)) | Err(_) => break false,
        }
    };
    Got { status, kind, text: String::from_utf8_lossy(&bytes).into_owned(), proper }
}

/// The JSON documents of a stream, in order, and whether it ended with the protocol's own mark.
fn events(speaks: Speaks, text: &str) -> (Vec<Value>, bool) {
    let lines = text.lines().map(|line| line.strip_prefix("data: ").unwrap_or(line));
    let events: Vec<Value> =
        lines.filter_map(|line| serde_json::from_str(line).ok()).filter(Value::is_object).collect();
    let last = events.last().cloned().unwrap_or_default();
    let ended = match speaks {
        Speaks::Anthropic => last["type"] == "message_stop",
        Speaks::Ollama => last["done"] == true,
        Speaks::Openai => text.trim_end().ends_with("data: [DONE]"),
        Speaks::Gemini => last["candidates"][0]["finishReason"].is_string(),
    };
    (events, ended)
}

/// The text of an answer's document or event.
fn text_of(speaks: Speaks, value: &Value) -> String {
    let text = match speaks {
        Speaks::Anthropic => value.pointer("/delta/text").or(value.pointer("/content/0/text")),
        Speaks::Ollama => value.pointer("/message/content"),
        Speaks::Openai => value.pointer("/choices/0/delta/content").or(value.pointer("/choices/0/message/content")),
        Speaks::Gemini => value.pointer("/candidates/0/content/parts/0/text"),
    };
    text.and_then(Value::as_str).unwrap_or_default().to_owned()
}
