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

pub(crate) fn by_column(record: &ArmRecord) -> Record {
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

/// How long who has heard that a subscription is over takes at most to remove what it kept.
const FORGET_MAX: Duration = Duration::from_secs(5);

/// The journal of the records that a messenger keeps for a manager that is away.
fn journal(home: &Home, messenger: &str) -> Option<u64> {
    let spools = std::fs::read_dir(home.join(messenger).join("spools")).ok()?;
    let bytes = |spool: std::io::Result<std::fs::DirEntry>| {
        Some(std::fs::metadata(spool.ok()?.path().join("open")).ok()?.len())
    };
    spools.filter_map(bytes).next()
}

/// Waits until a messenger keeps more records than it did.
pub(crate) fn keeps_more(home: &Home, messenger: &str) {
    let (mut last, mut grown) = (until("a spool", || journal(home, messenger)), 0);
    // Each PING that was answered is an entry of at least its head. The journal begins anew with each batch.
    until("more records on the disk", || {
        let now = journal(home, messenger)?;
        grown += now.checked_sub(last).unwrap_or(now);
        last = now;
        (grown >= 1_000).then_some(())
    });
}

/// Lets a standing collector take what is kept, for a time, at its end. It may be over before all are reached, which costs
/// nothing: then for a longer one, until the store has so many records.
pub(crate) fn collects_standing(collector: impl Fn(&str) -> Program, store: &Store, at_least: usize) {
    let is_there = |time: &&str| {
        let exit = collector(time).run();
        assert_eq!(exit.code, Some(0), "{exit:?}");
        stored(store).len() >= at_least
    };
    assert!(["2s", "4s", "8s", "16s", "32s"].iter().any(is_there), "less than {at_least} records");
}

#[test]
fn what_messengers_measure_while_a_standing_collector_is_dead_waits_for_it_even_if_they_restart() {
    let home = Home::new();
    let meeting = Meeting::start(&home, "rendezvous");
    let managed = ["--manage", "open", "--ping-period", "100ms"];
    let mut alice = Messenger::start(&home, "alice", &meeting.address, &managed);
    let mut bob = Messenger::start(&home, "bob", &meeting.address, &managed);
    befriend(&mut alice, &mut bob);
    let manager = home.join("manager");
    let collector = |more: &[&str]| {
        let program = Program::new("mgmt", &home).args(["collect", "--rendezvous", &meeting.address]);
        program.args(more).args(loopback()).data_dir(&manager)
    };
    let collecting = collector(&["--standing"]).start();
    keeps_more(&home, "alice");
    keeps_more(&home, "bob");
    // Batches of a minute: nothing has come yet, everything is with who measured it.
    collecting.kill();
    keeps_more(&home, "bob");
    let store = until("a store", || Store::read(&manager.join("records.db")).ok());
    assert!(stored(&store).is_empty());
    let peer_ids = [alice.peer_id.clone(), bob.peer_id.clone()];
    let leaving = alice.into_process();
    leaving.signal(Signal::Terminate);
    assert_eq!(leaving.finish().code, Some(0));
    let alice = Messenger::start(&home, "alice", &meeting.address, &managed);
    keeps_more(&home, "alice");

    // It comes back, is ended politely, and still finds what is measured afterwards.
    let standing = |time: &str| collector(&["--standing", "--for", time]);
    collects_standing(standing, &store, 20);
    let collecting = collector(&[]).start();
    grows(&store, 20);
    collecting.signal(Signal::Terminate);
    let exit = collecting.finish();
    assert_eq!(exit.code, Some(0), "{exit:?}");
    let records: Vec<Record> = stored(&store).iter().map(by_column).collect();
    assert_each_is_whole(&records, &[&peer_ids[0], &peer_ids[1]]);
    // Bob went on all the time; Alice's numbers begin anew with each of her runs.
    assert_none_is_missing(&records, &peer_ids[1], 40);
    // The last one was not standing: nobody keeps anything any more.
    let keeps = || ["alice", "bob"].iter().any(|name| journal(&home, name).is_some());
    let end = || {
        // Who stands still while it ends hears so from the next one.
        let exit = collector(&["--for", "2s"]).run();
        assert_eq!(exit.code, Some(0), "{exit:?}");
    };
    let mut asked = Instant::now();
    until("nobody keeps anything", || {
        if keeps() && asked.elapsed() > FORGET_MAX {
            end();
            asked = Instant::now();
        }
        (!keeps()).then_some(())
    });
    drop((alice, bob));
}
