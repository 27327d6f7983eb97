//! The transaction pool: the transaction objects of one definition, several in flight at once (paper §4.3,
//! §4.4).
//!
//! In: starts, stops and the passing of time. Out: each started transaction exactly once, when it ends by its
//! answer, its timeout or the end of the application. All memory is taken when the pool is made.
//! Pure: the caller supplies `now`; `poll_timeout` says when to call `expire`.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use overlay::PeerId;

use super::correlator::{BootKey, Correlator};
use super::record::Path;
use crate::error::PoolExhausted;
use crate::limits::TRANSACTIONS_IN_FLIGHT_MAX;

/// What is known of a transaction when it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Started {
    /// When, in milliseconds since 1970.
    pub wall_ms: u64,
    /// Who is asked; only its answer stops the transaction.
    pub dest: PeerId,
    /// The way that the question takes.
    pub path: Path,
}

/// A transaction that has ended; the pool has forgotten it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Its correlator.
    pub correlator: Correlator,
    /// What was known at its start.
    pub started: Started,
    /// Time since its start.
    pub elapsed: Duration,
}

/// Why a stop did not end a transaction in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotStopped {
    /// The answer came after the deadline and before `expire`: the transaction ended here, by its timeout.
    Overdue(Ended),
    /// The correlator was given to this peer and is no longer in flight: a late or doubled answer.
    Late,
    /// The correlator was never given to this peer.
    Forged,
    /// The transaction is in flight with another peer, and stays so.
    WrongPeer,
}

/// The transactions of one definition.
///
/// A correlator's sequence number is the number of the definition (4 bits) and a counter (28 bits). The low
/// bits of the counter name a slot, the others its generation: a slot is used again only with a higher one.
#[derive(Debug)]
pub struct TransactionPool {
    key: BootKey,
    timeout: Duration,
    /// The number of the definition, in the top four bits.
    prefix: u32,
    /// The last counter given out.
    counter: u32,
    slots: Vec<Option<InFlight>>,
    in_flight: usize,
    /// Transactions by start, so by deadline. Stopped ones stay until they come to the front or room is short.
    order: VecDeque<Correlator>,
    /// The latest deadline given, so that a `now` that steps back can't put the order out of order.
    deadline_latest: Option<Instant>,
}

impl TransactionPool {
    /// A pool for the definition with this `number` (0 to 15; higher bits are cut), whose transactions fail
    /// after `timeout`.
    #[must_use]
    pub fn new(key: BootKey, number: u8, timeout: Duration) -> Self {
        Self {
            key,
            timeout,
            prefix: u32::from(number) << COUNTER_BITS,
            counter: 0,
            slots: vec![None; TRANSACTIONS_IN_FLIGHT_MAX],
            in_flight: 0,
            order: VecDeque::with_capacity(ORDER_MAX),
            deadline_latest: None,
        }
    }

    /// Takes a transaction object for an exchange with `started.dest`.
    ///
    /// Constant time as long as the pool is not nearly full, else at most one step for each of its objects.
    ///
    /// # Errors
    /// [`PoolExhausted`] when all objects are in flight.
    pub fn start(&mut self, now: Instant, started: Started) -> Result<Correlator, PoolExhausted> {
        if self.in_flight >= TRANSACTIONS_IN_FLIGHT_MAX {
            return Err(PoolExhausted { max: TRANSACTIONS_IN_FLIGHT_MAX });
        }
        let seq = self.next_free();
        let correlator = Correlator::derive(&self.key, seq, &started.dest);
        // Timeouts are at most an hour; an instant that far from now always exists.
        let due = now.checked_add(self.timeout).unwrap_or(now);
        let deadline = self.deadline_latest.map_or(due, |latest| latest.max(due));
        self.deadline_latest = Some(deadline);
        self.remember_order(correlator);
        if let Some(slot) = self.slots.get_mut(slot_of(seq)) {
            *slot = Some(InFlight { correlator, started, at: now, deadline });
            self.in_flight += 1;
        }
        Ok(correlator)
    }

    /// Ends the transaction of `correlator` by an answer from `from`.
    ///
    /// # Errors
    /// [`NotStopped`] tells why the answer did not count. Only [`NotStopped::Overdue`] ends the transaction.
    pub fn stop(&mut self, now: Instant, correlator: Correlator, from: &PeerId) -> Result<Ended, NotStopped> {
        let Some(live) = self.live(correlator) else {
            let issued = correlator == Correlator::derive(&self.key, correlator.seq(), from);
            return Err(if issued { NotStopped::Late } else { NotStopped::Forged });
        };
        if live.started.dest != *from {
            return Err(NotStopped::WrongPeer);
        }
        let overdue = now >= live.deadline;
        let Some(ended) = self.take(now, correlator) else {
            return Err(NotStopped::Late);
        };
        if overdue { Err(NotStopped::Overdue(ended)) } else { Ok(ended) }
    }

    /// The next transaction whose deadline has come, oldest first; call it until it gives none.
    pub fn expire(&mut self, now: Instant) -> Option<Ended> {
        let due = self.poll_timeout().is_some_and(|deadline| deadline <= now);
        if due { self.end_oldest(now) } else { None }
    }

    /// Ends the oldest transaction whatever its deadline; for an application that stops.
    pub fn end_oldest(&mut self, now: Instant) -> Option<Ended> {
        let oldest = self.order.front().copied()?;
        self.take(now, oldest)
    }

    /// A correlator for an exchange with `dest` that was never started, so that its record has one too.
    pub fn unstarted(&mut self, dest: &PeerId) -> Correlator {
        let seq = self.advance();
        Correlator::derive(&self.key, seq, dest)
    }

    /// The earliest deadline of a transaction in flight.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.order.front().and_then(|oldest| self.live(*oldest)).map(|live| live.deadline)
    }

    /// Transactions in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Counts on until a counter falls on an empty slot; there is one.
    fn next_free(&mut self) -> u32 {
        let mut seq = self.advance();
        for _ in 0..TRANSACTIONS_IN_FLIGHT_MAX {
            if matches!(self.slots.get(slot_of(seq)), Some(None)) {
                break;
            }
            seq = self.advance();
        }
        seq
    }

    fn advance(&mut self) -> u32 {
        self.counter = self.counter.wrapping_add(1) & COUNTER_MASK;
        self.prefix | self.counter
    }

    fn live(&self, correlator: Correlator) -> Option<&InFlight> {
        let slot = self.slots.get(slot_of(correlator.seq()))?;
        slot.as_ref().filter(|live| live.correlator == correlator)
    }

    fn take(&mut self, now: Instant, correlator: Correlator) -> Option<Ended> {
        self.live(correlator)?;
        let live = self.slots.get_mut(slot_of(correlator.seq()))?.take()?;
        self.in_flight -= 1;
        while self.order.front().is_some_and(|oldest| self.live(*oldest).is_none()) {
            self.order.pop_front();
        }
        Some(Ended { correlator, started: live.started, elapsed: now.saturating_duration_since(live.at) })
    }

    /// Appends to the order. One that never ends can hold up the front while others come and go behind it;
    /// then the ended ones are swept out, which costs one step each per start.
    fn remember_order(&mut self, correlator: Correlator) {
        if self.order.len() >= ORDER_MAX {
            let slots = &self.slots;
            self.order.retain(|queued| {
                let slot = slots.get(slot_of(queued.seq())).and_then(Option::as_ref);
                slot.is_some_and(|live| live.correlator == *queued)
            });
        }
        self.order.push_back(correlator);
    }
}

/// A transaction between start and end.
#[derive(Debug, Clone, Copy)]
struct InFlight {
    correlator: Correlator,
    started: Started,
    at: Instant,
    deadline: Instant,
}

fn slot_of(seq: u32) -> usize {
    (seq & COUNTER_MASK) as usize & (TRANSACTIONS_IN_FLIGHT_MAX - 1)
}

/// Bits of the counter in a sequence number; the others number the definition.
const COUNTER_BITS: u32 = 28;
const COUNTER_MASK: u32 = (1 << COUNTER_BITS) - 1;

/// Places in the order of deadlines: twice the objects, so that a sweep always frees at least half.
const ORDER_MAX: usize = 2 * TRANSACTIONS_IN_FLIGHT_MAX;

const _: () = assert!(TRANSACTIONS_IN_FLIGHT_MAX.is_power_of_two(), "a slot is named by the low bits");

#[cfg(test)]
mod tests;
