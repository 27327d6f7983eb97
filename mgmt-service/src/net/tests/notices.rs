//! Notifications: what a monitor says reaches a manager within a second, and each comes once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;
use overlay::Keypair;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::world::{Measured, PATIENCE, World, until};
use crate::arm::ArmRecord;
use crate::jmx::{AttributeValue, CounterBean, ObjectNamePattern, Registration};
use crate::limits::{NOTICES_WAITING_MAX, SINK_QUEUE};
use crate::net::{Collection, Heard, Manager, Wish};

/// A level at a peer, and a monitor that says when it rises to 10.
struct Level {
    level: Arc<AtomicU64>,
    _bean: Registration,
}

impl Level {
    async fn of(measured: &Measured) -> Self {
        let level = Arc::new(AtomicU64::new(0));
        let shown = level.clone();
        let bean = CounterBean::new("a level", move || vec![("level", shown.load(Ordering::Relaxed))]);
        let bean = measured.beans.register("a:b=c".parse().unwrap(), Arc::new(bean)).unwrap();
        let added =
            invoke(measured, "add-gauge", ["a:b=c".into(), "level".into(), "5".into(), "10".into()]).await;
        assert_eq!(added, 1_i64.into());
        Self { level, _bean: bean }
    }

    fn set(&self, value: u64) {
        self.level.store(value, Ordering::Relaxed);
    }
}

async fn invoke<const N: usize>(
    measured: &Measured,
    operation: &str,
    arguments: [AttributeValue; N],
) -> AttributeValue {
    let monitors = measured.beans.get(&"juxta:type=monitors".parse().unwrap()).unwrap();
    monitors.invoke(operation, arguments.into()).await.unwrap()
}

/// A collection that hears, and drops records.
fn hears(manager: &Manager, pattern: &str, standing: bool) -> (Collection, mpsc::Receiver<Heard>) {
    let (notices, heard) = mpsc::channel(NOTICES_WAITING_MAX);
    let pattern: ObjectNamePattern = pattern.parse().unwrap();
    let sink = |_: &[ArmRecord]| Ok(());
    (manager.collect_as(pattern, sink, Wish { standing, notices: Some(notices) }), heard)
}

async fn next(heard: &mut mpsc::Receiver<Heard>) -> Heard {
    timeout(PATIENCE, heard.recv()).await.expect("it comes in time").expect("the collection goes on")
}

/// The next crossing, and with which monitors.
async fn crossing(heard: &mut mpsc::Receiver<Heard>) -> (Heard, String) {
    loop {
        let heard = next(heard).await;
        if let Some(said) = heard.said.first() {
            let crossing = said.crossing.clone();
            return (heard, crossing);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crossing_comes_within_a_second_of_being_seen_also_to_a_manager_that_lets_agents_gather() {
    let world = World::new().await;
    let anne = world.agent("anne", &Keypair::generate_ed25519()).await;
    let level = Level::of(&anne).await;
    let (_peer, manager) = world.manager().await;
    let (collection, mut heard) = hears(&manager, "*:*", true);
    let first = next(&mut heard).await;
    assert_eq!((first.peer, first.anew, first.monitors), (anne.peer.id(), true, vec![1]));

    let (mut crossings, mut quickest) = (0, Duration::MAX);
    // The monitor looks once a second; the way adds nothing to speak of, unless the machine stands still just then.
    while crossings < 3 || (quickest >= Duration::from_secs(2) && crossings < 20) {
        let (value, said) = [(12, "high"), (3, "low"), (10, "high"), (4, "low")][crossings as usize % 4];
        level.set(value);
        let set = Instant::now();
        let (heard, crossing) = crossing(&mut heard).await;
        quickest = quickest.min(set.elapsed());
        assert_eq!((crossing.as_str(), heard.said.len(), heard.lost, heard.anew), (said, 1, 0, false));
        assert!(heard.said[0].to_string().ends_with(&format!("{said} monitor 1 a:b=c level {value}")));
        crossings += 1;
    }
    assert!(quickest < Duration::from_secs(2), "{quickest:?}");
    assert_eq!(invoke(&anne, "remove", ["1".into()]).await, true.into());
    assert!(next(&mut heard).await.monitors.is_empty(), "a monitor that is gone is told as well");
    assert!(collection.counters().contains(&("notifications", crossings)));
    collection.stop_within(PATIENCE).await;
    anne.agent.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_starts_again_says_so_and_nothing_comes_twice_over_a_broken_pipe() {
    let (world, key) = (World::new().await, Keypair::generate_ed25519());
    let anne = world.agent("anne", &key).await;
    let level = Level::of(&anne).await;
    level.set(10);
    let (_peer, manager) = world.manager().await;
    let (collection, mut heard) = hears(&manager, "*:*", false);
    // What it remembers comes first.
    assert_eq!(crossing(&mut heard).await.1, "high");
    drop(level);
    anne.peer.clone().shutdown().await;
    drop(anne);
    let anne = world.agent("anne", &key).await;
    let level = Level::of(&anne).await;
    level.set(11);
    let (again, said) = crossing(&mut heard).await;
    assert_eq!((said.as_str(), again.said[0].serial, again.lost), ("high", 1, 0));
    assert!(collection.counters().contains(&("notifications", 2)));
    collection.stop_within(PATIENCE).await;
    anne.agent.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_other_objects_or_for_none_hears_nothing() {
    let world = World::new().await;
    let anne = world.agent("anne", &Keypair::generate_ed25519()).await;
    let level = Level::of(&anne).await;
    level.set(10);
    let (_first, manager) = world.manager().await;
    let (other, mut heard_other) = hears(&manager, "juxta:*", false);
    let deaf = manager.collect("*:*".parse().unwrap(), |_: &[ArmRecord]| Ok(()));
    let (_second, manager) = world.manager().await;
    let (every, mut heard) = hears(&manager, "*:*", false);
    assert_eq!(crossing(&mut heard).await.1, "high");
    let told = next(&mut heard_other).await;
    assert!(told.said.is_empty() && told.lost == 0, "{told:?}");
    assert!(deaf.counters().contains(&("notifications", 0)));
    for collection in [other, deaf, every] {
        assert_eq!(collection.counters().iter().find(|(name, _)| *name == "pipes_broken").unwrap().1, 0);
        collection.stop_within(PATIENCE).await;
    }
    anne.agent.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_crossings_at_once_come_in_order_over_several_messages() {
    let world = World::new().await;
    let anne = world.agent("anne", &Keypair::generate_ed25519()).await;
    let (level, looks) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (shown, counted) = (level.clone(), looks.clone());
    let bean = CounterBean::new("a level", move || {
        counted.fetch_add(1, Ordering::Relaxed);
        vec![("level", shown.load(Ordering::Relaxed))]
    });
    let _bean = anne.beans.register("a:b=c".parse().unwrap(), Arc::new(bean)).unwrap();
    for _ in 0..MONITORS {
        invoke(&anne, "add-counter", ["a:b=c".into(), "level".into(), "1".into()]).await;
    }
    let (_peer, manager) = world.manager().await;
    let (collection, mut heard) = hears(&manager, "*:*", false);
    // Each has seen it once, so each has one thing to say when it grows.
    let seen_by_all = looks.load(Ordering::Relaxed) + 2 * MONITORS as u64;
    until(|| looks.load(Ordering::Relaxed) >= seen_by_all).await;
    level.store(1, Ordering::Relaxed);
    let mut serials = Vec::new();
    while serials.len() < MONITORS {
        let (heard, said) = crossing(&mut heard).await;
        assert_eq!((said.as_str(), heard.lost, heard.monitors.len()), ("count", 0, MONITORS));
        serials.extend(heard.said.iter().map(|said| said.serial));
    }
    assert!(serials.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{serials:?}");
    collection.stop_within(PATIENCE).await;
    anne.agent.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_whose_notices_wait_hold_up_nobody_elses_records() {
    let world = World::new().await;
    let starting = (0..SINK_QUEUE + 2).map(|_| async {
        let agent = world.agent("one of many", &Keypair::generate_ed25519()).await;
        (Level::of(&agent).await, agent)
    });
    let agents = join_all(starting).await;
    let (_peer, manager) = world.manager().await;
    // Each says at first which monitors it has. There is room for one, and nobody listens.
    let (notices, _heard) = mpsc::channel(1);
    let committed = Arc::new(AtomicU64::new(0));
    let counted = committed.clone();
    let sink = move |records: &[ArmRecord]| {
        counted.fetch_add(records.len() as u64, Ordering::Relaxed);
        Ok(())
    };
    let wish = Wish { standing: false, notices: Some(notices) };
    let collection = manager.collect_as(ObjectNamePattern::everything(), sink, wish);
    until(|| agents.iter().all(|(_, agent)| agent.counted("notices_sent") > 0)).await;
    for round in 0..3 {
        agents.iter().for_each(|(_, agent)| agent.measure(round..round + 1));
        until(|| committed.load(Ordering::Relaxed) > round).await;
    }
    drop(collection);
}

/// More than one message holds, fewer than an agent remembers.
const MONITORS: usize = 40;
