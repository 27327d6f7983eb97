//! `im demo`: a rendezvous, some people who chat, and a manager who sees their presence latency, on this machine.
//!
//! Everything is real: each person is an `im` process of its own with its own identity and database, all talk over
//! loopback TCP, and the manager collects each PING/PONG over the overlay itself.

mod measurements;
pub mod net;
mod scene;
mod script;

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

/// What the demo is to show.
#[derive(Debug, Clone)]
pub struct DemoOptions {
    /// People, [`PEERS_MIN`] to [`PEERS_MAX`].
    pub peers: usize,
    /// How long; until Ctrl-C without.
    pub lasts: Option<Duration>,
    /// Where `records.csv` and the figures go; made if needed.
    pub out: PathBuf,
    /// Time between two PINGs of a pair.
    pub ping_period: Duration,
}

/// Why the demo ended early.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DemoError {
    /// A file, a folder or a process can't be had.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The rendezvous or the manager could not start.
    #[error("start the {who}: {reason}")]
    Start {
        /// Which of them.
        who: &'static str,
        /// Why.
        reason: String,
    },
    /// One of the people did not get ready.
    #[error("start {name}: {reason}")]
    Person {
        /// Who.
        name: String,
        /// Why.
        reason: String,
    },
}

/// Fewest people: one alone has nobody to PING.
pub const PEERS_MIN: usize = 2;
/// Most people: each is a process, and each pair are buddies.
pub const PEERS_MAX: usize = 16;
