//! What one group's pipes and queries carry at one peer: counted where a message is handed over, by whoever holds it.
//!
//! In: messages, questions and answers, each once. Out: [`GroupMeters`]. Each pipe counts in one of a few places of its
//! group, so that tasks on different cores do not wait for each other; the sum is made when it is asked for. A place is
//! a cache line.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Meter;

/// Declares what is counted once: field, and what it is.
macro_rules! group_meters {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// What one group's pipes and queries have carried at this peer since its start, as
        /// [`PeerGroup::meters`](crate::PeerGroup::meters) tells it. Bytes are those of messages, questions and answers
        /// themselves: not their framing, nor what multiplexing, encryption and the network add, nor what
        /// keeps links up.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct GroupMeters {
            /// When counting began, in ms since 1970: at the peer's start, or when it first used the group; 0 when it did
            /// not. Another one than before means that all counts began anew.
            pub since_ms: u64,
            $($(#[$doc])* pub $name: u64,)+
        }

        impl GroupMeters {
            /// All of them with their names, in a fixed order.
            pub fn snapshot(&self) -> Vec<(&'static str, u64)> {
                vec![("since_ms", self.since_ms), $((stringify!($name), self.$name),)+]
            }

            fn add(&mut self, traffic: &Traffic) {
                $(self.$name = self.$name.wrapping_add(traffic.$name.get());)+
            }
        }

        /// One of the places where a group's traffic is counted.
        #[derive(Debug, Default)]
        #[repr(align(128))]
        pub(crate) struct Traffic {
            $($name: Meter,)+
        }
    };
}

group_meters! {
    /// Messages received from pipes of all kinds, when the application takes them. A byte stream has none.
    messages_in,
    /// Messages accepted for sending by pipes of all kinds; one to a propagate pipe counts once, however many receive
    /// it. A byte stream has none.
    messages_out,
    /// Bytes of messages received, and read from byte streams.
    bytes_in,
    /// Bytes of messages accepted for sending, and written to byte streams.
    bytes_out,
    /// Questions of others that this peer took.
    queries_in,
    /// Questions asked at others, each time.
    queries_out,
    /// Bytes of the questions of others, and of others' answers to this peer.
    query_bytes_in,
    /// Bytes of own questions, and of own answers.
    query_bytes_out,
    /// Bytes that came through a relay. Of resumable and propagate pipes these are the frames of their links, with what
    /// was repeated.
    bytes_relayed_in,
    /// Bytes that went through a relay, likewise.
    bytes_relayed_out,
    /// Parcels of other members of propagate pipes that were passed on, each time.
    parcels_forwarded,
    /// Bytes of these, with what their signature needs.
    bytes_forwarded,
}

impl Traffic {
    /// A message was taken by the application.
    pub(crate) fn received(&self, bytes: usize) {
        self.messages_in.add(1);
        self.bytes_in.add(bytes as u64);
    }

    /// A message was accepted for sending.
    pub(crate) fn sent(&self, bytes: usize) {
        self.messages_out.add(1);
        self.bytes_out.add(bytes as u64);
    }

    /// A question of another peer was taken, or another peer has answered.
    pub(crate) fn query_in(&self, is_question: bool, bytes: usize, relayed: bool) {
        if is_question {
            self.queries_in.add(1);
        }
        self.query_bytes_in.add(bytes as u64);
        if relayed {
            self.relayed_in(bytes);
        }
    }

    /// Another peer is asked, or was answered.
    pub(crate) fn query_out(&self, is_question: bool, bytes: usize, relayed: bool) {
        if is_question {
            self.queries_out.add(1);
        }
        self.query_bytes_out.add(bytes as u64);
        if relayed {
            self.relayed_out(bytes);
        }
    }

    /// Bytes came through a relay.
    pub(crate) fn relayed_in(&self, bytes: usize) {
        self.bytes_relayed_in.add(bytes as u64);
    }

    /// Bytes went through a relay.
    pub(crate) fn relayed_out(&self, bytes: usize) {
        self.bytes_relayed_out.add(bytes as u64);
    }

    /// Parcels of others were passed on.
    pub(crate) fn forwarded(&self, parcels: usize, bytes: usize) {
        self.parcels_forwarded.add(parcels as u64);
        self.bytes_forwarded.add(bytes as u64);
    }
}

/// What the frames of a substream are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Frames {
    /// Messages.
    Messages,
    /// Pieces of a byte stream.
    Pieces,
    /// What carries messages that are counted elsewhere, perhaps again.
    Links,
}

/// What one substream counts by.
#[derive(Debug, Clone)]
pub(crate) struct Tally {
    pub(crate) traffic: Arc<Traffic>,
    pub(crate) frames: Frames,
    /// Whether a relay carries them.
    pub(crate) relayed: bool,
}

impl Tally {
    /// A frame has come.
    pub(crate) fn received(&self, bytes: usize) {
        match self.frames {
            Frames::Messages => self.traffic.received(bytes),
            Frames::Pieces => self.traffic.bytes_in.add(bytes as u64),
            Frames::Links => {}
        }
        if self.relayed {
            self.traffic.relayed_in(bytes);
        }
    }

    /// A frame was accepted for sending.
    pub(crate) fn sent(&self, bytes: usize) {
        match self.frames {
            Frames::Messages => self.traffic.sent(bytes),
            Frames::Pieces => self.traffic.bytes_out.add(bytes as u64),
            Frames::Links => {}
        }
        if self.relayed {
            self.traffic.relayed_out(bytes);
        }
    }
}

/// What is counted of one group.
#[derive(Debug, Default)]
pub(crate) struct GroupTraffic {
    since_ms: u64,
    places: [Arc<Traffic>; PLACES],
    given: AtomicUsize,
}

impl GroupTraffic {
    /// Counts from now on, which is so many ms after 1970.
    pub(crate) fn since(since_ms: u64) -> Self {
        Self { since_ms, ..Self::default() }
    }

    /// Where somebody new counts.
    pub(crate) fn place(&self) -> Arc<Traffic> {
        let given = self.given.fetch_add(1, Ordering::Relaxed);
        self.places.get(given % PLACES).cloned().unwrap_or_default()
    }

    /// The sum of all places.
    pub(crate) fn sum(&self) -> GroupMeters {
        let mut sum = GroupMeters { since_ms: self.since_ms, ..GroupMeters::default() };
        self.places.iter().for_each(|place| sum.add(place));
        sum
    }
}

/// Places of one group; as many tasks count without waiting for each other.
const PLACES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_many_pipes_count_is_one_sum() {
        let group = GroupTraffic::since(3);
        for bytes in 0..20 {
            group.place().sent(bytes);
            group.place().received(1);
        }
        let tally = |frames, relayed| Tally { traffic: group.place(), frames, relayed };
        tally(Frames::Pieces, false).sent(5);
        tally(Frames::Links, true).sent(1000);
        let sum = group.sum();
        assert_eq!((sum.messages_out, sum.bytes_out, sum.messages_in, sum.bytes_in), (20, 195, 20, 20));
        assert_eq!((sum.bytes_relayed_in, sum.bytes_relayed_out), (0, 1000));
        assert_eq!(sum.snapshot()[..2], [("since_ms", 3), ("messages_in", 20)]);
    }
}
