//! Bounds of spot checks on aggregators: what is remembered for them, and what they may cost.

use std::time::Duration;

/// Reports that a peer remembers after they were sent, a few kilobytes each: what it says when a manager checks who counted
/// them. The oldest is forgotten, and a check of it says so.
pub const TOLD_KEPT: usize = 16;

/// Parents that a remembered report names, of those that it was sent to; of more, the last.
pub const TOLD_PARENTS_MAX: usize = 4;

/// Intervals of which an aggregator remembers what it counted of each child; the oldest is forgotten.
pub const LEDGER_INTERVALS_KEPT: usize = 16;

/// Bytes of what an aggregator remembers so: 64 children with 4 KiB each in each interval. Beyond, the oldest goes.
pub const LEDGER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes of reports in one answer about what was counted; the rest comes with the next.
pub const PARTS_ANSWER_BYTES_MAX: usize = 48 * 1024;

/// Reports in one answer about what was counted; the rest comes with the next.
pub const PARTS_ANSWER_MAX: usize = 256;

/// Answers that are read of one aggregator about one of its reports; one that needs more can't be checked.
pub const PARTS_PAGES_MAX: usize = 48;

/// Spot checks in one look at the totals, unless somebody says otherwise.
pub const CHECKS: u32 = 8;

/// The most spot checks in one look at the totals; more is wrong usage.
pub const CHECKS_MAX: u32 = 256;

/// How long a peer may take to answer one question of a check; then it can't be checked.
pub const CHECK_TIMEOUT: Duration = Duration::from_secs(3);
