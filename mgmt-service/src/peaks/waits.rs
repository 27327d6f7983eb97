//! How long processes waited for a processor, as their own records tell.
//!
//! In: records of all peers. Out: for how long that can have held up an exchange. A process that has nothing to do waits
//! for nothing, and what all of its threads waited for is more than what one exchange did: this is a bound.

use std::collections::BTreeMap;

use overlay::PeerId;

use crate::arm::{ArmRecord, Wait};
use crate::limits::{CLOCK_SKEW_MAX, WAIT_EDGE, WAIT_SLOT, WAITS_AWAITED_MAX};

/// What each peer that tells of its waits has told, by its own clock.
pub(super) struct Waited {
    by_peer: BTreeMap<PeerId, Told>,
    /// Start of the newest record of anybody, in ms since 1970.
    newest_ms: u64,
}

#[derive(Default)]
struct Told {
    /// In the order of time.
    slots: Vec<Wait>,
    /// Start of its newest record, in ms since 1970.
    newest_ms: u64,
}

impl Waited {
    pub(super) fn of(records: &[ArmRecord]) -> Self {
        let mut all: BTreeMap<PeerId, Told> = BTreeMap::new();
        for record in records {
            for wait in record.waits() {
                all.entry(record.peer).or_default().slots.push(wait);
            }
        }
        for record in records {
            if let Some(told) = all.get_mut(&record.peer) {
                told.newest_ms = told.newest_ms.max(record.at_ms);
            }
        }
        all.values_mut().for_each(|Told { slots, .. }| {
            slots.sort_unstable_by_key(|wait| (wait.until_ms, wait.from_ms));
            // A slot is told once; who tells it again makes it no longer.
            slots.dedup_by_key(|wait| wait.until_ms);
        });
        Self { by_peer: all, newest_ms: records.iter().map(|record| record.at_ms).max().unwrap_or(0) }
    }

    /// Whether `who` has had the time to tell what it waited for until then: slots end, and a record has to follow. One
    /// that never told anything is not waited for, and nobody for longer than [`WAITS_AWAITED_MAX`].
    pub(super) fn has_told(&self, who: &PeerId, until_ms: u64) -> bool {
        let told = |told: &Told| told.newest_ms >= until_ms.saturating_add(2 * ms(WAIT_SLOT));
        self.by_peer.get(who).is_none_or(told)
            || self.newest_ms >= until_ms.saturating_add(ms(WAITS_AWAITED_MAX))
    }

    /// For how many microseconds `who` waited at the edges of this span of its own clock: while it sent, and while it
    /// read the answer.
    pub(super) fn at_edges(&self, who: &PeerId, (from, to): (u64, u64)) -> u64 {
        let edge = ms(WAIT_EDGE);
        if to.saturating_sub(from) <= 2 * edge {
            return self.within(who, from, to);
        }
        self.within(who, from, from + edge).saturating_add(self.within(who, to - edge, to))
    }

    /// The longest that `who` can have waited at once while it answered, somewhere in this span of another's clock: two
    /// slots that follow each other.
    pub(super) fn at_once(&self, who: &PeerId, (from, to): (u64, u64)) -> u64 {
        let skew = ms(CLOCK_SKEW_MAX);
        let slots = self.touching(who, from.saturating_sub(skew), to.saturating_add(skew));
        let follows = |one: &Wait, next: &Wait| next.from_ms <= one.until_ms.saturating_add(1);
        let waits = slots.iter().zip(slots.iter().skip(1).map(Some).chain([None])).map(|(one, next)| {
            let next = next.filter(|next| follows(one, next)).map_or(0, |next| next.waited_ms);
            one.waited_ms.saturating_add(next)
        });
        waits.max().unwrap_or(0).saturating_mul(1000)
    }

    fn within(&self, who: &PeerId, from: u64, to: u64) -> u64 {
        let waits = self.touching(who, from, to).iter().map(|wait| wait.waited_ms);
        // A wait is counted where it ends, so all of a slot counts; but no more than there was time to wait.
        let most = to.saturating_sub(from).saturating_add(1);
        waits.fold(0, u64::saturating_add).min(most).saturating_mul(1000)
    }

    fn touching(&self, who: &PeerId, from: u64, to: u64) -> &[Wait] {
        let slots = self.by_peer.get(who).map_or(&[][..], |told| &told.slots);
        let (first, last) = (
            slots.partition_point(|wait| wait.until_ms < from),
            slots.partition_point(|wait| wait.from_ms <= to),
        );
        slots.get(first..last).unwrap_or_default()
    }
}

fn ms(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
