//! The retries that one tier takes, all requests together.

use serde::Serialize;

use super::time::Timestamp;

/// A budget of further attempts, beyond the first failover of each request. While most requests are answered at the first try it is full and nobody notices it; when
/// they fail by the hundred, failing over must not double the load on the tier that still stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RetryBudget {
    /// In thousandths of an attempt, so that halves and the passing of time are counted exactly.
    thousandths: u32,
    as_of: Timestamp,
}

const ONE: u32 = 1_000;
/// A burst of failures as a restart of a busy service makes it.
const MOST: u32 = 50 * ONE;
/// What a request's first attempt brings in: one retry for every two requests is more than a good hour needs, and adds at
/// most half to the load of a bad one.
const PER_REQUEST: u32 = ONE / 2;

impl Default for RetryBudget {
    fn default() -> Self {
        Self { thousandths: MOST, as_of: Timestamp(0) }
    }
}

impl RetryBudget {
    /// A request made its first attempt on the tier.
    pub fn deposit(&mut self, now: Timestamp) {
        self.refill(now);
        self.thousandths = (self.thousandths + PER_REQUEST).min(MOST);
    }

    /// Whether one more retry is there at this time.
    #[must_use]
    pub fn is_enough(mut self, now: Timestamp) -> bool {
        self.draw(now)
    }

    /// Takes one retry. Returns whether there was one.
    pub fn draw(&mut self, now: Timestamp) -> bool {
        self.refill(now);
        let left = self.thousandths.checked_sub(ONE);
        self.thousandths = left.unwrap_or(self.thousandths);
        left.is_some()
    }

    /// One retry comes back each second, a thousandth each millisecond: after a quiet minute there is always one.
    fn refill(&mut self, now: Timestamp) {
        let back = u32::try_from(now.since(self.as_of).as_millis()).unwrap_or(u32::MAX);
        self.thousandths = self.thousandths.saturating_add(back).min(MOST);
        self.as_of = now;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn drawn(budget: &mut RetryBudget, now: Timestamp) -> usize {
        (0..).take_while(|_| budget.draw(now)).count()
    }

    #[test]
    fn a_burst_is_covered_and_then_every_second_request_brings_one_retry() {
        let mut budget = RetryBudget::default();
        let now = Timestamp(1_000_000);
        assert_eq!(drawn(&mut budget, now), 50);
        assert!(!budget.is_enough(now));
        (0..10).for_each(|_| budget.deposit(now));
        assert_eq!(drawn(&mut budget, now), 5);
    }

    #[test]
    fn a_quiet_second_brings_one_back_and_a_quiet_hour_no_more_than_there_is_room_for() {
        let mut budget = RetryBudget::default();
        drawn(&mut budget, Timestamp(0));
        assert_eq!(drawn(&mut budget, Timestamp(999)), 0);
        assert_eq!(drawn(&mut budget, Timestamp(1_000)), 1);
        assert_eq!(drawn(&mut budget, Timestamp(3_601_000)), 50);
        // A clock that is set back brings nothing, and does not stop the refill for ever.
        assert_eq!(drawn(&mut budget, Timestamp(0)), 0);
        assert_eq!(drawn(&mut budget, Timestamp(2_000)), 2);
    }

    proptest! {
        /// Whatever happens in whatever order, no more retries pass than the burst, the requests and the time brought in.
        #[test]
        fn no_more_passes_than_was_given(steps in proptest::collection::vec((any::<bool>(), 0_i64..3_000), 0..400)) {
            let (mut budget, mut now) = (RetryBudget::default(), Timestamp(0));
            let (mut passed, mut requests) = (0_u64, 0_u64);
            for (is_retry, later) in steps {
                now = Timestamp(now.0 + later);
                if is_retry {
                    let promised = budget.is_enough(now);
                    let drawn = budget.draw(now);
                    prop_assert_eq!(promised, drawn);
                    passed += u64::from(drawn);
                } else {
                    budget.deposit(now);
                    requests += 1;
                }
                let given = u64::from(MOST) + requests * u64::from(PER_REQUEST) + now.since(Timestamp(0)).as_millis() as u64;
                prop_assert!(passed * u64::from(ONE) <= given);
            }
        }
    }
}
