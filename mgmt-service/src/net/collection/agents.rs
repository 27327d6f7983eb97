//! The agents that a collection has found, and what it remembers of each.
//!
//! In: what each look for agents finds. Out: which of them to follow. Pure. At most `AGENTS_MAX` are known; one that is
//! gone makes room for one that is there. Of up to `AGENTS_REMEMBERED_MAX` it is known how far they have delivered.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use overlay::PeerId;

use crate::access::unknown_peer;
use crate::limits::{AGENTS_MAX, AGENTS_REMEMBERED_MAX};
use crate::net::contested::{claim, contested};
use crate::net::manager::AgentInfo;
use crate::subscription::Inbox;

#[derive(Debug, Default)]
pub(super) struct Agents {
    /// As last advertised, at most `AGENTS_MAX`.
    known: HashMap<PeerId, AgentInfo>,
    /// Those whose claim to a pseudonym is not believed: another one that is there claims the same; of who is gone, also one
    /// that is gone.
    contested: HashSet<PeerId>,
    /// What each has delivered. Outlives its task, so that one that comes back goes on where it was.
    pub(super) inboxes: HashMap<PeerId, Inbox>,
    /// Which have delivered something to this collection.
    pub(super) delivered: HashSet<PeerId>,
    /// How many of those are not remembered any more; one that comes back counts again.
    delivered_forgotten: u64,
    /// Records that agents had lost before this collection began.
    pub(super) dropped_before: u64,
    /// Records that agents had lost which are not remembered any more.
    dropped_forgotten: u64,
    /// The boot and the number of what the monitors of each said last.
    pub(super) heard: HashMap<PeerId, (u64, u64)>,
    /// Since when there is no pipe to each that had one.
    pub(super) left_at: HashMap<PeerId, Instant>,
    /// To which there is one.
    pub(super) reached: HashSet<PeerId>,
}

impl Agents {
    /// Notes what the agents that a look found say of themselves; those that have no room, since all others are there too
    /// or followed.
    pub(super) fn remember(
        &mut self,
        found: &[AgentInfo],
        is_followed: impl Fn(&PeerId) -> bool,
    ) -> HashSet<PeerId> {
        let there: HashSet<PeerId> = found.iter().map(|agent| agent.peer).collect();
        let gone = self.known.keys().filter(|peer| !there.contains(peer) && !is_followed(peer));
        let mut gone: Vec<PeerId> = gone.copied().collect();
        // The one that was never reached, or is away longest, goes first: it stands last.
        gone.sort_by_key(|peer| std::cmp::Reverse(self.left_at.get(peer).copied()));
        let mut beyond = HashSet::new();
        for agent in found {
            if self.known.len() >= AGENTS_MAX && !self.known.contains_key(&agent.peer) {
                let Some(peer) = gone.pop() else {
                    beyond.insert(agent.peer);
                    continue;
                };
                self.forget(&peer);
            }
            self.known.insert(agent.peer, agent.clone());
        }
        // A claim that was made once does not make the rightful one unknown for ever.
        let is_there = |agent: &&AgentInfo| there.contains(&agent.peer) || is_followed(&agent.peer);
        let among_those_there = contested(self.known.values().filter(is_there));
        let among_all = contested(self.known.values());
        let is_contested = |agent: &&AgentInfo| {
            let among = if is_there(agent) { &among_those_there } else { &among_all };
            among.contains(&claim(agent))
        };
        self.contested = self.known.values().filter(is_contested).map(|agent| agent.peer).collect();
        beyond
    }

    fn forget(&mut self, peer: &PeerId) {
        self.known.remove(peer);
        if self.inboxes.len() < AGENTS_REMEMBERED_MAX {
            return;
        }
        let inbox = self.inboxes.remove(peer).unwrap_or_default();
        self.dropped_forgotten = self.dropped_forgotten.saturating_add(inbox.dropped());
        self.delivered_forgotten += u64::from(self.delivered.remove(peer));
        self.heard.remove(peer);
        self.left_at.remove(peer);
    }

    /// The pseudonym under which an agent is seen, if it has one.
    pub(super) fn pseudonym(&self, peer: &PeerId) -> Option<PeerId> {
        let agent = self.known.get(peer)?;
        if self.contested.contains(peer) { Some(unknown_peer()) } else { agent.pseudonym }
    }

    /// All that are known.
    pub(super) fn all_known(&self) -> Vec<AgentInfo> {
        let seen = |agent: &AgentInfo| AgentInfo { pseudonym: self.pseudonym(&agent.peer), ..agent.clone() };
        self.known.values().map(seen).collect()
    }

    /// Those to which there is a pipe.
    pub(super) fn all_reached(&self) -> Vec<AgentInfo> {
        let mut agents = self.all_known();
        agents.retain(|agent| self.reached.contains(&agent.peer));
        agents
    }

    /// How many claim the pseudonym of another.
    pub(super) fn contesting(&self) -> u64 {
        self.contested.len() as u64
    }

    /// How many have delivered something.
    pub(super) fn delivered(&self) -> u64 {
        self.delivered.len() as u64 + self.delivered_forgotten
    }

    /// Records that they lost, those before this collection included.
    pub(super) fn dropped(&self) -> u64 {
        self.inboxes.values().fold(self.dropped_forgotten, |sum, inbox| sum.saturating_add(inbox.dropped()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agents(count: usize) -> Vec<AgentInfo> {
        let agent = |_| AgentInfo {
            peer: PeerId::random(),
            name: "".into(),
            application: "".into(),
            pseudonym: None,
        };
        (0..count).map(agent).collect()
    }

    #[test]
    fn one_that_is_there_takes_the_place_of_one_that_is_gone() {
        let (mut known, first) = (Agents::default(), agents(AGENTS_MAX));
        assert!(known.remember(&first, |_| false).is_empty());
        let followed = first[7].peer;
        let second = agents(AGENTS_MAX);
        let beyond = known.remember(&second, |peer| *peer == followed);
        // Whoever is followed keeps its place.
        assert_eq!((beyond.len(), known.all_known().len()), (1, AGENTS_MAX));
        assert!(known.known.contains_key(&followed));
        // Who was in the look keeps its place too.
        let both = [second.clone(), agents(1)].concat();
        assert_eq!(known.remember(&both, |peer| *peer == followed).len(), 2);
    }

    #[test]
    fn a_claim_hides_its_victim_no_longer_than_its_maker_is_there() {
        let (mut known, mut found, claimed) = (Agents::default(), agents(2), PeerId::random());
        found.iter_mut().for_each(|agent| agent.pseudonym = Some(claimed));
        let (alice, thief) = (found[0].peer, found[1].peer);
        let mut seen = |found: &[AgentInfo], followed: &[PeerId]| {
            known.remember(found, |peer| followed.contains(peer));
            (known.pseudonym(&alice), known.pseudonym(&thief), known.contesting())
        };
        let unknown = Some(unknown_peer());
        assert_eq!(seen(&found, &[]), (unknown, unknown, 2));
        assert_eq!(seen(&found[..1], &[alice, thief]), (unknown, unknown, 2), "it may still deliver");
        assert_eq!(seen(&found[..1], &[alice]), (Some(claimed), unknown, 1));
        assert_eq!(seen(&found, &[alice]), (unknown, unknown, 2));
    }

    #[test]
    fn who_is_gone_is_known_and_not_reached() {
        let (mut known, found) = (Agents::default(), agents(400));
        assert!(known.remember(&found, |_| false).is_empty());
        known.reached.insert(found[7].peer);
        assert!(known.remember(&found[7..8], |_| false).is_empty());
        assert_eq!((known.all_known().len(), known.all_reached()), (400, found[7..8].to_vec()));
    }

    #[test]
    fn losses_of_who_is_forgotten_stay_in_the_sum() {
        let mut known = Agents::default();
        for _ in 0..=AGENTS_REMEMBERED_MAX / AGENTS_MAX {
            let found = agents(AGENTS_MAX);
            for agent in &found {
                known.inboxes.insert(agent.peer, Inbox::kept(1, 1, 1, 0));
                known.delivered.insert(agent.peer);
            }
            assert!(known.remember(&found, |_| false).is_empty());
        }
        let all = (AGENTS_REMEMBERED_MAX + AGENTS_MAX) as u64;
        assert_eq!((known.dropped(), known.delivered()), (all, all));
        assert!(known.inboxes.len() <= AGENTS_REMEMBERED_MAX + 1);
    }
}
