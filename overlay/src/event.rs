//! Listening to what happens to a peer.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use tokio::sync::broadcast::{self, error::RecvError};

pub use crate::core::PeerEvent;
use crate::meters::Meters;

/// The news of one peer from the moment of [`Peer::events`](crate::Peer::events) on.
///
/// A reader that lags by more than [`EVENT_QUEUE`](crate::limits::EVENT_QUEUE) misses the oldest; how many is in
/// [`missed`](Self::missed) and in the meter `events_missed`.
pub struct Events {
    /// News, or how many were missed. One future lives on between two polls: a new one each time would take the place in
    /// the line of those to be woken along.
    news: BoxStream<'static, Result<PeerEvent, u64>>,
    meters: Arc<Meters>,
    missed: u64,
}

impl Events {
    pub(crate) fn new(receiver: broadcast::Receiver<PeerEvent>, meters: Arc<Meters>) -> Self {
        let news = stream::unfold(receiver, async |mut receiver| match receiver.recv().await {
            Ok(event) => Some((Ok(event), receiver)),
            Err(RecvError::Lagged(count)) => Some((Err(count), receiver)),
            Err(RecvError::Closed) => None,
        });
        Self { news: news.boxed(), meters, missed: 0 }
    }

    /// The next event; `None` when the peer has ended. Cancel-safe.
    pub async fn recv(&mut self) -> Option<PeerEvent> {
        self.next().await
    }

    /// Events that this reader was too slow for.
    pub fn missed(&self) -> u64 {
        self.missed
    }
}

impl Stream for Events {
    type Item = PeerEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<PeerEvent>> {
        loop {
            match ready!(self.news.poll_next_unpin(cx)) {
                Some(Ok(event)) => return Poll::Ready(Some(event)),
                Some(Err(count)) => {
                    self.missed += count;
                    self.meters.events_missed.add(count);
                }
                None => return Poll::Ready(None),
            }
        }
    }
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Events").field("missed", &self.missed).finish_non_exhaustive()
    }
}
