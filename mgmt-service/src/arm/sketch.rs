//! Sketches: the distribution of response times in some hundred numbers, always on, and mergeable without loss.
//!
//! In: durations, other sketches, bytes of another peer. Out: counts by bucket, sum, extremes, quantiles. A quantile is
//! within 1.1 % of a true one of the durations that were counted. A sketch has at most `BUCKETS` counts.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::buckets::{BUCKET_MAX, BUCKET_MIN, BUCKETS_PER_OCTAVE, bucket_of, upper_edge_s};

/// The distribution of some durations. Merging is exact, so it commutes, and a sketch of sketches is one of everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Parts", into = "Parts")]
pub struct Sketch {
    /// Durations of 0 ns.
    zeros: u64,
    /// The bucket of the first count.
    first: i32,
    /// Counts of consecutive buckets; the first and the last are not 0.
    counts: Vec<u64>,
    sum_ns: u64,
    /// Of nothing, the minimum is 0 as well.
    min_ns: u64,
    max_ns: u64,
}

impl Sketch {
    /// Steps in which a bucket's edges grow, as OpenTelemetry counts them: by the 2^scale-th root of 2.
    pub const SCALE: i32 = BUCKETS_PER_OCTAVE.ilog2() as i32;

    /// The relative error of a quantile is at most this.
    pub const RELATIVE_ERROR: f64 = 0.011;

    /// Counts a duration.
    pub fn record(&mut self, duration: Duration) {
        self.record_many(duration, 1);
    }

    /// Counts a duration so many times.
    pub fn record_many(&mut self, duration: Duration, times: u64) {
        if times == 0 {
            return;
        }
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let sum_ns = nanos.saturating_mul(times);
        let mut one = Self { sum_ns, min_ns: nanos, max_ns: nanos, ..Self::default() };
        if nanos == 0 {
            one.zeros = times;
        } else {
            (one.first, one.counts) = (bucket_of(nanos), vec![times]);
        }
        self.merge(&one);
    }

    /// Adds all that `other` has counted. Counts and sum stop at their maximum.
    pub fn merge(&mut self, other: &Self) {
        if other.is_empty() {
            return;
        }
        self.min_ns = if self.is_empty() { other.min_ns } else { self.min_ns.min(other.min_ns) };
        self.max_ns = self.max_ns.max(other.max_ns);
        self.sum_ns = self.sum_ns.saturating_add(other.sum_ns);
        self.zeros = self.zeros.saturating_add(other.zeros);
        if other.counts.is_empty() {
            return;
        }
        if self.counts.is_empty() {
            self.first = other.first;
        }
        let before = usize::try_from(self.first - other.first).unwrap_or(0);
        self.counts.splice(0..0, std::iter::repeat_n(0, before));
        self.first = self.first.min(other.first);
        let offset = usize::try_from(other.first - self.first).unwrap_or(0);
        self.counts.resize(self.counts.len().max(offset + other.counts.len()), 0);
        for (count, more) in self.counts.iter_mut().skip(offset).zip(&other.counts) {
            *count = count.saturating_add(*more);
        }
    }

    /// What was counted since the sketch was `before`, an earlier state of it. The extremes are those of its buckets.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let earlier = |bucket: i32| {
            let at = usize::try_from(bucket.saturating_sub(before.first)).ok();
            at.and_then(|at| before.counts.get(at)).copied().unwrap_or(0)
        };
        let more = |(bucket, count): (i32, &u64)| count.saturating_sub(earlier(bucket));
        let mut counts: Vec<u64> = (self.first..).zip(&self.counts).map(more).collect();
        let used = |count: &u64| *count != 0;
        counts.truncate(counts.iter().rposition(used).map_or(0, |last| last + 1));
        let empty = counts.iter().position(used).unwrap_or(0);
        counts.drain(..empty);
        let zeros = self.zeros.saturating_sub(before.zeros);
        if counts.is_empty() && zeros == 0 {
            return Self::default();
        }
        let first = if counts.is_empty() { 0 } else { self.first + empty as i32 };
        let edge = |bucket: i32| ((upper_edge_s(bucket) * 1e9) as u64).clamp(self.min_ns, self.max_ns);
        let min_ns = if zeros > 0 { 0 } else { edge(first - 1) };
        let max_ns = if counts.is_empty() { 0 } else { edge(first + counts.len() as i32 - 1) };
        let sum_ns = self.sum_ns.saturating_sub(before.sum_ns);
        Self { zeros, first, counts, sum_ns, min_ns, max_ns }
    }

    /// Durations counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(self.zeros, |sum, count| sum.saturating_add(*count))
    }

    /// Whether nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.zeros == 0 && self.counts.is_empty()
    }

    /// Durations of 0 ns, which belong to no bucket.
    #[must_use]
    pub fn zeros(&self) -> u64 {
        self.zeros
    }

    /// The number of the first bucket that has a count, and the counts from there: `offset` and `bucket_counts` of an
    /// OpenTelemetry exponential histogram with unit `s`; a Prometheus native histogram numbers them 1 higher.
    #[must_use]
    pub fn buckets(&self) -> (i32, &[u64]) {
        (self.first, &self.counts)
    }

    /// The sum of all durations.
    #[must_use]
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum_ns)
    }

    /// The shortest and the longest duration; none of nothing.
    #[must_use]
    pub fn range(&self) -> Option<(Duration, Duration)> {
        let range = (Duration::from_nanos(self.min_ns), Duration::from_nanos(self.max_ns));
        (!self.is_empty()).then_some(range)
    }

    /// The mean; none of nothing.
    #[must_use]
    pub fn mean(&self) -> Option<Duration> {
        self.sum_ns.checked_div(self.count()).map(Duration::from_nanos)
    }

    /// A duration that is within [`Self::RELATIVE_ERROR`] of the smallest one counted which at least the share `q` of
    /// all does not exceed; `q` is cut to 0 to 1. None of nothing. The error holds from 1 ns to 68 minutes.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<Duration> {
        let (min, max) = self.range()?;
        let rank = ((self.count() as f64 * q.clamp(0.0, 1.0)).ceil() as u64).max(1);
        let mut below = self.zeros;
        if below >= rank {
            return Some(Duration::ZERO);
        }
        for (bucket, count) in (self.first..).zip(&self.counts) {
            below = below.saturating_add(*count);
            if below >= rank {
                let middle = (upper_edge_s(bucket - 1) * upper_edge_s(bucket)).sqrt();
                return Some(Duration::from_secs_f64(middle).clamp(min, max));
            }
        }
        Some(max)
    }

    /// From counts of all buckets, as they are kept while they grow.
    pub(super) fn from_all(counts: Vec<u64>, zeros: u64, sum_ns: u64, (min_ns, max_ns): (u64, u64)) -> Self {
        let used = |count: &u64| *count != 0;
        let start = counts.iter().position(used).unwrap_or(0);
        let end = counts.iter().rposition(used).map_or(0, |last| last + 1);
        let counts = counts.get(start..end).map(<[u64]>::to_vec).unwrap_or_default();
        let first = if counts.is_empty() { 0 } else { BUCKET_MIN + start as i32 };
        let sketch = Self { zeros, first, counts, sum_ns, min_ns, max_ns };
        if sketch.is_empty() { Self::default() } else { sketch }
    }
}

/// A sketch on the wire.
#[derive(Serialize, Deserialize)]
struct Parts {
    zeros: u64,
    first: i32,
    counts: Vec<u64>,
    sum_ns: u64,
    min_ns: u64,
    max_ns: u64,
}

impl From<Sketch> for Parts {
    fn from(sketch: Sketch) -> Self {
        let Sketch { zeros, first, counts, sum_ns, min_ns, max_ns } = sketch;
        Self { zeros, first, counts, sum_ns, min_ns, max_ns }
    }
}

impl TryFrom<Parts> for Sketch {
    type Error = &'static str;

    /// Refuses what no sketch can be, so that each sketch has one form only.
    fn try_from(parts: Parts) -> Result<Self, Self::Error> {
        let Parts { zeros, first, counts, sum_ns, min_ns, max_ns } = parts;
        let buckets = BUCKET_MAX - BUCKET_MIN + 1;
        let length = i32::try_from(counts.len()).ok().filter(|length| *length <= buckets);
        let length = length.ok_or("a sketch with too many buckets")?;
        let in_range = first >= BUCKET_MIN && first <= BUCKET_MAX - length + 1;
        if if counts.is_empty() { first != 0 } else { !in_range } {
            return Err("a sketch with buckets out of range");
        }
        if counts.first() == Some(&0) || counts.last() == Some(&0) {
            return Err("a sketch that begins or ends with an empty bucket");
        }
        let sketch = Self { zeros, first, counts, sum_ns, min_ns, max_ns };
        let empty = sketch.is_empty() && sketch != Self::default();
        if empty || min_ns > max_ns || (zeros > 0 && min_ns > 0) {
            return Err("a sketch whose extremes contradict its counts");
        }
        Ok(sketch)
    }
}

#[cfg(test)]
mod tests;
