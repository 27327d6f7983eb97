//! Bounds of paged answers, of the cache's file and of subscriptions.

use std::time::Duration;

/// Answers that are left out at most when a query goes on where an answer ended; each page costs a look through those
/// before it. More: refused, and the search ends there.
pub const FIND_SKIP_MAX: u32 = 10_000;

/// For how long only what is remembered of a peer is dialed; then the rendezvous are asked as well. A round trip and the
/// handshakes of most that answer; one that has moved is found that much later.
pub const LOOKUP_HEAD_START: Duration = Duration::from_millis(250);
/// Dials of one peer that run at a time: at what was remembered, and at what was found since. More wait for these.
pub const DIALS_PER_PEER_MAX: usize = 2;

/// Time between two writes of the cache's file: what a power cut costs at most.
pub const CACHE_SAVE_PERIOD: Duration = Duration::from_secs(1);
/// Changes of the cache that wait to be written. Full: counted, and not written until they come again.
pub const CACHE_QUEUE: usize = 4096;
/// Bytes of the cache's file that are read at start, well above what a full cache writes. More are not read.
pub const CACHE_FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Bytes of a subscription's query, since a rendezvous holds many. Longer: malformed.
pub const SUBSCRIPTION_BYTES_MAX: usize = 4 * 1024;
/// Subscriptions that one peer holds at a time, and that a rendezvous holds of one peer. More: `subscribe` fails.
pub const SUBSCRIPTIONS_PER_PEER_MAX: usize = 64;
/// Advertisements that one subscription knows at a time. More are left out and told as [`Change::Missed`](crate::Change).
pub const SUBSCRIPTION_KNOWN_MAX: usize = 4096;
/// Ids in one notification of what is gone, so that it fits a session frame together with an edition. More: malformed.
pub const NOTIFICATION_GONE_MAX: usize = 256;
/// Time in which a rendezvous must answer a subscription, and after which a refused one is tried again.
pub const SUBSCRIBE_RETRY: Duration = Duration::from_secs(5);
/// For how long a subscriber still believes what a rendezvous that has lost its memory does not tell again: its
/// publishers need as long to find that rendezvous again ([`LEASE_RETRY_MAX`](super::LEASE_RETRY_MAX)).
pub const SUBSCRIPTION_GRACE: Duration = Duration::from_secs(10);
