//! What an aggregator remembers of the reports that it counted, so that its sums can be checked.
//!
//! In: each report as it was counted when its interval was closed. Out: those that are in one of the aggregator's own
//! reports. The last `LEDGER_INTERVALS_KEPT` intervals, at most `LEDGER_BYTES_MAX` bytes.

use std::collections::{HashSet, VecDeque};

use overlay::PeerId;

use super::report::Report;
use crate::limits::{LEDGER_BYTES_MAX, LEDGER_INTERVALS_KEPT, PARTS_ANSWER_BYTES_MAX, PARTS_ANSWER_MAX};

/// A report of a child as its aggregator counted it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Whose.
    pub child: PeerId,
    /// 0 for a peer that measures, else that of an aggregator.
    pub level: u8,
    /// With which interval it was counted.
    pub closed: u64,
    /// It.
    pub report: Report,
}

/// The reports that one aggregator counted.
#[derive(Debug, Default)]
pub struct Ledger {
    /// The oldest first, encoded.
    parts: VecDeque<(Part, Vec<u8>)>,
    bytes: usize,
}

/// Some of the reports that are in one of an aggregator's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// They.
    pub parts: Vec<Part>,
    /// Whether there are more.
    pub more: bool,
}

impl Ledger {
    /// A report was counted.
    pub fn put(&mut self, closed: u64, child: PeerId, level: u8, report: &Report) {
        // What can't be written can't be shown; there is nothing of the kind in what came over the wire.
        let Ok(bytes) = report.encode() else { return };
        self.bytes += bytes.len();
        // The stamp tells it from others; all of it is in the bytes.
        let stub = Report::of_one(report.stamp);
        self.parts.push_back((Part { child, level, closed, report: stub }, bytes));
        let old = closed.saturating_sub(LEDGER_INTERVALS_KEPT as u64 - 1);
        while let Some((oldest, bytes)) = self.parts.front()
            && (oldest.closed < old || self.bytes > LEDGER_BYTES_MAX)
        {
            self.bytes -= bytes.len();
            self.parts.pop_front();
        }
    }

    /// Those with these [marks](super::Stamp::mark), without the first `from`.
    #[must_use]
    pub fn page(&self, marks: &[u32], from: usize) -> Page {
        let marks: HashSet<u32> = marks.iter().copied().collect();
        let wanted = |(part, _): &&(Part, Vec<u8>)| marks.contains(&part.report.stamp.mark(&part.child));
        let (mut page, mut bytes) = (Page::default(), 0);
        for (part, encoded) in self.parts.iter().filter(wanted).skip(from) {
            bytes += encoded.len();
            let full = page.parts.len() >= PARTS_ANSWER_MAX || bytes > PARTS_ANSWER_BYTES_MAX;
            if full && !page.parts.is_empty() {
                page.more = true;
                break;
            }
            if let Ok(report) = Report::decode(encoded) {
                page.parts.push(Part { report, ..part.clone() });
            }
        }
        page
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Figure, Stamp};
    use super::*;
    use crate::arm::Sketch;

    fn report(interval: u64, failed: u64) -> Report {
        let mut report = Report::of_one(Stamp { interval, boot: 5 });
        report.figures.add("ping", &Figure { failed, unanswered: failed, response: Sketch::default() });
        report
    }

    #[test]
    fn a_page_has_what_was_counted_and_the_next_goes_on_after_it() {
        let (mut ledger, child) = (Ledger::default(), PeerId::random());
        let children: Vec<PeerId> = (0..PARTS_ANSWER_MAX + 3).map(|_| PeerId::random()).collect();
        children.iter().for_each(|child| ledger.put(7, *child, 0, &report(7, 1)));
        ledger.put(8, child, 0, &report(8, 2));
        let marks: Vec<u32> = children.iter().map(|child| report(7, 1).stamp.mark(child)).collect();
        let first = ledger.page(&marks, 0);
        assert_eq!((first.parts.len(), first.more), (PARTS_ANSWER_MAX, true));
        let rest = ledger.page(&marks, PARTS_ANSWER_MAX);
        assert_eq!((rest.parts.len(), rest.more), (3, false));
        let part = Part { child: children[0], level: 0, closed: 7, report: report(7, 1) };
        assert_eq!(first.parts[0], part);
    }

    #[test]
    fn old_intervals_are_forgotten() {
        let (mut ledger, child) = (Ledger::default(), PeerId::random());
        let last = LEDGER_INTERVALS_KEPT as u64 + 3;
        (1..=last).for_each(|interval| ledger.put(interval, child, 0, &report(interval, 1)));
        let shown = |interval| ledger.page(&[report(interval, 1).stamp.mark(&child)], 0).parts.len();
        assert_eq!((shown(3), shown(4), shown(last)), (0, 1, 1));
    }
}
