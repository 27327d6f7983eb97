//! The instrumented application: defines transactions, takes consumers, ends what was not answered
//! (paper §4.1).
//!
//! In: definitions, subscriptions, the passing of time. Out: handles, and the records of timeouts. At most
//! `DEFINITIONS_MAX` definitions and `CONSUMERS_MAX` consumers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use overlay::PeerId;

use super::consumer::Consumer;
use super::correlator::BootKey;
use super::definition::TransactionDefinition;
use super::pool::{Ended, TransactionPool};
use super::producer::{Producer, Shared, add_one};
use super::queue::Overflow;
use super::record::{Reason, Status};
use super::transaction::{Outcome, Transaction};
use crate::error::{DefineError, SubscribeError};
use crate::limits::DEFINITIONS_MAX;

/// An instrumented application. Cheap to clone; all clones are the same application.
///
/// ```
/// use std::time::{Duration, Instant};
/// use mgmt_service::arm::{Application, DestStatus, Outcome, Overflow, Path, Stopped, TransactionDefinition};
/// use overlay::PeerId;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (me, buddy) = (PeerId::random(), PeerId::random());
/// let app = Application::new(me, [7; 32]); // 32 random bytes, new at each start
/// let ping = app.define(TransactionDefinition::new("presence.ping", Duration::from_secs(10)))?;
/// let consumer = app.subscribe(1024, Overflow::DropOldest)?;
///
/// let now = Instant::now();
/// let correlator = ping.start(now, 1_769_860_800_000, buddy, Path::Direct)?; // then send the PING
/// let stopped = ping.stop(now + Duration::from_micros(850), correlator, buddy, Outcome::good(DestStatus::Online));
///
/// assert_eq!(stopped, Stopped::Recorded);
/// assert_eq!(consumer.get().and_then(|record| record.response_us), Some(850));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Application {
    shared: Arc<Shared>,
}

impl Application {
    /// The application of `peer`. `boot_key` is 32 random bytes, new at each start: correlators are derived
    /// from it and can't be guessed without.
    #[must_use]
    pub fn new(peer: PeerId, boot_key: [u8; 32]) -> Self {
        Self { shared: Arc::new(Shared::new(BootKey::new(boot_key), peer)) }
    }

    /// Defines a kind of transaction and makes its pool.
    ///
    /// # Errors
    /// [`DefineError`] when the name is malformed or taken, the timeout out of range, or
    /// [`DEFINITIONS_MAX`] are defined.
    pub fn define(&self, definition: TransactionDefinition) -> Result<Transaction, DefineError> {
        definition.check()?;
        let mut producers = self.shared.producers.write().unwrap_or_else(PoisonError::into_inner);
        if producers.iter().any(|producer| producer.definition.name == definition.name) {
            return Err(DefineError::Taken { name: definition.name });
        }
        let number = u8::try_from(producers.len()).unwrap_or(u8::MAX);
        if producers.len() >= DEFINITIONS_MAX {
            return Err(DefineError::Full { max: DEFINITIONS_MAX });
        }
        let pool = TransactionPool::new(self.shared.key.clone(), number, definition.timeout);
        let producer = Arc::new(Producer::new(definition, pool));
        producers.push(Arc::clone(&producer));
        Ok(Transaction::new(Arc::clone(&self.shared), producer))
    }

    /// A consumer with a pool of `capacity` empty records (1 to
    /// [`CONSUMER_RECORDS_MAX`](crate::limits::CONSUMER_RECORDS_MAX); other values are cut), which receives
    /// every record that is made from now on.
    ///
    /// # Errors
    /// [`SubscribeError`] when [`CONSUMERS_MAX`](crate::limits::CONSUMERS_MAX) are subscribed.
    pub fn subscribe(&self, capacity: usize, overflow: Overflow) -> Result<Consumer, SubscribeError> {
        let queue = self.shared.agent.subscribe(capacity, overflow)?;
        Ok(Consumer::new(Arc::clone(&self.shared.agent), queue))
    }

    /// Ends each transaction whose timeout has come, as `failed` with reason `timeout`. Returns their number.
    pub fn expire(&self, now: Instant) -> usize {
        self.end_each(|pool| pool.expire(now), |producer, ended| self.shared.timed_out(producer, &ended))
    }

    /// When to call [`Self::expire`] next; ask again after each start.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let producers = self.shared.producers.read().unwrap_or_else(PoisonError::into_inner);
        producers.iter().filter_map(|producer| producer.pool().poll_timeout()).min()
    }

    /// Ends every transaction in flight as `aborted` with reason `stopped`, for an application that stops.
    /// Returns their number.
    pub fn stop_all(&self, now: Instant) -> usize {
        let shared = &self.shared;
        self.end_each(
            |pool| pool.end_oldest(now),
            |producer, ended| {
                add_one(&shared.counters.aborted);
                shared.deliver(producer, &ended, &Outcome::new(Status::Aborted), Reason::Stopped);
            },
        )
    }

    /// Every counter and gauge by name, for a bean.
    ///
    /// `started` = `stopped` + `timeouts` + `aborted` + `in_flight`, and `records` = `stopped` + `timeouts` +
    /// `aborted` + `unreachable`, while nothing is being counted. `dropped` counts records that consumers
    /// lost; `late`, `forged` and `wrong_peer` count answers that ended nothing in time.
    #[must_use]
    pub fn counters(&self) -> Vec<(&'static str, u64)> {
        let counters = &self.shared.counters;
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        vec![
            ("started", load(&counters.started)),
            ("stopped", load(&counters.stopped)),
            ("timeouts", load(&counters.timeouts)),
            ("aborted", load(&counters.aborted)),
            ("unreachable", load(&counters.unreachable)),
            ("late", load(&counters.late)),
            ("forged", load(&counters.forged)),
            ("wrong_peer", load(&counters.wrong_peer)),
            ("pool_exhausted", load(&counters.pool_exhausted)),
            ("records", self.shared.agent.records()),
            ("dropped", self.shared.agent.dropped()),
            ("in_flight", self.in_flight() as u64),
            ("consumers", self.shared.agent.consumers()),
        ]
    }

    /// Transactions in flight, over all definitions.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        let producers = self.shared.producers.read().unwrap_or_else(PoisonError::into_inner);
        producers.iter().map(|producer| producer.pool().in_flight()).sum()
    }

    /// Whose application this is.
    #[must_use]
    pub fn peer(&self) -> PeerId {
        self.shared.agent.peer()
    }

    /// Takes ended transactions out of each pool, holding its lock for one at a time.
    fn end_each(
        &self,
        mut next: impl FnMut(&mut TransactionPool) -> Option<Ended>,
        mut record: impl FnMut(&Producer, Ended),
    ) -> usize {
        let producers = self.shared.producers.read().unwrap_or_else(PoisonError::into_inner);
        let mut count = 0;
        for producer in producers.iter() {
            loop {
                // A binding of its own, so that the lock is free again before the record is delivered.
                let ended = next(&mut producer.pool());
                let Some(ended) = ended else { break };
                record(producer, ended);
                count += 1;
            }
        }
        count
    }
}

#[cfg(test)]
mod tests;
