//! Refused: a word on why there is no answer.

use llm_call::domain::failure::FailureClass as Class;

use super::table::{Comes, Row, check, check_together, row};

use Comes::Nothing;

const ROWS: &[Row] = &[
    row("rate-limited 20", Nothing(Class::RateLimited), &[]),
    row("rate-limited 0", Nothing(Class::RateLimited), &[]),
    row("rate-limit-headers 20", Nothing(Class::RateLimited), &[]),
    row("overloaded", Nothing(Class::Overloaded), &[]),
    row("server-error", Nothing(Class::ServerError), &[]),
    row("status 408", Nothing(Class::ServerError), &[]),
    row("status 500", Nothing(Class::ServerError), &[]),
    row("status 502", Nothing(Class::ServerError), &[]),
    row("status 503", Nothing(Class::Overloaded), &[]),
    row("status 504", Nothing(Class::ServerError), &[]),
    row("status 529", Nothing(Class::Overloaded), &[]),
    row("redirect", Nothing(Class::Garbled), &[]),
    row("html", Nothing(Class::Garbled), &[]),
    row("html 503", Nothing(Class::Overloaded), &[]),
    row("key-refused", Nothing(Class::KeyRefused), &[]),
    row("forbidden", Nothing(Class::KeyRefused), &[]),
    row("out-of-credit", Nothing(Class::OutOfCredit), &[]),
    row("model-missing", Nothing(Class::ModelMissing), &[]),
];

/// Those that say nothing about the backend's health.
const OF_THE_REQUEST: &[Row] = &[
    row("status 409", Nothing(Class::Busy), &[]),
    row("status 413", Nothing(Class::ContextTooLong), &[]),
    row("context-too-long", Nothing(Class::ContextTooLong), &[]),
    row("content-refused", Nothing(Class::ContentRefused), &[]),
    row("bad-request", Nothing(Class::BadRequest), &[]),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_refusal_is_understood_and_moves_on_where_it_may() {
    check(ROWS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_the_request_is_told_and_moves_on_only_where_another_model_might_do() {
    check_together(OF_THE_REQUEST).await;
}
