//! Fits the weights of the analysis and writes them.
//!
//! ```text
//! cargo run --release --example fit_analysis -- DIR [OUT]
//! ```
//!
//! `DIR` is the unpacked folder of the routing benchmark. Only the sets `route2_mmlu`, `route2_gsm8k`, `multi9` and `tier`
//! are read, besides the templates beside this file. The same data gives the same bytes.
#![expect(clippy::print_stdout, clippy::expect_used, clippy::panic, reason = "a command for the people who build this")]

mod data;
mod frames;
mod grammar;
mod heads;
mod train;

use std::path::PathBuf;

use llm_call::domain::analysis::features::features;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().expect("usage: fit_analysis DIR [OUT]"));
    let out = PathBuf::from(arguments.next().unwrap_or_else(|| "assets/analysis.bin".to_owned()));
    let examples = data::examples(&folder);
    println!("{} prompts", examples.len());
    let rows: Vec<train::Row> = examples.iter().map(|example| train::row(&features(&example.text))).collect();
    let weights = heads::fit(&examples, &rows);
    std::fs::write(&out, weights.to_bytes()).expect("the weights can be written");
    println!("wrote {}", out.display());
}
