//! The answer to a chat completion, whole or in chunks: the two differ in one field's name.

use reqwest::header::HeaderMap;
use serde_json::Value;

use super::events::{self, Decoder, arguments, count, text};
use super::{Event, Finish, errors};
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::money::Money;
use crate::domain::prompt::ToolCall;
use crate::domain::usage::Usage;

/// What a LiteLLM proxy says an answer cost, in the head of an answer that comes whole. Nought is not taken as a
/// statement: it is also what the proxy writes where it knows no price.
pub(super) fn reported(headers: &HeaderMap) -> Option<Money> {
    let usd: f64 = headers.get("x-litellm-response-cost")?.to_str().ok()?.trim().parse().ok()?;
    Money::from_usd(usd).filter(|cost| *cost > Money::ZERO)
}

/// A tool call as it comes together.
#[derive(Default)]
struct Growing {
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
}

/// An answer as it comes together.
#[derive(Default)]
pub(super) struct Answer {
    cost: Option<Money>,
    calls: Vec<Growing>,
    /// How many were handed on: names those that came without an id.
    called: usize,
    finish: Option<Finish>,
    refused: bool,
}

impl Answer {
    pub(super) fn new(cost: Option<Money>) -> Self {
        Self { cost, ..Self::default() }
    }

    /// Takes in a chunk, or a whole body.
    pub(super) fn chunk(&mut self, chunk: &Value, out: &mut Vec<Event>) -> Result<(), Failure> {
        if let Some(failure) = errors::told(chunk) {
            return Err(failure);
        }
        if let Some(choice) = chunk.pointer("/choices/0") {
            match choice.get("delta") {
                Some(delta) => {
                    let grown = self.piece(delta, out);
                    out.push(Event::Growing(grown));
                }
                None => _ = self.piece(choice.get("message").unwrap_or(&Value::Null), out),
            }
            match text(choice, "finish_reason") {
                // xAI ends tool calls with an empty reason.
                Some("") if self.calls.is_empty() => {}
                Some(reason) => {
                    self.finish = Some(if self.refused { Finish::ContentFilter } else { finish(reason) });
                    self.hand_on_calls(out)?;
                }
                None => {}
            }
        } else if chunk.get("choices").is_none() && chunk.get("usage").is_none() {
            return Err(Failure::new(FailureClass::Garbled, "the answer is not a chat completion"));
        }
        if let Some(reported) = chunk.get("usage").filter(|usage| usage.is_object()) {
            let cost = reported.get("cost").and_then(Value::as_f64).and_then(Money::from_usd);
            self.cost = cost.filter(|cost| *cost > Money::ZERO).or(self.cost);
            out.push(Event::Usage(usage(reported)));
        }
        Ok(())
    }

    /// Takes in a part of the message. Returns by how many bytes its tool calls grew.
    fn piece(&mut self, piece: &Value, out: &mut Vec<Event>) -> usize {
        for field in ["reasoning_content", "reasoning"] {
            if let Some(thought) = text(piece, field).filter(|thought| !thought.is_empty()) {
                out.push(Event::Thinking(thought.to_owned()));
                break;
            }
        }
        match piece.get("content") {
            Some(Value::String(said)) => out.push(Event::Text(said.clone())),
            // Mistral's thinking models write parts.
            Some(Value::Array(parts)) => {
                out.extend(parts.iter().filter_map(|part| text(part, "text")).map(|said| Event::Text(said.to_owned())));
            }
            _ => {}
        }
        self.refused |= text(piece, "refusal").is_some_and(|refusal| !refusal.is_empty());
        let calls = piece.get("tool_calls").and_then(Value::as_array).into_iter().flatten();
        calls.map(|call| self.grow(call)).sum()
    }

    fn grow(&mut self, piece: &Value) -> usize {
        let index = count(piece, "/index");
        let id = text(piece, "id").unwrap_or_default();
        // Without an index, an id begins the next call.
        let known = match index {
            Some(_) => self.calls.iter().position(|call| call.index == index),
            None if id.is_empty() => self.calls.len().checked_sub(1),
            None => None,
        };
        let at = known.unwrap_or_else(|| {
            self.calls.push(Growing { index, ..Growing::default() });
            self.calls.len() - 1
        });
        let call = &mut self.calls[at];
        let before = call.name.len() + call.arguments.len();
        if call.id.is_empty() {
            id.clone_into(&mut call.id);
        }
        let function = piece.get("function").unwrap_or(&Value::Null);
        if call.name.is_empty() {
            text(function, "name").unwrap_or_default().clone_into(&mut call.name);
        }
        match function.get("arguments") {
            Some(Value::String(more)) => call.arguments.push_str(more),
            Some(whole @ Value::Object(_)) => call.arguments = whole.to_string(),
            _ => {}
        }
        (call.name.len() + call.arguments.len()).saturating_sub(before)
    }

    fn hand_on_calls(&mut self, out: &mut Vec<Event>) -> Result<(), Failure> {
        for call in self.calls.drain(..) {
            let Some(arguments) = arguments(&call.arguments) else {
                if self.finish == Some(Finish::Length) {
                    continue;
                }
                return Err(Failure::new(FailureClass::Garbled, "a tool call's arguments are not JSON"));
            };
            let id = if call.id.is_empty() { format!("call_{}", self.called) } else { call.id };
            self.called += 1;
            out.push(Event::ToolCall(ToolCall { id, name: call.name, arguments, signature: None }));
        }
        Ok(())
    }
}

impl Decoder for Answer {
    fn frame(&mut self, frame: &str, out: &mut Vec<Event>) -> Result<(), Failure> {
        if frame.trim() == "[DONE]" { self.end(out) } else { self.chunk(&events::parse(frame)?, out) }
    }

    fn end(&mut self, out: &mut Vec<Event>) -> Result<(), Failure> {
        // An end mark alone proves nothing: gateways write it after an upstream broke off, too.
        let finish =
            self.finish.ok_or_else(|| Failure::new(FailureClass::Truncated, "the answer has no finish reason"))?;
        out.extend(self.cost.take().map(Event::Cost));
        out.push(Event::Done(finish));
        Ok(())
    }

    fn is_finished(&self) -> bool {
        self.finish.is_some()
    }
}

fn finish(reason: &str) -> Finish {
    match reason {
        "length" => Finish::Length,
        "tool_calls" | "function_call" | "" => Finish::ToolCalls,
        "content_filter" => Finish::ContentFilter,
        _ => Finish::Stop,
    }
}

/// Counts, made disjoint. `prompt_tokens` includes what a cache had.
pub(super) fn usage(usage: &Value) -> Usage {
    let first = |pointers: &[&str]| pointers.iter().find_map(|pointer| count(usage, pointer)).unwrap_or(0);
    let prompt = first(&["/prompt_tokens", "/input_tokens", "/input"]);
    let cache_read = first(&[
        "/prompt_tokens_details/cached_tokens",
        "/prompt_cache_hit_tokens",
        "/cache_read_input_tokens",
        "/input_tokens_details/cached_tokens",
    ])
    .min(prompt);
    let cache_write = first(&[
        "/prompt_tokens_details/cache_write_tokens",
        "/prompt_tokens_details/cache_creation_tokens",
        "/cache_creation_input_tokens",
    ])
    .min(prompt - cache_read);
    let mut output = first(&["/completion_tokens", "/output_tokens", "/output"]);
    let reasoning = first(&["/completion_tokens_details/reasoning_tokens", "/output_tokens_details/reasoning_tokens"]);
    // xAI leaves reasoning out of the completion's count, and in the total.
    if reasoning > 0 && count(usage, "/total_tokens") == Some(prompt + output + reasoning) {
        output += reasoning;
    }
    Usage { input: prompt - cache_read - cache_write, cache_read, cache_write, cache_write_1h: 0, output, reasoning }
}
