//! Propagate pipes of the group, and how those that bind one find each other at the rendezvous.

use futures::StreamExt;
use futures::future::BoxFuture;
use libp2p::PeerId;

use super::PeerGroup;
use crate::advertisement::{Advertisement, AdvertisementKind, DiscoveryQuery, Lifetime};
use crate::error::BindError;
use crate::id::PipeId;
use crate::limits::{PEER_ADVERTISEMENT_LIFETIME, PROPAGATE_MEMBERS_MAX};
use crate::net::keep_propagation;
use crate::pipe::PropagatePipe;
use crate::protocol::propagate::Scope;

impl PeerGroup {
    /// Binds a propagate pipe at this peer: what one member sends, all others get. Returns at once; members are found from
    /// then on, see [`PropagatePipe::wait_members`].
    ///
    /// # Errors
    /// [`BindError`].
    pub fn propagate_pipe(&self, pipe: PipeId) -> Result<PropagatePipe, BindError> {
        let group = self.clone();
        let look = move |bound: bool| -> BoxFuture<'static, Vec<PeerId>> {
            let group = group.clone();
            if bound { Box::pin(async move { group.look(pipe).await }) } else { Box::pin(group.unsay(pipe)) }
        };
        let scope = Scope { group: self.id, pipe };
        let (hub, stop) = keep_propagation(self.handle.clone(), scope, self.is_closed(), Box::new(look))?;
        Ok(PropagatePipe::new(self.handle.clone(), hub, stop))
    }

    /// Says that this peer binds the pipe; who else said so.
    async fn look(&self, pipe: PipeId) -> Vec<PeerId> {
        let name = pipe.to_string();
        let advertisement =
            Advertisement::new(AdvertisementKind::Pipe).key(&name).attribute(PROPAGATE, name.clone());
        // Without a rendezvous, members find each other all the same.
        let _ = self.publish(advertisement, Lifetime::while_alive(PEER_ADVERTISEMENT_LIFETIME)).await;
        let query = DiscoveryQuery::new()
            .kind(AdvertisementKind::Pipe)
            .equals(PROPAGATE, name)
            .threshold(PROPAGATE_MEMBERS_MAX);
        let found = self.discover(query).map(|signed| signed.publisher());
        found.collect().await
    }

    /// Says that this peer does not bind the pipe any more.
    async fn unsay(self, pipe: PipeId) -> Vec<PeerId> {
        // What was never published needs no withdrawal.
        let _ = self.withdraw_key(AdvertisementKind::Pipe, &pipe.to_string()).await;
        Vec::new()
    }
}

/// The attribute that names the propagate pipe.
const PROPAGATE: &str = "propagate";
