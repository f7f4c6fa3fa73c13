//! Odd, and well: what must be taken for the whole answer that it is.

use super::table::{Comes, Row, check, check_together, row};

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_odd_and_well_is_taken_for_the_answer_that_it_is() {
    check_together(ROWS).await;
    check(LAST).await;
}
