//! How peers behave: small offences are forgiven with time, many of them get a peer banned for a while.
//!
//! In: offences, and `now`. Out: whether a peer is banned. Bounds: a bucket of `OFFENCES` for each of
//! `OFFENDERS_MAX` peers, and as many bans of `BAN_TIME`.

use std::hash::Hash;
use std::net::IpAddr;
use std::time::Instant;

use libp2p::PeerId;

use super::{Deadlines, RateLimiter};
use crate::limits::{BAN_TIME, OFFENCES, OFFENCES_PER_ADDRESS, OFFENDERS_MAX};

/// What a peer does that an honest one does seldom or never; how much of its bucket each spends is what it costs here,
/// and how sure it is that no honest peer does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offence {
    /// A frame that asks for little, of which an honest peer sends few: a ping, a cancel of nothing, a frame of an unknown kind.
    Chatter,
    /// A question that is refused.
    Refused,
    /// A pipe that is refused, which costs a substream.
    RefusedPipe,
    /// More questions at once than there are slots.
    Overdrawn,
    /// An answer to a question that was never asked.
    Forged,
    /// A proof of membership that doesn't count; it costs the check of signatures.
    BadProof,
    /// Bytes that can't be read, answers that aren't read, a stream of answers beyond its window.
    Garbage,
}

/// The peers that have offended lately, and those that are banned for it.
#[derive(Debug)]
pub(crate) struct Conduct {
    offences: RateLimiter<PeerId>,
    banned_until: Deadlines<PeerId>,
    /// The same of the addresses behind which they are.
    offences_from: RateLimiter<IpAddr>,
    closed_until: Deadlines<IpAddr>,
}

impl Offence {
    fn tokens(self) -> u32 {
        match self {
            Self::Refused => 2,
            Self::Chatter => 5,
            Self::Overdrawn => 10,
            Self::Forged | Self::RefusedPipe => 20,
            Self::BadProof => 100,
            Self::Garbage => 1000,
        }
    }
}

impl Default for Conduct {
    fn default() -> Self {
        Self {
            offences: RateLimiter::new(OFFENCES, OFFENDERS_MAX),
            banned_until: Deadlines::new(),
            offences_from: RateLimiter::new(OFFENCES_PER_ADDRESS, OFFENDERS_MAX),
            closed_until: Deadlines::new(),
        }
    }
}

impl Conduct {
    /// Notes an offence of a peer behind `address`, when that is known; whether it is the one for which the peer is
    /// banned from now on. O(log n).
    pub(crate) fn offends(
        &mut self,
        now: Instant,
        peer: PeerId,
        address: Option<IpAddr>,
        offence: Offence,
    ) -> bool {
        let tokens = offence.tokens();
        if let Some(address) = address
            && self.offences_from.spend(now, address, tokens).is_err()
            && !self.is_closed_to(now, &address)
        {
            ban(&mut self.closed_until, now, address);
        }
        if self.offences.spend(now, peer, tokens).is_ok() || self.is_banned(now, &peer) {
            return false;
        }
        ban(&mut self.banned_until, now, peer);
        true
    }

    /// Whether the peer is banned. O(log n).
    pub(crate) fn is_banned(&mut self, now: Instant, peer: &PeerId) -> bool {
        while self.banned_until.pop_due(now).is_some() {}
        self.banned_until.get(peer).is_some()
    }

    /// Whether nobody may newly connect from `address`. O(log n).
    pub(crate) fn is_closed_to(&mut self, now: Instant, address: &IpAddr) -> bool {
        while self.closed_until.pop_due(now).is_some() {}
        self.closed_until.get(address).is_some()
    }
}

/// Bans until `BAN_TIME` has passed; in a full table the ban that is the nearest to its end gives way.
fn ban<K: Ord + Hash + Clone>(bans: &mut Deadlines<K>, now: Instant, offender: K) {
    if bans.len() >= OFFENDERS_MAX
        && let Some(first) = bans.first().cloned()
    {
        bans.remove(&first);
    }
    bans.set(offender, now + BAN_TIME);
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a starting point for virtual time")]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn offences_within_the_rate_are_forgiven_for_ever() {
        let (mut conduct, mut now, peer) = (Conduct::default(), Instant::now(), PeerId::random());
        for _ in 0..OFFENCES.burst {
            now += Duration::from_secs(1) / OFFENCES.per_second * Offence::Chatter.tokens();
            assert!(!conduct.offends(now, peer, None, Offence::Chatter));
        }
        assert!(!conduct.is_banned(now, &peer));
    }

    #[test]
    fn persistent_offender_is_banned_once_for_its_time_and_nobody_else_is() {
        let (mut conduct, now) = (Conduct::default(), Instant::now());
        let (offender, other) = (PeerId::random(), PeerId::random());
        let bans = (0..100).filter(|_| conduct.offends(now, offender, None, Offence::Garbage)).count();
        assert_eq!(bans, 1);
        assert!(conduct.is_banned(now, &offender));
        assert!(!conduct.is_banned(now, &other));
        assert!(conduct.is_banned(now + BAN_TIME - Duration::from_millis(1), &offender));
        assert!(!conduct.is_banned(now + BAN_TIME, &offender));
    }

    #[test]
    fn flood_of_offenders_leaves_a_bounded_table_and_bans_the_newest() {
        let (mut conduct, now) = (Conduct::default(), Instant::now());
        let mut last = PeerId::random();
        for i in 0..OFFENDERS_MAX as u32 + 10 {
            last = PeerId::random();
            while !conduct.offends(now + Duration::from_micros(i.into()), last, None, Offence::Garbage) {}
        }
        assert_eq!(conduct.banned_until.len(), OFFENDERS_MAX);
        assert!(conduct.is_banned(now, &last));
    }

    #[test]
    fn address_is_closed_to_newcomers_when_many_behind_it_offend_a_little() {
        let (mut conduct, now) = (Conduct::default(), Instant::now());
        let (address, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        for _ in 0..=OFFENCES_PER_ADDRESS.burst / Offence::Garbage.tokens() {
            assert!(!conduct.is_closed_to(now, &address));
            assert!(!conduct.offends(now, PeerId::random(), Some(address), Offence::Garbage));
        }
        assert!(conduct.is_closed_to(now, &address));
        assert!(!conduct.is_closed_to(now, &other));
        assert!(!conduct.is_closed_to(now + BAN_TIME, &address));
    }
}
