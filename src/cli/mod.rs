//! The command line: one file per subcommand. Each gets an engine, prints, and returns an exit code.

mod ask;
mod batch;
mod config;
mod dashboard;
mod doctor;
mod output;
mod request;
mod route;
mod session;
mod tiers;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};

pub use output::{Failure, Output};

/// One router for language models in four tiers: Claude, Ollama, RunPod, and LiteLLM with everything behind it.
///
/// Without a command it opens the dashboard.
#[derive(Debug, Parser)]
#[command(name = "llm-call", version, about, long_about, after_help = EXIT_CODES, args_conflicts_with_subcommands = false)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Option<Command>,
}

const EXIT_CODES: &str = "Exit codes: 0 done; 1 the request or a part of the batch failed; 2 wrong usage or \
configuration; 3 nobody may serve the request; 130 interrupted.";

/// Options that every command takes.
#[derive(Clone, Debug, Default, Args)]
pub struct Global {
    /// The configuration file [default: config.toml in the platform's configuration folder].
    #[arg(long, global = true, value_name = "FILE", env = "LLM_CALL_CONFIG", hide_env = true)]
    pub config: Option<PathBuf>,
    /// Use simulated tiers: no key and no server is needed.
    #[arg(long, global = true)]
    pub demo: bool,
    /// What to log: error, warn, info, debug, trace, or a filter such as llm_call::provider=debug.
    #[arg(long, global = true, value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// When to use colours.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: When,
    /// Draw with ASCII characters only.
    #[arg(long, global = true)]
    pub ascii: bool,
    /// Take away the keys that change the fleet.
    #[arg(long, global = true)]
    pub read_only: bool,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum When {
    /// On a terminal that has them.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Open the dashboard on simulated tiers.
    Demo,
    /// Send a prompt and stream the answer.
    Ask(ask::Args),
    /// Show where a prompt would go and why, without sending it.
    Route(route::Args),
    /// Send many prompts, one per line of a JSONL file. Resumes where it left off.
    Batch(batch::Args),
    /// Show the tiers and their backends.
    Tiers(tiers::Args),
    /// Print the effective configuration, with where each value came from. Keys are masked.
    Config(config::Args),
    /// Check the configuration: every backend, key, model, the clock, the terminal.
    Doctor(doctor::Args),
    /// Print completions for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page.
    Man,
}

/// Runs the program. The future ends when the command has ended.
pub async fn run(cli: Cli) -> ExitCode {
    let output = Output::new(cli.global.color);
    let Cli { global, command } = cli;
    let done = match command {
        None => dashboard::run(&global, &output).await,
        Some(Command::Demo) => dashboard::run(&Global { demo: true, ..global }, &output).await,
        Some(Command::Ask(args)) => ask::run(args, &global, &output).await,
        Some(Command::Route(args)) => route::run(args, &global, &output).await,
        Some(Command::Batch(args)) => Box::pin(batch::run(args, &global, &output)).await,
        Some(Command::Tiers(args)) => tiers::run(&args, &global, &output).await,
        Some(Command::Config(args)) => config::run(&args, &global, &output),
        Some(Command::Doctor(args)) => doctor::run(&args, &global, &output).await,
        Some(Command::Completions { shell }) => completions(shell, &output),
        Some(Command::Man) => man(&output),
    };
    match done {
        Ok(code) => code,
        Err(failure) => output.fail(&failure),
    }
}

fn completions(shell: clap_complete::Shell, output: &Output) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "llm-call", &mut script);
    output.bytes(&script)?;
    Ok(ExitCode::SUCCESS)
}

fn man(output: &Output) -> Result<ExitCode, Failure> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut page).map_err(Failure::Output)?;
    output.bytes(&page)?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_coherent() {
        Cli::command().debug_assert();
    }
}
