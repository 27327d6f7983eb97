//! Every bound of a rendezvous: its default, its unit, its reason and what happens when it is reached. Those that an
//! operator may set are in [`Limits`].

mod settable;

use std::time::Duration;

pub use overlay::limits::Quota;

pub use settable::{BadLimit, IndexLimits, LeaseLimits, Limits, RateLimits, RelayLimits};

/// Peers that may hold a lease. About 40 KiB each with their connection, so 400 MiB; the next one is refused `Full`.
pub const LEASES_MAX: usize = 10_000;

/// Connections in all, room for those of every lease holder and for some that only look something up; the overlay
/// refuses the next one. Each is an open file: where the process may open fewer, it is cut, see [`FILES_RESERVED`].
pub const CONNECTIONS_MAX: u32 = 12_000;

/// Connections that may come from one address: a company behind one, after a restart of the rendezvous. More are
/// refused and counted; they try again.
pub const CONNECTS_QUOTA: Quota = Quota { per_second: 200, burst: 2000 };

/// Open files that are never given to connections: identity, control socket, HTTP, libraries. Connections are cut so
/// that these remain, since a process without any could neither be asked nor ended politely.
pub const FILES_RESERVED: u32 = 128;

/// Time to live of a lease when the peer wants none in particular; it is renewed at a third of it (DESIGN: 120 s).
pub const LEASE_TTL_DEFAULT: Duration = Duration::from_secs(120);

/// Shortest lease; less would only buy traffic, because a lost session is noticed at once. Shorter wishes get this.
pub const LEASE_TTL_MIN: Duration = Duration::from_secs(30);

/// Longest lease, which is how long a dead peer behind a silent network may stay listed. Longer wishes get this.
pub const LEASE_TTL_MAX: Duration = Duration::from_secs(600);

/// How long a peer whose session was lost keeps its lease, enough for a reconnect; then everything of it goes.
pub const LEASE_GRACE: Duration = Duration::from_secs(30);

/// Advertisements in the index, all publishers together; the next one is refused.
pub const ADVERTISEMENTS_MAX: usize = 100_000;

/// Advertisements of one publisher: itself, its services and pipes; the next one is refused.
pub const ADVERTISEMENTS_PER_PEER_MAX: usize = 64;

/// Bytes of all advertisements in the index; the next one is refused.
pub const INDEX_BYTES_MAX: usize = 128 * 1024 * 1024;

/// Longest that an advertisement is served for others, whatever its publisher wished: the overlay's own bound, since
/// what a publisher wished is also when it renews, and its lease ends it sooner anyway. Longer wishes get this.
pub const REMOTE_LIFETIME_MAX: Duration = overlay::limits::LIFETIME_REMOTE_MAX;

/// Lease requests of one peer: a renewal comes once in 40 s, the rest is reconnecting. More are refused `TooMany`.
pub const LEASE_QUOTA: Quota = Quota { per_second: 2, burst: 20 };

/// Lookups of one peer. More are refused `TooMany`.
pub const LOOKUP_QUOTA: Quota = Quota { per_second: 50, burst: 200 };

/// Advertisements published by one peer, each of which costs a signature check. More are refused and counted.
pub const PUBLICATION_QUOTA: Quota = Quota { per_second: 20, burst: 100 };

/// Subscriptions of all lease holders together, each at most 4 KiB of query and what waits to be told; the next one is
/// refused.
pub const SUBSCRIPTIONS_MAX: usize = 50_000;

/// News that wait for one subscription because its holder is slow, as ids; beyond, they are forgotten and everything
/// that answers is told anew when the holder listens again.
pub const SUBSCRIPTION_NEWS_MAX: usize = 256;

/// Notifications under way at a time, one for each holder; others wait their turn, as ids alone.
pub const NOTIFICATIONS_MAX: usize = 256;

/// Time in which a notification must be answered; a holder that does not is told anew when it is next heard of.
pub const NOTIFICATION_TIMEOUT: Duration = Duration::from_secs(10);

/// Lookups that one subscription costs, since all that answers is told once.
pub const SUBSCRIPTION_COST: u32 = 2;
/// Proofs of a place in a closed group by one peer: each costs at most three signature checks, and a member of many groups
/// shows them at once when it comes. More are refused `TooMany`.
pub const ENTRY_QUOTA: Quota = Quota { per_second: 8, burst: 128 };

/// Closed groups that are served, or remembered for their revocation lists. Beyond, the one that was left longest ago is
/// forgotten; when there are members in each, the next one is refused `Full`.
pub const CLOSED_GROUPS_MAX: usize = 4096;

/// Closed groups in which one peer has a place; the next one is refused `Full`.
pub const PLACES_PER_PEER_MAX: usize = 64;

/// Bytes of all revocation lists, signed; three times as much in memory. Beyond, the group with the longest list is
/// forgotten, those without members first, and its members have to prove their places again.
pub const LISTS_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Newer revocation lists of which the members wait to be told; the next one is dropped and counted.
pub const NEWS_MAX: usize = 1024;

/// Groups whose members are being told at a time; others wait.
pub const NEWS_TELLING_MAX: usize = 64;

/// Members of one group that are being told at a time; the others wait.
pub const NEWS_MEMBERS_AT_ONCE: usize = 32;

/// Time in which a member takes in news; one that does not hears of them when it proves its place again.
pub const NEWS_TIMEOUT: Duration = Duration::from_secs(2);

/// Peers whose spending is remembered, per kind of quota; beyond, the bucket nearest to full is forgotten.
pub const RATE_PEERS_MAX: usize = 16_384;

/// Banned peers; a further ban is refused. One line of a file each.
pub const BANNED_MAX: usize = 10_000;

/// Peers that may hold a reservation at the relay: those with a lease that can't be dialed. The next is refused.
pub const RELAY_RESERVATIONS_MAX: u32 = 4096;

/// Circuits through the relay at once; each holds a few buffers and carries up to [`CIRCUIT_MIB_MAX`]. The next is
/// refused.
pub const CIRCUITS_MAX: u32 = 1024;

/// Circuits of one peer. The next that it opens is refused.
pub const CIRCUITS_PER_PEER_MAX: u32 = 32;

/// MiB that one circuit carries, both ways together: libp2p's own 128 KiB would cut every file. Then it ends, and the
/// next begins anew.
pub const CIRCUIT_MIB_MAX: u32 = 1024;

/// How long one circuit lives. Then it ends as above.
pub const CIRCUIT_LIFE_MAX: Duration = Duration::from_secs(4 * 3600);

/// Commands waiting for the server's task; their senders wait.
pub const COMMANDS_MAX: usize = 64;

/// Open connections of the operations HTTP server; the next one waits to be accepted.
pub const HTTP_CONNECTIONS_MAX: usize = 64;

/// How long one HTTP connection may last, so that idle ones cannot hold every place. A scraper simply reconnects.
pub const HTTP_CONNECTION_LIFE: Duration = Duration::from_secs(60);

/// Open connections of the control socket; the next one waits to be accepted.
pub const CONTROL_CONNECTIONS_MAX: usize = 16;

/// Bytes of one control request, a short JSON object; a longer one is refused.
pub const CONTROL_REQUEST_BYTES_MAX: u64 = 4 * 1024;

/// Bytes of one control answer that the asking command reads: `LEASES_MAX` peers of 200 bytes, with room to raise it.
pub const CONTROL_ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// How long one exchange over the control socket may take before either side gives up.
pub const CONTROL_DEADLINE: Duration = Duration::from_secs(15);
