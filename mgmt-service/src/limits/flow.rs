//! Bounds of the flow of records: what a manager grants, what an agent pushes.

use std::time::Duration;

use super::{AGENTS_MAX, PUSH_BYTES_MAX};

/// Bytes of batches that one agent may have on their way to a manager, beyond those that are committed: one message at
/// its longest, and eight full batches as they usually are. Reached: the agent's batches wait, then spool, or its oldest
/// records are dropped and the next batch says how many; the agent's sketches have them all the same.
pub const CREDIT_BYTES: u64 = PUSH_BYTES_MAX as u64;

/// Bytes that all agents of one collection together may have on their way, so that a manager with 1,000 of them stays
/// within 64 MiB for what is not decoded yet. Besides, at most twice [`SINK_QUEUE`](super::SINK_QUEUE) batches are
/// decoded, 20 MiB, and of each agent one message of what its monitors said.
pub const CREDIT_BYTES_MAX: u64 = CREDIT_BYTES * AGENTS_MAX as u64;

/// The share of the bytes that a peer's application sends and receives which its agent may push besides.
///
/// Reached, here and at the two rates below: batches wait and grow, then they spool, or the oldest records are dropped as
/// without credit. A flush is not held up: somebody waits for it, and it ends.
pub const PACE_SHARE: f64 = 0.02;

/// Bytes a second that an agent may push however little its application does: 500 records.
pub const PACE_FLOOR_BYTES_PER_S: u32 = 4 * 1024;

/// Bytes a second that an agent may push besides for what somebody watches: 2,000 records, in batches of a second.
pub const PACE_WATCHED_BYTES_PER_S: u32 = 64 * 1024;

/// Bytes that an agent may push at once when it pushed nothing for a while, watched and unwatched each.
pub const PACE_BURST_BYTES: u32 = 256 * 1024;

/// Longest time between two looks whether the application's bytes allow a push.
pub const PACE_LOOK: Duration = Duration::from_millis(250);

const _: () = assert!(CREDIT_BYTES_MAX <= 64 << 20, "what all agents may have on their way");
