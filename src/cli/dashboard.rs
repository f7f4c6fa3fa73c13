//! The dashboard as a command: logging, engine, screen, and a summary on the ordinary terminal when it ends.

use std::io::{self, IsTerminal};
use std::path::Path;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Global;
use super::output::{Failure, Output, is_dumb};
use super::session::{Session, Watch, operator};
use super::signals;
use crate::demo::{Fault, FaultKind, Faults, Traffic};
use crate::domain::decision::Decision;
use crate::domain::fleet::CommandError;
use crate::domain::id::BackendId;
use crate::domain::prompt::Prompt;
use crate::domain::request::Constraints;
use crate::engine::{CallError, Command, Delivery, Engine, Fact, Snapshot};
use crate::logging::Recent;
use crate::tui::{self, Backing, LogLine, Submitted};

/// The probe interval that counts where no backend has one.
const DEFAULT_PROBE: Duration = Duration::from_secs(60);

/// Opens the dashboard.
///
/// # Errors
///
/// If there is no terminal, or the configuration is wrong.
pub async fn run(global: &Global, output: &Output) -> Result<ExitCode, Failure> {
    needs_a_terminal(global)?;
    let (session, config) = Session::open(global, output, Watch::MachinesToo).await?;
    let background = TaskTracker::new();
    let stop = CancellationToken::new();
    if session.simulation().is_some() {
        background.spawn(drive(session.engine.clone(), stop.clone()));
    }
    let room = Arc::new(Room {
        engine: session.engine.clone(),
        operator: operator(),
        faults: session.simulation().map(|simulation| {
            let mut upstreams: Vec<String> = config.backends.iter().map(|one| one.spec.id.to_string()).collect();
            upstreams.push("runpod-account".to_owned());
            (simulation.faults(), upstreams)
        }),
    });
    let recent = session.log.recent();
    let log = session.log.path().map(Path::to_owned);
    let options = tui::Options {
        log: Box::new(move || log_lines(&recent)),
        state: log.as_deref().and_then(Path::parent).map(Path::to_owned),
        probe_every: config.backends.iter().map(|one| one.probe_every).max().unwrap_or(DEFAULT_PROBE),
        ..tui::Options::default()
    };
    let asked = signals::asked_by_the_system(session.engine.clone());
    let mut signal = None;
    let shutdown = async { signal = Some(asked.await) };
    let ended = Box::pin(tui::run(room, config.ui, options, shutdown)).await;
    stop.cancel();
    background.close();
    background.wait().await;
    // The background traffic of a demonstration has ended; what is in flight was asked for.
    match signal {
        None => session.stop().await,
        Some(signal) => session.stop_within(signal.grace()).await,
    }
    let told = tell(ended, log.as_deref(), output);
    // A signal may mean that the terminal is gone, and with it whoever could be told.
    signal.map_or(told, |signal| Ok(ExitCode::from(signal.code())))
}

/// What the operator finds on the ordinary terminal.
fn tell(
    ended: Result<tui::ExitSummary, tui::TuiError>,
    log: Option<&Path>,
    output: &Output,
) -> Result<ExitCode, Failure> {
    let summary = ended.map_err(|error| Failure::Other(error.to_string()))?;
    output.line(&summary.to_string())?;
    if let Some(path) = log {
        output.note(&format!("log: {}", path.display()));
    }
    Ok(ExitCode::SUCCESS)
}

/// A pipe can neither show the dashboard nor give it keys; whoever has one in hand wants another command.
fn needs_a_terminal(global: &Global) -> Result<(), Failure> {
    let missing = match (io::stdin().is_terminal(), io::stdout().is_terminal()) {
        (true, true) if is_dumb() => "this one says that it is dumb (TERM)",
        (true, true) => return Ok(()),
        (false, true) => "standard input is not one",
        (true, false) => "standard output is not one",
        (false, false) => "there is none here",
    };
    let demo = if global.demo { " --demo" } else { "" };
    let instead = [
        (format!("llm-call ask{demo} \"…\""), "sends a prompt; without one, what comes through the pipe"),
        (format!("llm-call tiers{demo} --json"), "tells what the dashboard shows of the tiers"),
        ("llm-call --help".to_owned(), "lists the rest"),
    ];
    let lines: Vec<String> = instead.iter().map(|(command, what)| format!("\n  {command:<30} {what}")).collect();
    Err(Failure::Usage(format!("the dashboard needs a terminal, and {missing}. Without it:{}", lines.concat())))
}

fn log_lines(recent: &Recent) -> Vec<LogLine> {
    let lines = recent.lines();
    lines.iter().map(|line| LogLine { at: line.time, level: line.level.as_str(), text: line.message.clone() }).collect()
}

/// Sends the demonstration's background traffic, so that the screen lives.
async fn drive(engine: Engine, stop: CancellationToken) {
    /// Answers on their way at once; more would only pile up behind a fault that was dialled in.
    const AT_ONCE: usize = 12;
    let arrivals = futures::stream::unfold(Traffic::new(7, 1.0), |mut traffic| async {
        let arrival = traffic.next()?;
        tokio::time::sleep(arrival.delay).await;
        Some((arrival, traffic))
    });
    let sent = arrivals.for_each_concurrent(AT_ONCE, |arrival| {
        let answer = engine.submit(arrival.prompt, arrival.constraints, &arrival.caller, Delivery::Streamed);
        async move {
            if let Ok(answer) = answer {
                // What came of it is on the screen.
                drop(answer.whole().await);
            }
        }
    });
    tokio::select! {
        () = stop.cancelled() => {}
        () = sent => {}
    }
}

/// The engine as the screen sees it.
struct Room {
    engine: Engine,
    operator: Arc<str>,
    faults: Option<(Faults, Vec<String>)>,
}

impl Backing for Room {
    fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.engine.snapshots()
    }

    fn facts(&self) -> broadcast::Receiver<Fact> {
        self.engine.facts()
    }

    fn submit(&self, prompt: Prompt, constraints: Constraints) -> BoxFuture<'static, Result<Submitted, CallError>> {
        let answer = self.engine.submit(prompt, constraints, &Arc::from("dashboard"), Delivery::Revocable);
        Box::pin(async move {
            let answer = answer?;
            Ok(Submitted { decision: Arc::clone(answer.decision()), progress: answer.boxed() })
        })
    }

    fn explain(&self, prompt: &Prompt, constraints: &Constraints) -> Decision {
        self.engine.explain(prompt, constraints, &Arc::from("dashboard"))
    }

    fn command(&self, command: Command) -> BoxFuture<'static, Result<(), CommandError>> {
        let (engine, operator) = (self.engine.clone(), Arc::clone(&self.operator));
        Box::pin(async move { engine.command(command, &operator).await })
    }

    fn faults(&self) -> Option<tui::Faults> {
        let (_, upstreams) = self.faults.as_ref()?;
        let kinds = FaultKind::ALL.iter().map(|kind| kind.name().to_owned()).collect();
        Some(tui::Faults { upstreams: upstreams.clone(), kinds })
    }

    fn set_fault(&self, upstream: &str, fault: Option<&str>) -> Result<(), String> {
        let Some((faults, upstreams)) = &self.faults else {
            return Err("the tiers are real: there are no faults to dial in".to_owned());
        };
        if !upstreams.iter().any(|known| known == upstream) {
            return Err(format!("there is no upstream called {upstream}"));
        }
        let fault = fault.map(Fault::from_str).transpose().map_err(|error| error.to_string())?;
        faults.set(&BackendId::from(upstream), fault);
        Ok(())
    }
}
