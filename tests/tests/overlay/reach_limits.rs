//! A relay keeps its limits, says so, and lets nobody around a ban; so does whoever dials back.

use std::time::Duration;

use overlay::{ConnectError, Multiaddr, Peer, PeerEvent, Protocol, Reach, RelayError};

use crate::reach::{behind, circuit, eventually, hears, relay};
use crate::world::{PATIENCE, group, meter, meter_reaches, peer, pipe};

async fn dial_through(from: &Peer, to: &Peer, through: &Multiaddr) -> Result<(), ConnectError> {
    let address = through.clone().with(Protocol::P2pCircuit).with(Protocol::P2p(to.id()));
    from.dial(to.id(), vec![address], PATIENCE).await
}

#[tokio::test]
async fn a_full_relay_refuses_a_new_reservation_and_renews_the_old() {
    // On a machine that stands still a reservation may be over before it is renewed; then the next lives longer.
    for seconds in [2, 8, 32] {
        if old_is_renewed_and_new_refused(Duration::from_secs(seconds)).await {
            return;
        }
    }
    panic!("a full relay renews no reservation, or grants one more");
}

async fn old_is_renewed_and_new_refused(life: Duration) -> bool {
    let mut reach = Reach::default().reservations(1);
    reach.reservation_life = life;
    let (relay, address) = relay(reach).await;
    let bert = behind(&address, None).await;
    circuit(&bert).await;
    let carl = behind(&address, None).await;
    let told =
        |event: &PeerEvent| matches!(event, PeerEvent::RelayLost { .. } | PeerEvent::RelayReserved { .. });
    let told = hears(&mut carl.events(), told).await;
    meter_reaches(&relay, "relay_granted", 2).await;
    if told == (PeerEvent::RelayReserved { relay: relay.id() }) || meter(&bert, "relay_reservations_lost") > 0
    {
        return false;
    }
    assert_eq!(told, PeerEvent::RelayLost { relay: relay.id(), error: RelayError::Full });
    assert!(meter(&relay, "relay_refused") >= 1);
    circuit(&bert).await;
    bert.shutdown().await;
    circuit(&carl).await;
    true
}

#[tokio::test]
async fn circuits_beyond_the_limit_are_refused_and_counted() {
    let (relay, address) = relay(Reach::default().circuits(1, 1)).await;
    let bert = behind(&address, None).await;
    circuit(&bert).await;
    let (anne, carl) = (Peer::builder().spawn().await.unwrap(), Peer::builder().spawn().await.unwrap());
    dial_through(&anne, &bert, &address).await.unwrap();
    let refused = dial_through(&carl, &bert, &address).await;
    assert_eq!(refused, Err(ConnectError::Relay(RelayError::Full)));
    assert_eq!(meter(&relay, "relay_circuits_refused"), 1);
    anne.close(bert.id()).await;
    eventually(|| (meter(&relay, "relay_circuits") == 0).then_some(())).await;
    dial_through(&carl, &bert, &address).await.unwrap();
}

#[tokio::test]
async fn a_circuit_ends_with_its_bytes_and_the_pipe_says_so() {
    let (relay, address) = relay(Reach::default().circuit(100_000, Duration::from_secs(60))).await;
    let bert = behind(&address, None).await;
    circuit(&bert).await;
    let anne = Peer::builder().spawn().await.unwrap();
    dial_through(&anne, &bert, &address).await.unwrap();
    let mut listener = group(&bert).bind(pipe("large")).unwrap();
    let mut near = group(&anne).connect(bert.id(), pipe("large")).await.unwrap();
    let mut far = listener.accept().await.unwrap();
    let sending = tokio::spawn(async move { while near.send(vec![0; 50_000]).await.is_ok() {} });
    while far.recv().await.is_ok_and(|message| message.is_some()) {}
    sending.await.unwrap();
    meter_reaches(&relay, "relay_circuits_cut", 1).await;
    // The next circuit begins anew.
    eventually(|| anne.paths(bert.id()).is_empty().then_some(())).await;
    dial_through(&anne, &bert, &address).await.unwrap();
}

#[tokio::test]
async fn who_dials_through_a_relay_is_told_what_is_wrong_there() {
    let (_relay, address) = relay(Reach::default()).await;
    let (anne, bert, plain) = (Peer::builder().spawn().await.unwrap(), peer().await, peer().await);
    let unknown = dial_through(&anne, &bert, &address).await;
    assert_eq!(unknown, Err(ConnectError::Relay(RelayError::NoReservation)));
    let anne = Peer::builder().spawn().await.unwrap();
    let no_relay = dial_through(&anne, &bert, &plain.addresses()[0]).await;
    assert_eq!(no_relay, Err(ConnectError::Relay(RelayError::NotARelay)));
    let carl = behind(&plain.addresses()[0], None).await;
    let lost = hears(&mut carl.events(), |event| matches!(event, PeerEvent::RelayLost { .. })).await;
    assert_eq!(lost, PeerEvent::RelayLost { relay: plain.id(), error: RelayError::NotARelay });
}

#[tokio::test]
async fn a_ban_holds_at_the_relay_and_through_it() {
    let (relay, address) = relay(Reach::default()).await;
    let (anne, bert) = (behind(&address, None).await, behind(&address, None).await);
    for peer in [&anne, &bert] {
        circuit(peer).await;
    }
    anne.ban(bert.id()).await;
    let refused = dial_through(&bert, &anne, &address).await;
    assert!(refused.is_err());
    meter_reaches(&anne, "banned_refused", 1).await;
    assert!(anne.paths(bert.id()).is_empty());
    anne.unban(bert.id()).await;
    dial_through(&bert, &anne, &address).await.unwrap();

    relay.ban(bert.id()).await;
    eventually(|| (anne.paths(bert.id()).is_empty() && bert.addresses().is_empty()).then_some(())).await;
    let gone = dial_through(&anne, &bert, &address).await;
    assert_eq!(gone, Err(ConnectError::Relay(RelayError::NoReservation)));
    meter_reaches(&relay, "banned_refused", 1).await;
    assert!(bert.addresses().is_empty());
}

#[tokio::test]
async fn a_circuit_counts_among_the_connections_of_its_ends() {
    let (_relay, address) = relay(Reach::default()).await;
    let limits = overlay::Limits::default().connections(2);
    let builder = Peer::builder().limits(limits).listen(address.clone().with(Protocol::P2pCircuit));
    let bert = builder.spawn().await.unwrap();
    circuit(&bert).await;
    let (anne, carl) = (Peer::builder().spawn().await.unwrap(), Peer::builder().spawn().await.unwrap());
    dial_through(&anne, &bert, &address).await.unwrap();
    assert!(dial_through(&carl, &bert, &address).await.is_err());
    let tries = 1..=1 + u64::from(overlay::limits::REDIALS_MAX);
    assert!(tries.contains(&meter(&bert, "connections_refused")));
}
