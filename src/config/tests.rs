use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;
use secrecy::ExposeSecret;

use super::*;
use crate::domain::fleet::{KeyState, Protocol};
use crate::domain::id::ModelId;
use crate::domain::money::Money;
use crate::domain::policy::Policy;
use crate::domain::price::Pricing;
use crate::domain::privacy::{FindingKind, Handling, Reach};
use crate::domain::task::Task;
use crate::domain::tier::Tier;

const EXAMPLE: &str = include_str!("../../assets/example.toml");
const ANTHROPIC_KEY: &str = "sk-ant-api03-aaaaaaaaaaaaaaaa9f";

fn env(variables: &[(&str, &str)]) -> Environment {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn good(text: &str, variables: &[(&str, &str)]) -> Loaded {
    load_text(text, &env(variables)).unwrap_or_else(|errors| panic!("{errors}"))
}

/// Line, key and message of every problem.
fn bad(text: &str, variables: &[(&str, &str)]) -> Vec<(usize, String, String)> {
    let errors = load_text(text, &env(variables)).expect_err("refused");
    let place = |problem: Problem| match problem.origin {
        Origin::File { line, .. } => (line, problem.key, problem.message),
        Origin::Env { variable } => (0, variable, problem.message),
        Origin::Default => panic!("the defaults are at fault: {problem:?}"),
    };
    errors.problems.into_iter().map(place).collect()
}

fn backend<'a>(loaded: &'a Loaded, id: &str) -> &'a BackendConfig {
    loaded.config.backends.iter().find(|backend| backend.spec.id.as_str() == id).unwrap_or_else(|| panic!("no {id}"))
}

fn ids(loaded: &Loaded) -> Vec<&str> {
    loaded.config.backends.iter().map(|backend| backend.spec.id.as_str()).collect()
}

fn entry<'a>(loaded: &'a Loaded, key: &str) -> (&'a str, String) {
    let mut found = loaded.entries().iter().filter(|entry| entry.key == key);
    let entry = found.next().unwrap_or_else(|| panic!("no entry {key} in\n{}", loaded.render()));
    assert_eq!(found.next(), None, "{key} is shown once");
    (&entry.value, entry.origin.label(None))
}

#[test]
fn without_a_file_and_an_environment_everything_has_a_default() {
    let loaded = good("", &[]);
    let config = &loaded.config;
    assert_eq!(config.policy, Policy::default());
    assert_eq!(config.ui, UiConfig::default());
    assert_eq!(config.log, LogConfig::default());
    assert_eq!((config.cost_limit_daily, config.log_performance, config.local_gpu), (None, true, true));
    assert!(config.runpod.is_none());
    // OpenAI stays in sight, so that the empty tier says which key it wants.
    assert_eq!(ids(&loaded), ["anthropic", "ollama", "openai"]);
    let anthropic = backend(&loaded, "anthropic");
    assert_eq!(anthropic.spec.key, KeyState::Missing { variable: "ANTHROPIC_API_KEY".into() });
    assert_eq!(&*anthropic.spec.url, "https://api.anthropic.com");
    assert_eq!(anthropic.spec.reach, Reach::Outside);
    let opus = anthropic.models.iter().find(|(id, _)| id.as_str() == "claude-opus-5-5").expect("listed");
    assert!(opus.1.aliases.contains(&ModelId::from("claude-3-opus")));
    assert_eq!((opus.1.context, opus.1.images), (Some(1_000_000), Some(true)));
    let ollama = backend(&loaded, "ollama");
    assert_eq!((ollama.spec.reach, &ollama.spec.key), (Reach::Inside, &KeyState::NotNeeded));
    assert_eq!((&*ollama.spec.url, &ollama.spec.default_pricing), ("http://127.0.0.1:11434", &Pricing::Free));
    assert!(ollama.models.is_empty(), "its models are found by probing");
    assert_eq!(loaded.warnings, [] as [String; 0]);
}

#[test]
fn every_default_model_has_a_price() {
    let keys = [("GEMINI_API_KEY", "g"), ("OPENAI_API_KEY", "o")];
    for backend in &good("", &keys).config.backends {
        for (id, spec) in &backend.models {
            assert!(matches!(&spec.pricing, Pricing::PerToken { rows } if !rows.is_empty()), "{id}");
        }
    }
}

#[test]
fn the_environment_brings_keys_and_addresses() {
    let loaded = good(
        "",
        &[
            ("ANTHROPIC_API_KEY", ANTHROPIC_KEY),
            ("ANTHROPIC_BASE_URL", "http://127.0.0.1:9001/"),
            ("OLLAMA_HOST", "0.0.0.0"),
            ("OPENAI_API_KEY", ""),
            ("GOOGLE_API_KEY", "first"),
            ("GEMINI_API_KEY", "second"),
            ("LITELLM_PROXY_API_BASE", "http://127.0.0.1:4000"),
            ("RUNPOD_API_KEY", "rpa_0123456789abcdef"),
            ("RUNPOD_API_BASE_URL", "http://127.0.0.1:9003"),
            ("RUNPOD_ENDPOINT_BASE_URL", "http://127.0.0.1:9003/v2"),
        ],
    );
    // An empty variable is an unset one: OpenAI has no key, and the tier has others.
    assert_eq!(ids(&loaded), ["anthropic", "ollama", "gemini", "litellm"]);
    let anthropic = backend(&loaded, "anthropic");
    assert_eq!(anthropic.key.as_ref().map(ExposeSecret::expose_secret), Some(ANTHROPIC_KEY));
    assert_eq!((&*anthropic.spec.url, anthropic.bearer), ("http://127.0.0.1:9001", false));
    assert_eq!(&*backend(&loaded, "ollama").spec.url, "http://127.0.0.1:11434");
    assert_eq!(backend(&loaded, "gemini").key.as_ref().map(ExposeSecret::expose_secret), Some("first"));
    let litellm = backend(&loaded, "litellm");
    assert_eq!((&litellm.spec.key, litellm.spec.reach), (&KeyState::NotNeeded, Reach::Outside));
    let runpod = loaded.config.runpod.as_ref().expect("watched");
    assert_eq!((runpod.api_url.as_str(), runpod.key.is_some()), ("http://127.0.0.1:9003", true));
    assert_eq!(runpod.serverless_url, "http://127.0.0.1:9003/v2");
}

#[test]
fn an_anthropic_token_is_told_from_a_key() {
    let loaded = good("", &[("ANTHROPIC_AUTH_TOKEN", "token")]);
    assert!(backend(&loaded, "anthropic").bearer);
    let both = good("", &[("ANTHROPIC_AUTH_TOKEN", "token"), ("ANTHROPIC_API_KEY", "key")]);
    assert!(!backend(&both, "anthropic").bearer);
}

#[test]
fn settings_override_each_other_in_order_and_say_where_they_come_from() {
    let file = "default_tier = \"claude\"\nmax_attempts = 7\n\n[tiers.ollama]\nstall_timeout_ms = 9\n";
    let loaded = good(
        file,
        &[
            ("LLM_CALL_DEFAULT_TIER", "litellm"),
            ("LLM_CALL_FALLBACK_CHAIN", "ollama, claude,litellm"),
            ("LLM_CALL_COST_LIMIT_DAILY", "100"),
            ("LLM_CALL_LOG_PERFORMANCE", "no"),
            ("LLM_CALL_LOG_LEVEL", "llm_call=debug"),
            ("LLM_CALL_READ_ONLY", "1"),
            ("LLM_CALL_CONFIG", "is no setting"),
        ],
    );
    let config = &loaded.config;
    assert_eq!(config.policy.default_tier, Tier::Frontier);
    assert_eq!(config.policy.fallback_chain, [Tier::Local, Tier::Claude, Tier::Frontier]);
    assert_eq!(config.cost_limit_daily, Some(Money(100_000_000_000)));
    assert_eq!((config.log_performance, config.ui.read_only), (false, true));
    assert_eq!(config.log.level, "llm_call=debug");
    assert_eq!(config.policy.max_attempts, 7);
    assert_eq!(backend(&loaded, "ollama").spec.timeouts.stall, Duration::from_millis(9));
    assert_eq!(entry(&loaded, "default_tier"), ("\"litellm\"", "env LLM_CALL_DEFAULT_TIER".to_owned()));
    assert_eq!(entry(&loaded, "max_attempts"), ("7", "file:2".to_owned()));
    assert_eq!(entry(&loaded, "tiers.local.stall_timeout_ms"), ("9", "file:5".to_owned()));
    assert_eq!(entry(&loaded, "deadline_ms"), ("120000", "default".to_owned()));
}

#[test]
fn keys_are_masked_wherever_they_are_shown() {
    let secret = "sk-proj-verysecretindeed42";
    let file =
        format!("[[backends]]\nid = \"openai\"\napi_key = \"{secret}\"\nheaders = {{ x-pass = \"{secret}\" }}\n");
    let loaded = good(&file, &[("ANTHROPIC_API_KEY", ANTHROPIC_KEY), ("RUNPOD_API_KEY", "short")]);
    assert_eq!(entry(&loaded, "backends.anthropic.api_key"), ("sk…9f", "env ANTHROPIC_API_KEY".to_owned()));
    assert_eq!(entry(&loaded, "backends.openai.api_key"), ("sk…42", "file:3".to_owned()));
    assert_eq!(entry(&loaded, "runpod.api_key"), ("••••", "env RUNPOD_API_KEY".to_owned()));
    assert!(loaded.warnings.iter().any(|warning| warning.contains("api_key_env")), "{:?}", loaded.warnings);
    let json = serde_json::to_string(loaded.entries()).expect("serialises");
    for text in [loaded.render(), json] {
        assert!(!text.contains("secret") && !text.contains("api03") && !text.contains("short"), "{text}");
    }
    let debug = format!("{:?}", loaded.config.backends.iter().map(|backend| &backend.key).collect::<Vec<_>>());
    assert!(!debug.contains("secret"));
    // The environment has the last word on keys as well.
    let loaded = good(&file, &[("OPENAI_API_KEY", "from-the-environment")]);
    let key = backend(&loaded, "openai").key.as_ref().map(ExposeSecret::expose_secret);
    assert_eq!(key, Some("from-the-environment"));
}

#[test]
fn no_key_stands_in_an_error() {
    let secret = "sk-ant-api03-abcdefghijklmnop";
    for file in [
        format!("[[backends]]\nid = \"anthropic\"\napi_key_env = \"{secret}\"\n"),
        format!("[[backends]]\nid = \"anthropic\"\napi_key = \"{secret}\n"),
        format!("[[backends]]\nid = \"anthropic\"\napi_key = [\"{secret}\"]\n"),
        format!("[[backends]]\nid = \"anthropic\"\nurl = \"https://user:{secret}@host\"\n"),
    ] {
        let errors = load_text(&file, &env(&[])).expect_err("refused").to_string();
        assert!(!errors.contains("abcdefgh"), "{errors}");
    }
}

#[test]
fn ten_mistakes_are_reported_at_once_each_in_its_place() {
    let file = r#"defualt_tier = "claude"
fallback_chain = ["local", "claude", "ollama"]
max_attempts = "many"
deadline_ms = 5

[tasks.coding]
tiers = ["claude"]

[tasks.reward]
tiers = []

[guard]
email = "maybe"

[tiers.local]
stall_timeout = 3

[[backends]]
id = "mine"
tier = "gpu"
protocol = "runpod-openia"
endpoint_id = "abc"

[[backends]]
id = "mine"
tier = "local"
protocol = "ollama"
models = [{ id = "a" }, { id = "a" }]
"#;
    let found = bad(file, &[("LLM_CALL_COST_LIMIT", "3")]);
    let expected = [
        (1, "defualt_tier", "did you mean `default_tier`?"),
        (2, "fallback_chain", "names `local` twice"),
        (3, "max_attempts", "expected a whole number, found text"),
        (4, "deadline_ms", "5 is out of range: 100 to 86400000"),
        (6, "tasks.coding", "`coding` is not a task"),
        (10, "tasks.reward.tiers", "can never match"),
        (13, "guard.email", "`maybe` is none of keep_local, refuse, warn, allow"),
        (16, "tiers.local.stall_timeout", "did you mean `stall_timeout_ms`?"),
        (21, "backends.mine.protocol", "did you mean `runpod-openai`?"),
        (25, "backends.mine.id", "another backend is called `mine` already"),
        (28, "backends.mine.models.a.id", "the model `a` is given twice"),
        (0, "LLM_CALL_COST_LIMIT", "did you mean `LLM_CALL_COST_LIMIT_DAILY`?"),
    ];
    for (i, (line, key, message)) in expected.iter().enumerate() {
        let Some(problem) = found.get(i) else { panic!("no {key} in {found:#?}") };
        assert_eq!((problem.0, problem.1.as_str()), (*line, *key), "{found:#?}");
        assert!(problem.2.contains(message), "{problem:?} should say {message}");
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    let text = load_text(file, &env(&[])).expect_err("refused").to_string();
    assert!(text.starts_with("the configuration has 11 problems\n  1:1: defualt_tier: unknown key"), "{text}");
    assert!(text.contains("\n  2:37: fallback_chain: names `local` twice"), "{text}");
}

#[test]
fn single_mistakes() {
    let backend = |lines: &str| format!("[[backends]]\nid = \"x\"\n{lines}");
    let local = |lines: &str| backend(&format!("tier = \"local\"\nprotocol = \"ollama\"\n{lines}"));
    let gpu = |lines: &str| backend(&format!("tier = \"gpu\"\nprotocol = \"runpod-queue\"\n{lines}"));
    let hosted =
        |lines: &str| backend(&format!("tier = \"frontier\"\nprotocol = \"openai\"\nurl = \"https://h/v1\"\n{lines}"));
    for (file, line, key, message) in [
        ("[[backends]]\ntier = \"local\"\nprotocol = \"ollama\"".to_owned(), 1, "backends[0].id", "missing"),
        (backend("protocol = \"ollama\""), 1, "backends.x.tier", "missing"),
        (backend("tier = \"local\""), 1, "backends.x.protocol", "missing"),
        (backend("tier = \"here\"\nprotocol = \"ollama\""), 3, "backends.x.tier", "is not a tier"),
        (gpu("price_per_hour = 1"), 1, "backends.x.url", "needs an `endpoint_id`"),
        (gpu("endpoint_id = \"../a\""), 5, "backends.x.endpoint_id", "letters, digits"),
        (gpu("endpoint_id = \"a\"\nprivate = true"), 6, "backends.x.private", "local"),
        (gpu("endpoint_id = \"a\"\nprice_per_hour = 1\nrented = true"), 7, "backends.x.rented", "not both"),
        (gpu("endpoint_id = \"a\"\nurl = \"https://a\""), 5, "backends.x.endpoint_id", "`url` says already"),
        (local("endpoint_id = \"a\""), 5, "backends.x.endpoint_id", "belongs to the protocols"),
        (local("pod_id = \"a\"\nprivate = true"), 6, "backends.x.private", "never private"),
        (local("keep_alive = \"soon\""), 5, "backends.x.keep_alive", "duration"),
        (local("max_in_flight = 0"), 5, "backends.x.max_in_flight", "out of range"),
        (hosted("num_ctx = 4096"), 6, "backends.x.num_ctx", "only Ollama"),
        (hosted("headers = { \"a b\" = \"c\" }"), 6, "backends.x.headers.a b", "name of a header"),
        (hosted("headers = { Authorization = \"c\" }"), 6, "backends.x.headers.Authorization", "api_key_env"),
        (hosted("models = [{ id = \"m\", input_price = 1 }]"), 6, "backends.x.models.m.input_price", "output_price"),
        (
            hosted("models = [{ id = \"m\", input_price = -1, output_price = 1 }]"),
            6,
            "backends.x.models.m.input_price",
            "out of range",
        ),
        (
            hosted("models = [{ id = \"m\", free = true, input_price = 1, output_price = 1 }]"),
            6,
            "backends.x.models.m.free",
            "no prices",
        ),
        (hosted("models = [{ id = \"m\", aliases = [\"m\"] }]"), 6, "backends.x.models.m.aliases", "already"),
        (hosted("models = [{ id = \"m\", roles = [\"cooking\"] }]"), 6, "backends.x.models.m.roles", "not a task"),
        (hosted("models = [{ aliases = [\"m\"] }]"), 6, "backends.x.models[0].id", "missing"),
        ("[tasks.code]\ntiers = [\"gpu\"]".to_owned(), 2, "tasks.code.tiers", "no backend serves gpu"),
        ("backends = 3".to_owned(), 1, "backends", "expected a list of tables"),
        ("[[tiers]]\nx = 1".to_owned(), 1, "tiers", "expected a table"),
        ("cost_limit_daily = nan".to_owned(), 1, "cost_limit_daily", "out of range"),
        ("cost_limit_daily = -1".to_owned(), 1, "cost_limit_daily", "out of range"),
        ("[ui]\npalette = \"ansi-lihgt\"".to_owned(), 2, "ui.palette", "did you mean `ansi-light`?"),
        ("[log]\nlevel = \"a=b=c\"".to_owned(), 2, "log.level", "filter"),
        ("[prices]\nfile = \"/nowhere/p.json\"".to_owned(), 2, "prices.file", "cannot be read"),
        ("[tiers.local]\n[tiers.ollama]".to_owned(), 2, "tiers.ollama", "given twice"),
        ("max_attempts = 99999999999999999999".to_owned(), 1, "max_attempts", "expected a whole number"),
        ("deadline_ms = 2026-01-01".to_owned(), 1, "deadline_ms", "expected a whole number"),
    ] {
        let found = bad(&file, &[]);
        assert_eq!(found.len(), 1, "{file}\n{found:#?}");
        assert_eq!((found[0].0, found[0].1.as_str()), (line, key), "{file}\n{found:#?}");
        assert!(found[0].2.contains(message), "{found:#?} should say {message}");
    }
}

#[test]
fn mistakes_in_the_environment_name_the_variable() {
    for (variable, value, message) in [
        ("LLM_CALL_DEFAULT_TIER", "moon", "is not a tier"),
        ("LLM_CALL_FALLBACK_CHAIN", "local,ollama", "names `local` twice"),
        ("LLM_CALL_COST_LIMIT_DAILY", "much", "expected a number, found text"),
        ("LLM_CALL_READ_ONLY", "perhaps", "expected true or false, found text"),
        ("LLM_CALL_LOG_LEVLE", "info", "did you mean `LLM_CALL_LOG_LEVEL`?"),
        ("ANTHROPIC_BASE_URL", "api.anthropic.com", "not a URL"),
        ("OLLAMA_HOST", "gopher://x", "`gopher` is not a scheme"),
        ("RUNPOD_API_BASE_URL", "nowhere", "not a URL"),
    ] {
        let found = bad("", &[(variable, value)]);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!((found[0].0, found[0].1.as_str()), (0, variable), "{found:#?}");
        assert!(found[0].2.contains(message), "{found:#?} should say {message}");
    }
}

#[test]
fn mistakes_of_syntax_are_shown_with_a_caret() {
    let errors = load_text("max_attempts = 3\ndefault_tier = \n", &env(&[])).expect_err("refused");
    assert!(matches!(errors.problems[0].origin, Origin::File { line: 2, .. }), "{errors}");
    assert!(errors.to_string().contains('^'), "{errors}");
}

#[test]
fn built_in_backends_can_be_adjusted_replaced_and_switched_off() {
    let adjusted = good("[[backends]]\nid = \"anthropic\"\nmax_in_flight = 3\n", &[]);
    assert_eq!(backend(&adjusted, "anthropic").spec.max_in_flight, Some(3));
    assert_eq!(backend(&adjusted, "anthropic").models.len(), 3);
    let replaced =
        good("[[backends]]\nid = \"ollama\"\ntier = \"local\"\nprotocol = \"openai\"\nurl = \"http://h:1/v1\"\n", &[]);
    let ollama = backend(&replaced, "ollama");
    assert_eq!((ollama.spec.protocol, ollama.spec.reach), (Protocol::Openai, Reach::Outside));
    assert_eq!(ids(&replaced), ["anthropic", "ollama", "openai"]);
    let gemini = good("[[backends]]\nid = \"gemini\"\nmax_in_flight = 3\n", &[]);
    assert_eq!(ids(&gemini), ["anthropic", "ollama", "gemini"], "who adjusts it wants to see it");
    let off = good("default_backends = false", &[]);
    assert_eq!(ids(&off), [] as [&str; 0]);
    let off = good("", &[("LLM_CALL_DEFAULT_BACKENDS", "false")]);
    assert_eq!(ids(&off), [] as [&str; 0]);
    let overridden = good("[[backends]]\nid = \"ollama\"\nurl = \"box:1\"\n", &[("OLLAMA_HOST", "there:2")]);
    assert_eq!(&*backend(&overridden, "ollama").spec.url, "http://there:2");
    assert_eq!(overridden.warnings, ["OLLAMA_HOST overrides the `url` of line 3"]);
}

#[test]
fn only_this_machine_and_what_is_declared_as_good_is_inside() {
    let reach = |tier: &str, protocol: &str, url: &str, more: &str| {
        let file =
            format!("[[backends]]\nid = \"x\"\ntier = \"{tier}\"\nprotocol = \"{protocol}\"\nurl = \"{url}\"\n{more}");
        backend(&good(&file, &[]), "x").spec.reach
    };
    assert_eq!(reach("local", "ollama", "127.0.0.1", ""), Reach::Inside);
    assert_eq!(reach("local", "openai", "http://localhost:8000/v1", ""), Reach::Inside);
    assert_eq!(reach("local", "ollama", "box.lan", ""), Reach::Outside);
    assert_eq!(reach("local", "ollama", "box.lan", "private = true"), Reach::Inside);
    assert_eq!(reach("frontier", "litellm", "http://127.0.0.1:4000", ""), Reach::Outside);
    assert_eq!(reach("gpu", "ollama", "127.0.0.1:9", ""), Reach::Outside);
    assert_eq!(reach("claude", "anthropic", "http://127.0.0.1:9", ""), Reach::Outside);
}

#[test]
fn runpod_addresses_are_derived() {
    let spec = |lines: &str| {
        let file =
            format!("[runpod]\nserverless_url = \"http://s/v2/\"\n[[backends]]\nid = \"x\"\ntier = \"gpu\"\n{lines}");
        backend(&good(&file, &[("RUNPOD_API_KEY", "k")]), "x").clone()
    };
    let queue = spec("protocol = \"runpod-queue\"\nendpoint_id = \"e1\"\nprice_per_hour = 2.5");
    assert_eq!((&*queue.spec.url, queue.key.is_some()), ("http://s/v2/e1", true));
    assert_eq!(queue.spec.default_pricing, Pricing::PerHour { rate: Money(2_500_000_000) });
    assert_eq!(&*spec("protocol = \"runpod-openai\"\nendpoint_id = \"e1\"").spec.url, "http://s/v2/e1");
    let balancer = spec("protocol = \"runpod-balancer\"\nendpoint_id = \"e1\"");
    assert_eq!(&*balancer.spec.url, "https://e1.api.runpod.ai");
    let pod = spec("protocol = \"ollama\"\npod_id = \"p1\"");
    assert_eq!(&*pod.spec.url, "https://p1-11434.proxy.runpod.net:443");
    // The account's key is not the pod's: everything on a pod is open to the world unless it has a key of its own.
    assert_eq!((&pod.spec.default_pricing, pod.key.is_some()), (&Pricing::Rented, false));
    assert_eq!(&*spec("protocol = \"openai\"\npod_id = \"p1\"\nport = 9").spec.url, "https://p1-9.proxy.runpod.net/v1");
}

#[test]
fn a_providers_key_does_not_go_to_an_address_of_somebody_else() {
    let file = |more: &str| format!("[[backends]]\nid = \"x\"\ntier = \"frontier\"\nprotocol = \"openai\"\n{more}");
    let keys = [("OPENAI_API_KEY", "k")];
    assert!(backend(&good(&file(""), &keys), "x").key.is_some());
    let other = good(&file("url = \"https://vllm.example/v1\""), &keys);
    assert_eq!((&backend(&other, "x").spec.key, backend(&other, "x").key.is_none()), (&KeyState::NotNeeded, true));
    assert!(
        backend(&good(&file("url = \"https://h/v1\"\napi_key_env = \"OPENAI_API_KEY\""), &keys), "x").key.is_some()
    );
}

#[test]
fn models_are_priced_by_the_nearest_word() {
    let file = r#"[[backends]]
id = "x"
tier = "frontier"
protocol = "openai"
url = "https://h/v1"
models = [
  { id = "gpt-4o" },
  { id = "own", input_price = 1.5, output_price = 3, cache_read_price = 0.25 },
  { id = "gift", free = true },
  { id = "what" },
]
[[backends]]
id = "here"
tier = "local"
protocol = "ollama"
models = [{ id = "llama3:8b" }, { id = "gpt-oss:120b-cloud" }]
"#;
    let loaded = good(file, &[]);
    let pricing = |id: &str, model: &str| {
        let models = &backend(&loaded, id).models;
        let (_, spec) = models.iter().find(|(id, _)| id.as_str() == model).expect("listed");
        (spec.pricing.clone(), spec.remote)
    };
    assert!(matches!(pricing("x", "gpt-4o").0, Pricing::PerToken { .. }));
    let Pricing::PerToken { rows } = pricing("x", "own").0 else { panic!("per token") };
    assert_eq!((rows[0].base.input.0, rows[0].base.cache_read.map(|price| price.0)), (1_500_000, Some(250_000)));
    assert_eq!(pricing("x", "gift"), (Pricing::Free, false));
    assert_eq!(pricing("x", "what"), (Pricing::Unknown, false));
    assert_eq!(pricing("here", "llama3:8b"), (Pricing::Free, false));
    assert_eq!(pricing("here", "gpt-oss:120b-cloud"), (Pricing::Unknown, true));
}

#[test]
fn rules_and_the_guard_are_taken_over() {
    let loaded = good("[tasks.code]\nmodel = \"sonnet\"\n[guard]\nphone = \"allow\"\n", &[]);
    let rule = &loaded.config.policy.rules[&Task::Code];
    assert_eq!((rule.tiers.len(), rule.model.as_ref().map(ModelId::as_str)), (4, Some("sonnet")));
    assert_eq!(loaded.config.policy.guard.of(FindingKind::Phone), Handling::Allow);
    let found = bad(
        "default_backends = false\n[[backends]]\nid = \"x\"\ntier = \"claude\"\nprotocol = \"anthropic\"\nmodels = [{ id = \"m\" }]\n[tasks.code]\ntiers = [\"claude\"]\nmodel = \"n\"\n",
        &[],
    );
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!((found[0].0, found[0].1.as_str()), (9, "tasks.code.model"));
}

#[test]
fn files_are_found_where_they_were_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("config.toml"), "max_attempts = 2").expect("written");
    std::fs::write(path("named.toml"), "max_attempts = 3").expect("written");
    std::fs::write(path("broken.toml"), b"\xff\xfe").expect("written");
    let attempts = |file: Option<PathBuf>, variable: Option<&str>, folder: Option<PathBuf>| {
        let environment = variable.map(|file| (FILE.to_owned(), path(file).display().to_string()));
        let sources = Sources { file, environment: environment.into_iter().collect::<BTreeMap<_, _>>(), folder };
        load(&sources).map(|loaded| loaded.config.policy.max_attempts)
    };
    const FILE: &str = "LLM_CALL_CONFIG";
    let here = || Some(folder.path().to_owned());
    assert_eq!(attempts(None, None, None), Ok(4));
    assert_eq!(attempts(None, None, Some(path("missing"))), Ok(4));
    assert_eq!(attempts(None, None, here()), Ok(2));
    assert_eq!(attempts(None, Some("named.toml"), here()), Ok(3));
    assert_eq!(attempts(Some(path("config.toml")), Some("named.toml"), here()), Ok(2));
    for (file, variable) in
        [(Some(path("missing.toml")), None), (None, Some("missing.toml")), (Some(path("broken.toml")), None)]
    {
        let errors = attempts(file, variable, here()).expect_err("refused");
        assert!(errors.to_string().contains("cannot be read"), "{errors}");
    }
    let named = load(&Sources { file: Some(path("named.toml")), ..Sources::default() }).expect("loads");
    assert!(named.render().contains("(named.toml:1)"), "{}", named.render());
}

/// The lines of the example with their marks taken away: what holds anyway, and what is only an example.
fn example(text: &str, also_examples: bool) -> String {
    let line = |line: &str| {
        let bare = match line.strip_prefix("# e.g. ") {
            Some(example) if also_examples => example,
            None => line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(""),
            Some(_) => "",
        };
        format!("{bare}\n")
    };
    text.lines().map(line).collect()
}

#[test]
fn the_example_says_what_holds_anyway() {
    let (settings, _) = EXAMPLE.split_once("# ---- Backends").expect("a part about backends");
    let settings = example(settings, false);
    let shown = good(&settings, &[]);
    let default = good("", &[]);
    let values = |loaded: &Loaded| -> BTreeMap<String, String> {
        loaded.entries().iter().map(|entry| (entry.key.clone(), entry.value.clone())).collect()
    };
    assert_eq!(values(&shown), values(&default));
    // And it shows all of it: nothing but backends and what has no default is left to the defaults.
    for entry in shown.entries() {
        let own = ["backends.", "cost_limit_daily", "prices.date"].iter().any(|start| entry.key.starts_with(start));
        assert!(own || entry.origin != Origin::Default, "{} is missing from the example", entry.key);
    }
}

#[test]
fn every_key_of_the_example_is_understood() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("config.toml");
    std::fs::write(&path, example(EXAMPLE, true)).expect("written");
    std::fs::write(folder.path().join("model_prices_and_context_window.json"), "{}").expect("written");
    let loaded = load(&Sources { file: Some(path), ..Sources::default() }).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(ids(&loaded), ["anthropic", "ollama", "openai", "workstation", "runpod-qwen", "runpod-pod", "deepseek"]);
    assert_eq!(loaded.config.cost_limit_daily, Some(Money(100_000_000_000)));
    assert_eq!(loaded.config.ui.keys["drain"], ["d"]);
    assert_eq!(loaded.config.log.folder, Some(folder.path().join("logs")));
    assert_eq!(backend(&loaded, "workstation").spec.reach, Reach::Inside);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let _ = load_text(&text, &env(&[("OLLAMA_HOST", &text), ("LLM_CALL_MAX_ATTEMPTS", &text)]))
            .map_err(|errors| errors.to_string());
        let _ = PriceBook::parse(&text);
    }

    #[test]
    fn no_mixture_of_known_lines_makes_it_panic(
        picks in proptest::collection::vec((0usize..300, 0usize..40, any::<char>()), 0..30),
    ) {
        let example = example(EXAMPLE, true);
        let lines: Vec<&str> = example.lines().filter(|line| !line.is_empty()).collect();
        let mixed = picks.iter().fold(String::new(), |mut text, (line, at, char)| {
            let mut line: Vec<char> = lines[line % lines.len()].chars().collect();
            if *at < line.len() && at % 3 == 0 {
                line[*at] = *char;
            }
            text.extend(line);
            text.push('\n');
            text
        });
        let _ = load_text(&mixed, &env(&[])).map(|loaded| loaded.render()).map_err(|errors| errors.to_string());
    }
}
