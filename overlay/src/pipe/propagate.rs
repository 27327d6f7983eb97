//! Propagate pipes (JXTA): each message goes to all that bind the pipe in the group.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::{Sink, Stream};
use libp2p::PeerId;
use tokio::sync::{mpsc, oneshot};

use super::unicast::Message;
use crate::core::Delivery;
use crate::error::SendError;
use crate::net::{Feeder, Handle, Hub};

/// What comes on a propagate pipe.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Propagated {
    /// A message of a member, in the order in which that member sent.
    Message(Message),
    /// This member did not read for so long that others no longer waited for it: it is `behind` messages (pieces, of those
    /// above [`PROPAGATE_PIECE_BYTES`](crate::limits::PROPAGATE_PIECE_BYTES)) behind what `from` has sent. They follow,
    /// as far as `from` still has them.
    Lagging {
        /// The sender.
        from: PeerId,
        /// How far behind.
        behind: u64,
    },
    /// So many messages (pieces, as above) of `from` are lost to this member: nobody that it could ask has them any more.
    Missed {
        /// The sender.
        from: PeerId,
        /// How many.
        count: u64,
    },
}

/// A propagate pipe that is bound here: what is sent goes to all members, each of which gets it once, in the order of
/// its sender. A member gets what is sent from when it is linked on, not what was sent before.
///
/// Members are those that bind the same pipe in the same group: they find each other over sessions, over other members and
/// over advertisements. Up to [`PROPAGATE_DIRECT_MAX`](crate::limits::PROPAGATE_DIRECT_MAX) of them, each sends to each;
/// above, messages are signed, and members pass them on. Dropping the pipe ends it at once; [`close`](Self::close) lets
/// what was sent leave first.
#[derive(Debug)]
pub struct PropagatePipe {
    sender: PropagateSender,
    receiver: PropagateReceiver,
}

/// The sending half of a propagate pipe: a [`Sink`] of messages.
#[derive(Debug)]
pub struct PropagateSender {
    feeder: Feeder,
    kept: Arc<Kept>,
}

/// The receiving half of a propagate pipe: a [`Stream`] of what comes.
#[derive(Debug)]
pub struct PropagateReceiver {
    ready: VecDeque<Delivery>,
    kept: Arc<Kept>,
}

/// What keeps the pipe bound: the last half that is dropped ends it.
#[derive(Debug)]
struct Kept {
    hub: Arc<Hub>,
    stop: mpsc::Sender<oneshot::Sender<()>>,
    /// The peer lives while something that was made of it does.
    _handle: Handle,
}

impl PropagatePipe {
    pub(crate) fn new(handle: Handle, hub: Arc<Hub>, stop: mpsc::Sender<oneshot::Sender<()>>) -> Self {
        let kept = Arc::new(Kept { hub: hub.clone(), stop, _handle: handle });
        Self {
            sender: PropagateSender { feeder: Feeder::new(hub), kept: kept.clone() },
            receiver: PropagateReceiver { ready: VecDeque::new(), kept },
        }
    }

    /// Sends one message of at most
    /// [`PROPAGATE_MESSAGE_BYTES_MAX`](crate::limits::PROPAGATE_MESSAGE_BYTES_MAX) to all members: feed and flush.
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

    /// Puts all that was fed into the window from which it is sent. Cancel-safe.
    ///
    /// # Errors
    /// [`SendError::Closed`].
    pub async fn flush(&mut self) -> Result<(), SendError> {
        self.sender.flush().await
    }

    /// What comes next of any member; `None` when the peer has ended. Cancel-safe.
    pub async fn recv(&mut self) -> Option<Propagated> {
        self.receiver.recv().await
    }

    /// The members that this one knows of, without itself.
    pub fn members(&self) -> Vec<PeerId> {
        self.sender.members()
    }

    /// Waits until this one knows of `count` others or more and has a link to each that it should have one to: from then on
    /// they get what is sent. The others may not have theirs yet. Cancel-safe.
    pub async fn wait_members(&self, count: usize) {
        self.sender.wait_members(count).await;
    }

    /// Leaves: what was sent is taken by all members that are not stalled, then they are told.
    ///
    /// # Errors
    /// [`SendError::Closed`] when the peer has ended.
    pub async fn close(self) -> Result<(), SendError> {
        self.sender.close().await
    }

    /// Both directions, for two tasks. The pipe ends when both are dropped.
    pub fn split(self) -> (PropagateSender, PropagateReceiver) {
        (self.sender, self.receiver)
    }
}

impl PropagateSender {
    /// Sends one message: feed and flush. `Ok` means that it is in the window from which it is sent: members that are linked
    /// get it, or are told how much they missed.
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

    /// Takes one message; many share one [`flush`](Self::flush). Waits while a member is a whole window behind
    /// ([`PROPAGATE_HISTORY_BYTES`](crate::limits::PROPAGATE_HISTORY_BYTES)), but never for one that has stalled.
    ///
    /// # Errors
    /// [`SendError`].
    pub async fn feed(&mut self, message: impl Into<Bytes>) -> Result<(), SendError> {
        std::future::poll_fn(|cx| self.feeder.poll_ready(cx)).await?;
        self.feeder.put(message.into())
    }

    /// Puts all that was fed into the window from which it is sent. Cancel-safe.
    ///
    /// # Errors
    /// [`SendError::Closed`].
    pub async fn flush(&mut self) -> Result<(), SendError> {
        std::future::poll_fn(|cx| self.feeder.poll_flush(cx)).await
    }

    /// The members that this one knows of, without itself.
    pub fn members(&self) -> Vec<PeerId> {
        self.kept.hub.state().roster.peers().into_iter().collect()
    }

    /// As [`PropagatePipe::wait_members`].
    pub async fn wait_members(&self, count: usize) {
        let mut standing = self.kept.hub.standing.subscribe();
        // It never ends before this: the hub holds its sender.
        let _ = standing.wait_for(|standing| standing.known >= count && standing.complete).await;
    }

    /// As [`PropagatePipe::close`]; the receiving half ends too.
    ///
    /// # Errors
    /// [`SendError::Closed`] when the peer has ended.
    pub async fn close(mut self) -> Result<(), SendError> {
        self.flush().await?;
        let (reply, left) = oneshot::channel();
        let closed = |_| SendError::Closed { unconfirmed: 0 };
        self.kept.stop.send(reply).await.map_err(|_| SendError::Closed { unconfirmed: 0 })?;
        left.await.map_err(closed)
    }
}

impl Sink<Bytes> for PropagateSender {
    type Error = SendError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.feeder.poll_ready(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Bytes) -> Result<(), SendError> {
        self.feeder.put(message)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.feeder.poll_flush(cx)
    }

    /// Waits until all members that are not stalled have taken everything; the pipe goes on until it is dropped.
    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.feeder.poll_taken(cx)
    }
}

impl PropagateReceiver {
    /// What comes next of any member; `None` when the peer has ended or the sending half was closed. Cancel-safe.
    pub async fn recv(&mut self) -> Option<Propagated> {
        std::future::poll_fn(|cx| self.poll_recv(cx)).await
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Propagated>> {
        loop {
            if let Some(delivery) = self.ready.pop_front() {
                return Poll::Ready(Some(match delivery {
                    Delivery::Message { from, body } => {
                        self.kept.hub.counts_received(body.len());
                        Propagated::Message(Message { from, body })
                    }
                    Delivery::Lagging { from, behind } => Propagated::Lagging { from, behind },
                    Delivery::Missed { from, count } => Propagated::Missed { from, count },
                }));
            }
            let Some(ready) = ready!(self.kept.hub.poll_deliver(cx)) else { return Poll::Ready(None) };
            self.ready = ready;
        }
    }
}

impl Stream for PropagateReceiver {
    type Item = Propagated;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Propagated>> {
        self.poll_recv(cx)
    }
}
