//! One end of a resumable pipe: what it still has to send, what it has received, and from where a new link goes on.
//!
//! In: messages of the application, frames of the other end, and how much of ours the other end has when a link
//! begins. Out: frames to write, in order, and messages, each once. Frames with a message, and the end of a
//! direction, have numbers, which both ends count and never send: a link begins at a number that both know.
//! Pure: a link is not seen here, and neither is time.

use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};

use crate::limits::RESUMABLE_WINDOW;
use crate::protocol::resumable::At;
use crate::wire::{WireError, decode, encode};

/// The other end says that it has what was not sent, or lacks what it had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Impossible;

/// One end, over all links.
#[derive(Debug)]
pub(crate) struct Resumable {
    outgoing: Outgoing,
    incoming: Incoming,
    /// What the other end was told last.
    told: At,
    /// The other end has given the pipe up, or needs nothing more.
    gone: bool,
}

/// What this end sends.
#[derive(Debug, Default)]
struct Outgoing {
    /// Frames that the other end has not confirmed, the first of them number `confirmed`.
    unconfirmed: VecDeque<Bytes>,
    confirmed: u64,
    /// How many of them went over the present link.
    sent: usize,
    /// How many went over any link: what the other end may have.
    sent_ever: usize,
    /// The cost of all frames accepted, of those unconfirmed, and up to which the other end takes them.
    accepted_cost: u64,
    unconfirmed_cost: u64,
    limit: u64,
    ended: bool,
}

/// What this end receives.
#[derive(Debug, Default)]
struct Incoming {
    /// Messages that the application has not taken.
    inbox: VecDeque<Bytes>,
    received: u64,
    received_cost: u64,
    taken_cost: u64,
    ended: bool,
}

impl Resumable {
    /// An end that has neither sent nor received.
    pub(crate) fn new() -> Self {
        let told = At { received: 0, limit: RESUMABLE_WINDOW };
        Self { outgoing: Outgoing::default(), incoming: Incoming::default(), told, gone: false }
    }

    /// Whether another message may be [`put`](Self::put): the windows of both ends have room.
    pub(crate) fn has_room(&self) -> bool {
        let outgoing = &self.outgoing;
        outgoing.accepted_cost < outgoing.limit && outgoing.unconfirmed_cost < RESUMABLE_WINDOW
    }

    /// Accepts a message; the caller has seen that there is room and that it is not too long.
    pub(crate) fn put(&mut self, message: &[u8]) {
        debug_assert!(!self.outgoing.ended, "nothing is sent after the end");
        let mut frame = BytesMut::with_capacity(1 + message.len());
        frame.put_u8(MESSAGE);
        frame.put_slice(message);
        self.outgoing.push(frame.freeze());
    }

    /// Ends this end's direction behind all that was put.
    pub(crate) fn end(&mut self) {
        if !std::mem::replace(&mut self.outgoing.ended, true) {
            self.outgoing.push(Bytes::from_static(&[END]));
        }
    }

    /// Whether [`end`](Self::end) was called.
    pub(crate) fn has_ended(&self) -> bool {
        self.outgoing.ended
    }

    /// Messages, and the end, that the other end has not confirmed.
    pub(crate) fn unconfirmed(&self) -> usize {
        self.outgoing.unconfirmed.len()
    }

    /// The next message of the other end.
    pub(crate) fn take(&mut self) -> Option<Bytes> {
        let message = self.incoming.inbox.pop_front()?;
        self.incoming.taken_cost += cost(message.len());
        Some(message)
    }

    /// Whether the other end has ended its direction and all of it was taken.
    pub(crate) fn is_drained(&self) -> bool {
        self.incoming.ended && self.incoming.inbox.is_empty()
    }

    /// Whether both directions have ended, and both ends know all that they need.
    pub(crate) fn is_done(&self) -> bool {
        self.outgoing.ended && self.outgoing.unconfirmed.is_empty() && self.incoming.ended
    }

    /// Whether the other end has said that it is over.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone
    }

    /// How far this end is; the caller tells the other, at the begin of a link.
    pub(crate) fn tell(&mut self) -> At {
        let limit = self.incoming.taken_cost + RESUMABLE_WINDOW;
        self.told = At { received: self.incoming.received, limit };
        self.told
    }

    /// Whether a link may begin where the other end says that it is.
    pub(crate) fn may_resume(&self, other: At) -> bool {
        let outgoing = &self.outgoing;
        (outgoing.confirmed..=outgoing.confirmed + outgoing.sent_ever as u64).contains(&other.received)
    }

    /// A new link begins: what the other end lacks is sent again.
    ///
    /// # Errors
    /// [`Impossible`]; then nothing has changed.
    pub(crate) fn resume(&mut self, other: At) -> Result<(), Impossible> {
        self.confirm(other)?;
        self.outgoing.sent = 0;
        Ok(())
    }

    /// Whether [`transmit`](Self::transmit) would give a frame.
    pub(crate) fn has_frames(&self) -> bool {
        self.owes_word() || self.outgoing.sent < self.outgoing.unconfirmed.len()
    }

    /// The next frame to write. What was received is confirmed first, for all of it at once.
    pub(crate) fn transmit(&mut self) -> Option<Bytes> {
        if self.owes_word() {
            let At { received, limit } = self.tell();
            let mut frame = vec![POSITION];
            frame.extend(encode(&(received, limit), POSITION_BYTES_MAX).unwrap_or_default());
            return Some(frame.into());
        }
        let outgoing = &mut self.outgoing;
        let frame = outgoing.unconfirmed.get(outgoing.sent)?.clone();
        outgoing.sent += 1;
        outgoing.sent_ever = outgoing.sent_ever.max(outgoing.sent);
        Some(frame)
    }

    /// Takes a frame of the other end.
    ///
    /// # Errors
    /// [`WireError`] for what no honest end sends: unknown, beyond the limit that it was told, after its end, or a
    /// confirmation of what was not sent.
    pub(crate) fn handle(&mut self, mut frame: Bytes) -> Result<(), WireError> {
        if frame.is_empty() {
            return Err(WireError::Truncated);
        }
        let body = frame.split_off(1);
        let incoming = &mut self.incoming;
        match frame.first() {
            Some(&MESSAGE | &END) if incoming.ended => Err(WireError::Malformed),
            Some(&MESSAGE) if incoming.received_cost >= self.told.limit => Err(WireError::Malformed),
            Some(&MESSAGE) => {
                incoming.count(body.len());
                incoming.inbox.push_back(body);
                Ok(())
            }
            Some(&END) if body.is_empty() => {
                incoming.count(0);
                incoming.ended = true;
                Ok(())
            }
            Some(&POSITION) => {
                let (received, limit) = decode(&body, POSITION_BYTES_MAX)?;
                self.confirm(At { received, limit }).map_err(|Impossible| WireError::Malformed)
            }
            Some(&GONE) if body.is_empty() => {
                self.gone = true;
                Ok(())
            }
            Some(&kind) => Err(WireError::UnknownKind { got: kind.into() }),
            None => Err(WireError::Truncated),
        }
    }

    /// Whether the other end should hear how far this one is: something came, or a good part of the window is free
    /// again.
    fn owes_word(&self) -> bool {
        let limit = self.incoming.taken_cost + RESUMABLE_WINDOW;
        self.incoming.received > self.told.received || limit >= self.told.limit + RESUMABLE_WINDOW / 4
    }

    fn confirm(&mut self, other: At) -> Result<(), Impossible> {
        if !self.may_resume(other) {
            return Err(Impossible);
        }
        let outgoing = &mut self.outgoing;
        while outgoing.confirmed < other.received {
            let Some(frame) = outgoing.unconfirmed.pop_front() else { break };
            outgoing.unconfirmed_cost -= cost(frame.len() - 1);
            outgoing.confirmed += 1;
            outgoing.sent = outgoing.sent.saturating_sub(1);
            outgoing.sent_ever = outgoing.sent_ever.saturating_sub(1);
        }
        outgoing.limit = outgoing.limit.max(other.limit);
        Ok(())
    }
}

impl Outgoing {
    fn push(&mut self, frame: Bytes) {
        let cost = cost(frame.len() - 1);
        self.accepted_cost += cost;
        self.unconfirmed_cost += cost;
        self.unconfirmed.push_back(frame);
    }
}

impl Incoming {
    fn count(&mut self, len: usize) {
        self.received += 1;
        self.received_cost += cost(len);
    }
}

/// The last frame of an end that gives the pipe up, or needs nothing more.
pub(crate) const FAREWELL: &[u8] = &[GONE];

/// What a message of `len` bytes takes of a window: its bytes, and what it costs to keep even an empty one.
fn cost(len: usize) -> u64 {
    len as u64 + 64
}

const MESSAGE: u8 = 0;
const END: u8 = 1;
const POSITION: u8 = 2;
const GONE: u8 = 3;
/// Two numbers of at most nine bytes.
const POSITION_BYTES_MAX: usize = 18;

#[cfg(test)]
mod tests;
