//! The closed groups that a rendezvous serves: who has proven a place in which, until when, and who was revoked.
//!
//! In: proofs that members show, departures, the passing of time. Out: places, those that have ended, news of
//! revocations for members. A rendezvous is no member: it learns what a group is made of from who enters it. Bounds:
//! [`CLOSED_GROUPS_MAX`] groups, [`PLACES_PER_PEER_MAX`] places of one peer, [`LISTS_BYTES_MAX`] of lists,
//! [`NEWS_MAX`] news. A group without places is remembered, for its list, until room is needed. Pure: the caller supplies
//! both clocks.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use overlay::credential::{RevocationList, VerifiedChain, verify_chain};
use overlay::protocol::closed::RevocationNews;
use overlay::{Deadlines, Genesis, GroupId, PeerId, RefuseReason};

use crate::limits::{CLOSED_GROUPS_MAX, LISTS_BYTES_MAX, NEWS_MAX, PLACES_PER_PEER_MAX};

/// Places of peers in closed groups.
#[derive(Debug, Default)]
pub struct ClosedGroups {
    groups: HashMap<GroupId, Served>,
    /// Groups in which nobody has a place, the one left longest ago first.
    idle: Deadlines<GroupId>,
    /// When each place ends.
    ends: Deadlines<(PeerId, GroupId)>,
    /// The groups of each peer.
    of_peer: HashMap<PeerId, HashSet<GroupId>>,
    list_bytes: usize,
    ended: Vec<(PeerId, GroupId)>,
    news: VecDeque<News>,
    news_dropped: usize,
}

/// What members of a group are to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// The newest list.
    pub news: RevocationNews,
    /// Who has a place, or has just lost it by this.
    pub members: Vec<PeerId>,
}

/// What somebody shows who enters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Papers {
    /// What the group is made of.
    pub genesis: Genesis,
    /// From the authority to the peer.
    pub chain: Vec<Bytes>,
    /// The newest signed list that the peer knows.
    pub revocations: Bytes,
}

/// A group that is served.
#[derive(Debug)]
struct Served {
    revoked: RevocationList,
    /// Whom each place rests on: the member, and the issuer before it.
    places: HashMap<PeerId, Vec<PeerId>>,
}

impl ClosedGroups {
    /// Gives `peer` a place for what it shows, until that ends, or prolongs it; the newest list comes back. `now_s` is in
    /// seconds since 1970. Costs at most three signature checks; O(members) when the list is newer.
    ///
    /// # Errors
    /// [`RefuseReason::NotMember`], whatever is wrong; then the place it had ends. [`RefuseReason::Full`] for a member for
    /// whom there is no room.
    pub fn enter(
        &mut self,
        now: Instant,
        now_s: u64,
        peer: PeerId,
        papers: Papers,
    ) -> Result<RevocationNews, RefuseReason> {
        let group = papers.genesis.id();
        let verified = self.verify(&group, now_s, &peer, &papers);
        let Ok((place, list)) = verified else {
            // What the authority has signed counts, whoever brings it.
            if let (Err(Some(list)), true) = (verified, self.groups.contains_key(&group)) {
                self.learn(now, group, list);
            }
            self.leave(now, &peer, &group);
            return Err(RefuseReason::NotMember);
        };
        let fresh = !self.has_place(&peer, &group);
        if fresh {
            self.make_room(&peer, &group)?;
        }
        if let Some(list) = list {
            self.learn(now, group, list);
        }
        let served = self.groups.entry(group).or_insert_with(Served::new);
        served.places.insert(peer, place.peers);
        self.idle.remove(&group);
        self.of_peer.entry(peer).or_default().insert(group);
        self.ends.set((peer, group), now + Duration::from_secs(place.until.saturating_sub(now_s)));
        Ok(RevocationNews { group, revocations: served.revoked.to_bytes(), fresh })
    }

    /// Whether `peer` has a place in `group`.
    #[must_use]
    pub fn has_place(&self, peer: &PeerId, group: &GroupId) -> bool {
        self.of_peer.get(peer).is_some_and(|groups| groups.contains(group))
    }

    /// Ends the place of `peer` in `group`, if it has one.
    pub fn leave(&mut self, now: Instant, peer: &PeerId, group: &GroupId) {
        self.ends.remove(&(*peer, *group));
        let Some(groups) = self.of_peer.get_mut(peer) else { return };
        if !groups.remove(group) {
            return;
        }
        if groups.is_empty() {
            self.of_peer.remove(peer);
        }
        if let Some(served) = self.groups.get_mut(group) {
            served.places.remove(peer);
            if served.places.is_empty() {
                self.idle.set(*group, now);
            }
        }
        self.ended.push((*peer, *group));
    }

    /// Ends all places of `peer`, whose lease has ended.
    pub fn remove_peer(&mut self, now: Instant, peer: &PeerId) {
        let groups: Vec<_> = self.of_peer.get(peer).into_iter().flatten().copied().collect();
        groups.iter().for_each(|group| self.leave(now, peer, group));
    }

    /// Ends the places whose credentials have.
    pub fn expire(&mut self, now: Instant) {
        while let Some((peer, group)) = self.ends.pop_due(now) {
            self.leave(now, &peer, &group);
        }
    }

    /// When [`Self::expire`] has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.ends.next()
    }

    /// A place that has ended, each once: what its peer published in the group must go.
    pub fn poll_ended(&mut self) -> Option<(PeerId, GroupId)> {
        self.ended.pop()
    }

    /// What members must be told, each once.
    pub fn poll_news(&mut self) -> Option<News> {
        self.news.pop_front()
    }

    /// How many news were left out since the last call, because too many waited.
    pub fn take_dropped(&mut self) -> usize {
        std::mem::take(&mut self.news_dropped)
    }

    /// Groups that are served or remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Places in all.
    #[must_use]
    pub fn places(&self) -> usize {
        self.ends.len()
    }

    /// The place that the papers give, and the list among them if it is newer than the one known; without a place, that
    /// list alone. A list that is known already costs nothing.
    fn verify(
        &self,
        group: &GroupId,
        now_s: u64,
        peer: &PeerId,
        papers: &Papers,
    ) -> Result<(VerifiedChain, Option<RevocationList>), Option<RevocationList>> {
        let none = RevocationList::default();
        let known = self.groups.get(group).map_or(&none, |served| &served.revoked);
        let newer = if known.to_bytes() == papers.revocations {
            None
        } else {
            let shown = RevocationList::from_bytes(papers.revocations.clone(), &papers.genesis);
            Some(shown.map_err(|_| None)?).filter(|shown| shown.number() > known.number())
        };
        let revoked = newer.as_ref().unwrap_or(known);
        match verify_chain(&papers.chain, &papers.genesis, peer, now_s, revoked) {
            Ok(place) => Ok((place, newer)),
            Err(_) => Err(newer),
        }
    }

    /// Takes in a newer list: ends the places that it revokes, and has the members told.
    fn learn(&mut self, now: Instant, group: GroupId, list: RevocationList) {
        let served = self.groups.entry(group).or_insert_with(Served::new);
        self.list_bytes =
            (self.list_bytes + list.to_bytes().len()).saturating_sub(served.revoked.to_bytes().len());
        served.revoked = list;
        let members: Vec<_> = served.places.keys().copied().collect();
        let revoked: Vec<_> = served
            .places
            .iter()
            .filter(|(_, rests_on)| rests_on.iter().any(|peer| served.revoked.contains(peer)))
            .map(|(peer, _)| *peer)
            .collect();
        let news = RevocationNews { group, revocations: served.revoked.to_bytes(), fresh: false };
        if served.places.is_empty() {
            self.idle.set(group, now);
        }
        revoked.iter().for_each(|peer| self.leave(now, peer, &group));
        if self.news.len() >= NEWS_MAX {
            self.news_dropped += 1;
        } else if !members.is_empty() {
            self.news.push_back(News { news, members });
        }
        while self.list_bytes > LISTS_BYTES_MAX && self.forget_longest(now, &group) {}
    }

    /// Room for one more place; idle groups go first.
    fn make_room(&mut self, peer: &PeerId, group: &GroupId) -> Result<(), RefuseReason> {
        if self.of_peer.get(peer).is_some_and(|groups| groups.len() >= PLACES_PER_PEER_MAX) {
            return Err(RefuseReason::Full);
        }
        while self.groups.len() >= CLOSED_GROUPS_MAX && !self.groups.contains_key(group) {
            let oldest = self.idle.first().copied().ok_or(RefuseReason::Full)?;
            self.forget(&oldest);
        }
        Ok(())
    }

    /// Forgets the group with the longest list but `group`, idle ones first: who fills the lists loses first, and a
    /// group that is forgotten is not served until somebody enters it anew. O(groups), only beyond a bound.
    fn forget_longest(&mut self, now: Instant, group: &GroupId) -> bool {
        let has_list = |served: &Served| !served.revoked.to_bytes().is_empty();
        let others = self.groups.iter().filter(|(other, served)| *other != group && has_list(served));
        let longest =
            others.max_by_key(|(_, served)| (served.places.is_empty(), served.revoked.to_bytes().len()));
        let Some((longest, served)) = longest.map(|(id, served)| (*id, served)) else { return false };
        let members: Vec<_> = served.places.keys().copied().collect();
        members.iter().for_each(|peer| self.leave(now, peer, &longest));
        self.forget(&longest);
        true
    }

    fn forget(&mut self, group: &GroupId) {
        self.idle.remove(group);
        if let Some(served) = self.groups.remove(group) {
            self.list_bytes = self.list_bytes.saturating_sub(served.revoked.to_bytes().len());
        }
    }
}

impl Served {
    fn new() -> Self {
        Self { revoked: RevocationList::default(), places: HashMap::new() }
    }
}

#[cfg(test)]
mod tests;
