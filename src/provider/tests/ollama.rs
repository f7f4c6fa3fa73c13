use serde_json::json;

use super::super::tests::*;
use super::*;
use crate::domain::fleet::Protocol;

fn lines(lines: &[Value]) -> Reply {
    let body: String = lines.iter().map(|line| format!("{line}\n")).collect();
    reply(200, "application/x-ndjson", &body)
}

fn last(more: Value) -> Value {
    let mut line = json!({"message": {"role": "assistant", "content": ""}, "done": true, "done_reason": "stop"});
    if let (Some(line), Some(more)) = (line.as_object_mut(), more.as_object()) {
        line.extend(more.clone());
    }
    line
}

#[tokio::test]
async fn a_stream_has_thoughts_text_tools_and_figures() {
    let upstream = Upstream::always(lines(&[
        json!({"message": {"role": "assistant", "content": "", "thinking": "User wants"}, "done": false}),
        json!({"message": {"role": "assistant", "content": "It is "}, "done": false}),
        json!({"message": {"content": "", "tool_calls": [{"function": {"name": "w", "arguments": {"city": "Oslo"}}}]}, "done": false}),
        last(json!({"load_duration": 3_025_193_000_u64, "prompt_eval_count": 42, "eval_count": 31})),
    ]))
    .await;
    let answer = upstream.ask(Protocol::Ollama, &rich(), true).await;
    assert_eq!((answer.text.as_str(), answer.thinking.as_str()), ("It is ", "User wants"));
    assert_eq!(answer.calls, [("call_0".to_owned(), "w".to_owned(), json!({"city": "Oslo"}))]);
    assert_eq!(answer.usage, Some(used(42, 0, 0, 31, 0)));
    assert_eq!(answer.cold, Some(Duration::from_nanos(3_025_193_000)));
    assert_eq!((answer.finish, answer.failure), (Some(Finish::ToolCalls), None));
}

#[tokio::test]
async fn a_whole_answer_and_a_warm_model() {
    let body = last(
        json!({"message": {"content": "Hi"}, "load_duration": 45_000_000, "prompt_eval_count": 5, "eval_count": 1}),
    );
    let answer = Upstream::always(json_reply(200, &body)).await.ask(Protocol::Ollama, &rich(), false).await;
    assert_eq!((answer.text.as_str(), answer.cold, answer.finish), ("Hi", None, Some(Finish::Stop)));
}

#[tokio::test]
async fn every_request_names_its_window_and_forbids_cutting() {
    for (context, num_ctx, expected) in
        [(Some(4096), Some(16384), 4096), (None, Some(16384), 16384), (None, None, NUM_CTX)]
    {
        let upstream = Upstream::always(lines(&[last(json!({}))])).await;
        let mut config = config(Protocol::Ollama, &format!("{}/api", upstream.url));
        config.num_ctx = num_ctx;
        let client = connect::connect(&config).expect("a client");
        ask(&client, &rich(), &Call { context, ..call(true) }).await;
        let seen = upstream.seen().remove(0);
        assert!(seen.head.starts_with("post /api/chat "));
        assert_eq!(seen.body["options"]["num_ctx"], expected);
        assert_eq!((&seen.body["truncate"], &seen.body["shift"]), (&json!(false), &json!(false)));
        assert_eq!(seen.body["keep_alive"], "10m");
        assert_eq!(seen.body["messages"][1]["images"], json!(["aGk="]));
        assert_eq!(seen.body["messages"][2]["tool_calls"][0]["function"]["arguments"], json!({"city": "Oslo"}));
        assert_eq!(seen.body["messages"][3]["tool_name"], "weather");
    }
}

#[tokio::test]
async fn an_order_to_load_is_as_a_request_but_for_its_prompt() {
    let upstream = Upstream::always(json_reply(200, &json!({"done": true, "done_reason": "load"}))).await;
    let client = upstream.client(Protocol::Ollama);
    client.load(&"qwen3:8b".into(), Some(4096)).await.expect("it is loaded");
    ask(&client, &rich(), &Call { context: Some(4096), ..call(false) }).await;
    let [load, request] = &upstream.seen()[..] else { panic!("two requests") };
    assert!(load.head.starts_with("post /api/generate "), "{}", load.head);
    assert_eq!((load.body.get("prompt"), load.body.get("messages")), (None, None));
    for field in ["keep_alive", "truncate", "shift"] {
        assert_eq!(load.body[field], request.body[field], "{field}");
    }
    assert_eq!(load.body["options"], json!({"num_ctx": 4096}));
    assert_eq!(request.body["options"]["num_ctx"], 4096);
}

#[tokio::test]
async fn a_model_that_cannot_be_loaded_says_why() {
    let upstream = Upstream::always(json_reply(500, &json!({"error": "model requires more system memory"}))).await;
    let failure = upstream.client(Protocol::Ollama).load(&"qwen3:8b".into(), None).await.expect_err("no memory");
    assert_eq!(failure.class, FailureClass::ServerError);
}

#[test]
fn a_cut_prompt_is_noticed_and_a_rough_estimate_is_no_proof() {
    let was_cut = |window, expected, input, output| {
        let usage = Usage { input, output, ..Usage::default() };
        Answer { window, expected, called: 0 }.was_cut(usage)
    };
    // Messages were dropped until it fitted.
    assert!(was_cut(8192, 20_000, 8_000, 192));
    assert!(was_cut(8192, 20_000, 40, 100));
    assert!(was_cut(8192, 6_000, 40, 100));
    // The window was filled by the answer.
    assert!(!was_cut(8192, 7_000, 7_000, 1_192));
    // An estimate that was a little high, and a window that is wider than we were told.
    assert!(!was_cut(8192, 9_000, 7_500, 692));
    assert!(!was_cut(8192, 40_000, 12_000, 100));
    // Well within the window: a server that counts only what its cache had not.
    assert!(!was_cut(32_768, 3_000, 50, 100));
    // Short prompts, bad estimates, servers that do not count.
    assert!(!was_cut(8192, 900, 100, 10));
    assert!(!was_cut(8192, 6_000, 2_500, 10));
    assert!(!was_cut(8192, 20_000, 0, 0));
}

#[tokio::test]
async fn a_cut_prompt_is_a_failure_that_knows_its_usage() {
    let reply = lines(&[last(json!({"message": {"content": "Hm"}, "prompt_eval_count": 40, "eval_count": 9}))]);
    let upstream = Upstream::always(reply).await;
    let client = upstream.client(Protocol::Ollama);
    let answer = ask(&client, &Prompt::user("long"), &Call { input_tokens: 20_000, ..call(true) }).await;
    assert_eq!(answer.class(), Some(FailureClass::ContextTooLong));
    assert_eq!(answer.failure.and_then(|failure| failure.usage), Some(used(40, 0, 0, 9, 0)));
}

#[tokio::test]
async fn a_load_is_not_an_answer() {
    let upstream = Upstream::always(json_reply(200, &last(json!({"done_reason": "load"})))).await;
    assert_eq!(upstream.ask(Protocol::Ollama, &rich(), false).await.class(), Some(FailureClass::Empty));
}

#[tokio::test]
async fn a_probe_tells_what_is_loaded_and_what_runs_elsewhere() {
    let upstream = Upstream::new(|line, _| match line {
        line if line.contains("/api/version") => json_reply(200, &json!({"version": "0.99.1"})),
        line if line.contains("/api/ps") => json_reply(
            200,
            &json!({"models": [
                {"name": "qwen3:8b", "size": 9_000, "size_vram": 7_000, "context_length": 4096}]}),
        ),
        _ => json_reply(
            200,
            &json!({"models": [
                {"name": "qwen3:8b", "capabilities": ["completion", "tools"]},
                {"name": "llama3:latest", "size": 5_000},
                {"name": "gpt-oss:120b-cloud"},
                {"name": "mine", "remote_host": "https://ollama.com:443"},
                {"name": "nomic-embed-text:latest", "details": {"family": "nomic-bert"}},
                {"name": "other", "capabilities": ["embedding"]}]}),
        ),
    })
    .await;
    let mut config = config(Protocol::Ollama, &upstream.url);
    config.models = vec![("llama3".into(), Default::default())];
    let report = connect::connect(&config).expect("a client").probe().await;
    assert_eq!((report.health, report.detail.as_str()), (Health::Up, "Ollama 0.99.1"));
    let found: Vec<_> = report
        .models
        .expect("models")
        .into_iter()
        .map(|model| (model.id, model.loaded, model.memory, model.context, model.remote))
        .collect();
    assert_eq!(
        found,
        [
            ("qwen3:8b".to_owned(), Some(true), Some(7_000), Some(NUM_CTX), false),
            ("llama3:latest".to_owned(), Some(false), Some(5_000), Some(NUM_CTX), false),
            ("gpt-oss:120b-cloud".to_owned(), None, None, None, true),
            ("mine".to_owned(), None, None, None, true),
            ("llama3".to_owned(), Some(false), Some(5_000), Some(NUM_CTX), false),
        ]
    );
}

#[tokio::test]
async fn a_cloud_model_that_is_refused_says_nothing_about_the_machines_own() {
    let upstream =
        Upstream::always(json_reply(401, &json!({"error": "unauthorized", "signin_url": "https://x"}))).await;
    let client = upstream.client(Protocol::Ollama);
    for (model, class) in [("gpt-oss:120b-cloud", FailureClass::ModelMissing), ("qwen3:8b", FailureClass::KeyRefused)] {
        let answer = ask(&client, &rich(), &Call { model: model.into(), ..call(true) }).await;
        assert_eq!(answer.class(), Some(class), "{model}");
        let window = upstream.seen().last().expect("a request").body["options"].get("num_ctx").cloned();
        assert_eq!(window.is_none(), model.ends_with("-cloud"));
    }
}

#[tokio::test]
async fn a_line_cut_at_any_byte_is_one_line() {
    let body = "{\"message\":{\"content\":\"grüße 🦀\"},\"done\":false}\r\n\n{\"message\":{},\"done\":true}".as_bytes();
    for at in 0..=body.len() {
        let upstream = Upstream::always(pieces("application/x-ndjson", &[&body[..at], &body[at..]])).await;
        let answer = upstream.ask(Protocol::Ollama, &rich(), true).await;
        assert_eq!((answer.text.as_str(), answer.finish), ("grüße 🦀", Some(Finish::Stop)), "cut at {at}");
    }
}
