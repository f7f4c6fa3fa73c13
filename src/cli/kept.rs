//! What the commands share that look things up in the store: opening it without an engine, and saying which rows are meant.

use std::str::FromStr;

use clap::Args;

use super::Global;
use super::output::{Failure, Output};
use super::request::task;
use super::session;
use super::when::{Moment, moment};
use crate::config::Config;
use crate::domain::task::Task;
use crate::domain::tier::Tier;
use crate::logging;
use crate::store::database::{Database, Filter};
use crate::store::keeper::{self, Options};

/// A store that is looked into.
pub struct Kept {
    /// What is in it; `None` where nothing is kept yet, which the user has been told.
    pub database: Option<Box<dyn Database>>,
    /// The configuration.
    pub config: Config,
    _log: logging::Guard,
}

impl Kept {
    /// Opens the store. Nothing is made where there is none.
    ///
    /// # Errors
    ///
    /// If the configuration is wrong, or keeps nothing; if the store cannot be read, or a newer program wrote it.
    pub async fn open(global: &Global, output: &Output) -> Result<Self, Failure> {
        let Place { config, options, log } = place(global, output)?;
        if global.demo {
            output.note("DEMO: these tiers are simulated");
        }
        let database = if options.file.exists() {
            Some(keeper::look_up(&options).await.map_err(|error| Failure::Other(error.to_string()))?)
        } else {
            output.note(&format!("nothing is kept yet: the store would be at {}", options.file.display()));
            None
        };
        Ok(Self { database, config, _log: log })
    }
}

/// Where the store is, or would be.
pub struct Place {
    /// The configuration.
    pub config: Config,
    /// Where.
    pub options: Options,
    /// The log, which lasts as long as this.
    pub log: logging::Guard,
}

/// Finds the store without opening it.
///
/// # Errors
///
/// If the configuration is wrong, or keeps nothing.
pub fn place(global: &Global, output: &Output) -> Result<Place, Failure> {
    let (config, log) = session::without_engine(global, output)?;
    let Some(options) = session::store_options(&config, global.demo, &log) else {
        return Err(Failure::Usage(if config.store.enabled {
            "there is no folder for the store: set LLM_CALL_STATE, or `file` in the configuration's store section"
                .into()
        } else {
            "the store is switched off, so nothing is kept: set `enabled = true` in the configuration's store section"
                .into()
        }));
    };
    Ok(Place { config, options, log })
}

/// Of which span of time.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Which rows")]
pub struct Span {
    /// Not before this: 2h or 7d (ago), today, yesterday, 2026-11-20, 2026-11-20T14:00.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub since: Option<Moment>,
    /// Not after this; a day is meant whole.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub until: Option<Moment>,
}

impl Span {
    /// # Errors
    ///
    /// If it ends before it begins.
    pub fn check(&self) -> Result<(), Failure> {
        match (&self.since, &self.until) {
            (Some(since), Some(until)) if until.end() <= since.begin() => {
                Err(Failure::Usage("--until is before --since, so there is nothing between them".into()))
            }
            _ => Ok(()),
        }
    }

    /// Rows within it.
    ///
    /// # Errors
    ///
    /// As [`Span::check`].
    pub fn filter(&self) -> Result<Filter, Failure> {
        self.check()?;
        let (since, until) = (self.since.as_ref().map(Moment::begin), self.until.as_ref().map(Moment::end));
        Ok(Filter { since, until, most: u32::MAX, ..Filter::default() })
    }
}

/// Of whom or of what.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Which rows")]
pub struct Which {
    /// Of this tier: claude, local (ollama), gpu (runpod), frontier (litellm).
    #[arg(long, value_parser = Tier::from_str)]
    tier: Option<Tier>,
    /// Of this backend.
    #[arg(long, value_name = "ID")]
    backend: Option<String>,
    /// Of this model.
    #[arg(long)]
    model: Option<String>,
    /// Of this caller: cli, batch, dashboard, or as an application calls itself.
    #[arg(long, value_name = "NAME")]
    caller: Option<String>,
    /// Of this task.
    #[arg(long, value_parser = task)]
    task: Option<Task>,
}

impl Which {
    /// Keeps to it.
    #[must_use]
    pub fn narrow(&self, filter: Filter) -> Filter {
        let Self { tier, backend, model, caller, task } = self.clone();
        Filter { tier, backend, model, caller, task, ..filter }
    }

    /// Whether everything is meant.
    #[must_use]
    pub const fn is_all(&self) -> bool {
        let Self { tier, backend, model, caller, task } = self;
        tier.is_none() && backend.is_none() && model.is_none() && caller.is_none() && task.is_none()
    }
}
