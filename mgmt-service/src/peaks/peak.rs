//! Peaks: stretches in which a pair's exchanges took much longer than usual, and why.
//!
//! In: records of all peers, in any order. Out: peaks in the order of their starts; none in quiet. Every slow exchange is
//! split into the parts that records carry; what lies between question and answer and is not the receiver's hold went to
//! a process that stood still (its own records tell, because its own questions left late), to a relay, or to the network.
//! Costs a sort.

use std::collections::BTreeMap;

use overlay::PeerId;

use super::cause::{Cause, Parts};
use super::robust::{median, spread};
use crate::arm::{ArmRecord, Path, Status};
use crate::limits::{CLOCK_SKEW_MAX, PEAK_EXCESS_MIN, PEAK_GAP_MAX, PEAK_RECORDS_MIN, PEAK_SIGMAS};

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
    /// How many exchanges were slow.
    pub count: u64,
    /// How long the slowest took, from when it was due to the answer.
    pub slowest_us: u64,
    /// The first quartile of all of the pair.
    pub usual_us: u64,
    /// By how much which part was longer than usual, over all of them.
    pub parts: Parts,
    /// The largest part of the slowest: lesser ones beside it may have had others.
    pub cause: Cause,
    /// Its share of what was longer, over all of them (0 to 1).
    pub share: f64,
}

/// The peaks among `records`, with their causes.
#[must_use]
pub fn explain(records: &[ArmRecord]) -> Vec<Peak> {
    let stalls = Stalls::of(records);
    let mut pairs: BTreeMap<(PeerId, PeerId, &str), Vec<&ArmRecord>> = BTreeMap::new();
    for record in records.iter().filter(|record| record.status == Status::Good) {
        pairs.entry((record.peer, record.dest, &record.transaction)).or_default().push(record);
    }
    let mut peaks = Vec::new();
    for mut pair in pairs.into_values() {
        pair.sort_by_key(|record| record.at_ms);
        peaks.extend(peaks_of(&pair, &stalls));
    }
    peaks.sort_by_key(|peak| peak.since_ms);
    peaks
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

fn peaks_of(pair: &[&ArmRecord], stalls: &Stalls) -> Vec<Peak> {
    let Some(usual) = Usual::of(pair) else { return Vec::new() };
    let (mut peaks, mut last_slow) = (Vec::<Peak>::new(), None);
    for (place, record) in pair.iter().enumerate() {
        let total_us = total_us(record);
        if total_us <= usual.slow_us {
            continue;
        }
        let parts = parts_of(record, &usual, stalls);
        let cause = parts.cause().map_or(Cause::Network, |(cause, _)| cause);
        let until_ms = record.at_ms.saturating_add(record.response_us.unwrap_or(0) / 1000);
        let goes_on = last_slow.is_some_and(|last| place - last <= PEAK_GAP_MAX + 1);
        last_slow = Some(place);
        match peaks.last_mut().filter(|_| goes_on) {
            Some(peak) => {
                peak.until_ms = peak.until_ms.max(until_ms);
                peak.count += record.weight();
                if total_us > peak.slowest_us {
                    (peak.slowest_us, peak.cause) = (total_us, cause);
                }
                peak.parts.merge(&parts);
            }
            None => peaks.push(Peak {
                peer: record.peer,
                dest: record.dest,
                transaction: record.transaction.to_string(),
                since_ms: record.at_ms.saturating_sub(record.split.before_us() / 1000),
                until_ms,
                count: record.weight(),
                slowest_us: total_us,
                usual_us: usual.total_us,
                parts,
                cause,
                share: 0.0,
            }),
        }
    }
    for peak in &mut peaks {
        peak.share = peak.parts.of(peak.cause) as f64 / peak.parts.total().max(1) as f64;
    }
    peaks
}

/// By how much which part of a slow exchange was longer than usual.
fn parts_of(record: &ArmRecord, usual: &Usual, stalls: &Stalls) -> Parts {
    let mut parts = Parts::default();
    let split = &record.split;
    parts.add(Cause::LocalQueue, split.queue_us.unwrap_or(0).saturating_sub(usual.queue_us));
    parts.add(Cause::Lookup, split.lookup_us.unwrap_or(0));
    parts.add(Cause::Dial, split.dial_us.unwrap_or(0));
    parts.add(Cause::RemoteHold, record.hold_us.unwrap_or(0).saturating_sub(usual.hold_us));
    let mut left = transit_us(record).saturating_sub(usual.transit_us);
    for (who, cause) in [(record.peer, Cause::LocalQueue), (record.dest, Cause::RemoteHold)] {
        let stood_still = stalls.during(&who, record).min(left);
        parts.add(cause, stood_still);
        left -= stood_still;
    }
    let way = if record.path == Path::Relayed && !usual.relayed { Cause::Path } else { Cause::Network };
    parts.add(way, left);
    parts
}

/// When processes stood still, as their own late questions tell: start and end in ms since 1970, by their own clocks.
struct Stalls(BTreeMap<PeerId, Vec<(u64, u64)>>);

impl Stalls {
    fn of(records: &[ArmRecord]) -> Self {
        let mut stalls: BTreeMap<PeerId, Vec<(u64, u64)>> = BTreeMap::new();
        let least = u64::try_from(PEAK_EXCESS_MIN.as_millis()).unwrap_or(u64::MAX);
        for record in records {
            let late_ms = record.split.queue_us.unwrap_or(0) / 1000;
            if late_ms >= least {
                stalls
                    .entry(record.peer)
                    .or_default()
                    .push((record.at_ms.saturating_sub(late_ms), record.at_ms));
            }
        }
        stalls.values_mut().for_each(|stalls| stalls.sort_unstable());
        Self(stalls)
    }

    /// The longest that `who` stood still while the exchange was under way, in microseconds; clocks of two peers differ.
    fn during(&self, who: &PeerId, record: &ArmRecord) -> u64 {
        let skew =
            if *who == record.peer { 0 } else { u64::try_from(CLOCK_SKEW_MAX.as_millis()).unwrap_or(0) };
        let from = record.at_ms.saturating_sub(skew);
        let to = record.at_ms.saturating_add(record.response_us.unwrap_or(0) / 1000).saturating_add(skew);
        let overlapping =
            self.0.get(who).into_iter().flatten().filter(|(start, end)| *start <= to && *end >= from);
        overlapping.map(|(start, end)| (end - start).saturating_mul(1000)).max().unwrap_or(0)
    }
}
