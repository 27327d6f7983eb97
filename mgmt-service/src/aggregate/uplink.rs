//! The reports of a child on their way up: each is kept until it is known to count, and counts once whoever dies.
//!
//! In: reports, what a parent says of them, parents that come and go. Out: what to send. A report is sent again to the same
//! run of the same parent, which knows what it has. When that one is gone, the aggregator above it says what came with it;
//! what nobody can tell is given up, so that figures may lack something and say so, but never count it twice. At most
//! `REPORTS_KEPT` reports.

use std::collections::BTreeMap;

use super::figures::Figures;
use super::node::Settled;
use super::report::{Report, Stamp};
use crate::limits::{REPORT_MARKS_MAX, REPORTS_KEPT};

/// What a parent says of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The parent has it.
    Taken,
    /// This one and those before are at the parent's parent, or kept at the root.
    HandedOn,
    /// Its interval was handed on without it.
    Late,
    /// The parent does not want it.
    Refused,
    /// Its interval was handed on so long ago that the parent does not know whether it was in.
    Forgotten,
}

/// The reports of one child.
#[derive(Debug, Default)]
pub struct Uplink {
    held: BTreeMap<u64, Held>,
    /// Of reports that did not count in their own interval: they count in the next.
    carry: Carry,
    in_doubt: u64,
}

#[derive(Debug)]
struct Held {
    report: Report,
    state: State,
    /// This parent may have got it before.
    again: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nobody has got it.
    Fresh,
    /// It is on its way, or was.
    Sent,
    /// The parent has it.
    Taken,
}

#[derive(Debug, Default)]
struct Carry {
    marks: Vec<u32>,
    figures: Figures,
}

impl Uplink {
    /// Keeps a report that is to be sent; its interval comes after those before.
    pub fn push(&mut self, mut report: Report) {
        while self.held.len() >= REPORTS_KEPT {
            let fresh = self.held.iter().find(|(_, held)| held.state == State::Fresh);
            let oldest = fresh.or_else(|| self.held.iter().next()).map(|(interval, _)| *interval);
            let Some(held) = oldest.and_then(|oldest| self.held.remove(&oldest)) else { break };
            match held.state {
                State::Fresh => self.carry_on(&held.report),
                State::Sent | State::Taken => self.in_doubt = self.in_doubt.saturating_add(1),
            }
        }
        let Carry { marks, figures } = std::mem::take(&mut self.carry);
        report.marks.extend(marks);
        report.marks.truncate(REPORT_MARKS_MAX);
        report.figures.merge(&figures);
        self.held.insert(report.stamp.interval, Held { report, state: State::Fresh, again: false });
    }

    /// The report that was pushed last, with what was put into it.
    pub fn newest(&self) -> Option<&Report> {
        self.held.last_key_value().map(|(_, held)| &held.report)
    }

    /// The next report to send; it counts as sent.
    pub fn next_to_send(&mut self) -> Option<&Report> {
        let held = self.held.values_mut().find(|held| held.state == State::Fresh)?;
        held.state = State::Sent;
        Some(&held.report)
    }

    /// Takes in what the parent says of `interval`; true when the parent has it from now on.
    pub fn hear(&mut self, interval: u64, fate: Fate) -> bool {
        match fate {
            Fate::Taken => {
                let held = self.held.get_mut(&interval).filter(|held| held.state == State::Sent);
                held.map(|held| held.state = State::Taken).is_some()
            }
            Fate::HandedOn => {
                self.held.retain(|at, held| *at > interval || held.state != State::Taken);
                false
            }
            Fate::Late | Fate::Refused => {
                if let Some(held) = self.held.remove(&interval) {
                    self.carry_on(&held.report);
                }
                false
            }
            Fate::Forgotten => {
                match self.held.remove(&interval) {
                    Some(held) if held.again => self.in_doubt = self.in_doubt.saturating_add(1),
                    Some(held) => self.carry_on(&held.report),
                    None => {}
                }
                false
            }
        }
    }

    /// The same run of the same parent is back: it is sent all that it has not handed on.
    pub fn resume(&mut self) {
        for held in self.held.values_mut() {
            held.again |= held.state != State::Fresh;
            held.state = State::Fresh;
        }
    }

    /// Whether a report was sent that the parent has said nothing of yet.
    #[must_use]
    pub fn awaits_answer(&self) -> bool {
        self.held.values().any(|held| held.state == State::Sent)
    }

    /// What the parent that was lost may have got.
    #[must_use]
    pub fn in_question(&self) -> Vec<Stamp> {
        let sent = self.held.values().filter(|held| held.state != State::Fresh);
        sent.map(|held| held.report.stamp).collect()
    }

    /// Another parent begins with what the last one did not hand on, as the aggregator above it says; with none to ask, or
    /// one that does not know, what was sent is given up. The intervals that nobody needs to send any more.
    pub fn settle(&mut self, settled: Option<&Settled>) -> Vec<u64> {
        let mut over = Vec::new();
        // Nothing of what stays was ever sent to the next one.
        self.held.values_mut().for_each(|held| held.again = false);
        for stamp in self.in_question() {
            match settled.filter(|settled| !settled.lives) {
                Some(settled) if settled.included.contains(&stamp.interval) => {}
                Some(_) => {
                    self.held.entry(stamp.interval).and_modify(|held| held.state = State::Fresh);
                    continue;
                }
                None => self.in_doubt = self.in_doubt.saturating_add(1),
            }
            self.held.remove(&stamp.interval);
            over.push(stamp.interval);
        }
        over
    }

    /// The reports that nobody has got, for who finds that there is nobody above.
    pub fn take_unsent(&mut self) -> Vec<Report> {
        let fresh = |held: &Held| held.state == State::Fresh;
        let unsent: Vec<u64> =
            self.held.iter().filter(|(_, held)| fresh(held)).map(|(interval, _)| *interval).collect();
        unsent.iter().filter_map(|interval| self.held.remove(interval)).map(|held| held.report).collect()
    }

    /// This run is gone for those above: nothing of it may count any more.
    pub fn forget(&mut self) {
        self.in_doubt = self.in_doubt.saturating_add(self.held.len() as u64);
        self.held.clear();
        self.carry = Carry::default();
    }

    /// Reports given up because nobody could tell whether they count.
    #[must_use]
    pub fn in_doubt(&self) -> u64 {
        self.in_doubt
    }

    fn carry_on(&mut self, report: &Report) {
        self.carry.marks.extend(&report.marks);
        self.carry.figures.merge(&report.figures);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::figures::Figure;
    use super::*;
    use crate::arm::Sketch;

    fn report(interval: u64) -> Report {
        let mut response = Sketch::default();
        response.record(Duration::from_micros(interval));
        let mut report = Report::of_one(Stamp { interval, boot: 5 });
        report.figures.add("ping", &Figure { response, ..Figure::default() });
        report
    }

    fn counts(reports: &[Report]) -> Vec<(u64, u64)> {
        let count = |report: &Report| report.figures.iter().map(|(_, figure)| figure.count()).sum();
        reports.iter().map(|report| (report.stamp.interval, count(report))).collect()
    }

    /// Three reports: one taken, one sent, one not.
    fn under_way() -> Uplink {
        let mut uplink = Uplink::default();
        (1..=3).for_each(|interval| uplink.push(report(interval)));
        assert_eq!(uplink.next_to_send().unwrap().stamp.interval, 1);
        assert_eq!(uplink.next_to_send().unwrap().stamp.interval, 2);
        assert!(uplink.hear(1, Fate::Taken) && !uplink.hear(1, Fate::Taken));
        uplink
    }

    #[test]
    fn what_is_handed_on_is_forgotten_and_what_is_late_counts_in_the_next_interval() {
        let mut uplink = under_way();
        assert!(!uplink.hear(2, Fate::HandedOn));
        assert_eq!(uplink.in_question(), [Stamp { interval: 2, boot: 5 }], "its taking was never heard of");
        uplink.hear(2, Fate::Late);
        uplink.push(report(4));
        assert_eq!(counts(&uplink.take_unsent()), [(3, 1), (4, 2)]);
    }

    #[test]
    fn after_a_parent_died_only_what_did_not_come_through_is_sent_again() {
        let mut uplink = under_way();
        let settled = Settled { lives: false, included: vec![1] };
        assert_eq!(uplink.settle(Some(&settled)), [1]);
        assert_eq!((counts(&uplink.take_unsent()), uplink.in_doubt()), (vec![(2, 1), (3, 1)], 0));
    }

    #[test]
    fn what_nobody_can_tell_is_given_up() {
        for settled in [None, Some(Settled { lives: true, included: vec![2] })] {
            let mut uplink = under_way();
            assert_eq!(uplink.settle(settled.as_ref()), [1, 2]);
            assert_eq!((counts(&uplink.take_unsent()), uplink.in_doubt()), (vec![(3, 1)], 2));
        }
    }

    #[test]
    fn the_same_parent_gets_all_again() {
        let mut uplink = under_way();
        uplink.resume();
        assert_eq!(counts(&uplink.take_unsent()), [(1, 1), (2, 1), (3, 1)]);
    }

    #[test]
    fn what_a_parent_forgot_is_given_up_only_if_it_may_have_had_it() {
        let mut uplink = under_way();
        uplink.resume();
        while uplink.next_to_send().is_some() {}
        (1..=3).for_each(|interval| assert!(!uplink.hear(interval, Fate::Forgotten)));
        assert_eq!((uplink.in_doubt(), uplink.awaits_answer()), (2, false));
        uplink.push(report(4));
        assert_eq!(counts(&uplink.take_unsent()), [(4, 2)], "the third was never sent before");
    }

    #[test]
    fn without_a_parent_the_reports_stay_bounded_and_nothing_is_lost() {
        let mut uplink = Uplink::default();
        (1..=20).for_each(|interval| uplink.push(report(interval)));
        let unsent = counts(&uplink.take_unsent());
        assert_eq!(unsent.len(), REPORTS_KEPT);
        assert_eq!(unsent.iter().map(|(_, count)| count).sum::<u64>(), 20);
    }
}
