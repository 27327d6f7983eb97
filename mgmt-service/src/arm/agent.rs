//! The ARM agent: fills one empty place in the queue of each subscribed consumer for every ended transaction
//! (paper §4.1), and counts what it does.
//!
//! In: what was measured. Out: the same in the queue of every consumer. No consumer can hold up another one or the
//! application: a queue never waits.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use overlay::PeerId;

use super::measured::Measured;
use super::queue::{Overflow, Pushed, RecordQueue};
use crate::error::SubscribeError;
use crate::limits::CONSUMERS_MAX;

/// Gives records to consumers.
#[derive(Debug)]
pub(super) struct Agent {
    peer: PeerId,
    /// Replaced as a whole when a consumer comes or goes, so that delivery never waits.
    consumers: ArcSwap<Vec<Arc<RecordQueue<Measured>>>>,
    /// Whether there are any: spares those who have none the cost of looking.
    has_consumers: AtomicBool,
    /// Held while `consumers` is replaced.
    replacing: Mutex<()>,
    dropped: AtomicU64,
}

impl Agent {
    pub(super) fn new(peer: PeerId) -> Self {
        Self {
            peer,
            consumers: ArcSwap::default(),
            has_consumers: AtomicBool::new(false),
            replacing: Mutex::new(()),
            dropped: AtomicU64::new(0),
        }
    }

    /// # Errors
    /// [`SubscribeError`] when [`CONSUMERS_MAX`] are subscribed.
    pub(super) fn subscribe(
        &self,
        capacity: usize,
        overflow: Overflow,
    ) -> Result<Arc<RecordQueue<Measured>>, SubscribeError> {
        // Made before the lock is taken: a large pool takes a while to fill.
        let queue = Arc::new(RecordQueue::new(capacity, overflow));
        let _replacing = self.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut consumers = Vec::clone(&self.consumers.load());
        if consumers.len() >= CONSUMERS_MAX {
            return Err(SubscribeError { max: CONSUMERS_MAX });
        }
        consumers.push(Arc::clone(&queue));
        self.replace(consumers);
        Ok(queue)
    }

    pub(super) fn unsubscribe(&self, queue: &Arc<RecordQueue<Measured>>) {
        let _replacing = self.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut consumers = Vec::clone(&self.consumers.load());
        consumers.retain(|subscribed| !Arc::ptr_eq(subscribed, queue));
        self.replace(consumers);
    }

    fn replace(&self, consumers: Vec<Arc<RecordQueue<Measured>>>) {
        self.has_consumers.store(!consumers.is_empty(), Ordering::Relaxed);
        self.consumers.store(Arc::new(consumers));
    }

    /// Whether anybody takes what is measured.
    #[inline(always)]
    pub(super) fn has_consumers(&self) -> bool {
        self.has_consumers.load(Ordering::Relaxed)
    }

    /// Queues `measured` for every consumer.
    #[inline(always)]
    pub(super) fn deliver(&self, measured: Measured) {
        let consumers = self.consumers.load();
        let Some((last, others)) = consumers.split_last() else { return };
        others.iter().for_each(|queue| self.push(queue, measured.clone()));
        self.push(last, measured);
    }

    #[inline(always)]
    fn push(&self, queue: &RecordQueue<Measured>, measured: Measured) {
        let pushed = queue.push(measured);
        if pushed != Pushed::Queued {
            self.dropped.fetch_add(pushed.dropped(), Ordering::Relaxed);
        }
    }

    pub(super) fn peer(&self) -> PeerId {
        self.peer
    }

    pub(super) fn consumers(&self) -> u64 {
        self.consumers.load().len() as u64
    }

    /// Records lost by consumers that did not keep up, those that have gone included.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}
