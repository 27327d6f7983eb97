//! Response times as counts in buckets that grow by a fixed factor: quantiles of any number of them in little space.
//!
//! In: microseconds; other histograms. Out: count, mean, deviation, quantiles, bytes and back. A bucket is 1/32 of a
//! doubling wide (base-2 exponential buckets of scale 5, as OpenTelemetry has them), so a quantile is at most 1.1 % off.
//! Merging is exact: it adds counts. At most `HISTOGRAM_BUCKETS_MAX` buckets, whatever is added.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::limits::HISTOGRAM_BUCKETS_MAX;

/// Counts of response times.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Histogram {
    count: u64,
    sum_us: f64,
    squares: f64,
    slowest_us: u64,
    /// By the number of the bucket: `32 · log2(us)`, cut to whole; below a microsecond counts as one.
    buckets: BTreeMap<u16, u64>,
}

impl Histogram {
    /// Counts one.
    pub fn add(&mut self, us: u64) {
        self.count += 1;
        self.sum_us += us as f64;
        self.squares += (us as f64).powi(2);
        self.slowest_us = self.slowest_us.max(us);
        *self.buckets.entry(bucket_of(us)).or_default() += 1;
    }

    /// Counts all that `other` has counted.
    pub fn merge(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.sum_us += other.sum_us;
        self.squares += other.squares;
        self.slowest_us = self.slowest_us.max(other.slowest_us);
        for (bucket, count) in &other.buckets {
            let own = self.buckets.entry(*bucket).or_default();
            *own = own.saturating_add(*count);
        }
    }

    /// How many.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their mean in microseconds; 0 of none.
    #[must_use]
    pub fn mean_us(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum_us / self.count as f64 }
    }

    /// Their standard deviation in microseconds (of a sample: divided by count − 1).
    #[must_use]
    pub fn sigma_us(&self) -> f64 {
        if self.count < 2 {
            return 0.0;
        }
        let squares = self.squares - self.sum_us * self.mean_us();
        (squares.max(0.0) / (self.count - 1) as f64).sqrt()
    }

    /// The slowest in microseconds.
    #[must_use]
    pub fn slowest_us(&self) -> u64 {
        self.slowest_us
    }

    /// The time that a share `q` (0 to 1) of them did not exceed, at most 1.1 % off; none of none.
    #[must_use]
    pub fn quantile_us(&self, q: f64) -> Option<u64> {
        let rank = ((self.count as f64 * q).ceil() as u64).max(1);
        let mut below = 0;
        for (bucket, count) in &self.buckets {
            below += count;
            if below >= rank {
                return Some(middle_us(*bucket).min(self.slowest_us));
            }
        }
        None
    }

    /// How many took at most `us`; the bucket of `us` counts by the share of it that lies below.
    #[must_use]
    pub fn within(&self, us: u64) -> u64 {
        if us >= self.slowest_us {
            return self.count;
        }
        let last = bucket_of(us);
        self.buckets.range(..=last).map(|(_, count)| count).sum()
    }

    /// `{count, mean_us, sigma_us, p50_us, p90_us, p99_us, slowest_us}`; `null` for times when there is none.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let some = self.count > 0;
        json!({
            "count": self.count,
            "mean_us": some.then(|| self.mean_us().round()),
            "sigma_us": some.then(|| self.sigma_us().round()),
            "p50_us": self.quantile_us(0.5),
            "p90_us": self.quantile_us(0.9),
            "p99_us": self.quantile_us(0.99),
            "slowest_us": some.then_some(self.slowest_us),
        })
    }

    /// The buckets as bytes: for each, how far it lies behind the one before, and its count, as varints.
    #[must_use]
    pub fn bucket_bytes(&self) -> Vec<u8> {
        let (mut bytes, mut before) = (Vec::with_capacity(self.buckets.len() * 3), 0);
        for (bucket, count) in &self.buckets {
            push_varint(&mut bytes, u64::from(bucket - before));
            push_varint(&mut bytes, *count);
            before = *bucket;
        }
        bytes
    }

    /// The histogram of [`Self::bucket_bytes`] and the sums beside them; none when the bytes are not such.
    #[must_use]
    pub fn from_parts(sum_us: f64, squares: f64, slowest_us: u64, mut bytes: &[u8]) -> Option<Self> {
        let mut read = Self { sum_us, squares, slowest_us, ..Self::default() };
        let mut before = 0u16;
        while !bytes.is_empty() {
            let behind = u16::try_from(take_varint(&mut bytes)?).ok()?;
            let count = take_varint(&mut bytes)?;
            before = before.checked_add(behind).filter(|bucket| *bucket < HISTOGRAM_BUCKETS_MAX)?;
            read.buckets.insert(before, count);
            read.count = read.count.checked_add(count)?;
        }
        Some(read)
    }

    /// The sum of all, and of their squares.
    #[must_use]
    pub fn sums(&self) -> (f64, f64) {
        (self.sum_us, self.squares)
    }
}

fn bucket_of(us: u64) -> u16 {
    let bucket = (us.max(1) as f64).log2() * BUCKETS_PER_DOUBLING;
    (bucket as u16).min(HISTOGRAM_BUCKETS_MAX - 1)
}

fn middle_us(bucket: u16) -> u64 {
    ((f64::from(bucket) + 0.5) / BUCKETS_PER_DOUBLING).exp2().round() as u64
}

fn push_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let (mut number, mut shift) = (0u64, 0u32);
    loop {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(first & 0x7f).checked_shl(shift)?;
        if first & 0x80 == 0 {
            return Some(number);
        }
        shift += 7;
    }
}

/// Buckets between a time and its double.
const BUCKETS_PER_DOUBLING: f64 = 32.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_their_error_and_the_moments_exact() {
        let mut histogram = Histogram::default();
        (1..=10_000u64).for_each(|us| histogram.add(us * 10));
        for (q, exact) in [(0.5, 50_000.0), (0.9, 90_000.0), (0.99, 99_000.0)] {
            let found = histogram.quantile_us(q).unwrap() as f64;
            assert!((found / exact - 1.0).abs() < 0.011, "{q}: {found}");
        }
        assert_eq!((histogram.count(), histogram.mean_us()), (10_000, 50_005.0));
        assert!((histogram.sigma_us() - 28_868.96).abs() < 0.1, "{}", histogram.sigma_us());
        assert_eq!((histogram.within(100_000), histogram.within(0)), (10_000, 0));
    }

    #[test]
    fn parts_merge_to_the_whole_and_bytes_read_back() {
        let (mut whole, mut parts) = (Histogram::default(), [Histogram::default(), Histogram::default()]);
        for us in [0, 1, 850, 851, 300_000, u64::MAX] {
            whole.add(us);
            parts[us as usize % 2].add(us);
        }
        let [mut merged, other] = parts;
        merged.merge(&other);
        assert_eq!(merged.buckets, whole.buckets);
        let (sum, squares) = whole.sums();
        let read = Histogram::from_parts(sum, squares, whole.slowest_us(), &whole.bucket_bytes());
        assert_eq!(read, Some(whole));
        assert_eq!(Histogram::from_parts(0.0, 0.0, 0, &[0xff, 0xff, 0xff, 1, 1]), None);
        assert_eq!(Histogram::from_parts(0.0, 0.0, 0, &[1]), None);
        assert_eq!(Histogram::default().quantile_us(0.5), None);
    }
}
