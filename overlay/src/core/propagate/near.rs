//! Whom a member links with when there are too many to link with all: on the ring of all ids, those 1, 2, 4, 8, …
//! places away to both sides. Who is near whom is mutual, all are reached in few steps, and no table is kept.

use std::collections::BTreeSet;

use libp2p::PeerId;

/// Those of `members` near `me`, itself not among them.
pub(crate) fn near(me: PeerId, members: &BTreeSet<PeerId>) -> BTreeSet<PeerId> {
    let mut ring: Vec<PeerId> = members.iter().copied().filter(|peer| *peer != me).collect();
    let place = ring.partition_point(|peer| *peer < me);
    ring.insert(place, me);
    let steps = std::iter::successors(Some(1), |step| Some(step * 2)).take_while(|step| *step < ring.len());
    let both = steps.flat_map(|step| [place + step, place + ring.len() - step]);
    both.filter_map(|at| ring.get(at % ring.len()).copied()).filter(|peer| *peer != me).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearness_is_mutual_few_and_reaches_all() {
        for count in [1, 2, 3, 64, 200] {
            let members: BTreeSet<_> = (0..count).map(|_| PeerId::random()).collect();
            let first = *members.first().unwrap();
            let (mut reached, mut steps) = (BTreeSet::from([first]), 0);
            while reached.len() < count {
                reached =
                    reached.iter().flat_map(|peer| near(*peer, &members)).chain(reached.clone()).collect();
                steps += 1;
                assert!(steps < 9, "{count} are not reached");
            }
            for peer in &members {
                let neighbours = near(*peer, &members);
                assert!(
                    neighbours.len() <= 16
                        && neighbours.iter().all(|near_by| near(*near_by, &members).contains(peer))
                );
            }
        }
    }
}
