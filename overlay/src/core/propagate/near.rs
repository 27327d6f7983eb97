//! Whom a member links with when there are too many to link with all: as on the ring of Chord, the first member behind
//! each place half, a quarter, an eighth, … of the ring away, and those for whom it is that itself.
//!
//! Who is near whom is mutual, all are reached in few steps, and one more member changes few links: places on the ring
//! are hashes of ids, so they stay where they are.

use std::collections::{BTreeMap, BTreeSet};

use libp2p::PeerId;

/// Those of `members` near `me`, itself not among them. Costs a few look-ups for each member.
pub(crate) fn near(me: PeerId, members: &BTreeSet<PeerId>) -> BTreeSet<PeerId> {
    let mut ring: BTreeMap<u64, PeerId> = members.iter().map(|peer| (place(peer), *peer)).collect();
    ring.insert(place(&me), me);
    let mut near = fingers(place(&me), &ring);
    for (at, peer) in &ring {
        if fingers(*at, &ring).contains(&me) {
            near.insert(*peer);
        }
    }
    near.remove(&me);
    near
}

fn place(peer: &PeerId) -> u64 {
    let hash = blake3::hash(&peer.to_bytes());
    hash.as_bytes().iter().take(8).fold(0, |place, byte| place << 8 | u64::from(*byte))
}

/// Whom the member at this place looks for.
fn fingers(at: u64, ring: &BTreeMap<u64, PeerId>) -> BTreeSet<PeerId> {
    let behind = |place: u64| ring.range(place..).chain(ring).next();
    let next = behind(at.wrapping_add(1)).map(|(place, _)| *place);
    let mut fingers = BTreeSet::new();
    for distance in (0..u64::BITS).rev().map(|bit| 1u64 << bit) {
        let Some((place, peer)) = behind(at.wrapping_add(distance)) else { break };
        fingers.insert(*peer);
        if Some(*place) == next {
            break;
        }
    }
    fingers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(count: usize) -> BTreeSet<PeerId> {
        (0..count).map(|_| PeerId::random()).collect()
    }

    #[test]
    fn nearness_is_mutual_few_and_reaches_all() {
        for count in [1, 2, 3, 64, 200] {
            let members = some(count);
            let near: BTreeMap<_, _> = members.iter().map(|peer| (*peer, near(*peer, &members))).collect();
            let (mut reached, mut steps) = (BTreeSet::from([*members.first().unwrap()]), 0);
            while reached.len() < count {
                reached = reached.iter().flat_map(|peer| near[peer].clone()).chain(reached.clone()).collect();
                steps += 1;
                assert!(steps < 12, "{count} are not reached");
            }
            assert!(near.iter().all(|(peer, others)| others.iter().all(|other| near[other].contains(peer))));
            assert!(near.values().map(BTreeSet::len).sum::<usize>() <= 20 * count);
        }
    }

    #[test]
    fn one_more_member_changes_few_links() {
        let mut members = some(200);
        let links = |members: &BTreeSet<PeerId>| -> BTreeSet<(PeerId, PeerId)> {
            members
                .iter()
                .flat_map(|peer| near(*peer, members).into_iter().map(|other| (*peer, other)))
                .collect()
        };
        let before = links(&members);
        members.insert(PeerId::random());
        assert!(links(&members).symmetric_difference(&before).count() < before.len() / 10);
    }
}
