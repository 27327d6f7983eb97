//! What one agent says, whatever it is, costs the others nothing: the store goes on, and counts what it did not believe.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use overlay::GroupId;

use super::*;
use crate::arm::{Correlator, Status};
use crate::net::RecordSink;
use crate::store::{COUNTS, GroupSample, GroupUsage, Retention, Selection, StoreSink, Usage, UsageSample};

const NOW: u64 = 700_000_000_000;
const HOUR_MS: u64 = 3_600_000;
const EVER: Selection = Selection { since_ms: 0, until_ms: u64::MAX };

fn record(peer: PeerId, at_ms: u64, number: u64) -> ArmRecord {
    ArmRecord {
        at_ms,
        transaction: "presence.ping".into(),
        correlator: Correlator(number),
        status: Status::Good,
        response_us: Some(800),
        ..ArmRecord::empty(peer)
    }
}

fn delivered(peer: PeerId, seq: u64, dropped: u64, records: Vec<ArmRecord>) -> Delivered {
    Delivered { peer, batch: RecordBatch { boot: 5, seq, dropped, records } }
}

fn new_store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("records.db")).unwrap();
    (dir, store)
}

fn stored(store: &Store) -> Vec<ArmRecord> {
    let mut records = Vec::new();
    store.for_each_record(EVER, |record| records.push(record)).unwrap();
    records
}

#[test]
fn counters_beyond_all_bounds_end_nobodys_collection() {
    let (_dir, store) = new_store();
    let clock = AtomicU64::new(NOW);
    let clock = std::sync::Arc::new(clock);
    let reads = clock.clone();
    let mut sink =
        StoreSink::new(store, Retention::default(), 7, move || reads.load(Ordering::Relaxed)).unwrap();
    let (liar, group, usage) = (PeerId::random(), GroupId::from_bytes([1; 32]), sink.usage());
    for round in 1..5 {
        let counters = Usage::of([u64::MAX; 6]);
        let counted = GroupSample { since_ms: round, counters: GroupUsage([u64::MAX; COUNTS]) };
        let groups = BTreeMap::from([(group, counted)]);
        usage.note(liar, UsageSample { at_ms: NOW + round, since_ms: round, counters, groups });
        let batch = delivered(liar, round, 0, vec![record(liar, NOW, round)]);
        sink.write_batch(liar, &batch.batch).unwrap();
        sink.commit().unwrap();
    }
    let store = sink.store_for_test();
    assert_eq!(store.usage(EVER).unwrap()[&liar].usage.bytes_in, i64::MAX.unsigned_abs());
    assert_eq!(store.group_usage(EVER).unwrap()[&group][&liar].usage.0[0], i64::MAX.unsigned_abs());
}

#[test]
fn samples_that_cannot_be_kept_do_not_end_the_collection() {
    let (_dir, store) = new_store();
    store.connection.execute_batch("DROP TABLE usage_last").unwrap();
    let mut sink = StoreSink::new(store, Retention::default(), 7, || NOW).unwrap();
    let peer = PeerId::random();
    let sample = UsageSample { at_ms: NOW, since_ms: 1, counters: Usage::default(), groups: BTreeMap::new() };
    sink.usage().note(peer, sample);
    sink.write_batch(peer, &delivered(peer, 1, 0, vec![record(peer, NOW, 1)]).batch).unwrap();
    sink.commit().unwrap();
    assert_eq!(stored(sink.store_for_test()).len(), 1);
}

#[test]
fn losses_beyond_all_bounds_break_no_report() {
    let (_dir, mut store) = new_store();
    for dropped in [i64::MAX.unsigned_abs(), u64::MAX, 1] {
        let peer = PeerId::random();
        store.commit(&[delivered(peer, 1, dropped, Vec::new())], NOW).unwrap();
    }
    assert_eq!(store.losses().unwrap().by_agents, u64::MAX);
}

#[test]
fn a_clock_that_cannot_be_right_moves_no_record_out_of_its_time_and_is_counted() {
    let (_dir, mut store) = new_store();
    let [honest, past, future] = [(); 3].map(|()| PeerId::random());
    let late = NOW - 24 * HOUR_MS;
    let records = vec![record(honest, NOW, 1), record(honest, NOW + 60_000, 2), record(honest, late, 3)];
    store.commit(&[delivered(honest, 1, 0, records.clone())], NOW).unwrap();
    store.commit(&[delivered(past, 1, 0, vec![record(past, 0, 1), record(past, 5_000, 2)])], NOW).unwrap();
    store.commit(&[delivered(future, 1, 0, vec![record(future, u64::MAX, 1)])], NOW).unwrap();
    store.keep(NOW + 1, &Retention { raw: Duration::from_secs(48 * 3600), ..Retention::default() }).unwrap();
    let of = |store: &Store, peer| {
        let records = stored(store).into_iter().filter(|record| record.peer == peer);
        records.map(|record| record.at_ms).collect::<Vec<_>>()
    };
    assert_eq!(of(&store, honest), [late, NOW, NOW + 60_000], "what a spool kept for a day is believed");
    assert_eq!((of(&store, past), of(&store, future)), (vec![NOW, NOW], vec![NOW]));
    assert_eq!(store.losses().unwrap().retimed, 3);
    // Their time is over as that of the others.
    store.keep(NOW + 31 * 24 * HOUR_MS, &Retention::default()).unwrap();
    assert_eq!(stored(&store).len(), 0);
}
