//! What happens to a peer that its application may want to know.

use std::time::Duration;

use libp2p::{Multiaddr, PeerId};

use crate::error::RelayError;
use crate::id::GroupId;

/// News of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerEvent {
    /// The first connection with a peer is up.
    Connected {
        /// The other peer.
        peer: PeerId,
    },
    /// The last connection with a peer is gone.
    Disconnected {
        /// The other peer.
        peer: PeerId,
    },
    /// The first session with a peer is open: it speaks our protocols.
    SessionOpened {
        /// The other peer.
        peer: PeerId,
    },
    /// The last session with a peer is gone.
    SessionLost {
        /// The other peer.
        peer: PeerId,
    },
    /// A rendezvous has granted a lease.
    LeaseGranted {
        /// The rendezvous.
        rendezvous: PeerId,
        /// How long it holds unless renewed.
        ttl: Duration,
    },
    /// This peer is not in a closed group any more: it was revoked, or nobody renewed its credential in time.
    MembershipLost {
        /// The group.
        group: GroupId,
    },
    /// A relay takes connections for this peer; its address there is among [`Peer::addresses`](crate::Peer::addresses).
    RelayReserved {
        /// The relay.
        relay: PeerId,
    },
    /// A relay refused a reservation, or one is over; it is asked again, at most
    /// [`RELAY_RETRY_MAX`](crate::limits::RELAY_RETRY_MAX) later.
    RelayLost {
        /// The relay.
        relay: PeerId,
        /// Why.
        error: RelayError,
    },
    /// Somebody outside has reached this peer at an address of its own, without a relay.
    Reachable {
        /// Where.
        address: Multiaddr,
    },
    /// A direct connection stands beside the relayed one, which new pipes take.
    Upgraded {
        /// The other peer.
        peer: PeerId,
    },
    /// A lease has ended against this peer's will; it is asked for again.
    LeaseLost {
        /// The rendezvous.
        rendezvous: PeerId,
        /// What happened.
        reason: String,
    },
}
