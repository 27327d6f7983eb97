//! Counters and gauges of the overlay (JXTA's monitoring service): always on, relaxed atomics, read by name.

use std::sync::atomic::{AtomicU64, Ordering};

/// Declares the meters once: field, and what it counts.
macro_rules! meters {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// What the overlay counts since its start. Reading is a relaxed load; there is no lock.
        #[derive(Debug, Default)]
        pub struct Meters {
            $($(#[$doc])* pub(crate) $name: Meter,)+
        }

        impl Meters {
            /// All meters with their names, in a fixed order.
            pub fn snapshot(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.get()),)+]
            }
        }
    };
}

meters! {
    /// Connections open now.
    connections,
    /// Connections refused because a limit was reached.
    connections_refused,
    /// Dials that failed.
    dials_failed,
    /// Connections closed because keep-alive pings were not answered.
    connections_dead,
    /// Sessions open now.
    sessions,
    /// Sessions that never came to be: no greeting in time, or a foreign protocol.
    sessions_failed,
    /// Sessions refused because the peer has enough of them.
    sessions_refused,
    /// Frames on sessions that can't be read; each ends its connection.
    session_garbage,
    /// Frames of kinds that this version doesn't know; skipped.
    session_unknown_kinds,
    /// Pongs that no awaited ping asked for; skipped.
    pongs_unmatched,
    /// Pongs that were not sent because the queue of their session was full.
    pongs_dropped,
    /// Queries sent.
    queries_out,
    /// Queries received.
    queries_in,
    /// Queries answered *busy* because a queue was full.
    queries_busy,
    /// Queries for names nobody registered, or of groups this peer isn't in.
    queries_refused,
    /// Answers that came after their deadline, or that nobody asked for.
    answers_unmatched,
    /// Answers that could not be given because the asker doesn't read; each ends its session.
    answers_undeliverable,
    /// Pipes opened by this peer.
    pipes_out,
    /// Pipes accepted from others.
    pipes_in,
    /// Pipe opens refused here: unknown pipe or group.
    pipes_refused,
    /// Pipe opens answered *busy* here.
    pipes_busy,
    /// Pipe headers that can't be read.
    pipe_garbage,
    /// Pipe headers that did not come in time.
    pipe_timeouts,
    /// Pipes ended because a place in their group was: revoked, expired, or given up.
    pipes_cut,
    /// Links of propagate pipes open now, those that this peer sends on.
    propagate_links,
    /// Links of propagate pipes refused here: not bound, or no place in the group.
    propagate_refused,
    /// Frames of propagate pipes that can't be read; each ends its link.
    propagate_garbage,
    /// Messages that spoke for another without its signature; each ends its link and bans who passed it on.
    propagate_forgeries,
    /// Parcels that came twice; the second is dropped.
    propagate_duplicates,
    /// Pieces of messages reported as missed, to the application as well.
    propagate_missed,
    /// Members that were no longer waited for because they stalled.
    propagate_stalled,
    /// Members and requests of neighbours that were ignored because there are too many.
    propagate_ignored,
    /// Proofs of membership refused, whatever was wrong.
    proofs_refused,
    /// Revocation lists that were newer than those known.
    revocations_learned,
    /// Credentials issued to others: tickets and renewals.
    credentials_issued,
    /// Tickets and renewals refused.
    credentials_refused,
    /// Renewals of own credentials that no issuer answered; tried again.
    renewals_failed,
    /// Inbound substreams reset because too many waited.
    inbound_overflow,
    /// Advertisements from others that were rejected: signature, size, or a full cache.
    advertisements_rejected,
    /// Advertisements taken out of the cache early to make room.
    advertisements_evicted,
    /// Publications that no rendezvous took; tried again with the next lease or renewal.
    publications_failed,
    /// Lookups at a rendezvous that it refused or did not answer, and those of queries beyond a bound, which are not sent.
    lookups_failed,
    /// Peers on the local network that were ignored because there are enough.
    neighbours_ignored,
    /// Times that mDNS was turned off because too many addresses were told.
    mdns_overflows,
    /// Lease requests that failed.
    lease_failures,
    /// Events that slow readers missed.
    events_missed,
    /// Tasks that ended by a panic.
    task_panics,
}

/// One counter or gauge.
#[derive(Debug, Default)]
pub(crate) struct Meter(AtomicU64);

impl Meter {
    /// One more.
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// One less, of a gauge.
    pub(crate) fn sub(&self, count: u64) {
        self.0.fetch_sub(count, Ordering::Relaxed);
    }

    /// To a value, of a gauge that is kept elsewhere.
    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
