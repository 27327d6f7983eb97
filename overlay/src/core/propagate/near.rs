//! Whom a member links with when there are too many to link with all: as on the ring of Chord, the first member behind
//! each place half, a quarter, an eighth, … of the ring away, and those for whom it is that itself.
//!
//! Who is near whom is mutual, all are reached in few steps, and one more member changes few links: places on the ring
//! are hashes of ids, so they stay where they are.

use std::collections::{BTreeMap, BTreeSet};

use libp2p::PeerId;

/// Those of `members` near `me`, itself not among them. Costs a hash for each member, and few look-ups.
pub(crate) fn near(me: PeerId, members: &BTreeSet<PeerId>) -> BTreeSet<PeerId> {
    let mut ring: BTreeMap<u64, PeerId> = members.iter().map(|peer| (place(peer), *peer)).collect();
    let at = place(&me);
    ring.remove(&at);
    let mut near = BTreeSet::new();
    // Whoever has a place from `free` on, up to this member's, is looking for this member there.
    let Some((last, _)) = ring.range(..at).next_back().or_else(|| ring.iter().next_back()) else {
        return near;
    };
    let free = last.wrapping_add(1);
    for distance in (0..u64::BITS).map(|bit| 1u64 << bit) {
        let there = at.wrapping_add(distance);
        near.extend(ring.range(there..).chain(&ring).next().map(|(_, peer)| *peer));
        let (from, to) = (free.wrapping_sub(distance), at.wrapping_sub(distance));
        if from <= to {
            near.extend(ring.range(from..=to).map(|(_, peer)| *peer));
        } else {
            near.extend(ring.range(from..).chain(ring.range(..=to)).map(|(_, peer)| *peer));
        }
    }
    near
}

fn place(peer: &PeerId) -> u64 {
    let hash = blake3::hash(&peer.to_bytes());
    hash.as_bytes().iter().take(8).fold(0, |place, byte| place << 8 | u64::from(*byte))
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
