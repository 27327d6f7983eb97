//! Agents that lie, and what a manager makes of them.

use super::*;
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
    let got = timeout(PATIENCE, manager.get(hostile.id(), &pattern("*:*"), &[])).await.unwrap();
    assert!(matches!(got, Err(GetError::Endless { .. })), "{got:?}");
}
