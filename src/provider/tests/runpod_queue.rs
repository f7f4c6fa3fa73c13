use serde_json::json;

use super::super::Client;
use super::super::tests::*;
use super::*;
use crate::domain::fleet::Protocol;
use crate::domain::health::Health;

const JOB: &str = "c80ffee4-1-u1";

async fn endpoint(looks: Vec<Value>) -> Upstream {
    Upstream::new(move |line, number| {
        if line.contains("/run ") {
            json_reply(200, &json!({"id": JOB, "status": "IN_QUEUE"}))
        } else if line.contains("/cancel/") {
            json_reply(200, &json!({"id": JOB, "status": "CANCELLED"}))
        } else {
            json_reply(200, &looks[(number - 1).min(looks.len() - 1)])
        }
    })
    .await
}

#[tokio::test]
async fn a_streamed_job_comes_in_pieces_and_tells_how_long_it_held_a_worker() {
    let upstream = endpoint(vec![
        json!({"status": "IN_QUEUE"}),
        json!({"status": "IN_PROGRESS", "stream": [{"output": {"choices": [{"tokens": ["It ", "is"]}]}}]}),
        json!({"status": "COMPLETED", "stream": [{"output": {"choices": [{"tokens": [" cold"]}], "usage": {"input": 7, "output": 3}}}]}),
        json!({"status": "COMPLETED", "stream": []}),
        json!({"status": "COMPLETED", "delayTime": 2188, "executionTime": 2297, "output": [{"choices": [{"tokens": ["It is cold"]}]}]}),
    ])
    .await;
    let answer = upstream.ask(Protocol::RunpodQueue, &rich(), true).await;
    assert_eq!(answer.text, "It is cold");
    assert_eq!(answer.usage, Some(used(7, 0, 0, 3, 0)));
    assert_eq!(answer.held, Some(Duration::from_millis(2297)));
    assert_eq!(answer.cold, Some(Duration::from_millis(2188)));
    assert_eq!((answer.finish, answer.failure), (Some(Finish::Stop), None));
    assert!(!upstream.seen().iter().any(|seen| seen.head.contains("/cancel/")));
}

#[tokio::test]
async fn a_worker_that_does_not_stream_is_read_from_the_status() {
    for stream in [true, false] {
        let done = json!({"status": "COMPLETED", "executionTime": 5, "output": {"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 2, "completion_tokens": 1}}});
        let looks = if stream { vec![json!({"status": "COMPLETED", "stream": []}), done] } else { vec![done] };
        let answer = endpoint(looks).await.ask(Protocol::RunpodQueue, &rich(), stream).await;
        assert_eq!((answer.text.as_str(), answer.usage), ("Hi", Some(used(2, 0, 0, 1, 0))));
        assert_eq!(answer.finish, Some(Finish::Stop));
    }
}

#[tokio::test]
async fn a_failed_job_is_a_failure_although_the_status_is_200() {
    for (look, class) in [
        (
            json!({"status": "FAILED", "error": "{\"error_type\":\"x\",\"error_message\":\"out of memory\"}"}),
            FailureClass::ServerError,
        ),
        (
            json!({"status": "FAILED", "error": "This model's maximum context length is 5 tokens"}),
            FailureClass::ContextTooLong,
        ),
        (json!({"status": "TIMED_OUT"}), FailureClass::ServerError),
        (
            json!({"status": "COMPLETED", "output": {"error": {"message": "vLLM returned HTTP 404: model"}}}),
            FailureClass::ModelMissing,
        ),
        (json!({"status": "COMPLETED", "output": ""}), FailureClass::Empty),
    ] {
        let answer = endpoint(vec![look.clone()]).await.ask(Protocol::RunpodQueue, &rich(), false).await;
        assert_eq!(answer.class(), Some(class), "{look}");
    }
}

#[tokio::test]
async fn a_job_that_failed_tells_how_long_it_held_a_worker() {
    let failed = json!({"status": "FAILED", "executionTime": 2297, "error": "out of memory"});
    for (stream, looks) in
        [(true, vec![json!({"status": "FAILED", "stream": []}), failed.clone()]), (false, vec![failed])]
    {
        let answer = endpoint(looks).await.ask(Protocol::RunpodQueue, &rich(), stream).await;
        assert_eq!(answer.class(), Some(FailureClass::ServerError));
        assert_eq!(answer.held, Some(Duration::from_millis(2297)), "streamed: {stream}");
    }
}

async fn cancellation(upstream: &Upstream) {
    let cancelled = async {
        while !upstream.seen().iter().any(|seen| seen.head.contains(&format!("post /cancel/{JOB} "))) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), cancelled).await.expect("a cancellation");
}

#[tokio::test]
async fn a_job_whose_caller_leaves_before_its_id_has_come_is_cancelled_once_it_has() {
    let gate = Arc::new(tokio::sync::Notify::new());
    let taken = json_reply(200, &json!({"id": JOB, "status": "IN_QUEUE"})).once(&gate);
    let cancelled = json_reply(200, &json!({"id": JOB, "status": "CANCELLED"}));
    let upstream =
        Upstream::new(move |line, _| if line.contains("/run ") { taken.clone() } else { cancelled.clone() }).await;
    let Client::Inside(client) = upstream.client(Protocol::RunpodQueue) else { panic!("inside") };
    let (prompt, call) = (rich(), call(true));
    let submitted = async {
        while upstream.seen().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = client.start(&prompt, &call) => panic!("it has no id yet"),
        () = submitted => {}
    }
    gate.notify_one();
    cancellation(&upstream).await;
    assert_eq!(upstream.seen().len(), 2, "it is submitted once and cancelled once");
}

#[tokio::test]
async fn a_caller_that_leaves_before_anything_was_sent_submits_nothing() {
    let upstream = endpoint(vec![json!({"status": "IN_QUEUE"})]).await;
    let Client::Inside(client) = upstream.client(Protocol::RunpodQueue) else { panic!("inside") };
    let (prompt, other, call) = (Prompt::user("first"), Prompt::user("second"), call(true));
    assert!(client.start(&prompt, &call).now_or_never().is_none());
    drop(client.start(&other, &call).await.expect("a job"));
    cancellation(&upstream).await;
    assert!(upstream.seen().iter().all(|seen| !seen.body.to_string().contains("first")));
}

#[tokio::test]
async fn a_job_that_nobody_wants_any_more_is_cancelled() {
    let upstream = endpoint(vec![json!({"status": "IN_QUEUE"})]).await;
    let Client::Inside(client) = upstream.client(Protocol::RunpodQueue) else { panic!("inside") };
    let (prompt, call) = (rich(), call(true));
    let mut events = client.start(&prompt, &call).await.expect("events");
    assert!(tokio::time::timeout(Duration::from_millis(150), events.next()).await.is_err());
    drop(events);
    cancellation(&upstream).await;
}

#[tokio::test]
async fn a_probe_asks_only_after_the_workers() {
    let upstream = Upstream::always(json_reply(200, &json!({"workers": {"idle": 1, "running": 0}}))).await;
    assert_eq!(probe(&upstream, Protocol::RunpodQueue).await.health, Health::Up);
    assert!(upstream.seen()[0].head.starts_with("get /health "));
}

#[tokio::test]
async fn a_look_that_was_turned_away_is_made_again_and_one_whose_pieces_may_be_lost_is_not() {
    for (status, class) in [(429, None), (502, Some(FailureClass::ServerError))] {
        let upstream = Upstream::new(move |_, number| match number {
            0 => json_reply(200, &json!({"id": JOB})),
            1 => reply(status, "text/plain", "not now"),
            2 => json_reply(200, &json!({"status": "COMPLETED", "stream": [{"output": "Hi"}]})),
            _ => json_reply(200, &json!({"status": "COMPLETED", "stream": []})),
        })
        .await;
        let answer = upstream.ask(Protocol::RunpodQueue, &rich(), true).await;
        assert_eq!(answer.class(), class, "{status}");
        assert_eq!(answer.text.is_empty(), class.is_some());
    }
}
