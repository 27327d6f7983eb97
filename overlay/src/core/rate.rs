//! How often one peer, or whoever a key stands for, may do something: a token bucket each, in a table that cannot grow
//! without end.
//!
//! In: what a peer wants to spend, and `now`. Out: yes or no. Bounds: `Quota` per peer, `peers_max` buckets.
//! Of a bucket the table keeps the instant at which it is full again; a full bucket is forgotten.
//! When the table is full, the bucket nearest to full is forgotten too: that peer gains at most one burst, which it
//! would have by a new identity as well, and nobody is refused because others are many.

use std::hash::Hash;
use std::time::Instant;

use libp2p::PeerId;

use super::{Deadlines, TokenBucket};
use crate::limits::Quota;

/// Token buckets, one per peer that lately spent something.
#[derive(Debug)]
pub struct RateLimiter<K = PeerId> {
    /// The bucket of a peer that has spent nothing.
    full: TokenBucket,
    peers_max: usize,
    /// When the bucket of each peer is full again.
    full_at: Deadlines<K>,
}

/// The peer spent more than its quota; it may go on when its bucket has filled again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("spend {wanted}: the bucket has too few tokens left")]
pub struct TooMany {
    /// How many tokens were wanted.
    pub wanted: u32,
}

impl<K: Ord + Hash + Clone> RateLimiter<K> {
    /// Buckets of `quota` for at most `peers_max` peers at a time.
    #[must_use]
    pub fn new(quota: Quota, peers_max: usize) -> Self {
        Self { full: TokenBucket::new(quota), peers_max: peers_max.max(1), full_at: Deadlines::new() }
    }

    /// Spends `tokens` of `peer`'s bucket, all or none. A refusal costs nothing. O(log n).
    ///
    /// # Errors
    /// [`TooMany`] when fewer are left; always, when `tokens` exceed the burst.
    pub fn spend(&mut self, now: Instant, peer: K, tokens: u32) -> Result<(), TooMany> {
        while self.full_at.pop_due(now).is_some() {}
        let mut bucket = self.full.until_full(self.full_at.get(&peer));
        if !bucket.spend(now, tokens) {
            return Err(TooMany { wanted: tokens });
        }
        if let Some(full_at) = bucket.full_at()
            && tokens > 0
        {
            self.make_room(&peer);
            self.full_at.set(peer, full_at);
        }
        Ok(())
    }

    /// How many buckets are not full.
    #[must_use]
    pub fn len(&self) -> usize {
        self.full_at.len()
    }

    /// Whether every bucket is full.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.full_at.is_empty()
    }

    fn make_room(&mut self, newcomer: &K) {
        if self.full_at.len() < self.peers_max || self.full_at.get(newcomer).is_some() {
            return;
        }
        if let Some(nearest) = self.full_at.first().cloned() {
            self.full_at.remove(&nearest);
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a starting point for virtual time")]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const QUOTA: Quota = Quota { per_second: 10, burst: 20 };

    #[test]
    fn burst_passes_and_the_next_token_waits_for_its_time() {
        let (mut limiter, now, peer) = (RateLimiter::new(QUOTA, 8), Instant::now(), PeerId::random());
        for _ in 0..20 {
            assert_eq!(limiter.spend(now, peer, 1), Ok(()));
        }
        assert_eq!(limiter.spend(now, peer, 1), Err(TooMany { wanted: 1 }));
        assert!(limiter.spend(now + Duration::from_millis(99), peer, 1).is_err());
        assert!(limiter.spend(now + Duration::from_millis(100), peer, 1).is_ok());
    }

    #[test]
    fn one_peer_does_not_spend_the_tokens_of_another() {
        let (mut limiter, now) = (RateLimiter::new(QUOTA, 8), Instant::now());
        let (greedy, modest) = (PeerId::random(), PeerId::random());
        limiter.spend(now, greedy, 20).unwrap();
        assert!(limiter.spend(now, greedy, 1).is_err());
        assert!(limiter.spend(now, modest, 1).is_ok());
    }

    #[test]
    fn refused_batch_spends_nothing() {
        let (mut limiter, now, peer) = (RateLimiter::new(QUOTA, 8), Instant::now(), PeerId::random());
        assert!(limiter.spend(now, peer, 21).is_err());
        assert!(limiter.spend(now, peer, u32::MAX).is_err());
        assert!(limiter.spend(now, peer, 20).is_ok());
    }

    #[test]
    fn flood_of_distinct_peers_leaves_a_bounded_table_and_refuses_no_newcomer() {
        let (mut limiter, now) = (RateLimiter::new(QUOTA, 64), Instant::now());
        for _ in 0..10_000 {
            assert!(limiter.spend(now, PeerId::random(), 5).is_ok());
        }
        assert_eq!(limiter.len(), 64);
    }

    #[test]
    fn emptiest_bucket_outlives_a_flood_of_newcomers() {
        let (mut limiter, now, greedy) = (RateLimiter::new(QUOTA, 64), Instant::now(), PeerId::random());
        limiter.spend(now, greedy, 20).unwrap();
        for _ in 0..10_000 {
            limiter.spend(now, PeerId::random(), 1).unwrap();
        }
        assert!(limiter.spend(now, greedy, 1).is_err());
    }

    #[test]
    fn full_buckets_are_forgotten() {
        let (mut limiter, now) = (RateLimiter::new(QUOTA, 64), Instant::now());
        limiter.spend(now, PeerId::random(), 20).unwrap();
        limiter.spend(now + Duration::from_secs(2), PeerId::random(), 1).unwrap();
        assert_eq!(limiter.len(), 1);
    }

    proptest! {
        /// Over any run, a peer gets no more than its burst and what flowed in since.
        #[test]
        fn peer_never_gets_more_than_burst_and_rate(steps in prop::collection::vec((0_u64..500, 1_u32..8), 1..200)) {
            let (mut limiter, start, peer) = (RateLimiter::new(QUOTA, 4), Instant::now(), PeerId::random());
            let (mut now, mut spent) = (start, 0_u64);
            for (passed_ms, tokens) in steps {
                now += Duration::from_millis(passed_ms);
                if limiter.spend(now, peer, tokens).is_ok() {
                    spent += u64::from(tokens);
                }
                let allowed = 20 + u64::try_from((now - start).as_millis() / 100).unwrap();
                prop_assert!(spent <= allowed, "{spent} tokens of {allowed}");
            }
        }
    }
}
