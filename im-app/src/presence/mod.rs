//! Presence (RFC 2778; paper §3.2): this peer watches its buddies by asking each once a period, and keeps what it saw.

mod poller;
mod roster;

pub use poller::{Poller, Tick};
pub use roster::{Path, Roster, Sight, Source};
