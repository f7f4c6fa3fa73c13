//! A permit that cannot be lost: whatever becomes of an attempt, its place and its money come back.

use tokio::sync::mpsc::{OwnedPermit, Sender};
use tokio::sync::oneshot;

use super::actor::{Ask, Message, Settled};
use crate::domain::fleet::Permit;
use crate::domain::rejection::Rejection;

/// Leave to send one attempt. Dropped without [`Lease::settle`], it gives everything back unused.
pub(super) struct Lease {
    held: Option<(Permit, OwnedPermit<Message>)>,
}

impl Lease {
    /// Asks the actor for leave. A slot in its inbox is taken beforehand, so that the last word on the attempt always has
    /// room, even from a destructor.
    pub async fn acquire(inbox: &Sender<Message>, ask: Ask) -> Result<Self, Refused> {
        let slot = inbox.clone().reserve_owned().await.map_err(|_| Refused::Closed)?;
        let (reply, answer) = oneshot::channel();
        inbox.send(Message::Admit { ask, reply }).await.map_err(|_| Refused::Closed)?;
        match answer.await {
            Ok(Ok(permit)) => Ok(Self { held: Some((permit, slot)) }),
            Ok(Err(rejection)) => Err(Refused::Rejected(rejection)),
            Err(_) => Err(Refused::Closed),
        }
    }

    /// Books what the attempt came to.
    pub fn settle(mut self, settled: Settled) {
        if let Some((permit, slot)) = self.held.take() {
            slot.send(Message::Settle { permit, settled: Box::new(settled) });
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some((permit, slot)) = self.held.take() {
            slot.send(Message::Release(permit));
        }
    }
}

/// Leave was not given.
pub(super) enum Refused {
    Rejected(Rejection),
    Closed,
}
