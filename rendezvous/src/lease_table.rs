//! Leases: how long a rendezvous keeps serving a peer (JXTA rendezvous protocol).
//!
//! In: lease requests, frames seen, sessions lost, the passing of time. Out: grants, refusals, expiries.
//! Bounds: `LeaseLimits::leases_max` peers, one lease each; a further peer is refused, a holder may always renew.
//! Pure: the caller supplies `now`; [`LeaseTable::poll_timeout`] says when to call [`LeaseTable::pop_expired`] again.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use overlay::{Deadlines, PeerId};

use crate::limits::LeaseLimits;

/// Live leases, at most one per peer, ordered by expiry.
#[derive(Debug)]
pub struct LeaseTable {
    limits: LeaseLimits,
    leases: HashMap<PeerId, Lease>,
    expiries: Deadlines<PeerId>,
}

/// What the table knows of one holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The time to live that the holder was granted; every frame of it starts this anew.
    pub ttl: Duration,
    /// When the lease ends unless the holder is seen before.
    pub expires_at: Instant,
    /// The holder's last session was lost and it has not been seen since.
    pub suspect: bool,
}

/// The answer to a lease request that was not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// For how long, from now.
    pub ttl: Duration,
    /// The peer already held a lease, which this one replaces.
    pub renewed: bool,
}

/// Why a lease was not granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LeaseRefused {
    /// The table holds as many other peers as it may; ask another rendezvous or later.
    #[error("lease: all {max} leases are taken")]
    Full {
        /// The configured bound.
        max: usize,
    },
}

impl LeaseTable {
    /// An empty table.
    #[must_use]
    pub fn new(limits: LeaseLimits) -> Self {
        Self { limits, leases: HashMap::new(), expiries: Deadlines::new() }
    }

    /// Grants or renews the lease of `peer` for `wanted`, cut to the configured range; zero asks for the default.
    ///
    /// A renewal replaces the old expiry, which never fires, and ends a suspicion. O(log n).
    ///
    /// # Errors
    /// [`LeaseRefused::Full`] when other peers hold every lease. A renewal is never refused.
    pub fn request(&mut self, now: Instant, peer: PeerId, wanted: Duration) -> Result<Grant, LeaseRefused> {
        let renewed = self.leases.contains_key(&peer);
        if !renewed && self.leases.len() >= self.limits.leases_max {
            return Err(LeaseRefused::Full { max: self.limits.leases_max });
        }
        let ttl = self.cut(wanted);
        self.hold(peer, Lease { ttl, expires_at: now + ttl, suspect: false });
        Ok(Grant { ttl, renewed })
    }

    /// Something was received from `peer`: its lease, if it holds one, starts anew. Returns whether it does. O(log n).
    pub fn seen(&mut self, now: Instant, peer: &PeerId) -> bool {
        let Some(lease) = self.live(now, peer) else {
            return false;
        };
        let expires_at = now + lease.ttl;
        self.hold(*peer, Lease { expires_at, suspect: false, ..lease });
        true
    }

    /// The last session of `peer` was lost: its lease ends after the grace, and never later than it would have.
    ///
    /// Returns whether the peer became suspect by this call; a second loss does not lengthen the grace. O(log n).
    pub fn suspect(&mut self, now: Instant, peer: &PeerId) -> bool {
        let Some(lease) = self.leases.get(peer).copied().filter(|lease| !lease.suspect) else {
            return false;
        };
        let expires_at = lease.expires_at.min(now + self.limits.grace);
        self.hold(*peer, Lease { expires_at, suspect: true, ..lease });
        true
    }

    /// Ends the lease of `peer` at once. Returns whether there was one. O(log n).
    pub fn cancel(&mut self, peer: &PeerId) -> bool {
        self.expiries.remove(peer);
        self.leases.remove(peer).is_some()
    }

    /// Takes one lease out whose time has come; call until `None`. O(log n).
    pub fn pop_expired(&mut self, now: Instant) -> Option<PeerId> {
        let peer = self.expiries.pop_due(now)?;
        let lease = self.leases.remove(&peer);
        debug_assert!(
            lease.is_some_and(|lease| lease.expires_at <= now),
            "an expiry belongs to a lease that is due"
        );
        Some(peer)
    }

    /// When [`Self::pop_expired`] has something to return.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.expiries.next()
    }

    /// The lease of `peer`, if it is live at `now`.
    #[must_use]
    pub fn live(&self, now: Instant, peer: &PeerId) -> Option<Lease> {
        self.leases.get(peer).copied().filter(|lease| lease.expires_at > now)
    }

    /// All leases, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&PeerId, &Lease)> {
        self.leases.iter()
    }

    /// How many peers hold a lease, suspects included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.leases.len()
    }

    /// Whether nobody holds a lease.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.leases.is_empty()
    }

    fn cut(&self, wanted: Duration) -> Duration {
        let wanted = if wanted.is_zero() { self.limits.ttl_default } else { wanted };
        wanted.max(self.limits.ttl_min).min(self.limits.ttl_max)
    }

    fn hold(&mut self, peer: PeerId, lease: Lease) {
        self.leases.insert(peer, lease);
        self.expiries.set(peer, lease.expires_at);
    }
}

#[cfg(test)]
mod tests;
