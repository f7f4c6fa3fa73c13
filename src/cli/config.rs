//! `llm-call config`: the effective configuration, with where each value came from.

use std::process::ExitCode;

use super::output::{Failure, Output};
use super::{Global, session};

/// Arguments of `config`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print JSON.
    #[arg(long, conflicts_with = "example")]
    json: bool,
    /// Print a commented example file with every key and its default instead.
    #[arg(long)]
    example: bool,
}

/// Runs `config`.
///
/// # Errors
///
/// Everything that is wrong with the configuration.
pub fn run(args: &Args, global: &Global, output: &Output) -> Result<ExitCode, Failure> {
    if args.example {
        output.text(crate::config::EXAMPLE)?;
        return Ok(ExitCode::SUCCESS);
    }
    if global.demo {
        output.note("note: the demonstration brings its own configuration; this is the one that holds without --demo");
    }
    let loaded = session::load(global)?;
    if loaded.file.is_none() {
        output.note(&format!("note: {}", session::no_file()));
    }
    if args.json {
        // The text has them at its end.
        for warning in &loaded.warnings {
            output.note(&format!("note: {warning}"));
        }
        output.json(&loaded.entries())?;
    } else {
        output.text(&loaded.render())?;
    }
    Ok(ExitCode::SUCCESS)
}
