//! What was learnt, from a shell; and decisions a line at a time.

use serde_json::Value;

use super::{folder, json, llm_call, rows, run, told};

#[test]
fn what_was_learnt_is_told_fed_and_forgotten_from_a_shell() {
    let state = folder();
    for _ in 0..2 {
        told(state.path(), &["ask", "Rate this action: wait"]);
    }
    let table = told(state.path(), &["learned"]);
    assert!(table.contains("reward") && table.contains("llama3:8b"), "{table}");
    let worth = || {
        let learned = json(state.path(), &["learned", "--task", "reward", "--json"]);
        learned["rows"][0]["worth"].as_f64().expect("a number")
    };
    let before = worth();
    let history = json(state.path(), &["history", "--json"]);
    let id = rows(&history["requests"])[0]["request"].as_str().expect("it has an id").to_owned();
    told(state.path(), &["feedback", &id, "0.2"]);
    assert!(worth() < before, "{} {before}", worth());
    assert!(told(state.path(), &["audit"]).contains("worth 0.2"));
    for (args, words) in [
        (&["feedback", "000000", "good"][..], "no request is known"),
        (&["feedback", &id, "1.2"], "a number from 0 to 1"),
        (&["learned", "forget"], "say what to forget"),
    ] {
        let (code, _, err) = run(state.path(), args);
        assert!(code == 2 && err.contains(words), "{args:?}: {code} {err}");
    }
    told(state.path(), &["learned", "forget", "--all"]);
    assert_eq!(json(state.path(), &["learned", "--json"])["rows"], Value::Array(Vec::new()));
}

#[test]
fn a_decision_a_line_is_told_for_every_prompt_with_what_was_found_where() {
    use std::io::Write;
    use std::process::Stdio;
    let state = folder();
    let mut command = llm_call(state.path(), &["route", "--demo", "--jsonl"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
    let lines = [
        serde_json::json!({"id": "a", "prompt": "Explain quantum computing"}),
        serde_json::json!({"id": 2, "prompt": "Schreib an Zoë: ada@example.org"}),
        serde_json::json!({"id": null, "prompt": ""}),
    ];
    let mut stdin = child.stdin.take().expect("it is a pipe");
    lines.iter().for_each(|line| writeln!(stdin, "{line}").expect("it reads"));
    drop(stdin);
    let out = child.wait_with_output().expect("it ends");
    let text = String::from_utf8(out.stdout).expect("it is text");
    let told: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect();
    assert_eq!(told.iter().map(|one| &one["id"]).collect::<Vec<_>>(), [&lines[0]["id"], &lines[1]["id"], &Value::Null]);
    assert_eq!(told[0]["decision"]["tier"], "claude");
    assert_eq!(told[1]["tier"], "local_private");
    let found = &told[1]["pii"][0];
    assert_eq!(
        (&found["type"], &found["start"], &found["end"]),
        (&"EMAIL".into(), &16.into(), &31.into()),
        "in characters"
    );
    for one in &told {
        assert!(
            one["us"].as_f64().is_some_and(|us| us > 0.0) && one["tokens_in"]["gpt-4o"].as_u64().is_some(),
            "{one}"
        );
    }
}
