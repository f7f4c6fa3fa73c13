//! The operator's own requests: conversations, turns, and what is measured of an answer while it runs.

use std::sync::Arc;
use std::time::Duration;

use super::text;
use crate::domain::decision::Decision;
use crate::domain::id::RequestId;
use crate::domain::money::Cost;
use crate::domain::money::CostBasis;
use crate::domain::prompt::{Message, Prompt, Role};
use crate::domain::request::Privacy;
use crate::domain::time::Timestamp;
use crate::engine::{Attempt, CallError, Dispatched, Ending, Progress, Snapshot};

/// Bytes of text per token, for the rate of an answer whose usage is not known yet.
const BYTES_PER_TOKEN: usize = 4;
/// Bytes of an unfinished line that are wrapped anew with every piece.
const OPEN_LINE: usize = 8 * 1024;
/// Turns kept on the screen.
const TURNS: usize = 200;

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
    /// The attempt under way, or the last one.
    pub attempt: Option<Dispatched>,
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
        let attempt = self.attempt.as_ref()?;
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
            let attempt = self.attempt.as_ref()?;
            let model = snapshot?.fleet.backend(&attempt.backend)?.model(&attempt.model)?;
            let input = u64::from(self.decision.as_ref()?.analysis.input_tokens);
            let held = self.ended.unwrap_or(now).since(attempt.at);
            model.spec.pricing.predict(input, self.tokens().0, held, now)
        };
        predicted().map_or(Cost::UNKNOWN, |amount| Cost::known(amount, CostBasis::Estimated))
    }

    fn take(&mut self, event: TurnEvent, now: Timestamp) {
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
                self.attempt = Some(attempt);
                self.first_token = None;
            }
            Progress::FirstToken(after) => {
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

    fn end(&mut self, phase: Phase, now: Timestamp) {
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
        CallError::AllFailed(_)
        | CallError::Cut(_)
        | CallError::Busy { .. }
        | CallError::ShuttingDown
        | CallError::Defect => Phase::Broken(text::sanitise_line(&error.to_string())),
    }
}

/// One prompt asked of several tiers at once.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Its turns, by their keys.
    pub turns: Vec<u64>,
    /// Which of them was said to be the better one.
    pub better: Option<u64>,
}

fn asked_in_private(turn: &Turn) -> bool {
    turn.decision.as_ref().is_some_and(|decision| decision.constraints.privacy == Privacy::High)
}

/// All turns, oldest first.
#[derive(Default)]
pub struct Session {
    /// The turns.
    pub turns: Vec<Turn>,
    /// The comparisons, oldest first.
    pub comparisons: Vec<Comparison>,
    conversation: u32,
    next: u64,
}

impl Session {
    /// The conversation that the next prompt belongs to, from 0.
    #[must_use]
    pub const fn conversation(&self) -> u32 {
        self.conversation
    }

    /// Whole turns that the next prompt builds upon.
    #[must_use]
    pub fn context(&self) -> usize {
        self.in_conversation().count()
    }

    fn in_conversation(&self) -> impl Iterator<Item = &Turn> {
        self.turns.iter().filter(|turn| {
            turn.conversation == self.conversation && self.is_told(turn) && matches!(turn.phase, Phase::Whole(_))
        })
    }

    /// Whether a turn belongs to the talk: answers under comparison do only once one of them was chosen.
    #[must_use]
    pub fn is_told(&self, turn: &Turn) -> bool {
        let chosen = |index: usize| self.comparisons.get(index).and_then(|comparison| comparison.better);
        turn.comparison.is_none_or(|index| chosen(index) == Some(turn.key))
    }

    /// Opens a turn for each of several tiers. Returns their keys.
    pub fn open_comparison(&mut self, question: &str, tiers: usize, now: Timestamp) -> Vec<u64> {
        let index = self.comparisons.len();
        let turns: Vec<u64> = (0..tiers).map(|_| self.open(question.to_owned(), now)).collect();
        for turn in self.turns.iter_mut().filter(|turn| turns.contains(&turn.key)) {
            turn.comparison = Some(index);
        }
        self.comparisons.push(Comparison { turns: turns.clone(), better: None });
        turns
    }

    /// The turn of a key.
    #[must_use]
    pub fn turn(&self, key: u64) -> Option<&Turn> {
        self.turns.iter().find(|turn| turn.key == key)
    }

    /// The turn of a request.
    #[must_use]
    pub fn of_request(&self, request: RequestId) -> Option<&Turn> {
        self.turns.iter().find(|turn| turn.request() == Some(request))
    }

    /// Starts a new conversation; the old one stays on the screen.
    pub fn start_anew(&mut self) {
        self.conversation += 1;
    }

    /// The prompt that a question makes with the conversation before it. Answers that broke off are left out.
    #[must_use]
    pub fn prompt(&self, question: &str) -> Prompt {
        prompt(self.in_conversation(), question)
    }

    /// The prompt that a turn's question makes with what was told before it in its conversation.
    #[must_use]
    pub fn prompt_of(&self, key: u64) -> Prompt {
        let Some(asked) = self.turn(key) else { return Prompt::default() };
        let before = |turn: &&Turn| {
            turn.key < key
                && turn.conversation == asked.conversation
                && self.is_told(turn)
                && matches!(turn.phase, Phase::Whole(_))
        };
        prompt(self.turns.iter().filter(before), &asked.question)
    }

    /// Whether anything of the talk was asked in private: it goes along with the next prompt, which must then stay as well.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.in_conversation().any(asked_in_private)
    }

    /// The same of a turn and of the talk before it.
    #[must_use]
    pub fn was_private(&self, key: u64) -> bool {
        let Some(asked) = self.turn(key) else { return false };
        let before = |turn: &&Turn| turn.key <= key && turn.conversation == asked.conversation;
        self.turns.iter().filter(before).any(asked_in_private)
    }

    /// Opens a turn. Returns its key.
    pub fn open(&mut self, question: String, now: Timestamp) -> u64 {
        let key = self.next;
        self.next += 1;
        if self.turns.len() >= TURNS
            && let Some(index) = self.turns.iter().position(|turn| !turn.is_open())
        {
            self.turns.remove(index);
        }
        self.turns.push(Turn {
            key,
            conversation: self.conversation,
            comparison: None,
            question,
            sent: now,
            ended: None,
            decision: None,
            attempt: None,
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
        });
        key
    }

    /// Feeds a turn.
    pub fn take(&mut self, key: u64, event: TurnEvent, now: Timestamp) {
        if let Some(turn) = self.turns.iter_mut().find(|turn| turn.key == key) {
            turn.take(event, now);
        }
    }

    /// Marks a turn as interrupted.
    pub fn interrupt(&mut self, key: u64, now: Timestamp) {
        if let Some(turn) = self.turns.iter_mut().find(|turn| turn.key == key) {
            turn.end(Phase::Interrupted, now);
        }
    }

    /// The latest turn still under way.
    #[must_use]
    pub fn newest_open(&self) -> Option<&Turn> {
        self.turns.iter().rev().find(|turn| turn.is_open())
    }

    /// Turns still under way.
    #[must_use]
    pub fn open_count(&self) -> usize {
        self.turns.iter().filter(|turn| turn.is_open()).count()
    }

    /// The latest answer, whole or not.
    #[must_use]
    pub fn last_answer(&self) -> Option<&str> {
        self.turns.iter().rev().map(|turn| turn.answer.as_str()).find(|answer| !answer.is_empty())
    }
}

/// Whole turns with a question behind them.
fn prompt<'a>(told: impl Iterator<Item = &'a Turn>, question: &str) -> Prompt {
    let mut messages = Vec::new();
    for turn in told {
        messages.push(Message::text(Role::User, turn.question.clone()));
        messages.push(Message::text(Role::Assistant, turn.answer.clone()));
    }
    messages.push(Message::text(Role::User, question));
    Prompt { messages, ..Prompt::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_grow_as_the_answer_does_and_never_differ_from_wrapping_it_whole() {
        let mut session = Session::default();
        let key = session.open("q".to_owned(), Timestamp(0));
        let pieces = ["Hello ", "wor", "ld, this is\na longer", " answer\n\nwith ", "an end"];
        let mut whole = String::new();
        for piece in pieces {
            whole.push_str(piece);
            session.take(key, TurnEvent::Progress(Progress::Text(piece.to_owned())), Timestamp(1));
            let expected: Vec<String> = whole.split('\n').flat_map(|line| text::wrap(line, 9)).collect();
            assert_eq!(session.turns[0].rows(9), expected);
        }
        let expected: Vec<String> = whole.split('\n').flat_map(|line| text::wrap(line, 30)).collect();
        assert_eq!(session.turns[0].rows(30), expected);
    }

    #[test]
    fn a_line_without_end_is_not_wrapped_again_and_again() {
        let mut session = Session::default();
        let key = session.open("q".to_owned(), Timestamp(0));
        let mut told = 0;
        for piece in 0..2_000 {
            let text = if piece % 2 == 0 { "x".repeat(700) } else { " words and words ".repeat(20) };
            told += text.matches('x').count();
            session.take(key, TurnEvent::Progress(Progress::Text(text)), Timestamp(1));
            let turn = &mut session.turns[0];
            turn.rows(80);
            assert!(turn.answer.len() - turn.settled_bytes <= OPEN_LINE);
        }
        let rows = session.turns[0].rows(80);
        assert!(rows.iter().all(|row| text::width(row) <= 80));
        assert_eq!(rows.iter().map(|row| row.matches('x').count()).sum::<usize>(), told);
    }

    #[test]
    fn an_interrupted_answer_is_no_part_of_the_conversation() {
        let mut session = Session::default();
        let key = session.open("first".to_owned(), Timestamp(0));
        session.take(key, TurnEvent::Progress(Progress::Text("half".to_owned())), Timestamp(1));
        session.interrupt(key, Timestamp(2));
        session.take(key, TurnEvent::Progress(Progress::Text(" late".to_owned())), Timestamp(3));
        assert_eq!(session.turns[0].answer, "half");
        assert_eq!(session.prompt("second").messages.len(), 1);
        assert!(matches!(session.turns[0].phase, Phase::Interrupted));
    }

    #[test]
    fn what_is_asked_again_has_the_talk_before_it_and_no_more() {
        let mut session = Session::default();
        let whole = |session: &mut Session, question: &str| {
            let key = session.open(question.to_owned(), Timestamp(0));
            let turn = session.turns.last_mut().expect("a turn");
            turn.answer = "an answer".to_owned();
            let decision =
                crate::tui::tests::fixture::decision(&crate::tui::tests::fixture::working(), 1, question, Timestamp(0));
            let Progress::Ended(Ok(ending)) = crate::tui::tests::ending(&decision) else { panic!("an end") };
            turn.phase = Phase::Whole(ending);
            key
        };
        let (first, second) = (whole(&mut session, "first"), whole(&mut session, "second"));
        whole(&mut session, "third");
        assert_eq!(session.prompt_of(first).messages.len(), 1);
        assert_eq!(session.prompt_of(second).messages.len(), 3);
        // A new conversation does not change where the old question stood.
        session.start_anew();
        assert_eq!(session.prompt_of(second).messages.len(), 3);
        assert_eq!(session.prompt("fourth").messages.len(), 1);
    }
}
