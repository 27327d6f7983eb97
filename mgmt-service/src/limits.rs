//! Every bound of this crate: its unit, its reason, and what happens when it is reached.

mod flow;
mod managing;
mod measuring;
mod peaks;
mod sampling;
mod scale;
mod store;
mod web;

pub use flow::*;
pub use managing::*;
pub use measuring::*;
pub use peaks::*;
pub use sampling::*;
pub use scale::*;
pub use store::*;
pub use web::*;

// ---- Measuring: transactions, records, CSV, latency matrix, plots ----

/// Transactions of one definition that may be in flight at once (objects in its pool).
///
/// A hundred buddies pinged every second with a timeout of ten seconds fit. Reached: `start` is refused with
/// [`PoolExhausted`](crate::error::PoolExhausted) and counted as `pool_exhausted`. A power of two, so that
/// a correlator names its slot by its low bits.
pub const TRANSACTIONS_IN_FLIGHT_MAX: usize = 1024;

/// Transaction definitions of one application.
///
/// The number of a definition is the top four bits of each of its sequence numbers, which keeps correlators
/// unique over a whole application. Reached: [`DefineError::Full`](crate::error::DefineError::Full).
pub const DEFINITIONS_MAX: usize = 16;

/// Length of the name of a transaction definition, in bytes; it is repeated in every record.
///
/// Exceeded: [`DefineError::BadName`](crate::error::DefineError::BadName).
pub const TRANSACTION_NAME_BYTES_MAX: usize = 64;

/// Longest timeout of a transaction, in seconds (one hour).
///
/// Longer would keep a transaction object from use for longer than anybody waits for an answer.
/// Exceeded: [`DefineError::BadTimeout`](crate::error::DefineError::BadTimeout).
pub const TRANSACTION_TIMEOUT_S_MAX: u64 = 3600;

/// Bytes of an application's name, and of its group's: the lengths of ARM 4. A longer one is cut.
pub const IDENTITY_BYTES_MAX: usize = 128;

/// Typed metrics of one definition: as many as ARM 4 has slots for.
///
/// Exceeded: [`DefineError::TooManyValues`](crate::error::DefineError::TooManyValues).
pub const VALUES_MAX: usize = 7;

/// Bytes of a typed metric that is a text; ARM's longer form has so many.
///
/// Exceeded: the value is left out and counted as `values_refused`.
pub const VALUE_TEXT_BYTES_MAX: usize = 128;

/// Consumers subscribed to one application at a time.
///
/// Each costs one copy per record. Reached: [`SubscribeError`](crate::error::SubscribeError).
pub const CONSUMERS_MAX: usize = 16;

/// Places in the queue of one consumer; 112 bytes each.
///
/// More is cut to this. When all are filled, the consumer's [`Overflow`](crate::arm::Overflow)
/// decides which record is dropped, and `dropped` counts it.
pub const CONSUMER_RECORDS_MAX: usize = 65_536;

/// Pairs (peer, dest) of one latency matrix: all pairs of 64 peers.
///
/// Reached: records of further pairs count in the overall summary and in `pairs_beyond`, not in a pair.
pub const MATRIX_PAIRS_MAX: usize = 4096;

/// Latest response times kept for the quantiles of one pair.
///
/// Reached: the oldest is forgotten; count, mean and deviation still cover all.
pub const MATRIX_PAIR_SAMPLES_MAX: usize = 256;

/// Latest response times kept for the quantiles over all pairs.
///
/// Reached: the oldest is forgotten; count, mean and deviation still cover all.
pub const MATRIX_OVERALL_SAMPLES_MAX: usize = 16_384;

/// Names of peers that one latency matrix keeps, for its table and its JSON.
///
/// Reached: further peers are shown by the end of their id, and `names_beyond` counts them.
pub const MATRIX_NAMES_MAX: usize = 8192;

/// Characters of a peer's name that the table of the latency matrix shows; longer names are cut.
pub const MATRIX_NAME_CHARS_MAX: usize = 12;

/// Columns of the latency table; a wider one does not fit a terminal.
///
/// Reached: the table lists pairs instead, slowest first.
pub const MATRIX_COLUMNS_MAX: usize = 8;

/// Lines of the latency table when it lists pairs; the rest is told as a number.
pub const MATRIX_LINES_MAX: usize = 64;

/// Points drawn in the line of a series plot; it is 880 pixels wide.
///
/// Exceeded: the series is thinned to the fastest and the slowest of each stretch of time, so that peaks stay.
pub const PLOT_POINTS_MAX: usize = 1760;

/// Bars of a distribution plot.
pub const PLOT_BARS_MAX: usize = 60;

// ---- the manager's web face ----

/// Pairs of peers whose latest transactions the dashboard keeps for its charts.
///
/// Reached: further pairs have no chart, and `charts_beyond` counts their records.
pub const BOARD_CHARTS_MAX: usize = 1024;

/// Latest transactions of one pair kept for its chart, 16 bytes each; the oldest is forgotten.
pub const BOARD_PAIR_POINTS_MAX: usize = 512;

/// Latest transactions over all pairs kept for the chart of all; the oldest is forgotten.
pub const BOARD_ALL_POINTS_MAX: usize = 8192;

/// Latest records that the dashboard shows; the oldest is forgotten.
pub const BOARD_RECORDS_MAX: usize = 200;

/// Pairs that the dashboard is sent each second, the slowest; it says how many there are in all.
pub const BOARD_PAIRS_SHOWN_MAX: usize = 256;

/// Agents that the dashboard lists; it says how many there are in all.
pub const BOARD_PEERS_SHOWN_MAX: usize = 1024;

/// Names of transactions that have a label of their own in the metrics; records of others count as `other`, so that
/// agents can't make series without end.
pub const METRIC_TRANSACTIONS_MAX: usize = 16;

/// Bytes of a body posted to the manager's HTTP server; a longer one gets 413.
pub const WEB_BODY_BYTES_MAX: usize = 64 * 1024;

/// Requests of one Jolokia bulk request; more get an error. They are answered one after the other.
pub const JOLOKIA_BULK_MAX: usize = 64;

/// Browsers that hold a session of the dashboard; a further one ends the oldest.
pub const WEB_SESSIONS_MAX: usize = 16;

/// Records that wait to be pushed by OTLP; further ones are dropped and counted in `otlp_dropped`.
pub const OTLP_QUEUE_MAX: usize = 8192;

/// Spans of one push; at about 400 bytes each it stays below the 4 MiB that collectors take.
pub const OTLP_SPANS_MAX: usize = 2048;

/// Bytes of a collector's answer that are read; a longer one counts as broken.
pub const OTLP_ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Open connections of the manager's HTTP server, an event stream for each viewer among them; the next one waits.
pub const WEB_CONNECTIONS_MAX: usize = 64;

// ---- command line -------------------------------------------------------------------------------------------------
use std::time::Duration;

/// How often the dashboard is told what has changed.
pub const BOARD_PERIOD: Duration = Duration::from_secs(1);

/// Time between two pushes by OTLP.
pub const OTLP_PERIOD: Duration = Duration::from_secs(5);

/// How long one push may take; then it counts as failed and is tried again.
pub const OTLP_TIMEOUT: Duration = Duration::from_secs(10);

/// Pause before the first retry of a push; it doubles with each, up to `OTLP_RETRY_PAUSE_MAX`.
pub const OTLP_RETRY_PAUSE_MIN: Duration = Duration::from_millis(500);

/// Longest pause between two tries of a push; a collector that asks for a longer one gets this.
pub const OTLP_RETRY_PAUSE_MAX: Duration = Duration::from_secs(30);

/// How long one push is tried; then its spans are dropped and counted in `otlp_dropped`. Metrics are cumulative, so a
/// later push makes up for a lost one.
pub const OTLP_RETRY_MAX: Duration = Duration::from_secs(5 * 60);

/// How long the last push may take when the manager ends.
pub const OTLP_FAREWELL_MAX: Duration = Duration::from_secs(1);

/// An agent counts as reporting as long as its last record is not older.
pub const REPORTING_WINDOW: Duration = Duration::from_secs(60);

/// How long one connection of the manager's HTTP server may last, so that forgotten ones can't hold every place. A
/// browser's event stream reconnects by itself.
pub const WEB_CONNECTION_LIFE: Duration = Duration::from_secs(15 * 60);

/// Longest duration a user may name: ten years, so that a store may keep sums for some of them. Longer is an error, so that
/// adding one to a clock can't overflow.
pub const DURATION_MAX: Duration = Duration::from_secs(3_660 * 24 * 60 * 60);

/// How long a polite end may take before it is cut off; 5 s are promised, the rest is for the operating system.
pub const POLITE_END_MAX: Duration = Duration::from_secs(4);

/// Bytes of a configuration file; a longer one is an error. Real ones have a few hundred.
pub const CONFIG_BYTES_MAX: u64 = 1024 * 1024;

/// Bytes of a peer's name (UTF-8); a longer one is an error, since every roster and advertisement repeats it.
pub const NAME_BYTES_MAX: usize = 64;

// ---- managed objects ----------------------------------------------------------------------------------------------

/// Bytes of an object name or pattern as text; a longer one is an error. Two PeerIds and a correlator take 140.
pub const OBJECT_NAME_BYTES_MAX: usize = 1024;

/// Keys of an object name; more are an error. Ours have at most three.
pub const OBJECT_NAME_KEYS_MAX: usize = 16;

/// Objects in one registry; a further one is refused and counted in `beans_refused`.
pub const BEANS_MAX: usize = 100_000;

// ---- management service -------------------------------------------------------------------------------------------

/// Bytes of a question about managed objects; a longer one is malformed.
pub const GET_REQUEST_BYTES_MAX: usize = 16 * 1024;

/// Attributes that one question may name; more are malformed.
pub const GET_ATTRIBUTES_MAX: usize = 128;

/// Bytes of an answer, below a session frame with its envelope; what does not fit comes with the next page.
pub const GET_ANSWER_BYTES_MAX: usize = 60 * 1024;

/// Bytes of one message on a subscription pipe: a full batch with the record that filled it. A longer one ends the pipe.
pub const PUSH_BYTES_MAX: usize = 64 * 1024;

/// Bytes at which a batch is closed, so that one is never long on its way before others.
pub const BATCH_BYTES_MAX: usize = 48 * 1024;

/// Records at which a batch is closed: a minute of a hundred buddies, each asked every six seconds.
pub const BATCH_RECORDS_MAX: usize = 1024;

/// Bytes of a batch's columns before they are compressed; what would decompress to more is malformed, and nothing of it
/// is kept.
pub const COLUMNS_BYTES_MAX: usize = 56 * 1024;

/// How hard the columns are compressed, from 1 to 22; above 9 a batch takes milliseconds for a hundredth less.
pub const COLUMNS_ZSTD_LEVEL: i32 = 9;

/// Peers that both ends of a pipe remember, so that their ids travel once; further ones travel with each batch. About
/// 100 KiB at each end.
pub const DICTIONARY_PEERS_MAX: usize = 1024;

/// How long a record waits in an open batch while a manager is attached; what is left of the promised second is for the
/// way and the commit.
pub const BATCH_AGE_MAX: Duration = Duration::from_millis(750);

/// How long a record waits in an open batch of a standing subscription: a minute compresses well.
pub const STANDING_BATCH_AGE_MAX: Duration = Duration::from_secs(60);

/// Batches of one subscription that are not acknowledged yet, kept to be sent again. While there are so many, further
/// records wait in the consumer's queue.
pub const BATCHES_IN_FLIGHT_MAX: usize = 8;

/// Objects on one page of an answer; the rest comes with the next.
pub const GET_PAGE_BEANS_MAX: usize = 1024;

/// Records that wait to be registered: room for a burst. Beyond, the oldest are dropped and counted in `dropped` of the
/// application.
pub const RECORD_BEANS_WAITING_MAX: usize = 2048;

/// Subscriptions that one agent serves; a further one is told so and counted in `subscriptions_refused`.
pub const SUBSCRIPTIONS_MAX: usize = 8;

/// Subscriptions of one manager at one agent; a further one ends the manager's oldest.
pub const SUBSCRIPTIONS_PER_MANAGER_MAX: usize = 2;

/// Records that wait for a subscription whose window is closed or whose manager is away; beyond, the oldest are dropped,
/// and the next batch says how many.
pub const SUBSCRIPTION_RECORDS_MAX: usize = 16 * 1024;

/// How long a subscription is kept for a manager whose pipe broke; then what it did not get is counted in
/// `records_unclaimed`.
pub const SUBSCRIPTION_KEPT: Duration = Duration::from_secs(60);

/// Pipes whose first message is waited for; beyond, openers wait and are then told *busy* by the overlay.
pub const SUBSCRIBING_MAX: usize = 16;

/// How long the first message of a pipe is waited for; then the pipe is closed and counted in `subscribing_failed`.
pub const SUBSCRIBING_TIMEOUT: Duration = Duration::from_secs(5);

/// How long one message may take to be handed to the transport; then its pipe counts as broken.
pub const PUSH_SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an agent that ends waits for its managers to take and acknowledge the rest.
pub const AGENT_FAREWELL_MAX: Duration = Duration::from_secs(1);

/// How long others may keep an agent's advertisement after the last renewal: the time in which a killed agent is forgotten.
pub const AGENT_ADVERTISEMENT_LIFETIME: Duration = Duration::from_secs(120);

/// Time between two tries to publish an agent's advertisement when a rendezvous did not take it.
pub const AGENT_PUBLISH_RETRY: Duration = Duration::from_secs(5);

/// Agents that one manager follows; one that is gone makes room, further ones are not subscribed to and counted in
/// `agents_beyond`.
pub const AGENTS_MAX: usize = 1024;

/// Time between two looks for agents while a manager collects.
pub const AGENTS_LOOKUP_INTERVAL: Duration = Duration::from_secs(1);

/// How long one look for agents may take.
pub const AGENTS_LOOKUP_TIMEOUT: Duration = Duration::from_secs(2);

/// Deadline of one question about managed objects, reaching the peer included.
pub const GET_TIMEOUT: Duration = Duration::from_secs(10);

/// Time between two tries to subscribe to an agent that doesn't answer; the first retry comes after a fifth of it.
pub const SUBSCRIBE_RETRY_MAX: Duration = Duration::from_secs(1);

/// How long an agent that can't be reached is tried again before it is left to the next look for agents.
pub const AGENT_GIVEN_UP_AFTER: Duration = Duration::from_secs(30);

/// How long the agents may take to flush at the end of a collection; those that did not are counted in `unflushed`.
pub const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// Batches that wait for the record sink; when full, agents wait for their acknowledgements.
pub const SINK_QUEUE: usize = 64;

// ---- the manager's store ------------------------------------------------------------------------------------------

/// Bytes of the response times of one row of sums: each count that a sketch can have, with 9 bytes. More is unreadable.
pub const STORE_TIMES_BYTES_MAX: usize = 16 * 1024;

/// How long records are kept whole, unless the store's owner says otherwise; then they live on in their minute.
pub const STORE_RAW_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// How long minutes are kept; then they live on in their hour.
pub const STORE_MINUTES_KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How long hours are kept.
pub const STORE_HOURS_KEPT: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// Bytes of the store's file that are in use: a day of 100 records a second is about 1 GB.
///
/// Reached: the oldest records go before their time, then the oldest minutes and hours; counted in `discarded`. A file an
/// eighth larger takes no record at all, as on a full disk.
pub const STORE_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;

/// Bytes of the store's pages that its writer keeps in memory: those in which a minute of a thousand agents' records find
/// their place. A larger working set is read from the file again; with SQLite's 2 MB that took half as long again.
pub const STORE_CACHE_BYTES: u64 = 32 * 1024 * 1024;

/// Bytes that the log beside the store's file keeps after it was written back.
pub const STORE_LOG_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Records that one transaction sums up or deletes, so that no commit waits long for it.
pub const STORE_STEP_RECORDS: u64 = 10_000;

/// Time between two rounds of summing up and deleting.
pub const STORE_KEEP_INTERVAL: Duration = Duration::from_secs(10);

/// How long a program waits for another one that holds its database.
pub const SQLITE_BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Time between two tries to commit while the disk is full; nothing is acknowledged meanwhile, so agents keep what they
/// have, within their own bound.
pub const SINK_RETRY: Duration = Duration::from_millis(500);

// ---- accounting ---------------------------------------------------------------------------------------------------

/// Time between two looks of a standing manager at what a peer uses: an hour's sum misses at most this much of a peer
/// that goes without a word.
pub const USAGE_INTERVAL: Duration = Duration::from_secs(60);

/// Longest time between two samples of a peer in which it counts as online throughout; of a longer one nobody knows.
pub const USAGE_GAP_MAX: Duration = Duration::from_secs(180);

// ---- reports ------------------------------------------------------------------------------------------------------

/// Records that one report looks at one by one, the newest; older ones are in its sums alone.
pub const REPORT_RECORDS_MAX: usize = 2_000_000;

/// How much farther than the group's median a peer or link must be to be told.
pub const DISTANT_EXCESS_MIN: Duration = Duration::from_millis(5);

/// How many robust standard deviations beyond the group's median a peer or link must be to be told.
pub const DISTANT_SIGMAS: f64 = 6.0;

/// Lines of each list in a report for people; the rest is told as a number.
pub const REPORT_LINES_MAX: usize = 40;

/// Bytes of a file of objectives; a longer one is an error.
pub const OBJECTIVES_BYTES_MAX: u64 = 1024 * 1024;

/// Links that get a figure of their own; further ones are told as a number and are in the figure of all.
pub const PLOT_LINKS_MAX: usize = 64;
