//! Questions to the discovery: which kind, group and publisher, which attributes, how many, until when.

use std::time::Duration;

use bytes::Bytes;
use libp2p::PeerId;
use serde::{Deserialize, Serialize};

use super::{AdvertisementKind, SignedAdvertisement, Value};
use crate::id::GroupId;
use crate::limits::CONDITIONS_MAX;
use crate::wire::{Ext, WireError};

/// A condition on one attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Condition {
    /// The attribute is there and has this value.
    Equals {
        /// Name of the attribute.
        attribute: String,
        /// The value it must have.
        value: Value,
    },
}

impl Condition {
    fn holds(&self, signed: &SignedAdvertisement) -> bool {
        match self {
            Self::Equals { attribute, value } => {
                signed.advertisement().attributes.get(attribute) == Some(value)
            }
        }
    }
}

/// A question: all conditions must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiscoveryQuery {
    /// Only this kind.
    pub kind: Option<AdvertisementKind>,
    /// Only this group.
    pub group: Option<GroupId>,
    /// Only of this publisher.
    pub publisher: Option<PeerId>,
    /// All of these.
    pub conditions: Vec<Condition>,
    /// Wanted number of answers (JXTA); the search ends when they are there. Default 50.
    pub threshold: usize,
    /// How long to wait for answers of others. Default 5 s. Does not travel.
    pub deadline: Duration,
}

impl DiscoveryQuery {
    /// A query that everything answers.
    pub fn new() -> Self {
        Self {
            kind: None,
            group: None,
            publisher: None,
            conditions: Vec::new(),
            threshold: 50,
            deadline: Duration::from_secs(5),
        }
    }

    /// Only this kind.
    pub fn kind(mut self, kind: AdvertisementKind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// Only this group. [`PeerGroup::discover`](crate::PeerGroup::discover) sets its own.
    pub fn group(mut self, group: GroupId) -> Self {
        self.group = Some(group);
        self
    }

    /// Only what this peer published.
    pub fn publisher(mut self, publisher: PeerId) -> Self {
        self.publisher = Some(publisher);
        self
    }

    /// Only where `attribute` is `value`.
    pub fn equals(mut self, attribute: impl Into<String>, value: impl Into<Value>) -> Self {
        self.conditions.push(Condition::Equals { attribute: attribute.into(), value: value.into() });
        self
    }

    /// End at this number of answers.
    pub fn threshold(mut self, threshold: usize) -> Self {
        self.threshold = threshold;
        self
    }

    /// End after this time.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Whether `signed` answers this query.
    pub fn matches(&self, signed: &SignedAdvertisement) -> bool {
        let advertisement = signed.advertisement();
        self.kind.is_none_or(|kind| kind == advertisement.kind)
            && self.group.is_none_or(|group| group == advertisement.group)
            && self.publisher.is_none_or(|publisher| publisher == signed.publisher())
            && self.conditions.iter().all(|condition| condition.holds(signed))
    }

    /// The form in which a query travels.
    pub(crate) fn to_wire(&self) -> WireQuery {
        WireQuery {
            kind: self.kind.map(AdvertisementKind::code),
            group: self.group,
            publisher: self.publisher.map(|publisher| publisher.to_bytes().into()),
            conditions: self
                .conditions
                .iter()
                .map(|Condition::Equals { attribute, value }| (EQUALS, attribute.clone(), value.clone()))
                .collect(),
            threshold: u32::try_from(self.threshold).unwrap_or(u32::MAX),
            ext: Ext::new(),
        }
    }

    /// The query that travelled as `wire`.
    pub(crate) fn from_wire(wire: WireQuery) -> Result<Self, WireError> {
        if wire.conditions.len() > CONDITIONS_MAX {
            return Err(WireError::TooLarge { len: wire.conditions.len(), max: CONDITIONS_MAX });
        }
        let publisher = wire.publisher.map(|bytes| PeerId::from_bytes(&bytes)).transpose();
        let conditions = wire.conditions.into_iter().map(|(kind, attribute, value)| match kind {
            EQUALS => Ok(Condition::Equals { attribute, value }),
            got => Err(WireError::UnknownKind { got }),
        });
        Ok(Self {
            kind: wire.kind.map(AdvertisementKind::from_code),
            group: wire.group,
            publisher: publisher.map_err(|_| WireError::Malformed)?,
            conditions: conditions.collect::<Result<_, _>>()?,
            threshold: usize::try_from(wire.threshold).unwrap_or(usize::MAX),
            ..Self::new()
        })
    }
}

impl Default for DiscoveryQuery {
    fn default() -> Self {
        Self::new()
    }
}

/// A query as it travels. Conditions are `{kind, attribute, value}`, so that kinds can be added.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct WireQuery {
    kind: Option<u16>,
    group: Option<GroupId>,
    publisher: Option<Bytes>,
    conditions: Vec<(u16, String, Value)>,
    threshold: u32,
    ext: Ext,
}

const EQUALS: u16 = 1;
