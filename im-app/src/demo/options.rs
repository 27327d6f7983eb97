//! What a demo is to be.

use std::path::PathBuf;
use std::time::Duration;

/// What the demo is to show.
#[derive(Debug, Clone)]
pub struct DemoOptions {
    /// People, 2 to 16: one alone has nobody to PING, and each is a process.
    pub peers: usize,
    /// How long; until Ctrl-C without.
    pub lasts: Option<Duration>,
    /// Where `records.csv` and the figures go; made if needed.
    pub out: PathBuf,
    /// Time between two PINGs of a pair.
    pub ping_period: Duration,
}
