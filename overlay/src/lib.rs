//! A peer-to-peer overlay with the JXTA vocabulary (peer, group, pipe, advertisement, rendezvous) over libp2p.
//!
//! A [`Peer`] joins [`PeerGroup`]s. In a group it publishes and discovers [`Advertisement`]s, and binds or
//! connects pipes: [`InputPipe`]/[`OutputPipe`] (unicast), [`BidiPipe`] (bidirectional), [`PipeStream`] (bytes) and
//! [`ResumablePipe`] (messages that outlive their connection). Questions with an
//! answer go through the resolver: [`Peer::register_handler`] and [`Peer::query`]. A rendezvous lets peers find
//! each other; without one, peers that know an address of each other still talk.
//!
//! TCP with Noise and Yamux is always there; the features `dns` (on), `quic` and `websocket` add host names in
//! addresses, `/udp/4001/quic-v1`, and `/ws` for browsers; `mdns` adds peers on the local network, `reach`
//! relays, direct connections past them and what finds out whether a peer can be dialed, `upnp` the port of a gateway.
//!
//! Every operation ends in a result, a typed error or a deadline, and everything a remote peer can feed has a
//! bound in [`limits`]. What is dropped is counted in [`Meters`].
//!
//! ```
//! use std::time::Duration;
//!
//! use overlay::{Genesis, Peer, PipeId};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let anne = Peer::builder().listen("/ip4/127.0.0.1/tcp/0".parse()?).spawn().await?;
//! let bert = Peer::builder().spawn().await?;
//!
//! // Both join the open group "echo", in which Anne binds a pipe.
//! let genesis = Genesis::open("echo");
//! let pipe = PipeId::derive(&genesis.id(), "echo");
//! let mut listener = anne.join(&genesis).bind(pipe)?;
//!
//! // Bert knows an address of Anne's; through a rendezvous he would find it by her id.
//! bert.dial(anne.id(), anne.addresses(), Duration::from_secs(5)).await?;
//! let mut to_anne = bert.join(&genesis).connect(anne.id(), pipe).await?;
//! to_anne.send("hello").await?;
//!
//! let mut from_bert = listener.accept().await.ok_or("anne has ended")?;
//! let heard = from_bert.recv().await?.ok_or("bert has gone")?;
//! assert_eq!((from_bert.remote(), &heard[..]), (bert.id(), &b"hello"[..]));
//! from_bert.send(heard).await?;
//! assert_eq!(to_anne.recv().await?.as_deref(), Some(&b"hello"[..]));
//! # Ok(())
//! # }
//! ```

mod advertisement;
mod core;
pub mod credential;
mod error;
mod event;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod group;
mod id;
pub mod identity;
pub mod limits;
mod meters;
mod net;
mod peer;
mod pipe;
pub mod protocol;
pub mod wire;

pub use libp2p::{Multiaddr, PeerId, identity::Keypair, multiaddr::Protocol};

pub use crate::advertisement::{
    Advertisement, AdvertisementKind, Comparison, Condition, DiscoveryQuery, Lifetime, Pattern,
    SignedAdvertisement, Value,
};
pub use crate::core::{
    AdvertisementCache, CacheLimits, CacheRefused, Change, Deadlines, Due, Inserted, LeaseEffect,
    LeaseKeeper, NotDirect, Path, Publications, RateLimiter, Reached, TooMany, Transport,
};
#[cfg(feature = "reach")]
pub use crate::core::{Reach, RelayUse};
pub use crate::error::{
    AdvertisementError, AlreadyRegistered, AnswerError, BindError, ConnectError, CredentialError,
    IdentityError, JoinError, LeaseError, ParseIdError, ParseQueryError, PublishError, QueryError, RecvError,
    RefuseReason, RelayError, SendError, ServeError, SpawnError, SubscribeError, WithdrawError,
};
pub use crate::event::{Events, PeerEvent};
pub use crate::group::{
    Discovery, FollowingPipe, GroupAnswers, GroupPolicy, PeerGroup, Published, QueryOptions, Served,
    Subscription,
};
pub use crate::id::{AdvertisementId, Genesis, GroupId, PipeId, Policy};
pub use crate::limits::Limits;
pub use crate::meters::{GroupMeters, LinkMeters, Meters};
pub use crate::net::{Answers, Queries, Query, ReachSteps, Substream};
pub use crate::peer::{Peer, PeerBuilder};
pub use crate::pipe::{
    BidiPipe, InputPipe, Message, OutputPipe, PipeListener, PipeReceiver, PipeSender, PipeStream,
    PropagatePipe, PropagateReceiver, PropagateSender, Propagated, ResumableListener, ResumablePipe,
    ResumableReceiver, ResumableSender, StreamListener,
};
