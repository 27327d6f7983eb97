//! What a rendezvous promises real peers, over sockets on loopback.

use futures::StreamExt;
use overlay::{
    Advertisement, AdvertisementKind, DiscoveryQuery, GroupId, LeaseError, Lifetime, Multiaddr, PublishError,
    QueryError, RefuseReason,
};

use super::*;

/// Only a failure lasts so long: the machine may stand still for some seconds, several times.
const PATIENCE: Duration = Duration::from_secs(60);
const LIFETIME: Duration = Duration::from_secs(300);

struct World {
    host: Peer,
    server: Server,
    address: Multiaddr,
}

async fn world(limits: &Limits) -> World {
    let host = Peer::builder().listen(loopback()).spawn().await.unwrap();
    let server = Server::spawn(&host, limits).unwrap();
    let address = host.addresses().remove(0);
    World { host, server, address }
}

fn loopback() -> Multiaddr {
    "/ip4/127.0.0.1/tcp/0".parse().unwrap()
}

impl World {
    async fn edge(&self) -> Peer {
        let edge = Peer::builder().listen(loopback()).rendezvous(self.address.clone()).spawn().await.unwrap();
        edge.wait_leased(PATIENCE).await.unwrap();
        edge
    }

    async fn counts(&self, what: &str, reached: impl Fn(&Counters) -> bool) {
        let counting = async {
            while !reached(&self.server.status()) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, counting).await.expect(what);
    }
}

fn service(name: &str) -> Advertisement {
    Advertisement::new(AdvertisementKind::Service).key(name).attribute("name", name)
}

async fn publish(peer: &Peer, name: &str) -> Result<usize, PublishError> {
    let published = peer.net_group().publish(service(name), Lifetime::while_alive(LIFETIME)).await?;
    Ok(published.acknowledged_by)
}

async fn finds(peer: &Peer, name: &str) -> usize {
    peer.net_group().discover(DiscoveryQuery::new().equals("name", name)).count().await
}

#[tokio::test]
async fn what_a_vanished_peer_published_is_gone_after_the_grace_and_not_before() {
    // A grace that does not end while somebody looks, and one whose end can be waited for.
    for (grace, ends) in [(10 * PATIENCE, false), (Duration::from_secs(1), true)] {
        let mut limits = Limits::default();
        limits.lease.grace = grace;
        let world = world(&limits).await;
        let (anne, bert) = (world.edge().await, world.edge().await);
        assert_eq!(publish(&anne, "echo").await, Ok(1));
        let id = anne.id().to_string();
        drop(anne);
        world.counts("the loss is not noticed", |counters| counters.leases_suspected.value() == 1).await;
        if ends {
            world.counts("the lease does not expire", |counters| counters.leases_expired.value() == 1).await;
            assert_eq!(finds(&bert, "echo").await, 0);
            assert!(world.server.peers().await.unwrap().iter().all(|row| row.peer_id != id));
        } else {
            let row = world.server.peers().await.unwrap().into_iter().find(|row| row.peer_id == id).unwrap();
            assert!(row.suspect && row.advertisements >= 1, "{row:?}");
        }
    }
}

#[tokio::test]
async fn what_a_polite_peer_published_is_gone_when_it_has_left() {
    // A farewell waits for a second at most: where the machine stands still for longer, it proves nothing.
    for _ in 0..FAREWELLS_MAX {
        let world = world(&Limits::default()).await;
        let (anne, bert) = (world.edge().await, world.edge().await);
        assert_eq!(publish(&anne, "echo").await, Ok(1));
        anne.shutdown().await;
        if world.server.status().leases_cancelled.value() == 1 {
            assert_eq!(finds(&bert, "echo").await, 0);
            let suspected = world.server.status().leases_suspected.value();
            return assert_eq!(suspected, 0, "a farewell leaves nothing to suspect");
        }
    }
    panic!("no farewell was heard");
}

/// How many peers leave at most until one was heard.
const FAREWELLS_MAX: usize = 6;

#[tokio::test]
async fn own_publications_of_the_host_are_found_and_go_when_they_end() {
    let world = world(&Limits::default()).await;
    let bert = world.edge().await;
    publish(&world.host, "agent").await.unwrap();
    let found = async {
        while finds(&bert, "agent").await == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, found).await.expect("the host's own service is not found");
    let groups = world.server.groups().await.unwrap();
    assert!(groups.iter().any(|row| row.group == GroupId::net().to_string() && row.publishers >= 1));
}

#[tokio::test]
async fn banned_peer_is_thrown_out_and_counted_when_it_returns() {
    let world = world(&Limits::default()).await;
    let (mallory, bert) = (world.edge().await, world.edge().await);
    assert_eq!(publish(&mallory, "spam").await, Ok(1));
    world.server.ban(mallory.id()).await.unwrap();
    assert_eq!(finds(&bert, "spam").await, 0);
    let mut news = mallory.events();
    if !mallory.leased().is_empty() {
        let lost = async { while !matches!(news.recv().await.unwrap(), PeerEvent::LeaseLost { .. }) {} };
        tokio::time::timeout(PATIENCE, lost).await.expect("the lease outlives the ban");
    }
    // Its connections are refused before it can ask for anything.
    let meters = world.host.meters();
    let refused = || meters.snapshot().into_iter().any(|(name, value)| name == "banned_refused" && value > 0);
    world.counts("its return is not refused", |_| refused()).await;
    let again = mallory.wait_leased(Duration::from_secs(1)).await;
    assert!(matches!(again, Err(LeaseError::TimedOut { .. })), "{again:?}");
    assert!(world.server.peers().await.unwrap().iter().all(|row| row.peer_id != mallory.id().to_string()));
}

#[tokio::test]
async fn full_rendezvous_says_so_and_serves_lookups_all_the_same() {
    let mut limits = Limits::default();
    limits.lease.leases_max = 1;
    let world = world(&limits).await;
    let anne = world.edge().await;
    assert_eq!(publish(&anne, "echo").await, Ok(1));
    let late = Peer::builder().rendezvous(world.address.clone()).spawn().await.unwrap();
    let refused = async {
        loop {
            match late.wait_leased(Duration::from_millis(200)).await {
                Err(LeaseError::TimedOut { last, .. }) if last.contains("full") => break,
                Err(LeaseError::TimedOut { .. }) => {}
                other => panic!("{other:?}"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.expect("it is not told that the rendezvous is full");
    let find = discovery::DiscoveryRequest::Find { query: DiscoveryQuery::new().equals("name", "echo") };
    let asked = find.encode().unwrap();
    let answer =
        late.query(world.host.id(), &GroupId::net(), discovery::HANDLER, asked, PATIENCE).await.unwrap();
    assert_eq!(discovery::FindAnswer::decode(&answer).unwrap().advertisements.len(), 1);
    let envelope = discovery::DiscoveryRequest::Publish { advertisements: Vec::new() }.encode().unwrap();
    let refused = late.query(world.host.id(), &GroupId::net(), discovery::HANDLER, envelope, PATIENCE).await;
    assert_eq!(refused, Err(QueryError::Refused(RefuseReason::NotLeased)));
}

#[tokio::test]
async fn one_peer_serves_once_and_again_after_its_end() {
    let world = world(&Limits::default()).await;
    assert!(matches!(Server::spawn(&world.host, &Limits::default()), Err(ServeError::AlreadyServing(_))));
    world.server.shutdown().await;
    assert_eq!(world.server.peers().await, Err(Ended));
    let again = Server::spawn(&world.host, &Limits::default()).unwrap();
    drop(world.server);
    assert_eq!(again.peers().await, Ok(Vec::new()));
}

#[tokio::test]
async fn dropping_the_last_handle_ends_the_service_at_once() {
    let world = world(&Limits::default()).await;
    let edge = world.edge().await;
    drop(world.server);
    let request = rendezvous::RendezvousRequest::Cancel.encode().unwrap();
    let net = GroupId::net();
    let ended = async {
        loop {
            let asked = edge.query(world.host.id(), &net, rendezvous::HANDLER, request.clone(), PATIENCE);
            if asked.await == Err(QueryError::NoHandler) {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.expect("somebody still answers");
}
