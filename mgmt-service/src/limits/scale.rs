//! Bounds of what scales and survives: spools of standing subscriptions, trees of aggregators.

use std::time::Duration;

/// Standing subscriptions of one agent that have a spool; a further one is served without.
pub const SPOOLS_MAX: usize = 2;

/// Bytes of one spool: 1.5 million records. Reached: the oldest segment goes, and the next batches say how many records
/// that lost.
pub const SPOOL_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// How long a spool keeps a batch that nobody takes, and how long a standing subscription outlives its manager.
pub const SPOOL_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// Bytes at which a segment of a spool is followed by the next; space is freed segment by segment.
pub const SPOOL_SEGMENT_BYTES: u64 = 1024 * 1024;

/// Batches in one spool, about 64 bytes of memory each; beyond, the oldest segment goes as if its bytes were too many.
pub const SPOOL_BATCHES_MAX: usize = 16 * 1024;

/// Time between two batches that are replayed from a spool, on average: a day of minutes takes two and a half minutes,
/// and a thousand agents together stay below what one manager commits. Up to twice as long, at random.
pub const SPOOL_REPLAY_INTERVAL: Duration = Duration::from_millis(100);

/// Bytes of one report to an aggregator: a sketch with all its buckets, nine bytes each.
pub const REPORT_BYTES_MAX: usize = 32 * 1024;

/// Children of one aggregator; a further one is told to try the next. Fan-in is 32 to 64, with room for those of one
/// that died.
pub const AGGREGATOR_CHILDREN_MAX: usize = 64;

/// Reports of one child that wait for the end of their intervals: three intervals of one that was restarted once in
/// each. A further one is refused, and its peers are missing in `reporting`.
pub const REPORTS_PER_CHILD_MAX: usize = 6;
