//! The bounds that an operator may set.
//!
//! In: the `[limits]` table of a configuration, or nothing. Out: [`Limits`], checked by [`Limits::check`].

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::*;

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
