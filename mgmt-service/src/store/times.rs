//! Response times of many exchanges in little space: a sketch of them, and what their deviation needs besides.
//!
//! In: microseconds, other times, bytes of the store. Out: count, mean, deviation, quantiles. Merging adds counts, so it
//! is exact. At most `STORE_TIMES_BYTES_MAX` bytes, whatever is added.

use std::time::Duration;

use overlay::wire::{WireError, decode, encode};
use serde_json::{Value, json};

use crate::arm::Sketch;
use crate::limits::STORE_TIMES_BYTES_MAX;

/// Response times that were added up.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Times {
    sketch: Sketch,
    /// The sum of their squares, in microseconds².
    squares: f64,
}

impl Times {
    /// Counts one.
    pub fn add(&mut self, us: u64) {
        self.add_weighted(us, 1);
    }

    /// Counts one for as many as it stands for.
    pub fn add_weighted(&mut self, us: u64, weight: u64) {
        self.sketch.record_many(Duration::from_micros(us), weight);
        self.squares += (us as f64).powi(2) * weight as f64;
    }

    /// Counts all that `other` has counted.
    pub fn merge(&mut self, other: &Self) {
        self.sketch.merge(&other.sketch);
        self.squares += other.squares;
    }

    /// Their mean in microseconds; 0 of none.
    #[must_use]
    pub fn mean_us(&self) -> f64 {
        self.sum_us() / self.sketch.count().max(1) as f64
    }

    /// Their standard deviation in microseconds (of a sample: divided by count − 1).
    #[must_use]
    pub fn sigma_us(&self) -> f64 {
        let squares = self.squares - self.sum_us() * self.mean_us();
        (squares.max(0.0) / self.sketch.count().saturating_sub(1).max(1) as f64).sqrt()
    }

    /// The time that a share `q` (0 to 1) of them did not exceed, within [`Sketch::RELATIVE_ERROR`]; none of none.
    #[must_use]
    pub fn quantile_us(&self, q: f64) -> Option<u64> {
        self.sketch.quantile(q).map(micros)
    }

    /// `{count, mean_us, sigma_us, p50_us, p90_us, p99_us, slowest_us}`; `null` for times when there is none.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let some = !self.sketch.is_empty();
        json!({
            "count": self.sketch.count(),
            "mean_us": some.then(|| self.mean_us().round()),
            "sigma_us": some.then(|| self.sigma_us().round()),
            "p50_us": self.quantile_us(0.5),
            "p90_us": self.quantile_us(0.9),
            "p99_us": self.quantile_us(0.99),
            "slowest_us": self.sketch.range().map(|(_, slowest)| micros(slowest)),
        })
    }

    /// As the store keeps them.
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, WireError> {
        encode(&(&self.sketch, self.squares), STORE_TIMES_BYTES_MAX)
    }

    /// The times of [`Self::to_bytes`].
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, WireError> {
        let (sketch, squares) = decode(bytes, STORE_TIMES_BYTES_MAX)?;
        Ok(Self { sketch, squares })
    }

    fn sum_us(&self) -> f64 {
        self.sketch.sum().as_nanos() as f64 / 1e3
    }
}

fn micros(duration: Duration) -> u64 {
    let nearest = duration.saturating_add(Duration::from_nanos(500));
    u64::try_from(nearest.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_their_error_and_the_moments_exact() {
        let mut times = Times::default();
        (1..=10_000u64).for_each(|us| times.add(us * 10));
        for (q, exact) in [(0.5, 50_000.0), (0.9, 90_000.0), (0.99, 99_000.0)] {
            let found = times.quantile_us(q).unwrap() as f64;
            assert!((found / exact - 1.0).abs() < Sketch::RELATIVE_ERROR, "{q}: {found}");
        }
        assert!((times.mean_us() - 50_005.0).abs() < 1e-6, "{}", times.mean_us());
        assert!((times.sigma_us() - 28_868.96).abs() < 0.1, "{}", times.sigma_us());
    }

    #[test]
    fn none_have_no_times() {
        let none = Times::default();
        assert_eq!((none.mean_us(), none.sigma_us(), none.quantile_us(0.5)), (0.0, 0.0, None));
        assert_eq!(
            (none.to_json()["count"].as_u64(), &none.to_json()["slowest_us"]),
            (Some(0), &Value::Null)
        );
    }

    #[test]
    fn parts_merge_to_the_whole_and_bytes_read_back() {
        let (mut whole, mut parts) = (Times::default(), [Times::default(), Times::default()]);
        for us in [0, 1, 850, 851, 300_000, 7_000_000] {
            whole.add(us);
            parts[us as usize % 2].add(us);
        }
        let [mut merged, other] = parts;
        merged.merge(&other);
        assert_eq!(merged, whole);
        assert_eq!(Times::from_bytes(&whole.to_bytes().unwrap()).unwrap(), whole);
        assert!(Times::from_bytes(&[]).is_err() && Times::from_bytes(&[1; 40]).is_err());
    }

    #[test]
    fn what_a_lying_agent_says_took_for_ever_still_fits() {
        let mut times = Times::default();
        (0..64).for_each(|shift| times.add(u64::MAX >> shift));
        assert!(times.to_bytes().unwrap().len() < STORE_TIMES_BYTES_MAX);
        assert_eq!(times.to_json()["count"], 64);
    }
}
