//! A bounded queue that takes memory as it is needed: most consumers keep up, and few records ever wait.
//!
//! In: items. Out: the same, in order. It begins with `QUEUE_PLACES_FIRST` places and takes eight times as many whenever
//! all are filled, up to its capacity; what it has taken it keeps, so that one that has been as full before allocates
//! nothing. Lock-free, and in one order with other sequentially consistent operations: whoever finds it empty after a
//! fence comes before whoever pushes next.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_queue::ArrayQueue;

use crate::limits::{CONSUMER_RECORDS_MAX, QUEUE_PLACES_FIRST};

/// A growing ring.
pub(super) struct Ring<T> {
    capacity: usize,
    /// Each larger than the one before, made when that is full. What waits in a smaller one is older.
    rings: [OnceLock<ArrayQueue<T>>; RINGS],
    /// Which is pushed to, the largest there is; only ever goes up.
    largest: AtomicUsize,
}

impl<T> Ring<T> {
    /// A ring for at most `capacity` items.
    pub(super) fn new(capacity: usize) -> Self {
        let ring = Self { capacity, rings: [const { OnceLock::new() }; RINGS], largest: AtomicUsize::new(0) };
        ring.make(0);
        ring
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Appends `item`; gives it back when `capacity` items wait.
    #[inline(always)]
    pub(super) fn push(&self, item: T) -> Result<(), T> {
        let largest = self.largest.load(Ordering::SeqCst);
        match self.ring(largest) {
            Some(ring) if self.is_room(largest) => {
                ring.push(item).or_else(|item| self.push_larger(largest, item))
            }
            _ => Err(item),
        }
    }

    /// Whether fewer than `capacity` wait, as far as a full ring does not tell.
    fn is_room(&self, largest: usize) -> bool {
        let mut smaller = self.rings.iter().take(largest).filter_map(OnceLock::get);
        smaller.all(ArrayQueue::is_empty) || self.len() < self.capacity
    }

    /// Appends `item` once there is a larger ring, if there may be one.
    #[cold]
    fn push_larger(&self, full: usize, item: T) -> Result<(), T> {
        if places(full, self.capacity) == self.capacity {
            return Err(item);
        }
        self.make(full + 1);
        self.largest.fetch_max(full + 1, Ordering::SeqCst);
        self.push(item)
    }

    /// The oldest item.
    pub(super) fn pop(&self) -> Option<T> {
        let largest = self.largest.load(Ordering::SeqCst);
        (0..=largest).find_map(|index| self.ring(index)?.pop())
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.rings.iter().filter_map(OnceLock::get).map(ArrayQueue::len).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rings.iter().filter_map(OnceLock::get).all(ArrayQueue::is_empty)
    }

    fn ring(&self, index: usize) -> Option<&ArrayQueue<T>> {
        self.rings.get(index)?.get()
    }

    /// Made before it is put there, so that nobody waits for the memory; one of two that are made at once is dropped.
    fn make(&self, index: usize) {
        if let Some(empty) = self.rings.get(index).filter(|ring| ring.get().is_none()) {
            let _ = empty.set(ArrayQueue::new(places(index, self.capacity)));
        }
    }
}

/// The places of the ring with this index.
fn places(index: usize, capacity: usize) -> usize {
    (QUEUE_PLACES_FIRST << (GROWTH_BITS * index)).min(capacity)
}

/// Each ring has eight times the places of the one before.
const GROWTH_BITS: usize = 3;

/// Rings up to the largest capacity.
const RINGS: usize = 4;

const _: () = assert!(
    QUEUE_PLACES_FIRST << (GROWTH_BITS * (RINGS - 1)) >= CONSUMER_RECORDS_MAX,
    "the last ring can have all places"
);

#[cfg(test)]
mod tests {
    use super::*;

    fn made(ring: &Ring<usize>) -> usize {
        ring.rings.iter().filter_map(OnceLock::get).map(ArrayQueue::capacity).sum()
    }

    #[test]
    fn order_and_capacity_stay_while_it_grows() {
        for capacity in [1, QUEUE_PLACES_FIRST, 1000, 5000, CONSUMER_RECORDS_MAX] {
            let ring = Ring::new(capacity);
            assert!((0..capacity).all(|number| ring.push(number).is_ok()), "{capacity}");
            assert_eq!((ring.push(0), ring.len()), (Err(0), capacity));
            // Room is room again, wherever the oldest were.
            assert!((0..capacity / 2).all(|number| ring.pop() == Some(number)));
            assert!((0..capacity / 2).all(|number| ring.push(capacity + number).is_ok()));
            assert_eq!((ring.push(0), ring.len()), (Err(0), capacity));
            assert!((capacity / 2..capacity + capacity / 2).all(|number| ring.pop() == Some(number)));
            assert!(ring.is_empty() && ring.pop().is_none());
        }
    }

    #[test]
    fn who_keeps_up_never_takes_more_memory() {
        let ring = Ring::new(CONSUMER_RECORDS_MAX);
        for number in 0..100 * QUEUE_PLACES_FIRST {
            assert_eq!((ring.push(number), ring.pop()), (Ok(()), Some(number)));
        }
        assert_eq!(made(&ring), QUEUE_PLACES_FIRST);
    }
}
