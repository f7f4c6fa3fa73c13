//! What brings the fleet back to how it was before a change: kept as the state that was there, not as a command, so that
//! what has run out in the meantime is not brought back to life.

use std::sync::Arc;

use crate::domain::fleet::{Admin, AdminState, Fleet, Pin};
use crate::domain::money::Money;
use crate::domain::tier::Target;
use crate::domain::time::Timestamp;
use crate::engine::Command;

/// The state of a part of the fleet before it was changed.
#[derive(Clone, Debug, PartialEq)]
pub enum Undo {
    /// What the operator wanted of a part of the fleet.
    Admin(Target, Admin),
    /// The pins on it.
    Pins(Target, Vec<Pin>),
    /// What could be spent in a day.
    Limit(Option<Money>),
}

impl Undo {
    /// What has to be kept to take a command back; `None` for what changes nothing in the fleet or cannot be taken back.
    #[must_use]
    pub fn of(command: &Command, fleet: &Fleet) -> Option<Self> {
        Some(match command {
            Command::SetAdmin { target, .. } => Self::Admin(target.clone(), fleet.admin(target)?.clone()),
            Command::Pin { target, .. } | Command::Unpin { target } => {
                let before = fleet.pins.iter().filter(|pin| *pin.target == *target).cloned().collect();
                Self::Pins(target.clone(), before)
            }
            Command::SetDailyLimit(_) => Self::Limit(fleet.spend.daily_limit),
            Command::Kill { .. } | Command::Judge { .. } | Command::Probe(_) | Command::Cancel(_) => return None,
        })
    }

    /// The commands that bring it back now, in order.
    #[must_use]
    pub fn commands(&self, now: Timestamp) -> Vec<Command> {
        match self {
            Self::Limit(limit) => vec![Command::SetDailyLimit(*limit)],
            Self::Admin(target, before) => {
                let state = before.state_at(now);
                let held = state != AdminState::Ready;
                vec![Command::SetAdmin {
                    target: target.clone(),
                    state,
                    lasts: before.until.filter(|_| held).map(|until| until.since(now)),
                    reason: if held { Arc::clone(&before.reason) } else { Arc::from("") },
                }]
            }
            Self::Pins(target, before) => {
                let holding = before.iter().filter(|pin| pin.until.is_none_or(|until| now < until));
                let again = holding.map(|pin| Command::Pin {
                    target: target.clone(),
                    scope: pin.scope.clone(),
                    only: pin.only,
                    lasts: pin.until.map(|until| until.since(now)),
                    reason: Arc::clone(&pin.reason),
                });
                // Those that were there before come back one by one; what was pinned since goes with the rest.
                std::iter::once(Command::Unpin { target: target.clone() }).chain(again).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::fleet::PinScope;
    use crate::domain::tier::Tier;
    use crate::tui::tests::fixture::{self, NOW, ago};

    #[test]
    fn pins_that_were_there_before_come_back_and_those_that_ran_out_do_not() {
        let target = Target::Backend("workstation".into());
        let fleet = fixture::working().fleet;
        let pin =
            |only| Command::Pin { target: target.clone(), scope: PinScope::All, only, lasts: None, reason: "".into() };
        let undo = Undo::of(&pin(true), &fleet).expect("it changes the fleet");
        let words = |now| undo.commands(now).iter().map(Command::words).collect::<Vec<_>>();
        assert_eq!(
            words(NOW),
            ["unpin backend workstation", "pin extraction requests to backend workstation for 25 min"]
        );
        assert_eq!(words(NOW.after(Duration::from_secs(3_600))), ["unpin backend workstation"]);
    }

    #[test]
    fn a_drain_that_would_have_ended_by_now_is_not_begun_again() {
        let fleet = fixture::working().fleet;
        let ready = Command::SetAdmin {
            target: Target::Tier(Tier::Gpu),
            state: AdminState::Ready,
            lasts: None,
            reason: "".into(),
        };
        let undo = Undo::of(&ready, &fleet).expect("it changes the fleet");
        let words = |now| undo.commands(now).iter().map(Command::words).collect::<Vec<_>>();
        assert_eq!(words(ago(0)), ["drain tier gpu for 15 min"]);
        assert_eq!(words(NOW.after(Duration::from_secs(900))), ["make ready tier gpu"]);
    }
}
