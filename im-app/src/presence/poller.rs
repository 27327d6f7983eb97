//! The poller (RFC 2778 `POLLER`; paper §3.2): which buddy is to be PINGed when, and who has not answered.
//!
//! In: whom to watch, PINGs sent, answers, the passing of time. Out: [`Tick`]s. Every watched buddy is due once each
//! period, whether it is online or not. Pure: the caller supplies `now`; `poll_timeout` says when to call again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use overlay::{Deadlines, PeerId};

use crate::limits::PINGS_UNANSWERED_MAX;

/// What the passing of time brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tick {
    /// This buddy is to be PINGed now.
    Due {
        /// Whom.
        peer: PeerId,
        /// When it was to be; earlier than now when nobody asked in time.
        due: Instant,
    },
    /// This buddy left so many PINGs unanswered that it counts as offline; said once until it answers.
    Silent(PeerId),
}

/// Who is PINGed when.
#[derive(Debug)]
pub struct Poller {
    period: Duration,
    timeout: Duration,
    watched: BTreeMap<PeerId, Watched>,
    due: Deadlines<PeerId>,
    /// When the oldest outstanding PING of a buddy counts as unanswered.
    unanswered: Deadlines<PeerId>,
}

#[derive(Debug, Default)]
struct Watched {
    next_due: Option<Instant>,
    /// Whether any PING was sent since it is watched.
    was_pinged: bool,
    /// When each outstanding PING counts as unanswered, in order; as many as fit a timeout, cut at the threshold.
    outstanding: Vec<Instant>,
    unanswered: u32,
}

impl Poller {
    /// PINGs every `period`; one counts as unanswered after `timeout`.
    pub fn new(period: Duration, timeout: Duration) -> Self {
        Self {
            period,
            timeout,
            watched: BTreeMap::new(),
            due: Deadlines::default(),
            unanswered: Deadlines::default(),
        }
    }

    /// Watches a buddy: it is due in one period, or as soon as it is [`reached`](Self::reached).
    pub fn watch(&mut self, now: Instant, peer: PeerId) {
        if self.watched.contains_key(&peer) {
            return;
        }
        self.watched.insert(peer, Watched::default());
        self.schedule(peer, now + self.period);
    }

    /// Watches it no more.
    pub fn unwatch(&mut self, peer: &PeerId) {
        self.watched.remove(peer);
        self.due.remove(peer);
        self.unanswered.remove(peer);
    }

    /// A pipe to the buddy is there, and was wanted `since` then: it is due since then if it never was PINGed.
    pub fn reached(&mut self, since: Instant, peer: &PeerId) {
        if self.watched.get(peer).is_some_and(|watched| !watched.was_pinged) {
            self.schedule(*peer, since);
        }
    }

    /// A PING is on its way.
    pub fn sent(&mut self, now: Instant, peer: &PeerId) {
        let Some(watched) = self.watched.get_mut(peer) else { return };
        watched.was_pinged = true;
        let room = PINGS_UNANSWERED_MAX.saturating_sub(watched.unanswered) as usize;
        if watched.outstanding.len() < room {
            watched.outstanding.push(now + self.timeout);
        }
        self.await_answer(peer);
    }

    /// The buddy gave a sign of life: no PING so far counts as unanswered.
    pub fn answered(&mut self, peer: &PeerId) {
        if let Some(watched) = self.watched.get_mut(peer) {
            watched.outstanding.clear();
            watched.unanswered = 0;
            self.unanswered.remove(peer);
        }
    }

    /// PINGs every `period` from now on: the next PINGs to all come within one.
    pub fn change_period(&mut self, now: Instant, period: Duration) {
        self.period = period;
        let late: Vec<PeerId> = self.due_after(now + period);
        for peer in late {
            self.schedule(peer, now + period);
        }
    }

    /// Makes every watched buddy due now.
    pub fn hurry(&mut self, now: Instant) {
        for peer in self.due_after(now) {
            self.schedule(peer, now);
        }
    }

    fn due_after(&self, at: Instant) -> Vec<PeerId> {
        let late = |watched: &Watched| watched.next_due.is_none_or(|due| due > at);
        self.watched.iter().filter(|(_, watched)| late(watched)).map(|(peer, _)| *peer).collect()
    }

    /// What is due at `now`; call until `None`.
    pub fn pop(&mut self, now: Instant) -> Option<Tick> {
        while let Some(peer) = self.unanswered.pop_due(now) {
            let Some(watched) = self.watched.get_mut(&peer) else { continue };
            let before = watched.outstanding.len();
            watched.outstanding.retain(|at| *at > now);
            let lost = u32::try_from(before - watched.outstanding.len()).unwrap_or(u32::MAX);
            watched.unanswered = watched.unanswered.saturating_add(lost);
            self.await_answer(&peer);
            if self.watched.get(&peer).is_some_and(|watched| watched.unanswered >= PINGS_UNANSWERED_MAX) {
                return Some(Tick::Silent(peer));
            }
        }
        let peer = self.due.pop_due(now)?;
        let planned = self.watched.get(&peer).and_then(|watched| watched.next_due).unwrap_or(now);
        // Periods that were slept through are not made up for in a burst.
        let next = planned + self.period;
        self.schedule(peer, if next > now { next } else { now + self.period });
        Some(Tick::Due { peer, due: planned })
    }

    /// When [`pop`](Self::pop) has something next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.due.next(), self.unanswered.next()].into_iter().flatten().min()
    }

    fn schedule(&mut self, peer: PeerId, at: Instant) {
        if let Some(watched) = self.watched.get_mut(&peer) {
            watched.next_due = Some(at);
            self.due.set(peer, at);
        }
    }

    fn await_answer(&mut self, peer: &PeerId) {
        match self.watched.get(peer).and_then(|watched| watched.outstanding.first()) {
            Some(at) => self.unanswered.set(*peer, *at),
            None => {
                self.unanswered.remove(peer);
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a starting point for virtual time")]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_secs(10);

    fn ticks(poller: &mut Poller, now: Instant) -> Vec<Tick> {
        std::iter::from_fn(|| poller.pop(now)).collect()
    }

    /// Runs to `end`, "sending" each PING that is due; what came, with the seconds since `start`.
    fn run(poller: &mut Poller, start: Instant, end: Duration) -> Vec<(u64, Tick)> {
        let mut seen = Vec::new();
        while let Some(at) = poller.poll_timeout().filter(|at| *at <= start + end) {
            for tick in ticks(poller, at) {
                if let Tick::Due { peer, .. } = tick {
                    poller.sent(at, &peer);
                }
                seen.push(((at - start).as_secs(), tick));
            }
        }
        seen
    }

    #[test]
    fn every_buddy_is_due_each_period_also_one_that_never_answers() {
        let (start, peer) = (Instant::now(), PeerId::random());
        let mut poller = Poller::new(PERIOD, PERIOD);
        poller.watch(start, peer);
        let due: Vec<u64> = run(&mut poller, start, PERIOD * 6)
            .into_iter()
            .filter_map(|(at, tick)| matches!(tick, Tick::Due { .. }).then_some(at))
            .collect();
        assert_eq!(due, [10, 20, 30, 40, 50, 60]);
    }

    #[test]
    fn two_unanswered_in_a_row_are_silence_and_it_is_said_once() {
        let (start, peer) = (Instant::now(), PeerId::random());
        let mut poller = Poller::new(PERIOD, Duration::from_secs(4));
        poller.watch(start, peer);
        let seen = run(&mut poller, start, PERIOD * 9);
        let silent: Vec<u64> =
            seen.iter().filter_map(|(at, tick)| (*tick == Tick::Silent(peer)).then_some(*at)).collect();
        assert_eq!(silent, [24]);
        poller.answered(&peer);
        let again = run(&mut poller, start, PERIOD * 14);
        assert!(again.contains(&(114, Tick::Silent(peer))), "{again:?}");
    }

    #[test]
    fn an_answer_between_makes_the_count_start_again() {
        let (start, peer) = (Instant::now(), PeerId::random());
        let mut poller = Poller::new(PERIOD, Duration::from_secs(4));
        poller.watch(start, peer);
        for round in 1..20 {
            let seen = run(&mut poller, start, PERIOD * round + Duration::from_secs(1));
            assert!(!seen.iter().any(|(_, tick)| *tick == Tick::Silent(peer)));
            if round % 2 == 0 {
                poller.answered(&peer);
            }
        }
    }

    #[test]
    fn a_buddy_is_due_when_it_is_first_reached_and_then_each_period() {
        let (start, peer) = (Instant::now(), PeerId::random());
        let second = Duration::from_secs(1);
        let mut poller = Poller::new(PERIOD, PERIOD);
        poller.watch(start, peer);
        poller.reached(start + second, &peer);
        assert_eq!(ticks(&mut poller, start + second), [Tick::Due { peer, due: start + second }]);
        poller.sent(start + second, &peer);
        poller.answered(&peer);
        poller.reached(start + second * 2, &peer);
        assert_eq!(ticks(&mut poller, start + second * 2), []);
        assert_eq!(poller.poll_timeout(), Some(start + second + PERIOD));
    }

    #[test]
    fn slept_periods_are_not_made_up_for() {
        let (start, peer) = (Instant::now(), PeerId::random());
        let mut poller = Poller::new(PERIOD, PERIOD);
        poller.watch(start, peer);
        assert_eq!(ticks(&mut poller, start + PERIOD * 50), [Tick::Due { peer, due: start + PERIOD }]);
    }

    #[test]
    fn a_new_period_counts_at_once_and_who_is_hurried_is_due_now() {
        let (start, peer) = (Instant::now(), PeerId::random());
        let mut poller = Poller::new(PERIOD, PERIOD);
        poller.watch(start, peer);
        poller.change_period(start, PERIOD / 10);
        assert_eq!(poller.poll_timeout(), Some(start + PERIOD / 10));
        poller.change_period(start, PERIOD * 10);
        let due = start + PERIOD / 10;
        assert_eq!(ticks(&mut poller, due), [Tick::Due { peer, due }]);
        assert_eq!(poller.poll_timeout(), Some(start + PERIOD / 10 + PERIOD * 10));
        poller.hurry(start + PERIOD);
        assert_eq!(ticks(&mut poller, start + PERIOD), [Tick::Due { peer, due: start + PERIOD }]);
    }

    #[test]
    fn who_is_unwatched_is_never_due() {
        let (start, peer) = (Instant::now(), PeerId::random());
        let mut poller = Poller::new(PERIOD, PERIOD);
        poller.watch(start, peer);
        poller.sent(start, &peer);
        poller.unwatch(&peer);
        poller.reached(start, &peer);
        assert_eq!(poller.poll_timeout(), None);
        assert_eq!(ticks(&mut poller, start + PERIOD * 9), []);
    }
}
