//! What was asked is told alike by every command, to the nano-dollar.

use serde_json::Value;

use super::{folder, json, llm_call, ran, rows, sum, told};

#[test]
fn history_spend_audit_and_export_tell_the_same_of_what_was_asked() {
    let state = folder();
    let state = state.path();
    let mut paid = 0.0;
    for prompt in ["Explain the zebracadabra", "Rate this action: wait", "write to ada@example.org"] {
        paid += json(state, &["ask", "--json", prompt])["cost_usd"].as_f64().expect("its cost is known");
    }
    let history = json(state, &["history", "--json"]);
    let requests = rows(&history["requests"]);
    assert_eq!(requests.len(), 3);
    let attempts: Vec<Value> = requests.iter().flat_map(|one| rows(&one["attempts"]).to_vec()).collect();
    let cost = sum(&attempts, "cost_nano_usd");
    assert!(cost > 0, "{history}");
    assert_eq!(cost, (paid * 1e9).round() as i64, "what `ask` told adds up to what is kept");

    // Yesterday as well: midnight may pass at any moment.
    let spend = json(state, &["spend", "--by", "model", "--since", "yesterday", "--json"]);
    let of = |sums: &[Value]| sum(sums, "settled_nano_usd") + sum(sums, "estimated_nano_usd");
    assert_eq!(of(rows(&spend["sums"])), cost);
    assert_eq!(of(std::slice::from_ref(&spend["all"])), cost);
    assert_eq!(sum(rows(&spend["sums"]), "attempts"), attempts.len() as i64);
    for by in ["day", "tier", "backend", "caller", "task"] {
        let spend = json(state, &["spend", "--by", by, "--since", "yesterday", "--json"]);
        assert_eq!(of(rows(&spend["sums"])), cost, "{by}");
    }

    let exported = told(state, &["export", "attempts"]);
    let exported: Vec<Value> = exported.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(exported, attempts, "an attempt is the same row in both");
    let exported = told(state, &["export", "requests"]);
    for (line, request) in exported.lines().zip(requests) {
        let line: Value = serde_json::from_str(line).expect("JSON");
        assert_eq!((&line["request"], &line["outcome"]), (&request["request"], &request["outcome"]));
    }

    let audit = json(state, &["audit", "--json"]);
    let [found] = rows(&audit["audit"]) else { panic!("one thing was found: {audit}") };
    assert_eq!((&found["kind"], &found["by"]), (&"guard".into(), &"cli".into()));
    assert_eq!(found["request"], requests[2]["request"]);
    assert!(found["what"].as_str().is_some_and(|what| what.contains("email")), "{found}");
}

#[test]
fn no_word_of_a_prompt_and_no_word_of_an_answer_is_told() {
    let state = folder();
    let answer = told(state.path(), &["ask", "Explain the zebracadabra to ada@example.org"]);
    let words: Vec<&str> = answer.split_whitespace().filter(|word| word.len() > 9).collect();
    assert!(!words.is_empty());
    for args in [
        &["history", "--attempts"][..],
        &["history", "--json"],
        &["audit", "--json"],
        &["export", "requests"],
        &["export", "attempts"],
        &["export", "audit"],
    ] {
        let out = told(state.path(), args);
        assert!(!out.is_empty());
        for secret in ["zebracadabra", "ada@example"].iter().chain(&words) {
            assert!(!out.contains(secret), "{args:?} tells {secret}");
        }
    }
}

#[test]
fn a_demonstration_and_the_real_store_are_told_apart() {
    let state = folder();
    told(state.path(), &["ask", "Explain tides"]);
    let (code, out, err) = ran(&mut llm_call(state.path(), &["history"]));
    assert!(code == 0 && out.is_empty() && err.contains("nothing is kept yet"), "{out} {err}");
    let (_, _, err) = ran(&mut llm_call(state.path(), &["history", "--demo"]));
    assert!(err.contains("DEMO"), "{err}");
}

#[test]
fn everything_about_one_request_is_found_by_the_end_of_its_id() {
    let state = folder();
    told(state.path(), &["ask", "Explain tides"]);
    let history = json(state.path(), &["history", "--json"]);
    let id = history["requests"][0]["request"].as_str().expect("an id").to_owned();
    for id in [&id[..], &id[id.len() - 6..], &id[id.len() - 20..], &id.to_uppercase()] {
        let out = told(state.path(), &["history", id]);
        for part in ["understood  explanation", "nothing found; may go anywhere", "explanation goes to", "attempt 1"] {
            assert!(out.contains(part), "{part}: {out}");
        }
        for part in ["answered (stop) after", " in, ", " out\n", "set aside", "by the configured prices"] {
            assert!(out.contains(part), "{part}: {out}");
        }
    }
}
