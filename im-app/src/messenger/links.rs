//! The pipes to each peer, and which of several carries what this side sends.
//!
//! In: pipes that come and go. Out: the preferred one: that whose opener has the smaller PeerId (the same at both ends),
//! among those the newest. Pure; bounded by `LINKS_PER_PEER_MAX` and, for strangers, `STRANGER_LINKS_MAX`.

use std::collections::BTreeMap;
use std::time::Instant;

use overlay::{Deadlines, Multiaddr, PeerId};

use crate::limits::{LINKS_PER_PEER_MAX, STRANGER_LINKS_MAX, STRANGER_SILENCE_MAX};
use crate::messenger::LinkId;
use crate::presence::Path;

/// One pipe.
#[derive(Debug, Clone)]
pub(super) struct Link {
    pub(super) peer: PeerId,
    pub(super) opened_here: bool,
    pub(super) path: Path,
    pub(super) faults: u32,
    /// Where its peer says that it listens.
    pub(super) addresses: Vec<Multiaddr>,
    retiring: bool,
}

/// All pipes.
#[derive(Debug)]
pub(super) struct Links {
    me: PeerId,
    by_id: BTreeMap<LinkId, Link>,
    by_peer: BTreeMap<PeerId, Vec<LinkId>>,
    /// When a stranger that has not asked for contact is shown out.
    silence: Deadlines<LinkId>,
}

/// Why a pipe is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoRoom {
    /// This peer has enough.
    Peer,
    /// Strangers have enough.
    Strangers,
}

impl Links {
    pub(super) fn new(me: PeerId) -> Self {
        Self { me, by_id: BTreeMap::new(), by_peer: BTreeMap::new(), silence: Deadlines::default() }
    }

    /// Takes a new pipe; `stranger`: it has to ask for contact in time.
    pub(super) fn insert(
        &mut self,
        now: Instant,
        id: LinkId,
        peer: PeerId,
        opened_here: bool,
        path: Path,
        stranger: bool,
    ) -> Result<(), NoRoom> {
        if stranger && self.silence.len() >= STRANGER_LINKS_MAX {
            return Err(NoRoom::Strangers);
        }
        let links = self.by_peer.entry(peer).or_default();
        if links.len() >= LINKS_PER_PEER_MAX {
            return Err(NoRoom::Peer);
        }
        links.push(id);
        let link = Link { peer, opened_here, path, faults: 0, addresses: Vec::new(), retiring: false };
        self.by_id.insert(id, link);
        if stranger {
            self.silence.set(id, now + STRANGER_SILENCE_MAX);
        }
        Ok(())
    }

    /// Forgets a pipe.
    pub(super) fn remove(&mut self, id: LinkId) -> Option<Link> {
        self.silence.remove(&id);
        let link = self.by_id.remove(&id)?;
        if let Some(links) = self.by_peer.get_mut(&link.peer) {
            links.retain(|other| *other != id);
            if links.is_empty() {
                self.by_peer.remove(&link.peer);
            }
        }
        Some(link)
    }

    pub(super) fn get(&self, id: LinkId) -> Option<&Link> {
        self.by_id.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        self.by_id.get_mut(&id)
    }

    /// Whose pipes stay now: a stranger has asked.
    pub(super) fn asked(&mut self, peer: &PeerId) {
        for id in self.by_peer.get(peer).into_iter().flatten() {
            self.silence.remove(id);
        }
    }

    /// The pipes to a peer.
    pub(super) fn of(&self, peer: &PeerId) -> Vec<LinkId> {
        self.by_peer.get(peer).cloned().unwrap_or_default()
    }

    /// All pipes.
    pub(super) fn ids(&self) -> Vec<LinkId> {
        self.by_id.keys().copied().collect()
    }

    /// The pipe on which this side sends.
    pub(super) fn preferred(&self, peer: &PeerId) -> Option<LinkId> {
        let mine_first = self.me < *peer;
        let rank = |id: &LinkId| {
            let opened_here = self.by_id.get(id).is_some_and(|link| link.opened_here);
            (opened_here == mine_first, *id)
        };
        self.by_peer.get(peer)?.iter().copied().max_by_key(rank)
    }

    /// Pipes that this side opened and that are not preferred, each said once: they are to be retired.
    pub(super) fn superfluous(&mut self, peer: &PeerId) -> Vec<LinkId> {
        let preferred = self.preferred(peer);
        let mut superfluous = self.of(peer);
        superfluous.retain(|id| {
            let link = self.by_id.get_mut(id).filter(|link| link.opened_here && Some(*id) != preferred);
            link.is_some_and(|link| !std::mem::replace(&mut link.retiring, true))
        });
        superfluous
    }

    /// A stranger's pipe whose time is over.
    pub(super) fn pop_silent(&mut self, now: Instant) -> Option<LinkId> {
        self.silence.pop_due(now)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.silence.next()
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a starting point for virtual time")]
mod tests {
    use super::*;

    fn put(links: &mut Links, id: u64, peer: PeerId, opened_here: bool) -> Result<(), NoRoom> {
        links.insert(Instant::now(), LinkId(id), peer, opened_here, Path::Direct, false)
    }

    #[test]
    fn both_ends_prefer_the_pipe_that_the_smaller_id_opened_and_its_opener_retires_the_other() {
        let (mut a, mut b) = (PeerId::random(), PeerId::random());
        if b < a {
            std::mem::swap(&mut a, &mut b);
        }
        for by_a_first in [true, false] {
            let (mut at_a, mut at_b) = (Links::new(a), Links::new(b));
            let (by_a, by_b) = if by_a_first { (1, 2) } else { (2, 1) };
            for id in [1, 2] {
                put(&mut at_a, id, b, id == by_a).unwrap();
                put(&mut at_b, id, a, id == by_b).unwrap();
            }
            assert_eq!(at_a.preferred(&b), Some(LinkId(by_a)));
            assert_eq!(at_b.preferred(&a), Some(LinkId(by_a)));
            assert_eq!(at_a.superfluous(&b), []);
            assert_eq!(at_b.superfluous(&a), [LinkId(by_b)]);
            assert_eq!(at_b.superfluous(&a), [], "said once");
        }
    }

    #[test]
    fn of_two_pipes_of_one_opener_the_newer_counts() {
        let (me, peer) = (PeerId::random(), PeerId::random());
        let mut links = Links::new(me);
        put(&mut links, 1, peer, true).unwrap();
        put(&mut links, 2, peer, true).unwrap();
        assert_eq!(links.preferred(&peer), Some(LinkId(2)));
        links.remove(LinkId(2));
        assert_eq!(links.preferred(&peer), Some(LinkId(1)));
        links.remove(LinkId(1));
        assert_eq!(links.preferred(&peer), None);
    }

    #[test]
    fn a_peer_has_a_bounded_number_of_pipes_and_strangers_together_too() {
        let now = Instant::now();
        let mut links = Links::new(PeerId::random());
        let peer = PeerId::random();
        for id in 0..LINKS_PER_PEER_MAX as u64 {
            put(&mut links, id, peer, false).unwrap();
        }
        assert_eq!(put(&mut links, 99, peer, false), Err(NoRoom::Peer));
        let stranger = |links: &mut Links, id| {
            links.insert(now, LinkId(id), PeerId::random(), false, Path::Direct, true)
        };
        for id in 0..STRANGER_LINKS_MAX as u64 {
            stranger(&mut links, 100 + id).unwrap();
        }
        assert_eq!(stranger(&mut links, 999), Err(NoRoom::Strangers));
        assert_eq!(links.poll_timeout(), Some(now + STRANGER_SILENCE_MAX));
        assert_eq!(links.pop_silent(now + STRANGER_SILENCE_MAX), Some(LinkId(100)));
        assert!(stranger(&mut links, 1000).is_ok());
    }
}
