//! The actor's part in learning: takes lessons in as they come, shows what they taught a few times a second, and corrects
//! them when somebody says more.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::fleet::{Fleet, Lesson, Lessons};
use crate::domain::id::{BackendId, ModelId, RequestId};
use crate::domain::learning::{Alone, Counted};
use crate::domain::time::Timestamp;

/// How often what was learnt is shown. Every snapshot shares that table, so that it is copied for each showing.
const EVERY: Duration = Duration::from_millis(250);
/// Outcomes that can still be corrected, and questions that are still remembered.
const REMEMBERED: usize = 4_096;
/// How soon after an answer the same question from the same caller says that the answer was of little use.
const SOON: Duration = Duration::from_secs(120);
/// What an answer is taken to be worth after which the same was asked again.
const ASKED_AGAIN: f32 = 0.3;

/// What the actor keeps for learning.
#[derive(Default)]
pub(super) struct Teacher {
    /// All that was learnt, ahead of what the fleet shows.
    lessons: Lessons,
    /// Whether the fleet shows less than was learnt.
    is_ahead: bool,
    shown: Option<Timestamp>,
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
    /// Goes on from what the fleet shows: at the start, and where something else than the traffic has changed that.
    pub fn follow(&mut self, fleet: &Fleet) {
        self.lessons.clone_from(&fleet.lessons);
        self.is_ahead = false;
    }

    /// Takes a lesson in.
    pub fn hear(&mut self, request: RequestId, backend: &BackendId, lesson: Lesson) {
        let Some(outcome) = lesson.outcome.clone() else { return };
        for (request, lesson) in self.alone.take(backend.as_str(), &outcome, (request, lesson)).into_iter().flatten() {
            self.is_ahead = true;
            if let Some(counted) = self.lessons.take(&lesson) {
                keep(&mut self.receipts, Receipt { request, counted, is_judged: false });
            }
        }
    }

    /// Shows what was learnt, if it is time.
    pub fn show(&mut self, fleet: &mut Arc<Fleet>, now: Timestamp) {
        if self.shown.is_none_or(|last| now.since(last) >= EVERY) {
            self.show_now(fleet, now);
        }
    }

    /// Shows what was learnt.
    pub fn show_now(&mut self, fleet: &mut Arc<Fleet>, now: Timestamp) {
        if std::mem::take(&mut self.is_ahead) {
            self.shown = Some(now);
            Arc::make_mut(fleet).lessons = Arc::new(self.lessons.clone());
        }
    }

    /// Somebody has said what the answer to a request was worth, 0 to 1.
    pub fn judge(&mut self, request: RequestId, model: &ModelId, quality: f32, now: Timestamp) {
        self.correct(request, Some(model), quality, true, now);
    }

    /// A question came: if the same caller had an answer to it a moment ago, that was of little use.
    pub fn asked(&mut self, question: u64, request: RequestId, now: Timestamp) {
        let before = self.questions.iter().rev().find(|(known, ..)| *known == question).copied();
        keep(&mut self.questions, (question, request, now));
        if let Some((_, earlier, at)) = before.filter(|(.., at)| now.since(*at) <= SOON) {
            tracing::debug!(request = %earlier, seconds = now.since(at).as_secs(), "the same was asked again");
            self.correct(earlier, None, ASKED_AGAIN, false, now);
        }
    }

    fn correct(&mut self, request: RequestId, model: Option<&ModelId>, quality: f32, is_judged: bool, now: Timestamp) {
        let is_meant =
            |one: &&mut Receipt| one.request == request && model.is_none_or(|model| one.counted.model == *model);
        let Some(receipt) = self.receipts.iter_mut().rev().find(is_meant) else { return };
        if !is_judged && (receipt.is_judged || !receipt.counted.is_silent()) {
            return;
        }
        if let Some(counted) = self.lessons.learned.judge(&receipt.counted, quality, now) {
            receipt.counted = counted;
            receipt.is_judged |= is_judged;
            self.is_ahead = true;
        }
    }
}

fn keep<T>(kept: &mut VecDeque<T>, one: T) {
    if kept.len() == REMEMBERED {
        kept.pop_front();
    }
    kept.push_back(one);
}
