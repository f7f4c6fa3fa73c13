//! Promise: what passed lately can be asked what a change would do to it, by another process, and holds no prompt.
#![expect(clippy::expect_used, reason = "what cannot go on fails")]

mod replay;

use std::path::Path;
use std::process::{Command, Stdio};

use assert_cmd::cargo::cargo_bin;
use serde_json::Value;

/// The program with its state in a folder. Nothing of the developer's own set-up may leak into a test.
fn program(state: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(cargo_bin("llm-call"));
    command
        .args(args)
        .env_clear()
        .env("HOME", state)
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .env("LLM_CALL_STATE", state)
        .stdin(Stdio::null());
    command
}

/// Runs it to its end.
fn run(state: &Path, args: &[&str]) -> (i32, String, String) {
    let output = program(state, args).output().expect("the program starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn what_if(state: &Path, args: &[&str]) -> (i32, String, String) {
    run(state, &[&["what-if", "--demo"], args].concat())
}

/// A folder in which two requests to claude and one to local have been recorded.
fn asked() -> tempfile::TempDir {
    let state = folder();
    for prompt in ["Explain the zebracadabra", "Explain tides", "Rate this action: wait"] {
        let (code, _, err) = run(state.path(), &["ask", "--demo", prompt]);
        assert_eq!(code, 0, "{err}");
    }
    state
}

#[test]
fn what_was_asked_would_move_when_its_tier_is_drained() {
    let state = asked();
    let (code, out, err) = what_if(state.path(), &["drain", "claude"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("drain tier claude\n2 of 3 requests of the last "), "{out}");
    assert!(out.contains("  claude to frontier  2 (67 %)\n") && out.contains("\nfirst token p95 "), "{out}");
    let (_, out, _) = what_if(state.path(), &["pin", "gpu", "--only", "--task", "reward"]);
    assert!(out.contains("pin reward requests to tier gpu only\n1 of 3 ") && out.contains("local to gpu"), "{out}");
    let (_, out, _) = what_if(state.path(), &["unpin", "gpu"]);
    assert!(out.ends_with("none of the last 3 requests would go elsewhere\n"), "{out}");
    let (_, out, _) = what_if(state.path(), &["limit", "0"]);
    assert!(out.contains("set today's limit to $0.00\n2 of 3 "), "{out}");
    let (_, out, _) = what_if(state.path(), &["drain", "local", "--json"]);
    let told: Value = serde_json::from_str(&out).expect("it is JSON");
    assert_eq!(told["change"]["admin"]["target"]["tier"], "local");
    assert_eq!((&told["foreseen"]["requests"], &told["foreseen"]["before"]["served"]), (&3.into(), &3.into()));
    assert!(told["sentences"][0].is_string());
}

#[test]
fn the_record_holds_no_prompt_and_a_command_that_sends_nothing_adds_nothing() {
    let state = asked();
    let path = state.path().join("recent-simulated.jsonl");
    let record = std::fs::read_to_string(&path).expect("there is one");
    assert_eq!(record.lines().count(), 3);
    for word in ["zebracadabra", "tides", "wait"] {
        assert!(!record.contains(word), "{record}");
    }
    run(state.path(), &["route", "--demo", "Explain tides"]);
    what_if(state.path(), &["drain", "claude"]);
    assert_eq!(std::fs::read_to_string(&path).expect("there is one"), record);
    assert!(!state.path().join("recent.jsonl").exists(), "a demonstration says nothing of real traffic");
}

#[test]
fn where_nothing_was_recorded_it_says_so_and_what_to_do() {
    let state = folder();
    let (code, out, _) = what_if(state.path(), &["drain", "claude"]);
    assert!(code == 0 && out.contains("nothing was recorded") && out.contains("--prompts"), "{out}");
    let (code, out, _) = what_if(state.path(), &["drain", "claude", "--json"]);
    let told: Value = serde_json::from_str(&out).expect("it is JSON");
    assert_eq!((code, &told["foreseen"]["requests"]), (0, &0.into()));
}

#[test]
fn nothing_is_recorded_where_the_operator_does_not_want_it() {
    let state = folder();
    let off = state.path().join("off.toml");
    std::fs::write(&off, "log_performance = false\n").expect("written");
    let config = ["--config", off.to_str().expect("UTF-8")];
    let (code, _, err) = run(state.path(), &[&["ask", "--demo", "hi"][..], &config].concat());
    assert_eq!(code, 0, "{err}");
    assert!(!state.path().join("recent-simulated.jsonl").exists());
    let (code, out, _) = what_if(state.path(), &[&["drain", "claude"][..], &config].concat());
    assert!(code == 0 && out.contains("log_performance is off"), "{out}");
}

#[test]
fn a_file_of_prompts_takes_the_place_of_what_passed() {
    let state = folder();
    let file = state.path().join("prompts.jsonl");
    let prompts = "\"Explain tides\"\n{\"prompt\": \"write to ada@example.org\"}\n";
    std::fs::write(&file, prompts).expect("written");
    let prompts = ["--prompts", file.to_str().expect("UTF-8")];
    let (code, out, err) = what_if(state.path(), &[&prompts[..], &["drain", "local"]].concat());
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("of 2 requests, none would move\n  1 would fail: "), "{out}");
    std::fs::write(&file, "{\"prompt\": 1}\n").expect("written");
    let (code, _, err) = what_if(state.path(), &[&["drain", "local"][..], &prompts].concat());
    assert!(code == 2 && err.contains("line 1"), "{code} {err}");
}

#[test]
fn a_target_that_does_not_exist_is_refused_with_the_nearest_name() {
    let state = folder();
    for (target, parts) in [
        ("cluade", ["did you mean `claude`?", "there are: claude, local, gpu, frontier, anthropic"]),
        ("anthropic/claude-opus-5", ["did you mean `claude-opus-5-5`?", "it has: claude-opus-5-5"]),
        ("nowhere/model", ["no backend `nowhere/model`", "there are: claude"]),
    ] {
        let (code, _, err) = what_if(state.path(), &["drain", target]);
        assert!(code == 2 && parts.iter().all(|part| err.contains(part)), "{code} {err}");
    }
    for wrong in [&["limit", "much"][..], &["pin", "gpu", "--task", "cod"], &["drain"]] {
        assert_eq!(what_if(state.path(), wrong).0, 2, "{wrong:?}");
    }
}

#[test]
fn backends_and_models_are_targets_too() {
    let state = asked();
    for (target, words) in [
        ("rtx-4090", "drain backend rtx-4090\n"),
        ("ollama", "drain tier local\n"),
        // There is a backend of this name: it is meant, and not its whole tier.
        ("litellm", "drain backend litellm\n"),
        ("rtx-4090/llama3:8b", "drain model llama3:8b on rtx-4090\n"),
    ] {
        let (code, out, err) = what_if(state.path(), &["drain", target]);
        assert!(code == 0 && out.starts_with(words), "{target}: {out} {err}");
    }
}
