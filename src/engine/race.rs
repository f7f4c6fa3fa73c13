//! Who answers a request when two candidates are asked at once: whoever has the first meaningful piece. Nothing of the
//! other is ever delivered.

use std::sync::OnceLock;

use tokio_util::sync::CancellationToken;

/// The right to answer a request, for one attempt alone or for two side by side.
#[derive(Default)]
pub(super) struct Race {
    winner: OnceLock<u32>,
    won: CancellationToken,
}

impl Race {
    /// Claims the right for an attempt, by its number. Returns whether it has it, now or since before.
    pub fn claim(&self, attempt: u32) -> bool {
        let has_it = *self.winner.get_or_init(|| attempt) == attempt;
        if has_it {
            self.won.cancel();
        }
        has_it
    }

    /// Whether somebody has it.
    pub fn is_won(&self) -> bool {
        self.winner.get().is_some()
    }

    /// Ends when another attempt than this one has it.
    pub async fn lost(&self, attempt: u32) {
        self.won.cancelled().await;
        if self.winner.get() == Some(&attempt) {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn only_the_first_claim_holds_and_every_other_has_lost() {
        let race = Race::default();
        assert!(!race.is_won() && race.lost(1).now_or_never().is_none() && race.lost(2).now_or_never().is_none());
        assert!(race.claim(2) && race.claim(2));
        assert!(!race.claim(1));
        assert!(race.is_won() && race.lost(1).now_or_never().is_some() && race.lost(2).now_or_never().is_none());
    }
}
