//! The actor's part in learning: takes lessons in a few times a second, and corrects them when somebody says more.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::fleet::{Fleet, Lesson};
use crate::domain::id::{BackendId, ModelId, RequestId};
use crate::domain::learning::{Alone, Counted};
use crate::domain::time::Timestamp;

/// How often lessons are taken in. What was learnt is a table that every snapshot shares, and each change copies it.
const EVERY: Duration = Duration::from_millis(250);
/// Lessons that wait at most; beyond that they are taken in at once.
const MOST_WAITING: usize = 256;
/// Outcomes that can still be corrected, and questions that are still remembered.
const REMEMBERED: usize = 4_096;
/// How soon after an answer the same question from the same caller says that the answer was of little use.
const SOON: Duration = Duration::from_secs(120);
/// What an answer is taken to be worth after which the same was asked again.
const ASKED_AGAIN: f32 = 0.3;

/// What the actor keeps for learning.
#[derive(Default)]
pub(super) struct Teacher {
    waiting: Vec<(RequestId, Lesson)>,
    taken: Option<Timestamp>,
    /// Failures that may turn out to be an outage.
    alone: Alone<(RequestId, Lesson)>,
    receipts: VecDeque<Receipt>,
    /// Questions by a number that only this process knows how to make, with when they were asked.
    questions: VecDeque<(u64, RequestId, Timestamp)>,
}

struct Receipt {
    request: RequestId,
    counted: Counted,
    /// Whether a person has said what it was worth: no other sign has a say after that.
    is_judged: bool,
}

impl Teacher {
    /// Keeps a lesson for the next time that some are taken in.
    pub fn hear(&mut self, request: RequestId, backend: &BackendId, lesson: Lesson) {
        if let Some(outcome) = lesson.outcome.clone() {
            self.waiting.extend(self.alone.take(backend.as_str(), &outcome, (request, lesson)).into_iter().flatten());
        }
    }

    /// Takes in what has been heard, if it is time.
    pub fn teach(&mut self, fleet: &mut Arc<Fleet>, now: Timestamp) {
        let is_due = self.taken.is_none_or(|last| now.since(last) >= EVERY);
        if !self.waiting.is_empty() && (is_due || self.waiting.len() >= MOST_WAITING) {
            self.teach_now(fleet, now);
        }
    }

    fn teach_now(&mut self, fleet: &mut Arc<Fleet>, now: Timestamp) {
        self.taken = Some(now);
        let lessons = Arc::make_mut(&mut Arc::make_mut(fleet).lessons);
        for (request, lesson) in self.waiting.drain(..) {
            if let Some(counted) = lessons.take(&lesson) {
                keep(&mut self.receipts, Receipt { request, counted, is_judged: false });
            }
        }
    }

    /// Somebody has said what the answer to a request was worth, 0 to 1.
    pub fn judge(&mut self, fleet: &mut Arc<Fleet>, request: RequestId, model: &ModelId, quality: f32, now: Timestamp) {
        self.correct(fleet, request, Some(model), quality, true, now);
    }

    /// A question came: if the same caller had an answer to it a moment ago, that was of little use.
    pub fn asked(&mut self, fleet: &mut Arc<Fleet>, question: u64, request: RequestId, now: Timestamp) {
        let before = self.questions.iter().rev().find(|(known, ..)| *known == question).copied();
        keep(&mut self.questions, (question, request, now));
        if let Some((_, earlier, at)) = before.filter(|(.., at)| now.since(*at) <= SOON) {
            tracing::debug!(request = %earlier, seconds = now.since(at).as_secs(), "the same was asked again");
            self.correct(fleet, earlier, None, ASKED_AGAIN, false, now);
        }
    }

    fn correct(
        &mut self,
        fleet: &mut Arc<Fleet>,
        request: RequestId,
        model: Option<&ModelId>,
        quality: f32,
        is_judged: bool,
        now: Timestamp,
    ) {
        self.teach_now(fleet, now);
        let is_meant =
            |one: &&mut Receipt| one.request == request && model.is_none_or(|model| one.counted.model == *model);
        let Some(receipt) = self.receipts.iter_mut().rev().find(is_meant) else { return };
        if !is_judged && (receipt.is_judged || !receipt.counted.is_silent()) {
            return;
        }
        let lessons = Arc::make_mut(&mut Arc::make_mut(fleet).lessons);
        if let Some(counted) = lessons.learned.judge(&receipt.counted, quality, now) {
            receipt.counted = counted;
            receipt.is_judged |= is_judged;
        }
    }
}

fn keep<T>(kept: &mut VecDeque<T>, one: T) {
    if kept.len() == REMEMBERED {
        kept.pop_front();
    }
    kept.push_back(one);
}
