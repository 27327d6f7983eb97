//! The round trip of a session, from pings and their answers.
//!
//! In: when a ping left and when its pong came. Out: the smoothed round trip. One ping is awaited at a time.

use std::time::{Duration, Instant};

/// What is known of one session's round trip.
#[derive(Debug, Default)]
pub(crate) struct RoundTrip {
    awaited: Option<(u64, Instant)>,
    smoothed: Option<Duration>,
}

impl RoundTrip {
    /// A ping with this nonce leaves at `now`; one that is still awaited counts no more.
    pub(crate) fn asked(&mut self, now: Instant, nonce: u64) {
        self.awaited = Some((nonce, now));
    }

    /// A pong came at `now`; false when it answers no awaited ping.
    pub(crate) fn answered(&mut self, now: Instant, nonce: u64) -> bool {
        let Some((_, asked)) = self.awaited.take_if(|(awaited, _)| *awaited == nonce) else { return false };
        let measured = now.saturating_duration_since(asked);
        self.smoothed = Some(match self.smoothed {
            None => measured,
            Some(smoothed) => (smoothed * (WEIGHT - 1) + measured) / WEIGHT,
        });
        true
    }

    /// The first measurement, moved by an eighth of the way to each later one (RFC 6298); `None` before any.
    pub(crate) fn smoothed(&self) -> Option<Duration> {
        self.smoothed
    }
}

/// What the past weighs, with one part for the newest.
const WEIGHT: u32 = 8;

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a starting point for virtual time")]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn measure(round_trip: &mut RoundTrip, now: Instant, took: Duration) {
        round_trip.asked(now, 7);
        assert!(round_trip.answered(now + took, 7));
    }

    #[test]
    fn the_first_measurement_counts_whole_and_the_later_ones_an_eighth() {
        let (mut round_trip, now) = (RoundTrip::default(), Instant::now());
        assert_eq!(round_trip.smoothed(), None);
        measure(&mut round_trip, now, 80 * MS);
        assert_eq!(round_trip.smoothed(), Some(80 * MS));
        measure(&mut round_trip, now, 160 * MS);
        assert_eq!(round_trip.smoothed(), Some(90 * MS));
    }

    #[test]
    fn a_pong_counts_once_and_only_with_the_awaited_nonce() {
        let (mut round_trip, now) = (RoundTrip::default(), Instant::now());
        assert!(!round_trip.answered(now, 0));
        round_trip.asked(now, 1);
        round_trip.asked(now + MS, 2);
        assert!(!round_trip.answered(now + 2 * MS, 1));
        assert!(round_trip.answered(now + 2 * MS, 2));
        assert!(!round_trip.answered(now + 9 * MS, 2));
        assert_eq!(round_trip.smoothed(), Some(MS));
    }
}
