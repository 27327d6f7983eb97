//! Who is to be dialed when: at start all at once, after a loss once at once, else each period; a bounded number at a
//! time.
//!
//! In: wishes, ends of dials, the passing of time. Out: whom to dial now and how long it may take. Pure.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use overlay::{Deadlines, PeerId};

use crate::limits::{DIAL_DEADLINE, DIALS_MAX};

/// Dials that run, wait or are planned.
#[derive(Debug, Default)]
pub(super) struct Dials {
    planned: Deadlines<PeerId>,
    waiting: VecDeque<PeerId>,
    /// Each dial that waits or runs: since when it is wanted, and how long it may take.
    wanted: BTreeMap<PeerId, (Instant, Duration)>,
    running: usize,
}

impl Dials {
    /// Dials `peer` as soon as there is room; nothing when it is being dialed.
    pub(super) fn dial(&mut self, now: Instant, peer: PeerId, deadline: Duration) {
        self.planned.remove(&peer);
        let since = self.since(&peer);
        self.wanted.insert(peer, (since.unwrap_or(now), deadline));
        if since.is_none() {
            self.waiting.push_back(peer);
        }
    }

    /// Dials `peer` at `at`, unless it is being dialed.
    pub(super) fn plan(&mut self, peer: PeerId, at: Instant) {
        if !self.wanted.contains_key(&peer) {
            self.planned.set(peer, at);
        }
    }

    /// Dials `peer` no more; a dial that runs goes on to its end.
    pub(super) fn cancel(&mut self, peer: &PeerId) {
        self.planned.remove(peer);
        if let Some(at) = self.waiting.iter().position(|other| other == peer) {
            self.waiting.remove(at);
            self.wanted.remove(peer);
        }
    }

    /// A dial ended.
    pub(super) fn ended(&mut self, peer: &PeerId) {
        if self.wanted.remove(peer).is_some() {
            self.running = self.running.saturating_sub(1);
        }
    }

    /// Whether `peer` is being dialed or waits for it.
    pub(super) fn is_dialing(&self, peer: &PeerId) -> bool {
        self.wanted.contains_key(peer)
    }

    /// Since when the dial of `peer` that waits or runs is wanted.
    pub(super) fn since(&self, peer: &PeerId) -> Option<Instant> {
        self.wanted.get(peer).map(|(since, _)| *since)
    }

    /// Whom to dial now; call until `None`.
    pub(super) fn pop(&mut self, now: Instant) -> Option<(PeerId, Duration)> {
        while let Some(peer) = self.planned.pop_due(now) {
            self.dial(now, peer, DIAL_DEADLINE);
        }
        if self.running >= DIALS_MAX {
            return None;
        }
        let peer = self.waiting.pop_front()?;
        self.running += 1;
        Some((peer, self.wanted.get(&peer).map_or(DIAL_DEADLINE, |(_, deadline)| *deadline)))
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.planned.next()
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a starting point for virtual time")]
mod tests {
    use super::*;

    fn popped(dials: &mut Dials, now: Instant) -> Vec<PeerId> {
        std::iter::from_fn(|| dials.pop(now).map(|(peer, _)| peer)).collect()
    }

    #[test]
    fn a_bounded_number_is_dialed_at_a_time_and_nobody_is_forgotten() {
        let now = Instant::now();
        let mut dials = Dials::default();
        let peers: Vec<PeerId> = (0..DIALS_MAX * 2).map(|_| PeerId::random()).collect();
        for peer in &peers {
            dials.dial(now, *peer, DIAL_DEADLINE);
            dials.dial(now, *peer, DIAL_DEADLINE);
        }
        let first = popped(&mut dials, now);
        assert_eq!(first, peers[..DIALS_MAX]);
        for peer in &first {
            dials.ended(peer);
        }
        assert_eq!(popped(&mut dials, now), peers[DIALS_MAX..]);
    }

    #[test]
    fn a_planned_dial_comes_at_its_time_unless_cancelled() {
        let now = Instant::now();
        let at = now + Duration::from_secs(10);
        let (a, b) = (PeerId::random(), PeerId::random());
        let mut dials = Dials::default();
        dials.plan(a, at);
        dials.plan(b, at);
        dials.cancel(&b);
        assert_eq!(popped(&mut dials, now), []);
        assert_eq!(dials.poll_timeout(), Some(at));
        assert_eq!(popped(&mut dials, at), [a]);
        dials.plan(a, at);
        assert_eq!(dials.poll_timeout(), None, "it is being dialed");
    }
}
