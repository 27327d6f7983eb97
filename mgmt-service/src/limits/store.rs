//! Bounds of what a manager's store believes of what agents say.

use std::time::Duration;

/// What an agent says that it counted, at most: the integers that a program with floating-point numbers reads exactly. A
/// larger number counts as this one, so that a sum of a thousand agents' still is a number.
pub const COUNT_MAX: u64 = 1 << 53;

/// How far the clock of an agent may be from the manager's. A record that is later, or older than this and what a spool
/// keeps ([`SPOOL_KEPT`](super::SPOOL_KEPT)) together, stands under the time at which it came, and is counted in `retimed`.
pub const STORE_CLOCK_SKEW_MAX: Duration = Duration::from_secs(60 * 60);
