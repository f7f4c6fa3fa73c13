//! Sockets that a simulated upstream can close under a request: an HTTP server has no other way to go away without
//! an answer.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

use super::faults::Faults;
use crate::domain::id::BackendId;

/// A handle that closes one accepted connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Line(Arc<AtomicU8>);

const CLOSED: u8 = 1;
const RESET: u8 = 2;

impl Line {
    /// Lets the next write on the connection fail, which makes the server drop it. Nothing of a response gets out.
    pub(super) fn cut(&self) {
        self.0.fetch_or(CLOSED, Ordering::Relaxed);
    }

    /// The same with a reset instead of an orderly close, once the server drops the connection.
    pub(super) fn reset(&self) {
        self.0.fetch_or(RESET, Ordering::Relaxed);
    }
}

/// Listens on loopback, unless a fault has it that nobody does.
pub(super) struct Door {
    listener: TcpListener,
    backend: BackendId,
    faults: Faults,
    turns: watch::Receiver<()>,
}

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1_024;
/// Between two tries at a port that somebody else has taken meanwhile.
const TRY_AGAIN: Duration = Duration::from_millis(20);

impl Door {
    pub(super) fn new(listener: TcpListener, backend: &BackendId, faults: &Faults) -> Self {
        Self { listener, backend: backend.clone(), faults: faults.clone(), turns: faults.turns() }
    }

    /// Closes the port for as long as the fault stands. A socket that is bound and does not listen keeps it meanwhile:
    /// whoever connects is refused, and nobody else gets the port.
    async fn close_for_a_while(&mut self) -> io::Result<()> {
        let address = self.listener.local_addr()?;
        let bind = || {
            let socket = TcpSocket::new_v4()?;
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            Ok::<_, io::Error>(socket)
        };
        // The listener has to go first, and a listener has to be there in its place: any other port will do.
        self.listener = TcpListener::bind((address.ip(), 0)).await?;
        let socket = loop {
            match bind() {
                Ok(socket) => break socket,
                Err(_) => sleep(TRY_AGAIN).await,
            }
        };
        while self.faults.nobody_listens(&self.backend) {
            if self.turns.changed().await.is_err() {
                break;
            }
        }
        self.listener = socket.listen(BACKLOG)?;
        Ok(())
    }
}

/// An accepted connection.
pub(super) struct Socket {
    stream: TcpStream,
    line: Line,
}

impl Listener for Door {
    type Io = Socket;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Socket, SocketAddr) {
        let (stream, address) = loop {
            if self.faults.nobody_listens(&self.backend) && self.close_for_a_while().await.is_err() {
                sleep(TRY_AGAIN).await;
            }
            tokio::select! {
                accepted = Listener::accept(&mut self.listener) => break accepted,
                _ = self.turns.changed() => {}
            }
        };
        // With Nagle on, each token of a stream would wait for the acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
        (Socket { stream, line: Line::default() }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Connected<IncomingStream<'_, Door>> for Line {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        stream.io().line.clone()
    }
}

impl Socket {
    fn check(&self) -> io::Result<()> {
        if self.line.0.load(Ordering::Relaxed) & CLOSED == 0 {
            Ok(())
        } else {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.line.0.load(Ordering::Relaxed) & RESET != 0 {
            // What lingers for no time at all is reset when it is closed.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
