//! Outages: stretches in which a pair's exchanges failed, and why.
//!
//! In: records of all peers, in any order. Out: outages in the order of their starts. A question that could not be sent
//! says itself what was tried. Of one that was sent and never answered, others tell: the asker or the receiver stood
//! still for most of that time, as its own late questions show; the receiver asked others or the asker meanwhile, so it
//! was the link that was down; the transport's own pings came back, so the link was not. Costs a sort.

use std::collections::BTreeMap;

use overlay::PeerId;
use serde_json::{Value, json};

use super::cause::Cause;
use super::run::{by_pair, runs};
use super::stalls::Stalls;
use super::waits::Waited;
use crate::arm::{ArmRecord, Reason, Status, rfc3339_ms};

/// A stretch of failed exchanges of one pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// Who asked.
    pub peer: PeerId,
    /// Who was asked.
    pub dest: PeerId,
    /// What was measured.
    pub transaction: String,
    /// Start of the first that failed, in ms since 1970.
    pub since_ms: u64,
    /// Start of the first that succeeded again; of the last that failed, if none has.
    pub until_ms: u64,
    /// Whether one has succeeded again.
    pub is_over: bool,
    /// How many failed.
    pub count: u64,
    /// How many of them could not even be sent.
    pub unreachable: u64,
    /// Why.
    pub cause: Cause,
}

/// The outages among `records`, with their causes.
#[must_use]
pub fn outages(records: &[ArmRecord]) -> Vec<Outage> {
    let evidence = Evidence::of(records);
    let mut outages: Vec<Outage> = Vec::new();
    for pair in by_pair(records.iter()) {
        outages.extend(runs(&pair, has_failed).filter_map(|run| Outage::of(&run, &pair, &evidence)));
    }
    outages.sort_by_key(|outage| outage.since_ms);
    outages
}

impl Outage {
    fn of(run: &[&ArmRecord], pair: &[&ArmRecord], evidence: &Evidence) -> Option<Self> {
        let (first, last) = (run.first()?, run.last()?);
        let later = pair.get(pair.partition_point(|record| record.at_ms <= last.at_ms)..).unwrap_or_default();
        let again = later.iter().find(|record| record.status == Status::Good);
        let outage = Self {
            peer: first.peer,
            dest: first.dest,
            transaction: first.transaction.to_string(),
            since_ms: first.at_ms.saturating_sub(first.split.before_us() / 1000),
            until_ms: again.map_or(last.at_ms, |again| again.at_ms),
            is_over: again.is_some(),
            count: run.len() as u64,
            unreachable: run.iter().filter(|record| record.reason == Reason::Unreachable).count() as u64,
            cause: Cause::Network,
        };
        let cause = evidence.cause(run, &outage);
        Some(Self { cause, ..outage })
    }

    /// What its cause means, for people.
    #[must_use]
    pub const fn sentence(&self) -> &'static str {
        match self.cause {
            Cause::Lookup => "nobody could tell where the receiver is",
            Cause::Dial => "the receiver could not be connected to",
            Cause::Network | Cause::Path => "the link was down",
            Cause::RemoteHold => "the receiver stood still",
            Cause::LocalQueue | Cause::AskerStall | Cause::ReceiverStall => self.cause.sentence(),
        }
    }

    /// `{peer, dest, transaction, since_at, until_at, is_over, count, unreachable, cause}`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "peer": self.peer.to_string(), "dest": self.dest.to_string(), "transaction": self.transaction,
            "since_at": rfc3339_ms(self.since_ms), "until_at": rfc3339_ms(self.until_ms), "is_over": self.is_over,
            "count": self.count, "unreachable": self.unreachable, "cause": self.cause.as_str(),
        })
    }
}

fn has_failed(record: &ArmRecord) -> bool {
    record.status == Status::Failed
}

/// What all records together say of a time and a peer.
struct Evidence {
    stalls: Stalls,
    /// When each peer asked somebody, in the order of time.
    asked: BTreeMap<PeerId, Vec<u64>>,
}

impl Evidence {
    fn of(records: &[ArmRecord]) -> Self {
        let mut asked: BTreeMap<PeerId, Vec<u64>> = BTreeMap::new();
        records.iter().for_each(|record| asked.entry(record.peer).or_default().push(record.at_ms));
        asked.values_mut().for_each(|times| times.sort_unstable());
        Self { stalls: Stalls::of(records, &Waited::of(records)), asked }
    }

    fn cause(&self, run: &[&ArmRecord], outage: &Outage) -> Cause {
        let span = (outage.since_ms, outage.until_ms);
        let least = span.1.saturating_sub(span.0).div_ceil(2).max(1);
        for (who, cause) in [(outage.peer, Cause::LocalQueue), (outage.dest, Cause::RemoteHold)] {
            if self.stalls.during(&who, outage.peer, span) >= least {
                return cause;
            }
        }
        if outage.unreachable * 2 > outage.count {
            let sum = |part: fn(&ArmRecord) -> Option<u64>| {
                run.iter().fold(0u64, |sum, record| sum.saturating_add(part(record).unwrap_or(0)))
            };
            let (lookup, dial) = (sum(|record| record.split.lookup_us), sum(|record| record.split.dial_us));
            return if lookup > dial { Cause::Lookup } else { Cause::Dial };
        }
        // The transport was answered while the question was not.
        if run.iter().any(|record| record.split.network_us.is_some()) || self.fell_silent(&outage.dest, span)
        {
            Cause::RemoteHold
        } else {
            Cause::Network
        }
    }

    /// Whether a peer that had asked before asked nobody in this span.
    fn fell_silent(&self, who: &PeerId, (from, to): (u64, u64)) -> bool {
        let asked = self.asked.get(who).map_or(&[][..], Vec::as_slice);
        let (before, until) = (asked.partition_point(|at| *at < from), asked.partition_point(|at| *at <= to));
        before > 0 && before == until
    }
}
