//! The life of one request, from its acceptance to its one end.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::answer::{Ending, Progress};
use super::chain::Chain;
use super::fact::{Finished, Outcome};
use super::message::Message;
use super::transcript::Transcript;
use super::{Delivery, Shared};
use crate::domain::decision::Decision;
use crate::domain::privacy::Guarded;
use crate::domain::request::Request;

/// One request on its way.
pub(super) struct Work {
    pub shared: Arc<Shared>,
    pub request: Request,
    pub guarded: Guarded,
    pub decision: Arc<Decision>,
    pub progress: mpsc::Sender<Progress>,
    /// Room for the end, so that a caller who reads no more cannot keep the request from ending.
    pub ending: Option<mpsc::OwnedPermit<Progress>>,
    pub cancel: CancellationToken,
    pub delivery: Delivery,
    /// What was delivered of the answer, where texts are kept.
    pub transcript: Option<Transcript>,
}

impl Work {
    /// Runs the request to its end. Whatever happens, it ends in exactly one [`Fact::Finished`] and, as long as somebody
    /// listens, one [`Progress::Ended`].
    pub async fn run(mut self) {
        let started = Instant::now();
        let accepted =
            Message::Accepted { request: self.request.id, cancel: self.cancel.clone(), question: self.question() };
        // A closed inbox shows when leave is asked for.
        drop(self.shared.inbox.send(accepted).await);
        let mut attempts = Vec::new();
        let end = Chain::new(&self, started, &mut attempts).run().await;
        let answered_by = end.as_ref().ok().map(|(attempt, _)| (attempt.backend.clone(), attempt.model.clone()));
        drop(self.shared.inbox.send(Message::Ended { request: self.request.id, answered_by }).await);
        self.shared.keep_text(&self.request, self.transcript.take());
        let (ended, outcome) = match end {
            Ok((attempt, finish)) => {
                let ending = Ending {
                    request: self.request.id,
                    tier: attempt.tier,
                    backend: attempt.backend.clone(),
                    model: attempt.model.clone(),
                    finish,
                    first_token: attempt.first_token,
                    total: started.elapsed(),
                    usage: attempt.usage,
                    cost: attempt.cost,
                    attempts: attempts.clone(),
                };
                (Ok(Arc::new(ending)), Outcome::Answered)
            }
            Err((error, outcome)) => (Err(error), outcome),
        };
        self.shared.finished(Finished {
            request: self.request.id,
            at: self.shared.clock.now(),
            outcome,
            why: ended.as_ref().err().map(|error| error.to_string().lines().next().unwrap_or_default().to_owned()),
            total: started.elapsed(),
            attempts,
        });
        if let Some(slot) = self.ending.take() {
            slot.send(Progress::Ended(ended));
        }
    }
}

impl Work {
    /// A number for who asks what, by which the same question is known again, where a person asks: programs ask the same over
    /// and over, and mean nothing by it. Nothing can be made of it outside this process.
    fn question(&self) -> Option<u64> {
        match self.delivery {
            Delivery::Streamed | Delivery::Whole => None,
            Delivery::Revocable if self.request.prompt.question().trim().is_empty() => None,
            Delivery::Revocable => {
                // With all that came before: "go on" means something else each time.
                let texts: Vec<_> = self.request.prompt.every_text().into_iter().map(|(_, text)| text).collect();
                Some(self.shared.secret.hash_one((&*self.request.caller, texts)))
            }
        }
    }
}

/// Counts a request in flight for as long as it lives.
pub(super) struct InFlight(Arc<Shared>);

impl InFlight {
    /// Counts one more; `None` if that would be more than `most`. It has to be counted before its task runs: a flood that
    /// is counted later takes every slot of the actor's inbox, and then nobody gets a second one.
    pub fn within(most: u32, shared: &Arc<Shared>) -> Option<Self> {
        let counted = Self(Arc::clone(shared));
        let before = shared.counters.in_flight.fetch_add(1, Ordering::Relaxed);
        (before < most).then_some(counted)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.counters.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
