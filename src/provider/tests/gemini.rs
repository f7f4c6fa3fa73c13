use serde_json::json;

use super::super::tests::*;
use super::*;
use crate::domain::fleet::Protocol;

fn chunks(chunks: &[Value]) -> Reply {
    let body: String = chunks.iter().map(|chunk| format!("data: {chunk}\r\n\r\n")).collect();
    sse(&body)
}

#[tokio::test]
async fn a_stream_ends_with_its_connection_and_counts_thoughts_as_output() {
    let upstream = Upstream::always(chunks(&[
        json!({"candidates": [{"content": {"parts": [{"text": "hm", "thought": true}]}}], "usageMetadata": {"promptTokenCount": 1200, "cachedContentTokenCount": 1024}}),
        json!({"candidates": [{"content": {"parts": [{"text": "It is"}]}}]}),
        json!({"candidates": [{"content": {"parts": [{"text": "", "thoughtSignature": "Cp"}]}, "finishReason": "STOP"}],
            "usageMetadata": {"candidatesTokenCount": 20, "thoughtsTokenCount": 64, "toolUsePromptTokenCount": 6}}),
    ]))
    .await;
    let answer = upstream.ask(Protocol::Gemini, &rich(), true).await;
    assert_eq!((answer.text.as_str(), answer.thinking.as_str()), ("It is", "hm"));
    assert_eq!(answer.usage, Some(used(182, 1024, 0, 84, 64)));
    assert_eq!((answer.finish, answer.failure), (Some(Finish::Stop), None));
}

#[tokio::test]
async fn a_tool_call_is_recognised_although_the_reason_is_stop_and_keeps_its_signature() {
    let part = json!({"functionCall": {"name": "w", "args": {"city": "Oslo"}}, "thoughtSignature": "CpgB"});
    let body = json!({"candidates": [{"content": {"parts": [part]}, "finishReason": "STOP"}]});
    let answer = Upstream::always(json_reply(200, &body)).await.ask(Protocol::Gemini, &rich(), false).await;
    assert_eq!(answer.calls, [("call_0".to_owned(), "w".to_owned(), json!({"city": "Oslo"}))]);
    assert_eq!(answer.finish, Some(Finish::ToolCalls));
    let mut out = Vec::new();
    Answer::default().part(&part, &mut out);
    assert!(matches!(&out[..], [Event::ToolCall(call)] if call.signature.as_deref() == Some("CpgB")));
}

#[tokio::test]
async fn endings_have_their_meaning() {
    let of = |body: Value| async move {
        let answer = Upstream::always(json_reply(200, &body)).await.ask(Protocol::Gemini, &rich(), false).await;
        (answer.finish, answer.class())
    };
    let said = json!({"parts": [{"text": "x"}]});
    assert_eq!(
        of(json!({"candidates": [{"content": said, "finishReason": "SAFETY"}]})).await,
        (Some(Finish::ContentFilter), None)
    );
    for (body, class) in [
        (json!({"candidates": [{"finishReason": "SAFETY"}]}), FailureClass::ContentRefused),
        (json!({"promptFeedback": {"blockReason": "JAILBREAK"}}), FailureClass::ContentRefused),
        (json!({"candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL"}]}), FailureClass::Garbled),
        (json!({"candidates": [{"finishReason": "STOP"}]}), FailureClass::Empty),
        (json!({"candidates": [{"content": {"parts": [{"text": "x"}]}}]}), FailureClass::Truncated),
    ] {
        assert_eq!(of(body.clone()).await, (None, Some(class)), "{body}");
    }
    let limit = json!({"candidates": [{"finishReason": "MAX_TOKENS"}], "usageMetadata": {"thoughtsTokenCount": 50}});
    assert_eq!(of(limit).await, (Some(Finish::Length), None));
}

#[tokio::test]
async fn the_key_travels_in_a_header_and_the_stream_is_asked_for_as_events() {
    let upstream = Upstream::always(chunks(&[])).await;
    upstream.ask(Protocol::Gemini, &rich(), true).await;
    let seen = upstream.seen().remove(0);
    assert!(seen.head.starts_with("post /v1beta/models/some-model:streamgeneratecontent?alt=sse "));
    assert!(seen.head.contains(&format!("x-goog-api-key: {KEY}")));
    assert_eq!(seen.body["systemInstruction"]["parts"][0]["text"], "Be brief.");
    assert_eq!(seen.body["contents"][0]["parts"][1]["inlineData"]["mimeType"], "image/png");
    assert_eq!(seen.body["contents"][1]["parts"][0]["thoughtSignature"], NO_SIGNATURE);
    assert_eq!(seen.body["contents"][2]["parts"][0]["functionResponse"]["response"], json!({"result": "4 C"}));
    assert_eq!(seen.body["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"], json!({"type": "object"}));
}

#[tokio::test]
async fn a_model_id_cannot_leave_its_place_in_the_path() {
    let upstream = Upstream::always(chunks(&[])).await;
    let client = upstream.client(Protocol::Gemini);
    let answer = ask(&client, &rich(), &Call { model: "../../x?y".into(), ..call(true) }).await;
    assert_eq!(answer.class(), Some(FailureClass::ModelMissing));
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn a_probe_lists_what_generates_and_no_part_of_a_list() {
    let models = json!([
        {"name": "models/gemini-3.6-flash", "inputTokenLimit": 1_048_576, "supportedGenerationMethods": ["generateContent"]},
        {"name": "models/embedder", "supportedGenerationMethods": ["embedContent"]}]);
    let upstream = Upstream::always(json_reply(200, &json!({"models": models}))).await;
    let found = probe(&upstream, Protocol::Gemini).await.models.expect("models");
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].id.as_str(), found[0].context), ("gemini-3.6-flash", Some(1_048_576)));
    let part = Upstream::always(json_reply(200, &json!({"models": models, "nextPageToken": "x"}))).await;
    assert_eq!(probe(&part, Protocol::Gemini).await.models, None);
    let refused =
        json!({"error": {"code": 400, "message": "API key not valid.", "details": [{"reason": "API_KEY_INVALID"}]}});
    assert!(probe(&Upstream::always(json_reply(400, &refused)).await, Protocol::Gemini).await.key_refused);
}
