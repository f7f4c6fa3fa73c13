//! One prompt and its answer: how far it is, what was measured of it, and its rows on the screen.

use std::sync::Arc;
use std::time::Duration;

use super::at_work::AtWork;
use super::text;
use crate::domain::decision::Decision;
use crate::domain::id::RequestId;
use crate::domain::money::{Cost, CostBasis};
use crate::domain::time::Timestamp;
use crate::engine::{Attempt, CallError, Ending, Progress, Snapshot};

/// Bytes of text per token, for the rate of an answer whose usage is not known yet.
const BYTES_PER_TOKEN: usize = 4;
/// Bytes of an unfinished line that are wrapped anew with every piece.
const OPEN_LINE: usize = 8 * 1024;
/// What a request's task tells the loop.
pub enum TurnEvent {
    /// It was decided where it goes.
    Decided(Arc<Decision>),
    /// Something happened on the way.
    Progress(Progress),
    /// It never got on its way.
    Refused(CallError),
}

/// How far a turn is.
#[derive(Clone, Debug)]
pub enum Phase {
    /// Sent; no decision yet.
    Asking,
    /// Decided, attempts under way, no token yet.
    Waiting,
    /// The answer arrives.
    Streaming,
    /// Whole.
    Whole(Arc<Ending>),
    /// Without an answer, or with a part of one.
    Broken(String),
    /// Interrupted.
    Interrupted,
}

/// A prompt and its answer.
pub struct Turn {
    /// Names the turn for the tasks that feed it.
    pub key: u64,
    /// Which conversation.
    pub conversation: u32,
    /// Which comparison it is a part of. It joins the conversation when it was said to be the better answer.
    pub comparison: Option<usize>,
    /// What was asked.
    pub question: String,
    /// When it was sent.
    pub sent: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Where it goes and why.
    pub decision: Option<Arc<Decision>>,
    /// Who is at work on it, or was last.
    pub at_work: AtWork,
    /// Attempts that failed.
    pub failed: Vec<Arc<Attempt>>,
    /// From dispatch to the first token.
    pub first_token: Option<Duration>,
    /// How far it is.
    pub phase: Phase,
    /// Bytes of reasoning so far.
    pub thinking: usize,
    /// Names of tools that the model asks for.
    pub tools: Vec<String>,
    /// The answer as it came: for the conversation and for copying.
    pub answer: String,
    /// The answer as it is shown, in rows of `wrapped_at` columns; those of finished lines do not change any more.
    rows: Vec<String>,
    settled_rows: usize,
    settled_bytes: usize,
    wrapped_at: usize,
}

impl Turn {
    /// A turn that was sent just now.
    pub(super) fn new(key: u64, conversation: u32, question: String, now: Timestamp) -> Self {
        Self {
            key,
            conversation,
            comparison: None,
            question,
            sent: now,
            ended: None,
            decision: None,
            at_work: AtWork::default(),
            failed: Vec::new(),
            first_token: None,
            phase: Phase::Asking,
            thinking: 0,
            tools: Vec::new(),
            answer: String::new(),
            rows: Vec::new(),
            settled_rows: 0,
            settled_bytes: 0,
            wrapped_at: 0,
        }
    }

    /// Whether it is still under way.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Asking | Phase::Waiting | Phase::Streaming)
    }

    /// The request's id.
    #[must_use]
    pub fn request(&self) -> Option<RequestId> {
        self.decision.as_ref().map(|decision| decision.request)
    }

    /// Since it was sent, up to its end.
    #[must_use]
    pub fn elapsed(&self, now: Timestamp) -> Duration {
        self.ended.unwrap_or(now).since(self.sent)
    }

    /// Tokens so far, and whether that is an estimate.
    #[must_use]
    pub fn tokens(&self) -> (u64, bool) {
        match &self.phase {
            Phase::Whole(ending) if ending.usage.is_some() => (ending.usage.map_or(0, |usage| usage.output), false),
            _ => (((self.answer.len() + self.thinking).div_ceil(BYTES_PER_TOKEN)) as u64, true),
        }
    }

    /// Tokens per second after the first token, and whether that is an estimate. `None` before there is a rate.
    #[must_use]
    pub fn rate(&self, now: Timestamp) -> Option<(f64, bool)> {
        let (tokens, estimated) = self.tokens();
        let attempt = self.at_work.current()?;
        let since_dispatch = self.ended.unwrap_or(now).since(attempt.at);
        let streaming = since_dispatch.saturating_sub(self.first_token?).as_secs_f64();
        // A rate over a blink says nothing.
        #[expect(clippy::cast_precision_loss, reason = "display only")]
        (streaming > 0.25 && tokens > 0).then(|| (tokens as f64 / streaming, estimated))
    }

    /// What it costs so far; an estimate until the end.
    #[must_use]
    pub fn cost(&self, snapshot: Option<&Snapshot>, now: Timestamp) -> Cost {
        if let Phase::Whole(ending) = &self.phase {
            return ending.cost;
        }
        let predicted = || {
            let attempt = self.at_work.current()?;
            let model = snapshot?.fleet.backend(&attempt.backend)?.model(&attempt.model)?;
            let input = u64::from(self.decision.as_ref()?.analysis.input_tokens);
            let held = self.ended.unwrap_or(now).since(attempt.at);
            model.spec.pricing.predict(input, self.tokens().0, held, now)
        };
        predicted().map_or(Cost::UNKNOWN, |amount| Cost::known(amount, CostBasis::Estimated))
    }

    pub(super) fn take(&mut self, event: TurnEvent, now: Timestamp) {
        // What was on its way when the operator interrupted still arrives; it must not open the turn again.
        if !self.is_open() {
            return;
        }
        match event {
            TurnEvent::Decided(decision) => {
                self.decision = Some(decision);
                self.phase = Phase::Waiting;
            }
            TurnEvent::Refused(error) => {
                if let CallError::NoRoute(decision) = &error {
                    self.decision = Some(Arc::clone(decision));
                }
                self.end(broken(&error), now);
            }
            TurnEvent::Progress(progress) => self.progress(progress, now),
        }
    }

    fn progress(&mut self, progress: Progress, now: Timestamp) {
        match progress {
            Progress::Attempting(attempt) => {
                self.at_work.sent(attempt);
                self.take_back();
            }
            Progress::FirstToken { attempt, after } => {
                self.at_work.answers(attempt);
                self.first_token = Some(after);
                self.phase = Phase::Streaming;
            }
            Progress::Text(piece) => {
                self.answer.push_str(&piece);
                self.phase = Phase::Streaming;
            }
            Progress::Thinking(piece) => {
                self.thinking += piece.len();
                self.phase = Phase::Streaming;
            }
            Progress::ToolCall(call) => self.tools.push(text::sanitise_line(&call.name)),
            Progress::AttemptFailed(attempt) => {
                self.at_work.ended(attempt.number);
                self.failed.push(attempt);
                self.phase = Phase::Waiting;
            }
            Progress::Ended(Ok(ending)) => {
                self.first_token = ending.first_token;
                self.end(Phase::Whole(ending), now);
            }
            Progress::Ended(Err(error)) => self.end(broken(&error), now),
        }
    }

    /// Clears what an attempt had said that broke off: the next one begins anew. Until then it stays, as a part of an answer
    /// is better than none.
    fn take_back(&mut self) {
        self.first_token = None;
        self.thinking = 0;
        self.tools.clear();
        self.answer.clear();
        self.rows.clear();
        (self.settled_rows, self.settled_bytes) = (0, 0);
    }

    pub(super) fn end(&mut self, phase: Phase, now: Timestamp) {
        if self.is_open() {
            self.phase = phase;
            self.ended = Some(now);
        }
    }

    /// The answer in rows of a width. Only what is new is wrapped again.
    pub fn rows(&mut self, columns: usize) -> &[String] {
        if self.wrapped_at != columns {
            (self.rows, self.settled_rows, self.settled_bytes) = (Vec::new(), 0, 0);
            self.wrapped_at = columns;
        }
        self.rows.truncate(self.settled_rows);
        let fresh = &self.answer[self.settled_bytes..];
        if let Some(end) = fresh.rfind('\n') {
            for line in text::sanitise(&fresh[..end]).split('\n') {
                self.rows.extend(text::wrap(line, columns));
            }
            self.settled_rows = self.rows.len();
            self.settled_bytes += end + 1;
        }
        // A line without an end would be wrapped anew with every piece: what is far behind its end counts as finished.
        while let Some(part) = front(&self.answer[self.settled_bytes..]) {
            self.rows.extend(text::wrap(&text::sanitise(part).replace('\n', " "), columns));
            self.settled_rows = self.rows.len();
            self.settled_bytes += part.len();
        }
        let open = &self.answer[self.settled_bytes..];
        if !open.is_empty() {
            self.rows.extend(text::sanitise(open).split('\n').flat_map(|line| text::wrap(line, columns)));
        }
        &self.rows
    }
}

/// The front of a line that is too long to be wrapped again and again, up to a blank if there is one.
fn front(line: &str) -> Option<&str> {
    if line.len() <= OPEN_LINE {
        return None;
    }
    let part = &line[..line.floor_char_boundary(OPEN_LINE / 2)];
    Some(part.rfind(' ').map_or(part, |at| &part[..=at]))
}

fn broken(error: &CallError) -> Phase {
    match error {
        CallError::Cancelled => Phase::Interrupted,
        // The rejections stand in the decision beside it.
        CallError::NoRoute(decision) => Phase::Broken(decision.headline()),
        CallError::AllFailed { .. }
        | CallError::Cut(_)
        | CallError::Busy { .. }
        | CallError::ShuttingDown
        | CallError::Defect => Phase::Broken(text::sanitise_line(&error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::failure::{Failure, FailureClass};
    use crate::engine::Dispatched;
    use crate::tui::tests::fixture;

    #[test]
    fn rows_grow_as_the_answer_does_and_never_differ_from_wrapping_it_whole() {
        let mut turn = Turn::new(0, 0, "q".to_owned(), Timestamp(0));
        let pieces = ["Hello ", "wor", "ld, this is\na longer", " answer\n\nwith ", "an end"];
        let mut whole = String::new();
        for piece in pieces {
            whole.push_str(piece);
            turn.take(TurnEvent::Progress(Progress::Text(piece.to_owned())), Timestamp(1));
            let expected: Vec<String> = whole.split('\n').flat_map(|line| text::wrap(line, 9)).collect();
            assert_eq!(turn.rows(9), expected);
        }
        let expected: Vec<String> = whole.split('\n').flat_map(|line| text::wrap(line, 30)).collect();
        assert_eq!(turn.rows(30), expected);
    }

    #[test]
    fn a_line_without_end_is_not_wrapped_again_and_again() {
        let mut turn = Turn::new(0, 0, "q".to_owned(), Timestamp(0));
        let mut told = 0;
        for piece in 0..2_000 {
            let text = if piece % 2 == 0 { "x".repeat(700) } else { " words and words ".repeat(20) };
            told += text.matches('x').count();
            turn.take(TurnEvent::Progress(Progress::Text(text)), Timestamp(1));
            turn.rows(80);
            assert!(turn.answer.len() - turn.settled_bytes <= OPEN_LINE);
        }
        let rows = turn.rows(80);
        assert!(rows.iter().all(|row| text::width(row) <= 80));
        assert_eq!(rows.iter().map(|row| row.matches('x').count()).sum::<usize>(), told);
    }

    #[test]
    fn what_broke_off_stays_until_the_next_attempt_begins_anew() {
        let decision = fixture::decision(&fixture::working(), 1, "q", Timestamp(0));
        let sent = |attempt| Dispatched { attempt, ..fixture::dispatched(&decision) };
        let failed = Attempt {
            delivered: true,
            ..(*fixture::attempt(&decision, 1, Err(Failure::new(FailureClass::Truncated, "broke")))).clone()
        };
        let mut turn = Turn::new(0, 0, "q".to_owned(), Timestamp(0));
        let tell = |turn: &mut Turn, progress| turn.take(TurnEvent::Progress(progress), Timestamp(1));
        tell(&mut turn, Progress::Attempting(sent(1)));
        tell(&mut turn, Progress::FirstToken { attempt: 1, after: Duration::from_millis(5) });
        tell(&mut turn, Progress::Thinking("hm".to_owned()));
        tell(&mut turn, Progress::Text("one\ntwo".to_owned()));
        assert_eq!(turn.rows(20), ["one", "two"]);
        tell(&mut turn, Progress::AttemptFailed(Arc::new(failed)));
        assert_eq!(turn.rows(20), ["one", "two"]);
        tell(&mut turn, Progress::Attempting(sent(2)));
        assert_eq!((turn.rows(20).len(), turn.thinking, turn.first_token), (0, 0, None));
        tell(&mut turn, Progress::Text("three".to_owned()));
        assert_eq!(turn.rows(20), ["three"]);
        assert_eq!(turn.answer, "three");
    }
}
