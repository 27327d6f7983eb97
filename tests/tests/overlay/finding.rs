//! Answers come as they are given, page by page; and what a newer peer says goes through unchanged.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use libp2p::core::SignedEnvelope;
use overlay::protocol::discovery::{self, DiscoveryRequest, FindAnswer, PublishAnswer};
use overlay::protocol::rendezvous::{self as leases, LeaseGrant};
use overlay::wire::{Ext, encode_message};
use overlay::{
    Advertisement, AdvertisementKind, Change, DiscoveryQuery, GroupId, Keypair, Lifetime, Peer, Queries,
    SignedAdvertisement,
};
use rendezvous::limits::Limits;
use rendezvous::net::server::Server;

use crate::world::{PATIENCE, becomes, group, meter_reaches, peer};

/// A peer that grants leases, and whose discovery the test answers.
async fn odd_rendezvous() -> (Peer, Queries) {
    let odd = peer().await;
    let mut lease_requests = odd.register_handler(leases::HANDLER).unwrap();
    let asked = odd.register_handler(discovery::HANDLER).unwrap();
    tokio::spawn(async move {
        while let Some(query) = lease_requests.recv().await {
            let grant = LeaseGrant { ttl: PATIENCE * 4, fresh: false };
            query.reply(grant.encode().unwrap());
        }
    });
    (odd, asked)
}

/// A peer that leases from all of `rendezvous`.
async fn edge(rendezvous: &[&Peer]) -> Peer {
    let builder = Peer::builder().listen("/ip4/127.0.0.1/tcp/0".parse().unwrap());
    let addresses = rendezvous.iter().map(|rendezvous| rendezvous.addresses().remove(0));
    let peer = addresses.fold(builder, |builder, address| builder.rendezvous(address)).spawn().await.unwrap();
    becomes("no lease", || peer.leased().len() == rendezvous.len()).await;
    peer
}

fn service(name: &str) -> Advertisement {
    Advertisement::new(AdvertisementKind::Service).key(name).attribute("name", name)
}

fn services() -> DiscoveryQuery {
    DiscoveryQuery::new().kind(AdvertisementKind::Service).deadline(PATIENCE * 4)
}

fn minute() -> Lifetime {
    Lifetime::while_alive(Duration::from_secs(60))
}

#[tokio::test]
async fn who_does_not_answer_keeps_no_other_answer_waiting() {
    let (silent, _asked) = odd_rendezvous().await;
    let node = peer().await;
    let _server = Server::spawn(&node, &Limits::default()).unwrap();
    let (anne, bert) = (edge(&[&node]).await, edge(&[&node, &silent]).await);
    group(&anne).publish(service("echo"), minute()).await.unwrap();
    let mut found = group(&bert).discover(services());
    let first = tokio::time::timeout(PATIENCE, found.next()).await.expect("it waits for the silent one");
    assert_eq!(first.unwrap().publisher(), anne.id());
}

#[tokio::test]
async fn more_answers_than_one_frame_holds_are_found_up_to_the_threshold() {
    let node = peer().await;
    let mut limits = Limits::default();
    limits.index.per_peer_max = 1_000;
    limits.rate.publication.burst = 1_000;
    let _server = Server::spawn(&node, &limits).unwrap();
    let (anne, bert, carl) = (edge(&[&node]).await, edge(&[&node]).await, edge(&[&node]).await);
    for number in 0..130 {
        let body = vec![1; if number % 2 == 0 { 2_000 } else { 10 }];
        group(&anne).publish(service(&number.to_string()).body(body), minute()).await.unwrap();
    }
    assert_eq!(group(&bert).discover(services().threshold(117)).count().await, 117);
    assert_eq!(group(&carl).discover(services().threshold(1_000)).count().await, 130);
    assert_eq!(group(&bert).discover(services().threshold(117)).count().await, 117, "with a full cache, too");
    assert_eq!(group(&bert).discover(services().threshold(0)).count().await, 0);
}

#[tokio::test]
async fn a_rendezvous_that_forges_repeats_and_promises_more_is_bounded_and_counted() {
    let (odd, mut asked) = odd_rendezvous().await;
    let bert = edge(&[&odd]).await;
    let keypair = Keypair::generate_ed25519();
    let in_group = |name: &str| Advertisement { group: group(&bert).id(), ..service(name) };
    let true_one = SignedAdvertisement::sign(in_group("true"), minute(), 1, &keypair).unwrap();
    let other = SignedAdvertisement::sign(service("other group"), minute(), 1, &keypair).unwrap();
    let over_long = Lifetime { local: Duration::MAX, remote: Duration::MAX };
    let over_long = SignedAdvertisement::sign(in_group("long"), over_long, 1, &keypair).unwrap();
    assert_eq!(over_long.lifetime().remote, overlay::limits::LIFETIME_REMOTE_MAX);
    let mut forged = true_one.to_bytes().to_vec();
    *forged.last_mut().unwrap() ^= 1;
    let page = vec![
        true_one.to_bytes(),
        true_one.to_bytes(),
        forged.into(),
        other.to_bytes(),
        Bytes::from(vec![0; overlay::limits::ADVERTISEMENT_BYTES_MAX + 1]),
    ];
    let answering = tokio::spawn(async move {
        let mut pages = 0;
        while let Some(query) = asked.recv().await {
            let answer = match DiscoveryRequest::decode(&query.body).unwrap() {
                DiscoveryRequest::Publish { .. } => {
                    PublishAnswer { accepted: 1, refused: 0 }.encode().unwrap()
                }
                DiscoveryRequest::Find { .. } => {
                    pages += 1;
                    FindAnswer { advertisements: page.clone(), more: true }.encode().unwrap()
                }
                DiscoveryRequest::FindMore { .. } if pages < 4 => {
                    pages += 1;
                    FindAnswer { advertisements: page.clone(), more: true }.encode().unwrap()
                }
                _ => FindAnswer { advertisements: vec![Bytes::from_static(b"x")], more: true }
                    .encode()
                    .unwrap(),
            };
            query.reply(answer);
        }
    });
    let found: Vec<_> = group(&bert).discover(services()).collect().await;
    assert_eq!(found, [true_one], "each once");
    meter_reaches(&bert, "advertisements_rejected", 4 * 3 + 1).await;
    answering.abort();
}

/// What a later version may sign: a kind, an attribute's type and a field that this one does not know.
fn of_a_later_version(keypair: &Keypair, group: GroupId, sequence: u64, withdrawn: bool) -> Bytes {
    let publisher = Bytes::from(keypair.public().to_peer_id().to_bytes());
    let attributes = if withdrawn {
        Vec::new()
    } else {
        vec![("name", (1u16, Bytes::from_static(b"later"))), ("shape", (900, Bytes::from_static(&[1, 2, 3])))]
    };
    let ext: Ext = vec![(77, Bytes::from_static(b"unknown")), (78, Bytes::new())];
    let content =
        (700u16, group, "key", publisher, sequence, withdrawn, 60u32, 60u32, attributes, Bytes::new(), ext);
    let payload = encode_message(1, &content, 4096).unwrap();
    let envelope =
        SignedEnvelope::new(keypair, "juxta/adv/1".to_owned(), b"/juxta/adv".to_vec(), payload).unwrap();
    envelope.into_protobuf_encoding().into()
}

#[tokio::test]
async fn what_a_later_version_says_goes_through_store_forward_and_disk_byte_for_byte() {
    let node = peer().await;
    let _server = Server::spawn(&node, &Limits::default()).unwrap();
    let (keypair, berts, home) =
        (Keypair::generate_ed25519(), Keypair::generate_ed25519(), tempfile::tempdir().unwrap());
    let rendezvous = node.addresses().remove(0);
    let newer =
        Peer::builder().keypair(keypair.clone()).rendezvous(rendezvous.clone()).spawn().await.unwrap();
    newer.wait_leased(PATIENCE).await.unwrap();
    let bert = Peer::builder()
        .keypair(berts.clone())
        .rendezvous(rendezvous)
        .cache_dir(home.path())
        .spawn()
        .await
        .unwrap();
    bert.wait_leased(PATIENCE).await.unwrap();
    let query =
        DiscoveryQuery::new().kind(AdvertisementKind::Other(700)).equals("name", "later").deadline(PATIENCE);
    let mut told = group(&bert).subscribe(query.clone()).unwrap();
    let publish = async |envelope: &Bytes| {
        let request = DiscoveryRequest::Publish { advertisements: vec![envelope.clone()] }.encode().unwrap();
        let answer =
            newer.query(node.id(), &GroupId::net(), discovery::HANDLER, request, PATIENCE).await.unwrap();
        PublishAnswer::decode(&answer).unwrap().accepted
    };
    let envelope = of_a_later_version(&keypair, group(&bert).id(), 1, false);
    assert_eq!(publish(&envelope).await, 1);
    let change = tokio::time::timeout(PATIENCE, told.recv()).await.unwrap();
    let Some(Change::Added(signed)) = change else { panic!("{change:?}") };
    assert_eq!(signed.to_bytes(), envelope, "told");
    let found: Vec<_> = group(&bert).discover(query.clone()).collect().await;
    assert_eq!((found.len(), found[0].to_bytes()), (1, envelope.clone()), "found");
    bert.shutdown().await;
    let again = Peer::builder().keypair(berts).cache_dir(home.path()).spawn().await.unwrap();
    let found: Vec<_> = group(&again).discover(query).collect().await;
    assert_eq!((found.len(), found[0].to_bytes()), (1, envelope.clone()), "kept");
    // An older edition, said again, changes nothing; a newer tombstone ends it.
    assert_eq!(publish(&of_a_later_version(&keypair, group(&again).id(), 2, true)).await, 1);
    assert_eq!(publish(&envelope).await, 0, "replayed");
}
