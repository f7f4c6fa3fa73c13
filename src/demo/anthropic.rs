//! The Anthropic Messages API.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Extension, Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::answer::{Ask, End, tokens};
use super::catalog::Card;
use super::dialect::{Dialect, Frame, Refusal, Turn, event, json_response, reason};
use super::log;
use super::upstream::{Upstream, Visit};

pub(super) struct Anthropic;

pub(super) fn router() -> Router<Arc<Upstream>> {
    Router::new()
        .route("/v1/messages", post(messages))
        .route("/v1/messages/count_tokens", post(count))
        .route("/v1/models", get(models))
        .route("/v1/models/{id}", get(model))
}

async fn messages(
    State(upstream): State<Arc<Upstream>>,
    Extension(visit): Extension<Visit>,
    headers: HeaderMap,
    body: String,
) -> Response {
    match read(&headers, &body) {
        Ok(ask) => upstream.answer(&visit, ask, Duration::ZERO).await,
        Err(message) => upstream.refuse(&Refusal::BadRequest { message }),
    }
}

async fn count(State(upstream): State<Arc<Upstream>>, body: String) -> Response {
    let Ok(body) = serde_json::from_str::<Value>(&body) else {
        return upstream.refuse(&Refusal::BadRequest { message: "invalid JSON".to_owned() });
    };
    json_response(200, &[], &json!({ "input_tokens": prompt_tokens(&body) }))
}

async fn models(State(upstream): State<Arc<Upstream>>) -> Response {
    let data: Vec<Value> = upstream.cards.iter().map(describe).collect();
    let (first, last) = (upstream.cards.first().map(|card| card.id), upstream.cards.last().map(|card| card.id));
    let body = json!({ "data": data, "has_more": false, "first_id": first, "last_id": last });
    json_response(200, &[("request-id", upstream.chance.id("req_"))], &body)
}

async fn model(State(upstream): State<Arc<Upstream>>, Path(id): Path<String>) -> Response {
    match upstream.card(&id) {
        Some(card) => json_response(200, &[], &describe(&card)),
        None => upstream.refuse(&Refusal::ModelMissing { model: id }),
    }
}

fn describe(card: &Card) -> Value {
    json!({
        "id": card.id, "type": "model", "display_name": card.id, "created_at": "2026-09-22T00:00:00Z",
        "max_input_tokens": card.context, "max_tokens": card.max_output,
        "capabilities": { "image_input": { "supported": card.images } },
    })
}

/// What a request asks; the message of a 400 where it may not be asked so.
fn read(headers: &HeaderMap, body: &str) -> Result<Ask, String> {
    let body: Value = serde_json::from_str(body).map_err(|error| format!("invalid JSON: {error}"))?;
    if !headers.contains_key("anthropic-version") {
        return Err("anthropic-version: header is required".to_owned());
    }
    let model = body["model"].as_str().ok_or("model: Field required")?.to_owned();
    let max_tokens = body["max_tokens"].as_u64().ok_or("max_tokens: Field required")?;
    let messages = body["messages"].as_array().filter(|list| !list.is_empty()).ok_or("messages: Field required")?;
    for name in ["temperature", "top_p", "top_k"] {
        if body[name].as_f64().is_some_and(|value| (value - 1.0).abs() > f64::EPSILON) {
            return Err(format!("`{name}` is deprecated for this model"));
        }
    }
    let last = messages.last().unwrap_or(&Value::Null);
    if last["role"] == "assistant" {
        return Err(
            "This model does not support assistant message prefill. The conversation must end with a user message."
                .to_owned(),
        );
    }
    if messages.iter().any(|message| !matches!(message["role"].as_str(), Some("user" | "assistant"))) {
        return Err("messages: Unexpected role. Use the top-level `system` parameter.".to_owned());
    }
    let forced = matches!(body["tool_choice"]["type"].as_str(), Some("any" | "tool"));
    if forced && model.starts_with("claude-opus-5-5") {
        return Err("tool_choice: type \"tool\" and \"any\" are not supported for this model.".to_owned());
    }
    let user = messages.iter().rev().find(|message| message["role"] == "user").unwrap_or(last);
    let result = blocks(last, "tool_result").next().map(|block| match &block["content"] {
        Value::String(text) => text.clone(),
        content => text_of(content),
    });
    let tools = body["tools"].as_array().into_iter().flatten();
    let system = text_of(&body["system"]);
    let caches = body.to_string().contains("cache_control");
    Ok(Ask {
        model,
        question: text_of(&user["content"]),
        input_tokens: prompt_tokens(&body),
        stream: body["stream"].as_bool().unwrap_or(false),
        max_tokens: u32::try_from(max_tokens).ok(),
        tools: tools.filter_map(|t| Some((t["name"].as_str()?.to_owned(), t["input_schema"].clone()))).collect(),
        tool_required: forced,
        tool_result: result,
        json: body.pointer("/output_config/format/schema").cloned(),
        think: matches!(body["thinking"]["type"].as_str(), Some("adaptive" | "enabled")),
        cacheable: (caches && tokens(&system) >= 512).then_some(system),
        stream_usage: true,
    })
}

fn blocks<'a>(message: &'a Value, kind: &'a str) -> impl Iterator<Item = &'a Value> {
    message["content"].as_array().into_iter().flatten().filter(move |block| block["type"] == kind)
}

fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => blocks.iter().filter_map(|block| block["text"].as_str()).collect::<Vec<_>>().join("\n"),
        _ => String::new(),
    }
}

fn prompt_tokens(body: &Value) -> u32 {
    let messages = body["messages"].as_array().into_iter().flatten();
    let said: u32 = messages
        .map(|message| {
            let results: u32 = blocks(message, "tool_result").map(|block| tokens(&block["content"].to_string())).sum();
            tokens(&text_of(&message["content"])) + results + 3
        })
        .sum();
    let tools = body.get("tools").map_or(0, |tools| tokens(&tools.to_string()));
    said + tokens(&text_of(&body["system"])) + tools
}

const fn stop_reason(end: End) -> &'static str {
    match end {
        End::Stop => "end_turn",
        End::Length => "max_tokens",
        End::Tool => "tool_use",
        End::Refused => "refusal",
    }
}

fn usage(turn: &Turn, output: u64) -> Value {
    json!({
        "input_tokens": turn.usage.input,
        "cache_creation_input_tokens": turn.usage.cache_write,
        "cache_read_input_tokens": turn.usage.cache_read,
        "cache_creation": { "ephemeral_5m_input_tokens": turn.usage.cache_write, "ephemeral_1h_input_tokens": 0 },
        "output_tokens": output,
        "output_tokens_details": { "thinking_tokens": turn.usage.reasoning.min(output) },
        "service_tier": "standard",
    })
}

fn message(turn: &Turn, content: Vec<Value>, stop: Value, output: u64) -> Value {
    json!({
        "id": format!("msg_{}", turn.id), "type": "message", "role": "assistant", "model": turn.card.id,
        "content": content, "stop_reason": stop, "stop_sequence": null, "stop_details": null,
        "usage": usage(turn, output),
    })
}

/// The limit headers: so many requests are left until so many seconds have passed. Input tokens are never short.
fn budget(requests: &str, seconds: u32) -> Vec<(&'static str, String)> {
    let reset = log::rfc3339(log::now().after(Duration::from_secs(seconds.into())));
    vec![
        ("anthropic-ratelimit-requests-limit", "1000".to_owned()),
        ("anthropic-ratelimit-requests-remaining", requests.to_owned()),
        ("anthropic-ratelimit-requests-reset", reset.clone()),
        ("anthropic-ratelimit-input-tokens-limit", "2000000".to_owned()),
        ("anthropic-ratelimit-input-tokens-remaining", "1984000".to_owned()),
        ("anthropic-ratelimit-input-tokens-reset", reset),
    ]
}

fn typed(data: &Value) -> String {
    event(data["type"].as_str(), data)
}

impl Dialect for Anthropic {
    fn knows(&self, headers: &HeaderMap, key: &str) -> bool {
        headers.get("x-api-key").is_some_and(|given| given.as_bytes() == key.as_bytes())
    }

    fn whole(&self, turn: &Turn) -> Value {
        let mut content = Vec::new();
        if let Some(thinking) = &turn.script.thinking {
            content.push(json!({ "type": "thinking", "thinking": thinking, "signature": "c2ltdWxhdGVk" }));
        }
        if !turn.script.pieces.is_empty() {
            content.push(json!({ "type": "text", "text": turn.script.text() }));
        }
        if let Some((id, name, input)) = &turn.script.tool {
            content.push(json!({ "type": "tool_use", "id": id, "name": name, "input": input }));
        }
        message(turn, content, json!(stop_reason(turn.script.end)), turn.usage.output)
    }

    fn frames(&self, turn: &Turn) -> Vec<Frame> {
        let around = |data: &Value| Frame::around(typed(data));
        let start = message(turn, Vec::new(), Value::Null, 1);
        let mut frames = vec![around(&json!({ "type": "message_start", "message": start }))];
        let mut index = 0;
        let mut block = |frames: &mut Vec<Frame>, empty: Value, deltas: Vec<(Value, String)>| {
            frames.push(around(&json!({ "type": "content_block_start", "index": index, "content_block": empty })));
            if index == 0 {
                frames.push(around(&json!({ "type": "ping" })));
            }
            for (delta, piece) in deltas {
                let data = json!({ "type": "content_block_delta", "index": index, "delta": delta });
                frames.push(if piece.is_empty() { around(&data) } else { Frame::piece(typed(&data), &piece) });
            }
            frames.push(around(&json!({ "type": "content_block_stop", "index": index })));
            index += 1;
        };
        if let Some(thinking) = &turn.script.thinking {
            let deltas = vec![
                (json!({ "type": "thinking_delta", "thinking": thinking }), thinking.clone()),
                (json!({ "type": "signature_delta", "signature": "c2ltdWxhdGVk" }), String::new()),
            ];
            block(&mut frames, json!({ "type": "thinking", "thinking": "", "signature": "" }), deltas);
        }
        if !turn.script.pieces.is_empty() {
            let pieces = turn.script.pieces.iter();
            let deltas = pieces.map(|piece| (json!({ "type": "text_delta", "text": piece }), piece.clone())).collect();
            block(&mut frames, json!({ "type": "text", "text": "" }), deltas);
        }
        if let Some((id, name, input)) = &turn.script.tool {
            let text = input.to_string();
            let (left, right) = text.split_at(text.floor_char_boundary(text.len() / 2));
            let deltas = [left, right]
                .map(|part| (json!({ "type": "input_json_delta", "partial_json": part }), part.to_owned()));
            let empty = json!({ "type": "tool_use", "id": id, "name": name, "input": {} });
            block(&mut frames, empty, deltas.into());
        }
        let delta = json!({ "stop_reason": stop_reason(turn.script.end), "stop_sequence": null });
        let used = usage(turn, turn.usage.output);
        frames.push(around(&json!({ "type": "message_delta", "delta": delta, "usage": used })));
        frames.push(around(&json!({ "type": "message_stop" })));
        frames
    }

    fn headers(&self, turn: &Turn) -> Vec<(&'static str, String)> {
        let id = vec![
            ("request-id", format!("req_{}", turn.id)),
            ("anthropic-organization-id", "demo-organization".to_owned()),
        ];
        [id, budget("987", 12)].concat()
    }

    fn limits(&self, seconds: u32) -> Vec<(&'static str, String)> {
        budget("0", seconds)
    }

    fn refuses_in_answer(&self) -> bool {
        true
    }

    fn ping(&self) -> &'static str {
        "event: ping\ndata: {\"type\": \"ping\"}\n\n"
    }

    fn refuse(&self, refusal: &Refusal) -> Response {
        let (status, kind, text) = match refusal {
            Refusal::BadKey => (401, "authentication_error", "invalid x-api-key".to_owned()),
            Refusal::RateLimited { .. } => {
                (429, "rate_limit_error", "This request would exceed your organization's rate limit.".to_owned())
            }
            Refusal::Overloaded => (529, "overloaded_error", "Overloaded".to_owned()),
            Refusal::ServerError => (500, "api_error", "Internal server error".to_owned()),
            Refusal::OutOfCredit => (402, "billing_error", "Your credit balance is too low.".to_owned()),
            Refusal::ModelMissing { model } => (404, "not_found_error", format!("model: {model}")),
            Refusal::ContextTooLong { tokens, limit } => {
                (400, "invalid_request_error", format!("prompt is too long: {tokens} tokens > {limit} maximum"))
            }
            Refusal::ContentRefused => {
                (400, "invalid_request_error", "Output blocked by a content_policy_violation".to_owned())
            }
            Refusal::BadRequest { message } => (400, "invalid_request_error", message.clone()),
            Refusal::Forbidden => {
                (403, "permission_error", "Your API key has no permission for the specified resource.".to_owned())
            }
            Refusal::Status(status) => {
                let kind = match status {
                    413 => "request_too_large",
                    504 => "timeout_error",
                    529 => "overloaded_error",
                    _ => "api_error",
                };
                (*status, kind, reason(*status))
            }
        };
        let id = "req_simulated".to_owned();
        let mut headers = vec![("request-id", id.clone())];
        if let Refusal::RateLimited { retry_after: Some(seconds), .. } = refusal {
            headers.push(("retry-after", seconds.to_string()));
        }
        let body = json!({ "type": "error", "error": { "type": kind, "message": text }, "request_id": id });
        json_response(status, &headers, &body)
    }

    fn error_frame(&self) -> String {
        typed(&json!({
            "type": "error", "error": { "type": "overloaded_error", "message": "Overloaded" }, "request_id": "req_simulated",
        }))
    }
}
