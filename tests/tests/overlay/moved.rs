//! A peer is reached where it is now, also when where it was swallows everything; and what took long is told.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use overlay::limits::LOOKUP_HEAD_START;
use overlay::{Multiaddr, Peer, Protocol};
use tests::{FaultyLink, SilentPort};

use crate::meeting::{edge, rendezvous_on_loopback};
use crate::world::{PATIENCE, awake, peer};

/// Less than one dial that nobody answers takes.
const SOON: Duration = Duration::from_secs(4);

fn at(address: SocketAddr) -> Multiaddr {
    format!("/ip4/{}/tcp/{}", address.ip(), address.port()).parse().unwrap()
}

fn listening(peer: &Peer) -> SocketAddr {
    let port = peer.addresses().iter().flatten().find_map(|part| match part {
        Protocol::Tcp(port) => Some(port),
        _ => None,
    });
    ([127, 0, 0, 1], port.unwrap()).into()
}

async fn silent() -> SilentPort {
    SilentPort::spawn(([127, 0, 0, 1], 0).into()).await
}

#[tokio::test]
async fn a_peer_that_moved_is_found_while_its_old_address_says_nothing() {
    let (_rendezvous, _server, address) = rendezvous_on_loopback().await;
    let (anne, bert) = (edge(&address).await, edge(&address).await);
    let old = silent().await;
    anne.add_address(bert.id(), at(old.at)).await;
    let start = Instant::now();
    let reaching = awake(SOON, anne.reach(bert.id(), PATIENCE)).await;
    let reached = reaching.expect("the silent address keeps it from being found").unwrap();
    assert!(reached.dial >= LOOKUP_HEAD_START && !reached.lookup.is_zero(), "{reached:?}");
    assert!(
        reached.lookup + reached.dial <= start.elapsed(),
        "what went on at once counts once: {reached:?}"
    );
}

#[tokio::test]
async fn a_peer_that_answers_late_is_reached_where_it_was_and_its_dial_is_to_blame() {
    let (_rendezvous, _server, address) = rendezvous_on_loopback().await;
    // Bert is nowhere to be found.
    let (anne, bert) = (edge(&address).await, peer().await);
    let slow = FaultyLink::spawn(listening(&bert)).await;
    slow.hold(LOOKUP_HEAD_START * 4);
    anne.add_address(bert.id(), at(slow.near)).await;
    let reached = anne.reach(bert.id(), PATIENCE).await.unwrap();
    assert!(reached.dial >= LOOKUP_HEAD_START * 4 && reached.lookup.is_zero(), "{reached:?}");
}

#[tokio::test]
async fn the_failure_of_one_dial_does_not_end_the_other() {
    let (_rendezvous, _server, address) = rendezvous_on_loopback().await;
    let (anne, bert) = (edge(&address).await, edge(&address).await);
    let old = silent().await;
    anne.add_address(bert.id(), at(old.at)).await;
    let reaching = tokio::spawn({
        let (anne, id) = (anne.clone(), bert.id());
        async move { anne.reach(id, PATIENCE).await }
    });
    // The old address hangs up on those that wait there, before, while or after the new one is dialed.
    tokio::time::sleep(LOOKUP_HEAD_START).await;
    drop(old);
    reaching.await.unwrap().expect("the other dial went on");
}
