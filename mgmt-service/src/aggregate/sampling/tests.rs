//! The sampler's promises: nothing is left out at an ordinary rate; above it figures by weight are those of all records.

use std::sync::Arc;

use overlay::PeerId;

use super::*;
use crate::arm::{Details, TypedValue, Wait, Waits};

/// Numbers that look random.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

fn good(us: u64) -> ArmRecord {
    ArmRecord { status: Status::Good, response_us: Some(us), ..ArmRecord::empty(PeerId::random()) }
}

fn failed() -> ArmRecord {
    ArmRecord { status: Status::Failed, ..ArmRecord::empty(PeerId::random()) }
}

const RATE: u32 = 100;

/// What came of the records of one second: how many were kept, the sum of their weights, of their weighted times.
#[derive(Default)]
struct Kept {
    count: u64,
    weight: u64,
    weighted_us: u64,
}

struct World {
    sampler: TailSampler,
    now: Instant,
    random: Random,
}

impl World {
    fn new(seed: u64) -> Self {
        Self { sampler: TailSampler::new(), now: Instant::now(), random: Random(seed) }
    }

    fn take(&mut self, record: &ArmRecord) -> Option<u32> {
        let random = &mut self.random;
        self.sampler.sample(self.now, record, RATE, || random.next())
    }

    /// A span of so many records that take 1 to 2 ms, one in 200 of them 20 ms; and what all together took.
    fn span(&mut self, count: u64) -> (Kept, u64) {
        let (mut kept, mut all_us) = (Kept::default(), 0);
        let begun = self.now;
        for number in 0..count {
            let us = if number % 200 == 7 { 20_000 } else { 1_000 + self.random.next() % 1_000 };
            all_us += us;
            if let Some(weight) = self.take(&good(us)) {
                kept.count += 1;
                kept.weight += u64::from(weight);
                kept.weighted_us += u64::from(weight) * us;
            }
            self.now = begun + RECORD_RATE_SPAN.mul_f64((number + 1) as f64 / count as f64);
        }
        (kept, all_us)
    }
}

#[test]
fn up_to_the_rate_every_record_travels_and_stands_for_itself() {
    let mut world = World::new(9);
    for _ in 0..5 {
        let (kept, _) = world.span(u64::from(RATE) * 10);
        assert_eq!((kept.count, kept.weight), (1_000, 1_000));
    }
}

#[test]
fn above_the_rate_a_bounded_number_travels_whose_weights_are_the_count_of_all() {
    let mut world = World::new(9);
    // A burst out of nothing is bounded too: at most the harmonic number of its excess times the rate.
    let (burst, _) = world.span(20_000);
    assert!((1_000..4_000).contains(&burst.count), "{}", burst.count);
    for _ in 0..5 {
        let (kept, all_us) = world.span(20_000);
        assert!((900..1_700).contains(&kept.count), "{}", kept.count);
        assert!(kept.weight.abs_diff(20_000) <= 40, "all but the groups at both ends: {}", kept.weight);
        // Times of usual records spread by 17 %: a sample of a thousand has their mean within 2 %.
        let error = kept.weighted_us as f64 / all_us as f64 - 1.0;
        assert!(error.abs() < 0.02, "{error}");
    }
}

#[test]
fn sums_by_weight_are_unbiased() {
    let mean_error: f64 = (1..=40)
        .map(|seed| {
            let mut world = World::new(0x9e37_79b9_7f4a_7c15 ^ seed);
            world.span(10_000);
            let (kept, all_us) = world.span(10_000);
            kept.weighted_us as f64 / all_us as f64 - 1.0
        })
        .sum::<f64>()
        / 40.0;
    assert!(mean_error.abs() < 0.004, "{mean_error}");
}

#[test]
fn a_record_that_tells_waits_always_travels_however_usual_it_is() {
    let mut world = World::new(9);
    world.span(20_000);
    let mut waits = Waits::default();
    waits.add(Wait { from_ms: 1_000, until_ms: 1_250, waited_ms: 200 });
    let (value, _) = waits.tell(0).unwrap();
    let values = [TypedValue { definition: Waits::definition().into(), value }];
    let details = Details { values: Some(Arc::new(values)), ..Details::default() };
    let telling = ArmRecord { details, ..good(1_500) };
    for _ in 0..1_000 {
        assert_eq!(world.take(&telling), Some(1));
    }
}

#[test]
fn failures_and_the_slowest_always_travel_and_stand_for_themselves() {
    let mut world = World::new(9);
    world.span(20_000);
    world.span(20_000);
    for number in 0..10_000 {
        assert_eq!(world.take(&failed()), Some(1));
        if number < 400 {
            assert_eq!(world.take(&good(500_000)), Some(1));
        }
    }
    // When everything has become slow, that is usual: no flood.
    let flood = (0..20_000).filter(|_| world.take(&good(500_000)).is_some()).count();
    assert!(flood < 3_000, "{flood}");
}

#[test]
fn after_a_silence_everything_travels_again() {
    let mut world = World::new(9);
    world.span(50_000);
    world.now += 3 * RECORD_RATE_SPAN;
    let (kept, _) = world.span(900);
    // The group that the crowd left open ends first.
    assert!((850..=900).contains(&kept.count), "{}", kept.count);
}

#[test]
fn no_record_stands_for_more_than_the_bound() {
    let mut world = World::new(9);
    let record = good(5);
    let heaviest = (0..50_000).filter_map(|_| {
        let random = &mut world.random;
        world.sampler.sample(world.now, &record, 1, || random.next())
    });
    assert_eq!(heaviest.max(), Some(RECORD_WEIGHT_MAX));
}
