//! Bidirectional pipes: messages both ways over one substream.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::io::AsyncReadExt;
use futures::{Sink, Stream};
use libp2p::PeerId;

use super::halves::{PipeReceiver, PipeSender};
use crate::error::{RecvError, SendError};
use crate::limits::PIPE_MESSAGE_BYTES_MAX;
use crate::net::{Binding, FrameStream, Substream};

/// A pipe that carries messages both ways, in order each way.
///
/// Two tasks that each only send and wait can block each other when neither reads; then [`split`](Self::split)
/// and read in a task of its own.
#[derive(Debug)]
pub struct BidiPipe {
    remote: PeerId,
    frames: FrameStream<Substream>,
}

impl BidiPipe {
    pub(crate) fn new(remote: PeerId, frames: FrameStream<Substream>) -> Self {
        Self { remote, frames }
    }

    /// Who is at the other end; proven by the connection.
    pub fn remote(&self) -> PeerId {
        self.remote
    }

    /// Sends one message of at most [`PIPE_MESSAGE_BYTES_MAX`]: feed and flush.
    ///
    /// # Errors
    /// [`SendError`].
    pub async fn send(&mut self, message: impl Into<Bytes>) -> Result<(), SendError> {
        self.feed(message).await?;
        self.flush().await
    }

    /// Takes one message; many share one [`flush`](Self::flush).
    ///
    /// # Errors
    /// [`SendError`].
    pub async fn feed(&mut self, message: impl Into<Bytes>) -> Result<(), SendError> {
        let FrameStream { io, writes, .. } = &mut self.frames;
        std::future::poll_fn(|cx| writes.poll_ready(io, cx)).await?;
        writes.put(&message.into(), PIPE_MESSAGE_BYTES_MAX)
    }

    /// Hands all that was fed to the transport. Cancel-safe.
    ///
    /// # Errors
    /// [`SendError::Closed`].
    pub async fn flush(&mut self) -> Result<(), SendError> {
        self.frames.flush().await
    }

    /// Ends this side's direction; the other then receives `None`.
    ///
    /// # Errors
    /// [`SendError::Closed`].
    pub async fn close(&mut self) -> Result<(), SendError> {
        self.frames.close().await
    }

    /// The next message, `None` when the other side has ended its direction. Cancel-safe.
    ///
    /// # Errors
    /// [`RecvError`]; then the pipe is over.
    pub async fn recv(&mut self) -> Result<Option<Bytes>, RecvError> {
        self.frames.recv().await
    }

    /// Both directions, for two tasks.
    pub fn split(self) -> (PipeSender, PipeReceiver) {
        let FrameStream { io, reads, writes } = self.frames;
        let (read, write) = io.split();
        (PipeSender { io: write, writes }, PipeReceiver { io: read, reads })
    }
}

impl Sink<Bytes> for BidiPipe {
    type Error = SendError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let FrameStream { io, writes, .. } = &mut self.frames;
        writes.poll_ready(io, cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Bytes) -> Result<(), SendError> {
        self.frames.writes.put(&message, PIPE_MESSAGE_BYTES_MAX)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let FrameStream { io, writes, .. } = &mut self.frames;
        writes.poll_flush(io, cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let FrameStream { io, writes, .. } = &mut self.frames;
        writes.poll_close(io, cx)
    }
}

impl Stream for BidiPipe {
    type Item = Result<Bytes, RecvError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let FrameStream { io, reads, .. } = &mut self.frames;
        reads.poll_frame(io, cx).map(Result::transpose)
    }
}

/// A bound bidirectional pipe; dropping it unbinds, pipes that were accepted live on.
#[derive(Debug)]
pub struct PipeListener {
    binding: Binding,
}

impl PipeListener {
    pub(crate) fn new(binding: Binding) -> Self {
        Self { binding }
    }

    /// The next pipe that somebody connected. Up to [`ACCEPT_QUEUE`](crate::limits::ACCEPT_QUEUE) wait here; who
    /// comes then is told *busy*. Cancel-safe.
    pub async fn accept(&mut self) -> Option<BidiPipe> {
        std::future::poll_fn(|cx| self.poll_accept(cx)).await
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Option<BidiPipe>> {
        let accepted = ready!(self.binding.poll_accept(cx));
        Poll::Ready(accepted.map(|accepted| BidiPipe::new(accepted.peer, accepted.frames)))
    }
}

impl Stream for PipeListener {
    type Item = BidiPipe;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<BidiPipe>> {
        self.poll_accept(cx)
    }
}
