use std::time::Duration;

use secrecy::ExposeSecret;

use super::*;
use crate::domain::fleet::{KeyState, Protocol, Timer};
use crate::domain::id::ModelId;
use crate::domain::money::Money;
use crate::domain::policy::Policy;
use crate::domain::price::Pricing;
use crate::domain::privacy::{FindingKind, Handling, Reach};
use crate::domain::task::Task;
use crate::domain::tier::Tier;

mod files;
mod intents;
mod mistakes;

const ANTHROPIC_KEY: &str = "sk-ant-api03-aaaaaaaaaaaaaaaa9f";

fn env(variables: &[(&str, &str)]) -> Environment {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn good(text: &str, variables: &[(&str, &str)]) -> Loaded {
    load_text(text, &env(variables)).unwrap_or_else(|errors| panic!("{errors}"))
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
    // But for exploring, which is a thing of the shipped configuration.
    let mut policy = Policy::default();
    policy.learning.exploration.share = 0.03;
    assert_eq!(config.policy, policy);
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
    assert_eq!(backend(&loaded, "ollama").spec.timeouts.stall, Timer::Set(Duration::from_millis(9)));
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
fn models_are_loaded_again_only_where_that_costs_nothing_and_nobody_minds() {
    let host = |id: &str, more: &str| {
        format!("[[backends]]\nid = \"{id}\"\ntier = \"local\"\nprotocol = \"ollama\"\n{more}\n")
    };
    let text = [
        host("mine", "url = \"a.lan:1\"\nprivate = true\nmemory_gb = 24"),
        host("theirs", "url = \"b.lan:1\""),
        host("asked", "url = \"c.lan:1\"\nwarm_up = true"),
        host("not", "url = \"d.lan:1\"\nprivate = true\nwarm_up = false"),
    ];
    let loaded = good(&text.concat(), &[]);
    let warm_up = ["ollama", "mine", "theirs", "asked", "not", "anthropic"].map(|id| backend(&loaded, id).spec.warm_up);
    assert_eq!(warm_up, [true, true, false, true, false, false]);
    assert_eq!(backend(&loaded, "mine").spec.memory, Some(24 << 30));
    assert_eq!(backend(&loaded, "ollama").spec.memory, None);
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
fn prices_are_shown_with_their_days() {
    let loaded = good("", &[("GEMINI_API_KEY", "g")]);
    let price = |key: &str| entry(&loaded, key).0.to_owned();
    let flash = "$0.75 in, $3.75 out per million tokens before 2027-01-01, then $1.5 in, $7.5 out per million tokens";
    assert_eq!(price("backends.gemini.models.gemini-3.8-flash.price"), flash);
    let sonnet = "$2 in, $10 out per million tokens";
    assert_eq!(price("backends.anthropic.models.claude-sonnet-5-5.price"), sonnet);
    let haiku = "$0.1 in, $0.5 out per million tokens, more for long prompts";
    assert_eq!(price("backends.anthropic.models.claude-haiku-5-5.price"), haiku);
}

#[test]
fn rules_and_the_guard_are_taken_over() {
    let loaded = good("[tasks.code]\nmodel = \"sonnet\"\n[guard]\nphone = \"allow\"\n", &[]);
    let rule = &loaded.config.policy.rules[&Task::Code];
    assert_eq!((rule.tiers.len(), rule.model.as_ref().map(ModelId::as_str)), (4, Some("sonnet")));
    assert_eq!(loaded.config.policy.guard.of(FindingKind::Phone), Handling::Allow);
}

#[test]
fn a_wait_is_learnt_unless_somebody_set_it_for_the_tier() {
    let waits = |file: &str| backend(&good(file, &[]), "ollama").spec.timeouts;
    let (long, stall) = (Duration::from_secs(90), Duration::from_secs(30));
    let unset = waits("");
    assert_eq!((unset.first_token, unset.stall), (Timer::Learnt(long), Timer::Learnt(stall)));
    // A value that happens to be the default is still somebody's word.
    let set = waits("[tiers.local]\nfirst_token_timeout_ms = 90000");
    assert_eq!((set.first_token, set.stall), (Timer::Set(long), Timer::Learnt(stall)));
    let other = waits("[tiers.claude]\nfirst_token_timeout_ms = 7");
    assert_eq!(other.first_token, Timer::Learnt(long));
}

#[test]
fn hedging_is_off_until_it_is_asked_for() {
    assert!(!good("", &[]).config.policy.hedge);
    assert!(good("hedge = true", &[]).config.policy.hedge);
    assert!(good("", &[("LLM_CALL_HEDGE", "on")]).config.policy.hedge);
}
