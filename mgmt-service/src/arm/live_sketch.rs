//! A sketch while it grows: counted into by any number of threads at once, read at any time.
//!
//! In: nanoseconds. Out: [`Sketch`]es. 11 KB are taken when the first thread counts, and for each further one that counts
//! on its own: at most `LANES`, and the others together.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::buckets::{BUCKET_MIN, BUCKETS, bucket_of};
use super::lane;
use super::sketch::Sketch;
use crate::limits::LANES;

#[derive(Debug, Default)]
pub(super) struct LiveSketch {
    /// Each counted into by one thread at a time.
    lanes: [OnceLock<Box<Counts>>; LANES],
    /// Of threads without a lane.
    others: OnceLock<Box<Counts>>,
}

/// What was counted in one place; apart from what is counted in others.
#[derive(Debug)]
#[repr(align(128))]
struct Counts {
    counts: Box<[AtomicU64]>,
    zeros: AtomicU64,
    sum_ns: AtomicU64,
    min_ns: AtomicU64,
    max_ns: AtomicU64,
}

impl LiveSketch {
    /// Counts a duration: two additions, which are atomic for a thread without a lane alone, unless it is the shortest or
    /// the longest so far. Allocates when it is the first in its lane.
    #[inline(always)]
    pub(super) fn record(&self, nanos: u64) {
        match lane::own().and_then(|lane| self.lanes.get(lane)) {
            // Nobody else writes there, so nobody waits for the memory, and no addition comes between load and store.
            Some(own) => own.get_or_init(Counts::new).record(nanos, |word, more| {
                word.store(word.load(Ordering::Relaxed).wrapping_add(more), Ordering::Release);
            }),
            None => self.record_with_others(nanos),
        }
    }

    #[cold]
    fn record_with_others(&self, nanos: u64) {
        if self.others.get().is_none() {
            // Made before it is put there, so that nobody waits for the memory.
            let _ = self.others.set(Counts::new());
        }
        if let Some(others) = self.others.get() {
            others.record(nanos, |word, more| {
                word.fetch_add(more, Ordering::Release);
            });
        }
    }

    /// Durations counted. Looks at each bucket.
    pub(super) fn count(&self) -> u64 {
        self.all().map(Counts::count).sum()
    }

    /// What has been counted until now; one that is being counted may be in the sum and not yet in its bucket.
    pub(super) fn read(&self) -> Sketch {
        self.all()
            .map(Counts::read)
            .reduce(|mut sketch, more| {
                sketch.merge(&more);
                sketch
            })
            .unwrap_or_default()
    }

    fn all(&self) -> impl Iterator<Item = &Counts> {
        self.lanes.iter().chain([&self.others]).filter_map(OnceLock::get).map(Box::as_ref)
    }
}

impl Counts {
    fn new() -> Box<Self> {
        let zero = || AtomicU64::new(0);
        Box::new(Self {
            counts: std::iter::repeat_with(zero).take(BUCKETS).collect(),
            zeros: zero(),
            sum_ns: zero(),
            min_ns: AtomicU64::new(u64::MAX),
            max_ns: zero(),
        })
    }

    #[inline(always)]
    fn record(&self, nanos: u64, add: impl Fn(&AtomicU64, u64)) {
        let bucket = if nanos == 0 {
            &self.zeros
        } else {
            self.counts.get((bucket_of(nanos) - BUCKET_MIN) as usize).unwrap_or(&self.zeros)
        };
        add(&self.sum_ns, nanos);
        if nanos < self.min_ns.load(Ordering::Relaxed) {
            self.min_ns.fetch_min(nanos, Ordering::Relaxed);
        }
        if nanos > self.max_ns.load(Ordering::Relaxed) {
            self.max_ns.fetch_max(nanos, Ordering::Relaxed);
        }
        add(bucket, 1);
    }

    fn count(&self) -> u64 {
        let counts = self.counts.iter().chain([&self.zeros]);
        counts.map(|count| count.load(Ordering::Relaxed)).sum()
    }

    fn read(&self) -> Sketch {
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

    const THREADS: u64 = 2 * LANES as u64;

    #[test]
    fn threads_count_what_one_would_have() {
        let (live, mut alone) = (LiveSketch::default(), Sketch::default());
        assert_eq!(live.read(), alone);
        std::thread::scope(|scope| {
            // More than have a lane.
            for thread in 0..THREADS {
                let live = &live;
                scope.spawn(move || (0..1_000).for_each(|step| live.record(thread * 1_000_003 * step)));
            }
        });
        for thread in 0..THREADS {
            (0..1_000).for_each(|step| alone.record(Duration::from_nanos(thread * 1_000_003 * step)));
        }
        assert_eq!((live.count(), live.read()), (THREADS * 1_000, alone));
    }

    #[test]
    fn a_thread_goes_on_where_one_that_ended_has_counted() {
        let live = LiveSketch::default();
        for thread in 0..3 * LANES as u64 {
            std::thread::scope(|scope| {
                scope.spawn(|| (0..10).for_each(|_| live.record(1_000)));
            });
            assert_eq!(live.count(), (thread + 1) * 10);
        }
        assert_eq!(live.read().sum(), Duration::from_micros(live.count()));
    }
}
