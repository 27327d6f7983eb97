//! A substream that hears of the end of its connection.
//!
//! When this side closes a connection, yamux (seen in 0.14.1) forgets its streams without waking who reads them;
//! a reader would wait for ever. Each of our substreams therefore holds the receiver of a signal whose sender lives
//! in the connection's handler and goes with it. The signal is looked at only when the substream has nothing to
//! give, and is not shared with other substreams.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::io::{AsyncRead, AsyncWrite};
use libp2p::swarm::Stream;
use tokio::sync::oneshot;

use crate::meters::Link;

/// An authenticated, encrypted stream of bytes to another peer, within a connection.
#[derive(Debug)]
pub struct Substream {
    io: Stream,
    /// Ends with the connection.
    connection: Guard,
    guard: Option<Guard>,
    link: Arc<Link>,
}

/// Ends a substream from elsewhere: when its [`Fuse`] is dropped. Each direction may wait in a task of its own, so each
/// has a signal of its own.
#[derive(Debug)]
pub(crate) struct Guard {
    read: oneshot::Receiver<()>,
    write: oneshot::Receiver<()>,
    cut: bool,
}

/// What a guarded substream lives by.
#[derive(Debug)]
pub(crate) struct Fuse {
    read: oneshot::Sender<()>,
    _write: oneshot::Sender<()>,
}

impl Guard {
    /// A guard and its fuse.
    pub(crate) fn new() -> (Self, Fuse) {
        let ((read_fuse, read), (write_fuse, write)) = (oneshot::channel(), oneshot::channel());
        (Self { read, write, cut: false }, Fuse { read: read_fuse, _write: write_fuse })
    }

    /// An error once the fuse is gone; else whoever polls is woken by its end.
    fn check(&mut self, cx: &mut Context<'_>, reading: bool) -> io::Result<()> {
        let signal = if reading { &mut self.read } else { &mut self.write };
        self.cut = self.cut || Pin::new(signal).poll(cx).is_ready();
        if self.cut { Err(io::ErrorKind::ConnectionAborted.into()) } else { Ok(()) }
    }
}

impl Fuse {
    /// Whether its substream is still there.
    pub(crate) fn is_live(&self) -> bool {
        !self.read.is_closed()
    }
}

impl Substream {
    /// `io`, and the fuse for the connection's handler to keep.
    pub(super) fn new(io: Stream, link: Arc<Link>) -> (Self, Fuse) {
        let (connection, fuse) = Guard::new();
        link.opened();
        (Self { io, connection, guard: None, link }, fuse)
    }

    /// What is counted of its connection.
    pub(crate) fn link(&self) -> Arc<Link> {
        self.link.clone()
    }

    /// From now on it ends with the fuse of this guard too, in the middle of whatever it carries.
    pub(crate) fn guard(&mut self, guard: Option<Guard>) {
        self.guard = guard;
    }

    /// An error once the guard's fuse is gone; else whoever polls is woken by its end.
    fn check_guard(&mut self, cx: &mut Context<'_>, reading: bool) -> io::Result<()> {
        self.guard.as_mut().map_or(Ok(()), |guard| guard.check(cx, reading))
    }

    /// What `polled` says, unless it would wait for a connection that is gone.
    fn unless_gone<T>(
        &mut self,
        cx: &mut Context<'_>,
        reading: bool,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_pending() {
            self.connection.check(cx, reading)?;
        }
        polled
    }
}

impl Drop for Substream {
    fn drop(&mut self) {
        self.link.closed();
    }
}

impl AsyncRead for Substream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.check_guard(cx, true)?;
        let polled = Pin::new(&mut self.io).poll_read(cx, buffer);
        if let Poll::Ready(Ok(len)) = polled {
            self.link.read(len);
        }
        self.unless_gone(cx, true, polled)
    }
}

impl AsyncWrite for Substream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        self.check_guard(cx, false)?;
        let polled = Pin::new(&mut self.io).poll_write(cx, buffer);
        if let Poll::Ready(Ok(len)) = polled {
            self.link.wrote(len);
        }
        self.unless_gone(cx, false, polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check_guard(cx, false)?;
        let polled = Pin::new(&mut self.io).poll_flush(cx);
        self.unless_gone(cx, false, polled)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_close(cx);
        self.unless_gone(cx, false, polled)
    }
}
