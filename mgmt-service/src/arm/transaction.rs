//! Transactions: what an application starts right before it sends a question and stops right after it
//! received the answer (paper §4.3).
//!
//! In: starts and stops, and what happens in between. Out: correlators, exactly one record for each started transaction
//! to every consumer, and its response time in the definition's sketch. Start and stop allocate nothing and wait for
//! nobody, however many threads call them. At most `TRANSACTIONS_IN_FLIGHT_MAX` of a kind are in flight.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use overlay::PeerId;

use super::bind::current;
use super::correlator::Correlator;
use super::definition::TransactionDefinition;
use super::peer_words::PeerWords;
use super::pool::{Ended, NotStopped, Started};
use super::producer::{Producer, Shared, add_one};
use super::record::{DestStatus, Path, Reason, Status};
use super::split::Split;
use super::trace::{Parent, TraceId, Traceparent};
use super::values::MetricValue;
use crate::error::PoolExhausted;

/// How the application saw a transaction end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Good, or what went wrong.
    pub status: Status,
    /// What the receiver said of itself.
    pub dest_status: DestStatus,
    /// How long the receiver says it held the question, in microseconds; more than the whole response time
    /// is cut to that.
    pub hold_us: Option<u64>,
    /// Where the time around it went.
    pub split: Split,
}

impl Outcome {
    /// An outcome of which only the status is known.
    #[must_use]
    pub const fn new(status: Status) -> Self {
        Self { status, dest_status: DestStatus::Unknown, hold_us: None, split: NOT_SPLIT }
    }

    /// A good answer that carried the receiver's status.
    #[must_use]
    pub const fn good(dest_status: DestStatus) -> Self {
        Self { status: Status::Good, dest_status, hold_us: None, split: NOT_SPLIT }
    }
}

/// What a stop did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// It ended the transaction; the record is with every consumer.
    Recorded,
    /// It ended nothing in time: late, doubled (both counted as `late`) or never given to that peer (`forged`).
    Unknown,
    /// The transaction is with another peer and goes on; counted as `wrong_peer`.
    WrongPeer,
    /// The definition is switched off, and was so at the start: nothing was measured, nothing is counted.
    Unmeasured,
}

/// A kind of transaction of an application, with its pool. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Transaction {
    shared: Arc<Shared>,
    producer: Arc<Producer>,
}

impl Transaction {
    pub(super) fn new(shared: Arc<Shared>, producer: Arc<Producer>) -> Self {
        Self { shared, producer }
    }

    /// Starts a transaction with `dest`; call it right before sending, and send the correlator along.
    ///
    /// `wall_ms` is the same moment as `now`, in milliseconds since 1970. The transaction is a part of the
    /// [`current`] one, if there is one. [`Correlator::NONE`] when the definition is switched off.
    ///
    /// # Errors
    /// [`PoolExhausted`] when as many are in flight as may be; counted, and no record is made.
    #[inline]
    pub fn start(
        &self,
        now: Instant,
        wall_ms: u64,
        dest: PeerId,
        path: Path,
    ) -> Result<Correlator, PoolExhausted> {
        if !self.producer.is_measured() {
            return Ok(Correlator::NONE);
        }
        self.start_measured(now, &Started { parent: current(), ..Started::new(wall_ms, dest, path) })
    }

    /// Starts a transaction with a parent and an arrival of the caller's choice.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with(&self, now: Instant, started: &Started) -> Result<Correlator, PoolExhausted> {
        if !self.producer.is_measured() {
            return Ok(Correlator::NONE);
        }
        self.start_measured(now, started)
    }

    fn start_measured(&self, now: Instant, started: &Started) -> Result<Correlator, PoolExhausted> {
        self.producer.pool.start(now, started).inspect_err(|_| add_one(&self.shared.counters.pool_exhausted))
    }

    /// Stops the transaction of `correlator` by an answer of `from`; call it right after receiving.
    ///
    /// An answer that comes at its deadline or later counts as late, whether or not the timer has run.
    #[inline]
    pub fn stop(&self, now: Instant, correlator: Correlator, from: PeerId, outcome: Outcome) -> Stopped {
        self.stop_with(now, correlator, from, outcome, &[])
    }

    /// Stops it with typed values, in the order of the definition; allocates once if there are any. What does not fit
    /// the definition is left out and counted as `values_refused`.
    pub fn stop_with(
        &self,
        now: Instant,
        correlator: Correlator,
        from: PeerId,
        outcome: Outcome,
        values: &[Option<MetricValue>],
    ) -> Stopped {
        if correlator == Correlator::NONE && !self.producer.is_measured() {
            return Stopped::Unmeasured;
        }
        self.stop_measured(now, correlator, &from, &outcome, values)
    }

    /// Apart, so that what is not measured pays for none of its room on the stack.
    #[inline(never)]
    fn stop_measured(
        &self,
        now: Instant,
        correlator: Correlator,
        from: &PeerId,
        outcome: &Outcome,
        values: &[Option<MetricValue>],
    ) -> Stopped {
        let from = PeerWords::of(from);
        match self.producer.pool.stop(now, correlator, &from) {
            Ok(ended) => {
                self.answered(&ended, &from, outcome, values);
                Stopped::Recorded
            }
            Err(not_stopped) => self.not_stopped(&not_stopped, &from),
        }
    }

    #[inline(always)]
    fn answered(&self, ended: &Ended, dest: &PeerWords, outcome: &Outcome, values: &[Option<MetricValue>]) {
        self.producer.answers.record(ended.elapsed_ns);
        self.shared.deliver(&self.producer, ended, dest, outcome, Reason::None, values);
    }

    #[cold]
    fn not_stopped(&self, not_stopped: &NotStopped, from: &PeerWords) -> Stopped {
        let counters = &self.shared.counters;
        match not_stopped {
            NotStopped::Overdue(ended) => {
                add_one(&counters.late);
                self.producer.late.record(ended.elapsed_ns);
                self.shared.timed_out(&self.producer, ended, from);
                Stopped::Unknown
            }
            NotStopped::Late(elapsed_ns) => {
                add_one(&counters.late);
                if let Some(elapsed_ns) = elapsed_ns {
                    self.producer.late.record(*elapsed_ns);
                }
                Stopped::Unknown
            }
            NotStopped::Forged => {
                add_one(&counters.forged);
                Stopped::Unknown
            }
            NotStopped::WrongPeer => {
                add_one(&counters.wrong_peer);
                Stopped::WrongPeer
            }
        }
    }

    /// Tells that a long transaction is still at work: it gets its whole timeout again. False when it is not in flight.
    pub fn update(&self, now: Instant, correlator: Correlator) -> bool {
        let updated = self.producer.pool.update(now, correlator);
        if updated {
            add_one(&self.shared.counters.updates);
        }
        updated
    }

    /// The same, and tells values in the order of the definition: its record has the last ones of each, however it ends.
    /// Allocates; what does not fit the definition is left out and counted as `values_refused`.
    pub fn update_with(&self, now: Instant, correlator: Correlator, values: &[Option<MetricValue>]) -> bool {
        let updated = self.update(now, correlator);
        if updated {
            let values = self.shared.fitting(&self.producer, values);
            self.producer.interim.tell(correlator, &values);
        }
        updated
    }

    /// From now on the transaction waits for something else. False when it does so already, or is not in flight.
    pub fn block(&self, now: Instant, correlator: Correlator) -> bool {
        self.producer.pool.block(now, correlator)
    }

    /// The transaction goes on. False when it was not blocked, or is not in flight.
    pub fn unblock(&self, now: Instant, correlator: Correlator) -> bool {
        self.producer.pool.unblock(now, correlator)
    }

    /// Ends a transaction as if it had never been started: no record. False when it is not in flight.
    pub fn discard(&self, correlator: Correlator) -> bool {
        let discarded = self.producer.pool.discard(correlator);
        if discarded {
            add_one(&self.shared.counters.discarded);
        }
        discarded
    }

    /// Records a transaction that was measured elsewhere, with its response time; returns its correlator.
    pub fn report(
        &self,
        started: &Started,
        response: Duration,
        outcome: Outcome,
        values: &[Option<MetricValue>],
    ) -> Correlator {
        if !self.producer.is_measured() {
            return Correlator::NONE;
        }
        let elapsed_ns = u64::try_from(response.as_nanos()).unwrap_or(u64::MAX);
        let dest = PeerWords::of(&started.dest);
        let ended = Ended { elapsed_ns, ..self.unstarted(started, &dest) };
        add_one(&self.shared.counters.reported);
        self.answered(&ended, &dest, &outcome, values);
        ended.correlator
    }

    /// Records an exchange with `dest` that could not even be sent: `failed`, reason `unreachable`.
    ///
    /// Takes no transaction object, so it works when the pool is exhausted.
    pub fn unreachable(&self, _now: Instant, wall_ms: u64, dest: PeerId) {
        self.unreachable_after(wall_ms, dest, NOT_SPLIT);
    }

    /// As [`Self::unreachable`], given up at `wall_ms` after what `split` says was tried.
    pub fn unreachable_after(&self, wall_ms: u64, dest: PeerId, split: Split) {
        if !self.producer.is_measured() {
            return;
        }
        let started = Started { parent: current(), ..Started::new(wall_ms, dest, Path::None) };
        let dest = PeerWords::of(&dest);
        let ended = self.unstarted(&started, &dest);
        add_one(&self.shared.counters.unreachable);
        let outcome = Outcome { split, ..Outcome::new(Status::Failed) };
        self.shared.deliver(&self.producer, &ended, &dest, &outcome, Reason::Unreachable, &[]);
    }

    fn unstarted(&self, started: &Started, dest: &PeerWords) -> Ended {
        Ended {
            correlator: self.producer.pool.unstarted(dest),
            wall_ms: started.wall_ms,
            path: started.path,
            parent: started.parent,
            queue_us: None,
            elapsed_ns: 0,
            blocked_us: 0,
        }
    }

    /// Switches the definition off, or on again: off, start and stop cost one load each and measure nothing.
    /// Transactions in flight end as ever.
    pub fn set_measured(&self, measured: bool) {
        self.producer.measured.store(measured, Ordering::Relaxed);
    }

    /// Whether the definition is switched on.
    #[must_use]
    pub fn is_measured(&self) -> bool {
        self.producer.is_measured()
    }

    /// The transaction of `correlator` as what others are a part of; ask while it is in flight, since afterwards its own
    /// parent's trace is forgotten. Costs a hash of some hundred nanoseconds when it has no parent.
    #[must_use]
    pub fn as_parent(&self, correlator: Correlator) -> Parent {
        let parent = self.producer.pool.parent(correlator);
        let own = || TraceId::of(&self.shared.agent.peer(), correlator);
        Parent { trace: parent.map_or_else(own, |parent| parent.trace), span: correlator }
    }

    /// The `traceparent` under which others go on with the transaction of `correlator`; as [`Self::as_parent`].
    #[must_use]
    pub fn traceparent(&self, correlator: Correlator, sampled: bool) -> Traceparent {
        let Parent { trace, span } = self.as_parent(correlator);
        Traceparent { trace, span, sampled }
    }

    /// What is measured.
    #[must_use]
    pub fn definition(&self) -> &TransactionDefinition {
        &self.producer.definition
    }
}

const NOT_SPLIT: Split = Split::of([None; 4]);
