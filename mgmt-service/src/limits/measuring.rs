//! Bounds of what being measured and asked costs a peer: memory that is taken only when it is needed, looks at objects.

use std::time::Duration;

/// Length of the slots in which a process looks how long it waited for a processor: four looks a second, of some 0.1 ms
/// each.
pub const WAIT_SLOT: Duration = Duration::from_millis(250);

/// A wait in a slot that is worth telling: half of what can make a peak.
pub const WAIT_TOLD_MIN: Duration = Duration::from_millis(10);

/// Slots that wait for a record to tell them, which has room for no more. Reached: the least wait is forgotten.
pub const WAITS_TOLD_MAX: usize = 7;

/// Places that a consumer's queue begins with, 36 KB. Reached: it takes eight times as many, up to its capacity, once.
pub const QUEUE_PLACES_FIRST: usize = 256;

/// Objects that one question looks at when its pattern fits no index: about a millisecond. The next page goes on behind
/// them, so that a question for a needle in a registry of `BEANS_MAX` objects takes its asker 13 pages, and the agent no
/// more than a moment for each.
pub const GET_LOOKS_MAX: usize = 8192;

/// Records of an application that are registered as objects, the last ones, about a kilobyte each; an older one is
/// unregistered. A minute of a hundred buddies, each asked every twelve seconds.
pub const RECORD_BEANS_KEPT: usize = 512;
