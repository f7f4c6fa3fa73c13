//! From a prompt to a task, a complexity and a forecast of tokens.
//!
//! Only the last user message counts: markers in a system prompt say what the application is, not what this request
//! asks for. [`features`] takes its text apart in one pass, [`model`] adds up what the words and the shape say.

pub mod features;
mod hash;
mod language;
mod markers;
pub mod model;
mod reading;
mod rules;
pub mod shape;

use serde::{Deserialize, Serialize};

pub use self::language::Language;
use self::model::{CHOICES, DEMANDING, GENERAL_SHARE, MATHEMATICS, OPEN, PICKING, Sums, TASKS, Weights};
use super::learning::Kind;
use super::prompt::Prompt;
use super::task::Task;
use super::tokens::{self, Measured};
use super::usage::TokenRange;

/// What was understood of a prompt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Analysis {
    /// The class of work.
    pub task: Task,
    /// What kind of work it is, as far as outcomes are remembered by it.
    pub kind: Kind,
    /// How probable that task is, 0 to 1; 1 where the caller named it.
    pub certainty: f32,
    /// Whether the prompt offers answers to pick from.
    pub choices: bool,
    /// How much a strong model is worth its price on this prompt: 0 for a greeting, 1 for a proof.
    pub complexity: f32,
    /// How hard the work is for a person: 1 is everyday, 3 takes schooling, 5 takes an expert.
    pub difficulty: u8,
    /// Whether the work takes thought of its own, such as a proof, a root cause, an architecture or a trade-off, and so
    /// a model at the frontier.
    pub demanding: bool,
    /// Whether the answer will be long: more than a few paragraphs.
    pub long_answer: bool,
    /// The language of the request. Not read back from a record.
    #[serde(skip_deserializing)]
    pub language: Language,
    /// Prompt tokens in the nearest public vocabulary, all messages, tools and pictures included.
    pub input_tokens: u32,
    /// Counts of the prompt's text that estimates for one model start from.
    pub counts: tokens::Features,
    /// Forecast of output tokens, reasoning included, of no model in particular.
    pub output_tokens: TokenRange,
    /// The words and shapes that decided the task; none where it is the default. Not read back from a record.
    #[serde(skip_deserializing)]
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

/// Analyses a prompt. `task` overrides what the words say.
#[must_use]
pub fn analyse(prompt: &Prompt, task: Option<Task>) -> Analysis {
    let question = prompt.question();
    let read = features::features(&question);
    let model = model::model();
    let (weights, sums) = (&model.weights, model.sums(&read));
    let (found, certainty) = likeliest(weights, &sums);
    let (task, certainty) = task.map_or((found, certainty), |named| (named, 1.0));
    let choices = sums[CHOICES] > 0.0;
    let complexity = complexity(weights, &sums);
    let demanding = sums[DEMANDING] > 0.0;
    let measured = Measured::of(prompt);
    let needs =
        Needs { images: prompt.images() > 0, tools: !prompt.tools.is_empty(), max_tokens: prompt.sampling.max_tokens };
    let mut analysis = Analysis {
        task,
        kind: Kind::of(task, choices, &question),
        certainty,
        choices,
        complexity,
        difficulty: rules::difficulty(complexity, demanding),
        demanding,
        long_answer: rules::long_answer(task, choices, &read),
        language: language::language(&read.reading),
        input_tokens: measured.total(),
        counts: measured.features(),
        output_tokens: TokenRange::default(),
        evidence: rules::evidence(task, choices, &read),
        needs,
    };
    analysis.output_tokens = tokens::forecast(&analysis, &question, None);
    analysis
}

/// The likeliest task and its probability.
fn likeliest(weights: &Weights, sums: &Sums) -> (Task, f32) {
    let best = Task::ALL.into_iter().max_by(|left, right| sums[*left as usize].total_cmp(&sums[*right as usize]));
    best.map_or((Task::General, 0.0), |task| (task, task_chance(weights, sums, task)))
}

/// How probable a task is.
fn task_chance(weights: &Weights, sums: &Sums, task: Task) -> f32 {
    let coolness = weights.calibration.get(6).copied().unwrap_or(1.0);
    let sum = sums[task as usize];
    let whole: f32 = sums.iter().take(TASKS).map(|other| (coolness * (other - sum)).exp()).sum();
    // Far behind, the sum overflows to infinity and the chance is nought.
    1.0 / whole
}

fn chance(sum: f32) -> f32 {
    1.0 / (1.0 + (-sum).exp())
}

/// What a strong model is worth. For a mathematical problem and for a question with answers to pick from, what was gained
/// on such prompts counts besides how hard a prompt is in general.
fn complexity(weights: &Weights, sums: &Sums) -> f32 {
    let calibrated = |head: usize, place: usize| {
        let number = |at: usize| weights.calibration.get(at).copied().unwrap_or(0.0);
        number(place) + number(place + 1) * sums.get(head).copied().unwrap_or(0.0)
    };
    let open = calibrated(OPEN, 4);
    let picking = calibrated(PICKING, 0) + GENERAL_SHARE * open;
    let problem = calibrated(MATHEMATICS, 2) + GENERAL_SHARE * open;
    let choices = chance(2.0 * sums[CHOICES]);
    let mathematics = task_chance(weights, sums, Task::Mathematics);
    let without = mathematics * problem + (1.0 - mathematics) * open;
    chance(choices * picking + (1.0 - choices) * without)
}

/// The name that benchmarks of routing use for what a prompt is.
#[must_use]
pub const fn task_type(analysis: &Analysis) -> &'static str {
    match analysis.task {
        // A text that is to be sorted into one of several classes offers them too, and stays a classification.
        Task::Extraction | Task::Reward => "classify",
        Task::Summary => "summarize",
        _ if analysis.choices => "mcq",
        Task::Code => "code",
        Task::Mathematics => "math",
        Task::Context => "qa_context",
        Task::Creative => "creative",
        Task::Reasoning | Task::Planning => "reasoning",
        Task::Explanation | Task::Question | Task::Bulk | Task::General => "qa_factual",
    }
}

#[cfg(test)]
mod tests;
