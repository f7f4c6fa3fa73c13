use serde_json::json;

use super::super::tests::*;
use super::super::{Client, connect};
use super::*;
use crate::domain::fleet::Protocol;

/// The transcript of the reference.
const STREAM: &str = r#"event: message_start
data: {"type":"message_start","message":{"id":"msg_9","type":"message","role":"assistant","content":[],"stop_reason":null,"usage":{"input_tokens":310,"cache_creation_input_tokens":0,"cache_read_input_tokens":2048,"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

event: ping
data: {"type":"ping"}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Checking."}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: content_block_start
data: {"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"toolu_7","name":"get_weather","input":{}}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"city\":"}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"\"Oslo\"}"}}

event: content_block_stop
data: {"type":"content_block_stop","index":1}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":41}}

event: message_stop
data: {"type":"message_stop"}

"#;

#[tokio::test]
async fn a_streamed_answer_with_a_tool_call_is_whole() {
    let answer = Upstream::always(sse(STREAM)).await.ask(Protocol::Anthropic, &rich(), true).await;
    assert_eq!(answer.text, "Checking.");
    assert_eq!(answer.calls, [("toolu_7".to_owned(), "get_weather".to_owned(), json!({"city": "Oslo"}))]);
    assert_eq!(
        answer.grown,
        "get_weather".len() + r#"{"city":"Oslo"}"#.len(),
        "it moves while the call comes together"
    );
    assert_eq!(answer.usage, Some(used(310, 2048, 0, 41, 0)));
    assert_eq!((answer.finish, answer.failure), (Some(Finish::ToolCalls), None));
}

#[tokio::test]
async fn a_whole_answer_has_thinking_text_and_disjoint_usage() {
    let body = json!({"type": "message", "content": [
        {"type": "thinking", "thinking": "hm", "signature": "x"}, {"type": "text", "text": "Hi."}, {"type": "later"}],
        "stop_reason": "end_turn", "usage": {"input_tokens": 12, "output_tokens": 5, "cache_creation_input_tokens": 30,
        "cache_read_input_tokens": 7, "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
        "output_tokens_details": {"thinking_tokens": 2}}});
    let answer = Upstream::always(json_reply(200, &body)).await.ask(Protocol::Anthropic, &rich(), false).await;
    assert_eq!((answer.text.as_str(), answer.thinking.as_str()), ("Hi.", "hm"));
    assert_eq!(answer.usage, Some(Usage { cache_write_1h: 20, ..used(12, 7, 10, 5, 2) }));
    assert_eq!(answer.finish, Some(Finish::Stop));
}

#[tokio::test]
async fn a_refusal_is_a_failure_if_nothing_was_said_and_a_filter_if_something_was() {
    for (content, finish, class) in [
        (json!([]), None, Some(FailureClass::ContentRefused)),
        (json!([{"type": "text", "text": "I"}]), Some(Finish::ContentFilter), None),
    ] {
        let body =
            json!({"type": "message", "content": content, "stop_reason": "refusal", "usage": {"output_tokens": 1}});
        let answer = Upstream::always(json_reply(200, &body)).await.ask(Protocol::Anthropic, &rich(), false).await;
        assert_eq!((answer.finish, answer.class()), (finish, class));
    }
}

#[tokio::test]
async fn an_answer_of_nothing_is_empty_but_not_one_whose_limit_went_on_thoughts() {
    let body = |reason| json!({"type": "message", "content": [], "stop_reason": reason, "usage": {"output_tokens": 9}});
    for (reason, finish, class) in
        [("end_turn", None, Some(FailureClass::Empty)), ("max_tokens", Some(Finish::Length), None)]
    {
        let upstream = Upstream::always(json_reply(200, &body(reason))).await;
        let answer = upstream.ask(Protocol::Anthropic, &rich(), false).await;
        assert_eq!((answer.finish, answer.class()), (finish, class));
        // What it cost is known all the same.
        assert_eq!(answer.failure.and_then(|failure| failure.usage).or(answer.usage).expect("usage").output, 9);
    }
}

#[tokio::test]
async fn the_request_is_as_the_protocol_wants_it() {
    let upstream = Upstream::always(sse(STREAM)).await;
    upstream.ask(Protocol::Anthropic, &rich(), true).await;
    let seen = upstream.seen().remove(0);
    assert!(seen.head.starts_with("post /v1/messages "));
    assert!(seen.head.contains(&format!("x-api-key: {KEY}")) && seen.head.contains("anthropic-version: 2023-06-01"));
    assert_eq!(seen.body["system"], "Be brief.");
    assert_eq!(seen.body["max_tokens"], MAX_TOKENS);
    assert_eq!(seen.body["messages"][0]["content"][1]["source"]["data"], "aGk=");
    assert_eq!(seen.body["messages"][1]["content"][0]["input"], json!({"city": "Oslo"}));
    assert_eq!(seen.body["messages"][2]["content"][0]["tool_use_id"], "c1");
    assert_eq!(seen.body["tools"][0]["input_schema"], json!({"type": "object"}));
}

#[test]
fn models_are_spared_what_they_refuse() {
    let mut prompt = rich();
    prompt.sampling.temperature = Some(1.5);
    prompt.tool_choice = ToolChoice::Required;
    for (model, temperature, choice) in [
        ("claude-opus-5-5", None, "auto"),
        ("claude-opus-4-7", None, "any"),
        ("claude-opus-4-6", Some(1.0), "any"),
        ("claude-sonnet-4-5-20250929", Some(1.0), "any"),
        ("claude-sonnet-5", None, "any"),
        ("claude-haiku-4-5", Some(1.0), "any"),
        ("claude-haiku-5-5", None, "any"),
        ("claude-fable-5-1", None, "auto"),
        ("claude-3-5-haiku-20241022", Some(1.0), "any"),
    ] {
        let body = body(&prompt, &Call { model: model.into(), ..call(false) });
        assert_eq!(body.get("temperature").and_then(Value::as_f64), temperature, "{model}");
        assert_eq!(body["tool_choice"]["type"], choice, "{model}");
    }
    assert_eq!(Traits::of("claude-3-haiku-20240307").max_tokens, 4096);
}

#[tokio::test]
async fn a_probe_lists_models_and_knows_short_names_but_gives_no_part_of_a_list() {
    let list = |more: bool| {
        json_reply(
            200,
            &json!({"data": [{"id": "claude-opus-4-5-20251101", "max_input_tokens": 200_000}], "has_more": more}),
        )
    };
    let upstream = Upstream::always(list(false)).await;
    let mut config = config(Protocol::Anthropic, &format!("{}/v1", upstream.url));
    config.models = vec![("claude-opus-4-5".into(), Default::default())];
    let client: Client = connect(&config).expect("a client");
    let found = client.probe().await.models.expect("models");
    assert_eq!(
        found.iter().map(|model| model.id.as_str()).collect::<Vec<_>>(),
        ["claude-opus-4-5-20251101", "claude-opus-4-5"]
    );
    assert_eq!(found[1].context, Some(200_000));
    assert!(upstream.seen()[0].head.starts_with("get /v1/models?limit=1000 "));
    let report = probe(&Upstream::always(list(true)).await, Protocol::Anthropic).await;
    assert_eq!(report.models, None);
}
