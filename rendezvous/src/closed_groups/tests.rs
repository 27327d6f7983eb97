//! Who gets a place, who loses it, and what is forgotten when there is too much.
#![expect(clippy::disallowed_methods, reason = "a starting point for virtual time")]

use overlay::credential::{Claim, Credential, Role};
use overlay::{Keypair, Policy};

use super::*;

const NOW_S: u64 = 1_800_000_000;
const HOUR: u64 = 3600;

/// A group with its key, and a list of revoked peers.
struct Group {
    key: Keypair,
    genesis: Genesis,
    list: RevocationList,
}

fn group(salt: u8) -> Group {
    group_by(Policy::Invite, salt)
}

/// The genesis that the library would make of this key: its constructor is the library's own.
fn group_by(policy: Policy, salt: u8) -> Group {
    let key = Keypair::generate_ed25519();
    let authority = key.public().try_into_ed25519().unwrap().to_bytes();
    let policy: u16 = if policy == Policy::Invite { 2 } else { 1 };
    let wire = (policy, Some(authority), [salt; 16], "tests", overlay::wire::Ext::new());
    let genesis = Genesis::from_bytes(&overlay::wire::encode_message(1, &wire, 512).unwrap()).unwrap();
    assert!(matches!(genesis.policy(), Some(Policy::Invite | Policy::Passphrase)));
    Group { key, genesis, list: RevocationList::default() }
}

impl Group {
    fn credential(&self, subject: PeerId, role: Role, signer: &Keypair, not_after: u64) -> Bytes {
        let group = self.genesis.id();
        let claim = Claim { group, subject, role, serial: 1, not_before: NOW_S, not_after };
        Credential::issue(claim, signer).unwrap().to_bytes()
    }

    fn papers(&self, chain: Vec<Bytes>) -> Papers {
        Papers { genesis: self.genesis.clone(), chain, revocations: self.list.to_bytes() }
    }

    fn member(&self, peer: PeerId) -> Papers {
        self.papers(vec![self.credential(peer, Role::Member, &self.key, NOW_S + HOUR)])
    }

    fn revoke(&mut self, peer: PeerId) {
        self.list = self.list.with(peer, &self.genesis, &self.key, NOW_S).unwrap();
    }
}

fn drained(groups: &mut ClosedGroups) -> Vec<(PeerId, GroupId)> {
    std::iter::from_fn(|| groups.poll_ended()).collect()
}

#[test]
fn a_member_has_its_place_until_its_credential_ends() {
    let (mut groups, now, group, anne) =
        (ClosedGroups::default(), Instant::now(), group(1), PeerId::random());
    let id = group.genesis.id();
    assert!(!groups.has_place(&anne, &id));
    let news = groups.enter(now, NOW_S, anne, group.member(anne)).unwrap();
    assert_eq!((news.group, news.revocations.len()), (id, 0));
    assert!(groups.has_place(&anne, &id));
    // The forgiven difference of clocks comes on top.
    let end = now + Duration::from_secs(HOUR) + overlay::limits::CLOCK_SKEW_MAX;
    assert_eq!(groups.poll_timeout(), Some(end));
    groups.expire(end - Duration::from_secs(1));
    assert!(groups.has_place(&anne, &id));
    groups.expire(end);
    assert!(!groups.has_place(&anne, &id));
    assert_eq!((drained(&mut groups), groups.places()), (vec![(anne, id)], 0));
}

#[test]
fn whatever_is_wrong_is_the_same_refusal_and_ends_the_place_that_there_was() {
    let (mut groups, now, group, anne) =
        (ClosedGroups::default(), Instant::now(), group(1), PeerId::random());
    let (bert, key) = (PeerId::random(), Keypair::generate_ed25519());
    let good = group.member(anne);
    let link = group.credential(key.public().to_peer_id(), Role::Issuer, &group.key, NOW_S + HOUR);
    let last = group.credential(anne, Role::Member, &key, NOW_S + HOUR);
    let bad = [
        group.papers(vec![]),
        group.papers(vec![Bytes::from_static(&[7; 300])]),
        group.member(bert),
        group.papers(vec![group.credential(anne, Role::Member, &key, NOW_S + HOUR)]),
        group.papers(vec![group.credential(anne, Role::Member, &group.key, NOW_S - 2 * HOUR)]),
        group.papers(vec![link.clone(), link.clone(), last.clone()]),
        Papers { genesis: group_by(Policy::Invite, 2).genesis, ..good.clone() },
        Papers { genesis: Genesis::open("tests"), ..good.clone() },
        Papers { revocations: Bytes::from_static(&[3; 90]), ..good.clone() },
    ];
    for papers in bad {
        let named = papers.genesis.id();
        groups.enter(now, NOW_S, anne, good.clone()).unwrap();
        assert_eq!(groups.enter(now, NOW_S, anne, papers), Err(RefuseReason::NotMember));
        assert_eq!(groups.has_place(&anne, &group.genesis.id()), named != group.genesis.id());
    }
    assert_eq!(groups.len(), 1, "a group whose proof is bad is not remembered");
    assert!(groups.enter(now, NOW_S, anne, group.papers(vec![link, last])).is_ok());
}

#[test]
fn a_newer_list_ends_the_revoked_and_those_they_let_in_and_all_are_told_once() {
    let (mut groups, now, mut group) = (ClosedGroups::default(), Instant::now(), group(1));
    let (issuer, anne, bert) = (Keypair::generate_ed25519(), PeerId::random(), PeerId::random());
    let link = group.credential(issuer.public().to_peer_id(), Role::Issuer, &group.key, NOW_S + HOUR);
    let chain = vec![link, group.credential(bert, Role::Member, &issuer, NOW_S + HOUR)];
    let old = group.papers(chain.clone());
    groups.enter(now, NOW_S, bert, old.clone()).unwrap();
    groups.enter(now, NOW_S, anne, group.member(anne)).unwrap();
    group.revoke(issuer.public().to_peer_id());
    let news = groups.enter(now, NOW_S, anne, group.member(anne)).unwrap();
    assert_eq!(news.revocations, group.list.to_bytes());
    assert_eq!(drained(&mut groups), [(bert, group.genesis.id())]);
    let mut told = groups.poll_news().unwrap();
    told.members.sort_unstable();
    let mut both = vec![anne, bert];
    both.sort_unstable();
    assert_eq!((told.members, told.news), (both, news));
    // It comes back with the list of before, and when all have left.
    assert_eq!(groups.enter(now, NOW_S, bert, old.clone()), Err(RefuseReason::NotMember));
    groups.remove_peer(now, &anne);
    assert_eq!(groups.enter(now, NOW_S, bert, old), Err(RefuseReason::NotMember));
    assert_eq!((groups.poll_news(), groups.places(), groups.len()), (None, 0, 1));
}

#[test]
fn the_revoked_itself_may_bring_the_list_and_is_out_by_it() {
    let (mut groups, now, mut group, anne) =
        (ClosedGroups::default(), Instant::now(), group(1), PeerId::random());
    groups.enter(now, NOW_S, anne, group.member(anne)).unwrap();
    group.revoke(anne);
    assert_eq!(groups.enter(now, NOW_S, anne, group.member(anne)), Err(RefuseReason::NotMember));
    assert_eq!(drained(&mut groups), [(anne, group.genesis.id())]);
}

#[test]
fn nobody_is_revoked_in_a_group_by_passphrase_where_everybody_has_the_key() {
    let (mut groups, now, anne) = (ClosedGroups::default(), Instant::now(), PeerId::random());
    let mut group = group_by(Policy::Passphrase, 1);
    groups.enter(now, NOW_S, anne, group.member(anne)).unwrap();
    group.revoke(anne);
    let mallory = PeerId::random();
    assert_eq!(groups.enter(now, NOW_S, mallory, group.member(mallory)), Err(RefuseReason::NotMember));
    assert!(groups.has_place(&anne, &group.genesis.id()));
}

#[test]
fn one_peer_has_a_bounded_number_of_places_and_renews_each() {
    let (mut groups, now, anne) = (ClosedGroups::default(), Instant::now(), PeerId::random());
    let all: Vec<_> = (0..=PLACES_PER_PEER_MAX).map(|_| group(1)).collect();
    let (last, first) = all.split_last().unwrap();
    for group in first {
        groups.enter(now, NOW_S, anne, group.member(anne)).unwrap();
    }
    assert_eq!(groups.enter(now, NOW_S, anne, last.member(anne)), Err(RefuseReason::Full));
    assert!(groups.enter(now, NOW_S, anne, first[0].member(anne)).is_ok());
    assert_eq!((groups.len(), groups.places()), (PLACES_PER_PEER_MAX, PLACES_PER_PEER_MAX));
    groups.remove_peer(now, &anne);
    assert_eq!((groups.places(), drained(&mut groups).len()), (0, PLACES_PER_PEER_MAX));
    assert!(groups.of_peer.is_empty() && groups.ends.is_empty());
}

#[test]
fn a_flood_of_groups_forgets_those_left_longest_ago_and_never_one_with_members() {
    let (mut groups, mut now, kept) = (ClosedGroups::default(), Instant::now(), group(1));
    let (anne, mallory) = (PeerId::random(), PeerId::random());
    groups.enter(now, NOW_S, anne, kept.member(anne)).unwrap();
    for _ in 0..CLOSED_GROUPS_MAX + 10 {
        let own = group(2);
        groups.enter(now, NOW_S, mallory, own.member(mallory)).unwrap();
        now += Duration::from_millis(1);
        groups.leave(now, &mallory, &own.genesis.id());
        drained(&mut groups);
    }
    assert_eq!((groups.len(), groups.idle.len()), (CLOSED_GROUPS_MAX, CLOSED_GROUPS_MAX - 1));
    assert!(groups.has_place(&anne, &kept.genesis.id()));
}

#[test]
fn who_fills_the_lists_loses_its_groups_first() {
    let (mut groups, now, mut honest) = (ClosedGroups::default(), Instant::now(), group(1));
    let (anne, mut long) = (PeerId::random(), group(2));
    honest.revoke(PeerId::random());
    groups.enter(now, NOW_S, anne, honest.member(anne)).unwrap();
    for _ in 0..900 {
        long.revoke(PeerId::random());
    }
    let (len, entered) = (long.list.to_bytes().len(), LISTS_BYTES_MAX / long.list.to_bytes().len() + 10);
    for _ in 0..entered {
        // A group of mallory's each time, with a list as long; signing it anew would take a minute.
        let (mallory, other) = (PeerId::random(), group(3));
        groups.enter(now, NOW_S, mallory, other.member(mallory)).unwrap();
        groups.learn(now, other.genesis.id(), long.list.clone());
        drained(&mut groups);
    }
    assert!(groups.list_bytes <= LISTS_BYTES_MAX && groups.list_bytes + len > LISTS_BYTES_MAX);
    assert!(groups.has_place(&anne, &honest.genesis.id()), "who has a short list pays for the long ones");
    assert!(groups.places() < entered, "the groups of the long lists go on");
}
