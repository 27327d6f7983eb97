//! Lanes: places that one thread alone writes to, so that counting takes no atomic addition and no cache line moves.
//!
//! In: a thread. Out: its lane, the same until the thread ends, and then another thread's. There are `LANES` in a process;
//! a thread that comes when all are taken has none for as long as it lives.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::limits::LANES;

/// The lane of this thread, 0 to `LANES` - 1: what others wrote there before is seen, and nobody else writes there.
#[inline(always)]
pub(super) fn own() -> Option<usize> {
    // A thread that ends has given its lane back already.
    LANE.try_with(|lane| lane.0).ok().flatten()
}

/// A taken lane, or none; given back when the thread ends.
struct Lane(Option<usize>);

impl Lane {
    fn take() -> Self {
        Self(TAKEN.iter().position(|taken| !taken.swap(true, Ordering::Acquire)))
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        if let Some(taken) = self.0.and_then(|lane| TAKEN.get(lane)) {
            taken.store(false, Ordering::Release);
        }
    }
}

thread_local! {
    static LANE: Lane = Lane::take();
}

static TAKEN: [AtomicBool; LANES] = [const { AtomicBool::new(false) }; LANES];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn no_two_threads_have_one_lane_at_once() {
        let barrier = Barrier::new(3 * LANES);
        let taken: Vec<_> = std::thread::scope(|scope| {
            let take = || {
                let lane = own();
                barrier.wait();
                assert_eq!(own(), lane);
                lane
            };
            let threads: Vec<_> = (0..3 * LANES).map(|_| scope.spawn(take)).collect();
            threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
        });
        let distinct: HashSet<_> = taken.iter().copied().collect();
        assert_eq!(distinct.len(), taken.len());
        assert!(taken.len() <= LANES && taken.iter().all(|lane| *lane < LANES));
    }
}
