//! Presence of buddies (RFC 2778 `WATCHER`; paper §3.2): PINGs when they are due, what answers and losses mean, and who
//! is dialed when.

use std::collections::btree_map::Entry;
use std::time::{Duration, Instant};

use overlay::{PeerId, Reached};

use super::core::Core;
use super::input::{Effect, LinkId, Moment, Order};
use super::{Answer, Counter};
use crate::buddy::Contact;
use crate::error::{CommandError, ErrorCode};
use crate::limits::REDIAL_DEADLINE;
use crate::presence::{Path, Tick};
use crate::status::{Presence, Status};

impl Core {
    /// Does what is due.
    pub(super) fn pass_time(&mut self, now: Instant) {
        while let Some(tick) = self.poller.pop(now) {
            match tick {
                Tick::Due { peer, due } => self.ping(now, due, peer),
                Tick::Silent(peer) => self.offline(now, &peer),
            }
        }
        while let Some(link) = self.links.pop_silent(now) {
            self.counters.count(Counter::StrangersRefused);
            self.order(link, Order::Close);
        }
        let (over, waiting) =
            std::mem::take(&mut self.fetches).into_iter().partition(|fetch| fetch.until <= now);
        self.fetches = waiting;
        self.answer_fetches(now, over);
        self.pump_dials(now);
    }

    /// Hands out the dials that may run.
    pub(super) fn pump_dials(&mut self, now: Instant) {
        while let Some((peer, deadline)) = self.dials.pop(now) {
            let addresses = self.buddies.get(&peer).map(|buddy| buddy.addresses.clone()).unwrap_or_default();
            self.push(Effect::Dial { peer, addresses, deadline });
        }
    }

    /// A PONG came. Only one that was asked for carries a round trip, but each is a sign of life.
    pub(super) fn pong(&mut self, at: Moment, link: LinkId, presence: Presence, rtt: Option<Duration>) {
        self.counters.count(if rtt.is_some() { Counter::PongsReceived } else { Counter::PongsUnasked });
        let Some((peer, path)) = self.links.get(link).map(|link| (link.peer, link.path)) else { return };
        if self.buddies.contact(&peer) == Some(Contact::Accepted) {
            self.poller.answered(&peer);
            self.told(at, peer, path, presence, rtt);
        }
    }

    /// A buddy said how it is.
    pub(super) fn told(
        &mut self,
        at: Moment,
        peer: PeerId,
        path: Path,
        presence: Presence,
        rtt: Option<Duration>,
    ) {
        if self.roster.told(at.now, peer, presence, path, rtt) {
            self.say_presence(at.now, &peer);
        }
        let (answered, waiting) =
            std::mem::take(&mut self.fetches).into_iter().partition(|fetch| fetch.peer == peer);
        self.fetches = waiting;
        self.answer_fetches(at.now, answered);
        self.pump_outbox(at, &peer);
    }

    /// A buddy is gone by its own word: offline at once, dialed again in a period.
    pub(super) fn lost(&mut self, at: Moment, peer: &PeerId) {
        self.offline(at.now, peer);
    }

    /// A pipe is no more: if it was the last one, its peer is dialed once at once.
    pub(super) fn link_down(&mut self, at: Moment, link: LinkId) {
        let Some(peer) = self.links.remove(link).map(|link| link.peer) else { return };
        if let Some(outbox) = self.outboxes.get_mut(&peer) {
            outbox.link_lost(link);
        }
        self.pump_outbox(at, &peer);
        if self.links.preferred(&peer).is_some()
            || !self.buddies.contact(&peer).is_some_and(Contact::is_dialed)
        {
            return;
        }
        if self.roster.status(&peer) == Status::Offline {
            self.dials.plan(peer, at.now + self.own.ping_period);
        } else {
            self.dials.dial(at.now, peer, REDIAL_DEADLINE);
        }
    }

    /// A dial ended; one that failed means offline, and the next comes in a period.
    pub(super) fn dial_ended(&mut self, at: Moment, peer: PeerId, reached: bool, took: Reached) {
        self.dials.ended(&peer);
        if self.links.preferred(&peer).is_some() {
            return;
        }
        // A pipe that was reached may be lost again by now.
        if !reached {
            self.counters.count(Counter::DialsFailed);
        }
        if let Some(due) = self.waiting_pings.remove(&peer) {
            self.unreachable(peer, due, Some(took));
        }
        self.offline(at.now, &peer);
        self.answer_fetches_of(at.now, &peer);
        if self.buddies.contact(&peer).is_some_and(Contact::is_dialed) {
            self.dials.plan(peer, at.now + self.own.ping_period);
        }
    }

    /// Dials a peer to which there is no pipe.
    pub(super) fn dial_unless_linked(&mut self, now: Instant, peer: &PeerId, deadline: Duration) {
        if self.links.preferred(peer).is_none() {
            self.dials.dial(now, *peer, deadline);
        }
    }

    /// Looks at a peer no more.
    pub(super) fn unwatch(&mut self, peer: &PeerId) {
        self.poller.unwatch(peer);
        self.waiting_pings.remove(peer);
        self.roster.forget(peer);
        self.dials.cancel(peer);
    }

    fn ping(&mut self, now: Instant, due: Instant, peer: PeerId) {
        match self.links.preferred(&peer) {
            Some(link) => {
                self.poller.sent(now, &peer);
                self.counters.count(Counter::PingsSent);
                self.order(link, Order::Ping { due });
            }
            None => {
                if !self.dials.is_dialing(&peer) {
                    self.dials.plan(peer, now);
                }
                // Its wait is part of what it measures; those that are due meanwhile find nobody to be sent to.
                match self.waiting_pings.entry(peer) {
                    Entry::Vacant(place) => {
                        place.insert(due);
                    }
                    Entry::Occupied(_) => self.unreachable(peer, due, None),
                }
            }
        }
    }

    /// A pipe to a buddy is there: the PING that waits for it is sent; one that was never PINGed is due since the pipe
    /// was wanted.
    pub(super) fn reached(&mut self, now: Instant, peer: &PeerId) {
        match self.waiting_pings.remove(peer) {
            Some(due) => self.ping(now, due, *peer),
            None => self.poller.reached(self.dials.since(peer).unwrap_or(now), peer),
        }
    }

    fn unreachable(&mut self, peer: PeerId, due: Instant, took: Option<Reached>) {
        self.counters.count(Counter::PingsUnreachable);
        self.push(Effect::Unreachable { peer, due, took });
    }

    fn offline(&mut self, now: Instant, peer: &PeerId) {
        if self.roster.lost(now, *peer) {
            self.say_presence(now, peer);
        }
    }

    /// All that will be learned of this peer now is known.
    fn answer_fetches_of(&mut self, now: Instant, peer: &PeerId) {
        let (answered, waiting) =
            std::mem::take(&mut self.fetches).into_iter().partition(|fetch| fetch.peer == *peer);
        self.fetches = waiting;
        self.answer_fetches(now, answered);
    }

    fn answer_fetches(&mut self, now: Instant, fetches: Vec<super::core::Fetch>) {
        for fetch in fetches {
            let Some(buddy) = self.buddies.get(&fetch.peer).cloned() else {
                let gone = CommandError::of_field(
                    ErrorCode::UnknownBuddy,
                    "buddy",
                    "the buddy was removed meanwhile",
                );
                self.reply(fetch.ticket, Err(gone));
                continue;
            };
            let mut seen = self.seen(now, &buddy);
            if fetch.until <= now {
                seen.sight.source = crate::presence::Source::Cache;
            }
            self.reply(fetch.ticket, Ok(Answer::Presence(seen)));
        }
    }
}
