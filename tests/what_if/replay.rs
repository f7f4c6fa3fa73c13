//! The same requests under another configuration.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;

use super::{asked, folder, program, run};

/// A file of this text in a folder.
fn written(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("written");
    path
}

fn replay(state: &Path, config: &str, args: &[&str]) -> (i32, String, String) {
    let config = written(state, "new.toml", config);
    run(state, &[&["replay", "--config", config.to_str().expect("UTF-8")], args].concat())
}

#[test]
fn another_rule_moves_its_requests_and_tells_from_where_to_where_at_what_cost_and_how_soon() {
    let state = asked();
    let local = "[tasks.explanation]\ntiers = [\"local\"]\n";
    let (code, out, err) = replay(state.path(), local, &["--demo"]);
    assert_eq!(code, 0, "{err}");
    let first = out.lines().next().unwrap_or_default();
    assert!(first.contains("new.toml in place of the present configuration: 3 requests"), "{out}");
    assert!(out.contains("\n2 would go elsewhere (67 %)\nFROM ") && out.contains("REQUESTS  SHARE\n"), "{out}");
    let way = out.lines().find(|line| line.starts_with("claude · ")).unwrap_or_default();
    assert!(way.contains("  local · ") && way.ends_with("67 %"), "{out}");
    for words in ["their cost in all ~$", "(-100 %)", "first token p50 ", "first token p95 ", "no private prompts"] {
        assert!(out.contains(words), "{words}: {out}");
    }
    let (_, out, _) = replay(state.path(), local, &["--demo", "--json"]);
    let told: Value = serde_json::from_str(&out).expect("it is JSON");
    let foreseen = &told["foreseen"];
    assert_eq!((&foreseen["requests"], &foreseen["moves"][0]["requests"]), (&3.into(), &2.into()));
    assert!(foreseen["before"]["cost"].as_i64() > Some(0) && foreseen["after"]["cost"] == 0, "{foreseen}");
    assert_eq!(foreseen["private"]["let_out"], 0);
    let (_, out, _) = replay(state.path(), "", &["--demo"]);
    assert!(out.contains("\nnone would go elsewhere\n"), "the defaults in place of the defaults: {out}");
}

#[test]
fn a_limit_of_the_other_configuration_counts_and_an_only_tier_may_serve_nobody() {
    let state = asked();
    let (_, out, err) = replay(state.path(), "cost_limit_daily = 0.0\n", &["--demo"]);
    assert!(out.contains("\n2 would go elsewhere"), "{out} {err}");
    let nobody = "fallback_chain = []\n[tasks.explanation]\ntiers = [\"claude\"]\n";
    let (_, out, err) = replay(state.path(), &format!("cost_limit_daily = 0.0\n{nobody}"), &["--demo"]);
    assert!(out.contains("\n2 would fail: "), "{out} {err}");
}

#[test]
fn private_prompts_stay_unless_the_other_guard_says_otherwise() {
    let state = folder();
    let log = "{\"prompt\": \"Explain what ada@example.org wrote\"}\n\"Explain tides\"\n";
    let run = |config: &str| {
        let config = written(state.path(), "new.toml", config);
        let config = config.to_str().expect("UTF-8");
        let mut command = program(state.path(), &["replay", "-", "--demo", "--config", config]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        child.stdin.take().expect("it is piped").write_all(log.as_bytes()).expect("written");
        String::from_utf8(child.wait_with_output().expect("it ends").stdout).expect("UTF-8")
    };
    let out = run("[tasks.explanation]\ntiers = [\"frontier\"]\n");
    assert!(out.contains("\nthe one private prompt would not leave this machine\n"), "{out}");
    let out = run("[guard]\nemail = \"allow\"\n");
    assert!(out.contains("1 of 1 private prompts would LEAVE this machine"), "{out}");
}

#[test]
fn what_is_wrong_with_the_other_configuration_is_told_as_config_tells_it() {
    let state = folder();
    let bad = written(state.path(), "bad.toml", "default_tier = \"cluade\"\n[tasks]\ncod = 1\n");
    let bad = ["--config", bad.to_str().expect("UTF-8")];
    let (code, _, told) = run(state.path(), &[&["config"], &bad[..]].concat());
    let (same, _, err) = run(state.path(), &[&["replay"], &bad[..]].concat());
    assert_eq!((code, same), (2, 2));
    assert_eq!(err, told);
    let (code, _, err) = run(state.path(), &["replay"]);
    assert!(code == 2 && err.contains("replay --config new.toml"), "{code} {err}");
}

#[test]
fn a_log_may_be_empty_or_wrong_and_that_is_told() {
    let state = folder();
    let (code, out, _) = replay(state.path(), "", &["--demo"]);
    assert!(code == 0 && out.contains("nothing was recorded"), "{code} {out}");
    let old = "{\"form\": 1, \"request\": \"x\"}\n\"Explain tides\"\n";
    let log = written(state.path(), "log.jsonl", old);
    let (code, out, err) = replay(state.path(), "", &["--demo", log.to_str().expect("UTF-8")]);
    assert!(code == 0 && out.contains(": 1 request\n"), "{code} {out}");
    assert!(err.contains("1 lines cannot be read any more"), "{err}");
    let log = written(state.path(), "log.jsonl", "{\"prompt\": 1}\n");
    let (code, _, err) = replay(state.path(), "", &["--demo", log.to_str().expect("UTF-8")]);
    assert!(code == 2 && err.contains("line 1: `prompt` is not a string"), "{code} {err}");
}

/// Nobody listens there: what cannot be reached is asked as the last resort all the same.
fn backend(id: &str, tier: &str) -> String {
    format!(
        "[[backends]]\nid = \"{id}\"\ntier = \"{tier}\"\nprotocol = \"openai\"\nurl = \"http://127.0.0.1:9/v1\"\n\
         models = [{{ id = \"{id}-model\" }}]\n"
    )
}

#[test]
fn the_other_configuration_may_have_another_fleet() {
    let state = asked();
    let log = state.path().join("recent-simulated.jsonl");
    let of = |backends: &[String]| format!("default_backends = false\n{}", backends.concat());
    let old = written(state.path(), "old.toml", &of(&[backend("one", "claude"), backend("two", "local")]));
    let args = ["--against", old.to_str().expect("UTF-8"), log.to_str().expect("UTF-8")];
    let (code, out, err) = replay(state.path(), &of(&[backend("new", "claude"), backend("two", "local")]), &args);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("claude · one-model") && out.contains("claude · new-model"), "{out}");
    assert!(out.contains("unknown"), "no price is known of these: {out}");
    let (_, out, _) = replay(state.path(), &std::fs::read_to_string(&old).expect("read"), &args);
    assert!(out.contains("\nnone would go elsewhere\n"), "{out}");
}
