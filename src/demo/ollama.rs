//! Ollama's own API, with models that have to be loaded and are dropped again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::answer::{Ask, End, tokens};
use super::catalog::Card;
use super::dialect::{Dialect, Frame, Refusal, Turn, json_response, reason};
use super::log;
use super::upstream::{Upstream, Visit};
use crate::domain::time::Timestamp;

/// How long a model stays without any word on it.
const KEEP_ALIVE: Duration = Duration::from_secs(300);
/// The window where a request names none, on a card of this size.
const DEFAULT_WINDOW: u32 = 4_096;

pub(super) struct Ollama;

/// A model in memory.
#[derive(Clone, Copy, Debug)]
struct Loaded {
    window: u32,
    /// When it is there: others wait for a model that is being loaded.
    ready_at: Instant,
    /// When it is dropped; `None` for never.
    until: Option<Instant>,
}

/// What is in memory.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<BTreeMap<&'static str, Loaded>>);

type Host = (Arc<Upstream>, Arc<Memory>);

impl Memory {
    fn loaded(&self) -> MutexGuard<'_, BTreeMap<&'static str, Loaded>> {
        let mut loaded = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        loaded.retain(|_, model| model.until.is_none_or(|until| now < until));
        loaded
    }

    /// Gigabytes in use.
    pub(super) fn gigabytes(&self, upstream: &Upstream) -> u64 {
        self.loaded().keys().filter_map(|id| upstream.card(id)).map(|card| card.gigabytes).sum()
    }

    /// Has a model ready, and says how long that takes in simulated time. A changed window means loading again.
    pub(super) fn load(&self, upstream: &Upstream, card: &Card, window: u32, keep: Option<Duration>) -> Duration {
        let mut loaded = self.loaded();
        let now = Instant::now();
        let ready_at = match loaded.get(card.id) {
            Some(model) if model.window == window => model.ready_at,
            _ => now + upstream.world.scaled(upstream.chance.millis((1_200.0, 1_900.0)) * gigabytes(card) / 4),
        };
        let until = keep.map(|keep| ready_at.max(now) + upstream.world.scaled(keep));
        loaded.insert(card.id, Loaded { window, ready_at, until });
        // Even a model that is there takes a moment to be found.
        Duration::from_millis(2) + ready_at.saturating_duration_since(now).mul_f32(upstream.world.speed)
    }

    /// Has a model in memory since before the simulation began.
    pub(super) fn preload(&self, card: &Card) {
        let now = Instant::now();
        self.loaded().insert(card.id, Loaded { window: card.context, ready_at: now, until: None });
    }
}

fn gigabytes(card: &Card) -> u32 {
    u32::try_from(card.gigabytes).unwrap_or(1)
}

pub(super) fn router(upstream: &Arc<Upstream>, memory: &Arc<Memory>) -> Router {
    Router::new()
        .route("/", get(async || "Ollama is running"))
        .route("/api/version", get(async || json_response(200, &[], &json!({ "version": "0.31.2" }))))
        .route("/api/tags", get(tags))
        .route("/api/ps", get(ps))
        .route("/api/show", post(show))
        .route("/api/chat", post(chat))
        .route("/api/generate", post(generate))
        .with_state((Arc::clone(upstream), Arc::clone(memory)))
}

fn describe(card: &Card) -> Value {
    let (family, size) = card.id.split_once(':').unwrap_or((card.id, ""));
    json!({
        "name": card.id, "model": card.id, "size": card.gigabytes << 30, "digest": "500a1f067a9f",
        "details": {
            "parent_model": "", "format": "gguf", "family": family, "families": [family],
            "parameter_size": size.to_uppercase(), "quantization_level": "Q4_K_M",
        },
    })
}

async fn tags(State((upstream, _)): State<Host>) -> Response {
    let models: Vec<Value> = upstream
        .cards
        .iter()
        .map(|card| {
            let mut model = describe(card);
            model["modified_at"] = json!("2026-10-01T09:00:00Z");
            model["capabilities"] = json!(["completion", "tools"]);
            model
        })
        .collect();
    json_response(200, &[], &json!({ "models": models }))
}

async fn ps(State((upstream, memory)): State<Host>) -> Response {
    let loaded = memory.loaded().clone();
    let models: Vec<Value> = upstream
        .cards
        .iter()
        .filter_map(|card| {
            let state = loaded.get(card.id)?;
            // A model that stays for good expires centuries ahead.
            let left = state.until.map_or(Duration::from_secs(9_000_000_000), |until| until - Instant::now());
            let mut model = describe(card);
            model["size_vram"] = model["size"].clone();
            model["context_length"] = json!(state.window);
            model["expires_at"] = json!(log::rfc3339(log::now().after(left)));
            Some(model)
        })
        .collect();
    json_response(200, &[], &json!({ "models": models }))
}

async fn show(State((upstream, _)): State<Host>, body: String) -> Response {
    let body: Value = serde_json::from_str(&body).unwrap_or_default();
    let name = body["model"].as_str().unwrap_or_default();
    let Some(card) = upstream.card(name) else {
        return upstream.refuse(&Refusal::ModelMissing { model: name.to_owned() });
    };
    let mut model = describe(&card);
    model["model_info"] = json!({ "general.architecture": "llama", "llama.context_length": card.context });
    model["capabilities"] = json!(["completion", "tools"]);
    json_response(200, &[], &model)
}

/// What a body orders, before its prompt: the model, its window, and how long it stays.
struct Order {
    body: Value,
    card: Card,
    window: u32,
    keep: Option<Duration>,
}

impl Order {
    fn read(upstream: &Upstream, body: &str) -> Result<Self, Refusal> {
        let bad = |message: String| Refusal::BadRequest { message };
        let body: Value = match serde_json::from_str(body) {
            Ok(body) => body,
            Err(_) if body.is_empty() => return Err(bad("missing request body".to_owned())),
            Err(error) => return Err(bad(error.to_string())),
        };
        let model = body["model"].as_str().ok_or_else(|| bad("model is required".to_owned()))?;
        let card = upstream.card(model.strip_suffix(":latest").unwrap_or(model));
        let card = card.ok_or_else(|| Refusal::ModelMissing { model: model.to_owned() })?;
        let asked = body.pointer("/options/num_ctx").and_then(Value::as_u64);
        let asked = asked.and_then(|window| u32::try_from(window).ok());
        let window = asked.unwrap_or(DEFAULT_WINDOW).clamp(4, card.context);
        let keep = keep_alive(&body["keep_alive"]);
        Ok(Self { body, card, window, keep })
    }

    /// Loads the model, or with no time to stay, drops it. Returns why it is done.
    async fn carry_out(&self, upstream: &Upstream, memory: &Memory) -> &'static str {
        if self.keep == Some(Duration::ZERO) {
            memory.loaded().remove(self.card.id);
            return "unload";
        }
        let takes = memory.load(upstream, &self.card, self.window, self.keep);
        tokio::time::sleep(upstream.world.scaled(takes)).await;
        "load"
    }
}

/// Without a prompt it is an order to load or to drop a model. Nobody sends one with a prompt here.
async fn generate(State((upstream, memory)): State<Host>, body: String) -> Response {
    let order = match Order::read(&upstream, &body) {
        Ok(order) => order,
        Err(refusal) => return upstream.refuse(&refusal),
    };
    if order.body["prompt"].as_str().is_some_and(|prompt| !prompt.is_empty()) {
        let message = "the simulation generates over /api/chat only".to_owned();
        return upstream.refuse(&Refusal::BadRequest { message });
    }
    let reason = order.carry_out(&upstream, &memory).await;
    let id = order.card.id;
    let done = json!({ "model": id, "created_at": created(), "response": "", "done": true, "done_reason": reason });
    json_response(200, &[], &done)
}

async fn chat(State((upstream, memory)): State<Host>, Extension(visit): Extension<Visit>, body: String) -> Response {
    let order = match Order::read(&upstream, &body) {
        Ok(order) => order,
        Err(refusal) => return upstream.refuse(&refusal),
    };
    let messages = order.body["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    if messages.is_empty() {
        let reason = order.carry_out(&upstream, &memory).await;
        let done = json!({
            "model": order.card.id, "created_at": created(), "message": { "role": "assistant", "content": "" },
            "done": true, "done_reason": reason,
        });
        return json_response(200, &[], &done);
    }
    let Order { body, card, window, keep } = &order;
    let (window, keep) = (*window, *keep);

    let mut ask = read(body, messages, card.id);
    if ask.input_tokens > window {
        if body["truncate"] == false {
            return upstream.refuse(&Refusal::ContextTooLong { tokens: ask.input_tokens, limit: window });
        }
        // The oldest messages go silently, and only the count of prompt tokens tells.
        ask.input_tokens = window - window / 8;
    }
    let cold = memory.load(&upstream, card, window, keep);
    upstream.answer(&visit, ask, cold).await
}

/// How long a model stays: seconds or a duration such as `10m`; `None` for ever.
fn keep_alive(value: &Value) -> Option<Duration> {
    let seconds = match value {
        Value::Number(seconds) => seconds.as_f64()?,
        Value::String(text) => {
            let number = text.trim_end_matches(char::is_alphabetic);
            let unit = match &text[number.len()..] {
                "h" => 3_600.0,
                "m" => 60.0,
                "ms" => 0.001,
                _ => 1.0,
            };
            match number.parse::<f64>() {
                Ok(number) => number * unit,
                Err(_) => return Some(KEEP_ALIVE),
            }
        }
        _ => return Some(KEEP_ALIVE),
    };
    Duration::try_from_secs_f64(seconds).ok()
}

fn read(body: &Value, messages: &[Value], model: &str) -> Ask {
    let text = |message: &Value| message["content"].as_str().unwrap_or_default().to_owned();
    let last = messages.last().unwrap_or(&Value::Null);
    let user = messages.iter().rev().find(|message| message["role"] == "user").unwrap_or(&Value::Null);
    let tools = body.get("tools").map_or(0, |tools| tokens(&tools.to_string()));
    let declared = body["tools"].as_array().into_iter().flatten();
    let limit = body.pointer("/options/num_predict").and_then(Value::as_u64);
    Ask {
        model: model.to_owned(),
        question: text(user),
        input_tokens: messages.iter().map(|message| tokens(&text(message)) + 3).sum::<u32>() + tools,
        // Unlike everybody else's, Ollama's answers stream unless told otherwise.
        stream: body["stream"].as_bool().unwrap_or(true),
        max_tokens: limit.and_then(|limit| u32::try_from(limit).ok()),
        tools: declared
            .filter_map(|tool| {
                let function = &tool["function"];
                Some((function["name"].as_str()?.to_owned(), function["parameters"].clone()))
            })
            .collect(),
        tool_required: false,
        tool_result: (last["role"] == "tool").then(|| text(last)),
        json: match &body["format"] {
            Value::String(_) => Some(Value::Null),
            Value::Object(_) => Some(body["format"].clone()),
            _ => None,
        },
        think: !matches!(body["think"], Value::Null | Value::Bool(false)),
        cacheable: None,
        stream_usage: true,
    }
}

fn created() -> String {
    log::rfc3339(Timestamp(log::now().0))
}

fn nanos(seconds: f64) -> u64 {
    u64::try_from(Duration::try_from_secs_f64(seconds).unwrap_or_default().as_nanos()).unwrap_or(u64::MAX)
}

fn line(turn: &Turn, message: Value) -> Value {
    json!({ "model": turn.ask.model, "created_at": created(), "message": message, "done": false })
}

fn calls(turn: &Turn) -> Option<Value> {
    let (id, name, arguments) = turn.script.tool.as_ref()?;
    Some(json!([{ "id": id, "function": { "index": 0, "name": name, "arguments": arguments } }]))
}

/// The fields of the last line.
fn finish(turn: &Turn, mut last: Value) -> Value {
    last["done"] = json!(true);
    last["done_reason"] = json!(if turn.script.end == End::Length { "length" } else { "stop" });
    last["total_duration"] = json!(nanos(turn.load_seconds + turn.first_seconds + turn.answer_seconds));
    last["load_duration"] = json!(nanos(turn.load_seconds));
    last["prompt_eval_count"] = json!(turn.usage.prompt());
    last["prompt_eval_duration"] = json!(nanos(turn.first_seconds));
    last["eval_count"] = json!(turn.usage.output);
    last["eval_duration"] = json!(nanos(turn.answer_seconds));
    last
}

impl Dialect for Ollama {
    fn knows(&self, _: &HeaderMap, _: &str) -> bool {
        true
    }

    fn stream_type(&self) -> &'static str {
        "application/x-ndjson"
    }

    fn whole(&self, turn: &Turn) -> Value {
        let mut message = json!({ "role": "assistant", "content": turn.script.text() });
        if let Some(thinking) = &turn.script.thinking {
            message["thinking"] = json!(thinking);
        }
        if let Some(calls) = calls(turn) {
            message["tool_calls"] = calls;
        }
        finish(turn, line(turn, message))
    }

    fn frames(&self, turn: &Turn) -> Vec<Frame> {
        let frame = |message: Value, of: &str| Frame::piece(format!("{}\n", line(turn, message)), of);
        let mut frames = Vec::new();
        if let Some(text) = &turn.script.thinking {
            frames.push(frame(json!({ "role": "assistant", "content": "", "thinking": text }), text));
        }
        for piece in &turn.script.pieces {
            frames.push(frame(json!({ "role": "assistant", "content": piece }), piece));
        }
        if let Some(calls) = calls(turn) {
            let text = calls.to_string();
            frames.push(frame(json!({ "role": "assistant", "content": "", "tool_calls": calls }), &text));
        }
        let last = finish(turn, line(turn, json!({ "role": "assistant", "content": "" })));
        frames.push(Frame::around(format!("{last}\n")));
        frames
    }

    fn ping(&self) -> &'static str {
        "\n"
    }

    fn headers(&self, _: &Turn) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    fn refuse(&self, refusal: &Refusal) -> Response {
        let (status, text) = match refusal {
            Refusal::BadKey | Refusal::OutOfCredit => (401, "unauthorized".to_owned()),
            Refusal::RateLimited { .. } => (429, "too many requests".to_owned()),
            Refusal::Overloaded => {
                (503, "server busy, please try again.  maximum pending requests exceeded".to_owned())
            }
            Refusal::ServerError => (500, "model runner has unexpectedly stopped: out of memory".to_owned()),
            Refusal::ModelMissing { model } => (404, format!("model '{model}' not found")),
            Refusal::ContextTooLong { .. } => {
                let text = "the prompt is longer than the context length currently available to the model; \
                            shorten the prompt or raise num_ctx";
                (400, text.to_owned())
            }
            Refusal::ContentRefused => (400, "blocked: content_policy_violation".to_owned()),
            Refusal::BadRequest { message } => (400, message.clone()),
            Refusal::Forbidden => (403, "forbidden".to_owned()),
            Refusal::Status(status) => (*status, reason(*status)),
        };
        let status = if *refusal == Refusal::OutOfCredit { 402 } else { status };
        let mut headers = Vec::new();
        if let Refusal::RateLimited { retry_after: Some(seconds), .. } = refusal {
            headers.push(("retry-after", seconds.to_string()));
        }
        json_response(status, &headers, &json!({ "error": text }))
    }

    fn error_frame(&self) -> String {
        "{\"error\":\"an error was encountered while running the model: out of memory\"}\n".to_owned()
    }
}
