//! The records of one subscription: first what was held when it began, then what its consumer brings, each once.

use std::collections::{HashSet, VecDeque};

use crate::arm::{ArmRecord, Consumer, Correlator};

/// Where a subscription takes its records from.
#[derive(Debug)]
pub(super) struct Records {
    /// None at a peer that measures nothing.
    consumer: Option<Consumer>,
    held: VecDeque<ArmRecord>,
    /// Which records were held; the consumer may bring the latest of them once more.
    known: HashSet<Correlator>,
}

impl Records {
    /// `held` were there when the subscription began, just after its consumer.
    pub(super) fn new(consumer: Option<Consumer>, held: Vec<ArmRecord>) -> Self {
        let known = held.iter().map(|record| record.correlator).collect();
        Self { consumer, held: held.into(), known }
    }

    /// The next record. Cancel-safe.
    pub(super) async fn recv(&mut self) -> ArmRecord {
        if let Some(record) = self.next_held() {
            return record;
        }
        loop {
            let record = match &self.consumer {
                Some(consumer) => consumer.recv().await,
                None => std::future::pending().await,
            };
            if !self.known.remove(&record.correlator) {
                return record;
            }
        }
    }

    /// The next record if one waits.
    pub(super) fn get(&mut self) -> Option<ArmRecord> {
        if let Some(record) = self.next_held() {
            return Some(record);
        }
        loop {
            let record = self.consumer.as_ref()?.get()?;
            if !self.known.remove(&record.correlator) {
                return Some(record);
            }
        }
    }

    /// The next of those that were held; gives their memory back with the last.
    fn next_held(&mut self) -> Option<ArmRecord> {
        let next = self.held.pop_front();
        if next.is_none() {
            self.held = VecDeque::new();
        }
        next
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.held.len() + self.consumer.as_ref().map_or(0, Consumer::len)
    }

    /// How many were dropped because they waited too long.
    pub(super) fn dropped(&self) -> u64 {
        self.consumer.as_ref().map_or(0, Consumer::dropped)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use overlay::PeerId;

    use super::*;
    use crate::arm::{Application, Outcome, Overflow, Path, Status, TransactionDefinition};

    #[test]
    fn what_is_held_comes_first_and_nothing_comes_twice() {
        let (peer, dest, now) = (PeerId::random(), PeerId::random(), Instant::now());
        let application = Application::new(peer, [1; 32]);
        let definition = TransactionDefinition::new("test", Duration::from_secs(1));
        let transaction = application.define(definition).unwrap();
        let consumer = application.subscribe(8, Overflow::DropOldest).unwrap();
        let measure = |at_ms| {
            let correlator = transaction.start(now, at_ms, dest, Path::Direct).unwrap();
            transaction.stop(now, correlator, dest, Outcome::new(Status::Good));
            correlator
        };
        // Both ended while the subscription began: the consumer has them, and one was already held.
        let (both, live) = (measure(2), measure(3));
        let held = |at_ms, correlator| ArmRecord { at_ms, correlator, ..ArmRecord::empty(peer) };
        let early = Correlator(7);
        let mut records = Records::new(Some(consumer), vec![held(1, early), held(2, both)]);
        let came: Vec<_> = std::iter::from_fn(|| records.get()).map(|record| record.correlator).collect();
        assert_eq!(came, [early, both, live]);
    }
}
