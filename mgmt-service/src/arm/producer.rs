//! The ARM producer: creates transactions and turns each that has ended into a record (paper §4.1).
//!
//! In: ended transactions with their outcome. Out: records for the agent, and counters.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use overlay::PeerId;

use super::agent::Agent;
use super::correlator::BootKey;
use super::definition::{Metric, TransactionDefinition};
use super::pool::{Ended, TransactionPool};
use super::record::{ArmRecord, Path, Reason, Status};
use super::transaction::Outcome;

/// What all clones of an application and its transactions share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) key: BootKey,
    pub(super) agent: Arc<Agent>,
    /// One for each definition; written only by `define`.
    pub(super) producers: RwLock<Vec<Arc<Producer>>>,
    pub(super) counters: Counters,
}

impl Shared {
    pub(super) fn new(key: BootKey, peer: PeerId) -> Self {
        Self {
            key,
            agent: Arc::new(Agent::new(peer)),
            producers: RwLock::new(Vec::new()),
            counters: Counters::default(),
        }
    }

    pub(super) fn timed_out(&self, producer: &Producer, ended: &Ended) {
        add_one(&self.counters.timeouts);
        self.deliver(producer, ended, &Outcome::new(Status::Failed), Reason::Timeout);
    }

    /// Only a transaction that an answer ended has a response time.
    pub(super) fn deliver(&self, producer: &Producer, ended: &Ended, outcome: &Outcome, reason: Reason) {
        let elapsed_us = u64::try_from(ended.elapsed.as_micros()).unwrap_or(u64::MAX);
        let response_us = (reason == Reason::None).then_some(elapsed_us);
        let hold_us = outcome.hold_us.filter(|_| producer.definition.has(Metric::RemoteHold));
        let with_path = producer.definition.has(Metric::NetworkPath);
        self.agent.deliver(&ArmRecord {
            at_ms: ended.started.wall_ms,
            peer: self.agent.peer(),
            transaction: Arc::clone(&producer.name),
            dest: ended.started.dest,
            dest_status: outcome.dest_status,
            correlator: ended.correlator,
            status: outcome.status,
            response_us,
            hold_us: hold_us.map(|hold| hold.min(elapsed_us)),
            path: if with_path { ended.started.path } else { Path::None },
            reason,
            split: outcome.split,
        });
    }
}

/// A definition and the pool of its transaction objects.
#[derive(Debug)]
pub(super) struct Producer {
    pub(super) definition: TransactionDefinition,
    /// The name as records carry it: shared, never copied.
    name: Arc<str>,
    pool: Mutex<TransactionPool>,
}

impl Producer {
    pub(super) fn new(definition: TransactionDefinition, pool: TransactionPool) -> Self {
        let name = Arc::from(definition.name.as_str());
        Self { definition, name, pool: Mutex::new(pool) }
    }

    pub(super) fn pool(&self) -> MutexGuard<'_, TransactionPool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) started: AtomicU64,
    pub(super) stopped: AtomicU64,
    pub(super) timeouts: AtomicU64,
    pub(super) aborted: AtomicU64,
    pub(super) unreachable: AtomicU64,
    pub(super) late: AtomicU64,
    pub(super) forged: AtomicU64,
    pub(super) wrong_peer: AtomicU64,
    pub(super) pool_exhausted: AtomicU64,
}

/// Counts one.
pub(super) fn add_one(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
