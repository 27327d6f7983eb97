//! Which records travel whole when there are more than may: those that explain something.
//!
//! In: records as they end, the time, randomness. Out: for each whether it is kept, and for how many it stands. All
//! failures, what tells waits for a processor, the slowest hundredth, and of the rest one of each group, chosen by chance,
//! which stands for its group: sums by weight are unbiased, and their counts exact but for the groups that are not over.
//! Up to the wanted rate all are kept.

use std::time::{Duration, Instant};

use crate::arm::{ArmRecord, Sketch, Status};
use crate::limits::{RECORD_RATE_SPAN, RECORD_WEIGHT_MAX};

/// Chooses the records of one subscription.
#[derive(Debug)]
pub struct TailSampler {
    /// When the present span ends; none before the first record.
    until: Option<Instant>,
    /// Of this span: those that were neither failed nor slow, those that were slow, and all response times.
    usual: u64,
    slow: u64,
    response: Sketch,
    /// What the span before says: one of how many usual ones is kept at least, and from where on a response is slow.
    one_in: u64,
    slow_from: Option<Duration>,
    group: Group,
}

/// Usual records in a row, one of which stands for all.
#[derive(Debug, Default)]
struct Group {
    size: u64,
    seen: u64,
    chosen: u64,
}

impl Default for TailSampler {
    fn default() -> Self {
        Self::new()
    }
}

impl TailSampler {
    /// A sampler that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        let (response, group) = (Sketch::default(), Group::default());
        Self { until: None, usual: 0, slow: 0, response, one_in: 1, slow_from: None, group }
    }

    /// For how many a record stands that came at `now`; none when another stands for it. `rate_max` is how many usual
    /// records a second may travel, `random` draws a number uniform over all.
    pub fn sample(
        &mut self,
        now: Instant,
        record: &ArmRecord,
        rate_max: u32,
        random: impl FnOnce() -> u64,
    ) -> Option<u32> {
        let usual_max = u64::from(rate_max.max(1)) * RECORD_RATE_SPAN.as_secs().max(1);
        if self.until.is_none_or(|until| now >= until) {
            self.begin_span(now, usual_max);
        }
        let response = record.response_us.map(Duration::from_micros);
        if let Some(response) = response {
            self.response.record(response);
        }
        // What a machine let wait is told once, by the record that comes next, whatever that one measured.
        if record.status != Status::Good || record.waits().next().is_some() {
            return Some(1);
        }
        // Slow ones beyond the bound are not the slowest any more, but what is usual now.
        let is_slow = self.slow_from.zip(response).is_some_and(|(from, response)| response >= from);
        if is_slow && self.slow < usual_max {
            self.slow += 1;
            return Some(1);
        }
        self.usual += 1;
        self.of_group(usual_max, random)
    }

    /// The size of a group is known before any of its records is: so each has the same chance, whatever it shows.
    fn of_group(&mut self, usual_max: u64, random: impl FnOnce() -> u64) -> Option<u32> {
        if self.group.seen == self.group.size {
            let wanted = self.one_in.max(self.usual.div_ceil(usual_max));
            let size = wanted.clamp(1, RECORD_WEIGHT_MAX.into());
            let chosen = if size == 1 { 0 } else { random() % size };
            self.group = Group { size, seen: 0, chosen };
        }
        let is_chosen = self.group.seen == self.group.chosen;
        self.group.seen += 1;
        is_chosen.then(|| u32::try_from(self.group.size).unwrap_or(RECORD_WEIGHT_MAX))
    }

    fn begin_span(&mut self, now: Instant, usual_max: u64) {
        // After a silence the rate is known to be low.
        let is_next = self.until.is_some_and(|until| now < until + RECORD_RATE_SPAN);
        self.one_in = if is_next { self.usual.div_ceil(usual_max).max(1) } else { 1 };
        self.slow_from = if self.one_in > 1 { self.response.quantile(SLOW) } else { None };
        (self.usual, self.slow, self.response) = (0, 0, Sketch::default());
        self.until = now.checked_add(RECORD_RATE_SPAN);
    }
}

/// The share of responses that is not slow.
const SLOW: f64 = 0.99;

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a starting point for virtual time")]
mod tests;
