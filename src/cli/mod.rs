//! The command line: one file per subcommand. Each gets an engine, prints, and returns an exit code.

mod advice;
mod ask;
mod audit;
mod batch;
mod config;
mod dashboard;
mod doctor;
mod export;
mod flat;
mod history;
mod json;
mod kept;
mod learned;
mod operate;
mod output;
mod performance;
mod replay;
mod request;
mod route;
mod session;
mod signals;
mod spend;
mod table;
mod target;
mod tiers;
mod what_if;
mod when;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::domain::fleet::AdminState;

pub use output::{Failure, Output};

/// One router for language models in four tiers: Claude, Ollama, RunPod, and LiteLLM with everything behind it.
///
/// Without a command it opens the dashboard; on a first visit, `llm-call demo` does so without keys or servers.
#[derive(Debug, Parser)]
#[command(name = "llm-call", version, about, long_about, after_help = EXIT_CODES, args_conflicts_with_subcommands = false)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Option<Command>,
}

const EXIT_CODES: &str = "Exit codes: 0 done; 1 the request or a part of the batch failed, or the doctor found something \
broken; 2 wrong usage or configuration; 3 nobody may serve the request; 129 hung up, 130 \
interrupted, 131 told to quit, 143 terminated.";

/// Options that every command takes.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "For every command")]
pub struct Global {
    /// The configuration file [default: LLM_CALL_CONFIG, or llm-call/config.toml in the platform's configuration folder,
    /// which is ~/.config on Linux].
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Use simulated tiers: no key and no server is needed.
    #[arg(long, global = true)]
    pub demo: bool,
    /// What to write to the log file: error, warn, info, debug, trace, or a filter such as llm_call::provider=debug.
    #[arg(long, global = true, value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// When to use colours.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: When,
    /// Draw the dashboard with ASCII characters only.
    #[arg(long, global = true)]
    pub ascii: bool,
    /// Take away the dashboard's keys that change the fleet.
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
    /// Tell what a drain, a pin or another limit would do to the traffic, without making it so.
    WhatIf(what_if::Args),
    /// Tell what another configuration would have done with the traffic: where it would go, at what cost, how soon.
    Replay(replay::Args),
    /// Send many prompts, one per line of a JSONL file. Resumes where it left off.
    Batch(batch::Args),
    /// Show the tiers and their backends.
    Tiers(tiers::Args),
    /// Show the latest requests: where they went, what came of them, what they cost.
    History(history::Args),
    /// Show what was spent, and what is left of the limits.
    Spend(spend::Args),
    /// Show how well and how fast tiers, backends and models have answered.
    Performance(performance::Args),
    /// Show what operators did, what the guard found, and what the engine noticed.
    Audit(audit::Args),
    /// Show what the traffic has taught: which model is worth how much for which task; or forget it.
    Learned(learned::Args),
    /// Say what an answer was worth.
    Feedback(learned::FeedbackArgs),
    /// Write requests, attempts or the audit for other programs, as JSONL or CSV.
    Export(export::Args),
    /// Send no new requests to a tier, a backend or a model; what is in flight finishes.
    Drain(operate::AdminArgs),
    /// Send no requests there and do not probe it.
    Maint(operate::AdminArgs),
    /// Take back a drain or a maintenance.
    Ready(operate::ReadyArgs),
    /// Send requests to a tier, a backend or a model first, or nowhere else.
    Pin(operate::PinArgs),
    /// Take back the pins on a tier, a backend or a model.
    Unpin(operate::UnpinArgs),
    /// Print the effective configuration, with where each value came from. Keys are masked.
    Config(config::Args),
    /// Check the configuration: every backend, key, model, the clock, the terminal.
    Doctor(doctor::Args),
    /// Print completions for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page, of the program or of one command.
    Man {
        /// The command.
        command: Option<String>,
    },
}

impl Cli {
    /// Reads the arguments of this process. Ends it where there is only help to print, or a mistake to tell.
    #[must_use]
    pub fn of_process() -> Self {
        Self::try_parse().unwrap_or_else(|mut error| {
            if error.kind() == ErrorKind::InvalidSubcommand
                && let Some(ContextValue::String(word)) = error.remove(ContextKind::InvalidSubcommand)
            {
                let mut tips = vec![format!("to send a prompt, use `llm-call ask \"{}\"`", shortened(&word)).into()];
                if let Some(ContextValue::Strings(near)) = error.remove(ContextKind::SuggestedSubcommand) {
                    tips.extend(near.iter().map(|name| format!("a similar command exists: `{name}`").into()));
                }
                error.insert(ContextKind::InvalidSubcommand, ContextValue::String(word));
                error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
            }
            error.exit()
        })
    }
}

/// A prompt in a tip: its beginning says which is meant.
fn shortened(prompt: &str) -> String {
    const SHOWN: usize = 40;
    let line: String = prompt.chars().take_while(|c| !c.is_control()).take(SHOWN).collect();
    if line.len() < prompt.len() { format!("{line}…") } else { line }
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
        Some(Command::WhatIf(args)) => Box::pin(what_if::run(args, &global, &output)).await,
        Some(Command::Replay(args)) => Box::pin(replay::run(args, &global, &output)).await,
        Some(Command::Batch(args)) => Box::pin(batch::run(args, &global, &output)).await,
        Some(Command::Tiers(args)) => tiers::run(&args, &global, &output).await,
        Some(Command::History(args)) => Box::pin(history::run(&args, &global, &output)).await,
        Some(Command::Performance(args)) => Box::pin(performance::run(&args, &global, &output)).await,
        Some(Command::Spend(args)) => Box::pin(spend::run(&args, &global, &output)).await,
        Some(Command::Audit(args)) => Box::pin(audit::run(&args, &global, &output)).await,
        Some(Command::Learned(args)) => Box::pin(learned::run(&args, &global, &output)).await,
        Some(Command::Feedback(args)) => Box::pin(learned::feedback(&args, &global, &output)).await,
        Some(Command::Export(args)) => Box::pin(export::run(&args, &global, &output)).await,
        Some(Command::Drain(args)) => Box::pin(operate::admin(args, AdminState::Drain, &global, &output)).await,
        Some(Command::Maint(args)) => Box::pin(operate::admin(args, AdminState::Maint, &global, &output)).await,
        Some(Command::Ready(args)) => Box::pin(operate::ready(args, &global, &output)).await,
        Some(Command::Pin(args)) => Box::pin(operate::pin(args, &global, &output)).await,
        Some(Command::Unpin(args)) => Box::pin(operate::unpin(args, &global, &output)).await,
        Some(Command::Config(args)) => config::run(&args, &global, &output),
        Some(Command::Doctor(args)) => doctor::run(&args, &global, &output).await,
        Some(Command::Completions { shell }) => completions(shell, &output),
        Some(Command::Man { command }) => man(command.as_deref(), &output),
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

fn man(name: Option<&str>, output: &Output) -> Result<ExitCode, Failure> {
    let mut cli = Cli::command();
    // The options of every command belong on the page of each.
    cli.build();
    let command = match name {
        None => &cli,
        Some(name) => cli
            .get_subcommands()
            .find(|command| command.get_name() == name)
            .ok_or_else(|| Failure::Usage(format!("there is no command `{name}`; llm-call --help lists them")))?,
    };
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page).map_err(Failure::Output)?;
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
