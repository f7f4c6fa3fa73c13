//! `route --jsonl`: one decision a line, for programs that judge the router. Each takes the way that a real request takes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::cli::output::{Failure, Output};
use crate::domain::analysis::{Analysis, task_type};
use crate::domain::decision::Decision;
use crate::domain::id::{ModelId, RequestId};
use crate::domain::learning::online::Online;
use crate::domain::learning::{Exploration, Learned, log};
use crate::domain::privacy::{FindingKind, GuardPolicy, Guarded, Handling, Ruling, Verdict};
use crate::domain::prompt::Prompt;
use crate::domain::request::{Constraints, Privacy};
use crate::domain::tier::Tier;
use crate::domain::time::Timestamp;
use crate::domain::tokens::{self, Measured};
use crate::engine::{Clock, Engine};

/// The longest line that is read, in bytes: a pipe that never ends a line must not fill the memory.
const LONGEST_LINE: u64 = 64 << 20;
/// Models whose tokens are told whether or not any backend has them: one of each family, under the names that public
/// collections of prompts use.
const COUNTED: [&str; 9] = [
    "gpt-4o",
    "gpt-4o-mini",
    "claude-3-haiku",
    "gemini-2.0-flash",
    "mistral-medium",
    "gpt4",
    "claude_v1",
    "chatgpt",
    "llama2_chat_70b",
];

/// A line of the input.
#[derive(Deserialize)]
struct Line {
    /// Comes back with the decision.
    #[serde(default)]
    id: Value,
    prompt: String,
}

/// Reads prompts from standard input and writes a line for each. What `outcomes` tells of models is learnt beforehand.
pub(super) fn run(
    engine: &Engine,
    constraints: &Constraints,
    outcomes: Option<&Path>,
    output: &Output,
) -> Result<ExitCode, Failure> {
    let caller: Arc<str> = Arc::from("cli");
    let now = engine.snapshot().at;
    let learned = outcomes.map(|path| learn(path, now)).transpose()?;
    // Kinds that the policy lets pass are not looked for in a request; here they are told of as well.
    let every_kind = everything(&engine.policy().guard);
    // The time that is told of the first line is that of a decision, and not that of unpacking what all of them need.
    drop(engine.explain(&Prompt::user("Write to ada@example.org: what is 6 times 7?"), constraints, &caller));
    let mut input = std::io::stdin().lock();
    each_line(&mut input, |number, text| {
        let line: Line = serde_json::from_str(text)
            .map_err(|error| Failure::Usage(format!("line {number} is no {{\"id\", \"prompt\"}} object: {error}")))?;
        let prompt = Arc::new(Prompt::user(line.prompt));
        let began = Instant::now();
        let decision = engine.explain(&prompt, constraints, &caller);
        let us = began.elapsed().as_secs_f64() * 1e6;
        let mut told = told(&decision, us);
        told.insert("id".to_owned(), line.id);
        told.insert("tokens_in".to_owned(), tokens_in(&prompt));
        let question = prompt.question();
        told.insert("tokens_out".to_owned(), tokens_out(&decision.analysis, &question, learned.as_ref(), now));
        if let Some(learned) = &learned {
            told.insert("quality".to_owned(), quality(learned, &decision.analysis, now));
        }
        let guarded = Guarded::inspect(Arc::clone(&prompt), Privacy::Standard, &every_kind);
        told.insert("pii".to_owned(), spans(guarded.verdict(), &question));
        output.json_line(&told)
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The share that explores while learning from nothing: more than where much is known already.
const ONLINE_SHARE: f32 = 0.05;

/// Answers the lines of a benchmark that learns online, one at a time.
pub(super) fn online(output: &Output) -> Result<ExitCode, Failure> {
    let clock = Clock::system();
    let mut online = Online::new(Exploration { share: ONLINE_SHARE });
    each_line(&mut std::io::stdin().lock(), |number, text| {
        let chance = RequestId(uuid::Uuid::now_v7()).chance();
        let answer = online.line(text, chance, clock.now());
        let answer = answer.map_err(|error| Failure::Usage(format!("line {number}: {error}")))?;
        answer.map_or(Ok(()), |answer| output.line(&answer))
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Calls `each` with the number and the text of every line that holds something.
fn each_line(
    input: &mut impl BufRead,
    mut each: impl FnMut(usize, &str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut text = String::new();
    for number in 1.. {
        text.clear();
        let read = input.by_ref().take(LONGEST_LINE).read_line(&mut text);
        let read = read.map_err(|error| Failure::Usage(format!("line {number} cannot be read: {error}")))?;
        if read == 0 {
            break;
        }
        if !text.trim().is_empty() {
            each(number, &text)?;
        }
    }
    Ok(())
}

/// What a log of outcomes teaches.
fn learn(path: &Path, now: Timestamp) -> Result<Learned, Failure> {
    let file =
        File::open(path).map_err(|error| Failure::Usage(format!("{} cannot be read: {error}", path.display())))?;
    let mut learned = Learned::default();
    each_line(&mut BufReader::new(file), |number, text| {
        let line = log::Line::parse(text)
            .map_err(|error| Failure::Usage(format!("{}, line {number}: {error}", path.display())))?;
        learned.study(&line.outcome(Tier::Frontier, now));
        Ok(())
    })?;
    Ok(learned)
}

/// The guard's policy with everything looked for that it would let pass unseen.
fn everything(policy: &GuardPolicy) -> GuardPolicy {
    let mut policy = policy.clone();
    for kind in FindingKind::ALL {
        if policy.of(kind) == Handling::Allow {
            policy.handling.insert(kind, Handling::Warn);
        }
    }
    policy
}

fn told(decision: &Decision, us: f64) -> Map<String, Value> {
    let analysis = &decision.analysis;
    let chosen = decision.chosen();
    let fields = json!({
        "score": analysis.complexity,
        "tier": outcome(decision),
        "task_type": task_type(analysis),
        "difficulty": analysis.difficulty,
        "us": us,
        "decision": {
            "task": analysis.task,
            "tier": chosen.map(|one| one.tier),
            "backend": chosen.map(|one| one.backend.clone()),
            "model": chosen.map(|one| one.model.clone()),
            "why": decision.headline(),
        },
    });
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// What becomes of a prompt, in the words of public collections: contained, kept private, worth a frontier model, or simple
/// enough for a local one.
fn outcome(decision: &Decision) -> &'static str {
    let verdict = &decision.verdict;
    if verdict.findings.iter().any(|finding| finding.kind == FindingKind::Attack) {
        return "contain";
    }
    match verdict.ruling {
        Ruling::KeepAsAsked | Ruling::KeepAsFound | Ruling::Refuse => "local_private",
        Ruling::Free | Ruling::FreeRedacted if decision.analysis.demanding => "frontier",
        Ruling::Free | Ruling::FreeRedacted => "local_simple",
    }
}

fn tokens_in(prompt: &Prompt) -> Value {
    let measured = Measured::of(prompt);
    let count = |model: &str| (model.to_owned(), Value::from(measured.tokens(&ModelId::from(model)).tokens));
    Value::Object(COUNTED.into_iter().map(count).collect())
}

fn tokens_out(analysis: &Analysis, question: &str, learned: Option<&Learned>, now: Timestamp) -> Value {
    let mut told = Map::new();
    for model in COUNTED {
        let model = ModelId::from(model);
        let length = learned.and_then(|learned| learned.expect(&analysis.kind, Tier::Frontier, &model, now).length);
        let range = tokens::forecast(analysis, question, length);
        told.insert(model.to_string(), json!({ "p50": range.p50, "p90": range.p90 }));
    }
    Value::Object(told)
}

fn quality(learned: &Learned, analysis: &Analysis, now: Timestamp) -> Value {
    let outlook = learned.outlook(&analysis.kind, now);
    let told: BTreeMap<String, f32> =
        learned.models().map(|(tier, model)| (model.to_string(), outlook.expect(tier, model).quality)).collect();
    json!(told)
}

/// Where what stands in the one text, in Unicode scalars.
fn spans(verdict: &Verdict, text: &str) -> Value {
    let mut marks: Vec<usize> = verdict.findings.iter().flat_map(|one| [one.start, one.end]).collect();
    marks.sort_unstable();
    marks.dedup();
    // One pass: every mark's place in characters.
    let mut places = BTreeMap::new();
    let (mut chars, mut from) = (0, 0);
    for mark in marks {
        chars += text.get(from..mark).map_or(0, |piece| piece.chars().count());
        from = mark;
        places.insert(mark, chars);
    }
    let found = verdict.findings.iter().filter(|one| one.kind.is_a_value());
    let span = |one: &crate::domain::privacy::Finding| {
        json!({
            "type": one.kind.entity(one.detail),
            "start": places.get(&one.start),
            "end": places.get(&one.end),
            "kind": one.kind,
            "why": one.why,
        })
    };
    Value::Array(found.map(span).collect())
}
