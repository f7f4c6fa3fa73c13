//! Google's generateContent.

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Map, Value, json};

use super::connect::{self, ConnectError, Sighting};
use super::events::{self, Decoder, count, text};
use super::http::{Auth, Framing, Http};
use super::{Call, Event, Events, Finish, Wire, errors};
use crate::config::BackendConfig;
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::health::FoundModel;
use crate::domain::id::ModelId;
use crate::domain::prompt::{Format, Message, Part, Prompt, Role, ToolCall, ToolChoice};
use crate::domain::usage::Usage;

/// Stands for the signature of a call that another provider's model made: without one, newer models refuse the history.
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

/// The Gemini wire.
pub(super) struct Gemini {
    http: Http,
    names: Vec<ModelId>,
}

impl Gemini {
    pub(super) fn new(config: &BackendConfig) -> Result<Self, ConnectError> {
        let mut base = connect::base_without(config, &["/models"]);
        if !base.ends_with("/v1beta") && !base.ends_with("/v1") {
            base.push_str("/v1beta");
        }
        // Never as a query parameter, where it would end up in logs.
        let http = Http::new(config, base, Auth::Header("x-goog-api-key"), &[])?;
        Ok(Self { http, names: connect::names(config) })
    }

    async fn look(&self) -> Result<Sighting, Failure> {
        let list = self.http.get("/models?pageSize=1000").await?;
        let whole = text(&list, "nextPageToken").is_none_or(str::is_empty);
        let models = list.get("models").and_then(Value::as_array).filter(|_| whole).map(|models| {
            let found = models.iter().filter(|model| generates(model)).filter_map(|model| {
                let name = text(model, "name")?;
                Some(FoundModel {
                    id: name.strip_prefix("models/").unwrap_or(name).to_owned(),
                    context: count(model, "/inputTokenLimit").and_then(|tokens| u32::try_from(tokens).ok()),
                    ..FoundModel::default()
                })
            });
            connect::with_short_names(found.collect(), &self.names)
        });
        Ok(Sighting::up(models))
    }
}

fn generates(model: &Value) -> bool {
    let methods = model.get("supportedGenerationMethods").and_then(Value::as_array);
    methods.is_some_and(|methods| methods.iter().any(|method| method.as_str() == Some("generateContent")))
}

impl Wire for Gemini {
    fn start<'a>(&'a self, prompt: &'a Prompt, call: &'a Call) -> BoxFuture<'a, Result<Events, Failure>> {
        async move {
            let model = call.model.as_str();
            let model = model.strip_prefix("models/").unwrap_or(model);
            // The id becomes a part of the path, and must stay one.
            if !model.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_')) {
                return Err(Failure::new(FailureClass::ModelMissing, "no such model id can exist"));
            }
            let (method, framing) = if call.stream {
                ("streamGenerateContent?alt=sse", Framing::Sse)
            } else {
                ("generateContent", Framing::Whole)
            };
            let response = self.http.post(&format!("/models/{model}:{method}"), body(prompt, call, model)).await?;
            self.http.answer(response, framing, Answer::default())
        }
        .boxed()
    }

    fn probe(&self) -> BoxFuture<'_, Result<Sighting, Failure>> {
        self.look().boxed()
    }
}

fn body(prompt: &Prompt, call: &Call, model: &str) -> Value {
    let sampling = &prompt.sampling;
    let mut config = Map::new();
    if let Some(limit) = sampling.max_tokens {
        config.insert("maxOutputTokens".into(), json!(limit.min(call.max_output.unwrap_or(u32::MAX))));
    }
    if let Some(temperature) = sampling.temperature {
        config.insert("temperature".into(), json!(temperature));
    }
    if let Some(top_p) = sampling.top_p {
        config.insert("topP".into(), json!(top_p));
    }
    if let Some(seed) = sampling.seed.and_then(|seed| i32::try_from(seed).ok()) {
        config.insert("seed".into(), json!(seed));
    }
    if !sampling.stop.is_empty() {
        config.insert("stopSequences".into(), json!(sampling.stop));
    }
    match &sampling.format {
        Format::Text => {}
        Format::Json => {
            config.insert("responseMimeType".into(), json!("application/json"));
        }
        Format::Schema { schema, .. } => {
            config.insert("responseMimeType".into(), json!("application/json"));
            config.insert("responseJsonSchema".into(), schema.clone());
        }
    }
    // Older models know no signatures.
    let signs = !["gemini-1", "gemini-2"].iter().any(|old| model.starts_with(old));
    let contents: Vec<Value> = prompt.messages.iter().filter_map(|message| content(message, signs)).collect();
    let mut body = json!({"contents": contents});
    let system: Vec<&str> =
        prompt.messages.iter().filter(|message| message.role == Role::System).flat_map(Message::texts).collect();
    if !system.is_empty() {
        body["systemInstruction"] = json!({"parts": [{"text": system.join("\n\n")}]});
    }
    if !prompt.tools.is_empty() {
        let tools: Vec<Value> = prompt
            .tools
            .iter()
            .map(|tool| {
                json!({"name": tool.name, "description": tool.description, "parametersJsonSchema": tool.parameters})
            })
            .collect();
        body["tools"] = json!([{"functionDeclarations": tools}]);
        let choice = match &prompt.tool_choice {
            ToolChoice::Auto => json!({"mode": "AUTO"}),
            ToolChoice::None => json!({"mode": "NONE"}),
            ToolChoice::Required => json!({"mode": "ANY"}),
            ToolChoice::Named(name) => json!({"mode": "ANY", "allowedFunctionNames": [name]}),
        };
        body["toolConfig"] = json!({"functionCallingConfig": choice});
    }
    if !config.is_empty() {
        body["generationConfig"] = Value::Object(config);
    }
    body
}

fn content(message: &Message, signs: bool) -> Option<Value> {
    let role = match message.role {
        Role::System => return None,
        Role::User => "user",
        Role::Assistant => "model",
    };
    let mut parts = Vec::with_capacity(message.parts.len());
    // Only the first call of a step carries a signature.
    let mut first = true;
    for part in &message.parts {
        match part {
            Part::Text { text } if text.is_empty() => {}
            Part::Text { text } => parts.push(json!({"text": text})),
            Part::Image { media_type, data } => {
                parts.push(json!({"inlineData": {"mimeType": media_type, "data": data}}));
            }
            Part::ToolCall(call) => {
                let function = json!({"id": call.id, "name": call.name, "args": call.arguments});
                let mut one = json!({"functionCall": function});
                let stand_in = (first && signs).then_some(NO_SIGNATURE);
                if let Some(signature) = call.signature.as_deref().or(stand_in) {
                    one["thoughtSignature"] = json!(signature);
                }
                first = false;
                parts.push(one);
            }
            Part::ToolResult { call, name, content, is_error } => {
                let field = if *is_error { "error" } else { "result" };
                let response = json!({"id": call, "name": name, "response": {field: content}});
                parts.push(json!({"functionResponse": response}));
            }
        }
    }
    (!parts.is_empty()).then(|| json!({"role": role, "parts": parts}))
}

/// An answer as it comes together. A whole body has the shape of a chunk.
#[derive(Default)]
struct Answer {
    /// Grows field by field: each report is cumulative, and may leave out what did not change.
    counts: Map<String, Value>,
    finish: Option<Finish>,
    malformed: bool,
    called: usize,
}

impl Answer {
    fn part(&mut self, part: &Value, out: &mut Vec<Event>) {
        if let Some(call) = part.get("functionCall") {
            let id = text(call, "id").filter(|id| !id.is_empty());
            out.push(Event::ToolCall(ToolCall {
                id: id.map_or_else(|| format!("call_{}", self.called), str::to_owned),
                name: text(call, "name").unwrap_or_default().to_owned(),
                arguments: call.get("args").cloned().unwrap_or_else(|| json!({})),
                signature: text(part, "thoughtSignature").map(str::to_owned),
            }));
            self.called += 1;
        } else if let Some(said) = text(part, "text") {
            let thought = part.get("thought").and_then(Value::as_bool) == Some(true);
            out.push(if thought { Event::Thinking(said.to_owned()) } else { Event::Text(said.to_owned()) });
        }
    }

    fn usage(&self) -> Usage {
        let tokens = |field: &str| self.counts.get(field).and_then(|value| count(value, "")).unwrap_or(0);
        let cache_read = tokens("cachedContentTokenCount");
        let reasoning = tokens("thoughtsTokenCount");
        Usage {
            input: tokens("promptTokenCount").saturating_sub(cache_read) + tokens("toolUsePromptTokenCount"),
            cache_read,
            output: tokens("candidatesTokenCount") + reasoning,
            reasoning,
            ..Usage::default()
        }
    }
}

impl Decoder for Answer {
    fn frame(&mut self, frame: &str, out: &mut Vec<Event>) -> Result<(), Failure> {
        let parsed = events::parse(frame)?;
        // Errors may come as a list of one.
        let chunk = parsed.get(0).unwrap_or(&parsed);
        if let Some(failure) = errors::told(chunk) {
            return Err(failure);
        }
        if let Some(counts) = chunk.get("usageMetadata").and_then(Value::as_object) {
            self.counts.extend(counts.iter().map(|(field, value)| (field.clone(), value.clone())));
            out.push(Event::Usage(self.usage()));
        }
        if let Some(reason) = chunk.pointer("/promptFeedback/blockReason").and_then(Value::as_str) {
            let message = format!("the prompt was blocked: {reason}");
            return Err(Failure::new(FailureClass::ContentRefused, &message));
        }
        let Some(candidate) = chunk.pointer("/candidates/0") else {
            let known = ["usageMetadata", "candidates", "responseId", "modelVersion"];
            return if known.iter().any(|field| chunk.get(field).is_some()) {
                Ok(())
            } else {
                Err(Failure::new(FailureClass::Garbled, "the answer is not a generateContent response"))
            };
        };
        for part in candidate.pointer("/content/parts").and_then(Value::as_array).into_iter().flatten() {
            self.part(part, out);
        }
        if let Some(reason) = text(candidate, "finishReason") {
            self.malformed = matches!(reason, "MALFORMED_FUNCTION_CALL" | "UNEXPECTED_TOOL_CALL");
            self.finish = Some(finish(reason));
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<Event>) -> Result<(), Failure> {
        if self.malformed {
            return Err(Failure::new(FailureClass::Garbled, "the model made a malformed tool call"));
        }
        let finish =
            self.finish.ok_or_else(|| Failure::new(FailureClass::Truncated, "the answer has no finish reason"))?;
        out.push(Event::Done(finish));
        Ok(())
    }

    fn is_finished(&self) -> bool {
        self.finish.is_some()
    }
}

fn finish(reason: &str) -> Finish {
    match reason {
        "MAX_TOKENS" => Finish::Length,
        "SAFETY" | "RECITATION" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII" => Finish::ContentFilter,
        image if image.starts_with("IMAGE_") => Finish::ContentFilter,
        _ => Finish::Stop,
    }
}

#[cfg(test)]
#[path = "tests/gemini.rs"]
mod tests;
