//! Byte streams: bytes both ways over one substream, for whatever reads and writes bytes.
//!
//! Bytes travel in frames of at most 64 KiB, so that a farewell tells an end from a break.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures::Stream;
use futures::io::{AsyncRead, AsyncWrite};
use libp2p::PeerId;
use tokio::io::ReadBuf;

use crate::error::RecvError;
use crate::limits::PIPE_BUFFER_BYTES;
use crate::net::{Binding, FrameStream, Substream};

/// A pipe that carries bytes both ways, with the traits of `futures` and those of `tokio`.
///
/// What is written leaves with the next flush, or earlier when 64 KiB have gathered; when the other side doesn't
/// read, writing waits. Closing (tokio: shutting down) ends this side's direction alone: the other side reads what is
/// on the way and then an end, 0 bytes, and may go on writing. A stream that is dropped without that, or whose
/// connection breaks, is an error ([`ConnectionReset`](io::ErrorKind::ConnectionReset)) to its reader, never an end.
#[derive(Debug)]
pub struct PipeStream {
    remote: PeerId,
    frames: FrameStream<Substream>,
    /// What came and has not been read.
    unread: Bytes,
}

impl PipeStream {
    pub(crate) fn new(remote: PeerId, mut frames: FrameStream<Substream>) -> Self {
        frames.reads.grow(PIPE_BUFFER_BYTES, PIPE_BUFFER_BYTES);
        frames.count_pieces();
        Self { remote, frames, unread: Bytes::new() }
    }

    /// Who is at the other end; proven by the connection.
    pub fn remote(&self) -> PeerId {
        self.remote
    }

    /// Waits until something is there to be read: bytes, none of them at the end.
    fn poll_unread(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let FrameStream { io, reads, .. } = &mut self.frames;
        while self.unread.is_empty() {
            match ready!(reads.poll_frame(io, cx)).map_err(broken)? {
                Some(frame) => self.unread = frame,
                None => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for PipeStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_unread(cx))?;
        let len = self.unread.len().min(buffer.len());
        let (read, _) = buffer.split_at_mut(len);
        self.unread.copy_to_slice(read);
        Poll::Ready(Ok(len))
    }
}

impl AsyncWrite for PipeStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let FrameStream { io, writes, .. } = &mut self.frames;
        ready!(writes.poll_ready(io, cx)).map_err(|_| io::ErrorKind::BrokenPipe)?;
        let frame = bytes.get(..PIPE_BUFFER_BYTES).unwrap_or(bytes);
        let put = writes.put(&Bytes::copy_from_slice(frame), PIPE_BUFFER_BYTES);
        put.map_err(|_| io::ErrorKind::BrokenPipe)?;
        Poll::Ready(Ok(frame.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let FrameStream { io, writes, .. } = &mut self.frames;
        writes.poll_flush(io, cx).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let FrameStream { io, writes, .. } = &mut self.frames;
        writes.poll_close(io, cx).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl tokio::io::AsyncRead for PipeStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_unread(cx))?;
        let len = self.unread.len().min(buffer.remaining());
        buffer.put_slice(&self.unread.split_to(len));
        Poll::Ready(Ok(()))
    }
}

impl tokio::io::AsyncWrite for PipeStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write(self, cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_flush(self, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_close(self, cx)
    }
}

/// A bound byte stream pipe; dropping it unbinds, streams that were accepted live on.
#[derive(Debug)]
pub struct StreamListener {
    binding: Binding,
}

impl StreamListener {
    pub(crate) fn new(binding: Binding) -> Self {
        Self { binding }
    }

    /// The next stream that somebody connected. Up to [`ACCEPT_QUEUE`](crate::limits::ACCEPT_QUEUE) wait here; who
    /// comes then is told *busy*. Cancel-safe.
    pub async fn accept(&mut self) -> Option<PipeStream> {
        std::future::poll_fn(|cx| self.poll_accept(cx)).await
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Option<PipeStream>> {
        let accepted = ready!(self.binding.poll_accept(cx));
        Poll::Ready(accepted.map(|accepted| PipeStream::new(accepted.peer, accepted.frames)))
    }
}

impl Stream for StreamListener {
    type Item = PipeStream;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<PipeStream>> {
        self.poll_accept(cx)
    }
}

/// What a reader is told of a break.
fn broken(error: RecvError) -> io::Error {
    match error {
        RecvError::Garbage(error) => io::Error::new(io::ErrorKind::InvalidData, error),
        _ => io::ErrorKind::ConnectionReset.into(),
    }
}
