//! Standing subscriptions: what is measured while nobody takes it comes later, once, whoever was killed meanwhile.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use overlay::{Keypair, PeerId};
use tokio::time::timeout;

use super::world::{Measured, PATIENCE, World, manager_at, until};
use crate::arm::ArmRecord;
use crate::jmx::ObjectNamePattern;
use crate::limits::{BATCH_RECORDS_MAX, BATCHES_IN_FLIGHT_MAX};
use crate::net::{Collection, Manager, RecordSink, Resume};
use crate::protocol::RecordBatch;
use crate::subscription::Inbox;

/// What a manager has on its disk: batches, and how far each agent's are there.
#[derive(Debug, Clone, Default)]
pub(super) struct Disk(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
pub(super) struct Kept {
    written: Vec<(PeerId, RecordBatch)>,
    records: Vec<u64>,
    /// How many records each batch had.
    batches: Vec<usize>,
    inboxes: HashMap<PeerId, Inbox>,
    full: bool,
    /// Whether the last run said that agents keep nothing for the next.
    ended: bool,
}

impl RecordSink for Disk {
    fn write(&mut self, _records: &[ArmRecord]) -> io::Result<()> {
        Err(io::Error::other("it takes whole batches"))
    }

    fn write_batch(&mut self, peer: PeerId, batch: &RecordBatch) -> io::Result<()> {
        self.0.lock().unwrap().written.push((peer, batch.clone()));
        Ok(())
    }

    fn commit(&mut self) -> io::Result<()> {
        let mut kept = self.0.lock().unwrap();
        if kept.full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        for (peer, batch) in std::mem::take(&mut kept.written) {
            kept.records.extend(batch.records.iter().map(|record| record.at_ms));
            kept.batches.push(batch.records.len());
            let inbox = kept.inboxes.entry(peer).or_default();
            inbox.committed(batch.boot, batch.seq, batch.dropped);
        }
        Ok(())
    }

    fn resume(&mut self) -> io::Result<Option<Resume>> {
        let mut kept = self.0.lock().unwrap();
        // What was not committed died with its process.
        kept.written.clear();
        let inboxes =
            kept.inboxes.iter().map(|(peer, inbox)| (*peer, *inbox, Duration::from_secs(60))).collect();
        kept.ended = false;
        Ok(Some(Resume { subscription: 42, inboxes }))
    }

    fn end(&mut self) -> io::Result<()> {
        self.0.lock().unwrap().ended = true;
        Ok(())
    }
}

impl Disk {
    pub(super) fn collect(&self, manager: &Manager) -> Collection {
        manager.collect_standing(ObjectNamePattern::everything(), self.clone())
    }

    pub(super) fn fill(&self, full: bool) {
        self.0.lock().unwrap().full = full;
    }

    /// The numbers of the records that are there, lowest first.
    pub(super) fn numbers(&self) -> Vec<u64> {
        let mut numbers = self.0.lock().unwrap().records.clone();
        numbers.sort_unstable();
        numbers
    }

    /// How many records each batch had, in the order in which they came.
    pub(super) fn batches(&self) -> Vec<usize> {
        self.0.lock().unwrap().batches.clone()
    }

    pub(super) async fn has(&self, count: usize) {
        until(|| self.0.lock().unwrap().records.len() >= count).await;
    }
}

pub(super) const FULL: u64 = BATCH_RECORDS_MAX as u64;

/// Ends an agent without a farewell; nothing of it touches its disk any more.
async fn killed(agent: Measured) {
    let (peer, application) = (agent.peer.clone(), agent.application.clone());
    drop(agent);
    peer.shutdown().await;
    // Its tasks have ended when they have dropped what they consume.
    until(|| application.counters().contains(&("consumers", 0))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_when_manager_and_agent_are_killed() {
    let (world, root, disk) = (World::new().await, tempfile::tempdir().unwrap(), Disk::default());
    let (anne_key, manager_key) = (Keypair::generate_ed25519(), Keypair::generate_ed25519());
    let spools = || Some(root.path().to_owned());
    let anne = world.agent_at("anne", &anne_key, spools()).await;
    let manager = world.peer(&manager_key).await;
    let collection = disk.collect(&manager_at(&manager));
    anne.subscribed(1).await;
    anne.measure(0..FULL + 5);
    // A full batch comes at once, the rest would take a minute.
    disk.has(FULL as usize).await;
    drop(collection);
    manager.shutdown().await;
    // More than a manager may owe acknowledgements for: it goes to the disk.
    let many = (BATCHES_IN_FLIGHT_MAX as u64 + 4) * FULL + 9;
    anne.measure(FULL + 5..many);
    anne.all_batched(many).await;
    killed(anne).await;

    let anne = world.agent_at("anne", &anne_key, spools()).await;
    anne.subscribed(1).await;
    anne.measure(many..many + 3);
    let manager = world.peer(&manager_key).await;
    let collection = disk.collect(&manager_at(&manager));
    disk.has((many - many % FULL) as usize).await;
    let end = collection.stop_within(PATIENCE).await;
    assert_eq!(disk.numbers(), (0..many + 3).collect::<Vec<_>>());
    assert_eq!((end.summary.dropped, end.summary.unflushed), (0, 0));
    // The end was polite: nothing is kept any more.
    anne.subscribed(0).await;
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_managers_disk_is_full_agents_spool_and_nothing_is_lost() {
    let (world, root, disk) = (World::new().await, tempfile::tempdir().unwrap(), Disk::default());
    let anne = world.agent_at("anne", &Keypair::generate_ed25519(), Some(root.path().to_owned())).await;
    let (_peer, manager) = world.manager().await;
    disk.fill(true);
    let collection = disk.collect(&manager);
    anne.subscribed(1).await;
    let many = (BATCHES_IN_FLIGHT_MAX as u64 + 4) * FULL;
    anne.measure(0..many);
    anne.all_batched(many).await;
    assert!(disk.numbers().is_empty());
    disk.fill(false);
    disk.has(many as usize).await;
    let end = collection.stop_within(PATIENCE).await;
    assert_eq!(disk.numbers(), (0..many).collect::<Vec<_>>());
    assert_eq!(end.summary.dropped, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_ends_politely_keeps_the_rest_for_a_manager_that_is_away() {
    let (world, root, disk) = (World::new().await, tempfile::tempdir().unwrap(), Disk::default());
    let (anne_key, manager_key) = (Keypair::generate_ed25519(), Keypair::generate_ed25519());
    let spools = || Some(root.path().to_owned());
    let anne = world.agent_at("anne", &anne_key, spools()).await;
    let manager = world.peer(&manager_key).await;
    drop({
        let collection = disk.collect(&manager_at(&manager));
        anne.subscribed(1).await;
        collection
    });
    manager.shutdown().await;
    anne.measure(0..7);
    let peer = anne.peer.clone();
    // Who is away keeps nobody waiting.
    timeout(PATIENCE / 2, anne.agent.shutdown_within(PATIENCE)).await.unwrap();
    peer.shutdown().await;
    let anne = world.agent_at("anne", &anne_key, spools()).await;
    let manager = world.peer(&manager_key).await;
    let collection = disk.collect(&manager_at(&manager));
    disk.has(7).await;
    collection.stop_within(PATIENCE).await;
    assert_eq!(disk.numbers(), (0..7).collect::<Vec<_>>());
    anne.subscribed(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_leaves_finds_what_was_measured_meanwhile_and_one_that_stops_does_not() {
    let (world, root, disk) = (World::new().await, tempfile::tempdir().unwrap(), Disk::default());
    let anne = world.agent_at("anne", &Keypair::generate_ed25519(), Some(root.path().to_owned())).await;
    let (_peer, manager) = world.manager().await;
    let mut measured = 0;
    let mut measure = |count: u64| {
        anne.measure(measured..measured + count);
        measured += count;
    };
    for round in 1..=2 {
        let collection = disk.collect(&manager);
        until(|| collection.counters().contains(&("agents", 1))).await;
        anne.subscribed(1).await;
        measure(3);
        // Both flush, which a minute would not have been over for.
        collection.leave_within(PATIENCE).await;
        assert_eq!(disk.numbers().len(), 6 * round - 3);
        assert!(!disk.0.lock().unwrap().ended);
        measure(3);
        anne.all_batched(6 * round as u64).await;
    }
    let collection = disk.collect(&manager);
    until(|| collection.counters().contains(&("agents", 1))).await;
    collection.stop_within(PATIENCE).await;
    assert_eq!(disk.numbers(), (0..12).collect::<Vec<_>>());
    assert!(disk.0.lock().unwrap().ended);
    anne.subscribed(0).await;
}
