//! Every bound of this crate: its unit, its reason, and what happens when it is reached.

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

/// Consumers subscribed to one application at a time.
///
/// Each costs one copy per record. Reached: [`SubscribeError`](crate::error::SubscribeError).
pub const CONSUMERS_MAX: usize = 16;

/// Records in the pool of one consumer, which is also the capacity of its queue; about 256 bytes each.
///
/// More is cut to this. When all are filled or on loan, the consumer's [`Overflow`](crate::arm::Overflow)
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
