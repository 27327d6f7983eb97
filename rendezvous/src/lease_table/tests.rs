//! What the lease table promises, under a virtual clock.
#![expect(clippy::disallowed_methods, reason = "a starting point for virtual time")]

use proptest::prelude::*;

use super::*;

const GRACE: Duration = Duration::from_secs(30);
const TTL: Duration = Duration::from_secs(120);

fn limits(leases_max: usize) -> LeaseLimits {
    LeaseLimits { leases_max, grace: GRACE, ..LeaseLimits::default() }
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn lease_is_granted_for_the_default_when_nothing_is_wanted() {
    let mut table = LeaseTable::new(limits(1));
    let grant = table.request(Instant::now(), PeerId::random(), Duration::ZERO);
    assert_eq!(grant, Ok(Grant { ttl: TTL, renewed: false }));
}

#[test]
fn wanted_time_is_cut_to_the_configured_range() {
    let range = LeaseLimits { ttl_min: secs(10), ttl_max: secs(60), ttl_default: secs(20), ..limits(3) };
    let mut table = LeaseTable::new(range);
    let now = Instant::now();
    for (wanted, granted) in
        [(Duration::MAX, secs(60)), (Duration::from_nanos(1), secs(10)), (secs(42), secs(42))]
    {
        assert_eq!(table.request(now, PeerId::random(), wanted).map(|grant| grant.ttl), Ok(granted));
    }
}

#[test]
fn renewed_lease_does_not_expire_at_its_old_deadline() {
    let mut table = LeaseTable::new(limits(1));
    let (now, peer) = (Instant::now(), PeerId::random());
    table.request(now, peer, TTL).unwrap();
    assert_eq!(table.request(now + secs(100), peer, TTL), Ok(Grant { ttl: TTL, renewed: true }));
    assert_eq!(table.pop_expired(now + TTL), None);
    assert_eq!(table.poll_timeout(), Some(now + secs(220)));
    assert_eq!(table.pop_expired(now + secs(220)), Some(peer));
    assert!(table.is_empty() && table.poll_timeout().is_none());
}

#[test]
fn full_table_refuses_a_new_peer_and_still_renews_a_holder() {
    let mut table = LeaseTable::new(limits(2));
    let now = Instant::now();
    let holders = [PeerId::random(), PeerId::random()];
    for holder in holders {
        table.request(now, holder, TTL).unwrap();
    }
    assert_eq!(table.request(now, PeerId::random(), TTL), Err(LeaseRefused::Full { max: 2 }));
    assert!(table.request(now, holders[0], TTL).unwrap().renewed);
    assert!(table.cancel(&holders[1]));
    assert!(table.request(now, PeerId::random(), TTL).is_ok());
}

#[test]
fn frame_of_a_holder_renews_and_one_of_a_stranger_does_not() {
    let mut table = LeaseTable::new(limits(2));
    let (now, peer) = (Instant::now(), PeerId::random());
    table.request(now, peer, TTL).unwrap();
    assert!(table.seen(now + secs(119), &peer));
    assert!(!table.seen(now + secs(119), &PeerId::random()));
    assert_eq!(table.pop_expired(now + secs(238)), None);
    assert_eq!(table.pop_expired(now + secs(239)), Some(peer));
}

#[test]
fn stale_frame_does_not_revive_a_lease_whose_time_has_come() {
    let mut table = LeaseTable::new(limits(1));
    let (now, peer) = (Instant::now(), PeerId::random());
    table.request(now, peer, TTL).unwrap();
    assert!(!table.seen(now + TTL, &peer));
    assert!(table.live(now + TTL, &peer).is_none());
    assert_eq!(table.pop_expired(now + TTL), Some(peer));
}

#[test]
fn suspect_expires_after_the_grace() {
    let mut table = LeaseTable::new(limits(1));
    let (now, peer) = (Instant::now(), PeerId::random());
    table.request(now, peer, TTL).unwrap();
    assert!(table.suspect(now + secs(5), &peer));
    assert_eq!(table.pop_expired(now + secs(34)), None);
    assert_eq!(table.pop_expired(now + secs(35)), Some(peer));
}

#[test]
fn suspect_that_is_seen_again_keeps_its_lease() {
    let mut table = LeaseTable::new(limits(1));
    let (now, peer) = (Instant::now(), PeerId::random());
    table.request(now, peer, TTL).unwrap();
    table.suspect(now, &peer);
    assert!(table.seen(now + secs(29), &peer));
    assert_eq!(table.pop_expired(now + GRACE), None);
    assert_eq!(table.poll_timeout(), Some(now + secs(29) + TTL));
    assert!(!table.live(now + GRACE, &peer).unwrap().suspect);
}

#[test]
fn suspicion_never_lengthens_a_lease() {
    let mut table = LeaseTable::new(limits(1));
    let (now, peer) = (Instant::now(), PeerId::random());
    table.request(now, peer, TTL).unwrap();
    assert!(table.suspect(now + secs(110), &peer));
    assert_eq!(table.poll_timeout(), Some(now + TTL));
    assert!(!table.suspect(now + secs(115), &peer), "a second loss changes nothing");
    assert!(!table.suspect(now, &PeerId::random()), "a stranger cannot be suspect");
}

#[test]
fn cancelled_lease_is_gone_at_once_and_never_expires() {
    let mut table = LeaseTable::new(limits(1));
    let (now, peer) = (Instant::now(), PeerId::random());
    table.request(now, peer, TTL).unwrap();
    assert!(table.cancel(&peer));
    assert!(!table.cancel(&peer));
    assert_eq!((table.len(), table.poll_timeout(), table.pop_expired(now + TTL)), (0, None, None));
}

proptest! {
    /// Whatever happens, the bound holds, every lease has an expiry within its time to live, and all end by themselves.
    #[test]
    fn table_stays_bounded_and_every_lease_ends(steps in prop::collection::vec((0_usize..12, 0_u8..4, 0_u64..200), 1..200)) {
        let peers: Vec<_> = (0..12).map(|_| PeerId::random()).collect();
        let mut table = LeaseTable::new(limits(8));
        let mut now = Instant::now();
        for (peer, action, passed) in steps {
            now += secs(passed);
            while table.pop_expired(now).is_some() {}
            match action {
                0 => drop(table.request(now, peers[peer], secs(passed))),
                1 => drop(table.seen(now, &peers[peer])),
                2 => drop(table.suspect(now, &peers[peer])),
                _ => drop(table.cancel(&peers[peer])),
            }
            prop_assert!(table.len() <= 8);
            prop_assert!(table.iter().all(|(_, lease)| lease.expires_at > now && lease.expires_at <= now + lease.ttl));
            prop_assert_eq!(table.poll_timeout(), table.iter().map(|(_, lease)| lease.expires_at).min());
        }
        while table.pop_expired(now + secs(10_000)).is_some() {}
        prop_assert!(table.is_empty());
    }
}
