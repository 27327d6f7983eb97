//! The ARM producer: creates transactions and turns each that has ended into a record (paper §4.1).
//!
//! In: ended transactions with their outcome. Out: records for the agent, sketches, and counters.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use overlay::PeerId;

use super::agent::Agent;
use super::correlator::{BootKey, Correlator};
use super::definition::{Metric, TransactionDefinition};
use super::identity::Identity;
use super::interim::Interim;
use super::live_sketch::LiveSketch;
use super::measured::Measured;
use super::peer_words::PeerWords;
use super::pool::{Ended, TransactionPool};
use super::record::{ArmRecord, Reason, Status};
use super::transaction::Outcome;
use super::values::{self, MetricValue, TypedValue, ValueDefinition};

/// What all clones of an application and its transactions share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) key: BootKey,
    pub(super) identity: Identity,
    pub(super) agent: Agent,
    /// One for each definition; replaced only by `define`.
    pub(super) producers: ArcSwap<Vec<Arc<Producer>>>,
    pub(super) counters: Counters,
}

impl Shared {
    pub(super) fn new(key: BootKey, peer: PeerId, name: &str, group: &str) -> Self {
        Self {
            identity: Identity::new(name, group, &key),
            key,
            agent: Agent::new(peer),
            producers: ArcSwap::default(),
            counters: Counters::default(),
        }
    }

    pub(super) fn timed_out(&self, producer: &Producer, ended: &Ended, dest: &PeerWords) {
        add_one(&self.counters.timeouts);
        self.deliver(producer, ended, dest, &Outcome::new(Status::Failed), Reason::Timeout, &[]);
    }

    #[inline(always)]
    pub(super) fn deliver(
        &self,
        producer: &Producer,
        ended: &Ended,
        dest: &PeerWords,
        outcome: &Outcome,
        reason: Reason,
        values: &[Option<MetricValue>],
    ) {
        producer.count_bad(outcome.status, reason);
        let values = if producer.values.is_empty() && values.is_empty() {
            None
        } else {
            self.typed(producer, ended.correlator, values)
        };
        if self.agent.has_consumers() {
            self.agent.deliver(Measured::new(producer.number, ended, dest, outcome, reason, values));
        }
    }

    #[cold]
    fn typed(
        &self,
        producer: &Producer,
        correlator: Correlator,
        values: &[Option<MetricValue>],
    ) -> Option<Arc<[TypedValue]>> {
        let last = self.fitting(producer, values);
        values::typed(&producer.values, &last, &producer.interim.told(correlator))
    }

    /// Those of `values` that fit; the others are counted.
    pub(super) fn fitting(
        &self,
        producer: &Producer,
        values: &[Option<MetricValue>],
    ) -> Vec<Option<MetricValue>> {
        let (fitting, refused) = values::fitting(&producer.values, values);
        self.counters.values_refused.fetch_add(refused, Ordering::Relaxed);
        fitting
    }

    /// The record of what a consumer has taken.
    pub(super) fn record(&self, measured: Measured) -> ArmRecord {
        let peer = self.agent.peer();
        match self.producers.load().get(usize::from(measured.definition)) {
            Some(producer) => measured.record(peer, producer),
            // Definitions stay for as long as the application.
            None => ArmRecord::empty(peer),
        }
    }
}

/// A definition and the pool of its transaction objects.
#[derive(Debug)]
pub(super) struct Producer {
    /// Its place among the definitions of the application.
    pub(super) number: u8,
    pub(super) definition: TransactionDefinition,
    pub(super) pool: TransactionPool,
    /// Whether it is measured at all.
    pub(super) measured: AtomicBool,
    /// Of all transactions that an answer ended in time.
    pub(super) answers: LiveSketch,
    /// Transactions that ended otherwise than well, and those that no answer ended.
    pub(super) failed: AtomicU64,
    pub(super) unanswered: AtomicU64,
    /// Of answers after the timeout.
    pub(super) late: LiveSketch,
    /// The name as records carry it: shared, never copied.
    pub(super) name: Arc<str>,
    /// The typed metrics as records carry them: shared, never copied.
    pub(super) values: Vec<Arc<ValueDefinition>>,
    pub(super) interim: Interim,
    pub(super) with_hold: bool,
    pub(super) with_path: bool,
}

impl Producer {
    pub(super) fn new(number: u8, definition: TransactionDefinition, pool: TransactionPool) -> Self {
        let name = Arc::from(definition.name.as_str());
        let metrics = definition.values.len();
        let values = definition.values.iter().cloned().map(Arc::new).collect();
        let [with_hold, with_path] = [Metric::RemoteHold, Metric::NetworkPath].map(|it| definition.has(it));
        Self {
            number,
            definition,
            pool,
            measured: AtomicBool::new(true),
            answers: LiveSketch::default(),
            failed: AtomicU64::new(0),
            unanswered: AtomicU64::new(0),
            late: LiveSketch::default(),
            name,
            interim: Interim::new(metrics),
            values,
            with_hold,
            with_path,
        }
    }

    pub(super) fn is_measured(&self) -> bool {
        self.measured.load(Ordering::Relaxed)
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
