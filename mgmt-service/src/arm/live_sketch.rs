//! A sketch while it grows: counted into by any number of threads at once, read at any time.
//!
//! In: nanoseconds. Out: [`Sketch`]es. All memory, 11 KB, is taken when it is made.

use std::sync::atomic::{AtomicU64, Ordering};

use super::buckets::{BUCKET_MIN, BUCKETS, bucket_of};
use super::sketch::Sketch;

#[derive(Debug)]
pub(super) struct LiveSketch {
    counts: Box<[AtomicU64]>,
    zeros: AtomicU64,
    sum_ns: AtomicU64,
    min_ns: AtomicU64,
    max_ns: AtomicU64,
}

impl LiveSketch {
    pub(super) fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            counts: std::iter::repeat_with(zero).take(BUCKETS).collect(),
            zeros: zero(),
            sum_ns: zero(),
            min_ns: AtomicU64::new(u64::MAX),
            max_ns: zero(),
        }
    }

    /// Counts a duration: two atomic additions, unless it is the shortest or the longest so far.
    pub(super) fn record(&self, nanos: u64) {
        let bucket = if nanos == 0 {
            &self.zeros
        } else {
            self.counts.get((bucket_of(nanos) - BUCKET_MIN) as usize).unwrap_or(&self.zeros)
        };
        self.sum_ns.fetch_add(nanos, Ordering::Relaxed);
        if nanos < self.min_ns.load(Ordering::Relaxed) {
            self.min_ns.fetch_min(nanos, Ordering::Relaxed);
        }
        if nanos > self.max_ns.load(Ordering::Relaxed) {
            self.max_ns.fetch_max(nanos, Ordering::Relaxed);
        }
        bucket.fetch_add(1, Ordering::Release);
    }

    /// Durations counted. Looks at each bucket.
    pub(super) fn count(&self) -> u64 {
        let counts = self.counts.iter().chain([&self.zeros]);
        counts.map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// What has been counted until now; one that is being counted may be in the sum and not yet in its bucket.
    pub(super) fn read(&self) -> Sketch {
        let load = |word: &AtomicU64| word.load(Ordering::Acquire);
        let counts = self.counts.iter().map(load).collect();
        let zeros = load(&self.zeros);
        Sketch::from_all(counts, zeros, load(&self.sum_ns), (load(&self.min_ns), load(&self.max_ns)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn threads_count_what_one_would_have() {
        let (live, mut alone) = (LiveSketch::new(), Sketch::default());
        assert_eq!(live.read(), alone);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let live = &live;
                scope.spawn(move || (0..1_000).for_each(|step| live.record(thread * 1_000_003 * step)));
            }
        });
        for thread in 0..4 {
            (0..1_000).for_each(|step| alone.record(Duration::from_nanos(thread * 1_000_003 * step)));
        }
        assert_eq!((live.count(), live.read()), (4_000, alone));
    }
}
