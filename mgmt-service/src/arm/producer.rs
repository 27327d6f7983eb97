//! The ARM producer: creates transactions and turns each that has ended into a record (paper §4.1).
//!
//! In: ended transactions with their outcome. Out: records for the agent, sketches, and counters.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use overlay::PeerId;

use super::agent::Agent;
use super::correlator::BootKey;
use super::definition::{Metric, TransactionDefinition};
use super::live_sketch::LiveSketch;
use super::pool::{Ended, TransactionPool};
use super::record::{ArmRecord, Path, Reason, Status};
use super::trace::TraceId;
use super::transaction::Outcome;
use super::values::MetricValue;

/// What all clones of an application and its transactions share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) key: BootKey,
    pub(super) trace: TraceId,
    pub(super) agent: Agent,
    /// One for each definition; replaced only by `define`.
    pub(super) producers: ArcSwap<Vec<Arc<Producer>>>,
    pub(super) counters: Counters,
}

impl Shared {
    pub(super) fn new(key: BootKey, peer: PeerId) -> Self {
        Self {
            trace: key.trace_id(&peer),
            key,
            agent: Agent::new(peer),
            producers: ArcSwap::default(),
            counters: Counters::default(),
        }
    }

    pub(super) fn timed_out(&self, producer: &Producer, ended: &Ended, dest: &PeerId) {
        add_one(&self.counters.timeouts);
        self.deliver(producer, ended, dest, &Outcome::new(Status::Failed), Reason::Timeout, None);
    }

    /// Only a transaction that an answer ended has a response time.
    pub(super) fn deliver(
        &self,
        producer: &Producer,
        ended: &Ended,
        dest: &PeerId,
        outcome: &Outcome,
        reason: Reason,
        values: Option<&Arc<[Option<MetricValue>]>>,
    ) {
        producer.count_bad(outcome.status, reason);
        let elapsed_us = ended.elapsed_ns / 1000;
        let hold_us = outcome.hold_us.filter(|_| producer.with_hold).map(|hold| hold.min(elapsed_us));
        self.agent.deliver(|record| {
            let ArmRecord { transaction, details, .. } = record;
            // The name is shared by all threads: its count of references is left alone when it can be.
            if !Arc::ptr_eq(transaction, &producer.name) {
                *transaction = Arc::clone(&producer.name);
            }
            details.parent = ended.parent;
            details.blocked_us = ended.blocked_us;
            details.values = values.cloned();
            record.at_ms = ended.wall_ms;
            record.dest = *dest;
            record.dest_status = outcome.dest_status;
            record.correlator = ended.correlator;
            record.status = outcome.status;
            record.response_us = (reason == Reason::None).then_some(elapsed_us);
            record.hold_us = hold_us;
            record.path = if producer.with_path { ended.path } else { Path::None };
            record.reason = reason;
            record.split = outcome.split;
            record.split.queue_us = outcome.split.queue_us.or(ended.queue_us);
        });
    }
}

/// A definition and the pool of its transaction objects.
#[derive(Debug)]
pub(super) struct Producer {
    pub(super) definition: TransactionDefinition,
    pub(super) pool: TransactionPool,
    /// Whether it is measured at all.
    pub(super) measured: AtomicBool,
    /// Of all transactions that an answer ended in time.
    pub(super) answers: LiveSketch,
    /// Transactions that ended otherwise than well, and those that no answer ended.
    pub(super) failed: AtomicU64,
    pub(super) unanswered: AtomicU64,
    /// Of answers after the timeout; made when the first one comes.
    late: OnceLock<LiveSketch>,
    /// The name as records carry it: shared, never copied.
    name: Arc<str>,
    with_hold: bool,
    with_path: bool,
}

impl Producer {
    pub(super) fn new(definition: TransactionDefinition, pool: TransactionPool) -> Self {
        let name = Arc::from(definition.name.as_str());
        let [with_hold, with_path] = [Metric::RemoteHold, Metric::NetworkPath].map(|it| definition.has(it));
        Self {
            definition,
            pool,
            measured: AtomicBool::new(true),
            answers: LiveSketch::new(),
            failed: AtomicU64::new(0),
            unanswered: AtomicU64::new(0),
            late: OnceLock::new(),
            name,
            with_hold,
            with_path,
        }
    }

    pub(super) fn is_measured(&self) -> bool {
        self.measured.load(Ordering::Relaxed)
    }

    pub(super) fn record_late(&self, elapsed_ns: u64) {
        self.late.get_or_init(LiveSketch::new).record(elapsed_ns);
    }

    /// Counts what the sketch of answers doesn't tell; nothing for a transaction that ended well.
    fn count_bad(&self, status: Status, reason: Reason) {
        if status != Status::Good {
            add_one(&self.failed);
        }
        if reason != Reason::None {
            add_one(&self.unanswered);
        }
    }

    pub(super) fn late(&self) -> Option<&LiveSketch> {
        self.late.get()
    }
}

/// What does not follow from the sketches.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) timeouts: AtomicU64,
    pub(super) aborted: AtomicU64,
    pub(super) discarded: AtomicU64,
    pub(super) reported: AtomicU64,
    pub(super) unreachable: AtomicU64,
    pub(super) updates: AtomicU64,
    pub(super) late: AtomicU64,
    pub(super) forged: AtomicU64,
    pub(super) wrong_peer: AtomicU64,
    pub(super) pool_exhausted: AtomicU64,
    pub(super) values_refused: AtomicU64,
}

/// Counts one.
pub(super) fn add_one(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
