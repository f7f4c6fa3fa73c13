//! Fits the weights of the genres that ship as `assets/genres.bin`.
//!
//! ```text
//! cargo run --release --example fit_genres < examples.jsonl > assets/genres.bin
//! ```
//!
//! Each line is `{"prompt": "...", "genre": "..."}`. The shipped weights were fitted to the prompts of LLMRouter (MIT), each
//! task a genre, and of the vLLM semantic router (Apache-2.0), all together one.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};

use llm_call::domain::learning::fit::fit;
use llm_call::domain::learning::genre::GENRES;
use llm_call::domain::learning::shape::read;
use serde::Deserialize;

#[derive(Deserialize)]
struct Line {
    prompt: String,
    genre: String,
}

/// Any number will do; this is the one that the shipped weights were fitted with.
const SEED: u64 = 7;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let lines: Vec<Line> = std::io::stdin()
        .lock()
        .lines()
        .map(|line| Ok(serde_json::from_str(&line?)?))
        .collect::<Result<_, Box<dyn std::error::Error>>>()?;
    let names: BTreeMap<&str, u8> = lines.iter().map(|line| (line.genre.as_str(), 0)).collect();
    let names: BTreeMap<&str, u8> = names.into_keys().zip(0..).collect();
    if names.len() > GENRES {
        return Err(format!("{} genres, but there is room for {GENRES}", names.len()).into());
    }
    let known: Vec<_> = lines.iter().map(|line| (read(&line.prompt), names[line.genre.as_str()])).collect();
    let weights = fit(&known, SEED);
    std::io::stdout().write_all(&weights.bytes())?;
    Ok(())
}
