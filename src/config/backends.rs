//! The backends: where they are, with which key, and what is wrong with them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use secrecy::SecretString;

use super::environment::{self, Environment};
use super::prices::PriceBook;
use super::report::{Origin, masked};
use super::section::{Report, Section};
use super::settings::{Runpod, TierDefaults, check_key, check_variable};
use super::{BackendConfig, address, models};
use crate::domain::fleet::{BackendSpec, KeyState, Protocol};
use crate::domain::id::BackendId;
use crate::domain::money::Money;
use crate::domain::policy::Policy;
use crate::domain::price::Pricing;
use crate::domain::privacy::Reach;
use crate::domain::tier::Tier;

/// The bytes of a gigabyte, as makers of graphics cards count them.
const GIGABYTE: f64 = (1_u64 << 30) as f64;

/// What backends are read in the light of.
pub struct Surroundings<'a> {
    /// The environment, where keys and addresses are.
    pub environment: &'a Environment,
    /// What holds for each tier.
    pub tiers: &'a [TierDefaults; 4],
    /// The account under which serverless endpoints run.
    pub runpod: &'a Runpod,
    /// What hosted models cost.
    pub prices: &'a PriceBook,
    /// Where problems go.
    pub report: &'a Report,
}

/// Whether a protocol is that of a RunPod endpoint, with the account's own key.
pub const fn is_serverless(protocol: Protocol) -> bool {
    matches!(protocol, Protocol::RunpodOpenai | Protocol::RunpodQueue | Protocol::RunpodBalancer)
}

/// Reads every backend. Optional ones whose key or address is missing are left out, but for the first of a tier that
/// would be empty without it: the screen is to say which key is wanted.
pub fn read(root: &Section<'_>, around: &Surroundings<'_>) -> Vec<BackendConfig> {
    let mut seen = BTreeSet::new();
    let mut kept: Vec<(BackendConfig, bool, String)> = Vec::new();
    for mut section in root.sections("backends").unwrap_or_default() {
        let id = section.text("id");
        // From here on problems name it by its id: its number counts the built-in ones too, and says nothing to anybody.
        around.report.forget(section.path());
        section.rename(id.as_ref().map_or_else(|| "backends".to_owned(), |id| format!("backends.{id}")));
        match &id {
            None if !section.has("id") => section.problem("id", "missing: every backend needs an `id`"),
            None => {}
            Some(id) if id.is_empty() || id.chars().any(|char| char.is_whitespace() || char.is_control()) => {
                section.problem("id", "an id is a word without spaces");
            }
            Some(id) if !seen.insert(id.clone()) => {
                section.problem("id", format!("another backend is called `{id}` already"));
            }
            Some(_) => {}
        }
        let path = section.path().to_owned();
        let optional = section.flag("optional").unwrap_or(false)
            // Whoever adjusts a built-in backend wants to see it.
            && (*section.origin() == Origin::Default || *section.origin_of("optional") != Origin::Default);
        match one(&section, id.unwrap_or_default(), optional, around) {
            Some(backend) => kept.push((backend, optional, path)),
            None => around.report.forget(&path),
        }
    }
    let is_wanting =
        |entry: &(BackendConfig, bool, String)| entry.1 && matches!(entry.0.spec.key, KeyState::Missing { .. });
    let mut settled: BTreeSet<Tier> =
        kept.iter().filter(|entry| !is_wanting(entry)).map(|entry| entry.0.spec.tier).collect();
    kept.retain(|entry| {
        let keep = !is_wanting(entry) || settled.insert(entry.0.spec.tier);
        if !keep {
            around.report.forget(&entry.2);
        }
        keep
    });
    kept.into_iter().map(|(backend, ..)| backend).collect()
}

/// One backend; `None` where too much is missing to say any more about it.
fn one(section: &Section<'_>, id: String, optional: bool, around: &Surroundings<'_>) -> Option<BackendConfig> {
    // Every key is asked for before anything is given up, so that none is called unknown and all mistakes are found.
    let tier: Option<Tier> = section.parsed("tier");
    let protocol = section.choice("protocol", &Protocol::ALL.map(|protocol| (protocol.name(), protocol)));
    for key in ["tier", "protocol"] {
        if !section.has(key) {
            section.problem(key, format!("missing: a backend needs a `{key}`"));
        }
    }
    let (url, own_address) = url(section, protocol, optional, around);
    let key = key(section, protocol, own_address, around);
    let private = section.flag("private").unwrap_or(false);
    if private && tier.is_some_and(|tier| tier != Tier::Local) {
        section.problem("private", "only a backend of the tier `local` can be private; all others are outside");
    } else if private && (section.has("endpoint_id") || section.has("pod_id")) {
        section.problem("private", "a machine of RunPod's is never private");
    }
    if tier == Some(Tier::Local) && protocol.is_some_and(|it| !matches!(it, Protocol::Ollama | Protocol::Openai)) {
        let message = "the tier `local` is for servers that run models themselves: use `ollama` or `openai`";
        section.problem("protocol", message);
    }
    let max_in_flight = section.integer("max_in_flight", 1..=1_000_000);
    let num_ctx = section.integer("num_ctx", 1..=100_000_000);
    let keep_alive = section.text("keep_alive");
    if keep_alive.as_deref().is_some_and(|text| !is_go_duration(text)) {
        section.problem("keep_alive", "not a duration as Ollama writes it: `10m`, `1h30m`, seconds, or `-1` for ever");
    }
    let memory = section.number("memory_gb", 0.5..=100_000.0).map(|gigabytes| (gigabytes * GIGABYTE) as u64);
    let warm_up = section.flag("warm_up");
    for key in ["num_ctx", "keep_alive", "memory_gb", "warm_up"] {
        if protocol.is_some_and(|protocol| protocol != Protocol::Ollama) && section.has(key) {
            section.problem(key, "only Ollama knows this; take it out");
        }
    }
    let probe_every = section.integer("probe_every_s", 1..=86_400);
    let default_pricing = pricing(section, tier);
    if warm_up == Some(true) && matches!(default_pricing, Pricing::PerHour { .. }) {
        section.problem(
            "warm_up",
            "its machine is paid for while it works: nothing is loaded there that nobody asked for",
        );
    }
    let headers = headers(section);
    let models = models::read(section, tier, protocol, &default_pricing, around);
    section.finish();

    let (tier, protocol, url) = (tier?, protocol?, url?);
    if tier == Tier::Gpu
        && default_pricing == Pricing::Unknown
        && models.iter().any(|it| it.1.pricing == Pricing::Unknown)
        || is_serverless(protocol) && models.is_empty() && default_pricing == Pricing::Unknown
    {
        let message = "without `price_per_hour` its cost is unknown, and under a cost limit it is not used";
        around.report.warn(format!("{}: {message}", section.path()));
    }
    let reach =
        if tier == Tier::Local && (private || address::is_loopback(&url)) { Reach::Inside } else { Reach::Outside };
    section.entry("reach", if reach == Reach::Inside { "inside" } else { "outside" }, section.origin_of("private"));
    let warm_up = warm_up.unwrap_or(protocol == Protocol::Ollama && reach == Reach::Inside);
    let defaults = &around.tiers[tier.index()];
    let (secret, bearer, state) = key;
    Some(BackendConfig {
        spec: BackendSpec {
            id: BackendId::from(id),
            tier,
            protocol,
            url: Arc::from(url),
            reach,
            key: state,
            max_in_flight: max_in_flight.or(defaults.max_in_flight),
            timeouts: defaults.timeouts,
            default_pricing,
            memory,
            warm_up,
        },
        key: secret,
        bearer,
        models,
        probe_every: probe_every.map_or(defaults.probe_every, |every| std::time::Duration::from_secs(every.into())),
        num_ctx,
        keep_alive,
        headers,
    })
}

/// The address, and whether somebody configured it: then the provider's own key must not go there unasked.
fn url(
    section: &Section<'_>,
    protocol: Option<Protocol>,
    optional: bool,
    around: &Surroundings<'_>,
) -> (Option<String>, bool) {
    let given = section.text("url");
    let endpoint = runpod_id(section, "endpoint_id");
    let pod = runpod_id(section, "pod_id");
    let given_port = section.integer("port", 1..=65_535);
    let variable = variables(section, "url_env").into_iter().next();
    let Some(protocol) = protocol else { return (None, true) };
    if !check_place(section, protocol) {
        return (None, true);
    }

    let from_env = variable.and_then(|name| Some((environment::value(around.environment, &name)?, name)));
    if let Some((text, variable)) = from_env {
        if let (Some(_), Origin::File { line, .. }) = (&given, section.origin_of("url")) {
            around.report.warn(format!("{variable} overrides the `url` of line {line}"));
        }
        let origin = Origin::Env { variable };
        return match address::parse(protocol, text) {
            Ok(url) => {
                section.entry("url", format!("{url:?}"), &origin);
                (Some(url), false)
            }
            Err(problem) => {
                around.report.problem(&origin, &section.key("url"), problem);
                (None, true)
            }
        };
    }
    let (text, key) = if let Some(url) = given {
        (url, "url")
    } else if let Some(id) = endpoint {
        let url = match protocol {
            Protocol::RunpodBalancer => format!("https://{id}.api.runpod.ai"),
            _ => format!("{}/{id}", around.runpod.serverless_url),
        };
        (url, "endpoint_id")
    } else if let Some(id) = pod {
        let (port, path) = if protocol == Protocol::Ollama { (11434, "") } else { (8000, "/v1") };
        let port = given_port.unwrap_or(port);
        (format!("https://{id}-{port}.proxy.runpod.net{path}"), "pod_id")
    } else if let Some(url) = address::official(protocol) {
        section.entry("url", format!("{url:?}"), &Origin::Default);
        return (Some(url.to_owned()), false);
    } else {
        if !optional {
            let wanted = if is_serverless(protocol) { "an `endpoint_id`" } else { "a `url`" };
            section.problem("url", format!("missing: a backend that speaks {} needs {wanted}", protocol.name()));
        }
        return (None, true);
    };
    match address::parse(protocol, &text) {
        Ok(url) => {
            section.entry("url", format!("{url:?}"), section.origin_of(key));
            (Some(url), true)
        }
        Err(problem) => {
            section.problem(key, problem);
            (None, true)
        }
    }
}

/// Whether the keys that say where a backend is go together.
fn check_place(section: &Section<'_>, protocol: Protocol) -> bool {
    let is_given = |key: &&str| section.has(key);
    let mut places = ["url", "endpoint_id", "pod_id"].into_iter().filter(is_given);
    let problem = match (places.next(), places.next()) {
        (Some(first), Some(second)) => Some((second, format!("`{first}` says already where the backend is"))),
        (Some("endpoint_id"), None) if !is_serverless(protocol) => {
            Some(("endpoint_id", "belongs to the protocols runpod-openai, runpod-queue, runpod-balancer".to_owned()))
        }
        (Some("pod_id"), None) if !matches!(protocol, Protocol::Ollama | Protocol::Openai) => {
            Some(("pod_id", "a pod speaks the protocol `ollama` or `openai`".to_owned()))
        }
        (place, None) if place != Some("pod_id") && is_given(&"port") => {
            Some(("port", "belongs to `pod_id`; elsewhere it is part of `url`".to_owned()))
        }
        _ => None,
    };
    let fine = problem.is_none();
    if let Some((key, message)) = problem {
        section.problem(key, message);
    }
    fine
}

/// An id that becomes a part of an address: it must not be able to lead elsewhere.
fn runpod_id(section: &Section<'_>, key: &'static str) -> Option<String> {
    let id = section.text(key)?;
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if !id.is_empty() && id.bytes().all(fine) {
        return Some(id);
    }
    section.problem(key, "an id of RunPod's has only letters, digits and `-`");
    // Anything will do: the problem keeps the configuration from being used.
    Some("id".to_owned())
}

/// The key, whether it is a token, and what the screen says of it.
fn key(
    section: &Section<'_>,
    protocol: Option<Protocol>,
    own_address: bool,
    around: &Surroundings<'_>,
) -> (Option<SecretString>, bool, KeyState) {
    let written = section.secret("api_key").filter(|key| !key.trim().is_empty());
    if written.is_some() {
        let message = "`api_key` stands in the file; `api_key_env` with a variable keeps it out of backups and screens";
        around.report.warn(format!("{}: {message}", section.path()));
    }
    let mut names = variables(section, "api_key_env");
    let Some(protocol) = protocol else { return (None, false, KeyState::NotNeeded) };
    if names.is_empty() && written.is_none() {
        names = match protocol {
            _ if is_serverless(protocol) => vec![around.runpod.variable.clone()],
            // A provider's key goes to the provider, never to an address that somebody else configured.
            _ if own_address => Vec::new(),
            Protocol::Anthropic => vec!["ANTHROPIC_API_KEY".to_owned(), "ANTHROPIC_AUTH_TOKEN".to_owned()],
            Protocol::Openai => vec!["OPENAI_API_KEY".to_owned()],
            Protocol::Gemini => vec!["GOOGLE_API_KEY".to_owned(), "GEMINI_API_KEY".to_owned()],
            _ => Vec::new(),
        };
    }
    let found = names.iter().find_map(|name| Some((environment::value(around.environment, name)?, name)));
    if let Some((key, name)) = found {
        let origin = Origin::Env { variable: name.clone() };
        if let Err(problem) = check_key(key) {
            around.report.problem(&origin, &section.key("api_key"), problem);
        }
        section.entry("api_key", masked(key), &origin);
        let bearer = protocol == Protocol::Anthropic && name.ends_with("AUTH_TOKEN");
        return (Some(SecretString::from(key)), bearer, KeyState::Present);
    }
    if let Some(key) = written {
        if let Err(problem) = check_key(key.trim()) {
            section.problem("api_key", problem);
        }
        return (Some(SecretString::from(key.trim())), false, KeyState::Present);
    }
    let state = match names.into_iter().next() {
        // A LiteLLM proxy may run without a master key; one that does not answers that the key is refused.
        None => KeyState::NotNeeded,
        Some(_) if protocol == Protocol::Litellm => KeyState::NotNeeded,
        Some(variable) => {
            section.entry("api_key", format!("missing: set {variable}"), section.origin_of("api_key_env"));
            KeyState::Missing { variable: Arc::from(variable) }
        }
    };
    (None, false, state)
}

/// The names of variables in a key that holds one or more of them.
fn variables(section: &Section<'_>, key: &'static str) -> Vec<String> {
    let names: Vec<String> = section.texts(key).unwrap_or_default().into_iter().map(|(name, _)| name).collect();
    match names.iter().find_map(|name| check_variable(name).err()) {
        None => names,
        Some(problem) => {
            section.problem(key, problem);
            Vec::new()
        }
    }
}

/// How the models of a backend are paid for that have no price of their own.
fn pricing(section: &Section<'_>, tier: Option<Tier>) -> Pricing {
    let per_hour = section.number("price_per_hour", 0.0..=10_000.0).and_then(Money::from_usd);
    let rented = section.flag("rented");
    match (per_hour, rented) {
        (Some(_), Some(true)) => {
            let message = "either `price_per_hour` (paid while a request runs) or `rented` (paid anyway), not both";
            section.problem("rented", message);
            Pricing::Unknown
        }
        (Some(rate), _) => Pricing::PerHour { rate },
        (None, Some(true)) => Pricing::Rented,
        // The hours of a pod are billed whether it is used or not.
        (None, None) if section.has("pod_id") => Pricing::Rented,
        _ if tier == Some(Tier::Local) => Pricing::Free,
        _ => Pricing::Unknown,
    }
}

fn headers(section: &Section<'_>) -> BTreeMap<String, String> {
    let Some(headers) = section.section("headers") else { return BTreeMap::new() };
    let given: BTreeMap<String, String> = headers.named_secrets().into_iter().collect();
    for (name, value) in &given {
        if reqwest::header::HeaderName::from_bytes(name.as_bytes()).is_err() {
            headers.problem(name, "not the name of a header");
        } else if reqwest::header::HeaderValue::from_str(value).is_err() {
            headers.problem(name, "a header must not hold line breaks or control characters");
        } else if matches!(name.to_ascii_lowercase().as_str(), "authorization" | "x-api-key" | "x-goog-api-key") {
            headers.problem(name, "the key is sent by itself; name its variable in `api_key_env`");
        }
    }
    given
}

/// Seconds, or a duration as Go writes it.
fn is_go_duration(text: &str) -> bool {
    let mut rest = text.strip_prefix('-').unwrap_or(text);
    if rest.parse::<u64>().is_ok() {
        return true;
    }
    let mut parts = 0;
    while !rest.is_empty() {
        let number = rest.len() - rest.trim_start_matches(|char: char| char.is_ascii_digit() || char == '.').len();
        let unit = ["ms", "us", "ns", "h", "m", "s"].into_iter().find(|unit| rest[number..].starts_with(unit));
        let (true, Some(unit)) = (rest[..number].parse::<f64>().is_ok(), unit) else { return false };
        rest = &rest[number + unit.len()..];
        parts += 1;
    }
    parts > 0
}

/// Rules of the file that no backend can ever follow.
pub fn check_rules(root: &Section<'_>, policy: &Policy, backends: &[BackendConfig]) {
    let Some(tasks) = root.section("tasks") else { return };
    for (task, rule) in &policy.rules {
        let Some((.., section)) = tasks.named_sections().into_iter().find(|(name, ..)| *name == task.name()) else {
            continue;
        };
        let served = |tier: &Tier| backends.iter().any(|backend| backend.spec.tier == *tier);
        if *section.origin_of("tiers") != Origin::Default && !rule.tiers.is_empty() && !rule.tiers.iter().any(served) {
            let names: Vec<&str> = rule.tiers.iter().map(|tier| tier.name()).collect();
            section.problem("tiers", format!("can never match: no backend serves {}", names.join(", ")));
        }
        // A backend without configured models offers what a probe finds: then nobody can tell yet.
        let may_serve = |backend: &BackendConfig| {
            backend.models.is_empty()
                || backend.models.iter().any(|(id, spec)| {
                    rule.model.as_ref().is_some_and(|model| model == id || spec.aliases.contains(model))
                })
        };
        if let Some(model) = &rule.model
            && !backends.iter().any(may_serve)
        {
            section.problem("model", format!("can never match: no backend has a model `{model}`"));
        }
    }
}
