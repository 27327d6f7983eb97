//! The instrumented application: defines transactions, takes consumers, ends what was not answered
//! (paper §4.1).
//!
//! In: definitions, subscriptions, the passing of time. Out: handles, and the records of timeouts. At most
//! `DEFINITIONS_MAX` definitions and `CONSUMERS_MAX` consumers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use overlay::PeerId;

use super::consumer::Consumer;
use super::correlator::BootKey;
use super::definition::{DefinitionId, TransactionDefinition};
use super::identity::Identity;
use super::pool::TransactionPool;
use super::producer::{Producer, Shared, add_one};
use super::queue::Overflow;
use super::record::{Reason, Status};
use super::sketch::Sketch;
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
        Self::identified(peer, boot_key, "", "")
    }

    /// The same, of the program called `name` in the application group `group` (ARM 4); each is cut to
    /// [`IDENTITY_BYTES_MAX`](crate::limits::IDENTITY_BYTES_MAX).
    #[must_use]
    pub fn identified(peer: PeerId, boot_key: [u8; 32], name: &str, group: &str) -> Self {
        Self { shared: Arc::new(Shared::new(BootKey::new(boot_key), peer, name, group)) }
    }

    /// Which application it is.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.shared.identity
    }

    /// Defines a kind of transaction and makes its pool.
    ///
    /// # Errors
    /// [`DefineError`] when the name is malformed or taken, the timeout out of range, or
    /// [`DEFINITIONS_MAX`] are defined.
    pub fn define(&self, definition: TransactionDefinition) -> Result<Transaction, DefineError> {
        definition.check()?;
        let name = definition.name.clone();
        let mut refused = None;
        let mut defined = None;
        // May run again when another thread defines something at the same moment.
        self.shared.producers.rcu(|producers| {
            let mut producers = Vec::clone(producers);
            refused = None;
            if producers.iter().any(|producer| producer.definition.name == name) {
                refused = Some(DefineError::Taken { name: name.clone() });
            } else if producers.len() >= DEFINITIONS_MAX {
                refused = Some(DefineError::Full { max: DEFINITIONS_MAX });
            } else {
                let number = u8::try_from(producers.len()).unwrap_or(u8::MAX);
                let pool = TransactionPool::new(self.shared.key.clone(), number, definition.timeout);
                let producer = Arc::new(Producer::new(number, definition.clone(), pool));
                producers.push(Arc::clone(&producer));
                defined = Some(producer);
            }
            producers
        });
        match (refused, defined) {
            (None, Some(producer)) => Ok(Transaction::new(Arc::clone(&self.shared), producer)),
            (refused, _) => Err(refused.unwrap_or(DefineError::Full { max: DEFINITIONS_MAX })),
        }
    }

    /// A consumer with a queue of `capacity` places (1 to
    /// [`CONSUMER_RECORDS_MAX`](crate::limits::CONSUMER_RECORDS_MAX); other values are cut), which receives
    /// every record that is made from now on.
    ///
    /// # Errors
    /// [`SubscribeError`] when [`CONSUMERS_MAX`](crate::limits::CONSUMERS_MAX) are subscribed.
    pub fn subscribe(&self, capacity: usize, overflow: Overflow) -> Result<Consumer, SubscribeError> {
        let queue = self.shared.agent.subscribe(capacity, overflow)?;
        Ok(Consumer::new(Arc::clone(&self.shared), queue))
    }

    /// Ends each transaction whose timeout has come, as `failed` with reason `timeout`. Returns their number.
    ///
    /// Looks at each transaction object, some microseconds for a definition, but not before one can be due.
    pub fn expire(&self, now: Instant) -> usize {
        let expire = |producer: &Arc<Producer>| {
            producer.pool.expire(now, |ended, dest| self.shared.timed_out(producer, ended, dest))
        };
        self.shared.producers.load().iter().map(expire).sum()
    }

    /// When to call [`Self::expire`] next; ask again after each start. It may be sooner than the next deadline, when what was
    /// due then has ended. A load for each definition, unless nothing was in flight at the last look.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.shared.producers.load().iter().filter_map(|producer| producer.pool.poll_timeout()).min()
    }

    /// Ends every transaction in flight as `aborted` with reason `stopped`, for an application that stops.
    /// Returns their number.
    pub fn stop_all(&self, now: Instant) -> usize {
        let (shared, outcome) = (&self.shared, Outcome::new(Status::Aborted));
        let end = |producer: &Arc<Producer>| {
            producer.pool.end_all(now, |ended, dest| {
                add_one(&shared.counters.aborted);
                shared.deliver(producer, ended, dest, &outcome, Reason::Stopped, &[]);
            })
        };
        shared.producers.load().iter().map(end).sum()
    }

    /// Every counter and gauge by name, for a bean. Looks at each transaction object and each bucket.
    ///
    /// `started` = `stopped` + `timeouts` + `aborted` + `discarded` + `in_flight`, and `records` = `stopped` +
    /// `timeouts` + `aborted` + `unreachable` + `reported`, while nothing is being counted. `dropped` counts records
    /// that consumers lost; `late`, `forged` and `wrong_peer` count answers that ended nothing in time.
    #[must_use]
    pub fn counters(&self) -> Vec<(&'static str, u64)> {
        let counters = &self.shared.counters;
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let in_flight = self.in_flight() as u64;
        let ended = load(&counters.timeouts) + load(&counters.aborted);
        let reported = load(&counters.reported);
        let answers: u64 = self.shared.producers.load().iter().map(|producer| producer.answers.count()).sum();
        // A report is counted just before it gets into the sketch.
        let stopped = answers.saturating_sub(reported);
        vec![
            ("started", stopped + ended + load(&counters.discarded) + in_flight),
            ("stopped", stopped),
            ("timeouts", load(&counters.timeouts)),
            ("aborted", load(&counters.aborted)),
            ("discarded", load(&counters.discarded)),
            ("reported", reported),
            ("updates", load(&counters.updates)),
            ("unreachable", load(&counters.unreachable)),
            ("late", load(&counters.late)),
            ("forged", load(&counters.forged)),
            ("wrong_peer", load(&counters.wrong_peer)),
            ("pool_exhausted", load(&counters.pool_exhausted)),
            ("values_refused", load(&counters.values_refused)),
            ("records", stopped + reported + ended + load(&counters.unreachable)),
            ("dropped", self.shared.agent.dropped()),
            ("in_flight", in_flight),
            ("consumers", self.shared.agent.consumers()),
        ]
    }

    /// The distributions of each definition, in the order in which they were defined.
    #[must_use]
    pub fn sketches(&self) -> Vec<DefinitionSketch> {
        let read = |producer: &Arc<Producer>| DefinitionSketch {
            name: producer.definition.name.clone(),
            id: producer.definition.id(),
            answers: producer.answers.read(),
            failed: producer.failed.load(Ordering::Relaxed),
            unanswered: producer.unanswered.load(Ordering::Relaxed),
            late: producer.late.read(),
        };
        self.shared.producers.load().iter().map(read).collect()
    }

    /// Transactions in flight, over all definitions. Looks at each transaction object.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.shared.producers.load().iter().map(|producer| producer.pool.in_flight()).sum()
    }

    /// Whose application this is.
    #[must_use]
    pub fn peer(&self) -> PeerId {
        self.shared.agent.peer()
    }
}

/// How long the transactions of one definition took, since the application was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinitionSketch {
    /// The definition's name.
    pub name: String,
    /// The definition's id, the same at every peer.
    pub id: DefinitionId,
    /// Response times of the transactions that an answer ended in time, whatever their status.
    pub answers: Sketch,
    /// Transactions that ended otherwise than well, answered or not.
    pub failed: u64,
    /// Transactions that no answer ended: timed out, unreachable, aborted.
    pub unanswered: u64,
    /// Times of the answers that came after the timeout: slow, which is not the same as lost.
    pub late: Sketch,
}

#[cfg(test)]
mod tests;
