//! Google's Gemini API: generateContent.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::answer::{Ask, End, tokens};
use super::catalog::Card;
use super::dialect::{Dialect, Frame, Refusal, Turn, json_response, reason, respond};
use super::log;
use super::upstream::{Upstream, Visit};

pub(super) struct Gemini;

pub(super) fn router() -> Router<Arc<Upstream>> {
    Router::new()
        .route("/v1beta/models", get(models))
        // A colon is no separator of path segments: `gemini-3.6-flash:generateContent` is one of them.
        .route("/v1beta/models/{call}", post(generate).get(model))
}

async fn models(State(upstream): State<Arc<Upstream>>) -> Response {
    let models: Vec<Value> = upstream.cards.iter().map(describe).collect();
    json_response(200, &[], &json!({ "models": models }))
}

async fn model(State(upstream): State<Arc<Upstream>>, Path(id): Path<String>) -> Response {
    match upstream.card(&id) {
        Some(card) => json_response(200, &[], &describe(&card)),
        None => upstream.refuse(&Refusal::ModelMissing { model: id }),
    }
}

fn describe(card: &Card) -> Value {
    json!({
        "name": format!("models/{}", card.id), "baseModelId": card.id, "version": "3", "displayName": card.id,
        "inputTokenLimit": card.context, "outputTokenLimit": card.max_output,
        "supportedGenerationMethods": ["generateContent", "countTokens"], "thinking": card.reasons,
    })
}

async fn generate(
    State(upstream): State<Arc<Upstream>>,
    Extension(visit): Extension<Visit>,
    Path(call): Path<String>,
    RawQuery(query): RawQuery,
    body: String,
) -> Response {
    let (model, method) = call.split_once(':').unwrap_or((&call, ""));
    let bad = |message: &str| upstream.refuse(&Refusal::BadRequest { message: message.to_owned() });
    let Ok(body) = serde_json::from_str::<Value>(&body) else {
        return bad("Invalid JSON payload received. Unexpected end of string.");
    };
    if body["contents"].as_array().is_none_or(Vec::is_empty) {
        return bad("* GenerateContentRequest.contents: contents is not specified");
    }
    let mut ask = read(model, &body);
    match method {
        "countTokens" => return json_response(200, &[], &json!({ "totalTokens": ask.input_tokens })),
        "generateContent" => {}
        "streamGenerateContent" => ask.stream = true,
        _ => return upstream.refuse(&Refusal::ModelMissing { model: call.clone() }),
    }
    if ask.stream && !query.unwrap_or_default().contains("alt=sse") {
        return bad("the simulation streams as server-sent events only: add alt=sse");
    }
    upstream.answer(&visit, ask, Duration::ZERO).await
}

fn parts(content: &Value) -> impl Iterator<Item = &Value> {
    content["parts"].as_array().into_iter().flatten()
}

fn text_of(content: &Value) -> String {
    parts(content).filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n")
}

fn read(model: &str, body: &Value) -> Ask {
    let contents = body["contents"].as_array().map(Vec::as_slice).unwrap_or_default();
    let questions = contents.iter().rev().filter(|content| content["role"] != "model").map(text_of);
    let last = contents.last().unwrap_or(&Value::Null);
    let result = parts(last).find_map(|part| part.get("functionResponse")).map(|answer| {
        let response = &answer["response"];
        response["result"].as_str().map_or_else(|| response.to_string(), str::to_owned)
    });
    let said: u32 = contents
        .iter()
        .map(|content| {
            let calls = parts(content).filter(|part| part.get("text").is_none() && part.get("inlineData").is_none());
            tokens(&text_of(content)) + 3 + calls.map(|part| tokens(&part.to_string())).sum::<u32>()
        })
        .sum();
    let declared = body["tools"].as_array().into_iter().flatten();
    let declared = declared.flat_map(|tool| tool["functionDeclarations"].as_array().into_iter().flatten());
    let settings = &body["generationConfig"];
    let json = (settings["responseMimeType"] == "application/json")
        .then(|| settings.get("responseJsonSchema").or(settings.get("responseSchema")).cloned().unwrap_or(Value::Null));
    let tools = body.get("tools").map_or(0, |tools| tokens(&tools.to_string()));
    Ask {
        model: model.to_owned(),
        question: questions.into_iter().find(|text| !text.is_empty()).unwrap_or_default(),
        input_tokens: said + tokens(&text_of(&body["systemInstruction"])) + tools,
        stream: false,
        max_tokens: settings["maxOutputTokens"].as_u64().and_then(|limit| u32::try_from(limit).ok()),
        tools: declared
            .filter_map(|tool| {
                let schema = tool.get("parametersJsonSchema").or(tool.get("parameters")).cloned();
                Some((tool["name"].as_str()?.to_owned(), schema.unwrap_or_default()))
            })
            .collect(),
        tool_required: body.pointer("/toolConfig/functionCallingConfig/mode") == Some(&json!("ANY")),
        tool_result: result,
        json,
        think: settings.pointer("/thinkingConfig/includeThoughts") == Some(&json!(true)),
        cacheable: None,
        stream_usage: true,
    }
}

/// One response, or one chunk of one: they have the same shape.
fn chunk(turn: &Turn, parts: Vec<Value>, finish: Option<End>) -> Value {
    let mut candidate = json!({ "content": { "role": "model", "parts": parts }, "index": 0 });
    let mut usage = json!({
        "promptTokenCount": turn.usage.prompt(),
        "totalTokenCount": turn.usage.prompt(),
        "promptTokensDetails": [{ "modality": "TEXT", "tokenCount": turn.usage.prompt() }],
    });
    if let Some(end) = finish {
        candidate["finishReason"] = json!(match end {
            End::Length => "MAX_TOKENS",
            End::Refused => "SAFETY",
            // There is no reason of its own for a tool call.
            End::Stop | End::Tool => "STOP",
        });
        usage["candidatesTokenCount"] = json!(turn.usage.output - turn.usage.reasoning);
        usage["thoughtsTokenCount"] = json!(turn.usage.reasoning);
        usage["totalTokenCount"] = json!(turn.usage.total());
    }
    json!({
        "candidates": [candidate], "usageMetadata": usage, "modelVersion": turn.card.id, "responseId": turn.id,
        "createTime": log::rfc3339(log::now()),
    })
}

fn tool_part(turn: &Turn) -> Option<Value> {
    let (id, name, args) = turn.script.tool.as_ref()?;
    Some(json!({ "functionCall": { "id": id, "name": name, "args": args }, "thoughtSignature": "c2ltdWxhdGVk" }))
}

fn thought(turn: &Turn) -> Option<Value> {
    turn.script.thinking.as_ref().map(|text| json!({ "text": text, "thought": true }))
}

/// Google ends its lines as HTTP does.
fn line(data: &Value) -> String {
    format!("data: {data}\r\n\r\n")
}

impl Dialect for Gemini {
    fn knows(&self, headers: &HeaderMap, key: &str) -> bool {
        headers.get("x-goog-api-key").is_some_and(|given| given.as_bytes() == key.as_bytes())
    }

    fn stream_type(&self) -> &'static str {
        "text/event-stream"
    }

    fn whole(&self, turn: &Turn) -> Value {
        let mut parts: Vec<Value> = thought(turn).into_iter().collect();
        if !turn.script.pieces.is_empty() {
            parts.push(json!({ "text": turn.script.text() }));
        }
        parts.extend(tool_part(turn));
        chunk(turn, parts, Some(turn.script.end))
    }

    fn frames(&self, turn: &Turn) -> Vec<Frame> {
        let mut frames = Vec::new();
        if let (Some(part), Some(text)) = (thought(turn), &turn.script.thinking) {
            frames.push(Frame::piece(line(&chunk(turn, vec![part], None)), text));
        }
        // Gemini's chunks are larger than anybody's.
        for group in turn.script.pieces.chunks(3) {
            let text = group.concat();
            frames.push(Frame::piece(line(&chunk(turn, vec![json!({ "text": text })], None)), &text));
        }
        if let Some(part) = tool_part(turn) {
            let text = part.to_string();
            frames.push(Frame::piece(line(&chunk(turn, vec![part], None)), &text));
        }
        let last = json!({ "text": "", "thoughtSignature": "c2ltdWxhdGVk" });
        frames.push(Frame::around(line(&chunk(turn, vec![last], Some(turn.script.end)))));
        frames
    }

    fn refuses_in_answer(&self) -> bool {
        true
    }

    fn headers(&self, _: &Turn) -> Vec<(&'static str, String)> {
        vec![("server-timing", "gfet4t7; dur=412".to_owned())]
    }

    fn refuse(&self, refusal: &Refusal) -> Response {
        let info = |kind: &str| format!("type.googleapis.com/google.rpc.{kind}");
        let (code, status, message, details) = match refusal {
            Refusal::BadKey => (
                400,
                "INVALID_ARGUMENT",
                "API key not valid. Please pass a valid API key.".to_owned(),
                json!([{ "@type": info("ErrorInfo"), "reason": "API_KEY_INVALID", "domain": "googleapis.com" }]),
            ),
            Refusal::RateLimited { retry_after, .. } => {
                let quota = json!({
                    "@type": info("QuotaFailure"),
                    "violations": [{ "quotaId": "GenerateRequestsPerMinutePerProjectPerModel" }],
                });
                let retry = retry_after.map(
                    |seconds| json!({ "@type": info("RetryInfo"), "retryDelay": format!("{seconds}.238747106s") }),
                );
                let details = std::iter::once(quota).chain(retry).collect::<Value>();
                (429, "RESOURCE_EXHAUSTED", "You exceeded your current quota.".to_owned(), details)
            }
            Refusal::Overloaded => {
                (503, "UNAVAILABLE", "The model is overloaded. Please try again later.".to_owned(), json!([]))
            }
            Refusal::ServerError => (500, "INTERNAL", "An internal error has occurred.".to_owned(), json!([])),
            Refusal::OutOfCredit => (
                400,
                "FAILED_PRECONDITION",
                "Billing is not enabled for this project. Please enable billing.".to_owned(),
                json!([]),
            ),
            Refusal::ModelMissing { model } => (
                404,
                "NOT_FOUND",
                format!("models/{model} is not found for API version v1beta, or is not supported for generateContent."),
                json!([]),
            ),
            Refusal::ContextTooLong { tokens, limit } => (
                400,
                "INVALID_ARGUMENT",
                format!("The input token count ({tokens}) exceeds the maximum number of tokens allowed ({limit})."),
                json!([]),
            ),
            Refusal::ContentRefused => {
                (400, "INVALID_ARGUMENT", "Blocked: content_policy_violation".to_owned(), json!([]))
            }
            Refusal::BadRequest { message } => (400, "INVALID_ARGUMENT", message.clone(), json!([])),
            Refusal::Forbidden => {
                (403, "PERMISSION_DENIED", "The caller does not have permission".to_owned(), json!([]))
            }
            Refusal::Status(status) => (*status, "UNKNOWN", reason(*status), json!([])),
        };
        let error = json!({ "error": { "code": code, "message": message, "status": status, "details": details } });
        // Google's error bodies are indented.
        let body = serde_json::to_string_pretty(&error).unwrap_or_default();
        respond(code, "application/json; charset=UTF-8", &[], Body::from(body))
    }

    fn error_frame(&self) -> String {
        // Bare JSON over several lines, without `data:`.
        let error = json!({ "error": { "code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE" } });
        format!("{}\r\n\r\n", serde_json::to_string_pretty(&error).unwrap_or_default())
    }
}
