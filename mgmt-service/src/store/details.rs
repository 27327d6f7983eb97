//! What only some transactions have, as the store keeps it: a JSON text beside the record, and none for all others.
//!
//! In: details. Out: `{"parent", "trace", "blocked_us", "values": [[name, unit, kind, value], …]}`, each part where it is
//! there, and back. As long as the details of a record may be.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::arm::{Correlator, Details, MetricValue, Parent, TraceId, TypedValue, ValueDefinition, ValueKind};

/// The step that adds them: to the records, and to the view, with the values by name.
pub(super) const COLUMN: &str = "ALTER TABLE record ADD COLUMN details TEXT;
    DROP VIEW records;
    CREATE VIEW records AS SELECT
        strftime('%Y-%m-%dT%H:%M:%fZ', at_ms / 1000.0, 'unixepoch') AS at,
        asker.peer AS peer, kind.name AS \"transaction\", asked.peer AS dest, dest_status,
        printf('%016x', corr) AS corr, status, response_us, hold_us, path, reason,
        queue_us, lookup_us, dial_us, network_us, weight,
        details ->> '$.parent' AS parent, details ->> '$.trace' AS trace, details ->> '$.blocked_us' AS blocked_us,
        CASE WHEN details -> '$.values' IS NOT NULL THEN
            (SELECT json_group_object(value ->> 0, value ->> 3) FROM json_each(details, '$.values')) END AS \"values\"
    FROM record
        JOIN peer AS asker ON asker.id = record.peer
        JOIN peer AS asked ON asked.id = record.dest
        JOIN kind ON kind.id = record.kind;";

/// The text of details; none when there are none. For how many a record stands has a column of its own.
pub(super) fn to_text(details: &Details) -> Option<String> {
    let Details { parent, blocked_us, values, folded: _ } = details;
    if parent.is_none() && *blocked_us == 0 && values.is_none() {
        return None;
    }
    let row = |typed: &TypedValue| {
        let ValueDefinition { name, unit, kind } = &*typed.definition;
        let value = match &typed.value {
            MetricValue::Counter(number) | MetricValue::NumericId(number) => Value::Natural(*number),
            MetricValue::Gauge(number) => Value::Whole(*number),
            MetricValue::Text(text) => Value::Text(text.to_string()),
        };
        (name.clone(), unit.clone(), kind.as_str().to_owned(), value)
    };
    let kept = Kept {
        parent: parent.map(|parent| parent.span.to_string()),
        trace: parent.map(|parent| parent.trace.to_string()),
        blocked_us: Some(*blocked_us).filter(|us| *us > 0),
        values: values.as_deref().map(|values| values.iter().map(row).collect()),
    };
    // Texts and numbers alone are always JSON.
    serde_json::to_string(&kept).ok()
}

/// The details in a text; none when it is no such text.
pub(super) fn of_text(text: &str) -> Option<Details> {
    let Kept { parent, trace, blocked_us, values } = serde_json::from_str(text).ok()?;
    let parent = match (parent, trace) {
        (Some(parent), Some(trace)) => Some(Parent {
            span: Correlator(u64::from_str_radix(&parent, 16).ok()?),
            trace: TraceId::from_bytes(u128::from_str_radix(&trace, 16).ok()?.to_be_bytes()),
        }),
        (None, None) => None,
        _ => return None,
    };
    let values = match values {
        Some(rows) => Some(rows.into_iter().map(typed).collect::<Option<Arc<[TypedValue]>>>()?),
        None => None,
    };
    Some(Details { parent, blocked_us: blocked_us.unwrap_or(0), values, folded: 0 })
}

fn typed((name, unit, kind, value): Row) -> Option<TypedValue> {
    let kinds = [ValueKind::Counter, ValueKind::Gauge, ValueKind::NumericId, ValueKind::Text];
    let kind = kinds.into_iter().find(|known| known.as_str() == kind)?;
    let value = match (kind, value) {
        (ValueKind::Counter, Value::Natural(number)) => MetricValue::Counter(number),
        (ValueKind::NumericId, Value::Natural(number)) => MetricValue::NumericId(number),
        (ValueKind::Gauge, Value::Natural(number)) => MetricValue::Gauge(i64::try_from(number).ok()?),
        (ValueKind::Gauge, Value::Whole(number)) => MetricValue::Gauge(number),
        (ValueKind::Text, Value::Text(text)) => MetricValue::Text(text.into()),
        _ => return None,
    };
    Some(TypedValue { definition: Arc::new(ValueDefinition { name, unit, kind }), value })
}

#[derive(Serialize, Deserialize)]
struct Kept {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trace: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    blocked_us: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    values: Option<Vec<Row>>,
}

/// Name, unit, kind, value.
type Row = (String, String, String, Value);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Value {
    Natural(u64),
    Whole(i64),
    Text(String),
}

#[cfg(test)]
mod tests {
    use overlay::PeerId;

    use super::*;
    use crate::arm::ArmRecord;
    use crate::protocol::RecordBatch;
    use crate::store::{Delivered, Selection, Store};

    fn value(name: &str, kind: ValueKind, value: MetricValue) -> TypedValue {
        TypedValue { definition: Arc::new(ValueDefinition::new(name, "By", kind)), value }
    }

    fn rich() -> Details {
        let parent = Parent { trace: TraceId::from_bytes([0xab; 16]), span: Correlator(u64::MAX - 1) };
        let values = [
            value("sent", ValueKind::Counter, MetricValue::Counter(u64::MAX)),
            value("level", ValueKind::Gauge, MetricValue::Gauge(-3)),
            value("depth", ValueKind::Gauge, MetricValue::Gauge(3)),
            value("code", ValueKind::NumericId, MetricValue::NumericId(7)),
            value("why", ValueKind::Text, MetricValue::Text("a \"b\" <c>".into())),
        ];
        Details { parent: Some(parent), blocked_us: 5, values: Some(values.into()), folded: 0 }
    }

    #[test]
    fn details_come_back_as_they_were_and_others_have_no_text() {
        let some = [
            rich(),
            Details { parent: None, ..rich() },
            Details { values: None, ..rich() },
            Details { blocked_us: 9, ..Details::default() },
        ];
        for details in some {
            assert_eq!(of_text(&to_text(&details).unwrap()), Some(details));
        }
        assert_eq!(to_text(&Details::default()), None);
        for broken in ["", "7", "{\"parent\":\"1\"}", "{\"values\":[[\"a\",\"\",\"counter\",\"x\"]]}"] {
            assert_eq!(of_text(broken), None, "{broken}");
        }
    }

    #[test]
    fn the_store_keeps_them_and_its_view_shows_them_by_name() {
        let (dir, peer) = (tempfile::tempdir().unwrap(), PeerId::random());
        let mut store = Store::open(&dir.path().join("records.db")).unwrap();
        let plain = ArmRecord::empty(peer);
        let told = ArmRecord { at_ms: 1, details: rich(), ..plain.clone() };
        let records = vec![plain.clone(), told.clone()];
        let batch = RecordBatch { boot: 1, seq: 1, dropped: 0, records: records.clone() };
        store.commit(&[Delivered { peer, batch }], 5).unwrap();
        let mut stored = Vec::new();
        let ever = Selection { since_ms: 0, until_ms: u64::MAX };
        store.for_each_record(ever, |record| stored.push(record)).unwrap();
        assert_eq!(stored, records);
        let shown = |at: &str| {
            let sql =
                format!("SELECT parent, trace, blocked_us, \"values\" FROM records WHERE at LIKE '%{at}'");
            let row = store.connection.query_row(&sql, [], |row| {
                Ok((row.get::<_, Option<String>>(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            });
            row.unwrap()
        };
        let none: (Option<String>, Option<String>, Option<i64>, Option<String>) = (None, None, None, None);
        assert_eq!(shown("00.000Z"), none);
        let (parent, trace, blocked_us, values) = shown("00.001Z");
        assert_eq!((parent.as_deref(), trace), (Some("fffffffffffffffe"), Some("ab".repeat(16))));
        assert_eq!(blocked_us, Some(5));
        let values: serde_json::Value = serde_json::from_str(&values.unwrap()).unwrap();
        assert_eq!((&values["level"], &values["why"]), (&(-3).into(), &"a \"b\" <c>".into()));
    }
}
