//! Every bound of this crate: its unit, its reason, and what happens when it is reached.

use std::time::Duration;

// ---- names and states ---------------------------------------------------------------------------------------------

/// Bytes of a name or alias (UTF-8). A user's longer alias is an error; a peer's longer name is cut.
pub const NAME_BYTES_MAX: usize = 64;

/// Bytes of a note beside a status (UTF-8). A user's longer note is an error; a peer's longer note is cut.
pub const NOTE_BYTES_MAX: usize = 256;

/// Buddies of all kinds in one list; a further one is refused. People keep some hundred contacts.
pub const BUDDIES_MAX: usize = 2_048;

/// Strangers whose contact request waits for an answer; a further request is refused and counted in
/// `strangers_refused`, so that nobody can fill the list from outside.
pub const PENDING_IN_MAX: usize = 64;

/// Addresses kept for one buddy, or carried by an invite or a greeting; further ones are left out.
pub const ADDRESSES_MAX: usize = 8;

/// Bytes of an invite as text; a longer one is `bad-invite`. Eight addresses of each kind take some 1,500.
pub const INVITE_BYTES_MAX: usize = 4 * 1024;

// ---- messages -----------------------------------------------------------------------------------------------------

/// Bytes of a message's text (UTF-8); a longer one is `too-large`.
pub const TEXT_BYTES_MAX: usize = 16 * 1024;

/// Bytes of one message on a buddy's pipe; a longer one ends the pipe. The largest is a text with its header.
pub const WIRE_BYTES_MAX: usize = TEXT_BYTES_MAX + 1024;

/// Bytes of a PING, all of it (the paper's has about 500).
pub const PING_BYTES_MAX: usize = 64;

/// Messages to one buddy that may be written and not yet acknowledged; the others wait in the outbox. Enough to fill
/// the time of the receiver's commit.
pub const SEND_WINDOW: usize = 32;

/// Messages to one buddy that wait for their acknowledgement; a further `send` is `refused`.
pub const OUTBOX_MESSAGES_MAX: usize = 65_536;

/// Bytes of text to one buddy that wait for their acknowledgement; a further `send` is `refused`. They are held in
/// memory as well as on disk.
pub const OUTBOX_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Messages of one pipe that were read and are not committed yet; then reading waits. Bounds what a flooding buddy
/// can make this peer hold.
pub const RECEIVE_WINDOW: usize = SEND_WINDOW;

/// How long a message may have waited at its sender before it counts as late.
pub const LATE_AFTER: Duration = Duration::from_secs(10);

// ---- pipes --------------------------------------------------------------------------------------------------------

/// Pipes of peers that are no accepted buddies; a further one is closed and counted in `strangers_refused`.
pub const STRANGER_LINKS_MAX: usize = 64;

/// Pipes to one peer at a time; a further one is closed and counted in `links_refused`. Two arise when both dial.
pub const LINKS_PER_PEER_MAX: usize = 4;

/// How long a stranger may hold a pipe without asking for contact; then it is closed.
pub const STRANGER_SILENCE_MAX: Duration = Duration::from_secs(10);

/// How long a pipe that is not preferred stays open for its last answers; then its opener closes it.
pub const RETIRE_AFTER: Duration = Duration::from_secs(5);

/// Deadline of the one redial after a pipe was lost: an offline buddy is to be seen within 3 s.
pub const REDIAL_DEADLINE: Duration = Duration::from_millis(1_500);

/// Deadline of every other dial of a buddy.
pub const DIAL_DEADLINE: Duration = Duration::from_secs(5);

/// Dials at the same time; further ones wait their turn.
pub const DIALS_MAX: usize = 16;

/// Orders to one pipe's task that wait; beyond, the pipe counts as stuck, is closed and counted in `links_stuck`.
/// The windows above keep well below it.
pub const LINK_ORDERS_MAX: usize = 256;

/// How long one write to a pipe may take; then the pipe counts as lost.
pub const LINK_WRITE_MAX: Duration = Duration::from_secs(10);

/// Malformed or forbidden messages of one pipe; then it is closed. Each is counted in `frames_refused`.
pub const LINK_FAULTS_MAX: u32 = 8;

/// PINGs of one pipe whose PONG is outstanding; the oldest is forgotten (its transaction times out all the same).
pub const PINGS_OUTSTANDING_MAX: usize = 16;

// ---- presence -----------------------------------------------------------------------------------------------------

/// Default time between two PINGs to a buddy (paper §4.4).
pub const PING_PERIOD: Duration = Duration::from_secs(10);

/// Shortest period that may be configured; shorter is an error, since buddies have to answer each.
pub const PING_PERIOD_MIN: Duration = Duration::from_millis(10);

/// Longest period that a manager may set: a buddy that is gone is then seen offline after two hours.
pub const PING_PERIOD_MAX: Duration = Duration::from_secs(3600);

/// Unanswered PINGs in a row after which a buddy is offline.
pub const PINGS_UNANSWERED_MAX: u32 = 2;

/// How long a `fetch` waits for the buddy itself; then it answers from the cache.
pub const FETCH_DEADLINE: Duration = Duration::from_secs(2);

/// `fetch` commands that wait at one time; a further one is answered from the cache at once.
pub const FETCHES_MAX: usize = 256;

// ---- faces --------------------------------------------------------------------------------------------------------

/// Bytes of one line of the JSON Lines face; a longer one is skipped to its end and answered `bad-command`.
pub const LINE_BYTES_MAX: usize = 64 * 1024;

/// Bytes of a command's id; a longer one is `bad-command`, since the reply repeats it.
pub const COMMAND_ID_BYTES_MAX: usize = 256;

/// Commands of all faces that wait for the messenger; then faces wait.
pub const COMMANDS_MAX: usize = 256;

/// Replies and events that wait for one face. A command waits for room for its reply; an event that finds none is
/// left out, counted in `events_lagged`, and the face is told by a `warning` `lagged` and may `replay`.
pub const FACE_QUEUE_MAX: usize = 1_024;

/// Faces at one time; a further connection to the socket is closed and counted in `faces_refused`.
pub const FACES_MAX: usize = 32;

// ---- store --------------------------------------------------------------------------------------------------------

/// Batches that wait for the disk; then the messenger takes no further input.
pub const STORE_QUEUE_MAX: usize = 256;

/// Batches in one transaction of the database: one flush to the disk for all of them.
pub const GROUP_COMMIT_MAX: usize = 256;

/// Questions to the database that wait; then commands wait.
pub const STORE_READS_MAX: usize = 32;

/// Events kept for `replay`; the oldest are forgotten first.
pub const EVENTS_KEPT: u64 = 10_000;

/// Cursors that are reserved at a time, so that a reply needs no write: a start skips at most as many.
pub const CURSORS_RESERVED: u64 = 1_000;

/// Messages of one `history`; a higher `limit` is `bad-command`.
pub const HISTORY_MAX: u64 = 10_000;

/// Messages of one `history` when nothing is said.
pub const HISTORY_DEFAULT: u64 = 100;

/// Bytes of text in one `history`; older messages beyond it are left out and the result says `"truncated":true`.
pub const HISTORY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Words of a search; more are `bad-command`.
pub const SEARCH_WORDS_MAX: usize = 16;

/// Bytes of a search; more are `bad-command`.
pub const SEARCH_BYTES_MAX: usize = 1_024;

/// Events read from the database at a time during a replay.
pub const REPLAY_PAGE: u64 = 256;
