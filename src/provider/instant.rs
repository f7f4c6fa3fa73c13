//! A wire without a network, for benchmarks: what is measured over it is the engine alone.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};

use super::connect::Sighting;
use super::{Call, Client, Event, Events, Finish, Inside, Wire};
use crate::domain::failure::Failure;
use crate::domain::health::Health;
use crate::domain::prompt::Prompt;
use crate::domain::usage::Usage;

/// An upstream that answers at once, in so many pieces with a pause before each.
#[derive(Clone, Copy, Debug)]
pub struct Instant {
    /// Pieces of the answer.
    pub pieces: u32,
    /// The time before each.
    pub pause: Duration,
}

impl Instant {
    /// Its client.
    #[must_use]
    pub fn client(self) -> Client {
        Client::Inside(Inside(Arc::new(self)))
    }
}

impl Wire for Instant {
    fn start<'a>(&'a self, _: &'a Prompt, _: &'a Call) -> BoxFuture<'a, Result<Events, Failure>> {
        let Self { pieces, pause } = *self;
        let text = stream::iter(0..pieces).then(move |_| async move {
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            Ok(Event::Text("sixteen bytes…".to_owned()))
        });
        let usage = Usage { input: 10, output: u64::from(pieces), ..Usage::default() };
        let end = stream::iter([Ok(Event::Usage(usage)), Ok(Event::Done(Finish::Stop))]);
        async move { Ok(text.chain(end).boxed()) }.boxed()
    }

    fn probe(&self) -> BoxFuture<'_, Result<Sighting, Failure>> {
        async { Ok(Sighting::new(Health::Up, "")) }.boxed()
    }
}
