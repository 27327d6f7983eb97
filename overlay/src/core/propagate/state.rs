//! One member of a propagate pipe: its own log, what it has of others, its links, and what its application is given.
//!
//! In: own messages, links that come and go, frames. Out: frames for each link ([`take`](Propagation::take)), deliveries
//! ([`deliver`](Propagation::deliver)). Unsigned parcels count from their sender alone; signed ones are passed on to
//! who is near (`relay`), by each member only after it has verified them, so that a forgery convicts who brings it.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use libp2p::PeerId;

use super::inbox::{Delivery, Inbox, Taken};
use super::log::Log;
use super::roster::Roster;
use crate::limits::{
    PROPAGATE_HISTORY_BYTES, PROPAGATE_MEMBERS_MAX, PROPAGATE_READY_BYTES, PROPAGATE_SETTLE,
};
use crate::meters::{Meters, Traffic};
use crate::protocol::propagate::{Frame, Parcel, Position};

/// Something that no honest member sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Breach;

/// The state of one member of one pipe.
#[derive(Debug)]
pub(crate) struct Propagation {
    pub(super) me: PeerId,
    pub(super) epoch: u64,
    pub(super) started: Instant,
    pub(super) own: Log,
    pub(super) origins: HashMap<PeerId, Origin>,
    pub(super) links: BTreeMap<PeerId, Link>,
    /// Whom signed parcels are passed on to.
    pub(super) relay_to: BTreeSet<PeerId>,
    /// Who was told last of all members once more.
    pub(super) told_again: Option<PeerId>,
    pub(crate) roster: Roster,
    ready: VecDeque<Delivery>,
    ready_bytes: usize,
    partial_all: usize,
    pub(super) meters: Arc<Meters>,
    /// What the pipe's group carries here.
    pub(super) traffic: Arc<Traffic>,
    /// Whether some link has got something to send.
    pub(super) news: bool,
}

/// What is known of another sender.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) inbox: Inbox,
    /// Its signed parcels, to pass on.
    pub(super) log: Log,
    /// Who brought the last one.
    pub(super) provider: Option<PeerId>,
    /// Who has more than this member, and up to which number.
    pub(super) offers: BTreeMap<PeerId, u64>,
    /// Since when there are offers of what is not here.
    pub(super) offered_since: Option<Instant>,
    /// Neighbours that were asked not to send it.
    pub(super) pruned: BTreeSet<PeerId>,
    heard: Instant,
}

/// A link that this member sends on.
#[derive(Debug, Default)]
pub(super) struct Link {
    pub(super) control: VecDeque<Bytes>,
    pub(super) told: u64,
    /// Senders with something to take; this member itself is among them as any other.
    pub(super) dirty: VecDeque<PeerId>,
    /// How far it was told this member is with senders that it does not get from here.
    pub(super) offered: HashMap<PeerId, u64>,
    pub(super) grafts: usize,
    pub(super) closing: bool,
    pub(super) leaving: bool,
}

impl Link {
    pub(super) fn mark(&mut self, sender: PeerId) {
        if !self.dirty.contains(&sender) {
            self.dirty.push_back(sender);
        }
    }

    /// Puts a frame before all messages. Beyond a bound the oldest goes: each says how things stand.
    pub(super) fn say(&mut self, frame: &Frame) {
        if let Ok(bytes) = frame.encode() {
            if self.control.len() >= CONTROL_FRAMES_MAX {
                self.control.pop_front();
            }
            self.control.push_back(bytes);
        }
    }
}

impl Propagation {
    /// The state of `me` since this start.
    pub(crate) fn new(
        now: Instant,
        (me, epoch): (PeerId, u64),
        meters: Arc<Meters>,
        traffic: Arc<Traffic>,
    ) -> Self {
        Self {
            me,
            epoch,
            started: now,
            own: Log::new(0),
            origins: HashMap::new(),
            links: BTreeMap::new(),
            relay_to: BTreeSet::new(),
            told_again: None,
            roster: Roster::default(),
            ready: VecDeque::new(),
            ready_bytes: 0,
            partial_all: 0,
            meters,
            traffic,
            news: false,
        }
    }

    /// Makes room for an own frame: where its numbers begin.
    ///
    /// # Errors
    /// When to try again, at the latest.
    pub(crate) fn reserve(&mut self, now: Instant, len: usize) -> Result<(u64, u64), Instant> {
        let stalled = self.own.make_room(now, len, PROPAGATE_HISTORY_BYTES)?;
        self.meters.propagate_stalled.add(stalled);
        Ok((self.epoch, self.own.next()))
    }

    /// Sends an own parcel, for which there is room.
    pub(crate) fn send(&mut self, now: Instant, parcel: &Parcel) {
        self.own.push(now, (parcel.first, parcel.end()), parcel.frame.clone());
        let me = self.me;
        self.links.values_mut().for_each(|link| link.mark(me));
        self.news = true;
    }

    /// Whether any link has got something to send since this was asked last.
    pub(crate) fn has_news(&mut self) -> bool {
        std::mem::take(&mut self.news)
    }

    /// Whether all members that are not stalled have taken what this one sent.
    pub(crate) fn is_taken(&self) -> bool {
        self.own.is_taken() && self.links.values().all(|link| link.control.is_empty())
    }

    /// Room for passing a parcel on.
    ///
    /// # Errors
    /// When to try again, at the latest.
    pub(crate) fn make_room_for(&mut self, now: Instant, parcel: &Parcel) -> Result<(), Instant> {
        let share = self.relay_share();
        let Some(origin) = self.origins.get_mut(&parcel.sender).filter(|_| parcel.is_signed()) else {
            return Ok(());
        };
        let stalled = origin.log.make_room(now, parcel.frame.len(), share)?;
        self.meters.propagate_stalled.add(stalled);
        Ok(())
    }

    /// Whether just this signed parcel is here already, so that its signature has been checked.
    pub(crate) fn has(&self, parcel: &Parcel) -> bool {
        self.compare(parcel) == Some(true)
    }

    /// Whether a signed parcel is the same as what is here in its place.
    fn compare(&self, parcel: &Parcel) -> Option<bool> {
        let same_start = |origin: &&Origin| parcel.is_signed() && origin.inbox.epoch == parcel.epoch;
        let origin = self.origins.get(&parcel.sender).filter(same_start)?;
        origin.log.compare(parcel).or_else(|| origin.inbox.compare(parcel))
    }

    /// A parcel that `from` brought; `genuine` says that its sender signed it.
    ///
    /// # Errors
    /// [`Breach`] for one that somebody else made.
    pub(crate) fn on_parcel(
        &mut self,
        now: Instant,
        from: PeerId,
        parcel: Parcel,
        genuine: bool,
    ) -> Result<(), Breach> {
        let sender = parcel.sender;
        if !genuine && (parcel.is_signed() || sender != from) {
            return Err(Breach);
        }
        if sender == self.me {
            self.prune(from, sender);
            return Ok(());
        }
        if self.compare(&parcel) == Some(false) {
            // Its sender signed two under one number: what came first counts here.
            self.meters.propagate_equivocations.add(1);
            return Ok(());
        }
        let settling = now.saturating_duration_since(self.started) < PROPAGATE_SETTLE;
        let next = if settling { parcel.first } else { 0 };
        self.begin(now, Position { sender, epoch: parcel.epoch, next }, false);
        let (mut ready, mut passed) = (Vec::new(), Vec::new());
        let Some(origin) = self.origins.get_mut(&sender) else { return Ok(()) };
        if origin.inbox.epoch != parcel.epoch {
            self.meters.propagate_duplicates.add(1);
            return Ok(());
        }
        origin.heard = now;
        if !parcel.is_signed() {
            // What the sender itself leaves out, it has no more, and nobody else has it.
            let out = (&mut ready, &mut passed);
            origin.inbox.lost_before(now, parcel.first, &mut self.partial_all, out);
        }
        let end = parcel.end();
        let taken = origin.inbox.take(now, parcel, &mut self.partial_all, (&mut ready, &mut passed));
        match taken {
            Taken::Fresh => origin.provider = Some(from),
            Taken::Held => {}
            Taken::NoRoom => {
                // Who brought it has it, and is asked for it once there is room.
                origin.offers.insert(from, end);
                origin.offered_since.get_or_insert(now);
            }
            Taken::Duplicate => {
                self.meters.propagate_duplicates.add(1);
                let other = if from == sender {
                    origin.provider.filter(|known| *known != sender)
                } else {
                    Some(from)
                };
                other.into_iter().for_each(|other| self.prune(other, sender));
            }
        }
        self.pass_on(now, from, passed);
        self.make_ready(ready);
        Ok(())
    }

    /// A neighbour is told of this member's delay.
    pub(crate) fn on_lag(&mut self, from: PeerId, behind: u64) {
        self.make_ready(vec![Delivery::Lagging { from, behind }]);
    }

    /// Stops waiting for what is missing of a sender.
    pub(super) fn give_up(&mut self, now: Instant, sender: PeerId) {
        let (mut ready, mut passed) = (Vec::new(), Vec::new());
        let Some(origin) = self.origins.get_mut(&sender) else { return };
        origin.inbox.give_up(now, &mut self.partial_all, (&mut ready, &mut passed));
        self.pass_on(now, sender, passed);
        self.make_ready(ready);
    }

    fn make_ready(&mut self, ready: Vec<Delivery>) {
        for delivery in ready {
            if let Delivery::Missed { count, .. } = &delivery {
                self.meters.propagate_missed.add(*count);
            }
            self.ready_bytes += cost(&delivery);
            self.ready.push_back(delivery);
        }
    }

    /// Whether the application is behind, so that reading must wait.
    pub(crate) fn is_full(&self) -> bool {
        self.ready_bytes >= PROPAGATE_READY_BYTES
    }

    /// Hands out all that is ready.
    pub(crate) fn deliver(&mut self) -> VecDeque<Delivery> {
        self.ready_bytes = 0;
        std::mem::take(&mut self.ready)
    }

    /// From now on this sender counts, from there on, unless it is known already; a later start of it takes the place of
    /// an earlier one.
    pub(super) fn begin(&mut self, now: Instant, from: Position, hearsay: bool) {
        let Position { sender, epoch, next } = from;
        let known = self.origins.get(&sender).map(|origin| origin.inbox.epoch);
        if sender == self.me || known.is_some_and(|known| known >= epoch || hearsay) {
            return;
        }
        match known {
            None if self.origins.len() >= PROPAGATE_MEMBERS_MAX => {
                // One look at all, when there is no room: the one that was quiet longest goes.
                let oldest =
                    self.origins.iter().min_by_key(|(_, origin)| origin.heard).map(|(peer, _)| *peer);
                oldest.into_iter().for_each(|oldest| self.forget(&oldest));
                self.meters.propagate_ignored.add(1);
            }
            _ => self.forget(&sender),
        }
        let inbox = Inbox::new(sender, epoch, next, hearsay);
        let mut origin = Origin {
            inbox,
            log: Log::new(next),
            provider: None,
            offers: BTreeMap::new(),
            offered_since: None,
            pruned: BTreeSet::new(),
            heard: now,
        };
        let links = self.links.keys().filter(|peer| self.relay_to.contains(peer) && **peer != sender);
        links.for_each(|peer| origin.log.attach(now, *peer, next));
        self.origins.insert(sender, origin);
    }

    fn forget(&mut self, sender: &PeerId) {
        if let Some(mut origin) = self.origins.remove(sender) {
            origin.inbox.forget_partial(&mut self.partial_all);
        }
    }

    /// Sends the own messages to `peer` again from a place on.
    pub(super) fn send_again(&mut self, now: Instant, peer: PeerId, from: Position) {
        if from.sender == self.me && from.epoch == self.epoch {
            self.own.attach(now, peer, from.next);
        }
    }
}

fn cost(delivery: &Delivery) -> usize {
    match delivery {
        Delivery::Message { body, .. } => body.len() + size_of::<Delivery>(),
        _ => size_of::<Delivery>(),
    }
}

/// Frames that wait on a link beside messages: requests, and offers.
const CONTROL_FRAMES_MAX: usize = 1024;
