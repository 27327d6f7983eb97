//! What the service promises each peer, under a virtual clock.
#![expect(clippy::disallowed_methods, reason = "a starting point for virtual time")]

use std::time::Duration;

use overlay::{Advertisement, AdvertisementKind, Keypair, Lifetime, SignedAdvertisement};

use super::*;
use crate::limits::{LEASE_GRACE, LEASE_TTL_DEFAULT, Quota};

struct World {
    service: Service,
    counters: Arc<Counters>,
    now: Instant,
}

struct Edge(Keypair);

fn world(limits: &Limits) -> World {
    let counters = Arc::new(Counters::default());
    World { service: Service::new(limits, Arc::clone(&counters)), counters, now: Instant::now() }
}

fn edge() -> Edge {
    Edge(Keypair::generate_ed25519())
}

impl Edge {
    fn id(&self) -> PeerId {
        self.0.public().to_peer_id()
    }

    fn signed(&self, name: &str) -> Bytes {
        let advertisement = Advertisement::new(AdvertisementKind::Peer).key(name).attribute("name", name);
        let lifetime = Lifetime::while_alive(Duration::from_secs(3600));
        SignedAdvertisement::sign(advertisement, lifetime, 1, &self.0).unwrap().to_bytes()
    }
}

impl World {
    fn lease(&mut self, edge: &Edge) -> Result<Duration, RefuseReason> {
        let request = RendezvousRequest::Lease { wanted: LEASE_TTL_DEFAULT, since: 0 }.encode().unwrap();
        self.service.lease(self.now, edge.id(), &request).map(|bytes| LeaseGrant::decode(&bytes).unwrap().ttl)
    }

    fn cancel(&mut self, edge: &Edge) -> Answer {
        self.service.lease(self.now, edge.id(), &RendezvousRequest::Cancel.encode().unwrap())
    }

    fn publish(&mut self, edge: &Edge, names: &[&str]) -> Result<(u32, u32), RefuseReason> {
        let advertisements = names.iter().map(|name| edge.signed(name)).collect();
        let request = DiscoveryRequest::Publish { advertisements }.encode().unwrap();
        let answer = self.service.discovery(self.now, edge.id(), GroupId::net(), &request)?;
        let answer = PublishAnswer::decode(&answer).unwrap();
        Ok((answer.accepted, answer.refused))
    }

    fn find(&mut self, edge: &Edge, query: DiscoveryQuery) -> Result<FindAnswer, RefuseReason> {
        let request = DiscoveryRequest::Find { query }.encode().unwrap();
        let answer = self.service.discovery(self.now, edge.id(), GroupId::net(), &request)?;
        Ok(FindAnswer::decode(&answer).unwrap())
    }

    fn finds(&mut self, edge: &Edge, name: &str) -> usize {
        self.find(edge, DiscoveryQuery::new().equals("name", name)).unwrap().advertisements.len()
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.service.expire(self.now);
    }
}

#[test]
fn edge_leases_publishes_and_is_found_by_another_without_a_lease() {
    let (mut world, alice, bob) = (world(&Limits::default()), edge(), edge());
    assert_eq!(world.lease(&alice), Ok(LEASE_TTL_DEFAULT));
    assert_eq!(world.publish(&alice, &["alice"]), Ok((1, 0)));
    assert_eq!((world.finds(&bob, "alice"), world.finds(&bob, "nobody")), (1, 0));
    assert_eq!(world.counters.found.value(), 1);
    assert_eq!((world.counters.leases.value(), world.counters.advertisements.value()), (1, 1));
}

#[test]
fn a_peer_that_was_started_again_is_not_found_by_what_it_published_before() {
    let (mut world, alice, bob) = (world(&Limits::default()), edge(), edge());
    world.lease(&alice).unwrap();
    world.publish(&alice, &["before"]).unwrap();
    let since = |since| RendezvousRequest::Lease { wanted: LEASE_TTL_DEFAULT, since }.encode().unwrap();
    world.service.lease(world.now, alice.id(), &since(1)).unwrap();
    assert_eq!(world.finds(&bob, "before"), 1, "its sequence is 1, so that it is of this life");
    world.service.lease(world.now, alice.id(), &since(2)).unwrap();
    assert_eq!((world.finds(&bob, "before"), world.counters.advertisements_dropped.value()), (0, 1));
}

#[test]
fn only_the_grant_that_begins_a_lease_is_fresh() {
    let (mut world, alice) = (world(&Limits::default()), edge());
    let fresh = |world: &mut World| {
        let request = RendezvousRequest::Lease { wanted: LEASE_TTL_DEFAULT, since: 0 }.encode().unwrap();
        let answer = world.service.lease(world.now, alice.id(), &request).unwrap();
        LeaseGrant::decode(&answer).unwrap().fresh
    };
    assert_eq!((fresh(&mut world), fresh(&mut world)), (true, false));
    world.pass(LEASE_TTL_DEFAULT);
    assert!(fresh(&mut world), "the rendezvous has forgotten it, and says so");
}

#[test]
fn only_lease_holders_publish() {
    let (mut world, alice) = (world(&Limits::default()), edge());
    assert_eq!(world.publish(&alice, &["alice"]), Err(RefuseReason::NotLeased));
    assert_eq!(world.counters.refused_not_leased.value(), 1);
}

#[test]
fn advertisements_of_a_lost_peer_go_after_the_grace() {
    let (mut world, alice, bob) = (world(&Limits::default()), edge(), edge());
    world.lease(&alice).unwrap();
    world.publish(&alice, &["alice"]).unwrap();
    world.service.session_lost(world.now, &alice.id());
    assert!(world.service.peers(world.now)[0].suspect);
    world.pass(LEASE_GRACE - Duration::from_secs(1));
    assert_eq!(world.finds(&bob, "alice"), 1);
    assert_eq!(world.service.poll_timeout(), Some(world.now + Duration::from_secs(1)));
    world.pass(Duration::from_secs(1));
    assert_eq!(world.finds(&bob, "alice"), 0);
    assert_eq!((world.counters.leases_suspected.value(), world.counters.leases_expired.value()), (1, 1));
    assert_eq!(world.counters.advertisements_dropped.value(), 1);
}

#[test]
fn lost_peer_that_comes_back_keeps_what_it_published() {
    let (mut world, alice, bob) = (world(&Limits::default()), edge(), edge());
    world.lease(&alice).unwrap();
    world.publish(&alice, &["alice"]).unwrap();
    world.service.session_lost(world.now, &alice.id());
    world.pass(LEASE_GRACE / 2);
    assert!(world.service.session_opened(world.now, &alice.id()));
    world.pass(LEASE_GRACE);
    assert_eq!(world.finds(&bob, "alice"), 1);
}

#[test]
fn cancelled_lease_takes_its_advertisements_along_at_once() {
    let (mut world, alice, bob) = (world(&Limits::default()), edge(), edge());
    world.lease(&alice).unwrap();
    world.publish(&alice, &["alice"]).unwrap();
    assert_eq!(world.cancel(&alice), Ok(Bytes::new()));
    assert_eq!(world.cancel(&alice), Ok(Bytes::new()), "a second farewell is harmless");
    assert_eq!((world.finds(&bob, "alice"), world.counters.leases_cancelled.value()), (0, 1));
}

#[test]
fn lookup_of_a_holder_renews_its_lease() {
    let (mut world, alice) = (world(&Limits::default()), edge());
    world.lease(&alice).unwrap();
    world.pass(LEASE_TTL_DEFAULT - Duration::from_secs(1));
    world.finds(&alice, "anybody");
    world.pass(LEASE_TTL_DEFAULT - Duration::from_secs(1));
    assert_eq!(world.publish(&alice, &["alice"]), Ok((1, 0)));
}

#[test]
fn late_frame_does_not_revive_a_lease_that_nobody_has_expired_yet() {
    let (mut world, alice) = (world(&Limits::default()), edge());
    world.lease(&alice).unwrap();
    world.now += LEASE_TTL_DEFAULT;
    assert_eq!(world.publish(&alice, &["alice"]), Err(RefuseReason::NotLeased));
    assert_eq!(world.counters.leases_expired.value(), 1);
}

#[test]
fn full_table_refuses_a_lease_and_counts_it() {
    let mut limits = Limits::default();
    limits.lease.leases_max = 1;
    let (mut world, alice, bob) = (world(&limits), edge(), edge());
    world.lease(&alice).unwrap();
    assert_eq!(world.lease(&bob), Err(RefuseReason::Full));
    assert!(world.lease(&alice).is_ok());
    assert_eq!(world.counters.refused_full.value(), 1);
}

#[test]
fn banned_peer_loses_everything_and_is_refused() {
    let (mut world, alice, bob) = (world(&Limits::default()), edge(), edge());
    world.lease(&alice).unwrap();
    world.publish(&alice, &["alice"]).unwrap();
    world.service.ban(world.now, alice.id()).unwrap();
    assert_eq!(world.lease(&alice), Err(RefuseReason::Banned));
    assert_eq!(world.publish(&alice, &["alice"]), Err(RefuseReason::Banned));
    assert_eq!(world.finds(&bob, "alice"), 0);
    assert!(!world.service.session_opened(world.now, &alice.id()));
    assert_eq!((world.counters.refused_banned.value(), world.counters.banned.value()), (3, 1));
}

#[test]
fn bans_are_bounded() {
    let mut world = world(&Limits::default());
    let banned: Vec<_> = (0..BANNED_MAX).map(|_| PeerId::random()).collect();
    for peer in &banned {
        world.service.ban(world.now, *peer).unwrap();
    }
    assert_eq!(world.service.ban(world.now, PeerId::random()), Err(BansFull { max: BANNED_MAX }));
    assert_eq!(world.service.ban(world.now, banned[0]), Ok(()), "a ban said twice is one ban");
}

#[test]
fn garbage_is_refused_and_counted() {
    let (mut world, alice) = (world(&Limits::default()), edge());
    for garbage in [&b""[..], b"\xff\xff\xff\xff", &[1, 9, 0, 0]] {
        assert_eq!(world.service.lease(world.now, alice.id(), garbage), Err(RefuseReason::Malformed));
        let answer = world.service.discovery(world.now, alice.id(), GroupId::net(), garbage);
        assert_eq!(answer, Err(RefuseReason::Malformed));
    }
    assert_eq!(world.counters.refused_malformed.value(), 6);
}

#[test]
fn each_kind_of_request_has_its_own_rate() {
    let mut limits = Limits::default();
    let two = Quota { per_second: 1, burst: 2 };
    (limits.rate.lease, limits.rate.lookup, limits.rate.publication) = (two, two, two);
    let (mut world, alice) = (world(&limits), edge());
    world.lease(&alice).unwrap();
    world.lease(&alice).unwrap();
    assert_eq!(world.lease(&alice), Err(RefuseReason::TooMany));
    assert_eq!(world.publish(&alice, &["a", "b", "c"]), Ok((2, 1)));
    assert_eq!((world.finds(&alice, "a"), world.finds(&alice, "b")), (1, 1));
    assert_eq!(world.find(&alice, DiscoveryQuery::new()), Err(RefuseReason::TooMany));
    assert_eq!(
        (world.counters.refused_too_many.value(), world.counters.publications_refused.value()),
        (3, 1)
    );
    world.pass(Duration::from_secs(1));
    assert_eq!(world.finds(&alice, "c"), 0);
}

#[test]
fn flood_of_distinct_peers_leaves_bounded_tables_and_holders_served() {
    let mut limits = Limits::default();
    limits.lease.leases_max = 100;
    let (mut world, alice) = (world(&limits), edge());
    world.lease(&alice).unwrap();
    let request = RendezvousRequest::Lease { wanted: Duration::from_secs(u64::from(u32::MAX)), since: 0 }
        .encode()
        .unwrap();
    for _ in 0..RATE_PEERS_MAX + 1_000 {
        drop(world.service.lease(world.now, PeerId::random(), &request));
    }
    assert_eq!(world.counters.leases.value(), 100);
    assert!(world.service.lease_rate.len() <= RATE_PEERS_MAX);
    assert_eq!(world.publish(&alice, &["alice"]), Ok((1, 0)));
}

#[test]
fn answer_is_bounded_and_says_when_there_are_more() {
    let mut limits = Limits::default();
    limits.index.per_peer_max = 500;
    limits.rate.publication = Quota { per_second: 1_000, burst: 1_000 };
    let (mut world, alice) = (world(&limits), edge());
    world.lease(&alice).unwrap();
    let names: Vec<_> = (0..FIND_ANSWER_MAX + 1).map(|number| number.to_string()).collect();
    for chunk in names.chunks(50) {
        world.publish(&alice, &chunk.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    }
    let answer = world.find(&alice, DiscoveryQuery::new().threshold(usize::MAX)).unwrap();
    assert!(answer.advertisements.len() <= FIND_ANSWER_MAX && answer.more);
    let few = world.find(&alice, DiscoveryQuery::new().threshold(3)).unwrap();
    assert!(few.advertisements.len() == 3 && !few.more);
}

#[test]
fn query_that_names_no_group_asks_in_the_group_it_came_by() {
    let (mut world, alice) = (world(&Limits::default()), edge());
    world.lease(&alice).unwrap();
    world.publish(&alice, &["alice"]).unwrap();
    let request = DiscoveryRequest::Find { query: DiscoveryQuery::new() }.encode().unwrap();
    let elsewhere = overlay::Genesis::open("elsewhere").id();
    for (group, found) in [(GroupId::net(), 1), (elsewhere, 0)] {
        let answer = world.service.discovery(world.now, alice.id(), group, &request).unwrap();
        assert_eq!(FindAnswer::decode(&answer).unwrap().advertisements.len(), found);
    }
}

#[test]
fn operator_sees_peers_with_their_names_and_groups_with_their_sizes() {
    let (mut world, alice, bob) = (world(&Limits::default()), edge(), edge());
    world.lease(&alice).unwrap();
    world.lease(&bob).unwrap();
    world.publish(&alice, &["alice"]).unwrap();
    let peers = world.service.peers(world.now);
    let row = peers.iter().find(|row| row.peer_id == alice.id().to_string()).unwrap();
    assert_eq!((row.name.as_deref(), row.advertisements, row.expires_in_s), (Some("alice"), 1, 120));
    assert_eq!(peers.len(), 2);
    let groups = world.service.groups(world.now);
    assert_eq!(groups, [GroupRow { group: GroupId::net().to_string(), publishers: 1, advertisements: 1 }]);
}
