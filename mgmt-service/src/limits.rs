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
