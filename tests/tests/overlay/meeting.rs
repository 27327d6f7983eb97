//! Peers that know nothing but a rendezvous find each other, and go on when it vanishes and returns.

use std::time::Duration;

use futures::StreamExt;
use overlay::{
    Advertisement, AdvertisementKind, DiscoveryQuery, Keypair, LeaseError, Lifetime, Multiaddr, Peer,
    PeerEvent, SignedAdvertisement, WithdrawError,
};
use rendezvous::limits::Limits;
use rendezvous::net::server::Server;

use crate::world::{PATIENCE, awake, discover, group, is_found, meter_reaches, pipe, place_of_its_own};

fn loopback() -> Multiaddr {
    "/ip4/127.0.0.1/tcp/0".parse().unwrap()
}

async fn rendezvous(keypair: Keypair, listen: Multiaddr) -> (Peer, Server) {
    let peer = Peer::builder().keypair(keypair).listen(listen).spawn().await.unwrap();
    let server = Server::spawn(&peer, &Limits::default()).unwrap();
    (peer, server)
}

/// A new rendezvous and its address.
pub(crate) async fn rendezvous_on_loopback() -> (Peer, Server, Multiaddr) {
    let (peer, server) = rendezvous(Keypair::generate_ed25519(), loopback()).await;
    let address = peer.addresses().remove(0);
    (peer, server, address)
}

/// A peer that listens and holds a lease.
pub(crate) async fn edge(rendezvous: &Multiaddr) -> Peer {
    let peer = Peer::builder().listen(loopback()).rendezvous(rendezvous.clone()).spawn().await.unwrap();
    peer.wait_leased(PATIENCE).await.unwrap();
    is_found(&peer).await;
    peer
}

fn service(name: &str) -> Advertisement {
    Advertisement::new(AdvertisementKind::Service).key(name).attribute("name", name)
}

async fn find(peer: &Peer, name: &str) -> Vec<SignedAdvertisement> {
    let query = DiscoveryQuery::new().kind(AdvertisementKind::Service).equals("name", name);
    discover(peer, query).await
}

#[tokio::test]
async fn what_one_publishes_another_finds_by_attribute_and_nothing_found_is_an_answer() {
    let (rendezvous, _server) = rendezvous(Keypair::generate_ed25519(), loopback()).await;
    let address = rendezvous.addresses().remove(0);
    let (anne, bert) = (edge(&address).await, edge(&address).await);
    let lifetime = Lifetime::while_alive(Duration::from_secs(60));
    let published = group(&anne).publish(service("echo"), lifetime).await.unwrap();
    assert_eq!(published.acknowledged_by, 1);
    let found = find(&bert, "echo").await;
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].publisher(), found[0].id()), (anne.id(), published.id));
    let finding = awake(Duration::from_secs(2), find(&bert, "nothing")).await;
    assert!(finding.expect("an empty answer waits for the deadline").is_empty());
}

#[tokio::test]
async fn a_query_of_many_conditions_finds_what_it_says_here_and_at_the_rendezvous() {
    let (rendezvous, _server) = rendezvous(Keypair::generate_ed25519(), loopback()).await;
    let address = rendezvous.addresses().remove(0);
    let (anne, bert) = (edge(&address).await, edge(&address).await);
    let lifetime = Lifetime::while_alive(Duration::from_secs(60));
    for (name, load) in [("chat-a", 0.2), ("chat-b", 0.7), ("file-a", 0.1)] {
        group(&anne).publish(service(name).attribute("load", load), lifetime).await.unwrap();
    }
    group(&anne).publish(service("chat-c"), lifetime).await.unwrap();
    let query: DiscoveryQuery = "kind=service name=chat-* load<0.5 or not load".parse().unwrap();
    for peer in [&anne, &bert] {
        let found = discover(peer, query.clone()).await;
        let mut names: Vec<_> =
            found.iter().filter_map(|signed| signed.advertisement().text("name")).collect();
        names.sort_unstable();
        assert_eq!(names, ["chat-a", "chat-c"]);
    }
    let endless = (0..100).fold(DiscoveryQuery::new(), |query, _| query.exists("name"));
    assert_eq!(group(&anne).discover(endless).count().await, 4, "what is known here");
    meter_reaches(&anne, "lookups_failed", 1).await;
}

#[tokio::test]
async fn what_is_withdrawn_is_found_nowhere_until_it_is_published_again() {
    let (rendezvous, _server) = rendezvous(Keypair::generate_ed25519(), loopback()).await;
    let address = rendezvous.addresses().remove(0);
    let (anne, bert) = (edge(&address).await, edge(&address).await);
    let lifetime = Lifetime::while_alive(Duration::from_secs(60));
    let published = group(&anne).publish(service("echo"), lifetime).await.unwrap();
    assert_eq!(find(&anne, "echo").await.len(), 1);
    assert_eq!(anne.net_group().withdraw(published.id).await, Err(WithdrawError::NotPublished));
    assert_eq!(group(&anne).withdraw_key(AdvertisementKind::Service, "echo").await, Ok(1));
    assert_eq!(group(&anne).withdraw(published.id).await, Err(WithdrawError::NotPublished));
    assert!(find(&anne, "echo").await.is_empty());
    assert!(find(&bert, "echo").await.is_empty());
    group(&anne).publish(service("echo"), lifetime).await.unwrap();
    assert_eq!(find(&bert, "echo").await.len(), 1);
}

#[tokio::test]
async fn a_peer_is_reached_by_its_id_alone() {
    let (rendezvous, _server) = rendezvous(Keypair::generate_ed25519(), loopback()).await;
    let address = rendezvous.addresses().remove(0);
    let (anne, bert) = (edge(&address).await, edge(&address).await);
    let mut listener = group(&bert).bind(pipe("door")).unwrap();
    let mut near = group(&anne).connect(bert.id(), pipe("door")).await.unwrap();
    near.send("found you").await.unwrap();
    let mut far = listener.accept().await.unwrap();
    assert_eq!(far.recv().await.unwrap().as_deref(), Some(&b"found you"[..]));
}

#[tokio::test]
async fn who_leaves_politely_is_forgotten_at_once() {
    let (rendezvous, _server) = rendezvous(Keypair::generate_ed25519(), loopback()).await;
    let address = rendezvous.addresses().remove(0);
    let (anne, bert) = (edge(&address).await, edge(&address).await);
    let lifetime = Lifetime::while_alive(Duration::from_secs(60));
    group(&anne).publish(service("brief"), lifetime).await.unwrap();
    anne.shutdown().await;
    // Who leaves waits for the answer, but not for long.
    let forgotten = async { while !find(&bert, "brief").await.is_empty() {} };
    awake(Duration::from_secs(1), forgotten).await.expect("it is still found");
}

#[tokio::test]
async fn a_rendezvous_that_returns_empty_knows_everything_again_without_a_word_from_the_application() {
    let keypair = Keypair::generate_ed25519();
    let (first, server) = rendezvous(keypair.clone(), place_of_its_own()).await;
    let address = first.addresses().remove(0);
    let (anne, bert) = (edge(&address).await, edge(&address).await);
    let lifetime = Lifetime::while_alive(Duration::from_secs(60));
    group(&anne).publish(service("lasting"), lifetime).await.unwrap();
    let mut news = anne.events();
    // It vanishes without farewell.
    drop((first, server));
    let lost = async { while !matches!(news.recv().await.unwrap(), PeerEvent::LeaseLost { .. }) {} };
    tokio::time::timeout(PATIENCE, lost).await.expect("the loss is not noticed");
    let mut listen = address.clone();
    listen.pop();
    let (again, _server) = rendezvous(keypair, listen).await;
    anne.wait_leased(PATIENCE).await.unwrap();
    bert.wait_leased(PATIENCE).await.unwrap();
    meter_reaches(&again, "queries_in", 4).await;
    let found = async {
        while find(&bert, "lasting").await.is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, found).await.expect("what was published is not found again");
}

#[tokio::test]
async fn a_lease_that_is_not_had_says_why() {
    let nobody = Peer::builder().spawn().await.unwrap();
    let address = format!("/ip4/127.0.0.1/tcp/9/p2p/{}", nobody.id()).parse().unwrap();
    let peer = Peer::builder().rendezvous(address).spawn().await.unwrap();
    let saying = async {
        loop {
            match peer.wait_leased(Duration::from_millis(100)).await {
                Err(LeaseError::TimedOut { last, .. }) if last.contains("/tcp/9") => return,
                // No try has ended yet.
                Err(LeaseError::TimedOut { .. }) => {}
                other => panic!("{other:?}"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, saying).await.expect("it never says why");
}

#[tokio::test]
async fn a_port_that_another_listens_on_is_refused_and_not_shared() {
    let first = Peer::builder().listen(loopback()).spawn().await.unwrap();
    let mut taken = first.addresses().remove(0);
    taken.pop();
    match Peer::builder().listen(taken.clone()).spawn().await {
        Err(overlay::SpawnError::Listen { address, .. }) => assert_eq!(address, taken),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn news_wake_who_reads_them_as_a_stream() {
    let (anne, bert) =
        (Peer::builder().listen(loopback()).spawn().await.unwrap(), Peer::builder().spawn().await.unwrap());
    let mut news = anne.events();
    let reading = tokio::spawn(async move { news.next().await });
    tokio::task::yield_now().await;
    bert.dial(anne.id(), anne.addresses(), PATIENCE).await.unwrap();
    let first = tokio::time::timeout(PATIENCE, reading).await.expect("the reader sleeps on").unwrap();
    assert_eq!(first, Some(PeerEvent::Connected { peer: bert.id() }));
}
