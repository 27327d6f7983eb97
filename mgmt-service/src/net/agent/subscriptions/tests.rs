//! Which spool makes room when managers come at the same moment.

use overlay::{Peer, PipeId};

use super::*;
use crate::limits::GET_ALL_TIMEOUT;
use crate::protocol::Terms;
use crate::spool::Spool;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// The table of an agent at `peer` that found these spools on its disk.
fn resumed(peer: &Peer, root: &std::path::Path) -> (Subscriptions, watch::Sender<Duration>) {
    let (stop, stopped) = watch::channel(Duration::ZERO);
    let (beans, counters) = (BeanServer::new(), Arc::<AgentCounters>::default());
    let (monitors, _) = Monitors::new(&beans).unwrap();
    let guard = Arc::new(Guard::new(peer, None, None, counters.clone()));
    let pacer = Arc::new(Pacer::new(peer.meters()));
    let place = (peer.id(), Some(root.to_owned()));
    let shared = (guard, counters, pacer);
    let mut subscriptions = Subscriptions::new(place, None, (beans, monitors), shared, stopped);
    subscriptions.resume();
    (subscriptions, stop)
}

/// The manager's first message of a standing subscription.
fn subscribed(pipe: BidiPipe) -> Subscribed {
    let (pattern, terms) = (ObjectNamePattern::everything(), Terms::default());
    let key = (pipe.remote(), 1);
    let missed = Duration::ZERO;
    Subscribed {
        key,
        attach: Attach { pipe, pattern, resume_from: (0, 0), missed, veil: None, standing: true, terms },
    }
}

// One thread: no task of a subscription runs before the test waits for something.
#[tokio::test]
async fn a_manager_that_has_just_come_back_makes_room_for_nobody() {
    let loopback = "/ip4/127.0.0.1/tcp/0".parse().unwrap();
    let agent = Peer::builder().listen(loopback).spawn().await.unwrap();
    let net = agent.net_group();
    let id = PipeId::derive(&net.id(), "agent");
    let mut listener = net.bind(id).unwrap();
    let (mut managers, mut pipes, mut ends) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..=SPOOLS_MAX {
        let manager = Peer::builder().spawn().await.unwrap();
        manager.dial(agent.id(), agent.addresses(), GET_ALL_TIMEOUT).await.unwrap();
        ends.push(manager.net_group().connect(agent.id(), id).await.unwrap());
        pipes.push(listener.accept().await.unwrap());
        managers.push(manager);
    }
    let root = tempfile::tempdir().unwrap();
    // The first one is away longest; for the last one there is no place.
    for (hours, pipe) in pipes.iter().take(SPOOLS_MAX).enumerate() {
        let away = (SPOOLS_MAX + 1 - hours) as u32 * HOUR;
        let attached_ms = now_ms() - away.as_millis() as u64;
        let (manager, pattern) = (pipe.remote(), ObjectNamePattern::everything());
        let standing = Standing { manager, subscription: 1, pattern, boot: 7, attached_ms };
        drop(Spool::open(root.path(), standing, agent.id()).unwrap());
    }
    let (mut subscriptions, _stop) = resumed(&agent, root.path());
    let keys: Vec<Key> = pipes.iter().map(|pipe| (pipe.remote(), 1)).collect();
    let (further, first) = (pipes.pop().unwrap(), pipes.remove(0));
    subscriptions.attach(subscribed(first));
    subscriptions.attach(subscribed(further));
    let places: Vec<bool> = keys.iter().map(|key| subscriptions.served.contains_key(key)).collect();
    assert_eq!(places, [true, false, true]);
    assert!(subscriptions.served[&keys[SPOOLS_MAX]].absence.is_some(), "the further one has a spool");
}
