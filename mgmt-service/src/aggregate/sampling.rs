//! Which records travel whole when there are more than somebody asked for: those that explain something.
//!
//! In: records as they end, randomness. Out: for each whether it is kept, and for how many it stands. All failures, the
//! slowest hundredth, and of the rest a uniform sample whose weights add up to what there was. Below the wanted rate all
//! are kept. Figures never come from samples: sketches count everything.

use crate::arm::{ArmRecord, Sketch, Status};
use std::time::Duration;

/// Chooses the records of one peer.
#[derive(Debug)]
pub struct TailSampler {
    /// Records of one interval that may travel for being usual.
    usual_max: u64,
    /// Those of this interval that were neither failed nor slow.
    usual: u64,
    /// One in so many of them is kept.
    one_in: u64,
    /// All response times of this interval.
    response: Sketch,
    /// From here on a response of this interval is slow.
    slow: Option<Duration>,
}

/// What becomes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampled {
    /// It travels, and stands for so many.
    Keep {
        /// At least 1.
        weight: u64,
    },
    /// Another stands for it.
    Drop,
}

impl TailSampler {
    /// A sampler that keeps about `usual_max` usual records an interval.
    #[must_use]
    pub fn new(usual_max: u64) -> Self {
        Self { usual_max, usual: 0, one_in: 1, response: Sketch::default(), slow: None }
    }

    /// Decides on a record; `random` is uniform over all numbers.
    pub fn sample(&mut self, record: &ArmRecord, random: u64) -> Sampled {
        let response = record.response_us.map(Duration::from_micros);
        if let Some(response) = response {
            self.response.record(response);
        }
        let slow = self.slow.zip(response).is_some_and(|(slow, response)| response >= slow);
        if record.status != Status::Good || slow {
            return Sampled::Keep { weight: 1 };
        }
        self.usual = self.usual.saturating_add(1);
        if random.is_multiple_of(self.one_in) { Sampled::Keep { weight: self.one_in } } else { Sampled::Drop }
    }

    /// A new interval begins: what was usual in the last one tells how many of this one are kept.
    pub fn next_interval(&mut self) {
        self.one_in = self.usual.div_ceil(self.usual_max.max(1)).max(1);
        let crowded = self.one_in > 1;
        self.slow = if crowded { self.response.quantile(SLOW) } else { None };
        (self.usual, self.response) = (0, Sketch::default());
    }
}

/// The share of responses that is not slow.
const SLOW: f64 = 0.99;

#[cfg(test)]
mod tests {
    use overlay::PeerId;

    use super::*;

    #[test]
    fn failures_and_the_slowest_always_travel_and_weights_add_up() {
        let (mut sampler, mut random) = (TailSampler::new(100), 0x9e37_79b9_7f4a_7c15_u64);
        let peer = PeerId::random();
        let good = |us| ArmRecord { status: Status::Good, response_us: Some(us), ..ArmRecord::empty(peer) };
        let failed = ArmRecord { status: Status::Failed, ..ArmRecord::empty(peer) };
        let mut round = |sampler: &mut TailSampler, count: u64| {
            let (mut kept, mut weight) = (0, 0);
            for number in 0..count {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                if let Sampled::Keep { weight: more } = sampler.sample(&good(500 + number % 400), random) {
                    kept += 1;
                    weight += more;
                }
            }
            (kept, weight)
        };
        assert_eq!(round(&mut sampler, 90), (90, 90), "below the rate all travel");
        sampler.next_interval();
        round(&mut sampler, 20_000);
        sampler.next_interval();
        let (kept, weight) = round(&mut sampler, 20_000);
        assert!(
            (200..=1000).contains(&kept),
            "a hundred usual ones and the slowest, to the width of a bucket: {kept}"
        );
        assert!((14_000..26_000).contains(&weight), "{weight}");
        assert_eq!(sampler.sample(&failed, 1), Sampled::Keep { weight: 1 });
        assert_eq!(sampler.sample(&good(10_000), 1), Sampled::Keep { weight: 1 });
        assert_eq!(sampler.sample(&good(500), 1), Sampled::Drop);
    }
}
