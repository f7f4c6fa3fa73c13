//! OpenAI chat completions, as OpenAI, vLLM, llama.cpp, LiteLLM and RunPod serve them.

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Map, Value, json};

use super::connect::{self, ConnectError, Sighting};
use super::events::{count, text};
use super::http::{Auth, Framing, Http};
use super::openai_answer::{Answer, reported};
use super::{Call, Events, Wire, litellm, runpod_health};
use crate::config::BackendConfig;
use crate::domain::failure::Failure;
use crate::domain::health::{FoundModel, Health};
use crate::domain::id::ModelId;
use crate::domain::prompt::{Format, Message, Part, Prompt, Role, ToolChoice};

/// Who serves the protocol: routes and free questions differ, the answers do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flavour {
    /// The URL is the base that the paths are added to, `/v1` included where there is one.
    Plain,
    /// A LiteLLM proxy.
    Litellm,
    /// A RunPod serverless endpoint with vLLM's route.
    RunpodOpenai,
    /// A RunPod load balancer.
    RunpodBalancer,
}

/// The OpenAI wire.
pub(super) struct Openai {
    http: Http,
    flavour: Flavour,
    chat: &'static str,
    names: Vec<ModelId>,
    /// Where a RunPod endpoint tells about its workers.
    health: String,
}

impl Openai {
    pub(super) fn new(config: &BackendConfig, flavour: Flavour) -> Result<Self, ConnectError> {
        let (endings, chat): (&[&str], _) = match flavour {
            Flavour::Plain => (&[], "/chat/completions"),
            Flavour::Litellm | Flavour::RunpodBalancer => (&["/v1"], "/v1/chat/completions"),
            Flavour::RunpodOpenai => (&["/openai/v1", "/openai"], "/openai/v1/chat/completions"),
        };
        let fixed: &[_] = match flavour {
            // The gateway's own retries would multiply with ours.
            Flavour::Litellm => &[("x-litellm-num-retries", "0")],
            Flavour::Plain | Flavour::RunpodOpenai | Flavour::RunpodBalancer => &[],
        };
        let base = connect::base_without(config, endings);
        let health = match flavour {
            Flavour::RunpodBalancer => runpod_health::of_balancer(&base),
            Flavour::Plain | Flavour::Litellm | Flavour::RunpodOpenai => "/health".to_owned(),
        };
        let http = Http::new(config, base, Auth::Bearer, fixed)?;
        Ok(Self { http, flavour, chat, names: connect::names(config), health })
    }

    async fn look(&self) -> Result<Sighting, Failure> {
        match self.flavour {
            Flavour::Plain => self.listed().await,
            Flavour::Litellm => litellm::look(&self.http).await,
            // The list of models would be a job that wakes a worker.
            Flavour::RunpodOpenai | Flavour::RunpodBalancer => runpod_health::look(&self.http, &self.health).await,
        }
    }

    async fn listed(&self) -> Result<Sighting, Failure> {
        match self.http.get("/models").await {
            Ok(list) => Ok(Sighting::up(models(&list, &self.names))),
            // A pod's proxy, while the service behind it starts.
            Err(failure) if matches!(failure.status, Some(404 | 502)) && self.http.is_pod() => {
                Ok(Sighting::new(Health::Warming, "the pod runs, its service does not answer yet"))
            }
            // Some hosts list nothing; with a wrong URL it looks the same. Requests will tell.
            Err(failure) if failure.status == Some(404) => {
                Ok(Sighting::new(Health::Degraded, "lists no models: does its URL need /v1 at the end?"))
            }
            Err(failure) => Err(failure),
        }
    }
}

/// The models of an OpenAI list; `None` if it is only a part.
pub(super) fn models(list: &Value, names: &[ModelId]) -> Option<Vec<FoundModel>> {
    let models = list.get("data").or(Some(list)).and_then(Value::as_array)?;
    if list.get("has_more").and_then(Value::as_bool) == Some(true) {
        return None;
    }
    let found =
        models.iter().filter(|model| text(model, "mode").is_none_or(|mode| mode == "chat")).filter_map(|model| {
            let context = ["/max_model_len", "/max_input_tokens", "/context_length", "/context_window", "/meta/n_ctx"]
                .iter()
                .find_map(|pointer| count(model, pointer))
                .and_then(|tokens| u32::try_from(tokens).ok());
            Some(FoundModel { id: text(model, "id")?.to_owned(), context, ..FoundModel::default() })
        });
    Some(connect::with_short_names(found.collect(), names))
}

impl Wire for Openai {
    fn start<'a>(&'a self, prompt: &'a Prompt, call: &'a Call) -> BoxFuture<'a, Result<Events, Failure>> {
        async move {
            let response = self.http.post(self.chat, body(prompt, call)).await?;
            let framing = if call.stream { Framing::Sse } else { Framing::Whole };
            let answer = Answer::new(reported(response.headers()));
            self.http.answer(response, framing, answer)
        }
        .boxed()
    }

    fn probe(&self) -> BoxFuture<'_, Result<Sighting, Failure>> {
        self.look().boxed()
    }
}

/// Whether a model by its name is one of OpenAI's that think: they take no sampling, and another name for the limit.
fn thinks(model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or(model);
    let generation = name.strip_prefix("gpt-").and_then(|rest| rest.chars().next()?.to_digit(10));
    let o_series = name.strip_prefix('o').and_then(|rest| rest.chars().next()).is_some_and(|c| c.is_ascii_digit());
    o_series || generation.is_some_and(|generation| generation >= 5)
}

/// The body of a chat completion.
pub(super) fn body(prompt: &Prompt, call: &Call) -> Value {
    let sampling = &prompt.sampling;
    let name = call.model.as_str();
    let thinks = thinks(name);
    let mut body = Map::new();
    body.insert("model".into(), json!(call.model));
    body.insert("messages".into(), json!(messages(prompt)));
    if let Some(limit) = sampling.max_tokens {
        let field = if thinks { "max_completion_tokens" } else { "max_tokens" };
        body.insert(field.into(), json!(limit.min(call.max_output.unwrap_or(u32::MAX))));
    }
    if !thinks {
        if let Some(temperature) = sampling.temperature {
            body.insert("temperature".into(), json!(temperature));
        }
        if let Some(top_p) = sampling.top_p {
            body.insert("top_p".into(), json!(top_p));
        }
    }
    if let Some(seed) = sampling.seed {
        body.insert("seed".into(), json!(seed));
    }
    if !sampling.stop.is_empty() && !thinks && !name.contains("grok-4") {
        body.insert("stop".into(), json!(sampling.stop));
    }
    match &sampling.format {
        Format::Text => {}
        Format::Json => {
            body.insert("response_format".into(), json!({"type": "json_object"}));
        }
        Format::Schema { name, schema } => {
            let format = json!({"type": "json_schema", "json_schema": {"name": name, "schema": schema}});
            body.insert("response_format".into(), format);
        }
    }
    if !prompt.tools.is_empty() {
        body.insert("tools".into(), json!(tools(prompt)));
        body.insert(
            "tool_choice".into(),
            match &prompt.tool_choice {
                ToolChoice::Auto => json!("auto"),
                ToolChoice::None => json!("none"),
                ToolChoice::Required => json!("required"),
                ToolChoice::Named(name) => json!({"type": "function", "function": {"name": name}}),
            },
        );
    }
    body.insert("stream".into(), json!(call.stream));
    if call.stream {
        body.insert("stream_options".into(), json!({"include_usage": true}));
    }
    Value::Object(body)
}

/// Tools in the form that Ollama shares.
pub(super) fn tools(prompt: &Prompt) -> Vec<Value> {
    let tools = prompt.tools.iter().map(|tool| {
        let function = json!({"name": tool.name, "description": tool.description, "parameters": tool.parameters});
        json!({"type": "function", "function": function})
    });
    tools.collect()
}

/// The conversation.
pub(super) fn messages(prompt: &Prompt) -> Vec<Value> {
    let mut messages = Vec::with_capacity(prompt.messages.len());
    for message in &prompt.messages {
        for part in &message.parts {
            if let Part::ToolResult { call, content, .. } = part {
                messages.push(json!({"role": "tool", "tool_call_id": call, "content": content}));
            }
        }
        let role = match message.role {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        let calls: Vec<Value> = message
            .parts
            .iter()
            .filter_map(|part| match part {
                Part::ToolCall(call) => {
                    let function = json!({"name": call.name, "arguments": call.arguments.to_string()});
                    Some(json!({"id": call.id, "type": "function", "function": function}))
                }
                Part::Text { .. } | Part::Image { .. } | Part::ToolResult { .. } => None,
            })
            .collect();
        let content = content(message);
        if !calls.is_empty() {
            messages.push(json!({"role": role, "content": content, "tool_calls": calls}));
        } else if !content.is_null() {
            messages.push(json!({"role": role, "content": content}));
        }
    }
    messages
}

/// A message's content: plain text where there is nothing else, since not every server takes parts; null where nothing.
fn content(message: &Message) -> Value {
    let mut parts = Vec::new();
    for part in &message.parts {
        match part {
            Part::Text { text } => parts.push(json!({"type": "text", "text": text})),
            Part::Image { media_type, data } => {
                let url = format!("data:{media_type};base64,{data}");
                parts.push(json!({"type": "image_url", "image_url": {"url": url}}));
            }
            Part::ToolCall(_) | Part::ToolResult { .. } => {}
        }
    }
    if parts.is_empty() {
        return Value::Null;
    }
    if message.parts.iter().any(|part| matches!(part, Part::Image { .. })) {
        return json!(parts);
    }
    json!(message.texts().collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
#[path = "tests/openai.rs"]
mod tests;
