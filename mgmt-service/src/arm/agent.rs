//! The ARM agent: fills one empty record of each subscribed consumer for every ended transaction
//! (paper §4.1), and counts what it does.
//!
//! In: records. Out: the same records in the queue of every consumer. No consumer can hold up another one or
//! the application: a queue never waits.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use overlay::PeerId;

use super::queue::{Overflow, Pushed, RecordQueue};
use super::record::ArmRecord;
use crate::error::SubscribeError;
use crate::limits::CONSUMERS_MAX;

/// Gives records to consumers.
#[derive(Debug)]
pub(super) struct Agent {
    peer: PeerId,
    /// Written only when a consumer comes or goes; delivery takes it for reading, which does not wait.
    consumers: RwLock<Vec<Arc<RecordQueue>>>,
    records: AtomicU64,
    dropped: AtomicU64,
}

impl Agent {
    pub(super) fn new(peer: PeerId) -> Self {
        Self {
            peer,
            consumers: RwLock::new(Vec::with_capacity(CONSUMERS_MAX)),
            records: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        }
    }

    /// # Errors
    /// [`SubscribeError`] when [`CONSUMERS_MAX`] are subscribed.
    pub(super) fn subscribe(
        &self,
        capacity: usize,
        overflow: Overflow,
    ) -> Result<Arc<RecordQueue>, SubscribeError> {
        // Made before the lock is taken: a large pool takes a while to fill.
        let queue = Arc::new(RecordQueue::new(self.peer, capacity, overflow));
        let mut consumers = self.consumers.write().unwrap_or_else(PoisonError::into_inner);
        if consumers.len() >= CONSUMERS_MAX {
            return Err(SubscribeError { max: CONSUMERS_MAX });
        }
        consumers.push(Arc::clone(&queue));
        Ok(queue)
    }

    pub(super) fn unsubscribe(&self, queue: &Arc<RecordQueue>) {
        let mut consumers = self.consumers.write().unwrap_or_else(PoisonError::into_inner);
        consumers.retain(|subscribed| !Arc::ptr_eq(subscribed, queue));
    }

    /// Copies `record` to every consumer.
    pub(super) fn deliver(&self, record: &ArmRecord) {
        self.records.fetch_add(1, Ordering::Relaxed);
        let consumers = self.consumers.read().unwrap_or_else(PoisonError::into_inner);
        for queue in consumers.iter() {
            if queue.push(record) != Pushed::Queued {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    pub(super) fn peer(&self) -> PeerId {
        self.peer
    }

    pub(super) fn consumers(&self) -> u64 {
        self.consumers.read().unwrap_or_else(PoisonError::into_inner).len() as u64
    }

    /// Records made since the start.
    pub(super) fn records(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }

    /// Records lost by consumers that did not keep up, those that have gone included.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}
