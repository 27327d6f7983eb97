//! Promise: what `mgmt collect` has acknowledged is in its store, once, however often it is killed.

use std::time::{Duration, Instant};

use mgmt_service::arm::ArmRecord;
use mgmt_service::store::{Selection, Store};
use tests::{Home, Meeting, Messenger, PATIENCE, Process, Program, Signal, befriend, loopback};

use crate::csv_records::{Record, assert_each_is_whole, assert_none_is_missing};

/// All records of a store that may be written meanwhile, in the order of their starts.
pub(crate) fn stored(store: &Store) -> Vec<ArmRecord> {
    let mut records = Vec::new();
    let ever = Selection { since_ms: 0, until_ms: u64::MAX };
    store.for_each_record(ever, |record| records.push(record)).unwrap();
    records
}

/// Looks again until `look` has seen what it waits for.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(start.elapsed() < PATIENCE, "{what}");
        // A reader in a tight loop would starve the writer of its own file.
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

/// Waits until so many more records are in the store than there were.
pub(crate) fn grows(store: &Store, by: usize) {
    let before = stored(store).len();
    until("more records", || (stored(store).len() >= before + by).then_some(()));
}

fn by_column(record: &ArmRecord) -> Record {
    ArmRecord::COLUMNS.iter().map(|name| (*name).to_owned()).zip(record.fields()).collect()
}

#[test]
fn a_manager_that_is_killed_while_it_collects_loses_nothing_and_doubles_nothing() {
    let home = Home::new();
    let meeting = Meeting::start(&home, "rendezvous");
    let managed = ["--manage", "open", "--ping-period", "200ms"];
    let mut alice = Messenger::start(&home, "alice", &meeting.address, &managed);
    let mut bob = Messenger::start(&home, "bob", &meeting.address, &managed);
    befriend(&mut alice, &mut bob);

    let manager = home.join("manager");
    let collect = || -> Process {
        let program = Program::new("mgmt", &home).args(["collect", "--rendezvous", &meeting.address]);
        program.args(loopback()).data_dir(&manager).start()
    };
    let file = manager.join("records.db");
    let mut collecting = collect();
    let store = until("a store", || Store::read(&file).ok());
    for _ in 0..2 {
        grows(&store, 12);
        collecting.kill();
        collecting = collect();
    }
    grows(&store, 12);
    collecting.signal(Signal::Interrupt);
    let exit = collecting.finish();
    assert!(exit.stdout.concat().contains("records.db"), "the summary says where they are: {exit:?}");

    let records: Vec<Record> = stored(&store).iter().map(by_column).collect();
    assert_each_is_whole(&records, &[&alice.peer_id, &bob.peer_id]);
    for peer in [&alice.peer_id, &bob.peer_id] {
        assert_none_is_missing(&records, peer, 10);
    }
}
