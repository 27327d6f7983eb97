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
            $($(#[$doc])* pub $name: u64,)+
        }

        impl GroupMeters {
            /// All of them with their names, in a fixed order.
            pub fn snapshot(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name),)+]
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

    /// A question of another peer was taken.
    pub(crate) fn asked(&self, bytes: usize) {
        self.queries_in.add(1);
        self.query_bytes_in.add(bytes as u64);
    }

    /// An own answer was given.
    pub(crate) fn answers(&self, bytes: usize) {
        self.query_bytes_out.add(bytes as u64);
    }

    /// Another peer is asked.
    pub(crate) fn asks(&self, bytes: usize) {
        self.queries_out.add(1);
        self.query_bytes_out.add(bytes as u64);
    }

    /// Another peer has answered.
    pub(crate) fn answered(&self, bytes: usize) {
        self.query_bytes_in.add(bytes as u64);
    }

    /// Parcels of others were passed on.
    pub(crate) fn forwarded(&self, parcels: usize, bytes: usize) {
        self.parcels_forwarded.add(parcels as u64);
        self.bytes_forwarded.add(bytes as u64);
    }
}

/// What one pipe counts by: its frames as messages, or their bytes alone.
#[derive(Debug, Clone)]
pub(crate) struct Tally {
    traffic: Arc<Traffic>,
    messages: bool,
}

impl Tally {
    /// Of a pipe of messages.
    pub(crate) fn of_messages(traffic: Arc<Traffic>) -> Self {
        Self { traffic, messages: true }
    }

    /// The same pipe is a byte stream.
    pub(crate) fn bytes_alone(&mut self) {
        self.messages = false;
    }

    /// A frame has come.
    pub(crate) fn received(&self, bytes: usize) {
        if self.messages {
            self.traffic.messages_in.add(1);
        }
        self.traffic.bytes_in.add(bytes as u64);
    }

    /// A frame was accepted for sending.
    pub(crate) fn sent(&self, bytes: usize) {
        if self.messages {
            self.traffic.messages_out.add(1);
        }
        self.traffic.bytes_out.add(bytes as u64);
    }
}

/// What is counted of one group.
#[derive(Debug, Default)]
pub(crate) struct GroupTraffic {
    places: [Arc<Traffic>; PLACES],
    given: AtomicUsize,
}

impl GroupTraffic {
    /// Where somebody new counts.
    pub(crate) fn place(&self) -> Arc<Traffic> {
        let given = self.given.fetch_add(1, Ordering::Relaxed);
        self.places.get(given % PLACES).cloned().unwrap_or_default()
    }

    /// The sum of all places.
    pub(crate) fn sum(&self) -> GroupMeters {
        let mut sum = GroupMeters::default();
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
        let group = GroupTraffic::default();
        for bytes in 0..20 {
            group.place().sent(bytes);
            group.place().received(1);
        }
        let mut stream = Tally::of_messages(group.place());
        stream.bytes_alone();
        stream.sent(5);
        let sum = group.sum();
        assert_eq!((sum.messages_out, sum.bytes_out, sum.messages_in, sum.bytes_in), (20, 195, 20, 20));
        assert_eq!(sum.snapshot()[0], ("messages_in", 20));
    }
}
