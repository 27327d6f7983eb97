//! One axis of a picture: from values to pixels, with ticks at round numbers.

use super::chart::{BOTTOM, LEFT, RIGHT, TOP};

/// Values from `low` to `high`, laid out from one pixel to another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    pixel_low: f64,
    pixel_high: f64,
}

impl Axis {
    /// Across the picture, from `low` to `high` exactly.
    pub(super) fn horizontal(low: f64, high: f64) -> Self {
        // Equal ends would divide by zero.
        let high = if high > low { high } else { low + low.abs().max(1.0) / 10.0 };
        Self { low, high, pixel_low: LEFT, pixel_high: RIGHT }
    }

    /// Up the picture, from 0 to a little above `highest`.
    pub(super) fn vertical(highest: f64) -> Self {
        Self { low: 0.0, high: highest.max(0.001) * 1.08, pixel_low: BOTTOM, pixel_high: TOP }
    }

    /// Where `value` lies between low (0) and high (1); values outside are taken to the nearer end.
    pub(super) fn share(&self, value: f64) -> f64 {
        ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    /// The pixel of `value`.
    pub(super) fn pixel(&self, value: f64) -> f64 {
        self.pixel_low + self.share(value) * (self.pixel_high - self.pixel_low)
    }

    pub(super) fn contains(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// Round values within the axis with their texts, 4 to 11 of them on most axes.
    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        let step = round_step((self.high - self.low) / TICKS_WANTED);
        let first = (self.low / step).ceil();
        let decimals = (-step.log10().floor()).clamp(0.0, 6.0) as usize;
        (0..TICKS_MAX)
            .map(|tick| (first + f64::from(tick)) * step)
            .take_while(|value| *value <= self.high)
            .map(|value| (value, format!("{value:.decimals$}")))
            .collect()
    }
}

/// The next of 1, 2, 5 times a power of ten.
fn round_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    let lead = [1.0, 2.0, 5.0].into_iter().find(|lead| lead * power >= step).unwrap_or(10.0);
    lead * power
}

const TICKS_WANTED: f64 = 10.0;
const TICKS_MAX: u32 = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within() {
        let texts = |axis: Axis| axis.ticks().into_iter().map(|(_, text)| text).collect::<Vec<_>>();
        assert_eq!(texts(Axis::horizontal(0.0, 60.0)), ["0", "10", "20", "30", "40", "50", "60"]);
        assert_eq!(texts(Axis::horizontal(0.31, 0.52)), ["0.35", "0.40", "0.45", "0.50"]);
        assert_eq!(texts(Axis::vertical(2.0)), ["0.0", "0.5", "1.0", "1.5", "2.0"]);
    }

    #[test]
    fn every_value_gets_a_pixel_within_the_picture() {
        for (low, high) in [(0.0, 0.0), (5.0, 5.0), (0.0, 1.8e16), (1.8e16, 1.8e16)] {
            let axis = Axis::horizontal(low, high);
            for value in [low, high, -1.0, 1e300] {
                assert!((LEFT..=RIGHT).contains(&axis.pixel(value)), "{value} in {low}..{high}");
            }
            assert!(axis.ticks().len() <= TICKS_MAX as usize);
        }
    }
}
