//! The bounded queue of one consumer (paper §4.1, figure 6).
//!
//! In: what was measured, written into the queue's empty places. Out: the same, in order. Memory is taken when more
//! records wait than ever before, and nothing ever waits: a consumer that does not keep up loses by its [`Overflow`] rule,
//! each loss counted.

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};

use tokio::sync::Notify;

use super::ring::Ring;
use crate::limits::CONSUMER_RECORDS_MAX;

/// Which record is dropped when a consumer does not keep up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// The one that has waited longest makes room; right where the latest matters (views).
    DropOldest,
    /// The new one; right where an unbroken beginning matters.
    DropNewest,
}

/// What became of what was pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pushed {
    /// It waits in the queue.
    Queued,
    /// It waits in the queue, and so many older ones were dropped for it: one, unless others pushed at the same time.
    QueuedInPlaceOf(u64),
    /// It was dropped: no empty place was left.
    Dropped,
}

/// The queue of one consumer. All methods are lock-free and return at once.
pub(super) struct RecordQueue<T> {
    filled: Ring<T>,
    available: Notify,
    /// Who waits: producers leave the bell alone while nobody listens.
    waiting: AtomicUsize,
    overflow: Overflow,
    dropped: AtomicU64,
}

impl Pushed {
    /// How many it cost.
    pub(super) fn dropped(self) -> u64 {
        match self {
            Self::Queued => 0,
            Self::QueuedInPlaceOf(dropped) => dropped,
            Self::Dropped => 1,
        }
    }
}

impl<T> RecordQueue<T> {
    /// A queue with `capacity` places, at least 1 and at most [`CONSUMER_RECORDS_MAX`].
    pub(super) fn new(capacity: usize, overflow: Overflow) -> Self {
        Self {
            filled: Ring::new(capacity.clamp(1, CONSUMER_RECORDS_MAX)),
            available: Notify::new(),
            waiting: AtomicUsize::new(0),
            overflow,
            dropped: AtomicU64::new(0),
        }
    }

    /// Queues `record`, by the overflow rule when no place is empty.
    #[inline(always)]
    pub(super) fn push(&self, record: T) -> Pushed {
        let pushed = match self.filled.push(record) {
            Ok(()) => Pushed::Queued,
            Err(record) => self.overflow(record),
        };
        // Together with the fence in `Waiting::new`: who waits sees the record, or is seen here. The ring takes a place by
        // a sequentially consistent exchange, so that no fence is needed here, which would wait for the record's stores.
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.available.notify_one();
        }
        pushed
    }

    /// Does by its rule with a record for which no place is left.
    #[cold]
    fn overflow(&self, mut record: T) -> Pushed {
        let mut dropped = 1;
        if self.overflow == Overflow::DropOldest {
            dropped = 0;
            loop {
                dropped += u64::from(self.filled.pop().is_some());
                match self.filled.push(record) {
                    Ok(()) => break,
                    Err(refused) => record = refused,
                }
            }
        }
        self.dropped.fetch_add(dropped, Ordering::Relaxed);
        match self.overflow {
            Overflow::DropOldest => Pushed::QueuedInPlaceOf(dropped),
            Overflow::DropNewest => Pushed::Dropped,
        }
    }

    /// What has waited longest; none when nothing waits.
    pub(super) fn get(&self) -> Option<T> {
        self.filled.pop()
    }

    /// Waits until there is something. Several may wait at once.
    ///
    /// # Cancel safety
    /// It is taken only in the poll that returns it.
    pub(super) async fn recv(&self) -> T {
        if let Some(record) = self.get() {
            return record;
        }
        let _waiting = Waiting::new(&self.waiting);
        loop {
            let notified = self.available.notified();
            if let Some(record) = self.get() {
                // One wake-up can stand for several records: pass it on, or a second waiter sleeps on.
                if !self.filled.is_empty() {
                    self.available.notify_one();
                }
                return record;
            }
            notified.await;
        }
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.filled.len()
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.filled.is_empty()
    }

    /// Dropped since the start.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// Counts one that waits, until it no longer does.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<T> fmt::Debug for RecordQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordQueue")
            .field("waiting", &self.len())
            .field("capacity", &self.filled.capacity())
            .field("overflow", &self.overflow)
            .field("dropped", &self.dropped())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(queue: &RecordQueue<u64>) -> Vec<u64> {
        std::iter::from_fn(|| queue.get()).collect()
    }

    #[test]
    fn drop_oldest_keeps_the_latest_and_counts() {
        let queue = RecordQueue::new(2, Overflow::DropOldest);
        assert_eq!(queue.push(1), Pushed::Queued);
        assert_eq!(queue.push(2), Pushed::Queued);
        assert_eq!(queue.push(3), Pushed::QueuedInPlaceOf(1));
        assert_eq!((drain(&queue), queue.dropped()), (vec![2, 3], 1));
    }

    #[test]
    fn drop_newest_keeps_the_first_and_counts() {
        let queue = RecordQueue::new(2, Overflow::DropNewest);
        let pushed = [1, 2, 3].map(|number| queue.push(number));
        assert_eq!(pushed, [Pushed::Queued, Pushed::Queued, Pushed::Dropped]);
        assert_eq!((drain(&queue), queue.dropped()), (vec![1, 2], 1));
    }

    #[test]
    fn capacity_stays_within_its_bounds() {
        assert_eq!(RecordQueue::<u64>::new(0, Overflow::DropOldest).filled.capacity(), 1);
        assert_eq!(
            RecordQueue::<u8>::new(usize::MAX, Overflow::DropOldest).filled.capacity(),
            CONSUMER_RECORDS_MAX
        );
    }

    #[tokio::test]
    async fn two_waiters_get_one_record_each() {
        let queue = RecordQueue::new(4, Overflow::DropOldest);
        let (first, second, ()) = tokio::join!(queue.recv(), queue.recv(), async {
            queue.push(1);
            queue.push(2);
        });
        let mut got = [first, second];
        got.sort_unstable();
        assert_eq!(got, [1, 2]);
    }

    #[tokio::test]
    async fn an_abandoned_recv_takes_no_record_along() {
        let queue = RecordQueue::new(4, Overflow::DropOldest);
        let mut abandoned = Box::pin(queue.recv());
        assert!(futures::poll!(abandoned.as_mut()).is_pending());
        queue.push(1);
        drop(abandoned);
        assert_eq!(queue.recv().await, 1);
    }

    #[test]
    fn who_goes_to_sleep_as_a_record_comes_is_woken() {
        let (queue, taken) = (RecordQueue::new(4096, Overflow::DropNewest), AtomicU64::new(0));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0..20_000 {
                    queue.push(number);
                    // The next one comes right when the last was taken: as its taker is about to wait again.
                    while taken.load(Ordering::Relaxed) <= number {
                        std::thread::yield_now();
                    }
                }
            });
            let take = async {
                for number in 0..20_000 {
                    assert_eq!(queue.recv().await, number);
                    taken.store(number + 1, Ordering::Relaxed);
                }
            };
            futures::executor::block_on(take);
        });
    }

    #[test]
    fn threads_lose_and_double_nothing() {
        let queue = RecordQueue::new(64, Overflow::DropOldest);
        let got = std::thread::scope(|scope| {
            for thread in 0..2_u64 {
                let queue = &queue;
                scope.spawn(move || {
                    for number in 0..5_000 {
                        queue.push(thread * 5_000 + number);
                    }
                });
            }
            let queue = &queue;
            let consumer = scope.spawn(move || {
                let mut got = Vec::new();
                while got.len() as u64 + queue.dropped() < 10_000 {
                    got.extend(drain(queue));
                    std::thread::yield_now();
                }
                got
            });
            consumer.join().unwrap()
        });
        let distinct: std::collections::HashSet<_> = got.iter().copied().collect();
        assert_eq!(distinct.len(), got.len());
        assert_eq!(got.len() as u64 + queue.dropped(), 10_000);
    }
}
