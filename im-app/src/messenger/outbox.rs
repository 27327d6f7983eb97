//! Messages to one buddy that are not acknowledged yet, in the order in which the user sent them.
//!
//! In: messages, acknowledgements, pipes that come and go. Out: what to write next, at most `SEND_WINDOW` ahead of the
//! acknowledgements, on one pipe at a time: another one is used only when nothing is outstanding on the first or it is
//! lost, so that two pipes never turn the order round. After a loss all is written again from the first on.

use std::collections::VecDeque;

use crate::limits::{LATE_AFTER, OUTBOX_BYTES_MAX, OUTBOX_MESSAGES_MAX, SEND_WINDOW};
use crate::message::Outgoing;
use crate::messenger::LinkId;
use crate::wire::{MessageId, TextMessage};

/// The messages to one buddy.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    messages: VecDeque<Outgoing>,
    /// How many, from the first on, are outstanding on `link`.
    outstanding: usize,
    link: Option<LinkId>,
    bytes: usize,
    last_seq: u64,
}

impl Outbox {
    /// As it was left: messages are numbered on from `last_seq`.
    pub(super) fn numbered_from(last_seq: u64) -> Self {
        Self { last_seq, ..Self::default() }
    }

    /// Whether one more of `bytes` fits.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.messages.len() < OUTBOX_MESSAGES_MAX && self.bytes + bytes <= OUTBOX_BYTES_MAX
    }

    /// The number of the next message.
    pub(super) fn take_seq(&mut self) -> u64 {
        self.last_seq = self.last_seq.saturating_add(1);
        self.last_seq
    }

    pub(super) fn push(&mut self, message: Outgoing) {
        self.bytes += message.text.len();
        self.messages.push_back(message);
    }

    /// The next message to write and the pipe for it, while the window has room.
    pub(super) fn next(&mut self, wall_ms: u64, preferred: Option<LinkId>) -> Option<(LinkId, TextMessage)> {
        if self.outstanding == 0 {
            self.link = preferred;
        }
        let link = self.link.filter(|link| Some(*link) == preferred)?;
        if self.outstanding >= SEND_WINDOW {
            return None;
        }
        let message = self.messages.get(self.outstanding)?;
        self.outstanding += 1;
        let waited_ms = u128::from(wall_ms.saturating_sub(message.sent_at_ms));
        let message = TextMessage {
            message_id: message.message_id,
            seq: message.seq,
            sent_at_ms: message.sent_at_ms,
            late: waited_ms > LATE_AFTER.as_millis(),
            text: message.text.clone(),
        };
        Some((link, message))
    }

    /// Takes out an outstanding message that has come to its end; false when there is none with this id.
    pub(super) fn settle(&mut self, message_id: &MessageId) -> bool {
        let mut outstanding = self.messages.iter().take(self.outstanding);
        let Some(at) = outstanding.position(|message| message.message_id == *message_id) else {
            return false;
        };
        if let Some(message) = self.messages.remove(at) {
            self.bytes -= message.text.len();
        }
        self.outstanding -= 1;
        true
    }

    /// Whether a message was written and waits for its end.
    pub(super) fn is_outstanding(&self, message_id: &MessageId) -> bool {
        self.messages.iter().take(self.outstanding).any(|message| message.message_id == *message_id)
    }

    /// A pipe is lost: what was outstanding on it will be written again.
    pub(super) fn link_lost(&mut self, link: LinkId) {
        if self.link == Some(link) {
            self.link = None;
            self.outstanding = 0;
        }
    }

    /// Gives up: all messages that wait.
    pub(super) fn take_all(&mut self) -> Vec<Outgoing> {
        self.outstanding = 0;
        self.bytes = 0;
        self.messages.drain(..).collect()
    }
}

#[cfg(test)]
mod tests {
    use overlay::PeerId;

    use super::*;

    const A: Option<LinkId> = Some(LinkId(1));
    const B: Option<LinkId> = Some(LinkId(2));

    fn filled(count: u8) -> Outbox {
        let mut outbox = Outbox::default();
        for number in 1..=count {
            let seq = outbox.take_seq();
            outbox.push(Outgoing {
                peer: PeerId::random(),
                message_id: [number; 16],
                seq,
                sent_at_ms: 0,
                text: "x".into(),
            });
        }
        outbox
    }

    fn written(outbox: &mut Outbox, preferred: Option<LinkId>) -> Vec<u64> {
        std::iter::from_fn(|| outbox.next(0, preferred).map(|(_, message)| message.seq)).collect()
    }

    #[test]
    fn no_more_is_written_than_the_window_until_acknowledgements_come() {
        let mut outbox = filled(40);
        assert_eq!(written(&mut outbox, A).len(), SEND_WINDOW);
        assert!(outbox.settle(&[1; 16]) && outbox.settle(&[2; 16]));
        assert_eq!(written(&mut outbox, A), [33, 34]);
    }

    #[test]
    fn a_lost_pipe_makes_all_unacknowledged_be_written_again_in_order() {
        let mut outbox = filled(4);
        assert_eq!(written(&mut outbox, A), [1, 2, 3, 4]);
        outbox.settle(&[2; 16]);
        outbox.link_lost(LinkId(1));
        assert_eq!(written(&mut outbox, None), Vec::<u64>::new());
        assert_eq!(written(&mut outbox, B), [1, 3, 4]);
    }

    #[test]
    fn a_better_pipe_is_used_only_when_nothing_is_outstanding_on_the_old() {
        let mut outbox = filled(2);
        assert_eq!(written(&mut outbox, A), [1, 2]);
        let mut more = filled(3);
        outbox.push(more.take_all().remove(2));
        assert_eq!(written(&mut outbox, B), Vec::<u64>::new());
        outbox.settle(&[1; 16]);
        assert_eq!(written(&mut outbox, B), Vec::<u64>::new());
        outbox.settle(&[2; 16]);
        assert_eq!(written(&mut outbox, B), [3]);
    }

    #[test]
    fn only_an_outstanding_message_can_be_settled_and_only_once() {
        let mut outbox = filled(1);
        assert!(!outbox.settle(&[1; 16]), "not written yet");
        written(&mut outbox, A);
        assert!(outbox.settle(&[1; 16]));
        assert!(!outbox.settle(&[1; 16]));
    }

    #[test]
    fn what_waited_long_is_late() {
        let mut outbox = filled(2);
        let late = LATE_AFTER.as_millis() as u64 + 1;
        assert!(outbox.next(late, A).is_some_and(|(_, message)| message.late));
        assert!(outbox.next(late - 1, A).is_some_and(|(_, message)| !message.late));
    }

    #[test]
    fn a_full_outbox_has_no_room() {
        let mut outbox = filled(1);
        assert!(outbox.has_room(OUTBOX_BYTES_MAX - 1));
        assert!(!outbox.has_room(OUTBOX_BYTES_MAX));
        for number in 0..OUTBOX_MESSAGES_MAX {
            assert_eq!(outbox.has_room(0), number + 1 < OUTBOX_MESSAGES_MAX);
            outbox.push(filled(1).take_all().remove(0));
        }
        assert!(!outbox.has_room(0));
    }
}
