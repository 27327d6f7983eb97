//! Bounds of what is sampled: how many records of one agent travel whole.

use std::time::Duration;

/// Records a second that one agent lets travel whole, on average over [`RECORD_RATE_SPAN`], unless its setting
/// `record_rate_max` says otherwise: a hundred buddies asked ten times a second, and half of what
/// [`PACE_WATCHED_BYTES_PER_S`](super::PACE_WATCHED_BYTES_PER_S) lets through. Reached: of what is neither failed nor slow
/// a sample travels, each with its weight, so that figures still count all; `records_folded` counts the others.
pub const RECORD_RATE_MAX: u32 = 1_000;

/// The time over which records are counted: a burst of ten thousand travels whole, and waits in a queue of
/// [`SUBSCRIPTION_RECORDS_MAX`](super::SUBSCRIPTION_RECORDS_MAX) meanwhile.
pub const RECORD_RATE_SPAN: Duration = Duration::from_secs(10);

/// For how many transactions one record may stand. Reached: more travel than are wanted; one that claims more is
/// malformed, so that a lying agent does not keep a manager counting.
pub const RECORD_WEIGHT_MAX: u32 = 1_000;
