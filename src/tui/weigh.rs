//! A second word before a prompt is sent that may cost much: the first enter says what it may cost, the second sends it.

use super::app::App;
use crate::domain::decision::Decision;
use crate::domain::money::Money;
use crate::domain::request::Constraints;
use crate::domain::tier::Tier;

/// What was typed when enter was pressed.
#[derive(Clone, Debug)]
pub struct Typing {
    /// The line as it was typed, with its slash commands.
    pub typed: String,
    /// The text that is sent.
    pub text: String,
    /// What is demanded of the answer.
    pub demands: Constraints,
    /// What was said before of its cost.
    pub said: Option<Asking>,
}

/// That what is typed may cost much was said, and that enter sends it all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asking {
    /// What it may cost, at most; `None` where no price is known.
    pub upper: Option<Money>,
    /// Whether a part of it comes on top whose price is not known.
    pub has_unknown: bool,
}

impl Asking {
    /// What is to be said before this is sent; `None` where it may be sent at once, or was said already. A limit of nothing
    /// asks about everything, also about what is free or of unknown cost; any other one asks about what may be more.
    pub fn before(upper: Option<Money>, limit: Option<Money>, said: Option<Self>) -> Option<Self> {
        let limit = limit?;
        let much = limit == Money::ZERO || upper.is_some_and(|upper| upper > limit);
        let was_said = said.is_some_and(|said| match (said.upper, upper) {
            (Some(said), Some(upper)) => upper <= said || upper.to_string() == said.to_string(),
            (None, None) => true,
            // Whoever was told a sum did not agree to an unknown one, and the other way round.
            (Some(_), None) | (None, Some(_)) => false,
        });
        (much && !was_said).then_some(Self { upper, has_unknown: false })
    }

    /// What is said, with the key that sends it.
    #[must_use]
    pub fn words(self, key: &str) -> String {
        let cost = match self.upper {
            Some(upper) if self.has_unknown => format!("this may cost {upper}, and more that nobody knows"),
            Some(upper) => format!("this may cost {upper}"),
            None => "nobody knows what this costs".to_owned(),
        };
        format!("{cost}: {key} again sends it")
    }
}

impl App {
    /// It was worked out which tiers can serve a comparison, and what each answer may cost, at most: opens it, or says first
    /// what it may cost.
    pub fn weighed_comparison(
        &mut self,
        text: &str,
        able: &[(Tier, Option<Money>)],
        unable: Option<&str>,
        demands: &Constraints,
        said: Option<Asking>,
    ) {
        let tiers: Vec<Tier> = able.iter().map(|(tier, _)| *tier).collect();
        let known: Vec<Money> = able.iter().filter_map(|(_, upper)| *upper).collect();
        // What is known of it may be too much already.
        let upper = Some(known.iter().copied().sum()).filter(|_| !known.is_empty());
        let asking = Asking::before(upper, self.confirm_cost, said).filter(|_| tiers.len() > 1);
        match asking {
            Some(asking) => {
                self.prompt.asking = Some(Asking { has_unknown: known.len() < able.len(), ..asking });
            }
            None => self.open_comparison(text, &tiers, unable, demands),
        }
    }

    /// It was worked out where what was typed goes: sends it, or says first what it may cost.
    pub fn weighed(&mut self, typing: Typing, decision: &Decision) {
        let Typing { typed, text, demands, said } = typing;
        // What nobody can serve costs nothing: the answer says why.
        let chosen = decision.chosen();
        let asking = chosen.and_then(|one| Asking::before(one.estimate.cost_upper, self.confirm_cost, said));
        match asking {
            None => self.submit(text, demands),
            Some(asking) => {
                // What was typed in the meantime follows it, and is an edit like any other.
                let since = self.prompt.text();
                self.prompt.set_text(&format!("{typed}{since}"));
                self.foresee();
                self.prompt.asking = Some(asking).filter(|_| since.is_empty());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_asked_about_what_may_be_more_than_the_limit_and_was_not_agreed_to() {
        let said = |upper: Option<i64>| Some(Asking { upper: upper.map(Money), has_unknown: false });
        let million = 1_000_000;
        for (upper, limit, before, expected) in [
            (Some(250), Some(250), None, None),
            (Some(251), Some(250), None, said(Some(251))),
            (Some(251), None, None, None),
            (None, Some(250), None, None),
            // Always means always.
            (Some(0), Some(0), None, said(Some(0))),
            (None, Some(0), None, said(None)),
            (None, Some(0), said(None), None),
            (Some(251), Some(250), said(Some(251)), None),
            // What has become dearer since, by as much as is seen, is asked about anew.
            (Some(300 * million), Some(250), said(Some(250 * million)), said(Some(300 * million))),
            (Some(250 * million + 1), Some(250), said(Some(250 * million)), None),
            (Some(251), Some(250), said(None), said(Some(251))),
        ] {
            assert_eq!(
                Asking::before(upper.map(Money), limit.map(Money), before),
                expected,
                "{upper:?} {limit:?} {before:?}"
            );
        }
    }
}
