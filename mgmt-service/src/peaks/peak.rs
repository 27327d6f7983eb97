//! Peaks: stretches in which a pair's exchanges took much longer than usual, and why.
//!
//! In: records of all peers, in any order. Out: peaks in the order of their starts; none in quiet. Every slow exchange is
//! split into the parts that records carry; what lies between question and answer and is not the receiver's hold went to
//! a process that stood still (its own records tell, because its own questions left late), to a relay, or to the network.
//! What a machine without a processor to spare took is told by records that follow: until then, or until they are overdue,
//! an exchange is no peak.
//! Costs a sort.

use overlay::PeerId;

use super::cause::{Cause, Parts};
use super::child::{Child, Children, cause_of};
use super::robust::{median, spread};
use super::run::{by_pair, runs};
use super::stalls::Stalls;
use super::waits::Waited;
use crate::arm::{ArmRecord, Correlator, Path, Status};
use crate::limits::{PEAK_EXCESS_MIN, PEAK_RECORDS_MIN, PEAK_SIGMAS};

/// A stretch of slow exchanges of one pair.
#[derive(Debug, Clone, PartialEq)]
pub struct Peak {
    /// Who asked.
    pub peer: PeerId,
    /// Who was asked.
    pub dest: PeerId,
    /// What was measured.
    pub transaction: String,
    /// Start of the first slow exchange, in ms since 1970.
    pub since_ms: u64,
    /// End of the last.
    pub until_ms: u64,
    /// How many exchanges were slow, those for which a record of a sample stands included.
    pub count: u64,
    /// How long the slowest took, from when it was due to the answer.
    pub slowest_us: u64,
    /// The first quartile of all of the pair.
    pub usual_us: u64,
    /// By how much which part was longer than usual, over all that `count` counts.
    pub parts: Parts,
    /// The part whose squares sum to most: many slow exchanges outweigh one that was hardly slower, and one that was far
    /// slower outweighs many.
    pub cause: Cause,
    /// Its share of what was longer, over all of them (0 to 1).
    pub share: f64,
    /// Which exchange was the slowest.
    pub slowest: Correlator,
    /// For how long that one waited for something else meanwhile, as its asker says.
    pub blocked_us: u64,
    /// The longest part of that one that was measured as a transaction of its own.
    pub child: Option<Child>,
}

/// The peaks among `records`, with their causes.
#[must_use]
pub fn explain(records: &[ArmRecord]) -> Vec<Peak> {
    let waited = Waited::of(records);
    let children = Children::of(records);
    let evidence = Evidence { stalls: Stalls::of(records, &waited), waited, children };
    let answered = records.iter().filter(|record| record.status == Status::Good);
    let mut peaks: Vec<Peak> =
        by_pair(answered).into_iter().flat_map(|pair| peaks_of(&pair, &evidence)).collect();
    peaks.sort_by_key(|peak| peak.since_ms);
    peaks
}

/// What records say of other records.
struct Evidence<'a> {
    /// When whose process stood still: by itself, and because its machine had no time for it.
    stalls: Stalls,
    waited: Waited,
    children: Children<'a>,
}

/// What is usual for a pair: the first quartiles, so that a peak may last for more than half of the time.
struct Usual {
    total_us: u64,
    /// Beyond this an exchange is slow.
    slow_us: u64,
    queue_us: u64,
    hold_us: u64,
    transit_us: u64,
    relayed: bool,
}

impl Usual {
    fn of(pair: &[&ArmRecord]) -> Option<Self> {
        if pair.len() < PEAK_RECORDS_MIN {
            return None;
        }
        let usual = |part: fn(&ArmRecord) -> u64| median(&mut faster_half(pair, part));
        let total = usual(total_us)?;
        let median_us = median(&mut pair.iter().map(|record| total_us(record)).collect::<Vec<_>>())?;
        // Of normal times, the faster half lies half as wide about its own median as all about theirs.
        let beyond = (spread(&faster_half(pair, total_us), total) * 2.0 * PEAK_SIGMAS) as u64;
        let least = u64::try_from(PEAK_EXCESS_MIN.as_micros()).unwrap_or(u64::MAX);
        let fast: Vec<_> = pair.iter().filter(|record| total_us(record) <= median_us).collect();
        let relayed = fast.iter().filter(|record| record.path == Path::Relayed).count();
        Some(Self {
            total_us: total,
            slow_us: total.saturating_add(beyond.max(least).max(total)),
            queue_us: usual(|record| record.split.queue_us.unwrap_or(0))?,
            hold_us: usual(|record| record.hold_us.unwrap_or(0))?,
            transit_us: usual(transit_us)?,
            relayed: relayed * 2 > fast.len(),
        })
    }
}

/// A part of the records in the faster half of a pair's, by that part.
fn faster_half(pair: &[&ArmRecord], part: fn(&ArmRecord) -> u64) -> Vec<u64> {
    let mut values: Vec<u64> = pair.iter().map(|record| part(record)).collect();
    values.sort_unstable();
    values.truncate(values.len().div_ceil(2));
    values
}

/// From when an exchange was due to its answer.
fn total_us(record: &ArmRecord) -> u64 {
    record.split.before_us().saturating_add(record.response_us.unwrap_or(0))
}

/// The way there and back, and the time in which nobody looked.
fn transit_us(record: &ArmRecord) -> u64 {
    record.response_us.unwrap_or(0).saturating_sub(record.hold_us.unwrap_or(0))
}

/// From when to when an exchange was under way.
fn span_of(record: &ArmRecord) -> (u64, u64) {
    (record.at_ms, record.at_ms.saturating_add(record.response_us.unwrap_or(0) / 1000))
}

fn peaks_of(pair: &[&ArmRecord], evidence: &Evidence<'_>) -> Vec<Peak> {
    let Some(usual) = Usual::of(pair) else { return Vec::new() };
    let waited = &evidence.waited;
    let is_told = |record: &ArmRecord| {
        [record.peer, record.dest].iter().all(|who| waited.has_told(who, span_of(record).1))
    };
    runs(pair, |record| total_us(record) > usual.slow_us && is_told(record))
        .filter_map(|run| Peak::of(&run, &usual, evidence))
        .collect()
}

impl Peak {
    /// What a run of slow exchanges comes to; none of an empty one.
    fn of(run: &[&ArmRecord], usual: &Usual, evidence: &Evidence<'_>) -> Option<Self> {
        let first = run.first()?;
        let slowest = run.iter().max_by_key(|record| total_us(record))?;
        let (mut parts, mut weights) = (Parts::default(), [0.0; Cause::ALL.len()]);
        for record in run {
            let longer = parts_of(record, usual, evidence);
            for (weight, cause) in weights.iter_mut().zip(Cause::ALL) {
                *weight += (longer.of(cause) as f64).powi(2) * record.weight() as f64;
            }
            parts.merge(&longer, record.weight());
        }
        let heaviest =
            weights.into_iter().zip(Cause::ALL).max_by(|(one, _), (other, _)| one.total_cmp(other));
        let cause = heaviest.filter(|(weight, _)| *weight > 0.0).map_or(Cause::Network, |(_, cause)| cause);
        Some(Self {
            peer: first.peer,
            dest: first.dest,
            transaction: first.transaction.to_string(),
            since_ms: first.at_ms.saturating_sub(first.split.before_us() / 1000),
            until_ms: run.iter().map(|record| span_of(record).1).max().unwrap_or(first.at_ms),
            count: run.iter().map(|record| record.weight()).sum(),
            slowest_us: total_us(slowest),
            usual_us: usual.total_us,
            parts,
            cause,
            share: parts.of(cause) as f64 / parts.total().max(1) as f64,
            slowest: slowest.correlator,
            blocked_us: slowest.details.blocked_us,
            child: evidence.children.longest(slowest).map(|child| Child {
                peer: child.peer,
                transaction: child.transaction.to_string(),
                correlator: child.correlator,
                response_us: child.response_us.unwrap_or(0),
            }),
        })
    }
}

/// By how much which part of a slow exchange was longer than usual, without what the machines of both ends took of it.
fn parts_of(record: &ArmRecord, usual: &Usual, evidence: &Evidence<'_>) -> Parts {
    let (mut parts, split, span) = (Parts::default(), &record.split, span_of(record));
    let mut queue = split.queue_us.unwrap_or(0).saturating_sub(usual.queue_us);
    let mut left = transit_us(record).saturating_sub(usual.transit_us);
    let mut hold = record.hold_us.unwrap_or(0).saturating_sub(usual.hold_us);
    let (mut lookup, mut dial) = (split.lookup_us.unwrap_or(0), split.dial_us.unwrap_or(0));
    // What the exchange did or waited for meanwhile, by its own records, is no time on the way.
    if let Some(child) = evidence.children.longest(record) {
        let cause = cause_of(child, record);
        let took = child.response_us.unwrap_or(0);
        let taken = if cause == Cause::RemoteHold {
            taken(took, [&mut hold, &mut left])
        } else {
            taken(took, [&mut left])
        };
        parts.add(cause, taken);
    }
    let blocked = record.details.blocked_us.saturating_sub(parts.total());
    parts.add(Cause::LocalQueue, taken(blocked, [&mut left]));
    let due = record.at_ms.saturating_sub(split.before_us() / 1000);
    let asker = evidence.waited.at_edges(&record.peer, (due, span.1));
    parts.add(Cause::AskerStall, taken(asker, [&mut queue, &mut left, &mut dial, &mut lookup]));
    let receiver = evidence.waited.at_once(&record.dest, span);
    parts.add(Cause::ReceiverStall, taken(receiver, [&mut left, &mut hold, &mut dial]));
    for (who, cause) in [(record.peer, Cause::LocalQueue), (record.dest, Cause::RemoteHold)] {
        let stood_still = evidence.stalls.during(&who, record.peer, span).saturating_mul(1000);
        parts.add(cause, taken(stood_still, [&mut left]));
    }
    // A relay that is not usual is to be found and dialed, too.
    let new_way = record.path == Path::Relayed && !usual.relayed;
    let [finding, dialing, way] =
        if new_way { [Cause::Path; 3] } else { [Cause::Lookup, Cause::Dial, Cause::Network] };
    let own = [Cause::LocalQueue, finding, dialing, way, Cause::RemoteHold];
    own.into_iter().zip([queue, lookup, dial, left, hold]).for_each(|(cause, us)| parts.add(cause, us));
    parts
}

/// Takes up to `budget` from parts, one after the other; how much that was.
fn taken<const N: usize>(budget: u64, from: [&mut u64; N]) -> u64 {
    let mut rest = budget;
    for part in from {
        let take = rest.min(*part);
        *part -= take;
        rest -= take;
    }
    budget - rest
}
