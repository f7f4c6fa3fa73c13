//! The arguments that `ask`, `route` and `batch` share: what a request demands.

use std::io::{IsTerminal, Read};
use std::str::FromStr;

use clap::Args;

use super::output::Failure;
use crate::config::suggestion;
use crate::domain::money::Money;
use crate::domain::prompt::{Message, Prompt, Role};
use crate::domain::request::{Constraints, Optimize, Privacy};
use crate::domain::task::Task;
use crate::domain::tier::Tier;

/// The longest prompt that is read from standard input: a mistake such as a pipe that never ends must not fill the memory.
const LONGEST_PROMPT: u64 = 32 * 1024 * 1024;

/// One request, as `ask` and `route` take it.
#[derive(Clone, Debug, Args)]
pub struct Question {
    /// The prompt. With a pipe and no prompt, standard input is the prompt; with `-` at the end, it is added.
    prompt: Vec<String>,
    #[command(flatten)]
    demands: Demands,
    #[command(flatten)]
    shape: Shape,
}

impl Question {
    /// As the engine takes it.
    ///
    /// # Errors
    ///
    /// There is no prompt, or it cannot be read.
    pub fn read(&self) -> Result<(Prompt, Constraints), Failure> {
        Ok((self.shape.prompt(text(&self.prompt)?), self.constraints()))
    }
}

impl Question {
    /// What is demanded, whatever the prompt.
    #[must_use]
    pub fn constraints(&self) -> Constraints {
        self.demands.constraints(Optimize::Balanced)
    }
}

/// What a request demands.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "What the request demands")]
pub struct Demands {
    /// Only this tier: claude, local (ollama), gpu (runpod), frontier (litellm).
    #[arg(long, value_parser = Tier::from_str)]
    tier: Option<Tier>,
    /// Only this backend; `llm-call tiers` lists them.
    #[arg(long, value_name = "ID")]
    backend: Option<String>,
    /// Only this model.
    #[arg(long)]
    model: Option<String>,
    /// With --tier, --backend or --model: let the others stand in if it fails.
    #[arg(long)]
    fallback: bool,
    /// The first token must be expected within so many milliseconds.
    #[arg(long, value_name = "MS")]
    max_latency_ms: Option<u32>,
    /// The predicted cost must stay below so many dollars.
    #[arg(long, value_name = "USD", value_parser = dollars, allow_negative_numbers = true)]
    max_cost: Option<Money>,
    /// standard, or high: the prompt stays on this machine, or the request fails.
    #[arg(long, value_name = "LEVEL", value_parser = Privacy::from_str, default_value = "standard")]
    privacy: Privacy,
    /// What to weigh most: balanced, quality, latency, cost, throughput.
    #[arg(long, value_name = "AIM", value_parser = Optimize::from_str)]
    optimize: Option<Optimize>,
    /// The task, where you know it better than the analysis: reasoning, planning, code, explanation, reward, extraction,
    /// summary, context, question, mathematics, creative, bulk, general.
    #[arg(long, value_parser = task)]
    task: Option<Task>,
}

/// How an answer is drawn.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "The answer")]
pub struct Shape {
    /// Instructions that stand above the prompt.
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    /// The longest answer, in tokens.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_tokens: Option<u32>,
    /// How freely the answer is drawn, from 0 to 2.
    #[arg(long, value_name = "T", value_parser = temperature, allow_negative_numbers = true)]
    temperature: Option<f32>,
}

/// An amount of dollars, as people write it.
pub fn dollars(text: &str) -> Result<Money, String> {
    let usd = text.trim_start_matches('$').parse().ok().and_then(Money::from_usd);
    usd.ok_or_else(|| "not an amount of dollars, such as 0.01".to_owned())
}

fn temperature(text: &str) -> Result<f32, String> {
    let number = text.parse().ok().filter(|number| (0.0..=2.0).contains(number));
    number.ok_or_else(|| "not a number from 0 to 2".to_owned())
}

/// A task's name.
pub fn task(text: &str) -> Result<Task, String> {
    Task::from_str(text).map_err(|_| {
        let names = Task::ALL.map(Task::name);
        format!("not a task{}\n  there are: {}", suggestion(text, names), names.join(", "))
    })
}

impl Demands {
    /// As the engine takes them.
    #[must_use]
    pub fn constraints(&self, default_aim: Optimize) -> Constraints {
        Constraints {
            max_latency_ms: self.max_latency_ms,
            max_cost: self.max_cost,
            privacy: self.privacy,
            optimize: self.optimize.unwrap_or(default_aim),
            tier: self.tier,
            backend: self.backend.as_deref().map(Into::into),
            model: self.model.as_deref().map(Into::into),
            task: self.task,
            fallback: self.fallback,
        }
    }
}

impl Shape {
    /// A prompt of this shape.
    #[must_use]
    pub fn prompt(&self, text: String) -> Prompt {
        let mut prompt = Prompt::user(text);
        if let Some(system) = &self.system {
            prompt.messages.insert(0, Message::text(Role::System, system.clone()));
        }
        prompt.sampling.max_tokens = self.max_tokens;
        prompt.sampling.temperature = self.temperature;
        prompt
    }
}

/// The prompt's text: the arguments, then standard input where the last of them is `-`, or where there are none.
///
/// # Errors
///
/// If there is no text, or standard input cannot be read.
fn text(words: &[String]) -> Result<String, Failure> {
    let input = std::io::stdin();
    match words {
        [] if input.is_terminal() => Err(Failure::Usage("give a prompt, or pipe one in".into())),
        [] => read_prompt(input.lock()),
        [words @ .., last] if last == "-" => {
            let piped = read_prompt(input.lock())?;
            Ok(if words.is_empty() { piped } else { format!("{}\n\n{piped}", words.join(" ")) })
        }
        words => not_empty(words.join(" ")),
    }
}

fn read_prompt(input: impl Read) -> Result<String, Failure> {
    let cannot = |why: &dyn std::fmt::Display| Failure::Usage(format!("cannot read the prompt: {why}"));
    let mut bytes = Vec::new();
    input.take(LONGEST_PROMPT + 1).read_to_end(&mut bytes).map_err(|error| cannot(&error))?;
    // A part of a prompt is never sent as the whole.
    if bytes.len() as u64 > LONGEST_PROMPT {
        return Err(cannot(&format!("it is longer than {} MiB", LONGEST_PROMPT / (1024 * 1024))));
    }
    not_empty(String::from_utf8(bytes).map_err(|_| cannot(&"it is not UTF-8"))?)
}

fn not_empty(text: String) -> Result<String, Failure> {
    if text.trim().is_empty() { Err(Failure::Usage("the prompt is empty".into())) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_is_taken_whole_or_not_at_all() {
        assert_eq!(read_prompt("hi\n".as_bytes()).expect("a prompt"), "hi\n");
        for (input, why) in [
            (b" \n".to_vec(), "the prompt is empty"),
            (vec![0xff], "cannot read the prompt: it is not UTF-8"),
            (vec![b'x'; 32 * 1024 * 1024 + 1], "cannot read the prompt: it is longer than 32 MiB"),
        ] {
            assert_eq!(read_prompt(&input[..]).expect_err("no prompt").to_string(), why);
        }
        assert!(text(&[String::new()]).is_err());
    }
}
