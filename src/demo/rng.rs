//! A small seeded source of chance (splitmix64): a simulation has to be repeatable, not unpredictable.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// Chance from a seed. It can be shared: every draw is one atomic addition.
#[derive(Debug)]
pub struct Chance(AtomicU64);

impl Chance {
    /// Chance that repeats itself for the same seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// The next 64 bits.
    pub fn bits(&self) -> u64 {
        let mut z = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from 0 up to, and without, 1.
    #[expect(clippy::cast_precision_loss, reason = "24 bits fit a float exactly")]
    pub fn unit(&self) -> f32 {
        (self.bits() >> 40) as f32 / (1_u64 << 24) as f32
    }

    /// A number between two others.
    pub fn between(&self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// A time between two others, in milliseconds.
    pub fn millis(&self, (low, high): (f32, f32)) -> Duration {
        Duration::from_secs_f32(self.between(low, high).max(0.0) / 1_000.0)
    }

    /// One of the items; `None` if there are none.
    pub fn pick<'a, T>(&self, items: &'a [T]) -> Option<&'a T> {
        let count = u64::try_from(items.len()).ok().filter(|count| *count > 0)?;
        usize::try_from(self.bits() % count).ok().and_then(|at| items.get(at))
    }

    /// An id as services make them: a prefix and sixteen hexadecimal digits.
    pub fn id(&self, prefix: &str) -> String {
        format!("{prefix}{:016x}", self.bits())
    }
}
