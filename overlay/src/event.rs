//! Listening to what happens to a peer.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::Stream;
use tokio::sync::broadcast::{self, error::RecvError};

pub use crate::core::PeerEvent;
use crate::meters::Meters;

/// The news of one peer from the moment of [`Peer::events`](crate::Peer::events) on.
///
/// A reader that lags by more than [`EVENT_QUEUE`](crate::limits::EVENT_QUEUE) misses the oldest; how many is in
/// [`missed`](Self::missed) and in the meter `events_missed`.
#[derive(Debug)]
pub struct Events {
    receiver: broadcast::Receiver<PeerEvent>,
    meters: Arc<Meters>,
    missed: u64,
}

impl Events {
    pub(crate) fn new(receiver: broadcast::Receiver<PeerEvent>, meters: Arc<Meters>) -> Self {
        Self { receiver, meters, missed: 0 }
    }

    /// The next event; `None` when the peer has ended. Cancel-safe.
    pub async fn recv(&mut self) -> Option<PeerEvent> {
        loop {
            match self.receiver.recv().await {
                Ok(event) => return Some(event),
                Err(RecvError::Closed) => return None,
                Err(RecvError::Lagged(count)) => {
                    self.missed += count;
                    self.meters.events_missed.add(count);
                }
            }
        }
    }

    /// Events that this reader was too slow for.
    pub fn missed(&self) -> u64 {
        self.missed
    }
}

impl Stream for Events {
    type Item = PeerEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<PeerEvent>> {
        let next = self.recv();
        futures::pin_mut!(next);
        next.poll(cx)
    }
}
