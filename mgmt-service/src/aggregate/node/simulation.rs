//! A whole tree without sockets, from a thousand peers to a million: what the root takes, how exact its quantiles are.

use std::time::Duration;

use super::super::ranked;
use super::tests::{count, peer, report};
use super::*;
use crate::arm::Sketch;

/// A stage of the tree: who reports to the next one.
struct Stage {
    children: usize,
    level: u8,
}

impl Stage {
    fn id(&self, child: usize) -> PeerId {
        peer(u64::from(self.level) << 40 | child as u64)
    }

    /// The children of each aggregator above; aggregators with a number below `dead` take none.
    fn families(&self, dead: usize) -> Vec<Vec<usize>> {
        let above = Self { children: self.children.div_ceil(FAN_IN), level: self.level + 1 };
        let ids: Vec<PeerId> = (0..above.children).map(|number| above.id(number)).collect();
        let numbers: HashMap<PeerId, usize> = ids.iter().copied().zip(0..).collect();
        let mut families = vec![Vec::new(); above.children];
        for child in 0..self.children {
            // A child looks at a window of the aggregators, not at all of them.
            let start = child.wrapping_mul(0x9e37_79b9_7f4a_7c15) % ids.len();
            let window: Vec<PeerId> =
                (0..ids.len().min(WINDOW)).map(|number| ids[(start + number) % ids.len()]).collect();
            let order = ranked(&self.id(child), &window).into_iter().chain(ids.iter().copied());
            let mut order = order.map(|id| numbers[&id]);
            let room = order.find(|above| *above >= dead && families[*above].len() < AGGREGATOR_CHILDREN_MAX);
            families[room.unwrap()].push(child);
        }
        families
    }
}

/// What the root learns of one interval.
struct Seen {
    report: Report,
    root_bytes: usize,
    leaf_bytes: usize,
    levels: u8,
}

/// Lets peers report up the tree, one aggregator after the other, so that only sums are held; `leaf` makes the report of
/// a peer, and aggregators of the first level with a number below `dead` have died.
fn climb(peers: usize, dead: usize, mut leaf: impl FnMut(usize) -> Report) -> Seen {
    let (mut stage, mut leaf_bytes) = (Stage { children: peers, level: 0 }, 0);
    let mut sums: Vec<Option<Report>> = Vec::new();
    loop {
        let last = stage.children <= FAN_IN;
        let families = if last { vec![(0..stage.children).collect()] } else { stage.families(dead) };
        let mut bytes = 0;
        let above: Vec<Option<Report>> = families
            .into_iter()
            .map(|family| {
                let mut node = Aggregator::new(9, stage.level + 1, 0);
                for child in family {
                    let report = if stage.level == 0 { leaf(child) } else { sums[child].take().unwrap() };
                    let Report { stamp: Stamp { boot, .. }, expected, .. } = report;
                    let newcomer = Newcomer { boot, level: stage.level, expected };
                    assert_eq!(node.attach(stage.id(child), newcomer), Admitted::Yes);
                    bytes += report.encode().unwrap().len();
                    assert_eq!(node.offer(1, &stage.id(child), report), Offered::New);
                }
                (node.expected() > 0).then(|| node.close(1))
            })
            .collect();
        if stage.level == 0 {
            leaf_bytes = bytes;
        }
        sums = above.into_iter().filter(Option::is_some).collect();
        if last {
            let report = sums.remove(0).unwrap();
            return Seen { report, root_bytes: bytes, leaf_bytes, levels: stage.level + 1 };
        }
        stage = Stage { children: sums.len(), level: stage.level + 1 };
    }
}

/// Response times of one peer after the other: most around a millisecond, some a hundred times as slow.
struct Measured {
    random: u64,
    all: Vec<u64>,
}

impl Measured {
    fn new() -> Self {
        Self { random: 0x2545_f491_4f6c_dd1d, all: Vec::new() }
    }

    fn report(&mut self, peer: usize) -> Report {
        let micros: Vec<u64> = (0..EACH)
            .map(|_| {
                self.random ^= self.random << 13;
                self.random ^= self.random >> 7;
                self.random ^= self.random << 17;
                let spread = ((self.random >> 11) as f64 / (1_u64 << 53) as f64 * 6.0 - 2.0).exp();
                (spread * if self.random.is_multiple_of(50) { 100_000.0 } else { 1_000.0 }) as u64 + 1
            })
            .collect();
        self.all.extend_from_slice(&micros);
        report(1, peer as u64, &micros)
    }
}

/// `JUXTA_SCALE=1 cargo test -p mgmt-service --lib --release -- aggregate --nocapture` goes up to a million peers.
#[test]
fn the_roots_input_does_not_grow_with_the_peers_and_its_quantiles_are_those_of_all_records() {
    let scale: f64 = std::env::var("JUXTA_SCALE").map_or(0.05, |text| text.parse().unwrap());
    println!(
        "{:>9} {:>7} {:>9} {:>9} {:>8} {:>8} {:>8}",
        "peers", "levels", "root B/s", "flat B/s", "p50", "p90", "p99"
    );
    for peers in [1_000, 10_000, 100_000, 1_000_000] {
        if peers as f64 > 1_000_000.0 * scale.max(0.01) {
            continue;
        }
        let mut measured = Measured::new();
        let seen = climb(peers, 0, |peer| measured.report(peer));
        let mut all = measured.all;
        all.sort_unstable();
        assert_eq!((seen.report.reporting, seen.report.expected), (peers as u64, peers as u64));
        assert_eq!(count(&seen.report), all.len() as u64);
        let response = &seen.report.figures.get("ping").unwrap().response;
        let error = |q: f64| {
            let exact = all[((all.len() as f64 * q).ceil() as usize).max(1) - 1] as f64;
            response.quantile(q).unwrap().as_secs_f64() * 1e6 / exact - 1.0
        };
        let errors = [0.5, 0.9, 0.99].map(error);
        assert!(errors.iter().all(|error| error.abs() <= Sketch::RELATIVE_ERROR), "{errors:?}");
        assert!(seen.levels <= 4, "{}", seen.levels);
        let per_s = |bytes: usize| bytes / 60;
        assert!(per_s(seen.root_bytes) <= ROOT_BYTES_PER_S_MAX, "{}", seen.root_bytes);
        let [p50, p90, p99] = errors.map(|error| format!("{:+.2} %", error * 100.0));
        println!(
            "{peers:>9} {:>7} {:>9} {:>9} {p50:>8} {p90:>8} {p99:>8}",
            seen.levels,
            per_s(seen.root_bytes),
            per_s(seen.leaf_bytes)
        );
    }
}

#[test]
fn when_aggregators_die_their_children_find_others_and_nothing_counts_twice() {
    let mut measured = Measured::new();
    let seen = climb(2_000, 5, |peer| measured.report(peer));
    assert_eq!((seen.report.reporting, seen.report.expected), (2_000, 2_000));
    assert_eq!(count(&seen.report), measured.all.len() as u64);
    assert!(seen.report.figures.get("ping").unwrap().response.range().unwrap().0 > Duration::ZERO);
}

/// Children of an aggregator on average, below its bound so that those of a dead one find room.
const FAN_IN: usize = 50;

/// Aggregators that a child considers before it takes any.
const WINDOW: usize = 16;

/// Records of each peer in an interval.
const EACH: usize = 5;

/// What the root takes of one definition in intervals of a minute, at most.
const ROOT_BYTES_PER_S_MAX: usize = 1_500;
