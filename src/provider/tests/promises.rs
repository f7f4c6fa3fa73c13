//! What holds whatever the protocol.

use std::time::Duration;

use futures::StreamExt;
use secrecy::SecretString;
use serde_json::json;
use tokio::net::TcpListener;

use super::*;
use crate::domain::health::Health;

const HTTP: [Protocol; 7] = [
    Protocol::Anthropic,
    Protocol::Ollama,
    Protocol::Openai,
    Protocol::Litellm,
    Protocol::Gemini,
    Protocol::RunpodOpenai,
    Protocol::RunpodBalancer,
];

/// The beginning of an answer, that says `Hi`, and its content type.
fn beginning(protocol: Protocol) -> (&'static str, &'static str) {
    match protocol {
        Protocol::Anthropic => (
            "text/event-stream",
            "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi\"}}\n\n",
        ),
        Protocol::Ollama => {
            ("application/x-ndjson", "{\"message\":{\"role\":\"assistant\",\"content\":\"Hi\"},\"done\":false}\n")
        }
        Protocol::Gemini => (
            "text/event-stream",
            "data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"Hi\"}]}}]}\r\n\r\n",
        ),
        _ => ("text/event-stream", "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"}}]}\n\n"),
    }
}

fn error_line(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Anthropic => {
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n"
        }
        Protocol::Ollama => "{\"error\":\"model overloaded\"}\n",
        Protocol::Gemini => "{\n \"error\": {\n  \"code\": 503,\n  \"status\": \"UNAVAILABLE\"\n }\n}\n",
        _ => "data: {\"error\":{\"message\":\"overloaded\",\"type\":\"x\",\"code\":\"503\"}}\n\n",
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_truncated_however_it_breaks_off() {
    for protocol in HTTP {
        let (kind, begun) = beginning(protocol);
        // Closed without a word.
        let upstream = Upstream::always(reply(200, kind, begun)).await;
        let answer = upstream.ask(protocol, &Prompt::user("hi"), true).await;
        assert_eq!((answer.text.as_str(), answer.class()), ("Hi", Some(FailureClass::Truncated)), "{protocol:?}");
        // Broken in the middle of a chunk.
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n");
        let cut = format!("{head}{:x}\r\n{begun}\r\nfff\r\nx", begun.len());
        let answer = Upstream::always(raw(cut)).await.ask(protocol, &Prompt::user("hi"), true).await;
        assert_eq!((answer.text.as_str(), answer.class()), ("Hi", Some(FailureClass::Truncated)), "{protocol:?}");
        assert_eq!(answer.finish, None);
    }
}

#[tokio::test]
async fn an_error_inside_a_stream_is_a_failure_after_what_was_said() {
    for protocol in HTTP {
        let (kind, begun) = beginning(protocol);
        let upstream = Upstream::always(reply(200, kind, &format!("{begun}{}", error_line(protocol)))).await;
        let answer = upstream.ask(protocol, &Prompt::user("hi"), true).await;
        assert_eq!((answer.text.as_str(), answer.class()), ("Hi", Some(FailureClass::Overloaded)), "{protocol:?}");
    }
}

#[tokio::test]
async fn a_byte_order_mark_is_no_part_of_a_line_or_a_document() {
    const MARK: &str = "\u{feff}";
    let lines = format!(
        "{MARK}{}{}\n",
        beginning(Protocol::Ollama).1,
        json!({"message": {"content": "!"}, "done": true, "done_reason": "stop"})
    );
    let answer = Upstream::always(reply(200, "application/x-ndjson", &lines)).await;
    let answer = answer.ask(Protocol::Ollama, &Prompt::user("hi"), true).await;
    assert_eq!((answer.text.as_str(), answer.finish), ("Hi!", Some(Finish::Stop)));
    let whole = json!({"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]});
    let upstream = Upstream::always(reply(200, "application/json", &format!("{MARK}{whole}"))).await;
    assert_eq!(upstream.ask(Protocol::Openai, &Prompt::user("hi"), false).await.text, "Hi");
    let error = json!({"error": {"message": "no", "code": "insufficient_quota"}});
    let upstream = Upstream::always(reply(429, "application/json", &format!("{MARK}{error}"))).await;
    let failure = upstream.ask(Protocol::Openai, &Prompt::user("hi"), false).await.failure.expect("it is refused");
    assert_eq!((failure.class, failure.message.as_str()), (FailureClass::OutOfCredit, "no"));
}

#[tokio::test]
async fn usage_that_is_not_told_or_told_as_nothing_is_unknown() {
    let openai = json!({"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 0, "completion_tokens": 0}});
    let anthropic = |usage: serde_json::Value| json!({"type": "message", "content": [{"type": "text", "text": "Hi"}], "stop_reason": "end_turn", "usage": usage});
    for (protocol, body) in [
        (Protocol::Openai, openai),
        (Protocol::Anthropic, anthropic(json!(null))),
        (Protocol::Anthropic, anthropic(json!({"input_tokens": 0, "output_tokens": 0}))),
    ] {
        let answer = Upstream::always(json_reply(200, &body)).await.ask(protocol, &Prompt::user("hi"), false).await;
        assert_eq!((answer.text.as_str(), answer.usage), ("Hi", None), "{protocol:?} {body}");
    }
    let streamed = concat!(
        "data: {\"type\":\"message_start\",\"message\":{}}\n\n",
        "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi\"}}\n\n",
        "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}\n\n",
        "data: {\"type\":\"message_stop\"}\n\n",
    );
    let answer = Upstream::always(sse(streamed)).await.ask(Protocol::Anthropic, &Prompt::user("hi"), true).await;
    assert_eq!((answer.finish, answer.usage), (Some(Finish::Stop), None));
}

#[tokio::test]
async fn half_a_line_of_json_is_never_an_answer() {
    for protocol in HTTP {
        let (kind, begun) = beginning(protocol);
        let half = if protocol == Protocol::Ollama { "{\"message\":{\"con\n" } else { "data: {\"choi\n\n" };
        let upstream = Upstream::always(reply(200, kind, &format!("{begun}{half}"))).await;
        let answer = upstream.ask(protocol, &Prompt::user("hi"), true).await;
        assert_eq!(answer.class(), Some(FailureClass::Garbled), "{protocol:?}");
    }
}

#[tokio::test]
async fn what_is_not_in_the_protocol_is_garbled() {
    for protocol in HTTP {
        for stream in [true, false] {
            for (kind, body) in [
                ("text/html", "<html>Welcome to the captive portal</html>"),
                ("text/plain", "ok"),
                ("application/json", "{\"hello\":1}"),
                ("application/json", "<html>"),
            ] {
                let upstream = Upstream::always(reply(200, kind, body)).await;
                let answer = upstream.ask(protocol, &Prompt::user("hi"), stream).await;
                assert_eq!(answer.class(), Some(FailureClass::Garbled), "{protocol:?} {stream} {kind} {body}");
            }
        }
    }
}

#[tokio::test]
async fn an_empty_stream_is_no_answer() {
    for protocol in HTTP {
        let upstream = Upstream::always(reply(200, beginning(protocol).0, "")).await;
        let answer = upstream.ask(protocol, &Prompt::user("hi"), true).await;
        assert_eq!(answer.class(), Some(FailureClass::Truncated), "{protocol:?}");
    }
}

#[tokio::test]
async fn no_key_turns_up_in_an_error_even_if_the_provider_repeats_it() {
    let long = format!("{} {KEY}", "x".repeat(crate::domain::failure::MESSAGE_CHARS - 13));
    for protocol in Protocol::ALL {
        for message in [format!("bad key {KEY} was sent"), long.clone()] {
            let upstream = Upstream::always(json_reply(401, &json!({"error": {"message": message}}))).await;
            let answer = upstream.ask(protocol, &Prompt::user("hi"), true).await;
            let failure = answer.failure.expect("a failure");
            assert_eq!(failure.class, FailureClass::KeyRefused);
            let shown = format!("{failure} {failure:?} {:?}", probe(&upstream, protocol).await);
            assert!(!shown.contains("sk-secret"), "{protocol:?}: {shown}");
        }
    }
}

#[tokio::test]
async fn no_key_turns_up_in_an_error_inside_a_stream() {
    let line = json!({"error": {"message": format!("key {KEY}")}});
    let upstream = Upstream::always(sse(&format!("data: {line}\n\n"))).await;
    let answer = upstream.ask(Protocol::Openai, &Prompt::user("hi"), true).await;
    assert!(!format!("{answer:?}").contains("sk-secret"));
}

#[test]
fn a_backend_that_cannot_be_reached_by_its_entry_is_refused_without_showing_a_secret() {
    for url in ["not a url", "ftp://host", "https://user:sk-secret-1@host/", "https://host/?key=sk-secret-1", "unix:/x"]
    {
        let error = connect(&config(Protocol::Openai, url)).err().expect("an error");
        assert!(!format!("{error} {error:?}").contains("sk-secret"), "{error}");
    }
    let mut bad = config(Protocol::Openai, "http://127.0.0.1:1");
    bad.key = Some(SecretString::from("sk-secret-\nx"));
    let error = connect(&bad).err().expect("an error");
    assert!(!format!("{error} {error:?}").contains("sk-secret"), "{error}");
}

#[test]
fn reach_decides_the_kind_of_client() {
    for protocol in Protocol::ALL {
        let mut config = config(protocol, "http://127.0.0.1:1/");
        assert!(matches!(connect(&config), Ok(Client::Inside(_))));
        config.spec.reach = Reach::Outside;
        assert!(matches!(connect(&config), Ok(Client::Outside(_))));
    }
}

#[tokio::test]
async fn a_port_that_nobody_listens_on_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    for protocol in Protocol::ALL {
        let client = connect(&config(protocol, &url)).expect("a client");
        let answer = ask(&client, &Prompt::user("hi"), &call(true)).await;
        assert_eq!(answer.class(), Some(FailureClass::Unreachable), "{protocol:?}");
        let message = answer.failure.map(|failure| failure.message).unwrap_or_default();
        assert!(message.starts_with("no connection: ") && message.contains("refused"), "{message}");
        assert_eq!(client.probe().await.health, Health::Down);
    }
}

#[tokio::test]
async fn a_connection_that_closes_before_an_answer_is_unreachable_and_reads_differently() {
    for protocol in HTTP {
        let upstream = Upstream::always(raw("")).await;
        let answer = upstream.ask(protocol, &Prompt::user("hi"), true).await;
        assert_eq!(answer.class(), Some(FailureClass::Unreachable), "{protocol:?}");
        let message = answer.failure.map(|failure| failure.message).unwrap_or_default();
        assert!(message.starts_with("the connection broke before an answer: "), "{message}");
    }
}

#[tokio::test]
async fn comments_pings_and_roles_are_no_part_of_an_answer() {
    let role = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";
    let ping = "event: ping\ndata: {\"type\":\"ping\"}\n\n";
    for (protocol, idle) in [(Protocol::Openai, role), (Protocol::Anthropic, ping)] {
        let upstream = Upstream::always(sse(&format!(": keep-alive\n\n{idle}: keep-alive\n\n{idle}"))).await;
        let Client::Inside(client) = upstream.client(protocol) else { panic!("inside") };
        let (prompt, call) = (Prompt::user("hi"), call(true));
        let events: Vec<_> = client.start(&prompt, &call).await.expect("events").collect().await;
        assert!(matches!(&events[..], [Err(failure)] if failure.class == FailureClass::Truncated), "{events:?}");
    }
}

#[tokio::test]
async fn bad_upstreams_are_told_apart() {
    let begun = "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n";
    let over = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    let chunked = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut told = Vec::new();
    for (what, answer, class) in [
        ("hangs up", raw(""), FailureClass::Unreachable),
        ("refuses", json_reply(429, &json!({"error": {"message": "slow down"}})), FailureClass::RateLimited),
        ("fails", json_reply(500, &json!({"error": {"message": "oh no"}})), FailureClass::ServerError),
        ("is a web page", reply(200, "text/html", "<html>"), FailureClass::Garbled),
        ("is garbage", sse("data: \u{1}\u{2}\n\n"), FailureClass::Garbled),
        ("says nothing", sse(over), FailureClass::Empty),
        ("stops without an end", sse(begun), FailureClass::Truncated),
        ("breaks", raw(format!("{chunked}{:x}\r\n{begun}\r\nfff\r\nx", begun.len())), FailureClass::Truncated),
    ] {
        let heard = Upstream::always(answer).await.ask(Protocol::Openai, &Prompt::user("hi"), true).await;
        let failure = heard.failure.expect(what);
        assert_eq!(failure.class, class, "{what}");
        assert!(!told.contains(&failure.message), "{what}: {}", failure.message);
        told.push(failure.message);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = Upstream::always(json_reply(200, &json!({}))).await;
    let location = format!("HTTP/1.1 307 X\r\nlocation: {}/x\r\ncontent-length: 0\r\n\r\n", other.url);
    let answer = Upstream::always(raw(location)).await.ask(Protocol::Openai, &Prompt::user("hi"), true).await;
    assert_eq!(answer.class(), Some(FailureClass::Garbled));
    assert!(other.seen().is_empty());
}

#[tokio::test]
async fn dropping_an_answer_closes_the_connection() {
    for protocol in HTTP {
        let (kind, begun) = beginning(protocol);
        let upstream = Upstream::always(reply(200, kind, begun).held()).await;
        let Client::Inside(client) = upstream.client(protocol) else { panic!("inside") };
        let (prompt, call) = (Prompt::user("hi"), call(true));
        let mut events = client.start(&prompt, &call).await.expect("events");
        while !events.next().await.expect("an event").expect("no failure").is_content() {}
        drop(events);
        tokio::time::timeout(Duration::from_secs(5), upstream.dropped.notified()).await.expect("the connection closes");
    }
}

#[tokio::test]
async fn silence_after_the_finish_reason_is_an_end() {
    let body = "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"},\"finish_reason\":\"stop\"}]}\n\n";
    let upstream = Upstream::always(sse(body).held()).await;
    let answer = upstream.ask(Protocol::Openai, &Prompt::user("hi"), true).await;
    assert_eq!((answer.text.as_str(), answer.finish), ("Hi", Some(Finish::Stop)));
}

#[tokio::test]
async fn a_refused_key_is_told_by_every_probe() {
    for protocol in Protocol::ALL {
        let upstream = Upstream::new(|line, _| match line.contains("liveliness") {
            true => reply(200, "application/json", "\"I'm alive!\""),
            false => json_reply(401, &json!({"error": {"message": "no"}})),
        })
        .await;
        let report = probe(&upstream, protocol).await;
        assert!(report.key_refused, "{protocol:?} {report:?}");
        assert_eq!(report.detail, "key refused");
    }
}

#[tokio::test]
async fn a_refused_parameter_is_dropped_once_and_the_rest_is_sent_again() {
    let upstream = Upstream::new(|_, number| match number {
        0 => json_reply(400, &json!({"error": {"message": "`temperature` is deprecated for this model"}})),
        _ => recorded("chat"),
    })
    .await;
    let mut prompt = Prompt::user("hi");
    prompt.sampling.temperature = Some(0.3);
    let answer = upstream.ask(Protocol::Openai, &prompt, false).await;
    assert_eq!(answer.finish, Some(Finish::Stop));
    let seen = upstream.seen();
    assert!(seen[0].body.get("temperature").is_some() && seen[1].body.get("temperature").is_none());
    assert_eq!(seen[0].body["messages"], seen[1].body["messages"]);
}

#[tokio::test]
async fn a_service_that_fails_even_a_free_question_is_down_and_one_without_room_is_not() {
    for protocol in HTTP {
        for (status, expected) in [(500, Health::Down), (502, Health::Down), (503, Health::Degraded)] {
            let upstream = Upstream::always(json_reply(status, &json!({"error": {"message": "oops"}}))).await;
            assert_eq!(probe(&upstream, protocol).await.health, expected, "{protocol:?} {status}");
        }
    }
}

#[tokio::test]
async fn what_is_left_of_a_limit_is_told_before_the_answer_has_begun() {
    for protocol in HTTP {
        let (kind, _) = beginning(protocol);
        let head = format!(
            "HTTP/1.1 200 X\r\ncontent-type: {kind}\r\nx-ratelimit-remaining-requests: 4\r\n\
             x-ratelimit-reset-requests: 20s\r\nconnection: close\r\n\r\n"
        );
        let upstream = Upstream::always(raw(head).held()).await;
        let Client::Inside(client) = upstream.client(protocol) else { panic!("tests are inside") };
        let mut events = client.start(&Prompt::user("hi"), &call(true)).await.expect("an answer begins");
        let Some(Ok(Event::Limits(limits))) = events.next().await else { panic!("{protocol:?}: no limits") };
        let requests = limits.requests.map(|left| (left.remaining, left.resets_in));
        assert_eq!(requests, Some((4, Duration::from_secs(20))), "{protocol:?}");
    }
}
