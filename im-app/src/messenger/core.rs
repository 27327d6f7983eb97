//! The core: who is known, who is how, what waits; and the way in and out.
//!
//! In: [`Input`]s. Out: [`Effect`]s. Pure: the caller supplies the [`Moment`]; `poll_timeout` says when to call again.
//! The rules stand beside this file, by subject: `commands`, `contacts`, `conversation`, `watching`.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use overlay::{Multiaddr, PeerId};

use super::dials::Dials;
use super::input::{Effect, Input, LinkId, Moment, Order, Ticket};
use super::links::Links;
use super::outbox::Outbox;
use super::{BuddyPresence, Counter, Counters, Event};
use crate::buddy::{Buddy, BuddyList, Contact};
use crate::error::CommandError;
use crate::invite::Invite;
use crate::limits::{DIAL_DEADLINE, LINK_FAULTS_MAX};
use crate::messenger::Answer;
use crate::presence::{Poller, Roster};
use crate::status::{Note, Presence};
use crate::store::{Kept, Op};
use crate::wire::Frame;

/// Who runs this messenger, and how it watches.
#[derive(Debug, Clone)]
pub struct Own {
    /// Its peer.
    pub peer: PeerId,
    /// Its user's name.
    pub name: String,
    /// Where it listens.
    pub addresses: Vec<Multiaddr>,
    /// Rendezvous it meets others at, for its invite.
    pub rendezvous: Vec<Multiaddr>,
    /// Time between two PINGs to a buddy.
    pub ping_period: Duration,
    /// After which a PING counts as unanswered.
    pub ping_timeout: Duration,
}

/// The messenger's rules and state.
#[derive(Debug)]
pub struct Core {
    pub(super) own: Own,
    pub(super) presence: Presence,
    pub(super) buddies: BuddyList,
    pub(super) roster: Roster,
    pub(super) poller: Poller,
    pub(super) links: Links,
    pub(super) dials: Dials,
    /// Since when a PING waits for a pipe to its buddy that is being opened; at most one for each.
    pub(super) waiting_pings: BTreeMap<PeerId, Instant>,
    pub(super) outboxes: BTreeMap<PeerId, Outbox>,
    pub(super) fetches: Vec<Fetch>,
    pub(super) counters: Counters,
    effects: VecDeque<Effect>,
}

/// A `fetch` that waits for the buddy itself.
#[derive(Debug)]
pub(super) struct Fetch {
    pub(super) ticket: Ticket,
    pub(super) peer: PeerId,
    pub(super) until: Instant,
}

impl Core {
    /// Goes on from what was kept: dials all buddies at once.
    pub fn start(at: Moment, own: Own, kept: Kept, counters: Counters) -> Self {
        let mut core = Self {
            presence: kept_presence(&kept),
            buddies: BuddyList::default(),
            roster: Roster::default(),
            poller: Poller::new(own.ping_period, own.ping_timeout),
            links: Links::new(own.peer),
            dials: Dials::default(),
            waiting_pings: BTreeMap::new(),
            outboxes: BTreeMap::new(),
            fetches: Vec::new(),
            counters,
            effects: VecDeque::new(),
            own,
        };
        for (peer, last) in kept.last_seq {
            core.outboxes.insert(peer, Outbox::numbered_from(last));
        }
        for message in kept.outbox {
            core.outboxes.entry(message.peer).or_default().push(message);
        }
        for buddy in kept.buddies {
            // The list was within its bound when it was kept.
            let _ = core.buddies.put(buddy.peer, buddy.alias, buddy.contact, buddy.addresses);
        }
        let buddies: Vec<Buddy> = core.buddies.iter().cloned().collect();
        for buddy in buddies {
            if buddy.contact == Contact::Accepted {
                core.poller.watch(at.now, buddy.peer);
            }
            if buddy.contact.is_dialed() {
                core.dials.dial(at.now, buddy.peer, DIAL_DEADLINE);
            }
        }
        core.pump_dials(at.now);
        core
    }

    /// Takes one input.
    pub fn handle(&mut self, at: Moment, input: Input) {
        match input {
            Input::Command { ticket, command, message_id } => match command {
                Ok(command) => self.command(at, ticket, command, message_id),
                Err(error) => self.reply(ticket, Err(error)),
            },
            Input::Answered { ticket, answer } => self.reply(ticket, answer),
            Input::LinkUp { link, peer, opened_here, path } => {
                self.link_up(at, link, peer, opened_here, path)
            }
            Input::LinkDown { link } => self.link_down(at, link),
            Input::Frame { link, frame } => self.frame(at, link, frame),
            Input::Fault { link } => self.fault(link),
            Input::Pong { link, presence, rtt } => self.pong(at, link, presence, rtt),
            Input::Written { link, message_id } => self.written(link, message_id),
            Input::DialEnded { peer, reached, took } => self.dial_ended(at, peer, reached, took),
            Input::Addresses(addresses) => self.own.addresses = addresses,
            Input::PingPeriod(period) => {
                self.own.ping_period = period;
                self.poller.change_period(at.now, period);
            }
            Input::PingNow => self.poller.hurry(at.now),
            Input::Warn { code, message } => self.push(Effect::Event(Event::Warning { code, message })),
            Input::Timeout => {}
        }
        self.pass_time(at.now);
    }

    /// What to do next; call until `None` after each [`handle`](Self::handle).
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When to call [`handle`](Self::handle) with [`Input::Timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        let fetch = self.fetches.iter().map(|fetch| fetch.until).min();
        [self.poller.poll_timeout(), self.links.poll_timeout(), self.dials.poll_timeout(), fetch]
            .into_iter()
            .flatten()
            .min()
    }

    /// How the user is.
    pub fn presence(&self) -> &Presence {
        &self.presence
    }

    /// All pipes, to be closed at the end.
    pub fn links(&self) -> Vec<LinkId> {
        self.links.ids()
    }

    /// What a face that comes now is told first: `ready`, and the presence of each buddy.
    pub fn snapshot(&self, now: Instant) -> Vec<Event> {
        let accepted = self.buddies.iter().filter(|buddy| buddy.contact == Contact::Accepted);
        std::iter::once(self.ready())
            .chain(accepted.map(|buddy| Event::Presence(self.seen(now, buddy))))
            .collect()
    }

    /// This peer's invite.
    pub fn invite(&self) -> Invite {
        Invite {
            peer: self.own.peer,
            name: self.own.name.clone(),
            addresses: self.own.addresses.clone(),
            rendezvous: self.own.rendezvous.clone(),
        }
    }

    pub(super) fn push(&mut self, effect: Effect) {
        self.effects.push_back(effect);
    }

    pub(super) fn store(&mut self, op: Op) {
        self.push(Effect::Store(op));
    }

    pub(super) fn send(&mut self, link: LinkId, frame: Frame) {
        self.order(link, Order::Send(frame));
    }

    pub(super) fn order(&mut self, link: LinkId, order: Order) {
        self.push(Effect::Order { link, order });
    }

    pub(super) fn reply(&mut self, ticket: Ticket, answer: Result<Answer, CommandError>) {
        if answer.is_err() {
            self.counters.count(Counter::CommandsFailed);
        }
        self.push(Effect::Reply { ticket, answer });
    }

    pub(super) fn warn(&mut self, code: &'static str, message: String) {
        self.push(Effect::Event(Event::Warning { code, message }));
    }

    /// Tells faces how a buddy is.
    pub(super) fn say_presence(&mut self, now: Instant, peer: &PeerId) {
        if let Some(buddy) = self.buddies.get(peer) {
            let event = Event::Presence(self.seen(now, buddy));
            self.push(Effect::Event(event));
        }
    }

    pub(super) fn seen(&self, now: Instant, buddy: &Buddy) -> BuddyPresence {
        BuddyPresence {
            buddy: buddy.alias.clone(),
            peer: buddy.peer,
            contact: buddy.contact,
            sight: self.roster.sight(now, &buddy.peer),
        }
    }

    /// Counts something forbidden or malformed; too much of it ends the pipe.
    pub(super) fn fault(&mut self, link: LinkId) {
        self.counters.count(Counter::FramesRefused);
        let Some(broken) = self.links.get_mut(link) else { return };
        broken.faults += 1;
        if broken.faults == LINK_FAULTS_MAX {
            self.order(link, Order::Close);
        }
    }

    fn ready(&self) -> Event {
        Event::Ready {
            peer: self.own.peer,
            name: self.own.name.clone(),
            invite: self.invite().to_string(),
            addresses: self.own.addresses.clone(),
        }
    }
}

/// The own presence as the user left it; online and without note at first.
fn kept_presence(kept: &Kept) -> Presence {
    let setting = |key: &str| kept.settings.get(key).map(String::as_str);
    Presence {
        status: setting(STATUS_KEY).and_then(|word| word.parse().ok()).unwrap_or(Presence::default().status),
        note: Note::of_peer(setting(NOTE_KEY).unwrap_or_default()),
    }
}

/// Under which the own status is kept.
pub(super) const STATUS_KEY: &str = "status";
/// Under which the own note is kept.
pub(super) const NOTE_KEY: &str = "note";
/// Under which the rendezvous of an invite are kept, for who has none.
pub const RENDEZVOUS_KEY: &str = "rendezvous";
