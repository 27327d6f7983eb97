//! A consumer: who receives every record of an application (paper §4.1), such as a CSV file or beans.

use std::sync::Arc;

use super::measured::Measured;
use super::producer::Shared;
use super::queue::RecordQueue;
use super::record::ArmRecord;

/// A subscription to the records of an application. Dropping it unsubscribes.
#[derive(Debug)]
pub struct Consumer {
    shared: Arc<Shared>,
    queue: Arc<RecordQueue<Measured>>,
}

impl Consumer {
    pub(super) fn new(shared: Arc<Shared>, queue: Arc<RecordQueue<Measured>>) -> Self {
        Self { shared, queue }
    }

    /// The record that has waited longest; none when none waits. Never blocks.
    #[must_use]
    pub fn get(&self) -> Option<ArmRecord> {
        self.queue.get().map(|measured| self.shared.record(measured))
    }

    /// Waits for a record.
    ///
    /// # Cancel safety
    /// Cancel-safe: a record is taken only in the poll that returns it.
    pub async fn recv(&self) -> ArmRecord {
        let measured = self.queue.recv().await;
        self.shared.record(measured)
    }

    /// Records that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether no record waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Records that this consumer lost because it did not keep up.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.queue.dropped()
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.shared.agent.unsubscribe(&self.queue);
    }
}
