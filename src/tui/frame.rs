//! When to draw. Nothing here draws or sleeps: a request for a frame becomes a deadline, and without a request there is
//! no deadline, so that an idle screen costs nothing.
//!
//! What data asks for keeps to the cap. What a person asks for does not wait for it: a key is drawn at once, on credit,
//! and the frames after it pay that back, so that the mean keeps to the cap whatever is pressed.

use std::time::Duration;

use tokio::time::Instant;

/// The least time between two frames, for a key as well: what comes sooner than that nobody sees.
const LEAST_GAP: Duration = Duration::from_millis(8);
/// Frames that keys may be ahead of the cap. Few enough that one who holds a key down does not notice, nor the data.
const AHEAD: u32 = 3;

/// Decides when the next frame is due.
#[derive(Debug)]
pub struct Pacer {
    gap: Duration,
    drawn: Option<Instant>,
    /// How long the last frame took, the terminal's time included.
    took: Duration,
    /// When the frames so far would have been drawn, had each of them kept to the cap: the time of the next such frame.
    paid: Option<Instant>,
    wanted: Option<Instant>,
    /// The earliest time that a person asked for.
    pressed: Option<Instant>,
}

impl Pacer {
    /// At most so many frames a second.
    #[must_use]
    pub fn new(max_fps: u32) -> Self {
        let gap = Duration::from_secs(1) / max_fps.clamp(1, 120);
        Self { gap, drawn: None, took: Duration::ZERO, paid: None, wanted: None, pressed: None }
    }

    /// Something visible changed.
    pub fn request(&mut self, now: Instant) {
        self.request_at(now);
    }

    /// A person did something and waits to see it.
    pub fn request_now(&mut self, now: Instant) {
        self.pressed = Some(self.pressed.map_or(now, |pressed| pressed.min(now)));
    }

    /// Something visible will change at a time; the earliest request counts.
    pub fn request_at(&mut self, at: Instant) {
        self.wanted = Some(self.wanted.map_or(at, |wanted| wanted.min(at)));
    }

    /// When to draw; `None` while nothing asks for it.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        let (Some(drawn), Some(paid)) = (self.drawn, self.paid) else {
            return [self.wanted, self.pressed].into_iter().flatten().min();
        };
        let wanted = self.wanted.map(|wanted| wanted.max(paid));
        // On a terminal that takes its time, keys are drawn together rather than each in a frame that it has to wait for.
        let least = LEAST_GAP.max(self.took).min(self.gap);
        let credit = self.gap * AHEAD;
        let pressed = self.pressed.map(|pressed| {
            // An instant has no earliest one to fall back upon; without credit the cap holds.
            pressed.max(drawn + least).max(paid.checked_sub(credit).unwrap_or(paid))
        });
        [wanted, pressed].into_iter().flatten().min()
    }

    /// A frame was drawn, from one moment to another: earlier requests are served.
    pub fn drawn(&mut self, began: Instant, now: Instant) {
        self.took = now.saturating_duration_since(began);
        self.drawn = Some(now);
        self.paid = Some(self.paid.map_or(now, |paid| paid.max(now)) + self.gap);
        (self.wanted, self.pressed) = (None, None);
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
        pacer.drawn(Instant::now(), Instant::now());
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
                pacer.drawn(Instant::now(), Instant::now());
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

    /// Runs for a while with data every millisecond and a key at every so many; returns frames, and how long the keys
    /// waited.
    async fn play(time: Duration, key_every: u64, data: bool) -> (u32, Vec<Duration>) {
        let mut pacer = Pacer::new(30);
        let start = Instant::now();
        let (mut frames, mut waits, mut pressed) = (0, Vec::new(), Vec::new());
        for tick in 0.. {
            let now = Instant::now();
            if now - start >= time {
                break;
            }
            if data {
                pacer.request(now);
            }
            if tick % key_every == key_every - 1 {
                pacer.request_now(now);
                pressed.push(now);
            }
            if pacer.due().is_some_and(|due| due <= now) {
                pacer.drawn(now, now);
                frames += 1;
                waits.extend(pressed.drain(..).map(|at| now - at));
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        (frames, waits)
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_is_drawn_at_once_and_paid_back_by_what_follows() {
        let (frames, waits) = play(Duration::from_secs(10), 151, true).await;
        assert!(frames <= 300, "{frames} frames in ten seconds");
        let longest = waits.iter().max().expect("keys were pressed");
        assert!(*longest <= LEAST_GAP, "a key waited {longest:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_after_a_pause_waits_for_nothing() {
        let (frames, waits) = play(Duration::from_secs(2), 150, false).await;
        assert_eq!((frames as usize, waits.iter().max()), (waits.len(), Some(&Duration::ZERO)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_held_down_keeps_to_the_cap() {
        for data in [false, true] {
            let (frames, _) = play(Duration::from_secs(1), 5, data).await;
            assert!((28..=30 + AHEAD + 1).contains(&frames), "{frames}, with data: {data}");
            let (frames, _) = play(Duration::from_secs(20), 5, data).await;
            assert!(frames <= 20 * 30 + AHEAD + 1, "{frames} in twenty seconds, with data: {data}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_does_not_wait_for_what_is_due_later() {
        let mut pacer = Pacer::new(30);
        let now = Instant::now();
        pacer.drawn(now, now);
        pacer.request_at(now + Duration::from_secs(1));
        pacer.request_now(now + Duration::from_millis(2));
        assert_eq!(pacer.due(), Some(now + LEAST_GAP));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_terminal_gets_its_keys_together() {
        let mut pacer = Pacer::new(30);
        let began = Instant::now();
        let now = began + Duration::from_secs(1);
        pacer.drawn(began, now);
        pacer.request_now(now);
        assert_eq!(pacer.due(), Some(now + pacer.gap));
    }
}
