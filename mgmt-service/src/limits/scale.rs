//! Bounds of what scales and survives: spools of standing subscriptions, trees of aggregators.

use std::time::Duration;

/// Standing subscriptions of one agent that have a spool; a further one is served from memory and counted, unless one of the others
/// has been away for `SPOOL_EVICTED_AFTER`.
pub const SPOOLS_MAX: usize = 2;

/// How long a manager is away before its spool may make room for one that is there, if there are `SPOOLS_MAX`: longer than
/// any restart. The one away longest goes, and what it held is counted as unclaimed.
pub const SPOOL_EVICTED_AFTER: Duration = Duration::from_secs(60 * 60);

/// How often a spool writes down that its manager is there: a kill makes it look gone for that much longer at most.
pub const SPOOL_SEEN_INTERVAL: Duration = Duration::from_secs(10 * 60);

/// Bytes of one spool: 1.5 million records. Reached: the oldest segment goes, and the next batches say how many records
/// that lost.
pub const SPOOL_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// How long a spool keeps a batch that nobody takes, and how long a standing subscription outlives its manager.
pub const SPOOL_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// Milliseconds since 1970 (the start of 2025) before which no clock that was set can be: a device without a battery for its
/// clock starts at 1970 until it has asked for the time. What a spool wrote down before is taken for just now.
pub const CLOCK_SET_FROM_MS: u64 = 1_735_689_600_000;

/// Bytes at which a segment of a spool is followed by the next; space is freed segment by segment.
pub const SPOOL_SEGMENT_BYTES: u64 = 1024 * 1024;

/// Batches in one spool, about 64 bytes of memory each; beyond, the oldest segment goes as if its bytes were too many.
pub const SPOOL_BATCHES_MAX: usize = 16 * 1024;

/// Time between two batches that are replayed from a spool, on average: a day of minutes takes two and a half minutes,
/// and a thousand agents together stay below what one manager commits. Up to twice as long, at random.
pub const SPOOL_REPLAY_INTERVAL: Duration = Duration::from_millis(100);

/// Bytes of one report to an aggregator: a sketch with all its buckets, nine bytes each.
pub const REPORT_BYTES_MAX: usize = 32 * 1024;

/// Children of one aggregator; a further one is told to try the next. Fan-in is 32 to 64, with room for those of one
/// that died.
pub const AGGREGATOR_CHILDREN_MAX: usize = 64;

/// Reports of one child that wait for the end of their intervals: three intervals of one that was restarted once in
/// each. A further one is refused, and its peers are missing in `reporting`.
pub const REPORTS_PER_CHILD_MAX: usize = 6;

/// Definitions that figures keep apart, as many as one application can have; transactions of others count as `other`.
pub const AGGREGATE_DEFINITIONS_MAX: usize = 16;

/// Memory that the decoding of a report may take: counts are eight bytes there, and one or two on the wire.
pub const REPORT_DECODE_BYTES_MAX: usize = 16 * REPORT_BYTES_MAX;

/// Marks in one report of an aggregator, 4 bytes each: which reports of its children are in it. One more is malformed; who
/// has more forgets the oldest.
pub const REPORT_MARKS_MAX: usize = 2 * AGGREGATOR_CHILDREN_MAX * REPORTS_PER_CHILD_MAX;

/// Reports of one child whose marks are remembered, to tell its orphans what counts already; the oldest is forgotten, and
/// whoever asks for it then sends it again for the next interval.
pub const MARKED_REPORTS_KEPT: usize = 8;

/// Intervals of which an aggregator remembers which reports it has handed on, at most 3 kB each, so that none that comes
/// again counts again. Of an older one that comes again nobody knows, and it is given up.
pub const COUNTED_INTERVALS_KEPT: usize = 32;

/// Starts of aggregators that are remembered as gone, so that nothing of them counts later; the oldest is forgotten.
pub const GONE_KEPT: usize = 128;

/// Reports that a child keeps until they are handed on; beyond, the oldest that was not sent is put into the next one, and
/// the oldest that was sent is given up and counted in `reports_in_doubt`.
pub const REPORTS_KEPT: usize = 6;

/// Levels of aggregators: 64 to the fourth is more than ten million peers. A higher one is refused.
pub const AGGREGATOR_LEVEL_MAX: u8 = 4;

/// How long an interval is unless somebody says otherwise.
pub const AGGREGATION_INTERVAL: Duration = Duration::from_secs(60);

/// The shortest interval, for tests; a report each takes 240 bytes.
pub const AGGREGATION_INTERVAL_MIN: Duration = Duration::from_millis(100);

/// The longest interval.
pub const AGGREGATION_INTERVAL_MAX: Duration = Duration::from_secs(3600);

/// How far the clock of a parent may be from the wall clock here; it is not followed beyond, the next one is tried.
pub const AGGREGATION_SKEW_MAX: Duration = Duration::from_secs(3600);

/// The part of an interval, as a divisor, that an aggregator waits after its end for each level below it.
pub const AGGREGATION_GRACE_SHARE: u32 = 8;

/// Messages of one child within an interval: its reports, each sent again a few times. One more ends its pipe, and
/// `children_flooding` counts it.
pub const CHILD_MESSAGES_MAX: u32 = 32;

/// Messages that wait for one child or parent; when there is no room, its pipe ends and it attaches anew.
pub const TREE_LINK_QUEUE: usize = 32;

/// Aggregators that a child knows at a time, of the level that it looks for; others are left out.
pub const AGGREGATORS_MAX: usize = 1024;

/// How long one look for aggregators may take.
pub const AGGREGATORS_LOOKUP_TIMEOUT: Duration = Duration::from_secs(2);

/// How long an aggregator may take to answer who attaches; then the next one is tried.
pub const ATTACH_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a parent may take to say what became of a report; then its pipe counts as broken, as if it had died. One that
/// was only slow takes the child back, and the report again, which costs a few hundred bytes.
pub const PARENT_ANSWER_MAX: Duration = Duration::from_secs(5);

/// How long an aggregator may take to show the one above that it lives, when an orphan says that it is lost; then its
/// pipe is ended. Less than what the orphan lets pass before it asks again: `ATTACH_RETRY` and `ATTACH_TIMEOUT`.
pub const CHILD_ANSWER_MAX: Duration = Duration::from_secs(3);

/// Time between two looks for a parent while there is none, on average: up to twice as long, at random.
pub const ATTACH_RETRY: Duration = Duration::from_secs(1);

/// Time between two looks for a parent while no aggregator is advertised at all.
pub const AGGREGATORS_LOOKUP_INTERVAL: Duration = Duration::from_secs(10);

/// How often the aggregator above a dead one is asked what it got from it; then what was sent is given up, so that
/// nothing counts twice.
pub const SETTLE_TRIES: u32 = 5;

/// Intervals that the root of a tree keeps for managers, four hours of minutes with about 2 KB each; the oldest is forgotten.
pub const TOTALS_KEPT: usize = 256;

/// Bytes of reports in one answer to a manager; the rest comes with the next.
pub const TOTALS_ANSWER_BYTES_MAX: usize = 48 * 1024;

/// Reports that a peer remembers after they were sent, a few kilobytes each: what it says when a manager checks who counted
/// them. The oldest is forgotten, and a check of it says so.
pub const TOLD_KEPT: usize = 16;

/// Parents that a remembered report names, of those that it was sent to; of more, the last.
pub const TOLD_PARENTS_MAX: usize = 4;

/// Intervals of which an aggregator remembers what it counted of each child; the oldest is forgotten.
pub const LEDGER_INTERVALS_KEPT: usize = 16;

/// Bytes of what an aggregator remembers so: 64 children with 4 KiB each in each interval. Beyond, the oldest goes.
pub const LEDGER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes of reports in one answer about what was counted; the rest comes with the next.
pub const PARTS_ANSWER_BYTES_MAX: usize = 48 * 1024;

/// Reports in one answer about what was counted; the rest comes with the next.
pub const PARTS_ANSWER_MAX: usize = 256;

/// Answers that are read of one aggregator about one of its reports; one that needs more can't be checked.
pub const PARTS_PAGES_MAX: usize = 48;

/// Spot checks in one look at the totals, unless somebody says otherwise.
pub const CHECKS: u32 = 8;

/// The most spot checks in one look at the totals; more is wrong usage.
pub const CHECKS_MAX: u32 = 256;

/// How long a peer may take to answer one question of a check; then it can't be checked.
pub const CHECK_TIMEOUT: Duration = Duration::from_secs(3);

/// How long one check may take with all its questions and pages of answers; then who was asked last can't be checked.
pub const CHECK_ALL_TIMEOUT: Duration = Duration::from_secs(30);
