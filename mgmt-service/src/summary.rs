//! Response times in short: count, mean, standard deviation and quantiles (paper §4.5).
//!
//! In: response times in microseconds. Out: their summary. Count, mean and deviation cover all; quantiles
//! cover the latest, as many as the caller allows.

use std::collections::VecDeque;
use std::fmt;

/// What is known of a set of response times. All zero when there is none.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Summary {
    /// How many.
    pub count: u64,
    /// Their mean, in microseconds.
    pub mean_us: f64,
    /// Their standard deviation, in microseconds (of a sample: divided by count − 1).
    pub sigma_us: f64,
    /// The time that half of them did not exceed (nearest rank).
    pub p50_us: u64,
    /// The time that 95 % of them did not exceed.
    pub p95_us: u64,
    /// The time that 99 % of them did not exceed.
    pub p99_us: u64,
}

impl Summary {
    /// The summary of `response_us`. Costs a sort.
    #[must_use]
    pub fn of(response_us: &[u64]) -> Self {
        let mut series = Series::new(usize::MAX);
        response_us.iter().for_each(|sample| series.add(*sample));
        series.summary()
    }

    /// The JSON object `{count, mean_us, sigma_us, p50_us, p95_us, p99_us}`; `null` for times when there is none.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let some = self.count > 0;
        serde_json::json!({
            "count": self.count,
            "mean_us": some.then_some(self.mean_us),
            "sigma_us": some.then_some(self.sigma_us),
            "p50_us": some.then_some(self.p50_us),
            "p95_us": some.then_some(self.p95_us),
            "p99_us": some.then_some(self.p99_us),
        })
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.count == 0 {
            return f.write_str("no answer yet");
        }
        let [mean, sigma] = [self.mean_us, self.sigma_us].map(milliseconds);
        let [p50, p95, p99] = [self.p50_us, self.p95_us, self.p99_us].map(|us| milliseconds(us as f64));
        write!(f, "mean {mean} ± {sigma} ms · p50 {p50} · p95 {p95} · p99 {p99} ms")
    }
}

/// Microseconds as milliseconds with about three digits, without the unit.
#[must_use]
pub fn milliseconds(us: f64) -> String {
    let ms = us / 1000.0;
    let decimals = match ms {
        _ if ms >= 99.95 => 0,
        _ if ms >= 9.995 => 1,
        _ if ms >= 0.9995 => 2,
        _ => 3,
    };
    format!("{ms:.decimals$}")
}

/// Response times as they come: moments over all (Welford), and the latest for quantiles.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    count: u64,
    mean: f64,
    /// Sum of the squares of the deviations from the mean.
    squares: f64,
    /// Each with its weight.
    latest: VecDeque<(u64, u64)>,
    latest_max: usize,
}

impl Series {
    pub(crate) fn new(latest_max: usize) -> Self {
        Self { count: 0, mean: 0.0, squares: 0.0, latest: VecDeque::new(), latest_max }
    }

    pub(crate) fn add(&mut self, response_us: u64) {
        self.add_weighted(response_us, 1);
    }

    /// Counts a time for as many as it stands for, at least one.
    pub(crate) fn add_weighted(&mut self, response_us: u64, weight: u64) {
        self.count = self.count.saturating_add(weight);
        let (sample, share) = (response_us as f64, weight as f64);
        let before = sample - self.mean;
        self.mean += before * share / self.count.max(1) as f64;
        self.squares += before * (sample - self.mean) * share;
        if self.latest.len() >= self.latest_max {
            self.latest.pop_front();
        }
        self.latest.push_back((response_us, weight));
    }

    /// Costs a sort of the latest.
    pub(crate) fn summary(&self) -> Summary {
        let mut sorted: Vec<(u64, u64)> = self.latest.iter().copied().collect();
        sorted.sort_unstable();
        let degrees = self.count.saturating_sub(1).max(1) as f64;
        Summary {
            count: self.count,
            mean_us: self.mean,
            sigma_us: (self.squares / degrees).sqrt(),
            p50_us: quantile(&sorted, 50),
            p95_us: quantile(&sorted, 95),
            p99_us: quantile(&sorted, 99),
        }
    }
}

/// The nearest-rank quantile of times with their weights; 0 of nothing.
fn quantile(sorted: &[(u64, u64)], percent: u64) -> u64 {
    let all: u128 = sorted.iter().map(|(_, weight)| u128::from(*weight)).sum();
    let (rank, mut passed) = ((all * u128::from(percent)).div_ceil(100).max(1), 0);
    let reaches = |(_, weight): &&(u64, u64)| {
        passed += u128::from(*weight);
        passed >= rank
    };
    sorted.iter().find(reaches).map_or(0, |(time, _)| *time)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hundred_even_steps_have_known_values() {
        let times: Vec<u64> = (1..=100).map(|step| step * 10).collect();
        let summary = Summary::of(&times);
        assert_eq!((summary.count, summary.p50_us, summary.p95_us, summary.p99_us), (100, 500, 950, 990));
        assert!((summary.mean_us - 505.0).abs() < 1e-9);
        assert!((summary.sigma_us - 290.114_919_758_82).abs() < 1e-6);
    }

    #[test]
    fn none_and_one_have_no_deviation() {
        assert_eq!(Summary::of(&[]), Summary::default());
        assert_eq!(Summary::of(&[]).to_json()["mean_us"], serde_json::Value::Null);
        let one = Summary { count: 1, mean_us: 7.0, sigma_us: 0.0, p50_us: 7, p95_us: 7, p99_us: 7 };
        assert_eq!(Summary::of(&[7]), one);
    }

    #[test]
    fn quantiles_follow_the_latest_and_moments_cover_all() {
        let mut series = Series::new(2);
        [1000, 10, 20].iter().for_each(|sample| series.add(*sample));
        let summary = series.summary();
        assert_eq!((summary.count, summary.p99_us), (3, 20));
        assert!((summary.mean_us - 1030.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn a_time_that_stands_for_many_counts_as_often() {
        let (mut weighted, mut repeated) = (Series::new(100), Series::new(100));
        for (time, weight) in [(10, 1), (500, 90), (7_000, 3)] {
            weighted.add_weighted(time, weight);
            (0..weight).for_each(|_| repeated.add(time));
        }
        let (weighted, repeated) = (weighted.summary(), repeated.summary());
        assert!((weighted.mean_us - repeated.mean_us).abs() < 1e-6);
        assert!((weighted.sigma_us - repeated.sigma_us).abs() < 1e-6);
        let quantiles = |summary: Summary| (summary.count, summary.p50_us, summary.p95_us, summary.p99_us);
        assert_eq!(quantiles(weighted), quantiles(repeated));
    }

    #[test]
    fn text_is_the_paper_s_figure_in_milliseconds() {
        let summary = Summary {
            count: 9,
            mean_us: 850_000.0,
            sigma_us: 300_000.0,
            p50_us: 412,
            p95_us: 1_500,
            p99_us: 20_000,
        };
        assert_eq!(summary.to_string(), "mean 850 ± 300 ms · p50 0.412 · p95 1.50 · p99 20.0 ms");
    }

    proptest! {
        #[test]
        fn any_times_a_peer_can_claim_give_finite_ordered_values(times in prop::collection::vec(any::<u64>(), 1..200)) {
            let summary = Summary::of(&times);
            prop_assert!(summary.mean_us.is_finite() && summary.sigma_us.is_finite() && summary.sigma_us >= 0.0);
            prop_assert!(summary.p50_us <= summary.p95_us && summary.p95_us <= summary.p99_us);
            prop_assert!(times.contains(&summary.p50_us));
        }
    }
}
