//! Statistics that a few wild values don't move: median, spread, the point of change.

/// The median; none of nothing. Sorts.
pub(crate) fn median(values: &mut [u64]) -> Option<u64> {
    values.sort_unstable();
    values.get(values.len().checked_sub(1)? / 2).copied()
}

/// The standard deviation that normal values with this median absolute deviation would have.
pub(crate) fn spread(values: &[u64], median_of: u64) -> f64 {
    let mut deviations: Vec<u64> = values.iter().map(|value| value.abs_diff(median_of)).collect();
    median(&mut deviations).unwrap_or(0) as f64 * NORMAL
}

/// Where the level of a series rises most: the place of the first value of the new level (cumulative sums of the
/// logarithms, so that single peaks weigh little). 0 when it never rises.
pub(crate) fn change_at(values: &[u64]) -> usize {
    let log = |value: &u64| (*value as f64 + 1.0).ln();
    let mean = values.iter().map(log).sum::<f64>() / values.len().max(1) as f64;
    let (mut sum, mut lowest, mut place) = (0.0, 0.0, 0);
    for (at, value) in values.iter().enumerate() {
        sum += log(value) - mean;
        if sum < lowest - 1e-9 {
            (lowest, place) = (sum, at + 1);
        }
    }
    if place >= values.len() { 0 } else { place }
}

/// What makes a median absolute deviation comparable to a standard deviation.
const NORMAL: f64 = 1.4826;
