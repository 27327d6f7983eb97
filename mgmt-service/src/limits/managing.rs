//! Bounds of changing managed objects, of the management group and of the audit log.

use std::time::Duration;

/// Bytes of the text that a text monitor compares with; more is no value of its attribute.
pub const MONITOR_TEXT_BYTES_MAX: usize = 1024;

/// Monitors that one agent evaluates; a further one is refused. At one look a second each, all of them cost microseconds.
pub const MONITORS_MAX: usize = 64;

/// Time between two looks of a monitor at its attribute.
pub const MONITOR_PERIOD: Duration = Duration::from_secs(1);

/// Crossings that an agent remembers as attributes of `juxta:type=notifications`; the oldest is forgotten.
pub const NOTIFICATIONS_KEPT: usize = 64;

/// Crossings in one message to a manager; further ones come with the next.
pub const NOTICE_SAID_MAX: usize = 12;

/// Messages about crossings that wait at a manager, over all agents; then those that follow agents wait, and each agent
/// forgets beyond [`NOTIFICATIONS_KEPT`]: what is missing shows in the numbers and is counted.
pub const NOTICES_WAITING_MAX: usize = 64;

/// Bytes of a set, an invocation or a description with what it carries; a longer one is malformed.
pub const MANAGE_BYTES_MAX: usize = 16 * 1024;

/// Arguments of one invocation; more are malformed.
pub const ARGUMENTS_MAX: usize = 16;

/// How long an operation may take before its asker is told that it failed; it is given up where it waits then.
pub const INVOKE_TIMEOUT: Duration = Duration::from_secs(4);

/// Operations that run at the same time at one agent; further ones wait for them.
pub const INVOKES_AT_ONCE: usize = 8;

/// Objects that one question of a reader looks at, since no index knows pseudonyms; the next page goes on behind them.
pub const VEILED_SCAN_MAX: usize = 8192;

/// Bytes of all pages of one answer about objects: a full registry with 300 bytes each. A longer answer is an error.
pub const GET_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Pages of one answer about objects, twice as many as [`GET_BYTES_MAX`] fills; more are an error.
pub const GET_PAGES_MAX: usize = 1024;

/// Deadline of all pages of one answer about objects, or of an aggregator's about figures; what has come by then is dropped,
/// which is an error.
pub const GET_ALL_TIMEOUT: Duration = Duration::from_secs(30);

/// How long reading what one agent uses may take; one that takes longer counts as not answering, and holds up nobody.
pub const USAGE_READ_MAX: Duration = Duration::from_secs(8);

/// Agents of which a collection remembers how far they have delivered, some 3 MB. Beyond, one that gives up its place is
/// forgotten: if it comes back it counts anew, and so do the losses it tells of. As many a collection takes from the store
/// when it goes on; the store itself forgets with its hours.
pub const AGENTS_REMEMBERED_MAX: usize = 16 * 1024;

/// Links that an agent shows as objects; further ones are not shown.
pub const LINK_BEANS_MAX: usize = 1024;

/// How long a collection's sink waits for a batch before it commits what came beside batches.
pub const SINK_IDLE: Duration = Duration::from_secs(1);

/// Groups that an agent shows as objects; further ones are not shown, and so not accounted for. Of who shows more all the
/// same, a manager takes one more, which stands in `groups_left_out` for the others.
pub const MEMBERSHIP_BEANS_MAX: usize = 256;

/// Groups of one peer that a store accounts for, as long as hours are kept; samples of further ones are not kept, which is
/// counted as `groups_left_out`.
pub const USAGE_GROUPS_MAX: u64 = 256;

/// Bytes of the file that keeps a place in the management group; a longer one is damaged. The overlay's part has at most
/// 512 KiB.
pub const MEMBERSHIP_FILE_BYTES_MAX: usize = 520 * 1024;

/// Time between two looks whether the place has changed, as by a renewal, and must be kept anew. A kill in between costs
/// nothing: the credential before is good for hours.
pub const MEMBERSHIP_KEEP_PERIOD: Duration = Duration::from_secs(5);

/// How long the key of the pseudonyms is asked for after a ticket was answered, at each issuer.
pub const VEIL_KEY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a ticket can be used; the overlay allows up to seven days.
pub const TICKET_LIFE: Duration = Duration::from_secs(24 * 3600);

/// Denials of one peer within a period that have a line of their own in the audit log; its others are one line together. The
/// same holds for subscriptions, and for sets that change nothing.
pub const DENIALS_NOTED: u32 = 20;

/// The period. With it one peer writes 1,500 such lines a day at most, less than a megabyte: the files last for a month.
pub const DENIALS_PERIOD: Duration = Duration::from_secs(3600);

/// Peers whose denials of one period are told apart; those of further ones are counted together, as are those of strangers.
pub const ATTEMPTS_PEERS_MAX: usize = 64;

/// Bytes at which a file of the audit log is full and the next begins: about 10,000 lines.
pub const AUDIT_FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Files of the audit log, the one that is written included; the oldest is removed.
pub const AUDIT_FILES_KEPT: usize = 5;

/// Bytes of one line of the audit log that a reader of it takes; lines are far shorter, see [`AUDIT_TEXT_BYTES_MAX`].
pub const AUDIT_LINE_BYTES_MAX: usize = 64 * 1024;

/// Bytes of a text in a line of the audit log; of a longer one these, its length and the beginning of its BLAKE3 hash. Five of
/// them, escaped, are a line.
pub const AUDIT_TEXT_BYTES_MAX: usize = 256;

/// Commands that the process that holds a data directory runs for others at the same time; a further one is told so.
pub const CONTROL_COMMANDS_MAX: usize = 8;

/// Of those, how many subscribe, as `mgmt watch` does: with the subscription of the process itself that is what agents
/// serve one manager (`SUBSCRIPTIONS_PER_MANAGER_MAX`). A further one is told so.
pub const CONTROL_SUBSCRIBING_MAX: usize = 1;

/// Bytes of one line between a command and the process that runs it: a command line with the arguments of an invocation
/// (`MANAGE_BYTES_MAX`), or a part of the output in JSON, where a byte takes six at most. A longer one ends the command.
pub const CONTROL_LINE_BYTES_MAX: u64 = 128 * 1024;

/// Bytes of output in one such line; more take several.
pub const CONTROL_OUT_BYTES_MAX: usize = 16 * 1024;

/// How long who connects may take to say its command; then it is left.
pub const CONTROL_ASK_MAX: Duration = Duration::from_secs(5);

/// How long the output of a command waits for who reads it, as with a pager; then the command ends.
pub const CONTROL_READER_MAX: Duration = Duration::from_secs(600);

/// How long a command waits for a process that holds its data directory and does not listen: it starts, or is a command
/// that ends in a moment.
pub const CONTROL_WAIT_MAX: Duration = Duration::from_secs(10);
