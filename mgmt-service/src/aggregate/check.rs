//! Spot checks: whether what an aggregator counted is what its children say, and its report the sum of both.
//!
//! In: what an aggregator says that it counted, what the child itself says, how old either can be. Out: they agree, they
//! contradict each other, or it can't be told; whatever a restart, a move to another parent or a late report can explain is
//! no contradiction. Pure: no clock, no socket.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::time::Duration;

use overlay::PeerId;

use super::figures::{Figure, Figures};
use super::ledger::Part;
use super::node::possible;
use super::report::Report;
use super::told::{Saying, ToldAnswer};
use crate::limits::{REPORT_MARKS_MAX, TOLD_PARENTS_MAX};

mod shown;

/// What came of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// All along the path the same was said.
    Agrees,
    /// An aggregator and another, or itself, can't both be right.
    Contradicts(Box<Contradiction>),
    /// Nobody can tell, and this peer is why.
    NotCheckable(PeerId, NotCheckable),
}

/// Why a check came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NotCheckable {
    /// It is gone, or does not answer in time.
    Unreachable,
    /// It is no member of the group, or none any more.
    NoMember,
    /// It answers no such question.
    Refuses,
    /// It does not remember the interval any more.
    Forgotten,
    /// Its parent says that it counted something older than what it remembers.
    TooOld,
    /// Nothing that it reported has come to the top yet.
    TooEarly,
    /// There is more than is looked at.
    TooMuch,
}

/// Who says what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradiction {
    /// Who is contradicted.
    pub aggregator: PeerId,
    /// By whom; by what it says itself, if nobody.
    pub child: Option<PeerId>,
    /// In what.
    pub lie: Lie,
    /// What the aggregator counted, or says it did.
    pub counted: Option<Brief>,
    /// What the child says, or what the parts add up to.
    pub told: Option<Brief>,
}

/// In what an aggregator is contradicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lie {
    /// Its report is not the sum of the reports that it says are in it.
    Sum,
    /// The child has reported something else.
    Changed,
    /// The child has never made that report, or never sent it there.
    NeverSent,
    /// The child's report is in none of the aggregator's, though it said that it had handed it on.
    Dropped,
}

/// The figures of a report in three numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Brief {
    /// Peers that are in.
    pub reporting: u64,
    /// Transactions.
    pub count: u64,
    /// Those that failed.
    pub failed: u64,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Which interval it began with.
    pub interval: u64,
    /// Down from a root; else up from a peer that measures.
    pub down: bool,
    /// Who was asked, in that order.
    pub path: Vec<PeerId>,
    /// What came of it.
    pub finding: Finding,
}

/// The checks of one look at the totals.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checks {
    /// They.
    pub checks: Vec<Check>,
    /// Questions that were asked for them.
    pub questions: u64,
    /// Bytes of the answers.
    pub bytes: u64,
}

impl Brief {
    /// Of a report.
    #[must_use]
    pub fn of(report: &Report) -> Self {
        let Figure { failed, .. } = grand(&report.figures);
        Self { reporting: report.reporting, count: grand(&report.figures).count(), failed }
    }
}

impl Checks {
    /// Checks in which all agreed.
    #[must_use]
    pub fn agreeing(&self) -> usize {
        self.checks.iter().filter(|check| check.finding == Finding::Agrees).count()
    }

    /// Who contradicts whom, each check with its own.
    pub fn contradictions(&self) -> impl Iterator<Item = (&Check, &Contradiction)> {
        self.checks.iter().filter_map(|check| match &check.finding {
            Finding::Contradicts(contradiction) => Some((check, contradiction.as_ref())),
            Finding::Agrees | Finding::NotCheckable(..) => None,
        })
    }

    /// In how many checks each aggregator was contradicted.
    #[must_use]
    pub fn contradicted(&self) -> BTreeMap<PeerId, usize> {
        let mut by = BTreeMap::new();
        self.contradictions().for_each(|(_, found)| *by.entry(found.aggregator).or_default() += 1);
        by
    }

    /// In how many checks each aggregator was found to have counted what its child can't tell of: nobody reaches that one, it
    /// is no member, or it remembers nothing so old. It may have gone or started anew since, or the report may never have
    /// been; how old it is only the aggregator says.
    #[must_use]
    pub fn unverified(&self) -> BTreeMap<PeerId, usize> {
        let mut by = BTreeMap::new();
        for check in self.checks.iter().filter(|check| check.down) {
            if let ([.., aggregator, child], Finding::NotCheckable(peer, why)) =
                (&*check.path, &check.finding)
                && child == peer
                && [NotCheckable::Unreachable, NotCheckable::NoMember, NotCheckable::TooOld].contains(why)
            {
                *by.entry(*aggregator).or_default() += 1;
            }
        }
        by
    }

    /// Whom nothing could be learned of, and why.
    pub fn not_checkable(&self) -> impl Iterator<Item = (&PeerId, NotCheckable)> {
        self.checks.iter().filter_map(|check| match &check.finding {
            Finding::NotCheckable(peer, why) => Some((peer, *why)),
            Finding::Agrees | Finding::Contradicts(_) => None,
        })
    }
}

/// Whether `said`, a report of `aggregator`, is the sum of `parts`, all that it says is in it.
///
/// # Errors
/// What is found instead.
pub fn sums_up(aggregator: PeerId, said: &Report, parts: &[Part]) -> Result<(), Finding> {
    let marks: HashSet<u32> = parts.iter().map(|part| part.report.stamp.mark(&part.child)).collect();
    let wanted: HashSet<u32> = said.marks.iter().copied().collect();
    // Marks that are the same by chance, or were cut off, say nothing.
    let unclear = marks.len() < parts.len() || said.marks.len() >= REPORT_MARKS_MAX;
    if unclear || wanted.iter().any(|mark| !marks.contains(mark)) {
        return Err(Finding::NotCheckable(aggregator, NotCheckable::Forgotten));
    }
    let mut sum = Report { reporting: 0, figures: Figures::default(), ..said.clone() };
    let mut reporting: BTreeMap<PeerId, u64> = BTreeMap::new();
    for part in parts {
        sum.figures.merge(&part.report.figures);
        // What was late counts, but not as a peer that is in.
        if part.closed == said.stamp.interval {
            let of_child = reporting.entry(part.child).or_default();
            *of_child = (*of_child).max(part.report.reporting);
        }
    }
    sum.reporting = reporting.values().fold(0, |sum, more| sum.saturating_add(*more));
    let possible = |part: &Part| part.report.reporting <= possible(part.level, part.report.reporting);
    let as_named = marks == wanted && parts.iter().all(possible);
    if as_named && sum.reporting == said.reporting && same(&said.figures, &sum.figures) {
        return Ok(());
    }
    let briefs = (Some(Brief::of(said)), Some(Brief::of(&sum)));
    Err(contradiction(aggregator, None, Lie::Sum, briefs))
}

/// Whether the child of `part` has reported to `aggregator` what that one counted. `age` is how long ago it can have sent it
/// at most.
///
/// # Errors
/// What is found instead.
pub fn counted(aggregator: PeerId, part: &Part, told: &ToldAnswer, age: Duration) -> Result<(), Finding> {
    let of_part = Some(Brief::of(&part.report));
    let Some(saying) = &told.saying else {
        if told.reach <= age {
            return Err(Finding::NotCheckable(part.child, NotCheckable::TooOld));
        }
        return Err(contradiction(aggregator, Some(part.child), Lie::NeverSent, (of_part, None)));
    };
    if saying.report.stamp != part.report.stamp {
        return Err(Finding::NotCheckable(part.child, NotCheckable::Refuses));
    }
    let of_child = Some(Brief::of(&saying.report));
    if !saying.to.contains(&aggregator) {
        if saying.to.len() >= TOLD_PARENTS_MAX {
            return Err(Finding::NotCheckable(part.child, NotCheckable::Forgotten));
        }
        return Err(contradiction(aggregator, Some(part.child), Lie::NeverSent, (of_part, of_child)));
    }
    if agree(part, &saying.report) {
        return Ok(());
    }
    Err(contradiction(aggregator, Some(part.child), Lie::Changed, (of_part, of_child)))
}

/// Whether `aggregator` has what `child` says that it handed on: the report of its own in which it is. `since` is how long
/// ago the child was asked.
///
/// # Errors
/// What is found instead.
pub fn holding<'a>(
    aggregator: PeerId,
    (child, saying, since): (PeerId, &Saying, Duration),
    told: &'a ToldAnswer,
) -> Result<&'a Saying, Finding> {
    let mark = saying.report.stamp.mark(&child);
    match &told.saying {
        Some(own) if own.report.marks.contains(&mark) => Ok(own),
        Some(_) => Err(Finding::NotCheckable(aggregator, NotCheckable::Refuses)),
        // What it forgot, or an earlier run of it counted, it can't tell.
        None if told.reach <= saying.ago.saturating_add(since).saturating_add(ROUNDING) => {
            Err(Finding::NotCheckable(aggregator, NotCheckable::Forgotten))
        }
        None => {
            let of_child = Some(Brief::of(&saying.report));
            Err(contradiction(aggregator, Some(child), Lie::Dropped, (None, of_child)))
        }
    }
}

/// Whether `part` is the same as the child's own `report`, as far as an aggregator may not change it.
pub(crate) fn agree(part: &Part, report: &Report) -> bool {
    let most = possible(part.level, report.expected);
    part.report.reporting == report.reporting.min(most)
        && part.report.expected == most
        && part.report.marks == report.marks
        && same(&part.report.figures, &report.figures)
}

pub(crate) fn contradiction(
    aggregator: PeerId,
    child: Option<PeerId>,
    lie: Lie,
    (counted, told): (Option<Brief>, Option<Brief>),
) -> Finding {
    Finding::Contradicts(Box::new(Contradiction { aggregator, child, lie, counted, told }))
}

/// Whether figures are the same. Where some count as others, which ones do depends on the order of merging: then only the
/// sum of all is compared.
pub(crate) fn same(one: &Figures, other: &Figures) -> bool {
    if one.has_others() || other.has_others() {
        return grand(one) == grand(other);
    }
    one == other
}

/// All definitions together.
fn grand(figures: &Figures) -> Figure {
    let mut all = Figure::default();
    figures.iter().for_each(|(_, figure)| all.merge(figure));
    all
}

impl fmt::Display for Brief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reporting, count, failed } = self;
        write!(f, "{count} transactions, {failed} failed, {reporting} peers")
    }
}

/// Times travel in whole milliseconds.
const ROUNDING: Duration = Duration::from_millis(2);

#[cfg(test)]
mod tests;
