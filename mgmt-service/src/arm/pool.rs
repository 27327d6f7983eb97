//! The transaction pool: the transaction objects of one definition, several in flight at once (paper §4.3,
//! §4.4).
//!
//! In: starts, stops and the passing of time, from any number of threads. Out: each started transaction exactly once,
//! when it ends by its answer, its timeout, a discard or the end of the application. Memory is taken when more are in flight
//! than ever before, and nobody waits for anybody.
//! Pure: the caller supplies `now`; `poll_timeout` says when to call `expire`.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use overlay::PeerId;

use super::correlator::{BootKey, Correlator};
use super::due::Due;
use super::peer_words::PeerWords;
use super::record::Path;
use super::slot::{NUMBER_MASK, Phase, Slot, Start, State};
use super::slots::Slots;
use super::trace::{Parent, TraceId};
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
    /// The transaction that this one is a part of.
    pub parent: Option<Parent>,
    /// When the work arrived that this transaction does; what it waited until it was started is its
    /// [`queue_us`](super::Split::queue_us), unless its outcome says another.
    pub arrived: Option<Instant>,
}

impl Started {
    /// A start without parent and arrival.
    #[must_use]
    pub const fn new(wall_ms: u64, dest: PeerId, path: Path) -> Self {
        Self { wall_ms, dest, path, parent: None, arrived: None }
    }
}

/// A transaction that has ended; the pool has forgotten it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) correlator: Correlator,
    /// When it was started, in milliseconds since 1970.
    pub(super) wall_ms: u64,
    pub(super) path: Path,
    pub(super) parent: Option<Parent>,
    /// Microseconds between arrival and start, at most 71 minutes; none below one.
    pub(super) queue_us: Option<u64>,
    /// Nanoseconds since its start.
    pub(super) elapsed_ns: u64,
    /// Microseconds of these in which it was blocked.
    pub(super) blocked_us: u64,
}

/// Why a stop did not end a transaction in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotStopped {
    /// The answer came after the deadline and before `expire`: the transaction ended here, by its timeout.
    Overdue(Ended),
    /// The correlator was given to this peer and is no longer in flight: an answer after the timeout, so many
    /// nanoseconds after its start, or a doubled one, or one whose start is forgotten.
    Late(Option<u64>),
    /// The correlator was never given to this peer.
    Forged,
    /// The transaction is in flight with another peer, and stays so.
    WrongPeer,
}

/// The transactions of one definition.
///
/// Each has a number that is never used twice. A correlator's sequence number is the number of the definition (4 bits)
/// and the low 28 bits of the transaction's. The low bits of these name a slot, the others its generation.
#[derive(Debug)]
pub(super) struct TransactionPool {
    key: BootKey,
    timeout_ns: u64,
    /// The number of the definition, in the top four bits of a sequence number.
    prefix: u32,
    /// Before the first start, so that a clock that steps back a little still counts.
    origin: OnceLock<Instant>,
    slots: Slots,
    issued: Issued,
    due: Due,
}

/// The last number given out, on a cache line of its own, since every start changes it.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Issued(AtomicU64);

impl TransactionPool {
    /// A pool for the definition with this `number` (0 to 15; higher bits are cut), whose transactions fail
    /// after `timeout`.
    pub(super) fn new(key: BootKey, number: u8, timeout: Duration) -> Self {
        Self {
            key,
            timeout_ns: nanos(timeout),
            prefix: u32::from(number) << NUMBER_MASK.count_ones(),
            origin: OnceLock::new(),
            slots: Slots::new(),
            issued: Issued::default(),
            due: Due::default(),
        }
    }

    /// Takes a transaction object for an exchange with `started.dest`.
    ///
    /// Constant time as long as the pool is not nearly full, else at most one step for each of its objects.
    ///
    /// # Errors
    /// [`PoolExhausted`] when all objects are in flight.
    #[inline(always)]
    pub(super) fn start(&self, now: Instant, started: &Started) -> Result<Correlator, PoolExhausted> {
        let dest = PeerWords::of(&started.dest);
        let queued_us = started.arrived.map_or(0, |arrived| micros_since(arrived, now));
        let start = Start {
            at_ns: self.ns(now),
            wall_ms: started.wall_ms,
            path: started.path,
            queued_us,
            parent: started.parent.map_or(0, |parent| parent.span.0),
        };
        for _ in 0..TRANSACTIONS_IN_FLIGHT_MAX {
            let number = self.next_number();
            let Some(slot) = self.slots.get(number).filter(|slot| slot.claim(number)) else { continue };
            if let Some(parent) = started.parent {
                self.write_trace(number, parent.trace);
            }
            let correlator = self.correlator(number, &dest);
            slot.open(State::of(correlator.0, Phase::Live), &start, &dest);
            return Ok(correlator);
        }
        Err(PoolExhausted { max: TRANSACTIONS_IN_FLIGHT_MAX })
    }

    /// Ends the transaction of `correlator` by an answer from `from`.
    ///
    /// # Errors
    /// [`NotStopped`] tells why the answer did not count. Only [`NotStopped::Overdue`] ends the transaction.
    #[inline(always)]
    pub(super) fn stop(
        &self,
        now: Instant,
        correlator: Correlator,
        from: &PeerWords,
    ) -> Result<Ended, NotStopped> {
        let Some((slot, live)) = self.live(correlator) else {
            return Err(self.not_live(now, correlator, from));
        };
        if !slot.is_with(from) {
            let other = slot.still(live);
            return Err(if other { NotStopped::WrongPeer } else { self.not_live(now, correlator, from) });
        }
        let now_ns = self.ns(now);
        let overdue = self.deadline_ns(slot) <= now_ns;
        let ended = self.ended(slot, correlator, now_ns);
        if !slot.pass(live, Phase::Free) {
            return Err(self.not_live(now, correlator, from));
        }
        if overdue { Err(NotStopped::Overdue(ended)) } else { Ok(ended) }
    }

    /// Ends the transaction of `correlator` as if it had never been started; false when it is not in flight.
    pub(super) fn discard(&self, correlator: Correlator) -> bool {
        self.live(correlator).is_some_and(|(slot, live)| slot.pass(live, Phase::Free))
    }

    /// Gives the transaction a whole timeout again from `now` on; false when it is not in flight.
    pub(super) fn update(&self, now: Instant, correlator: Correlator) -> bool {
        let Some((slot, live)) = self.live(correlator) else { return false };
        let since_us = self.ns(now).saturating_sub(slot.at_ns()).div_ceil(1000);
        slot.extended.update(live.generation(), |extended| Some(extended.max(since_us))).is_some()
    }

    /// Blocked time begins; false when it has begun already, or the transaction is not in flight.
    pub(super) fn block(&self, now: Instant, correlator: Correlator) -> bool {
        let Some((slot, live)) = self.live(correlator) else { return false };
        let since_us = self.ns(now).saturating_sub(slot.at_ns()) / 1000;
        let begin = |since: u64| (since == 0).then_some(since_us + 1);
        slot.blocked_since.update(live.generation(), begin).is_some()
    }

    /// Blocked time ends; false when none had begun, or the transaction is not in flight.
    pub(super) fn unblock(&self, now: Instant, correlator: Correlator) -> bool {
        let Some((slot, live)) = self.live(correlator) else { return false };
        let now_us = self.ns(now).saturating_sub(slot.at_ns()) / 1000;
        let end = |since: u64| (since != 0).then_some(0);
        let Some(since) = slot.blocked_since.update(live.generation(), end) else { return false };
        let blocked_us = now_us.saturating_sub(since.saturating_sub(1));
        slot.blocked.update(live.generation(), |blocked| Some(blocked.saturating_add(blocked_us))).is_some()
    }

    /// Ends all transactions whose deadline has come, oldest first. Looks at each object, but not before one can be due.
    pub(super) fn expire(&self, now: Instant, each: impl FnMut(&Ended, &PeerWords)) -> usize {
        let now_ns = self.ns(now);
        if self.due.known().is_some_and(|due| now_ns < due) {
            return 0;
        }
        let ended = self.end(now_ns, Phase::Expired, |slot| self.deadline_ns(slot) <= now_ns, each);
        self.due.found(self.earliest_ns());
        ended
    }

    /// Ends all transactions, for an application that stops. Looks at each object.
    pub(super) fn end_all(&self, now: Instant, each: impl FnMut(&Ended, &PeerWords)) -> usize {
        let ended = self.end(self.ns(now), Phase::Free, |_| true, each);
        self.due.found(self.earliest_ns());
        ended
    }

    /// A correlator for an exchange with `dest` that was never started, so that its record has one too.
    pub(super) fn unstarted(&self, dest: &PeerWords) -> Correlator {
        self.correlator(self.next_number(), dest)
    }

    /// When to call [`Self::expire`]: at the earliest deadline of those in flight, or before, when the transaction whose
    /// deadline it was has ended since or got more time. One load, unless nothing was in flight at the last look.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let due = self.due.known().or_else(|| {
            let earliest = self.earliest_ns();
            self.due.found(earliest);
            earliest
        });
        self.origin.get()?.checked_add(Duration::from_nanos(due?))
    }

    fn earliest_ns(&self) -> Option<u64> {
        let live = self.slots.iter_from(0).filter(|slot| slot.state().phase() == Phase::Live);
        live.map(|slot| self.deadline_ns(slot)).min()
    }

    /// Transactions in flight. Looks at each object.
    pub(super) fn in_flight(&self) -> usize {
        self.slots
            .iter_from(0)
            .filter(|slot| matches!(slot.state().phase(), Phase::Live | Phase::Claimed))
            .count()
    }

    fn end(
        &self,
        now_ns: u64,
        to: Phase,
        due: impl Fn(&Slot) -> bool,
        mut each: impl FnMut(&Ended, &PeerWords),
    ) -> usize {
        let mut count = 0;
        // The slot that is used next holds the oldest number, unless starts had to go round others.
        for slot in self.slots.iter_from(self.issued.0.load(Ordering::Relaxed) + 1) {
            let state = slot.state();
            if state.phase() != Phase::Live || !due(slot) {
                continue;
            }
            let correlator = Correlator(u64::from(self.prefix) << 32 | state.body());
            let (ended, dest) = (self.ended(slot, correlator, now_ns), slot.dest());
            if slot.pass(state, to) {
                each(&ended, &dest);
                count += 1;
            }
        }
        count
    }

    /// What the transaction of `correlator` is a part of; none as well when it is not in flight.
    pub(super) fn parent(&self, correlator: Correlator) -> Option<Parent> {
        let (slot, live) = self.live(correlator)?;
        let parent = self.parent_of(slot.view().start.parent, correlator);
        if slot.still(live) { parent } else { None }
    }

    #[inline(always)]
    fn ended(&self, slot: &Slot, correlator: Correlator, now_ns: u64) -> Ended {
        let view = slot.view();
        let elapsed_ns = now_ns.saturating_sub(view.start.at_ns);
        Ended {
            correlator,
            wall_ms: view.start.wall_ms,
            path: view.start.path,
            parent: self.parent_of(view.start.parent, correlator),
            queue_us: (view.start.queued_us > 0).then(|| view.start.queued_us.into()),
            elapsed_ns,
            blocked_us: view.blocked_us(elapsed_ns / 1000),
        }
    }

    #[inline(always)]
    fn parent_of(&self, span: u64, correlator: Correlator) -> Option<Parent> {
        if span == 0 { None } else { self.read_trace(span, correlator) }
    }

    #[cold]
    fn read_trace(&self, span: u64, correlator: Correlator) -> Option<Parent> {
        let [high, low] = self.slots.trace(correlator.seq().into())?;
        let load = |word: &AtomicU64| u128::from(word.load(Ordering::Relaxed));
        let trace = TraceId::from_bytes((load(high) << 64 | load(low)).to_be_bytes());
        Some(Parent { trace, span: Correlator(span) })
    }

    fn write_trace(&self, number: u64, trace: TraceId) {
        let trace = u128::from_be_bytes(trace.to_bytes());
        if let Some([high, low]) = self.slots.trace_to_write(number) {
            high.store((trace >> 64) as u64, Ordering::Relaxed);
            low.store(trace as u64, Ordering::Relaxed);
        }
    }

    /// The slot of `correlator` while its transaction is in flight, and the state that says so.
    fn live(&self, correlator: Correlator) -> Option<(&Slot, State)> {
        let slot = self.slots.get(correlator.seq().into())?;
        let live = State::of(correlator.0, Phase::Live);
        (self.is_ours(correlator) && slot.state() == live).then_some((slot, live))
    }

    /// Whether an answer without a transaction is late or forged. Off the fast path.
    #[cold]
    fn not_live(&self, now: Instant, correlator: Correlator, from: &PeerWords) -> NotStopped {
        let expired = State::of(correlator.0, Phase::Expired);
        let slot = self.slots.get(correlator.seq().into());
        if let Some(slot) = slot.filter(|slot| self.is_ours(correlator) && slot.state() == expired) {
            let elapsed_ns = self.ns(now).saturating_sub(slot.at_ns());
            if slot.is_with(from) && slot.pass(expired, Phase::Free) {
                return NotStopped::Late(Some(elapsed_ns));
            }
        }
        // The correlator has the low bits of the number; it was given in this lap or the one before.
        let last = self.issued.0.load(Ordering::Relaxed);
        let low = u64::from(correlator.seq()) & NUMBER_MASK;
        let laps = [last & !NUMBER_MASK, (last & !NUMBER_MASK).wrapping_sub(NUMBER_MASK + 1)];
        let mut numbers = laps.into_iter().map(|lap| lap | low).filter(|number| (1..=last).contains(number));
        let given = numbers.any(|number| self.correlator(number, from) == correlator);
        if given { NotStopped::Late(None) } else { NotStopped::Forged }
    }

    fn is_ours(&self, correlator: Correlator) -> bool {
        u64::from(correlator.seq()) & !NUMBER_MASK == u64::from(self.prefix)
    }

    /// A number that was never given.
    fn next_number(&self) -> u64 {
        self.issued.0.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn correlator(&self, number: u64, dest: &PeerWords) -> Correlator {
        let seq = self.prefix | (number & NUMBER_MASK) as u32;
        // The definition is part of what is hashed, so that no two of an application have a token in common.
        Correlator::derive(&self.key, u64::from(self.prefix) << 32 | number, seq, dest)
    }

    fn deadline_ns(&self, slot: &Slot) -> u64 {
        let extended_ns = slot.extended.value().saturating_mul(1000);
        slot.at_ns().saturating_add(self.timeout_ns).saturating_add(extended_ns)
    }

    fn ns(&self, now: Instant) -> u64 {
        let origin = self.origin.get_or_init(|| now.checked_sub(STEP_BACK_MAX).unwrap_or(now));
        nanos(now.saturating_duration_since(*origin))
    }
}

/// Microseconds, at most an hour and a bit.
fn micros_since(earlier: Instant, now: Instant) -> u32 {
    u32::try_from(now.saturating_duration_since(earlier).as_micros()).unwrap_or(u32::MAX)
}

/// Nanoseconds, at most 584 years.
fn nanos(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(duration.subsec_nanos()))
}

/// How far a caller's `now` may lie before the first one.
const STEP_BACK_MAX: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests;
