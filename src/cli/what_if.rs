//! `llm-call what-if`: what a change of the fleet would do to the traffic that passed lately, without making it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;

use serde_json::json;

use super::Global;
use super::batch::read_prompts;
use super::output::{Failure, Output, Style};
use super::request::{dollars, task};
use super::session::{Session, Watch};
use crate::config::Config;
use crate::domain::fleet::{AdminState, Fleet, PinScope};
use crate::domain::money::Money;
use crate::domain::prompt::Prompt;
use crate::domain::request::Constraints;
use crate::domain::task::Task;
use crate::domain::time::Timestamp;
use crate::domain::what_if::{Change, Foreseen, REQUESTS, WINDOW, foresee};
use crate::engine::{Clock, Engine};
use crate::store::recent::{self, Asked};

/// Arguments of `what-if`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
TARGET is a tier, a backend, or backend/model; `llm-call tiers` lists them. Nothing is sent and nothing is changed: the \
requests that `ask`, `batch` and the dashboard recorded in the last 15 minutes are decided again.\n\n\
Examples:\n  llm-call what-if drain claude\n  llm-call what-if pin gpu --only --task code\n  \
llm-call what-if --prompts prompts.jsonl maint ollama\n\n\
Exit codes: 0 told, even where nothing was recorded; 2 wrong usage or configuration.")]
pub struct Args {
    /// Look at the prompts of this file, as `batch` reads it, in place of what passed lately; `-` reads standard input.
    #[arg(long, global = true, value_name = "FILE")]
    prompts: Option<PathBuf>,
    /// Print what would happen as JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    what: What,
}

/// The change.
#[derive(Debug, clap::Subcommand)]
enum What {
    /// Take no new requests there.
    Drain {
        /// A tier, a backend, or backend/model.
        target: String,
    },
    /// Take no requests there, and do not probe it.
    Maint {
        /// A tier, a backend, or backend/model.
        target: String,
    },
    /// Take requests there again.
    Ready {
        /// A tier, a backend, or backend/model.
        target: String,
    },
    /// Send requests there first.
    Pin {
        /// A tier, a backend, or backend/model.
        target: String,
        /// Nowhere else, even if it cannot serve.
        #[arg(long)]
        only: bool,
        /// Only requests of this task.
        #[arg(long, value_parser = task, conflicts_with = "caller")]
        task: Option<Task>,
        /// Only requests of this caller.
        #[arg(long, value_name = "NAME")]
        caller: Option<String>,
    },
    /// Take the pins on it away.
    Unpin {
        /// A tier, a backend, or backend/model.
        target: String,
    },
    /// Set what may be spent in a day.
    Limit {
        /// Dollars, or none.
        #[arg(value_name = "USD", value_parser = Limit::from_str, allow_negative_numbers = true)]
        limit: Limit,
    },
}

#[derive(Clone, Copy, Debug)]
struct Limit(Option<Money>);

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("none") {
            return Ok(Self(None));
        }
        dollars(text).map(|limit| Self(Some(limit))).map_err(|error| format!("{error}, or none"))
    }
}

/// Runs `what-if`.
///
/// # Errors
///
/// If the fleet has no such part, or the prompts or the record cannot be read.
pub async fn run(args: Args, global: &Global, output: &Output) -> Result<ExitCode, Failure> {
    let prompts = args.prompts.as_deref().map(prompts).transpose()?;
    let (session, config) = Session::open(global, output, Watch::BackendsOnly).await?;
    session.probed().await;
    let looked = look(&args.what, prompts, &session, output);
    session.stop().await;
    let (change, foreseen) = looked?;
    if global.demo {
        output.note("DEMO: these tiers are simulated");
    }
    if let Some(caution) = args.what.caution().filter(|_| !config.store.enabled) {
        output.note(caution);
    }
    if args.json {
        output.json(&json!({
            "change": change,
            "words": change.words(),
            "foreseen": foreseen,
            "sentences": foreseen.sentences(),
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    if foreseen.requests == 0 {
        output.line(&nothing_known(&args, &config))?;
        return Ok(ExitCode::SUCCESS);
    }
    output.line(&output.styled(Style::Bold, &change.words()))?;
    for sentence in foreseen.sentences() {
        output.line(&sentence)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn look(
    what: &What,
    prompts: Option<Vec<String>>,
    session: &Session,
    output: &Output,
) -> Result<(Change, Foreseen), Failure> {
    let engine = &session.engine;
    let snapshot = engine.snapshot();
    let change = what.change(&snapshot.fleet)?;
    let now = Clock::system().now();
    let asked = match prompts {
        Some(prompts) => analysed(prompts, engine, now, output),
        None => recorded(session, snapshot.simulated, output)?,
    };
    let matters = asked.iter().map(|one| (one.at, one.matter()));
    let foreseen = foresee(matters, &change, &snapshot.fleet, engine.policy(), now);
    Ok((change, foreseen))
}

fn prompts(file: &Path) -> Result<Vec<String>, Failure> {
    let mut prompts = Vec::new();
    read_prompts(file, |_, prompt| prompts.push(prompt))?;
    Ok(prompts)
}

/// The prompts as if all of them were asked now.
fn analysed(prompts: Vec<String>, engine: &Engine, now: Timestamp, output: &Output) -> Vec<Asked> {
    if prompts.len() > REQUESTS {
        output.note(&format!("note: the first {REQUESTS} of {} prompts are looked at", prompts.len()));
    }
    let caller = Arc::from("batch");
    let asked = |prompt| {
        let mut asked = Asked::of(&engine.explain(&Prompt::user(prompt), &Constraints::default(), &caller));
        asked.at = now;
        asked
    };
    prompts.into_iter().take(REQUESTS).map(asked).collect()
}

fn recorded(session: &Session, simulated: bool, output: &Output) -> Result<Vec<Asked>, Failure> {
    let Some(folder) = session.state_folder() else { return Ok(Vec::new()) };
    let found = recent::read(folder, simulated)
        .map_err(|error| Failure::Other(format!("cannot read the record in {}: {error}", folder.display())))?;
    if found.skipped > 0 {
        output.note(&format!("note: {} lines of the record cannot be read and are left out", found.skipped));
    }
    Ok(found.asked)
}

fn nothing_known(args: &Args, config: &Config) -> String {
    if let Some(file) = &args.prompts {
        return format!("{} holds no prompts", file.display());
    }
    if !config.log_performance {
        return "nothing is recorded, since log_performance is off in the configuration\n\
                turn it on, or give prompts with --prompts FILE"
            .to_owned();
    }
    format!(
        "nothing was recorded in the last {} minutes, so there is nothing to judge by\n\
         send prompts with `llm-call ask`, or give them with --prompts FILE",
        WINDOW.as_secs() / 60
    )
}

impl What {
    fn change(&self, fleet: &Fleet) -> Result<Change, Failure> {
        let admin = |target: &str, state| {
            Ok::<_, Failure>(Change::Admin { target: super::target::target(target, fleet)?, state })
        };
        match self {
            Self::Drain { target } => admin(target, AdminState::Drain),
            Self::Maint { target } => admin(target, AdminState::Maint),
            Self::Ready { target } => admin(target, AdminState::Ready),
            Self::Pin { target, only, task, caller } => {
                let by_caller = || caller.as_deref().map(|caller| PinScope::Caller(caller.into()));
                let scope = task.map(PinScope::Task).or_else(by_caller).unwrap_or_default();
                Ok(Change::Pin { target: super::target::target(target, fleet)?, scope, only: *only })
            }
            Self::Unpin { target } => Ok(Change::Unpin { target: super::target::target(target, fleet)? }),
            Self::Limit { limit } => Ok(Change::DailyLimit { limit: limit.0 }),
        }
    }

    /// What an engine that has just started does not know where nothing is kept.
    const fn caution(&self) -> Option<&'static str> {
        match self {
            Self::Drain { .. } | Self::Maint { .. } | Self::Pin { .. } | Self::Limit { limit: Limit(None) } => None,
            Self::Ready { .. } | Self::Unpin { .. } => {
                Some("note: nothing is kept from run to run, so here is no drain and no pin to undo")
            }
            Self::Limit { .. } => Some("note: what today has cost already is not known here, so it counts as nothing"),
        }
    }
}
