//! Unicast pipes: many senders, one receiver.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures::stream::SelectAll;
use futures::{Sink, Stream, StreamExt};
use libp2p::PeerId;

use super::halves::{PipeReceiver, PipeSender};
use crate::error::SendError;
use crate::limits::INPUT_PIPE_SENDERS_MAX;
use crate::net::{Binding, FrameStream, ReadFrames, Substream};

/// A message and who sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The sender; proven by the connection.
    pub from: PeerId,
    /// What was sent.
    pub body: Bytes,
}

/// The sending end of a unicast pipe: a [`Sink`] of messages.
#[derive(Debug)]
pub struct OutputPipe {
    remote: PeerId,
    sender: PipeSender<Substream>,
    /// Nothing ever comes but the end.
    reads: ReadFrames,
}

impl OutputPipe {
    pub(crate) fn new(remote: PeerId, frames: FrameStream<Substream>) -> Self {
        let FrameStream { io, reads, writes } = frames;
        Self { remote, sender: PipeSender { io, writes }, reads }
    }

    /// Who receives.
    pub fn remote(&self) -> PeerId {
        self.remote
    }

    /// Whether the receiver was there when it was last heard of.
    pub(crate) fn is_open(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        self.reads.poll_frame(&mut self.sender.io, &mut cx).is_pending()
    }

    /// Sends one message: feed and flush. `Ok` means handed to the transport.
    ///
    /// # Errors
    /// [`SendError`].
    pub async fn send(&mut self, message: impl Into<Bytes>) -> Result<(), SendError> {
        self.sender.send(message).await
    }

    /// Takes one message; many share one [`flush`](Self::flush).
    ///
    /// # Errors
    /// [`SendError`].
    pub async fn feed(&mut self, message: impl Into<Bytes>) -> Result<(), SendError> {
        self.sender.feed(message).await
    }

    /// Hands all that was fed to the transport. Cancel-safe.
    ///
    /// # Errors
    /// [`SendError::Closed`].
    pub async fn flush(&mut self) -> Result<(), SendError> {
        self.sender.flush().await
    }

    /// Hands all to the transport and ends the pipe.
    ///
    /// # Errors
    /// [`SendError::Closed`].
    pub async fn close(&mut self) -> Result<(), SendError> {
        self.sender.close().await
    }
}

impl Sink<Bytes> for OutputPipe {
    type Error = SendError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        Pin::new(&mut self.sender).poll_ready(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Bytes) -> Result<(), SendError> {
        Pin::new(&mut self.sender).start_send(message)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        Pin::new(&mut self.sender).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        Pin::new(&mut self.sender).poll_close(cx)
    }
}

/// The receiving end of a unicast pipe: a [`Stream`] of [`Message`]s of all senders, in order per sender.
///
/// It reads in the task that polls it; senders wait while nobody does. Beyond
/// [`INPUT_PIPE_SENDERS_MAX`] senders, new ones wait in the accept queue and are then told *busy*.
#[derive(Debug)]
pub struct InputPipe {
    binding: Binding,
    senders: SelectAll<Sender>,
}

impl InputPipe {
    pub(crate) fn new(binding: Binding) -> Self {
        Self { binding, senders: SelectAll::new() }
    }

    /// The next message of any sender. A sender whose pipe breaks is forgotten. Cancel-safe.
    pub async fn recv(&mut self) -> Option<Message> {
        self.next().await
    }
}

impl Stream for InputPipe {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        while self.senders.len() < INPUT_PIPE_SENDERS_MAX {
            match self.binding.poll_accept(cx) {
                Poll::Ready(Some(accepted)) => {
                    let FrameStream { io, reads, .. } = accepted.frames;
                    self.senders.push(Sender { from: accepted.peer, receiver: PipeReceiver { io, reads } });
                }
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => break,
            }
        }
        match self.senders.poll_next_unpin(cx) {
            Poll::Ready(Some(message)) => Poll::Ready(Some(message)),
            // No sender is open now; the binding wakes for the next.
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}

/// One sender's messages; ends when its substream does, however it does.
#[derive(Debug)]
struct Sender {
    from: PeerId,
    receiver: PipeReceiver<Substream>,
}

impl Stream for Sender {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        let from = self.from;
        let next = self.receiver.poll_next_unpin(cx);
        next.map(|message| message.and_then(Result::ok).map(|body| Message { from, body }))
    }
}
