//! The transaction objects of one definition, made as they are needed: few transactions are in flight at most peers.
//!
//! In: places. Out: slots, and the traces beside them. Begins with `TRANSACTIONS_FIRST` and doubles up to
//! `TRANSACTIONS_IN_FLIGHT_MAX`; what was made stays. Lock-free.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::slot::Slot;
use crate::limits::{TRANSACTIONS_FIRST, TRANSACTIONS_IN_FLIGHT_MAX};

/// Slots by place.
#[derive(Debug)]
pub(super) struct Slots {
    blocks: [OnceLock<Box<Block>>; BLOCKS],
    /// How many slots may be used, those of the first blocks.
    made: AtomicUsize,
}

/// What is made at once.
#[derive(Debug)]
struct Block {
    slots: [Slot; TRANSACTIONS_FIRST],
    /// The traces of transactions that have a parent; made when the first one does.
    traces: OnceLock<Box<[Trace; TRANSACTIONS_FIRST]>>,
}

/// The trace of a transaction; guarded by its slot's state.
pub(super) type Trace = [AtomicU64; 2];

impl Slots {
    pub(super) fn new() -> Self {
        let slots = Self { blocks: [const { OnceLock::new() }; BLOCKS], made: AtomicUsize::new(0) };
        slots.grow(0);
        slots
    }

    /// How many there are: a power of two.
    pub(super) fn made(&self) -> usize {
        self.made.load(Ordering::Acquire)
    }

    /// Makes as many again as the `made` that there were; false when there are as many as there may be.
    #[cold]
    pub(super) fn grow(&self, made: usize) -> bool {
        if made >= TRANSACTIONS_IN_FLIGHT_MAX {
            return false;
        }
        let more = (2 * made).max(TRANSACTIONS_FIRST);
        for block in self.blocks.iter().take(more / TRANSACTIONS_FIRST).filter(|block| block.get().is_none())
        {
            // Made before it is put there, so that nobody waits for the memory.
            let slots = std::array::from_fn(|_| Slot::default());
            let _ = block.set(Box::new(Block { slots, traces: OnceLock::new() }));
        }
        self.made.fetch_max(more, Ordering::AcqRel);
        true
    }

    /// The slot of a transaction, by its number or its sequence number; none beyond those that are made.
    #[inline(always)]
    pub(super) fn get(&self, number: u64) -> Option<&Slot> {
        let place = slot_of(number);
        self.blocks.get(place / TRANSACTIONS_FIRST)?.get()?.slots.get(place % TRANSACTIONS_FIRST)
    }

    /// All slots that are made, beginning with that of `number`, and again with the first after the last.
    pub(super) fn iter_from(&self, number: u64) -> impl Iterator<Item = &Slot> {
        let first = slot_of(number);
        (0..TRANSACTIONS_IN_FLIGHT_MAX).filter_map(move |step| self.get((first + step) as u64))
    }

    /// Where the trace of a transaction is kept; none while none was.
    pub(super) fn trace(&self, number: u64) -> Option<&Trace> {
        let place = slot_of(number);
        let traces = self.blocks.get(place / TRANSACTIONS_FIRST)?.get()?.traces.get()?;
        traces.get(place % TRANSACTIONS_FIRST)
    }

    /// The same, made when it is the first of its block.
    pub(super) fn trace_to_write(&self, number: u64) -> Option<&Trace> {
        let place = slot_of(number);
        let block = self.blocks.get(place / TRANSACTIONS_FIRST)?.get()?;
        if block.traces.get().is_none() {
            let _ = block.traces.set(Box::new(std::array::from_fn(|_| Trace::default())));
        }
        block.traces.get()?.get(place % TRANSACTIONS_FIRST)
    }
}

/// The place of a transaction, by its number or its sequence number.
pub(super) fn slot_of(number: u64) -> usize {
    number as usize & (TRANSACTIONS_IN_FLIGHT_MAX - 1)
}

/// The last number before those whose places begin anew.
pub(super) fn end_of_lap(number: u64) -> u64 {
    number | (TRANSACTIONS_IN_FLIGHT_MAX as u64 - 1)
}

const BLOCKS: usize = TRANSACTIONS_IN_FLIGHT_MAX / TRANSACTIONS_FIRST;

const _: () = assert!(TRANSACTIONS_IN_FLIGHT_MAX.is_power_of_two(), "a slot is named by the low bits");
const _: () =
    assert!(TRANSACTIONS_IN_FLIGHT_MAX.trailing_zeros() == 10, "18 bits of a number are its generation");
const _: () = assert!(TRANSACTIONS_FIRST.is_power_of_two(), "doubling ends at the most");
