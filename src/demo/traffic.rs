//! Gentle background traffic, as the four applications of the seed would send it. It only says what is asked and when;
//! sending it is the engine's business.

use std::sync::Arc;
use std::time::Duration;

use super::rng::Chance;
use crate::domain::prompt::Prompt;
use crate::domain::request::{Constraints, Optimize, Privacy};
use crate::domain::task::Task;

/// One request, and how long to wait before it is sent.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// From the request before.
    pub delay: Duration,
    /// What is asked.
    pub prompt: Prompt,
    /// What is demanded.
    pub constraints: Constraints,
    /// Who asks.
    pub caller: Arc<str>,
}

/// The four applications, and people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Rewards,
    WorldModel,
    Hub,
    Training,
    Private,
    Person,
}

/// Endless traffic, the same for the same seed: an iterator without an end.
#[derive(Debug)]
pub struct Traffic {
    chance: Chance,
    speed: f32,
    /// What is left of the burst that is going on.
    burst: u32,
    source: Source,
    number: u64,
}

/// Requests per second at speed 1, over all bursts and pauses.
const PER_SECOND: f32 = 1.2;
/// Between two requests of one burst, in milliseconds.
const WITHIN: (f32, f32) = (60.0, 260.0);

impl Traffic {
    /// Traffic of a seed; twice the speed sends twice as much.
    #[must_use]
    pub fn new(seed: u64, speed: f32) -> Self {
        let speed = speed.max(0.01);
        Self { chance: Chance::new(seed ^ 0x7261_6666_6963), speed, burst: 0, source: Source::Rewards, number: 0 }
    }

    fn pick(&self, texts: &[&str]) -> String {
        self.chance.pick(texts).map_or_else(String::new, |text| (*text).to_owned())
    }

    /// Begins a burst: who sends it, how many requests it has, and the pause before it.
    fn begin(&mut self) -> Duration {
        // Out of a hundred bursts. Rewards come in larger ones, so they are most of what is sent.
        let (source, sizes): (Source, &[u32]) = match self.chance.bits() % 100 {
            0..52 => (Source::Rewards, &[2, 3, 4, 5]),
            52..68 => (Source::WorldModel, &[1, 1, 2]),
            68..82 => (Source::Hub, &[1, 2]),
            82..88 => (Source::Training, &[2, 3]),
            88..93 => (Source::Private, &[1]),
            _ => (Source::Person, &[1]),
        };
        self.source = source;
        let size = self.chance.pick(sizes).copied().unwrap_or(1);
        self.burst = size;
        // The pause makes up for the burst, so that the rate holds over time.
        #[expect(clippy::cast_precision_loss, reason = "a burst has a handful of requests")]
        let rest = size as f32 / PER_SECOND * 1_000.0 - (size - 1) as f32 * (WITHIN.0 + WITHIN.1) / 2.0;
        self.chance.millis((rest * 0.4, rest * 1.6))
    }

    fn write(&self) -> (String, Constraints, &'static str) {
        let step = 48_000 + self.number;
        let free = Constraints::default();
        match self.source {
            Source::Rewards => {
                let action =
                    self.pick(&["move left", "grasp the crate", "open door 3", "wait one step", "ask agent 2"]);
                let goal = self.pick(&["reach the charging dock", "clear corridor B", "keep the queue below ten"]);
                let text = format!(
                    "Rate this action from -1 to 1 and answer with the number only.\nGoal: {goal}\nAction: {action}\nStep: {step}"
                );
                let limit = (self.chance.unit() < 0.6).then_some(400);
                let constraints = Constraints { max_latency_ms: limit, task: Some(Task::Reward), ..free };
                (text, constraints, "rl-commons")
            }
            Source::WorldModel => {
                if self.chance.unit() < 0.75 {
                    let room = self.pick(&["corridor B", "the loading bay", "the server room", "dock 4"]);
                    (
                        format!("Predict the next state of {room} after step {step}. Answer in four lines."),
                        free,
                        "world-model",
                    )
                } else {
                    let what = self.pick(&[
                        "why the agents keep meeting at door 3 although two other doors are open",
                        "which of the two sensors drifts, step by step, from the readings of the last hour",
                        "the implications of removing the relay between the hub and the planner",
                    ]);
                    (format!("Analyse {what}."), free, "world-model")
                }
            }
            Source::Hub => {
                let text = self.pick(&[
                    "Classify this message as request, status or error: checkpoint saved, queue empty.",
                    "Classify this message as request, status or error: planner asks for the current map.",
                    "Extract the module, the event and the step: world_model saved checkpoint at step 48,200 in 3.1 s.",
                    "Summarize the last hour of messages between the planner and the world model.",
                    "Draft a plan for moving the message queue to the new host without losing messages.",
                ]);
                (text, free, "hub")
            }
            Source::Training => {
                let text = format!(
                    "For each of the following records, write one training example as question and answer.\nBatch {step}: door opened; crate moved; agent waited; battery low."
                );
                let constraints = Constraints { optimize: Optimize::Throughput, task: Some(Task::Bulk), ..free };
                (text, constraints, "training")
            }
            Source::Private => {
                let text = self.pick(&[
                    "Private: summarize this patient note in two sentences. Patient reports less pain and sleeps better.",
                    "Confidential: condense this salary review into two sentences for the personnel file.",
                ]);
                (text, Constraints { privacy: Privacy::High, ..free }, "hub")
            }
            Source::Person => {
                let text = self.pick(&[
                    "Write a Python function that merges two sorted lists, with a unit test.",
                    "Refactor this Rust function so that it retries with a growing pause and never twice once bytes were sent.",
                    "Explain quantum computing to somebody who knows classical computers.",
                    "Explain how a scheduler decides which task runs next.",
                    "Write a haiku about a quiet data centre.",
                    "What is time to first token?",
                ]);
                (text, free, "operator")
            }
        }
    }
}

impl Iterator for Traffic {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        let delay = if self.burst == 0 { self.begin() } else { self.chance.millis(WITHIN) };
        self.burst = self.burst.saturating_sub(1);
        self.number += 1;
        let (text, constraints, caller) = self.write();
        Some(Arrival {
            delay: delay.div_f32(self.speed),
            prompt: Prompt::user(text),
            constraints,
            caller: Arc::from(caller),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_itself_and_another_one_differs() {
        let texts = |seed| {
            Traffic::new(seed, 1.0).take(50).map(|a| (a.prompt.question().into_owned(), a.delay)).collect::<Vec<_>>()
        };
        assert_eq!(texts(7), texts(7));
        assert_ne!(texts(7), texts(8));
    }

    #[test]
    fn it_is_gentle_and_mostly_rewards() {
        let arrivals: Vec<Arrival> = Traffic::new(1, 1.0).take(3_000).collect();
        let seconds: f32 = arrivals.iter().map(|arrival| arrival.delay.as_secs_f32()).sum();
        let rate = 3_000.0 / seconds;
        assert!((1.0..1.45).contains(&rate), "{rate} per second");
        let rewards = arrivals.iter().filter(|arrival| &*arrival.caller == "rl-commons").count();
        assert!((1_800..2_600).contains(&rewards), "{rewards} rewards");
        assert!(arrivals.iter().any(|arrival| arrival.constraints.privacy == Privacy::High));
        for caller in ["rl-commons", "world-model", "hub", "training", "operator"] {
            assert!(arrivals.iter().any(|arrival| &*arrival.caller == caller), "{caller}");
        }
    }
}
