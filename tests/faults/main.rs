//! Promise: however an upstream misbehaves, the caller gets a whole answer or a clear error and never a part for the
//! whole; nobody is asked more often than the ledger says; and the ledger is never below what the upstream bills.
//!
//! Each fault on each protocol, streamed and whole, with the faulty backend named and with another one to fall back to;
//! then mixtures. The upstreams are the demonstration's: real HTTP servers on loopback.
#![expect(clippy::expect_used, reason = "what cannot go on fails")]

mod answers;
mod cancelling;
mod harness;
mod mixed;
mod refusals;
mod ruptures;
mod table;
