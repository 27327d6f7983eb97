//! The tree's promises: each report counts once, what is missing is said, who lies can claim little.

use std::time::Duration;

use super::super::figures::Figure;
use super::*;
use crate::arm::Sketch;

/// The id of a key that nobody has: making keys would take most of the time.
pub(super) fn peer(number: u64) -> PeerId {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    let mut bytes = vec![0, 36, 8, 1, 18, 32];
    bytes.extend(seed);
    PeerId::from_bytes(&bytes).unwrap()
}

pub(super) fn report(interval: u64, boot: u64, micros: &[u64]) -> Report {
    let mut report = Report::of_one(Stamp { interval, boot });
    let mut response = Sketch::default();
    micros.iter().for_each(|micros| response.record(Duration::from_micros(*micros)));
    report.figures.add("ping", &Figure { response, ..Figure::default() });
    report
}

pub(super) fn count(report: &Report) -> u64 {
    report.figures.iter().map(|(_, figure)| figure.count()).sum()
}

const LEAF: Newcomer = Newcomer { boot: 5, level: 0, expected: 1 };

#[test]
fn a_report_that_comes_again_counts_once_and_a_later_version_replaces_it() {
    let (mut node, child) = (Aggregator::new(1, 1, 0), peer(1));
    assert_eq!(node.offer(1, &child, report(1, 5, &[10])), Offered::Refused, "it is not attached");
    assert_eq!(node.attach(child, LEAF), Admitted::Yes);
    assert_eq!(node.offer(1, &child, report(1, 5, &[10])), Offered::New);
    assert_eq!(node.offer(1, &child, report(1, 5, &[10])), Offered::Replaced);
    assert_eq!(node.offer(1, &child, report(1, 5, &[10, 20])), Offered::Replaced);
    // It was restarted within the interval: both runs count, the peer counts once.
    assert_eq!(node.attach(child, Newcomer { boot: 6, ..LEAF }), Admitted::Yes);
    assert_eq!(node.offer(1, &child, report(1, 6, &[30])), Offered::New);
    let sum = node.close(1);
    assert_eq!((count(&sum), sum.reporting, sum.expected), (3, 1, 1));
    assert_eq!(node.offer(2, &child, report(1, 6, &[30])), Offered::Counted);
    assert_eq!(node.close(2).figures.iter().count(), 0);
    assert_eq!(node.offer(3, &child, report(2, 6, &[10])), Offered::Late);
}

#[test]
fn a_report_that_comes_again_after_its_mark_was_forgotten_is_not_said_to_be_late() {
    let (mut node, child, kept) = (Aggregator::new(1, 1, 0), peer(1), COUNTED_INTERVALS_KEPT as u64);
    node.attach(child, LEAF);
    node.offer(1, &child, report(1, 5, &[10]));
    (1..=kept).for_each(|interval| drop(node.close(interval)));
    assert_eq!(node.offer(kept, &child, report(1, 5, &[10])), Offered::Counted);
    node.close(kept + 1);
    assert_eq!(node.offer(kept, &child, report(1, 5, &[10])), Offered::Forgotten);
    assert_eq!(node.offer(kept, &child, report(2, 5, &[10])), Offered::Late, "it never came before");
}

#[test]
fn who_has_handed_on_nothing_begins_where_its_parent_counts() {
    let (mut node, child) = (Aggregator::new(1, 1, 30), peer(1));
    node.attach(child, LEAF);
    assert_eq!(node.offer(10, &child, report(10, 5, &[10])), Offered::Late, "by the clock here it is over");
    node.begin_after(9);
    assert_eq!(node.offer(10, &child, report(10, 5, &[10])), Offered::New);
    assert_eq!((count(&node.close(10)), node.closed()), (1, 10));
    node.begin_after(5);
    assert_eq!(node.closed(), 10, "what is closed stays so");
}

#[test]
fn who_is_silent_is_missing_in_the_figure() {
    let mut node = Aggregator::new(1, 1, 0);
    for number in 0..10 {
        node.attach(peer(number), LEAF);
    }
    for number in 0..7 {
        node.offer(1, &peer(number), report(1, 5, &[10]));
    }
    let sum = node.close(1);
    assert_eq!((sum.reporting, sum.expected), (7, 10));
    // Who leaves is missed once.
    node.leave(&peer(9));
    assert_eq!((node.close(2).expected, node.expected(), node.children()), (10, 9, 9));
}

#[test]
fn children_and_their_reports_are_bounded() {
    let mut node = Aggregator::new(1, 1, 0);
    for number in 0..AGGREGATOR_CHILDREN_MAX as u64 {
        assert_eq!(node.attach(peer(number), LEAF), Admitted::Yes);
    }
    assert_eq!(node.attach(peer(1000), LEAF), Admitted::Full);
    assert_eq!(node.attach(peer(0), LEAF), Admitted::Yes);
    for interval in 1..=REPORTS_PER_CHILD_MAX as u64 {
        assert_eq!(node.offer(9, &peer(0), report(interval, 5, &[])), Offered::New);
    }
    assert_eq!(node.offer(9, &peer(0), report(8, 5, &[])), Offered::Refused);
}

#[test]
fn a_child_can_claim_no_more_peers_than_its_level_holds_and_no_report_of_the_future() {
    let mut node = Aggregator::new(1, 2, 0);
    let claims = Newcomer { boot: 5, level: 1, expected: u64::MAX };
    assert_eq!(node.attach(peer(1), claims), Admitted::Yes);
    assert_eq!(node.attach(peer(2), Newcomer { expected: u64::MAX, ..LEAF }), Admitted::Yes);
    assert_eq!(node.attach(peer(3), Newcomer { level: 2, ..LEAF }), Admitted::Full, "a circle");
    assert_eq!(node.expected(), AGGREGATOR_CHILDREN_MAX as u64 + 1);
    for (child, number) in [(peer(1), 1), (peer(2), 2)] {
        let mut lie = report(1, 5, &[number]);
        (lie.expected, lie.reporting) = (u64::MAX, u64::MAX);
        assert_eq!(node.offer(1, &child, lie), Offered::New);
    }
    for (interval, boot) in [(3, 5), (u64::MAX, 5), (1, 6)] {
        assert_eq!(node.offer(1, &peer(1), report(interval, boot, &[])), Offered::Refused);
    }
    let sum = node.close(1);
    let most = AGGREGATOR_CHILDREN_MAX as u64 + 1;
    assert_eq!((sum.reporting, sum.expected, count(&sum)), (most, most, 2));
}

#[test]
fn an_orphan_learns_what_counts_already_and_nothing_of_the_dead_counts_later() {
    let (mut above, mut dying) = (Aggregator::new(1, 2, 0), Aggregator::new(7, 1, 0));
    let (dying_id, orphan, other) = (peer(50), peer(1), peer(2));
    let run = Newcomer { boot: 7, level: 1, expected: 2 };
    assert_eq!(above.attach(dying_id, run), Admitted::Yes);
    for child in [orphan, other] {
        dying.attach(child, LEAF);
        dying.offer(1, &child, report(1, 5, &[10]));
    }
    let first = dying.close(1);
    assert_eq!(above.offer(1, &dying_id, first.clone()), Offered::New);
    dying.offer(2, &other, report(2, 5, &[10]));
    let second = dying.close(2);
    let stamps: Vec<Stamp> = [1, 2, 3].map(|interval| Stamp { interval, boot: 5 }).to_vec();
    let asks = |above: &mut Aggregator, orphan| above.settle((&dying_id, 7), orphan, &stamps);
    assert_eq!(asks(&mut above, &orphan), Settled { lives: true, included: vec![] });
    assert!(
        above.is_attached((&dying_id, 7)) && !above.is_attached((&dying_id, 8)),
        "it can be asked itself"
    );
    above.leave(&dying_id);
    assert!(!above.is_attached((&dying_id, 7)));
    assert_eq!(asks(&mut above, &orphan), Settled { lives: false, included: vec![1] });
    assert_eq!(asks(&mut above, &other), Settled { lives: false, included: vec![1] });
    assert_eq!(asks(&mut above, &peer(3)), Settled { lives: false, included: vec![] });
    // It comes back with what its orphans count elsewhere by now.
    assert_eq!(above.attach(dying_id, run), Admitted::Gone);
    assert_eq!(count(&above.close(1)), 2);
    assert_eq!(above.attach(dying_id, Newcomer { boot: 8, ..run }), Admitted::Yes);
    assert_eq!(above.offer(2, &dying_id, second), Offered::Refused, "of the run that is gone");
    // Of a run that was never seen, nothing can be told.
    assert!(above.settle((&peer(60), 7), &orphan, &stamps).lives);
}
