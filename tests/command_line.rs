//! Promise: the command line does what its manual says, with the exit codes it documents.
#![expect(clippy::expect_used, reason = "what cannot go on fails")]

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use assert_cmd::cargo::cargo_bin;
use serde_json::Value;

fn llm_call() -> Command {
    let mut command = Command::new(cargo_bin("llm-call"));
    // Nothing of the developer's own set-up may leak into a test.
    command
        .env_clear()
        .env("HOME", std::env::temp_dir().join("llm-call-command-line"))
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .stdin(Stdio::null());
    command
}

fn run(args: &[&str]) -> (i32, String, String) {
    let output = llm_call().args(args).output().expect("the program starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

#[test]
fn ask_streams_an_answer_to_a_pipe_without_colour() {
    let (code, out, _) = run(&["ask", "--demo", "Explain quantum computing"]);
    assert_eq!(code, 0);
    assert!(out.len() > 20 && !out.contains('\u{1b}'), "{out}");
}

#[test]
fn ask_prints_one_json_document_on_demand() {
    let (code, out, _) = run(&["ask", "--demo", "--json", "--tier", "ollama", "hi"]);
    let reply: Value = serde_json::from_str(&out).expect("it is JSON");
    assert_eq!((code, &reply["tier"]), (0, &Value::from("local")));
    assert!(reply["text"].is_string() && reply["decision"]["chosen"]["tier"] == "local");
}

#[test]
fn route_says_where_and_why_without_sending() {
    let (code, out, _) = run(&["route", "--demo", "--json", "Explain quantum computing"]);
    let decision: Value = serde_json::from_str(&out).expect("it is JSON");
    assert_eq!((code, &decision["chosen"]["tier"]), (0, &Value::from("claude")));
    let (code, out, _) = run(&["route", "--demo", "Rate this action: wait"]);
    assert!(code == 0 && out.starts_with("local · ") && out.contains("reward goes to local"), "{out}");
}

#[test]
fn a_request_that_nobody_may_serve_names_every_backend_and_exits_with_3() {
    let (code, _, err) = run(&["route", "--demo", "--privacy", "high", "--tier", "claude", "hi"]);
    assert_eq!(code, 3, "{err}");
    assert!(err.contains("anthropic") && err.contains("private"), "{err}");
}

#[test]
fn wrong_usage_exits_with_2() {
    assert_eq!(run(&["ask", "--demo", "--tier", "moon", "hi"]).0, 2);
    let (code, _, err) = run(&["ask", "--demo"]);
    assert_eq!(code, 2, "{err}");
}

#[test]
fn tiers_lists_all_four() {
    let (code, out, _) = run(&["tiers", "--demo"]);
    assert_eq!(code, 0);
    for tier in ["claude", "local", "gpu", "frontier"] {
        assert!(out.contains(tier), "{out}");
    }
}

#[test]
fn a_batch_resumes_where_it_left_off() {
    let folder = tempfile::tempdir().expect("a folder");
    let (input, output) = (folder.path().join("in.jsonl"), folder.path().join("out.jsonl"));
    std::fs::write(&input, "{\"id\":\"a\",\"prompt\":\"one\"}\n\"two\"\n{\"prompt\":\"three\"}\n").expect("written");
    // One line is done already, one was cut off by a crash.
    std::fs::write(&output, "{\"id\":\"a\",\"ok\":true,\"text\":\"kept\"}\n{\"id\":\"line-2\",\"o").expect("written");
    let paths = [input.to_str().expect("UTF-8"), "-o", output.to_str().expect("UTF-8")];
    let (code, _, err) = run(&[&["batch", "--demo"][..], &paths].concat());
    assert_eq!(code, 0, "{err}");
    let lines: Vec<Value> = std::fs::read_to_string(&output)
        .expect("readable")
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let mut ids: Vec<&str> = lines.iter().filter_map(|line| line["id"].as_str()).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["a", "line-2", "line-3"]);
    assert!(lines.iter().any(|line| line["text"] == "kept"));
}

#[test]
fn a_reader_that_goes_away_ends_the_command_quietly() {
    let mut child = llm_call()
        .args(["config", "--example"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(child.stdout.take());
    let status = child.wait().expect("it ends");
    let mut err = String::new();
    child.stderr.take().expect("piped").read_to_string(&mut err).expect("readable");
    assert!(status.success() && err.is_empty(), "{status} {err}");
}

#[test]
fn every_mistake_of_a_configuration_is_told_at_once_and_no_key_is_shown() {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    writeln!(file, "default_teir = \"local\"\ncost_limit_daily = \"much\"\n[ui]\npalette = \"pink\"").expect("written");
    let path = file.path().to_str().expect("UTF-8").to_owned();
    let (code, _, err) = run(&["--config", &path, "config"]);
    assert_eq!(code, 2);
    for part in ["default_tier", "cost_limit_daily", "palette"] {
        assert!(err.contains(part), "{part}: {err}");
    }
    let secret = format!("{}-{}", "sk-ant", "x9".repeat(20));
    let output = llm_call().arg("config").env("ANTHROPIC_API_KEY", &secret).output().expect("the program starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("ANTHROPIC_API_KEY") && !text.contains(&secret), "{text}");
}

#[test]
fn a_key_for_an_action_that_does_not_exist_is_refused_by_every_command() {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    writeln!(file, "[ui.keys]\ndrian = [\"d\"]").expect("written");
    let path = file.path().to_str().expect("UTF-8").to_owned();
    for command in ["config", "doctor"] {
        let (code, _, err) = run(&["--config", &path, command]);
        assert!(code == 2 && err.contains("drain"), "{command}: {code} {err}");
    }
}

#[test]
fn completions_and_the_manual_are_printed() {
    let (code, out, _) = run(&["completions", "bash"]);
    assert!(code == 0 && out.contains("llm-call"));
    let (code, out, _) = run(&["man"]);
    assert!(code == 0 && out.contains(".TH"));
}

#[test]
fn the_doctor_says_what_to_do() {
    let (code, out, err) = run(&["doctor", "--demo", "--json"]);
    let checks: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out} {err}"));
    assert_eq!(code, 0, "{out}");
    assert!(checks.as_array().is_some_and(|checks| checks.len() > 8));
}
