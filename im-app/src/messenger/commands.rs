//! What each command of a face does.

use overlay::PeerId;

use super::core::{Core, Fetch, NOTE_KEY, RENDEZVOUS_KEY, STATUS_KEY};
use super::input::{Effect, Moment, Order, Question, Ticket};
use super::{Answer, Command, Counter};
use crate::buddy::{Alias, Buddy, Contact};
use crate::error::{CommandError, ErrorCode};
use crate::invite::Invite;
use crate::limits::{DIAL_DEADLINE, FETCH_DEADLINE, FETCHES_MAX, REDIAL_DEADLINE, TEXT_BYTES_MAX};
use crate::message::{MessageState, Outgoing};
use crate::status::{Presence, Status};
use crate::store::{HistoryQuery, Op};
use crate::wire::{Frame, MessageId};

impl Core {
    /// Does a command; it is answered now or, for those that wait for somebody, later.
    pub(super) fn command(&mut self, at: Moment, ticket: Ticket, command: Command, message_id: MessageId) {
        let done = match command {
            Command::Add { invite, alias } => self.add(at, ticket, &invite, alias),
            Command::Accept { buddy } => {
                self.with_buddy("buddy", &buddy, |core, buddy| core.accept(at, ticket, &buddy))
            }
            Command::Reject { buddy } => {
                self.with_buddy("buddy", &buddy, |core, buddy| core.reject(ticket, &buddy))
            }
            Command::Block { buddy } => self.block(ticket, &buddy),
            Command::Remove { buddy } => self.with_buddy("buddy", &buddy, |core, buddy| {
                core.end_contact(&buddy);
                core.forget(&buddy);
                core.reply(ticket, Ok(Answer::Done));
                core.fail_outbox(&buddy, "cancelled");
                Ok(())
            }),
            Command::Send { to, text } => {
                self.with_buddy("to", &to, |core, buddy| core.send_text(at, ticket, &buddy, text, message_id))
            }
            Command::SetStatus(presence) => {
                self.set_presence(ticket, presence);
                Ok(())
            }
            Command::Fetch { buddy } => {
                self.with_buddy("buddy", &buddy, |core, buddy| core.fetch(at, ticket, &buddy))
            }
            Command::Roster => {
                let all = self.buddies.iter().map(|buddy| self.seen(at.now, buddy)).collect();
                self.reply(ticket, Ok(Answer::Roster(all)));
                Ok(())
            }
            Command::History { buddy, limit, before, words } => {
                self.with_buddy("buddy", &buddy, |core, buddy| {
                    let peer = buddy.peer;
                    let question = Question::History(HistoryQuery { peer, limit, before, words });
                    core.push(Effect::Ask { ticket, question });
                    Ok(())
                })
            }
            Command::Replay { since } => {
                let question = Question::Replay { since };
                self.push(Effect::Ask { ticket, question });
                Ok(())
            }
            Command::Quit => {
                self.reply(ticket, Ok(Answer::Done));
                self.push(Effect::Quit);
                Ok(())
            }
        };
        if let Err(error) = done {
            self.reply(ticket, Err(error));
        }
    }

    /// The alias of a peer, for the results of questions.
    pub fn alias(&self, peer: &PeerId) -> Option<Alias> {
        self.buddies.get(peer).map(|buddy| buddy.alias.clone())
    }

    fn with_buddy(
        &mut self,
        field: &'static str,
        text: &str,
        then: impl FnOnce(&mut Self, Buddy) -> Result<(), CommandError>,
    ) -> Result<(), CommandError> {
        let Some(buddy) = self.buddies.find(text).cloned() else {
            let message = format!("nobody in the list is called {text:?}; see the roster");
            return Err(CommandError::of_field(ErrorCode::UnknownBuddy, field, message));
        };
        then(self, buddy)
    }

    fn add(
        &mut self,
        at: Moment,
        ticket: Ticket,
        invite: &Invite,
        alias: Option<Alias>,
    ) -> Result<(), CommandError> {
        let peer = invite.peer;
        if peer == self.own.peer {
            let message = "this is your own invite; hand it to somebody else";
            return Err(CommandError::of_field(ErrorCode::BadInvite, "invite", message));
        }
        let before = self.buddies.get(&peer).cloned();
        let contact = match before.as_ref().map(|buddy| buddy.contact) {
            Some(Contact::Blocked) => {
                return Err(CommandError::new(
                    ErrorCode::Blocked,
                    "you blocked this peer; remove it from the list first",
                ));
            }
            // They asked, and now this user does: both agree.
            Some(Contact::PendingIn | Contact::Accepted) => Contact::Accepted,
            Some(Contact::PendingOut | Contact::Refused) | None => Contact::PendingOut,
        };
        let alias = alias.unwrap_or_else(|| Alias::of_peer(&invite.name, &peer));
        let buddy = self
            .buddies
            .put(peer, alias, contact, invite.addresses.clone())
            .map_err(|error| CommandError::new(ErrorCode::Refused, error))?;
        self.store(Op::PutBuddy(buddy.clone()));
        let answer = Answer::Added { peer, alias: buddy.alias.clone() };
        self.reply(ticket, Ok(answer));
        self.learn_rendezvous(invite);
        match before.map(|buddy| buddy.contact) {
            Some(Contact::Accepted) => {}
            Some(Contact::PendingIn) => {
                self.agreed(at, &peer);
                self.dial_unless_linked(at.now, &peer, DIAL_DEADLINE);
            }
            _ => {
                for link in self.links.of(&peer) {
                    let name = self.own.name.clone();
                    self.send(link, Frame::ContactRequest { name });
                }
                self.dial_unless_linked(at.now, &peer, DIAL_DEADLINE);
            }
        }
        Ok(())
    }

    /// Who has no rendezvous of their own goes to that of their first friend, from the next start on.
    fn learn_rendezvous(&mut self, invite: &Invite) {
        if !self.own.rendezvous.is_empty() || invite.rendezvous.is_empty() {
            return;
        }
        self.own.rendezvous.clone_from(&invite.rendezvous);
        let addresses: Vec<String> = invite.rendezvous.iter().map(ToString::to_string).collect();
        self.store(Op::PutSetting { key: RENDEZVOUS_KEY, value: addresses.join(" ") });
    }

    fn accept(&mut self, at: Moment, ticket: Ticket, buddy: &Buddy) -> Result<(), CommandError> {
        match buddy.contact {
            Contact::Accepted => self.reply(ticket, Ok(Answer::Done)),
            Contact::PendingIn => {
                self.set_contact(&buddy.peer, Contact::Accepted);
                self.reply(ticket, Ok(Answer::Done));
                self.agreed(at, &buddy.peer);
                self.dial_unless_linked(at.now, &buddy.peer, DIAL_DEADLINE);
            }
            contact => return Err(not_accepted(buddy, contact)),
        }
        Ok(())
    }

    fn reject(&mut self, ticket: Ticket, buddy: &Buddy) -> Result<(), CommandError> {
        if buddy.contact != Contact::PendingIn {
            let message = format!("{} has asked for nothing; to end a contact use remove", buddy.alias);
            return Err(CommandError::of_field(ErrorCode::Refused, "buddy", message));
        }
        self.end_contact(buddy);
        self.forget(buddy);
        self.reply(ticket, Ok(Answer::Done));
        Ok(())
    }

    fn block(&mut self, ticket: Ticket, text: &str) -> Result<(), CommandError> {
        let known = self.buddies.find(text).cloned();
        let peer = match (&known, text.parse::<PeerId>()) {
            (Some(buddy), _) => buddy.peer,
            (None, Ok(peer)) if peer != self.own.peer => peer,
            _ => return self.with_buddy("buddy", text, |_, _| Ok(())),
        };
        let buddy = self
            .buddies
            .put(peer, Alias::of_peer("", &peer), Contact::Blocked, Vec::new())
            .map_err(|error| CommandError::new(ErrorCode::Refused, error))?;
        self.store(Op::PutBuddy(buddy.clone()));
        // To the other it looks as if this peer went offline.
        for link in self.links.of(&peer) {
            self.send(link, Frame::Bye);
            self.order(link, Order::Close);
        }
        self.unwatch(&peer);
        self.reply(ticket, Ok(Answer::Done));
        self.fail_outbox(&buddy, "blocked");
        Ok(())
    }

    fn send_text(
        &mut self,
        at: Moment,
        ticket: Ticket,
        buddy: &Buddy,
        text: String,
        message_id: MessageId,
    ) -> Result<(), CommandError> {
        match buddy.contact {
            Contact::Accepted => {}
            Contact::Blocked => {
                let message = format!("you blocked {}; remove it from the list first", buddy.alias);
                return Err(CommandError::of_field(ErrorCode::Blocked, "to", message));
            }
            contact => return Err(not_accepted(buddy, contact)),
        }
        if text.len() > TEXT_BYTES_MAX {
            let message = format!("the text has {} bytes, at most {TEXT_BYTES_MAX} allowed", text.len());
            return Err(CommandError::of_field(ErrorCode::TooLarge, "text", message));
        }
        if self.roster.status(&buddy.peer) == Status::Offline {
            let message = format!("{} is offline; try again when presence says otherwise", buddy.alias);
            return Err(CommandError::new(ErrorCode::Offline, message));
        }
        let outbox = self.outboxes.entry(buddy.peer).or_default();
        if !outbox.has_room(text.len()) {
            let message = format!("too many messages to {} wait for acknowledgement; try later", buddy.alias);
            return Err(CommandError::new(ErrorCode::Refused, message));
        }
        let message =
            Outgoing { peer: buddy.peer, message_id, seq: outbox.take_seq(), sent_at_ms: at.wall_ms, text };
        outbox.push(message.clone());
        self.counters.count(Counter::MessagesQueued);
        self.store(Op::Queue(message));
        let state = MessageState::Queued;
        self.reply(ticket, Ok(Answer::Queued { message_id, state }));
        self.pump_outbox(at, &buddy.peer);
        Ok(())
    }

    fn set_presence(&mut self, ticket: Ticket, presence: Presence) {
        self.presence = presence.clone();
        self.store(Op::PutSetting { key: STATUS_KEY, value: presence.status.to_string() });
        self.store(Op::PutSetting { key: NOTE_KEY, value: presence.note.to_string() });
        self.reply(ticket, Ok(Answer::Done));
        self.push(Effect::OwnPresence(presence));
    }

    fn fetch(&mut self, at: Moment, ticket: Ticket, buddy: &Buddy) -> Result<(), CommandError> {
        if buddy.contact != Contact::Accepted {
            return Err(not_accepted(buddy, buddy.contact));
        }
        let peer = buddy.peer;
        if self.fetches.len() >= FETCHES_MAX {
            self.reply(ticket, Ok(Answer::Presence(self.seen(at.now, buddy))));
            return Ok(());
        }
        let until = at.now + FETCH_DEADLINE;
        self.fetches.push(Fetch { ticket, peer, until });
        match self.links.preferred(&peer) {
            Some(link) => {
                self.poller.sent(at.now, &peer);
                self.counters.count(Counter::PingsSent);
                self.order(link, Order::Ping { due: at.now });
            }
            None => self.dial_unless_linked(at.now, &peer, REDIAL_DEADLINE),
        }
        Ok(())
    }
}

fn not_accepted(buddy: &Buddy, contact: Contact) -> CommandError {
    let alias = &buddy.alias;
    let message = match contact {
        Contact::PendingOut => format!("{alias} has not accepted yet"),
        Contact::PendingIn => format!("{alias} waits for you to accept"),
        Contact::Blocked => format!("you blocked {alias}; remove it from the list first"),
        Contact::Refused => format!("{alias} refused or ended the contact; add its invite again to ask anew"),
        Contact::Accepted => format!("{alias} is no buddy"),
    };
    let code = if contact == Contact::Blocked { ErrorCode::Blocked } else { ErrorCode::NotAccepted };
    CommandError::new(code, message)
}
