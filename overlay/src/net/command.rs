//! What handles ask of the event loop; each command is answered once, through its oneshot.

use std::sync::Arc;

use libp2p::{Multiaddr, PeerId};
use tokio::sync::oneshot;

use super::session::SessionHandle;
use super::substream::{OpenError, OpenRequest};
use crate::advertisement::{Advertisement, DiscoveryQuery, Lifetime, SignedAdvertisement};
use crate::error::{PublishError, WithdrawError};
use crate::id::{AdvertisementId, GroupId};

/// One command.
#[derive(Debug)]
pub(crate) enum Command {
    /// Open a substream to a connected peer.
    Open { peer: PeerId, request: OpenRequest },
    /// A session with `peer`, dialing it at these and the remembered addresses if needed.
    Session {
        peer: PeerId,
        addresses: Vec<Multiaddr>,
        reply: oneshot::Sender<Result<SessionHandle, OpenError>>,
    },
    /// Remember where a peer may be dialed.
    AddAddress { peer: PeerId, address: Multiaddr },
    /// Sign, keep and renew an advertisement; the handle pushes it to the rendezvous.
    Publish {
        advertisement: Advertisement,
        lifetime: Lifetime,
        reply: oneshot::Sender<Result<SignedAdvertisement, PublishError>>,
    },
    /// Sign, keep and renew the withdrawal of a publication; the handle pushes it to the rendezvous.
    Withdraw {
        group: GroupId,
        id: AdvertisementId,
        reply: oneshot::Sender<Result<SignedAdvertisement, WithdrawError>>,
    },
    /// A handle's push did not arrive, or was not taken: it is pushed again later.
    NotPushed { rendezvous: PeerId },
    /// Look into the cache.
    Find { query: DiscoveryQuery, reply: oneshot::Sender<Vec<Arc<SignedAdvertisement>>> },
    /// Keep what was found elsewhere.
    Learn { found: Vec<SignedAdvertisement> },
    /// Close all connections with a peer.
    Close { peer: PeerId },
    /// Refuse all connections with a peer from now on, and close those there are; or let it come again.
    Ban { peer: PeerId, banned: bool, reply: oneshot::Sender<()> },
    /// End politely.
    Shutdown { reply: oneshot::Sender<()> },
}
