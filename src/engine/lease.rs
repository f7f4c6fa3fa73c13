//! A permit that cannot be lost: whatever becomes of an attempt, its place and its money come back.

use std::time::Duration;

use tokio::sync::mpsc::{OwnedPermit, Sender};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::message::{Admission, Ask, Granted, Leave, Message, Settled};
use crate::domain::fleet::Passes;
use crate::domain::privacy::Reach;
use crate::domain::rejection::Rejection;
use crate::store::journal::Wait;

/// Leave to send one attempt. Dropped without [`Lease::settle`], it gives everything back unused; but once the attempt was
/// sent, nobody knows what came of it, and it is booked as lost.
pub(super) struct Lease {
    held: Option<(Leave, OwnedPermit<Message>)>,
    is_sent: bool,
    kill: CancellationToken,
    written: Option<Wait>,
}

/// How long an attempt waits for its entry in the ledger to be written. The operating system takes it in microseconds; where
/// the disk hangs, the attempt goes ahead, for no request is to wait for a disk. Only `kill -9` in that very moment can lose
/// its entry then.
const PATIENCE: Duration = Duration::from_millis(50);
/// How long an attempt waits that may not be sent without: longer than a loaded machine keeps a thread from running.
const PATIENCE_WITH_MONEY: Duration = Duration::from_secs(1);

impl Lease {
    /// Asks the actor for leave. A slot in its inbox is taken beforehand, so that the last word on the attempt always has
    /// room, even from a destructor.
    pub async fn acquire(inbox: &Sender<Message>, ask: Ask) -> Result<Self, Refused> {
        let slot = inbox.clone().reserve_owned().await.map_err(|_| Refused::Closed)?;
        let (reply, answer) = oneshot::channel();
        let mut waiting = Waiting { answer, slot: Some(slot) };
        inbox.send(Message::Admit { ask, reply }).await.map_err(|_| Refused::Closed)?;
        let answer = (&mut waiting.answer).await;
        match (answer, waiting.slot.take()) {
            (Ok(Ok(Granted { admitted, kill, written })), Some(slot)) => {
                Ok(Self { held: Some((admitted, slot)), is_sent: false, kill, written })
            }
            (Ok(Err(rejection)), _) => Err(Refused::Rejected(rejection)),
            (Ok(Ok(_)) | Err(_), _) => Err(Refused::Closed),
        }
    }

    /// Whether a prompt sent under this lease leaves this machine. Spent leases lead outside.
    pub fn reach(&self) -> Reach {
        self.held.as_ref().map_or(Reach::Outside, |(admitted, _)| admitted.permit.reach)
    }

    /// Waits until the ledger knows of the attempt, so that it is booked whatever becomes of this program.
    ///
    /// # Errors
    ///
    /// If the disk hangs, and the attempt may not be sent without.
    pub async fn written(&mut self) -> Result<(), Refused> {
        let Some(Wait { written, binds }) = self.written.take() else { return Ok(()) };
        let patience = if binds { PATIENCE_WITH_MONEY } else { PATIENCE };
        let is_written = matches!(tokio::time::timeout(patience, written).await, Ok(Ok(())));
        if is_written || !binds { Ok(()) } else { Err(Refused::Rejected(Rejection::LedgerStuck)) }
    }

    /// What the breakers are to be told when the answer begins, where the attempt is a trial.
    pub fn trial(&self) -> Option<Passes> {
        self.held.as_ref().and_then(|(admitted, _)| admitted.permit.trial())
    }

    /// Cancelled when an operator takes what is in flight off the leased model.
    pub fn kill(&self) -> CancellationToken {
        self.kill.clone()
    }

    /// The attempt is sent from here on.
    pub fn sent(&mut self) {
        self.is_sent = true;
    }

    /// Books what the attempt came to.
    pub fn settle(mut self, settled: Settled) {
        if let Some((admitted, slot)) = self.held.take() {
            slot.send(Message::Settle { admitted, settled: Box::new(settled) });
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some((admitted, slot)) = self.held.take() {
            slot.send(if self.is_sent { Message::Lost(admitted) } else { Message::Release(admitted) });
        }
    }
}

/// Leave that was asked for and not yet taken. An asker who is cancelled now may leave a permit behind in the channel,
/// where the actor believes it delivered: it goes back from here.
struct Waiting {
    answer: oneshot::Receiver<Admission>,
    slot: Option<OwnedPermit<Message>>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let Some(slot) = self.slot.take() else { return };
        self.answer.close();
        if let Ok(Ok(granted)) = self.answer.try_recv() {
            slot.send(Message::Release(granted.admitted));
        }
    }
}

/// Leave was not given, or is not needed.
pub(super) enum Refused {
    Rejected(Rejection),
    /// The engine is shutting down.
    Closed,
    /// The caller went away, or another attempt answers.
    Unwanted,
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;
    use crate::domain::fleet::{self, Fleet};
    use crate::domain::id::RequestId;
    use crate::domain::limits::Size;
    use crate::domain::money::Money;
    use crate::domain::spend::{Day, Spend};
    use crate::domain::task::Task;
    use crate::domain::tier::Tier;
    use crate::domain::time::Timestamp;

    #[tokio::test(start_paused = true)]
    async fn where_the_disk_hangs_only_what_takes_freed_money_is_not_sent() {
        for (binds, is_sent) in [(false, true), (true, false)] {
            let (_never, written) = oneshot::channel();
            let kill = CancellationToken::new();
            let mut lease = Lease { held: None, is_sent: false, kill, written: Some(Wait { written, binds }) };
            let refused = lease.written().await.err();
            assert_eq!(refused.is_none(), is_sent);
            assert!(refused.is_none_or(|why| matches!(why, Refused::Rejected(Rejection::LedgerStuck))));
        }
    }

    #[tokio::test]
    async fn a_permit_that_arrives_as_its_asker_is_cancelled_comes_back() {
        let backends = super::super::tests::backends();
        let mut fleet = Fleet::new(backends, Spend::new(Timestamp(0), Day(0), None));
        let (inbox, mut messages) = tokio::sync::mpsc::channel(4);
        let ask = Ask {
            ask: fleet::Ask {
                backend: Tier::Claude.name().into(),
                model: "model".into(),
                caller: "test".into(),
                reserve: Money(100),
                size: Size::default(),
                last_resort: false,
                turn: fleet::Turn::First,
            },
            request: RequestId(uuid::Uuid::nil()),
            number: 1,
            task: Task::Code,
            kind: None,
            forecast: None,
            decision: None,
        };
        {
            let mut asking = pin!(Lease::acquire(&inbox, ask));
            assert!(asking.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            let Some(Message::Admit { ask, reply }) = messages.recv().await else { panic!("leave is asked for") };
            let admitted = fleet.admit(&ask.ask, Timestamp(0)).map(|permit| Granted {
                admitted: Leave::without_entry(permit),
                kill: CancellationToken::new(),
                written: None,
            });
            assert!(reply.send(admitted).is_ok(), "the asker is still there");
        }
        let Ok(Message::Release(admitted)) = messages.try_recv() else { panic!("the permit is lost") };
        fleet.release(admitted.permit, Timestamp(0));
        assert_eq!(fleet.spend.reserved, Money::ZERO);
    }
}
