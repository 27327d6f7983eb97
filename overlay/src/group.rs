//! The peer group: where advertisements are published and found, and pipes are bound and connected.

mod advertisements;
mod binders;
mod membership;
mod nested;
mod pipes;
mod propagate;
mod resolver;
mod subscription;

use std::sync::Arc;

use libp2p::PeerId;

use crate::id::{Genesis, GroupId};
use crate::meters::GroupMeters;
use crate::net::Handle;

pub use advertisements::{Discovery, Published};
pub use binders::FollowingPipe;
pub use resolver::{GroupAnswers, QueryOptions, Served};
pub use subscription::Subscription;

/// One peer's view of a group. Clones are the same view.
#[derive(Debug, Clone)]
pub struct PeerGroup {
    handle: Handle,
    genesis: Arc<Genesis>,
    id: GroupId,
}

/// How one is to become a member of a new group.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum GroupPolicy<'a> {
    /// By its label. Everybody who says the same label means the same group.
    Open,
    /// By this passphrase, with the group's [`Genesis`] as text. Nobody need be online for it, nobody can be
    /// revoked, and whoever has the genesis may try passphrases offline, at the cost of one Argon2id (64 MiB) each:
    /// take [`generate_passphrase`](crate::credential::generate_passphrase).
    Passphrase(&'a str),
    /// By a ticket of an issuer. The creator is the group's authority, by its own key.
    Invite,
}

impl std::fmt::Debug for GroupPolicy<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Open => "Open",
            Self::Passphrase(_) => "Passphrase",
            Self::Invite => "Invite",
        })
    }
}

impl PeerGroup {
    pub(crate) fn new(handle: Handle, genesis: Arc<Genesis>) -> Self {
        let id = genesis.id();
        Self { handle, genesis, id }
    }

    /// What the group is made of; of a passphrase group it is, as text, what one joins with.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The group's id.
    pub fn id(&self) -> GroupId {
        self.id
    }

    /// What the group's pipes and queries have carried at this peer since its start, also before this view was made. A
    /// group that was left and is joined again counts on, unless another needed the room
    /// ([`GROUPS_MAX`](crate::limits::GROUPS_MAX)). Cost: a lock held for a look-up, and 80 relaxed loads.
    pub fn meters(&self) -> GroupMeters {
        self.handle.shared.traffics.meters(&self.id)
    }

    /// The id of the peer whose view this is.
    pub fn peer_id(&self) -> PeerId {
        self.handle.shared.id
    }
}
