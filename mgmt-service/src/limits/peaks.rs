//! Bounds of what is a peak, and of what may explain it.

use std::time::Duration;

use super::{GATHERING_MARGIN, STANDING_BATCH_AGE_MAX};

/// How much slower than usual a transaction must be to be a peak: what a person does not notice is none.
pub const PEAK_EXCESS_MIN: Duration = Duration::from_millis(20);

/// How many robust standard deviations above the usual a peak begins.
pub const PEAK_SIGMAS: f64 = 8.0;

/// Transactions of a pair below which nothing is usual.
pub const PEAK_RECORDS_MIN: usize = 8;

/// Usual transactions within one peak: fewer between two slow ones don't end it.
pub const PEAK_GAP_MAX: usize = 2;

/// How long before the start and before the end of a transaction its asker's wait for a processor still explains it. What
/// lies between is no time in which it had anything to do.
pub const WAIT_EDGE: Duration = Duration::from_millis(250);

/// How far the clocks of two peers may be apart for what one says to explain what the other sees.
pub const CLOCK_SKEW_MAX: Duration = Duration::from_secs(1);

/// Length of the slots in which a process looks how long it waited for a processor: four looks a second, of some 0.1 ms
/// each.
pub const WAIT_SLOT: Duration = Duration::from_millis(250);

/// A wait in a slot that is worth telling: half of what can make a peak.
pub const WAIT_TOLD_MIN: Duration = Duration::from_millis(10);

/// How long after its end an exchange is no peak yet because a record that is on its way may explain it: as long as an
/// agent gathers. Reached: it is told without what that record would say.
pub const WAITS_AWAITED_MAX: Duration = STANDING_BATCH_AGE_MAX.saturating_add(GATHERING_MARGIN);

/// Slots that wait for a record to tell them, which has room for no more. Reached: the least wait is forgotten.
pub const WAITS_TOLD_MAX: usize = 7;
