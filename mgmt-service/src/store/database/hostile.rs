//! What one agent says, whatever it is, costs the others nothing: the store goes on, and counts what it did not believe.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use overlay::GroupId;

use super::*;
use crate::arm::{Correlator, Status};
use crate::limits::{AGENTS_REMEMBERED_MAX, STORE_IDS_MAX, STORE_NAMES_MAX};
use crate::net::RecordSink;
use crate::store::ids::OTHERS;
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
    sink.commit().unwrap();
    assert_eq!(sink.store_for_test().losses().unwrap().rounds_unkept, 1);
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

#[test]
fn an_agent_with_endless_receivers_and_kinds_fills_neither_store_nor_memory() {
    let (_dir, mut store) = new_store();
    let (liar, honest, friend) = (PeerId::random(), PeerId::random(), PeerId::random());
    let rows = |store: &Store, table| {
        let count = format!("SELECT count(*) FROM {table}");
        store.connection.query_row(&count, [], |row| row.get::<_, i64>(0)).unwrap().unsigned_abs()
    };
    let records = (0..6_000).map(|number| {
        let transaction = format!("lie {number}").into();
        ArmRecord { dest: PeerId::random(), transaction, ..record(liar, NOW, number) }
    });
    store.commit(&[delivered(liar, 1, 0, records.collect())], NOW).unwrap();
    assert!(rows(&store, "peer") + rows(&store, "kind") < STORE_NAMES_MAX + 10);
    let mine = ArmRecord { dest: friend, ..record(honest, NOW, 1) };
    store.commit(&[delivered(honest, 1, 0, vec![mine.clone()])], NOW).unwrap();
    assert_eq!(stored(&store).len(), 6_001, "all are kept");
    assert!(stored(&store).contains(&mine), "and others keep their names");
    let others = store.peers().unwrap().remove(&OTHERS.parse().unwrap()).unwrap();
    assert_eq!(
        (others.name.as_str(), store.losses().unwrap().names_left_out),
        ("others", 12_000 - STORE_NAMES_MAX)
    );
    // What it names an hour later is kept again.
    let later = ArmRecord { dest: PeerId::random(), ..record(liar, NOW + HOUR_MS, 9_000) };
    store.commit(&[delivered(liar, 2, 0, vec![later.clone()])], NOW + HOUR_MS).unwrap();
    assert!(stored(&store).contains(&later));
}

#[test]
fn who_delivers_no_more_is_forgotten_with_the_hours_and_what_it_lost_is_not() {
    let (_dir, mut store) = new_store();
    for (dropped, at_ms) in [(3, NOW), (u64::MAX - 20, NOW), (4, NOW + HOUR_MS)] {
        let peer = PeerId::random();
        store.commit(&[delivered(peer, 1, dropped, vec![record(peer, at_ms, 1)])], at_ms).unwrap();
    }
    let retention = Retention::default();
    let gone_ms = NOW + retention.hours.as_millis() as u64 + 1;
    for (now_ms, left) in [(NOW, 3), (gone_ms, 1), (gone_ms + HOUR_MS, 0)] {
        store.keep(now_ms, &retention).unwrap();
        let lost = store.losses().unwrap().by_agents;
        assert_eq!((store.inboxes(now_ms).unwrap().len(), lost), (left, u64::MAX - 13));
    }
}

#[test]
fn a_collection_goes_on_with_those_that_delivered_last() {
    let (_dir, mut store) = new_store();
    let peer = PeerId::random();
    store.commit(&[delivered(peer, 1, 0, vec![record(peer, NOW, 1)])], NOW).unwrap();
    let others: Vec<PeerId> = (0..AGENTS_REMEMBERED_MAX).map(|_| PeerId::random()).collect();
    store.name_peers(others.iter().map(|other| (other, "gone", "im"))).unwrap();
    let older = "INSERT INTO delivery (peer, boot, seq, dropped, dropped_before, at_ms)
        SELECT id, 1, 1, 0, 0, ?1 FROM peer WHERE name = 'gone'";
    store.connection.execute(older, [signed(NOW - 1)]).unwrap();
    let inboxes = store.inboxes(NOW).unwrap();
    assert_eq!((inboxes.len(), inboxes[0].0), (AGENTS_REMEMBERED_MAX, peer));
}

#[test]
fn names_go_with_the_last_row_that_says_them() {
    let (_dir, mut store) = new_store();
    let (agent, friend) = (PeerId::random(), PeerId::random());
    let fill = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < ?1)
        INSERT INTO peer (peer) SELECT 'x' || x FROM n";
    store.connection.execute(fill, [signed(STORE_IDS_MAX as u64)]).unwrap();
    store.connection.execute("INSERT INTO kind (name) VALUES ('gone')", []).unwrap();
    let (user, passer) = (PeerId::random(), PeerId::random());
    store.name_peers([(&user, "alice", "im"), (&passer, "under a new key each second", "im")]).unwrap();
    let sample = UsageSample { at_ms: NOW, since_ms: 1, counters: Usage::default(), groups: BTreeMap::new() };
    store.keep_usage(&BTreeMap::from([(user, sample)])).unwrap();
    let kept = ArmRecord { dest: friend, ..record(agent, NOW, 1) };
    store.commit(&[delivered(agent, 1, 0, vec![kept.clone()])], NOW).unwrap();
    store.keep(NOW, &Retention::default()).unwrap();
    let named: BTreeSet<PeerId> = store.peers().unwrap().into_keys().collect();
    assert_eq!((named, stored(&store)), (BTreeSet::from([agent, friend, user]), vec![kept.clone()]));
    let again = ArmRecord { correlator: Correlator(2), ..kept };
    store.commit(&[delivered(agent, 2, 0, vec![again])], NOW).unwrap();
    assert_eq!(stored(&store).len(), 2);
    // Full of names alone, it makes room as well.
    let retention = Retention { bytes_max: store.bytes_used().unwrap(), ..Retention::default() };
    store.connection.execute(fill, [1_000]).unwrap();
    store.keep(NOW, &retention).unwrap();
    assert!(store.bytes_used().unwrap() <= retention.bytes_max);
}
