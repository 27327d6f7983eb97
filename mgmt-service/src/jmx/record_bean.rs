//! Records as managed objects, named `<peer>:dest=<receiver>,corr=<correlator>` (paper §5.1, §5.2).
//!
//! In: records of a consumer. Out: registered objects, the last ones of each application. When a newer record needs the
//! place, the oldest is unregistered.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use super::bean::{AttributeInfo, AttributeValue, BeanInfo, DynamicBean};
use super::object_name::ObjectName;
use super::server::{BeanServer, Registration};
use crate::arm::{ArmRecord, DestStatus, Details, Parent, Path, Reason, Split, Status, Traceparent};
use crate::error::{ObjectNameError, RegisterError};

/// The name under which a record is managed. Both peers stand with their PeerId: names of people are not unique.
///
/// # Errors
/// None for records of this crate; the type can't say so.
pub fn record_name(record: &ArmRecord) -> Result<ObjectName, ObjectNameError> {
    let keys = [("dest", record.dest.to_string()), ("corr", record.correlator.to_string())];
    ObjectName::new(&record.peer.to_string(), keys)
}

/// The record that a peer showed as an object with these attributes; none when they are no record of the peer that the
/// name says, or lack what every record has.
#[must_use]
pub fn record_of(name: &ObjectName, attributes: &[(String, AttributeValue)]) -> Option<ArmRecord> {
    let text = |wanted: &str| {
        attributes.iter().find(|(known, _)| known == wanted).and_then(|(_, value)| match value {
            AttributeValue::Str(text) => Some(text.as_str()),
            _ => None,
        })
    };
    let number = |wanted: &str| {
        attributes.iter().find(|(known, _)| known == wanted).and_then(|(_, value)| match value {
            AttributeValue::Int(number) => u64::try_from(*number).ok(),
            _ => None,
        })
    };
    let parent = || {
        let (trace, span) = (text("trace")?, text("parent")?);
        format!("00-{trace}-{span}-00").parse::<Traceparent>().ok().map(Parent::from)
    };
    let at = humantime::parse_rfc3339(text("at")?).ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(ArmRecord {
        at_ms: u64::try_from(at.as_millis()).ok()?,
        peer: name.domain().parse().ok()?,
        transaction: text("transaction")?.into(),
        dest: name.key("dest")?.parse().ok()?,
        dest_status: DestStatus::from_text(text("dest_status").unwrap_or_default())?,
        correlator: name.key("corr")?.parse().ok()?,
        status: Status::from_text(text("status")?)?,
        response_us: number("response_us"),
        hold_us: number("hold_us"),
        path: Path::from_text(text("path").unwrap_or_default())?,
        reason: Reason::from_text(text("reason").unwrap_or_default())?,
        // Typed values stay with the object's peer: their types can't be told from its attributes.
        details: Details {
            parent: parent(),
            blocked_us: number("blocked_us").unwrap_or(0),
            values: None,
            folded: 0,
        },
        split: Split::of(Split::COLUMNS.map(number)),
    })
}

/// A record that can be asked; its attributes are those that its kind of transaction has measured.
#[derive(Debug)]
pub struct RecordBean {
    record: ArmRecord,
}

impl DynamicBean for RecordBean {
    fn info(&self) -> BeanInfo {
        let attribute = |(name, description)| {
            let info =
                || AttributeInfo { name: Cow::Borrowed(name), description: Cow::Borrowed(description) };
            value(&self.record, name).map(|_| info())
        };
        BeanInfo {
            description: Cow::Borrowed("one measured transaction"),
            attributes: ATTRIBUTES.into_iter().chain(DETAILS).filter_map(attribute).collect(),
        }
    }

    fn attribute(&self, name: &str) -> Option<AttributeValue> {
        value(&self.record, name)
    }

    fn record(&self) -> Option<&ArmRecord> {
        Some(&self.record)
    }
}

/// The last records of an application as managed objects.
#[derive(Debug)]
pub struct RecordBeans {
    server: BeanServer,
    kept: VecDeque<Registration>,
    kept_max: usize,
}

impl RecordBeans {
    /// Keeps the last `kept_max` records registered at `server`.
    #[must_use]
    pub fn new(server: BeanServer, kept_max: usize) -> Self {
        Self { server, kept: VecDeque::with_capacity(kept_max), kept_max }
    }

    /// Registers a record; the oldest makes room for it.
    ///
    /// # Errors
    /// When the registry refuses it, which the registry counts.
    pub fn add(&mut self, record: ArmRecord) -> Result<(), RegisterError> {
        while self.kept.len() >= self.kept_max.max(1) {
            self.kept.pop_front();
        }
        let name = record_name(&record)?;
        let registration = self.server.register(name, Arc::new(RecordBean { record }))?;
        self.kept.push_back(registration);
        Ok(())
    }

    /// How many records are registered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether none is registered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }
}

/// What a record says under the name of a column; nothing when it was not measured.
fn value(record: &ArmRecord, name: &str) -> Option<AttributeValue> {
    let text = |text: &str| (!text.is_empty()).then(|| AttributeValue::from(text));
    match name {
        "at" => text(&record.at()),
        "peer" => text(&record.peer.to_string()),
        "transaction" => text(&record.transaction),
        "dest" => text(&record.dest.to_string()),
        "dest_status" => text(record.dest_status.as_str()),
        "corr" => text(&record.correlator.to_string()),
        "status" => text(record.status.as_str()),
        "response_us" => record.response_us.map(AttributeValue::from),
        "hold_us" => record.hold_us.map(AttributeValue::from),
        "path" => text(record.path.as_str()),
        "reason" => text(record.reason.as_str()),
        "queue_us" => record.split.queue_us.map(AttributeValue::from),
        "lookup_us" => record.split.lookup_us.map(AttributeValue::from),
        "dial_us" => record.split.dial_us.map(AttributeValue::from),
        "network_us" => record.split.network_us.map(AttributeValue::from),
        "parent" => text(&record.details.parent?.span.to_string()),
        "trace" => text(&record.details.parent?.trace.to_string()),
        "blocked_us" => Some(record.details.blocked_us).filter(|us| *us > 0).map(AttributeValue::from),
        _ => None,
    }
}

/// The columns of a record with what they mean.
const ATTRIBUTES: [(&str, &str); 15] = [
    ("at", "when it started, RFC 3339"),
    ("peer", "who measured"),
    ("transaction", "what was measured"),
    ("dest", "who was asked"),
    ("dest_status", "the status that the answer gave"),
    ("corr", "the correlator, the same in question and answer"),
    ("status", "good, aborted, failed or unknown"),
    ("response_us", "microseconds from question to answer"),
    ("hold_us", "microseconds that the other side took to answer"),
    ("path", "direct or relayed"),
    ("reason", "why it failed"),
    ("queue_us", "microseconds from when it was due until it was sent"),
    ("lookup_us", "microseconds of looking for the receiver, when a pipe had to be opened"),
    ("dial_us", "microseconds of connecting, when a pipe had to be opened"),
    ("network_us", "microseconds of the bare connection's round trip"),
];

/// What only some records have.
const DETAILS: [(&str, &str); 3] = [
    ("parent", "the transaction that it was a part of"),
    ("trace", "the trace of both"),
    ("blocked_us", "microseconds in which it waited for something else"),
];

#[cfg(test)]
mod tests {
    use overlay::PeerId;

    use super::*;
    use crate::arm::{Correlator, TraceId};
    use crate::jmx::ObjectNamePattern;

    fn record(n: u64) -> ArmRecord {
        let peer = PeerId::random();
        ArmRecord {
            correlator: Correlator(n),
            transaction: "presence.ping".into(),
            status: Status::Good,
            response_us: Some(850),
            ..ArmRecord::empty(peer)
        }
    }

    fn everything() -> ObjectNamePattern {
        "*:dest=*,*".parse().unwrap()
    }

    #[test]
    fn the_last_records_are_registered_and_the_oldest_makes_room() {
        let server = BeanServer::new();
        let mut beans = RecordBeans::new(server.clone(), 3);
        for n in 1..=10 {
            beans.add(record(n)).unwrap();
        }
        let found = server.query(&everything());
        let correlators: Vec<_> =
            found.iter().map(|(name, _)| name.key("corr").unwrap().to_owned()).collect();
        assert_eq!(correlators, ["0000000000000008", "0000000000000009", "000000000000000a"]);
        assert_eq!(beans.len(), 3);
        drop((found, beans));
        assert!(server.is_empty());
    }

    #[test]
    fn a_record_has_the_columns_as_attributes_and_only_those_that_were_measured() {
        let bean = RecordBean { record: record(1) };
        assert_eq!(bean.attribute("response_us"), Some(AttributeValue::Int(850)));
        assert_eq!((bean.attribute("hold_us"), bean.attribute("secret")), (None, None));
        let names: Vec<_> = bean.info().attributes.into_iter().map(|attribute| attribute.name).collect();
        assert_eq!(names, ["at", "peer", "transaction", "dest", "corr", "status", "response_us"]);
        let attributes: Vec<_> =
            names.iter().map(|name| (name.to_string(), bean.attribute(name).unwrap())).collect();
        let name = record_name(&bean.record).unwrap();
        assert_eq!(record_of(&name, &attributes).as_ref(), Some(&bean.record));
        assert_eq!(record_of(&name, &attributes[1..]), None);
        assert_eq!(ATTRIBUTES.map(|(name, _)| name), ArmRecord::COLUMNS);

        let parent = Parent { trace: TraceId::from_bytes([3; 16]), span: Correlator(9) };
        let details = Details { parent: Some(parent), blocked_us: 5, ..Details::default() };
        let bean = RecordBean { record: ArmRecord { details, ..bean.record } };
        let shown = bean.info().attributes.into_iter().map(|info| info.name.into_owned());
        let attributes: Vec<_> = shown.map(|name| (name.clone(), bean.attribute(&name).unwrap())).collect();
        assert_eq!(record_of(&name, &attributes).as_ref(), Some(&bean.record));
    }
}
