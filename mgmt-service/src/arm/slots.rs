//! The transaction objects of one definition, and the traces of those that are a part of others.
//!
//! In: numbers. Out: slots, in turn, so that numbers without a gap go round all of them. 128 KiB for
//! `TRANSACTIONS_IN_FLIGHT_MAX` slots; the traces, 16 KiB, are made when the first transaction has a parent. Lock-free.

use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;

use super::slot::Slot;
use crate::limits::TRANSACTIONS_IN_FLIGHT_MAX;

/// Slots by place.
#[derive(Debug)]
pub(super) struct Slots {
    slots: Box<[Slot]>,
    traces: OnceLock<Box<[Trace]>>,
}

/// The trace of a transaction; guarded by its slot's state.
pub(super) type Trace = [AtomicU64; 2];

impl Slots {
    pub(super) fn new() -> Self {
        let slots = (0..TRANSACTIONS_IN_FLIGHT_MAX).map(|_| Slot::default()).collect();
        Self { slots, traces: OnceLock::new() }
    }

    /// The slot of a transaction, by its number or its sequence number; there always is one.
    #[inline(always)]
    pub(super) fn get(&self, number: u64) -> Option<&Slot> {
        self.slots.get(slot_of(number))
    }

    /// All slots, beginning with that of `number`, and again with the first after the last.
    pub(super) fn iter_from(&self, number: u64) -> impl Iterator<Item = &Slot> {
        let (before, from) = self.slots.split_at(slot_of(number).min(self.slots.len()));
        from.iter().chain(before)
    }

    /// Where the trace of a transaction is kept; none while none was.
    pub(super) fn trace(&self, number: u64) -> Option<&Trace> {
        self.traces.get()?.get(slot_of(number))
    }

    /// The same, made when it is the first.
    pub(super) fn trace_to_write(&self, number: u64) -> Option<&Trace> {
        if self.traces.get().is_none() {
            // Made before it is put there, so that nobody waits for the memory.
            let traces = (0..TRANSACTIONS_IN_FLIGHT_MAX).map(|_| Trace::default()).collect();
            let _ = self.traces.set(traces);
        }
        self.trace(number)
    }
}

/// The place of a transaction, by its number or its sequence number.
pub(super) fn slot_of(number: u64) -> usize {
    number as usize & (TRANSACTIONS_IN_FLIGHT_MAX - 1)
}

const _: () = assert!(TRANSACTIONS_IN_FLIGHT_MAX.is_power_of_two(), "a slot is named by the low bits");
const _: () =
    assert!(TRANSACTIONS_IN_FLIGHT_MAX.trailing_zeros() == 10, "18 bits of a number are its generation");
