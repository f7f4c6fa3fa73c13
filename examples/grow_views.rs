//! Grows the table of views that ships as `assets/views.txt`.
//!
//! ```text
//! cargo run --release --example grow_views < examples.jsonl > assets/views.txt
//! ```
//!
//! Each line is `{"prompt": "...", "targets": [..]}`: a prompt, and numbers centred on zero that should be alike within a
//! drawer. The shipped table was grown from prompts of LLMRouter (MIT; targets: what nine models' answers were worth, and
//! which task), of RouteLLM's MMLU and GSM8K sets (Apache-2.0, MIT; which set) and of the vLLM semantic router (Apache-2.0;
//! which set).

use std::io::{BufRead, Write};

use llm_call::domain::learning::grow::{Example, grow};
use llm_call::domain::learning::shape::shape;
use llm_call::domain::learning::views;
use serde::Deserialize;

#[derive(Deserialize)]
struct Line {
    prompt: String,
    targets: Vec<f32>,
}

/// Any number will do; this is the one that the shipped table was grown with.
const SEED: u64 = 7;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut examples = Vec::new();
    for line in std::io::stdin().lock().lines() {
        let Line { prompt, targets } = serde_json::from_str(&line?)?;
        examples.push(Example { shape: shape(&prompt), targets });
    }
    std::io::stdout().write_all(views::write(&grow(&examples, SEED)).as_bytes())?;
    Ok(())
}
