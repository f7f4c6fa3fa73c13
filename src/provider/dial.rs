//! How long a connection may take: learnt from the backend's own, unless the operator set it.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use tokio::time::{Instant, timeout};
use tower_layer::Layer;
use tower_service::Service;

use crate::domain::timeouts::{Connections, Timer};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Times every connection of one backend's client. Connections are rare and a moment's work to note, so that a lock does.
#[derive(Clone)]
pub(super) struct Dialling {
    timer: Timer,
    connections: Arc<Mutex<Connections>>,
}

impl Dialling {
    pub(super) fn new(timer: Timer) -> Self {
        Self { timer, connections: Arc::default() }
    }

    fn note<T>(&self, what: impl FnOnce(&mut Connections) -> T) -> T {
        what(&mut self.connections.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S> Layer<S> for Dialling {
    type Service = Dialler<S>;

    fn layer(&self, connector: S) -> Dialler<S> {
        Dialler { connector, dialling: self.clone() }
    }
}

/// A connector whose patience is that of its backend.
#[derive(Clone)]
pub(super) struct Dialler<S> {
    connector: S,
    dialling: Dialling,
}

impl<S, Request> Service<Request> for Dialler<S>
where
    S: Service<Request, Error = BoxError>,
    S::Response: 'static,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let connecting = self.connector.call(request);
        let dialling = self.dialling.clone();
        Box::pin(async move {
            let patience = dialling.note(|connections| connections.until_the_next(dialling.timer));
            let begun = Instant::now();
            match timeout(patience, connecting).await {
                Ok(Ok(connection)) => {
                    dialling.note(|connections| connections.made(begun.elapsed()));
                    Ok(connection)
                }
                // Whoever refuses at once says nothing about how long the way is.
                Ok(Err(error)) => Err(error),
                Err(_) => {
                    dialling.note(Connections::missed);
                    Err(format!("nobody answered within {:.1} s", patience.as_secs_f32()).into())
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::future;

    use super::*;

    /// Connects after as long as it is asked to.
    #[derive(Clone)]
    struct After;

    impl Service<Duration> for After {
        type Response = ();
        type Error = BoxError;
        type Future = BoxFuture<'static, Result<(), BoxError>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, after: Duration) -> Self::Future {
            Box::pin(async move {
                tokio::time::sleep(after).await;
                Ok(())
            })
        }
    }

    async fn connect(dialler: &mut Dialler<After>, after: Duration) -> Result<(), String> {
        future::poll_fn(|context| Service::<Duration>::poll_ready(dialler, context))
            .await
            .map_err(|e| e.to_string())?;
        dialler.call(after).await.map_err(|error| error.to_string())
    }

    #[tokio::test(start_paused = true)]
    async fn a_backend_that_connects_within_a_blink_is_given_up_sooner_than_one_that_never_did() {
        let mut dialler = Dialling::new(Timer::Learnt(Duration::from_secs(5))).layer(After);
        let never = Duration::from_secs(3_600);
        assert_eq!(connect(&mut dialler, never).await, Err("nobody answered within 5.0 s".to_owned()));
        for _ in 0..20 {
            assert_eq!(connect(&mut dialler, Duration::from_millis(30)).await, Ok(()));
        }
        assert_eq!(connect(&mut dialler, never).await, Err("nobody answered within 2.0 s".to_owned()));
        assert_eq!(connect(&mut dialler, never).await, Err("nobody answered within 4.0 s".to_owned()));
    }
}
