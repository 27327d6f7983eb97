//! Counters and gauges of the overlay (JXTA's monitoring service): always on, relaxed atomics, read by name.

mod group;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub use group::GroupMeters;
pub(crate) use group::{Frames, GroupTraffic, Tally, Traffic};

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
    /// Connections through a relay open now; the others are direct.
    connections_relayed,
    /// Bytes read from substreams, before decryption's and multiplexing's own.
    bytes_in,
    /// Bytes written to substreams, likewise.
    bytes_out,
    /// Those of `bytes_in` that came through a relay.
    bytes_relayed_in,
    /// Those of `bytes_out` that went through a relay.
    bytes_relayed_out,
    /// Substreams that this peer opened: sessions and pipes.
    substreams_out,
    /// Substreams that others opened, refused ones among them.
    substreams_in,
    /// Substreams that this peer wanted and did not get.
    substreams_failed,
    /// Commands that wait for the event loop, when it last looked.
    commands_waiting,
    /// Inbound substreams that wait to be taken, when the event loop last looked.
    inbound_waiting,
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
    /// Streams of answers that were cut because the answerer sent more than it was given room for.
    answers_overrun,
    /// Peers banned for a while, having offended too often: garbage, forged answers, refused opens.
    peers_banned,
    /// Queries that their asker cancelled.
    queries_cancelled,
    /// Cancels and credits for queries that don't wait here, mostly because their answer was on its way.
    queries_unknown,
    /// Pipes opened by this peer.
    pipes_out,
    /// Pipes accepted from others.
    pipes_in,
    /// Pipe opens refused here: unknown pipe or group.
    pipes_refused,
    /// Pipe opens answered *busy* here.
    pipes_busy,
    /// Resumable pipes that were resumed by this side, each time.
    pipes_resumed,
    /// Resumable pipes that ended because nobody resumed them in time, or the other end gave them up.
    pipes_given_up,
    /// Tries to resume a pipe that were refused here: unknown, another's, or from where it can't have been.
    resumes_refused,
    /// Pipe headers that can't be read, and frames of resumable pipes that break the rules.
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
    /// Signed parcels whose sender had signed others under the same numbers before; what came first counts.
    propagate_equivocations,
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
    /// Proofs of membership refused unread because their session had shown too many; many of them end it.
    proofs_limited,
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
    /// Advertisements that were not saved to the cache's directory, and writes of it that failed; tried with the next.
    cache_saves_failed,
    /// Parts of the cache's file that could not be read or verified at start; the rest was.
    cache_records_skipped,
    /// Publications that no rendezvous took; tried again with the next lease or renewal.
    publications_failed,
    /// Lookups at rendezvous and neighbours, whatever was found.
    lookups,
    /// Lookups at a rendezvous that it refused or did not answer, and those of queries beyond a bound, which are not sent.
    lookups_failed,
    /// Notifications of subscriptions that this peer has not made with their sender, or that can't be read; refused.
    notifications_rejected,
    /// Subscriptions that a rendezvous refused or did not answer; tried again.
    subscriptions_failed,
    /// Editions that a subscription's reader missed because a newer one came before it looked.
    changes_merged,
    /// Peers on the local network that were ignored because there are enough.
    neighbours_ignored,
    /// Times that mDNS was turned off because too many addresses were told.
    mdns_overflows,
    /// Leases granted and renewed.
    leases_granted,
    /// Lease requests that failed.
    lease_failures,
    /// Relayed connections beside which a direct one came to be.
    direct_upgrades,
    /// Dials past a relay that failed.
    direct_tries_failed,
    /// Peers whose relayed connections were closed because too many dials past the relay failed.
    direct_tries_excess,
    /// Reservations held at relays now.
    relay_reservations,
    /// Reservations that a relay refused or that were lost; asked for again.
    relay_reservations_lost,
    /// Relays at which nothing was reserved because there are enough.
    relays_ignored,
    /// Addresses of this peer that answered somebody from outside.
    addresses_confirmed,
    /// Addresses of this peer that did not.
    addresses_unreachable,
    /// Times that AutoNAT was turned off because others told too many addresses.
    autonat_overflows,
    /// Reservations granted and renewed here, as a relay.
    relay_granted,
    /// Reservations refused here, as a relay: a limit was reached.
    relay_refused,
    /// Circuits through this relay, open now.
    relay_circuits,
    /// Circuits refused here: a limit was reached, or their target has no reservation or does not answer.
    relay_circuits_refused,
    /// Circuits through this relay that it or a broken connection ended.
    relay_circuits_cut,
    /// Peers dialed back to tell them whether they can be reached.
    dial_backs,
    /// Dials back refused: at an address that isn't the asker's, or too many at once.
    dial_backs_refused,
    /// Dials of banned peers, either way, that were refused.
    banned_refused,
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

/// What passes over one connection, counted for it and for all.
#[derive(Debug, Default)]
pub(crate) struct Link {
    bytes_in: Meter,
    bytes_out: Meter,
    substreams: Meter,
    relayed: bool,
    all: Arc<Meters>,
}

impl Link {
    /// Of a new connection, counted in `all` too.
    pub(crate) fn new(all: Arc<Meters>, relayed: bool) -> Self {
        Self { all, relayed, ..Self::default() }
    }

    /// Whether a relay carries it.
    pub(crate) fn is_relayed(&self) -> bool {
        self.relayed
    }

    /// Bytes were read from a substream.
    pub(crate) fn read(&self, bytes: usize) {
        self.bytes_in.add(bytes as u64);
        self.all.bytes_in.add(bytes as u64);
        if self.relayed {
            self.all.bytes_relayed_in.add(bytes as u64);
        }
    }

    /// Bytes were written to a substream.
    pub(crate) fn wrote(&self, bytes: usize) {
        self.bytes_out.add(bytes as u64);
        self.all.bytes_out.add(bytes as u64);
        if self.relayed {
            self.all.bytes_relayed_out.add(bytes as u64);
        }
    }

    /// A substream is there now.
    pub(crate) fn opened(&self) {
        self.substreams.add(1);
    }

    /// A substream is gone.
    pub(crate) fn closed(&self) {
        self.substreams.sub(1);
    }
}

/// What passed over the connections with one peer that have a session now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkMeters {
    /// Connections.
    pub connections: u64,
    /// Bytes read from their substreams.
    pub bytes_in: u64,
    /// Bytes written to their substreams.
    pub bytes_out: u64,
    /// Substreams open now: a session for each connection, and the pipes.
    pub substreams: u64,
    /// The shortest of their smoothed round trips, `None` before the first answer.
    pub round_trip: Option<Duration>,
}

impl LinkMeters {
    /// Takes in one more connection.
    pub(crate) fn add(&mut self, link: &Link, round_trip: Option<Duration>) {
        self.connections += 1;
        self.bytes_in += link.bytes_in.get();
        self.bytes_out += link.bytes_out.get();
        self.substreams += link.substreams.get();
        self.round_trip = self.round_trip.into_iter().chain(round_trip).min();
    }
}
