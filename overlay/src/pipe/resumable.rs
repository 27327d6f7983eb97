//! Resumable pipes: messages both ways that outlive their connection.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::{Sink, Stream};
use libp2p::PeerId;

use crate::error::{RecvError, SendError};
use crate::net::{Binding, ResumableEnd};

/// A pipe that carries messages both ways, in order each way, over as many connections as it takes.
///
/// `send` returns when the message is accepted into a window of
/// [`RESUMABLE_WINDOW`](crate::limits::RESUMABLE_WINDOW), [`flush`](Self::flush) when the other end has acknowledged
/// all that was accepted. When the connection is lost, the side that opened the pipe reaches the other again, for as
/// long as it was told, and goes on where the other end is: while both processes live nothing is lost and nothing
/// doubled. What must outlive a process, its application acknowledges by messages of its own.
///
/// The opening end keeps its peer alive. Dropping an end ends the pipe for both: what was accepted is written once
/// more and not waited for; [`close`](Self::close) first.
#[derive(Debug)]
pub struct ResumablePipe {
    sender: ResumableSender,
    receiver: ResumableReceiver,
}

/// The sending half of a [`ResumablePipe`]: a [`Sink`] of messages.
#[derive(Debug)]
pub struct ResumableSender {
    end: Arc<ResumableEnd>,
}

/// The receiving half of a [`ResumablePipe`]: a [`Stream`] of messages.
#[derive(Debug)]
pub struct ResumableReceiver {
    end: Arc<ResumableEnd>,
}

impl ResumablePipe {
    pub(crate) fn new(end: ResumableEnd) -> Self {
        let end = Arc::new(end);
        Self { sender: ResumableSender { end: end.clone() }, receiver: ResumableReceiver { end } }
    }

    /// Who is at the other end; proven by each connection.
    pub fn remote(&self) -> PeerId {
        self.sender.end.remote()
    }

    /// See [`ResumableSender::send`].
    ///
    /// # Errors
    /// [`SendError`].
    pub async fn send(&mut self, message: impl Into<Bytes>) -> Result<(), SendError> {
        self.sender.send(message).await
    }

    /// See [`ResumableSender::flush`].
    ///
    /// # Errors
    /// [`SendError::NotResumed`].
    pub async fn flush(&mut self) -> Result<(), SendError> {
        self.sender.flush().await
    }

    /// See [`ResumableSender::close`].
    ///
    /// # Errors
    /// [`SendError::NotResumed`].
    pub async fn close(&mut self) -> Result<(), SendError> {
        self.sender.close().await
    }

    /// See [`ResumableSender::unconfirmed`].
    pub fn unconfirmed(&self) -> usize {
        self.sender.unconfirmed()
    }

    /// See [`ResumableReceiver::recv`].
    ///
    /// # Errors
    /// [`RecvError::Reset`].
    pub async fn recv(&mut self) -> Result<Option<Bytes>, RecvError> {
        self.receiver.recv().await
    }

    /// Both directions, for two tasks; the pipe lives until both are dropped.
    pub fn split(self) -> (ResumableSender, ResumableReceiver) {
        (self.sender, self.receiver)
    }
}

impl ResumableSender {
    /// Accepts one message of at most [`PIPE_MESSAGE_BYTES_MAX`](crate::limits::PIPE_MESSAGE_BYTES_MAX); waits while
    /// the window is full. `Ok` means that it will be sent until the other end has it or the pipe is over. Cancel-safe:
    /// a message whose `send` is dropped before it returned was not accepted.
    ///
    /// # Errors
    /// [`SendError::TooLarge`], then the pipe goes on; [`SendError::Closed`] behind the end of this direction;
    /// [`SendError::NotResumed`].
    pub async fn send(&mut self, message: impl Into<Bytes>) -> Result<(), SendError> {
        std::future::poll_fn(|cx| self.end.poll_ready(cx)).await?;
        self.end.put(&message.into())
    }

    /// Waits until the other end has acknowledged all that was accepted: it has it, whether or not its application
    /// has read it. Cancel-safe.
    ///
    /// # Errors
    /// [`SendError::NotResumed`] with how many messages are unconfirmed.
    pub async fn flush(&mut self) -> Result<(), SendError> {
        std::future::poll_fn(|cx| self.end.poll_flush(cx)).await
    }

    /// Ends this direction, and waits as [`flush`](Self::flush) does; behind all messages the other end then
    /// receives `None`. Cancel-safe.
    ///
    /// # Errors
    /// [`SendError::NotResumed`].
    pub async fn close(&mut self) -> Result<(), SendError> {
        std::future::poll_fn(|cx| self.end.poll_close(cx)).await
    }

    /// Messages accepted that the other end has not acknowledged.
    pub fn unconfirmed(&self) -> usize {
        self.end.unconfirmed()
    }
}

impl ResumableReceiver {
    /// The next message, each once; `None` when the other end has closed its direction. Cancel-safe.
    ///
    /// # Errors
    /// [`RecvError::Reset`] when the pipe was not resumed, or the other end dropped it without closing.
    pub async fn recv(&mut self) -> Result<Option<Bytes>, RecvError> {
        std::future::poll_fn(|cx| self.end.poll_recv(cx)).await
    }
}

impl Sink<Bytes> for ResumableSender {
    type Error = SendError;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.end.poll_ready(cx)
    }

    fn start_send(self: Pin<&mut Self>, message: Bytes) -> Result<(), SendError> {
        self.end.put(&message)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.end.poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.end.poll_close(cx)
    }
}

impl Stream for ResumableReceiver {
    type Item = Result<Bytes, RecvError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.end.poll_recv(cx).map(Result::transpose)
    }
}

impl Sink<Bytes> for ResumablePipe {
    type Error = SendError;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.sender.end.poll_ready(cx)
    }

    fn start_send(self: Pin<&mut Self>, message: Bytes) -> Result<(), SendError> {
        self.sender.end.put(&message)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.sender.end.poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.sender.end.poll_close(cx)
    }
}

impl Stream for ResumablePipe {
    type Item = Result<Bytes, RecvError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.receiver.end.poll_recv(cx).map(Result::transpose)
    }
}

/// A bound resumable pipe; dropping it unbinds, pipes that were accepted live on and can be resumed.
#[derive(Debug)]
pub struct ResumableListener {
    binding: Binding<ResumableEnd>,
}

impl ResumableListener {
    pub(crate) fn new(binding: Binding<ResumableEnd>) -> Self {
        Self { binding }
    }

    /// The next pipe that somebody connected. Up to [`ACCEPT_QUEUE`](crate::limits::ACCEPT_QUEUE) wait here; who
    /// comes then is told *busy*. Cancel-safe.
    pub async fn accept(&mut self) -> Option<ResumablePipe> {
        std::future::poll_fn(|cx| self.poll_accept(cx)).await
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Option<ResumablePipe>> {
        self.binding.poll_accept(cx).map(|end| end.map(ResumablePipe::new))
    }
}

impl Stream for ResumableListener {
    type Item = ResumablePipe;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ResumablePipe>> {
        self.poll_accept(cx)
    }
}
