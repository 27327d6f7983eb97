//! What the service promises members of a closed group, under a virtual clock.
#![expect(clippy::disallowed_methods, reason = "a starting point for virtual time")]

use std::sync::Arc;
use std::time::Duration;

use overlay::credential::{Claim, Credential, Role};
use overlay::protocol::closed::RevocationNews;
use overlay::protocol::discovery::{FindAnswer, PublishAnswer};
use overlay::protocol::rendezvous::RendezvousRequest;
use overlay::{Advertisement, AdvertisementKind, DiscoveryQuery, Genesis, GroupId, Keypair, Lifetime};

use super::*;
use crate::counters::Counters;
use crate::limits::{LEASE_TTL_DEFAULT, Limits, Quota};
use crate::subscriptions::Notified;

const NOW_S: u64 = 1_800_000_000;
const HOUR: u64 = 3600;

/// A service, and a closed group with its key.
struct World {
    service: Service,
    counters: Arc<Counters>,
    now: Instant,
    key: Keypair,
    genesis: Genesis,
}

fn world(limits: &Limits) -> World {
    let (counters, key) = (Arc::new(Counters::default()), Keypair::generate_ed25519());
    let authority = key.public().try_into_ed25519().unwrap().to_bytes();
    let wire = (2_u16, Some(authority), [1_u8; 16], "tests", overlay::wire::Ext::new());
    let genesis = Genesis::from_bytes(&overlay::wire::encode_message(1, &wire, 512).unwrap()).unwrap();
    let service = Service::new(limits, Arc::clone(&counters));
    World { service, counters, now: Instant::now(), key, genesis }
}

impl World {
    fn lease(&mut self, peer: PeerId) {
        let request = RendezvousRequest::Lease { wanted: LEASE_TTL_DEFAULT, since: 0 }.encode().unwrap();
        self.service.lease(self.now, peer, &request).unwrap();
    }

    fn closed(&mut self, from: PeerId, request: ClosedRequest) -> Answer {
        self.service.closed(self.now, NOW_S, from, &request.encode().unwrap())
    }

    fn enter(&mut self, peer: PeerId) -> Answer {
        let (group, not_after) = (self.genesis.id(), NOW_S + HOUR);
        let claim =
            Claim { group, subject: peer, role: Role::Member, serial: 1, not_before: NOW_S, not_after };
        let chain = vec![Credential::issue(claim, &self.key).unwrap().to_bytes()];
        self.closed(
            peer,
            ClosedRequest::Enter { genesis: self.genesis.clone(), chain, revocations: Bytes::new() },
        )
    }

    fn ask(&mut self, from: PeerId, request: &DiscoveryRequest) -> Answer {
        let (group, request) = (self.genesis.id(), request.encode().unwrap().into());
        self.closed(from, ClosedRequest::Ask { group, request })
    }

    fn publish(&mut self, by: &Keypair, key: &str) -> PublishAnswer {
        let advertisement =
            Advertisement { group: self.genesis.id(), ..Advertisement::new(AdvertisementKind::Pipe) };
        let lifetime = Lifetime::while_alive(Duration::from_secs(7 * 24 * HOUR));
        let signed = SignedAdvertisement::sign(advertisement.key(key), lifetime, 1, by).unwrap();
        let request = DiscoveryRequest::Publish { advertisements: vec![signed.to_bytes()] };
        PublishAnswer::decode(&self.ask(by.public().to_peer_id(), &request).unwrap()).unwrap()
    }

    fn finds(&mut self, from: PeerId) -> Result<usize, RefuseReason> {
        let answer = self.ask(from, &DiscoveryRequest::Find { query: DiscoveryQuery::new() })?;
        Ok(FindAnswer::decode(&answer).unwrap().advertisements.len())
    }
}

#[test]
fn a_place_needs_a_lease_and_ends_with_it_and_so_does_what_was_published() {
    let mut world = world(&Limits::default());
    let (key, bert) = (Keypair::generate_ed25519(), PeerId::random());
    let anne = key.public().to_peer_id();
    assert_eq!(world.enter(anne), Err(RefuseReason::NotLeased));
    [anne, bert].into_iter().for_each(|peer| world.lease(peer));
    world.enter(anne).unwrap();
    world.enter(bert).unwrap();
    assert_eq!(world.publish(&key, "door"), PublishAnswer { accepted: 1, refused: 0 });
    assert_eq!(world.finds(bert), Ok(1));
    let farewell = RendezvousRequest::Cancel.encode().unwrap();
    world.service.lease(world.now, anne, &farewell).unwrap();
    assert_eq!((world.finds(bert), world.finds(anne)), (Ok(0), Err(RefuseReason::NotMember)));
    // A lease that ends by time, too.
    world.now += 2 * LEASE_TTL_DEFAULT;
    assert_eq!(world.finds(bert), Err(RefuseReason::NotMember));
    assert_eq!((world.counters.places.value(), world.counters.places_ended.value()), (0, 2));
}

#[test]
fn what_a_member_published_ends_with_its_credential() {
    let mut world = world(&Limits::default());
    let key = Keypair::generate_ed25519();
    let anne = key.public().to_peer_id();
    world.lease(anne);
    world.enter(anne).unwrap();
    world.publish(&key, "door");
    let end = world.now + Duration::from_secs(HOUR) + overlay::limits::CLOCK_SKEW_MAX;
    while world.now < end {
        assert_eq!(world.finds(anne), Ok(1));
        world.now += LEASE_TTL_DEFAULT / 2;
    }
    assert_eq!(world.finds(anne), Err(RefuseReason::NotMember));
    assert_eq!(world.counters.advertisements.value(), 0);
}

#[test]
fn an_open_question_in_whatever_group_finds_nothing_of_a_closed_one() {
    let mut world = world(&Limits::default());
    let key = Keypair::generate_ed25519();
    let anne = key.public().to_peer_id();
    world.lease(anne);
    world.enter(anne).unwrap();
    world.publish(&key, "door");
    let group = world.genesis.id();
    for (asked_in, query) in [
        (GroupId::net(), DiscoveryQuery::new()),
        (GroupId::net(), DiscoveryQuery::new().group(group)),
        (group, DiscoveryQuery::new()),
        (GroupId::net(), DiscoveryQuery::new().publisher(anne).kind(AdvertisementKind::Pipe)),
    ] {
        let request = DiscoveryRequest::Find { query }.encode().unwrap();
        let answer = world.service.discovery(world.now, PeerId::random(), asked_in, &request).unwrap();
        assert!(FindAnswer::decode(&answer).unwrap().advertisements.is_empty());
    }
}

/// How many editions each is told now.
fn told(world: &mut World) -> Vec<(PeerId, usize)> {
    let mut told = Vec::new();
    while let Some((peer, notification)) = world.service.poll_notification(world.now) {
        told.push((peer, notification.editions.len()));
        world.service.notified(&peer, notification.number, Notified::Heard);
    }
    told
}

#[test]
fn subscriptions_of_members_and_of_all_others_hear_nothing_of_each_other() {
    let mut world = world(&Limits::default());
    let (key, bert, eve) = (Keypair::generate_ed25519(), PeerId::random(), PeerId::random());
    let (anne, group) = (key.public().to_peer_id(), world.genesis.id());
    [anne, bert, eve].into_iter().for_each(|peer| world.lease(peer));
    let subscribe = |query| DiscoveryRequest::Subscribe { number: 1, query };
    let everything = subscribe(DiscoveryQuery::new().group(group));
    assert_eq!(world.ask(eve, &everything), Err(RefuseReason::NotMember));
    [anne, bert].into_iter().for_each(|peer| drop(world.enter(peer).unwrap()));
    assert_eq!(world.ask(bert, &everything), Ok(Bytes::new()));
    let open = everything.encode().unwrap();
    world.service.discovery(world.now, eve, GroupId::net(), &open).unwrap();
    assert_eq!(told(&mut world).len(), 2, "each begins with nothing");
    world.publish(&key, "door");
    assert_eq!(told(&mut world), [(bert, 1)]);
    let named = Advertisement { group, ..Advertisement::new(AdvertisementKind::Pipe) }.key("open");
    let lifetime = Lifetime::while_alive(Duration::from_secs(60));
    let named = SignedAdvertisement::sign(named, lifetime, 1, &key).unwrap();
    let publish = DiscoveryRequest::Publish { advertisements: vec![named.to_bytes()] }.encode().unwrap();
    world.service.discovery(world.now, anne, GroupId::net(), &publish).unwrap();
    assert_eq!(told(&mut world), [(eve, 1)], "in the open it is anybody's word");
}

#[test]
fn a_subscription_ends_with_the_place_of_its_holder_whatever_ends_that() {
    for end in ["leave", "lease", "credential"] {
        let mut world = world(&Limits::default());
        let (key, bert) = (Keypair::generate_ed25519(), PeerId::random());
        let (anne, group) = (key.public().to_peer_id(), world.genesis.id());
        [anne, bert].into_iter().for_each(|peer| world.lease(peer));
        [anne, bert].into_iter().for_each(|peer| drop(world.enter(peer).unwrap()));
        let everything = DiscoveryRequest::Subscribe { number: 1, query: DiscoveryQuery::new() };
        world.ask(bert, &everything).unwrap();
        told(&mut world);
        world.publish(&key, "door");
        match end {
            "leave" => drop(world.closed(bert, ClosedRequest::Leave { group }).unwrap()),
            "lease" => {
                let farewell = RendezvousRequest::Cancel.encode().unwrap();
                world.service.lease(world.now, bert, &farewell).unwrap();
            }
            _ => world.now += Duration::from_secs(HOUR) + overlay::limits::CLOCK_SKEW_MAX,
        }
        // Also what waits for it already.
        assert_eq!(told(&mut world), [], "{end}");
        assert!(!world.service.has_subscriptions(), "{end}");
    }
}

#[test]
fn a_place_says_whether_it_begins_or_goes_on() {
    let mut world = world(&Limits::default());
    let bert = PeerId::random();
    world.lease(bert);
    let enter = |world: &mut World| RevocationNews::decode(&world.enter(bert).unwrap()).unwrap().fresh;
    assert_eq!((enter(&mut world), enter(&mut world)), (true, false));
    let group = world.genesis.id();
    world.closed(bert, ClosedRequest::Leave { group }).unwrap();
    assert!(enter(&mut world));
}

#[test]
fn who_shows_proofs_too_often_is_refused_and_others_are_not() {
    let mut limits = Limits::default();
    limits.rate.entry = Quota { per_second: 1, burst: 2 };
    let (mut world, anne, bert) = (world(&limits), PeerId::random(), PeerId::random());
    [anne, bert].into_iter().for_each(|peer| world.lease(peer));
    assert!(world.enter(anne).is_ok() && world.enter(anne).is_ok());
    assert_eq!(world.enter(anne), Err(RefuseReason::TooMany));
    assert!(world.enter(bert).is_ok());
    assert!(world.finds(anne).is_ok(), "its place stays");
    assert_eq!(world.service.closed(world.now, NOW_S, bert, b"\xff"), Err(RefuseReason::Malformed));
}
