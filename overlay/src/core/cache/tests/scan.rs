//! The index agrees with a plain scan, whatever came and went and whatever is asked.

use std::collections::BTreeSet;

use libp2p::identity::Keypair;
use proptest::prelude::*;

use super::*;
use crate::advertisement::{Advertisement, AdvertisementKind, Condition, Lifetime, Value};

const SECOND: Duration = Duration::from_secs(1);
const NAMES: [&str; 3] = ["a", "b", "c"];

/// What comes into the cache, and after how many seconds.
type Step = (u8, u8, Vec<Option<Value>>, u64, u64);

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        "[xy]{0,3}".prop_map(Value::from),
        (-2i64..3).prop_map(Value::Int),
        (-4i8..5).prop_map(|halves| Value::Float(f64::from(halves) / 2.0)),
        Just(Value::Float(f64::NAN)),
        Just(Value::Float(f64::INFINITY)),
        any::<bool>().prop_map(Value::Bool),
    ]
}

fn condition() -> impl Strategy<Value = Condition> {
    let name = || prop::sample::select(&NAMES[..]);
    let leaf = prop_oneof![
        (name(), value()).prop_map(|(name, value)| Condition::equals(name, value)),
        (name(), "[xy*?]{0,4}").prop_map(|(name, pattern)| Condition::glob(name, &pattern)),
        (name(), value()).prop_map(|(name, value)| Condition::below(name, value)),
        (name(), value()).prop_map(|(name, value)| Condition::at_most(name, value)),
        (name(), value()).prop_map(|(name, value)| Condition::above(name, value)),
        (name(), value()).prop_map(|(name, value)| Condition::at_least(name, value)),
        name().prop_map(Condition::exists),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Condition::all),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Condition::any),
            inner.prop_map(|condition| !condition),
        ]
    })
}

prop_compose! {
    fn query()(
        conditions in prop::collection::vec(condition(), 0..4),
        kind in prop::option::of(0u16..3),
        group in prop::option::of(0u8..2),
    ) -> DiscoveryQuery {
        DiscoveryQuery {
            conditions,
            kind: kind.map(AdvertisementKind::from_code),
            group: group.map(|byte| GroupId::from_bytes([byte; 32])),
            ..DiscoveryQuery::new().threshold(usize::MAX)
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    (0u8..12, 0u8..2, prop::collection::vec(prop::option::of(value()), 3), 1u64..4, 1u64..20)
}

fn signed(keypair: &Keypair, (key, group, values, sequence, _): &Step) -> SignedAdvertisement {
    let kind = AdvertisementKind::from_code(u16::from(key % 2));
    let mut advertisement = Advertisement::new(kind).key(key.to_string());
    advertisement.group = GroupId::from_bytes([*group; 32]);
    let present = NAMES.iter().zip(values).filter_map(|(name, value)| Some((*name, value.clone()?)));
    advertisement.attributes.extend(present.map(|(name, value)| (name.to_owned(), value)));
    SignedAdvertisement::sign(advertisement, Lifetime::while_alive(60 * SECOND), *sequence, keypair).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_index_finds_what_a_scan_would(
        steps in prop::collection::vec(step(), 1..40),
        queries in prop::collection::vec(query(), 8),
    ) {
        let keypair = Keypair::ed25519_from_bytes([7; 32]).unwrap();
        let mut cache = AdvertisementCache::new(CacheLimits { total: 10, per_publisher: 100, bytes: 1 << 20 });
        let mut now = Instant::now();
        for (index, step) in steps.iter().enumerate() {
            now += SECOND;
            if index % 3 == 0 {
                cache.expire(now);
            }
            let _ = cache.insert(now, signed(&keypair, step), Duration::from_secs(step.4));
            prop_assert!(cache.len() <= 10);
        }
        let everything = cache.find(now, &DiscoveryQuery::new().threshold(usize::MAX));
        let ids = |found: Vec<Arc<SignedAdvertisement>>| -> Vec<AdvertisementId> {
            found.iter().map(|signed| signed.id()).collect()
        };
        for query in queries {
            let found = ids(cache.find(now, &query));
            let once: BTreeSet<_> = found.iter().copied().collect();
            prop_assert_eq!(found.len(), once.len(), "found twice by {}", query);
            let scanned = everything.iter().filter(|signed| query.matches(signed)).cloned().collect();
            prop_assert_eq!(once, ids(scanned).into_iter().collect::<BTreeSet<_>>(), "{}", query);
        }
        now += 60 * SECOND;
        cache.expire(now);
        prop_assert_eq!((cache.len(), cache.bytes(), cache.poll_timeout()), (0, 0, None));
        cache.insert(now, signed(&keypair, &steps[0]), SECOND).unwrap();
        prop_assert_eq!(cache.find(now, &DiscoveryQuery::new()).len(), 1);
    }
}
