//! What only some records of a batch have: parents and their traces, blocked time, typed values.
//!
//! In: rows. Out: nothing when no row has any, else one compressed byte string, and back. It travels in the message's
//! extensible end, so that readers that don't know it read the records without it. Decompressing is bounded by
//! `COLUMNS_BYTES_MAX` before anything is written.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use overlay::wire::{WireError, decode, encode};
use serde::{Deserialize, Serialize};

use super::super::service::DECODE_BYTES_MAX;
use super::columns::Row;
use super::{LENGTH_BYTES, varint_bytes};
use crate::arm::{Correlator, Details, MetricValue, Parent, TraceId, TypedValue, ValueDefinition};
use crate::limits::{
    COLUMNS_BYTES_MAX, COLUMNS_ZSTD_LEVEL, TRANSACTION_NAME_BYTES_MAX, VALUE_TEXT_BYTES_MAX, VALUES_MAX,
};

/// The whole: name and unit of each typed metric, and the rows that have something.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Group {
    metrics: Vec<(String, String)>,
    rows: Vec<Entry>,
}

/// What one row has.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    /// Rows after the entry before; of the first, its place.
    skipped: u16,
    /// Span and trace of the parent.
    parent: Option<(u64, [u8; 16])>,
    blocked_us: u64,
    /// By the places of their metrics.
    values: Vec<(u16, Value)>,
}

#[derive(Debug, Serialize, Deserialize)]
enum Value {
    Counter(u64),
    Gauge(i64),
    NumericId(u64),
    Text(String),
}

/// The details of `rows`; none when they have none.
pub(super) fn pack(rows: &[Row]) -> Result<Option<Bytes>, WireError> {
    let (mut group, mut places, mut next) = (Group::default(), HashMap::new(), 0);
    for (at, row) in rows.iter().enumerate().filter(|(_, row)| has_any(&row.details)) {
        let metrics = &mut group.metrics;
        let mut place = |definition: &Arc<ValueDefinition>| {
            *places.entry(Arc::clone(definition)).or_insert_with(|| {
                metrics.push((definition.name.clone(), definition.unit.clone()));
                metrics.len() as u16 - 1
            })
        };
        let Details { parent, blocked_us, values, folded: _ } = &row.details;
        let values = values.iter().flat_map(|values| values.iter());
        group.rows.push(Entry {
            skipped: (at - next) as u16,
            parent: parent.map(|parent| (parent.span.0, parent.trace.to_bytes())),
            blocked_us: *blocked_us,
            values: values.map(|value| (place(&value.definition), to_wire(&value.value))).collect(),
        });
        next = at + 1;
    }
    if group.rows.is_empty() {
        return Ok(None);
    }
    let bytes = encode(&group, COLUMNS_BYTES_MAX)?;
    let packed = zstd::bulk::compress(&bytes, COLUMNS_ZSTD_LEVEL).map_err(|_| WireError::Malformed)?;
    Ok(Some(packed.into()))
}

/// Gives `rows` the details in `packed`.
pub(super) fn unpack(packed: &[u8], rows: &mut [Row]) -> Result<(), WireError> {
    let bytes = zstd::bulk::decompress(packed, COLUMNS_BYTES_MAX).map_err(|_| WireError::Malformed)?;
    let group: Group = decode(&bytes, DECODE_BYTES_MAX)?;
    let name = |text: &String| text.len() <= TRANSACTION_NAME_BYTES_MAX;
    if !group.metrics.iter().all(|(metric, unit)| name(metric) && name(unit)) {
        return Err(WireError::Malformed);
    }
    // One definition for each type that a metric's values have, of which a reporter that keeps to one has one.
    let mut definitions = HashMap::new();
    let mut rows = rows.iter_mut();
    for Entry { skipped, parent, blocked_us, values } in group.rows {
        let row = rows.nth(skipped.into()).ok_or(WireError::Malformed)?;
        let mut typed = Vec::with_capacity(values.len().min(VALUES_MAX));
        if values.len() > VALUES_MAX {
            return Err(WireError::Malformed);
        }
        for (place, value) in values {
            let value = from_wire(value).ok_or(WireError::Malformed)?;
            let (name, unit) = group.metrics.get(usize::from(place)).ok_or(WireError::Malformed)?;
            let definition = definitions
                .entry((place, value.kind()))
                .or_insert_with(|| Arc::new(ValueDefinition::new(name, unit, value.kind())));
            typed.push(TypedValue { definition: Arc::clone(definition), value });
        }
        row.details = Details {
            parent: parent
                .map(|(span, trace)| Parent { span: Correlator(span), trace: TraceId::from_bytes(trace) }),
            blocked_us,
            values: (!typed.is_empty()).then(|| typed.into()),
            folded: row.details.folded,
        };
    }
    Ok(())
}

/// Bytes that `details` take at most, however little the compressor gains.
pub(super) fn bytes_max(details: &Details) -> usize {
    if !has_any(details) {
        return 0;
    }
    let value = |value: &TypedValue| {
        let named = value.definition.name.len() + value.definition.unit.len() + 3 * LENGTH_BYTES;
        let text = if let MetricValue::Text(text) = &value.value { text.len() } else { 0 };
        named + text + VALUE_NUMBER_BYTES
    };
    let values: usize = details.values.iter().flat_map(|values| values.iter()).map(value).sum();
    ENTRY_BYTES + varint_bytes(details.blocked_us) + values
}

/// Whether there is any of what this file packs.
fn has_any(details: &Details) -> bool {
    details.parent.is_some() || details.blocked_us > 0 || details.values.is_some()
}

fn to_wire(value: &MetricValue) -> Value {
    match value {
        MetricValue::Counter(number) => Value::Counter(*number),
        MetricValue::Gauge(number) => Value::Gauge(*number),
        MetricValue::NumericId(number) => Value::NumericId(*number),
        MetricValue::Text(text) => Value::Text(text.to_string()),
    }
}

fn from_wire(value: Value) -> Option<MetricValue> {
    Some(match value {
        Value::Counter(number) => MetricValue::Counter(number),
        Value::Gauge(number) => MetricValue::Gauge(number),
        Value::NumericId(number) => MetricValue::NumericId(number),
        Value::Text(text) if text.len() <= VALUE_TEXT_BYTES_MAX => MetricValue::Text(text.into()),
        Value::Text(_) => return None,
    })
}

/// Bytes of an entry at most, without blocked time and values: place, mark, span and trace, count of values.
const ENTRY_BYTES: usize = 3 + 1 + 9 + 16 + 1;

/// Bytes of a value's type and number, or the length of its text, at most.
const VALUE_NUMBER_BYTES: usize = 1 + 9;
