//! The log: a file that is kept for a week, and the latest warnings in memory for the dashboard.
//!
//! The terminal belongs to the surfaces. Nothing here writes to it while it is to be quiet, not even about the log's own
//! troubles, which is why the file is turned over here rather than by `tracing-appender`: that tells of them on stderr.

mod file;
mod recent;

use std::fmt;
use std::path::{Path, PathBuf};
use std::{env, io};

use etcetera::BaseStrategy;
use thiserror::Error;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Subscriber;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

use crate::config::LogConfig;
pub(crate) use file::{append_private, create_private_folder};
pub use recent::{Line, Recent};

/// The environment variable with a filter.
pub const FILTER_VARIABLE: &str = "LLM_CALL_LOG";
/// The environment variable with the folder of the log, and of whatever else is kept from run to run.
pub const FOLDER_VARIABLE: &str = "LLM_CALL_STATE";
/// The log's file name.
pub const FILE_NAME: &str = "llm-call.log";

/// Lines waiting to be written. Beyond that lines are dropped and counted: a full disk must not hold up requests.
const QUEUE: usize = 10_000;

/// Why there is no log file.
#[derive(Debug, Error)]
pub enum LogError {
    /// A filter that cannot be read.
    #[error("the log filter {text:?} from {from} is not one: {cause}")]
    Filter {
        /// Where it was written.
        from: &'static str,
        /// The filter.
        text: String,
        /// What is wrong with it.
        cause: String,
    },
    /// The platform names no folder for it.
    #[error("no folder for the log: set {FOLDER_VARIABLE}, or `folder` in the configuration's log section")]
    NoFolder,
    /// The file cannot be written.
    #[error("the log {} cannot be written: {cause}", .path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// Something else has taken the events of this process.
    #[error("logging is set up already")]
    AlreadySet,
}

/// Keeps the log going. What waits to be written is written when this is dropped.
#[must_use = "the log ends when this is dropped"]
pub struct Guard {
    recent: Recent,
    path: Option<PathBuf>,
    dropped: Option<ErrorCounter>,
    _worker: Option<WorkerGuard>,
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Guard {
    /// The latest warnings and errors.
    #[must_use]
    pub fn recent(&self) -> Recent {
        self.recent.clone()
    }

    /// The file that is written, where one is.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Lines that were dropped because writing did not keep up.
    #[must_use]
    pub fn dropped_lines(&self) -> usize {
        self.dropped.as_ref().map_or(0, ErrorCounter::dropped_lines)
    }
}

/// Starts the log. The filter is `level`, else that of `LLM_CALL_LOG`, else that of the configuration. Unless the
/// terminal is to be quiet, warnings also go to stderr; a dashboard needs it quiet.
///
/// # Errors
///
/// When the filter is none, the file cannot be written, or logging was set up before. Nothing is set up then, so that
/// the caller may go on with [`init_without_file`].
pub fn init(config: &LogConfig, level: Option<&str>, quiet_terminal: bool) -> Result<Guard, LogError> {
    let filter = filter(level, env::var(FILTER_VARIABLE).ok().as_deref(), &config.level)?;
    let folder = folder(config, env::var_os(FOLDER_VARIABLE).map(PathBuf::from)).ok_or(LogError::NoFolder)?;
    let (subscriber, guard) = with_file(&folder, filter, quiet_terminal)?;
    subscriber.try_init().map_err(|_| LogError::AlreadySet)?;
    Ok(guard)
}

/// Keeps the latest warnings in memory and writes no file: for when [`init`] could not.
///
/// # Errors
///
/// When logging was set up before.
pub fn init_without_file(quiet_terminal: bool) -> Result<Guard, LogError> {
    let recent = Recent::default();
    subscriber(&recent, quiet_terminal).try_init().map_err(|_| LogError::AlreadySet)?;
    Ok(Guard { recent, path: None, dropped: None, _worker: None })
}

fn filter(flag: Option<&str>, variable: Option<&str>, config: &str) -> Result<EnvFilter, LogError> {
    let written = |text: &&str| !text.trim().is_empty();
    let (from, text) = flag
        .filter(written)
        .map(|text| ("the command line", text))
        .or_else(|| variable.filter(written).map(|text| (FILTER_VARIABLE, text)))
        .unwrap_or(("the configuration", config));
    let wrong = |cause: String| LogError::Filter { from, text: text.to_owned(), cause };
    // A filter takes a lone word for the name of a part of some program, of which it then shows everything: `verbose`
    // would silence us.
    let lone = !text.contains(['=', ',', '[']) && !text.starts_with(env!("CARGO_CRATE_NAME"));
    if lone && text.trim().parse::<LevelFilter>().is_err() {
        return Err(wrong(
            "use off, error, warn, info, debug, trace, or a filter such as llm_call::provider=debug".into(),
        ));
    }
    EnvFilter::builder().parse(text).map_err(|cause| wrong(cause.to_string()))
}

/// The environment's folder, else the configured one, else the platform's folder for state.
fn folder(config: &LogConfig, variable: Option<PathBuf>) -> Option<PathBuf> {
    variable.filter(|path| !path.as_os_str().is_empty()).or_else(|| config.folder.clone()).or_else(|| {
        let platform = etcetera::choose_base_strategy().ok()?;
        Some(platform.state_dir().unwrap_or_else(|| platform.data_dir()).join("llm-call"))
    })
}

fn with_file(
    folder: &Path,
    filter: EnvFilter,
    quiet_terminal: bool,
) -> Result<(impl Subscriber + Send + Sync + use<>, Guard), LogError> {
    let path = folder.join(FILE_NAME);
    let file = file::Daily::open(folder).map_err(|cause| LogError::Unwritable { path: path.clone(), cause })?;
    let (writer, worker) =
        NonBlockingBuilder::default().buffered_lines_limit(QUEUE).lossy(true).thread_name("log-writer").finish(file);
    let dropped = writer.error_counter();
    let recent = Recent::default();
    let to_file = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_ansi(false)
        .log_internal_errors(false)
        .with_filter(filter);
    let subscriber = subscriber(&recent, quiet_terminal).with(to_file);
    Ok((subscriber, Guard { recent, path: Some(path), dropped: Some(dropped), _worker: Some(worker) }))
}

fn subscriber(
    recent: &Recent,
    quiet_terminal: bool,
) -> impl Subscriber + Send + Sync + for<'a> tracing_subscriber::registry::LookupSpan<'a> + use<> {
    let to_terminal = (!quiet_terminal).then(|| {
        tracing_subscriber::fmt::layer()
            .compact()
            .without_time()
            .with_target(false)
            .with_ansi(false)
            .with_writer(io::stderr)
            .log_internal_errors(false)
            .with_filter(LevelFilter::WARN)
    });
    Registry::default().with(recent.layer().with_filter(LevelFilter::WARN)).with(to_terminal)
}

#[cfg(test)]
mod tests;
