//! Every transport carries all of it: leases, discovery, queries and pipes, over real sockets.

use std::time::{Duration, Instant};

use overlay::{
    Advertisement, AdvertisementKind, ConnectError, DiscoveryQuery, GroupId, Lifetime, Multiaddr, Peer,
    Protocol, Transport,
};
use rendezvous::limits::Limits;
use rendezvous::net::server::Server;

use crate::world::{PATIENCE, awake, becomes, connect, discover, group, is_found};

const TCP: &str = "/ip4/127.0.0.1/tcp/0";
const QUIC: &str = "/ip4/127.0.0.1/udp/0/quic-v1";
const WEBSOCKET: &str = "/ip4/127.0.0.1/tcp/0/ws";

async fn peer_at(listen: &str) -> Peer {
    Peer::builder().listen(listen.parse().unwrap()).spawn().await.unwrap()
}

/// A rendezvous at `listen` and its address.
async fn rendezvous_at(listen: &str) -> (Peer, Server, Multiaddr) {
    let peer = peer_at(listen).await;
    let server = Server::spawn(&peer, &Limits::default()).unwrap();
    let address = peer.addresses().remove(0);
    (peer, server, address)
}

async fn edge(listen: &str, rendezvous: &Multiaddr) -> Peer {
    let builder = Peer::builder().listen(listen.parse().unwrap()).rendezvous(rendezvous.clone());
    let peer = builder.spawn().await.unwrap();
    peer.wait_leased(PATIENCE).await.unwrap();
    is_found(&peer).await;
    peer
}

async fn pipes_echo_over(listen: &str) {
    let (anne, bert) = (peer_at(listen).await, peer_at(listen).await);
    let (near, mut far) = connect(&anne, &bert, "echo").await;
    let echo = tokio::spawn(async move {
        while let Some(message) = far.recv().await.unwrap() {
            far.send(message).await.unwrap();
        }
        far.close().await.unwrap();
    });
    let sizes = [0, 1, 1_000, 65_536, 3_000_003];
    let (mut sender, mut receiver) = near.split();
    let sending = tokio::spawn(async move {
        for (number, size) in sizes.into_iter().enumerate() {
            sender.send(vec![number as u8; size]).await.unwrap();
        }
        sender.close().await.unwrap();
    });
    for (number, size) in sizes.into_iter().enumerate() {
        let message = receiver.recv().await.unwrap().unwrap();
        assert_eq!((message.len(), message.iter().all(|byte| *byte == number as u8)), (size, true));
    }
    assert_eq!(receiver.recv().await.unwrap(), None);
    sending.await.unwrap();
    echo.await.unwrap();
}

async fn queries_are_answered_over(listen: &str) {
    let (anne, bert) = (peer_at(listen).await, peer_at(listen).await);
    anne.dial(bert.id(), bert.addresses(), PATIENCE).await.unwrap();
    let mut questions = bert.register_handler("twice").unwrap();
    tokio::spawn(async move {
        while let Some(question) = questions.recv().await {
            let body = [&question.body[..], &question.body[..]].concat();
            question.reply(body);
        }
    });
    let answer = anne.query(bert.id(), &GroupId::net(), "twice", "ab", PATIENCE).await;
    assert_eq!(answer.as_deref(), Ok(&b"abab"[..]));
}

async fn leases_are_held_over(listen: &str) {
    let (_rendezvous, _server, address) = rendezvous_at(listen).await;
    let (anne, bert) = (edge(listen, &address).await, edge(listen, &address).await);
    let service = Advertisement::new(AdvertisementKind::Service).attribute("name", "clock");
    let lifetime = Lifetime::while_alive(Duration::from_secs(60));
    assert_eq!(group(&anne).publish(service, lifetime).await.unwrap().acknowledged_by, 1);
    let query = DiscoveryQuery::new().equals("name", "clock");
    let found = discover(&bert, query).await;
    assert_eq!(found.iter().map(|signed| signed.publisher()).collect::<Vec<_>>(), [anne.id()]);
    bert.reach(anne.id(), PATIENCE).await.unwrap();
}

#[tokio::test]
async fn pipes_echo_over_quic() {
    pipes_echo_over(QUIC).await;
}

#[tokio::test]
async fn pipes_echo_over_websocket() {
    pipes_echo_over(WEBSOCKET).await;
}

#[tokio::test]
async fn queries_are_answered_over_tcp_quic_and_websocket() {
    for listen in [TCP, QUIC, WEBSOCKET] {
        queries_are_answered_over(listen).await;
    }
}

#[tokio::test]
async fn leases_and_discovery_work_over_tcp_quic_and_websocket() {
    for listen in [TCP, QUIC, WEBSOCKET] {
        leases_are_held_over(listen).await;
    }
}

#[tokio::test]
async fn peers_of_different_transports_meet_at_one_rendezvous_that_has_them_all() {
    let builder = [TCP, QUIC, WEBSOCKET]
        .into_iter()
        .fold(Peer::builder(), |builder, listen| builder.listen(listen.parse().unwrap()));
    let rendezvous = builder.spawn().await.unwrap();
    let _server = Server::spawn(&rendezvous, &Limits::default()).unwrap();
    let addresses = rendezvous.addresses();
    assert_eq!(addresses.len(), 3, "{addresses:?}");
    for address in &addresses {
        edge(TCP, address).await;
    }
}

#[tokio::test]
async fn a_rendezvous_is_found_by_the_name_of_its_host() {
    for listen in [TCP, QUIC, WEBSOCKET] {
        let (_rendezvous, _server, address) = rendezvous_at(listen).await;
        let named = address.replace(0, |_| Some(Protocol::Dns4("localhost".into()))).unwrap();
        edge(listen, &named).await;
    }
}

#[tokio::test]
async fn a_secure_websocket_that_shows_no_certificate_is_not_spoken_to() {
    let (anne, bert) = (peer_at(TCP).await, peer_at(WEBSOCKET).await);
    let mut address = bert.addresses().remove(0);
    let parts: Vec<Protocol<'_>> = address.iter().collect();
    address =
        [parts[0].clone(), parts[1].clone(), Protocol::Tls, Protocol::Ws(std::borrow::Cow::Borrowed("/"))]
            .into_iter()
            .collect();
    let refused = anne.dial(bert.id(), vec![address], PATIENCE).await;
    assert!(matches!(refused, Err(ConnectError::Unreachable { .. })), "{refused:?}");
}

#[tokio::test]
async fn the_path_to_a_peer_and_its_round_trip_are_told_and_gone_with_the_connection() {
    for (listen, transport) in
        [(TCP, Transport::Tcp), (QUIC, Transport::Quic), (WEBSOCKET, Transport::WebSocket)]
    {
        let (anne, bert) = (peer_at(listen).await, peer_at(listen).await);
        assert_eq!((anne.paths(bert.id()), anne.round_trip(bert.id())), (Vec::new(), None));
        let start = Instant::now();
        anne.dial(bert.id(), bert.addresses(), PATIENCE).await.unwrap();
        for (near, far) in [(&anne, &bert), (&bert, &anne)] {
            becomes("nothing is measured", || near.round_trip(far.id()).is_some()).await;
            let measured = near.round_trip(far.id()).unwrap();
            assert!(measured <= start.elapsed(), "{measured:?}");
            let paths = near.paths(far.id());
            assert_eq!(paths.len(), 1, "{paths:?}");
            assert_eq!((paths[0].transport, paths[0].relayed), (transport, false), "{paths:?}");
        }
        assert!(bert.addresses()[0].to_string().starts_with(&anne.paths(bert.id())[0].address.to_string()));
        anne.close(bert.id()).await;
        for (near, far) in [(&anne, &bert), (&bert, &anne)] {
            becomes("something stays", || {
                near.paths(far.id()).is_empty() && near.round_trip(far.id()).is_none()
            })
            .await;
        }
    }
}

#[tokio::test]
async fn tcp_is_not_tried_where_quic_answers_at_once() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    silent.set_nonblocking(true).unwrap();
    let tcp: Multiaddr =
        format!("/ip4/127.0.0.1/tcp/{}", silent.local_addr().unwrap().port()).parse().unwrap();
    let bert = peer_at(QUIC).await;
    // A busy machine may take longer for QUIC than its head start; it is not always so busy.
    for _ in 0..50 {
        let anne = Peer::builder().spawn().await.unwrap();
        let addresses = vec![tcp.clone(), bert.addresses().remove(0)];
        anne.dial(bert.id(), addresses, PATIENCE).await.unwrap();
        assert_eq!(anne.paths(bert.id())[0].transport, Transport::Quic);
        if silent.accept().is_err() {
            return;
        }
    }
    panic!("each dial tried TCP as well");
}

#[tokio::test]
async fn where_quic_does_not_answer_tcp_does() {
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let (anne, bert) = (peer_at(TCP).await, peer_at(TCP).await);
    let quic = format!("/ip4/127.0.0.1/udp/{port}/quic-v1").parse().unwrap();
    let dialing = anne.dial(bert.id(), vec![quic, bert.addresses().remove(0)], PATIENCE);
    awake(Duration::from_secs(4), dialing).await.expect("TCP waits for QUIC to fail").unwrap();
    assert_eq!(anne.paths(bert.id())[0].transport, Transport::Tcp);
}
