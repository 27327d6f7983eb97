//! Sketches against the durations themselves.

use overlay::wire::{decode, encode};
use proptest::prelude::*;

use super::*;

fn of(nanos: &[u64]) -> Sketch {
    let mut sketch = Sketch::default();
    for nanos in nanos {
        sketch.record(Duration::from_nanos(*nanos));
    }
    sketch
}

/// From 0 to an hour, as often short as long.
fn durations() -> impl Strategy<Value = Vec<u64>> {
    let one = (0..3_600_000_000_000_u64, 0..42_u32).prop_map(|(nanos, shift)| nanos >> shift);
    prop::collection::vec(one, 0..200)
}

#[test]
fn nothing_has_no_quantile() {
    let empty = Sketch::default();
    assert!(empty.is_empty());
    assert_eq!((empty.count(), empty.quantile(0.5), empty.range(), empty.mean()), (0, None, None, None));
}

#[test]
fn exponential_histogram_of_a_second_is_the_one_of_opentelemetry() {
    let sketch = of(&[1_000_000_000, 1_000_000_001, 2_000_000_000, 0]);
    let (offset, counts) = sketch.buckets();
    assert_eq!((Sketch::SCALE, offset, sketch.zeros()), (5, -1, 1));
    assert_eq!((counts.len(), counts[0], counts[1], counts[32]), (33, 1, 1, 1));
    assert_eq!((sketch.count(), sketch.sum()), (4, Duration::from_nanos(4_000_000_001)));
}

#[test]
fn more_than_an_hour_counts_in_the_last_bucket() {
    let sketch = of(&[u64::MAX, 1]);
    assert_eq!((sketch.count(), sketch.buckets().0), (2, BUCKET_MIN + 3));
    assert_eq!(sketch.range().map(|range| range.1), Some(Duration::from_nanos(u64::MAX)));
}

#[test]
fn forged_sketches_are_refused() {
    let refused = |zeros: u64, first: i32, counts: Vec<u64>, (min_ns, max_ns): (u64, u64)| {
        let bytes = encode(&(zeros, first, counts, 9_u64, min_ns, max_ns), 1 << 20).unwrap();
        decode::<Sketch>(&bytes, 1 << 20).is_err()
    };
    assert!(!refused(0, 0, vec![1], (1, 2)));
    assert!(refused(0, 0, vec![1; 1345], (1, 2)));
    assert!(refused(0, BUCKET_MAX, vec![1, 1], (1, 2)));
    assert!(refused(0, i32::MAX, vec![1], (1, 2)));
    assert!(refused(0, i32::MIN, vec![1], (1, 2)));
    assert!(refused(0, 0, vec![0, 1], (1, 2)));
    assert!(refused(0, 0, vec![1, 0], (1, 2)));
    assert!(refused(0, 0, vec![1], (2, 1)));
    assert!(refused(1, 0, vec![], (1, 1)));
    assert!(refused(0, 0, vec![], (1, 1)));
    assert!(refused(0, 7, vec![], (0, 0)));
}

proptest! {
    #[test]
    fn merging_is_the_same_as_counting_together(first in durations(), second in durations()) {
        let mut merged = of(&first);
        merged.merge(&of(&second));
        let mut other = of(&second);
        other.merge(&of(&first));
        let together: Vec<_> = first.into_iter().chain(second).collect();
        prop_assert_eq!(&merged, &of(&together));
        prop_assert_eq!(merged, other);
    }

    #[test]
    fn quantile_is_within_the_stated_error(mut nanos in durations(), q in 0.0..=1.0_f64) {
        nanos.push(7);
        let estimate = of(&nanos).quantile(q).unwrap().as_nanos() as f64;
        nanos.sort_unstable();
        let rank = ((nanos.len() as f64 * q).ceil() as usize).max(1);
        let exact = nanos[rank - 1] as f64;
        // A duration counts in whole nanoseconds.
        prop_assert!((estimate - exact).abs() <= exact * Sketch::RELATIVE_ERROR + 1.0, "{estimate} for {exact}");
    }

    #[test]
    fn bytes_read_back(nanos in durations()) {
        let sketch = of(&nanos);
        let bytes = encode(&sketch, 64 * 1024).unwrap();
        prop_assert_eq!(decode::<Sketch>(&bytes, 64 * 1024).unwrap(), sketch);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(sketch) = decode::<Sketch>(&bytes, 64 * 1024) {
            let mut twice = sketch.clone();
            twice.merge(&sketch);
            prop_assert!(twice.quantile(0.99).is_some() != sketch.is_empty());
        }
    }
}

#[test]
fn what_came_since_is_what_was_counted_meanwhile() {
    let (mut all, mut later) = (Sketch::default(), Sketch::default());
    assert_eq!(all.since(&all), Sketch::default());
    for micros in [3, 900, 0] {
        all.record(Duration::from_micros(micros));
    }
    let before = all.clone();
    for micros in [40, 5_000, 41, 0] {
        all.record(Duration::from_micros(micros));
        later.record(Duration::from_micros(micros));
    }
    let since = all.since(&before);
    assert_eq!((since.buckets(), since.zeros(), since.sum()), (later.buckets(), 1, later.sum()));
    assert_eq!(all.since(&Sketch::default()).count(), all.count());
    let (mut sum, whole) = (before, all);
    sum.merge(&since);
    assert_eq!(sum, whole);
}
