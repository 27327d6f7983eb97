//! Peers on loopback in the words of the tests.

use std::time::Duration;

use overlay::{BidiPipe, Genesis, Peer, PeerGroup, PipeId};

/// Longer than anything takes here; only a failure waits for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A peer that listens on loopback.
pub(crate) async fn peer() -> Peer {
    Peer::builder().listen("/ip4/127.0.0.1/tcp/0".parse().unwrap()).spawn().await.unwrap()
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

/// The value of a meter.
pub(crate) fn meter(peer: &Peer, name: &str) -> u64 {
    let snapshot = peer.meters().snapshot();
    snapshot.into_iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("no meter {name}")).1
}

/// Waits until a meter has reached `value`.
pub(crate) async fn meter_reaches(peer: &Peer, name: &str, value: u64) {
    let reached = async {
        while meter(peer, name) < value {
            tokio::task::yield_now().await;
        }
    };
    let late = || panic!("{name} stays at {}, {value} expected", meter(peer, name));
    tokio::time::timeout(PATIENCE, reached).await.unwrap_or_else(|_| late());
}
