//! What is kept: the rows of the ledger, what operators did, what the guard found, and the state that outlives a restart.
//!
//! A record is flat and speaks of names and numbers; of what was asked and answered only [`Record::Text`] does, which is
//! written where the configuration says so. Its JSON form is a line of the journal, so
//! that a field may be added with a default, but never change its meaning.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::decision::Decision;
use crate::domain::failure::FailureClass;
use crate::domain::fleet::{Admin, Hold, Pin};
use crate::domain::id::{BackendId, ModelId, RequestId};
use crate::domain::judgement::Judgement;
use crate::domain::latency::Sample;
use crate::domain::learning::{Kind, Served};
use crate::domain::money::{Cost, Money};
use crate::domain::privacy::{FindingKind, Ruling};
use crate::domain::prompt::{Part, Prompt, Role};
use crate::domain::spend::{Day, charge};
use crate::domain::task::Task;
use crate::domain::tier::{Target, Tier};
use crate::domain::time::Timestamp;
use crate::domain::tokens::Calibration;
use crate::domain::usage::Usage;
use crate::engine::{Attempt, Finished, Outcome};
use crate::provider::Finish;

/// One thing that is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Record {
    /// A request was accepted, and it was decided where it goes.
    Request(RequestRow),
    /// An attempt is about to be sent, and money is set aside for it.
    Opened(Opened),
    /// An attempt ended.
    Settled(Settled),
    /// An attempt was never sent: what was set aside for it came back.
    Released {
        /// The request.
        request: RequestId,
        /// The attempt's number, from 1.
        number: u32,
    },
    /// A request ended.
    Ended(Ended),
    /// What was asked and answered, where that is kept.
    Text(TextRow),
    /// What providers billed for prompts, by model, and what that says of how they count.
    Billed {
        /// The sums.
        calibration: Calibration,
        /// When they were these.
        at: Timestamp,
    },
    /// An operator wants outcomes to be forgotten that came before.
    Forget {
        /// Of this tier; of any, where absent.
        tier: Option<Tier>,
        /// Of this model.
        model: Option<ModelId>,
        /// Of this task.
        task: Option<Task>,
        /// Which.
        at: Timestamp,
    },
    /// Somebody or something acted.
    Audit(AuditRow),
    /// What an operator wants of a part of the fleet.
    Admin {
        /// Which part.
        target: Target,
        /// What is wanted.
        admin: Admin,
    },
    /// Every pin there is.
    Pins {
        /// The pins, the latest last.
        pins: Vec<Pin>,
        /// When they became these.
        at: Timestamp,
    },
    /// What an operator set as the limit of a day.
    DailyLimit {
        /// The limit; none where absent.
        limit: Option<Money>,
        /// The day that it was set for: on the next one, the configuration's own holds again.
        day: Day,
        /// When.
        at: Timestamp,
    },
    /// Everything that is left alone for a while.
    Holds {
        /// What is held back, and until when.
        holds: Vec<Hold>,
        /// When that was so.
        at: Timestamp,
    },
    /// What an answer was worth to whoever read it.
    Judged {
        /// The request.
        request: RequestId,
        /// Who answered.
        backend: BackendId,
        /// The model that did.
        model: ModelId,
        /// What it was worth.
        judgement: Judgement,
        /// The same as a number from 0 to 1, where somebody gave one.
        #[serde(default)]
        quality: Option<f32>,
        /// When.
        at: Timestamp,
    },
    /// What rented machines cost in a minute of the clock. The same minute from two processes counts once.
    Rented {
        /// Minutes since the Unix epoch.
        minute: i64,
        /// The day that the minute falls into.
        day: Day,
        /// What it cost.
        amount: Money,
    },
}

/// A request as it was accepted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RequestRow {
    /// The request.
    pub request: RequestId,
    /// When.
    pub at: Timestamp,
    /// Who asked.
    pub caller: Arc<str>,
    /// The class of work.
    pub task: Task,
    /// How hard it looked, 0 to 1.
    pub complexity: f32,
    /// Estimated prompt tokens.
    pub input_tokens: u32,
    /// What the guard ruled.
    pub ruling: Ruling,
    /// The kinds of what the guard found.
    pub found: Vec<FindingKind>,
    /// Where it was to go first; `None` where nobody may serve it.
    pub tier: Option<Tier>,
    /// Which backend.
    pub backend: Option<BackendId>,
    /// Which model.
    pub model: Option<ModelId>,
    /// Why, in words.
    pub why: String,
    /// What it was expected to cost there; `None` where not known.
    pub predicted: Option<Money>,
}

impl RequestRow {
    /// The row of a decision.
    #[must_use]
    pub fn of(decision: &Decision) -> Self {
        let first = decision.candidates.first();
        let mut found: Vec<FindingKind> = decision.verdict.findings.iter().map(|finding| finding.kind).collect();
        found.sort_unstable();
        found.dedup();
        Self {
            request: decision.request,
            at: decision.at,
            caller: Arc::clone(&decision.caller),
            task: decision.analysis.task,
            complexity: decision.analysis.complexity,
            input_tokens: decision.analysis.input_tokens,
            ruling: decision.verdict.ruling,
            found,
            tier: first.map(|one| one.tier),
            backend: first.map(|one| one.backend.clone()),
            model: first.map(|one| one.model.clone()),
            why: decision.headline(),
            predicted: first.and_then(|one| one.estimate.cost),
        }
    }
}

/// An attempt that is about to be sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Opened {
    /// The request.
    pub request: RequestId,
    /// The attempt's number, from 1.
    pub number: u32,
    /// When.
    pub at: Timestamp,
    /// Who asked.
    pub caller: Arc<str>,
    /// The class of work.
    pub task: Task,
    /// What outcomes of such work are remembered by.
    #[serde(default)]
    pub kind: Option<Kind>,
    /// The median length of the answer that was forecast before anything was learnt, in tokens.
    #[serde(default)]
    pub forecast: Option<u32>,
    /// The tier.
    pub tier: Tier,
    /// The backend.
    pub backend: BackendId,
    /// The model.
    pub model: ModelId,
    /// The money set aside.
    pub reserved: Money,
    /// The date of the price table that the figures are from; empty where there is none.
    pub prices: Arc<str>,
}

/// How an attempt ended, as the ledger has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Result {
    /// With a whole answer.
    Answered(Finish),
    /// In a failure.
    Failed(FailureClass),
    /// The program ended before it did: what came of it is not known.
    Lost,
}

/// An attempt that ended. It repeats what [`Opened`] said of its place, so that sums can be made of these rows alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settled {
    /// What it was.
    #[serde(flatten)]
    pub opened: Opened,
    /// When it ended.
    pub ended: Timestamp,
    /// The day that it ended in.
    pub day: Day,
    /// How.
    pub result: Result,
    /// The HTTP status of a failure, where there was one.
    pub status: Option<u16>,
    /// Whether any of its answer had been delivered to the caller.
    pub delivered: bool,
    /// Whether it says something about the pace of its model: what the caller or an operator ended does not.
    pub counts: bool,
    /// From dispatch to the first meaningful token, in milliseconds; `None` if there was none.
    pub first_token_ms: Option<u32>,
    /// From dispatch to the end, in milliseconds.
    pub total_ms: u32,
    /// The longest time between two pieces of the answer, in milliseconds, where it came in pieces.
    pub longest_pause_ms: Option<u32>,
    /// What it used, where the provider said so.
    pub usage: Option<Usage>,
    /// What it cost, and how sure that is.
    pub cost: Cost,
    /// How it served, as far as that says something of its model.
    #[serde(default)]
    pub served: Option<Served>,
    /// What it takes from a limit: its cost where that is settled; what had been set aside, where less is known.
    pub charged: Money,
    /// What it was expected to cost, with the median output; `None` where not known.
    #[serde(default)]
    pub predicted: Option<Money>,
}

impl Settled {
    /// The row of an attempt, with what it said of its model's pace, if anything.
    #[must_use]
    pub fn of(opened: Opened, attempt: &Attempt, sample: Option<&Sample>, ended: Timestamp, day: Day) -> Self {
        let millis = |duration: std::time::Duration| u32::try_from(duration.as_millis()).unwrap_or(u32::MAX);
        let (result, status) = match &attempt.outcome {
            Ok(finish) => (Result::Answered(*finish), None),
            Err(failure) => (Result::Failed(failure.class), failure.status),
        };
        Self {
            ended,
            day,
            result,
            status,
            delivered: attempt.delivered,
            counts: sample.is_some(),
            first_token_ms: attempt.first_token.map(millis),
            total_ms: millis(attempt.total),
            longest_pause_ms: sample.and_then(|sample| sample.longest_pause_ms),
            usage: attempt.usage,
            cost: attempt.cost,
            served: None,
            charged: charge(opened.reserved, attempt.cost),
            predicted: attempt.predicted,
            opened,
        }
    }

    /// The row of an attempt that was on its way when the program ended: it may have cost all that was set aside.
    #[must_use]
    pub fn lost(opened: Opened, ended: Timestamp, day: Day) -> Self {
        Self {
            ended,
            day,
            result: Result::Lost,
            status: None,
            delivered: false,
            counts: false,
            first_token_ms: None,
            total_ms: u32::try_from(ended.since(opened.at).as_millis()).unwrap_or(u32::MAX),
            longest_pause_ms: None,
            usage: None,
            cost: Cost::UNKNOWN,
            served: None,
            charged: opened.reserved,
            // It is not known what came of the forecast.
            predicted: None,
            opened,
        }
    }
}

/// A request that ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// The request.
    pub request: RequestId,
    /// When.
    pub at: Timestamp,
    /// How.
    pub outcome: Outcome,
    /// Why, where it did not end in an answer; one line, without prompt text.
    pub why: Option<String>,
    /// From acceptance to the end, in milliseconds.
    pub total_ms: u32,
    /// How many attempts it took.
    pub attempts: u32,
}

impl Ended {
    /// The row of a request's end.
    #[must_use]
    pub fn of(finished: &Finished) -> Self {
        Self {
            request: finished.request,
            at: finished.at,
            outcome: finished.outcome,
            why: finished.why.clone(),
            total_ms: u32::try_from(finished.total.as_millis()).unwrap_or(u32::MAX),
            attempts: u32::try_from(finished.attempts.len()).unwrap_or(u32::MAX),
        }
    }
}

/// What was asked and answered. Its `Debug` form shows sizes, never text.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct TextRow {
    /// The request.
    pub request: RequestId,
    /// When it ended.
    pub at: Timestamp,
    /// The messages, each under its role; pictures left out.
    pub prompt: String,
    /// The answer, as far as it came.
    pub answer: String,
}

/// The most that is kept of a prompt, and of an answer, in bytes: both together make a line that is read in one go even where
/// every character of it needs six in JSON.
const LONGEST_TEXT: usize = 256 << 10;

impl TextRow {
    /// The row, with no more of the texts than is kept.
    #[must_use]
    pub fn of(request: RequestId, at: Timestamp, prompt: &Prompt, answer: &str) -> Self {
        let mut asked = String::new();
        for message in &prompt.messages {
            let role = match message.role {
                Role::System => "system",
                Role::User => "user",
                Role::Assistant => "assistant",
            };
            asked.push_str(if asked.is_empty() { "" } else { "\n\n" });
            asked.push_str(&format!("{role}: "));
            for part in &message.parts {
                match part {
                    Part::Text { text } => asked.push_str(text),
                    Part::Image { .. } => asked.push_str("[picture]"),
                    Part::ToolCall(call) => asked.push_str(&format!("[calls {} with {}]", call.name, call.arguments)),
                    Part::ToolResult { name, content, .. } => asked.push_str(&format!("[{name} returned] {content}")),
                }
                if asked.len() > LONGEST_TEXT {
                    break;
                }
            }
        }
        Self { request, at, prompt: cut(&asked), answer: cut(answer) }
    }

    /// Its size in bytes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.prompt.len() + self.answer.len()
    }
}

/// As much of a text as is kept. Where something is missing, it says so.
fn cut(text: &str) -> String {
    if text.len() <= LONGEST_TEXT {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(LONGEST_TEXT);
    format!("{}… [{} bytes more were not kept]", &text[..end], text.len() - end)
}

impl std::fmt::Debug for TextRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TextRow").field("request", &self.request).field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}

/// Who or what acted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuditKind {
    /// An operator.
    Operator,
    /// The guard: it found something in a prompt.
    Guard,
    /// The engine itself: a backend's health changed, or a drain came to its end.
    Engine,
}

impl AuditKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Operator, Self::Guard, Self::Engine];

    /// The name used in commands, tables and exports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Guard => "guard",
            Self::Engine => "engine",
        }
    }
}

/// Something that was done: who, what, when and why, never the text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditRow {
    /// When.
    pub at: Timestamp,
    /// What acted.
    pub kind: AuditKind,
    /// Who.
    pub by: Arc<str>,
    /// To which part of the fleet, where it was to one.
    pub target: Option<String>,
    /// What, in words.
    pub what: String,
    /// In which request, where it was in one.
    pub request: Option<RequestId>,
}
