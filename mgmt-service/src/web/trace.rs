//! The latest transactions of a pair, or of all: what a chart of the paper's figure 8 is drawn from.
//!
//! In: records. Out: a series over time and its distribution, as JSON. Bounded by the number of points given.

use std::collections::VecDeque;

use serde_json::{Value, json};

use crate::arm::{ArmRecord, Status};

/// The latest points: when, and how long it took; nothing for one that failed.
#[derive(Debug)]
pub struct Trace {
    points: VecDeque<(u64, Option<u64>)>,
    points_max: usize,
}

impl Trace {
    /// Nothing yet; keeps at most `points_max`.
    #[must_use]
    pub fn new(points_max: usize) -> Self {
        Self { points: VecDeque::new(), points_max }
    }

    /// Adds a record that started at `at_ms`, milliseconds since 1970; one that neither was answered nor failed is left out.
    pub fn record(&mut self, at_ms: u64, record: &ArmRecord) {
        let response_us = match record.status {
            Status::Good => record.response_us,
            Status::Failed => None,
            Status::Aborted | Status::Unknown => return,
        };
        if self.points.len() >= self.points_max {
            self.points.pop_front();
        }
        self.points.push_back((at_ms, response_us));
    }

    /// `{"at_ms":[…], "response_us":[…|null], "bars":{"from_us":[…], "count":[…], "width_us"}, "slower"}`, by time.
    /// `slower` says how many lie beyond the last bar. Costs two sorts.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut points: Vec<_> = self.points.iter().copied().collect();
        points.sort_by_key(|(at_ms, _)| *at_ms);
        let (at_ms, response_us): (Vec<u64>, Vec<Option<u64>>) = points.into_iter().unzip();
        let mut sorted: Vec<u64> = response_us.iter().flatten().copied().collect();
        sorted.sort_unstable();
        let (bars, slower) = distribution(&sorted);
        json!({ "at_ms": at_ms, "response_us": response_us, "bars": bars, "slower": slower })
    }
}

/// Bars of equal width up to thrice the 99 % quantile, and how many lie beyond.
fn distribution(sorted: &[u64]) -> (Value, usize) {
    let (Some(low), Some(slowest)) = (sorted.first().copied(), sorted.last().copied()) else {
        return (json!({ "from_us": [], "count": [], "width_us": 0 }), 0);
    };
    let p99 = sorted.get((sorted.len() * 99).div_ceil(100).saturating_sub(1)).copied().unwrap_or(slowest);
    let high = slowest.min(p99.saturating_mul(3).max(1));
    let bars = BARS_MAX.min((sorted.len() as f64).sqrt().ceil() as u64 * 2).max(4);
    let width = (high.saturating_sub(low) / bars).saturating_add(1);
    let mut count = vec![0_u64; usize::try_from(bars).unwrap_or_default()];
    let mut slower = 0;
    for us in sorted {
        let bar = usize::try_from((us - low) / width).unwrap_or(usize::MAX);
        match count.get_mut(bar) {
            Some(count) => *count += 1,
            None => slower += 1,
        }
    }
    let from_us: Vec<u64> = (0..bars).map(|bar| low.saturating_add(bar.saturating_mul(width))).collect();
    (json!({ "from_us": from_us, "count": count, "width_us": width }), slower)
}

/// Most bars of a distribution.
const BARS_MAX: u64 = 48;

#[cfg(test)]
mod tests {
    use overlay::PeerId;
    use proptest::prelude::*;

    use super::*;

    fn record(status: Status, response_us: Option<u64>) -> ArmRecord {
        ArmRecord { status, response_us, ..ArmRecord::empty(PeerId::random()) }
    }

    #[test]
    fn the_oldest_point_goes_and_failures_have_no_time() {
        let mut trace = Trace::new(2);
        trace.record(1, &record(Status::Good, Some(10)));
        trace.record(3, &record(Status::Failed, None));
        trace.record(2, &record(Status::Good, Some(20)));
        trace.record(4, &record(Status::Aborted, None));
        let json = trace.to_json();
        assert_eq!((&json["at_ms"], &json["response_us"]), (&json!([2, 3]), &json!([20, null])));
    }

    #[test]
    fn nothing_has_no_bars() {
        assert_eq!(Trace::new(2).to_json()["bars"]["count"], json!([]));
    }

    proptest! {
        #[test]
        fn every_time_a_peer_can_claim_is_in_one_bar_or_counted_beyond(times in prop::collection::vec(any::<u64>(), 1..300)) {
            let mut trace = Trace::new(1000);
            times.iter().for_each(|us| trace.record(0, &record(Status::Good, Some(*us))));
            let json = trace.to_json();
            let bars: u64 = json["bars"]["count"].as_array().unwrap().iter().map(|count| count.as_u64().unwrap()).sum();
            prop_assert_eq!(bars + json["slower"].as_u64().unwrap(), times.len() as u64);
        }
    }
}
