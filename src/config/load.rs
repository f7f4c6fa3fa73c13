//! How defaults, file and environment become one configuration.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::backends::{self, Surroundings};
use super::environment::{self, Environment, FILE_VARIABLE};
use super::prices::PriceBook;
use super::report::{ConfigErrors, Entry, Origin, Problem};
use super::section::{Report, Section};
use super::tree::{self, Node, Table, Value};
use super::{Config, RunpodConfig, keeping, settings};
use crate::domain::tier::Tier;

/// The built-in configuration, over which the others are laid.
const DEFAULTS: &str = include_str!("../../assets/default.toml");

/// Where a configuration is looked for.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file that was named on the command line.
    pub file: Option<PathBuf>,
    /// The environment.
    pub environment: Environment,
    /// The folder in which `config.toml` is looked for when no file is named.
    pub folder: Option<PathBuf>,
}

impl Sources {
    /// The environment and the configuration folder of this process.
    #[must_use]
    pub fn of_process(file: Option<PathBuf>) -> Self {
        use etcetera::BaseStrategy as _;
        // What is not Unicode is neither a key nor an address.
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self {
            file,
            environment: std::env::vars_os().filter_map(text).collect(),
            folder: etcetera::choose_base_strategy().ok().map(|strategy| strategy.config_dir().join("llm-call")),
        }
    }

    /// The file to read, and whether it was named and so has to be there.
    fn choose(&self) -> Option<(PathBuf, Origin, bool)> {
        if let Some(file) = &self.file {
            return Some((file.clone(), Origin::Default, true));
        }
        if let Some(file) = environment::value(&self.environment, FILE_VARIABLE) {
            return Some((PathBuf::from(file), Origin::Env { variable: FILE_VARIABLE.to_owned() }, true));
        }
        Some((self.folder.as_ref()?.join("config.toml"), Origin::Default, false))
    }
}

/// A configuration and where it comes from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// The file that was read, where there was one.
    pub file: Option<PathBuf>,
    /// What is allowed but hardly meant.
    pub warnings: Vec<String>,
    entries: Vec<Entry>,
}

impl Loaded {
    /// Every effective value with its origin; keys are masked.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The effective configuration as text, a value a line, each with its origin.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = match &self.file {
            Some(file) => format!("# file: {}\n", file.display()),
            None => "# no configuration file\n".to_owned(),
        };
        let width = |entry: &Entry| entry.key.chars().count() + entry.value.chars().count() + 3;
        // One long value must not push every origin off the screen.
        let column = self.entries.iter().map(width).filter(|width| *width <= 80).max().unwrap_or(0);
        for entry in &self.entries {
            let line = format!("{} = {}", entry.key, entry.value);
            let _ = writeln!(text, "{line:column$}  ({})", entry.origin.label(self.file.as_deref()));
        }
        for warning in &self.warnings {
            let _ = writeln!(text, "warning: {warning}");
        }
        text
    }
}

/// Reads the configuration: defaults under the file under the environment.
///
/// # Errors
///
/// Everything that is wrong, at once.
pub fn load(sources: &Sources) -> Result<Loaded, ConfigErrors> {
    let mut file = None;
    let mut text = String::new();
    if let Some((path, origin, named)) = sources.choose() {
        match std::fs::read(&path).map(String::from_utf8) {
            Ok(Ok(read)) => {
                text = read;
                file = Some(path);
            }
            Err(error) if !named && error.kind() == std::io::ErrorKind::NotFound => {}
            problem => {
                let message = match problem {
                    Err(error) => format!("cannot be read: {error}"),
                    Ok(_) => "cannot be read: it is not UTF-8".to_owned(),
                };
                // With the variable as its origin, the problem would not show the path by itself.
                let message = if origin == Origin::Default { message } else { format!("{} {message}", path.display()) };
                return Err(ConfigErrors {
                    file: Some(path),
                    problems: vec![Problem { origin, key: String::new(), message }],
                });
            }
        }
    }
    assemble(&text, file, &sources.environment)
}

/// Reads a configuration from a text in place of a file.
///
/// # Errors
///
/// Everything that is wrong, at once.
pub fn load_text(text: &str, environment: &Environment) -> Result<Loaded, ConfigErrors> {
    assemble(text, None, environment)
}

fn assemble(text: &str, file: Option<PathBuf>, environment: &Environment) -> Result<Loaded, ConfigErrors> {
    let fail = |problems| ConfigErrors { file: file.clone(), problems };
    let report = Report::default();
    let mut given = tree::parse(text, false).map_err(fail)?;
    use_canonical_tiers(&mut given, &report);
    tree::overlay(&mut given, environment::overrides(environment, &report));
    let mut root = tree::parse(DEFAULTS, true).map_err(fail)?;
    if field(&given, "default_backends").is_some_and(|node| matches!(node.value, Value::Flag(false)))
        && let Value::Table(table) = &mut root.value
    {
        table.remove("backends");
    }
    tree::overlay(&mut root, given);

    let config = Section::of(String::new(), &root, &report)
        .map(|section| read(&section, file.as_deref().and_then(Path::parent), environment, &report));
    let (problems, entries, warnings) = report.into_parts();
    match config {
        Some(config) if problems.is_empty() => Ok(Loaded { config, file, warnings, entries }),
        _ => Err(ConfigErrors { file, problems }),
    }
}

fn field<'a>(node: &'a Node, key: &str) -> Option<&'a Node> {
    if let Value::Table(table) = &node.value { table.get(key) } else { None }
}

/// `[tiers.ollama]` means `[tiers.local]`: one name has to be settled on before trees are laid over each other.
fn use_canonical_tiers(given: &mut Node, report: &Report) {
    let Value::Table(root) = &mut given.value else { return };
    let Some(Node { value: Value::Table(tiers), .. }) = root.get_mut("tiers") else { return };
    let mut named = Table::new();
    for (name, node) in std::mem::take(tiers) {
        let canonical = name.parse::<Tier>().map_or_else(|_| name.clone(), |tier| tier.name().to_owned());
        let origin = node.key_origin.clone();
        if named.insert(canonical.clone(), node).is_some() {
            report.problem(&origin, &format!("tiers.{name}"), format!("tier {canonical} is given twice"));
        }
    }
    *tiers = named;
}

fn read(root: &Section<'_>, beside: Option<&Path>, environment: &Environment, report: &Report) -> Config {
    let cost_limit_daily = settings::cost_limit(root);
    let log_performance = root.flag("log_performance").unwrap_or(true);
    root.flag("default_backends");
    let (policy, tiers) = settings::policy(root, report);
    let prices = prices(root, beside, report);
    let runpod = settings::runpod(root, environment, report);
    let surroundings = Surroundings { environment, tiers: &tiers, runpod: &runpod, prices: &prices, report };
    let backends = backends::read(root, &surroundings);
    backends::check_rules(root, &policy, &backends);
    let local_gpu = root.section("gpu").is_none_or(|gpu| {
        let local = gpu.flag("local").unwrap_or(true);
        gpu.finish();
        local
    });
    let uses_runpod = backends.iter().any(|backend| backends::is_serverless(backend.spec.protocol));
    let config = Config {
        policy,
        cost_limit_daily,
        budgets: keeping::budgets(root),
        log_performance,
        backends,
        runpod: (runpod.configured || runpod.key.is_some() || uses_runpod).then(|| RunpodConfig {
            api_url: runpod.api_url.clone(),
            serverless_url: runpod.serverless_url.clone(),
            key: runpod.key.clone(),
            poll_every: runpod.poll_every,
        }),
        local_gpu,
        ui: settings::ui(root),
        log: settings::log(root, beside),
        store: keeping::store(root, beside),
        prices,
    };
    root.finish();
    config
}

/// The shipped price table, with the operator's own over it.
fn prices(root: &Section<'_>, beside: Option<&Path>, report: &Report) -> Arc<PriceBook> {
    let shipped = PriceBook::shipped();
    let mut book = None;
    if let Some(section) = root.section("prices") {
        if let Some(file) = section.text("file") {
            let path = settings::resolve(&file, beside);
            match std::fs::read_to_string(&path).map(|json| PriceBook::parse(&json)) {
                Ok(Ok(newer)) => book = Some(shipped.overlaid(newer)),
                Ok(Err(error)) => section.problem("file", format!("{}: {error}", path.display())),
                Err(error) => section.problem("file", format!("{} cannot be read: {error}", path.display())),
            }
        }
        section.finish();
    }
    let book = book.unwrap_or_else(|| shipped.clone());
    for rejected in book.rejected().iter().take(5) {
        report.warn(format!("price left out: {rejected}"));
    }
    if let Some(more) = book.rejected().len().checked_sub(5).filter(|more| *more > 0) {
        report.warn(format!("{more} more prices left out"));
    }
    report.entry("prices.date".to_owned(), book.date().unwrap_or("unknown"), root.origin_of("prices"));
    Arc::new(book)
}
