//! Every bound of the overlay: value, unit, reason, and what happens when it is reached.

mod discovery;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use discovery::*;

/// Bytes of one frame on a session stream. Longer: the peer is refused and its connection closed.
pub const SESSION_FRAME_BYTES_MAX: usize = 64 * 1024;
/// Bytes of one message on a pipe. Longer: `send` says `TooLarge`, a receiver ends the pipe with an error.
pub const PIPE_MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of the frame that opens a pipe. Longer: counted as garbage and closed.
pub const PIPE_HEADER_BYTES_MAX: usize = 1024;
/// Bytes that a pipe gathers before it writes them; one substream frame of yamux is a quarter of it.
pub const PIPE_BUFFER_BYTES: usize = 64 * 1024;
/// Bytes read from a pipe's substream at a time at most: four frames of yamux; a quiet pipe reads 1 KiB at a time.
pub const PIPE_READ_BYTES: usize = 64 * 1024;
/// Bytes read from a session stream at a time at most; small, since a rendezvous holds thousands of sessions.
pub const SESSION_READ_BYTES: usize = 4096;

/// Bytes of one signed advertisement. Longer: publish is refused, a received one is rejected and counted.
pub const ADVERTISEMENT_BYTES_MAX: usize = 16 * 1024;
/// Attributes of one advertisement. More: refused as above.
pub const ATTRIBUTES_MAX: usize = 32;
/// Bytes of one attribute's name or text value. Longer: refused as above.
pub const ATTRIBUTE_BYTES_MAX: usize = 1024;
/// Conditions of one query, those in others counted too, since each is checked for each candidate. More: the query is
/// malformed.
pub const CONDITIONS_MAX: usize = 32;
/// Levels of conditions inside a condition. More: the query is malformed.
pub const CONDITION_DEPTH_MAX: usize = 8;
/// Bytes of a pattern in a query: with a value of [`ATTRIBUTE_BYTES_MAX`] the worst one takes 0.1 ms. Longer: the query
/// is malformed.
pub const PATTERN_BYTES_MAX: usize = 128;
/// Longest time an advertisement may be kept by others. Longer: cut to it.
pub const LIFETIME_REMOTE_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
/// Advertisements that one answer carries at most; the rest is asked for again or left out (`more`).
pub const FIND_ANSWER_MAX: usize = 100;
/// Bytes of advertisements that one publication or answer carries, below a session frame with its envelope.
pub const DISCOVERY_BYTES_MAX: usize = 56 * 1024;
/// Advertisements in one publication request.
pub const PUBLISH_BATCH_MAX: usize = 64;

/// Bytes of a handler's name in the resolver. Longer: refused.
pub const HANDLER_NAME_BYTES_MAX: usize = 64;
/// Queries that wait for one handler. Full: the asker is told *busy*.
pub const HANDLER_QUEUE: usize = 256;
/// Queries of one session that are not answered yet, either way. Full: *busy*.
pub const SESSION_QUERIES_MAX: usize = 64;
/// Frames that wait to be written on one session. Full: queries wait; answers end the session of a peer that
/// asks but does not read.
pub const SESSION_QUEUE: usize = 128;
/// Answers that wait to be written on one session beyond the end of each question; they give way to all other frames.
/// Full: the answerer waits.
pub const SESSION_PARTS_QUEUE: usize = 4;
/// Bytes of answers to one question that may be on their way; more come as they are read. An answerer that sends more
/// is cut with [`QueryError::Overrun`](crate::QueryError::Overrun).
pub const ANSWERS_WINDOW: u32 = 256 * 1024;
/// Bytes of answers to one question that an answerer lets an asker have room for. More: taken as this.
pub const ANSWERS_WINDOW_MAX: u32 = 1024 * 1024;
/// Bytes that each of many answers counts beside its own, so that empty ones are bounded too.
pub const ANSWER_OVERHEAD_BYTES: u32 = 64;
/// Longest time that a question may take. Longer, or without deadline: the answerer reads it as this.
pub const QUERY_DEADLINE_MAX: Duration = Duration::from_secs(3600);
/// Peers that one question to a group asks unless told. More are not asked.
pub const GROUP_QUERY_PEERS: usize = 64;
/// Peers that a question to a group asks at the same time. The others wait for their turn.
pub const GROUP_QUERY_CONCURRENCY: usize = 16;
/// Sessions that one peer may hold open here: one a connection. More: refused and counted.
pub const SESSIONS_PER_PEER_MAX: usize = 4;
/// Time between two pings on a session, the first at its start. A shorter one would wake a rendezvous with thousands
/// of quiet sessions more often than a fresher round trip is worth.
pub const SESSION_PING_INTERVAL: Duration = Duration::from_secs(30);
/// Time in which a session's greeting must come.
pub const SESSION_GREETING_TIMEOUT: Duration = Duration::from_secs(10);

/// Commands that wait for the event loop. Full: callers wait.
pub const COMMAND_QUEUE: usize = 256;
/// Events kept for a slow reader. Full: the oldest are dropped and counted in [`Events::missed`](crate::Events::missed).
pub const EVENT_QUEUE: usize = 1024;
/// Inbound substreams that wait to be taken. Full: the opener of a pipe is told *busy*, others are reset; counted.
pub const INBOUND_QUEUE: usize = 256;
/// Pipes of one peer whose header is being read. Full: that peer is told *busy*.
pub const NEGOTIATING_PER_PEER_MAX: usize = 128;
/// Substreams of one connection, both ways. Full: this side's opens are *busy*, the other side's are as well.
pub const SUBSTREAMS_PER_CONNECTION_MAX: usize = 1024;
/// Substreams at which yamux ends the whole connection; well above the bound that refuses one by one.
pub const YAMUX_STREAMS_MAX: usize = 4096;
/// Refusals being written per connection. Full: the substream is reset and counted.
pub const REFUSALS_MAX: usize = 64;
/// Time to open a substream, to read a pipe's header, or to wait for its acceptance.
pub const OPEN_TIMEOUT: Duration = Duration::from_secs(10);
/// Opens to one peer that wait for its connection. Full: *busy*.
pub const WAITING_OPENS_MAX: usize = 1024;
/// Dials for those who wait while the peer closes each connection before it has a session. More: it is unreachable.
pub const REDIALS_MAX: u32 = 3;
/// Accepted pipes that wait in one listener. Full: the opener is told *busy*.
pub const ACCEPT_QUEUE: usize = 64;
/// Senders that one unicast input pipe holds open. Full: the opener is told *busy*.
pub const INPUT_PIPE_SENDERS_MAX: usize = 256;
/// What one resumable pipe may hold each way at one end, in bytes with 64 added for each message, and then one message
/// more: unconfirmed at the sender, unread at the receiver. A megabyte keeps 20 MB/s going over a round trip of 50 ms.
/// Full: `send` waits.
pub const RESUMABLE_WINDOW: u64 = 1024 * 1024;
/// Longest time for which the accepting end keeps a resumable pipe whose connection is lost. A longer wish is cut to it.
pub const RESUME_WITHIN_MAX: Duration = Duration::from_secs(600);
/// Time that the accepting end adds to the opener's, which may have seen the loss later.
pub const RESUME_GRACE: Duration = Duration::from_secs(15);
/// First and longest time between two tries to resume; each doubles, less up to a half at random.
pub const RESUME_RETRY_MIN: Duration = Duration::from_millis(20);
/// See [`RESUME_RETRY_MIN`].
pub const RESUME_RETRY_MAX: Duration = Duration::from_secs(2);
/// Accepted resumable pipes that one peer may have here, connected or not. Full: it is told *busy*.
pub const RESUMABLE_PER_PEER_MAX: usize = 64;
/// Accepted resumable pipes in all. Full: the opener is told *busy*.
pub const RESUMABLE_MAX: usize = 1024;
/// Frames of a resumable pipe that are handled before other tasks have their turn.
pub const RESUMABLE_BURST: usize = 128;
/// Lifetime of the advertisement that a peer binds a pipe.
pub const BINDER_ADVERTISEMENT_LIFETIME: Duration = Duration::from_secs(120);
/// Binders of one pipe that are tried at a time. More are left out until some are gone.
pub const BINDERS_TRIED_MAX: usize = 8;
/// Time that a binder is tried before the next is tried beside it.
pub const BINDER_HEAD_START: Duration = Duration::from_millis(250);
/// Time in which those who know a pipe's binders must have answered.
pub const RESOLVE_TIMEOUT: Duration = Duration::from_secs(2);
/// Time between two looks for a binder while there is none.
pub const RESOLVE_AGAIN: Duration = Duration::from_millis(200);
/// Pipes that one peer may bind. Full: `bind` fails.
pub const BINDINGS_MAX: usize = 4096;
/// Groups that one peer may be in. Full: the oldest stay and `join` of one more has no effect on acceptance.
pub const GROUPS_MAX: usize = 1024;

/// Bytes of one message on a propagate pipe; it travels in pieces of [`PROPAGATE_PIECE_BYTES`]. Longer: `send` says
/// `TooLarge`, a sender that goes on beyond it is counted and loses that message.
pub const PROPAGATE_MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of a piece of a message: one fits a parcel, and a long message does not keep others' waiting.
pub const PROPAGATE_PIECE_BYTES: usize = 60 * 1024;
/// Bytes that a sender gathers into one parcel, which is encoded, and signed if need be, once for all members.
pub const PROPAGATE_PARCEL_BYTES: usize = 64 * 1024;
/// Messages, or pieces of them, in one parcel. More: a sender begins another, a receiver ends the link as garbage.
pub const PROPAGATE_PARCEL_ITEMS_MAX: usize = 1024;
/// Bytes of one frame between members. Longer: the link ends as garbage.
pub const PROPAGATE_FRAME_BYTES_MAX: usize = 80 * 1024;
/// Known members up to which a sender sends to each itself; above, its messages are signed and passed on by members.
pub const PROPAGATE_DIRECT_MAX: usize = 64;
/// Members of a pipe that are remembered. More are ignored and counted; they hear from those who know them.
pub const PROPAGATE_MEMBERS_MAX: usize = 1024;
/// Links of one propagate pipe, each way. Full: the opener is told *busy* and tries again.
pub const PROPAGATE_LINKS_MAX: usize = 256;
/// Propagate pipes that one peer may bind. Full: `propagate_pipe` fails.
pub const PROPAGATE_PIPES_MAX: usize = 256;
/// Bytes of own messages that a sender keeps: what a member may be behind without losing anything. Full: sending waits
/// for members that are behind until they count as stalled, then the oldest are forgotten.
pub const PROPAGATE_HISTORY_BYTES: usize = 8 * 1024 * 1024;
/// Parcels kept of one sender. Full: as above.
pub const PROPAGATE_HISTORY_PARCELS: usize = 8192;
/// Bytes of another sender's signed messages that a member keeps to pass on. Full: as above, for who passes on.
pub const PROPAGATE_RELAY_BYTES: usize = 2 * 1024 * 1024;
/// Bytes kept of all other senders; each gets an equal share, at least a parcel.
pub const PROPAGATE_RELAY_BYTES_ALL: usize = 64 * 1024 * 1024;
/// Time without progress after which a member that others wait for counts as stalled, and is waited for no more.
/// Shorter, and a member on a crowded machine loses what its sender forgets; longer, and one that hangs with a full window
/// holds up its senders for that much more, once.
pub const PROPAGATE_STALL: Duration = Duration::from_secs(2);
/// Time between two looks at a member that is in the way, and all it counts for: what stands still here is no stall there.
pub const PROPAGATE_LOOK: Duration = Duration::from_millis(100);
/// Time in which a gap must be repaired. Longer: it is reported as missed, and what follows is delivered.
pub const PROPAGATE_REPAIR_TIMEOUT: Duration = Duration::from_secs(10);
/// Time after which what a neighbour says it has, and nobody has brought, is asked of it; also how often who passes on
/// tells its neighbours what it has.
pub const PROPAGATE_OFFER_PERIOD: Duration = Duration::from_millis(200);
/// Time after binding in which a sender that others already know counts from where it is; later, from its first message.
pub const PROPAGATE_SETTLE: Duration = Duration::from_secs(2);
/// Bytes of received messages that wait for the application. Full: reading waits, and so do the senders.
pub const PROPAGATE_READY_BYTES: usize = 4 * 1024 * 1024;
/// Bytes that wait behind a gap of one sender. Full: what comes then is asked for again once the gap is closed.
pub const PROPAGATE_HELD_BYTES: usize = 2 * 1024 * 1024;
/// Bytes of unfinished messages of all senders together. Full: the message that breaks it is lost and reported.
pub const PROPAGATE_PARTIAL_BYTES: usize = 64 * 1024 * 1024;
/// Bytes of the two frames that open a link: they say what is known of up to [`PROPAGATE_MEMBERS_MAX`] senders.
pub const PROPAGATE_HELLO_BYTES_MAX: usize = 256 * 1024;
/// Members that one frame tells of.
pub const PROPAGATE_TOLD_MAX: usize = 128;
/// Requests of one neighbour to send again, within [`PROPAGATE_OFFER_PERIOD`]. More are ignored and counted.
pub const PROPAGATE_GRAFTS_MAX: usize = 256;
/// First time between two tries to link with a member that is not reached; it doubles up to the maximum.
pub const PROPAGATE_RETRY_MIN: Duration = Duration::from_millis(100);
/// Longest time between two tries; a member that is not reached in five tries is forgotten.
pub const PROPAGATE_RETRY_MAX: Duration = Duration::from_secs(5);
/// Tries to link with members that are not connected and that others only told of, or that advertise themselves. More:
/// they wait, so that nobody can make a member dial thousands; the burst is enough to link with all that are sent to directly.
pub const PROPAGATE_DIALS: Quota = Quota { per_second: 8, burst: 96 };
/// Time for which nothing is taken from a member that passed on a forgery.
pub const PROPAGATE_BAN: Duration = Duration::from_secs(60);
/// Time between two looks for binders at the rendezvous, and after which members tell each other again of those they
/// know: for when an event was missed.
pub const PROPAGATE_REFRESH: Duration = Duration::from_secs(10);

/// Bytes of a genesis. Longer, by its label: it can't be shared, and none is read.
pub const GENESIS_BYTES_MAX: usize = 512;
/// Bytes of one signed credential or ticket. Longer: malformed.
pub const CREDENTIAL_BYTES_MAX: usize = 1024;
/// Credentials between the authority and a member: an issuer's and its own. More: refused.
pub const CREDENTIAL_CHAIN_MAX: usize = 2;
/// Life of a credential that is issued; it is renewed at half of it.
pub const CREDENTIAL_LIFE: Duration = Duration::from_secs(24 * 3600);
/// Longest life of a credential or ticket, and so the longest time for which a revocation must be remembered. Longer:
/// refused.
pub const CREDENTIAL_LIFE_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
/// Difference of clocks that is forgiven at both ends of a credential's life.
pub const CLOCK_SKEW_MAX: Duration = Duration::from_secs(300);
/// Time after which a renewal that nobody answered is tried again.
pub const RENEWAL_RETRY: Duration = Duration::from_secs(60);
/// Time between two looks for what has expired in closed groups.
pub const GROUP_UPKEEP_PERIOD: Duration = Duration::from_secs(5);
/// Bytes of a ticket's text before its encoding. Longer: it can't be made, and none is read.
pub const TICKET_BYTES_MAX: usize = 4096;
/// Issuers that a ticket names. More are left out.
pub const TICKET_ISSUERS_MAX: usize = 4;
/// Tickets that an issuer remembers as spent, each until it is over. Full: tickets are refused.
pub const TICKETS_SPENT_MAX: usize = 4096;
/// Bytes of a saved membership, with its spent tickets and its revocation list. Longer: not read.
pub const MEMBERSHIP_BYTES_MAX: usize = 512 * 1024;
/// Peers in a revocation list; each leaves it when no credential of its can live any more. Full: `revoke` fails.
pub const REVOKED_MAX: usize = 1024;
/// Bytes of a signed revocation list: so that it and a chain fit one session frame. Longer: malformed.
pub const REVOCATIONS_BYTES_MAX: usize = 56 * 1024;

/// Proofs of membership that one session may show: at once as many as there may be groups. More are refused unread, like
/// any bad one, and counted.
pub const PROOFS: Quota = Quota { per_second: 64, burst: 1024 };
/// How many good proofs a refused one costs: what floods is seldom good. So after 16 bad ones one a second is verified, at
/// up to 0.5 ms each.
pub const PROOF_REFUSED_COST: u32 = 64;
/// Proofs refused unread since the bucket was last full, after which the session is ended.
pub const PROOFS_EXCESS_MAX: u32 = 256;

/// Peers whose addresses are remembered. Full: the one that was used longest ago is forgotten.
pub const ADDRESS_BOOK_PEERS_MAX: usize = 4096;
/// Addresses remembered for one peer. Full: the oldest is forgotten.
pub const ADDRESSES_PER_PEER_MAX: usize = 8;
/// Rendezvous that a peer leases from at once. More are ignored with a warning at spawn.
pub const RENDEZVOUS_MAX: usize = 4;

/// Peers found on the local network that are dialed and asked, more are ignored and counted; also members of a closed
/// group that are asked directly, among those connected.
pub const NEIGHBOURS_MAX: usize = 32;
/// Addresses on the local network that mDNS may tell of, by anybody there. More: mDNS is turned off, with a warning.
pub const MDNS_ADDRESSES_MAX: usize = 1024;
/// Time in which a neighbour must answer a question of discovery; a stalled one must not hold up the others' answers.
pub const NEIGHBOUR_TIMEOUT: Duration = Duration::from_secs(1);
/// Time between two looks of a subscription at what neighbours publish; well below the half minute for which an answer of
/// theirs is believed.
pub const NEIGHBOUR_LOOK_PERIOD: Duration = Duration::from_secs(10);
/// Lease that is asked for. A rendezvous may grant less.
pub const LEASE_WANTED: Duration = Duration::from_secs(120);
/// Longest time between two tries at a rendezvous that doesn't answer.
pub const LEASE_RETRY_MAX: Duration = Duration::from_secs(5);
/// First time between two tries.
pub const LEASE_RETRY_MIN: Duration = Duration::from_millis(200);
/// Time in which a lease request must be answered.
pub const LEASE_REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Time in which a polite end tells its rendezvous.
pub const FAREWELL_TIMEOUT: Duration = Duration::from_secs(1);
/// Lifetime of the advertisement that a peer publishes of itself.
pub const PEER_ADVERTISEMENT_LIFETIME: Duration = Duration::from_secs(300);
/// Longest time for which what was found elsewhere is believed without asking again; a dead peer's advertisements must not
/// linger. Longer lifetimes: cut to it.
pub const FOUND_KEPT_MAX: Duration = Duration::from_secs(30);
/// Advertisements that a peer itself keeps published. Full: publish is refused.
pub const PUBLICATIONS_MAX: usize = 1024;

/// Relays at which a peer holds a reservation. More are left out, counted in `relays_ignored`.
pub const RELAYS_MAX: usize = 4;
/// First time between two tries to reserve at a relay.
pub const RELAY_RETRY_MIN: Duration = Duration::from_millis(200);
/// Longest time between two tries to reserve at a relay: one that restarts has this peer back within it.
pub const RELAY_RETRY_MAX: Duration = Duration::from_secs(5);
/// Dials of one peer, told through a relay where to find it, that may fail. More: its relayed connections are closed,
/// since it would have this peer knock at doors of its choice.
pub const DIRECT_TRIES_MAX: u32 = 16;
/// Addresses that others say they see this peer at. More: AutoNAT is turned off, with a warning; libp2p keeps them all.
pub const ADDRESS_CANDIDATES_MAX: usize = 1024;
/// Peers that are being dialed back at once, each at an address it asked for. More: they are told that it failed.
pub const DIAL_BACKS_MAX: usize = 32;
/// Peers that may hold a reservation at this relay: as many as a rendezvous has leases for some of. The next is
/// refused `Full`; those there are renew.
pub const RESERVATIONS_MAX: u32 = 4096;
/// Life of a reservation; it is renewed a little earlier.
pub const RESERVATION_LIFE: Duration = Duration::from_secs(3600);
/// Reservations and circuits that one peer may ask for at once; one more every [`RELAY_REQUEST_PERIOD`]. More are
/// refused `Full`.
pub const RELAY_REQUEST_BURST: std::num::NonZeroU32 = std::num::NonZeroU32::MIN.saturating_add(31);
/// See [`RELAY_REQUEST_BURST`].
pub const RELAY_REQUEST_PERIOD: Duration = Duration::from_secs(1);
/// Circuits through this relay at once. With [`CIRCUIT_BYTES_MAX`], what bounds its traffic. The next is refused `Full`.
pub const CIRCUITS_MAX: u32 = 1024;
/// Circuits of one peer. The next that it opens is refused `Full`.
pub const CIRCUITS_PER_PEER_MAX: u32 = 32;
/// Bytes of one circuit, both ways together: a chat for years, a large file. Beyond, the circuit ends, and its pipes
/// with it; the next one begins anew.
pub const CIRCUIT_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Life of one circuit. Beyond, as above.
pub const CIRCUIT_LIFE_MAX: Duration = Duration::from_secs(4 * 3600);

/// Time to connect: dial, handshake and choice of the multiplexer. Longer: the dial has failed.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of one WebSocket message; a message of Noise has at most 64 KiB, and a browser may join some. Longer: the
/// connection ends.
pub const WEBSOCKET_MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// Idle time after which a connection without session is closed.
pub const IDLE_CONNECTION_TIMEOUT: Duration = Duration::from_secs(60);
/// Unanswered keep-alive pings after which a connection counts as dead and is closed.
pub const PING_FAILURES_MAX: u32 = 2;

/// Frames of one session that are handled in one turn; then whatever else waits for the processor has its own.
pub const SESSION_FRAMES_PER_TURN: usize = 32;
/// What offences are forgiven: each costs between 2 tokens and 1,000, for garbage. More: the peer
/// is banned for [`BAN_TIME`] and its connections are closed.
pub const OFFENCES: Quota = Quota { per_second: 200, burst: 10_000 };
/// Offending frames after which a session is not read for [`SESSION_PAUSE`]: its peer is slowed down long before it is
/// banned, and takes little of the processor from others.
pub const SESSION_OFFENCES_PER_PAUSE: usize = 8;
/// How long that pause is.
pub const SESSION_PAUSE: Duration = Duration::from_millis(10);
/// What offences are forgiven to all peers behind one address, whom a new identity costs nothing. More: nobody may
/// newly connect from there for [`BAN_TIME`]; whoever is connected stays so.
pub const OFFENCES_PER_ADDRESS: Quota = Quota { per_second: 400, burst: 20_000 };
/// Time for which a peer that offended too often is refused.
pub const BAN_TIME: Duration = Duration::from_secs(30);
/// Offenders that are remembered, and bans. More: those nearest to their end are forgotten.
pub const OFFENDERS_MAX: usize = 4096;
/// Addresses whose connects are remembered. More: the one that may soonest connect as often as it likes is forgotten.
pub const CONNECTORS_MAX: usize = 4096;

/// A token bucket: what flows in, and how much it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Quota {
    /// Tokens that flow in each second, at least 1.
    pub per_second: u32,
    /// Tokens that a full bucket holds, at least 1.
    pub burst: u32,
}

/// What an application may set per peer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Established connections in all. More are refused. Default 1,024.
    pub connections: u32,
    /// Established connections with one peer. More are refused. Default 4.
    pub connections_per_peer: u32,
    /// Connections being set up, each way. More are refused. Default 128.
    pub connections_pending: u32,
    /// Connections that may come from one IP address (of IPv6: one /64). More are refused before the handshake, and
    /// counted. Default 20 a second, 256 at once.
    pub connects: Quota,
    /// Advertisements in the local cache. Full: see [`AdvertisementCache`](crate::AdvertisementCache). Default 10,000.
    pub advertisements: usize,
    /// Known members of a propagate pipe up to which this peer sends to each itself. Default [`PROPAGATE_DIRECT_MAX`].
    pub propagate_direct: usize,
}

impl Limits {
    /// These limits with `connections` established connections in all.
    pub fn connections(mut self, connections: u32) -> Self {
        self.connections = connections;
        self
    }

    /// These limits with `connects` from one IP address.
    pub fn connects(mut self, connects: Quota) -> Self {
        self.connects = connects;
        self
    }

    /// These limits with `members` of a propagate pipe up to which this peer sends to each itself.
    pub fn propagate_direct(mut self, members: usize) -> Self {
        self.propagate_direct = members;
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            connections_per_peer: 4,
            connections_pending: 128,
            connects: Quota { per_second: 20, burst: 256 },
            advertisements: 10_000,
            propagate_direct: PROPAGATE_DIRECT_MAX,
        }
    }
}
