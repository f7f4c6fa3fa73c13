//! What the operator configured: a file over defaults, under the environment.
//!
//! [`load`] lays three trees of values over each other, `assets/default.toml`, the file and the environment, and reads
//! the outcome once. So each value has one origin, defaults are written down in one place, and every mistake is found in
//! one go. `assets/example.toml` describes every key; [`address`] says what addresses look like.
//!
//! * Backends are joined by `id`: an entry of the file that names a `protocol` stands for itself, any other one adjusts
//!   the built-in backend of its id. `default_backends = false` takes the built-in ones away.
//! * A variable in `url_env` or `api_key_env` has the last word over `url` and `api_key`. Without `api_key_env`, a
//!   provider's own variable is used only for the provider's own address: a key is never sent where nobody meant it to go.
//! * `optional = true` leaves a backend out while its key or address is missing, unless its tier would be empty.
//! * A model is paid for as its entry says; else as its backend says (`price_per_hour` while a request runs, `rented` or
//!   `pod_id` by the machine's own hours, free in the tier `local`); else as the price table says; else nobody knows.
//! * Inside is what is in the tier `local` and on this machine, or declared `private`. A gateway on this machine is outside.

pub mod address;
mod backends;
mod environment;
mod keeping;
mod load;
mod models;
pub mod prices;
mod report;
mod section;
mod settings;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use crate::domain::fleet::{BackendSpec, ModelSpec};
use crate::domain::id::ModelId;
use crate::domain::money::Money;
use crate::domain::policy::Policy;
use crate::domain::spend::Budget;

pub use environment::Environment;
pub use load::{Loaded, Sources, load, load_text};
pub use prices::PriceBook;
pub use report::{ConfigErrors, Entry, Origin, Problem, masked, suggestion};

/// A commented example of a configuration file, with every key and its default.
pub const EXAMPLE: &str = include_str!("../../assets/example.toml");

/// Everything that is configured, checked and complete.
#[derive(Clone, Debug)]
pub struct Config {
    /// The routing policy.
    pub policy: Policy,
    /// What may be spent in a day; no limit where absent.
    pub cost_limit_daily: Option<Money>,
    /// The other limits on spending.
    pub budgets: Vec<Budget>,
    /// Whether each attempt's performance is written to the log, and what a request is about, without its text, to the record
    /// that `llm-call what-if` reads.
    pub log_performance: bool,
    /// The backends, in the order in which screens list them.
    pub backends: Vec<BackendConfig>,
    /// The RunPod account whose pods and endpoints are watched; nothing is watched where absent.
    pub runpod: Option<RunpodConfig>,
    /// Whether the local GPUs are read.
    pub local_gpu: bool,
    /// The dashboard.
    pub ui: UiConfig,
    /// Where the log goes.
    pub log: LogConfig,
    /// What is kept from run to run.
    pub store: StoreConfig,
    /// What hosted models cost, for those that a probe finds; the configured ones have their prices already.
    pub prices: Arc<PriceBook>,
}

/// One backend with all that its client needs.
#[derive(Clone, Debug)]
pub struct BackendConfig {
    /// What routing and screens need.
    pub spec: BackendSpec,
    /// The key.
    pub key: Option<SecretString>,
    /// Anthropic: the key is a token, to be sent as `Authorization: Bearer` and not as `x-api-key`.
    pub bearer: bool,
    /// The configured models; where there are none, those that a probe finds are offered.
    pub models: Vec<(ModelId, ModelSpec)>,
    /// How often it is probed while all is well.
    pub probe_every: Duration,
    /// Ollama: the window to ask for, in tokens, where the model's entry names none.
    pub num_ctx: Option<u32>,
    /// Ollama: how long a model stays in memory after a request, as Ollama writes it (`10m`, `-1`).
    pub keep_alive: Option<String>,
    /// More headers to send.
    pub headers: BTreeMap<String, String>,
}

/// The RunPod account.
#[derive(Clone, Debug)]
pub struct RunpodConfig {
    /// The management API's base, `https://api.runpod.io` unless configured otherwise.
    pub api_url: String,
    /// The serverless API's base, `https://api.runpod.ai/v2` unless configured otherwise.
    pub serverless_url: String,
    /// The key; without one the pane says so.
    pub key: Option<SecretString>,
    /// How often the API is asked. The account's quota is 60 calls a minute.
    pub poll_every: Duration,
}

/// When colours are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColorChoice {
    /// As the terminal and the environment suggest.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The dashboard's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UiConfig {
    /// `auto` (`ansi` or `ansi-light`, by the background), `ansi`, `ansi-light`, `colorblind` or `mono`.
    pub palette: String,
    /// When colours are used.
    pub color: ColorChoice,
    /// ASCII instead of Unicode glyphs; decided by the locale where absent.
    pub ascii: Option<bool>,
    /// Frames per second at most.
    pub max_fps: u32,
    /// Whether things that only decorate may move.
    pub animations: bool,
    /// Whether keys that change the fleet are taken away.
    pub read_only: bool,
    /// What a prompt may cost, at most, without being asked about once more before it is sent; `None` where nothing is asked.
    pub confirm_cost: Option<Money>,
    /// Keys by action, over the defaults.
    pub keys: BTreeMap<String, Vec<String>>,
}

/// A quarter of a dollar: far above what a question costs, and below what a whole book in the prompt does.
const CONFIRM_COST: Money = Money(250_000_000);

impl Default for UiConfig {
    fn default() -> Self {
        Self {
            palette: "auto".to_owned(),
            color: ColorChoice::Auto,
            ascii: None,
            max_fps: 30,
            animations: true,
            read_only: false,
            confirm_cost: Some(CONFIRM_COST),
            keys: BTreeMap::new(),
        }
    }
}

/// What is kept from run to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreConfig {
    /// Whether anything is.
    pub enabled: bool,
    /// The database's file; in the folder of the log where absent.
    pub file: Option<PathBuf>,
    /// How many days the ledger's rows, the requests and the audit are kept. Sums by the day stay.
    pub keep_days: u32,
    /// Whether prompts and answers are kept as well.
    pub keep_text: bool,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { enabled: true, file: None, keep_days: 90, keep_text: false }
    }
}

/// Where the log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// The folder; the platform's state folder where absent.
    pub folder: Option<PathBuf>,
    /// A filter as `tracing` writes it, such as `info` or `llm_call=debug`.
    pub level: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { folder: None, level: "info".to_owned() }
    }
}
