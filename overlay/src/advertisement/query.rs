//! Questions to the discovery: which kind, group and publisher, which attributes, how many, until when.

use std::time::Duration;

use bytes::Bytes;
use libp2p::PeerId;
use serde::{Deserialize, Serialize};

use super::condition::{self, WireCondition};
use super::{AdvertisementKind, Condition, SignedAdvertisement, Value};
use crate::id::GroupId;
use crate::wire::{Ext, WireError};

/// A question: all conditions must hold. As text, in a shell or a file:
///
/// ```
/// use overlay::{AdvertisementKind, Condition, DiscoveryQuery};
///
/// let query: DiscoveryQuery = r#"kind=pipe name="chat-*" load<0.5 or not busy"#.parse()?;
/// let calm = [Condition::below("load", 0.5), !Condition::exists("busy")];
/// assert_eq!(query, DiscoveryQuery::new().kind(AdvertisementKind::Pipe).glob("name", "chat-*").any(calm));
/// # Ok::<(), overlay::ParseQueryError>(())
/// ```
///
/// * Conditions side by side must all hold. `or` binds tighter than that, `and` tighter than `or`, `not` tightest;
///   parentheses group.
/// * `load<0.5`, `load<=0.5`, `load>0.5`, `load>=0.5` compare numbers, or text; `load=0.2..0.5` is from 0.2 up to, but
///   without, 0.5. `name=x` and `name!=x` compare any value. `busy` alone asks whether the attribute is there.
/// * Values are whole numbers, other numbers, `true`, `false` and text, in quotes unless it is one plain word. In text,
///   `*` and `?` make a pattern and `\` takes the next character literally. `#5:00ff` gives a value's wire kind and bytes.
/// * `kind=`, `group=`, `publisher=`, `threshold=` and `deadline=` (`5s`, `250ms`) set the query's own fields and stand
///   outside of parentheses; an attribute of such a name is written in quotes: `"kind"=x`.
///
/// `Display` writes the same language, so that it parses back to the same query.
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
    pub fn equals(self, attribute: impl Into<String>, value: impl Into<Value>) -> Self {
        self.condition(Condition::equals(attribute, value))
    }

    /// Only where `attribute` is a text that fits `pattern`: `*` stands for any characters, `?` for one.
    pub fn glob(self, attribute: impl Into<String>, pattern: &str) -> Self {
        self.condition(Condition::glob(attribute, pattern))
    }

    /// Only where `attribute` is less than `value`.
    pub fn below(self, attribute: impl Into<String>, value: impl Into<Value>) -> Self {
        self.condition(Condition::below(attribute, value))
    }

    /// Only where `attribute` is `value` or less.
    pub fn at_most(self, attribute: impl Into<String>, value: impl Into<Value>) -> Self {
        self.condition(Condition::at_most(attribute, value))
    }

    /// Only where `attribute` is more than `value`.
    pub fn above(self, attribute: impl Into<String>, value: impl Into<Value>) -> Self {
        self.condition(Condition::above(attribute, value))
    }

    /// Only where `attribute` is `value` or more.
    pub fn at_least(self, attribute: impl Into<String>, value: impl Into<Value>) -> Self {
        self.condition(Condition::at_least(attribute, value))
    }

    /// Only where `attribute` is there.
    pub fn exists(self, attribute: impl Into<String>) -> Self {
        self.condition(Condition::exists(attribute))
    }

    /// Only where at least one of `conditions` holds.
    pub fn any(self, conditions: impl IntoIterator<Item = Condition>) -> Self {
        self.condition(Condition::any(conditions))
    }

    /// Only where `condition` does not hold.
    pub fn not(self, condition: Condition) -> Self {
        self.condition(!condition)
    }

    /// Only where `condition` holds.
    pub fn condition(mut self, condition: Condition) -> Self {
        self.conditions.push(condition);
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

    /// Whether `signed` answers this query; a withdrawal answers none.
    pub fn matches(&self, signed: &SignedAdvertisement) -> bool {
        let advertisement = signed.advertisement();
        !signed.is_withdrawn()
            && self.kind.is_none_or(|kind| kind == advertisement.kind)
            && self.group.is_none_or(|group| group == advertisement.group)
            && self.publisher.is_none_or(|publisher| publisher == signed.publisher())
            && self.conditions.iter().all(|condition| condition.holds(&advertisement.attributes))
    }

    /// The form in which a query travels.
    ///
    /// # Errors
    /// [`WireError::TooLarge`] when its conditions are too many, too deep or too long.
    pub(crate) fn to_wire(&self) -> Result<WireQuery, WireError> {
        Ok(WireQuery {
            kind: self.kind.map(AdvertisementKind::code),
            group: self.group,
            publisher: self.publisher.map(|publisher| publisher.to_bytes().into()),
            conditions: condition::to_wire(&self.conditions)?,
            threshold: u32::try_from(self.threshold).unwrap_or(u32::MAX),
            ext: Ext::new(),
        })
    }

    /// The query that travelled as `wire`.
    ///
    /// # Errors
    /// As [`WireError`] says.
    pub(crate) fn from_wire(wire: WireQuery) -> Result<Self, WireError> {
        let publisher = wire.publisher.map(|bytes| PeerId::from_bytes(&bytes)).transpose();
        Ok(Self {
            kind: wire.kind.map(AdvertisementKind::from_code),
            group: wire.group,
            publisher: publisher.map_err(|_| WireError::Malformed)?,
            conditions: condition::from_wire(&wire.conditions)?,
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

/// A query as it travels.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct WireQuery {
    kind: Option<u16>,
    group: Option<GroupId>,
    publisher: Option<Bytes>,
    conditions: Vec<WireCondition>,
    threshold: u32,
    ext: Ext,
}
