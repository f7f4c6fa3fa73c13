//! Anthropic Messages.

use std::collections::BTreeMap;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Map, Value, json};

use super::connect::{self, ConnectError, Sighting};
use super::events::{self, Decoder, arguments, count, text};
use super::http::{Auth, Framing, Http};
use super::{Call, Event, Events, Finish, Wire, errors};
use crate::config::BackendConfig;
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::health::FoundModel;
use crate::domain::id::ModelId;
use crate::domain::prompt::{Format, Message, Part, Prompt, Role, ToolCall, ToolChoice};
use crate::domain::usage::Usage;

/// The limit that is sent where the request names none: the protocol demands one. Models that think count their thoughts
/// against it, and answers above some 21 000 tokens should not be awaited whole.
const MAX_TOKENS: u32 = 16_000;

/// The Anthropic wire.
pub(super) struct Anthropic {
    http: Http,
    names: Vec<ModelId>,
}

impl Anthropic {
    pub(super) fn new(config: &BackendConfig) -> Result<Self, ConnectError> {
        let base = connect::base_without(config, &["/v1"]);
        // Sending both headers is answered with 401.
        let auth = if config.bearer { Auth::Bearer } else { Auth::Header("x-api-key") };
        let http = Http::new(config, base, auth, &[("anthropic-version", "2023-06-01")])?;
        Ok(Self { http, names: connect::names(config) })
    }

    async fn look(&self) -> Result<Sighting, Failure> {
        let list = self.http.get("/v1/models?limit=1000").await?;
        // A part of the list would make the rest look missing.
        let whole = !list.get("has_more").and_then(Value::as_bool).unwrap_or(false);
        let models = list.get("data").and_then(Value::as_array).filter(|_| whole).map(|models| {
            let found = models.iter().filter_map(|model| {
                let context = count(model, "/max_input_tokens").and_then(|n| u32::try_from(n).ok());
                Some(FoundModel { id: text(model, "id")?.to_owned(), context, ..FoundModel::default() })
            });
            connect::with_short_names(found.collect(), &self.names)
        });
        Ok(Sighting::up(models))
    }
}

impl Wire for Anthropic {
    fn start<'a>(&'a self, prompt: &'a Prompt, call: &'a Call) -> BoxFuture<'a, Result<Events, Failure>> {
        async move {
            let response = self.http.post("/v1/messages", body(prompt, call)).await?;
            let framing = if call.stream { Framing::Sse } else { Framing::Whole };
            let frames = self.http.frames(response, framing)?;
            Ok(events::read(frames, Answer::default(), self.http.secrets()))
        }
        .boxed()
    }

    fn probe(&self) -> BoxFuture<'_, Result<Sighting, Failure>> {
        self.look().boxed()
    }
}

/// What a model of some name takes, as far as its name tells. What it does not tell, a 400 does: see
/// [`errors::drop_refused`].
struct Traits {
    /// Takes temperature and top_p.
    sampling: bool,
    /// Can be made to call a tool.
    forced_tools: bool,
    /// Takes a schema for its answer.
    schema: bool,
    /// The longest answer of models that give only short ones.
    max_tokens: u32,
}

impl Traits {
    fn of(model: &str) -> Self {
        let Some((family, version)) = family(model) else {
            return Self { sampling: true, forced_tools: true, schema: true, max_tokens: u32::MAX };
        };
        let sampling = match family {
            "opus" => version < (4, 7),
            "sonnet" | "fable" | "mythos" => version < (5, 0),
            "haiku" => version < (5, 5),
            _ => true,
        };
        Self {
            sampling,
            forced_tools: !matches!((family, version), ("fable" | "mythos", (5, 1)) | ("opus", (5, 5))),
            schema: version >= (4, 5),
            max_tokens: match version {
                (..3, _) | (3, ..5) => 4096,
                (3, 5) => 8192,
                _ => u32::MAX,
            },
        }
    }
}

/// Family and version: `claude-opus-5-5`, `claude-3-5-haiku-20241022`, with or without a gateway's prefix.
fn family(model: &str) -> Option<(&'static str, (u32, u32))> {
    let words: Vec<&str> = model.rsplit('/').next()?.split(['-', '.']).collect();
    let family = ["opus", "sonnet", "haiku", "fable", "mythos"].into_iter().find(|family| words.contains(family))?;
    // A date has eight digits and is no version.
    let mut numbers = words.iter().filter(|word| word.len() < 3).filter_map(|word| word.parse().ok());
    let major = numbers.next()?;
    Some((family, (major, numbers.next().unwrap_or(0))))
}

fn body(prompt: &Prompt, call: &Call) -> Value {
    let traits = Traits::of(call.model.as_str());
    let sampling = &prompt.sampling;
    let max_tokens =
        sampling.max_tokens.unwrap_or(MAX_TOKENS).min(call.max_output.unwrap_or(u32::MAX)).min(traits.max_tokens);
    let mut body = Map::new();
    body.insert("model".into(), json!(call.model));
    body.insert("max_tokens".into(), json!(max_tokens));
    let mut system: Vec<&str> =
        prompt.messages.iter().filter(|message| message.role == Role::System).flat_map(Message::texts).collect();
    let wanted;
    match &sampling.format {
        Format::Text => {}
        Format::Schema { schema, .. } if traits.schema => {
            body.insert("output_config".into(), json!({"format": {"type": "json_schema", "schema": schema}}));
        }
        // There is no mode for it: the model has to be asked.
        Format::Json => system.push("Answer with one JSON object and nothing else."),
        Format::Schema { schema, .. } => {
            wanted = format!("Answer with JSON that fits this schema, and nothing else: {schema}");
            system.push(&wanted);
        }
    }
    system.retain(|text| !text.trim().is_empty());
    if !system.is_empty() {
        body.insert("system".into(), json!(system.join("\n\n")));
    }
    let messages: Vec<Value> = prompt.messages.iter().filter_map(message).collect();
    body.insert("messages".into(), json!(messages));
    if !prompt.tools.is_empty() {
        let tools: Vec<Value> = prompt
            .tools
            .iter()
            .map(|tool| json!({"name": tool.name, "description": tool.description, "input_schema": tool.parameters}))
            .collect();
        body.insert("tools".into(), json!(tools));
        body.insert(
            "tool_choice".into(),
            match &prompt.tool_choice {
                ToolChoice::None => json!({"type": "none"}),
                ToolChoice::Required if traits.forced_tools => json!({"type": "any"}),
                ToolChoice::Named(name) if traits.forced_tools => json!({"type": "tool", "name": name}),
                ToolChoice::Auto | ToolChoice::Required | ToolChoice::Named(_) => json!({"type": "auto"}),
            },
        );
    }
    if traits.sampling {
        // Newer models take one of the two, and the temperature is the better known.
        if let Some(temperature) = sampling.temperature {
            body.insert("temperature".into(), json!(temperature.clamp(0.0, 1.0)));
        } else if let Some(top_p) = sampling.top_p {
            body.insert("top_p".into(), json!(top_p));
        }
    }
    let stop: Vec<&String> = sampling.stop.iter().filter(|stop| !stop.trim().is_empty()).collect();
    if !stop.is_empty() {
        body.insert("stop_sequences".into(), json!(stop));
    }
    body.insert("stream".into(), json!(call.stream));
    Value::Object(body)
}

/// A message, tool results first: the protocol wants them there. Empty texts are refused, so they are left out.
fn message(message: &Message) -> Option<Value> {
    let role = match message.role {
        Role::System => return None,
        Role::User => "user",
        Role::Assistant => "assistant",
    };
    let mut blocks = Vec::with_capacity(message.parts.len());
    let mut results = Vec::new();
    for part in &message.parts {
        match part {
            Part::Text { text } if text.trim().is_empty() => {}
            Part::Text { text } => blocks.push(json!({"type": "text", "text": text})),
            Part::Image { media_type, data } => blocks
                .push(json!({"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}})),
            Part::ToolCall(call) => {
                let input = if call.arguments.is_object() { call.arguments.clone() } else { json!({}) };
                blocks.push(json!({"type": "tool_use", "id": call.id, "name": call.name, "input": input}));
            }
            Part::ToolResult { call, content, is_error, .. } => results
                .push(json!({"type": "tool_result", "tool_use_id": call, "content": content, "is_error": is_error})),
        }
    }
    results.append(&mut blocks);
    (!results.is_empty()).then(|| json!({"role": role, "content": results}))
}

/// An answer as it comes together.
#[derive(Default)]
struct Answer {
    usage: Usage,
    calls: BTreeMap<u64, (String, String, String)>,
    /// A tool call whose arguments are no JSON: cut by the token limit, or an error.
    broken_call: bool,
    finish: Option<Finish>,
}

impl Answer {
    /// Takes in a usage report: each names only what changed.
    fn count(&mut self, usage: &Value) {
        let set = |slot: &mut u64, pointer: &str| *slot = count(usage, pointer).unwrap_or(*slot);
        set(&mut self.usage.input, "/input_tokens");
        set(&mut self.usage.cache_read, "/cache_read_input_tokens");
        set(&mut self.usage.output, "/output_tokens");
        set(&mut self.usage.reasoning, "/output_tokens_details/thinking_tokens");
        set(&mut self.usage.cache_write_1h, "/cache_creation/ephemeral_1h_input_tokens");
        if let Some(written) = count(usage, "/cache_creation_input_tokens") {
            self.usage.cache_write = written.saturating_sub(self.usage.cache_write_1h);
        }
    }

    fn whole(&mut self, message: &Value, out: &mut Vec<Event>) -> Result<(), Failure> {
        for block in message.get("content").and_then(Value::as_array).into_iter().flatten() {
            match text(block, "type") {
                Some("text") => out.push(Event::Text(text(block, "text").unwrap_or_default().to_owned())),
                Some("thinking") => out.push(Event::Thinking(text(block, "thinking").unwrap_or_default().to_owned())),
                Some("tool_use") => out.push(Event::ToolCall(ToolCall {
                    id: text(block, "id").unwrap_or_default().to_owned(),
                    name: text(block, "name").unwrap_or_default().to_owned(),
                    arguments: block.get("input").cloned().unwrap_or_else(|| json!({})),
                    signature: None,
                })),
                _ => {}
            }
        }
        if let Some(usage) = message.get("usage") {
            self.count(usage);
        }
        self.finish = text(message, "stop_reason").map(finish);
        self.stop(out)
    }

    fn block(&mut self, index: u64, block: &Value, out: &mut Vec<Event>) {
        match text(block, "type") {
            Some("tool_use") => {
                let field = |name| text(block, name).unwrap_or_default().to_owned();
                out.push(Event::Growing(field("name").len()));
                self.calls.insert(index, (field("id"), field("name"), String::new()));
            }
            Some("text") => out.push(Event::Text(text(block, "text").unwrap_or_default().to_owned())),
            Some("thinking") => out.push(Event::Thinking(text(block, "thinking").unwrap_or_default().to_owned())),
            _ => {}
        }
    }

    fn delta(&mut self, index: u64, delta: &Value, out: &mut Vec<Event>) {
        let field = |name| text(delta, name).unwrap_or_default();
        match text(delta, "type") {
            Some("text_delta") => out.push(Event::Text(field("text").to_owned())),
            Some("thinking_delta") => out.push(Event::Thinking(field("thinking").to_owned())),
            Some("input_json_delta") => {
                if let Some((_, _, json)) = self.calls.get_mut(&index) {
                    json.push_str(field("partial_json"));
                    out.push(Event::Growing(field("partial_json").len()));
                }
            }
            _ => {}
        }
    }

    fn stop(&mut self, out: &mut Vec<Event>) -> Result<(), Failure> {
        out.push(Event::Usage(self.usage));
        let finish =
            self.finish.ok_or_else(|| Failure::new(FailureClass::Truncated, "the answer has no stop reason"))?;
        if self.broken_call && finish != Finish::Length {
            return Err(Failure::new(FailureClass::Garbled, "a tool call's arguments are not JSON"));
        }
        out.push(Event::Done(finish));
        Ok(())
    }
}

impl Decoder for Answer {
    fn frame(&mut self, frame: &str, out: &mut Vec<Event>) -> Result<(), Failure> {
        let event = events::parse(frame)?;
        if let Some(failure) = errors::told(&event) {
            return Err(failure);
        }
        let index = count(&event, "/index").unwrap_or(0);
        let part = |name| event.get(name).unwrap_or(&Value::Null);
        match text(&event, "type") {
            Some("message") => return self.whole(&event, out),
            Some("message_start") => {
                self.count(event.pointer("/message/usage").unwrap_or(&Value::Null));
                out.push(Event::Usage(self.usage));
            }
            Some("content_block_start") => self.block(index, part("content_block"), out),
            Some("content_block_delta") => self.delta(index, part("delta"), out),
            Some("content_block_stop") => {
                if let Some((id, name, json)) = self.calls.remove(&index) {
                    match arguments(&json) {
                        Some(arguments) => out.push(Event::ToolCall(ToolCall { id, name, arguments, signature: None })),
                        None => self.broken_call = true,
                    }
                }
            }
            Some("message_delta") => {
                self.count(part("usage"));
                self.finish = text(part("delta"), "stop_reason").map(finish).or(self.finish);
            }
            Some("message_stop") => return self.stop(out),
            // Pings, and kinds that are yet to come.
            Some(_) => {}
            None => return Err(Failure::new(FailureClass::Garbled, "the answer is not a message")),
        }
        Ok(())
    }

    fn end(&mut self, _: &mut Vec<Event>) -> Result<(), Failure> {
        Err(Failure::new(FailureClass::Truncated, "the stream ended without message_stop"))
    }
}

fn finish(reason: &str) -> Finish {
    match reason {
        "max_tokens" | "model_context_window_exceeded" => Finish::Length,
        "tool_use" => Finish::ToolCalls,
        "refusal" => Finish::ContentFilter,
        _ => Finish::Stop,
    }
}

#[cfg(test)]
#[path = "tests/anthropic.rs"]
mod tests;
