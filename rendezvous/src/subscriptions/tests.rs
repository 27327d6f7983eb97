//! What each subscriber is told, and when.
#![expect(clippy::disallowed_methods, reason = "a starting point for virtual time")]

use std::time::Duration;

use overlay::{Advertisement, AdvertisementKind, Keypair, Lifetime};

use super::*;
use crate::limits::IndexLimits;

struct World {
    subscriptions: Subscriptions,
    index: Index,
    now: Instant,
    publisher: Keypair,
    reader: PeerId,
}

fn world() -> World {
    let limits = IndexLimits { per_peer_max: 100_000, ..IndexLimits::default() };
    World {
        subscriptions: Subscriptions::default(),
        index: Index::new(limits),
        now: Instant::now(),
        publisher: Keypair::generate_ed25519(),
        reader: PeerId::random(),
    }
}

fn services() -> DiscoveryQuery {
    DiscoveryQuery::new().group(GroupId::net()).kind(AdvertisementKind::Service).below("load", 5)
}

impl World {
    fn publish(&mut self, key: usize, sequence: u64, load: i64) -> AdvertisementId {
        let key = key.to_string();
        let advertisement = Advertisement::new(AdvertisementKind::Service).key(key).attribute("load", load);
        let lifetime = Lifetime::while_alive(Duration::from_secs(60));
        let signed = SignedAdvertisement::sign(advertisement, lifetime, sequence, &self.publisher).unwrap();
        let (id, old) = (signed.id(), self.index.get(Audience::Everybody, &signed.id()).cloned());
        self.index.keep(self.now, Audience::Everybody, signed).unwrap();
        self.subscriptions.published(
            Audience::Everybody,
            old.as_deref(),
            self.index.get(Audience::Everybody, &id).unwrap(),
        );
        id
    }

    fn poll(&mut self) -> Option<Notification> {
        self.subscriptions.poll(self.now, &self.index).map(|(to, notification)| {
            assert_eq!(to, self.reader);
            notification
        })
    }

    fn notified(&mut self, number: u64, notified: Notified) {
        self.subscriptions.notified(&self.reader.clone(), number, notified);
    }

    /// All that waits for the reader, heard.
    fn hear(&mut self) -> Vec<Notification> {
        let mut heard = Vec::new();
        while let Some(notification) = self.poll() {
            self.notified(notification.number, Notified::Heard);
            heard.push(notification);
        }
        heard
    }
}

#[test]
fn everything_known_comes_first_and_then_only_what_concerns() {
    let mut world = world();
    world.publish(0, 1, 1);
    world.publish(1, 1, 9);
    world.subscriptions.begin(world.reader, 7, Audience::Everybody, services()).unwrap();
    let first = world.hear();
    assert_eq!(first.len(), 1);
    assert_eq!((first[0].restart, first[0].complete, first[0].editions.len()), (true, true, 1));
    world.publish(1, 2, 8);
    assert_eq!(world.hear(), []);
    world.publish(0, 2, 9);
    let left = world.hear();
    assert_eq!((left[0].restart, left[0].editions.len()), (false, 1), "it no longer answers");
    world.publish(0, 3, 1);
    let id = world.publish(0, 4, 2);
    let merged = world.hear();
    assert_eq!((merged.len(), merged[0].editions.len()), (1, 1), "only the newest edition is told");
    let old = world.index.get(Audience::Everybody, &id).cloned().unwrap();
    world.index.remove_peer(&world.publisher.public().to_peer_id());
    world.subscriptions.gone(Audience::Everybody, &old);
    assert_eq!(world.hear()[0].gone, [id]);
}

#[test]
fn one_is_told_at_a_time_and_who_does_not_answer_is_told_all_anew_when_heard_of() {
    let mut world = world();
    world.subscriptions.begin(world.reader, 1, Audience::Everybody, services()).unwrap();
    world.publish(0, 1, 1);
    assert!(world.poll().unwrap().restart);
    world.publish(1, 1, 1);
    assert_eq!(world.poll(), None, "one is under way");
    world.notified(1, Notified::Lost);
    world.publish(2, 1, 1);
    assert_eq!(world.poll(), None, "nobody is there");
    world.subscriptions.heard_of(&world.reader.clone());
    let anew = world.hear();
    assert_eq!((anew.len(), anew[0].restart, anew[0].editions.len()), (1, true, 3));
}

#[test]
fn too_much_news_for_a_slow_one_is_replaced_by_telling_all_anew() {
    let mut world = world();
    world.subscriptions.begin(world.reader, 1, Audience::Everybody, services()).unwrap();
    assert!(world.poll().unwrap().complete);
    for key in 0..=SUBSCRIPTION_NEWS_MAX {
        world.publish(key, 1, 1);
    }
    assert_eq!(world.subscriptions.take_restarted(), 1);
    world.notified(1, Notified::Heard);
    let anew = world.hear();
    assert!(anew[0].restart && anew.last().unwrap().complete);
    assert_eq!(anew.iter().map(|one| one.editions.len()).sum::<usize>(), SUBSCRIPTION_NEWS_MAX + 1);
}

#[test]
fn subscriptions_take_turns_and_a_refused_one_ends_alone() {
    let mut world = world();
    world.subscriptions.begin(world.reader, 1, Audience::Everybody, services()).unwrap();
    world.subscriptions.begin(world.reader, 2, Audience::Everybody, services()).unwrap();
    let numbers: Vec<_> = world.hear().iter().map(|one| one.number).collect();
    assert_eq!(numbers, [1, 2]);
    world.publish(0, 1, 1);
    let one = world.poll().unwrap();
    world.notified(one.number, Notified::Refused);
    let other = world.poll().unwrap();
    world.notified(other.number, Notified::Heard);
    assert_ne!(one.number, other.number);
    world.publish(1, 1, 1);
    assert_eq!(world.hear().iter().map(|one| one.number).collect::<Vec<_>>(), [other.number]);
    assert_eq!(world.subscriptions.len(), 1);
}

#[test]
fn bounds_hold_and_nothing_is_left_of_who_has_gone() {
    let mut world = world();
    for number in 0..SUBSCRIPTIONS_PER_PEER_MAX as u64 {
        world.subscriptions.begin(world.reader, number, Audience::Everybody, services()).unwrap();
        world.subscriptions.begin(world.reader, number, Audience::Everybody, services()).unwrap();
    }
    assert_eq!(
        world.subscriptions.begin(world.reader, 1_000, Audience::Everybody, services()),
        Err(RefuseReason::Full)
    );
    assert_eq!(world.subscriptions.len(), SUBSCRIPTIONS_PER_PEER_MAX);
    let under_way = world.poll().unwrap();
    world.subscriptions.end_all(&world.reader.clone());
    world.notified(under_way.number, Notified::Heard);
    let Subscriptions { holders, by_topic, len, .. } = &world.subscriptions;
    assert_eq!((holders.len(), by_topic.len(), *len), (0, 0, 0));
    assert_eq!(world.poll(), None);
}
