//! The pool of empty records and the bounded queue of filled ones that belong to one consumer (paper §4.1,
//! figure 6).
//!
//! In: records of ended transactions, copied into empty ones. Out: filled records on loan, which come back to
//! the pool when dropped. There are never more records than were made at the start, and nothing ever waits:
//! a consumer that does not keep up loses records by its [`Overflow`] rule, each of them counted.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_queue::ArrayQueue;
use overlay::PeerId;
use tokio::sync::Notify;

use super::ArmRecord;
use crate::limits::CONSUMER_RECORDS_MAX;

/// Which record is dropped when a consumer does not keep up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// The one that has waited longest makes room; right where the latest matters (views).
    DropOldest,
    /// The new one; right where an unbroken beginning matters.
    DropNewest,
}

/// What became of a record that was pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// It waits in the queue.
    Queued,
    /// It waits in the queue, and an older one was dropped for it.
    QueuedInPlaceOfOldest,
    /// It was dropped: no empty record was left.
    Dropped,
}

/// Pool and queue of one consumer. All methods are lock-free and return at once.
pub struct RecordQueue {
    /// What a record on loan shows in the moment in which it goes back; nobody can see it.
    blank: ArmRecord,
    empty: ArrayQueue<Box<ArmRecord>>,
    filled: ArrayQueue<Box<ArmRecord>>,
    available: Notify,
    overflow: Overflow,
    dropped: AtomicU64,
}

impl RecordQueue {
    /// A queue with `capacity` records, at least 1 and at most [`CONSUMER_RECORDS_MAX`]. All memory is
    /// taken here; `peer` only fills the empty records.
    #[must_use]
    pub fn new(peer: PeerId, capacity: usize, overflow: Overflow) -> Self {
        let capacity = capacity.clamp(1, CONSUMER_RECORDS_MAX);
        let queue = Self {
            blank: ArmRecord::empty(peer),
            empty: ArrayQueue::new(capacity),
            filled: ArrayQueue::new(capacity),
            available: Notify::new(),
            overflow,
            dropped: AtomicU64::new(0),
        };
        for _ in 0..capacity {
            queue.put_back(Box::new(queue.blank.clone()));
        }
        queue
    }

    /// Copies `record` into an empty one and queues that.
    pub fn push(&self, record: &ArmRecord) -> Pushed {
        self.push_with(|empty| empty.clone_from(record))
    }

    /// Has `fill` write all of an empty record but `peer`, which is the one of this queue, and queues that. Not for a
    /// queue that takes whole records of other peers.
    pub(super) fn push_with(&self, fill: impl FnOnce(&mut ArmRecord)) -> Pushed {
        let (mut slot, pushed) = match (self.empty.pop(), self.overflow) {
            (Some(slot), _) => (slot, Pushed::Queued),
            (None, Overflow::DropNewest) => return self.drop_newest(),
            (None, Overflow::DropOldest) => match self.filled.pop() {
                Some(slot) => {
                    self.dropped.fetch_add(1, Ordering::Relaxed);
                    (slot, Pushed::QueuedInPlaceOfOldest)
                }
                // The consumer holds every record on loan.
                None => return self.drop_newest(),
            },
        };
        fill(&mut slot);
        if let Err(slot) = self.filled.push(slot) {
            debug_assert!(false, "there are as many places as records");
            self.put_back(slot);
            return self.drop_newest();
        }
        self.available.notify_one();
        pushed
    }

    /// The record that has waited longest; none when none waits.
    pub fn get(self: &Arc<Self>) -> Option<PooledRecord> {
        self.filled.pop().map(|record| PooledRecord { record: Some(record), queue: Arc::clone(self) })
    }

    /// Waits for a record. Several may wait at once.
    ///
    /// # Cancel safety
    /// A record is taken only in the poll that returns it.
    pub async fn recv(self: &Arc<Self>) -> PooledRecord {
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

    /// Records that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.filled.len()
    }

    /// Whether no record waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.filled.is_empty()
    }

    /// Records of the pool, waiting and on loan included.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.filled.capacity()
    }

    /// Records dropped since the start.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn drop_newest(&self) -> Pushed {
        self.dropped.fetch_add(1, Ordering::Relaxed);
        Pushed::Dropped
    }

    fn put_back(&self, record: Box<ArmRecord>) {
        let returned = self.empty.push(record);
        debug_assert!(returned.is_ok(), "there are as many places as records");
    }
}

impl fmt::Debug for RecordQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordQueue")
            .field("waiting", &self.len())
            .field("capacity", &self.capacity())
            .field("overflow", &self.overflow)
            .field("dropped", &self.dropped())
            .finish_non_exhaustive()
    }
}

/// A filled record on loan from a consumer's pool; dropping it puts it back.
///
/// Whoever keeps some (as the beans of paper §5.1 do) subscribes with a larger capacity than it keeps.
pub struct PooledRecord {
    /// Present until dropped.
    record: Option<Box<ArmRecord>>,
    queue: Arc<RecordQueue>,
}

impl Deref for PooledRecord {
    type Target = ArmRecord;

    fn deref(&self) -> &ArmRecord {
        self.record.as_deref().unwrap_or(&self.queue.blank)
    }
}

impl Drop for PooledRecord {
    fn drop(&mut self) {
        if let Some(record) = self.record.take() {
            self.queue.put_back(record);
        }
    }
}

impl fmt::Debug for PooledRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::Correlator;

    fn queue(capacity: usize, overflow: Overflow) -> Arc<RecordQueue> {
        Arc::new(RecordQueue::new(PeerId::random(), capacity, overflow))
    }

    fn numbered(number: u64) -> ArmRecord {
        ArmRecord { correlator: Correlator(number), ..ArmRecord::empty(PeerId::random()) }
    }

    fn drain(queue: &Arc<RecordQueue>) -> Vec<u64> {
        std::iter::from_fn(|| queue.get()).map(|record| record.correlator.0).collect()
    }

    #[test]
    fn drop_oldest_keeps_the_latest_and_counts() {
        let queue = queue(2, Overflow::DropOldest);
        assert_eq!(queue.push(&numbered(1)), Pushed::Queued);
        assert_eq!(queue.push(&numbered(2)), Pushed::Queued);
        assert_eq!(queue.push(&numbered(3)), Pushed::QueuedInPlaceOfOldest);
        assert_eq!((drain(&queue), queue.dropped()), (vec![2, 3], 1));
    }

    #[test]
    fn drop_newest_keeps_the_first_and_counts() {
        let queue = queue(2, Overflow::DropNewest);
        let pushed = [1, 2, 3].map(|number| queue.push(&numbered(number)));
        assert_eq!(pushed, [Pushed::Queued, Pushed::Queued, Pushed::Dropped]);
        assert_eq!((drain(&queue), queue.dropped()), (vec![1, 2], 1));
    }

    #[test]
    fn a_record_on_loan_is_not_filled_again_until_it_comes_back() {
        for overflow in [Overflow::DropOldest, Overflow::DropNewest] {
            let queue = queue(1, overflow);
            queue.push(&numbered(1));
            let lent = queue.get().unwrap();
            assert_eq!(queue.push(&numbered(2)), Pushed::Dropped);
            assert_eq!(lent.correlator, Correlator(1));
            drop(lent);
            assert_eq!(queue.push(&numbered(3)), Pushed::Queued);
            assert_eq!((drain(&queue), queue.dropped()), (vec![3], 1));
        }
    }

    #[test]
    fn capacity_stays_within_its_bounds() {
        assert_eq!(queue(0, Overflow::DropOldest).capacity(), 1);
        assert_eq!(queue(usize::MAX, Overflow::DropOldest).capacity(), CONSUMER_RECORDS_MAX);
    }

    #[tokio::test]
    async fn two_waiters_get_one_record_each() {
        let queue = queue(4, Overflow::DropOldest);
        let (first, second, ()) = tokio::join!(queue.recv(), queue.recv(), async {
            queue.push(&numbered(1));
            queue.push(&numbered(2));
        });
        let mut got = [first.correlator.0, second.correlator.0];
        got.sort_unstable();
        assert_eq!(got, [1, 2]);
    }

    #[tokio::test]
    async fn an_abandoned_recv_takes_no_record_along() {
        let queue = queue(4, Overflow::DropOldest);
        let mut abandoned = Box::pin(queue.recv());
        assert!(futures::poll!(abandoned.as_mut()).is_pending());
        queue.push(&numbered(1));
        drop(abandoned);
        assert_eq!(queue.recv().await.correlator, Correlator(1));
    }

    #[test]
    fn threads_lose_and_double_nothing() {
        let queue = queue(64, Overflow::DropOldest);
        let got = std::thread::scope(|scope| {
            for thread in 0..2_u64 {
                let queue = Arc::clone(&queue);
                scope.spawn(move || {
                    for number in 0..5_000 {
                        queue.push(&numbered(thread * 5_000 + number));
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
        assert_eq!(queue.empty.len(), queue.capacity());
    }
}
