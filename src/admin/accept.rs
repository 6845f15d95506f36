//! Connections of the admin port, bounded in number and age.
//!
//! Owns: the bound. Leaves to others: what is said on a connection.
//! Invariant: at the bound new connections wait in the kernel's queue; nobody is dropped mid-answer
//! before its age is reached.
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::admin::AdminLimits;

/// Pause after a failed accept (no descriptors left), so that the thread does not spin.
const ACCEPT_RETRY: Duration = Duration::from_millis(200);

pub(super) struct BoundedListener {
    inner: TcpListener,
    room: Arc<Semaphore>,
    age_max: Duration,
}

impl BoundedListener {
    pub(super) fn new(inner: TcpListener, limits: &AdminLimits) -> Self {
        let room = Arc::new(Semaphore::new(limits.connections_max));
        Self { inner, room, age_max: Duration::from_millis(limits.connection_ms_max) }
    }
}

impl axum::serve::Listener for BoundedListener {
    type Io = BoundedStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (BoundedStream, SocketAddr) {
        let room = Arc::clone(&self.room);
        let permit = room.acquire_owned().await.expect("the semaphore is never closed");
        loop {
            match self.inner.accept().await {
                Ok((stream, peer)) => {
                    let end = Box::pin(tokio::time::sleep(self.age_max));
                    return (BoundedStream { stream, end, _permit: permit }, peer);
                }
                Err(error) => {
                    tracing::warn!(%error, "the admin port could not take a connection");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.inner.local_addr()
    }
}

/// One connection with its permit and its end of life.
pub(super) struct BoundedStream {
    stream: TcpStream,
    end: Pin<Box<tokio::time::Sleep>>,
    _permit: OwnedSemaphorePermit,
}

impl AsyncRead for BoundedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.end.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(std::io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for BoundedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        if self.end.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(std::io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
