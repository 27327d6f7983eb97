//! A root keeps to its wall clock: it was read before the time was set, or the machine has slept since.
//!
//! In: the beat of an aggregator that counts for itself, once an interval. Out: a later beat that all below are told; forward
//! only, since what is closed stays closed. The beat of a parent that is lost is kept as long as children take it: the same
//! one may come back, and nothing could be reported to it until its clock has come so far.

use std::time::Instant;

use super::climbing::Above;
use super::station::Station;
use super::unix;
use crate::aggregate::Drift;

impl Station {
    /// Follows the wall clock where nobody above says what time it is. Otherwise children, whose clocks are right, would
    /// not count by it.
    pub(super) fn keep_to_clock(&mut self) {
        if *self.above.borrow() != Above::Nobody {
            return;
        }
        match self.beat.drift(Instant::now(), unix()) {
            Drift::Little => {}
            Drift::Behind(beat) => {
                tracing::warn!("intervals were behind the wall clock; follows it");
                self.counters.clock_followed.add(1);
                self.beat = beat;
                let told = self.attached();
                self.tell_all(&told);
            }
            Drift::Ahead => {
                tracing::warn!("intervals are ahead of the wall clock");
                self.counters.clock_behind.add(1);
            }
        }
    }
}
