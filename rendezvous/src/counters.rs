//! What a rendezvous counts: one relaxed atomic each, read by a bean, by `/metrics` and by `status`.
//!
//! In: one call per thing that happened. Out: [`Counters::rows`], [`Counters::snapshot`]. Every refusal has its
//! counter. Bounds: none are needed, a counter wraps after 2⁶⁴.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use overlay::RefuseReason;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

/// A number as it is now.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

/// What kind of number a [`Row`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowKind {
    /// It only grows.
    Counter,
    /// It is as it is now.
    Gauge,
}

/// One number with what a reader needs to know about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its name, unique among the rows.
    pub name: &'static str,
    /// Whether it only grows.
    pub kind: RowKind,
    /// What it counts, one sentence without its full stop.
    pub help: &'static str,
    /// The number.
    pub value: u64,
}

macro_rules! counters {
    ($($(#[doc = $help:literal])+ $name:ident: $kind:ident,)+) => {
        /// Counters and gauges of one rendezvous.
        #[derive(Debug, Default)]
        pub struct Counters {
            $($(#[doc = $help])+ pub $name: $kind,)+
        }

        impl Counters {
            /// Every number, in a fixed order.
            #[must_use]
            pub fn rows(&self) -> Vec<Row> {
                vec![$(Row {
                    name: stringify!($name),
                    kind: RowKind::$kind,
                    help: concat!($($help),+).trim_ascii(),
                    value: self.$name.value(),
                },)+]
            }
        }
    };
}

counters! {
    /// Peers that hold a lease, suspects included
    leases: Gauge,
    /// Advertisements in the index
    advertisements: Gauge,
    /// Bytes of the advertisements in the index
    index_bytes: Gauge,
    /// Banned peers
    banned: Gauge,
    /// Leases granted to peers that held none
    leases_granted: Counter,
    /// Leases renewed by a request
    leases_renewed: Counter,
    /// Leases cancelled by their holders
    leases_cancelled: Counter,
    /// Leases that ended because their holders were not seen
    leases_expired: Counter,
    /// Lease holders whose last session was lost
    leases_suspected: Counter,
    /// Advertisements put into the index, replacements included
    publications: Counter,
    /// Advertisements refused, whatever the reason
    publications_refused: Counter,
    /// Advertisements removed because their lifetime ended
    advertisements_expired: Counter,
    /// Advertisements removed because their publisher's lease ended
    advertisements_dropped: Counter,
    /// Closed groups that are served, or remembered for their revocation lists
    closed_groups: Gauge,
    /// Places of members in closed groups
    places: Gauge,
    /// Proofs of a place in a closed group that were taken, renewed ones included
    places_given: Counter,
    /// Places in closed groups that ended: revoked, expired, left, or with their lease
    places_ended: Counter,
    /// Members told of a newer revocation list
    news_told: Counter,
    /// Members not told of a newer revocation list: they did not answer
    news_failed: Counter,
    /// Newer revocation lists that nobody was told of because too many waited
    news_dropped: Counter,
    /// Lookups answered
    lookups: Counter,
    /// Advertisements given out as answers to lookups
    found: Counter,
    /// Subscriptions held
    subscriptions: Gauge,
    /// Notifications told to subscribers
    notifications: Counter,
    /// Notifications that a subscriber did not answer; it is told everything anew when it is next heard of
    notifications_failed: Counter,
    /// Times that news were too many for a slow subscriber, which is told everything anew
    subscriptions_restarted: Counter,
    /// Events of the overlay that were lost because this rendezvous was too slow; leases then end by time alone
    events_missed: Counter,
    /// Requests and advertisements refused: a table is full
    refused_full: Counter,
    /// Requests and sessions refused: the peer is banned, and was let in before the ban; see the meter `banned_refused`
    refused_banned: Counter,
    /// Publications refused: the peer holds no lease
    refused_not_leased: Counter,
    /// Requests and advertisements refused: the peer asks too often
    refused_too_many: Counter,
    /// Requests and advertisements refused: the bytes are not what they should be
    refused_malformed: Counter,
    /// Requests refused: the peer has no place in the closed group
    refused_not_member: Counter,
    /// Requests and advertisements refused: signed by somebody else, older than what is known, or another group's
    refused_policy: Counter,
}

impl Counters {
    /// The counter of a refusal.
    #[must_use]
    pub fn refused(&self, reason: RefuseReason) -> &Counter {
        match reason {
            RefuseReason::Full => &self.refused_full,
            RefuseReason::Banned => &self.refused_banned,
            RefuseReason::NotLeased => &self.refused_not_leased,
            RefuseReason::TooMany => &self.refused_too_many,
            RefuseReason::Malformed => &self.refused_malformed,
            RefuseReason::NotMember => &self.refused_not_member,
            _ => &self.refused_policy,
        }
    }

    /// Name and value of every number, as a bean shows them.
    #[must_use]
    pub fn snapshot(&self) -> Vec<(&'static str, u64)> {
        self.rows().into_iter().map(|row| (row.name, row.value)).collect()
    }
}

impl Counter {
    /// One more.
    pub fn increment(&self) {
        self.add(1);
    }

    /// So many more.
    pub fn add(&self, more: usize) {
        self.0.fetch_add(more as u64, Relaxed);
    }

    /// How many so far.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl Gauge {
    /// As many now.
    pub fn set(&self, value: usize) {
        self.0.store(value as u64, Relaxed);
    }

    /// How many now.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_of_refusal_has_a_counter_of_its_own() {
        let counters = Counters::default();
        let reasons = [
            RefuseReason::Full,
            RefuseReason::Banned,
            RefuseReason::NotLeased,
            RefuseReason::TooMany,
            RefuseReason::Malformed,
            RefuseReason::NotMember,
            RefuseReason::Policy,
        ];
        for reason in reasons {
            counters.refused(reason).increment();
        }
        let refused: Vec<_> =
            counters.rows().into_iter().filter(|row| row.name.starts_with("refused_")).collect();
        assert_eq!(refused.len(), reasons.len());
        assert!(refused.iter().all(|row| row.value == 1 && row.kind == RowKind::Counter), "{refused:?}");
    }

    #[test]
    fn rows_show_what_was_counted_under_their_names() {
        let counters = Counters::default();
        counters.leases.set(7);
        counters.found.add(3);
        let snapshot = counters.snapshot();
        assert!(snapshot.contains(&("leases", 7)) && snapshot.contains(&("found", 3)));
        assert!(counters.rows().iter().all(|row| !row.help.is_empty() && !row.help.ends_with('.')));
    }
}
