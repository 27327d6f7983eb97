//! The tree's promises: each report counts once, what is missing is said, quantiles and bytes are as the cost model says.

use std::time::Duration;

use super::super::ranked;
use super::*;

fn peer(number: u64) -> PeerId {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    // The id of a key that nobody has: making keys would take most of the time.
    let mut bytes = vec![0, 36, 8, 1, 18, 32];
    bytes.extend(seed);
    PeerId::from_bytes(&bytes).unwrap()
}

fn report(interval: u64, boot: u64, micros: &[u64]) -> Report {
    let mut report = Report::of_one(Stamp { interval, boot });
    micros.iter().for_each(|micros| report.response.record(Duration::from_micros(*micros)));
    report
}

#[test]
fn a_report_that_comes_again_counts_once_and_a_later_version_replaces_it() {
    let (mut node, child) = (Aggregator::new(1, 0), peer(1));
    assert_eq!(node.offer(&child, report(1, 5, &[10])), Offered::Refused, "it is not attached");
    assert!(node.attach(child, 1));
    assert_eq!(node.offer(&child, report(1, 5, &[10])), Offered::New);
    assert_eq!(node.offer(&child, report(1, 5, &[10])), Offered::Replaced);
    assert_eq!(node.offer(&child, report(1, 5, &[10, 20])), Offered::Replaced);
    // It was restarted within the interval: both runs count, the peer counts once.
    assert_eq!(node.offer(&child, report(1, 6, &[30])), Offered::New);
    let sum = node.close(1);
    assert_eq!((sum.response.count(), sum.reporting, sum.expected), (3, 1, 1));
    assert_eq!(node.offer(&child, report(1, 5, &[10])), Offered::Late);
    assert_eq!(node.close(2).response.count(), 0);
}

#[test]
fn who_is_silent_is_missing_in_the_figure() {
    let mut node = Aggregator::new(1, 0);
    for number in 0..10 {
        node.attach(peer(number), 1);
    }
    for number in 0..7 {
        node.offer(&peer(number), report(1, 5, &[10]));
    }
    let sum = node.close(1);
    assert_eq!((sum.reporting, sum.expected), (7, 10));
    node.detach(&peer(9));
    assert_eq!((node.close(2).reporting, node.expected()), (0, 9));
}

#[test]
fn children_and_their_reports_are_bounded() {
    let mut node = Aggregator::new(1, 0);
    for number in 0..AGGREGATOR_CHILDREN_MAX as u64 {
        assert!(node.attach(peer(number), 1));
    }
    assert!(!node.attach(peer(1000), 1) && node.attach(peer(0), 1));
    for interval in 1..=REPORTS_PER_CHILD_MAX as u64 {
        assert_eq!(node.offer(&peer(0), report(interval, 5, &[])), Offered::New);
    }
    assert_eq!(node.offer(&peer(0), report(99, 5, &[])), Offered::Refused);
}

/// What the root learns of one interval.
struct Seen {
    report: Report,
    /// Bytes that the root took, and those of the busiest aggregator below.
    root_bytes: usize,
    levels: usize,
}

/// Lets `leaves` report up the tree, level by level; aggregators of the first level with a number below `dead` die before.
fn climb(leaves: Vec<(PeerId, Report)>, dead: usize) -> Seen {
    let (mut level, mut levels) = (leaves, 0);
    loop {
        levels += 1;
        if level.len() <= FAN_IN {
            let (mut root, mut root_bytes) = (Aggregator::new(9, 0), 0);
            for (child, report) in level {
                root_bytes += report.encode().unwrap().len();
                assert!(root.attach(child, report.expected));
                root.offer(&child, report);
            }
            return Seen { report: root.close(1), root_bytes, levels };
        }
        let ids: Vec<PeerId> =
            (0..level.len().div_ceil(FAN_IN)).map(|n| peer((levels as u64) << 40 | n as u64)).collect();
        let mut nodes: HashMap<PeerId, Aggregator> =
            ids.iter().map(|id| (*id, Aggregator::new(9, 0))).collect();
        for (child, report) in level {
            // A few candidates do: a child looks at a window of the level, not at all of it.
            let start = (child.to_bytes()[6..10].iter().fold(0, |sum, byte| sum * 31 + usize::from(*byte)))
                % ids.len();
            let window: Vec<PeerId> =
                (0..ids.len().min(WINDOW)).map(|n| ids[(start + n) % ids.len()]).collect();
            let mut order = ranked(&child, &window).into_iter().chain(ids.iter().copied());
            let parent = order.find(|id| {
                let alive = levels > 1 || !ids[..dead].contains(id);
                alive && nodes.get_mut(id).is_some_and(|node| node.attach(child, report.expected))
            });
            nodes.get_mut(&parent.unwrap()).unwrap().offer(&child, report);
        }
        level = nodes.into_iter().map(|(id, mut node)| (id, node.close(1))).collect();
        level.retain(|(_, report)| report.expected > 0);
    }
}

/// Response times of `peers` peers, `each` of each: most around a millisecond, some a hundred times as slow.
fn measured(peers: u64, each: u64) -> (Vec<(PeerId, Report)>, Vec<u64>) {
    let (mut random, mut all) = (0x2545_f491_4f6c_dd1d_u64, Vec::new());
    let leaves = (0..peers).map(|number| {
        let micros: Vec<u64> = (0..each)
            .map(|_| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                let spread = ((random >> 11) as f64 / (1_u64 << 53) as f64 * 6.0 - 2.0).exp();
                (spread * if random.is_multiple_of(50) { 100_000.0 } else { 1_000.0 }) as u64 + 1
            })
            .collect();
        all.extend_from_slice(&micros);
        (peer(number), report(1, number, &micros))
    });
    let leaves = leaves.collect();
    all.sort_unstable();
    (leaves, all)
}

/// `cargo test -p mgmt-service --lib --release -- aggregate --nocapture`; `JUXTA_SCALE=1` goes up to a million peers.
#[test]
fn the_roots_input_does_not_grow_with_the_peers_and_its_quantiles_are_those_of_all_records() {
    let scale: f64 = std::env::var("JUXTA_SCALE").map_or(0.05, |text| text.parse().unwrap());
    println!(
        "{:>9} {:>7} {:>12} {:>11} {:>8} {:>8} {:>8}",
        "peers", "levels", "root B/10 s", "all B/10 s", "p50", "p90", "p99"
    );
    for peers in [1_000, 10_000, 100_000, 1_000_000] {
        if peers as f64 > 1_000_000.0 * scale.max(0.01) {
            continue;
        }
        let (leaves, all) = measured(peers, 5);
        let direct: usize = leaves.iter().map(|(_, report)| report.encode().unwrap().len()).sum();
        let seen = climb(leaves, 0);
        assert_eq!((seen.report.reporting, seen.report.expected), (peers, peers));
        assert_eq!(seen.report.response.count(), all.len() as u64);
        let error = |q: f64| {
            let exact = all[((all.len() as f64 * q).ceil() as usize).max(1) - 1] as f64;
            seen.report.response.quantile(q).unwrap().as_secs_f64() * 1e6 / exact - 1.0
        };
        let errors = [0.5, 0.9, 0.99].map(error);
        assert!(errors.iter().all(|error| error.abs() <= Sketch::RELATIVE_ERROR + 1e-3), "{errors:?}");
        assert!(seen.root_bytes <= FAN_IN * 2_500, "{}", seen.root_bytes);
        let [p50, p90, p99] = errors.map(|error| format!("{:+.2} %", error * 100.0));
        println!(
            "{peers:>9} {:>7} {:>12} {direct:>11} {p50:>8} {p90:>8} {p99:>8}",
            seen.levels, seen.root_bytes
        );
    }
}

#[test]
fn when_aggregators_die_their_children_find_others_and_nothing_counts_twice() {
    let (leaves, all) = measured(2_000, 3);
    let seen = climb(leaves, 5);
    assert_eq!((seen.report.reporting, seen.report.expected), (2_000, 2_000));
    assert_eq!(seen.report.response.count(), all.len() as u64);
}

/// Children of an aggregator on average, below its bound so that those of a dead one find room.
const FAN_IN: usize = 50;

/// Aggregators that a child considers before it takes any.
const WINDOW: usize = 16;
