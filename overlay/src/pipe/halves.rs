//! The two ends of one direction: what sends frames and what receives them.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::io::{AsyncRead, AsyncWrite, ReadHalf, WriteHalf};
use futures::{Sink, Stream};

use crate::error::{RecvError, SendError};
use crate::limits::PIPE_MESSAGE_BYTES_MAX;
use crate::net::{ReadFrames, Substream, WriteFrames};

/// The sending half of a pipe: a [`Sink`] of messages of at most [`PIPE_MESSAGE_BYTES_MAX`].
///
/// What was fed leaves with the next flush, or earlier when 64 KiB have gathered. When the other side doesn't
/// read, feeding waits.
#[derive(Debug)]
pub struct PipeSender<W = WriteHalf<Substream>> {
    pub(crate) io: W,
    pub(crate) writes: WriteFrames,
}

impl<W: AsyncWrite + Unpin> PipeSender<W> {
    /// Sends one message: feed and flush. `Ok` means handed to the transport.
    ///
    /// # Errors
    /// [`SendError`].
    ///
    /// # Cancel safety
    /// A message whose `send` is dropped is sent later, whole, or not at all.
    pub async fn send(&mut self, message: impl Into<Bytes>) -> Result<(), SendError> {
        self.feed(message).await?;
        self.flush().await
    }

    /// Takes one message; many share one [`flush`](Self::flush).
    ///
    /// # Errors
    /// [`SendError`].
    pub async fn feed(&mut self, message: impl Into<Bytes>) -> Result<(), SendError> {
        std::future::poll_fn(|cx| self.writes.poll_ready(&mut self.io, cx)).await?;
        self.writes.put(&message.into(), PIPE_MESSAGE_BYTES_MAX)
    }

    /// Hands all that was fed to the transport. Cancel-safe.
    ///
    /// # Errors
    /// [`SendError::Closed`].
    pub async fn flush(&mut self) -> Result<(), SendError> {
        std::future::poll_fn(|cx| self.writes.poll_flush(&mut self.io, cx)).await
    }

    /// Hands all to the transport and ends this direction; the other side then receives `None`.
    ///
    /// # Errors
    /// [`SendError::Closed`].
    pub async fn close(&mut self) -> Result<(), SendError> {
        std::future::poll_fn(|cx| self.writes.poll_close(&mut self.io, cx)).await
    }
}

impl<W: AsyncWrite + Unpin> Sink<Bytes> for PipeSender<W> {
    type Error = SendError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let Self { io, writes } = &mut *self;
        writes.poll_ready(io, cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Bytes) -> Result<(), SendError> {
        self.writes.put(&message, PIPE_MESSAGE_BYTES_MAX)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let Self { io, writes } = &mut *self;
        writes.poll_flush(io, cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let Self { io, writes } = &mut *self;
        writes.poll_close(io, cx)
    }
}

/// The receiving half of a pipe: a [`Stream`] of messages. It reads in the task that polls it.
#[derive(Debug)]
pub struct PipeReceiver<R = ReadHalf<Substream>> {
    pub(crate) io: R,
    pub(crate) reads: ReadFrames,
}

impl<R: AsyncRead + Unpin> PipeReceiver<R> {
    /// The next message, `None` when the other side has ended its direction. Cancel-safe.
    ///
    /// # Errors
    /// [`RecvError`]; then the pipe is over.
    pub async fn recv(&mut self) -> Result<Option<Bytes>, RecvError> {
        std::future::poll_fn(|cx| self.reads.poll_frame(&mut self.io, cx)).await
    }
}

impl<R: AsyncRead + Unpin> Stream for PipeReceiver<R> {
    type Item = Result<Bytes, RecvError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { io, reads } = &mut *self;
        reads.poll_frame(io, cx).map(Result::transpose)
    }
}
