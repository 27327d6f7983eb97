//! Messages: kept before they are acknowledged, written again until they are, in order, never shown twice.

use overlay::PeerId;

use super::core::Core;
use super::input::{Effect, LinkId, Moment};
use super::{Counter, Event};
use crate::buddy::{Buddy, Contact};
use crate::message::MessageState;
use crate::status::Status;
use crate::store::Op;
use crate::wire::{Frame, MessageId, RefuseReason, TextMessage};

impl Core {
    /// Writes to a buddy what may be written now.
    pub(super) fn pump_outbox(&mut self, at: Moment, peer: &PeerId) {
        if self.buddies.contact(peer) != Some(Contact::Accepted) {
            return;
        }
        let preferred = self.links.preferred(peer);
        while let Some((link, message)) =
            self.outboxes.get_mut(peer).and_then(|outbox| outbox.next(at.wall_ms, preferred))
        {
            self.send(link, Frame::Message(message));
        }
    }

    /// A message was written to a pipe.
    pub(super) fn written(&mut self, link: LinkId, message_id: MessageId) {
        let Some(peer) = self.links.get(link).map(|link| link.peer) else { return };
        if self.outboxes.get(&peer).is_some_and(|outbox| outbox.is_outstanding(&message_id)) {
            self.set_state(peer, message_id, MessageState::Sent, None);
        }
    }

    /// A message came: it is kept, shown if it is new, and acknowledged, in this order.
    pub(super) fn message(&mut self, link: LinkId, peer: PeerId, message: TextMessage) {
        let message_id = message.message_id;
        let buddy = self.buddies.get(&peer).filter(|buddy| buddy.contact == Contact::Accepted).cloned();
        let Some(buddy) = buddy else {
            let reason = RefuseReason::NotAccepted;
            self.send(link, Frame::Refused { message_id, reason });
            self.fault(link);
            return;
        };
        if self.presence.status == Status::Offline {
            let reason = RefuseReason::Offline;
            self.send(link, Frame::Refused { message_id, reason });
            return;
        }
        self.store(Op::Receive { peer, message: message.clone() });
        self.push(Effect::Event(Event::Message { from: buddy.alias, peer, message }));
        self.send(link, Frame::Delivered { message_id });
    }

    /// The receiver has committed a message.
    pub(super) fn delivered(&mut self, at: Moment, peer: PeerId, message_id: MessageId) {
        if self.settle(&peer, &message_id) {
            self.counters.count(Counter::MessagesDelivered);
            self.set_state(peer, message_id, MessageState::Delivered, None);
            self.pump_outbox(at, &peer);
        }
    }

    /// The receiver does not take a message.
    pub(super) fn refused(&mut self, at: Moment, peer: PeerId, message_id: MessageId, reason: RefuseReason) {
        if self.settle(&peer, &message_id) {
            self.counters.count(Counter::MessagesFailed);
            self.set_state(peer, message_id, MessageState::Failed, Some(reason.as_str()));
            self.pump_outbox(at, &peer);
        }
    }

    /// Nothing that waits will arrive.
    pub(super) fn fail_outbox(&mut self, buddy: &Buddy, reason: &'static str) {
        let given_up = match self.outboxes.get_mut(&buddy.peer) {
            Some(outbox) => outbox.take_all(),
            None => return,
        };
        for message in given_up {
            self.counters.count(Counter::MessagesFailed);
            let (peer, message_id, state) = (buddy.peer, message.message_id, MessageState::Failed);
            self.store(Op::SetState { peer, message_id, state, reason: Some(reason) });
            self.push(Effect::Event(Event::MessageState {
                message_id,
                to: buddy.alias.clone(),
                state,
                reason: Some(reason),
            }));
        }
    }

    fn settle(&mut self, peer: &PeerId, message_id: &MessageId) -> bool {
        self.outboxes.get_mut(peer).is_some_and(|outbox| outbox.settle(message_id))
    }

    fn set_state(
        &mut self,
        peer: PeerId,
        message_id: MessageId,
        state: MessageState,
        reason: Option<&'static str>,
    ) {
        let Some(to) = self.alias(&peer) else { return };
        self.store(Op::SetState { peer, message_id, state, reason });
        self.push(Effect::Event(Event::MessageState { message_id, to, state, reason }));
    }
}
