//! A token bucket: how much may be spent at once, and how fast that fills again. Pure: the caller supplies `now`.
//!
//! It is one instant, that at which it is full again (generic cell rate algorithm).

use std::time::{Duration, Instant};

use crate::limits::Quota;

/// A bucket that starts full.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TokenBucket {
    /// The time in which one token flows in.
    token: Duration,
    burst: u32,
    full_at: Option<Instant>,
}

impl TokenBucket {
    /// A bucket of `quota`.
    pub(crate) fn new(quota: Quota) -> Self {
        Self { token: Duration::from_secs(1) / quota.per_second.max(1), burst: quota.burst, full_at: None }
    }

    /// The bucket that is full again at that time; without one it is full.
    pub(super) fn until_full(self, full_at: Option<Instant>) -> Self {
        Self { full_at, ..self }
    }

    /// When it is full again; none of a bucket from which nothing was ever spent.
    pub(super) fn full_at(&self) -> Option<Instant> {
        self.full_at
    }

    /// Spends `tokens`; false when fewer are left, which costs nothing.
    pub(crate) fn spend(&mut self, now: Instant, tokens: u32) -> bool {
        let missing = self.missing(now).saturating_add(self.token.saturating_mul(tokens));
        let enough = missing <= self.token.saturating_mul(self.burst);
        if enough {
            self.full_at = now.checked_add(missing);
        }
        enough
    }

    /// Spends up to `tokens`, as many as are left.
    pub(crate) fn drain(&mut self, now: Instant, tokens: u32) {
        let missing = self.missing(now).saturating_add(self.token.saturating_mul(tokens));
        self.full_at = now.checked_add(missing.min(self.token.saturating_mul(self.burst)));
    }

    /// Whether nothing was spent that has not flown in again.
    pub(crate) fn is_full(&self, now: Instant) -> bool {
        self.missing(now).is_zero()
    }

    fn missing(&self, now: Instant) -> Duration {
        self.full_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(now))
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a starting point for virtual time")]
mod tests {
    use super::*;

    const QUOTA: Quota = Quota { per_second: 10, burst: 3 };

    #[test]
    fn a_burst_passes_and_the_next_token_waits_for_its_time() {
        let (mut bucket, now) = (TokenBucket::new(QUOTA), Instant::now());
        assert!((0..3).all(|_| bucket.spend(now, 1)) && !bucket.spend(now, 1));
        assert!(!bucket.spend(now + Duration::from_millis(99), 1));
        assert!(bucket.spend(now + Duration::from_millis(100), 1));
        assert!(!bucket.is_full(now + Duration::from_millis(399)));
        assert!(bucket.is_full(now + Duration::from_millis(400)));
    }

    #[test]
    fn it_is_drained_to_nothing_and_not_below() {
        let (mut bucket, now) = (TokenBucket::new(QUOTA), Instant::now());
        bucket.drain(now, 100);
        assert!(!bucket.spend(now, 1));
        assert!(bucket.spend(now + Duration::from_millis(300), 3));
    }
}
