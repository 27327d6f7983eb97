//! Every bound of a rendezvous: its default, its unit, its reason and what happens when it is reached.
//!
//! In: the `[limits]` table of a configuration, or nothing. Out: [`Limits`], checked by [`Limits::check`].

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use overlay::limits::Quota;

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
pub const CONTROL_DEADLINE: Duration = Duration::from_secs(5);

/// Longest duration that a limit may be set to: keeps sums with the clock far from overflow.
const DURATION_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The bounds that an operator may set, `[limits]` in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Limits {
    /// Connections in all; default [`CONNECTIONS_MAX`]. Whoever builds the peer hands it to its builder.
    pub connections: u32,
    /// Leases.
    pub lease: LeaseLimits,
    /// The index of advertisements.
    pub index: IndexLimits,
    /// What one peer may ask.
    pub rate: RateLimits,
    /// What the relay carries. Whoever builds the peer hands it to its builder.
    pub relay: RelayLimits,
}

/// Bounds of the relay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RelayLimits {
    /// Peers that may hold a reservation; default [`RELAY_RESERVATIONS_MAX`].
    pub reservations_max: u32,
    /// Circuits at once; default [`CIRCUITS_MAX`].
    pub circuits_max: u32,
    /// Circuits of one peer; default [`CIRCUITS_PER_PEER_MAX`].
    pub circuits_per_peer_max: u32,
    /// MiB of one circuit; default [`CIRCUIT_MIB_MAX`].
    pub circuit_mib_max: u32,
    /// Life of one circuit; default [`CIRCUIT_LIFE_MAX`].
    #[serde(with = "duration_text")]
    pub circuit_life_max: Duration,
}

#[cfg(feature = "reach")]
impl RelayLimits {
    /// What a peer that keeps these limits serves.
    #[must_use]
    pub fn reach(&self) -> overlay::Reach {
        overlay::Reach::default()
            .reservations(self.reservations_max)
            .circuits(self.circuits_max, self.circuits_per_peer_max)
            .circuit(u64::from(self.circuit_mib_max) * 1024 * 1024, self.circuit_life_max)
    }
}

impl Default for RelayLimits {
    fn default() -> Self {
        Self {
            reservations_max: RELAY_RESERVATIONS_MAX,
            circuits_max: CIRCUITS_MAX,
            circuits_per_peer_max: CIRCUITS_PER_PEER_MAX,
            circuit_mib_max: CIRCUIT_MIB_MAX,
            circuit_life_max: CIRCUIT_LIFE_MAX,
        }
    }
}

/// Bounds of the lease table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct LeaseLimits {
    /// Peers that may hold a lease; default [`LEASES_MAX`].
    pub leases_max: usize,
    /// Default [`LEASE_TTL_DEFAULT`].
    #[serde(with = "duration_text")]
    pub ttl_default: Duration,
    /// Default [`LEASE_TTL_MIN`].
    #[serde(with = "duration_text")]
    pub ttl_min: Duration,
    /// Default [`LEASE_TTL_MAX`].
    #[serde(with = "duration_text")]
    pub ttl_max: Duration,
    /// Default [`LEASE_GRACE`].
    #[serde(with = "duration_text")]
    pub grace: Duration,
}

/// Bounds of the index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct IndexLimits {
    /// Advertisements in all; default [`ADVERTISEMENTS_MAX`].
    pub advertisements_max: usize,
    /// Advertisements of one publisher; default [`ADVERTISEMENTS_PER_PEER_MAX`].
    pub per_peer_max: usize,
    /// Bytes in all; default [`INDEX_BYTES_MAX`].
    pub bytes_max: usize,
    /// Default [`REMOTE_LIFETIME_MAX`].
    #[serde(with = "duration_text")]
    pub remote_lifetime_max: Duration,
}

/// What one peer may ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RateLimits {
    /// Lease requests and cancellations; default [`LEASE_QUOTA`].
    pub lease: Quota,
    /// Lookups; default [`LOOKUP_QUOTA`].
    pub lookup: Quota,
    /// Advertisements published; default [`PUBLICATION_QUOTA`].
    pub publication: Quota,
    /// Proofs of a place in a closed group; default [`ENTRY_QUOTA`].
    pub entry: Quota,
}

/// A limit that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("use `limits.{key}`: {problem}")]
pub struct BadLimit {
    /// The key below `[limits]`.
    pub key: &'static str,
    /// What it should be.
    pub problem: &'static str,
}

impl Limits {
    /// Whether the limits can be served together.
    ///
    /// # Errors
    /// [`BadLimit`] with the first key that cannot.
    pub fn check(&self) -> Result<(), BadLimit> {
        let lease = &self.lease;
        let counts = [
            ("connections", self.connections as usize),
            ("lease.leases-max", lease.leases_max),
            ("index.advertisements-max", self.index.advertisements_max),
            ("index.per-peer-max", self.index.per_peer_max),
            ("index.bytes-max", self.index.bytes_max),
            ("relay.reservations-max", self.relay.reservations_max as usize),
            ("relay.circuits-max", self.relay.circuits_max as usize),
            ("relay.circuits-per-peer-max", self.relay.circuits_per_peer_max as usize),
            ("relay.circuit-mib-max", self.relay.circuit_mib_max as usize),
        ];
        let durations = [
            ("lease.ttl-default", lease.ttl_default),
            ("lease.ttl-min", lease.ttl_min),
            ("lease.ttl-max", lease.ttl_max),
            ("lease.grace", lease.grace),
            ("index.remote-lifetime-max", self.index.remote_lifetime_max),
            ("relay.circuit-life-max", self.relay.circuit_life_max),
        ];
        let quotas = [
            ("rate.lease", self.rate.lease),
            ("rate.lookup", self.rate.lookup),
            ("rate.publication", self.rate.publication),
            ("rate.entry", self.rate.entry),
        ];
        let bad = |key, problem| Err(BadLimit { key, problem });
        if let Some((key, _)) = counts.iter().find(|(_, count)| *count == 0) {
            return bad(key, "it must be at least 1");
        }
        if (self.connections as usize) < lease.leases_max {
            return bad("connections", "it must be at least lease.leases-max, since each holder has one");
        }
        let in_range = |duration: &Duration| (Duration::from_secs(1)..=DURATION_MAX).contains(duration);
        if let Some((key, _)) = durations.iter().find(|(_, duration)| !in_range(duration)) {
            return bad(key, "it must be from 1s to 7days");
        }
        if let Some((key, _)) = quotas.iter().find(|(_, quota)| quota.per_second == 0 || quota.burst == 0) {
            return bad(key, "per-second and burst must be at least 1");
        }
        if !(lease.ttl_min <= lease.ttl_default && lease.ttl_default <= lease.ttl_max) {
            return bad("lease.ttl-default", "it must lie between ttl-min and ttl-max");
        }
        Ok(())
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: CONNECTIONS_MAX,
            lease: LeaseLimits::default(),
            index: IndexLimits::default(),
            rate: RateLimits::default(),
            relay: RelayLimits::default(),
        }
    }
}

impl Default for LeaseLimits {
    fn default() -> Self {
        Self {
            leases_max: LEASES_MAX,
            ttl_default: LEASE_TTL_DEFAULT,
            ttl_min: LEASE_TTL_MIN,
            ttl_max: LEASE_TTL_MAX,
            grace: LEASE_GRACE,
        }
    }
}

impl Default for IndexLimits {
    fn default() -> Self {
        Self {
            advertisements_max: ADVERTISEMENTS_MAX,
            per_peer_max: ADVERTISEMENTS_PER_PEER_MAX,
            bytes_max: INDEX_BYTES_MAX,
            remote_lifetime_max: REMOTE_LIFETIME_MAX,
        }
    }
}

impl Default for RateLimits {
    fn default() -> Self {
        Self { lease: LEASE_QUOTA, lookup: LOOKUP_QUOTA, publication: PUBLICATION_QUOTA, entry: ENTRY_QUOTA }
    }
}

/// Durations as people write them: `45s`, `10m`.
mod duration_text {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(*duration))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_duration(&text).map_err(|error| {
            D::Error::custom(format_args!("`{text}` is no duration like `45s` or `10m`: {error}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_can_be_served_together() {
        assert_eq!(Limits::default().check(), Ok(()));
    }

    #[test]
    fn each_limit_that_makes_no_sense_is_named() {
        type Spoil = fn(&mut Limits);
        let spoilt: [(&str, Spoil); 7] = [
            ("lease.leases-max", |limits| limits.lease.leases_max = 0),
            ("index.bytes-max", |limits| limits.index.bytes_max = 0),
            ("lease.grace", |limits| limits.lease.grace = Duration::ZERO),
            ("index.remote-lifetime-max", |limits| limits.index.remote_lifetime_max = Duration::MAX),
            ("lease.ttl-default", |limits| limits.lease.ttl_min = Duration::from_secs(500)),
            ("rate.lookup", |limits| limits.rate.lookup.burst = 0),
            ("rate.lease", |limits| limits.rate.lease.per_second = 0),
        ];
        for (key, spoil) in spoilt {
            let mut limits = Limits::default();
            spoil(&mut limits);
            assert_eq!(limits.check().map_err(|bad| bad.key), Err(key));
        }
    }

    #[test]
    fn limits_survive_their_text() {
        let limits = Limits::default();
        let text = toml::to_string(&limits).unwrap();
        assert_eq!(toml::from_str::<Limits>(&text).unwrap(), limits, "{text}");
    }

    #[test]
    fn unknown_limit_and_bad_duration_are_refused_by_name() {
        let unknown = toml::from_str::<Limits>("[lease]\nleases-maximum = 3\n").unwrap_err().to_string();
        assert!(unknown.contains("leases-maximum") && unknown.contains("line 2"), "{unknown}");
        let bad = toml::from_str::<Limits>("[lease]\ngrace = \"soon\"\n").unwrap_err().to_string();
        assert!(bad.contains("soon") && bad.contains("45s"), "{bad}");
    }
}
