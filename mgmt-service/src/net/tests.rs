//! Agent and manager over real sockets on loopback.

mod flow;
mod hostile;
mod notices;
mod sampling;
mod spools;
mod standing;
mod world;

use std::io;
use std::time::Duration;

use overlay::{BidiPipe, GroupId, Keypair, Peer, QueryError};
use tokio::time::timeout;

use self::world::{Collected, Measured, PATIENCE, World, agents_found, manager_at, until};
use super::*;
use crate::ManagePolicy;
use crate::arm::ArmRecord;
use crate::error::GetError;
use crate::jmx::{AttributeValue, BeanServer, ObjectNamePattern};
use crate::limits::{
    BATCH_RECORDS_MAX, BATCHES_IN_FLIGHT_MAX, RECORD_BEANS_KEPT, SUBSCRIPTIONS_MAX,
    SUBSCRIPTIONS_PER_MANAGER_MAX,
};
use crate::protocol::{BeanSnapshot, DictionaryReader, FromAgent, FromManager, Terms, pipe_id};

fn key() -> Keypair {
    Keypair::generate_ed25519()
}

fn pattern(text: &str) -> ObjectNamePattern {
    text.parse().unwrap()
}

fn value(bean: &BeanSnapshot, name: &str) -> Option<AttributeValue> {
    bean.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
}

async fn counter(manager: &Manager, agent: &Measured, name: &str) -> i64 {
    let asked = [name.to_owned()];
    let beans = manager.get(agent.peer.id(), &pattern("juxta:type=agent"), &asked).await.unwrap();
    match value(&beans[0], name) {
        Some(AttributeValue::Int(count)) => count,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_record_of_every_agent_reaches_the_sink_once_and_in_order() {
    let world = World::new().await;
    let (anne, bert) = (world.agent("anne", &key()).await, world.agent("bert", &key()).await);
    let (_peer, manager) = world.manager().await;
    let collected = Collected::start(&manager);
    anne.subscribed(1).await;
    bert.subscribed(1).await;
    let many = (BATCHES_IN_FLIGHT_MAX as u64 + 3) * BATCH_RECORDS_MAX as u64 + 7;
    anne.measure(0..many);
    bert.measure(0..5);
    let (summary, records) = collected.stop().await;
    let numbers = |agent: &Measured| -> Vec<u64> {
        records.iter().filter(|record| record.peer == agent.peer.id()).map(|record| record.at_ms).collect()
    };
    assert_eq!(numbers(&anne), (0..many).collect::<Vec<_>>());
    assert_eq!(numbers(&bert), [0, 1, 2, 3, 4]);
    let expected = CollectionSummary { agents: 2, records: many + 5, folded: 0, dropped: 0, unflushed: 0 };
    assert_eq!(summary, expected);
    // The subscription ended with the collection: nothing is kept for it.
    anne.subscribed(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_comes_by_itself_while_the_collection_goes_on() {
    let world = World::new().await;
    let anne = world.agent("anne", &key()).await;
    let (_peer, manager) = world.manager().await;
    let mut collected = Collected::start(&manager);
    anne.subscribed(1).await;
    anne.measure(0..1);
    assert_eq!(collected.numbers(1).await, [0]);
    let agents = collected.collection.agents();
    assert_eq!((&*agents[0].name, agents[0].peer), ("anne", anne.peer.id()));
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_that_appear_and_that_come_back_are_included() {
    let world = World::new().await;
    let (_peer, manager) = world.manager().await;
    let mut collected = Collected::start(&manager);
    let anne_key = key();
    let anne = world.agent("anne", &anne_key).await;
    anne.subscribed(1).await;
    anne.measure(0..2);
    assert_eq!(collected.numbers(2).await, [0, 1]);
    // Her process dies and starts again: same identity, another port, nothing of what it knew.
    let peer = anne.peer.clone();
    drop(anne);
    peer.shutdown().await;
    let anne = world.agent("anne", &anne_key).await;
    anne.subscribed(1).await;
    anne.measure(2..4);
    assert_eq!(collected.numbers(2).await, [2, 3]);
    let (summary, rest) = collected.stop().await;
    assert_eq!((summary.records, summary.agents, rest.len()), (4, 1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_connection_loses_nothing_and_doubles_nothing() {
    let world = World::new().await;
    let anne = world.agent("anne", &key()).await;
    let (peer, manager) = world.manager().await;
    let mut collected = Collected::start(&manager);
    anne.subscribed(1).await;
    let mut seen = Vec::new();
    for round in 0..8_u64 {
        let first = round * 1_000;
        anne.measure(first..first + 700);
        // Some batches are on their way, some not acknowledged, some records wait.
        if round % 2 == 0 {
            anne.peer.close(peer.id()).await;
        } else {
            peer.close(anne.peer.id()).await;
        }
        anne.measure(first + 700..first + 1_000);
        seen.extend(collected.numbers(1_000).await);
    }
    assert_eq!(seen, (0..8_000).collect::<Vec<_>>());
    let (summary, rest) = collected.stop().await;
    assert_eq!((summary.records, summary.dropped, rest.len()), (8_000, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_ends_politely_leaves_nothing_behind() {
    let world = World::new().await;
    let anne = world.agent("anne", &key()).await;
    let (_peer, manager) = world.manager().await;
    let mut collected = Collected::start(&manager);
    anne.subscribed(1).await;
    anne.measure(0..3);
    let Measured { agent, beans, .. } = anne;
    agent.shutdown_within(PATIENCE).await;
    assert_eq!(collected.numbers(3).await, [0, 1, 2]);
    assert!(beans.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_records_that_match_are_sent() {
    let world = World::new().await;
    let anne = world.agent("anne", &key()).await;
    let (_peer, manager) = world.manager().await;
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let sink = {
        let seen = seen.clone();
        move |records: &[ArmRecord]| -> io::Result<()> {
            seen.lock().unwrap().extend_from_slice(records);
            Ok(())
        }
    };
    let collection = manager.collect(pattern("*:corr=0000000200000000,*"), sink.clone());
    anne.subscribed(1).await;
    anne.measure(0..3);
    assert_eq!(collection.stop_within(PATIENCE).await.summary.records, 0);
    anne.subscribed(0).await;
    let collection = manager.collect(pattern(&format!("*:dest={},*", anne.peer.id())), sink);
    anne.subscribed(1).await;
    anne.measure(3..6);
    assert_eq!(collection.stop_within(PATIENCE).await.summary.records, 3);
    assert_eq!(seen.lock().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_fails_is_told_and_nothing_is_acknowledged() {
    let world = World::new().await;
    let anne = world.agent("anne", &key()).await;
    let (_peer, manager) = world.manager().await;
    let full = |_: &[ArmRecord]| -> io::Result<()> { Err(io::Error::other("disk full")) };
    let mut collection = manager.collect(ObjectNamePattern::everything(), full);
    anne.subscribed(1).await;
    anne.measure(0..3);
    let failure = timeout(PATIENCE, collection.failed()).await.unwrap();
    assert_eq!(failure.to_string(), "disk full");
    assert_eq!(collection.summary().records, 0);
    let end = collection.stop_within(PATIENCE).await;
    assert_eq!(end.summary.records, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_read_by_pattern_from_afar() {
    let world = World::new().await;
    let anne = world.agent("anne", &key()).await;
    let (_peer, manager) = world.manager().await;
    assert_eq!(agents_found(&manager, 1).await[0].peer, anne.peer.id());
    let many = 1_500;
    anne.measure(0..many);
    // The last one is an object: none makes room for another while they are read.
    let last = || {
        let records = anne.beans.query(&pattern("*:dest=*,*"));
        records.iter().any(|(_, bean)| bean.record().is_some_and(|record| record.at_ms == many - 1))
    };
    until(last).await;
    // A link is an object soon after its session begins, here with the first question.
    manager.get(anne.peer.id(), &pattern("juxta:type=agent"), &[]).await.unwrap();
    until(|| anne.beans.query(&pattern("juxta:type=link,*")).len() == 2).await;

    let own = manager.get(anne.peer.id(), &pattern("juxta:*"), &[]).await.unwrap();
    let mut kinds: Vec<_> = own.iter().map(|bean| bean.name.key("type").unwrap()).collect();
    assert_eq!(kinds[..5], ["agent", "overlay", "arm", "application", "audit"]);
    assert_eq!(kinds[5..8], ["agent-settings", "monitors", "notifications"]);
    // One with the rendezvous, one with who asks; the group that all are in.
    kinds[8..].sort_unstable();
    assert_eq!(kinds[8..], ["link", "link", "membership"]);
    let membership = own.iter().find(|bean| bean.name.key("type") == Some("membership")).unwrap();
    assert_eq!(membership.name.key("group"), Some(GroupId::net().to_string().as_str()));
    assert_eq!(value(membership, "role"), Some("none".into()));
    assert!(matches!(value(membership, "queries_in"), Some(AttributeValue::Int(1..))), "{membership:?}");
    assert_eq!(value(&own[2], "records"), Some(AttributeValue::Int(many as i64)));
    assert!(value(&own[1], "sessions").is_some());

    // More than one page; the last ones, since older ones made room.
    let wanted = ["status".to_owned(), "reason".to_owned(), "hold_us".to_owned()];
    let records = manager.get(anne.peer.id(), &pattern("*:dest=*,*"), &wanted).await.unwrap();
    assert_eq!(records.len(), RECORD_BEANS_KEPT);
    assert_eq!(records[0].name.domain(), anne.peer.id().to_string());
    let attributes = [("status".to_owned(), "failed".into()), ("reason".to_owned(), "unreachable".into())];
    assert_eq!(records[0].attributes, attributes);
    assert_eq!(manager.get(anne.peer.id(), &pattern("*:nothing=*"), &[]).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_was_there_before_the_agent_is_an_object_too() {
    let world = World::new().await;
    let (peer, other) = (world.peer(&key()).await, world.peer(&key()).await);
    other.dial(peer.id(), peer.addresses(), PATIENCE).await.unwrap();
    let connected = || peer.connected().contains(&other.id());
    until(connected).await;
    let beans = BeanServer::new();
    let agent = ManagementAgent::spawn(&peer, "anne", None, beans.clone(), ManagePolicy::Open).unwrap();
    let link = format!("juxta:type=link,peer={}", other.id());
    assert_eq!(beans.query(&pattern(&link)).len(), 1);
    other.shutdown().await;
    until(|| beans.query(&pattern(&link)).is_empty()).await;
    agent.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_can_ask_a_peer_whose_management_is_off() {
    let world = World::new().await;
    let peer = world.peer(&key()).await;
    let beans = BeanServer::new();
    let agent = ManagementAgent::spawn(&peer, "anne", None, beans.clone(), ManagePolicy::Off).unwrap();
    let (manager_peer, manager) = world.manager().await;
    manager_peer.dial(peer.id(), peer.addresses(), PATIENCE).await.unwrap();
    let answer = manager.get(peer.id(), &pattern("*:*"), &[]).await;
    assert!(matches!(answer, Err(GetError::Query(QueryError::NoHandler))), "{answer:?}");
    assert_eq!(manager.agents(PATIENCE).await, []);
    let pipe = pipe_id(&peer.net_group().id(), &peer.id());
    assert!(manager_peer.net_group().connect(peer.id(), pipe).await.is_err());
    assert!(beans.is_empty());
    agent.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_sends_garbage_is_counted_and_the_agent_goes_on() {
    let world = World::new().await;
    let anne = world.agent("anne", &key()).await;
    let (hostile, manager) = world.manager().await;
    hostile.dial(anne.peer.id(), anne.peer.addresses(), PATIENCE).await.unwrap();
    let group = hostile.net_group();
    let pipe = pipe_id(&group.id(), &anne.peer.id());

    let first = Some(vec![0xff; 2_000].into());
    let mut garbage = group.connect_with(anne.peer.id(), pipe, first, PATIENCE).await.unwrap();
    assert!(matches!(timeout(PATIENCE, garbage.recv()).await.unwrap(), Ok(None) | Err(_)));
    assert_eq!(counter(&manager, &anne, "subscribing_failed").await, 1);

    // It subscribes, then acknowledges what was never sent.
    let mut lying = subscribed_after(&hostile, &anne, 1, (9, u64::MAX)).await;
    lying.send(FromManager::Ack { seq: 99, terms: Terms::default() }.encode().unwrap()).await.unwrap();
    assert!(matches!(timeout(PATIENCE, lying.recv()).await.unwrap(), Ok(None) | Err(_)));
    assert_eq!(counter(&manager, &anne, "pipes_broken").await, 1);

    let garbage =
        hostile.query(anne.peer.id(), &group.id(), crate::protocol::HANDLER, vec![7; 9], PATIENCE).await;
    assert!(matches!(garbage, Err(QueryError::Refused(_))), "{garbage:?}");
    assert_eq!(counter(&manager, &anne, "gets_refused").await, 1);
}

/// A pipe on which `manager` has asked for everything.
async fn subscribed(manager: &Peer, agent: &Measured, subscription: u64) -> BidiPipe {
    subscribed_after(manager, agent, subscription, (0, 0)).await
}

/// As [`subscribed`], by a manager that has committed so much.
async fn subscribed_after(
    manager: &Peer,
    agent: &Measured,
    subscription: u64,
    resume_from: (u64, u64),
) -> BidiPipe {
    manager.dial(agent.peer.id(), agent.peer.addresses(), PATIENCE).await.unwrap();
    let group = manager.net_group();
    let pipe = pipe_id(&group.id(), &agent.peer.id());
    let subscribe = FromManager::Subscribe {
        subscription,
        pattern: pattern("*:*"),
        resume_from,
        missed: Duration::ZERO,
        standing: false,
        terms: Terms::default(),
    };
    let first = Some(subscribe.encode().unwrap());
    group.connect_with(agent.peer.id(), pipe, first, PATIENCE).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_are_bounded_and_one_too_many_is_told_so() {
    let world = World::new().await;
    let anne = world.agent("anne", &key()).await;
    let mut held = Vec::new();
    for count in 1..=SUBSCRIPTIONS_MAX {
        let peer = Peer::builder().spawn().await.unwrap();
        let pipe = subscribed(&peer, &anne, 1).await;
        anne.subscribed(count).await;
        held.push((peer, pipe));
    }
    let last = Peer::builder().spawn().await.unwrap();
    let mut refused = subscribed(&last, &anne, 1).await;
    let answer = timeout(PATIENCE, refused.recv()).await.unwrap().unwrap().unwrap();
    let said = FromAgent::decode(anne.peer.id(), &mut DictionaryReader::default(), &answer);
    assert_eq!(said, Ok(FromAgent::Full));
    assert_eq!(counter(&manager_at(&last), &anne, "subscriptions_refused").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_subscription_too_many_of_a_manager_ends_its_oldest() {
    let world = World::new().await;
    let anne = world.agent("anne", &key()).await;
    let peer = Peer::builder().spawn().await.unwrap();
    let mut oldest = subscribed(&peer, &anne, 0).await;
    anne.subscribed(1).await;
    let mut held = Vec::new();
    for subscription in 1..=SUBSCRIPTIONS_PER_MANAGER_MAX as u64 {
        held.push(subscribed(&peer, &anne, subscription).await);
    }
    // Politely, unless the machine stands still just then.
    assert!(matches!(timeout(PATIENCE, oldest.recv()).await.unwrap(), Ok(None) | Err(_)));
    anne.subscribed(SUBSCRIPTIONS_PER_MANAGER_MAX).await;
}
