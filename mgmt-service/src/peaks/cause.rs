//! The parts of an exchange, and which of them is to blame.

use std::fmt;

use serde_json::{Value, json};

/// What made an exchange slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Cause {
    /// The asker did not get to it: its own process was busy or stopped.
    LocalQueue,
    /// Finding out where the receiver is.
    Lookup,
    /// Connecting to the receiver.
    Dial,
    /// A relay stood between, where usually none does.
    Path,
    /// The way there and back.
    Network,
    /// The receiver took long to answer.
    RemoteHold,
    /// The asker's process wanted to run and its machine had no time for it: nothing of the exchange.
    AskerStall,
    /// The same of the receiver's.
    ReceiverStall,
}

impl Cause {
    /// All causes: those of the exchange in its order, then those of the machines.
    pub const ALL: [Self; 8] = [
        Self::LocalQueue,
        Self::Lookup,
        Self::Dial,
        Self::Path,
        Self::Network,
        Self::RemoteHold,
        Self::AskerStall,
        Self::ReceiverStall,
    ];

    /// The word in reports; it never changes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LocalQueue => "local-queue",
            Self::Lookup => "lookup",
            Self::Dial => "dial",
            Self::Path => "path",
            Self::Network => "network",
            Self::RemoteHold => "remote-hold",
            Self::AskerStall => "asker-stall",
            Self::ReceiverStall => "receiver-stall",
        }
    }

    /// What it means, for people.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::LocalQueue => "the asker itself was busy or stopped",
            Self::Lookup => "finding the receiver's address took long",
            Self::Dial => "connecting took long",
            Self::Path => "it went through a relay",
            Self::Network => "the network between was slow",
            Self::RemoteHold => "the receiver was busy or stopped",
            Self::AskerStall => "the asker's machine had no processor for it",
            Self::ReceiverStall => "the receiver's machine had no processor for it",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Microseconds by cause: how much longer than usual each part took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Parts([u64; Cause::ALL.len()]);

impl Parts {
    /// Adds to a part.
    pub fn add(&mut self, cause: Cause, us: u64) {
        if let Some(part) = self.0.get_mut(cause as usize) {
            *part = part.saturating_add(us);
        }
    }

    /// Adds all parts of another, so many times.
    pub fn merge(&mut self, other: &Self, times: u64) {
        Cause::ALL.into_iter().for_each(|cause| self.add(cause, other.of(cause).saturating_mul(times)));
    }

    /// One part.
    #[must_use]
    pub fn of(&self, cause: Cause) -> u64 {
        self.0.get(cause as usize).copied().unwrap_or(0)
    }

    /// All together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().fold(0, |sum, part| sum.saturating_add(*part))
    }

    /// The largest part and its share of all (0 to 1); none when nothing took longer than usual.
    #[must_use]
    pub fn cause(&self) -> Option<(Cause, f64)> {
        let largest = Cause::ALL.into_iter().max_by_key(|cause| self.of(*cause))?;
        (self.of(largest) > 0).then(|| (largest, self.of(largest) as f64 / self.total() as f64))
    }

    /// `{local_queue_us, lookup_us, …}`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let [queue, lookup, dial, path, network, hold, asker, receiver] = self.0;
        json!({
            "local_queue_us": queue, "lookup_us": lookup, "dial_us": dial,
            "path_us": path, "network_us": network, "remote_hold_us": hold,
            "asker_stall_us": asker, "receiver_stall_us": receiver,
        })
    }
}
