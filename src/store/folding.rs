//! The thread that a store's database lives on.
//!
//! It has a runtime of its own: a batch is some hundreds of words with the database, and on the runtime of the requests each
//! would stand between two of theirs. It gives way to them as well: nobody waits for what it does.

use std::io;

use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::StoreError;
use super::keeper::{Keeper, Options, Store};

/// How much the thread gives way, in steps of `nice`: to a tenth of what a thread of the requests gets of a core that both
/// want. The journal keeps what it has not come to.
const GIVES_WAY: i32 = 10;

/// The folding of a store, which can begin.
pub(crate) struct Folding(oneshot::Sender<Order>);

/// What the thread is to do.
enum Order {
    /// Fold until the first is cancelled. The other tells that it has ended, also where it panicked.
    Fold(CancellationToken, DropGuard),
    /// Fold what is left, and tell how that went.
    End(oneshot::Sender<Result<(), StoreError>>),
}

impl Folding {
    /// Opens a store on a thread of its own.
    pub(super) async fn open(options: Options) -> Result<Store, StoreError> {
        let file = options.file.clone();
        let failed = |source| StoreError::Io { path: file.clone(), source };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(failed)?;
        let (sender, opened) = oneshot::channel();
        std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || {
                give_way();
                runtime.block_on(live(options, sender));
            })
            .map_err(failed)?;
        opened.await.unwrap_or_else(|_| Err(failed(ended())))
    }

    /// Folds until `stop`, and then what is left: the journal has to be closed before. What is returned is cancelled when all
    /// is folded.
    pub(crate) fn begin(self, stop: CancellationToken) -> CancellationToken {
        let folded = CancellationToken::new();
        drop(self.0.send(Order::Fold(stop, folded.clone().drop_guard())));
        folded
    }

    /// Folds what is left of a journal that was closed.
    pub(super) async fn end(self) -> Result<(), StoreError> {
        let (reply, done) = oneshot::channel();
        drop(self.0.send(Order::End(reply)));
        done.await.unwrap_or_else(|_| Err(StoreError::Io { path: "the ledger".into(), source: ended() }))
    }
}

fn ended() -> io::Error {
    io::Error::other("the thread of the ledger has ended")
}

async fn live(options: Options, opened: oneshot::Sender<Result<Store, StoreError>>) {
    let (sender, order) = oneshot::channel();
    let keeper = match Keeper::open(options, Folding(sender)).await {
        Ok((keeper, store)) => {
            drop(opened.send(Ok(store)));
            keeper
        }
        Err(error) => return drop(opened.send(Err(error))),
    };
    match order.await {
        Ok(Order::Fold(stop, _guard)) => keeper.run(stop).await,
        Ok(Order::End(reply)) => drop(reply.send(keeper.end().await)),
        // Nobody has any use for the store.
        Err(_) => {}
    }
}

/// Lets other threads go first. Where that is not for one thread to say, it takes its turn like all others.
fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, GIVES_WAY) {
        tracing::debug!(%error, "the thread of the ledger does not give way");
    }
}
