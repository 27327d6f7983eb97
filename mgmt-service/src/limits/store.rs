//! Bounds of what a manager's store believes of what agents say.

use std::time::Duration;

/// What an agent says that it counted, at most: the integers that a program with floating-point numbers reads exactly. A
/// larger number counts as this one, so that a sum of a thousand agents' still is a number.
pub const COUNT_MAX: u64 = 1 << 53;

/// How far the clock of an agent may be from the manager's. A record that is later, or older than this and what a spool
/// keeps ([`SPOOL_KEPT`](super::SPOOL_KEPT)) together, stands under the time at which it came, on the page and in the store, and is counted in `retimed`.
pub const STORE_CLOCK_SKEW_MAX: Duration = Duration::from_secs(60 * 60);

/// New receivers and names of transactions that one agent may bring into a store within [`STORE_NAMES_INTERVAL`]: several
/// times what a group of a thousand peers has. Reached: further ones are kept as `others` and `other`, and counted in
/// `names_left_out`.
pub const STORE_NAMES_MAX: u64 = 4096;

/// The time over which new names are counted, and at least that between two looks for those that nothing names any more.
pub const STORE_NAMES_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// Peers, and names of transactions, that a store's writer has in memory. Beyond, it forgets them and reads them again.
/// When the file has more of both together, those that no row names go, once in [`STORE_NAMES_INTERVAL`].
pub const STORE_IDS_MAX: usize = 64 * 1024;
