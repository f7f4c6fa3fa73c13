//! Where in a prompt something can stand.

use serde_json::{Value, json};

use super::super::FindingKind;
use crate::domain::prompt::{Format, Message, Part, Prompt, Role, Tool, ToolCall, ToolChoice};

/// A place for a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    System,
    FirstQuestion,
    MiddleQuestion,
    LastQuestion,
    SecondPart,
    JsonInText,
    ToolResult,
    JsonInToolResult,
    Assistant,
    CallName,
    CallId,
    Argument,
    NestedArgument,
    ArgumentName,
    Signature,
    ResultName,
    ResultId,
    ToolName,
    ToolDescription,
    ToolParameters,
    ToolChoice,
    Schema,
    SchemaName,
    Stop,
    MediaType,
}

impl Place {
    pub(crate) const ALL: [Self; 25] = [
        Self::System,
        Self::FirstQuestion,
        Self::MiddleQuestion,
        Self::LastQuestion,
        Self::SecondPart,
        Self::JsonInText,
        Self::ToolResult,
        Self::JsonInToolResult,
        Self::Assistant,
        Self::CallName,
        Self::CallId,
        Self::Argument,
        Self::NestedArgument,
        Self::ArgumentName,
        Self::Signature,
        Self::ResultName,
        Self::ResultId,
        Self::ToolName,
        Self::ToolDescription,
        Self::ToolParameters,
        Self::ToolChoice,
        Self::Schema,
        Self::SchemaName,
        Self::Stop,
        Self::MediaType,
    ];

    /// Whether the guard claims to find this kind here: what a prompt is about is said by whoever asks and by tools.
    pub(crate) fn is_for(self, kind: FindingKind) -> bool {
        kind.is_a_value()
            || matches!(
                self,
                Self::FirstQuestion | Self::MiddleQuestion | Self::LastQuestion | Self::SecondPart | Self::ToolResult
            )
    }

    /// Whether a placeholder here would not be understood, so that the prompt stays here instead.
    pub(crate) const fn keeps_what_is_redacted(self) -> bool {
        matches!(self, Self::CallId | Self::ResultId | Self::Signature | Self::MediaType)
    }

    /// Puts a text there, beside what stands there already.
    pub(crate) fn put(self, prompt: &mut Prompt, text: &str) {
        match self {
            Self::System => add(&mut prompt.messages[0], text),
            Self::FirstQuestion => add(&mut prompt.messages[1], text),
            Self::MiddleQuestion => add(&mut prompt.messages[3], text),
            Self::LastQuestion => add(&mut prompt.messages[6], text),
            Self::SecondPart => prompt.messages[6].parts.push(Part::Text { text: text.to_owned() }),
            Self::JsonInText => add(&mut prompt.messages[6], &json!({"note": [text], "n": 1}).to_string()),
            Self::ToolResult => result(prompt, |_, _, content| *content = format!("{content} {text}")),
            Self::JsonInToolResult => {
                result(prompt, |_, _, content| *content = json!({"was": content, "lines": {"note": text}}).to_string());
            }
            Self::Assistant => add(&mut prompt.messages[2], text),
            Self::CallName => call(prompt, |call| call.name = text.to_owned()),
            Self::CallId => call(prompt, |call| call.id = text.to_owned()),
            Self::Argument => call(prompt, |call| call.arguments["note"] = json!(text)),
            Self::NestedArgument => call(prompt, |call| call.arguments["deep"] = json!([1, {"in": [text]}, null])),
            Self::ArgumentName => call(prompt, |call| call.arguments[text] = json!(true)),
            Self::Signature => call(prompt, |call| call.signature = Some(text.to_owned())),
            Self::ResultName => result(prompt, |_, name, _| *name = text.to_owned()),
            Self::ResultId => result(prompt, |id, _, _| *id = text.to_owned()),
            Self::ToolName => prompt.tools[0].name = text.to_owned(),
            Self::ToolDescription => prompt.tools[0].description = text.to_owned(),
            Self::ToolParameters => prompt.tools[0].parameters["description"] = json!(text),
            Self::ToolChoice => prompt.tool_choice = ToolChoice::Named(text.to_owned()),
            Self::Schema => schema(prompt, |_, schema| schema["description"] = json!(text)),
            Self::SchemaName => schema(prompt, |name, _| *name = text.to_owned()),
            Self::Stop => prompt.sampling.stop.push(text.to_owned()),
            Self::MediaType => {
                let image = Part::Image { media_type: text.to_owned(), data: "iVBORw0KGgo=".to_owned() };
                prompt.messages[6].parts.push(image);
            }
        }
    }
}

fn add(message: &mut Message, more: &str) {
    let Some(Part::Text { text }) = message.parts.first_mut() else { panic!("it has a text") };
    *text = format!("{text}\n{more}");
}

fn call(prompt: &mut Prompt, change: impl FnOnce(&mut ToolCall)) {
    let Part::ToolCall(call) = &mut prompt.messages[4].parts[0] else { panic!("a call stands there") };
    change(call);
}

fn result(prompt: &mut Prompt, change: impl FnOnce(&mut String, &mut String, &mut String)) {
    let Part::ToolResult { call, name, content, .. } = &mut prompt.messages[5].parts[0] else { panic!("a result") };
    change(call, name, content);
}

fn schema(prompt: &mut Prompt, change: impl FnOnce(&mut String, &mut Value)) {
    if prompt.sampling.format == Format::Text {
        prompt.sampling.format = Format::Schema { name: "answer".to_owned(), schema: json!({"type": "object"}) };
    }
    let Format::Schema { name, schema } = &mut prompt.sampling.format else { panic!("a schema") };
    change(name, schema);
}

/// A harmless conversation with a message for every place. `question` is what it asks last.
pub(crate) fn conversation(question: &str) -> Prompt {
    let mut prompt = Prompt::default();
    let call = ToolCall {
        id: "call_1".to_owned(),
        name: "look_up".to_owned(),
        arguments: json!({"what": "tides"}),
        signature: None,
    };
    let result = Part::ToolResult {
        call: "call_1".to_owned(),
        name: "look_up".to_owned(),
        content: "The moon pulls the water.".to_owned(),
        is_error: false,
    };
    prompt.messages = vec![
        Message::text(Role::System, "You answer in short sentences."),
        Message::text(Role::User, "Good morning."),
        Message::text(Role::Assistant, "Good morning to you."),
        Message::text(Role::User, "Let us speak of the sea."),
        Message { role: Role::Assistant, parts: vec![Part::ToolCall(call)] },
        Message { role: Role::User, parts: vec![result] },
        Message::text(Role::User, question),
    ];
    prompt.tools.push(Tool {
        name: "look_up".to_owned(),
        description: "Looks something up".to_owned(),
        parameters: json!({"type": "object"}),
    });
    prompt
}

/// Every text in a prompt, whatever field it stands in: by its stored form, so that no field can be forgotten.
pub(crate) fn strings(prompt: &Prompt) -> Vec<String> {
    fn walk(value: Value, out: &mut Vec<String>) {
        match value {
            Value::String(text) => out.push(text),
            Value::Array(items) => items.into_iter().for_each(|item| walk(item, out)),
            Value::Object(fields) => {
                for (name, field) in fields {
                    out.push(name);
                    walk(field, out);
                }
            }
            Value::Number(number) => out.push(number.to_string()),
            Value::Bool(_) | Value::Null => {}
        }
    }
    let mut out = Vec::new();
    walk(serde_json::to_value(prompt).expect("a prompt is JSON"), &mut out);
    out
}
