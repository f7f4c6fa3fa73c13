//! Who is at work on a request: one attempt, or two that race each other.

use crate::engine::Dispatched;

/// The attempts under way.
#[derive(Clone, Debug, Default)]
pub struct AtWork {
    current: Option<Dispatched>,
    beside: Option<Dispatched>,
    /// Whether the current one has ended.
    is_over: bool,
}

impl AtWork {
    /// The attempt under way, or the last one: of two that race, the one that was sent later, until one of them answers.
    #[must_use]
    pub const fn current(&self) -> Option<&Dispatched> {
        self.current.as_ref()
    }

    /// The one that races it.
    #[must_use]
    pub const fn beside(&self) -> Option<&Dispatched> {
        self.beside.as_ref()
    }

    /// An attempt was sent.
    pub fn sent(&mut self, attempt: Dispatched) {
        self.beside = self.current.replace(attempt).filter(|_| !self.is_over);
        self.is_over = false;
    }

    /// An attempt began to answer: the other one is out of the race.
    pub fn answers(&mut self, number: u32) {
        if self.beside.as_ref().is_some_and(|other| other.attempt == number) {
            self.current = self.beside.take();
        }
        self.beside = None;
    }

    /// An attempt ended; the other one goes on.
    pub fn ended(&mut self, number: u32) {
        if self.beside.as_ref().is_some_and(|other| other.attempt == number) {
            self.beside = None;
        } else if self.current.as_ref().is_some_and(|current| current.attempt == number) {
            match self.beside.take() {
                Some(other) => self.current = Some(other),
                None => self.is_over = true,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::tests::fixture;

    fn sent(numbers: &[u32]) -> AtWork {
        let decision = fixture::decision(&fixture::working(), 1, "Hello", fixture::NOW);
        let mut at_work = AtWork::default();
        for number in numbers {
            at_work.sent(Dispatched { attempt: *number, ..fixture::dispatched(&decision) });
        }
        at_work
    }

    fn numbers(at_work: &AtWork) -> (Option<u32>, Option<u32>) {
        (at_work.current().map(|one| one.attempt), at_work.beside().map(|one| one.attempt))
    }

    #[test]
    fn of_two_that_race_the_one_that_answers_stays() {
        let mut at_work = sent(&[1, 2]);
        assert_eq!(numbers(&at_work), (Some(2), Some(1)));
        at_work.answers(1);
        assert_eq!(numbers(&at_work), (Some(1), None));
        let mut at_work = sent(&[1, 2]);
        at_work.answers(2);
        assert_eq!(numbers(&at_work), (Some(2), None));
        // The end of the one that was overtaken comes later, and changes nothing.
        at_work.ended(1);
        assert_eq!(numbers(&at_work), (Some(2), None));
    }

    #[test]
    fn of_two_that_race_the_one_that_did_not_fail_goes_on() {
        for (failed, left) in [(1, 2), (2, 1)] {
            let mut at_work = sent(&[1, 2]);
            at_work.ended(failed);
            assert_eq!(numbers(&at_work), (Some(left), None));
        }
    }

    #[test]
    fn an_attempt_after_one_that_failed_races_nobody() {
        let mut at_work = sent(&[1]);
        at_work.ended(1);
        assert_eq!(numbers(&at_work), (Some(1), None), "the last one stays to be seen");
        at_work.sent(Dispatched { attempt: 2, ..at_work.current().cloned().expect("one was sent") });
        assert_eq!(numbers(&at_work), (Some(2), None));
    }
}
