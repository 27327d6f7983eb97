//! Subscriptions and long answers in closed groups: members are told through a rendezvous, and nobody else.

use futures::StreamExt;
use overlay::{
    Advertisement, AdvertisementKind, Change, DiscoveryQuery, Keypair, Peer, PeerGroup, SubscribeError,
    Subscription,
};
use rendezvous::limits::Limits;

use crate::closed_groups::{MINUTE, Town, door, soon};
use crate::world::{PATIENCE, meter};

fn all_doors() -> DiscoveryQuery {
    DiscoveryQuery::new().kind(AdvertisementKind::Pipe).equals("name", "door").deadline(PATIENCE)
}

fn watch(group: &PeerGroup) -> Subscription {
    group.subscribe(all_doors()).unwrap()
}

async fn next(subscription: &mut Subscription) -> Option<Change> {
    tokio::time::timeout(PATIENCE, subscription.recv()).await.expect("nothing is told")
}

/// The next change says this of what `publisher` published.
async fn told(subscription: &mut Subscription, what: &str, publisher: &Peer) {
    let change = next(subscription).await.expect("it has ended");
    let (said, signed) = match &change {
        Change::Added(signed) => ("added", signed),
        Change::Withdrawn(signed) => ("withdrawn", signed),
        Change::Expired(signed) => ("expired", signed),
        other => panic!("{other:?}"),
    };
    assert_eq!((said, signed.publisher()), (what, publisher.id()));
}

#[tokio::test]
async fn a_member_is_told_what_others_publish_and_withdraw_and_who_is_none_may_not_subscribe() {
    let town = Town::new().await;
    let (anne, annes) = town.founder().await;
    let (_bert, berts) = town.member(&annes).await;
    let (_carl, mut told_to_carl) = {
        let carl = town.edge().await;
        let view = carl.join(annes.genesis());
        assert_eq!(view.subscribe(all_doors()).map(drop), Err(SubscribeError::NotMember));
        // In the open it hears what is in the open.
        let told = carl.net_group().subscribe(all_doors()).unwrap();
        (carl, told)
    };
    let mut told_to_bert = watch(&berts);
    soon("nobody is subscribed", async || town.count("subscriptions") == 2).await;
    annes.publish(door(&anne), MINUTE).await.unwrap();
    told(&mut told_to_bert, "added", &anne).await;
    // Who publishes is told at once.
    told(&mut watch(&annes), "added", &anne).await;
    annes.withdraw_key(AdvertisementKind::Pipe, "door").await.unwrap();
    told(&mut told_to_bert, "withdrawn", &anne).await;
    anne.net_group().publish(door(&anne), MINUTE).await.unwrap();
    told(&mut told_to_carl, "added", &anne).await;
}

#[tokio::test]
async fn who_is_revoked_is_told_nothing_more_and_what_it_published_expires_at_the_others() {
    let town = Town::new().await;
    let (anne, annes) = town.founder().await;
    let (bert, berts) = town.member(&annes).await;
    let (carl, carls) = town.member(&annes).await;
    let (mut told_to_anne, mut told_to_bert) = (watch(&annes), watch(&berts));
    soon("not all are subscribed", async || town.count("subscriptions") == 2).await;
    berts.publish(door(&bert), MINUTE).await.unwrap();
    told(&mut told_to_anne, "added", &bert).await;
    told(&mut told_to_bert, "added", &bert).await;
    annes.revoke(bert.id()).unwrap();
    told(&mut told_to_anne, "expired", &bert).await;
    assert_eq!(next(&mut told_to_bert).await, None, "it goes on without its place");
    soon("the rendezvous goes on telling", async || town.count("subscriptions") == 1).await;
    carls.publish(door(&carl), MINUTE).await.unwrap();
    told(&mut told_to_anne, "added", &carl).await;
    assert_eq!(next(&mut told_to_bert).await, None);
    assert_eq!(berts.subscribe(all_doors()).map(drop), Err(SubscribeError::NotMember));
    assert_eq!(meter(&anne, "task_panics") + meter(&bert, "task_panics"), 0);
}

#[tokio::test]
async fn leaving_the_group_ends_its_subscriptions_here_and_there_and_no_others() {
    let town = Town::new().await;
    let (_anne, annes) = town.founder().await;
    let (bert, berts) = town.member(&annes).await;
    let (mut closed, mut open) = (watch(&berts), watch(&bert.net_group()));
    soon("not all are subscribed", async || town.count("subscriptions") == 2).await;
    berts.resign();
    assert_eq!(next(&mut closed).await, None);
    soon("it outlives the place", async || town.count("subscriptions") == 1).await;
    bert.net_group().publish(door(&bert), MINUTE).await.unwrap();
    told(&mut open, "added", &bert).await;
}

#[tokio::test]
async fn the_rendezvous_itself_and_its_members_are_told_of_each_other() {
    let town = Town::new().await;
    let (anne, annes) = town.founder().await;
    let ticket = annes.invite(overlay::credential::Role::Member, crate::groups::DAY).unwrap().to_string();
    let hosts = town.host.join_ticket(&ticket).await.unwrap();
    let (mut told_to_anne, mut told_to_host) = (watch(&annes), watch(&hosts));
    soon("not all are subscribed", async || town.count("subscriptions") == 2).await;
    hosts.publish(door(&town.host), MINUTE).await.unwrap();
    told(&mut told_to_anne, "added", &town.host).await;
    told(&mut told_to_host, "added", &town.host).await;
    annes.publish(door(&anne), MINUTE).await.unwrap();
    told(&mut told_to_host, "added", &anne).await;
}

#[tokio::test]
async fn more_than_one_frame_holds_is_found_in_a_closed_group_and_told_to_its_subscriber() {
    let mut limits = Limits::default();
    limits.index.per_peer_max = 1_000;
    limits.rate.publication.burst = 1_000;
    let town = Town::with(&limits).await;
    let (anne, annes) = town.founder().await;
    let (_bert, berts) = town.member(&annes).await;
    for number in 0..120 {
        let large = Advertisement { key: number.to_string(), ..door(&anne) }.body(vec![7; 2_000]);
        annes.publish(large, MINUTE).await.unwrap();
    }
    assert_eq!(berts.discover(all_doors().threshold(117)).count().await, 117);
    assert_eq!(berts.discover(all_doors().threshold(1_000)).count().await, 120);
    let mut told_to_bert = watch(&berts);
    for _ in 0..120 {
        told(&mut told_to_bert, "added", &anne).await;
    }
}

#[tokio::test]
async fn members_without_a_rendezvous_find_all_that_one_publishes() {
    let anne = Peer::builder().listen("/ip4/127.0.0.1/tcp/0".parse().unwrap()).spawn().await.unwrap();
    let annes = anne.create_group("friends", overlay::GroupPolicy::Invite).await.unwrap();
    let bert = Peer::builder().keypair(Keypair::generate_ed25519()).spawn().await.unwrap();
    bert.dial(anne.id(), anne.addresses(), PATIENCE).await.unwrap();
    let ticket = annes.invite(overlay::credential::Role::Member, crate::groups::DAY).unwrap().to_string();
    let berts = bert.join_ticket(&ticket).await.unwrap();
    for number in 0..70 {
        let large = Advertisement { key: number.to_string(), ..door(&anne) }.body(vec![7; 2_000]);
        annes.publish(large, MINUTE).await.unwrap();
    }
    // Whoever has been asked something in the group has proven its place.
    let _ = bert.query(anne.id(), &berts.id(), "nobody", Vec::new(), PATIENCE).await;
    // A member that does not answer in time is left out, and asked again.
    let finding = async { while berts.discover(all_doors().threshold(1_000)).count().await != 70 {} };
    tokio::time::timeout(PATIENCE, finding).await.expect("not all are found");
    let mut told_to_bert = watch(&berts);
    for _ in 0..70 {
        told(&mut told_to_bert, "added", &anne).await;
    }
}
