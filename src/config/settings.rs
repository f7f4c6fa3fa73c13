//! Everything in the file but the backends.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use super::environment::{self, Environment};
use super::report::{Origin, masked, suggestion};
use super::section::{Report, Section};
use super::{ColorChoice, LogConfig, UiConfig, address};
use crate::domain::fleet::{Protocol, Timeouts, Timer};
use crate::domain::id::ModelId;
use crate::domain::money::Money;
use crate::domain::policy::{Assumed, Policy};
use crate::domain::privacy::intent::{Intent, Named};
use crate::domain::privacy::{FindingKind, Handling};
use crate::domain::task::Task;
use crate::domain::tier::Tier;

/// The longest wait that can be configured: a day.
const LONGEST_MS: u32 = 86_400_000;

/// What holds for the backends of a tier that do not say otherwise.
#[derive(Clone, Copy, Debug)]
pub struct TierDefaults {
    /// How long to wait for what.
    pub timeouts: Timeouts,
    /// The most requests at a time, for each backend by itself.
    pub max_in_flight: Option<u32>,
    /// How often a backend is probed.
    pub probe_every: Duration,
}

/// The RunPod account as the file has it.
#[derive(Clone, Debug)]
pub struct Runpod {
    /// The management API.
    pub api_url: String,
    /// The serverless API.
    pub serverless_url: String,
    /// The variable that holds the key.
    pub variable: String,
    /// The key.
    pub key: Option<SecretString>,
    /// How often the API is asked.
    pub poll_every: Duration,
    /// Whether anybody configured any of it.
    pub configured: bool,
}

fn millis(section: &Section<'_>, key: &'static str, least: u32, otherwise: u32) -> Duration {
    Duration::from_millis(section.integer(key, least..=LONGEST_MS).unwrap_or(otherwise).into())
}

/// A wait that is learnt unless somebody set it.
fn timer(section: &Section<'_>, key: &'static str, otherwise: u32) -> Timer {
    let wait = millis(section, key, 1, otherwise);
    if *section.origin_of(key) == Origin::Default { Timer::Learnt(wait) } else { Timer::Set(wait) }
}

fn seconds(section: &Section<'_>, key: &'static str, otherwise: u64) -> Duration {
    section.integer(key, 1..=86_400).map_or(Duration::from_secs(otherwise), |value| Duration::from_secs(value.into()))
}

/// The limit of a day's spending.
pub fn cost_limit(root: &Section<'_>) -> Option<Money> {
    let limit = root.number("cost_limit_daily", 0.0..=1e9).and_then(Money::from_usd);
    if root.node("cost_limit_daily").is_none() {
        root.entry("cost_limit_daily", "none", &Origin::Default);
    }
    limit
}

/// The routing policy and what holds for each tier.
pub fn policy(root: &Section<'_>, report: &Report) -> (Policy, [TierDefaults; 4]) {
    let mut policy = Policy::default();
    if let Some(tier) = root.parsed("default_tier") {
        policy.default_tier = tier;
    }
    if let Some(chain) = root.parsed_list("fallback_chain") {
        policy.fallback_chain = chain;
    }
    policy.allow_unpriced = root.flag("allow_unpriced").unwrap_or(policy.allow_unpriced);
    policy.deadline = millis(root, "deadline_ms", 100, 120_000);
    policy.max_attempts = root.integer("max_attempts", 1..=100).unwrap_or(policy.max_attempts);
    policy.hedge = root.flag("hedge").unwrap_or(policy.hedge);
    if let Some(learning) = root.section("learning") {
        policy.learning.enabled = learning.flag("enabled").unwrap_or(policy.learning.enabled);
        if let Some(share) = learning.number("explore", 0.0..=0.5) {
            policy.learning.exploration.share = share as f32;
        }
        if let Some(days) = learning.integer("half_life_days", 1..=3_650) {
            policy.learning.half_life = Duration::from_secs(u64::from(days) * 86_400);
        }
        learning.finish();
    }
    if let Some(tasks) = root.section("tasks") {
        rules(&tasks, &mut policy, report);
    }
    if let Some(guard) = root.section("guard") {
        for kind in FindingKind::ALL {
            if kind == FindingKind::Named {
                continue;
            }
            // Only what differs from the kind's own handling is kept.
            match guard.parsed::<Handling>(kind.name()) {
                Some(Handling::Redact) if !kind.is_a_value() => {
                    guard
                        .problem(kind.name(), "has no value that could be redacted: keep_local, refuse, warn or allow");
                }
                Some(handling) if handling != kind.default_handling() => {
                    policy.guard.handling.insert(kind, handling);
                }
                _ => {}
            }
        }
        guard.finish();
    }
    if let Some(privacy) = root.section("privacy") {
        policy.guard.named = Arc::new(intents(&privacy, report));
        privacy.finish();
    }
    let tiers = root.section("tiers");
    let defaults = Tier::ALL.map(|tier| {
        let section = tiers.as_ref().and_then(|tiers| tiers.section(tier.name()));
        tier_defaults(section, &mut policy.assumed[tier.index()])
    });
    if let Some(tiers) = tiers {
        tiers.finish();
    }
    (policy, defaults)
}

/// The intents that the operator names.
fn intents(privacy: &Section<'_>, report: &Report) -> Named {
    let mut intents = Vec::new();
    for (place, mut section) in privacy.sections("intents").unwrap_or_default().into_iter().enumerate() {
        let name = section.text("name").unwrap_or_default();
        if !name.is_empty() {
            section.rename(format!("privacy.intents.{name}"));
        }
        let phrases = section.texts("phrases").unwrap_or_default().into_iter().map(|(phrase, _)| phrase).collect();
        let handling = section.parsed("handling").unwrap_or_default();
        section.finish();
        let intent = Intent { name, phrases, handling };
        let wrong = Named::compile(vec![intent.clone()]).err().unwrap_or_default();
        let key = if intent.name.is_empty() { format!("privacy.intents[{place}]") } else { section.path().to_owned() };
        for problem in &wrong {
            report.problem(section.origin(), &key, problem.to_string());
        }
        if wrong.is_empty() {
            intents.push(intent);
        }
    }
    // What is wrong with each was said; this is about all of them together.
    Named::compile(intents).unwrap_or_else(|problems| {
        for problem in problems {
            privacy.problem("intents", problem.to_string());
        }
        Named::default()
    })
}

fn rules(tasks: &Section<'_>, policy: &mut Policy, report: &Report) {
    for (name, origin, section) in tasks.named_sections() {
        let Some(task) = Task::ALL.into_iter().find(|task| task.name() == name) else {
            let near = suggestion(name, Task::ALL.map(Task::name));
            report.problem(origin, &tasks.key(name), format!("`{name}` is not a task{near}"));
            continue;
        };
        let rule = policy.rules.entry(task).or_default();
        if let Some(tiers) = section.parsed_list("tiers") {
            if tiers.is_empty() {
                section.problem("tiers", "a rule without a tier can never match; name one, or leave the rule out");
            }
            rule.tiers = tiers;
        } else if rule.tiers.is_empty() {
            // A rule that names only a model leaves the tiers as they would be without it.
            rule.tiers = vec![policy.default_tier];
        }
        if let Some(model) = section.text("model") {
            rule.model = Some(ModelId::from(model));
        }
        section.finish();
    }
}

fn tier_defaults(section: Option<Section<'_>>, assumed: &mut Assumed) -> TierDefaults {
    let mut defaults = TierDefaults {
        timeouts: Timeouts {
            connect: Timer::Learnt(Duration::from_secs(5)),
            first_token: Timer::Learnt(Duration::from_secs(60)),
            stall: Timer::Learnt(Duration::from_secs(60)),
        },
        max_in_flight: None,
        probe_every: Duration::from_secs(30),
    };
    let Some(section) = section else { return defaults };
    defaults.timeouts = Timeouts {
        connect: timer(&section, "connect_timeout_ms", 5_000),
        first_token: timer(&section, "first_token_timeout_ms", 60_000),
        stall: timer(&section, "stall_timeout_ms", 60_000),
    };
    let assume = |key, least, field: &mut u32| {
        *field = section.integer(key, least..=LONGEST_MS).unwrap_or(*field);
    };
    assume("assumed_first_token_ms", 0, &mut assumed.first_token_ms);
    assume("assumed_cold_start_ms", 0, &mut assumed.cold_start_ms);
    assume("assumed_tokens_per_second", 1, &mut assumed.tokens_per_second);
    defaults.max_in_flight = section.integer("max_in_flight", 1..=1_000_000);
    defaults.probe_every = seconds(&section, "probe_every_s", 30);
    section.finish();
    defaults
}

/// The RunPod account.
pub fn runpod(root: &Section<'_>, environment: &Environment, report: &Report) -> Runpod {
    let mut runpod = Runpod {
        api_url: "https://api.runpod.io".to_owned(),
        serverless_url: "https://api.runpod.ai/v2".to_owned(),
        variable: "RUNPOD_API_KEY".to_owned(),
        key: None,
        poll_every: Duration::from_secs(10),
        configured: false,
    };
    if let Some(section) = root.section("runpod") {
        for (key, field) in [("api_url", &mut runpod.api_url), ("serverless_url", &mut runpod.serverless_url)] {
            match section.text(key).map(|text| address::parse(Protocol::RunpodQueue, &text)) {
                Some(Ok(url)) => *field = url,
                Some(Err(problem)) => section.problem(key, problem),
                None => {}
            }
        }
        if let Some(variable) = section.text("api_key_env") {
            match check_variable(&variable) {
                Ok(()) => runpod.variable = variable,
                Err(problem) => section.problem("api_key_env", problem),
            }
        }
        runpod.poll_every = seconds(&section, "poll_every_s", 10);
        runpod.configured = ["api_url", "serverless_url", "api_key_env", "poll_every_s"]
            .iter()
            .any(|key| section.node(key).is_some_and(|node| node.origin != Origin::Default));
        section.finish();
    }
    let key = environment::value(environment, &runpod.variable);
    let (shown, origin) = match key {
        Some(key) => (masked(key), Origin::Env { variable: runpod.variable.clone() }),
        None => (format!("missing: set {}", runpod.variable), Origin::Default),
    };
    if let Some(Err(problem)) = key.map(check_key) {
        report.problem(&origin, "runpod.api_key", problem);
    }
    report.entry("runpod.api_key".to_owned(), shown, &origin);
    runpod.key = key.map(SecretString::from);
    runpod
}

/// Whether a text can be sent as a key: one that was pasted with a line break in it would fail at every request, and with
/// a message that says nothing of the cause.
pub fn check_key(key: &str) -> Result<(), &'static str> {
    if key.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(())
    } else {
        Err("the key holds spaces, line breaks or letters that no key has; was it pasted whole?")
    }
}

/// Whether a text can be the name of a variable. Somebody who writes the key itself there must not find it on a screen:
/// hence capitals only, and hence a message that does not repeat the text.
pub fn check_variable(name: &str) -> Result<(), &'static str> {
    let fine = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    if !name.is_empty() && name.len() <= 64 && name.bytes().all(fine) {
        Ok(())
    } else {
        Err("not the name of an environment variable (capitals, digits, `_`); the key itself does not belong here")
    }
}

/// The dashboard.
pub fn ui(root: &Section<'_>) -> UiConfig {
    let mut ui = UiConfig::default();
    let Some(section) = root.section("ui") else { return ui };
    let palettes = ["auto", "ansi", "ansi-light", "colorblind", "mono"].map(|name| (name, name));
    if let Some(palette) = section.choice("palette", &palettes) {
        palette.clone_into(&mut ui.palette);
    }
    let colors = [("auto", ColorChoice::Auto), ("always", ColorChoice::Always), ("never", ColorChoice::Never)];
    ui.color = section.choice("color", &colors).unwrap_or(ui.color);
    ui.ascii = section.flag("ascii");
    ui.max_fps = section.integer("max_fps", 1..=240).unwrap_or(ui.max_fps);
    ui.animations = section.flag("animations").unwrap_or(ui.animations);
    ui.read_only = section.flag("read_only").unwrap_or(ui.read_only);
    if let Some(cost) = section.number_or("confirm_cost", "never", 0.0..=1e9) {
        ui.confirm_cost = cost.and_then(Money::from_usd);
    }
    if let Some(keys) = section.section("keys") {
        ui.keys = keys.named_texts().into_iter().collect();
    }
    section.finish();
    ui
}

/// Where the log goes. A relative folder lies beside the file.
pub fn log(root: &Section<'_>, beside: Option<&Path>) -> LogConfig {
    let mut log = LogConfig::default();
    let Some(section) = root.section("log") else { return log };
    log.folder = section.text("folder").map(|folder| resolve(&folder, beside));
    if let Some(level) = section.text("level") {
        match tracing_subscriber::EnvFilter::try_new(&level) {
            Ok(_) => log.level = level,
            Err(error) => section.problem("level", format!("not a log filter such as `info`: {error}")),
        }
    }
    section.finish();
    log
}

/// A path, taken from the folder of the file where it is relative.
pub fn resolve(path: &str, beside: Option<&Path>) -> PathBuf {
    beside.map_or_else(|| PathBuf::from(path), |folder| folder.join(path))
}
