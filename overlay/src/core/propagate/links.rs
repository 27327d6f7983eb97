//! The links of one member: how each begins, what it carries next, how it ends.

use std::ops::Bound;
use std::time::Instant;

use bytes::Bytes;
use libp2p::PeerId;

use super::inbox::Inbox;
use super::state::{Link, Origin, Propagation};
use crate::limits::{PROPAGATE_PARCEL_BYTES, PROPAGATE_SETTLE};
use crate::protocol::propagate::{Frame, Member, Position};

impl Propagation {
    /// Takes in what is told of members: whether any was not known.
    pub(crate) fn learn(&mut self, members: Vec<Member>) -> bool {
        let me = self.me;
        let mut any = false;
        for member in members.into_iter().filter(|member| member.peer != me) {
            any |= self.roster.learn(member);
        }
        self.news |= any;
        any
    }

    /// Tells one link after the other of all members once more, since somebody may have failed to reach one and
    /// forgotten it, and each of all that there is, since it may not have got what it asked for.
    pub(crate) fn tell_again(&mut self) {
        self.links.values_mut().for_each(|link| link.offered.clear());
        let after = self.told_again.map_or(Bound::Unbounded, Bound::Excluded);
        let next = self.links.range((after, Bound::Unbounded)).next().or_else(|| self.links.iter().next());
        self.told_again = next.map(|(peer, _)| *peer);
        if let Some(link) = self.told_again.and_then(|peer| self.links.get_mut(&peer)) {
            link.told = 0;
        }
        self.news = true;
    }

    /// The link to `peer` ends when all that was sent is taken.
    pub(crate) fn close_link(&mut self, peer: &PeerId) {
        if let Some(link) = self.links.get_mut(peer) {
            link.closing = true;
            self.news = true;
        }
    }

    /// This member leaves: each link says so and ends.
    pub(crate) fn leave(&mut self) {
        for link in self.links.values_mut().filter(|link| !link.closing) {
            (link.closing, link.leaving) = (true, true);
        }
        self.news = true;
    }

    /// Whether the link to `peer` is to end now that all is taken; what is said last.
    pub(crate) fn ends(&self, peer: &PeerId) -> Option<Vec<Bytes>> {
        let link = self.links.get(peer)?;
        link.closing
            .then(|| if link.leaving { Frame::Leave.encode().into_iter().collect() } else { Vec::new() })
    }

    /// Where this member is itself, then with others: what opens a link.
    pub(crate) fn hello(&self) -> (u64, u64, Vec<Position>) {
        (self.epoch, self.own.next(), self.positions())
    }

    /// A member opens a link to this one and says where it is: how far this one is with it and others.
    pub(crate) fn on_hello(
        &mut self,
        now: Instant,
        from: PeerId,
        (epoch, next): (u64, u64),
        told: &[Position],
    ) -> Vec<Position> {
        self.begin(now, Position { sender: from, epoch, next }, false);
        if now.saturating_duration_since(self.started) < PROPAGATE_SETTLE {
            told.iter().filter(|told| told.sender != from).for_each(|told| self.begin(now, *told, true));
        }
        for origin in self.origins.values_mut() {
            origin.pruned.remove(&from);
        }
        self.positions()
    }

    /// A link to `peer` is open; it said how far it is.
    pub(crate) fn link_up(&mut self, now: Instant, peer: PeerId, positions: &[Position]) {
        let of = |sender: PeerId, epoch: u64| {
            let known = positions.iter().find(|known| known.sender == sender && known.epoch == epoch);
            known.map(|known| known.next)
        };
        let mut link = Link::default();
        self.own.attach(now, peer, of(self.me, self.epoch).unwrap_or(self.own.next()));
        link.mark(self.me);
        if self.relay_to.contains(&peer) {
            for (sender, origin) in self.origins.iter_mut().filter(|(sender, _)| **sender != peer) {
                origin.log.attach(now, peer, of(*sender, origin.inbox.epoch).unwrap_or(0));
                link.mark(*sender);
            }
        }
        self.links.insert(peer, link);
        self.news = true;
    }

    /// The link to `peer` is gone.
    pub(crate) fn link_down(&mut self, now: Instant, peer: &PeerId) {
        self.links.remove(peer);
        self.own.away(now, peer);
        self.origins.values_mut().for_each(|origin| origin.log.detach(peer));
    }

    /// This member is no more.
    pub(crate) fn forget_member(&mut self, peer: &PeerId) {
        self.roster.forget(peer);
        if !self.links.contains_key(peer) {
            self.own.detach(peer);
        }
    }

    /// The link from `peer` is gone: what it brought must come from others.
    pub(crate) fn unheard(&mut self, now: Instant, peer: &PeerId) {
        for origin in self.origins.values_mut() {
            origin.offers.remove(peer);
            if origin.provider == Some(*peer) {
                origin.provider = None;
                origin.offered_since = Some(now);
            }
        }
    }

    /// Frames for the link to `peer`, about a parcel's bytes; none when there is nothing to send.
    pub(crate) fn take(&mut self, now: Instant, peer: &PeerId) -> Vec<Bytes> {
        let Some(link) = self.links.get_mut(peer) else { return Vec::new() };
        let mut frames: Vec<_> = link.control.drain(..).collect();
        if self.roster.has_news(link.told) {
            let news = self.roster.news(&mut link.told);
            frames.extend(Frame::Members(news).encode());
        }
        while let Some(sender) = link.dirty.pop_front() {
            let log = if sender == self.me {
                &mut self.own
            } else {
                let Some(origin) = self.origins.get_mut(&sender) else { continue };
                &mut origin.log
            };
            let at = frames.len();
            let (lag, all) = log.take(now, peer, &mut frames, PROPAGATE_PARCEL_BYTES);
            if sender != self.me {
                let passed = frames.get(at..).unwrap_or_default();
                self.traffic.forwarded(passed.len(), passed.iter().map(Bytes::len).sum());
            }
            if let Some(behind) = lag.filter(|_| sender == self.me) {
                frames.splice(at..at, Frame::Lag { behind }.encode());
            }
            if !all {
                link.dirty.push_back(sender);
                break;
            }
        }
        if !frames.is_empty() && self.roster.has_news(link.told) {
            link.mark(self.me);
        }
        frames
    }

    /// How far this member is with all others.
    fn positions(&self) -> Vec<Position> {
        let position = |(sender, origin): (&PeerId, &Origin)| {
            let Inbox { epoch, next, .. } = origin.inbox;
            Position { sender: *sender, epoch, next }
        };
        self.origins.iter().map(position).collect()
    }
}
