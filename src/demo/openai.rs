//! OpenAI's chat completions, and the flavours in which LiteLLM, vLLM and RunPod's worker serve them.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Extension, Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::answer::{Ask, End, tokens};
use super::dialect::{Dialect, Frame, Refusal, Turn, bearer, event, json_response, reason, respond};
use super::upstream::{Upstream, Visit};

/// Who serves the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Openai {
    Hosted,
    Litellm,
    Vllm,
    /// vLLM behind RunPod's serverless worker, which wraps its errors.
    Worker,
}

/// The routes of a flavour.
pub(super) fn router(flavour: Openai) -> Router<Arc<Upstream>> {
    let shared = Router::new()
        .route("/chat/completions", post(chat))
        .route("/models", get(models))
        .route("/models/{*id}", get(model));
    // LiteLLM serves every route with and without `/v1`, and a base URL may have it or not.
    let routes = Router::new().nest("/v1", shared.clone()).merge(shared);
    let routes = match flavour {
        Openai::Hosted => routes,
        Openai::Vllm | Openai::Worker => routes.route("/health", get(async || ())).route("/ping", get(async || ())),
        Openai::Litellm => routes
            .route("/health/liveliness", get(async || json_response(200, &[], &json!("I'm alive!"))))
            .route("/health/liveness", get(async || json_response(200, &[], &json!("I'm alive!"))))
            .route("/health/readiness", get(readiness))
            .route("/v1/model/info", get(model_info))
            .route("/model/info", get(model_info)),
    };
    routes.layer(Extension(flavour))
}

async fn readiness() -> Response {
    json_response(200, &[], &json!({ "status": "healthy", "db": "Not connected" }))
}

async fn chat(
    State(upstream): State<Arc<Upstream>>,
    Extension(flavour): Extension<Openai>,
    Extension(visit): Extension<Visit>,
    body: String,
) -> Response {
    match serde_json::from_str::<Value>(&body).map_err(|error| error.to_string()).and_then(|body| read(&body)) {
        Ok(ask) => {
            let picky = flavour == Openai::Hosted && upstream.card(&ask.model).is_some_and(|card| card.reasons);
            match picky.then(|| refused_parameter(&body)).flatten() {
                Some(response) => response,
                None => upstream.answer(&visit, ask, Duration::ZERO).await,
            }
        }
        Err(message) => upstream.refuse(&Refusal::BadRequest { message }),
    }
}

/// OpenAI's reasoning models refuse two parameters that everybody else takes.
fn refused_parameter(body: &str) -> Option<Response> {
    let body: Value = serde_json::from_str(body).ok()?;
    let (param, code, message) = if body.get("max_tokens").is_some() {
        (
            "max_tokens",
            "unsupported_parameter",
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        )
    } else if body["temperature"].as_f64().is_some_and(|value| (value - 1.0).abs() > f64::EPSILON) {
        (
            "temperature",
            "unsupported_value",
            "Unsupported value: 'temperature' does not support this value with this model. Only the default (1) value is supported.",
        )
    } else {
        return None;
    };
    let error = json!({ "message": message, "type": "invalid_request_error", "param": param, "code": code });
    Some(json_response(400, &[], &json!({ "error": error })))
}

async fn models(State(upstream): State<Arc<Upstream>>, Extension(flavour): Extension<Openai>) -> Response {
    let entries: Vec<Value> = upstream
        .cards
        .iter()
        .map(|card| {
            let mut entry = json!({ "id": card.id, "object": "model", "created": 1_790_000_000, "owned_by": "openai" });
            // vLLM and LiteLLM tell the window, each in its own words; OpenAI does not.
            match flavour {
                Openai::Hosted => {}
                Openai::Vllm | Openai::Worker => entry["max_model_len"] = json!(card.context),
                Openai::Litellm => {
                    entry["mode"] = json!("chat");
                    entry["max_input_tokens"] = json!(card.context);
                    entry["max_output_tokens"] = json!(card.max_output);
                }
            }
            entry
        })
        .collect();
    json_response(200, &[], &json!({ "object": "list", "data": entries }))
}

async fn model(State(upstream): State<Arc<Upstream>>, Path(id): Path<String>) -> Response {
    match upstream.card(&id) {
        Some(card) => json_response(200, &[], &json!({ "id": card.id, "object": "model", "owned_by": "openai" })),
        None => upstream.refuse(&Refusal::ModelMissing { model: id }),
    }
}

async fn model_info(State(upstream): State<Arc<Upstream>>) -> Response {
    let data: Vec<Value> = upstream
        .cards
        .iter()
        .map(|card| {
            let price = card.price().map(|row| row.base).unwrap_or_default();
            let dollars = |usd_per_million: f64| usd_per_million / 1e6;
            json!({
                "model_name": card.id,
                "litellm_params": { "model": card.id },
                "model_info": {
                    "id": format!("{}-1", card.id), "db_model": false, "key": card.id, "mode": "chat",
                    "max_tokens": card.max_output, "max_input_tokens": card.context,
                    "max_output_tokens": card.max_output,
                    "input_cost_per_token": dollars(price.input.usd_per_million()),
                    "output_cost_per_token": dollars(price.output.usd_per_million()),
                    "cache_read_input_token_cost": price.cache_read.map(|read| dollars(read.usd_per_million())),
                    "supports_function_calling": true, "supports_vision": card.images,
                },
            })
        })
        .collect();
    json_response(200, &[], &json!({ "data": data }))
}

fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n"),
        _ => String::new(),
    }
}

/// What a request asks; the message of a 400 where it may not be asked so.
pub(super) fn read(body: &Value) -> Result<Ask, String> {
    let model = body["model"].as_str().ok_or("you must provide a model parameter")?.to_owned();
    let messages = body["messages"].as_array().filter(|list| !list.is_empty()).ok_or("messages is required")?;
    let last = messages.last().unwrap_or(&Value::Null);
    let user = messages.iter().rev().find(|message| message["role"] == "user").unwrap_or(&Value::Null);
    let all: Vec<String> = messages.iter().map(|message| text_of(&message["content"])).collect();
    let tools = body.get("tools").map_or(0, |tools| tokens(&tools.to_string()));
    let input_tokens = all.iter().map(|text| tokens(text) + 3).sum::<u32>() + tools;
    let format = &body["response_format"];
    let limit = body.get("max_completion_tokens").or(body.get("max_tokens"));
    let declared = body["tools"].as_array().into_iter().flatten();
    let all = all.concat();
    Ok(Ask {
        model,
        question: text_of(&user["content"]),
        input_tokens,
        stream: body["stream"].as_bool().unwrap_or(false),
        max_tokens: limit.and_then(Value::as_u64).and_then(|limit| u32::try_from(limit).ok()),
        tools: declared
            .filter_map(|tool| {
                let function = &tool["function"];
                Some((function["name"].as_str()?.to_owned(), function["parameters"].clone()))
            })
            .collect(),
        tool_required: body["tool_choice"] == "required" || body["tool_choice"].is_object(),
        tool_result: (last["role"] == "tool").then(|| text_of(&last["content"])),
        json: match format["type"].as_str() {
            Some("json_object") => Some(Value::Null),
            Some("json_schema") => Some(format["json_schema"]["schema"].clone()),
            _ => None,
        },
        think: false,
        cacheable: (input_tokens >= 1_024).then(|| all.chars().take(4_096).collect()),
        stream_usage: body.pointer("/stream_options/include_usage") == Some(&json!(true)),
    })
}

const fn finish(end: End) -> &'static str {
    match end {
        End::Stop => "stop",
        End::Length => "length",
        End::Tool => "tool_calls",
        End::Refused => "content_filter",
    }
}

impl Openai {
    fn usage(self, turn: &Turn) -> Value {
        let mut usage = json!({
            "prompt_tokens": turn.usage.prompt(),
            "completion_tokens": turn.usage.output,
            "total_tokens": turn.usage.total(),
        });
        if matches!(self, Self::Hosted | Self::Litellm) {
            usage["prompt_tokens_details"] =
                json!({ "cached_tokens": turn.usage.cache_read, "cache_write_tokens": turn.usage.cache_write });
            usage["completion_tokens_details"] = json!({ "reasoning_tokens": turn.usage.reasoning });
        }
        usage
    }

    fn chunk(self, turn: &Turn, delta: &Value, finish: Option<&str>) -> Value {
        let mut chunk = json!({
            "id": format!("chatcmpl-{}", turn.id), "object": "chat.completion.chunk", "created": Turn::created(),
            "model": turn.card.id,
            "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }],
        });
        if turn.ask.stream_usage && self != Self::Litellm {
            chunk["usage"] = Value::Null;
        }
        chunk
    }

    /// The error object in this flavour, with its status.
    fn error(self, refusal: &Refusal) -> (u16, Value) {
        let (status, kind, code, message) = match refusal {
            Refusal::BadKey => (
                401,
                "invalid_request_error",
                json!("invalid_api_key"),
                "Incorrect API key provided: sk-***.".to_owned(),
            ),
            Refusal::RateLimited { .. } => (
                429,
                "requests",
                json!("rate_limit_exceeded"),
                "Rate limit reached on requests per min (RPM). Please try again later.".to_owned(),
            ),
            Refusal::Overloaded => (
                503,
                "service_unavailable_error",
                json!("server_is_overloaded"),
                "The server is currently overloaded.".to_owned(),
            ),
            Refusal::ServerError => {
                (500, "server_error", Value::Null, "The server had an error while processing your request.".to_owned())
            }
            Refusal::OutOfCredit => (
                429,
                "insufficient_quota",
                json!("insufficient_quota"),
                "You exceeded your current quota, please check your plan and billing details.".to_owned(),
            ),
            Refusal::ModelMissing { model } => (
                404,
                "invalid_request_error",
                json!("model_not_found"),
                format!("The model `{model}` does not exist or you do not have access to it."),
            ),
            Refusal::ContextTooLong { tokens, limit } => (
                400,
                "invalid_request_error",
                json!("context_length_exceeded"),
                format!(
                    "This model's maximum context length is {limit} tokens. However, your messages resulted in {tokens} tokens. Please reduce the length of the messages."
                ),
            ),
            Refusal::ContentRefused => (
                400,
                "invalid_request_error",
                json!("content_policy_violation"),
                "Your request was rejected by our safety system: content_policy_violation.".to_owned(),
            ),
            Refusal::BadRequest { message } => (400, "invalid_request_error", Value::Null, message.clone()),
            Refusal::Forbidden => (
                403,
                "invalid_request_error",
                Value::Null,
                "You have insufficient permissions for this operation.".to_owned(),
            ),
            Refusal::Status(status) => (*status, "server_error", Value::Null, reason(*status)),
        };
        match self {
            Self::Hosted => {
                (status, json!({ "error": { "message": message, "type": kind, "param": null, "code": code } }))
            }
            Self::Litellm => litellm_error(refusal, status, &message),
            Self::Vllm | Self::Worker => {
                let status = if *refusal == Refusal::OutOfCredit { 402 } else { status };
                let kind = match status {
                    400 => "BadRequestError",
                    401 => "Unauthorized",
                    404 => "NotFoundError",
                    429 => "RateLimitError",
                    _ => "InternalServerError",
                };
                let error = json!({ "error": { "message": message, "type": kind, "param": null, "code": status } });
                let of_the_front = matches!(
                    refusal,
                    Refusal::BadKey
                        | Refusal::Forbidden
                        | Refusal::RateLimited { .. }
                        | Refusal::OutOfCredit
                        | Refusal::Status(_)
                );
                if self == Self::Worker && !of_the_front {
                    let message = format!("vLLM returned HTTP {status}: {error}");
                    return (200, json!({ "error": { "message": message, "type": "worker_error", "code": null } }));
                }
                (status, error)
            }
        }
    }
}

fn litellm_error(refusal: &Refusal, status: u16, message: &str) -> (u16, Value) {
    let (status, kind, text) = match refusal {
        Refusal::BadKey => (401, "auth_error", "Authentication Error, Invalid proxy server token passed.".to_owned()),
        Refusal::RateLimited { .. } => {
            (429, "throttling_error", format!("litellm.RateLimitError: OpenAIException - {message}"))
        }
        Refusal::Overloaded => {
            (503, "service_unavailable_error", format!("litellm.ServiceUnavailableError: OpenAIException - {message}"))
        }
        Refusal::ServerError => {
            (500, "internal_server_error", format!("litellm.InternalServerError: OpenAIException - {message}"))
        }
        Refusal::OutOfCredit => {
            (400, "budget_exceeded", "Budget has been exceeded! Current cost: 25.01, Max budget: 25.0".to_owned())
        }
        Refusal::ModelMissing { model } => (
            400,
            "invalid_request_error",
            format!(
                "/chat/completions: Invalid model name passed in model={model}. Call `/v1/models` to view available models for your key."
            ),
        ),
        Refusal::ContextTooLong { .. } => (
            400,
            "invalid_request_error",
            format!("litellm.ContextWindowExceededError: litellm.BadRequestError: OpenAIException - {message}"),
        ),
        Refusal::ContentRefused => (
            400,
            "invalid_request_error",
            format!("litellm.ContentPolicyViolationError: litellm.BadRequestError: OpenAIException - {message}"),
        ),
        Refusal::BadRequest { .. } => (status, "invalid_request_error", message.to_owned()),
        Refusal::Forbidden => (403, "auth_error", "Authentication Error, this key has no access.".to_owned()),
        Refusal::Status(_) => (status, "None", message.to_owned()),
    };
    (status, json!({ "error": { "message": text, "type": kind, "param": null, "code": status.to_string() } }))
}

/// The limit headers: so many requests are left, and when it will be all of them again. LiteLLM has the same ones.
fn budget(requests: &str, reset: String) -> Vec<(&'static str, String)> {
    vec![
        ("x-ratelimit-limit-requests", "10000".to_owned()),
        ("x-ratelimit-remaining-requests", requests.to_owned()),
        ("x-ratelimit-reset-requests", reset),
    ]
}

impl Dialect for Openai {
    fn knows(&self, headers: &HeaderMap, key: &str) -> bool {
        let other = (*self == Self::Litellm).then(|| headers.get("x-litellm-api-key")?.to_str().ok()).flatten();
        bearer(headers) == Some(key) || other == Some(key)
    }

    fn is_open(&self, path: &str) -> bool {
        match self {
            Self::Litellm => path.starts_with("/health/"),
            Self::Vllm => path == "/health" || path == "/ping",
            Self::Hosted | Self::Worker => false,
        }
    }

    fn whole(&self, turn: &Turn) -> Value {
        let mut message = json!({ "role": "assistant", "content": turn.script.text() });
        if let Some((id, name, arguments)) = &turn.script.tool {
            message["content"] = Value::Null;
            let function = json!({ "name": name, "arguments": arguments.to_string() });
            message["tool_calls"] = json!([{ "id": id, "type": "function", "function": function }]);
        }
        json!({
            "id": format!("chatcmpl-{}", turn.id), "object": "chat.completion", "created": Turn::created(),
            "model": turn.card.id,
            "choices": [{
                "index": 0, "message": message, "logprobs": null, "finish_reason": finish(turn.script.end),
            }],
            "usage": self.usage(turn),
        })
    }

    fn frames(&self, turn: &Turn) -> Vec<Frame> {
        let mut frames = Vec::new();
        let mut role = *self == Self::Litellm;
        if !role {
            let delta = json!({ "role": "assistant", "content": "" });
            frames.push(Frame::around(event(None, &self.chunk(turn, &delta, None))));
        }
        for piece in &turn.script.pieces {
            // LiteLLM puts the role into the first piece; everybody else sends it before.
            let delta = if std::mem::take(&mut role) {
                json!({ "role": "assistant", "content": piece })
            } else {
                json!({ "content": piece })
            };
            frames.push(Frame::piece(event(None, &self.chunk(turn, &delta, None)), piece));
        }
        if let Some((id, name, arguments)) = &turn.script.tool {
            let function = json!({ "name": name, "arguments": "" });
            let delta = json!({ "tool_calls": [{ "index": 0, "id": id, "type": "function", "function": function }] });
            frames.push(Frame::piece(event(None, &self.chunk(turn, &delta, None)), name));
            let text = arguments.to_string();
            let (left, right) = text.split_at(text.floor_char_boundary(text.len() / 2));
            for part in [left, right] {
                let delta = json!({ "tool_calls": [{ "index": 0, "function": { "arguments": part } }] });
                frames.push(Frame::piece(event(None, &self.chunk(turn, &delta, None)), part));
            }
        }
        frames.push(Frame::around(event(None, &self.chunk(turn, &json!({}), Some(finish(turn.script.end))))));
        if turn.ask.stream_usage {
            let mut last = self.chunk(turn, &json!({}), None);
            last["usage"] = self.usage(turn);
            if *self == Self::Litellm {
                last["choices"] = json!([{ "index": 0, "delta": {} }]);
                last["usage"]["cost"] = json!(turn.dollars());
            } else {
                last["choices"] = json!([]);
            }
            frames.push(Frame::around(event(None, &last)));
        }
        frames.push(Frame::around("data: [DONE]\n\n"));
        frames
    }

    fn headers(&self, turn: &Turn) -> Vec<(&'static str, String)> {
        match self {
            Self::Hosted => {
                let about = vec![
                    ("x-request-id", format!("req_{}", turn.id)),
                    ("openai-version", "2020-10-01".to_owned()),
                    ("openai-processing-ms", format!("{:.0}", turn.first_seconds * 1e3)),
                ];
                [about, budget("9987", "6ms".to_owned())].concat()
            }
            Self::Litellm => {
                let mut headers = vec![
                    ("x-litellm-call-id", turn.id.clone()),
                    ("x-litellm-model-id", format!("{}-1", turn.card.id)),
                    ("x-litellm-model-group", turn.card.id.to_owned()),
                    ("x-litellm-model-name", turn.card.id.to_owned()),
                    ("x-litellm-version", "1.106.2".to_owned()),
                    ("x-litellm-attempted-retries", "0".to_owned()),
                    ("x-litellm-attempted-fallbacks", "0".to_owned()),
                ];
                // The head of a stream leaves before anybody knows the cost.
                if !turn.ask.stream {
                    headers.push(("x-litellm-response-cost", format!("{:e}", turn.dollars())));
                    let whole = (turn.first_seconds + turn.answer_seconds) * 1e3;
                    headers.push(("x-litellm-response-duration-ms", format!("{whole:.1}")));
                }
                headers
            }
            Self::Vllm | Self::Worker => Vec::new(),
        }
    }

    fn limits(&self, seconds: u32) -> Vec<(&'static str, String)> {
        match self {
            Self::Hosted | Self::Litellm => budget("0", format!("{}m{}s", seconds / 60, seconds % 60)),
            Self::Vllm | Self::Worker => Vec::new(),
        }
    }

    fn refuse(&self, refusal: &Refusal) -> Response {
        if *self == Self::Worker && *refusal == Refusal::BadKey {
            // RunPod's own front answers before any worker does.
            return respond(401, "text/plain", &[], axum::body::Body::empty());
        }
        let mut headers = Vec::new();
        if let Refusal::RateLimited { retry_after: Some(seconds), .. } = refusal {
            headers.push(("retry-after", seconds.to_string()));
        }
        let (status, body) = self.error(refusal);
        json_response(status, &headers, &body)
    }

    fn error_frame(&self) -> String {
        let (_, error) = self.error(&Refusal::ServerError);
        event(None, &error)
    }
}
