//! Every bound of this crate: its unit, its reason, and what happens when it is reached.

// ---- command line -------------------------------------------------------------------------------------------------
use std::time::Duration;

/// Longest duration a user may name: a year. Longer is an error, so that adding one to a clock can't overflow.
pub const DURATION_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);

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
pub const BATCH_BYTES_MAX: usize = 32 * 1024;

/// Records at which a batch is closed.
pub const BATCH_RECORDS_MAX: usize = 512;

/// How long a record waits in an open batch while a manager is attached.
pub const BATCH_AGE_MAX: Duration = Duration::from_secs(1);

/// Batches of one subscription that are not acknowledged yet, kept to be sent again. While there are so many, further
/// records wait in the consumer's queue.
pub const BATCHES_IN_FLIGHT_MAX: usize = 8;
