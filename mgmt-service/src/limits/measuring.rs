//! Bounds of what being measured and asked costs a peer: memory that is taken only when it is needed, looks at objects.

/// Places that a consumer's queue begins with, 36 KB. Reached: it takes eight times as many, up to its capacity, once.
pub const QUEUE_PLACES_FIRST: usize = 256;

/// Objects that one question looks at when its pattern fits no index: about a millisecond. The next page goes on behind
/// them, so that a question for a needle in a registry of `BEANS_MAX` objects takes its asker 13 pages, and the agent no
/// more than a moment for each.
pub const GET_LOOKS_MAX: usize = 8192;

/// Records of an application that are registered as objects, the last ones, about a kilobyte each; an older one is
/// unregistered. A minute of a hundred buddies, each asked every twelve seconds.
pub const RECORD_BEANS_KEPT: usize = 512;
