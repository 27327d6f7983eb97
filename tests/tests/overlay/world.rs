//! Peers on loopback in the words of the tests.

use std::time::Duration;

use futures::StreamExt;
use overlay::protocol::discovery::{self, DiscoveryRequest, FindAnswer};
use overlay::{
    AdvertisementKind, BidiPipe, DiscoveryQuery, Genesis, GroupId, Multiaddr, Peer, PeerGroup, PipeId,
    SignedAdvertisement,
};

/// Longer than anything takes here; only a failure waits for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Time between two looks at something that is waited for, and the turn in which [`awake`] counts.
const TURN: Duration = Duration::from_millis(2);

/// A peer that listens on loopback.
pub(crate) async fn peer() -> Peer {
    Peer::builder().listen("/ip4/127.0.0.1/tcp/0".parse().unwrap()).spawn().await.unwrap()
}

/// Where a peer listens that returns to its port: nobody else takes one there while it is away.
pub(crate) fn place_of_its_own() -> Multiaddr {
    "/ip4/127.0.0.3/tcp/0".parse().unwrap()
}

/// The group in which the tests meet.
pub(crate) fn group(peer: &Peer) -> PeerGroup {
    peer.join(&Genesis::open("tests"))
}

/// A pipe of that group.
pub(crate) fn pipe(name: &str) -> PipeId {
    PipeId::derive(&Genesis::open("tests").id(), name)
}

/// Both ends of a new bidirectional pipe from `from` to `to`.
pub(crate) async fn connect(from: &Peer, to: &Peer, name: &str) -> (BidiPipe, BidiPipe) {
    let mut listener = group(to).bind(pipe(name)).unwrap();
    from.dial(to.id(), to.addresses(), PATIENCE).await.unwrap();
    let near = group(from).connect(to.id(), pipe(name)).await.unwrap();
    (near, listener.accept().await.unwrap())
}

/// Waits until others find at `peer`'s rendezvous where it is: what it publishes is on its way when it has its lease.
pub(crate) async fn is_found(peer: &Peer) {
    let query = DiscoveryQuery::new().kind(AdvertisementKind::Peer).publisher(peer.id());
    let find = DiscoveryRequest::Find { query }.encode().unwrap();
    let net = GroupId::net();
    for rendezvous in peer.leased() {
        let looking = async {
            loop {
                let answer = peer.query(rendezvous, &net, discovery::HANDLER, find.clone(), PATIENCE).await;
                if !FindAnswer::decode(&answer.unwrap()).unwrap().advertisements.is_empty() {
                    return;
                }
                tokio::time::sleep(TURN).await;
            }
        };
        tokio::time::timeout(PATIENCE, looking).await.expect("nobody finds it");
    }
}

/// What is found in the group of the tests, once every rendezvous that is asked has answered: on a machine that stands
/// still one may have failed to in time, which is counted, and is asked again.
pub(crate) async fn discover(peer: &Peer, query: DiscoveryQuery) -> Vec<SignedAdvertisement> {
    let query = query.deadline(PATIENCE);
    for _ in 0..10 {
        let failed = meter(peer, "lookups_failed");
        let found = group(peer).discover(query.clone()).collect().await;
        if meter(peer, "lookups_failed") == failed {
            return found;
        }
    }
    panic!("nobody answers in time")
}

/// The value of a meter.
pub(crate) fn meter(peer: &Peer, name: &str) -> u64 {
    let snapshot = peer.meters().snapshot();
    snapshot.into_iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("no meter {name}")).1
}

/// Waits until a meter has reached `value`.
pub(crate) async fn meter_reaches(peer: &Peer, name: &str, value: u64) {
    let late = || format!("{name} stays at {}, {value} expected", meter(peer, name));
    if !holds_within(PATIENCE, || meter(peer, name) >= value).await {
        panic!("{}", late());
    }
}

/// Waits until `holds`.
pub(crate) async fn becomes(what: &str, holds: impl FnMut() -> bool) {
    assert!(holds_within(PATIENCE, holds).await, "{what}");
}

/// Looks now and then, and leaves the processor to others meanwhile.
async fn holds_within(within: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(TURN).await;
        }
    };
    tokio::time::timeout(within, waiting).await.is_ok()
}

/// What comes of `doing` within so much time in which this runtime's thread runs. For what must happen soon: time is
/// counted in turns of the thread that all peers of a test share, so that a machine that stands still, and all of them
/// with it, spends one turn and not the time of all.
pub(crate) async fn awake<T>(within: Duration, doing: impl Future<Output = T>) -> Option<T> {
    let turning = async {
        for _ in 0..within.as_micros() / TURN.as_micros() {
            tokio::time::sleep(TURN).await;
        }
    };
    tokio::select! {
        biased;
        done = doing => Some(done),
        () = turning => None,
    }
}
