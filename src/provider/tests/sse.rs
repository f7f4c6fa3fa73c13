//! The event reader, whatever the cuts.

use futures::{StreamExt, stream};
use tokio_util::bytes::Bytes;

use super::super::sse::{Problem, frames};
use crate::domain::failure::FailureClass;

async fn read(pieces: Vec<Vec<u8>>) -> Vec<Result<String, FailureClass>> {
    let body = stream::iter(pieces.into_iter().map(|piece| Ok::<_, Problem>(Bytes::from(piece))));
    frames(body).map(|frame| frame.map_err(|failure| failure.class)).collect().await
}

#[tokio::test]
async fn a_cut_at_any_byte_changes_nothing() {
    for end in ["\n", "\r\n", "\r"] {
        let body = format!(
            "\u{feff}: ping{end}event: a{end}data: {{\"x\":\"grüße 🦀\"}}{end}{end}data: one{end}data: two{end}{end}data: [DONE]{end}{end}"
        )
        .into_bytes();
        let expected: Vec<Result<String, FailureClass>> =
            ["{\"x\":\"grüße 🦀\"}", "one\ntwo", "[DONE]"].map(|text| Ok(text.to_owned())).into();
        for at in 0..=body.len() {
            let (one, other) = body.split_at(at);
            assert_eq!(read(vec![one.to_vec(), other.to_vec()]).await, expected, "cut at {at}");
        }
        assert_eq!(read(body.iter().map(|byte| vec![*byte]).collect()).await, expected, "byte by byte");
    }
}

#[tokio::test]
async fn a_bare_json_error_becomes_a_frame_wherever_it_is_cut() {
    let body = b"data: {\"a\":1}\r\n\r\n{\r\n  \"error\": {\r\n    \"code\": 503\r\n  }\r\n}\r\n".to_vec();
    for at in 0..=body.len() {
        let (one, other) = body.split_at(at);
        let found = read(vec![one.to_vec(), other.to_vec()]).await;
        assert_eq!(found.len(), 2, "cut at {at}");
        let error: serde_json::Value = serde_json::from_str(found[1].as_ref().expect("a frame")).expect("JSON");
        assert_eq!(error.pointer("/error/code"), Some(&503.into()));
    }
}

#[tokio::test]
async fn an_unfinished_last_event_is_no_frame() {
    assert_eq!(read(vec![b"data: one\n\ndata: tw".to_vec()]).await, [Ok("one".to_owned())]);
}

#[tokio::test]
async fn a_line_without_end_is_refused_before_it_fills_the_memory() {
    let pieces = std::iter::once(b"data: ".to_vec()).chain(std::iter::repeat_n(vec![b'x'; 1 << 20], 12)).collect();
    assert_eq!(read(pieces).await, [Err(FailureClass::Garbled)]);
}
