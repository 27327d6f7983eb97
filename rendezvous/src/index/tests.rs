//! What the index promises, under a virtual clock and with real signatures.
#![expect(clippy::disallowed_methods, reason = "a starting point for virtual time")]

use std::time::Duration;

use overlay::{Advertisement, AdvertisementKind, Keypair, Lifetime};

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

struct World {
    index: Index,
    now: Instant,
}

fn world(limits: IndexLimits) -> World {
    World { index: Index::new(limits), now: Instant::now() }
}

fn signed(by: &Keypair, key: &str, sequence: u64, remote: Duration, body: usize) -> SignedAdvertisement {
    let advertisement =
        Advertisement::new(AdvertisementKind::Service).key(key).attribute("name", key).body(vec![0_u8; body]);
    let lifetime = Lifetime { local: remote, remote };
    SignedAdvertisement::sign(advertisement, lifetime, sequence, by).unwrap()
}

impl World {
    fn publish(&mut self, by: &Keypair, key: &str, sequence: u64) -> Result<Inserted, IndexRefused> {
        self.publish_signed(by, signed(by, key, sequence, HOUR, 0))
    }

    fn publish_signed(
        &mut self,
        by: &Keypair,
        signed: SignedAdvertisement,
    ) -> Result<Inserted, IndexRefused> {
        self.index.publish(self.now, &by.public().to_peer_id(), signed.to_bytes())
    }

    fn finds(&self, name: &str) -> usize {
        self.index.find(self.now, Audience::Everybody, &DiscoveryQuery::new().equals("name", name)).len()
    }
}

#[test]
fn published_is_found_by_attribute() {
    let (mut world, alice) = (world(IndexLimits::default()), Keypair::generate_ed25519());
    assert_eq!(world.publish(&alice, "echo", 1), Ok(Inserted::New));
    assert_eq!((world.finds("echo"), world.finds("other"), world.index.all(world.now).len()), (1, 0, 1));
    assert!(world.index.bytes() > 0);
}

#[test]
fn advertisement_of_somebody_else_is_refused() {
    let (mut world, alice, mallory) =
        (world(IndexLimits::default()), Keypair::generate_ed25519(), Keypair::generate_ed25519());
    let stolen = signed(&alice, "echo", 1, HOUR, 0);
    let refused = world.publish_signed(&mallory, stolen).unwrap_err();
    assert_eq!(refused, IndexRefused::NotPublisher { publisher: alice.public().to_peer_id() });
    assert_eq!(refused.reason(), RefuseReason::Policy);
    assert!(world.index.is_empty());
}

#[test]
fn forged_bytes_are_refused_as_malformed() {
    let (mut world, alice) = (world(IndexLimits::default()), Keypair::generate_ed25519());
    let mut bytes = signed(&alice, "echo", 1, HOUR, 0).to_bytes().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    let peer = alice.public().to_peer_id();
    for bytes in [bytes, vec![], vec![0xff; 20_000]] {
        let refused = world.index.publish(world.now, &peer, bytes.into()).unwrap_err();
        assert_eq!(refused.reason(), RefuseReason::Malformed);
    }
    assert!(world.index.is_empty());
}

#[test]
fn older_edition_does_not_replace_a_newer() {
    let (mut world, alice) = (world(IndexLimits::default()), Keypair::generate_ed25519());
    world.publish(&alice, "echo", 5).unwrap();
    assert_eq!(world.publish(&alice, "echo", 4).unwrap_err().reason(), RefuseReason::Policy);
    assert_eq!(world.publish(&alice, "echo", 6), Ok(Inserted::Replaced));
    assert_eq!(world.index.len(), 1);
}

#[test]
fn remote_lifetime_is_cut_to_the_configured_one() {
    let limits = IndexLimits { remote_lifetime_max: Duration::from_secs(60), ..IndexLimits::default() };
    let (mut world, alice) = (world(limits), Keypair::generate_ed25519());
    world.publish(&alice, "echo", 1).unwrap();
    assert_eq!(world.index.poll_timeout(), Some(world.now + Duration::from_secs(60)));
    world.now += Duration::from_secs(60);
    assert_eq!(world.finds("echo"), 0, "an expired one is never found, even before it is removed");
    assert_eq!(world.index.expire(world.now), 1);
    assert_eq!((world.index.len(), world.index.bytes(), world.index.poll_timeout()), (0, 0, None));
}

#[test]
fn publisher_beyond_its_share_is_refused_and_may_still_replace() {
    let limits = IndexLimits { per_peer_max: 2, ..IndexLimits::default() };
    let (mut world, alice, bob) = (world(limits), Keypair::generate_ed25519(), Keypair::generate_ed25519());
    world.publish(&alice, "a", 1).unwrap();
    world.publish(&alice, "b", 1).unwrap();
    assert_eq!(world.publish(&alice, "c", 1).unwrap_err().reason(), RefuseReason::Full);
    assert_eq!(world.publish(&alice, "a", 2), Ok(Inserted::Replaced));
    assert_eq!(world.publish(&bob, "c", 1), Ok(Inserted::New));
}

#[test]
fn full_index_refuses_a_newcomer_instead_of_forgetting_others() {
    let limits = IndexLimits { advertisements_max: 2, ..IndexLimits::default() };
    let (mut world, alice, mallory) =
        (world(limits), Keypair::generate_ed25519(), Keypair::generate_ed25519());
    let short = signed(&alice, "short", 1, Duration::from_secs(60), 0);
    world.publish_signed(&alice, short).unwrap();
    world.publish(&alice, "long", 1).unwrap();
    assert_eq!(world.publish(&mallory, "greedy", 1).unwrap_err().reason(), RefuseReason::Full);
    assert_eq!((world.finds("short"), world.finds("long")), (1, 1));
    assert_eq!(world.publish(&alice, "long", 2), Ok(Inserted::Replaced), "a new edition needs no room");
    world.now += Duration::from_secs(60);
    assert_eq!(world.publish(&mallory, "greedy", 1), Ok(Inserted::New), "what expired has made room");
}

#[test]
fn withdrawal_finds_room_in_a_full_index_and_keeps_older_editions_out() {
    let limits = IndexLimits { advertisements_max: 1, ..IndexLimits::default() };
    let (mut world, alice) = (world(limits), Keypair::generate_ed25519());
    let echo = signed(&alice, "echo", 1, HOUR, 10);
    world.publish_signed(&alice, echo.clone()).unwrap();
    let (said, lifetime) = (echo.advertisement().clone(), echo.lifetime());
    let tombstone = SignedAdvertisement::sign_withdrawal(said, lifetime, 2, &alice).unwrap();
    assert_eq!(world.publish_signed(&alice, tombstone), Ok(Inserted::Replaced));
    assert_eq!(world.publish_signed(&alice, echo.clone()).unwrap_err().reason(), RefuseReason::Full);
    assert_eq!((world.finds("echo"), world.index.all(world.now).len()), (0, 0));
    world.now += HOUR;
    assert_eq!(world.publish_signed(&alice, echo), Ok(Inserted::New), "the withdrawal has ended");
}

#[test]
fn bytes_stay_bounded_when_editions_grow() {
    let limits = IndexLimits { bytes_max: 4_096, ..IndexLimits::default() };
    let (mut world, alice) = (world(limits), Keypair::generate_ed25519());
    for key in ["a", "b", "c"] {
        world.publish_signed(&alice, signed(&alice, key, 1, HOUR, 1_000)).unwrap();
    }
    let grown = world.publish_signed(&alice, signed(&alice, "a", 2, HOUR, 3_000));
    assert_eq!(grown.unwrap_err().reason(), RefuseReason::Full);
    let same = world.publish_signed(&alice, signed(&alice, "a", 2, HOUR, 1_000));
    assert_eq!(same, Ok(Inserted::Replaced));
    assert!(world.index.bytes() <= 4_096);
}

#[test]
fn everything_of_a_peer_goes_at_once_and_nothing_of_another() {
    let (mut world, alice, bob) =
        (world(IndexLimits::default()), Keypair::generate_ed25519(), Keypair::generate_ed25519());
    for key in ["a", "b"] {
        world.publish(&alice, key, 1).unwrap();
        world.publish(&bob, key, 1).unwrap();
    }
    assert_eq!(world.index.remove_peer(&alice.public().to_peer_id()), 2);
    assert_eq!(world.index.remove_peer(&alice.public().to_peer_id()), 0);
    assert_eq!((world.finds("a"), world.finds("b")), (1, 1));
}
