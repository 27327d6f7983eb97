//! Transactions: what an application starts right before it sends a question and stops right after it
//! received the answer (paper §4.3).
//!
//! In: starts and stops. Out: correlators, and exactly one record for each started transaction, to every
//! consumer. Start and stop allocate nothing, and hold one short lock of their own definition that nobody
//! keeps while waiting. At most `TRANSACTIONS_IN_FLIGHT_MAX` of a kind are in flight.

use std::sync::Arc;
use std::time::{Duration, Instant};

use overlay::PeerId;

use super::correlator::Correlator;
use super::definition::TransactionDefinition;
use super::pool::{Ended, NotStopped, Started};
use super::producer::{Producer, Shared, add_one};
use super::record::{DestStatus, Path, Reason, Status};
use super::split::Split;
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
    /// `wall_ms` is the same moment as `now`, in milliseconds since 1970.
    ///
    /// # Errors
    /// [`PoolExhausted`] when as many are in flight as may be; counted, and no record is made.
    pub fn start(
        &self,
        now: Instant,
        wall_ms: u64,
        dest: PeerId,
        path: Path,
    ) -> Result<Correlator, PoolExhausted> {
        let started = self.producer.pool().start(now, Started { wall_ms, dest, path });
        let counters = &self.shared.counters;
        add_one(if started.is_ok() { &counters.started } else { &counters.pool_exhausted });
        started
    }

    /// Stops the transaction of `correlator` by an answer of `from`; call it right after receiving.
    ///
    /// An answer that comes at its deadline or later counts as late, whether or not the timer has run.
    pub fn stop(&self, now: Instant, correlator: Correlator, from: PeerId, outcome: Outcome) -> Stopped {
        let stopped = self.producer.pool().stop(now, correlator, &from);
        let (shared, counters) = (&self.shared, &self.shared.counters);
        match stopped {
            Ok(ended) => {
                add_one(&counters.stopped);
                shared.deliver(&self.producer, &ended, &outcome, Reason::None);
                Stopped::Recorded
            }
            Err(NotStopped::Overdue(ended)) => {
                add_one(&counters.late);
                shared.timed_out(&self.producer, &ended);
                Stopped::Unknown
            }
            Err(NotStopped::Late) => {
                add_one(&counters.late);
                Stopped::Unknown
            }
            Err(NotStopped::Forged) => {
                add_one(&counters.forged);
                Stopped::Unknown
            }
            Err(NotStopped::WrongPeer) => {
                add_one(&counters.wrong_peer);
                Stopped::WrongPeer
            }
        }
    }

    /// Records an exchange with `dest` that could not even be sent: `failed`, reason `unreachable`.
    ///
    /// Takes no transaction object, so it works when the pool is exhausted.
    pub fn unreachable(&self, _now: Instant, wall_ms: u64, dest: PeerId) {
        let correlator = self.producer.pool().unstarted(&dest);
        let started = Started { wall_ms, dest, path: Path::None };
        let ended = Ended { correlator, started, elapsed: Duration::ZERO };
        add_one(&self.shared.counters.unreachable);
        self.shared.deliver(&self.producer, &ended, &Outcome::new(Status::Failed), Reason::Unreachable);
    }

    /// What is measured.
    #[must_use]
    pub fn definition(&self) -> &TransactionDefinition {
        &self.producer.definition
    }
}

const NOT_SPLIT: Split = Split::of([None; 4]);
