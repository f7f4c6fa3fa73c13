//! How often a source is read: at its pace while it answers, ever more rarely while it fails, at once when asked.

use std::future::Future;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Reading;

/// The rhythm of one source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// While all is well, and the first step of the back-off.
    pub every: Duration,
    /// While there is nothing to read.
    pub absent_every: Duration,
    /// The longest wait after a failure, unless the source asks for a longer one.
    pub longest_backoff: Duration,
    /// The least time between two readings, however often somebody asks.
    pub least_gap: Duration,
}

/// A reading, and how long the source is to be left alone after it.
#[derive(Debug)]
pub(super) struct Taken {
    pub reading: Reading,
    /// A pause that the source asked for: it holds for the operator too.
    pub not_before: Option<Duration>,
    /// A pause of our own: asking sooner would be no use, unless the operator knows better.
    pub rest: Option<Duration>,
}

/// Something that can be read without blocking the runtime.
pub(super) trait Read: Send {
    /// Reads. `asked` where the operator asked for it. The future may be dropped at shutdown.
    fn read(&mut self, asked: bool) -> impl Future<Output = Taken> + Send;
}

/// A source and the place where its readings go.
pub(super) trait Sampler: Send {
    fn sample(&mut self, asked: bool) -> impl Future<Output = Taken> + Send;
    fn show(&mut self, reading: Reading, retry_in: Duration);
}

impl Pace {
    fn wait(&self, taken: &Taken, failures: u32) -> Duration {
        let usual = match taken.reading {
            Reading::Samples(_) => self.every,
            Reading::Absent(_) => self.absent_every,
            Reading::Failed(_) => {
                self.every.saturating_mul(2_u32.saturating_pow(failures.min(16))).min(self.longest_backoff)
            }
        };
        usual.max(taken.not_before.unwrap_or_default()).max(taken.rest.unwrap_or_default())
    }
}

/// Reads until told to stop.
pub(super) async fn run(
    pace: Pace,
    mut sampler: impl Sampler,
    stop: CancellationToken,
    mut requests: watch::Receiver<u64>,
) {
    let mut failures = 0;
    let mut asked = false;
    loop {
        let started = Instant::now();
        let taken = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            taken = sampler.sample(asked) => taken,
        };
        failures = if matches!(taken.reading, Reading::Failed(_)) { failures + 1 } else { 0 };
        let wait = pace.wait(&taken, failures);
        // Counted from the start, so that the pace holds however long a reading takes; but never without any pause.
        let next = (started + wait).max(Instant::now() + pace.least_gap.min(wait));
        // A request of the operator shortens a back-off of ours, never a pause that the source asked for.
        let soonest = Instant::now() + pace.least_gap.max(taken.not_before.unwrap_or_default());
        sampler.show(taken.reading, next.saturating_duration_since(Instant::now()));
        asked = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            Ok(()) = requests.changed() => true,
            () = tokio::time::sleep_until(next) => false,
        };
        if asked {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep_until(soonest.min(next)) => {}
            }
        }
    }
}
