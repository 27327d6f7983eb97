//! What only some transactions have: a parent, blocked time, typed values.
//!
//! In: what was measured. Out: the part of a record that others leave empty, and its JSON keys.

use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::trace::Parent;
use super::values::{MetricValue, TypedValue};

/// What only some transactions have; empty for all others, which costs nothing on the wire. CSV leaves it out; a JSON
/// object has one more key for each part that is there: `parent` and `trace`, `blocked_us`, `values` (by name), `weight`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Details {
    /// What it was a part of.
    pub parent: Option<Parent>,
    /// Microseconds of the response time in which it waited for something else.
    pub blocked_us: u64,
    /// Typed values, in the order in which they are defined; none rather than an empty list.
    pub values: Option<Arc<[TypedValue]>>,
    /// How many others it stands for besides itself, when more ended than may travel; at most `RECORD_WEIGHT_MAX` − 1.
    pub folded: u32,
}

impl Details {
    /// For how many transactions the record stands: 1, or more when it is one of a sample.
    #[must_use]
    pub fn weight(&self) -> u64 {
        u64::from(self.folded) + 1
    }
}

impl Serialize for Details {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(Parent { trace, span }) = self.parent {
            map.serialize_entry("parent", &span.to_string())?;
            map.serialize_entry("trace", &trace.to_string())?;
        }
        if self.blocked_us > 0 {
            map.serialize_entry("blocked_us", &self.blocked_us)?;
        }
        if let Some(values) = &self.values {
            map.serialize_entry("values", &ByName(values))?;
        }
        if self.folded > 0 {
            map.serialize_entry("weight", &self.weight())?;
        }
        map.end()
    }
}

struct ByName<'a>(&'a [TypedValue]);

impl Serialize for ByName<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|typed| (&typed.definition.name, &typed.value)))
    }
}

impl Serialize for MetricValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Counter(number) | Self::NumericId(number) => serializer.serialize_u64(*number),
            Self::Gauge(number) => serializer.serialize_i64(*number),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use overlay::PeerId;

    use super::*;
    use crate::arm::{ArmRecord, Correlator, TraceId, ValueDefinition, ValueKind};

    #[test]
    fn json_has_keys_for_what_is_there_behind_the_columns() {
        let plain = ArmRecord::empty(PeerId::random());
        assert_eq!(plain.to_json().as_object().unwrap().len(), ArmRecord::COLUMNS.len());
        let sent = Arc::new(ValueDefinition::new("sent", "By", ValueKind::Counter));
        let value = TypedValue { definition: sent, value: MetricValue::Counter(7) };
        let parent = Parent { trace: TraceId::from_bytes([1; 16]), span: Correlator(255) };
        let details =
            Details { parent: Some(parent), blocked_us: 5, values: Some(Arc::from([value])), folded: 6 };
        let line = ArmRecord { details, ..plain }.to_json_line();
        let end = r#""network_us":null,"parent":"00000000000000ff","trace":"01010101010101010101010101010101","blocked_us":5,"values":{"sent":7},"weight":7}"#;
        assert!(line.ends_with(end), "{line}");
    }
}
