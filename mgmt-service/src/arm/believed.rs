//! What is believed of the time that a record says.
//!
//! In: its time, the time at which it comes. Out: the time under which it stands. Pure.

use std::time::Duration;

use crate::limits::{SPOOL_KEPT, STORE_CLOCK_SKEW_MAX};

/// The time under which a record that comes at `now_ms` is kept and shown: its own, unless it is later than any clock may
/// be ahead or longer ago than any spool keeps a record. Else one agent's clock would outlive what others sent, end before
/// it is seen, or pull a chart apart.
pub(crate) fn time_of(at_ms: u64, now_ms: u64) -> u64 {
    let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let oldest = now_ms.saturating_sub(ms(SPOOL_KEPT + STORE_CLOCK_SKEW_MAX));
    let newest = now_ms.saturating_add(ms(STORE_CLOCK_SKEW_MAX));
    if (oldest..=newest).contains(&at_ms) { at_ms } else { now_ms }
}
