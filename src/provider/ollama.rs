//! Ollama's own chat route: unlike its OpenAI route it takes the window, and tells what loading took.

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Map, Value, json};

use super::connect::{self, ConnectError, Sighting};
use super::events::{self, Decoder, count, text};
use super::http::{Auth, Framing, Http};
use super::{Call, Event, Events, Finish, Wire, errors, openai};
use crate::config::BackendConfig;
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::health::{FoundModel, Health};
use crate::domain::id::ModelId;
use crate::domain::prompt::{Format, Part, Prompt, Role, ToolCall, ToolChoice};
use crate::domain::usage::Usage;

/// The window that is asked for where nothing names one. Ollama's own choice depends on the machine's memory, and a
/// prompt that is longer is cut without a word; each other window than the one in use costs a reload.
const NUM_CTX: u32 = 8192;
/// Loads shorter than this are no cold start: a warm model takes some milliseconds as well.
const COLD: Duration = Duration::from_millis(500);

/// The Ollama wire.
pub(super) struct Ollama {
    http: Http,
    num_ctx: u32,
    keep_alive: Option<Value>,
    names: Vec<ModelId>,
}

impl Ollama {
    pub(super) fn new(config: &BackendConfig) -> Result<Self, ConnectError> {
        let base = connect::base_without(config, &["/api", "/v1"]);
        // A bare number is seconds, and Ollama takes it only as a number.
        let keep_alive = config
            .keep_alive
            .as_deref()
            .map(|time| time.trim().parse::<i64>().map_or_else(|_| json!(time.trim()), |seconds| json!(seconds)));
        Ok(Self {
            http: Http::new(config, base, Auth::Bearer, &[])?,
            num_ctx: config.num_ctx.unwrap_or(NUM_CTX),
            keep_alive,
            names: connect::names(config),
        })
    }

    async fn look(&self) -> Result<Sighting, Failure> {
        let version = self.http.get("/api/version").await?;
        let tags = self.http.get("/api/tags").await?;
        let running = self.http.get("/api/ps").await?;
        let mut sighting = Sighting::new(
            Health::Up,
            match text(&version, "version") {
                Some(version) => format!("Ollama {version}"),
                None => String::new(),
            },
        );
        sighting.models = self.models(&tags, &running);
        Ok(sighting)
    }

    fn models(&self, tags: &Value, running: &Value) -> Option<Vec<FoundModel>> {
        let running = running.get("models")?.as_array()?;
        let loaded = |name: &str| running.iter().find(|model| text(model, "name") == Some(name));
        let found = tags.get("models")?.as_array()?.iter().filter(|model| !only_embeds(model)).filter_map(|model| {
            let name = text(model, "name")?;
            let remote = is_remote(model, name);
            Some(FoundModel {
                id: name.to_owned(),
                loaded: (!remote).then(|| loaded(name).is_some()),
                memory: if remote { None } else { loaded(name).and_then(memory).or_else(|| count(model, "/size")) },
                // The window that this wire asks for, not the one that whoever loaded the model happened to choose.
                context: (!remote).then_some(self.num_ctx),
                remote,
                ..FoundModel::default()
            })
        });
        Some(connect::with_short_names(found.collect(), &self.names))
    }
}

/// The memory that a loaded model takes: the card's, or where it runs on the processor alone, the machine's.
fn memory(running: &Value) -> Option<u64> {
    count(running, "/size_vram").filter(|bytes| *bytes > 0).or_else(|| count(running, "/size"))
}

/// Whether a listed model is no model to talk to.
fn only_embeds(model: &Value) -> bool {
    match model.get("capabilities").and_then(Value::as_array) {
        Some(able) if !able.is_empty() => !able.iter().any(|one| one.as_str() == Some("completion")),
        // Older servers do not say.
        _ => {
            let family = model.pointer("/details/family").and_then(Value::as_str).unwrap_or_default();
            family.contains("bert") || text(model, "name").is_some_and(|name| name.contains("embed"))
        }
    }
}

/// Whether a listed model runs on Ollama's machines.
fn is_remote(model: &Value, name: &str) -> bool {
    let named = |field| text(model, field).is_some_and(|value| !value.is_empty());
    named("remote_host") || named("remote_model") || name.ends_with("-cloud") || name.ends_with(":cloud")
}

/// A server that is not signed in refuses Ollama's cloud models, and only those: its own models go on serving.
fn about_the_cloud(failure: Failure, model: &str) -> Failure {
    if failure.class != FailureClass::KeyRefused || !is_remote(&Value::Null, model) {
        return failure;
    }
    let mut told = Failure::new(FailureClass::ModelMissing, &format!("Ollama's cloud refuses: {}", failure.message));
    told.status = failure.status;
    told
}

impl Wire for Ollama {
    fn start<'a>(&'a self, prompt: &'a Prompt, call: &'a Call) -> BoxFuture<'a, Result<Events, Failure>> {
        async move {
            let window = call.context.unwrap_or(self.num_ctx);
            let sent = self.http.post("/api/chat", self.body(prompt, call, window)).await;
            let response = sent.map_err(|failure| about_the_cloud(failure, call.model.as_str()))?;
            let framing = if call.stream { Framing::Ndjson } else { Framing::Whole };
            // What a picture comes to in tokens is anybody's guess.
            let expected = if prompt.images() > 0 { 0 } else { call.input_tokens };
            let answer = Answer { window, expected, called: 0 };
            self.http.answer(response, framing, answer)
        }
        .boxed()
    }

    fn probe(&self) -> BoxFuture<'_, Result<Sighting, Failure>> {
        self.look().boxed()
    }

    fn load<'a>(&'a self, model: &'a ModelId, context: Option<u32>) -> BoxFuture<'a, Result<(), Failure>> {
        async move {
            // Everything that decides how a model is loaded must be as in a request, or the next one loads it again.
            let mut body = self.order(model, context.unwrap_or(self.num_ctx));
            body["stream"] = json!(false);
            // Without a prompt it is an order to load.
            let response = self.http.post("/api/generate", body).await?;
            let told = self.http.json(response).await?;
            errors::told(&told).map_or(Ok(()), Err)
        }
        .boxed()
    }
}

impl Ollama {
    /// What goes with every order, with messages or without: a change of any of it loads the model again. Without
    /// `truncate` and `shift` Ollama cuts the oldest messages of a prompt that is too long, and says nothing.
    fn order(&self, model: &ModelId, window: u32) -> Value {
        let mut options = Map::new();
        // Ollama's own machines choose for themselves.
        if !is_remote(&Value::Null, model.as_str()) {
            options.insert("num_ctx".into(), json!(window));
        }
        let mut body = json!({"model": model, "options": options, "truncate": false, "shift": false});
        if let Some(keep_alive) = &self.keep_alive {
            body["keep_alive"] = keep_alive.clone();
        }
        body
    }

    fn body(&self, prompt: &Prompt, call: &Call, window: u32) -> Value {
        let sampling = &prompt.sampling;
        let mut body = self.order(&call.model, window);
        let options = &mut body["options"];
        if let Some(limit) = sampling.max_tokens {
            options["num_predict"] = json!(limit);
        }
        if let Some(temperature) = sampling.temperature {
            options["temperature"] = json!(temperature);
        }
        if let Some(top_p) = sampling.top_p {
            options["top_p"] = json!(top_p);
        }
        if let Some(seed) = sampling.seed {
            options["seed"] = json!(seed);
        }
        if !sampling.stop.is_empty() {
            options["stop"] = json!(sampling.stop);
        }
        body["messages"] = json!(messages(prompt));
        body["stream"] = json!(call.stream);
        // There is no way to demand a tool here; one can be named by offering no other.
        let tools = match &prompt.tool_choice {
            ToolChoice::None => Vec::new(),
            ToolChoice::Auto | ToolChoice::Required => openai::tools(prompt),
            ToolChoice::Named(name) => {
                let mut tools = openai::tools(prompt);
                tools.retain(|tool| tool.pointer("/function/name").and_then(Value::as_str) == Some(name));
                tools
            }
        };
        if !tools.is_empty() {
            body["tools"] = json!(tools);
        }
        match &sampling.format {
            Format::Text => {}
            Format::Json => body["format"] = json!("json"),
            Format::Schema { schema, .. } => body["format"] = schema.clone(),
        }
        body
    }
}

fn messages(prompt: &Prompt) -> Vec<Value> {
    let mut messages = Vec::with_capacity(prompt.messages.len());
    for message in &prompt.messages {
        let (mut images, mut calls) = (Vec::new(), Vec::new());
        for part in &message.parts {
            match part {
                Part::Text { .. } => {}
                Part::Image { data, .. } => images.push(json!(data)),
                Part::ToolCall(call) => {
                    calls.push(json!({"id": call.id, "function": {"name": call.name, "arguments": call.arguments}}));
                }
                Part::ToolResult { call, name, content, .. } => {
                    messages.push(json!({"role": "tool", "tool_name": name, "tool_call_id": call, "content": content}));
                }
            }
        }
        let role = match message.role {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        let content = message.texts().collect::<Vec<_>>().join("\n");
        if content.is_empty() && images.is_empty() && calls.is_empty() {
            continue;
        }
        let mut one = json!({"role": role, "content": content});
        if !images.is_empty() {
            one["images"] = json!(images);
        }
        if !calls.is_empty() {
            one["tool_calls"] = json!(calls);
        }
        messages.push(one);
    }
    messages
}

struct Answer {
    window: u32,
    /// Our estimate of the prompt's tokens; nought where there is none worth the name.
    expected: u32,
    called: usize,
}

impl Answer {
    /// Whether the prompt was cut to fit. Servers that know `truncate` refuse such a prompt; older ones ignore the word,
    /// and drop whole messages. Our estimate is rough, so it has to be far off, and the prompt has to be one for which
    /// the window might have been too small: a server that counts only what its cache had not is not to be taken for
    /// one that cut. A prompt that is longer than the window was not cut to it: the real window is wider.
    fn was_cut(&self, usage: Usage) -> bool {
        let (expected, window) = (u64::from(self.expected), u64::from(self.window));
        let full = usage.total() >= window && expected > window && usage.input * 5 < expected * 4;
        let short = expected > 1000 && expected > window / 2 && usage.input < expected / 3;
        (1..=window).contains(&usage.input) && (full || short)
    }

    fn done(&self, line: &Value, out: &mut Vec<Event>) -> Result<(), Failure> {
        let tokens = |field| count(line, field).unwrap_or(0);
        let usage = Usage { input: tokens("/prompt_eval_count"), output: tokens("/eval_count"), ..Usage::default() };
        out.push(Event::Usage(usage));
        let load = Duration::from_nanos(tokens("/load_duration"));
        if load >= COLD {
            out.push(Event::ColdStart(load));
        }
        if self.was_cut(usage) {
            let message = format!(
                "the prompt was cut: the model saw {} of about {} tokens in a window of {}",
                usage.input, self.expected, self.window
            );
            return Err(Failure::new(FailureClass::ContextTooLong, &message));
        }
        out.push(Event::Done(match text(line, "done_reason") {
            Some("length") => Finish::Length,
            _ => Finish::Stop,
        }));
        Ok(())
    }
}

impl Decoder for Answer {
    fn frame(&mut self, frame: &str, out: &mut Vec<Event>) -> Result<(), Failure> {
        let line = events::parse(frame)?;
        if let Some(failure) = errors::told(&line) {
            return Err(failure);
        }
        let Some(done) = line.get("done").and_then(Value::as_bool) else {
            return Err(Failure::new(FailureClass::Garbled, "the answer is not one of Ollama's"));
        };
        let message = line.get("message").unwrap_or(&Value::Null);
        out.push(Event::Thinking(text(message, "thinking").unwrap_or_default().to_owned()));
        out.push(Event::Text(text(message, "content").unwrap_or_default().to_owned()));
        for call in message.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
            let function = call.get("function").unwrap_or(&Value::Null);
            let id = text(call, "id").filter(|id| !id.is_empty());
            out.push(Event::ToolCall(ToolCall {
                id: id.map_or_else(|| format!("call_{}", self.called), str::to_owned),
                name: text(function, "name").unwrap_or_default().to_owned(),
                arguments: function.get("arguments").cloned().unwrap_or_else(|| json!({})),
                signature: None,
            }));
            self.called += 1;
        }
        if done { self.done(&line, out) } else { Ok(()) }
    }

    fn end(&mut self, _: &mut Vec<Event>) -> Result<(), Failure> {
        Err(Failure::new(FailureClass::Truncated, "the stream ended without a last line"))
    }
}

#[cfg(test)]
#[path = "tests/ollama.rs"]
mod tests;
