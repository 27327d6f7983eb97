//! What an aggregator remembers of the aggregators below it, to tell their orphans what counts already.
//!
//! In: reports that were taken, aggregators that are gone. Out: whether a report of an orphan came with one of them. The
//! last `MARKED_REPORTS_KEPT` of each, of at most twice as many aggregators as can be attached.

use std::collections::VecDeque;

use overlay::PeerId;

use super::report::Stamp;
use crate::limits::{AGGREGATOR_CHILDREN_MAX, GONE_KEPT, MARKED_REPORTS_KEPT};

#[derive(Debug, Default)]
pub(super) struct Memory {
    /// The oldest first.
    reports: VecDeque<(PeerId, Stamp, Vec<u32>)>,
    gone: VecDeque<(PeerId, u64)>,
}

impl Memory {
    /// A report was taken; one of the same stamp is replaced.
    pub(super) fn took(&mut self, from: PeerId, stamp: Stamp, marks: &[u32]) {
        self.reports.retain(|(known, at, _)| (*known, *at) != (from, stamp));
        let of_it = |(known, ..): &&(PeerId, Stamp, Vec<u32>)| *known == from;
        if self.reports.iter().filter(of_it).count() >= MARKED_REPORTS_KEPT {
            let oldest = self.reports.iter().position(|(known, ..)| *known == from);
            oldest.map(|oldest| self.reports.remove(oldest));
        }
        if self.reports.len() >= 2 * AGGREGATOR_CHILDREN_MAX * MARKED_REPORTS_KEPT {
            self.reports.pop_front();
        }
        self.reports.push_back((from, stamp, marks.to_vec()));
    }

    /// Whether a report with this mark came with that aggregator in that run.
    pub(super) fn has(&self, (aggregator, boot): (&PeerId, u64), mark: u32) -> bool {
        let of_it = |known: &PeerId, stamp: &Stamp| known == aggregator && stamp.boot == boot;
        self.reports.iter().any(|(known, stamp, marks)| of_it(known, stamp) && marks.contains(&mark))
    }

    /// Whether anything came of that run, or it is gone.
    pub(super) fn knows(&self, aggregator: &PeerId, boot: u64) -> bool {
        let came = |(known, stamp, _): &(PeerId, Stamp, _)| known == aggregator && stamp.boot == boot;
        self.reports.iter().any(came) || self.is_gone(aggregator, boot)
    }

    /// Nothing of that run counts from now on.
    pub(super) fn bury(&mut self, aggregator: PeerId, boot: u64) {
        if self.is_gone(&aggregator, boot) {
            return;
        }
        if self.gone.len() >= GONE_KEPT {
            self.gone.pop_front();
        }
        self.gone.push_back((aggregator, boot));
    }

    pub(super) fn is_gone(&self, aggregator: &PeerId, boot: u64) -> bool {
        self.gone.contains(&(*aggregator, boot))
    }
}
