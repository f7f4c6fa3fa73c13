//! Which failures say something of a model: those that stand alone.

use std::collections::HashMap;

use super::super::id::ModelId;
use super::outcome::{Outcome, Served};

/// Holds each failure back until its model has succeeded again. Several in a row are an outage, which the breakers deal with,
/// and a model that is back must not be passed over for what its host did.
#[derive(Debug)]
pub struct Alone<T> {
    /// The failures of models that have not succeeded since; nothing, where there were several.
    failed: HashMap<(String, ModelId), Option<T>>,
}

impl<T> Default for Alone<T> {
    fn default() -> Self {
        Self { failed: HashMap::new() }
    }
}

impl<T> Alone<T> {
    /// Takes an outcome of a model on a host, with what goes with it, and gives what counts by now: nothing, it alone, or a failure before it as well.
    pub fn take(&mut self, host: &str, outcome: &Outcome, with: T) -> [Option<T>; 2] {
        let key = (host.to_owned(), outcome.model.clone());
        if outcome.served == Served::Failed {
            let is_first = !self.failed.contains_key(&key);
            self.failed.insert(key, is_first.then_some(with));
            return [None, None];
        }
        [self.failed.remove(&key).flatten(), Some(with)]
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::task::Task;
    use super::super::super::tier::Tier;
    use super::super::super::time::Timestamp;
    use super::super::Kind;
    use super::*;

    #[test]
    fn a_failure_counts_once_its_model_has_succeeded_again_and_an_outage_never() {
        let outcome = |served| Outcome {
            kind: Kind::of_task(Task::Reward),
            tier: Tier::Local,
            model: "m".into(),
            served,
            quality: None,
            first_token_ms: None,
            total_ms: None,
            output_tokens: None,
            forecast_tokens: None,
            at: Timestamp(0),
        };
        let mut alone = Alone::default();
        let mut counted = Vec::new();
        for (number, served) in [
            (1, Served::Ok),
            (2, Served::Failed),
            (3, Served::Cut),
            (4, Served::Failed),
            (5, Served::Failed),
            (6, Served::Failed),
            (7, Served::Ok),
            (8, Served::Failed),
        ] {
            counted.extend(alone.take("host", &outcome(served), number).into_iter().flatten());
        }
        assert_eq!(counted, [1, 2, 3, 7]);
        // Another host's answer says nothing of this one's failure.
        assert_eq!(alone.take("other", &outcome(Served::Ok), 9), [None, Some(9)]);
    }
}
