//! Broken: no answer, or something that is not a whole one.

use llm_call::domain::failure::FailureClass as Class;

use super::harness::Wire::{Anthropic, Balancer, Gemini, Litellm, Openai, Queue, Worker};
use super::table::{BOTH, Comes, Row, STREAMED, WHOLE, check, row};

use Comes::{Nothing, Part, Well};

const ROWS: &[Row] = &[
    row("down", Nothing(Class::Unreachable), &[]),
    row("no-listener", Nothing(Class::Unreachable), &[]),
    row("reset", Nothing(Class::Unreachable), &[]),
    row("silent", Nothing(Class::Silent), &[]),
    row("silent-after-head", Nothing(Class::Silent), &[]),
    row("pings-only", Nothing(Class::Silent), &[]),
    Row { fault: "cut 3", streamed: Part(Class::Truncated), whole: Nothing(Class::Truncated), but: &[] },
    row("cut 0", Nothing(Class::Truncated), &[]),
    Row { fault: "reset-mid 3", streamed: Part(Class::Truncated), whole: Nothing(Class::Truncated), but: &[] },
    row("cut-in-character", Nothing(Class::Truncated), &[]),
    Row { fault: "stall 3", streamed: Part(Class::Stalled), whole: Nothing(Class::Silent), but: &[] },
    Row {
        fault: "truncated 3",
        streamed: Part(Class::Truncated),
        whole: Nothing(Class::Garbled),
        but: &[(&[Queue], STREAMED, Part(Class::ServerError)), (&[Queue], WHOLE, Nothing(Class::ServerError))],
    },
    Row {
        fault: "no-end-mark",
        streamed: Part(Class::Truncated),
        whole: Well,
        but: &[
            // They have said why they stopped by then.
            (&[Openai, Litellm, Worker, Balancer], STREAMED, Well),
            (&[Queue], STREAMED, Part(Class::ServerError)),
            (&[Queue], WHOLE, Nothing(Class::ServerError)),
        ],
    },
    Row {
        fault: "endless",
        streamed: Part(Class::Garbled),
        whole: Nothing(Class::Garbled),
        but: &[(&[Queue], STREAMED, Nothing(Class::Garbled))],
    },
    Row {
        fault: "error-inside 3",
        streamed: Part(Class::ServerError),
        whole: Nothing(Class::ServerError),
        but: &[(&[Anthropic, Gemini], STREAMED, Part(Class::Overloaded))],
    },
    row("error-inside 0", Nothing(Class::ServerError), &[(&[Anthropic, Gemini], STREAMED, Nothing(Class::Overloaded))]),
    row(
        "half-json",
        Nothing(Class::Garbled),
        &[
            // Of an event stream's last event, only a whole one counts.
            (&[Anthropic, Openai, Litellm, Gemini, Worker, Balancer], STREAMED, Nothing(Class::Truncated)),
        ],
    ),
    row("bad-utf8", Nothing(Class::Garbled), &[]),
    row("garbage", Nothing(Class::Garbled), &[]),
    row("wrong-type", Nothing(Class::Garbled), &[(&[Queue], BOTH, Well)]),
    row("empty", Nothing(Class::Empty), &[]),
    row("huge-line 9", Nothing(Class::Garbled), &[]),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_breaks_is_never_shown_as_whole_and_moves_on_while_nothing_is_delivered() {
    check(ROWS).await;
}
