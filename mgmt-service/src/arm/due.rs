//! When a pool's next transaction may be due, remembered so that asking costs one load.
//!
//! In: the earliest deadline that a look at all transactions found. Out: a time before which none is due. All transactions
//! of a pool have one timeout and heartbeats only put it off, so what starts later is due later, and the time stays right
//! until it has come, whatever starts and ends meanwhile.

use std::sync::atomic::{AtomicU64, Ordering};

/// Nanoseconds of the pool's clock; 0 when nothing was in flight at the last look.
#[derive(Debug, Default)]
pub(super) struct Due(AtomicU64);

impl Due {
    /// No transaction is due before; none when somebody has to look.
    pub(super) fn known(&self) -> Option<u64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|due| *due > 0)
    }

    /// Remembers what a look at all transactions found.
    pub(super) fn found(&self, earliest: Option<u64>) {
        self.0.store(earliest.unwrap_or(0), Ordering::Relaxed);
    }
}
