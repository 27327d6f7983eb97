//! Peers that nobody can dial are reached through a relay, directly where that is possible, and again after the
//! relay was gone.

use std::time::Duration;

use overlay::{
    BidiPipe, Keypair, Multiaddr, NotDirect, Peer, PeerEvent, PipeListener, Protocol, Reach, RelayUse,
};
use rendezvous::limits::Limits;
use rendezvous::net::server::Server;

use crate::world::{PATIENCE, awake, becomes, group, meter, meter_reaches, peer, pipe, place_of_its_own};

const TCP: &str = "/ip4/127.0.0.1/tcp/0";

/// A relay with these limits, and its address.
pub(crate) async fn relay(reach: Reach) -> (Peer, Multiaddr) {
    let relay = Peer::builder().listen(TCP.parse().unwrap()).serve(reach).spawn().await.unwrap();
    let address = relay.addresses().remove(0);
    (relay, address)
}

/// A peer that can be reached through that relay, and directly if it listens at `direct`.
pub(crate) async fn behind(relay: &Multiaddr, direct: Option<&str>) -> Peer {
    let mut builder = Peer::builder().listen(relay.clone().with(Protocol::P2pCircuit));
    if let Some(direct) = direct {
        builder = builder.listen(direct.parse().unwrap());
    }
    builder.spawn().await.unwrap()
}

/// The address of `peer` through a relay, once it has one.
pub(crate) async fn circuit(peer: &Peer) -> Multiaddr {
    let through = |address: &Multiaddr| address.iter().any(|part| part == Protocol::P2pCircuit);
    eventually(|| peer.addresses().into_iter().find(through)).await
}

/// Waits until there is something.
pub(crate) async fn eventually<T>(look: impl Fn() -> Option<T>) -> T {
    let mut found = None;
    becomes("it never becomes so", || {
        found = look();
        found.is_some()
    })
    .await;
    found.unwrap()
}

/// Waits for an event.
pub(crate) async fn hears(events: &mut overlay::Events, wanted: impl Fn(&PeerEvent) -> bool) -> PeerEvent {
    let hearing = async {
        loop {
            let event = events.recv().await.expect("the peer has ended");
            if wanted(&event) {
                return event;
            }
        }
    };
    tokio::time::timeout(PATIENCE, hearing).await.expect("it is never told")
}

/// A pipe through whatever leads from `from` to the peer that binds `listener`.
async fn connect(from: &Peer, to: &Peer, listener: &mut PipeListener) -> (BidiPipe, BidiPipe) {
    let near = group(from).connect(to.id(), pipe("chat")).await.unwrap();
    (near, listener.accept().await.unwrap())
}

/// A message goes there; half of it comes back.
async fn echoes(near: &mut BidiPipe, far: &mut BidiPipe, message: Vec<u8>) {
    let echoing = async {
        let heard = far.recv().await.unwrap().unwrap();
        far.send(heard.slice(heard.len() / 2..)).await.unwrap();
    };
    let asking = async {
        near.send(message.clone()).await.unwrap();
        near.recv().await.unwrap().unwrap()
    };
    let (back, ()) = tokio::join!(asking, echoing);
    assert_eq!(back, message[message.len() / 2..]);
}

#[tokio::test]
async fn a_peer_that_cannot_be_dialed_is_reached_through_a_relay_and_the_path_says_why() {
    let (relay, address) = relay(Reach::default()).await;
    let (anne, bert) = (Peer::builder().spawn().await.unwrap(), behind(&address, None).await);
    let mut listener = group(&bert).bind(pipe("chat")).unwrap();
    anne.dial(bert.id(), vec![circuit(&bert).await], PATIENCE).await.unwrap();
    let (mut near, mut far) = connect(&anne, &bert, &mut listener).await;
    // More than what libp2p's relays carry unless told otherwise.
    echoes(&mut near, &mut far, vec![7; 1_000_000]).await;

    for (here, there) in [(&anne, &bert), (&bert, &anne)] {
        let paths = here.paths(there.id());
        assert!(paths.iter().all(|path| path.relayed), "{paths:?}");
        assert!(paths[0].address.to_string().contains(&relay.id().to_string()), "{paths:?}");
        eventually(|| here.paths(there.id())[0].not_direct.clone().filter(|why| *why != NotDirect::NotTried))
            .await;
    }
    assert_eq!(
        (
            meter(&anne, "connections_relayed"),
            meter(&bert, "connections_relayed"),
            meter(&relay, "relay_circuits")
        ),
        (1, 1, 1)
    );
    echoes(&mut near, &mut far, vec![8; 1_000]).await;
    anne.close(bert.id()).await;
    eventually(|| {
        (meter(&relay, "relay_circuits") == 0 && meter(&bert, "connections_relayed") == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn who_leases_from_a_rendezvous_is_found_and_reached_through_it() {
    let (host, address) = relay(Reach::default()).await;
    let _server = Server::spawn(&host, &Limits::default()).unwrap();
    let bert = Peer::builder().rendezvous(address.clone()).relay(RelayUse::Auto).spawn().await.unwrap();
    let anne = Peer::builder().rendezvous(address).spawn().await.unwrap();
    for peer in [&anne, &bert] {
        peer.wait_leased(PATIENCE).await.unwrap();
    }
    let at = circuit(&bert).await;
    assert!(at.to_string().starts_with(&host.addresses()[0].to_string()), "{at}");
    let mut listener = group(&bert).bind(pipe("chat")).unwrap();
    // The advertisement with the way through the relay may still be on its way.
    let reaching = async { while anne.reach(bert.id(), PATIENCE).await.is_err() {} };
    tokio::time::timeout(PATIENCE, reaching).await.expect("not found");
    let (mut near, mut far) = connect(&anne, &bert, &mut listener).await;
    echoes(&mut near, &mut far, b"found".to_vec()).await;
    assert!(anne.paths(bert.id())[0].relayed);
}

#[tokio::test]
async fn peers_that_meet_through_a_relay_move_to_a_direct_connection_and_lose_no_pipe() {
    let (relay, address) = relay(Reach::default()).await;
    let (anne, bert) = (peer().await, behind(&address, Some(TCP)).await);
    let mut listener = group(&bert).bind(pipe("chat")).unwrap();
    let mut news = anne.events();
    anne.dial(bert.id(), vec![circuit(&bert).await], PATIENCE).await.unwrap();
    let (mut old_near, mut old_far) = connect(&anne, &bert, &mut listener).await;
    hears(&mut news, |event| *event == PeerEvent::Upgraded { peer: bert.id() }).await;
    echoes(&mut old_near, &mut old_far, b"still here".to_vec()).await;
    for (here, there) in [(&anne, &bert), (&bert, &anne)] {
        eventually(|| here.paths(there.id()).iter().any(|path| !path.relayed).then_some(())).await;
        assert!(here.paths(there.id()).iter().all(|path| path.not_direct.is_none()));
    }
    let (mut new_near, mut new_far) = connect(&anne, &bert, &mut listener).await;
    // Without the relay only what is direct goes on.
    relay.shutdown().await;
    eventually(|| (meter(&anne, "connections_relayed") == 0).then_some(())).await;
    // So the old pipe has ended, unless the direct connection had come before it; then it carries this.
    let _ended = old_far.send("on").await;
    let heard = old_near.recv().await;
    assert!(heard.is_err() || matches!(heard, Ok(Some(on)) if on == "on"), "a cut is no polite end");
    echoes(&mut new_near, &mut new_far, b"direct".to_vec()).await;
}

#[tokio::test]
async fn a_reservation_is_back_within_ten_seconds_of_the_relay() {
    let keypair = Keypair::generate_ed25519();
    let builder = |at: &Multiaddr| {
        Peer::builder().keypair(keypair.clone()).listen(at.clone()).serve(Reach::default()).spawn()
    };
    let first = builder(&place_of_its_own()).await.unwrap();
    let complete = first.addresses().remove(0);
    let bare: Multiaddr = complete.iter().take(2).collect();
    let bert = behind(&complete, None).await;
    let mut news = bert.events();
    circuit(&bert).await;
    first.shutdown().await;
    hears(&mut news, |event| matches!(event, PeerEvent::RelayLost { .. })).await;
    eventually(|| bert.addresses().is_empty().then_some(())).await;

    let second = builder(&bare).await.unwrap();
    let back = hears(&mut news, |event| *event == PeerEvent::RelayReserved { relay: second.id() });
    awake(Duration::from_secs(10), back).await.expect("not back in time");
    let anne = peer().await;
    anne.dial(bert.id(), vec![circuit(&bert).await], PATIENCE).await.unwrap();
}

#[tokio::test]
async fn a_peer_learns_from_its_rendezvous_that_it_can_be_dialed() {
    let (host, address) = relay(Reach::default()).await;
    let _server = Server::spawn(&host, &Limits::default()).unwrap();
    let builder = Peer::builder().listen(TCP.parse().unwrap()).rendezvous(address).relay(RelayUse::Auto);
    let bert = builder.spawn().await.unwrap();
    let mut news = bert.events();
    let told = hears(&mut news, |event| matches!(event, PeerEvent::Reachable { .. })).await;
    let PeerEvent::Reachable { address } = told else { unreachable!() };
    assert!(bert.addresses()[0].to_string().starts_with(&address.to_string()), "{address}");
    meter_reaches(&host, "dial_backs", 1).await;
    // The dial back carried nothing else, and is gone.
    eventually(|| (bert.paths(host.id()).len() == 1).then_some(())).await;
}
