//! Odd, and well: what must be taken for the whole answer that it is.

use super::harness::Wire::{self, Anthropic, Ollama, Queue};
use super::table::{Awaited, BOTH, Comes, Row, STREAMED, WHOLE, check, check_together, row};

use Comes::Well;

const ROWS: &[Row] = &[
    row("slow 3", Well, &[]),
    row("cold-start 20", Well, &[]),
    row("slow-drip 0.01", Well, &[]),
    row("byte-order-mark", Well, &[]),
    row("crlf", Well, &[]),
    row("split-tokens", Well, &[]),
    row("split-characters", Well, &[]),
    row("double-end", Well, &[]),
    row("no-usage", Well, &[]),
    row("huge-line 1", Well, &[]),
];

/// Apart from the others: whoever minds it asks nothing more of the backend for a while.
const LAST: &[Row] = &[row("limit-reached 20", Well, &[])];

const AWAITED: &[Awaited] = &[
    ("byte-order-mark", &[Ollama], STREAMED, "lines are parsed with the mark in front"),
    ("byte-order-mark", &Wire::ALL, WHOLE, "documents are parsed with the mark in front"),
    ("byte-order-mark", &[Queue], STREAMED, "documents are parsed with the mark in front"),
    ("no-usage", &[Anthropic], BOTH, "an answer without usage is booked as one that used nothing, and surely so"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_odd_and_well_is_taken_for_the_answer_that_it_is() {
    check_together(ROWS, AWAITED).await;
    check(LAST, &[]).await;
}
