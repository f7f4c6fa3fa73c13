//! A record of what was asked lately, so that a command that has just started can foresee what a change would do:
//! `llm-call what-if` and `llm-call replay` read what `ask`, `batch` and the dashboard wrote.
//!
//! One JSON line per accepted request, in a file that only its owner can read. It holds what a decision is about and nothing
//! else: no prompt, no answer, and of what the guard found the kinds, not the places. It never holds up a request: a task of
//! its own listens to the facts, and what it misses is missing. And nothing in it may decide where a prompt goes: a real
//! prompt is always looked at anew.
//!
//! Several processes may write one file. When it has grown too large, one of them puts its newest lines into a new file; a
//! line that another appends in that very moment may be lost, which a forecast does not miss.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::domain::analysis::Analysis;
use crate::domain::decision::{Decision, Matter};
use crate::domain::id::RequestId;
use crate::domain::privacy::{Finding, FindingKind, Ruling, Verdict};
use crate::domain::request::Constraints;
use crate::domain::time::Timestamp;
use crate::engine::Fact;
use crate::logging::{append_private, create_private_folder};

/// The file's name.
pub const FILE_NAME: &str = "recent.jsonl";
/// The file's name where the tiers are simulated: what a demonstration was asked says nothing of the real traffic.
pub const SIMULATED_FILE_NAME: &str = "recent-simulated.jsonl";

/// The form of a line. Lines of another form are not read.
const FORM: u8 = 2;
/// A file that is larger is cut down, in bytes.
const LARGEST: u64 = 1024 * 1024;
/// The lines that are kept of it: as many as [`foresee`](crate::domain::what_if::foresee) looks at.
const KEPT: usize = crate::domain::what_if::REQUESTS;
/// No more is read, from the end, in bytes: somebody else's file must not fill the memory.
const MOST_READ: u64 = 4 * LARGEST;
/// Lines that are written in one go.
const BATCH: usize = 256;

/// What a decision was about: enough to decide again.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// When it was decided.
    pub at: Timestamp,
    request: RequestId,
    caller: Arc<str>,
    constraints: Constraints,
    analysis: Analysis,
    verdict: Arc<Verdict>,
}

impl Asked {
    /// What this decision was about.
    #[must_use]
    pub fn of(decision: &Decision) -> Self {
        Self {
            at: decision.at,
            request: decision.request,
            caller: Arc::clone(&decision.caller),
            constraints: decision.constraints.clone(),
            analysis: decision.analysis.clone(),
            verdict: Arc::clone(&decision.verdict),
        }
    }

    /// As [`decide`](crate::domain::decision::decide) takes it.
    #[must_use]
    pub const fn matter(&self) -> Matter<'_> {
        let Self { request, caller, constraints, analysis, verdict, .. } = self;
        Matter { request: *request, caller, constraints, analysis, verdict, chance: 1.0 }
    }
}

/// A line of the file.
#[derive(Serialize, Deserialize)]
struct Line {
    form: u8,
    at: Timestamp,
    request: RequestId,
    caller: Arc<str>,
    constraints: Constraints,
    analysis: Analysis,
    ruling: Ruling,
    found: Vec<FindingKind>,
}

impl From<&Asked> for Line {
    fn from(asked: &Asked) -> Self {
        let Asked { at, request, caller, constraints, analysis, verdict } = asked.clone();
        // The words that decided the task are the prompt's own, so they stay out.
        let analysis = Analysis { evidence: Vec::new(), ..analysis };
        // The kinds alone: how many there were is nobody's business, and a line must not grow with them.
        let mut found: Vec<FindingKind> = verdict.findings.iter().map(|finding| finding.kind).collect();
        found.sort_unstable();
        found.dedup();
        let ruling = verdict.ruling;
        let form = FORM;
        Self { form, at, request, caller, constraints, analysis, ruling, found }
    }
}

impl From<Line> for Asked {
    fn from(line: Line) -> Self {
        let Line { form: _, at, request, caller, constraints, analysis, ruling, found } = line;
        let somewhere = |kind| Finding::new(kind, 0, 0, 0);
        let findings = found.into_iter().map(somewhere).collect();
        Self { at, request, caller, constraints, analysis, verdict: Arc::new(Verdict { findings, ruling }) }
    }
}

/// What a file held.
#[derive(Clone, Debug, Default)]
pub struct Recent {
    /// What was asked, newest first.
    pub asked: Vec<Asked>,
    /// Lines that could not be read, or are of another form.
    pub skipped: usize,
}

fn path(folder: &Path, simulated: bool) -> PathBuf {
    folder.join(if simulated { SIMULATED_FILE_NAME } else { FILE_NAME })
}

/// Reads what was recorded in a state folder. No file means that nothing was.
///
/// # Errors
///
/// If there is a file that cannot be read.
pub fn read(folder: &Path, simulated: bool) -> io::Result<Recent> {
    let bytes = match tail(&path(folder, simulated)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Recent::default()),
        Err(error) => return Err(error),
    };
    let mut recent = Recent::default();
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
        match asked_of(line) {
            Some(asked) => recent.asked.push(asked),
            None => recent.skipped += 1,
        }
    }
    // Processes that write one file are not always in step.
    recent.asked.sort_by_key(|asked| std::cmp::Reverse(asked.at));
    Ok(recent)
}

/// What a line of a record is about; `None` where it cannot be read, or is of another form.
#[must_use]
pub fn asked_of(line: &[u8]) -> Option<Asked> {
    let line: Line = serde_json::from_slice(line).ok()?;
    (line.form == FORM).then(|| line.into())
}

/// Whether a line is one of a record, of whatever form.
#[must_use]
pub fn is_record(line: &[u8]) -> bool {
    let object = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(line);
    object.is_ok_and(|object| object.contains_key("form") && object.contains_key("request"))
}

/// The end of a file, from the beginning of a line.
fn tail(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let from = file.metadata()?.len().saturating_sub(MOST_READ);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(MOST_READ).read_to_end(&mut bytes)?;
    if from > 0 {
        let begun = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1);
        bytes.drain(..begun);
    }
    Ok(bytes)
}

/// Appends lines, each with one write. Cuts the file down where it has grown too large.
fn append(path: &Path, lines: &[Vec<u8>]) -> io::Result<()> {
    // Opened anew each time: another process may have put a new file in its place.
    let mut file = append_private(path)?;
    for line in lines {
        file.write_all(line)?;
    }
    if file.metadata()?.len() <= LARGEST {
        return Ok(());
    }
    match file.try_lock() {
        // Another process is at it.
        Err(TryLockError::WouldBlock) => Ok(()),
        // File systems without locks get two new files at worst, of which the later one stays.
        Ok(()) | Err(TryLockError::Error(_)) => cut_down(path),
    }
}

fn cut_down(path: &Path) -> io::Result<()> {
    let bytes = tail(path)?;
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let kept = lines[lines.len().saturating_sub(KEPT)..].concat();
    let new = path.with_extension(format!("{}.tmp", std::process::id()));
    let written = append_private(&new).and_then(|mut file| file.write_all(&kept)).and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        drop(fs::remove_file(&new));
    }
    written
}

/// Writes what is asked into the file, until it is stopped.
#[derive(Debug)]
#[must_use = "what waits to be written is written by `stop`"]
pub struct Recorder {
    stop: CancellationToken,
    task: TaskTracker,
}

impl Recorder {
    /// Sets a task to work on what these facts tell. The folder is made where there is none. A file that cannot be written
    /// is told to the log, once. Must be called within a Tokio runtime.
    pub fn start(folder: &Path, simulated: bool, facts: broadcast::Receiver<Fact>) -> Self {
        let stop = CancellationToken::new();
        let task = TaskTracker::new();
        task.spawn(record(folder.to_owned(), simulated, facts, stop.clone()));
        task.close();
        Self { stop, task }
    }

    /// Stops when all that has been told until now is written.
    pub async fn stop(self) {
        self.stop.cancel();
        self.task.wait().await;
    }
}

async fn record(folder: PathBuf, simulated: bool, mut facts: broadcast::Receiver<Fact>, stop: CancellationToken) {
    let path = path(&folder, simulated);
    let mut told = false;
    loop {
        let first = tokio::select! {
            biased;
            fact = facts.recv() => fact,
            () = stop.cancelled() => return,
        };
        let mut lines = Vec::new();
        match first {
            Ok(fact) => lines.extend(line(&fact)),
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
        while lines.len() < BATCH
            && let Ok(fact) = facts.try_recv()
        {
            lines.extend(line(&fact));
        }
        if lines.is_empty() {
            continue;
        }
        let (folder, path) = (folder.clone(), path.clone());
        let write = move || create_private_folder(&folder).and_then(|()| append(&path, &lines));
        if let Ok(Err(error)) = tokio::task::spawn_blocking(write).await
            && !std::mem::replace(&mut told, true)
        {
            tracing::warn!(%error, "what is asked cannot be recorded, so what-if will not know of it");
        }
    }
}

fn line(fact: &Fact) -> Option<Vec<u8>> {
    let Fact::Decided(decision) = fact else { return None };
    let mut line = serde_json::to_vec(&Line::from(&Asked::of(decision))).ok()?;
    line.push(b'\n');
    Some(line)
}

#[cfg(test)]
mod tests;
