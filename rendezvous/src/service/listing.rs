//! What an operator sees of a rendezvous: its peers and its groups.
//!
//! In: the service at a moment. Out: rows. O(leases + advertisements), which is why only operators ask.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use overlay::{AdvertisementKind, PeerId, Value};
use serde::{Deserialize, Serialize};

use super::Service;

/// A peer that holds a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerRow {
    /// The peer, as text.
    pub peer_id: String,
    /// The name in its peer advertisement, if it published one; anybody may claim any name.
    pub name: Option<String>,
    /// Whole seconds until its lease ends unless it is seen before.
    pub expires_in_s: u64,
    /// Its last session was lost.
    pub suspect: bool,
    /// Its advertisements in the index.
    pub advertisements: usize,
}

/// A group that has advertisements here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRow {
    /// The group, as text.
    pub group: String,
    /// Peers that published something in it.
    pub publishers: usize,
    /// Advertisements in it.
    pub advertisements: usize,
}

impl Service {
    /// The lease holders, by id.
    #[must_use]
    pub fn peers(&self, now: Instant) -> Vec<PeerRow> {
        let mut published: HashMap<PeerId, (usize, Option<String>)> = HashMap::new();
        for signed in self.index.all(now) {
            let (count, name) = published.entry(signed.publisher()).or_default();
            *count += 1;
            let advertisement = signed.advertisement();
            if let (AdvertisementKind::Peer, Some(Value::Str(claimed))) =
                (advertisement.kind, advertisement.attributes.get("name"))
            {
                *name = Some(claimed.clone());
            }
        }
        let row = |(peer, lease): (&PeerId, &crate::Lease)| {
            let (advertisements, name) = published.remove(peer).unwrap_or_default();
            PeerRow {
                peer_id: peer.to_string(),
                name,
                expires_in_s: lease.expires_at.saturating_duration_since(now).as_secs(),
                suspect: lease.suspect,
                advertisements,
            }
        };
        let mut rows: Vec<_> = self.leases.iter().map(row).collect();
        rows.sort_by(|one, other| one.peer_id.cmp(&other.peer_id));
        rows
    }

    /// The groups, by id.
    #[must_use]
    pub fn groups(&self, now: Instant) -> Vec<GroupRow> {
        let mut groups: BTreeMap<String, (std::collections::HashSet<PeerId>, usize)> = BTreeMap::new();
        for signed in self.index.all(now) {
            let (publishers, count) = groups.entry(signed.advertisement().group.to_string()).or_default();
            publishers.insert(signed.publisher());
            *count += 1;
        }
        let row =
            |(group, (publishers, advertisements)): (String, (std::collections::HashSet<PeerId>, usize))| {
                GroupRow { group, publishers: publishers.len(), advertisements }
            };
        groups.into_iter().map(row).collect()
    }
}
