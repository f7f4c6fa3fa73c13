//! What was decided, done and observed, as rows: built from the engine's facts, bounded, and never moved under a reader.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::at_work::AtWork;
use crate::domain::decision::Decision;
use crate::domain::id::RequestId;
use crate::domain::judgement::Judgement;
use crate::domain::money::{Cost, CostBasis, Money};
use crate::domain::rejection::Rejection;
use crate::domain::time::Timestamp;
use crate::engine::{Attempt, Drained, Fact, Finished, HealthChange, OperatorAction, Outcome};

/// Rows kept.
const ROWS: usize = 2_000;
/// The latest rows, which are kept whole: what is looked ahead over, and what is read most.
const WHOLE: usize = 600;
/// Candidates of an older row.
const KEPT_CANDIDATES: usize = 4;

/// A request from its decision to its end.
#[derive(Clone, Debug)]
pub struct RequestRow {
    /// Which.
    pub id: RequestId,
    /// Where it went and why.
    pub decision: Arc<Decision>,
    /// Who is at work on it, or was last.
    pub at_work: AtWork,
    /// The time to first token of the attempt under way, or of the last one.
    pub first_token: Option<Duration>,
    /// Attempts that ended.
    pub attempts: Vec<Arc<Attempt>>,
    /// The end.
    pub finished: Option<Arc<Finished>>,
    /// What the answer was said to be worth.
    pub judgement: Option<Judgement>,
    /// Candidates that are not kept any more, because the row is an old one.
    pub left_out: usize,
}

impl RequestRow {
    /// Lets go of the candidates that were never tried, but for the first few: they are most of what a row holds.
    fn trim(&mut self) {
        if self.decision.candidates.len() <= KEPT_CANDIDATES {
            return;
        }
        let mut decision = (*self.decision).clone();
        let mut index = 0;
        decision.candidates.retain(|one| {
            index += 1;
            let tried = |attempt: &Arc<Attempt>| attempt.backend == one.backend && attempt.model == one.model;
            index <= KEPT_CANDIDATES || self.attempts.iter().any(tried)
        });
        decision.candidates.shrink_to_fit();
        self.left_out = self.decision.candidates.len() - decision.candidates.len();
        self.decision = Arc::new(decision);
    }

    /// What all its attempts cost together: the known part, and whether any of it is estimated or missing.
    #[must_use]
    pub fn cost(&self) -> Option<Cost> {
        if self.attempts.is_empty() {
            return None;
        }
        let known = || self.attempts.iter().map(|one| &one.cost).filter(|cost| cost.amount.is_some());
        if known().next().is_none() {
            return Some(Cost::UNKNOWN);
        }
        let amount: Money = known().filter_map(|cost| cost.amount).sum();
        let sure = known().count() == self.attempts.len() && known().all(|cost| !cost.is_estimate());
        Some(Cost::known(amount, if sure { CostBasis::Priced } else { CostBasis::Estimated }))
    }
}

/// What a row is about.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A request.
    Request(Box<RequestRow>),
    /// An operator's action.
    Operator(Arc<OperatorAction>),
    /// The end of a drain.
    Drained(Arc<Drained>),
    /// A change of health.
    Health(Arc<HealthChange>),
    /// Facts that the screen was too slow for.
    Missed(u64),
}

/// A row.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its number since the start: stays the same while older rows go.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// The number of its last change, among all changes of all rows: as long as it stays, so does what the row says.
    pub changed: u64,
    /// What.
    pub kind: Kind,
}

/// Requests of late that ended without a whole answer, for other reasons than their callers'.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unserved {
    /// How many.
    pub requests: usize,
    /// How many ended in the same time, these included.
    pub of: usize,
    /// What stood in the way of most of those that nobody could serve, and what would let them through.
    pub why: Option<(String, String)>,
}

/// How far back [`Feed::unserved`] looks.
pub const UNSERVED_WINDOW: Duration = Duration::from_secs(300);

/// The rows, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Feed {
    rows: VecDeque<Row>,
    next: u64,
    changes: u64,
}

impl Feed {
    /// The rows, oldest first.
    pub fn rows(&self) -> impl DoubleEndedIterator<Item = &Row> {
        self.rows.iter()
    }

    /// The row of a number, if it is still there.
    #[must_use]
    pub fn get(&self, number: u64) -> Option<&Row> {
        let first = self.rows.front()?.number;
        self.rows.get(usize::try_from(number.checked_sub(first)?).ok()?)
    }

    /// The number that the next row will have.
    #[must_use]
    pub const fn next_number(&self) -> u64 {
        self.next
    }

    /// Whether any request is under way.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.rows.iter().rev().take(200).any(|row| matches!(&row.kind, Kind::Request(r) if r.finished.is_none()))
    }

    /// The requests of the last minutes that nobody served; `None` where all were.
    #[must_use]
    pub fn unserved(&self, now: Timestamp) -> Option<Unserved> {
        let (mut requests, mut of) = (0, 0);
        let mut reasons: BTreeMap<&'static str, (usize, &Rejection)> = BTreeMap::new();
        for row in self.rows.iter().rev().take_while(|row| now.since(row.at) <= UNSERVED_WINDOW) {
            let Kind::Request(request) = &row.kind else { continue };
            let Some(end) = &request.finished else { continue };
            of += 1;
            if !matches!(end.outcome, Outcome::NoRoute | Outcome::Failed | Outcome::Cut) {
                continue;
            }
            requests += 1;
            if let Some(reason) = request.decision.obstacle().filter(|_| end.outcome == Outcome::NoRoute) {
                reasons.entry(reason.code()).or_insert((0, reason)).0 += 1;
            }
        }
        let most = reasons.into_values().max_by_key(|(count, _)| *count);
        let why = most.map(|(_, reason)| (reason.to_string(), reason.remedy()));
        (requests > 0).then_some(Unserved { requests, of, why })
    }

    /// Some facts were missed.
    pub fn missed(&mut self, count: u64, now: Timestamp) {
        self.push(now, Kind::Missed(count));
    }

    /// A fact came in.
    pub fn take(&mut self, fact: Fact) {
        match fact {
            Fact::Decided(decision) => {
                let (id, at) = (decision.request, decision.at);
                let row = RequestRow {
                    id,
                    decision,
                    at_work: AtWork::default(),
                    first_token: None,
                    attempts: Vec::new(),
                    finished: None,
                    judgement: None,
                    left_out: 0,
                };
                self.push(at, Kind::Request(Box::new(row)));
            }
            Fact::Dispatched(sent) => self.on_request(sent.request, |row| {
                row.first_token = None;
                row.at_work.sent(sent);
            }),
            Fact::FirstToken { request, attempt, after } => self.on_request(request, |row| {
                row.at_work.answers(attempt);
                row.first_token = Some(after);
            }),
            Fact::Attempted(attempt) => self.on_request(attempt.request, |row| {
                row.at_work.ended(attempt.number);
                if row.at_work.current().is_none_or(|current| current.attempt == attempt.number) {
                    row.first_token = attempt.first_token;
                }
                row.attempts.push(attempt);
            }),
            Fact::Finished(finished) => self.on_request(finished.request, |row| {
                // Where attempts were missed, the end brings all of them.
                row.attempts.clone_from(&finished.attempts);
                row.first_token = finished.attempts.last().and_then(|last| last.first_token);
                row.finished = Some(finished);
            }),
            Fact::Operator(action) => {
                if let Some((request, judgement)) = action.judged {
                    self.on_request(request, |row| row.judgement = Some(judgement));
                }
                self.push(action.at, Kind::Operator(action));
            }
            Fact::Drained(drained) => self.push(drained.at, Kind::Drained(drained)),
            Fact::Health(change) => self.push(change.at, Kind::Health(change)),
        }
    }

    fn on_request(&mut self, id: RequestId, change: impl FnOnce(&mut RequestRow)) {
        self.changes += 1;
        // Requests in flight are among the latest rows.
        for row in self.rows.iter_mut().rev() {
            if let Kind::Request(request) = &mut row.kind
                && request.id == id
            {
                change(request);
                row.changed = self.changes;
                return;
            }
        }
    }

    fn push(&mut self, at: Timestamp, kind: Kind) {
        if self.rows.len() == ROWS {
            self.rows.pop_front();
        }
        if let Some(index) = self.rows.len().checked_sub(WHOLE)
            && let Kind::Request(row) = &mut self.rows[index].kind
        {
            row.trim();
        }
        self.changes += 1;
        self.rows.push_back(Row { number: self.next, at, changed: self.changes, kind });
        self.next += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Finish;
    use crate::tui::tests::fixture;

    #[test]
    fn old_rows_keep_what_was_tried_and_let_go_of_the_rest() {
        let snapshot = fixture::working();
        let decision = fixture::decision(&snapshot, 1, "Write a function", Timestamp(0));
        let whole = decision.candidates.len();
        let mut feed = Feed::default();
        feed.take(Fact::Decided(Arc::clone(&decision)));
        let last = fixture::attempt(&decision, u32::try_from(whole).expect("few"), Ok(Finish::Stop));
        feed.take(Fact::Attempted(Arc::clone(&last)));
        let row = |feed: &Feed| match &feed.get(0).expect("it is kept").kind {
            Kind::Request(row) => (**row).clone(),
            _ => panic!("a request"),
        };
        for count in 0..WHOLE as u64 {
            assert_eq!(row(&feed).left_out, 0, "after {count} others");
            feed.missed(count, Timestamp(0));
        }
        let row = row(&feed);
        assert_eq!(row.left_out, whole - KEPT_CANDIDATES - 1);
        assert_eq!(row.decision.chosen(), decision.chosen());
        assert!(row.decision.candidates.iter().any(|one| one.model == last.model && one.backend == last.backend));
        assert_eq!(row.decision.headline(), decision.headline());
    }

    #[test]
    fn numbers_stay_while_old_rows_go() {
        let mut feed = Feed::default();
        for count in 0..2_500 {
            feed.missed(count, Timestamp(0));
        }
        assert_eq!(feed.rows().count(), ROWS);
        assert!(feed.get(499).is_none());
        for number in [500, 1_234, 2_499] {
            let row = feed.get(number).expect("still there");
            assert!(matches!(row.kind, Kind::Missed(count) if count == number));
        }
        assert!(feed.get(2_500).is_none());
    }

    #[test]
    fn the_end_of_a_request_brings_what_was_missed_on_the_way() {
        use crate::provider::Finish;
        use crate::tui::tests::fixture;

        let decision = fixture::decision(&fixture::working(), 1, "Hello", fixture::NOW);
        let attempt = fixture::attempt(&decision, 1, Ok(Finish::Stop));
        let mut feed = Feed::default();
        feed.take(Fact::Decided(Arc::clone(&decision)));
        feed.take(fixture::finished(&decision, vec![Arc::clone(&attempt)], crate::engine::Outcome::Answered));
        let Some(Kind::Request(row)) = feed.get(0).map(|row| &row.kind) else { panic!("a request") };
        assert_eq!((row.attempts.len(), row.first_token), (1, attempt.first_token));
    }
}
