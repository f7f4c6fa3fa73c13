//! An engine for the length of one command: configured from file and environment, or over simulated tiers.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::Global;
use super::output::{Failure, Output};
use crate::config::{self, ColorChoice, Config, Loaded, StoreConfig};
use crate::demo::{self, Simulation};
use crate::engine::{Clock, Engine, Options};
use crate::logging::{self, LogError};
use crate::store::StoreError;
use crate::store::keeper::{self, Store};
use crate::store::recent::Recorder;
use crate::telemetry::GpuSource;

/// How long a command waits for the first word of every backend before it decides without it. Local backends answer in
/// milliseconds; a hosted one that takes longer is tried on trust.
const FIRST_PROBES: Duration = Duration::from_millis(1_500);
/// How long what is in flight may take when a command ends.
const GRACE: Duration = Duration::from_secs(3);

/// What the engine of a command keeps an eye on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    /// The backends alone: a command that ends after one request has no use for more.
    BackendsOnly,
    /// GPUs, rented machines and this host as well.
    MachinesToo,
}

/// A running engine, and the simulated tiers under it, if it is a demonstration.
pub struct Session {
    /// The engine.
    pub engine: Engine,
    /// The log, which lasts as long as this.
    pub log: logging::Guard,
    recorder: Option<Recorder>,
    simulation: Option<Simulation>,
}

/// Reads the configuration of a command that uses real tiers.
///
/// # Errors
///
/// Everything that is wrong with it.
pub fn load(global: &Global) -> Result<Loaded, Failure> {
    let sources = config::Sources::of_process(global.config.clone());
    let loaded = config::load(&sources).map_err(|errors| Failure::Usage(errors.to_string()))?;
    // Which actions and keys there are is the dashboard's to say; that a name is wrong is every command's to tell.
    crate::tui::check_keys(&loaded.config.ui.keys).map_err(Failure::Usage)?;
    Ok(loaded)
}

/// The demonstration's tiers; how the screen looks, what is logged and kept, and where, is the operator's. A configuration with mistakes
/// is no reason not to show the demonstration.
fn demonstrated(simulated: Config, global: &Global, output: &Output) -> Config {
    match load(global) {
        Ok(Loaded { config: Config { ui, log, log_performance, store, .. }, .. }) => {
            Config { ui, log, log_performance, store, ..simulated }
        }
        Err(_) => {
            output.note("note: your configuration has mistakes and is left out; `llm-call config` tells them");
            simulated
        }
    }
}

/// What a command goes by that starts no engine: the configuration, and the log, which lasts as long as its guard.
///
/// # Errors
///
/// If the configuration is wrong.
pub fn without_engine(global: &Global, output: &Output) -> Result<(Config, logging::Guard), Failure> {
    let mut config =
        if global.demo { demonstrated(demo::configuration(), global, output) } else { load(global)?.config };
    apply_flags(&mut config, global);
    let log = start_log(global, &config, output)?;
    Ok((config, log))
}

/// Who acts, as the audit names them.
pub fn operator() -> Arc<str> {
    let name = std::env::var("USER").ok().filter(|name| !name.is_empty());
    Arc::from(name.unwrap_or_else(|| "operator".to_owned()))
}

/// Says that there is no configuration file, and where one would be read from.
pub fn no_file() -> String {
    let place = config::Sources::of_process(None).folder.map(|folder| folder.join("config.toml"));
    let place = place.map(|path| format!("; {} would be read", path.display())).unwrap_or_default();
    format!("no file, environment and defaults{place}")
}

/// The flags have the last word.
pub fn apply_flags(config: &mut Config, global: &Global) {
    if let Some(level) = &global.log_level {
        config.log.level.clone_from(level);
    }
    match global.color {
        super::When::Auto => {}
        super::When::Always => config.ui.color = ColorChoice::Always,
        super::When::Never => config.ui.color = ColorChoice::Never,
    }
    if global.ascii {
        config.ui.ascii = Some(true);
    }
    config.ui.read_only |= global.read_only;
}

/// A log that cannot be written is no reason not to answer; a filter that cannot be read is a mistake of the user's. The
/// terminal stays quiet: commands tell themselves what went wrong, in words that are no log's.
fn start_log(global: &Global, config: &Config, output: &Output) -> Result<logging::Guard, Failure> {
    match logging::init(&config.log, global.log_level.as_deref(), true) {
        Ok(guard) => return Ok(guard),
        Err(error @ LogError::Filter { .. }) => return Err(Failure::Usage(error.to_string())),
        Err(error) => output.note(&format!("llm-call: {error}; going on without a log file")),
    }
    logging::init_without_file(true).map_err(|error| Failure::Other(error.to_string()))
}

/// Where the store is: as configured, or in the folder of the log. `None` where nothing is to be kept, or nowhere.
pub fn store_options(config: &Config, simulated: bool, log: &logging::Guard) -> Option<keeper::Options> {
    let StoreConfig { enabled, file, keep_days, keep_text } = &config.store;
    let beside = || Some(log.path()?.parent()?.join(keeper::FILE_NAME));
    let mut file = file.clone().or_else(beside).filter(|_| *enabled)?;
    if simulated {
        file.set_file_name(keeper::SIMULATED_FILE_NAME);
    }
    let keep = Duration::from_secs(u64::from(*keep_days) * 86_400);
    Some(keeper::Options { file, keep, keep_text: *keep_text, clock: Clock::system() })
}

/// Opens the store. Without one there is no telling what today has cost: that is a failure where spending is limited, and
/// worth a word elsewhere. A store of a newer program is never passed over.
async fn open_store(
    config: &Config,
    simulated: bool,
    log: &logging::Guard,
    output: &Output,
) -> Result<Option<Store>, Failure> {
    let Some(options) = store_options(config, simulated, log) else { return Ok(None) };
    let limited = config.cost_limit_daily.is_some() || !config.budgets.is_empty();
    match Store::open(options).await {
        Ok(store) => Ok(Some(store)),
        Err(error @ StoreError::TooNew { .. }) => Err(Failure::Other(error.to_string())),
        Err(error) if limited && !simulated => Err(Failure::Other(format!(
            "the ledger cannot be opened, so it is not known what is left of the limits: {error}"
        ))),
        Err(error) => {
            output.note(&format!("llm-call: the ledger cannot be opened: {error}; nothing is kept of this run"));
            Ok(None)
        }
    }
}

/// Waits for an engine's first probes, as long as a command that decides something should.
pub async fn probed(engine: &Engine) {
    engine.first_probes(FIRST_PROBES).await;
}

impl Session {
    /// Starts an engine and waits for the first probes.
    ///
    /// # Errors
    ///
    /// If the configuration is wrong or the engine cannot be started.
    pub async fn start(global: &Global, output: &Output) -> Result<Self, Failure> {
        let (session, _) = Self::open(global, output, Watch::BackendsOnly).await?;
        session.probed().await;
        Ok(session)
    }

    /// Waits for the first probes, as long as a command that decides something should.
    pub async fn probed(&self) {
        probed(&self.engine).await;
    }

    /// Starts an engine, and returns the configuration that it runs on.
    ///
    /// # Errors
    ///
    /// As [`Session::start`].
    pub async fn open(global: &Global, output: &Output, watch: Watch) -> Result<(Self, Config), Failure> {
        let simulation = if global.demo {
            let simulation = Simulation::start(demo::Options::default())
                .await
                .map_err(|error| Failure::Other(format!("cannot start the simulated tiers on loopback: {error}")))?;
            Some(simulation)
        } else {
            None
        };
        let mut config = match &simulation {
            None => load(global)?.config,
            Some(simulation) => demonstrated(simulation.config(), global, output),
        };
        apply_flags(&mut config, global);
        let log = start_log(global, &config, output)?;
        let store = open_store(&config, simulation.is_some(), &log, output).await?;
        let options = Options {
            simulated: simulation.is_some(),
            local_gpu: simulation.as_ref().map(|simulation| Box::new(simulation.gpu()) as Box<dyn GpuSource>),
            telemetry: watch == Watch::MachinesToo,
            store,
            ..Options::default()
        };
        let engine = Engine::start(config.clone(), options).map_err(|error| Failure::Usage(error.to_string()))?;
        let folder = log.path().and_then(Path::parent).filter(|_| config.log_performance);
        let recorder = folder.map(|folder| Recorder::start(folder, simulation.is_some(), engine.facts()));
        Ok((Self { engine, log, recorder, simulation }, config))
    }

    /// The folder of the log, and of whatever else is kept from run to run; `None` where there is none to write to.
    #[must_use]
    pub fn state_folder(&self) -> Option<&Path> {
        self.log.path().and_then(Path::parent)
    }

    /// The simulated tiers.
    #[must_use]
    pub const fn simulation(&self) -> Option<&Simulation> {
        self.simulation.as_ref()
    }

    /// Stops the engine, then the record of what was asked, and then the simulated tiers.
    pub async fn stop(self) {
        self.stop_within(GRACE).await;
    }

    /// The same, with so long for what is in flight.
    pub async fn stop_within(self, grace: Duration) {
        self.engine.shutdown(grace).await;
        if let Some(recorder) = self.recorder {
            recorder.stop().await;
        }
        if let Some(simulation) = self.simulation {
            simulation.shutdown().await;
        }
    }
}
