//! `llm-call doctor`: what works, what does not, and what to do about it.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::Global;
use super::output::{Failure, Output, Style};
use super::session::{self, Session, Watch};
use crate::config::{Loaded, Origin};
use crate::domain::fleet::{Backend, KeyState, Presence, Protocol, Trouble};
use crate::domain::health::Health;
use crate::domain::machine::GpuReadings;
use crate::domain::tier::Tier;
use crate::engine::Snapshot;

/// Arguments of `doctor`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 all is well; 1 something that is configured does not work; 2 wrong usage or \
configuration.")]
pub struct Args {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Grade {
    Good,
    /// Works without it.
    Note,
    Bad,
}

#[derive(Debug, Serialize)]
struct Check {
    grade: Grade,
    what: String,
    found: String,
    /// What to do; empty where nothing needs doing.
    todo: String,
}

impl Check {
    fn new(grade: Grade, what: impl Into<String>, found: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { grade, what: what.into(), found: found.into(), todo: todo.into() }
    }
}

/// How long the doctor waits for every backend's first word.
const PATIENCE: Duration = Duration::from_secs(11);

/// Runs `doctor`. Ends with 1 if something that is configured does not work.
///
/// # Errors
///
/// Everything that is wrong with the configuration.
pub async fn run(args: &Args, global: &Global, output: &Output) -> Result<ExitCode, Failure> {
    let mut checks = Vec::new();
    let mut unasked = BTreeSet::new();
    if !global.demo {
        let loaded = session::load(global)?;
        let file = loaded.file.as_ref().map_or_else(session::no_file, |file| file.display().to_string());
        checks.push(Check::new(Grade::Good, "configuration", file, ""));
        for warning in &loaded.warnings {
            checks.push(Check::new(Grade::Note, "configuration", warning.to_string(), ""));
        }
        unasked = nobody_asked_for(&loaded);
    }
    let (session, config) = Session::open(global, output, Watch::MachinesToo).await?;
    output.progress("asking every backend…");
    session.engine.first_probes(PATIENCE).await;
    let snapshot = session.engine.snapshot();
    checks.extend(snapshot.fleet.backends.iter().map(|backend| {
        let check = check_backend(backend);
        // Not everybody has an Ollama; what is built in and absent is no fault of the configuration.
        let absent = backend.health == Health::Down && unasked.contains(backend.spec.id.as_str());
        if absent { Check { grade: Grade::Note, ..check } } else { check }
    }));
    checks.push(check_routes(&snapshot));
    checks.extend(check_machines(&snapshot));
    let urls: Vec<&str> = config.backends.iter().map(|backend| &*backend.spec.url).collect();
    checks.push(check_clock(&urls).await);
    checks.push(check_terminal());
    session.stop().await;
    output.progress("");
    print(&checks, args, output)?;
    let sick = checks.iter().any(|check| check.grade == Grade::Bad);
    Ok(ExitCode::from(u8::from(sick)))
}

fn print(checks: &[Check], args: &Args, output: &Output) -> Result<(), Failure> {
    if args.json {
        return output.json(&checks);
    }
    for check in checks {
        let mark = match check.grade {
            Grade::Good => output.styled(Style::Good, "ok  "),
            Grade::Note => output.styled(Style::Dim, "note"),
            Grade::Bad => output.styled(Style::Bad, "FAIL"),
        };
        output.line(&format!("{mark}  {:<28} {}", check.what, check.found))?;
        if !check.todo.is_empty() {
            output.line(&format!("      {:<28} → {}", "", check.todo))?;
        }
    }
    Ok(())
}

/// The built-in backends about which neither the file nor the environment says anything.
fn nobody_asked_for(loaded: &Loaded) -> BTreeSet<String> {
    let ids = || loaded.config.backends.iter().map(|backend| backend.spec.id.as_str());
    let said = |id: &str| {
        let path = format!("backends.{id}.");
        loaded.entries().iter().any(|entry| entry.key.starts_with(&path) && entry.origin != Origin::Default)
    };
    ids().filter(|id| !said(id)).map(str::to_owned).collect()
}

fn check_backend(backend: &Backend) -> Check {
    let what = format!("{} {}", backend.spec.tier, backend.spec.id);
    let url = &backend.spec.url;
    if let KeyState::Missing { variable } = &backend.spec.key {
        return Check::new(Grade::Note, what, "no key", format!("set {variable}, if you use it"));
    }
    match backend.trouble {
        Some(Trouble::KeyRefused { .. }) => {
            return Check::new(Grade::Bad, what, format!("{url} refuses the key"), "replace the key");
        }
        Some(Trouble::OutOfCredit { .. }) => {
            return Check::new(Grade::Bad, what, "no credit left", "add credit to the account");
        }
        None => {}
    }
    let missing: Vec<&str> = backend
        .models
        .iter()
        .filter(|model| model.offered && model.presence == Presence::Missing)
        .map(|model| model.id.as_str())
        .collect();
    let found = backend.models.iter().filter(|model| model.offered).count() - missing.len();
    match backend.health {
        Health::Down => {
            let todo = match (backend.spec.protocol, backend.spec.tier) {
                _ if !backend.detail.starts_with("unreachable") => "check the address: is it the right service?",
                (Protocol::Ollama, Tier::Local) => "start it (`ollama serve`), or set OLLAMA_HOST, if you use it",
                (_, Tier::Local) => "start it, or check the address",
                _ => "check the address and the network",
            };
            Check::new(Grade::Bad, what, format!("{url}: {}", backend.detail), todo)
        }
        Health::Unknown => Check::new(Grade::Bad, what, format!("{url} did not answer in time"), "check the network"),
        _ if found == 0 => Check::new(
            Grade::Bad,
            what,
            format!("{url} answers, but has no model"),
            "pull a model, or list one in the configuration",
        ),
        _ if !missing.is_empty() => Check::new(
            Grade::Bad,
            what,
            format!("{url} answers, {}; not there: {}", counted(found, "model"), missing.join(", ")),
            "install the missing models, or take them out of the configuration",
        ),
        health => {
            let note = if backend.detail.is_empty() { String::new() } else { format!(", {}", backend.detail) };
            let grade = if health == Health::Degraded { Grade::Note } else { Grade::Good };
            Check::new(grade, what, format!("{url} {}, {}{note}", health.name(), counted(found, "model")), "")
        }
    }
}

fn counted(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

fn check_routes(snapshot: &Snapshot) -> Check {
    let routable =
        snapshot.fleet.backends.iter().filter(|one| snapshot.fleet.routable(one, snapshot.at).is_ok()).count();
    let all = snapshot.fleet.backends.len();
    if routable == 0 {
        Check::new(
            Grade::Bad,
            "routing",
            format!("none of {all} backends can take a request"),
            "mend one of the above, or try `llm-call demo`",
        )
    } else {
        Check::new(Grade::Good, "routing", format!("{routable} of {all} backends can take requests"), "")
    }
}

fn check_machines(snapshot: &Snapshot) -> Vec<Check> {
    let readings = |what: &str, readings: &GpuReadings| match readings {
        GpuReadings::Loading => Check::new(Grade::Note, what, "not read yet", ""),
        GpuReadings::Ok { gpus, .. } => {
            Check::new(Grade::Good, what, format!("{} found", counted(gpus.len(), "GPU")), "")
        }
        GpuReadings::Absent { why } => Check::new(Grade::Note, what, &**why, ""),
        GpuReadings::Failed { why, .. } => Check::new(Grade::Bad, what, &**why, "see the log"),
    };
    vec![readings("local GPUs", &snapshot.telemetry.local), readings("RunPod account", &snapshot.telemetry.runpod)]
}

/// The most that the clock may be off before signatures, expiries and spending days go wrong.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);

/// Compares the clock with the `Date` header of the first backend that sends one.
async fn check_clock(urls: &[&str]) -> Check {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(3)).build();
    let Ok(client) = client else { return Check::new(Grade::Note, "clock", "could not be compared", "") };
    for url in urls {
        let Ok(response) = client.head(*url).send().await else { continue };
        let date = response.headers().get(reqwest::header::DATE).and_then(|date| date.to_str().ok());
        let theirs =
            date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok()).map(|date| date.timestamp().as_second());
        let ours = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if let Some(theirs) = theirs {
            let off = theirs.abs_diff(i64::try_from(ours).unwrap_or(i64::MAX));
            return if off > CLOCK_TOLERANCE.as_secs() {
                Check::new(Grade::Bad, "clock", format!("{off} s off {url}"), "set the clock (NTP)")
            } else {
                Check::new(Grade::Good, "clock", format!("within {} s of {url}", off + 1), "")
            };
        }
    }
    Check::new(Grade::Note, "clock", "no backend told its time to compare with", "")
}

fn check_terminal() -> Check {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let term = variable("TERM");
    let locale =
        [variable("LC_ALL"), variable("LC_CTYPE"), variable("LANG")].into_iter().find(|value| !value.is_empty());
    let unicode = locale.as_deref().is_some_and(|locale| locale.to_ascii_lowercase().replace('-', "").contains("utf8"));
    let size = crossterm::terminal::size()
        .map_or_else(|_| "no terminal".to_owned(), |(width, height)| format!("{width}×{height}"));
    let name = if term.is_empty() { "TERM is not set" } else { &term };
    let found = format!("{name}, {size}, {}", if unicode { "UTF-8" } else { "no UTF-8 locale: ASCII glyphs" });
    if term.is_empty() || term == "dumb" {
        Check::new(Grade::Note, "terminal", found, "the dashboard wants a terminal such as xterm-256color")
    } else {
        Check::new(Grade::Good, "terminal", found, "")
    }
}
