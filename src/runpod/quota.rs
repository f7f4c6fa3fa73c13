//! What the API's headers say about how often it may still be asked.

use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use tokio::time::Instant;

/// No header may keep us away for longer than this.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// The tightest window that the last answer told of.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Quota {
    told: Option<(u32, Instant)>,
}

impl Quota {
    /// Takes in an answer's headers: `RateLimit: "minute";r=57;t=12, "hour";r=2800;t=1812`.
    pub(super) fn note(&mut self, headers: &HeaderMap) {
        let told = headers
            .get_all("ratelimit")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(window)
            .min_by_key(|(left, _)| *left);
        if let Some((left, reset)) = told {
            self.told = Some((left, Instant::now() + reset.min(LONGEST_PAUSE)));
        }
    }

    /// Takes in a refusal that says how long to stay away.
    pub(super) fn refused(&mut self, pause: Duration) {
        self.told = Some((0, Instant::now() + pause));
    }

    /// Calls left in the tightest window, until that window ends.
    pub(super) fn left(&self) -> Option<u32> {
        self.told.filter(|(_, reset)| Instant::now() < *reset).map(|(left, _)| left)
    }

    /// How long nothing may be asked.
    pub(super) fn pause(&self) -> Option<Duration> {
        let (left, reset) = self.told?;
        let pause = reset.saturating_duration_since(Instant::now());
        (left == 0 && !pause.is_zero()).then_some(pause)
    }
}

fn window(text: &str) -> Option<(u32, Duration)> {
    let mut left = None;
    let mut reset = None;
    for part in text.split(';') {
        match part.trim().split_once('=') {
            Some(("r", number)) => left = number.parse().ok(),
            Some(("t", number)) => reset = number.parse().ok().map(Duration::from_secs),
            _ => {}
        }
    }
    Some((left?, reset?))
}

/// The pause that a refusal asks for, in whole seconds.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_tightest_window_counts_until_it_ends() {
        let mut quota = Quota::default();
        let mut headers = HeaderMap::new();
        headers.insert("ratelimit", "\"minute\";r=57;t=12, \"hour\";r=0;t=30, nonsense".parse().unwrap());
        quota.note(&headers);
        assert_eq!(quota.left(), Some(0));
        assert_eq!(quota.pause(), Some(Duration::from_secs(30)));
        tokio::time::advance(Duration::from_secs(30)).await;
        assert_eq!((quota.left(), quota.pause()), (None, None));
    }
}
