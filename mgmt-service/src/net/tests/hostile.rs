//! Agents that lie, and what a manager makes of them.

use overlay::{Advertisement, AdvertisementKind, Lifetime, PeerId};

use super::*;
use crate::access::unknown_peer;
use crate::protocol::{GetAnswer, GetRequest, HANDLER};

/// A peer that answers questions about objects as it likes.
async fn lying(world: &World, answer: impl Fn(GetRequest) -> GetAnswer + Send + 'static) -> Peer {
    let peer = world.peer(&key()).await;
    let mut asked = peer.register_handler(HANDLER).unwrap();
    tokio::spawn(async move {
        while let Some(query) = asked.recv().await {
            let request = GetRequest::decode(&query.body).unwrap();
            query.reply(answer(request).encode().unwrap());
        }
    });
    peer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_get_ends_though_the_agent_sends_pages_without_end() {
    let world = World::new().await;
    let endless = |request: GetRequest| GetAnswer { beans: Vec::new(), next: request.after + 1, more: true };
    let hostile = lying(&world, endless).await;
    let (peer, manager) = world.manager().await;
    peer.dial(hostile.id(), hostile.addresses(), PATIENCE).await.unwrap();
    let got = manager.get(hostile.id(), &pattern("*:*"), &[]).await;
    assert!(matches!(got, Err(GetError::Endless { .. })), "{got:?}");
}

/// A peer that says of itself that it is an agent with this pseudonym.
async fn claiming(world: &World, pseudonym: PeerId) -> Peer {
    let peer = world.peer(&key()).await;
    let advertisement = Advertisement::new(AdvertisementKind::Service)
        .key("manage")
        .attribute("service", super::super::agent::SERVICE)
        .attribute("pseudonym", pseudonym.to_string());
    let lifetime = Lifetime::while_alive(PATIENCE * 3);
    peer.net_group().publish(advertisement, lifetime).await.unwrap();
    peer
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_claim_one_pseudonym_neither_is_believed() {
    let world = World::new().await;
    let (claimed, own) = (PeerId::random(), PeerId::random());
    let (victim, thief) = (claiming(&world, claimed).await, claiming(&world, claimed).await);
    let other = claiming(&world, own).await;
    let (_peer, manager) = world.manager().await;
    let found = agents_found(&manager, 3).await;
    let collected = Collected::start(&manager);
    let counted = || collected.collection.counters().contains(&("pseudonyms_contested", 2));
    until(counted).await;
    for agents in [found, collected.collection.agents()] {
        let of = |peer: &Peer| agents.iter().find(|agent| agent.peer == peer.id()).unwrap().pseudonym;
        assert_eq!((of(&victim), of(&thief)), (Some(unknown_peer()), Some(unknown_peer())));
        assert_eq!(of(&other), Some(own));
    }
}
