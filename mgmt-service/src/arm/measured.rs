//! What was measured of one transaction, as it waits for a consumer: plain words, no names.
//!
//! In: how a transaction ended. Out: its record, made by the consumer that takes it, so that the program that is measured
//! pays for a copy of some words alone.

use std::sync::Arc;

use overlay::PeerId;

use super::details::Details;
use super::pool::Ended;
use super::producer::Producer;
use super::record::{ArmRecord, Path, Reason};
use super::transaction::Outcome;
use super::values::TypedValue;

/// An ended transaction.
#[derive(Debug, Clone)]
pub(super) struct Measured {
    /// The number of its definition.
    pub(super) definition: u8,
    pub(super) ended: Ended,
    pub(super) dest: PeerId,
    pub(super) outcome: Outcome,
    pub(super) reason: Reason,
    pub(super) values: Option<Arc<[TypedValue]>>,
}

impl Measured {
    /// The record of what `peer` measured by the definition of `producer`. Only a transaction that an answer ended has a
    /// response time.
    pub(super) fn record(self, peer: PeerId, producer: &Producer) -> ArmRecord {
        let Self { ended, dest, outcome, reason, values, .. } = self;
        let elapsed_us = ended.elapsed_ns / 1000;
        let mut split = outcome.split;
        split.queue_us = split.queue_us.or(ended.queue_us);
        ArmRecord {
            at_ms: ended.wall_ms,
            peer,
            transaction: Arc::clone(&producer.name),
            dest,
            dest_status: outcome.dest_status,
            correlator: ended.correlator,
            status: outcome.status,
            response_us: (reason == Reason::None).then_some(elapsed_us),
            hold_us: outcome.hold_us.filter(|_| producer.with_hold).map(|hold| hold.min(elapsed_us)),
            path: if producer.with_path { ended.path } else { Path::None },
            reason,
            split,
            details: Details { parent: ended.parent, blocked_us: ended.blocked_us, values },
        }
    }
}
