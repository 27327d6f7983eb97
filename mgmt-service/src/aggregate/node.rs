//! An aggregator: takes the reports of its children and makes one of them for its own parent.
//!
//! In: children that attach and leave, their reports, the passing of intervals. Out: one report an interval, in which each
//! report of a child counts once however often it came, and which says how many peers it lacks. At most
//! `AGGREGATOR_CHILDREN_MAX` children, each with at most `REPORTS_PER_CHILD_MAX` reports that are not handed on.

use std::collections::{BTreeMap, HashMap};

use overlay::PeerId;

use super::report::{Report, Stamp};
use crate::arm::Sketch;
use crate::limits::{AGGREGATOR_CHILDREN_MAX, REPORTS_PER_CHILD_MAX};

/// One aggregator.
#[derive(Debug)]
pub struct Aggregator {
    boot: u64,
    children: HashMap<PeerId, Child>,
    /// The last interval that was handed on.
    closed: u64,
}

#[derive(Debug, Default)]
struct Child {
    /// Peers below it, as it said last; it counts while it is silent.
    expected: u64,
    reports: BTreeMap<Stamp, Report>,
}

/// What became of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offered {
    /// It is in.
    New,
    /// It took the place of the one with the same stamp.
    Replaced,
    /// Its interval is handed on already.
    Late,
    /// Its child is not attached, or has too many reports.
    Refused,
}

impl Aggregator {
    /// An aggregator without children, which hands on the intervals after `closed`; `boot` is random and new for each.
    #[must_use]
    pub fn new(boot: u64, closed: u64) -> Self {
        Self { boot, children: HashMap::new(), closed }
    }

    /// Takes `child` with `expected` peers below it (itself, for a leaf); false when there is no room: it tries the next
    /// aggregator of its list.
    pub fn attach(&mut self, child: PeerId, expected: u64) -> bool {
        if self.children.len() >= AGGREGATOR_CHILDREN_MAX && !self.children.contains_key(&child) {
            return false;
        }
        self.children.entry(child).or_default().expected = expected;
        true
    }

    /// `child` has left for another aggregator, or for good. What it reported before still counts.
    pub fn detach(&mut self, child: &PeerId) {
        if let Some(child) = self.children.get_mut(child) {
            child.expected = 0;
        }
        self.children.retain(|_, child| child.expected > 0 || !child.reports.is_empty());
    }

    /// Takes a report of `child`.
    pub fn offer(&mut self, child: &PeerId, report: Report) -> Offered {
        if report.stamp.interval <= self.closed {
            return Offered::Late;
        }
        let Some(child) = self.children.get_mut(child) else { return Offered::Refused };
        if child.reports.len() >= REPORTS_PER_CHILD_MAX && !child.reports.contains_key(&report.stamp) {
            return Offered::Refused;
        }
        child.expected = report.expected;
        match child.reports.insert(report.stamp, report) {
            None => Offered::New,
            Some(_) => Offered::Replaced,
        }
    }

    /// Hands on `interval`: everything of it that is in, and how much is not. Later reports of it, and of those before,
    /// are late.
    pub fn close(&mut self, interval: u64) -> Report {
        let stamp = Stamp { interval, boot: self.boot };
        let mut sum = Report { stamp, expected: 0, reporting: 0, failed: 0, response: Sketch::default() };
        self.closed = self.closed.max(interval);
        for child in self.children.values_mut() {
            let rest = child.reports.split_off(&Stamp { interval: interval.saturating_add(1), boot: 0 });
            let due = std::mem::replace(&mut child.reports, rest);
            let of_interval = || due.values().filter(|report| report.stamp.interval == interval);
            // One that started anew within the interval has two reports, and is still the same peers.
            let reporting = of_interval().map(|report| report.reporting).max().unwrap_or(0);
            let expected = of_interval().map(|report| report.expected).max().unwrap_or(0);
            sum.reporting = sum.reporting.saturating_add(reporting);
            sum.expected = sum.expected.saturating_add(expected.max(child.expected));
            for report in of_interval() {
                sum.failed = sum.failed.saturating_add(report.failed);
                sum.response.merge(&report.response);
            }
        }
        self.children.retain(|_, child| child.expected > 0 || !child.reports.is_empty());
        sum
    }

    /// Peers below it.
    #[must_use]
    pub fn expected(&self) -> u64 {
        self.children.values().fold(0, |sum, child| sum.saturating_add(child.expected))
    }
}

#[cfg(test)]
mod tests;
