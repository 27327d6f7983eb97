//! The flow of records: what a manager grants, how soon it wants them, and that the application's traffic comes first.

use std::time::{Duration, Instant};

use bytes::Bytes;
use overlay::{BidiPipe, Keypair, Peer, PeerId, PipeId};
use tokio::time::timeout;

use super::standing::{Disk, FULL};
use super::world::{Measured, PATIENCE, World, until};
use crate::jmx::AttributeValue;
use crate::limits::{BATCH_AGE_MAX, BATCHES_IN_FLIGHT_MAX, CREDIT_BYTES};
use crate::net::Collection;
use crate::protocol::{FromManager, Terms, pipe_id};
use crate::subscription::Pace;

fn key() -> Keypair {
    Keypair::generate_ed25519()
}

impl Measured {
    pub(super) fn counted(&self, name: &str) -> i64 {
        let agent = self.beans.query(&"juxta:type=agent".parse().unwrap());
        match agent.first().and_then(|(_, bean)| bean.attribute(name)) {
            Some(AttributeValue::Int(count)) => count,
            other => panic!("{name}: {other:?}"),
        }
    }
}

/// A manager that speaks by hand.
struct ByHand {
    pipe: BidiPipe,
    /// Bytes of the batches that came.
    bytes: u64,
    batches: i64,
}

impl ByHand {
    async fn subscribe(manager: &Peer, agent: &Measured, granted: u64) -> Self {
        manager.dial(agent.peer.id(), agent.peer.addresses(), PATIENCE).await.unwrap();
        let group = manager.net_group();
        let subscribe = FromManager::Subscribe {
            subscription: 1,
            pattern: "*:*".parse().unwrap(),
            resume_from: (0, 0),
            missed: Duration::ZERO,
            standing: false,
            terms: Terms { granted: Some(granted), watched: true, ..Terms::default() },
        };
        let pipe = pipe_id(&group.id(), &agent.peer.id());
        let first = Some(subscribe.encode().unwrap());
        let pipe = group.connect_with(agent.peer.id(), pipe, first, PATIENCE).await.unwrap();
        Self { pipe, bytes: 0, batches: 0 }
    }

    async fn ack(&mut self, seq: u64, granted: u64) {
        let terms = Terms { granted: Some(granted), watched: true, ..Terms::default() };
        self.pipe.send(FromManager::Ack { seq, terms }.encode().unwrap()).await.unwrap();
    }

    async fn read(&mut self) {
        let message = timeout(PATIENCE, self.pipe.recv()).await.unwrap().unwrap().unwrap();
        self.bytes += message.len() as u64;
        self.batches += 1;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_sends_no_more_than_is_granted_and_goes_on_when_more_is() {
    let world = World::new().await;
    let anne = world.agent("anne", &key()).await;
    let peer = Peer::builder().spawn().await.unwrap();
    let mut manager = ByHand::subscribe(&peer, &anne, 0).await;
    anne.subscribed(1).await;
    anne.measure(0..6 * FULL);
    until(|| anne.counted("waits_for_credit") == 1).await;
    assert_eq!(anne.counted("messages_sent"), 0);
    let granted = 20_000;
    manager.ack(0, granted).await;
    until(|| anne.counted("waits_for_credit") == 2).await;
    let sent = anne.counted("messages_sent");
    while manager.batches < sent {
        manager.read().await;
    }
    // More is waiting: it was counted as lacking credit again.
    assert!(sent >= 1 && manager.bytes <= granted, "{sent} batches, {} bytes", manager.bytes);
    // An acknowledgement alone does not let more go.
    manager.ack(1, granted).await;
    manager.ack(1, 1 << 20).await;
    while manager.batches < 6 {
        manager.read().await;
    }
    assert_eq!(anne.counted("waits_for_credit"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_managers_disk_is_full_each_agent_has_no_more_than_its_credit_on_the_way() {
    let (world, root, disk) = (World::new().await, tempfile::tempdir().unwrap(), Disk::default());
    let anne = world.agent_at("anne", &key(), Some(root.path().to_owned())).await;
    anne.agent.set_pace(None);
    let (_peer, manager) = world.manager().await;
    disk.fill(true);
    let collection = disk.collect(&manager);
    anne.subscribed(1).await;
    let sent = || anne.peer.meters().snapshot().iter().find(|(name, _)| *name == "bytes_out").unwrap().1;
    let before = sent();
    // Names that were never said make the largest batches there are.
    let many = 6_000;
    for number in 0..many {
        anne.ping.unreachable(Instant::now(), number, PeerId::random());
    }
    anne.all_batched(many).await;
    until(|| anne.counted("waits_for_credit") >= 1).await;
    // What a pipe has taken is sent soon after.
    until(|| sent() - before >= CREDIT_BYTES / 2).await;
    manager.get(anne.peer.id(), &"juxta:type=audit".parse().unwrap(), &[]).await.unwrap();
    let on_the_way = sent() - before;
    assert!(on_the_way < CREDIT_BYTES + 8 * 1024, "{on_the_way} bytes");
    disk.fill(false);
    // The rest is in the open batch.
    disk.has(5_000).await;
    let end = collection.stop_within(PATIENCE).await;
    assert_eq!((disk.numbers(), end.summary.dropped), ((0..many).collect::<Vec<_>>(), 0));
}

/// The lengths of the batches that are there beyond the first `known`.
fn batches_after(disk: &Disk, known: usize) -> Vec<usize> {
    disk.batches().split_off(known)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standing_collection_is_quick_while_somebody_watches_and_gathers_otherwise() {
    let (world, root, disk) = (World::new().await, tempfile::tempdir().unwrap(), Disk::default());
    let anne = world.agent_at("anne", &key(), Some(root.path().to_owned())).await;
    let (_peer, manager) = world.manager().await;
    let collection = disk.collect(&manager);
    anne.subscribed(1).await;
    anne.measure(0..2);
    tokio::time::sleep(2 * BATCH_AGE_MAX).await;
    anne.measure(2..4);
    anne.all_batched(4).await;
    assert!(disk.numbers().is_empty());
    // What was gathered comes at once, what follows within a second.
    let watching = collection.watching();
    disk.has(4).await;
    anne.measure(4..5);
    disk.has(5).await;
    assert_eq!(batches_after(&disk, 0), [4, 1]);
    drop(watching);
    // The first acknowledgement after that says so, and the agent has read it when more than its window has come.
    let mut many = 5;
    for come in 0..=BATCHES_IN_FLIGHT_MAX {
        anne.measure(many..many + FULL);
        many += FULL;
        until(|| disk.batches().len() > 2 + come).await;
    }
    // What is less than a full batch stays in the open one.
    anne.all_batched(many).await;
    until(|| many - (disk.numbers().len() as u64) < FULL).await;
    let (known, came) = (disk.batches().len(), disk.numbers().len());
    anne.measure(many..many + 2);
    tokio::time::sleep(2 * BATCH_AGE_MAX).await;
    anne.measure(many + 2..many + 3);
    anne.all_batched(many + 3).await;
    assert_eq!(disk.numbers().len(), came);
    assert!(collection.stop_within(PATIENCE).await.failure.is_none());
    assert_eq!(batches_after(&disk, known), [many as usize + 3 - came]);
    assert_eq!(disk.numbers(), (0..many + 3).collect::<Vec<_>>());
}

/// Moves bytes of the application from one peer to another.
async fn move_bytes(from: &Peer, to: &Peer, count: usize) {
    let group = to.net_group();
    let pipe = PipeId::derive(&group.id(), "application");
    let mut listener = group.bind(pipe).unwrap();
    let mut sending = from.net_group().connect_with(to.id(), pipe, None, PATIENCE).await.unwrap();
    let mut receiving = listener.accept().await.unwrap();
    let chunk = Bytes::from(vec![7; 32 * 1024]);
    for _ in 0..count.div_ceil(chunk.len()) {
        sending.send(chunk.clone()).await.unwrap();
        receiving.recv().await.unwrap().unwrap();
    }
}

/// A pace at which one batch goes, and then one for each some hundred thousand bytes of the application.
const SLOW: Pace = Pace { share: 0.02, floor: 1, watched: 1, burst: 1 };

async fn paced(world: &World, anne: &Measured, disk: &Disk) -> (Peer, Collection) {
    anne.agent.set_pace(Some(SLOW));
    let (peer, manager) = world.manager().await;
    let collection = disk.collect(&manager);
    anne.subscribed(1).await;
    (peer, collection)
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_yield_to_the_application_and_a_flush_does_not_wait() {
    let (world, root, disk) = (World::new().await, tempfile::tempdir().unwrap(), Disk::default());
    let anne = world.agent_at("anne", &key(), Some(root.path().to_owned())).await;
    let (peer, collection) = paced(&world, &anne, &disk).await;
    // No more than may wait for the agent's task.
    let many = 12 * FULL + 3;
    anne.measure(0..many);
    anne.all_batched(many).await;
    until(|| anne.counted("waits_for_pace") >= 1).await;
    disk.has(FULL as usize).await;
    assert_eq!(disk.numbers().len() as u64, FULL, "one batch may go at once");
    // The more the application does, the more of the backlog may travel beside it.
    for batches in [2, 3] {
        move_bytes(&anne.peer, &peer, 1 << 20).await;
        disk.has(batches * FULL as usize).await;
    }
    assert!((disk.numbers().len() as u64) < many);
    let end = collection.stop_within(PATIENCE).await;
    assert_eq!(disk.numbers(), (0..many).collect::<Vec<_>>());
    assert_eq!((end.summary.dropped, end.summary.unflushed), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_watched_goes_before_a_backlog_is_paid_for() {
    let (world, disk) = (World::new().await, Disk::default());
    let anne = world.agent("anne", &key()).await;
    let (_peer, collection) = paced(&world, &anne, &disk).await;
    anne.measure(0..FULL);
    disk.has(FULL as usize).await;
    anne.measure(FULL..FULL + 1);
    let _watching = collection.watching();
    disk.has(FULL as usize + 1).await;
}
