//! What answers a query in the group, and how that changes.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Stream;

use super::PeerGroup;
use crate::advertisement::DiscoveryQuery;
use crate::core::Change;
use crate::error::SubscribeError;
use crate::net::Watching;

/// [`Change`]s as they happen, until it is dropped, the peer ends, or its place in the closed group does. Cancel-safe.
///
/// A slow reader misses editions that a newer one has replaced, counted as `changes_merged`, but never the last; what it
/// was told adds up to what is known.
#[derive(Debug)]
pub struct Subscription {
    watching: Watching,
}

impl PeerGroup {
    /// Tells what answers `query` in this group: what is known here at once, then what each leased rendezvous knows,
    /// then each change as it happens. The query's threshold and deadline do not count.
    ///
    /// A rendezvous that was lost tells everything again when its lease is back; what it then no longer knows expires
    /// soon after. Neighbours on the local network, which keep no subscriptions, are asked
    /// every [`NEIGHBOUR_LOOK_PERIOD`](crate::limits::NEIGHBOUR_LOOK_PERIOD). What is published or found here is told too.
    ///
    /// In a closed group a rendezvous tells those who have shown it their credentials, for as long as these count there;
    /// up to 32 connected members are asked too, as often as neighbours. It ends when this peer leaves the group or is
    /// revoked. What a rendezvous tells is its word, as [`discover`](Self::discover) says; of who is known here to be
    /// revoked nothing is told, and what was told before expires.
    ///
    /// # Errors
    /// [`SubscribeError`].
    pub fn subscribe(&self, query: DiscoveryQuery) -> Result<Subscription, SubscribeError> {
        let watching = Watching::new(self.handle.clone(), self.way(), query.group(self.id))?;
        Ok(Subscription { watching })
    }
}

impl Subscription {
    /// The next change; `None` when the peer has ended or left the closed group. Cancel-safe.
    pub async fn recv(&mut self) -> Option<Change> {
        std::future::poll_fn(|cx| self.watching.poll_change(cx)).await
    }
}

impl Stream for Subscription {
    type Item = Change;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Change>> {
        self.watching.poll_change(cx)
    }
}
