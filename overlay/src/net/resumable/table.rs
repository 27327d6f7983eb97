//! The resumable pipes that were accepted here, by what names them, so that their openers find them again.

use std::collections::HashMap;
use std::sync::Arc;

use libp2p::PeerId;
use tokio::sync::mpsc;

use super::accept::Offer;
use super::end::Shared;
use crate::id::{GroupId, PipeId};
use crate::limits::{RESUMABLE_MAX, RESUMABLE_PER_PEER_MAX};
use crate::net::shared::Table;
use crate::protocol::resumable::Session;

/// What names an accepted pipe: nobody but its opener, in the same group and at the same pipe, can mean it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) opener: PeerId,
    pub(super) group: GroupId,
    pub(super) pipe: PipeId,
    pub(super) session: Session,
}

/// Where links of an accepted pipe are offered.
#[derive(Debug, Clone)]
pub(super) struct Accepted {
    pub(super) shared: Arc<Shared>,
    pub(super) offers: mpsc::Sender<Offer>,
}

/// The accepted resumable pipes of one peer, at most [`RESUMABLE_MAX`].
#[derive(Debug, Default)]
pub(crate) struct Resumables(Table<HashMap<Key, Accepted>>);

impl Resumables {
    /// The pipe of this name.
    pub(super) fn of(&self, key: &Key) -> Option<Accepted> {
        self.0.read().get(key).cloned()
    }

    /// Takes a pipe in; false when its name is taken, or there are too many.
    pub(super) fn add(&self, key: Key, accepted: Accepted) -> bool {
        let mut table = self.0.write();
        // Openings are rare beside what pipes carry, so nobody keeps count of each peer's.
        let of_peer = table.keys().filter(|known| known.opener == key.opener).count();
        let room = of_peer < RESUMABLE_PER_PEER_MAX && table.len() < RESUMABLE_MAX;
        if !room || table.contains_key(&key) {
            return false;
        }
        table.insert(key, accepted);
        true
    }

    /// The pipe of this name is over.
    pub(super) fn remove(&self, key: &Key) {
        self.0.write().remove(key);
    }

    /// Their peer has ended: no link will be offered any more.
    pub(crate) fn clear(&self) {
        self.0.write().clear();
    }
}
