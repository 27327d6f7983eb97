//! Parents, blocked time and typed values on the wire: old and new readers, bounds, what a hostile reporter may try.

use super::*;
use crate::arm::{MetricValue, Parent, TraceId, TypedValue, ValueDefinition, ValueKind};
use crate::limits::{VALUE_TEXT_BYTES_MAX, VALUES_MAX};

fn parent(n: u8) -> Option<Parent> {
    Some(Parent { trace: TraceId::from_bytes([n; 16]), span: Correlator(n.into()) })
}

fn typed(name: &str, value: MetricValue) -> TypedValue {
    TypedValue { definition: Arc::new(ValueDefinition::new(name, "By", value.kind())), value }
}

fn detailed(n: u64, details: Details) -> ArmRecord {
    ArmRecord { details, ..record(n) }
}

/// A message whose extensible end is `ext`.
fn ending_in(records: &[ArmRecord], ext: Ext) -> Bytes {
    let plain = batch(records);
    assert_eq!(plain.last(), Some(&0), "nothing in it");
    let body: Vec<u8> = overlay::wire::encode(&ext, PUSH_BYTES_MAX).unwrap();
    [&plain[..plain.len() - 1], &body].concat().into()
}

#[test]
fn details_of_every_kind_read_back_beside_records_that_have_none() {
    let values = [
        typed("sent", MetricValue::Counter(u64::MAX)),
        typed("load", MetricValue::Gauge(i64::MIN)),
        typed("error", MetricValue::NumericId(7)),
        typed("why", MetricValue::Text("x".repeat(VALUE_TEXT_BYTES_MAX).into())),
    ];
    let all = Details { parent: parent(3), blocked_us: u64::MAX, values: Some(Arc::from(values)), folded: 0 };
    let records = [
        record(0),
        detailed(1, all.clone()),
        record(2),
        record(3),
        detailed(4, Details { blocked_us: 1, ..Details::default() }),
        detailed(5, all),
        record(6),
    ];
    assert_eq!(read(&batch(&records)).unwrap().records, records);
}

#[test]
fn an_old_reader_takes_the_records_and_a_new_one_skips_what_is_newer_still() {
    let later: Ext = vec![(7, Bytes::from_static(b"later")), (900, Bytes::new())];
    let message = ending_in(&[record(0)], later);
    assert_eq!(read(&message).unwrap().records, [record(0)]);
    // An old reader knows no field at all, and so does with the details what this one does with field 7.
    let details = Details { parent: parent(1), ..Details::default() };
    let sealed = batch(&[detailed(0, details)]);
    let (plain, old) = (batch(&[record(0)]), sealed.len() - batch(&[record(0)]).len());
    assert_eq!(sealed[..plain.len() - 1], plain[..plain.len() - 1], "{old} bytes at the end alone");
    assert_eq!(sealed[plain.len() - 1..plain.len() + 1], [1, 1], "one field, the first");
}

#[test]
fn golden_bytes_of_details() {
    let value = typed("sent", MetricValue::Counter(7));
    let details = Details { parent: parent(3), blocked_us: 5, values: Some(Arc::from([value])), folded: 0 };
    let row = |n, details| Row { details, ..write(&record(n), 0, 0) };
    let rows = [row(0, Details::default()), row(1, details)];
    let packed = super::super::details::pack(&rows).unwrap().unwrap();
    let bytes = zstd::bulk::decompress(&packed, 1000).unwrap();
    let mut golden = b"\x01\x04sent\x02By\x01\x01\x01\x03".to_vec();
    golden.extend([3; 16]);
    golden.extend([5, 1, 0, 0, 7]);
    assert_eq!(bytes, golden);
    assert_eq!(super::super::details::pack(&rows[..1]), Ok(None), "ordinary records pay nothing");
}

#[test]
fn a_hundred_parts_of_one_whole_cost_little_more_than_if_they_were_none() {
    let records = |parent| {
        let part = |n| detailed(n, Details { parent, ..Details::default() });
        (0..100).map(part).collect::<Vec<_>>()
    };
    let (with, without) = (batch(&records(parent(3))).len(), batch(&records(None)).len());
    assert!(with - without <= 100, "{with} {without}");
}

#[test]
fn details_that_no_batch_can_have_are_malformed() {
    type Values = Vec<(u16, (u32, u64))>;
    type Entry = (u16, Option<(u64, [u8; 16])>, u64, Values);
    let message = |metrics: Vec<(String, String)>, rows: Vec<Entry>| {
        let bytes = overlay::wire::encode(&(metrics, rows), 1 << 20).unwrap();
        let packed = zstd::bulk::compress(&bytes, 3).unwrap();
        read(&ending_in(&[record(0), record(1)], vec![(DETAILS, packed.into())]))
    };
    let metric = || vec![("sent".to_owned(), String::new())];
    assert!(message(metric(), vec![(1, None, 1, vec![(0, (0, 1))])]).is_ok());
    let wrong: [(&str, _, Vec<Entry>); 5] = [
        ("a row too far", metric(), vec![(2, None, 1, vec![])]),
        ("a row too many", metric(), vec![(1, None, 1, vec![]), (0, None, 1, vec![])]),
        ("an unnamed metric", metric(), vec![(0, None, 1, vec![(1, (0, 1))])]),
        ("too many values", metric(), vec![(0, None, 1, vec![(0, (0, 1)); VALUES_MAX + 1])]),
        ("too long a name", vec![("n".repeat(65), String::new())], vec![(0, None, 1, vec![])]),
    ];
    for (what, metrics, rows) in wrong {
        assert_eq!(message(metrics, rows), Err(WireError::Malformed), "{what}");
    }
    for bytes in
        [Bytes::from_static(b"no frame"), zstd::bulk::compress(&vec![0; 64 << 20], 19).unwrap().into()]
    {
        assert!(read(&ending_in(&[record(0)], vec![(DETAILS, bytes)])).is_err());
    }
}

#[test]
fn a_batch_of_the_longest_details_is_closed_in_time() {
    let mut builder = BatchBuilder::default();
    let text = |n: usize| MetricValue::Text(format!("{n:0>width$}", width = VALUE_TEXT_BYTES_MAX).into());
    while !builder.is_full() {
        let n = builder.len();
        let values =
            (0..VALUES_MAX).map(|value| typed(&format!("{value}{}", "n".repeat(63)), text(n * 7 + value)));
        let details =
            Details { parent: parent(3), blocked_us: u64::MAX, values: Some(values.collect()), folded: 0 };
        builder.push(&detailed(n as u64, details));
    }
    let records = builder.len();
    let message = builder.close(1, 1, 0).unwrap().message(&mut DictionaryWriter::default()).unwrap();
    assert_eq!(read(&message).unwrap().records.len(), records);
}

#[test]
fn a_value_keeps_its_type_under_a_name_that_two_definitions_use() {
    let value = |value| Details { values: Some(Arc::from([typed("n", value)])), ..Details::default() };
    let records = [detailed(0, value(MetricValue::Counter(1))), detailed(1, value(MetricValue::Gauge(-1)))];
    let read = read(&batch(&records)).unwrap().records;
    assert_eq!(read, records);
    let kinds = read.iter().map(|record| record.details.values.as_ref().unwrap()[0].definition.kind);
    assert_eq!(kinds.collect::<Vec<_>>(), [ValueKind::Counter, ValueKind::Gauge]);
}
