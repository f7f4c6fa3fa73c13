//! Services that answer nonsense, through the whole program.

use std::io::Write;

use serde_json::Value;

use super::fake::{DONE, Fake, KEY, WORD, http, piece, sse};

fn html(echo: &str) -> String {
    format!("<!DOCTYPE html><html><head><title>Log in</title></head><body>{echo}</body></html>")
}

/// An error that quotes the request's body, which is where providers quote from.
fn error(request: &str) -> String {
    let echo = request.rsplit("\r\n").next().unwrap_or_default();
    serde_json::json!({ "error": { "message": format!("went wrong with {KEY}: {echo}"), "type": "server_error" } })
        .to_string()
}

type Answer = fn(&str) -> String;

/// What it answers, and words of the error.
const NONSENSE: [(&str, Answer, &str); 13] = [
    ("a page", |echo| http("200 OK", "text/html", &html(echo)), "text/html"),
    ("a page as an error", |echo| http("502 Bad Gateway", "text/html", &html(echo)), "HTTP 502"),
    ("half a document", |_| http("200 OK", "application/json", r#"{"choices":[{"ind"#), "not JSON"),
    ("half an event", |_| sse(r#"data: {"id":"x","choi"#), "answer"),
    ("half an answer", |_| sse(&piece("Hello")), "broke off"),
    ("nothing", |_| String::new(), "failed"),
    ("an empty document", |_| http("200 OK", "application/json", ""), "not JSON"),
    ("an error in a 200", |echo| http("200 OK", "application/json", &error(echo)), "server error"),
    ("an error in a stream", |echo| sse(&format!("data: {}\n\n", error(echo))), "server error"),
    ("an error after a piece", |echo| sse(&format!("{}data: {}\n\n", piece("Hel"), error(echo))), "broke off"),
    ("the wrong type", |_| http("200 OK", "text/plain", &(piece("hi") + DONE)), "text/plain"),
    ("a refused key", |echo| http("401 Unauthorized", "application/json", &error(echo)), "key refused"),
    ("a limit", |echo| http("429 Too Many Requests", "application/json", &error(echo)), "rate limited"),
];

#[test]
fn nonsense_is_a_clear_error_that_tells_neither_key_nor_prompt() {
    std::thread::scope(|scope| {
        for (name, answer, words) in NONSENSE {
            scope.spawn(move || {
                let fake = Fake::start(move |echo, stream| drop(stream.write_all(answer(echo).as_bytes())));
                let long = format!("What is {WORD}?");
                for (json, prompt) in [(&["ask"][..], WORD), (&["ask"], &long), (&["ask", "--json"], &long)] {
                    let ran = fake.run(&[json, &[prompt]].concat());
                    let told = format!("{}{}", ran.out, ran.err);
                    assert_eq!(ran.code, 1, "{name}: {told}");
                    assert!(!told.contains("WARN"), "the log's words are for the log: {told}");
                    if json.len() == 1 {
                        assert!(ran.err.contains(words), "{name}: {told}");
                    } else {
                        let answer: Value = serde_json::from_str(&ran.out).expect("JSON in any case");
                        assert_eq!((&answer["ok"], &answer["exit_code"]), (&false.into(), &1.into()), "{name}: {told}");
                    }
                    for secret in [KEY, WORD] {
                        assert!(!told.contains(secret), "{name}: {told}");
                        assert!(!fake.log().contains(secret), "{name}: {}", fake.log());
                    }
                }
            });
        }
    });
}

#[test]
fn a_redirect_takes_neither_key_nor_prompt_to_another_host() {
    let thief = Fake::start(|_, stream| drop(stream.write_all(sse(&(piece("thanks") + DONE)).as_bytes())));
    let location = format!("http://localhost:{}/v1/chat/completions", thief.address.rsplit(':').next().unwrap_or(""));
    let fake = Fake::start(move |_, stream| {
        let head = format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
        drop(stream.write_all(head.as_bytes()));
    });
    let ran = fake.run(&["ask", WORD]);
    assert!(ran.code == 1 && ran.err.contains("redirect"), "{ran:?}");
    assert!(thief.asked.lock().expect("no panic under this lock").is_empty());
}

#[test]
fn a_service_that_accepts_and_never_answers_is_given_up() {
    let fake = Fake::start(|_, _| std::thread::park());
    fake.configure("first_token_timeout_ms = 30000", "first_token_timeout_ms = 1000");
    let ran = fake.run(&["ask", WORD]);
    assert!(ran.code == 1 && ran.err.contains("no first token within 1"), "{ran:?}");
}

#[test]
fn a_line_without_an_end_is_given_up() {
    let fake = Fake::start(|_, stream| {
        drop(stream.write_all(sse("data: ").as_bytes()));
        while stream.write_all(&[b'x'; 65536]).is_ok() {}
    });
    let ran = fake.run(&["ask", WORD]);
    assert!(ran.code == 1 && ran.err.len() < 1000, "{ran:?}");
}

#[test]
fn the_doctor_tells_what_is_wrong_with_a_service() {
    let listed = |models: &str| Fake::with_models(models, |_, _| {});
    for (models, code, words) in [
        (http("200 OK", "text/html", &html("")), 1, ["FAIL", "is the URL right?"]),
        (http("404 Not Found", "text/html", &html("")), 0, ["note  frontier fake", "does its URL need /v1"]),
        (http("401 Unauthorized", "application/json", &error(KEY)), 1, ["FAIL", "replace the key"]),
    ] {
        let fake = listed(&models);
        let ran = fake.run(&["doctor"]);
        assert!(ran.code == code && words.iter().all(|word| ran.out.contains(word)), "{models}: {ran:?}");
        assert!(!ran.out.contains(KEY) && !ran.err.contains(KEY), "{ran:?}");
        let ran = fake.run(&["doctor", "--json"]);
        assert!(serde_json::from_str::<Value>(&ran.out).is_ok_and(|checks| checks.is_array()), "{ran:?}");
    }
}

#[test]
fn an_ollama_that_nobody_asked_for_is_no_fault() {
    let fake = Fake::start(|_, _| {});
    fake.configure("default_backends = false", "");
    let ran = fake.run(&["doctor"]);
    assert!(ran.code == 0 && ran.out.contains("local ollama"), "{ran:?}");
    let ran = super::ran(fake.llm_call(&["doctor"]).env("OLLAMA_HOST", "127.0.0.1:9"));
    assert!(ran.code == 1 && ran.out.contains("FAIL  local ollama") && ran.out.contains("ollama serve"), "{ran:?}");
}

#[test]
fn keys_are_nowhere_in_what_is_printed() {
    let fake = Fake::start(|_, _| {});
    for args in [
        &["config"][..],
        &["config", "--json"],
        &["tiers"],
        &["tiers", "--json"],
        &["route", "hi"],
        &["route", "--json", "hi"],
        &["doctor"],
    ] {
        let ran = fake.run(args);
        assert!(ran.code == 0 && !ran.out.contains(KEY) && !ran.err.contains(KEY), "{args:?} {ran:?}");
        assert!(!ran.out.contains('\u{1b}') && !ran.err.contains('\u{1b}'), "{args:?} {ran:?}");
    }
    assert!(!fake.log().contains(KEY));
}
