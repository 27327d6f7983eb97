//! An aggregator: takes the reports of its children and makes one of them for its own parent.
//!
//! In: children that attach and leave, their reports, the passing of intervals. Out: one report an interval, in which each
//! report of a child counts once however often it came, and which says how many peers it lacks. At most
//! `AGGREGATOR_CHILDREN_MAX` children, each with at most `REPORTS_PER_CHILD_MAX` reports that are not handed on.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use overlay::PeerId;

use super::figures::Figures;
use super::memory::Memory;
use super::report::{Report, Stamp};
use crate::limits::{AGGREGATOR_CHILDREN_MAX, COUNTED_INTERVALS_KEPT, REPORTS_PER_CHILD_MAX};

/// One aggregator.
#[derive(Debug)]
pub struct Aggregator {
    boot: u64,
    level: u8,
    children: HashMap<PeerId, Child>,
    /// The last interval that was handed on.
    closed: u64,
    /// Marks of the reports that were handed on, of the last intervals.
    counted: VecDeque<(u64, HashSet<u32>)>,
    /// Of what was handed on in this interval and before, the marks are forgotten.
    forgotten: u64,
    memory: Memory,
}

#[derive(Debug)]
struct Child {
    boot: u64,
    level: u8,
    /// Peers below it, as it said last; it counts while it is silent.
    expected: u64,
    /// Its pipe has ended; it is expected for one interval more.
    left: bool,
    reports: BTreeMap<Stamp, Report>,
}

/// Who attaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Newcomer {
    /// Random, new with each of its starts.
    pub boot: u64,
    /// 0 for a peer that measures, else that of an aggregator.
    pub level: u8,
    /// Peers below it.
    pub expected: u64,
}

/// What becomes of who attaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admitted {
    /// It is a child.
    Yes,
    /// There is no room, or it is of no lower level; it tries the next aggregator of its list.
    Full,
    /// Its children were told that it is gone: nothing of this start may count any more.
    Gone,
}

/// What became of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offered {
    /// It is in.
    New,
    /// It took the place of the one with the same stamp.
    Replaced,
    /// It was handed on already.
    Counted,
    /// Its interval is handed on without it.
    Late,
    /// Its interval was handed on so long ago that nobody knows whether it was in.
    Forgotten,
    /// Its child is not attached or has too many reports, or it comes from another start or from the future.
    Refused,
}

/// What the orphan of an aggregator is told by the one above it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// It is not gone and will hand on what it has; then what is included is not known yet.
    pub lives: bool,
    /// The intervals of the orphan that came with it.
    pub included: Vec<u64>,
}

impl Aggregator {
    /// An aggregator without children, which hands on the intervals after `closed`; `boot` is random and new for each.
    #[must_use]
    pub fn new(boot: u64, level: u8, closed: u64) -> Self {
        let (children, counted, memory) = (HashMap::new(), VecDeque::new(), Memory::default());
        Self { boot, level, children, closed, counted, forgotten: 0, memory }
    }

    /// Hands on the intervals after `closed`, since a parent counts so, unless any was handed on: what is closed stays so.
    pub fn begin_after(&mut self, closed: u64) {
        if self.counted.is_empty() {
            self.closed = self.closed.min(closed);
        }
    }

    /// Takes `child`, or takes it back.
    pub fn attach(&mut self, child: PeerId, newcomer: Newcomer) -> Admitted {
        if self.memory.is_gone(&child, newcomer.boot) {
            return Admitted::Gone;
        }
        let full = self.children.len() >= AGGREGATOR_CHILDREN_MAX && !self.children.contains_key(&child);
        if full || newcomer.level >= self.level {
            return Admitted::Full;
        }
        let Newcomer { boot, level, expected } = newcomer;
        let none = Child { boot, level, expected: 0, left: false, reports: BTreeMap::new() };
        let known = self.children.entry(child).or_insert(none);
        (known.boot, known.level, known.left) = (boot, level, false);
        known.expected = possible(level, expected);
        Admitted::Yes
    }

    /// The pipe of `child` has ended. What it reported before still counts, and it is expected for one interval more.
    pub fn leave(&mut self, child: &PeerId) {
        if let Some(child) = self.children.get_mut(child) {
            child.left = true;
        }
    }

    /// Takes a report of `child` while the interval `current` passes.
    pub fn offer(&mut self, current: u64, child: &PeerId, mut report: Report) -> Offered {
        let stamp = report.stamp;
        let Some(known) = self.children.get_mut(child).filter(|known| known.boot == stamp.boot) else {
            return Offered::Refused;
        };
        if stamp.interval <= self.closed {
            let mark = stamp.mark(child);
            let counted = self.counted.iter().any(|(_, marks)| marks.contains(&mark));
            let unknown = stamp.interval <= self.forgotten;
            return match (counted, unknown) {
                (true, _) => Offered::Counted,
                (false, true) => Offered::Forgotten,
                (false, false) => Offered::Late,
            };
        }
        let full = known.reports.len() >= REPORTS_PER_CHILD_MAX && !known.reports.contains_key(&stamp);
        if full || stamp.interval > current.saturating_add(1) {
            return Offered::Refused;
        }
        report.expected = possible(known.level, report.expected);
        report.reporting = report.reporting.min(report.expected);
        known.expected = report.expected;
        if known.level > 0 {
            self.memory.took(*child, stamp, &report.marks);
        }
        match known.reports.insert(stamp, report) {
            None => Offered::New,
            Some(_) => Offered::Replaced,
        }
    }

    /// Hands on `interval`: everything of it that is in, and how much is not. Later reports of it, and of those before,
    /// are late; what came for those before and was never handed on is in it as well.
    pub fn close(&mut self, interval: u64) -> Report {
        self.close_with(interval, |_, _, _| {})
    }

    /// As [`close`](Self::close); `counted` hears of each report that is in it: whose, at which level, and the report.
    pub fn close_with(&mut self, interval: u64, mut counted: impl FnMut(PeerId, u8, &Report)) -> Report {
        let mut sum = Report {
            stamp: Stamp { interval, boot: self.boot },
            expected: 0,
            reporting: 0,
            marks: Vec::new(),
            figures: Figures::default(),
        };
        self.closed = self.closed.max(interval);
        for (id, child) in &mut self.children {
            let rest = child.reports.split_off(&Stamp { interval: interval.saturating_add(1), boot: 0 });
            let due = std::mem::replace(&mut child.reports, rest);
            // One that started anew within the interval has two reports, and is still the same peers.
            let reporting = due.values().map(|report| report.reporting).max().unwrap_or(0);
            let expected = due.values().map(|report| report.expected).max().unwrap_or(0);
            sum.reporting = sum.reporting.saturating_add(reporting);
            sum.expected = sum.expected.saturating_add(expected.max(child.expected));
            for (stamp, report) in due {
                sum.marks.push(stamp.mark(id));
                sum.figures.merge(&report.figures);
                counted(*id, child.level, &report);
            }
        }
        self.children.retain(|_, child| !child.left || !child.reports.is_empty());
        self.counted.push_back((interval, sum.marks.iter().copied().collect()));
        if self.counted.len() > COUNTED_INTERVALS_KEPT
            && let Some((oldest, _)) = self.counted.pop_front()
        {
            self.forgotten = self.forgotten.max(oldest);
        }
        sum
    }

    /// What came with `aggregator`, in its run `boot`, of the reports `stamps` of `orphan`. An aggregator that is not
    /// attached any more is gone from now on: nothing of that run counts later. Of one that was never seen here nothing is
    /// known, as of one that lives.
    pub fn settle(
        &mut self,
        (aggregator, boot): (&PeerId, u64),
        orphan: &PeerId,
        stamps: &[Stamp],
    ) -> Settled {
        let known = self.children.get(aggregator).filter(|known| known.boot == boot && known.level > 0);
        let gone = known.map_or(self.memory.knows(aggregator, boot), |known| known.left);
        if !gone {
            return Settled { lives: true, included: Vec::new() };
        }
        if let Some(known) = self.children.get_mut(aggregator).filter(|known| known.boot == boot) {
            known.expected = 0;
        }
        self.memory.bury(*aggregator, boot);
        let included = stamps.iter().filter(|stamp| self.memory.has((aggregator, boot), stamp.mark(orphan)));
        Settled { lives: false, included: included.map(|stamp| stamp.interval).collect() }
    }

    /// Whether `aggregator`, in its run `boot`, is a child that has not left.
    #[must_use]
    pub fn is_attached(&self, (aggregator, boot): (&PeerId, u64)) -> bool {
        let known = self.children.get(aggregator);
        known.is_some_and(|known| known.boot == boot && known.level > 0 && !known.left)
    }

    /// Peers below it.
    #[must_use]
    pub fn expected(&self) -> u64 {
        self.children.values().fold(0, |sum, child| sum.saturating_add(child.expected))
    }

    /// Children that are attached.
    #[must_use]
    pub fn children(&self) -> usize {
        self.children.values().filter(|child| !child.left).count()
    }

    /// The last interval that was handed on.
    #[must_use]
    pub fn closed(&self) -> u64 {
        self.closed
    }
}

/// As many peers as can be below a child of `level`, at most; a peer that measures is one, whatever it says.
pub(super) fn possible(level: u8, expected: u64) -> u64 {
    let most = (AGGREGATOR_CHILDREN_MAX as u64).saturating_pow(u32::from(level));
    if level == 0 { 1 } else { expected.min(most) }
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
