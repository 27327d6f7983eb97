//! What an advertisement says: kind, group, attributes to find it by, a body for its readers, a lifetime.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use libp2p::PeerId;

use super::Value;
use crate::id::{AdvertisementId, GroupId};
use crate::limits::LIFETIME_REMOTE_MAX;

/// What an advertisement describes (JXTA). Travels as a number; kinds of later versions survive as `Other`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AdvertisementKind {
    /// A peer and where it can be reached.
    Peer,
    /// A peer group.
    PeerGroup,
    /// A pipe.
    Pipe,
    /// A service of a peer.
    Service,
    /// Anything else that can be found.
    Resource,
    /// A kind that this version doesn't know.
    Other(u16),
}

impl AdvertisementKind {
    /// The number on the wire.
    pub fn code(self) -> u16 {
        match self {
            Self::Peer => 1,
            Self::PeerGroup => 2,
            Self::Pipe => 3,
            Self::Service => 4,
            Self::Resource => 5,
            Self::Other(code) => code,
        }
    }

    /// The kind of a number.
    pub fn from_code(code: u16) -> Self {
        match code {
            1 => Self::Peer,
            2 => Self::PeerGroup,
            3 => Self::Pipe,
            4 => Self::Service,
            5 => Self::Resource,
            code => Self::Other(code),
        }
    }
}

/// How long an advertisement counts (JXTA): at its publisher, and at others after each time it was pushed there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// How long the publisher keeps it published, in whole seconds on the wire.
    pub local: Duration,
    /// How long others may keep it; at most [`LIFETIME_REMOTE_MAX`], cut to it. The publisher renews in time.
    pub remote: Duration,
}

impl Lifetime {
    /// As long as the publisher lives; others forget it `remote` after its last renewal.
    pub fn while_alive(remote: Duration) -> Self {
        Self { local: Duration::from_secs(u64::from(u32::MAX)), remote: remote.min(LIFETIME_REMOTE_MAX) }
    }
}

/// What somebody publishes. Signing it makes a [`SignedAdvertisement`](crate::SignedAdvertisement).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advertisement {
    /// What it describes.
    pub kind: AdvertisementKind,
    /// The group in which it counts.
    pub group: GroupId,
    /// Which of its publisher's advertisements of this kind it is: the same key replaces.
    pub key: String,
    /// What it can be found by.
    pub attributes: BTreeMap<String, Value>,
    /// What it says to who found it.
    pub body: Bytes,
}

impl Advertisement {
    /// An advertisement without attributes, in `NetPeerGroup` until it is published elsewhere.
    pub fn new(kind: AdvertisementKind) -> Self {
        Self {
            kind,
            group: GroupId::net(),
            key: String::new(),
            attributes: BTreeMap::new(),
            body: Bytes::new(),
        }
    }

    /// With this key; one of the same publisher, group, kind and key replaces it.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = key.into();
        self
    }

    /// With this attribute.
    pub fn attribute(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.attributes.insert(name.into(), value.into());
        self
    }

    /// With this body.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// What names it when `publisher` publishes it, in all its editions.
    pub fn id(&self, publisher: &PeerId) -> AdvertisementId {
        let mut hasher = blake3::Hasher::new_derive_key("juxta advertisement id 1");
        hasher.update(&publisher.to_bytes()).update(self.group.as_bytes());
        hasher.update(&self.kind.code().to_le_bytes()).update(self.key.as_bytes());
        AdvertisementId::from_bytes(*hasher.finalize().as_bytes())
    }

    /// The text of an attribute, if it is there and a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).and_then(Value::as_str)
    }
}
