//! What a subscriber is told, under a virtual clock.
#![expect(clippy::disallowed_methods, reason = "a starting point for virtual time")]

use libp2p::identity::Keypair;

use super::*;
use crate::advertisement::{Advertisement, AdvertisementKind, Lifetime};

const SECOND: Duration = Duration::from_secs(1);
const LIFE: Duration = Duration::from_secs(60);

struct World {
    view: View,
    now: Instant,
    publisher: Keypair,
    near: PeerId,
    far: PeerId,
}

fn world() -> World {
    World {
        view: View::new(DiscoveryQuery::new().below("load", 5)),
        now: Instant::now(),
        publisher: Keypair::generate_ed25519(),
        near: PeerId::random(),
        far: PeerId::random(),
    }
}

impl World {
    fn signed(&self, key: usize, sequence: u64, load: i64) -> Arc<SignedAdvertisement> {
        let key = key.to_string();
        let advertisement = Advertisement::new(AdvertisementKind::Service).key(key).attribute("load", load);
        let lifetime = Lifetime::while_alive(LIFE);
        Arc::new(SignedAdvertisement::sign(advertisement, lifetime, sequence, &self.publisher).unwrap())
    }

    fn tombstone(&self, key: usize, sequence: u64) -> Arc<SignedAdvertisement> {
        let advertisement = Advertisement::new(AdvertisementKind::Service).key(key.to_string());
        let lifetime = Lifetime::while_alive(LIFE);
        Arc::new(
            SignedAdvertisement::sign_withdrawal(advertisement, lifetime, sequence, &self.publisher).unwrap(),
        )
    }

    fn offer(&mut self, signed: &Arc<SignedAdvertisement>, source: PeerId) {
        self.view.offer(self.now, signed.clone(), Some(source), LIFE);
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.view.expire(self.now);
    }

    /// What is told now: a letter and the sequence.
    fn told(&mut self) -> Vec<(char, u64)> {
        let changes = std::iter::from_fn(|| self.view.poll_change());
        changes
            .map(|change| match change {
                Change::Added(signed) => ('+', signed.sequence()),
                Change::Changed(signed) => ('~', signed.sequence()),
                Change::Withdrawn(signed) => ('-', signed.sequence()),
                Change::Expired(signed) => ('x', signed.sequence()),
                Change::Missed { count } => ('?', count),
            })
            .collect()
    }
}

#[test]
fn renewals_are_silent_and_newer_words_are_told_once() {
    let mut world = world();
    for (sequence, load) in [(1, 1), (2, 1), (3, 2), (2, 9)] {
        let signed = world.signed(0, sequence, load);
        world.offer(&signed, world.near);
        world.offer(&signed, world.far);
        let expected: &[_] = match sequence {
            1 => &[('+', 1)],
            3 => &[('~', 3)],
            _ => &[],
        };
        assert_eq!(world.told(), expected, "sequence {sequence}");
    }
}

#[test]
fn a_withdrawal_or_an_edition_that_no_longer_answers_ends_it_and_nothing_older_comes_back() {
    let mut world = world();
    let (first, second) = (world.signed(0, 1, 1), world.signed(0, 2, 9));
    world.offer(&first, world.near);
    assert_eq!(world.told(), [('+', 1)]);
    world.offer(&second, world.near);
    assert_eq!(world.told(), [('-', 1)]);
    world.offer(&first, world.far);
    assert_eq!(world.told(), []);
    let (third, tombstone) = (world.signed(0, 3, 1), world.tombstone(0, 4));
    world.offer(&third, world.near);
    assert_eq!(world.told(), [('+', 3)]);
    world.offer(&tombstone, world.near);
    world.offer(&third, world.near);
    assert_eq!(world.told(), [('-', 3)]);
    world.pass(LIFE);
    assert_eq!((world.view.entries.len(), world.view.poll_timeout()), (0, None), "nothing is kept for ever");
}

#[test]
fn a_life_ends_in_time_however_often_the_same_edition_is_told() {
    let mut world = world();
    let signed = world.signed(0, 1, 1);
    world.offer(&signed, world.near);
    world.pass(LIFE / 2);
    world.offer(&signed, world.near);
    world.pass(LIFE / 2 - SECOND);
    assert_eq!(world.told(), [('+', 1)]);
    world.pass(SECOND);
    assert_eq!(world.told(), [('x', 1)]);
    assert_eq!(world.view.entries.len(), 0);
}

#[test]
fn what_one_rendezvous_no_longer_knows_stays_while_another_does() {
    let mut world = world();
    let signed = world.signed(0, 1, 1);
    world.offer(&signed, world.near);
    world.offer(&signed, world.far);
    assert_eq!(world.told(), [('+', 1)]);
    world.view.gone(signed.id(), world.near);
    assert_eq!(world.told(), []);
    world.view.gone(signed.id(), PeerId::random());
    assert_eq!(world.told(), []);
    world.view.gone(signed.id(), world.far);
    assert_eq!(world.told(), [('x', 1)]);
}

#[test]
fn what_a_rendezvous_does_not_tell_again_expires_after_the_grace() {
    let mut world = world();
    let (kept, lost) = (world.signed(0, 1, 1), world.signed(1, 2, 1));
    world.offer(&kept, world.near);
    world.offer(&lost, world.near);
    assert_eq!(world.told().len(), 2);
    world.view.restart(world.near);
    world.offer(&kept, world.near);
    world.view.complete(world.now, world.near);
    world.pass(SUBSCRIPTION_GRACE - SECOND);
    assert_eq!(world.told(), []);
    world.pass(SECOND);
    assert_eq!(world.told(), [('x', 2)]);
}

#[test]
fn a_slow_reader_misses_what_was_in_between_and_never_the_last() {
    let mut world = world();
    for sequence in 1..=100 {
        let signed = world.signed(0, sequence, i64::try_from(sequence % 4).unwrap());
        world.offer(&signed, world.near);
    }
    assert_eq!(world.view.take_merged(), 99);
    let brief = world.signed(1, 1, 1);
    world.offer(&brief, world.near);
    world.view.gone(brief.id(), world.near);
    assert_eq!(world.told(), [('+', 100)], "what came and went is not told");
    assert!(world.view.pending.is_empty());
}

#[test]
fn beyond_the_bound_what_is_left_out_is_told() {
    let mut world = world();
    for key in 0..SUBSCRIPTION_KNOWN_MAX + 3 {
        let signed = world.signed(key, 1, 1);
        world.offer(&signed, world.near);
    }
    let told = world.told();
    assert_eq!((told[0], told.len()), (('?', 3), SUBSCRIPTION_KNOWN_MAX + 1));
    assert_eq!(world.view.entries.len(), SUBSCRIPTION_KNOWN_MAX);
}
