//! The files of a batch: prompts in, answers out.

use std::collections::{BTreeMap, HashSet};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::Args;
use crate::cli::output::{Failure, Output};
use crate::domain::prompt::Prompt;

/// Standard input or output in place of a file.
pub const STANDARD: &str = "-";
/// Problems of the input that are named; a file that is none of ours has one on every line.
const MOST_PROBLEMS: usize = 10;

/// One line of the input.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Text(String),
    Object { id: Option<Value>, prompt: String },
}

/// One prompt that is to be sent.
pub struct Job {
    /// What its answer is known by.
    pub id: String,
    /// The prompt.
    pub prompt: Prompt,
}

/// The ids that the output holds an answer for. A last line that was cut off by a crash does not count.
pub fn finished(path: &Path) -> Result<HashSet<String>, Failure> {
    if path.as_os_str() == STANDARD {
        return Ok(HashSet::new());
    }
    if path.metadata().is_ok_and(|about| !about.is_file() && !about.is_dir()) {
        // A device or a pipe: what it was given is gone, and reading may never end.
        return Ok(HashSet::new());
    }
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(HashSet::new()),
        Err(error) => return Err(Failure::Usage(format!("cannot read {}: {error}", path.display()))),
    };
    let mut ids = HashSet::new();
    let mut ends_cleanly = true;
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    loop {
        // As bytes: the cut may have gone through a character.
        line.clear();
        let read = reader.read_until(b'\n', &mut line);
        if read.map_err(|error| Failure::Usage(format!("cannot read {}: {error}", path.display())))? == 0 {
            break;
        }
        ends_cleanly = line.ends_with(b"\n");
        let value: Option<Value> = serde_json::from_slice(&line).ok();
        if let Some(value) = value.filter(|value| value["ok"] == Value::Bool(true))
            && let Some(id) = value["id"].as_str()
        {
            ids.insert(id.to_owned());
        }
    }
    if !ends_cleanly {
        // The next line must not be glued to the broken one.
        let glued = OpenOptions::new().append(true).open(path).and_then(|mut file| file.write_all(b"\n"));
        glued.map_err(|error| Failure::Usage(format!("cannot write {}: {error}", path.display())))?;
    }
    Ok(ids)
}

/// The prompts that are to be sent, and how many are answered already.
pub fn jobs(args: &Args, done: &HashSet<String>) -> Result<(Vec<Job>, usize), Failure> {
    let (mut jobs, mut skipped) = (Vec::new(), 0);
    read_prompts(&args.input, |id, prompt| {
        if done.contains(&id) {
            skipped += 1;
        } else {
            jobs.push(Job { id, prompt: args.shape.prompt(prompt) });
        }
    })?;
    Ok((jobs, skipped))
}

/// Reads a file of prompts and hands each over with its id: the line's own, or `line-1`, `line-2` and so on.
///
/// # Errors
///
/// Everything that is wrong with the file. What was handed over then is not to be used.
pub fn read_prompts(path: &Path, mut take: impl FnMut(String, String)) -> Result<(), Failure> {
    let mut lines: BTreeMap<String, usize> = BTreeMap::new();
    read_lines(path, |number, text| {
        let (id, prompt) = prompt_of(text)?;
        let id = match id {
            Some(Value::String(id)) => id,
            Some(other) => other.to_string(),
            None => format!("line-{number}"),
        };
        if prompt.trim().is_empty() {
            return Err("the prompt is empty".to_owned());
        }
        // Of two answers with one id, nobody could tell which is whose.
        if let Some(first) = lines.insert(id.clone(), number) {
            return Err(format!("the id `{id}` is that of line {first} already"));
        }
        take(id, prompt);
        Ok(())
    })
}

/// The prompt of a line, with its id where it has one.
///
/// # Errors
///
/// What is wrong with the line.
pub fn prompt_of(text: &str) -> Result<(Option<Value>, String), String> {
    match serde_json::from_str(text) {
        Ok(Line::Text(text)) => Ok((None, text)),
        Ok(Line::Object { id, prompt }) => Ok((id, prompt)),
        Err(_) => Err(what_is_wrong(text).to_owned()),
    }
}

/// Reads a file of lines, or standard input, and hands each over with its number, from 1. Blank lines are left out.
///
/// # Errors
///
/// If it cannot be read; what `take` finds wrong with the lines, at the end and with their numbers.
pub fn read_lines(path: &Path, mut take: impl FnMut(usize, &str) -> Result<(), String>) -> Result<(), Failure> {
    let cannot = |error: &dyn std::fmt::Display| Failure::Usage(format!("cannot read {}: {error}", path.display()));
    let input: Box<dyn Read> = if path.as_os_str() == STANDARD {
        Box::new(io::stdin().lock())
    } else {
        let file = File::open(path).map_err(|error| cannot(&error))?;
        Box::new(file)
    };
    let mut problems = Vec::new();
    let mut bytes = Vec::new();
    let mut reader = BufReader::new(input);
    for number in 1.. {
        bytes.clear();
        if reader.read_until(b'\n', &mut bytes).map_err(|error| cannot(&error))? == 0 {
            break;
        }
        // Files from Windows may begin with a byte order mark.
        let text = std::str::from_utf8(&bytes).map(|text| text.trim_start_matches('\u{feff}').trim());
        let taken = match text {
            Ok("") => Ok(()),
            Ok(text) => take(number, text),
            Err(_) => Err("it is not UTF-8".to_owned()),
        };
        if let Err(problem) = taken {
            problems.push(format!("line {number}: {problem}"));
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    let more = problems.len().saturating_sub(MOST_PROBLEMS);
    problems.truncate(MOST_PROBLEMS);
    if more > 0 {
        problems.push(format!("and {more} more"));
    }
    Err(Failure::Usage(format!("{}:\n  {}", path.display(), problems.join("\n  "))))
}

/// Never the text itself: a prompt is not for a terminal's history or a job's log.
fn what_is_wrong(text: &str) -> &'static str {
    match serde_json::from_str::<Value>(text) {
        Err(_) => "not JSON; write a prompt as \"…\" or {\"prompt\": \"…\"}",
        Ok(Value::Object(object)) if object.contains_key("prompt") => "`prompt` is not a string",
        Ok(Value::Object(_)) => "an object without `prompt`",
        Ok(_) => "neither a string nor an object with `prompt`",
    }
}

/// Answers must not be added to the prompts.
pub fn are_two(input: &Path, output: &Path) -> Result<(), Failure> {
    match (input.canonicalize(), output.canonicalize()) {
        (Ok(one), Ok(other)) if one == other => {
            Err(Failure::Usage(format!("{} is both input and output", input.display())))
        }
        _ => Ok(()),
    }
}

/// Where the answers go, each as a line that is written at once or not at all.
pub enum Sink<'a> {
    /// To a file, which no other batch writes meanwhile.
    File(File, PathBuf),
    /// To standard output.
    Standard(&'a Output),
}

impl<'a> Sink<'a> {
    /// Opens it.
    pub fn open(path: &Path, output: &'a Output) -> Result<Self, Failure> {
        if path.as_os_str() == STANDARD {
            return Ok(Self::Standard(output));
        }
        let cannot =
            |error: &dyn std::fmt::Display| Failure::Usage(format!("cannot write {}: {error}", path.display()));
        let file = OpenOptions::new().create(true).append(true).open(path).map_err(|error| cannot(&error))?;
        // File systems without locks have to trust the user.
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Err(cannot(&"another batch is writing it"));
        }
        Ok(Self::File(file, path.to_owned()))
    }

    /// Whether what is written cannot be read again.
    pub const fn is_pipe(&self) -> bool {
        matches!(self, Self::Standard(_))
    }

    /// Writes a line.
    pub fn write(&mut self, value: &Value) -> Result<(), Failure> {
        match self {
            Self::Standard(output) => output.line(&value.to_string()),
            Self::File(file, path) => file
                .write_all(format!("{value}\n").as_bytes())
                .map_err(|error| Failure::Other(format!("cannot write {}: {error}", path.display()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_output_that_was_cut_anywhere_is_gone_on_with() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("out.jsonl");
        let whole = "{\"id\":\"a\",\"ok\":true,\"text\":\"é\"}\n{\"id\":\"b\",\"ok\":true,\"text\":\"é\"}\n";
        for cut in 0..=whole.len() {
            std::fs::write(&path, &whole.as_bytes()[..cut]).expect("written");
            let ids = finished(&path).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
            let output = Output::new(crate::cli::When::Never);
            let mut sink = Sink::open(&path, &output).expect("opens");
            sink.write(&json!({"id": "c", "ok": true})).expect("written");
            drop(sink);
            let mut expected = ids;
            expected.insert("c".to_owned());
            assert_eq!(finished(&path).expect("read"), expected, "cut at {cut}");
        }
    }
}
