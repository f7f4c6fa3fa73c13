//! JSON, one value a line, as Ollama streams it.

use std::io;

use futures::{StreamExt, TryStreamExt};
use tokio_util::codec::{FramedRead, LinesCodec, LinesCodecError};
use tokio_util::io::StreamReader;

use super::events::Frames;
use super::http::{reading, unmarked};
use super::sse::LINE_BYTES;
use crate::domain::failure::{Failure, FailureClass};

/// The lines of a body that have something in them.
pub(super) fn frames(response: reqwest::Response) -> Frames {
    let reader = StreamReader::new(response.bytes_stream().map_err(io::Error::other));
    let mut begun = false;
    FramedRead::new(reader, LinesCodec::new_with_max_length(LINE_BYTES))
        .map_ok(move |line| if std::mem::replace(&mut begun, true) { line } else { unmarked(&line).to_owned() })
        .filter(|line| std::future::ready(!line.as_ref().is_ok_and(|line| line.trim().is_empty())))
        .map_err(|error| match error {
            LinesCodecError::MaxLineLengthExceeded => {
                Failure::new(FailureClass::Garbled, "a line of the answer is longer than is taken in")
            }
            LinesCodecError::Io(error) => match error.get_ref().and_then(|inner| inner.downcast_ref()) {
                Some(inner) => reading(inner),
                None => Failure::new(FailureClass::Garbled, "the answer is not UTF-8"),
            },
        })
        .boxed()
}
