//! Who reports to whom: each child finds the same aggregator by itself, and another when that one is gone or full.
//!
//! In: a child and the aggregators of the level above it. Out: all of them in the order in which the child tries them.
//! Rendezvous hashing: when an aggregator goes, only its own children move, and they spread over all others.

use overlay::PeerId;

/// `aggregators` in the order in which `child` tries them, without the child itself. Sorts: O(n log n).
#[must_use]
pub fn ranked(child: &PeerId, aggregators: &[PeerId]) -> Vec<PeerId> {
    let others = aggregators.iter().filter(|aggregator| *aggregator != child);
    let mut order: Vec<([u8; 32], PeerId)> = others.map(|other| (weight(child, other), *other)).collect();
    order.sort_unstable();
    order.into_iter().map(|(_, aggregator)| aggregator).collect()
}

fn weight(child: &PeerId, aggregator: &PeerId) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&child.to_bytes()).update(&aggregator.to_bytes());
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_an_aggregator_goes_only_its_children_move_and_they_spread() {
        let mut aggregators: Vec<PeerId> = (0..20).map(|_| PeerId::random()).collect();
        let children: Vec<PeerId> = (0..1000).map(|_| PeerId::random()).collect();
        let first = |aggregators: &[PeerId]| -> Vec<PeerId> {
            children.iter().map(|child| ranked(child, aggregators)[0]).collect()
        };
        let before = first(&aggregators);
        let gone = aggregators.remove(7);
        let after = first(&aggregators);
        let mut heirs = std::collections::HashSet::new();
        for (before, after) in before.iter().zip(&after) {
            if *before == gone {
                heirs.insert(*after);
            } else {
                assert_eq!(before, after);
            }
        }
        assert!(heirs.len() > 10, "{}", heirs.len());
    }
}
