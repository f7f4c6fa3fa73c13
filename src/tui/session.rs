//! The operator's own requests: conversations, turns, and what is measured of an answer while it runs.

pub use super::turn::{Phase, Turn, TurnEvent};
use crate::domain::id::RequestId;
use crate::domain::prompt::{Message, Prompt, Role};
use crate::domain::request::Privacy;
use crate::domain::time::Timestamp;

/// Turns kept on the screen.
const TURNS: usize = 200;

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
        self.turns.push(Turn::new(key, self.conversation, question, now));
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
    use crate::engine::Progress;

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
