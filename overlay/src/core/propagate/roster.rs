//! Which members are known, and what each link has been told of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use libp2p::PeerId;

use crate::limits::{PROPAGATE_MEMBERS_MAX, PROPAGATE_TOLD_MAX};
use crate::protocol::propagate::Member;

/// The known members in the order in which they became known.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    entries: BTreeMap<u64, Member>,
    at: HashMap<PeerId, u64>,
    next: u64,
}

impl Roster {
    /// Whether this is news: a member that was not known, or not where it may be dialed. One more than
    /// [`PROPAGATE_MEMBERS_MAX`] is not taken in.
    pub(crate) fn learn(&mut self, member: Member) -> bool {
        if let Some(at) = self.at.get(&member.peer) {
            let known = self.entries.get(at).is_some_and(|known| !known.addresses.is_empty());
            if known || member.addresses.is_empty() {
                return false;
            }
            self.entries.remove(at);
        } else if self.at.len() >= PROPAGATE_MEMBERS_MAX {
            return false;
        }
        self.at.insert(member.peer, self.next);
        self.entries.insert(self.next, member);
        self.next += 1;
        true
    }

    /// Forgets a member: whether it was known.
    pub(crate) fn forget(&mut self, peer: &PeerId) -> bool {
        self.at.remove(peer).is_some_and(|at| self.entries.remove(&at).is_some())
    }

    /// All members.
    pub(crate) fn peers(&self) -> BTreeSet<PeerId> {
        self.at.keys().copied().collect()
    }

    /// A member.
    pub(crate) fn of(&self, peer: &PeerId) -> Option<&Member> {
        self.entries.get(self.at.get(peer)?)
    }

    /// Those that became known from `told` on, as many as one frame tells of; moves `told` on.
    pub(super) fn news(&self, told: &mut u64) -> Vec<Member> {
        let news: Vec<_> = self.entries.range(*told..).take(PROPAGATE_TOLD_MAX).collect();
        *told = news.last().map_or(self.next, |(at, _)| *at + 1);
        news.into_iter().map(|(_, member)| member.clone()).collect()
    }

    /// Whether anything became known from `told` on.
    pub(super) fn has_news(&self, told: u64) -> bool {
        told < self.next
    }
}
