//! What a transaction did meanwhile: others that are a part of it, as their records say.
//!
//! In: records of all peers. Out: the longest part of a transaction, with its id. Only who asked and who was asked can say
//! what a transaction did.

use std::collections::HashMap;

use overlay::PeerId;
use serde_json::{Value, json};

use super::cause::Cause;
use crate::arm::{ArmRecord, Correlator};

/// A part of a slow transaction that took a time of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// Who measured it: the asker or the receiver.
    pub peer: PeerId,
    /// What it was.
    pub transaction: String,
    /// Which one.
    pub correlator: Correlator,
    /// How long it took.
    pub response_us: u64,
}

impl Child {
    /// `{peer, transaction, corr, response_us}`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "peer": self.peer.to_string(), "transaction": self.transaction, "corr": self.correlator.to_string(),
            "response_us": self.response_us,
        })
    }
}

/// The longest part of each transaction, by the transaction's correlator and by who measured.
pub(super) struct Children<'a>(HashMap<(Correlator, PeerId), &'a ArmRecord>);

impl<'a> Children<'a> {
    pub(super) fn of(records: &'a [ArmRecord]) -> Self {
        let mut children: HashMap<(Correlator, PeerId), &ArmRecord> = HashMap::new();
        for record in records {
            let Some(parent) = record.details.parent else { continue };
            let longest = children.entry((parent.span, record.peer)).or_insert(record);
            if record.response_us > longest.response_us {
                *longest = record;
            }
        }
        Self(children)
    }

    /// The longest of what the asker, and else the receiver, did for this transaction.
    pub(super) fn longest(&self, of: &ArmRecord) -> Option<&'a ArmRecord> {
        let by = |peer| self.0.get(&(of.correlator, peer)).copied();
        let [asker, receiver] = [by(of.peer), by(of.dest)];
        asker.into_iter().chain(receiver).max_by_key(|child| child.response_us)
    }
}

/// What a part of a transaction says of its time: the receiver's is its hold; the asker's is what its name ends with.
pub(super) fn cause_of(child: &ArmRecord, parent: &ArmRecord) -> Cause {
    match child.transaction.rsplit('.').next() {
        _ if child.peer != parent.peer => Cause::RemoteHold,
        Some("lookup") => Cause::Lookup,
        Some("dial") => Cause::Dial,
        _ => Cause::LocalQueue,
    }
}
