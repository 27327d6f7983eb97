//! What a peer remembers of its own reports, so that a manager can ask whether they count as they were made.
//!
//! In: reports that are sent, what parents say of them, moments of a monotonic clock. Out: one of the last `TOLD_KEPT`, and
//! since when none is forgotten: only what is younger and unknown was never sent.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use overlay::PeerId;

use super::report::{Report, Stamp};
use crate::limits::{TOLD_KEPT, TOLD_PARENTS_MAX};

/// Which report of a peer is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The oldest that its parent says it handed on: who counted it has had time to count it all the way up.
    HandedOn,
    /// This one.
    Stamped(Stamp),
    /// The one in which the report with this [mark](Stamp::mark) is.
    Holding(u32),
}

/// A report as who made it remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saying {
    /// It.
    pub report: Report,
    /// Whom it was sent to, the last one last, at most `TOLD_PARENTS_MAX`.
    pub to: Vec<PeerId>,
    /// The last of them said that it handed it on.
    pub handed_on: bool,
    /// Nobody was above: it counts at this root.
    pub kept: bool,
    /// How long ago it was sent last, in whole milliseconds.
    pub ago: Duration,
}

/// What a peer says of its own reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldAnswer {
    /// It remembers all that it has sent within the last so many whole milliseconds.
    pub reach: Duration,
    /// The report asked for.
    pub saying: Option<Saying>,
}

/// The last reports of one peer.
#[derive(Debug)]
pub struct Told {
    /// What was sent longest ago first.
    entries: VecDeque<Entry>,
    complete_since: Instant,
}

#[derive(Debug)]
struct Entry {
    report: Report,
    to: Vec<PeerId>,
    sent: Instant,
    fate: Heard,
}

/// What the last parent said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    Nothing,
    Taken,
    HandedOn,
    Refused,
    /// There is none.
    Kept,
    /// It was lost; whatever a later run of it hands on, this report need not be in it.
    Lost,
}

impl Told {
    /// Of a peer that starts now.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { entries: VecDeque::new(), complete_since: now }
    }

    /// `report` waits to be sent; what was in others that were not counted is in it.
    pub fn made(&mut self, now: Instant, report: &Report) {
        self.remember(now, report, |_| {});
    }

    /// `report` is about to be sent, for the first time or again.
    pub fn sent(&mut self, now: Instant, report: &Report, to: PeerId) {
        self.remember(now, report, |entry| {
            entry.fate = Heard::Nothing;
            entry.to.retain(|known| *known != to);
            if entry.to.len() >= TOLD_PARENTS_MAX {
                entry.to.remove(0);
            }
            entry.to.push(to);
        });
    }

    /// Nobody is above this root: `report` counts here.
    pub fn kept(&mut self, now: Instant, report: &Report) {
        self.remember(now, report, |entry| entry.fate = Heard::Kept);
    }

    /// `parent` has the report of `interval`.
    pub fn taken(&mut self, parent: &PeerId, interval: u64) {
        let of_it =
            |entry: &&mut Entry| entry.report.stamp.interval == interval && entry.fate == Heard::Nothing;
        let entry =
            self.entries.iter_mut().rev().find(|entry| of_it(entry) && entry.to.last() == Some(parent));
        entry.into_iter().for_each(|entry| entry.fate = Heard::Taken);
    }

    /// `parent` does not count the report of `interval`; what is in it comes with a later one.
    pub fn refused(&mut self, parent: &PeerId, interval: u64) {
        let entries = self.entries.iter_mut().filter(|entry| entry.to.last() == Some(parent));
        let of_it = |entry: &&mut Entry| entry.report.stamp.interval == interval;
        entries.filter(of_it).for_each(|entry| entry.fate = Heard::Refused);
    }

    /// `parent` has handed on what it has of `interval` and before.
    pub fn handed_on(&mut self, parent: &PeerId, interval: u64) {
        for entry in self.entries.iter_mut().filter(|entry| entry.to.last() == Some(parent)) {
            if entry.fate == Heard::Taken && entry.report.stamp.interval <= interval {
                entry.fate = Heard::HandedOn;
            }
        }
    }

    /// The run of the parent that had these is lost: what it had not said to have handed on is never said to be.
    pub fn lost(&mut self) {
        let open = |entry: &&mut Entry| [Heard::Nothing, Heard::Taken].contains(&entry.fate);
        let sent = self.entries.iter_mut().filter(|entry| !entry.to.is_empty());
        sent.filter(open).for_each(|entry| entry.fate = Heard::Lost);
    }

    /// What is said to a manager.
    #[must_use]
    pub fn answer(&self, now: Instant, which: Which) -> ToldAnswer {
        let found = match which {
            Which::HandedOn => self.entries.iter().find(|entry| entry.fate == Heard::HandedOn),
            Which::Stamped(stamp) => self.find(stamp),
            Which::Holding(mark) => {
                let holding = |entry: &&Entry| entry.report.marks.contains(&mark);
                let counts = |entry: &&Entry| holding(entry) && entry.fate != Heard::Refused;
                let counting = self.entries.iter().rev().find(counts);
                // One that did not count is put into the next one.
                counting.or_else(|| self.entries.iter().rev().find(holding))
            }
        };
        let since = |then: Instant| now.saturating_duration_since(then);
        let saying = found.map(|entry| Saying {
            report: entry.report.clone(),
            to: entry.to.clone(),
            handed_on: entry.fate == Heard::HandedOn,
            kept: entry.fate == Heard::Kept,
            ago: since(entry.sent),
        });
        ToldAnswer { reach: since(self.complete_since), saying }
    }

    /// The report with this stamp.
    #[must_use]
    pub fn report(&self, stamp: Stamp) -> Option<&Report> {
        self.find(stamp).map(|entry| &entry.report)
    }

    fn find(&self, stamp: Stamp) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.report.stamp == stamp)
    }

    /// Changes what is remembered of `report`, which is the youngest from now on.
    fn remember(&mut self, now: Instant, report: &Report, change: impl FnOnce(&mut Entry)) {
        let known = self.entries.iter().position(|entry| entry.report.stamp == report.stamp);
        let known = known.and_then(|at| self.entries.remove(at));
        if self.entries.len() >= TOLD_KEPT
            && let Some(oldest) = self.entries.pop_front()
        {
            self.complete_since = self.complete_since.max(oldest.sent);
        }
        let (to, fate) = (Vec::new(), Heard::Nothing);
        let new = || Entry { report: report.clone(), to, sent: now, fate };
        let mut entry = known.unwrap_or_else(new);
        entry.sent = now;
        change(&mut entry);
        self.entries.push_back(entry);
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test brings the clock")]
mod tests {
    use super::*;

    fn report(interval: u64) -> Report {
        let mut report = Report::of_one(Stamp { interval, boot: 5 });
        report.marks = vec![interval as u32];
        report
    }

    #[test]
    fn only_what_the_last_parent_took_and_handed_on_is_said_to_be_handed_on() {
        let (now, [first, second]) = (Instant::now(), [PeerId::random(), PeerId::random()]);
        let mut told = Told::new(now);
        (1..=3).for_each(|interval| told.sent(now, &report(interval), first));
        told.taken(&first, 1);
        told.taken(&first, 2);
        told.sent(now, &report(2), second);
        told.handed_on(&first, 3);
        assert_eq!(told.answer(now, Which::HandedOn).saying.unwrap().report, report(1));
        let moved = told.answer(now, Which::Stamped(report(2).stamp)).saying.unwrap();
        assert_eq!((moved.handed_on, moved.to), (false, vec![first, second]));
        told.refused(&first, 3);
        assert!(!told.answer(now, Which::Holding(3)).saying.unwrap().handed_on);
        let later = Report { marks: vec![3, 4], ..report(4) };
        told.made(now, &later);
        assert_eq!(
            told.answer(now, Which::Holding(3)).saying.unwrap().report,
            later,
            "it counts with that one"
        );
        assert_eq!(told.answer(now, Which::Holding(2)).saying.unwrap().report, report(2));
    }

    #[test]
    fn what_a_lost_run_had_is_not_said_to_be_handed_on_by_the_next_run_of_the_same_parent() {
        let (now, parent) = (Instant::now(), PeerId::random());
        let mut told = Told::new(now);
        (1..=3).for_each(|interval| told.sent(now, &report(interval), parent));
        told.taken(&parent, 1);
        told.handed_on(&parent, 1);
        told.taken(&parent, 2);
        told.lost();
        // Nobody can tell of the second whether it counts: it is given up. The third is sent again.
        told.sent(now, &report(3), parent);
        told.taken(&parent, 3);
        told.handed_on(&parent, 3);
        let handed_on = |at| told.answer(now, Which::Stamped(report(at).stamp)).saying.unwrap().handed_on;
        assert_eq!([handed_on(1), handed_on(2), handed_on(3)], [true, false, true]);
    }

    #[test]
    fn what_is_forgotten_is_not_said_to_be_remembered() {
        let (start, parent) = (Instant::now(), PeerId::random());
        let second = |second: u64| start + Duration::from_secs(second);
        let mut told = Told::new(start);
        (1..=TOLD_KEPT as u64 + 2).for_each(|at| told.sent(second(at), &report(at), parent));
        let answer = told.answer(second(20), Which::Stamped(report(2).stamp));
        assert_eq!(answer, ToldAnswer { reach: Duration::from_secs(18), saying: None });
        told.kept(second(30), &report(3));
        let kept = told.answer(second(40), Which::Stamped(report(3).stamp)).saying.unwrap();
        assert_eq!((kept.to, kept.kept, kept.ago), (vec![parent], true, Duration::from_secs(10)));
    }
}
