//! The cache's promises: newest wins, expired is never found, bounds hold.
#![expect(clippy::disallowed_methods, reason = "a starting point for virtual time")]

mod scan;

use libp2p::identity::Keypair;

use super::*;
use crate::advertisement::{Advertisement, AdvertisementKind, Lifetime};

const SECOND: Duration = Duration::from_secs(1);

fn limits(total: usize) -> CacheLimits {
    CacheLimits { total, per_publisher: 100, bytes: 1 << 20 }
}

fn service(keypair: &Keypair, key: &str, name: &str, sequence: u64) -> SignedAdvertisement {
    let advertisement = Advertisement::new(AdvertisementKind::Service).key(key).attribute("name", name);
    SignedAdvertisement::sign(advertisement, Lifetime::while_alive(60 * SECOND), sequence, keypair).unwrap()
}

fn named(name: &str) -> DiscoveryQuery {
    DiscoveryQuery::new().kind(AdvertisementKind::Service).equals("name", name)
}

#[test]
fn a_newer_edition_replaces_an_older_and_never_the_other_way() {
    let (keypair, now) = (Keypair::generate_ed25519(), Instant::now());
    let mut cache = AdvertisementCache::new(limits(8));
    assert_eq!(cache.insert(now, service(&keypair, "k", "old", 1), SECOND), Ok(Inserted::New));
    assert_eq!(cache.insert(now, service(&keypair, "k", "new", 2), SECOND), Ok(Inserted::Replaced));
    assert_eq!(cache.insert(now, service(&keypair, "k", "old", 1), SECOND), Err(CacheRefused::Stale));
    assert_eq!(cache.insert(now, service(&keypair, "k", "other", 2), SECOND), Err(CacheRefused::Stale));
    assert!(cache.find(now, &named("old")).is_empty());
    assert_eq!(cache.find(now, &named("new")).len(), 1);
}

#[test]
fn a_larger_edition_does_not_break_the_bound_on_bytes() {
    let (keypair, now) = (Keypair::generate_ed25519(), Instant::now());
    let small = service(&keypair, "k", "x", 1);
    let bytes = small.to_bytes().len() + 10;
    let mut cache = AdvertisementCache::new(CacheLimits { total: 8, per_publisher: 8, bytes });
    cache.insert(now, small, SECOND).unwrap();
    let large = service(&keypair, "k", &"x".repeat(100), 2);
    assert_eq!(cache.insert(now, large, SECOND), Err(CacheRefused::Full));
    assert_eq!(cache.find(now, &named("x")).len(), 1);
    assert!(cache.bytes() <= bytes);
}

#[test]
fn an_expired_one_is_not_found_even_before_it_is_swept() {
    let (keypair, now) = (Keypair::generate_ed25519(), Instant::now());
    let mut cache = AdvertisementCache::new(limits(8));
    cache.insert(now, service(&keypair, "k", "x", 1), SECOND).unwrap();
    assert_eq!(cache.find(now + SECOND / 2, &named("x")).len(), 1);
    assert!(cache.find(now + SECOND, &named("x")).is_empty());
    assert_eq!(cache.expire(now + SECOND), 1);
    assert_eq!((cache.len(), cache.bytes()), (0, 0));
}

#[test]
fn the_same_edition_is_kept_longer_when_it_comes_again() {
    let (keypair, now) = (Keypair::generate_ed25519(), Instant::now());
    let mut cache = AdvertisementCache::new(limits(8));
    let signed = service(&keypair, "k", "x", 1);
    cache.insert(now, signed.clone(), SECOND).unwrap();
    assert_eq!(cache.insert(now, signed, 3 * SECOND), Ok(Inserted::Same));
    assert_eq!(cache.expire(now + 2 * SECOND), 0);
    assert_eq!(cache.find(now + 2 * SECOND, &named("x")).len(), 1);
}

#[test]
fn a_withdrawn_one_is_not_found_and_no_older_edition_comes_back_until_the_withdrawal_ends() {
    let (keypair, now) = (Keypair::generate_ed25519(), Instant::now());
    let mut cache = AdvertisementCache::new(limits(8));
    let older = service(&keypair, "k", "x", 1);
    let (advertisement, lifetime) = (older.advertisement().clone(), older.lifetime());
    let tombstone = SignedAdvertisement::sign_withdrawal(advertisement, lifetime, 2, &keypair).unwrap();
    cache.insert(now, older.clone(), 9 * SECOND).unwrap();
    assert_eq!(cache.insert(now, tombstone.clone(), 3 * SECOND), Ok(Inserted::Replaced));
    assert_eq!(cache.insert(now, older.clone(), 9 * SECOND), Err(CacheRefused::Stale));
    for query in [named("x"), DiscoveryQuery::new(), DiscoveryQuery::new().publisher(older.publisher())] {
        assert!(cache.find(now, &query).is_empty());
    }
    assert!(cache.get(&older.id()).is_some_and(|known| known.is_withdrawn()));
    assert_eq!((cache.expire(now + 3 * SECOND), cache.len(), cache.bytes()), (1, 0, 0));
    cache.insert(now + 3 * SECOND, tombstone, SECOND).unwrap();
    let again = service(&keypair, "k", "x", 3);
    assert_eq!(cache.insert(now + 3 * SECOND, again, SECOND), Ok(Inserted::Replaced));
    assert_eq!(cache.find(now + 3 * SECOND, &named("x")).len(), 1);
}

#[test]
fn a_full_cache_gives_up_what_expires_next_and_counts_it() {
    let (keypair, now) = (Keypair::generate_ed25519(), Instant::now());
    let mut cache = AdvertisementCache::new(limits(2));
    cache.insert(now, service(&keypair, "a", "a", 1), SECOND).unwrap();
    cache.insert(now, service(&keypair, "b", "b", 1), 9 * SECOND).unwrap();
    assert_eq!(cache.insert(now, service(&keypair, "c", "c", 1), SECOND / 2), Err(CacheRefused::Full));
    assert_eq!(cache.insert(now, service(&keypair, "c", "c", 1), 5 * SECOND), Ok(Inserted::New));
    assert!(cache.find(now, &named("a")).is_empty());
    assert_eq!((cache.len(), cache.evicted()), (2, 1));
}

#[test]
fn one_publisher_cannot_take_more_than_its_share() {
    let (greedy, modest, now) = (Keypair::generate_ed25519(), Keypair::generate_ed25519(), Instant::now());
    let mut cache = AdvertisementCache::new(CacheLimits { total: 100, per_publisher: 3, bytes: 1 << 20 });
    for key in 0..3 {
        cache.insert(now, service(&greedy, &key.to_string(), "g", 1), SECOND).unwrap();
    }
    let refused = cache.insert(now, service(&greedy, "3", "g", 1), SECOND);
    assert_eq!(refused, Err(CacheRefused::PublisherFull { max: 3 }));
    assert_eq!(cache.insert(now, service(&greedy, "1", "g2", 2), SECOND), Ok(Inserted::Replaced));
    assert_eq!(cache.insert(now, service(&modest, "0", "m", 1), SECOND), Ok(Inserted::New));
    assert_eq!(cache.remove_publisher(&greedy.public().to_peer_id()), 3);
    assert_eq!(cache.len(), 1);
}

#[test]
fn the_threshold_bounds_the_answers() {
    let (keypair, now) = (Keypair::generate_ed25519(), Instant::now());
    let mut cache = AdvertisementCache::new(limits(16));
    for key in 0..10 {
        cache.insert(now, service(&keypair, &key.to_string(), "x", 1), SECOND).unwrap();
    }
    assert_eq!(cache.find(now, &named("x").threshold(4)).len(), 4);
    assert_eq!(cache.find(now, &DiscoveryQuery::new()).len(), 10);
}
