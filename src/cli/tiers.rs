//! `llm-call tiers`: the tiers and their backends, as a table, and what operators want of them.

use std::process::ExitCode;

use serde_json::json;

use super::Global;
use super::output::{Failure, Output, Style};
use super::session::Session;
use super::when::brief;
use crate::domain::fleet::{Admin, AdminState, Backend, Model};
use crate::domain::health::Health;
use crate::domain::tier::{Target, Tier};
use crate::domain::time::Timestamp;
use crate::engine::Snapshot;

/// Arguments of `tiers`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs `tiers`.
///
/// # Errors
///
/// If the configuration is wrong.
pub async fn run(args: &Args, global: &Global, output: &Output) -> Result<ExitCode, Failure> {
    let session = Session::start(global, output).await?;
    let snapshot = session.engine.snapshot();
    session.stop().await;
    if args.json {
        output.json(&as_json(&snapshot))?;
        return Ok(ExitCode::SUCCESS);
    }
    if snapshot.simulated {
        output.note("DEMO: these tiers are simulated");
    }
    let header =
        format!("{:<9} {:<20} {:<9} {:<6} {:>6}  {}", "TIER", "BACKEND", "HEALTH", "ADMIN", "MODELS", "ROUTABLE");
    output.line(&output.styled(Style::Dim, &header))?;
    for backend in &snapshot.fleet.backends {
        output.line(&row(&snapshot, backend, output))?;
    }
    for words in wishes(&snapshot) {
        output.line(&output.styled(Style::Warn, &words))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The parts of the fleet that an operator keeps from taking requests.
fn held(snapshot: &Snapshot) -> Vec<(Target, &Admin)> {
    let fleet = &snapshot.fleet;
    let tiers = Tier::ALL.into_iter().map(|tier| (Target::Tier(tier), &fleet.tier(tier).admin));
    let backends = fleet.backends.iter().map(|backend| (Target::Backend(backend.spec.id.clone()), &backend.admin));
    let models = fleet.backends.iter().flat_map(|backend| {
        let target = |model: &Model| Target::Model(backend.spec.id.clone(), model.id.clone());
        backend.models.iter().map(move |model| (target(model), &model.admin))
    });
    let all = tiers.chain(backends).chain(models);
    all.filter(|(_, admin)| admin.state_at(snapshot.at) != AdminState::Ready).collect()
}

/// What operators want, in words.
fn wishes(snapshot: &Snapshot) -> Vec<String> {
    let tail = |by: &str, until: Option<Timestamp>, reason: &str| {
        let until = until.map(|until| format!(", until {}", brief(until, snapshot.at))).unwrap_or_default();
        let reason = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
        format!("by {by}{until}{reason}")
    };
    let held = held(snapshot).into_iter().map(|(target, admin)| {
        format!("{}: {target}, {}", admin.state.name(), tail(&admin.by, admin.until, &admin.reason))
    });
    let pins = snapshot.fleet.pins.iter().map(|pin| {
        let only = if pin.only { " only" } else { "" };
        format!("pin: {} to {}{only}, {}", pin.scope, pin.target, tail(&pin.by, pin.until, &pin.reason))
    });
    held.chain(pins).collect()
}

fn row(snapshot: &Snapshot, backend: &Backend, output: &Output) -> String {
    let style = match backend.health {
        Health::Up => Style::Good,
        Health::Down => Style::Bad,
        Health::Degraded | Health::Warming => Style::Warn,
        Health::Unknown => Style::Dim,
    };
    let offered = backend.models.iter().filter(|model| model.offered).count();
    let routable = match snapshot.fleet.routable(backend, snapshot.at) {
        Ok(()) => "yes".to_owned(),
        Err(reason) => format!("no: {reason} ({})", reason.remedy()),
    };
    format!(
        "{:<9} {:<20} {} {:<6} {offered:>6}  {routable}",
        backend.spec.tier,
        backend.spec.id,
        output.styled(style, &format!("{:<9}", backend.health.name())),
        admin(snapshot, backend).name(),
    )
}

fn admin(snapshot: &Snapshot, backend: &Backend) -> AdminState {
    let tier = snapshot.fleet.tier(backend.spec.tier).admin.state_at(snapshot.at);
    match (tier, backend.admin.state_at(snapshot.at)) {
        (AdminState::Maint, _) | (_, AdminState::Maint) => AdminState::Maint,
        (AdminState::Drain, _) | (_, AdminState::Drain) => AdminState::Drain,
        (AdminState::Ready, AdminState::Ready) => AdminState::Ready,
    }
}

fn as_json(snapshot: &Snapshot) -> serde_json::Value {
    let backends: Vec<serde_json::Value> = snapshot
        .fleet
        .backends
        .iter()
        .map(|backend| {
            let reason = snapshot.fleet.routable(backend, snapshot.at).err();
            json!({
                "tier": backend.spec.tier,
                "backend": backend.spec.id,
                "protocol": backend.spec.protocol,
                "url": backend.spec.url,
                "reach": backend.spec.reach,
                "health": backend.health,
                "detail": backend.detail,
                "admin": admin(snapshot, backend),
                "routable": reason.is_none(),
                "reason": reason,
                "in_flight": backend.in_flight(),
                "models": backend.models.iter().filter(|model| model.offered).map(|model| &model.id).collect::<Vec<_>>(),
            })
        })
        .collect();
    let held: Vec<serde_json::Value> =
        held(snapshot).into_iter().map(|(target, admin)| json!({ "target": target, "admin": admin })).collect();
    json!({ "simulated": snapshot.simulated, "backends": backends, "held": held, "pins": snapshot.fleet.pins })
}
