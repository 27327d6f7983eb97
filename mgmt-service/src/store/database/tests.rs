//! The store's promises: each record once, nothing without room, sums that outlive their records.

use std::time::Duration;

use super::*;
use crate::arm::{Correlator, Path as ArmPath, Reason, Split, Status};
use crate::net::RecordSink;
use crate::store::{Losses, Retention, Selection, StoreSink, Times};

const EVER: Selection = Selection { since_ms: 0, until_ms: u64::MAX };
/// After all records, and less than a day after the first.
const NOW: u64 = 31_000_000;
const HOUR: Duration = Duration::from_secs(3600);

fn record(peer: PeerId, number: u64) -> ArmRecord {
    ArmRecord {
        at_ms: 1_000_000 + number * 1_000,
        transaction: "presence.ping".into(),
        correlator: Correlator(u64::MAX - number),
        status: Status::Good,
        response_us: Some(800 + number),
        hold_us: Some(7),
        path: ArmPath::Direct,
        split: Split { queue_us: Some(3), ..Split::default() },
        ..ArmRecord::empty(peer)
    }
}

fn batch(peer: PeerId, seq: u64, records: std::ops::Range<u64>) -> Delivered {
    let records = records.map(|number| record(peer, number)).collect();
    Delivered { peer, batch: RecordBatch { boot: u64::MAX - 5, seq, dropped: 2, records } }
}

fn stored(store: &Store) -> Vec<ArmRecord> {
    let mut records = Vec::new();
    store.for_each_record(EVER, |record| records.push(record)).unwrap();
    records
}

#[test]
fn a_record_that_stands_for_many_counts_as_many_before_and_after_it_is_summed_up() {
    let peer = PeerId::random();
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(&dir.path().join("records.db")).unwrap();
    let mut sample = batch(peer, 1, 0..3);
    sample.batch.records[1].details.folded = 19;
    store.commit(&[sample.clone()], NOW).unwrap();
    assert_eq!(stored(&store), sample.batch.records);
    let counted = |store: &Store| {
        let level = store.levels(EVER).unwrap().remove(0);
        (level.count, level.times.to_json())
    };
    let whole = counted(&store);
    assert_eq!((whole.0, &whole.1["count"], &whole.1["p50_us"]), (22, &22.into(), &whole.1["p90_us"]));
    // The records go; the minutes stay.
    let retention = Retention { raw: Duration::ZERO, ..Retention::default() };
    store.keep(2_000_000, &retention).unwrap();
    assert!(stored(&store).is_empty());
    assert_eq!(counted(&store), whole);
    let weights: i64 =
        store.connection.query_row("SELECT count(weight) FROM records", [], |row| row.get(0)).unwrap();
    assert_eq!(weights, 0);
}

#[test]
fn what_was_committed_reads_back_after_the_process_and_comes_once() {
    let (dir, peer) = (tempfile::tempdir().unwrap(), PeerId::random());
    let path = dir.path().join("records.db");
    let mut store = Store::open(&path).unwrap();
    let done = store.commit(&[batch(peer, 1, 0..3), batch(peer, 2, 3..5)], NOW).unwrap();
    assert_eq!(done, Committed { records: 5, again: 0 });
    // Dropped without a word, as by SIGKILL; the agent did not hear that its second batch is kept.
    drop(store);
    let mut store = Store::open(&path).unwrap();
    let done = store.commit(&[batch(peer, 2, 3..5), batch(peer, 3, 5..6)], NOW).unwrap();
    assert_eq!(done, Committed { records: 1, again: 1 });
    // An agent that no longer knows the subscription numbers anew and may send what it still holds.
    let mut anew = batch(peer, 1, 4..8);
    anew.batch.boot = 9;
    assert_eq!(store.commit(&[anew], NOW).unwrap(), Committed { records: 2, again: 2 });
    assert_eq!(stored(&store), (0..8).map(|number| record(peer, number)).collect::<Vec<_>>());
    let [(who, inbox, away)] = store.inboxes(NOW + 30).unwrap().try_into().unwrap();
    assert_eq!((who, inbox.resume_from(), inbox.dropped()), (peer, (9, 1), 4));
    assert_eq!(away, Duration::from_millis(30));
}

#[test]
fn a_full_store_keeps_nothing_of_a_batch_and_goes_on_when_there_is_room() {
    let (dir, peer) = (tempfile::tempdir().unwrap(), PeerId::random());
    let path = dir.path().join("records.db");
    let mut sink = StoreSink::new(Store::open(&path).unwrap(), Retention::default(), 7, || NOW).unwrap();
    let write = |sink: &mut StoreSink<_>, delivered: Delivered| {
        sink.write_batch(delivered.peer, &delivered.batch).unwrap();
    };
    write(&mut sink, batch(peer, 1, 0..10));
    sink.commit().unwrap();
    // What the system says when the disk is full is what SQLite says at its largest size.
    sink.limit_size_for_test(1);
    write(&mut sink, batch(peer, 2, 10..5_000));
    for _ in 0..3 {
        assert_eq!(sink.commit().unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    }
    let reader = Store::read(&path).unwrap();
    assert_eq!(stored(&reader).len(), 10);
    sink.limit_size_for_test(1 << 30);
    sink.commit().unwrap();
    assert_eq!(stored(&reader).len(), 5_000);
    let resume = sink.resume().unwrap().unwrap();
    assert_eq!((resume.subscription, resume.inboxes[0].1.resume_from().1), (7, 2));
}

#[test]
fn sums_outlive_their_records_and_say_the_same() {
    let (dir, peer) = (tempfile::tempdir().unwrap(), PeerId::random());
    let mut store = Store::open(&dir.path().join("records.db")).unwrap();
    let failed = ArmRecord {
        response_us: None,
        status: Status::Failed,
        reason: Reason::Timeout,
        ..record(peer, 7_000)
    };
    let mut delivered = batch(peer, 1, 0..7_000);
    delivered.batch.records.push(failed);
    store.commit(&[delivered], NOW).unwrap();
    let before = store.levels(EVER).unwrap();
    assert_eq!(before.iter().map(|level| level.count).collect::<Vec<_>>(), [7_000, 1]);
    let retention = Retention::default();
    assert_eq!(store.keep(0, &retention).unwrap().summed, 7_001);
    assert_eq!(store.keep(0, &retention).unwrap().summed, 0);
    for (now, minutes) in [(HOUR * 24 + HOUR * 3, 118), (HOUR * 24 * 8, 180)] {
        let round = store.keep(now.as_millis() as u64, &retention).unwrap();
        assert!(round.expired > 0, "{round:?}");
        assert!(stored(&store).is_empty());
        let after = store.levels(EVER).unwrap();
        assert_eq!(after[0].times.quantile_us(0.9), before[0].times.quantile_us(0.9));
        assert_eq!((after[0].count, after[1].count, after[1].reason), (7_000, 1, Reason::Timeout));
        assert_eq!(after[0].minutes, minutes);
    }
    // Records that come later have new rows, and are summed up too.
    store.commit(&[batch(peer, 2, 8_000..8_010)], NOW).unwrap();
    assert_eq!(store.keep(0, &retention).unwrap().summed, 10);
}

#[test]
fn all_records_whose_time_is_over_go_in_one_round() {
    let (dir, peer) = (tempfile::tempdir().unwrap(), PeerId::random());
    let mut store = Store::open(&dir.path().join("records.db")).unwrap();
    store.commit(&[batch(peer, 1, 0..25_000)], NOW).unwrap();
    let retention = Retention { raw: HOUR, ..Retention::default() };
    assert_eq!(store.keep(40_000_000, &retention).unwrap().expired, 25_000);
    assert!(stored(&store).is_empty());
}

#[test]
fn a_file_that_is_too_large_gives_its_oldest_records_and_counts_them() {
    let (dir, peer) = (tempfile::tempdir().unwrap(), PeerId::random());
    let mut store = Store::open(&dir.path().join("records.db")).unwrap();
    store.commit(&[batch(peer, 1, 0..30_000)], NOW).unwrap();
    let retention = Retention { bytes_max: store.bytes_used().unwrap() / 2, ..Retention::default() };
    let round = store.keep(0, &retention).unwrap();
    assert!(store.bytes_used().unwrap() <= retention.bytes_max);
    let losses = Losses { by_agents: 2, discarded: round.discarded, ..Losses::default() };
    assert_eq!((round.summed, store.losses().unwrap()), (30_000, losses));
    let left = stored(&store);
    assert_eq!(left.len() as u64, 30_000 - round.discarded);
    assert_eq!(left[0], record(peer, round.discarded), "the newest stay");
    assert_eq!(store.levels(EVER).unwrap()[0].count, 30_000, "and all are counted");
}

#[test]
fn a_report_counts_what_went_although_older_records_came_after_it() {
    let (dir, peer) = (tempfile::tempdir().unwrap(), PeerId::random());
    let mut store = Store::open(&dir.path().join("records.db")).unwrap();
    store.commit(&[batch(peer, 1, 1_000..21_000)], NOW).unwrap();
    // What a spool kept.
    store.commit(&[batch(peer, 2, 0..1_000)], NOW).unwrap();
    let retention = Retention { bytes_max: store.bytes_used().unwrap() * 3 / 4, ..Retention::default() };
    assert!(store.keep(0, &retention).unwrap().discarded > 0);
    let oldest = stored(&store)[0].clone();
    assert_eq!(oldest, record(peer, 0));
    for since_ms in [0, oldest.at_ms, oldest.at_ms + 900_000] {
        let levels = store.levels(Selection { since_ms, until_ms: u64::MAX }).unwrap();
        let minute_ms = since_ms - since_ms % 60_000;
        let before = minute_ms.saturating_sub(oldest.at_ms) / 1_000;
        assert_eq!(levels[0].count, 21_000 - before, "since {since_ms}");
    }
    // What is left whole is still read so.
    let last = Selection { since_ms: record(peer, 20_999).at_ms, until_ms: u64::MAX };
    assert_eq!(store.levels(last).unwrap()[0].count, 1);
}

#[test]
fn a_reader_sees_names_and_needs_a_store() {
    let (dir, peer) = (tempfile::tempdir().unwrap(), PeerId::random());
    let path = dir.path().join("records.db");
    let missing = Store::read(&path).unwrap_err();
    assert!(missing.to_string().contains("run `mgmt collect` first"), "{missing}");
    let mut store = Store::open(&path).unwrap();
    store.name_peers([(&peer, "alice", "im")]).unwrap();
    store.commit(&[batch(peer, 1, 0..1)], NOW).unwrap();
    let reader = Store::read(&path).unwrap();
    assert_eq!(reader.peers().unwrap()[&peer].name, "alice");
    // As a user would look, with SQLite's own shell.
    let seen: (String, String, String) = reader
        .connection
        .query_row("SELECT at, \"transaction\", corr FROM records", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .unwrap();
    assert_eq!(seen, ("1970-01-01T00:16:40.000Z".into(), "presence.ping".into(), "ffffffffffffffff".into()));
}

/// What an agent gives a reader: it is delivered by its id, and its records say its pseudonym.
fn veiled(agent: PeerId, pseudonym: PeerId, seq: u64, records: std::ops::Range<u64>) -> Delivered {
    Delivered { peer: agent, ..batch(pseudonym, seq, records) }
}

#[test]
fn a_record_stands_under_the_id_that_it_says_whoever_delivers_it() {
    let (agent, pseudonym) = (PeerId::random(), PeerId::random());
    let mut store = Store::open(&tempfile::tempdir().unwrap().path().join("records.db")).unwrap();
    let delivered = veiled(agent, pseudonym, 1, 0..3);
    store.commit(std::slice::from_ref(&delivered), NOW).unwrap();
    assert_eq!(stored(&store), delivered.batch.records);
    // What is kept of the delivery is the agent's: it is by its id that it is followed.
    assert_eq!(store.inboxes(0).unwrap()[0].0, agent);
}

#[test]
fn what_an_older_version_kept_under_ids_stands_under_the_pseudonym_once_its_agent_delivers_again() {
    let (dir, agent, pseudonym, stays) =
        (tempfile::tempdir().unwrap(), PeerId::random(), PeerId::random(), PeerId::random());
    let path = dir.path().join("records.db");
    let mut connection = rusqlite::Connection::open(&path).unwrap();
    MIGRATIONS.to_version(&mut connection, 5).unwrap();
    // Alice's records stood under her id, here as row 1; of Bob's he sends more by his id.
    connection
        .execute_batch(&format!(
            "INSERT INTO peer (id, peer) VALUES (1, '{agent}'), (2, '{stays}');
             INSERT INTO kind (id, name) VALUES (1, 'presence.ping');
             INSERT INTO delivery VALUES (1, 7, 1, 0, 0, 0), (2, 7, 1, 0, 0, 0);
             INSERT INTO record (at_ms, peer, kind, dest, dest_status, corr, status, path, reason)
                 VALUES (5, 1, 1, 2, '', 1, 'good', '', ''), (6, 2, 1, 2, '', 2, 'good', '', '');
             INSERT INTO setting VALUES ('summed_row', 1);"
        ))
        .unwrap();
    for table in ["minute", "hour"] {
        let times = Times::default().to_bytes().unwrap();
        let sum = format!("INSERT INTO {table} VALUES (0, 1, 2, 1, 'good', '', 1, ?1)");
        connection.execute(&sum, [times]).unwrap();
    }
    drop(connection);
    let mut store = Store::open(&path).unwrap();
    // A batch without a record says nothing of it.
    store.commit(&[veiled(agent, pseudonym, 1, 0..0)], NOW).unwrap();
    assert_eq!(stored(&store).iter().filter(|record| record.peer == agent).count(), 1);
    store.commit(&[veiled(agent, pseudonym, 2, 0..2), batch(stays, 1, 0..1)], NOW).unwrap();
    let askers: Vec<PeerId> = stored(&store).iter().map(|record| record.peer).collect();
    let of = |peer| askers.iter().filter(|asker| **asker == peer).count();
    assert_eq!((of(agent), of(pseudonym), of(stays)), (0, 3, 2));
    let levels = store.levels(EVER).unwrap();
    assert!(levels.iter().all(|level| level.peer != agent), "{levels:?}");
    assert_eq!(
        levels.iter().filter(|level| level.peer == pseudonym).map(|level| level.count).sum::<u64>(),
        3
    );
}

#[test]
fn a_store_that_cannot_be_read_says_why_and_is_not_said_to_be_missing_or_of_another_version() {
    let dir = tempfile::tempdir().unwrap();
    let why = |path: &Path| Store::read(path).unwrap_err().to_string();
    let garbage = dir.path().join("garbage.db");
    std::fs::write(&garbage, [b'x'; 4096]).unwrap();
    assert!(why(&garbage).ends_with("garbage.db: file is not a database"), "{}", why(&garbage));
    // Whether there is anything the system does not say here, as in a directory of somebody else.
    let beyond = why(&garbage.join("records.db"));
    assert!(beyond.contains("os error") && !beyond.contains("none yet"), "{beyond}");
    let newer = dir.path().join("newer.db");
    drop(Store::open(&newer).unwrap());
    rusqlite::Connection::open(&newer).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(why(&newer).contains("of another version"), "{}", why(&newer));
}
