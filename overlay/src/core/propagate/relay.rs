//! Passing on what others signed: to whom it is not known to come otherwise, and asking for what did not come.
//!
//! Each neighbour gets a sender's messages until it says that another brings them ([`Frame::Prune`]); from then on it is
//! told what there is ([`Frame::Offer`]), and asks when nobody has brought it ([`Frame::Graft`]). What is left of the
//! links is a tree for each sender, and the rest of them its repair.

use std::collections::BTreeSet;
use std::time::Instant;

use libp2p::PeerId;

use super::state::Propagation;
use crate::limits::{
    PROPAGATE_FRAME_BYTES_MAX, PROPAGATE_GRAFTS_MAX, PROPAGATE_MEMBERS_MAX, PROPAGATE_OFFER_PERIOD,
    PROPAGATE_RELAY_BYTES, PROPAGATE_RELAY_BYTES_ALL, PROPAGATE_REPAIR_TIMEOUT,
};
use crate::protocol::propagate::{Frame, Parcel, Position};

impl Propagation {
    /// From now on signed parcels are passed on to these alone. Those that are new among them are told what there is,
    /// and ask for what they lack.
    pub(crate) fn relay_to(&mut self, near: BTreeSet<PeerId>) {
        for origin in self.origins.values_mut() {
            self.relay_to.difference(&near).for_each(|gone| origin.log.detach(gone));
        }
        for peer in near.difference(&self.relay_to) {
            if let Some(link) = self.links.get_mut(peer) {
                link.offered.clear();
            }
        }
        self.relay_to = near;
    }

    /// Bytes that each sender's log may have.
    pub(super) fn relay_share(&self) -> usize {
        (PROPAGATE_RELAY_BYTES_ALL / self.origins.len().max(1))
            .clamp(PROPAGATE_FRAME_BYTES_MAX, PROPAGATE_RELAY_BYTES)
    }

    /// Passes on what is in order now.
    pub(super) fn pass_on(&mut self, now: Instant, from: PeerId, passed: Vec<Parcel>) {
        let share = self.relay_share();
        for parcel in passed.into_iter().filter(Parcel::is_signed) {
            let Some(origin) = self.origins.get_mut(&parcel.sender) else { return };
            // Room was made for one; more of them come together where a gap closed, and can't wait for anybody.
            let stalled = origin.log.force_room(parcel.frame.len(), share);
            self.meters.propagate_stalled.add(stalled);
            // Who brings it has it.
            if origin.log.is_read_by(&from) {
                origin.log.detach(&from);
                if let Some(link) = self.links.get_mut(&from) {
                    link.offered.remove(&parcel.sender);
                }
            }
            origin.log.push(now, (parcel.first, parcel.end()), parcel.frame);
            for (peer, link) in &mut self.links {
                if origin.log.is_read_by(peer) {
                    link.mark(parcel.sender);
                    self.news = true;
                }
            }
        }
    }

    /// Asks a neighbour to bring this sender's messages no more, once.
    pub(super) fn prune(&mut self, from: PeerId, sender: PeerId) {
        let Some(link) = self.links.get_mut(&from) else { return };
        if self.origins.get_mut(&sender).is_some_and(|origin| !origin.pruned.insert(from)) {
            return;
        }
        link.say(&Frame::Prune { sender });
        self.news = true;
    }

    /// A neighbour gets this sender's messages from elsewhere.
    pub(crate) fn on_prune(&mut self, from: PeerId, sender: PeerId) {
        let (Some(origin), Some(link)) = (self.origins.get_mut(&sender), self.links.get_mut(&from)) else {
            return;
        };
        origin.log.detach(&from);
        // What it has not been sent yet it may not get from elsewhere either, and is told of.
        link.offered.remove(&sender);
    }

    /// A neighbour says what it has.
    pub(crate) fn on_offer(&mut self, now: Instant, from: PeerId, offered: &[Position]) {
        let mut unknown = Vec::new();
        for offer in offered.iter().take(PROPAGATE_MEMBERS_MAX) {
            match self.origins.get_mut(&offer.sender) {
                Some(origin) if origin.inbox.epoch == offer.epoch => {
                    if offer.next > origin.inbox.next {
                        origin.offers.insert(from, offer.next);
                        origin.offered_since.get_or_insert(now);
                    }
                }
                Some(origin) if origin.inbox.epoch > offer.epoch => {}
                _ => unknown.push(Frame::Graft(Position { next: 0, ..*offer })),
            }
        }
        let Some(link) = self.links.get_mut(&from) else { return };
        unknown.iter().take(PROPAGATE_GRAFTS_MAX / 4).for_each(|graft| link.say(graft));
        self.news |= !unknown.is_empty();
    }

    /// A neighbour asks for a sender's messages.
    pub(crate) fn on_graft(&mut self, now: Instant, from: PeerId, place: Position) {
        let Some(link) = self.links.get_mut(&from) else { return };
        link.grafts += 1;
        if link.grafts > PROPAGATE_GRAFTS_MAX {
            return self.meters.propagate_ignored.add(1);
        }
        link.mark(place.sender);
        self.news = true;
        match self.origins.get_mut(&place.sender) {
            Some(origin) if origin.inbox.epoch == place.epoch => origin.log.attach(now, from, place.next),
            Some(_) => {}
            None => self.send_again(now, from, place),
        }
    }

    /// Whether anything here waits for [`tick`](Self::tick).
    pub(crate) fn needs_tick(&self) -> bool {
        !self.origins.is_empty() && !self.relay_to.is_empty()
    }

    /// Every [`PROPAGATE_OFFER_PERIOD`]: asks for what did not come, gives up what can't be had, says what there is. One
    /// look at all senders and links.
    pub(crate) fn tick(&mut self, now: Instant) {
        self.links.values_mut().for_each(|link| link.grafts = 0);
        let senders: Vec<PeerId> = self.origins.keys().copied().collect();
        for sender in senders {
            self.ask_for(now, sender);
        }
        let spoke: Vec<_> = self.origins.iter().filter(|(_, origin)| !origin.log.is_empty()).collect();
        for (peer, link) in self.links.iter_mut().filter(|(peer, _)| self.relay_to.contains(peer)) {
            let mut offer = Vec::new();
            for (sender, origin) in spoke.iter().filter(|(sender, _)| *sender != peer) {
                let next = origin.log.next();
                let told = link.offered.get(sender).copied().unwrap_or(0);
                if !origin.log.is_read_by(peer) && next > told && offer.len() < PROPAGATE_MEMBERS_MAX {
                    offer.push(Position { sender: **sender, epoch: origin.inbox.epoch, next });
                    link.offered.insert(**sender, next);
                }
            }
            if !offer.is_empty() {
                link.say(&Frame::Offer(offer));
                self.news = true;
            }
        }
    }

    /// Asks the next who has more of this sender, when it is time.
    fn ask_for(&mut self, now: Instant, sender: PeerId) {
        let Some(origin) = self.origins.get_mut(&sender) else { return };
        let waited = |since: Option<Instant>, limit| {
            since.is_some_and(|since| now.saturating_duration_since(since) >= limit)
        };
        if waited(origin.inbox.gap_since, PROPAGATE_REPAIR_TIMEOUT) {
            return self.give_up(now, sender);
        }
        let next = origin.inbox.next;
        origin.offers.retain(|_, offered| *offered > next);
        if origin.offers.is_empty() {
            origin.offered_since = None;
            return;
        }
        if !waited(origin.offered_since, PROPAGATE_OFFER_PERIOD) {
            return;
        }
        let asked = origin.offers.keys().find(|peer| self.links.contains_key(peer)).copied();
        let Some(asked) = asked else { return };
        origin.offers.remove(&asked);
        origin.offered_since = Some(now);
        origin.pruned.remove(&asked);
        let place = Position { sender, epoch: origin.inbox.epoch, next };
        if let Some(link) = self.links.get_mut(&asked) {
            link.say(&Frame::Graft(place));
            self.news = true;
        }
    }
}
