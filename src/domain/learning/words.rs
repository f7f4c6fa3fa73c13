//! What was learnt, in a sentence.

use std::fmt;

use serde::Serialize;

use super::super::id::ModelId;
use super::super::task::Task;
use super::super::tier::Tier;
use super::super::time::Timestamp;
use super::learned::{Learned, Row};

/// Why one model was put before another: what both did with one task. Its `Display` is the sentence.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// The task.
    pub task: Task,
    /// What the model that was passed over did.
    pub passed: Row,
    /// What the preferred one did.
    pub preferred: Row,
}

/// Outcomes before they are spoken of: shares of fewer are the whim of one of them.
const ENOUGH: f32 = 5.0;
/// Failure rates, or worths, nearer than this are called alike.
const ALIKE: f32 = 0.02;

/// Compares what two models did with a task. `None` where one of them has not done enough of it, or where what they did
/// speaks no clear word for the preferred one.
#[must_use]
pub fn compare(
    learned: &Learned,
    task: Task,
    passed: (Tier, &ModelId),
    preferred: (Tier, &ModelId),
    now: Timestamp,
) -> Option<Compared> {
    let rows = learned.rows(now);
    let row = |(tier, model): (Tier, &ModelId)| {
        let of = |row: &&Row| row.tier == tier && row.model == *model && row.task == Some(task);
        rows.iter().find(of).filter(|row| row.outcomes >= ENOUGH).cloned()
    };
    let compared = Compared { task, passed: row(passed)?, preferred: row(preferred)? };
    (compared.fails_more() || compared.is_worth_less()).then_some(compared)
}

impl Row {
    /// The share of attempts without a whole answer, 0 to 1.
    #[must_use]
    pub fn failure_rate(&self) -> f32 {
        if self.outcomes > 0.0 { (self.failures / self.outcomes).clamp(0.0, 1.0) } else { 0.0 }
    }
}

impl Compared {
    fn fails_more(&self) -> bool {
        self.passed.failure_rate() > self.preferred.failure_rate() + ALIKE
    }

    fn is_worth_less(&self) -> bool {
        self.passed.worth < self.preferred.worth - ALIKE
    }
}

fn percent(share: f32) -> String {
    format!("{:.0} %", share * 100.0)
}

fn fails(row: &Row) -> String {
    format!("{:.0} of {:.0}", row.failures, row.outcomes)
}

impl fmt::Display for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { task, passed, preferred } = self;
        let (model, tier, other) = (&passed.model, passed.tier, &preferred.model);
        if self.fails_more() {
            let (rate, against) = (percent(passed.failure_rate()), percent(preferred.failure_rate()));
            let of = fails(passed);
            write!(f, "{model} on {tier} fails {rate} of {task} prompts ({of}); preferring {other} ({against})")
        } else {
            let (worth, against) = (percent(passed.worth), percent(preferred.worth));
            let outcomes = passed.outcomes;
            write!(
                f,
                "answers of {model} on {tier} to {task} prompts were worth {worth} ({outcomes:.0} outcomes); \
                 preferring {other} ({against})"
            )
        }
    }
}
