//! What is sent to a model: messages, tools and sampling parameters, in one form that every protocol maps from.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions that stand above the conversation.
    #[serde(alias = "developer")]
    System,
    /// The person or program that asks.
    User,
    /// The model.
    Assistant,
}

/// One piece of a message.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Part {
    /// Plain text.
    Text {
        /// The text.
        text: String,
    },
    /// A picture, inline.
    Image {
        /// The MIME type, such as `image/png`.
        media_type: String,
        /// The bytes, in base64.
        data: String,
    },
    /// The model asked for a tool; only in assistant messages.
    ToolCall(ToolCall),
    /// What a tool answered; only in user messages.
    ToolResult {
        /// The id of the call that this answers.
        call: String,
        /// The tool's name.
        name: String,
        /// What the tool returned, as text.
        content: String,
        /// Whether the tool failed.
        is_error: bool,
    },
}

/// A model's wish to have a tool run.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The id that the result must name.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// The arguments: a JSON object.
    pub arguments: Value,
    /// An opaque token that Gemini wants back with the call, exactly as it came.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub signature: Option<String>,
}

/// One turn of a conversation.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub parts: Vec<Part>,
}

impl Message {
    /// A message of one text.
    #[must_use]
    pub fn text(role: Role, text: impl Into<String>) -> Self {
        Self { role, parts: vec![Part::Text { text: text.into() }] }
    }

    /// Everything in this message that a person could read, tool results and arguments left out.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Text { text } => Some(text.as_str()),
            Part::Image { .. } | Part::ToolCall(_) | Part::ToolResult { .. } => None,
        })
    }
}

/// A tool that the model may ask for.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Tool {
    /// The tool's name.
    pub name: String,
    /// What it does, for the model.
    pub description: String,
    /// A JSON Schema of its arguments.
    pub parameters: Value,
}

/// Whether the model may, must or must not ask for a tool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum ToolChoice {
    /// As the model sees fit.
    #[default]
    Auto,
    /// No tool.
    None,
    /// Some tool.
    Required,
    /// This tool.
    Named(String),
}

/// What form the answer must have.
#[derive(Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Free text.
    #[default]
    Text,
    /// A JSON object.
    Json,
    /// JSON that fits a schema.
    Schema {
        /// The schema's name.
        name: String,
        /// The schema.
        schema: Value,
    },
}

/// How the answer is drawn. What is `None` is left to the model's own default.
#[derive(Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct Sampling {
    /// The longest answer, in tokens, reasoning included.
    pub max_tokens: Option<u32>,
    /// 0 to 2; adapters leave it out for models that refuse it.
    pub temperature: Option<f32>,
    /// 0 to 1.
    pub top_p: Option<f32>,
    /// For repeatable answers where the model supports it.
    pub seed: Option<i64>,
    /// Texts at which the answer ends.
    pub stop: Vec<String>,
    /// The answer's form.
    pub format: Format,
}

/// All that a model is given. Its `Debug` form shows sizes, never text, so that it can stand in a log.
#[derive(Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Prompt {
    /// The conversation, system messages included, oldest first.
    pub messages: Vec<Message>,
    /// Tools on offer.
    #[serde(default)]
    pub tools: Vec<Tool>,
    /// Whether a tool must be used.
    #[serde(default)]
    pub tool_choice: ToolChoice,
    /// How the answer is drawn.
    #[serde(default)]
    pub sampling: Sampling,
}

impl Prompt {
    /// A prompt of one user message.
    #[must_use]
    pub fn user(text: impl Into<String>) -> Self {
        Self { messages: vec![Message::text(Role::User, text)], ..Self::default() }
    }

    /// The text of the last user message: what the request is about. Empty if there is none.
    #[must_use]
    pub fn question(&self) -> Cow<'_, str> {
        let Some(message) = self.messages.iter().rev().find(|message| message.role == Role::User) else {
            return Cow::default();
        };
        let mut texts = message.texts();
        let first = texts.next().unwrap_or_default();
        match texts.next() {
            None => Cow::Borrowed(first),
            Some(second) => Cow::Owned([first, second].into_iter().chain(texts).collect::<Vec<_>>().join("\n")),
        }
    }

    /// Every text that would leave with this prompt, with the index of its message: message texts, tool calls and their
    /// results, and what a picture is said to be; and, under the index one past the messages, tools, the one that must be
    /// used, the answer's schema and the texts that end it.
    pub fn every_text(&self) -> Vec<(usize, Cow<'_, str>)> {
        let mut texts = Vec::new();
        for (index, message) in self.messages.iter().enumerate() {
            for part in &message.parts {
                match part {
                    Part::Text { text } => texts.push((index, text.as_str().into())),
                    Part::Image { media_type, .. } => texts.push((index, media_type.as_str().into())),
                    Part::ToolCall(call) => {
                        texts.push((index, call.id.as_str().into()));
                        texts.push((index, call.name.as_str().into()));
                        texts.push((index, readable(&call.arguments).into()));
                        texts.extend(call.signature.as_deref().map(|signature| (index, signature.into())));
                    }
                    Part::ToolResult { call, name, content, .. } => {
                        texts.push((index, call.as_str().into()));
                        texts.push((index, name.as_str().into()));
                        texts.push((index, content.as_str().into()));
                    }
                }
            }
        }
        let beside = self.messages.len();
        for tool in &self.tools {
            texts.push((beside, tool.name.as_str().into()));
            texts.push((beside, tool.description.as_str().into()));
            texts.push((beside, readable(&tool.parameters).into()));
        }
        if let ToolChoice::Named(name) = &self.tool_choice {
            texts.push((beside, name.as_str().into()));
        }
        if let Format::Schema { name, schema } = &self.sampling.format {
            texts.push((beside, name.as_str().into()));
            texts.push((beside, readable(schema).into()));
        }
        texts.extend(self.sampling.stop.iter().map(|stop| (beside, stop.as_str().into())));
        texts
    }

    /// How many pictures the messages carry.
    #[must_use]
    pub fn images(&self) -> usize {
        self.messages.iter().flat_map(|m| &m.parts).filter(|part| matches!(part, Part::Image { .. })).count()
    }

    /// Bytes of text in the messages and tools: what token estimates start from.
    #[must_use]
    pub fn text_bytes(&self) -> usize {
        self.every_text().iter().map(|(_, text)| text.len()).sum()
    }
}

/// JSON with its texts as a person would read them: an escaped line break must not hide where a word begins.
fn readable(value: &Value) -> String {
    fn write(value: &Value, out: &mut String) {
        match value {
            Value::String(text) => quote(text, out),
            Value::Array(items) => {
                out.push('[');
                for item in items {
                    write(item, out);
                    out.push(',');
                }
                out.push(']');
            }
            Value::Object(fields) => {
                out.push('{');
                for (name, field) in fields {
                    quote(name, out);
                    out.push(':');
                    write(field, out);
                    out.push(',');
                }
                out.push('}');
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => out.push_str(&value.to_string()),
        }
    }
    fn quote(text: &str, out: &mut String) {
        out.push('"');
        out.push_str(text);
        out.push('"');
    }
    let mut out = String::new();
    write(value, &mut out);
    out
}

impl From<&str> for Prompt {
    fn from(text: &str) -> Self {
        Self::user(text)
    }
}

impl From<String> for Prompt {
    fn from(text: String) -> Self {
        Self::user(text)
    }
}

impl std::fmt::Debug for Prompt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prompt")
            .field("messages", &self.messages.len())
            .field("tools", &self.tools.len())
            .field("text_bytes", &self.text_bytes())
            .finish_non_exhaustive()
    }
}
