//! What was measured of one transaction, as it waits for a consumer: a few words without names.
//!
//! In: how a transaction ended. Out: its record, made by the consumer that takes it, so that the program that is measured
//! pays for a copy of some words alone.

use std::sync::Arc;

use overlay::PeerId;

use super::correlator::Correlator;
use super::details::Details;
use super::peer_words::{PeerWords, REST_WORDS, USUAL_WORDS};
use super::pool::Ended;
use super::producer::Producer;
use super::record::{ArmRecord, DestStatus, Path, Reason, Status};
use super::split::Split;
use super::transaction::Outcome;
use super::values::TypedValue;

/// An ended transaction.
#[derive(Debug, Clone)]
pub(super) struct Measured {
    at_ms: u64,
    correlator: Correlator,
    elapsed_us: u64,
    /// Header and digest of the peer, as far as nearly all have them.
    dest_header: u16,
    dest: [u64; USUAL_WORDS],
    /// The number of its definition.
    pub(super) definition: u8,
    status: Status,
    dest_status: DestStatus,
    path: Path,
    reason: Reason,
    hold: Micros,
    split: [Micros; 4],
    /// None for the usual ones, which have none.
    more: Option<Box<More>>,
}

/// What few transactions have.
#[derive(Debug, Clone)]
struct More {
    details: Details,
    /// What else the digest of the peer has.
    rest: [u64; REST_WORDS],
}

impl Measured {
    /// What a transaction of definition number `definition` came to. Allocates when it has details, or the peer a
    /// digest of more than 40 bytes, which no kind of key makes.
    #[inline(always)]
    pub(super) fn new(
        definition: u8,
        ended: &Ended,
        dest: &PeerWords,
        outcome: &Outcome,
        reason: Reason,
        values: Option<Arc<[TypedValue]>>,
    ) -> Self {
        let Ended { parent, blocked_us, .. } = *ended;
        let plain = parent.is_none() && blocked_us == 0 && values.is_none() && !dest.is_long();
        let [queue, lookup, dial, network] = outcome.split.values();
        let split = [queue.or(ended.queue_us), lookup, dial, network].map(Micros::new);
        Self {
            at_ms: ended.wall_ms,
            correlator: ended.correlator,
            elapsed_us: ended.elapsed_ns / 1000,
            dest_header: dest.header,
            dest: dest.usual,
            definition,
            status: outcome.status,
            dest_status: outcome.dest_status,
            path: ended.path,
            reason,
            hold: Micros::new(outcome.hold_us),
            split,
            more: (!plain).then(|| {
                let details = Details { parent, blocked_us, values, folded: 0 };
                Box::new(More { details, rest: dest.rest })
            }),
        }
    }

    /// The record of what `peer` measured by the definition of `producer`. Only a transaction that an answer ended has a
    /// response time.
    pub(super) fn record(self, peer: PeerId, producer: &Producer) -> ArmRecord {
        let (details, rest) = self.more.map_or_else(Default::default, |more| (more.details, more.rest));
        let dest = PeerWords { header: self.dest_header, usual: self.dest, rest };
        let hold_us = self.hold.get().filter(|_| producer.with_hold);
        ArmRecord {
            at_ms: self.at_ms,
            peer,
            transaction: Arc::clone(&producer.name),
            // They were made from one.
            dest: dest.peer().unwrap_or(peer),
            dest_status: self.dest_status,
            correlator: self.correlator,
            status: self.status,
            response_us: (self.reason == Reason::None).then_some(self.elapsed_us),
            hold_us: hold_us.map(|hold| hold.min(self.elapsed_us)),
            path: if producer.with_path { self.path } else { Path::None },
            reason: self.reason,
            split: Split::of(self.split.map(Micros::get)),
            details,
        }
    }
}

/// Microseconds up to 71 minutes, or none; longer ones are cut to that.
#[derive(Debug, Clone, Copy)]
struct Micros(u32);

impl Micros {
    fn new(micros: Option<u64>) -> Self {
        Self(micros.map_or(0, |micros| u32::try_from(micros).unwrap_or(u32::MAX).saturating_add(1)))
    }

    fn get(self) -> Option<u64> {
        self.0.checked_sub(1).map(u64::from)
    }
}

const _: () = assert!(size_of::<Measured>() <= 104, "a full queue of them is held for each consumer");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn microseconds_are_kept_up_to_an_hour_and_cut_beyond() {
        let kept = |micros| Micros::new(micros).get();
        assert_eq!(
            (kept(None), kept(Some(0)), kept(Some(3_600_000_000))),
            (None, Some(0), Some(3_600_000_000))
        );
        assert_eq!(kept(Some(u64::MAX)), Some(u64::from(u32::MAX - 1)));
    }
}
