//! How much an agent may push: a small share of what its application sends and receives, so that management yields.
//!
//! In: the time, the application's bytes so far, bytes that were pushed. Out: whether to push now, or when to look again.
//! Pure. Two token buckets: one that the application's bytes and a floor fill, for every subscription, and a wider one
//! for what somebody watches. A batch goes when a bucket is not empty, and may leave it in debt, so that no batch is too
//! large for it; what a bucket can owe is one batch.

use std::time::{Duration, Instant};

use crate::limits::{
    PACE_BURST_BYTES, PACE_FLOOR_BYTES_PER_S, PACE_LOOK, PACE_SHARE, PACE_WATCHED_BYTES_PER_S,
};

/// How much may be pushed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// The share of the application's bytes, from 0 to 1.
    pub share: f64,
    /// Bytes a second that may be pushed however little the application does.
    pub floor: u32,
    /// Bytes a second besides, for what somebody watches.
    pub watched: u32,
    /// Bytes that may go at once, of each of the two, when nothing went for a while.
    pub burst: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            share: PACE_SHARE,
            floor: PACE_FLOOR_BYTES_PER_S,
            watched: PACE_WATCHED_BYTES_PER_S,
            burst: PACE_BURST_BYTES,
        }
    }
}

/// The two buckets of one agent.
#[derive(Debug)]
pub struct Pacing {
    /// None while nothing is held up.
    pace: Option<Pace>,
    /// Bytes; below 0 is debt.
    common: f64,
    watched: f64,
    filled_at: Instant,
    /// The application's bytes when the buckets were filled last.
    application: u64,
}

impl Pacing {
    /// Full buckets; `application` is what the application has sent and received before.
    #[must_use]
    pub fn new(now: Instant, application: u64, pace: Option<Pace>) -> Self {
        let burst = pace.map_or(0.0, |pace| f64::from(pace.burst));
        Self { pace, common: burst, watched: burst, filled_at: now, application }
    }

    /// When to ask again, or none when a batch may go now: one that somebody watches, or one of those that can wait.
    pub fn wait(&mut self, now: Instant, application: u64, is_watched: bool) -> Option<Duration> {
        let pace = self.pace?;
        self.fill(now, application, &pace);
        if self.common > 0.0 || (is_watched && self.watched > 0.0) {
            return None;
        }
        let until_paid = |debt: f64, rate: u32| (1.0 - debt) / f64::from(rate.max(1));
        let mut wait_s = until_paid(self.common, pace.floor);
        if is_watched {
            wait_s = wait_s.min(until_paid(self.watched, pace.watched));
        }
        // The application may fill the bucket sooner.
        Some(Duration::from_secs_f64(wait_s.max(0.001)).min(PACE_LOOK))
    }

    /// So many bytes were pushed.
    pub fn spend(&mut self, bytes: usize) {
        let bucket = if self.common > 0.0 { &mut self.common } else { &mut self.watched };
        *bucket -= bytes as f64;
    }

    fn fill(&mut self, now: Instant, application: u64, pace: &Pace) {
        let passed_s = now.saturating_duration_since(self.filled_at).as_secs_f64();
        let moved = application.saturating_sub(self.application) as f64;
        let burst = f64::from(pace.burst);
        let earned = moved * pace.share.clamp(0.0, 1.0) + passed_s * f64::from(pace.floor);
        self.common = (self.common + earned).min(burst);
        self.watched = (self.watched + passed_s * f64::from(pace.watched)).min(burst);
        (self.filled_at, self.application) = (now, self.application.max(application));
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a starting point for virtual time")]
mod tests {
    use super::*;

    const PACE: Pace = Pace { share: 0.02, floor: 1_000, watched: 10_000, burst: 5_000 };
    const BATCH: usize = 2_500;

    struct World {
        pacing: Pacing,
        now: Instant,
        application: u64,
    }

    impl World {
        fn new() -> Self {
            let now = Instant::now();
            Self { pacing: Pacing::new(now, 0, Some(PACE)), now, application: 0 }
        }

        /// Pushes batches for so long, while the application moves so many bytes a second; the bytes pushed.
        fn push_for(&mut self, seconds: u64, application_per_s: u64, is_watched: bool) -> usize {
            let (end, mut pushed) = (self.now + Duration::from_secs(seconds), 0);
            while self.now < end {
                match self.pacing.wait(self.now, self.application, is_watched) {
                    Some(wait) => {
                        self.now += wait;
                        self.application += (application_per_s as f64 * wait.as_secs_f64()) as u64;
                    }
                    None => {
                        self.pacing.spend(BATCH);
                        pushed += BATCH;
                    }
                }
            }
            pushed
        }
    }

    fn is_near(pushed: usize, wanted: f64) -> bool {
        (pushed as f64 - wanted).abs() <= (2 * BATCH) as f64 + wanted * 0.02
    }

    #[test]
    fn an_idle_peer_pushes_its_burst_and_then_the_floor() {
        let pushed = World::new().push_for(100, 0, false);
        assert!(is_near(pushed, 5_000.0 + 100.0 * 1_000.0), "{pushed}");
    }

    #[test]
    fn a_busy_peer_pushes_its_share_besides() {
        let pushed = World::new().push_for(100, 1_000_000, false);
        assert!(is_near(pushed, 5_000.0 + 100.0 * (1_000.0 + 20_000.0)), "{pushed}");
    }

    #[test]
    fn what_somebody_watches_has_a_bucket_of_its_own() {
        let mut world = World::new();
        world.push_for(10, 0, false);
        assert_eq!(world.pacing.wait(world.now, world.application, true), None, "the backlog can wait");
        let pushed = world.push_for(100, 0, true);
        assert!(is_near(pushed, 5_000.0 + 100.0 * 11_000.0), "{pushed}");
    }

    #[test]
    fn nothing_is_saved_up_beyond_the_burst() {
        let mut world = World::new();
        (world.now, world.application) = (world.now + Duration::from_secs(3600), u64::MAX / 2);
        let pushed = world.push_for(1, 0, false);
        assert!(is_near(pushed, 6_000.0), "{pushed}");
    }

    #[test]
    fn without_a_pace_nothing_waits() {
        let mut pacing = Pacing::new(Instant::now(), 0, None);
        pacing.spend(usize::MAX);
        assert_eq!(pacing.wait(Instant::now(), 0, false), None);
    }
}
