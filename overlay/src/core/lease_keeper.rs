//! The edge's side of leases (JXTA rendezvous protocol): ask, renew at a third, retry with back-off.
//!
//! In: grants, failures, lost sessions and the passing of time. Out: requests to send and news for the
//! application. Pure: the caller supplies `now` and a random number for the jitter.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use libp2p::PeerId;

use super::Deadlines;
use crate::limits::{LEASE_RETRY_MAX, LEASE_RETRY_MIN};
use crate::protocol::rendezvous::LeaseGrant;

/// What the keeper wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseEffect {
    /// Ask this rendezvous for a lease, or to renew it.
    Request(PeerId),
    /// Push all that is published to this rendezvous: its lease has begun, or it has forgotten this peer, or it has
    /// not taken all that was pushed before.
    PushAll(PeerId),
    /// This rendezvous may not know what was asked of it under an earlier lease: ask again to be told.
    Forgotten(PeerId),
    /// A lease has begun.
    Granted {
        /// Who granted it.
        rendezvous: PeerId,
        /// For how long.
        ttl: Duration,
    },
    /// A lease has ended against our will.
    Lost {
        /// Whose it was.
        rendezvous: PeerId,
        /// Why.
        reason: String,
    },
}

/// One lease per configured rendezvous.
#[derive(Debug)]
pub struct LeaseKeeper {
    states: BTreeMap<PeerId, State>,
    due: Deadlines<PeerId>,
    effects: VecDeque<LeaseEffect>,
}

#[derive(Debug, Clone, Default)]
struct State {
    /// A request is under way.
    requesting: bool,
    /// It lacks something that was pushed.
    behind: bool,
    /// It may have begun a lease without being heard; the next grant would not say so again.
    unsure: bool,
    /// Until when the lease holds, while it does.
    leased_until: Option<Instant>,
    /// Tries since the last grant.
    failures: u32,
    /// What the last try ended in.
    last_failure: Option<String>,
}

impl LeaseKeeper {
    /// Asks each of `rendezvous` at `now`.
    pub fn new(now: Instant, rendezvous: impl IntoIterator<Item = PeerId>) -> Self {
        let states: BTreeMap<_, _> = rendezvous.into_iter().map(|peer| (peer, State::default())).collect();
        let mut due = Deadlines::new();
        states.keys().for_each(|peer| due.set(*peer, now));
        Self { states, due, effects: VecDeque::new() }
    }

    /// Lets time pass: requests that are due, leases that ran out.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(peer) = self.due.pop_due(now) {
            let Some(state) = self.states.get_mut(&peer) else {
                continue;
            };
            if state.leased_until.is_some_and(|until| until <= now) {
                state.leased_until = None;
                let reason = state.last_failure.clone().unwrap_or_else(|| "not renewed in time".to_owned());
                self.effects.push_back(LeaseEffect::Lost { rendezvous: peer, reason });
            }
            if !state.requesting {
                state.requesting = true;
                self.effects.push_back(LeaseEffect::Request(peer));
            }
        }
    }

    /// A request was granted; the next is due after a third of its time, up to a tenth earlier by `jitter`.
    pub fn granted(
        &mut self,
        now: Instant,
        peer: PeerId,
        LeaseGrant { ttl, fresh }: LeaseGrant,
        jitter: u32,
    ) {
        let Some(state) = self.states.get_mut(&peer) else {
            return;
        };
        let Some(until) = now.checked_add(ttl) else { return };
        let (was_leased, behind) = (state.leased_until.is_some(), state.behind);
        let begins = !was_leased || fresh || state.unsure;
        *state = State { leased_until: Some(until), ..State::default() };
        let third = ttl / 3;
        self.due.set(peer, now + third - third / 10 * (jitter % 1024) / 1024);
        if begins {
            self.effects.push_back(LeaseEffect::Forgotten(peer));
        }
        if begins || behind {
            self.effects.push_back(LeaseEffect::PushAll(peer));
        }
        if !was_leased {
            self.effects.push_back(LeaseEffect::Granted { rendezvous: peer, ttl });
        }
    }

    /// A push did not arrive, or not all of it was taken: with the next renewal all is pushed again. What is refused for
    /// good, by a full index, is therefore offered once a renewal.
    pub fn push_failed(&mut self, peer: &PeerId) {
        if let Some(state) = self.states.get_mut(peer) {
            state.behind = true;
        }
    }

    /// A request failed; the next comes after a back-off with jitter, or when the lease runs out, if sooner.
    pub fn failed(&mut self, now: Instant, peer: PeerId, reason: String, jitter: u32) {
        let Some(state) = self.states.get_mut(&peer) else {
            return;
        };
        state.requesting = false;
        state.unsure = true;
        state.last_failure = Some(reason);
        let wait = (LEASE_RETRY_MIN * 2u32.saturating_pow(state.failures.min(16))).min(LEASE_RETRY_MAX);
        state.failures = state.failures.saturating_add(1);
        let retry_at = now + wait / 2 + wait / 2 * (jitter % 1024) / 1024;
        self.due.set(peer, state.leased_until.map_or(retry_at, |until| until.min(retry_at)));
    }

    /// The last session with `peer` ended: its lease is over here, and it is asked again at once.
    pub fn session_lost(&mut self, now: Instant, peer: PeerId) {
        let Some(state) = self.states.get_mut(&peer) else {
            return;
        };
        if state.leased_until.take().is_some() {
            let reason = "the session was lost".to_owned();
            self.effects.push_back(LeaseEffect::Lost { rendezvous: peer, reason });
            self.due.set(peer, now);
        }
    }

    /// Rendezvous whose lease holds.
    pub fn leased(&self) -> Vec<PeerId> {
        self.states.iter().filter(|(_, state)| state.leased_until.is_some()).map(|(peer, _)| *peer).collect()
    }

    /// What the tries so far ended in.
    pub fn last_failure(&self) -> Option<String> {
        self.states.values().find_map(|state| state.last_failure.clone())
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due.next()
    }

    /// The next thing to do.
    pub fn poll_effect(&mut self) -> Option<LeaseEffect> {
        self.effects.pop_front()
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a starting point for virtual time")]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(120);
    const GRANT: LeaseGrant = LeaseGrant { ttl: TTL, fresh: false };

    fn effects(keeper: &mut LeaseKeeper) -> Vec<LeaseEffect> {
        std::iter::from_fn(|| keeper.poll_effect()).collect()
    }

    fn leased(now: Instant) -> (LeaseKeeper, PeerId) {
        let peer = PeerId::random();
        let mut keeper = LeaseKeeper::new(now, [peer]);
        keeper.handle_timeout(now);
        keeper.granted(now, peer, GRANT, 0);
        let granted = LeaseEffect::Granted { rendezvous: peer, ttl: TTL };
        let first =
            [LeaseEffect::Request(peer), LeaseEffect::Forgotten(peer), LeaseEffect::PushAll(peer), granted];
        assert_eq!(effects(&mut keeper), first);
        (keeper, peer)
    }

    #[test]
    fn a_lease_is_renewed_after_a_third_and_news_of_it_come_once() {
        let now = Instant::now();
        let (mut keeper, peer) = leased(now);
        keeper.handle_timeout(now + TTL / 3 - Duration::from_millis(1));
        assert!(effects(&mut keeper).is_empty());
        keeper.handle_timeout(now + TTL / 3);
        keeper.granted(now + TTL / 3, peer, GRANT, 1023);
        assert_eq!(effects(&mut keeper), [LeaseEffect::Request(peer)]);
    }

    #[test]
    fn a_rendezvous_that_forgot_this_peer_gets_everything_again_without_news_of_it() {
        let now = Instant::now();
        let (mut keeper, peer) = leased(now);
        keeper.granted(now + TTL / 3, peer, LeaseGrant { fresh: true, ..GRANT }, 0);
        assert_eq!(effects(&mut keeper), [LeaseEffect::Forgotten(peer), LeaseEffect::PushAll(peer)]);
    }

    #[test]
    fn what_a_rendezvous_did_not_take_is_pushed_again_with_the_next_renewal_and_once() {
        let now = Instant::now();
        let (mut keeper, peer) = leased(now);
        keeper.push_failed(&peer);
        keeper.granted(now + TTL / 3, peer, GRANT, 0);
        keeper.granted(now + 2 * TTL / 3, peer, GRANT, 0);
        assert_eq!(effects(&mut keeper), [LeaseEffect::PushAll(peer)]);
    }

    #[test]
    fn a_lease_that_cannot_be_renewed_is_lost_when_it_runs_out_and_not_before() {
        let now = Instant::now();
        let (mut keeper, peer) = leased(now);
        let mut at = now;
        let mut seen = Vec::new();
        while at < now + TTL + LEASE_RETRY_MAX {
            at = keeper.poll_timeout().unwrap();
            keeper.handle_timeout(at);
            for effect in effects(&mut keeper) {
                match effect {
                    LeaseEffect::Request(_) => keeper.failed(at, peer, "no answer".into(), 512),
                    LeaseEffect::Lost { reason, .. } => seen.push((at, reason)),
                    granted => panic!("nothing was granted: {granted:?}"),
                }
            }
        }
        assert_eq!(seen, [(now + TTL, "no answer".to_owned())]);
        assert!(keeper.leased().is_empty());
    }

    #[test]
    fn after_an_answer_that_was_lost_everything_is_pushed_and_asked_again() {
        let now = Instant::now();
        let (mut keeper, peer) = leased(now);
        keeper.failed(now + TTL / 3, peer, "no answer".into(), 0);
        keeper.granted(now + TTL / 2, peer, GRANT, 0);
        assert_eq!(effects(&mut keeper), [LeaseEffect::Forgotten(peer), LeaseEffect::PushAll(peer)]);
    }

    #[test]
    fn a_lost_session_is_news_at_once_and_leads_to_a_request() {
        let now = Instant::now();
        let (mut keeper, peer) = leased(now);
        keeper.session_lost(now, peer);
        keeper.handle_timeout(now);
        let news = effects(&mut keeper);
        assert!(matches!(news.as_slice(), [LeaseEffect::Lost { .. }, LeaseEffect::Request(_)]));
    }

    #[test]
    fn tries_slow_down_to_the_bound() {
        let (now, peer) = (Instant::now(), PeerId::random());
        let mut keeper = LeaseKeeper::new(now, [peer]);
        let mut at = now;
        for _ in 0..20 {
            keeper.handle_timeout(at);
            keeper.failed(at, peer, "refused".into(), 1023);
            let next = keeper.poll_timeout().unwrap();
            assert!(next > at && next <= at + LEASE_RETRY_MAX);
            at = next;
        }
        assert!(at > now + 10 * LEASE_RETRY_MAX);
    }
}
