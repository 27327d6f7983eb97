//! What is a contradiction, and what only looks like one.

use super::super::{Aggregator, Newcomer, Stamp};
use super::*;
use crate::arm::Sketch;

fn report(interval: u64, failed: u64) -> Report {
    let mut report = Report::of_one(Stamp { interval, boot: 5 });
    let mut response = Sketch::default();
    response.record_many(Duration::from_millis(3), failed);
    report.figures.add("ping", &Figure { failed, unanswered: 0, response });
    report
}

fn part(child: PeerId, report: Report) -> Part {
    Part { child, level: 0, closed: report.stamp.interval, report }
}

fn saying(report: Report, to: PeerId) -> Saying {
    Saying { report, to: vec![to], handed_on: true, kept: false, ago: Duration::from_secs(9) }
}

fn said(seconds: u64, saying: Option<Saying>) -> ToldAnswer {
    ToldAnswer { reach: Duration::from_secs(seconds), saying }
}

fn lie(found: Result<(), Finding>) -> Lie {
    match found {
        Err(Finding::Contradicts(found)) => found.lie,
        found => panic!("{found:?}"),
    }
}

/// An honest aggregator's report of interval 7, with parts of two intervals, one of a child that started anew.
fn honest() -> (PeerId, Report, Vec<Part>) {
    let (children, mut parts) = ([PeerId::random(), PeerId::random()], Vec::new());
    let mut node = Aggregator::new(1, 1, 5);
    for child in children {
        for boot in [4, 5] {
            node.attach(child, Newcomer { boot, level: 0, expected: 1 });
            for interval in [6, 7] {
                let mut report = report(interval, boot + interval);
                report.stamp.boot = boot;
                node.offer(7, &child, report);
            }
        }
    }
    let report = node.close_with(7, |child, level, report| {
        parts.push(Part { child, level, closed: 7, report: report.clone() });
    });
    (PeerId::random(), report, parts)
}

#[test]
fn an_honest_sum_is_one_whatever_the_order_and_each_change_of_it_is_a_contradiction() {
    let (aggregator, report, mut parts) = honest();
    parts.reverse();
    assert_eq!((parts.len(), sums_up(aggregator, &report, &parts)), (8, Ok(())));
    let mut more = report.clone();
    more.figures.add("ping", &Figure { failed: 1, ..Figure::default() });
    assert_eq!(lie(sums_up(aggregator, &more, &parts)), Lie::Sum);
    let more = Report { reporting: 3, expected: 3, ..report.clone() };
    assert_eq!(lie(sums_up(aggregator, &more, &parts)), Lie::Sum);
    let mut listed = parts.clone();
    listed.push(part(PeerId::random(), super::tests::report(7, 0)));
    assert_eq!(lie(sums_up(aggregator, &report, &listed)), Lie::Sum, "one that is not marked");
    let mut many = parts.clone();
    many[0].report.reporting = 50;
    assert_eq!(lie(sums_up(aggregator, &report, &many)), Lie::Sum, "a peer that measures is one");
}

#[test]
fn what_was_forgotten_or_looks_the_same_by_chance_is_no_contradiction() {
    let (aggregator, report, mut parts) = honest();
    let forgotten = Err(Finding::NotCheckable(aggregator, NotCheckable::Forgotten));
    let gone = parts.pop().unwrap();
    assert_eq!(sums_up(aggregator, &report, &parts), forgotten);
    parts.extend([gone.clone(), gone]);
    assert_eq!(sums_up(aggregator, &report, &parts), forgotten);
}

#[test]
fn definitions_that_count_as_others_are_compared_together() {
    let mut parts = Vec::new();
    let child = |number: u64| {
        let mut own = report(7, 0);
        (0..10).for_each(|name| {
            own.figures.add(&format!("{number}-{name}"), &Figure { failed: 1, ..Figure::default() });
        });
        part(PeerId::random(), own)
    };
    parts.extend((0..4).map(child));
    let marks = parts.iter().map(|part| part.report.stamp.mark(&part.child)).collect();
    let mut sum =
        Report { marks, reporting: 4, expected: 4, ..Report::of_one(Stamp { interval: 7, boot: 1 }) };
    parts.iter().for_each(|part| sum.figures.merge(&part.report.figures));
    parts.reverse();
    assert_eq!(sums_up(PeerId::random(), &sum, &parts), Ok(()));
    sum.figures.add("ping", &Figure { failed: 1, ..Figure::default() });
    assert_eq!(lie(sums_up(PeerId::random(), &sum, &parts)), Lie::Sum);
}

#[test]
fn a_child_that_says_something_else_contradicts_and_one_that_forgot_does_not() {
    let [aggregator, child, other] = [PeerId::random(), PeerId::random(), PeerId::random()];
    let (inflated, age) = (part(child, report(7, 900)), Duration::from_secs(20));
    let check = |told: ToldAnswer| counted(aggregator, &inflated, &told, age);
    assert_eq!(check(said(5, Some(saying(report(7, 900), aggregator)))), Ok(()));
    assert_eq!(lie(check(said(5, Some(saying(report(7, 9), aggregator))))), Lie::Changed);
    assert_eq!(lie(check(said(5, Some(saying(report(7, 900), other))))), Lie::NeverSent);
    assert_eq!(lie(check(said(21, None))), Lie::NeverSent);
    let too_old = Err(Finding::NotCheckable(child, NotCheckable::TooOld));
    assert_eq!(check(said(20, None)), too_old, "it may have been sent by an earlier start of it");
    let forgotten = Err(Finding::NotCheckable(child, NotCheckable::Forgotten));
    let to = vec![other; TOLD_PARENTS_MAX];
    assert_eq!(check(said(5, Some(Saying { to, ..saying(report(7, 9), other) }))), forgotten);
    let evades = Err(Finding::NotCheckable(child, NotCheckable::Refuses));
    assert_eq!(check(said(5, Some(saying(report(8, 900), aggregator)))), evades);
}

#[test]
fn a_report_that_was_dropped_is_missed_only_where_it_must_be_known() {
    let [aggregator, child] = [PeerId::random(), PeerId::random()];
    let own = saying(report(7, 9), aggregator);
    let mut sum = report(7, 9);
    sum.marks = vec![own.report.stamp.mark(&child)];
    let since = Duration::from_secs(1);
    let check =
        |told: &ToldAnswer| holding(aggregator, (child, &own, since), told).map(|found| found.report.clone());
    assert_eq!(check(&said(60, Some(saying(sum.clone(), aggregator)))), Ok(sum));
    assert_eq!(lie(check(&said(60, None)).map(drop)), Lie::Dropped);
    let forgotten = Err(Finding::NotCheckable(aggregator, NotCheckable::Forgotten));
    assert_eq!(check(&said(10, None)), forgotten, "it may have started since");
    let other = said(60, Some(saying(report(7, 9), aggregator)));
    assert_eq!(check(&other), Err(Finding::NotCheckable(aggregator, NotCheckable::Refuses)));
}

#[test]
fn an_invented_report_that_is_said_to_be_old_is_held_against_the_aggregator() {
    let [aggregator, child] = [PeerId::random(), PeerId::random()];
    let (invented, age) = (part(child, report(1, 1000)), Duration::from_secs(1 << 30));
    let finding = counted(aggregator, &invented, &said(3600, None), age).unwrap_err();
    assert_eq!(finding, Finding::NotCheckable(child, NotCheckable::TooOld));
    let check = Check { interval: 7, down: true, path: vec![aggregator, child], finding };
    let unverified = |check| Checks { checks: vec![check], ..Checks::default() }.unverified();
    assert_eq!(unverified(check.clone()), BTreeMap::from([(aggregator, 1)]));
    // One that has forgotten what it counted itself says nothing of the one above.
    let forgotten = Finding::NotCheckable(child, NotCheckable::Forgotten);
    assert!(unverified(Check { finding: forgotten, ..check }).is_empty());
}

#[test]
fn checks_are_shown_by_aggregator() {
    let [aggregator, child] = [PeerId::random(), PeerId::random()];
    let briefs = (Some(Brief::of(&report(7, 9))), None);
    let found = contradiction(aggregator, Some(child), Lie::NeverSent, briefs);
    let gone = Finding::NotCheckable(child, NotCheckable::Unreachable);
    let check = |finding| Check { interval: 7, down: true, path: vec![aggregator, child], finding };
    let checks = [found.clone(), found, gone, Finding::Agrees].map(check).to_vec();
    let checks = Checks { checks, questions: 5, bytes: 6 };
    let json = checks.to_json();
    assert_eq!(
        (&json["contradict"], &json["agree"], &json["not_checkable"]),
        (&2.into(), &1.into(), &1.into())
    );
    assert_eq!(
        (&json["contradicted"][0]["checks"], &json["unverified"][0]["checks"]),
        (&2.into(), &1.into())
    );
    assert_eq!(json["results"][0]["counted"]["failed"], 9);
    assert_eq!(json["results"][2]["reason"], "unreachable");
    let (_, found) = checks.contradictions().next().unwrap();
    assert!(found.sentence().contains(&format!("for {child}; that one")), "{}", found.sentence());
}
