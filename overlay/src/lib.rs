//! A peer-to-peer overlay with the JXTA vocabulary (peer, group, pipe, advertisement, rendezvous) over libp2p.
//!
//! A `Peer` joins `PeerGroup`s. In a group it publishes and discovers [`Advertisement`]s, and binds or
//! connects pipes: [`InputPipe`]/[`OutputPipe`] (unicast) and [`BidiPipe`] (bidirectional). Questions with an
//! answer go through the resolver: [`Peer::register_handler`] and [`Peer::query`]. A rendezvous lets peers find
//! each other; without one, peers that know an address of each other still talk.
//!
//! Every operation ends in a result, a typed error or a deadline, and everything a remote peer can feed has a
//! bound in [`limits`]. What is dropped is counted in [`Meters`].

mod advertisement;
mod core;
mod error;
mod id;
pub mod identity;
pub mod limits;
mod meters;
pub mod protocol;
pub mod wire;

pub use libp2p::{Multiaddr, PeerId, identity::Keypair};

pub use crate::advertisement::{
    Advertisement, AdvertisementKind, Condition, DiscoveryQuery, Lifetime, SignedAdvertisement, Value,
};
pub use crate::core::{AdvertisementCache, CacheLimits, CacheRefused, Deadlines, Inserted};
pub use crate::error::{
    AdvertisementError, AlreadyRegistered, BindError, ConnectError, IdentityError, LeaseError, ParseIdError,
    PublishError, QueryError, RecvError, RefuseReason, SendError, SpawnError,
};
pub use crate::id::{AdvertisementId, Genesis, GroupId, PipeId};
pub use crate::limits::Limits;
pub use crate::meters::Meters;
