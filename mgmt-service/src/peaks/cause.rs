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
}

impl Cause {
    /// All causes, in the order of the exchange.
    pub const ALL: [Self; 6] =
        [Self::LocalQueue, Self::Lookup, Self::Dial, Self::Path, Self::Network, Self::RemoteHold];

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

    /// Adds all parts of another.
    pub fn merge(&mut self, other: &Self) {
        Cause::ALL.into_iter().for_each(|cause| self.add(cause, other.of(cause)));
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
        let [queue, lookup, dial, path, network, hold] = self.0;
        json!({
            "local_queue_us": queue, "lookup_us": lookup, "dial_us": dial,
            "path_us": path, "network_us": network, "remote_hold_us": hold,
        })
    }
}
