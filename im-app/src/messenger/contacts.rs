//! How peers become buddies and cease to be (RFC 2778 access rules): presence and messages flow only between peers that
//! both agreed. A stranger may say hello and ask, no more.

use overlay::{Multiaddr, PeerId};

use super::core::Core;
use super::input::{Effect, LinkId, Moment, Order};
use super::{Counter, Event};
use crate::buddy::{Alias, Buddy, Contact};
use crate::limits::PENDING_IN_MAX;
use crate::messenger::links::NoRoom;
use crate::presence::Path;
use crate::store::Op;
use crate::text::printable;
use crate::wire::{Frame, Hello};

impl Core {
    /// A pipe is there: says hello, and asks or shares as the contact allows.
    pub(super) fn link_up(&mut self, at: Moment, link: LinkId, peer: PeerId, opened_here: bool, path: Path) {
        let contact = self.buddies.contact(&peer);
        let stranger = !matches!(contact, Some(Contact::Accepted | Contact::PendingOut));
        let room = match contact {
            Some(Contact::Blocked) => Err(NoRoom::Strangers),
            _ => self.links.insert(at.now, link, peer, opened_here, path, stranger),
        };
        if let Err(reason) = room {
            self.counters.count(match reason {
                NoRoom::Peer => Counter::LinksRefused,
                NoRoom::Strangers => Counter::StrangersRefused,
            });
            self.order(link, Order::Close);
            return;
        }
        self.counters.count(Counter::LinksOpened);
        self.dials.cancel(&peer);
        let accepted = contact == Some(Contact::Accepted);
        let told = accepted.then(|| self.presence.clone());
        let hello = Hello {
            name: self.own.name.clone(),
            presence: told.clone(),
            addresses: if stranger {
                Vec::new()
            } else {
                self.own.addresses.iter().map(Multiaddr::to_vec).collect()
            },
        };
        self.send(link, Frame::Hello(hello));
        if contact == Some(Contact::PendingOut) {
            let name = self.own.name.clone();
            self.send(link, Frame::ContactRequest { name });
        }
        if accepted {
            self.order(link, Order::Share { told });
            self.reached(at.now, &peer);
        }
        for superfluous in self.links.superfluous(&peer) {
            self.order(superfluous, Order::Retire);
        }
        self.pump_outbox(at, &peer);
    }

    /// Takes a frame that is not a PING or PONG.
    pub(super) fn frame(&mut self, at: Moment, link: LinkId, frame: Frame) {
        let Some((peer, path)) = self.links.get(link).map(|link| (link.peer, link.path)) else { return };
        let accepted = self.buddies.contact(&peer) == Some(Contact::Accepted);
        match frame {
            Frame::Hello(hello) => self.hello(at, link, peer, path, hello),
            Frame::ContactRequest { name } => self.asked(at, link, peer, &name),
            Frame::ContactAnswer { accepted, .. } => self.contact_answered(at, link, peer, accepted),
            Frame::Status(presence) if accepted => self.told(at, peer, path, presence, None),
            Frame::Message(message) => self.message(link, peer, message),
            Frame::Delivered { message_id } if accepted => self.delivered(at, peer, message_id),
            Frame::Refused { message_id, reason } if accepted => self.refused(at, peer, message_id, reason),
            Frame::Bye => {
                self.lost(at, &peer);
                self.order(link, Order::Close);
            }
            Frame::Unknown { .. } => self.counters.count(Counter::FramesUnknown),
            _ => self.fault(link),
        }
    }

    fn hello(&mut self, at: Moment, link: LinkId, peer: PeerId, path: Path, hello: Hello) {
        match (self.buddies.contact(&peer), hello.presence) {
            (Some(Contact::Accepted), Some(presence)) => {
                self.remember_addresses(&peer, hello.addresses);
                self.told(at, peer, path, presence, None);
            }
            (Some(Contact::Accepted | Contact::PendingOut), _) => {
                self.remember_addresses(&peer, hello.addresses)
            }
            // They take this peer for a buddy, and it is none: it was removed while they were away.
            (None | Some(Contact::Refused), Some(_)) => self.say_no(link),
            // Kept for the moment in which they ask and are accepted.
            (_, None) => {
                if let Some(link) = self.links.get_mut(link) {
                    link.addresses = multiaddrs(hello.addresses);
                }
            }
            _ => {}
        }
    }

    /// A peer asks for contact.
    fn asked(&mut self, at: Moment, link: LinkId, peer: PeerId, name: &str) {
        match self.buddies.contact(&peer) {
            Some(Contact::PendingOut) => {
                self.set_contact(&peer, Contact::Accepted);
                self.agreed(at, &peer);
            }
            Some(Contact::Accepted) => {
                self.answer_yes(link);
            }
            Some(Contact::PendingIn) => self.links.asked(&peer),
            Some(Contact::Blocked) => self.order(link, Order::Close),
            Some(Contact::Refused) | None => self.note_request(link, peer, name),
        }
    }

    fn note_request(&mut self, link: LinkId, peer: PeerId, name: &str) {
        let alias = Alias::of_peer(name, &peer);
        let room = self.buddies.count(Contact::PendingIn) < PENDING_IN_MAX;
        let addresses = self.links.get(link).map(|link| link.addresses.clone()).unwrap_or_default();
        let buddy = room.then(|| self.buddies.put(peer, alias, Contact::PendingIn, addresses));
        let Some(Ok(buddy)) = buddy else {
            self.counters.count(Counter::StrangersRefused);
            self.order(link, Order::Close);
            return;
        };
        self.links.asked(&peer);
        self.store(Op::PutBuddy(buddy.clone()));
        self.push(Effect::Event(Event::ContactRequest { peer, alias: buddy.alias, name: printable(name) }));
    }

    /// A peer answers a request, or ends the contact.
    fn contact_answered(&mut self, at: Moment, link: LinkId, peer: PeerId, accepted: bool) {
        match (self.buddies.contact(&peer), accepted) {
            (Some(Contact::PendingOut), true) => {
                self.set_contact(&peer, Contact::Accepted);
                self.agreed_without_answer(at, &peer);
            }
            (Some(Contact::PendingOut | Contact::Accepted), false) => {
                let Some(buddy) = self.set_contact(&peer, Contact::Refused) else { return };
                self.warn("refused", format!("{} does not want to be in contact", buddy.alias));
                self.lost(at, &peer);
                self.unwatch(&peer);
                self.fail_outbox(&buddy, "not-accepted");
                self.order(link, Order::Close);
            }
            (Some(Contact::Accepted), true) => {}
            _ => self.fault(link),
        }
    }

    /// Both sides agreed, and the other is told so.
    pub(super) fn agreed(&mut self, at: Moment, peer: &PeerId) {
        for link in self.links.of(peer) {
            self.answer_yes(link);
        }
        self.agreed_without_answer(at, peer);
    }

    fn agreed_without_answer(&mut self, at: Moment, peer: &PeerId) {
        self.links.asked(peer);
        self.poller.watch(at.now, *peer);
        for link in self.links.of(peer) {
            self.order(link, Order::Share { told: None });
            self.reached(at.now, peer);
        }
    }

    /// Tells a peer, if it is there, that the contact is over.
    pub(super) fn end_contact(&mut self, buddy: &Buddy) {
        for link in self.links.of(&buddy.peer) {
            self.say_no(link);
        }
        self.unwatch(&buddy.peer);
    }

    /// Takes a peer out of the list.
    pub(super) fn forget(&mut self, buddy: &Buddy) {
        self.buddies.remove(&buddy.peer);
        self.store(Op::RemoveBuddy(buddy.peer));
    }

    /// Changes how far a contact has come, here and on disk.
    pub(super) fn set_contact(&mut self, peer: &PeerId, contact: Contact) -> Option<Buddy> {
        let buddy = self.buddies.set_contact(peer, contact)?;
        self.store(Op::PutBuddy(buddy.clone()));
        Some(buddy)
    }

    fn answer_yes(&mut self, link: LinkId) {
        let name = self.own.name.clone();
        self.send(link, Frame::ContactAnswer { accepted: true, name });
    }

    fn say_no(&mut self, link: LinkId) {
        let name = self.own.name.clone();
        self.send(link, Frame::ContactAnswer { accepted: false, name });
        self.order(link, Order::Close);
    }

    fn remember_addresses(&mut self, peer: &PeerId, addresses: Vec<Vec<u8>>) {
        if let Some(buddy) = self.buddies.set_addresses(peer, multiaddrs(addresses)) {
            self.store(Op::PutBuddy(buddy));
        }
    }
}

fn multiaddrs(addresses: Vec<Vec<u8>>) -> Vec<Multiaddr> {
    addresses.into_iter().filter_map(|bytes| Multiaddr::try_from(bytes).ok()).collect()
}
