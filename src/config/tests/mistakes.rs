//! What is wrong with a configuration, and where.

use super::*;

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
        (13, "guard.email", "`maybe` is none of keep_local, redact, refuse, warn, allow"),
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
    assert!(text.contains("\n  2:38: fallback_chain: names `local` twice"), "{text}");
}

#[test]
fn single_mistakes() {
    let backend = |lines: &str| format!("[[backends]]\nid = \"x\"\n{lines}");
    let local = |lines: &str| backend(&format!("tier = \"local\"\nprotocol = \"ollama\"\n{lines}"));
    let gpu = |lines: &str| backend(&format!("tier = \"gpu\"\nprotocol = \"runpod-queue\"\n{lines}"));
    let hosted =
        |lines: &str| backend(&format!("tier = \"frontier\"\nprotocol = \"openai\"\nurl = \"https://h/v1\"\n{lines}"));
    for (file, line, key, message) in [
        ("[[backends]]\ntier = \"local\"\nprotocol = \"ollama\"".to_owned(), 1, "backends.id", "missing"),
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
        (local("memory_gb = 0"), 5, "backends.x.memory_gb", "out of range"),
        (local("warm_up = true\nprice_per_hour = 1"), 5, "backends.x.warm_up", "paid for"),
        (hosted("warm_up = true"), 6, "backends.x.warm_up", "only Ollama"),
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
        ("ANTHROPIC_API_KEY", "sk-ant\n-api", "pasted whole"),
        ("RUNPOD_API_KEY", "rpa 1", "pasted whole"),
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
fn a_model_that_nobody_has_is_a_rule_that_can_never_match() {
    let found = bad(
        "default_backends = false\n[[backends]]\nid = \"x\"\ntier = \"claude\"\nprotocol = \"anthropic\"\nmodels = [{ id = \"m\" }]\n[tasks.code]\ntiers = [\"claude\"]\nmodel = \"n\"\n",
        &[],
    );
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!((found[0].0, found[0].1.as_str()), (9, "tasks.code.model"));
}

#[test]
fn what_is_asked_about_before_it_is_sent_is_an_amount_or_never() {
    for (value, cost) in [("0.5", Some(500_000_000)), ("0", Some(0)), ("\"never\"", None)] {
        let loaded = good(&format!("[ui]\nconfirm_cost = {value}\n"), &[]);
        assert_eq!(loaded.config.ui.confirm_cost, cost.map(Money), "{value}");
        assert_eq!(entry(&loaded, "ui.confirm_cost").0, value, "it is shown as it was written");
    }
    for (value, told) in [
        ("\"nver\"", "`nver` is neither a number nor `never`"),
        ("-1", "-1 is out of range"),
        ("true", "expected a number"),
    ] {
        let problems = bad(&format!("[ui]\nconfirm_cost = {value}\n"), &[]);
        let [(2, key, message)] = problems.as_slice() else { panic!("{value}: {problems:?}") };
        assert!(key == "ui.confirm_cost" && message.contains(told), "{key} {message}");
    }
}
