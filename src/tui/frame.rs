//! When to draw. Nothing here draws or sleeps: a request for a frame becomes a deadline, never closer to the last frame
//! than the cap allows, and without a request there is no deadline, so that an idle screen costs nothing.

use std::time::Duration;

use tokio::time::Instant;

/// Decides when the next frame is due.
#[derive(Debug)]
pub struct Pacer {
    gap: Duration,
    drawn: Option<Instant>,
    wanted: Option<Instant>,
}

impl Pacer {
    /// At most so many frames a second.
    #[must_use]
    pub fn new(max_fps: u32) -> Self {
        Self { gap: Duration::from_secs(1) / max_fps.clamp(1, 120), drawn: None, wanted: None }
    }

    /// Something visible changed.
    pub fn request(&mut self, now: Instant) {
        self.request_at(now);
    }

    /// Something visible will change at a time; the earliest request counts.
    pub fn request_at(&mut self, at: Instant) {
        self.wanted = Some(self.wanted.map_or(at, |wanted| wanted.min(at)));
    }

    /// When to draw; `None` while nothing asks for it.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        let wanted = self.wanted?;
        Some(self.drawn.map_or(wanted, |drawn| wanted.max(drawn + self.gap)))
    }

    /// A frame was drawn: earlier requests are served.
    pub fn drawn(&mut self, now: Instant) {
        self.drawn = Some(now);
        self.wanted = None;
    }

    /// Waits until a frame is due; for ever while none is wanted.
    pub async fn wait(&self) {
        match self.due() {
            Some(due) => tokio::time::sleep_until(due).await,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn nothing_requested_means_nothing_due() {
        let mut pacer = Pacer::new(30);
        assert_eq!(pacer.due(), None);
        pacer.request(Instant::now());
        pacer.drawn(Instant::now());
        assert_eq!(pacer.due(), None);
        let waited = tokio::time::timeout(Duration::from_secs(3600), pacer.wait()).await;
        assert!(waited.is_err(), "no frame in an hour");
    }

    #[tokio::test(start_paused = true)]
    async fn bursts_become_one_frame_per_gap() {
        let mut pacer = Pacer::new(30);
        let start = Instant::now();
        let mut frames = 0;
        while start.elapsed() < Duration::from_secs(1) {
            pacer.request(Instant::now());
            if pacer.due().is_some_and(|due| due <= Instant::now()) {
                pacer.drawn(Instant::now());
                frames += 1;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!((28..=31).contains(&frames), "{frames}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_earliest_deadline_wins() {
        let mut pacer = Pacer::new(30);
        let now = Instant::now();
        pacer.request_at(now + Duration::from_secs(5));
        pacer.request_at(now + Duration::from_secs(1));
        pacer.request_at(now + Duration::from_secs(9));
        assert_eq!(pacer.due(), Some(now + Duration::from_secs(1)));
    }
}
