//! Fits the weights of the genres and writes them.
//!
//! ```text
//! cargo run --release --example fit_genres -- DIR [OUT]
//! ```
//!
//! `DIR` is the unpacked folder of the routing benchmark. Only the sets `multi9` (LLMRouter, MIT), whose tasks are genres, and
//! `tier` (vLLM semantic router, Apache-2.0), which is one genre, are read. The same data gives the same bytes.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use llm_call::domain::learning::fit::fit;
use llm_call::domain::learning::genre::GENRES;
use llm_call::domain::learning::shape::read;
use serde::Deserialize;
use serde::de::DeserializeOwned;

#[derive(Deserialize)]
struct Prompt {
    id: String,
    prompt: String,
}

#[derive(Deserialize)]
struct Label {
    id: String,
    task: String,
}

/// Any number will do; this is the one that the shipped weights were fitted with.
const SEED: u64 = 7;

/// A task with fewer prompts than this has no wording that could be learnt.
const FEWEST: usize = 20;

/// The genre of what is asked of an assistant at work, after all of LLMRouter's in the order of their names.
const AT_WORK: &str = "work";

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("usage: fit_genres DIR [OUT]")?).join("data/dev");
    let out = arguments.next().unwrap_or_else(|| "assets/genres.bin".to_owned());
    let tasks: BTreeMap<String, String> =
        lines::<Label>(&folder.join("multi9.labels.jsonl"))?.into_iter().map(|label| (label.id, label.task)).collect();
    let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
    for task in tasks.values() {
        *sizes.entry(task).or_default() += 1;
    }
    sizes.retain(|_, size| *size >= FEWEST);
    sizes.insert(AT_WORK, 0);
    if sizes.len() > GENRES {
        return Err(format!("{} genres, but there is room for {GENRES}", sizes.len()).into());
    }
    let genres: BTreeMap<&str, u8> = sizes.into_keys().zip(0..).collect();
    let mut known = Vec::new();
    for one in lines::<Prompt>(&folder.join("multi9.prompts.jsonl"))? {
        let genre = tasks.get(&one.id).and_then(|task| genres.get(task.as_str()));
        known.extend(genre.map(|genre| (read(&one.prompt), *genre)));
    }
    for one in lines::<Prompt>(&folder.join("tier.prompts.jsonl"))? {
        known.push((read(&one.prompt), genres[AT_WORK]));
    }
    std::fs::write(out, fit(&known, SEED).bytes())?;
    Ok(())
}

fn lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, Box<dyn Error>> {
    let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    BufReader::new(file).lines().map(|line| Ok(serde_json::from_str(&line?)?)).collect()
}
