//! `llm-call replay`: what another configuration would have done with recorded traffic, without sending any of it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::batch::{prompt_of, read_lines};
use super::output::{Failure, Output, Style};
use super::session::{self, Session, Watch};
use super::table::{Column, Table};
use super::{Global, spend};
use crate::config::Config;
use crate::domain::decision::Matter;
use crate::domain::fleet::Fleet;
use crate::domain::privacy::{Guarded, Verdict};
use crate::domain::prompt::Prompt;
use crate::domain::request::{Constraints, Privacy};
use crate::domain::time::Timestamp;
use crate::domain::what_if::{Foreseen, Setting, Twice, carried, replay, ruled, share};
use crate::engine::{Clock, Engine, Options};
use crate::store::keeper;
use crate::store::recent::{self, Asked};

/// Requests that are looked at, at most: a day of a busy gateway, and no more memory than some hundred megabytes.
const MOST: usize = 100_000;
/// How long the other configuration's engine may take to stop: nothing is in flight in it.
const GRACE: Duration = Duration::from_secs(1);

/// Arguments of `replay`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
--config names the OTHER configuration here; the present one is the one that holds without it, or --against. Every request \
of the log is decided twice, as if it were asked now, over backends as they are now: nothing is sent but probes, and nothing \
is changed. Costs on both sides are predictions.\n\n\
A line of LOG is one of recent.jsonl, which `ask`, `batch` and the dashboard write, or a prompt as `batch` reads it. A record \
holds no prompt: what only the other guard looks for is not known there, and is told.\n\n\
Examples:\n  llm-call replay --config new.toml\n  llm-call replay prompts.jsonl --config new.toml --json\n  \
llm-call replay --against old.toml --config new.toml ~/recent.jsonl\n\n\
Exit codes: 0 told, even where nothing was recorded; 2 wrong usage or configuration.")]
pub struct Args {
    /// What was asked, one JSON line each; `-` reads standard input [default: what was recorded of late].
    #[arg(value_name = "LOG")]
    log: Option<PathBuf>,
    /// The configuration to compare with, in place of the present one.
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Print what would happen as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs `replay`.
///
/// # Errors
///
/// If one of the configurations is wrong, or the log cannot be read.
pub async fn run(args: Args, global: &Global, output: &Output) -> Result<ExitCode, Failure> {
    let Some(file) = &global.config else {
        return Err(Failure::Usage("name the other configuration: llm-call replay --config new.toml".into()));
    };
    let other = session::load(global)?;
    for warning in &other.warnings {
        output.note(&format!("note: {}: {warning}", file.display()));
    }
    let present = Global { config: args.against.clone(), ..global.clone() };
    let log = args.log.as_deref().map(read).transpose()?;
    let (session, config) = Session::open(&present, output, Watch::BackendsOnly).await?;
    let looked = look(log, &session, &config, other.config, output).await;
    session.stop().await;
    let foreseen = looked?;
    if global.demo {
        output.note(
            "DEMO: these tiers are simulated; of the other configuration the rules, the guard and the limits count",
        );
    }
    if args.json {
        output.json(&json!({
            "present": args.against,
            "other": file,
            "foreseen": foreseen,
            "sentences": foreseen.replayed(),
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    if foreseen.requests == 0 {
        output.line(&nothing_known(&args, &config))?;
        return Ok(ExitCode::SUCCESS);
    }
    print(&foreseen, file, output)?;
    Ok(ExitCode::SUCCESS)
}

fn print(foreseen: &Foreseen, other: &Path, output: &Output) -> Result<(), Failure> {
    let head = format!("{} in place of the present configuration: {}", other.display(), foreseen.looked_at());
    output.line(&output.styled(Style::Bold, &head))?;
    let (moved, all) = (foreseen.moved(), foreseen.requests);
    if moved == 0 {
        output.line("none would go elsewhere")?;
    } else {
        output.line(&format!("{moved} would go elsewhere ({})", share(moved, all)))?;
        let columns = [("FROM", 1), ("TO", 1)].map(|(head, rank)| Column::text(head, rank).cut_to(12));
        let numbers = [Column::number("REQUESTS", 0), Column::number("SHARE", 0)];
        let mut table = Table::new([columns, numbers].concat());
        for way in &foreseen.moves {
            let (requests, share) = (way.requests.to_string(), share(way.requests, all));
            table.row(vec![way.from.as_str().into(), way.to.as_str().into(), requests.into(), share.into()]);
        }
        table.print(output)?;
    }
    for sentence in foreseen.replayed() {
        output.line(&sentence)?;
    }
    Ok(())
}

fn nothing_known(args: &Args, config: &Config) -> String {
    match &args.log {
        Some(file) => format!("{} holds no requests", file.display()),
        None if !config.log_performance => {
            "nothing is recorded, since log_performance is off in the configuration\n\
             turn it on, or give a file of prompts: llm-call replay prompts.jsonl --config new.toml"
                .to_owned()
        }
        None => "nothing was recorded, so there is nothing to replay\n\
                 send prompts with `llm-call ask`, or give a file of them: llm-call replay prompts.jsonl --config new.toml"
            .to_owned(),
    }
}

/// A line of a log.
enum Line {
    /// Of a record: what a decision was about, without its prompt.
    Recorded(Box<Asked>),
    /// A prompt.
    Prompt(String),
}

/// What a log holds, and how many of its lines are of a form that is not read any more.
struct Log {
    lines: Vec<Line>,
    skipped: usize,
    left_out: usize,
}

fn read(path: &Path) -> Result<Log, Failure> {
    let mut log = Log { lines: Vec::new(), skipped: 0, left_out: 0 };
    read_lines(path, |_, text| {
        if log.lines.len() == MOST {
            log.left_out += 1;
        } else if let Some(asked) = recent::asked_of(text.as_bytes()) {
            log.lines.push(Line::Recorded(Box::new(asked)));
        } else if recent::is_record(text.as_bytes()) {
            log.skipped += 1;
        } else {
            log.lines.push(Line::Prompt(prompt_of(text)?.1));
        }
        Ok(())
    })?;
    Ok(log)
}

fn recorded(session: &Session, simulated: bool) -> Result<Log, Failure> {
    let found = match session.state_folder() {
        Some(folder) => recent::read(folder, simulated)
            .map_err(|error| Failure::Other(format!("cannot read the record in {}: {error}", folder.display())))?,
        None => recent::Recent::default(),
    };
    let lines = found.asked.into_iter().map(|asked| Line::Recorded(Box::new(asked))).collect();
    Ok(Log { lines, skipped: found.skipped, left_out: 0 })
}

/// A request, and what the other guard says of it.
struct Both {
    asked: Asked,
    other: Arc<Verdict>,
}

async fn look(
    log: Option<Log>,
    session: &Session,
    config: &Config,
    other: Config,
    output: &Output,
) -> Result<Foreseen, Failure> {
    let simulated = session.simulation().is_some();
    let policy = other.policy.clone();
    let (present, mut fleet) = fleets(session, &other).await?;
    let clock = Clock::system();
    let options = session::store_options(config, simulated, &session.log).filter(|options| options.file.exists());
    let lookup = async {
        let mut database = match &options {
            Some(options) => Some(keeper::look_up(options).await?),
            None => None,
        };
        spend::spent(database.as_deref_mut(), &other, &clock).await
    };
    // What is spent already is charged to the other limits too.
    fleet.spend = Arc::new(lookup.await.map_err(|error| Failure::Other(error.to_string()))?);
    let log = match log {
        Some(log) => log,
        None => recorded(session, simulated)?,
    };
    if log.skipped > 0 {
        output.note(&format!("note: {} lines cannot be read any more and are left out", log.skipped));
    }
    if log.left_out > 0 {
        output.note(&format!("note: the first {MOST} requests are looked at, {} are left out", log.left_out));
    }
    let engine = &session.engine;
    let (now, guards) = (clock.now(), (&engine.policy().guard, &policy.guard));
    let only_recorded = log.lines.iter().any(|line| matches!(line, Line::Recorded(_)));
    if only_recorded && guards.0 != guards.1 {
        output.note(
            "note: the guards differ: a record holds the kinds that were found, so what only the other one looks for \
             is not known of recorded requests",
        );
    }
    let both: Vec<Both> = log
        .lines
        .into_iter()
        .map(|line| match line {
            Line::Recorded(asked) => Both { other: ruled(&asked.matter(), guards.0, guards.1), asked: *asked },
            Line::Prompt(text) => analysed(&text, engine, &policy.guard, now),
        })
        .collect();
    let twice = both.iter().map(|Both { asked, other }| {
        let before = asked.matter();
        Twice { at: asked.at, before, after: Matter { verdict: other, ..before } }
    });
    let before = Setting { fleet: &present, policy: engine.policy() };
    Ok(replay(twice, before, Setting { fleet: &fleet, policy: &policy }, now))
}

/// A prompt as if it were asked now.
fn analysed(text: &str, engine: &Engine, guard: &crate::domain::privacy::GuardPolicy, now: Timestamp) -> Both {
    let prompt = Prompt::user(text);
    let mut asked = Asked::of(&engine.explain(&prompt, &Constraints::default(), &Arc::from("batch")));
    asked.at = now;
    let other = Guarded::inspect(Arc::new(prompt), Privacy::Standard, guard);
    Both { asked, other: Arc::clone(other.verdict()) }
}

/// The present fleet and the other configuration's, both probed. A demonstration has one fleet for both.
async fn fleets(session: &Session, other: &Config) -> Result<(Fleet, Fleet), Failure> {
    let known = |engine: &Engine| Fleet::clone(&engine.snapshot().fleet);
    if session.simulation().is_some() {
        session.probed().await;
        let present = known(&session.engine);
        return Ok((present.clone(), present));
    }
    let options = Options { telemetry: false, ..Options::default() };
    let engine = Engine::start(other.clone(), options).map_err(|error| Failure::Usage(error.to_string()))?;
    tokio::join!(session.probed(), session::probed(&engine));
    let (present, fleet) = (known(&session.engine), known(&engine));
    engine.shutdown(GRACE).await;
    let fleet = carried(fleet, &present);
    Ok((present, fleet))
}
