//! Bounds of what being measured and asked costs a peer: memory that is taken only when it is needed, looks at objects.

/// Places that a consumer's queue begins with, 28 KB. Reached: it takes eight times as many, up to its capacity, once.
pub const QUEUE_PLACES_FIRST: usize = 256;

/// Objects that one question looks at when its pattern fits no index: about a millisecond. The next page goes on behind
/// them, so that a question for a needle in a registry of `BEANS_MAX` objects takes its asker 13 pages, and the agent no
/// more than a moment for each.
pub const GET_LOOKS_MAX: usize = 8192;

/// Records of an application that are registered as objects, the last ones, about a kilobyte each; an older one is
/// unregistered. A minute of a hundred buddies, each asked every twelve seconds.
pub const RECORD_BEANS_KEPT: usize = 512;

/// Threads of a process that count their response times on their own, 11 KB for each definition of which they ended a
/// transaction. Reached: the others count together, by atomic additions, some ten nanoseconds more and more when they meet.
pub const LANES: usize = 8;
