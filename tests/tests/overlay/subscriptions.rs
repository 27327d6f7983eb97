//! Subscriptions: what one edge publishes, changes, withdraws or takes along is told to another through the rendezvous.

use std::time::Duration;

use bytes::Bytes;
use overlay::protocol::discovery::{self, DiscoveryRequest};
use overlay::protocol::notification::{self, Notification};
use overlay::{
    Advertisement, AdvertisementKind, Change, DiscoveryQuery, GroupId, Keypair, Lifetime, Multiaddr, Peer,
    PeerEvent, QueryError, RefuseReason, SignedAdvertisement, SubscribeError, Subscription,
};
use rendezvous::limits::Limits;
use rendezvous::net::server::Server;

use crate::world::{PATIENCE, group, meter_reaches, place_of_its_own};

fn loopback() -> Multiaddr {
    "/ip4/127.0.0.1/tcp/0".parse().unwrap()
}

async fn rendezvous(keypair: Keypair, listen: Multiaddr) -> (Peer, Server, Multiaddr) {
    let peer = Peer::builder().keypair(keypair).listen(listen).spawn().await.unwrap();
    let server = Server::spawn(&peer, &Limits::default()).unwrap();
    let address = peer.addresses().remove(0);
    (peer, server, address)
}

async fn edge(rendezvous: &Multiaddr) -> Peer {
    let peer = Peer::builder().listen(loopback()).rendezvous(rendezvous.clone()).spawn().await.unwrap();
    peer.wait_leased(PATIENCE).await.unwrap();
    peer
}

fn service(name: &str, load: f64) -> Advertisement {
    Advertisement::new(AdvertisementKind::Service).key(name).attribute("name", name).attribute("load", load)
}

fn services() -> DiscoveryQuery {
    DiscoveryQuery::new().kind(AdvertisementKind::Service).below("load", 0.5)
}

fn minute() -> Lifetime {
    Lifetime::while_alive(Duration::from_secs(60))
}

async fn next(subscription: &mut Subscription) -> (&'static str, String) {
    let change = tokio::time::timeout(PATIENCE, subscription.recv()).await.expect("nothing is told").unwrap();
    let (what, signed) = match &change {
        Change::Added(signed) => ("added", signed),
        Change::Changed(signed) => ("changed", signed),
        Change::Withdrawn(signed) => ("withdrawn", signed),
        Change::Expired(signed) => ("expired", signed),
        other => panic!("{other:?}"),
    };
    (what, signed.advertisement().text("name").unwrap_or_default().to_owned())
}

async fn told(subscription: &mut Subscription, what: &'static str, name: &str) {
    assert_eq!(next(subscription).await, (what, name.to_owned()));
}

#[tokio::test]
async fn what_one_edge_publishes_changes_and_withdraws_is_told_to_another() {
    let (_node, _server, address) = rendezvous(Keypair::generate_ed25519(), loopback()).await;
    let (anne, bert) = (edge(&address).await, edge(&address).await);
    let annes = group(&anne);
    annes.publish(service("before", 0.1), minute()).await.unwrap();
    let mut told_to_bert = group(&bert).subscribe(services()).unwrap();
    told(&mut told_to_bert, "added", "before").await;
    annes.publish(service("busy", 0.9), minute()).await.unwrap();
    annes.publish(service("calm", 0.2), minute()).await.unwrap();
    told(&mut told_to_bert, "added", "calm").await;
    annes.publish(service("calm", 0.2), minute()).await.unwrap();
    annes.publish(service("calm", 0.3), minute()).await.unwrap();
    told(&mut told_to_bert, "changed", "calm").await;
    annes.publish(service("calm", 0.7), minute()).await.unwrap();
    told(&mut told_to_bert, "withdrawn", "calm").await;
    annes.publish(service("calm", 0.4), minute()).await.unwrap();
    told(&mut told_to_bert, "added", "calm").await;
    annes.withdraw_key(AdvertisementKind::Service, "calm").await.unwrap();
    told(&mut told_to_bert, "withdrawn", "calm").await;
    anne.shutdown().await;
    told(&mut told_to_bert, "expired", "before").await;
}

#[tokio::test]
async fn what_the_peer_itself_and_the_rendezvous_publish_is_told_and_other_groups_are_not() {
    let (node, _server, address) = rendezvous(Keypair::generate_ed25519(), loopback()).await;
    let anne = edge(&address).await;
    let mut told_to_anne = group(&anne).subscribe(services()).unwrap();
    let mut told_to_node = group(&node).subscribe(services()).unwrap();
    anne.net_group().publish(service("elsewhere", 0.1), minute()).await.unwrap();
    group(&anne).publish(service("own", 0.1), minute()).await.unwrap();
    told(&mut told_to_anne, "added", "own").await;
    told(&mut told_to_node, "added", "own").await;
    group(&node).publish(service("node", 0.1), minute()).await.unwrap();
    told(&mut told_to_anne, "added", "node").await;
    told(&mut told_to_node, "added", "node").await;
}

#[tokio::test]
async fn a_short_life_ends_at_the_subscriber_by_its_own_clock() {
    let (_node, _server, address) = rendezvous(Keypair::generate_ed25519(), loopback()).await;
    let (anne, bert) = (edge(&address).await, edge(&address).await);
    let mut told_to_bert = group(&bert).subscribe(services()).unwrap();
    group(&anne).publish(service("first", 0.1), minute()).await.unwrap();
    told(&mut told_to_bert, "added", "first").await;
    // While a machine stands still a short life may be over before anybody hears of it; the next is longer.
    for seconds in [1, 4, 16] {
        let (brief, seconds) = (format!("brief {seconds}"), Duration::from_secs(seconds));
        let life = Lifetime { local: seconds, remote: seconds };
        group(&anne).publish(service(&brief, 0.1), life).await.unwrap();
        let after = ("added", format!("after {brief}"));
        group(&anne).publish(service(&after.1, 0.1), minute()).await.unwrap();
        // What is published first is told first.
        let mut came = vec![next(&mut told_to_bert).await];
        while !came.contains(&after) {
            came.push(next(&mut told_to_bert).await);
        }
        if came.contains(&("added", brief.clone())) {
            if !came.contains(&("expired", brief.clone())) {
                told(&mut told_to_bert, "expired", &brief).await;
            }
            return;
        }
    }
    panic!("nobody is told of a short life");
}

#[tokio::test]
async fn more_than_one_frame_holds_is_told_once_each() {
    let (_node, _server, address) = rendezvous(Keypair::generate_ed25519(), loopback()).await;
    let (anne, bert) = (edge(&address).await, edge(&address).await);
    for number in 0..40 {
        let large = service(&number.to_string(), 0.1).body(vec![7; 6_000]);
        group(&anne).publish(large, minute()).await.unwrap();
    }
    let mut told_to_bert = group(&bert).subscribe(services()).unwrap();
    let mut names = Vec::new();
    for _ in 0..40 {
        let (what, name) = next(&mut told_to_bert).await;
        assert_eq!(what, "added");
        names.push(name.parse::<u32>().unwrap());
    }
    names.sort_unstable();
    assert_eq!(names, (0..40).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_rendezvous_that_returns_empty_is_subscribed_at_again() {
    let keypair = Keypair::generate_ed25519();
    let (node, server, address) = rendezvous(keypair.clone(), place_of_its_own()).await;
    let (anne, bert) = (edge(&address).await, edge(&address).await);
    let mut told_to_bert = group(&bert).subscribe(services()).unwrap();
    group(&anne).publish(service("before", 0.1), minute()).await.unwrap();
    told(&mut told_to_bert, "added", "before").await;
    let mut news = bert.events();
    drop((node, server));
    let lost = async { while !matches!(news.recv().await.unwrap(), PeerEvent::LeaseLost { .. }) {} };
    tokio::time::timeout(PATIENCE, lost).await.expect("the loss is not noticed");
    let mut listen = address.clone();
    listen.pop();
    let (_node, _server, _) = rendezvous(keypair, listen).await;
    anne.wait_leased(PATIENCE).await.unwrap();
    group(&anne).publish(service("after", 0.1), minute()).await.unwrap();
    told(&mut told_to_bert, "added", "after").await;
}

#[tokio::test]
async fn a_dropped_subscription_ends_at_the_rendezvous_and_one_too_many_is_refused() {
    let (_node, server, address) = rendezvous(Keypair::generate_ed25519(), loopback()).await;
    let bert = edge(&address).await;
    let mut held = Vec::new();
    let full = loop {
        match group(&bert).subscribe(services()) {
            Ok(subscription) => held.push(subscription),
            Err(refused) => break refused,
        }
    };
    assert_eq!(full, SubscribeError::Full { max: overlay::limits::SUBSCRIPTIONS_PER_PEER_MAX });
    let counters = server.status();
    let reach = |count: u64| {
        let counters = counters.clone();
        async move {
            while counters.subscriptions.value() != count {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    };
    let all = overlay::limits::SUBSCRIPTIONS_PER_PEER_MAX as u64;
    tokio::time::timeout(PATIENCE, reach(all)).await.expect("not all are made");
    drop(held);
    tokio::time::timeout(PATIENCE, reach(0)).await.expect("subscriptions stay");
}

#[tokio::test]
async fn who_is_no_rendezvous_of_ours_or_forges_tells_nothing() {
    let (node, _server, address) = rendezvous(Keypair::generate_ed25519(), loopback()).await;
    let (bert, enemy) = (edge(&address).await, edge(&address).await);
    let mut told_to_bert = group(&bert).subscribe(services()).unwrap();
    enemy.dial(bert.id(), bert.addresses(), PATIENCE).await.unwrap();
    let keypair = Keypair::generate_ed25519();
    let mut advertisement = service("forged", 0.1);
    advertisement.group = group(&bert).id();
    let true_one = SignedAdvertisement::sign(advertisement, minute(), 1, &keypair).unwrap().to_bytes();
    let mut forged = true_one.to_vec();
    *forged.last_mut().unwrap() ^= 1;
    let tell = |from: Peer, number: u64, envelope: Bytes| {
        let to = bert.id();
        let notification = Notification { number, editions: vec![envelope], ..Notification::default() };
        let body = notification.encode().unwrap();
        async move { from.query(to, &GroupId::net(), notification::HANDLER, body, PATIENCE).await }
    };
    let refused = Err(QueryError::Refused(RefuseReason::Policy));
    assert_eq!(tell(enemy.clone(), 0, true_one.clone()).await, refused, "no rendezvous");
    meter_reaches(&bert, "notifications_rejected", 1).await;
    // Its own rendezvous can't forge either, nor tell of a subscription that was not made.
    assert_eq!(tell(node.clone(), 7, true_one).await, refused);
    assert_eq!(tell(node.clone(), 0, forged.into()).await, Ok(Bytes::new()));
    assert_eq!(tell(node.clone(), 0, vec![0; 20_000].into()).await, Ok(Bytes::new()));
    meter_reaches(&bert, "advertisements_rejected", 2).await;
    let garbage = node.query(bert.id(), &GroupId::net(), notification::HANDLER, vec![1, 2], PATIENCE).await;
    assert_eq!(garbage, Err(QueryError::Refused(RefuseReason::Malformed)));
    group(&enemy).publish(service("true", 0.1), minute()).await.unwrap();
    told(&mut told_to_bert, "added", "true").await;
}

#[tokio::test]
async fn who_holds_no_lease_is_not_told() {
    let (_node, server, address) = rendezvous(Keypair::generate_ed25519(), loopback()).await;
    let stranger = Peer::builder().spawn().await.unwrap();
    stranger.dial(server.peer_id(), vec![address], PATIENCE).await.unwrap();
    let subscribe = DiscoveryRequest::Subscribe { number: 1, query: services() }.encode().unwrap();
    let answer =
        stranger.query(server.peer_id(), &GroupId::net(), discovery::HANDLER, subscribe, PATIENCE).await;
    assert_eq!(answer, Err(QueryError::Refused(RefuseReason::NotLeased)));
}
