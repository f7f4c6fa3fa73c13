//! Configuration files, environment variables and folders.

use serde_json::Value;

use super::{bare, ran, run};

/// Runs `config` on a file with these bytes.
fn configured(bytes: &[u8], args: &[&str]) -> super::Ran {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), bytes).expect("written");
    ran(bare(&["--config", file.path().to_str().expect("UTF-8")]).args(args))
}

#[test]
fn files_that_are_no_configuration_are_told_with_their_path() {
    let folder = tempfile::tempdir().expect("a folder");
    let ran = run(&["--config", folder.path().to_str().expect("UTF-8"), "config"]);
    assert!(ran.code == 2 && ran.err.contains("cannot be read"), "{ran:?}");
    let ran = run(&["--config", "/nonexistent/a.toml", "ask", "hi"]);
    assert!(ran.code == 2 && ran.err.contains("/nonexistent/a.toml"), "{ran:?}");
    for bytes in [&b"\xff\xfe\x00binary"[..], b"\0\x01\x02", b"a = \"unterminated", b"{\"json\": true}"] {
        let ran = configured(bytes, &["config"]);
        assert!(ran.code == 2 && ran.err.contains("the configuration has") && ran.out.is_empty(), "{bytes:?} {ran:?}");
    }
}

#[test]
fn files_from_windows_and_empty_ones_are_read() {
    let ran = configured("\u{feff}cost_limit_daily = 3.5\r\n".as_bytes(), &["config"]);
    assert!(ran.code == 0 && ran.out.contains("cost_limit_daily = 3.5"), "{ran:?}");
    assert_eq!(configured(b"", &["config"]).code, 0);
}

#[test]
fn every_mistake_is_told_with_its_line_and_the_demonstration_starts_all_the_same() {
    let file = "default_teir = \"local\"\ndefault_tier = \"cluade\"\nmax_attempts = 0\ndeadline_ms = \"soon\"\n\
                [tasks.reasonning]\ntiers = []\n[ui]\npalette = \"pink\"\n[[backends]]\nid = \"x\"\ntier = \"gpu\"\n\
                protocol = \"opnai\"\nurl = \"http://user:sk-in-the-url-0123456789@host/v1\"\n";
    let ran = configured(file.as_bytes(), &["config"]);
    assert_eq!(ran.code, 2);
    for part in [":1:1", "`default_tier`?", ":2:", ":3:", ":4:", "`reasoning`?", "palette", "`openai`?"] {
        assert!(ran.err.contains(part), "{part}: {}", ran.err);
    }
    assert!(!ran.err.contains("sk-in-the-url"), "{}", ran.err);
    let shown = configured(file.as_bytes(), &["--demo", "route", "hi"]);
    assert!(shown.code == 0 && shown.err.contains("left out"), "{shown:?}");
}

#[test]
fn odd_values_in_the_environment_are_errors_that_name_the_variable_or_mean_nothing() {
    const KEY: &str = "sk-ant-odd-0123456789abcdef";
    for (name, value, code) in [
        ("OLLAMA_HOST", "", 0),
        ("OLLAMA_HOST", ":1234", 0),
        ("OLLAMA_HOST", "[::]:1", 0),
        ("OLLAMA_HOST", "https://example.com/ollama/", 0),
        ("OLLAMA_HOST", "ftp://example.com", 2),
        ("OLLAMA_HOST", "a:b:c", 2),
        ("ANTHROPIC_API_KEY", "", 0),
        ("ANTHROPIC_API_KEY", &format!(" {KEY}\n"), 0),
        ("ANTHROPIC_API_KEY", &format!("{KEY}\n{KEY}"), 2),
        ("LITELLM_PROXY_API_BASE", "localhost:4000", 2),
        ("LLM_CALL_COST_LIMIT_DAILY", "much", 2),
        ("LLM_CALL_FALLBACK_CHAIN", "local,moon", 2),
        ("LLM_CALL_READ_ONLY", "perhaps", 2),
        ("LLM_CALL_COLR", "always", 2),
        ("LLM_CALL_CONFIG", "", 0),
        ("HOME", "", 0),
        ("COLUMNS", "1", 0),
        ("TERM", "", 0),
    ] {
        let ran = ran(bare(&["config"]).env(name, value));
        assert_eq!(ran.code, code, "{name}={value:?} {ran:?}");
        assert!(code == 0 || ran.err.contains(name), "{name}={value:?} {ran:?}");
        assert!(!ran.out.contains(KEY) && !ran.err.contains(KEY), "{name} {ran:?}");
    }
}

#[test]
fn what_is_printed_for_scripts_is_json() {
    for args in [
        &["config", "--json"][..],
        &["tiers", "--json"],
        &["doctor", "--json"],
        &["route", "--json", "hi"],
        &["ask", "--json", "hi"],
        &["ask", "--json", "--demo", "hi"],
        &["tiers", "--json", "--demo"],
    ] {
        let ran = run(args);
        let document: Value = serde_json::from_str(&ran.out).expect("one JSON document");
        assert!(document.is_object() || document.is_array(), "{args:?}");
        assert!(!ran.out.contains('\u{1b}') && ran.out.lines().count() == 1, "{args:?}");
    }
    let ran = run(&["ask", "--json", "--demo", "--tier", "local", "hi"]);
    let answer: Value = serde_json::from_str(&ran.out).expect("one JSON document");
    assert_eq!((&answer["ok"], &answer["cost_usd"]), (&true.into(), &0.0.into()), "{answer}");
    assert!(answer["seconds"].is_f64() && answer["attempts"][0]["ok"] == true, "{answer}");
}

#[test]
fn a_log_that_cannot_be_written_does_not_stop_an_answer() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let ran = ran(bare(&["ask", "--demo", "hi"]).env("LLM_CALL_STATE", file.path()));
    assert!(ran.code == 0 && ran.err.contains("going on without a log file"), "{ran:?}");
}

#[test]
fn what_a_command_did_is_in_the_log_and_the_prompt_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let ran =
        ran(bare(&["ask", "--demo", "--log-level", "trace", "the zebracadabra"]).env("LLM_CALL_STATE", folder.path()));
    assert_eq!(ran.code, 0, "{ran:?}");
    let log = std::fs::read_to_string(folder.path().join("llm-call.log")).expect("there is a log");
    assert!(log.contains("llm_call::performance") && !log.contains("zebracadabra"), "{log}");
}

#[test]
fn the_readme_s_configuration_is_one_without_warnings() {
    let readme = include_str!("../../README.md");
    let (_, rest) = readme.split_once("```toml\n").expect("there is one");
    let (file, _) = rest.split_once("```").expect("it ends");
    let ran = configured(file.as_bytes(), &["config", "--json"]);
    assert!(ran.code == 0 && ran.err.is_empty(), "{ran:?}");
}

#[test]
fn scripts_find_the_fields_they_were_written_for() {
    let document = |args: &[&str]| -> Value { serde_json::from_str(&run(args).out).expect("one JSON document") };
    let answer =
        ["ok", "text", "tier", "backend", "model", "finish", "usage", "cost_usd", "seconds", "attempts", "decision"];
    let decision = ["why", "chosen", "fallbacks", "rejected", "order", "analysis", "guard", "constraints"];
    let backend = ["tier", "backend", "protocol", "url", "reach", "health", "admin", "routable", "reason", "models"];
    for (value, fields) in [
        (document(&["ask", "--demo", "--json", "hi"]), &answer[..]),
        (document(&["ask", "--json", "hi"]), &["ok", "error", "exit_code", "decision"]),
        (document(&["route", "--demo", "--json", "hi"]), &decision),
        (document(&["tiers", "--demo", "--json"])["backends"][0].clone(), &backend),
        (document(&["doctor", "--json"])[0].clone(), &["grade", "what", "found", "todo"]),
        (document(&["config", "--json"])[0].clone(), &["key", "value", "origin"]),
    ] {
        for field in fields {
            assert!(value.get(field).is_some(), "{field}: {value}");
        }
    }
}
