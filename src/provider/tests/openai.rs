use serde_json::json;

use super::super::openai_answer::usage as normalised;
use super::super::tests::*;
use super::*;
use crate::domain::failure::FailureClass;
use crate::domain::fleet::Protocol;
use crate::domain::price::PerToken;
use crate::domain::prompt::ToolCall;
use crate::provider::Finish;

#[tokio::test]
async fn recorded_litellm_answers_are_understood_whole_and_streamed() {
    let whole = Upstream::always(recorded("chat")).await.ask(Protocol::Litellm, &rich(), false).await;
    assert_eq!(whole.text, "Hello from mock-small. This answer was mocked by the LiteLLM proxy.");
    assert_eq!((whole.usage, whole.cost), (Some(used(10, 0, 0, 20, 0)), Some(13_500)));
    assert_eq!((whole.finish, whole.failure), (Some(Finish::Stop), None));

    let streamed = Upstream::always(recorded("chat_stream")).await.ask(Protocol::Litellm, &rich(), true).await;
    assert_eq!(streamed.text, whole.text);
    // The usage and the cost come after the finish reason.
    assert_eq!((streamed.usage, streamed.cost), (Some(used(8, 0, 0, 16, 0)), Some(10_800)));
    assert_eq!((streamed.finish, streamed.failure), (Some(Finish::Stop), None));
}

#[tokio::test]
async fn a_recorded_tool_call_ends_as_one_although_the_gateway_says_stop() {
    let answer = Upstream::always(recorded("chat_tools")).await.ask(Protocol::Litellm, &rich(), false).await;
    assert_eq!(answer.calls, [("call_mock1".to_owned(), "get_weather".to_owned(), json!({"city": "Paris"}))]);
    assert_eq!(answer.finish, Some(Finish::ToolCalls));
}

#[tokio::test]
async fn a_recorded_stream_with_nothing_in_it_is_empty() {
    let answer = Upstream::always(recorded("chat_tools_stream")).await.ask(Protocol::Litellm, &rich(), true).await;
    assert_eq!(answer.class(), Some(FailureClass::Empty));
}

#[tokio::test]
async fn recorded_litellm_errors_have_their_class() {
    for (file, class) in [
        ("err_429", FailureClass::RateLimited),
        ("err_500", FailureClass::ServerError),
        ("err_ctx", FailureClass::ContextTooLong),
        ("err_dead", FailureClass::ServerError),
        ("err_no_key", FailureClass::KeyRefused),
        ("err_unknown_model", FailureClass::ModelMissing),
        ("err_wrong_key", FailureClass::KeyRefused),
    ] {
        let answer = Upstream::always(recorded(file)).await.ask(Protocol::Litellm, &rich(), true).await;
        assert_eq!(answer.class(), Some(class), "{file}");
    }
}

#[tokio::test]
async fn a_litellm_probe_reads_prices_and_chat_models_and_never_asks_health() {
    let upstream = Upstream::new(|line, _| match line {
        line if line.contains("liveliness") => recorded("liveliness"),
        line if line.contains("/v1/model/info") => recorded("model_info"),
        _ => panic!("asked {line}"),
    })
    .await;
    let found = probe(&upstream, Protocol::Litellm).await.models.expect("models");
    let names: Vec<&str> = found.iter().map(|model| model.id.as_str()).collect();
    assert_eq!(names.iter().filter(|name| **name == "mock-small").count(), 1);
    assert!(!names.contains(&"mock-embed"));
    let large = found.iter().find(|model| model.id == "mock-large").expect("listed");
    assert_eq!(large.context, Some(200_000));
    let price = large.prices.first().expect("priced").base;
    assert_eq!((price.input, price.output), (PerToken(3_000_000), PerToken(15_000_000)));
    assert_eq!(price.cache_write_1h, Some(PerToken(6_000_000)));
    assert!(found.iter().find(|model| model.id == "dead").expect("listed").prices.is_empty());
}

#[tokio::test]
async fn a_key_that_may_not_see_prices_still_lists_its_models() {
    let upstream = Upstream::new(|line, _| match line {
        line if line.contains("liveliness") => recorded("liveliness"),
        line if line.contains("/v1/models") => recorded("models"),
        _ => json_reply(403, &json!({"error": {"message": "not allowed"}})),
    })
    .await;
    let report = probe(&upstream, Protocol::Litellm).await;
    let found = report.models.expect("models");
    assert!(found.iter().any(|model| model.id == "mock-large" && model.context == Some(200_000)));
    assert!(!found.iter().any(|model| model.id == "mock-embed"));
    assert!(!report.key_refused);
}

#[test]
fn usage_is_disjoint_whoever_counts() {
    for (told, expected) in [
        (
            json!({"prompt_tokens": 1200, "completion_tokens": 80, "total_tokens": 1280,
                "prompt_tokens_details": {"cached_tokens": 1024, "cache_write_tokens": 100},
                "completion_tokens_details": {"reasoning_tokens": 64}}),
            used(76, 1024, 100, 80, 64),
        ),
        // DeepSeek
        (
            json!({"prompt_tokens": 100, "prompt_cache_hit_tokens": 60, "prompt_cache_miss_tokens": 40, "completion_tokens": 5}),
            used(40, 60, 0, 5, 0),
        ),
        // xAI
        (
            json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 35,
                "completion_tokens_details": {"reasoning_tokens": 20}}),
            used(10, 0, 0, 25, 20),
        ),
        // vLLM's native worker
        (json!({"input": 7, "output": 3}), used(7, 0, 0, 3, 0)),
        // More cached than there was: never below nought.
        (json!({"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": 50}}), used(0, 10, 0, 0, 0)),
    ] {
        assert_eq!(normalised(&told), expected, "{told}");
    }
}

#[tokio::test]
async fn a_streamed_tool_call_comes_together_from_its_pieces() {
    let piece = |call: Value| format!("data: {}\n\n", json!({"choices": [{"delta": {"tool_calls": [call]}}]}));
    let body = [
        piece(json!({"index": 0, "id": "a", "function": {"name": "x", "arguments": "{\"n\""}})),
        piece(json!({"index": 1, "id": "b", "function": {"name": "y", "arguments": ""}})),
        piece(json!({"index": 0, "function": {"arguments": ":1}"}})),
        "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n".to_owned(),
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}\n\ndata: [DONE]\n\n".to_owned(),
    ]
    .concat();
    let answer = Upstream::always(sse(&body)).await.ask(Protocol::Openai, &rich(), true).await;
    assert_eq!(
        answer.calls,
        [("a".to_owned(), "x".to_owned(), json!({"n": 1})), ("b".to_owned(), "y".to_owned(), json!({}))]
    );
    assert_eq!((answer.finish, answer.usage), (Some(Finish::ToolCalls), Some(used(5, 0, 0, 2, 0))));
}

#[tokio::test]
async fn a_tool_call_that_is_no_json_is_garbled_and_one_cut_by_the_limit_is_left_out() {
    for (reason, finish, class) in
        [("tool_calls", None, Some(FailureClass::Garbled)), ("length", Some(Finish::Length), None)]
    {
        let call = json!({"id": "a", "function": {"name": "x", "arguments": "{\"n\""}});
        let body = json!({"choices": [{"message": {"content": "", "tool_calls": [call]}, "finish_reason": reason}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 9}});
        let answer = Upstream::always(json_reply(200, &body)).await.ask(Protocol::Openai, &rich(), false).await;
        assert_eq!((answer.finish, answer.class()), (finish, class));
        assert!(answer.calls.is_empty());
    }
}

#[tokio::test]
async fn an_end_mark_without_a_finish_reason_proves_nothing() {
    let body = "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\ndata: [DONE]\n\n";
    let answer = Upstream::always(sse(body)).await.ask(Protocol::Openai, &rich(), true).await;
    assert_eq!(answer.class(), Some(FailureClass::Truncated));
}

#[tokio::test]
async fn an_error_under_a_status_of_200_is_an_error() {
    let body =
        json!({"error": {"message": "vLLM returned HTTP 400: maximum context length is 5", "type": "worker_error"}});
    for stream in [true, false] {
        let answer = Upstream::always(json_reply(200, &body)).await.ask(Protocol::RunpodOpenai, &rich(), stream).await;
        assert_eq!(answer.class(), Some(FailureClass::ContextTooLong));
    }
}

#[tokio::test]
async fn routes_and_headers_differ_by_who_serves() {
    for (protocol, ending, path) in [
        (Protocol::Openai, "/v1", "post /v1/chat/completions "),
        (Protocol::Litellm, "", "post /v1/chat/completions "),
        (Protocol::Litellm, "/v1/", "post /v1/chat/completions "),
        (Protocol::RunpodOpenai, "/v2/abc", "post /v2/abc/openai/v1/chat/completions "),
        (Protocol::RunpodOpenai, "/v2/abc/openai/v1", "post /v2/abc/openai/v1/chat/completions "),
        (Protocol::RunpodBalancer, "", "post /v1/chat/completions "),
    ] {
        let upstream = Upstream::always(recorded("chat")).await;
        let config = config(protocol, &format!("{}{ending}", upstream.url));
        ask(&connect::connect(&config).expect("a client"), &rich(), &call(false)).await;
        let head = upstream.seen().remove(0).head;
        assert!(head.starts_with(path), "{head}");
        assert!(head.contains(&format!("authorization: bearer {KEY}")));
        assert_eq!(head.contains("x-litellm-num-retries: 0"), protocol == Protocol::Litellm);
    }
}

#[test]
fn the_body_is_as_the_model_wants_it() {
    let mut prompt = rich();
    prompt.sampling.max_tokens = Some(50);
    prompt.sampling.temperature = Some(0.5);
    prompt.tool_choice = ToolChoice::Named("weather".to_owned());
    let of = |model: &str| body(&prompt, &Call { model: model.into(), ..call(true) });
    let plain = of("Qwen/Qwen3-8B");
    assert_eq!((&plain["max_tokens"], &plain["temperature"]), (&json!(50), &json!(0.5)));
    assert_eq!(plain["stream_options"], json!({"include_usage": true}));
    assert_eq!(plain["tool_choice"]["function"]["name"], "weather");
    assert_eq!(plain["messages"][1]["content"][1]["image_url"]["url"], "data:image/png;base64,aGk=");
    assert_eq!(plain["messages"][2]["tool_calls"][0]["function"]["arguments"], "{\"city\":\"Oslo\"}");
    assert_eq!(plain["messages"][3], json!({"role": "tool", "tool_call_id": "c1", "content": "4 C"}));
    for model in ["gpt-6.1-sol", "o3-mini", "openai/gpt-5.4"] {
        let thinking = of(model);
        assert_eq!(thinking["max_completion_tokens"], 50, "{model}");
        assert!(thinking.get("max_tokens").is_none() && thinking.get("temperature").is_none(), "{model}");
    }
    assert_eq!(of("gpt-4o-mini")["max_tokens"], 50);
}

#[tokio::test]
async fn a_list_of_models_gives_windows_and_a_host_without_one_is_not_down() {
    let upstream = Upstream::always(json_reply(200, &json!({"data": [{"id": "q", "max_model_len": 4096}]}))).await;
    let report = probe(&upstream, Protocol::Openai).await;
    assert_eq!(report.health, Health::Up);
    assert_eq!(report.models.expect("models")[0].context, Some(4096));
    let silent = Upstream::always(json_reply(404, &json!({"detail": "Not Found"}))).await;
    assert_eq!(probe(&silent, Protocol::Openai).await.health, Health::Degraded);
    let down = Upstream::always(reply(502, "text/html", "<html>bad gateway</html>")).await;
    assert_eq!(probe(&down, Protocol::Openai).await.health, Health::Down);
}

#[tokio::test]
async fn a_runpod_probe_asks_only_after_the_workers() {
    let upstream = Upstream::always(json_reply(200, &json!({"jobs": {}, "workers": {"idle": 0, "running": 0}}))).await;
    let report = probe(&upstream, Protocol::RunpodOpenai).await;
    assert_eq!((report.health, report.detail.as_str()), (Health::Warming, "no worker running: cold start ahead"));
    assert!(upstream.seen().iter().all(|seen| seen.head.starts_with("get /health ")));
}

#[test]
fn a_signature_of_another_provider_is_not_sent() {
    let mut prompt = rich();
    prompt.messages[2].parts = vec![Part::ToolCall(ToolCall {
        id: "c".to_owned(),
        name: "n".to_owned(),
        arguments: json!({}),
        signature: Some("opaque".to_owned()),
    })];
    assert!(!body(&prompt, &call(false)).to_string().contains("opaque"));
}
