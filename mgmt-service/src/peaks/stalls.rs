//! When processes stood still by themselves, as their own late questions tell that no lack of processors explains.

use std::collections::BTreeMap;

use overlay::PeerId;

use super::waits::Waited;
use crate::arm::ArmRecord;
use crate::limits::{CLOCK_SKEW_MAX, PEAK_EXCESS_MIN};

/// Of each peer: start and end of its stalls in ms since 1970, by its own clock.
pub(super) struct Stalls(BTreeMap<PeerId, Vec<(u64, u64)>>);

impl Stalls {
    pub(super) fn of(records: &[ArmRecord], waited: &Waited) -> Self {
        let mut stalls: BTreeMap<PeerId, Vec<(u64, u64)>> = BTreeMap::new();
        let least = u64::try_from(PEAK_EXCESS_MIN.as_millis()).unwrap_or(u64::MAX);
        for record in records {
            let mut late_ms = record.split.queue_us.unwrap_or(0) / 1000;
            if late_ms >= least {
                let span = (record.at_ms.saturating_sub(late_ms), record.at_ms);
                late_ms = late_ms.saturating_sub(waited.at_edges(&record.peer, span) / 1000);
            }
            if late_ms >= least {
                let stall = (record.at_ms.saturating_sub(late_ms), record.at_ms);
                stalls.entry(record.peer).or_default().push(stall);
            }
        }
        stalls.values_mut().for_each(|stalls| stalls.sort_unstable());
        Self(stalls)
    }

    /// The longest time in this span of `asker`'s clock for which `who` stood still at once, in milliseconds.
    pub(super) fn during(&self, who: &PeerId, asker: PeerId, (from, to): (u64, u64)) -> u64 {
        // The clocks of two peers differ.
        let skew = if *who == asker { 0 } else { u64::try_from(CLOCK_SKEW_MAX.as_millis()).unwrap_or(0) };
        let (from, to) = (from.saturating_sub(skew), to.saturating_add(skew));
        let overlap = |(start, end): &(u64, u64)| (*end).min(to).saturating_sub((*start).max(from));
        self.0.get(who).into_iter().flatten().map(overlap).max().unwrap_or(0)
    }
}
