//! From a prompt to a task, a complexity and a forecast of tokens.
//!
//! Rules over the words of the last user message. Markers in a system prompt say what the application is, not what
//! this request asks for, so they do not count.

mod rules;

use serde::{Deserialize, Serialize};

use super::prompt::Prompt;
use super::task::Task;
use super::usage::TokenRange;

/// What was understood of a prompt.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Analysis {
    /// The class of work.
    pub task: Task,
    /// How hard the work looks: 0 for a greeting, 1 for a proof.
    pub complexity: f32,
    /// Estimated prompt tokens, all messages and tools included.
    pub input_tokens: u32,
    /// Forecast of output tokens, reasoning included.
    pub output_tokens: TokenRange,
    /// The words that decided the task; none where it is the default.
    pub evidence: Vec<&'static str>,
    /// What a model has to be able to do.
    pub needs: Needs,
}

/// What a prompt needs of a model, whatever its text says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needs {
    /// It has pictures.
    pub images: bool,
    /// It offers tools.
    pub tools: bool,
    /// The caller's own limit on the answer, in tokens.
    pub max_tokens: Option<u32>,
}

/// Bytes per token in the rough estimate that every vendor's own guide gives for English text.
const BYTES_PER_TOKEN: usize = 4;

/// What a message costs besides its text: its role and its delimiters.
const TOKENS_PER_MESSAGE: usize = 4;
/// The most that the hosted models count for one picture, which they scale down to about a megapixel.
const TOKENS_PER_IMAGE: usize = 1_600;

/// Analyses a prompt. `task` overrides what the words say.
#[must_use]
pub fn analyse(prompt: &Prompt, task: Option<Task>) -> Analysis {
    let question = prompt.question();
    let (found, evidence) = rules::classify(&question);
    let task = task.unwrap_or(found);
    let tokens = prompt.text_bytes().div_ceil(BYTES_PER_TOKEN)
        + TOKENS_PER_MESSAGE * prompt.messages.len()
        + TOKENS_PER_IMAGE * prompt.images();
    let input_tokens = u32::try_from(tokens).unwrap_or(u32::MAX);
    let mut output_tokens = rules::output_tokens(task);
    if let Some(cap) = prompt.sampling.max_tokens {
        output_tokens = TokenRange { p50: output_tokens.p50.min(cap), p90: output_tokens.p90.min(cap) };
    }
    let needs =
        Needs { images: prompt.images() > 0, tools: !prompt.tools.is_empty(), max_tokens: prompt.sampling.max_tokens };
    Analysis { task, complexity: rules::complexity(task, &question), input_tokens, output_tokens, evidence, needs }
}
